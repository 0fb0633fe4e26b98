//! What one core owns, and the messages that may cross cores.
//!
//! Responsible for: the state of one lane (its partitions, its coordinators, its view of the cluster), for
//! following the cluster's image, and for asking the control thread for changes. Must not know: requests,
//! connections, HTTP. Exists on shard threads, one each; only [`message`] is seen by the control thread too.
//! Its view is that of a shard; the image in it shows the cluster. Called by `server`.
//! No borrow of its state may live across an `.await`: look up, copy what is needed, await, look up again.
//! Start reading in [`lane`].

mod bring_to_segments;
pub mod control_client;
mod directory_logs;
mod directory_watch;
pub mod lane;
mod log_options;
pub mod message;
mod open_file_limits;
pub mod partition_table;
pub mod producer_ids;
mod relocation;
mod take_up_directories;

pub use bring_to_segments::{PartitionVerdicts, bring_to_segments, look_at_partitions};
pub use control_client::{ChangeError, ControlClient};
pub use directory_logs::DirectoryLogs;
pub use directory_watch::watch_directories;
pub use lane::{Shard, ShardStart};
pub use open_file_limits::OpenFileLimits;
pub use partition_table::{PartitionSlot, PartitionTable};
pub use relocation::{Relocation, Relocations, run_relocations};
pub use take_up_directories::take_up_directories;
