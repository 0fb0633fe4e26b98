//! The log's start: raised when records are deleted, durable before anybody sees it.

use super::PartitionLog;
use crate::base::ids::Offset;
use crate::log::FileError;
use crate::log::data_dir::CheckpointFiles;

impl PartitionLog {
    /// Raises the log's start, durable. All records below it must be durable, so that a crash leaves no log that ends
    /// before it begins. Readers see it only when it is: what was once gone never comes back.
    ///
    /// After an error the start is what it was, and may be the higher one after a restart.
    pub(in crate::log) async fn raise_log_start(&self, to: Offset) -> Result<(), FileError> {
        self.note_log_start(to);
        let data_dir = &self.shard.options.data_dir;
        data_dir.write_checkpoints(CheckpointFiles::LogStarts).await?;
        self.log_start_durable(to);
        Ok(())
    }

    /// Notes a higher log start for the next write of the checkpoint files.
    pub(in crate::log) fn note_log_start(&self, to: Offset) {
        {
            let mut state = self.state.borrow_mut();
            assert!(
                to <= state.positions.durable_end,
                "records are deleted that are durable"
            );
            state.next_log_start = state.next_log_start.max(to);
        }
        self.note_checkpoint();
    }

    /// The checkpoint files have it.
    pub(in crate::log) fn log_start_durable(&self, to: Offset) {
        let mut state = self.state.borrow_mut();
        if to > state.positions.log_start {
            state.positions.start_moved(to);
            state.epochs.truncate_to(to);
            state.epochs_dirty = true;
        }
    }
}
