//! Brings a producer's batch to the topic's `compression.type`, before it is appended.

use super::PartitionLog;
use crate::log::AppendError;
use crate::rt;
use crate::wire::records::{
    BatchHeader, BatchView, CompressionTarget, Progress, Recompression, RecompressionError,
};
use bytes::BytesMut;

impl PartitionLog {
    /// Whether a batch has another compression than the topic is to have. Only the first header of `bytes` is looked at; what
    /// is no batch is left to [`PartitionLog::append`] to refuse.
    pub fn wants_recompression(&self, bytes: &[u8]) -> bool {
        self.recompression_of(bytes).is_some()
    }

    fn recompression_of(&self, bytes: &[u8]) -> Option<CompressionTarget> {
        let target = self.config.borrow().compression?;
        let header = BatchHeader::parse(bytes).ok()?;
        let other = header.attributes.compression() != Ok(target.codec);
        (other && !header.attributes.is_control()).then_some(target)
    }

    /// Brings a batch to the topic's compression, if it has another. Not on the way of an append: the work is done in small
    /// steps between which others run, so the caller sees to the order of its batches. What [`PartitionLog::append`]
    /// would refuse anyway may be given back as it is.
    ///
    /// Errors: `Batch`, and `TooLarge` for what is above `max.message.bytes` in its new compression.
    pub async fn recompress(&self, bytes: BytesMut) -> Result<BytesMut, AppendError> {
        let Some(target) = self.recompression_of(&bytes) else {
            return Ok(bytes);
        };
        let limit = self.config.borrow().max_message_bytes;
        let batch = BatchView::parse(&bytes)?;
        if batch.bytes().len() != bytes.len() || bytes.len() > limit {
            return Ok(bytes);
        }
        // A new checksum must not hide damage.
        batch.check_crc()?;
        let failed = |e| match e {
            RecompressionError::Batch(e) => AppendError::Batch(e),
            RecompressionError::TooLarge { bytes } => AppendError::TooLarge { bytes, limit },
        };
        let mut recompression = Recompression::begin(batch, target, limit).map_err(failed)?;
        loop {
            match recompression.step().map_err(failed)? {
                Progress::Done(recompressed) => return Ok(recompressed),
                Progress::More => rt::yield_if_needed().await,
            }
        }
    }
}
