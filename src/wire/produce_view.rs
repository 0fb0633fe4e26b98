//! Hot path: produce. A Produce request as it lies in its frame.
//!
//! Nothing is allocated: topics are borrowed, and records are told by their place in the frame, so that whoever
//! owns the frame as `BytesMut` can split them off and patch them in place.

use std::ops::Range;

use super::api::ApiKey;
use super::codec::{DecodeError, DecodeErrorKind, Reader};
use super::topic_ref::TopicRef;

/// The first version that names topics by id.
const FIRST_ID_VERSION: i16 = 13;

/// A Produce request that has been walked through once, and found whole.
#[derive(Clone, Debug)]
pub struct ProduceView<'a> {
    /// The transaction the records belong to.
    pub transactional_id: Option<&'a str>,
    /// 0: no answer, 1: when the leader has it, -1: when all in-sync replicas have it.
    pub acks: i16,
    /// How long to wait for the in-sync replicas, in milliseconds.
    pub timeout_ms: i32,
    /// Number of topics named.
    pub topic_count: usize,
    /// Number of partitions named, of all topics.
    pub partition_count: usize,
    /// Bytes of records, of all partitions.
    pub records_bytes: usize,
    partitions: ProducePartitions<'a>,
}

/// What a request has for one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProducePartition<'a> {
    /// The topic.
    pub topic: TopicRef<'a>,
    /// The topic's place in the request, from 0: partitions of one topic share it.
    pub topic_index: usize,
    /// Index of the partition.
    pub index: i32,
    /// Where the records are in what the reader was given; `None` for null.
    pub records: Option<Range<usize>>,
}

/// The partitions of a request, in its order.
#[derive(Clone, Debug)]
pub struct ProducePartitions<'a> {
    r: Reader<'a>,
    version: i16,
    flexible: bool,
    topics_left: usize,
    partitions_left: usize,
    /// The topic the next partition belongs to, and its place.
    topic: TopicRef<'a>,
    next_topic_index: usize,
}

impl<'a> ProduceView<'a> {
    /// Walks through the body of a request, up to the end of the frame. Ranges of records are positions in what
    /// `r` was made of.
    pub fn read(r: &mut Reader<'a>, version: i16) -> Result<ProduceView<'a>, DecodeError> {
        if !ApiKey::Produce.versions().contains(version) {
            return Err(r.error(DecodeErrorKind::UnsupportedVersion(version)));
        }
        let flexible = ApiKey::Produce.is_flexible(version);
        let transactional_id = r.nullable_str(flexible)?;
        let acks = r.i16()?;
        let timeout_ms = r.i32()?;
        let topic_count = r.count(flexible, 2)?;
        let partitions = ProducePartitions {
            r: r.clone(),
            version,
            flexible,
            topics_left: topic_count,
            partitions_left: 0,
            topic: TopicRef::Name(""),
            next_topic_index: 0,
        };
        let mut walk = partitions.clone();
        let mut partition_count = 0;
        let mut records_bytes = 0;
        while let Some(partition) = walk.advance()? {
            partition_count += 1;
            records_bytes += partition.records.map_or(0, |range| range.len());
        }
        *r = walk.r;
        if flexible {
            r.skip_tag_section()?;
        }
        r.finish()?;
        Ok(ProduceView {
            transactional_id,
            acks,
            timeout_ms,
            topic_count,
            partition_count,
            records_bytes,
            partitions,
        })
    }

    /// The partitions, in the request's order. A topic without partitions does not appear.
    pub fn partitions(&self) -> ProducePartitions<'a> {
        self.partitions.clone()
    }
}

impl<'a> ProducePartitions<'a> {
    fn advance(&mut self) -> Result<Option<ProducePartition<'a>>, DecodeError> {
        while self.partitions_left == 0 {
            if self.topics_left == 0 {
                return Ok(None);
            }
            self.topics_left -= 1;
            self.topic = TopicRef::read(&mut self.r, self.version, FIRST_ID_VERSION, self.flexible)?;
            self.next_topic_index += 1;
            self.partitions_left = self.r.count(self.flexible, 5)?;
            if self.partitions_left == 0 {
                self.end_of_struct()?;
            }
        }
        let index = self.r.i32()?;
        let records = self.r.nullable_range(self.flexible)?;
        self.end_of_struct()?;
        self.partitions_left -= 1;
        if self.partitions_left == 0 {
            self.end_of_struct()?;
        }
        Ok(Some(ProducePartition {
            topic: self.topic,
            topic_index: self.next_topic_index - 1,
            index,
            records,
        }))
    }

    fn end_of_struct(&mut self) -> Result<(), DecodeError> {
        if self.flexible {
            self.r.skip_tag_section()?;
        }
        Ok(())
    }
}

impl<'a> Iterator for ProducePartitions<'a> {
    type Item = ProducePartition<'a>;

    fn next(&mut self) -> Option<ProducePartition<'a>> {
        self.advance()
            .expect("the request has been walked through before")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::TopicId;
    use crate::wire::codec::{Message, Writer};
    use crate::wire::messages::ProduceRequest;
    use crate::wire::messages::produce::{PartitionProduceData, TopicProduceData};

    fn request(version: i16) -> ProduceRequest {
        let partition = |index, records: Option<&'static [u8]>| PartitionProduceData {
            index,
            records: records.map(bytes::Bytes::from_static),
        };
        let topic = |n: u8, partition_data| TopicProduceData {
            name: if version < 13 {
                format!("topic-{n}")
            } else {
                String::new()
            },
            topic_id: TopicId(if version < 13 { [0; 16] } else { [n; 16] }),
            partition_data,
        };
        ProduceRequest {
            transactional_id: Some("tx".to_owned()),
            acks: -1,
            timeout_ms: 1500,
            topic_data: vec![
                topic(1, vec![partition(3, Some(b"abc")), partition(4, None)]),
                topic(2, vec![]),
                topic(3, vec![partition(0, Some(b""))]),
            ],
        }
    }

    #[test]
    fn a_view_sees_what_the_plain_struct_has() {
        for version in ApiKey::Produce.versions().iter() {
            let request = request(version);
            let mut w = Writer::new();
            w.raw(b"something in front");
            request.encode(&mut w, version).unwrap();
            let frame = w.into_bytes();
            let mut r = Reader::of_slice(&frame);
            r.take(18).unwrap();
            let view = ProduceView::read(&mut r, version).unwrap();
            assert_eq!(view.transactional_id, Some("tx"));
            assert_eq!((view.acks, view.timeout_ms), (-1, 1500));
            assert_eq!(
                (view.topic_count, view.partition_count, view.records_bytes),
                (3, 3, 3)
            );
            let mut seen = view.partitions();
            for (topic_index, topic) in request.topic_data.iter().enumerate() {
                for partition in &topic.partition_data {
                    let got = seen.next().unwrap();
                    assert_eq!(got.topic_index, topic_index);
                    assert_eq!(got.index, partition.index);
                    match got.topic {
                        TopicRef::Name(name) => assert_eq!(name, topic.name),
                        TopicRef::Id(id) => assert_eq!(id, topic.topic_id),
                    }
                    assert_eq!(
                        got.records.map(|range| &frame[range]),
                        partition.records.as_deref()
                    );
                }
            }
            assert_eq!(seen.next(), None);
        }
    }

    #[test]
    fn cut_anywhere_it_is_refused() {
        for version in ApiKey::Produce.versions().iter() {
            let bytes = request(version).to_bytes(version).unwrap();
            for end in 0..bytes.len() {
                assert!(ProduceView::read(&mut Reader::of_slice(&bytes[..end]), version).is_err());
            }
            let mut longer = bytes.to_vec();
            longer.push(0);
            assert!(ProduceView::read(&mut Reader::of_slice(&longer), version).is_err());
        }
    }
}
