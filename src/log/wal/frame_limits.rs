//! How much goes into one frame.

use super::DIRECTORY_ENTRY_BYTES;

/// Most bytes of batches in one frame. Larger writes are not faster per byte, and the next frame waits for them.
const FRAME_PAYLOAD_BYTES: usize = 1 << 20;
/// Most partitions in one frame.
const FRAME_ENTRIES: usize = 4096;

/// The most a frame may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::log) struct FrameLimits {
    /// Bytes of batches.
    pub payload_bytes: usize,
    /// Partitions.
    pub entries: usize,
}

impl FrameLimits {
    /// For files of this size: a frame takes no more than a third of one, or the ring would turn at every write.
    pub fn of_files(file_bytes: u64) -> FrameLimits {
        let file_bytes = file_bytes as usize;
        FrameLimits {
            payload_bytes: FRAME_PAYLOAD_BYTES.min(file_bytes / 4),
            entries: FRAME_ENTRIES.min(file_bytes / 16 / (2 * DIRECTORY_ENTRY_BYTES)),
        }
    }
}
