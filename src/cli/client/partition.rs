//! A partition, by the name of its topic.

use std::fmt;
use std::sync::Arc;

/// A partition as people name it. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition {
    /// Name of the topic.
    pub topic: Arc<str>,
    /// Index in the topic, from 0.
    pub index: i32,
}

impl Partition {
    /// The partition of that topic with that index.
    pub fn new(topic: &str, index: i32) -> Partition {
        Partition {
            topic: Arc::from(topic),
            index,
        }
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.index)
    }
}
