//! Hot path: produce and fetch. Walks a buffer of several batches.

use super::{BatchError, BatchView};

/// The batches in `bytes`, one after the other.
///
/// The walk ends after the first error. A buffer that ends inside a batch ends with `Partial`: normal for what a broker
/// cut to a fetch's size, an error in what a producer sent.
pub fn batches(bytes: &[u8]) -> Batches<'_> {
    Batches {
        bytes,
        position: 0,
        failed: false,
    }
}

/// Iterator over the batches of a buffer.
#[derive(Clone, Debug)]
pub struct Batches<'a> {
    bytes: &'a [u8],
    position: usize,
    failed: bool,
}

impl<'a> Batches<'a> {
    /// Byte at which the next batch begins; after an error, the beginning of what is wrong.
    pub fn position(&self) -> usize {
        self.position
    }

    /// What has not been walked yet.
    pub fn remaining(&self) -> &'a [u8] {
        &self.bytes[self.position..]
    }
}

impl<'a> Iterator for Batches<'a> {
    type Item = Result<BatchView<'a>, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed || self.remaining().is_empty() {
            return None;
        }
        match BatchView::parse(self.remaining()) {
            Ok(batch) => {
                self.position += batch.bytes().len();
                Some(Ok(batch))
            }
            Err(error) => {
                self.failed = true;
                Some(Err(error))
            }
        }
    }
}

impl std::iter::FusedIterator for Batches<'_> {}
