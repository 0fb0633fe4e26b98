//! Takes a partition's segments from one place to another: from Apache Kafka's directories here, and from here to them.
//!
//! Responsible for the bytes: every batch is checked, and what is said about the log (indexes, producers, epochs, aborted transactions) is
//! found out again from the batches on the way. Must not know where the bytes come from: whoever calls opens the files. On any thread;
//! view: one partition at rest. Called by the command line only.
//! Start reading in [`partition_copier`].

pub mod partition_copier;

pub use partition_copier::{CopiedSegment, CopyError, Epochs, PartitionCopier};
