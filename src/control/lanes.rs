//! What the control thread needs of the shards without knowing what they are made of.

use std::sync::Arc;

use crate::base::ids::{DirectoryId, ShardId};
use crate::metadata::ClusterImage;
use crate::rt::{RuntimeUnavailable, ShardThread, mailbox};
use crate::shard::message::{ControlPort, ToShard};

/// What a shard is started with.
pub struct LaneStart {
    /// The shard's number.
    pub id: ShardId,
    /// The cluster as it was loaded.
    pub image: Arc<ClusterImage>,
    /// Messages from the control thread.
    pub inbox: mailbox::Receiver<ToShard>,
    /// The way to the control thread.
    pub control: ControlPort,
}

/// The shards of a server, and the steps of its life between theirs. All of it is called on the control thread, in the
/// order of declaration where nothing else is said.
pub trait Lanes {
    /// The data directories that take partitions, the one with the metadata first.
    fn directories(&self) -> Vec<DirectoryId>;

    /// The metadata was loaded: the directories are to be those of its server, and partitions where it says. Of the topics whose
    /// deletion a directory owes, which may have been deleted just before a crash, nothing is to be found by the shards. Says which
    /// directories owe nothing any more.
    fn metadata_loaded(&mut self, image: &ClusterImage) -> Result<Vec<DirectoryId>, String>;

    /// Starts a shard's thread. It must say `Recovered`, `Serving` and `Stopped`, or `Failed` at any point, and nothing
    /// after `Stopped` or `Failed`.
    fn start(&mut self, start: LaneStart) -> Result<ShardThread, RuntimeUnavailable>;

    /// The disk of the metadata is full. Frees what was reserved on it for that; false if there is nothing more to free. Called
    /// at any time.
    fn make_room_for_metadata(&mut self) -> bool;

    /// Every shard has recovered: what was in old write-ahead logs is in segments.
    fn all_recovered(&mut self) -> Result<(), String>;

    /// Every shard serves.
    fn all_serving(&mut self, image: &ClusterImage);

    /// Every shard has stopped in order.
    fn all_stopped(&mut self) -> Result<(), String>;
}
