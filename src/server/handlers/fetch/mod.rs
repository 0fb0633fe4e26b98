//! Fetch (key 1), versions 4 to 18.
//!
//! - A plan of what to read is made without suspending, from the partitions' memory and files; it is executed after that,
//!   so no borrow of the shard's state lives across an `.await`.
//! - Long poll: an answer with fewer than `min_bytes` waits up to `max_wait_ms` for a partition's high watermark to move.
//! - `max_bytes` and each partition's `partition_max_bytes` hold, but the first batch of the answer is sent whole even if it is larger, so
//!   that a consumer always gets on (KIP-74).
//! - Sessions (KIP-227): see [`session`].
//! - A partition of another shard is answered NOT_LEADER_OR_FOLLOWER with its leader (12 on) and the leader's endpoint
//!   (16 on, KIP-951).
//! - A fenced or unknown leader epoch is refused (KIP-320); a log that diverges from the fetcher's gets its diverging epoch (KIP-595).
//!
//! Version notes: 5 log start offset; 7 sessions; 11 rack; 12 epochs; 13 topic ids (KIP-516); 15 replica state (KIP-903);
//! 17 directory ids (KIP-853); 18 high watermark of followers.
//!
//! Not done: fetching from followers (`preferred_read_replica` is always -1) and fetches by followers, as there are none yet.

mod answer;
mod read;
mod serve;
mod session;

pub use serve::handle;
pub use session::SessionCache;
