//! Reading the few fields of an answer that matter, from bytes that may not all be here yet.
//! Hot path of the generator: no allocation. `None` everywhere means "more bytes are needed".

use std::borrow::Cow;

use crate::wire::errors::ErrorCode;

/// Kafka's name of an error code.
pub fn error_name(code: i16) -> Cow<'static, str> {
    match ErrorCode::from_code(code) {
        Some(error) => Cow::Borrowed(error.name()),
        None => Cow::Owned(format!("error {code}")),
    }
}

/// A position in the bytes at hand.
pub struct Answer<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Answer<'a> {
    /// Starts at the first byte.
    pub fn new(bytes: &'a [u8]) -> Answer<'a> {
        Answer { bytes, position: 0 }
    }

    /// Bytes read so far.
    pub fn position(&self) -> usize {
        self.position
    }

    /// The bytes at hand behind the position.
    pub fn rest(&self) -> &'a [u8] {
        &self.bytes[self.position..]
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let bytes = *self.rest().first_chunk::<N>()?;
        self.position += N;
        Some(bytes)
    }

    /// Passes over `count` bytes.
    pub fn pass(&mut self, count: usize) -> Option<()> {
        if self.rest().len() < count {
            return None;
        }
        self.position += count;
        Some(())
    }

    pub fn i16(&mut self) -> Option<i16> {
        self.take().map(i16::from_be_bytes)
    }

    pub fn i32(&mut self) -> Option<i32> {
        self.take().map(i32::from_be_bytes)
    }

    pub fn i64(&mut self) -> Option<i64> {
        self.take().map(i64::from_be_bytes)
    }

    /// An unsigned varint of at most 32 bits.
    pub fn uvarint(&mut self) -> Option<usize> {
        let mut value = 0;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.take()?;
            value |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        Some(value)
    }

    /// The length of a compact string, array or byte field; null counts as empty.
    pub fn compact_length(&mut self) -> Option<usize> {
        self.uvarint().map(|length| length.saturating_sub(1))
    }

    /// Passes over a compact string or byte field.
    pub fn pass_compact(&mut self) -> Option<()> {
        let length = self.compact_length()?;
        self.pass(length)
    }

    /// Passes over a section of tagged fields.
    pub fn pass_tags(&mut self) -> Option<()> {
        for _ in 0..self.uvarint()? {
            self.uvarint()?;
            let size = self.uvarint()?;
            self.pass(size)?;
        }
        Some(())
    }
}
