//! Hot path: produce, step 3. Checks a request and appends its batches. Both without suspending; between them is room for
//! changing a batch's compression.

use std::ops::Range;
use std::rc::Rc;

use bytes::BytesMut;
use smallvec::SmallVec;

use crate::base::ids::TopicId;
use crate::log::{AppendError, AppendOrigin, PartitionLog};
use crate::metadata::is_internal;
use crate::server::context::ConnectionInfo;
use crate::server::error_codes::append_error;
use crate::server::frame_reader::Frame;
use crate::server::handlers::partition_lookup::{self, LookupError};
use crate::server::handlers::produce::pending::{Outcome, PartitionOutcome, PendingProduce, TopicOutcome};
use crate::server::state::ServerState;
use crate::wire::codec::{DecodeError, Reader};
use crate::wire::errors::ErrorCode;
use crate::wire::produce_view::{ProducePartition, ProduceView};
use crate::wire::topic_ref::TopicRef;

/// What becomes of a request that has been looked at.
pub enum Begun {
    /// It will be answered after its commit.
    Pending(PendingProduce),
    /// It wants no answer.
    NoAnswer,
    /// It wants no answer, and something was refused.
    UnansweredFailure,
}

/// The values `acks` may have: none, the leader, all in-sync replicas.
const VALID_ACKS: Range<i16> = -1..2;

/// A partition of the request on its way to the log.
enum Target {
    /// To be appended as it lies in the frame.
    Log(Rc<PartitionLog>, Range<usize>),
    /// To be appended in another compression.
    Recompressed(Rc<PartitionLog>, BytesMut),
    Settled(Outcome),
}

/// A request whose partitions were found, and nothing appended yet.
pub struct PreparedProduce {
    correlation_id: i32,
    version: i16,
    acks: i16,
    topics: SmallVec<[TopicOutcome; 1]>,
    /// By the topic's place, with the partition's index.
    targets: SmallVec<[(usize, i32, Target); 1]>,
    frame: Frame,
    wants_recompression: bool,
}

/// Looks at a request. `body_at` is where the body begins in the frame.
pub fn prepare(
    server: &ServerState,
    correlation_id: i32,
    version: i16,
    frame: Frame,
    body_at: usize,
) -> Result<PreparedProduce, DecodeError> {
    let mut reader = Reader::of_slice(&frame.bytes);
    reader.take(body_at).expect("the header has been read");
    let view = ProduceView::read(&mut reader, version)?;
    let acks = view.acks;
    let mut topics: SmallVec<[TopicOutcome; 1]> = SmallVec::with_capacity(view.topic_count);
    let mut targets = SmallVec::with_capacity(view.partition_count);
    let whole_request = check_request(&view);
    let mut resolver = Resolver {
        server,
        image: server.shard.image(),
        topic: None,
    };
    let mut wants_recompression = false;
    for partition in view.partitions() {
        if topics.len() <= partition.topic_index {
            // What of several topics each has is not known before.
            let partitions = match view.topic_count {
                1 => view.partition_count,
                _ => 1,
            };
            topics.push(resolver.topic(&partition, partitions));
        }
        let target = match whole_request {
            Some(code) => Target::Settled(Outcome::Refused(code, None)),
            None => resolver.target(&partition),
        };
        if let Target::Log(log, records) = &target {
            wants_recompression |= log.wants_recompression(&frame.bytes[records.clone()]);
        }
        targets.push((topics.len() - 1, partition.index, target));
    }
    Ok(PreparedProduce {
        correlation_id,
        version,
        acks,
        topics,
        targets,
        frame,
        wants_recompression,
    })
}

impl PreparedProduce {
    /// Whether a topic is to have another compression than the producer chose.
    pub fn wants_recompression(&self) -> bool {
        self.wants_recompression
    }

    /// Brings batches to their topics' compression. Suspends: before the appends, so that the order of a connection's
    /// requests stays the order of its appends.
    pub async fn recompress(&mut self) {
        for (_, _, target) in &mut self.targets {
            let Target::Log(log, records) = target else {
                continue;
            };
            let bytes = &self.frame.bytes[records.clone()];
            if !log.wants_recompression(bytes) {
                continue;
            }
            let recompressed = log.recompress(BytesMut::from(bytes)).await;
            *target = match recompressed {
                Ok(batch) => Target::Recompressed(log.clone(), batch),
                Err(error) => Target::Settled(refused(error)),
            };
        }
    }

    /// Appends the batches. Nothing suspends.
    pub fn append(self, server: &ServerState, connection: &ConnectionInfo) -> Begun {
        let Frame { bytes, permits } = self.frame;
        let mut topics = self.topics;
        let mut rest = bytes;
        let mut cut = 0;
        let mut failed = false;
        let mut endpoints = Vec::new();
        for (topic, partition, target) in self.targets {
            let outcome = match target {
                Target::Log(log, records) => {
                    // Records lie in the frame in the order of the partitions.
                    let mut batch = rest.split_off(records.start - cut);
                    rest = batch.split_off(records.len());
                    cut = records.end;
                    append(server, log, batch)
                }
                Target::Recompressed(log, batch) => append(server, log, batch),
                Target::Settled(outcome) => outcome,
            };
            if let Outcome::Elsewhere(node, _) = outcome
                && endpoints
                    .iter()
                    .all(|endpoint: &crate::server::context::Endpoint| endpoint.node != node)
            {
                endpoints.push(server.endpoint(connection, node.shard()));
            }
            failed |= !matches!(outcome, Outcome::Appended(..));
            topics[topic]
                .partitions
                .push(PartitionOutcome { partition, outcome });
        }
        match (self.acks, failed) {
            (0, false) => Begun::NoAnswer,
            (0, true) => Begun::UnansweredFailure,
            _ => Begun::Pending(PendingProduce {
                correlation_id: self.correlation_id,
                version: self.version,
                topics,
                endpoints,
                _permits: permits,
            }),
        }
    }
}

/// What is wrong with the request as a whole, if anything.
fn check_request(view: &ProduceView<'_>) -> Option<ErrorCode> {
    if !VALID_ACKS.contains(&view.acks) {
        Some(ErrorCode::InvalidRequiredAcks)
    } else if view.transactional_id.is_some() {
        // No transactional id has ever been given a producer id here.
        Some(ErrorCode::InvalidProducerIdMapping)
    } else {
        None
    }
}

fn append(server: &ServerState, log: Rc<PartitionLog>, batch: BytesMut) -> Outcome {
    let bytes = batch.len() as u64;
    match log.append(batch, AppendOrigin::Client) {
        Ok(appended) => {
            let total = &server.shard.metrics.appended_bytes;
            total.set(total.get() + bytes);
            Outcome::Appended(log, appended)
        }
        Err(error) => {
            if matches!(error, AppendError::DiskFull { .. }) {
                let total = &server.shard.metrics.refused_batches_disk_full;
                total.set(total.get() + 1);
            }
            refused(error)
        }
    }
}

fn refused(error: AppendError) -> Outcome {
    let (code, message) = append_error(&error);
    match error {
        AppendError::Records { refused, what } => Outcome::RecordsRefused {
            code,
            message,
            refused,
            what,
        },
        _ => Outcome::Refused(code, message),
    }
}

/// Finds partitions; remembers the topic, which most partitions of a request share with the one before.
struct Resolver<'a> {
    server: &'a ServerState,
    image: std::sync::Arc<crate::metadata::ClusterImage>,
    topic: Option<std::sync::Arc<crate::metadata::TopicImage>>,
}

impl Resolver<'_> {
    /// Begins the outcomes of a topic, with room for so many partitions.
    fn topic(&mut self, partition: &ProducePartition<'_>, partitions: usize) -> TopicOutcome {
        let (name, id) = match partition.topic {
            TopicRef::Name(name) => {
                self.topic = self.image.topic_by_name(name).cloned();
                (name.to_owned(), TopicId::ZERO)
            }
            TopicRef::Id(id) => {
                self.topic = self.image.topic(&id).cloned();
                (String::new(), id)
            }
        };
        TopicOutcome {
            name,
            id,
            partitions: SmallVec::with_capacity(partitions),
        }
    }

    fn target(&self, partition: &ProducePartition<'_>) -> Target {
        let refused = |code| Target::Settled(Outcome::Refused(code, None));
        let Some(topic) = &self.topic else {
            return refused(match partition.topic {
                TopicRef::Name(_) => ErrorCode::UnknownTopicOrPartition,
                TopicRef::Id(_) => ErrorCode::UnknownTopicId,
            });
        };
        if is_internal(topic.name()) {
            return refused(ErrorCode::InvalidTopicException);
        }
        match partition_lookup::find(&self.server.shard, &self.image, topic, partition.index) {
            Ok(log) => match &partition.records {
                Some(records) => Target::Log(log, records.clone()),
                None => refused(ErrorCode::InvalidRecord),
            },
            Err(LookupError::Elsewhere(node, epoch)) => Target::Settled(Outcome::Elsewhere(node, epoch)),
            Err(error) => refused(error.code()),
        }
    }
}
