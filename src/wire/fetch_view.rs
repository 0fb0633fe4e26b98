//! Hot path: fetch. A Fetch request as it lies in its frame; nothing is allocated.

use super::api::ApiKey;
use super::codec::{DecodeError, DecodeErrorKind, Reader};
use super::topic_ref::TopicRef;

/// The first version that names topics by id.
const FIRST_ID_VERSION: i16 = 13;

/// A Fetch request that has been walked through once, and found whole.
#[derive(Clone, Debug)]
pub struct FetchView<'a> {
    /// The follower that asks, -1 for a consumer.
    pub replica_id: i32,
    /// The follower's epoch, -1 if it has none (KIP-903).
    pub replica_epoch: i64,
    /// How long to wait for `min_bytes`, in milliseconds.
    pub max_wait_ms: i32,
    /// Bytes of records to wait for.
    pub min_bytes: i32,
    /// Bytes of records to answer with at most, but for a first batch that is larger (KIP-74).
    pub max_bytes: i32,
    /// 0: everything below the high watermark, 1: only what is committed.
    pub isolation_level: i8,
    /// The fetch session (KIP-227), 0 for none.
    pub session_id: i32,
    /// The request's place in its session: -1 none, 0 opens one.
    pub session_epoch: i32,
    /// The consumer's rack, empty if it says none (KIP-392).
    pub rack_id: &'a str,
    /// The cluster the asker believes to be in.
    pub cluster_id: Option<&'a str>,
    /// Number of partitions named.
    pub partition_count: usize,
    partitions: FetchPartitions<'a>,
    forgotten: ForgottenPartitions<'a>,
}

/// What a request says about one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchPartitionView<'a> {
    /// The topic.
    pub topic: TopicRef<'a>,
    /// The topic's place in the request, from 0: partitions of one topic share it.
    pub topic_index: usize,
    /// Index of the partition.
    pub partition: i32,
    /// The leader epoch the asker knows, -1 for none.
    pub current_leader_epoch: i32,
    /// The offset to read from.
    pub fetch_offset: i64,
    /// The epoch of the record before that offset, -1 if unknown.
    pub last_fetched_epoch: i32,
    /// The follower's log start offset, -1 for a consumer.
    pub log_start_offset: i64,
    /// Bytes of records to answer with at most, as `max_bytes`.
    pub partition_max_bytes: i32,
}

/// The partitions of a request, in its order.
#[derive(Clone, Debug)]
pub struct FetchPartitions<'a> {
    r: Reader<'a>,
    version: i16,
    flexible: bool,
    topics_left: usize,
    partitions_left: usize,
    topic: TopicRef<'a>,
    next_topic_index: usize,
}

/// The partitions a session is to forget, in the request's order.
#[derive(Clone, Debug)]
pub struct ForgottenPartitions<'a> {
    r: Reader<'a>,
    version: i16,
    flexible: bool,
    topics_left: usize,
    partitions_left: usize,
    topic: TopicRef<'a>,
}

impl<'a> FetchView<'a> {
    /// Walks through the body of a request, up to the end of the frame.
    pub fn read(r: &mut Reader<'a>, version: i16) -> Result<FetchView<'a>, DecodeError> {
        if !ApiKey::Fetch.versions().contains(version) {
            return Err(r.error(DecodeErrorKind::UnsupportedVersion(version)));
        }
        let flexible = ApiKey::Fetch.is_flexible(version);
        let replica_id = if version <= 14 { r.i32()? } else { -1 };
        let max_wait_ms = r.i32()?;
        let min_bytes = r.i32()?;
        let max_bytes = r.i32()?;
        let isolation_level = r.i8()?;
        let (session_id, session_epoch) = if version >= 7 {
            (r.i32()?, r.i32()?)
        } else {
            (0, -1)
        };

        let topics_left = r.count(flexible, 2)?;
        let partitions = FetchPartitions {
            r: r.clone(),
            version,
            flexible,
            topics_left,
            partitions_left: 0,
            topic: TopicRef::Name(""),
            next_topic_index: 0,
        };
        let mut walk = partitions.clone();
        let mut partition_count = 0;
        while walk.advance()?.is_some() {
            partition_count += 1;
        }
        *r = walk.r;

        let topics_left = if version >= 7 { r.count(flexible, 2)? } else { 0 };
        let forgotten = ForgottenPartitions {
            r: r.clone(),
            version,
            flexible,
            topics_left,
            partitions_left: 0,
            topic: TopicRef::Name(""),
        };
        let mut walk = forgotten.clone();
        while walk.advance()?.is_some() {}
        *r = walk.r;

        let rack_id = if version >= 11 { r.str(flexible)? } else { "" };
        let mut view = FetchView {
            replica_id,
            replica_epoch: -1,
            max_wait_ms,
            min_bytes,
            max_bytes,
            isolation_level,
            session_id,
            session_epoch,
            rack_id,
            cluster_id: None,
            partition_count,
            partitions,
            forgotten,
        };
        if flexible {
            view.read_tags(r, version)?;
        }
        r.finish()?;
        Ok(view)
    }

    fn read_tags(&mut self, r: &mut Reader<'a>, version: i16) -> Result<(), DecodeError> {
        let mut section = r.tag_section()?;
        while let Some(tag) = r.next_tag(&mut section)? {
            match tag {
                0 => self.cluster_id = r.nullable_str(true)?,
                1 if version >= 15 => {
                    self.replica_id = r.i32()?;
                    self.replica_epoch = r.i64()?;
                    r.skip_tag_section()?;
                }
                _ => r.skip_tag(&section),
            }
            r.end_tag(&section)?;
        }
        Ok(())
    }

    /// The partitions, in the request's order.
    pub fn partitions(&self) -> FetchPartitions<'a> {
        self.partitions.clone()
    }

    /// The partitions the session is to forget: a topic and an index each.
    pub fn forgotten(&self) -> ForgottenPartitions<'a> {
        self.forgotten.clone()
    }
}

impl<'a> FetchPartitions<'a> {
    fn advance(&mut self) -> Result<Option<FetchPartitionView<'a>>, DecodeError> {
        while self.partitions_left == 0 {
            if self.topics_left == 0 {
                return Ok(None);
            }
            self.topics_left -= 1;
            self.topic = TopicRef::read(&mut self.r, self.version, FIRST_ID_VERSION, self.flexible)?;
            self.next_topic_index += 1;
            self.partitions_left = self.r.count(self.flexible, 16)?;
            if self.partitions_left == 0 {
                self.end_of_struct()?;
            }
        }
        let (r, version) = (&mut self.r, self.version);
        let view = FetchPartitionView {
            topic: self.topic,
            topic_index: self.next_topic_index - 1,
            partition: r.i32()?,
            current_leader_epoch: if version >= 9 { r.i32()? } else { -1 },
            fetch_offset: r.i64()?,
            last_fetched_epoch: if version >= 12 { r.i32()? } else { -1 },
            log_start_offset: if version >= 5 { r.i64()? } else { -1 },
            partition_max_bytes: r.i32()?,
        };
        self.end_of_struct()?;
        self.partitions_left -= 1;
        if self.partitions_left == 0 {
            self.end_of_struct()?;
        }
        Ok(Some(view))
    }

    /// What followers say in tags (their directory, the high watermark they know) is for replication only.
    fn end_of_struct(&mut self) -> Result<(), DecodeError> {
        if self.flexible {
            self.r.skip_tag_section()?;
        }
        Ok(())
    }
}

impl<'a> ForgottenPartitions<'a> {
    fn advance(&mut self) -> Result<Option<(TopicRef<'a>, i32)>, DecodeError> {
        while self.partitions_left == 0 {
            if self.topics_left == 0 {
                return Ok(None);
            }
            self.topics_left -= 1;
            self.topic = TopicRef::read(&mut self.r, self.version, FIRST_ID_VERSION, self.flexible)?;
            self.partitions_left = self.r.count(self.flexible, 4)?;
            if self.partitions_left == 0 && self.flexible {
                self.r.skip_tag_section()?;
            }
        }
        let partition = self.r.i32()?;
        self.partitions_left -= 1;
        if self.partitions_left == 0 && self.flexible {
            self.r.skip_tag_section()?;
        }
        Ok(Some((self.topic, partition)))
    }
}

impl<'a> Iterator for FetchPartitions<'a> {
    type Item = FetchPartitionView<'a>;

    fn next(&mut self) -> Option<FetchPartitionView<'a>> {
        self.advance()
            .expect("the request has been walked through before")
    }
}

impl<'a> Iterator for ForgottenPartitions<'a> {
    type Item = (TopicRef<'a>, i32);

    fn next(&mut self) -> Option<(TopicRef<'a>, i32)> {
        self.advance()
            .expect("the request has been walked through before")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::TopicId;
    use crate::wire::codec::Message;
    use crate::wire::messages::FetchRequest;
    use crate::wire::messages::fetch::{FetchPartition, FetchTopic, ForgottenTopic, ReplicaState};

    fn request(version: i16) -> FetchRequest {
        let name = |n: u8| {
            if version < 13 {
                format!("topic-{n}")
            } else {
                String::new()
            }
        };
        let id = |n: u8| TopicId(if version < 13 { [0; 16] } else { [n; 16] });
        let since = |first: i16, value: i32| if version >= first { value } else { -1 };
        let partition = |partition| FetchPartition {
            partition,
            current_leader_epoch: since(9, 5),
            fetch_offset: 77,
            last_fetched_epoch: since(12, 4),
            log_start_offset: since(5, 3).into(),
            partition_max_bytes: 1 << 20,
            replica_directory_id: if version >= 17 {
                TopicId([9; 16])
            } else {
                TopicId::ZERO
            },
            ..FetchPartition::default()
        };
        FetchRequest {
            replica_id: if version <= 14 { 2 } else { -1 },
            max_wait_ms: 500,
            min_bytes: 1,
            max_bytes: 50 << 20,
            isolation_level: 1,
            session_id: if version >= 7 { 12 } else { 0 },
            session_epoch: since(7, 13),
            topics: vec![
                FetchTopic {
                    topic: name(1),
                    topic_id: id(1),
                    partitions: vec![partition(0), partition(9)],
                },
                FetchTopic {
                    topic: name(2),
                    topic_id: id(2),
                    partitions: vec![],
                },
                FetchTopic {
                    topic: name(3),
                    topic_id: id(3),
                    partitions: vec![partition(4)],
                },
            ],
            forgotten_topics_data: if version >= 7 {
                vec![ForgottenTopic {
                    topic: name(4),
                    topic_id: id(4),
                    partitions: vec![8, 7],
                }]
            } else {
                vec![]
            },
            rack_id: if version >= 11 {
                "r1".to_owned()
            } else {
                String::new()
            },
            cluster_id: (version >= 12).then(|| "c".to_owned()),
            replica_state: if version >= 15 {
                ReplicaState {
                    replica_id: 2,
                    replica_epoch: 21,
                }
            } else {
                ReplicaState::default()
            },
        }
    }

    #[test]
    fn a_view_sees_what_the_plain_struct_has() {
        for version in ApiKey::Fetch.versions().iter() {
            let request = request(version);
            let bytes = request.to_bytes(version).unwrap();
            let view = FetchView::read(&mut Reader::of_slice(&bytes), version).unwrap();
            assert_eq!(view.replica_id, 2);
            assert_eq!(view.replica_epoch, if version >= 15 { 21 } else { -1 });
            assert_eq!(
                (view.max_wait_ms, view.min_bytes, view.max_bytes),
                (500, 1, 50 << 20)
            );
            assert_eq!(view.isolation_level, 1);
            assert_eq!(
                (view.session_id, view.session_epoch),
                (request.session_id, request.session_epoch)
            );
            assert_eq!(view.rack_id, request.rack_id);
            assert_eq!(view.cluster_id, request.cluster_id.as_deref());
            assert_eq!(view.partition_count, 3);
            let same_topic = |seen: TopicRef<'_>, name: &str, id: TopicId| match seen {
                TopicRef::Name(seen) => seen == name,
                TopicRef::Id(seen) => seen == id,
            };
            let mut seen = view.partitions();
            for (topic_index, topic) in request.topics.iter().enumerate() {
                for partition in &topic.partitions {
                    let got = seen.next().unwrap();
                    assert!(same_topic(got.topic, &topic.topic, topic.topic_id));
                    assert_eq!(got.topic_index, topic_index);
                    assert_eq!(got.partition, partition.partition);
                    assert_eq!(got.current_leader_epoch, partition.current_leader_epoch);
                    assert_eq!(got.fetch_offset, partition.fetch_offset);
                    assert_eq!(got.last_fetched_epoch, partition.last_fetched_epoch);
                    assert_eq!(got.log_start_offset, partition.log_start_offset);
                    assert_eq!(got.partition_max_bytes, partition.partition_max_bytes);
                }
            }
            assert_eq!(seen.next(), None);
            let mut seen = view.forgotten();
            for topic in &request.forgotten_topics_data {
                for partition in &topic.partitions {
                    let (got, index) = seen.next().unwrap();
                    assert!(same_topic(got, &topic.topic, topic.topic_id));
                    assert_eq!(index, *partition);
                }
            }
            assert_eq!(seen.next(), None);
        }
    }

    #[test]
    fn cut_anywhere_it_is_refused() {
        for version in ApiKey::Fetch.versions().iter() {
            let bytes = request(version).to_bytes(version).unwrap();
            for end in 0..bytes.len() {
                assert!(FetchView::read(&mut Reader::of_slice(&bytes[..end]), version).is_err());
            }
        }
    }
}
