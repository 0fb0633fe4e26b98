//! Hot path: fetch. Writes the frame of a Fetch response around records that are never copied.

use bytes::Bytes;
use smallvec::SmallVec;

use super::api::ApiKey;
use super::codec::{EncodeError, Field, Form, Writer};
use super::frame::LENGTH_BYTES;
use super::header::write_response_header;
use super::messages::fetch::{NodeEndpoint, PartitionData};
use crate::base::ids::TopicId;

/// The first version that names topics by id.
const FIRST_ID_VERSION: i16 = 13;

/// A part of a frame, to be sent in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece<R> {
    /// What this writer wrote.
    Head(Bytes),
    /// Records, as they were given.
    Records(R),
}

/// Bytes of a partition beside its records, in most answers.
const HEAD_OF_PARTITION_BYTES: usize = 48;

/// A frame to be sent in pieces.
#[derive(Debug)]
pub struct FetchFrame<R> {
    /// The pieces, in order.
    pub pieces: SmallVec<[Piece<R>; 4]>,
    /// Bytes of all pieces, the four of the length at the front included.
    pub len: usize,
}

/// Writes a response from front to back: topics, their partitions, then the end.
///
/// `R` is a slice of records. All that is not records goes to one buffer; the places where records go are
/// remembered, and the buffer is cut there in the end.
#[derive(Debug)]
pub struct FetchResponseWriter<R> {
    w: Writer,
    version: i16,
    flexible: bool,
    topics_left: usize,
    partitions_left: usize,
    records: SmallVec<[(usize, R); 1]>,
    records_bytes: usize,
}

impl<R> FetchResponseWriter<R> {
    /// Begins a response for so many topics. `error_code` and `session_id` are of the session (KIP-227), which
    /// versions below 7 do not have.
    ///
    /// # Panics
    /// If Fetch has no such version.
    pub fn begin(
        version: i16,
        correlation_id: i32,
        throttle_time_ms: i32,
        error_code: i16,
        session_id: i32,
        topic_count: usize,
    ) -> Result<FetchResponseWriter<R>, EncodeError> {
        assert!(ApiKey::Fetch.versions().contains(version));
        let flexible = ApiKey::Fetch.is_flexible(version);
        let mut w = Writer::with_capacity(256);
        w.i32(0);
        write_response_header(&mut w, ApiKey::Fetch, version, correlation_id);
        w.i32(throttle_time_ms);
        if version >= 7 {
            w.i16(error_code);
            w.i32(session_id);
        }
        w.nullable_count(Some(topic_count), flexible)?;
        Ok(FetchResponseWriter {
            w,
            version,
            flexible,
            topics_left: topic_count,
            partitions_left: 0,
            records: SmallVec::new(),
            records_bytes: 0,
        })
    }

    /// Begins the next topic; the version decides whether its name or its id is written.
    ///
    /// # Panics
    /// If the topic before lacks partitions, or if there are more topics than announced.
    pub fn topic(&mut self, name: &str, id: TopicId, partition_count: usize) -> Result<(), EncodeError> {
        assert!(self.partitions_left == 0 && self.topics_left > 0);
        self.topics_left -= 1;
        self.partitions_left = partition_count;
        self.w.reserve(partition_count * HEAD_OF_PARTITION_BYTES);
        self.records.reserve(partition_count);
        if self.version >= FIRST_ID_VERSION {
            self.w.uuid(id);
        } else {
            self.w.nullable_str(Some(name), self.flexible)?;
        }
        self.w.nullable_count(Some(partition_count), self.flexible)?;
        if partition_count == 0 {
            self.end_of_struct();
        }
        Ok(())
    }

    /// Writes the topic's next partition. The records come as slices of `records_bytes` in all, in order;
    /// `data.records` is not looked at. No records at all are written as empty, not as null, since old clients
    /// do not expect null.
    ///
    /// # Panics
    /// If there are more partitions than announced.
    pub fn partition(
        &mut self,
        data: &PartitionData,
        records: impl IntoIterator<Item = R>,
        records_bytes: usize,
    ) -> Result<(), EncodeError> {
        assert!(self.partitions_left > 0);
        let (w, version) = (&mut self.w, self.version);
        let form = Form {
            version,
            flexible: self.flexible,
            nullable: true,
        };
        w.i32(data.partition_index);
        w.i16(data.error_code);
        w.i64(data.high_watermark);
        w.i64(data.last_stable_offset);
        if version >= 5 {
            w.i64(data.log_start_offset);
        }
        data.aborted_transactions.write(w, form)?;
        if version >= 11 {
            w.i32(data.preferred_read_replica);
        }
        w.nullable_count(Some(records_bytes), self.flexible)?;
        let place = w.position();
        self.records
            .extend(records.into_iter().map(|slice| (place, slice)));
        self.records_bytes += records_bytes;
        if self.flexible {
            write_partition_tags(w, data, form)?;
        }
        self.partitions_left -= 1;
        if self.partitions_left == 0 {
            self.end_of_struct();
        }
        Ok(())
    }

    /// Ends the response. `node_endpoints` are those of leaders that partitions' errors pointed at (KIP-951);
    /// versions below 16 do not have them.
    ///
    /// # Panics
    /// If topics or partitions are missing.
    pub fn finish(mut self, node_endpoints: &[NodeEndpoint]) -> Result<FetchFrame<R>, EncodeError> {
        assert!(self.partitions_left == 0 && self.topics_left == 0);
        if self.flexible {
            if self.version >= 16 && !node_endpoints.is_empty() {
                let form = Form {
                    version: self.version,
                    flexible: true,
                    nullable: false,
                };
                self.w.unsigned_varint(1);
                self.w.unsigned_varint(0);
                let start = self.w.position();
                self.w.nullable_count(Some(node_endpoints.len()), true)?;
                for endpoint in node_endpoints {
                    endpoint.write(&mut self.w, form)?;
                }
                self.w.size_in_front(start)?;
            } else {
                self.w.unsigned_varint(0);
            }
        }
        let len = self.w.position() + self.records_bytes;
        let length =
            i32::try_from(len - LENGTH_BYTES).map_err(|_| EncodeError::TooLong(len - LENGTH_BYTES))?;
        self.w.written_mut()[..LENGTH_BYTES].copy_from_slice(&length.to_be_bytes());
        Ok(FetchFrame {
            pieces: cut(self.w.into_bytes(), self.records),
            len,
        })
    }

    fn end_of_struct(&mut self) {
        if self.flexible {
            self.w.unsigned_varint(0);
        }
    }
}

fn write_partition_tags(w: &mut Writer, data: &PartitionData, form: Form) -> Result<(), EncodeError> {
    let form = Form {
        nullable: false,
        ..form
    };
    let diverging_epoch = data.diverging_epoch != Default::default();
    let current_leader = data.current_leader != Default::default();
    let snapshot_id = data.snapshot_id != Default::default();
    w.unsigned_varint(u32::from(diverging_epoch) + u32::from(current_leader) + u32::from(snapshot_id));
    if diverging_epoch {
        write_tag(w, 0, &data.diverging_epoch, form)?;
    }
    if current_leader {
        write_tag(w, 1, &data.current_leader, form)?;
    }
    if snapshot_id {
        write_tag(w, 2, &data.snapshot_id, form)?;
    }
    Ok(())
}

fn write_tag<T: Field>(w: &mut Writer, tag: u32, value: &T, form: Form) -> Result<(), EncodeError> {
    w.unsigned_varint(tag);
    let start = w.position();
    value.write(w, form)?;
    w.size_in_front(start)
}

/// Cuts the head where records go.
fn cut<R>(head: Bytes, records: SmallVec<[(usize, R); 1]>) -> SmallVec<[Piece<R>; 4]> {
    let mut pieces = SmallVec::with_capacity(2 * records.len() + 1);
    let mut done = 0;
    for (place, slice) in records {
        if place > done {
            pieces.push(Piece::Head(head.slice(done..place)));
            done = place;
        }
        pieces.push(Piece::Records(slice));
    }
    if done < head.len() {
        pieces.push(Piece::Head(head.slice(done..)));
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::frame::response_frame;
    use crate::wire::messages::FetchResponse;
    use crate::wire::messages::fetch::{
        AbortedTransaction, EpochEndOffset, FetchableTopicResponse, LeaderIdAndEpoch,
    };

    fn response(version: i16) -> FetchResponse {
        let mut full = PartitionData {
            partition_index: 3,
            high_watermark: 10,
            last_stable_offset: 9,
            log_start_offset: 1,
            aborted_transactions: Some(vec![AbortedTransaction {
                producer_id: 4,
                first_offset: 5,
            }]),
            preferred_read_replica: 1001,
            records: Some(Bytes::from_static(b"first slice, second slice")),
            ..PartitionData::default()
        };
        let wrong = PartitionData {
            partition_index: 4,
            error_code: 6,
            current_leader: LeaderIdAndEpoch {
                leader_id: 1001,
                leader_epoch: 2,
            },
            records: Some(Bytes::new()),
            ..PartitionData::default()
        };
        if version >= 12 {
            full.diverging_epoch = EpochEndOffset {
                epoch: 2,
                end_offset: 7,
            };
        }
        let topic = |n: u8, partitions| FetchableTopicResponse {
            topic: format!("topic-{n}"),
            topic_id: TopicId([n; 16]),
            partitions,
        };
        FetchResponse {
            throttle_time_ms: 1,
            error_code: 0,
            session_id: 99,
            responses: vec![
                topic(1, vec![full.clone(), wrong]),
                topic(2, vec![]),
                topic(3, vec![full]),
            ],
            node_endpoints: vec![NodeEndpoint {
                node_id: 1001,
                host: "h".to_owned(),
                port: 9093,
                rack: None,
            }],
        }
    }

    #[test]
    fn pieces_together_are_what_the_plain_struct_gives() {
        for version in ApiKey::Fetch.versions().iter() {
            let response = response(version);
            let mut writer = FetchResponseWriter::begin(
                version,
                5,
                response.throttle_time_ms,
                response.error_code,
                response.session_id,
                response.responses.len(),
            )
            .unwrap();
            for topic in &response.responses {
                writer
                    .topic(&topic.topic, topic.topic_id, topic.partitions.len())
                    .unwrap();
                for partition in &topic.partitions {
                    let records = partition.records.clone().unwrap();
                    let slices = records.chunks(13).map(|chunk| records.slice_ref(chunk));
                    writer.partition(partition, slices, records.len()).unwrap();
                }
            }
            let frame = writer.finish(&response.node_endpoints).unwrap();
            let mut sent = Vec::new();
            for piece in &frame.pieces {
                match piece {
                    Piece::Head(bytes) | Piece::Records(bytes) => sent.extend_from_slice(bytes),
                }
            }
            assert_eq!(sent, response_frame(&response, version, 5).unwrap());
            assert_eq!(frame.len, sent.len());
            let records = |piece: &&Piece<Bytes>| matches!(piece, Piece::Records(_));
            assert_eq!(frame.pieces.iter().filter(records).count(), 4);
        }
    }
}
