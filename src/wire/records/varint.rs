//! Hot path: zigzag variable-length integers, as protobuf's `sint32` and `sint64`, over slices.

/// Takes a 32-bit number off the front of `bytes`. `None` if it is cut off or longer than 5 bytes.
pub(super) fn take_i32(bytes: &mut &[u8]) -> Option<i32> {
    let raw = take_unsigned::<5>(bytes)?;
    let raw = u32::try_from(raw).ok()?;
    Some((raw >> 1) as i32 ^ -((raw & 1) as i32))
}

/// Takes a 64-bit number off the front of `bytes`. `None` if it is cut off or longer than 10 bytes.
pub(super) fn take_i64(bytes: &mut &[u8]) -> Option<i64> {
    let raw = take_unsigned::<10>(bytes)?;
    Some((raw >> 1) as i64 ^ -((raw & 1) as i64))
}

fn take_unsigned<const MAX_BYTES: usize>(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for i in 0..MAX_BYTES {
        let byte = *bytes.get(i)?;
        // The tenth byte has room for one bit.
        if i == 9 && byte > 1 {
            return None;
        }
        value |= u64::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            *bytes = &bytes[i + 1..];
            return Some(value);
        }
    }
    None
}

/// Appends a 32-bit number.
pub(super) fn put_i32(out: &mut Vec<u8>, value: i32) {
    put_unsigned(out, u64::from(((value << 1) ^ (value >> 31)) as u32));
}

/// Appends a 64-bit number.
pub(super) fn put_i64(out: &mut Vec<u8>, value: i64) {
    put_unsigned(out, ((value << 1) ^ (value >> 63)) as u64);
}

/// How many bytes `put_i32` appends.
pub(super) fn size_i32(value: i32) -> usize {
    size_unsigned(u64::from(((value << 1) ^ (value >> 31)) as u32))
}

/// How many bytes `put_i64` appends.
pub(super) fn size_i64(value: i64) -> usize {
    size_unsigned(((value << 1) ^ (value >> 63)) as u64)
}

fn put_unsigned(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn size_unsigned(value: u64) -> usize {
    (70 - (value | 1).leading_zeros() as usize) / 7
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        for shift in 0..64 {
            for near in -2i64..=2 {
                for value in [
                    (1i64 << shift).wrapping_add(near),
                    (1i64 << shift).wrapping_neg().wrapping_add(near),
                ] {
                    let mut out = Vec::new();
                    put_i64(&mut out, value);
                    assert_eq!(out.len(), size_i64(value), "{value}");
                    let mut rest = out.as_slice();
                    assert_eq!(take_i64(&mut rest), Some(value));
                    assert!(rest.is_empty());

                    let value = value as i32;
                    out.clear();
                    put_i32(&mut out, value);
                    assert_eq!(out.len(), size_i32(value), "{value}");
                    let mut rest = out.as_slice();
                    assert_eq!(take_i32(&mut rest), Some(value));
                    assert!(rest.is_empty());
                }
            }
        }
    }

    #[test]
    fn known_encodings() {
        for (value, bytes) in [
            (0, &[0u8][..]),
            (-1, &[1]),
            (1, &[2]),
            (63, &[126]),
            (-64, &[127]),
            (64, &[128, 1]),
        ] {
            let mut out = Vec::new();
            put_i32(&mut out, value);
            assert_eq!(out, bytes);
        }
    }

    #[test]
    fn too_long_or_cut_off_is_none() {
        assert_eq!(take_i32(&mut &[0x80, 0x80, 0x80, 0x80, 0x80, 0x00][..]), None);
        assert_eq!(
            take_i32(&mut &[0xff, 0xff, 0xff, 0xff, 0x7f][..]),
            None,
            "33 bits and more"
        );
        assert_eq!(take_i64(&mut &[0xff; 10][..]), None);
        assert_eq!(take_i64(&mut &[0x80, 0x80][..]), None);
        assert_eq!(take_i32(&mut &[][..]), None);
    }
}
