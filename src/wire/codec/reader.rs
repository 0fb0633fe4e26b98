//! Reads the protocol's primitive values from a frame, and keeps the account of what decoding may cost.

use bytes::Bytes;

use super::error::{DecodeError, DecodeErrorKind};
use crate::base::ids::TopicId;
use crate::base::limits::{
    DECODE_ALLOWANCE_BYTES, MAX_ARRAY_ELEMENTS, MAX_DECODE_EXPANSION, MAX_STRING_BYTES, MAX_TAGGED_FIELDS,
};

/// A position in bytes that came from a peer, who is not to be trusted.
///
/// Nothing here panics, whatever the bytes are, and nothing allocates before the remaining bytes have been
/// found to justify it: every count is checked against the bytes left, and every allocation is booked on an
/// account of [`MAX_DECODE_EXPANSION`] times the frame's size.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    data: &'a [u8],
    /// The same bytes, if byte fields can share them.
    frame: Option<&'a Bytes>,
    at: usize,
    /// Behind the last byte that may be read: the end of the data, or of the tagged field being read.
    end: usize,
    /// Bytes decoding may still allocate.
    account: usize,
}

/// A section of tagged fields that is being read (KIP-482).
#[derive(Debug)]
pub struct TagSection {
    left: usize,
    /// The lowest tag the next field may have.
    lowest: u32,
    /// Where the field in hand ends, and where the data around the section ends.
    field_end: usize,
    outer_end: usize,
    tag: u32,
}

impl<'a> Reader<'a> {
    /// Reads a frame; byte fields become slices that share it, and so keep all of it in memory.
    pub fn new(frame: &'a Bytes) -> Reader<'a> {
        Reader {
            frame: Some(frame),
            ..Reader::of_slice(frame)
        }
    }

    /// Reads borrowed bytes; byte fields are copied.
    pub fn of_slice(data: &'a [u8]) -> Reader<'a> {
        Reader {
            data,
            frame: None,
            at: 0,
            end: data.len(),
            account: data
                .len()
                .saturating_mul(MAX_DECODE_EXPANSION)
                .saturating_add(DECODE_ALLOWANCE_BYTES),
        }
    }

    /// Bytes not yet read.
    pub fn remaining(&self) -> usize {
        self.end - self.at
    }

    /// Bytes read so far.
    pub fn position(&self) -> usize {
        self.at
    }

    /// The error of this kind, here.
    pub fn error(&self, kind: DecodeErrorKind) -> DecodeError {
        DecodeError {
            kind,
            position: self.at,
        }
    }

    /// Fails if bytes are left.
    pub fn finish(&self) -> Result<(), DecodeError> {
        match self.remaining() {
            0 => Ok(()),
            left => Err(self.error(DecodeErrorKind::TrailingBytes(left))),
        }
    }

    /// The next `count` bytes, borrowed.
    #[inline]
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        let left = self.remaining();
        if count > left {
            return Err(self.error(DecodeErrorKind::Truncated { needed: count, left }));
        }
        let taken = &self.data[self.at..self.at + count];
        self.at += count;
        Ok(taken)
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        match self.data[self.at..self.end].first_chunk::<N>() {
            Some(chunk) => {
                self.at += N;
                Ok(*chunk)
            }
            None => Err(self.error(DecodeErrorKind::Truncated {
                needed: N,
                left: self.remaining(),
            })),
        }
    }

    /// One byte, signed.
    pub fn i8(&mut self) -> Result<i8, DecodeError> {
        Ok(i8::from_be_bytes(self.array()?))
    }

    /// One byte: everything but 0 is true.
    pub fn bool(&mut self) -> Result<bool, DecodeError> {
        Ok(self.i8()? != 0)
    }

    /// Two bytes, signed.
    pub fn i16(&mut self) -> Result<i16, DecodeError> {
        Ok(i16::from_be_bytes(self.array()?))
    }

    /// Two bytes, unsigned.
    pub fn u16(&mut self) -> Result<u16, DecodeError> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    /// Four bytes, signed.
    pub fn i32(&mut self) -> Result<i32, DecodeError> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    /// Eight bytes, signed.
    pub fn i64(&mut self) -> Result<i64, DecodeError> {
        Ok(i64::from_be_bytes(self.array()?))
    }

    /// Eight bytes, IEEE 754.
    pub fn f64(&mut self) -> Result<f64, DecodeError> {
        Ok(f64::from_be_bytes(self.array()?))
    }

    /// Sixteen bytes.
    pub fn uuid(&mut self) -> Result<TopicId, DecodeError> {
        Ok(TopicId(self.array()?))
    }

    /// One to five bytes of seven bits, the lowest first.
    #[inline]
    pub fn unsigned_varint(&mut self) -> Result<u32, DecodeError> {
        let mut value = 0u32;
        for shift in (0..35).step_by(7) {
            let [byte] = self.array()?;
            if shift == 28 && byte > 0x0f {
                return Err(self.error(DecodeErrorKind::VarintOverflow));
            }
            value |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(self.error(DecodeErrorKind::VarintOverflow))
    }

    /// A length that is one more than said, 0 for null (`compact`), or plain and -1 for null.
    #[inline]
    fn length(&mut self, compact: Compact, plain_bytes: PlainLength) -> Result<Option<usize>, DecodeError> {
        let length = match (compact, plain_bytes) {
            (Compact::Yes, _) => i64::from(self.unsigned_varint()?) - 1,
            (Compact::No, PlainLength::Two) => i64::from(self.i16()?),
            (Compact::No, PlainLength::Four) => i64::from(self.i32()?),
        };
        match length {
            -1 => Ok(None),
            0.. => Ok(Some(length as usize)),
            _ => Err(self.error(DecodeErrorKind::BadLength(length))),
        }
    }

    /// A string, borrowed; `None` for null.
    pub fn nullable_str(&mut self, flexible: bool) -> Result<Option<&'a str>, DecodeError> {
        let Some(length) = self.length(Compact::from(flexible), PlainLength::Two)? else {
            return Ok(None);
        };
        if length > MAX_STRING_BYTES {
            return Err(self.error(DecodeErrorKind::StringTooLong(length)));
        }
        let bytes = self.take(length)?;
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Some(text)),
            Err(_) => Err(self.error(DecodeErrorKind::NotUtf8)),
        }
    }

    /// A string, borrowed.
    pub fn str(&mut self, flexible: bool) -> Result<&'a str, DecodeError> {
        self.nullable_str(flexible)?
            .ok_or_else(|| self.error(DecodeErrorKind::UnexpectedNull))
    }

    /// Where the bytes of a byte or records field are, from the start of the frame; `None` for null.
    pub fn nullable_range(&mut self, flexible: bool) -> Result<Option<std::ops::Range<usize>>, DecodeError> {
        let Some(length) = self.length(Compact::from(flexible), PlainLength::Four)? else {
            return Ok(None);
        };
        let start = self.at;
        self.take(length)?;
        Ok(Some(start..start + length))
    }

    /// A byte or records field, sharing the frame if there is one; `None` for null.
    pub fn nullable_bytes(&mut self, flexible: bool) -> Result<Option<Bytes>, DecodeError> {
        let Some(range) = self.nullable_range(flexible)? else {
            return Ok(None);
        };
        match self.frame {
            Some(frame) => Ok(Some(frame.slice(range))),
            None => {
                self.book(range.len())?;
                Ok(Some(Bytes::copy_from_slice(&self.data[range])))
            }
        }
    }

    /// The number of elements of an array, each of at least `element_bytes` on the wire; `None` for null.
    /// Never more than the bytes left can hold.
    pub fn nullable_count(
        &mut self,
        flexible: bool,
        element_bytes: usize,
    ) -> Result<Option<usize>, DecodeError> {
        let Some(count) = self.length(Compact::from(flexible), PlainLength::Four)? else {
            return Ok(None);
        };
        if count > MAX_ARRAY_ELEMENTS || count > self.remaining() / element_bytes.max(1) {
            return Err(self.error(DecodeErrorKind::TooManyElements(count)));
        }
        Ok(Some(count))
    }

    /// The number of elements of an array that may not be null.
    pub fn count(&mut self, flexible: bool, element_bytes: usize) -> Result<usize, DecodeError> {
        self.nullable_count(flexible, element_bytes)?
            .ok_or_else(|| self.error(DecodeErrorKind::UnexpectedNull))
    }

    /// Books an allocation of `bytes` before it is made.
    #[inline]
    pub fn book(&mut self, bytes: usize) -> Result<(), DecodeError> {
        match self.account.checked_sub(bytes) {
            Some(left) => {
                self.account = left;
                Ok(())
            }
            None => Err(self.error(DecodeErrorKind::ExpandsTooMuch)),
        }
    }

    /// Begins a section of tagged fields.
    #[inline]
    pub fn tag_section(&mut self) -> Result<TagSection, DecodeError> {
        let left = self.unsigned_varint()? as usize;
        // A field has a tag and a size, so it is never below two bytes.
        if left > MAX_TAGGED_FIELDS || left > self.remaining() / 2 {
            return Err(self.error(DecodeErrorKind::TooManyTaggedFields(left)));
        }
        Ok(TagSection {
            left,
            lowest: 0,
            field_end: self.at,
            outer_end: self.end,
            tag: 0,
        })
    }

    /// The next field's tag; until [`Reader::end_tag`] nothing behind its value can be read.
    #[inline]
    pub fn next_tag(&mut self, section: &mut TagSection) -> Result<Option<u32>, DecodeError> {
        if section.left == 0 {
            return Ok(None);
        }
        section.left -= 1;
        let tag = self.unsigned_varint()?;
        // Tags end far below the last u32, so that the sum cannot wrap for a field that anyone knows.
        if tag < section.lowest || tag == u32::MAX {
            return Err(self.error(DecodeErrorKind::TagOutOfOrder(tag)));
        }
        section.lowest = tag + 1;
        section.tag = tag;
        let size = self.unsigned_varint()? as usize;
        let left = self.remaining();
        if size > left {
            return Err(self.error(DecodeErrorKind::Truncated { needed: size, left }));
        }
        section.field_end = self.at + size;
        self.end = section.field_end;
        Ok(Some(tag))
    }

    /// Skips the value of a tag nobody here knows.
    pub fn skip_tag(&mut self, section: &TagSection) {
        self.at = section.field_end;
    }

    /// Ends the field in hand; its value must have been read to its end, or skipped.
    pub fn end_tag(&mut self, section: &TagSection) -> Result<(), DecodeError> {
        if self.at != section.field_end {
            return Err(self.error(DecodeErrorKind::TagSize(section.tag)));
        }
        self.end = section.outer_end;
        Ok(())
    }

    /// Skips a whole section of tagged fields.
    pub fn skip_tag_section(&mut self) -> Result<(), DecodeError> {
        let mut section = self.tag_section()?;
        while self.next_tag(&mut section)?.is_some() {
            self.skip_tag(&section);
            self.end_tag(&section)?;
        }
        Ok(())
    }
}

/// Whether lengths are variable-length integers (flexible versions, KIP-482).
#[derive(Clone, Copy)]
enum Compact {
    Yes,
    No,
}

impl From<bool> for Compact {
    fn from(flexible: bool) -> Compact {
        if flexible { Compact::Yes } else { Compact::No }
    }
}

/// Bytes a length takes where it is not compact.
#[derive(Clone, Copy)]
enum PlainLength {
    Two,
    Four,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_of_every_length() {
        let cases: [(&[u8], u32); 6] = [
            (&[0], 0),
            (&[0x7f], 127),
            (&[0x80, 1], 128),
            (&[0xff, 0xff, 0x7f], (1 << 21) - 1),
            (&[0x80, 0x80, 0x80, 0x80, 1], 1 << 28),
            (&[0xff, 0xff, 0xff, 0xff, 0x0f], u32::MAX),
        ];
        for (bytes, value) in cases {
            assert_eq!(Reader::of_slice(bytes).unsigned_varint(), Ok(value));
        }
        let long = [0xff, 0xff, 0xff, 0xff, 0x10];
        let error = Reader::of_slice(&long).unsigned_varint().unwrap_err();
        assert_eq!(error.kind, DecodeErrorKind::VarintOverflow);
        let endless = [0xff; 9];
        let error = Reader::of_slice(&endless).unsigned_varint().unwrap_err();
        assert_eq!(error.kind, DecodeErrorKind::VarintOverflow);
    }

    #[test]
    fn counts_are_held_against_the_bytes_left() {
        let mut frame = vec![0, 0, 0, 3];
        frame.extend([0; 11]);
        let kind = |element_bytes| {
            Reader::of_slice(&frame)
                .nullable_count(false, element_bytes)
                .map_err(|e| e.kind)
        };
        assert_eq!(kind(3), Ok(Some(3)));
        assert_eq!(kind(4), Err(DecodeErrorKind::TooManyElements(3)));
        let huge = [0x7f, 0xff, 0xff, 0xff, 0];
        let error = Reader::of_slice(&huge).nullable_count(false, 1).unwrap_err();
        assert_eq!(error.kind, DecodeErrorKind::TooManyElements(0x7fff_ffff));
    }

    #[test]
    fn a_tag_cannot_be_read_past_its_size() {
        // One tag, number 0, of one byte; behind it more bytes that are not its own.
        let bytes = [1, 0, 1, 9, 9, 9, 9];
        let mut r = Reader::of_slice(&bytes);
        let mut section = r.tag_section().unwrap();
        assert_eq!(r.next_tag(&mut section), Ok(Some(0)));
        assert!(matches!(
            r.i32().unwrap_err().kind,
            DecodeErrorKind::Truncated { needed: 4, left: 1 }
        ));
        assert_eq!(r.end_tag(&section).unwrap_err().kind, DecodeErrorKind::TagSize(0));
        assert_eq!(r.i8(), Ok(9));
        assert_eq!(r.end_tag(&section), Ok(()));
        assert_eq!(r.next_tag(&mut section), Ok(None));
        assert_eq!(r.remaining(), 3);
    }

    #[test]
    fn tags_ascend() {
        let bytes = [2, 1, 0, 1, 0];
        let error = Reader::of_slice(&bytes).skip_tag_section().unwrap_err();
        assert_eq!(error.kind, DecodeErrorKind::TagOutOfOrder(1));
        let bytes = [2, 1, 0, 2, 0];
        assert_eq!(Reader::of_slice(&bytes).skip_tag_section(), Ok(()));
    }

    #[test]
    fn byte_fields_share_the_frame() {
        let frame = Bytes::from(vec![0, 0, 0, 2, 5, 6, 7]);
        let shared = Reader::new(&frame).nullable_bytes(false).unwrap().unwrap();
        assert_eq!(shared.as_ptr(), frame[4..].as_ptr());
        let copied = Reader::of_slice(&frame).nullable_bytes(false).unwrap().unwrap();
        assert_ne!(copied.as_ptr(), frame[4..].as_ptr());
        assert_eq!(shared, copied);
    }
}
