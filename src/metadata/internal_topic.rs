//! Topics the broker keeps for itself.

use crate::config::{Overrides, Settings};

/// The topic with the committed offsets and the state of groups.
pub const GROUP_METADATA_TOPIC: &str = "__consumer_offsets";

/// Names of all internal topics that Kafka has, ours or not: clients are told that they are internal.
const INTERNAL_NAMES: &[&str] = &[GROUP_METADATA_TOPIC, "__transaction_state", "__share_group_state"];

/// Whether a topic of this name is internal.
pub fn is_internal(name: &str) -> bool {
    INTERNAL_NAMES.contains(&name)
}

/// An internal topic that can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InternalTopic {
    /// [`GROUP_METADATA_TOPIC`].
    ConsumerOffsets,
}

impl InternalTopic {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            InternalTopic::ConsumerOffsets => GROUP_METADATA_TOPIC,
        }
    }

    /// How many partitions it gets when it is created.
    pub(in crate::metadata) fn partitions(self, settings: &Settings) -> i32 {
        match self {
            InternalTopic::ConsumerOffsets => settings.offsets_topic_num_partitions,
        }
    }

    /// The configs it is created with, whatever topics have by default: Kafka's.
    pub(in crate::metadata) fn configs(self, settings: &Settings) -> Overrides {
        match self {
            InternalTopic::ConsumerOffsets => Overrides::from([
                ("cleanup.policy".to_string(), "compact".to_string()),
                ("compression.type".to_string(), "producer".to_string()),
                (
                    "segment.bytes".to_string(),
                    settings.offsets_topic_segment_bytes.to_string(),
                ),
            ]),
        }
    }
}
