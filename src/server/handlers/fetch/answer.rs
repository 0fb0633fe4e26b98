//! Hot path: fetch, steps 5 and 6. Reads what was planned and writes the answer around it.

use std::io::{self, IoSlice};
use std::ops::Range;

use smallvec::SmallVec;

use crate::base::ids::{Offset, TopicId};
use crate::log::{PartitionLog, Positions, ReadError, RecordSlice, Records};
use crate::rt::sync::Permit;
use crate::rt::{self, JoinHandle};
use crate::server::connection::Sender;
use crate::server::context::{Endpoint, RequestContext};
use crate::server::error_codes::read_error;
use crate::server::handlers::fetch::read::{AbortedIn, PartitionRead, RequestPlan};
use crate::server::handlers::fetch::session::{FetchPartition, FetchScope, FetchTopic, NO_SESSION, Told};
use crate::wire::codec::EncodeError;
use crate::wire::errors::ErrorCode;
use crate::wire::fetch_response::{FetchFrame, FetchResponseWriter, Piece};
use crate::wire::messages::fetch::{
    AbortedTransaction, EpochEndOffset, LeaderIdAndEpoch, NodeEndpoint, PartitionData,
};

/// Slices handed to one send at most; the kernel takes 1024 at a time.
const SLICES_PER_SEND: usize = 1024;

/// An answer ready to be sent, with its share of the memory budget.
pub struct FetchAnswer {
    frame: FetchFrame<RecordSlice>,
    _permit: Option<Permit>,
}

impl FetchAnswer {
    /// Sends the answer: headers and records, in order, nothing copied.
    pub async fn send(self, sender: &Sender) -> io::Result<()> {
        for pieces in self.frame.pieces.chunks(SLICES_PER_SEND) {
            let slices: SmallVec<[IoSlice<'_>; 16]> = pieces
                .iter()
                .map(|piece| match piece {
                    Piece::Head(bytes) => IoSlice::new(bytes),
                    Piece::Records(slice) => IoSlice::new(slice),
                })
                .collect();
            sender.send(&slices).await?;
        }
        Ok(())
    }
}

/// One partition of the answer.
struct Answered {
    partition: FetchPartition,
    data: PartitionData,
    records: SmallVec<[RecordSlice; 1]>,
    records_bytes: usize,
}

/// The answer to a request whose session is not as it says.
pub(super) fn refused(
    cx: &RequestContext,
    correlation_id: i32,
    code: ErrorCode,
) -> Result<FetchAnswer, EncodeError> {
    let writer = FetchResponseWriter::begin(cx.api_version, correlation_id, 0, code.code(), NO_SESSION, 0)?;
    Ok(FetchAnswer {
        frame: writer.finish(&[])?,
        _permit: None,
    })
}

/// Reads what was planned and writes the answer.
pub(super) async fn write(
    cx: &RequestContext,
    correlation_id: i32,
    scope: FetchScope,
    plan: RequestPlan,
    wants_aborted: bool,
    mut permit: Option<Permit>,
) -> Result<FetchAnswer, EncodeError> {
    let mut answered = SmallVec::with_capacity(plan.reads.len());
    let mut endpoints: Vec<Endpoint> = Vec::new();
    let mut total_bytes = 0;
    let reads = plan.reads.into_iter().zip(scope.partitions.iter());
    let reading: SmallVec<[_; 1]> = reads
        .map(|(read, partition)| Reading::begin(read, partition.fetch_offset))
        .collect();
    for (partition, read) in scope.partitions.into_iter().zip(reading) {
        let read = read.end().await;
        if let Read::Other(PartitionRead::Elsewhere(node, _)) = read
            && endpoints.iter().all(|endpoint| endpoint.node != node)
        {
            endpoints.push(cx.endpoint(node.shard()));
        }
        let one = answer_partition(partition, read, wants_aborted);
        let told = Told {
            high_watermark: Offset(one.data.high_watermark),
            log_start: Offset(one.data.log_start_offset),
            error: one.data.error_code != ErrorCode::None.code(),
        };
        let has_records = one.records_bytes > 0;
        let mut sessions = cx.server.fetch_sessions.borrow_mut();
        let news = sessions.tell(scope.session, &one.partition, told, has_records);
        if news || !scope.incremental {
            total_bytes += one.records_bytes;
            answered.push(one);
        }
    }
    let fetched = &cx.shard().metrics.fetched_bytes;
    fetched.set(fetched.get() + total_bytes as u64);
    if let Some(permit) = &mut permit {
        permit.shrink_to(total_bytes);
    }
    let frame = frame(cx.api_version, correlation_id, scope.session, answered, endpoints)?;
    Ok(FetchAnswer {
        frame,
        _permit: permit,
    })
}

/// A partition's read under way. All partitions that are read from disk are read at the same time.
enum Reading {
    UnderWay(Positions, JoinHandle<Found>),
    InMemory(Positions, Found),
    Other(PartitionRead),
}

/// A partition's read that has ended.
enum Read {
    Done(Positions, Found),
    Other(PartitionRead),
}

/// What a read has brought: records, and which of them were aborted. Both are of one moment, for compaction takes both away.
struct Found {
    records: Result<Records, ReadError>,
    aborted: Vec<AbortedTransaction>,
}

impl Found {
    fn new(records: Result<Records, ReadError>, aborted_in: Option<AbortedIn>, from: Offset) -> Found {
        let end = records.as_ref().ok().and_then(Records::next_offset);
        let aborted = match (aborted_in, end) {
            (Some(log), Some(end)) => aborted(&log, from..end),
            _ => Vec::new(),
        };
        Found { records, aborted }
    }
}

impl Reading {
    fn begin(read: PartitionRead, from: Offset) -> Reading {
        let (positions, read) = match read {
            PartitionRead::Planned(positions, Some(read)) => (positions, read),
            other => return Reading::Other(other),
        };
        let aborted_in = read.aborted_in;
        match read.plan.in_memory() {
            Ok(records) => Reading::InMemory(positions, Found::new(Ok(records), aborted_in, from)),
            Err(plan) => {
                let reading = async move { Found::new(plan.execute().await, aborted_in, from) };
                Reading::UnderWay(positions, rt::spawn(reading))
            }
        }
    }

    async fn end(self) -> Read {
        match self {
            Reading::UnderWay(positions, task) => Read::Done(positions, task.await),
            Reading::InMemory(positions, found) => Read::Done(positions, found),
            Reading::Other(other) => Read::Other(other),
        }
    }
}

fn answer_partition(partition: FetchPartition, read: Read, wants_aborted: bool) -> Answered {
    let mut data = PartitionData {
        partition_index: partition.partition,
        high_watermark: -1,
        last_stable_offset: -1,
        log_start_offset: -1,
        preferred_read_replica: -1,
        aborted_transactions: wants_aborted.then(Vec::new),
        ..Default::default()
    };
    let mut records = Records::default();
    match read {
        Read::Done(positions, found) => {
            set_positions(&mut data, positions);
            match found.records {
                Ok(read) => {
                    records = read;
                    if wants_aborted {
                        data.aborted_transactions = Some(found.aborted);
                    }
                }
                Err(error) => {
                    // Damage was logged where it was found, once for each place.
                    if matches!(error, ReadError::File(_)) {
                        tracing::error!(partition = partition.partition, topic = ?partition.topic, %error, "could not read");
                    }
                    data.error_code = read_error(&error).code();
                }
            }
        }
        Read::Other(PartitionRead::Planned(positions, _)) => set_positions(&mut data, positions),
        Read::Other(PartitionRead::Diverging(positions, epoch, end_offset)) => {
            set_positions(&mut data, positions);
            data.diverging_epoch = EpochEndOffset {
                epoch: epoch.0,
                end_offset: end_offset.0,
            };
        }
        Read::Other(PartitionRead::Failed(code)) => data.error_code = code.code(),
        Read::Other(PartitionRead::Elsewhere(node, epoch)) => {
            data.error_code = ErrorCode::NotLeaderOrFollower.code();
            data.current_leader = LeaderIdAndEpoch {
                leader_id: node.0,
                leader_epoch: epoch.0,
            };
        }
    }
    Answered {
        partition,
        data,
        records_bytes: records.len,
        records: records.slices,
    }
}

/// What a reader of committed records has to pass over.
fn aborted(log: &PartitionLog, range: Range<Offset>) -> Vec<AbortedTransaction> {
    let aborted = log.aborted_transactions(range).into_iter();
    aborted
        .map(|one| AbortedTransaction {
            producer_id: one.producer_id.0,
            first_offset: one.first_offset.0,
        })
        .collect()
}

fn set_positions(data: &mut PartitionData, positions: Positions) {
    data.high_watermark = positions.high_watermark.0;
    data.last_stable_offset = positions.last_stable.0;
    data.log_start_offset = positions.log_start.0;
}

/// Writes the answer. Neighbours of one topic share one entry.
fn frame(
    version: i16,
    correlation_id: i32,
    session: i32,
    mut answered: SmallVec<[Answered; 1]>,
    endpoints: Vec<Endpoint>,
) -> Result<FetchFrame<RecordSlice>, EncodeError> {
    let topics = answered
        .chunk_by(|a, b| a.partition.topic == b.partition.topic)
        .count();
    let mut writer = FetchResponseWriter::begin(
        version,
        correlation_id,
        0,
        ErrorCode::None.code(),
        session,
        topics,
    )?;
    for topic in answered.chunk_by_mut(|a, b| a.partition.topic == b.partition.topic) {
        let (name, id) = match &topic[0].partition.topic {
            FetchTopic::Name(name) => (&**name, TopicId::ZERO),
            FetchTopic::Id(id) => ("", *id),
        };
        writer.topic(name, id, topic.len())?;
        for one in topic {
            writer.partition(&one.data, one.records.drain(..), one.records_bytes)?;
        }
    }
    let endpoints: Vec<_> = endpoints
        .into_iter()
        .map(|endpoint| NodeEndpoint {
            node_id: endpoint.node.0,
            host: endpoint.host,
            port: endpoint.port.into(),
            rack: endpoint.rack,
        })
        .collect();
    writer.finish(&endpoints)
}
