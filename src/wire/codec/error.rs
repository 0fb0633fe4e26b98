//! What can be wrong with bytes that came in, and with a message that should go out.

use std::fmt;

/// Bytes that are not the message they should be. The peer's fault, always.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeError {
    /// What is wrong.
    pub kind: DecodeErrorKind,
    /// Where reading stopped, in bytes from the start of what the reader was given.
    pub position: usize,
}

/// What is wrong with bytes that came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeErrorKind {
    /// Fewer bytes are left than the next value needs.
    Truncated {
        /// Bytes the value needs.
        needed: usize,
        /// Bytes that are left.
        left: usize,
    },
    /// A length below -1, or the length of something that may not be null is -1.
    BadLength(i64),
    /// A null where this version of the message has none.
    UnexpectedNull,
    /// A count of array elements that the remaining bytes cannot hold, or one above
    /// [`MAX_ARRAY_ELEMENTS`](crate::base::limits::MAX_ARRAY_ELEMENTS).
    TooManyElements(usize),
    /// More tagged fields than the remaining bytes can hold, or than
    /// [`MAX_TAGGED_FIELDS`](crate::base::limits::MAX_TAGGED_FIELDS).
    TooManyTaggedFields(usize),
    /// A tag that is not above the one before it (KIP-482 wants them ascending, each once).
    TagOutOfOrder(u32),
    /// The value of a known tag does not fill the size given for it.
    TagSize(u32),
    /// A variable-length integer of more bits than its type has.
    VarintOverflow,
    /// A string longer than the 32,767 bytes Kafka allows.
    StringTooLong(usize),
    /// A string that is not UTF-8.
    NotUtf8,
    /// The plain structs would take more memory than
    /// [`MAX_DECODE_EXPANSION`](crate::base::limits::MAX_DECODE_EXPANSION) allows for a frame of this size.
    ExpandsTooMuch,
    /// The message has no such version.
    UnsupportedVersion(i16),
    /// The message ended, but bytes are left.
    TrailingBytes(usize),
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use DecodeErrorKind::*;
        match self.kind {
            Truncated { needed, left } => write!(f, "{needed} bytes needed, {left} left")?,
            BadLength(length) => write!(f, "length {length}")?,
            UnexpectedNull => f.write_str("null where none may be")?,
            TooManyElements(count) => write!(f, "{count} array elements are more than can be here")?,
            TooManyTaggedFields(count) => write!(f, "{count} tagged fields are more than can be here")?,
            TagOutOfOrder(tag) => write!(f, "tag {tag} out of order")?,
            TagSize(tag) => write!(f, "tag {tag} does not fill its size")?,
            VarintOverflow => f.write_str("variable-length integer too long")?,
            StringTooLong(length) => write!(f, "string of {length} bytes")?,
            NotUtf8 => f.write_str("string is not UTF-8")?,
            ExpandsTooMuch => f.write_str("decoded form would be too large for its frame")?,
            UnsupportedVersion(version) => write!(f, "version {version} does not exist")?,
            TrailingBytes(count) => write!(f, "{count} bytes behind the end")?,
        }
        write!(f, " at byte {}", self.position)
    }
}

impl std::error::Error for DecodeError {}

/// A message that has no form in the version asked for. The caller's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncodeError {
    /// The message has no such version.
    UnsupportedVersion(i16),
    /// A field is `None` where this version has no null.
    UnexpectedNull(&'static str),
    /// The field of a request says something, but this version cannot carry it.
    NotInVersion(&'static str),
    /// A string, byte field or array is longer than its length field can say.
    TooLong(usize),
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EncodeError::UnsupportedVersion(version) => write!(f, "version {version} does not exist"),
            EncodeError::UnexpectedNull(what) => write!(f, "{what} may not be null in this version"),
            EncodeError::NotInVersion(field) => write!(f, "{field} cannot be said in this version"),
            EncodeError::TooLong(length) => write!(f, "length {length} does not fit"),
        }
    }
}

impl std::error::Error for EncodeError {}
