//! Looks into the files of a partition, ours or Apache Kafka's, without changing them: what they hold and what is damaged.
//!
//! Responsible for judging bytes. Must not know where they come from: whoever calls opens the files. On any thread; view: one partition
//! directory at rest. Called by the command line only; recovery has its own, stricter eyes, which a repair
//! uses too (`salvage.rs` in the folder above): [`segment_survey`] looks beyond the first damage.
//! Start reading in [`partition_inspection`].

pub mod partition_inspection;
pub mod segment_inspection;
pub mod segment_survey;

pub use partition_inspection::{PartitionInspection, ProducerSeen, SnapshotSeen};
pub use segment_inspection::{Depth, End, IndexSeen, SegmentInspection, SegmentInspector};
pub use segment_survey::{BadPlace, SegmentSurvey, index_trouble, survey_segment};
