//! Hot path: fetch, steps 5 and 6. Reads what was planned and writes the answer around it.

use std::io::{self, IoSlice};
use std::ops::Range;

use smallvec::SmallVec;

use crate::base::ids::{Offset, TopicId};
use crate::log::{PartitionLog, Positions, ReadError, ReadPlan, RecordSlice, Records};
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
    let reading: SmallVec<[_; 1]> = plan.reads.into_iter().map(Reading::begin).collect();
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
    UnderWay(
        Positions,
        Option<AbortedIn>,
        JoinHandle<Result<Records, ReadError>>,
    ),
    InMemory(Positions, Option<AbortedIn>, ReadPlan),
    Other(PartitionRead),
}

/// A partition's read that has ended.
enum Read {
    Done(Positions, Option<AbortedIn>, Result<Records, ReadError>),
    Other(PartitionRead),
}

impl Reading {
    fn begin(read: PartitionRead) -> Reading {
        match read {
            PartitionRead::Planned(positions, Some(read)) if read.plan.is_in_memory() => {
                Reading::InMemory(positions, read.aborted_in, read.plan)
            }
            PartitionRead::Planned(positions, Some(read)) => {
                Reading::UnderWay(positions, read.aborted_in, rt::spawn(read.plan.execute()))
            }
            other => Reading::Other(other),
        }
    }

    async fn end(self) -> Read {
        match self {
            Reading::UnderWay(positions, log, task) => Read::Done(positions, log, task.await),
            Reading::InMemory(positions, log, plan) => Read::Done(positions, log, plan.execute().await),
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
        Read::Done(positions, aborted_in, read) => {
            set_positions(&mut data, positions);
            match read {
                Ok(read) => {
                    if let (Some(log), Some(end)) = (aborted_in, read.next_offset()) {
                        data.aborted_transactions = Some(aborted(&log, partition.fetch_offset..end));
                    }
                    records = read;
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
