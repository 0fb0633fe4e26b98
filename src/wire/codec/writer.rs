//! Writes the protocol's primitive values.

use bytes::{BufMut, Bytes, BytesMut};

use super::error::EncodeError;
use crate::base::ids::TopicId;
use crate::base::limits::MAX_STRING_BYTES;

/// A buffer that grows as values are written to it.
#[derive(Debug, Default)]
pub struct Writer {
    out: BytesMut,
}

impl Writer {
    /// Starts with an empty buffer.
    pub fn new() -> Writer {
        Writer::default()
    }

    /// Starts with room for `bytes`.
    pub fn with_capacity(bytes: usize) -> Writer {
        Writer::onto(BytesMut::with_capacity(bytes))
    }

    /// Writes behind what `out` holds.
    pub fn onto(out: BytesMut) -> Writer {
        Writer { out }
    }

    /// Makes room for so many bytes more.
    pub fn reserve(&mut self, bytes: usize) {
        self.out.reserve(bytes);
    }

    /// What has been written.
    pub fn written(&self) -> &[u8] {
        &self.out
    }

    /// What has been written, to be patched in place.
    pub fn written_mut(&mut self) -> &mut [u8] {
        &mut self.out
    }

    /// Number of bytes written.
    pub fn position(&self) -> usize {
        self.out.len()
    }

    /// The buffer, to be filled further.
    pub fn into_inner(self) -> BytesMut {
        self.out
    }

    /// The buffer, done.
    pub fn into_bytes(self) -> Bytes {
        self.out.freeze()
    }

    /// Bytes as they are, without a length.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.out.put_slice(bytes);
    }

    /// One byte, signed.
    pub fn i8(&mut self, value: i8) {
        self.out.put_i8(value);
    }

    /// One byte, 0 or 1.
    pub fn bool(&mut self, value: bool) {
        self.out.put_u8(u8::from(value));
    }

    /// Two bytes, signed.
    pub fn i16(&mut self, value: i16) {
        self.out.put_i16(value);
    }

    /// Two bytes, unsigned.
    pub fn u16(&mut self, value: u16) {
        self.out.put_u16(value);
    }

    /// Four bytes, signed.
    pub fn i32(&mut self, value: i32) {
        self.out.put_i32(value);
    }

    /// Eight bytes, signed.
    pub fn i64(&mut self, value: i64) {
        self.out.put_i64(value);
    }

    /// Eight bytes, IEEE 754.
    pub fn f64(&mut self, value: f64) {
        self.out.put_f64(value);
    }

    /// Sixteen bytes.
    pub fn uuid(&mut self, value: TopicId) {
        self.out.put_slice(&value.0);
    }

    /// One to five bytes of seven bits, the lowest first.
    pub fn unsigned_varint(&mut self, value: u32) {
        let (bytes, length) = varint_bytes(value);
        self.out.put_slice(&bytes[..length]);
    }

    /// A string, `None` for null.
    pub fn nullable_str(&mut self, text: Option<&str>, flexible: bool) -> Result<(), EncodeError> {
        let length = text.map(str::len);
        if length > Some(MAX_STRING_BYTES) {
            return Err(EncodeError::TooLong(length.unwrap_or(0)));
        }
        if flexible {
            self.compact_length(length)?;
        } else {
            self.i16(length.map_or(-1, |length| length as i16));
        }
        self.raw(text.unwrap_or_default().as_bytes());
        Ok(())
    }

    /// A byte or records field, `None` for null.
    pub fn nullable_bytes(&mut self, bytes: Option<&[u8]>, flexible: bool) -> Result<(), EncodeError> {
        self.nullable_count(bytes.map(<[u8]>::len), flexible)?;
        self.raw(bytes.unwrap_or_default());
        Ok(())
    }

    /// The length of a byte field, or the number of elements of an array; `None` for null.
    pub fn nullable_count(&mut self, count: Option<usize>, flexible: bool) -> Result<(), EncodeError> {
        if flexible {
            return self.compact_length(count);
        }
        match count.map(i32::try_from) {
            None => self.i32(-1),
            Some(Ok(count)) => self.i32(count),
            Some(Err(_)) => return Err(EncodeError::TooLong(count.unwrap_or(0))),
        }
        Ok(())
    }

    fn compact_length(&mut self, length: Option<usize>) -> Result<(), EncodeError> {
        match length {
            None => self.unsigned_varint(0),
            Some(length) if length < i32::MAX as usize => self.unsigned_varint(length as u32 + 1),
            Some(length) => return Err(EncodeError::TooLong(length)),
        }
        Ok(())
    }

    /// Puts the size of what was written since `start` in front of it, as the value of a tagged field has it.
    pub fn size_in_front(&mut self, start: usize) -> Result<(), EncodeError> {
        let size = self.out.len() - start;
        let (bytes, length) = varint_bytes(u32::try_from(size).map_err(|_| EncodeError::TooLong(size))?);
        self.out.put_slice(&bytes[..length]);
        self.out[start..].rotate_right(length);
        Ok(())
    }
}

/// The bytes of a variable-length integer, and how many of them count.
fn varint_bytes(mut value: u32) -> ([u8; 5], usize) {
    let mut bytes = [0; 5];
    let mut length = 0;
    while value >= 0x80 {
        bytes[length] = value as u8 | 0x80;
        value >>= 7;
        length += 1;
    }
    bytes[length] = value as u8;
    (bytes, length + 1)
}

#[cfg(test)]
mod tests {
    use super::super::Reader;
    use super::*;

    #[test]
    fn varints_come_back() {
        for shift in 0..32 {
            for value in [1u32 << shift, (1u32 << shift) - 1, u32::MAX >> shift] {
                let mut w = Writer::new();
                w.unsigned_varint(value);
                let mut r = Reader::of_slice(w.written());
                assert_eq!(r.unsigned_varint(), Ok(value));
                assert_eq!(r.remaining(), 0);
            }
        }
    }

    #[test]
    fn sizes_go_in_front() {
        for size in [0, 1, 127, 128, 20_000] {
            let mut w = Writer::new();
            w.i8(7);
            let start = w.position();
            w.raw(&vec![3; size]);
            w.size_in_front(start).unwrap();
            let mut r = Reader::of_slice(w.written());
            assert_eq!(r.i8(), Ok(7));
            assert_eq!(r.unsigned_varint(), Ok(size as u32));
            assert_eq!(r.take(size), Ok(&vec![3; size][..]));
            assert_eq!(r.remaining(), 0);
        }
    }

    #[test]
    fn a_string_longer_than_kafka_allows_is_refused() {
        let text = "x".repeat(MAX_STRING_BYTES + 1);
        for flexible in [false, true] {
            let error = Writer::new().nullable_str(Some(&text), flexible).unwrap_err();
            assert_eq!(error, EncodeError::TooLong(MAX_STRING_BYTES + 1));
            assert_eq!(Writer::new().nullable_str(Some(&text[1..]), flexible), Ok(()));
        }
    }
}
