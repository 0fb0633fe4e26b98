//! Everything that may cross from one core to another: metadata and control, never a record.
//!
//! Two enums, one for each direction between the control thread and a shard. Shards have no way to
//! reach each other at all. Every message is counted by its kind when it is sent; at full produce and
//! fetch load all counters stand still, which a test asserts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::base::ids::{ShardId, TopicId, TopicPartition};
use crate::metadata::{ClusterImage, Command, CommandError, Outcome, WentOffline};
use crate::rt::mailbox;

/// From the control thread to a shard.
#[derive(Debug)]
pub enum ToShard {
    /// All shards have recovered and the old write-ahead logs are gone: open your own and your listeners. The image says what
    /// is offline since.
    Serve(Arc<ClusterImage>),
    /// The cluster's metadata has changed.
    NewImage(Arc<ClusterImage>),
    /// The answer to the change request with this number.
    ChangeAnswer {
        /// The number the shard gave its request.
        id: u64,
        /// What came of it, after every shard has applied the image that holds it.
        answer: Result<Outcome, CommandError>,
    },
    /// Send your metrics.
    MetricsRequest,
    /// Answer what is in flight, make everything durable, end.
    Shutdown,
}

/// From a shard to the control thread.
#[derive(Debug)]
pub enum ToControl {
    /// All partitions of this shard are as good as they get; their write-ahead log entries are in segments.
    Recovered {
        /// The sender.
        shard: ShardId,
        /// Partitions that stay offline; each has been logged with its reason.
        offline: Vec<TopicPartition>,
    },
    /// The shard's listeners accept connections.
    Serving {
        /// The sender.
        shard: ShardId,
    },
    /// A client wants the cluster changed.
    Change {
        /// The sender.
        shard: ShardId,
        /// Number for the answer.
        id: u64,
        /// What to change.
        command: Command,
    },
    /// The shard serves by this image now; the partitions it brought can be used.
    ImageApplied {
        /// The sender.
        shard: ShardId,
        /// The image's version.
        version: u64,
        /// Topics it has no more, and of which something is left on the disk, because that could not be taken away.
        undeleted: Vec<TopicId>,
    },
    /// Something of this shard can't be used any more; it was logged with its reason.
    WentOffline {
        /// The sender.
        shard: ShardId,
        /// What.
        what: WentOffline,
    },
    /// The shard's metrics.
    Metrics {
        /// The sender.
        shard: ShardId,
        /// What was asked for.
        snapshot: MetricsSnapshot,
    },
    /// Everything of this shard is durable and closed.
    Stopped {
        /// The sender.
        shard: ShardId,
    },
    /// The shard can't go on or can't start.
    Failed {
        /// The sender.
        shard: ShardId,
        /// Why, for a person.
        reason: String,
    },
}

/// Figures of one shard at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MetricsSnapshot {
    /// Open client connections.
    pub connections: u64,
    /// Requests answered or refused since start.
    pub requests: u64,
    /// Bytes of record batches appended since start.
    pub appended_bytes: u64,
    /// Bytes of record batches sent to consumers since start.
    pub fetched_bytes: u64,
    /// Batches refused since start because the disk was full.
    pub refused_batches_disk_full: u64,
    /// How often a disk of the server has become full since start.
    pub times_disk_full: u64,
    /// Reads since start that have met damaged records on disk.
    pub damaged_reads: u64,
}

macro_rules! kinds {
    ($($kind:ident => $name:literal),* $(,)?) => {
        /// Kinds of messages, for counting.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum MessageKind { $(#[allow(missing_docs)] $kind),* }

        impl MessageKind {
            /// All kinds.
            pub const ALL: &'static [MessageKind] = &[$(MessageKind::$kind),*];

            /// The kind's name in metrics.
            pub fn name(self) -> &'static str {
                match self { $(MessageKind::$kind => $name),* }
            }
        }
    };
}

kinds! {
    Serve => "serve",
    NewImage => "new_image",
    ChangeAnswer => "change_answer",
    MetricsRequest => "metrics_request",
    Shutdown => "shutdown",
    Recovered => "recovered",
    Serving => "serving",
    Change => "change",
    ImageApplied => "image_applied",
    WentOffline => "went_offline",
    Metrics => "metrics",
    Stopped => "stopped",
    Failed => "failed",
}

impl ToShard {
    fn kind(&self) -> MessageKind {
        match self {
            ToShard::Serve(_) => MessageKind::Serve,
            ToShard::NewImage(_) => MessageKind::NewImage,
            ToShard::ChangeAnswer { .. } => MessageKind::ChangeAnswer,
            ToShard::MetricsRequest => MessageKind::MetricsRequest,
            ToShard::Shutdown => MessageKind::Shutdown,
        }
    }
}

impl ToControl {
    fn kind(&self) -> MessageKind {
        match self {
            ToControl::Recovered { .. } => MessageKind::Recovered,
            ToControl::Serving { .. } => MessageKind::Serving,
            ToControl::Change { .. } => MessageKind::Change,
            ToControl::ImageApplied { .. } => MessageKind::ImageApplied,
            ToControl::WentOffline { .. } => MessageKind::WentOffline,
            ToControl::Metrics { .. } => MessageKind::Metrics,
            ToControl::Stopped { .. } => MessageKind::Stopped,
            ToControl::Failed { .. } => MessageKind::Failed,
        }
    }
}

/// How many messages of each kind have crossed cores in this server.
#[derive(Debug, Default)]
pub struct MessageCounters {
    counts: [AtomicU64; MessageKind::ALL.len()],
}

impl MessageCounters {
    /// Messages of one kind so far.
    pub fn get(&self, kind: MessageKind) -> u64 {
        self.counts[kind as usize].load(Ordering::Relaxed)
    }

    fn count(&self, kind: MessageKind) {
        self.counts[kind as usize].fetch_add(1, Ordering::Relaxed);
    }
}

/// The way from a shard to the control thread.
#[derive(Clone)]
pub struct ControlPort {
    sender: mailbox::Sender<ToControl>,
    counters: Arc<MessageCounters>,
}

impl ControlPort {
    /// A port into the control thread's mailbox.
    pub fn new(sender: mailbox::Sender<ToControl>, counters: Arc<MessageCounters>) -> ControlPort {
        ControlPort { sender, counters }
    }

    /// Sends, waiting for room. The message is lost when the control thread has ended.
    pub async fn send(&self, message: ToControl) {
        self.counters.count(message.kind());
        // A control thread that is gone has already ended the process or is about to.
        let _ = self.sender.send(message).await;
    }
}

/// The way from the control thread to one shard.
#[derive(Clone)]
pub struct ShardPort {
    sender: mailbox::Sender<ToShard>,
    counters: Arc<MessageCounters>,
}

impl ShardPort {
    /// A port into a shard's mailbox.
    pub fn new(sender: mailbox::Sender<ToShard>, counters: Arc<MessageCounters>) -> ShardPort {
        ShardPort { sender, counters }
    }

    /// Sends, waiting for room. The message is lost when the shard has ended.
    pub async fn send(&self, message: ToShard) {
        self.counters.count(message.kind());
        // A shard that is gone has said so by `Stopped` or `Failed`, or the process is about to end.
        let _ = self.sender.send(message).await;
    }
}
