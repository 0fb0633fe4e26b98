//! Bytes that were read, shared without a copy within the executor.

use crate::rt::backend;
use std::fmt;
use std::ops::{Bound, Deref, RangeBounds};

/// Read bytes, refcounted: cloning and slicing copy nothing and keep the whole buffer alive.
#[derive(Clone)]
pub struct ReadBuf {
    buffer: backend::disk::ReadBuf,
    start: usize,
    end: usize,
}

impl ReadBuf {
    pub(super) fn new(buffer: backend::disk::ReadBuf, start: usize, end: usize) -> ReadBuf {
        assert!(start <= end && end <= buffer.len());
        ReadBuf { buffer, start, end }
    }

    /// A part of it. Panics if the range lies outside.
    #[must_use]
    pub fn slice(&self, range: impl RangeBounds<usize>) -> ReadBuf {
        let start = match range.start_bound() {
            Bound::Included(n) => *n,
            Bound::Excluded(n) => *n + 1,
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(n) => *n + 1,
            Bound::Excluded(n) => *n,
            Bound::Unbounded => self.len(),
        };
        assert!(
            start <= end && end <= self.len(),
            "range {start}..{end} of {} bytes",
            self.len()
        );
        ReadBuf {
            buffer: self.buffer.clone(),
            start: self.start + start,
            end: self.start + end,
        }
    }
}

#[cfg(test)]
impl From<Vec<u8>> for ReadBuf {
    fn from(bytes: Vec<u8>) -> ReadBuf {
        let end = bytes.len();
        ReadBuf::new(bytes.into(), 0, end)
    }
}

impl Deref for ReadBuf {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }
}

impl AsRef<[u8]> for ReadBuf {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for ReadBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReadBuf({} bytes)", self.len())
    }
}
