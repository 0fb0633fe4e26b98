//! Hot path: fetch, step 4. Plans what to read of each partition, without suspending.

use std::rc::Rc;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::base::ids::{LeaderEpoch, NodeId, Offset};
use crate::log::{MinOneBatch, PartitionLog, Positions, ReadPlan, ReadUpto};
use crate::metadata::{ClusterImage, TopicImage};
use crate::server::error_codes::read_error;
use crate::server::handlers::fetch::session::{FetchPartition, FetchTopic};
use crate::server::handlers::partition_lookup::{self, LookupError};
use crate::shard::Shard;
use crate::wire::errors::ErrorCode;

/// What a whole request may read.
#[derive(Clone, Copy)]
pub(super) struct ReadLimits {
    pub(super) max_bytes: usize,
    pub(super) upto: ReadUpto,
}

/// What there is to answer for one partition.
pub(super) enum PartitionRead {
    /// It can be read; `None` if there is nothing (yet, or no room in this answer).
    Planned(Positions, Option<PlannedRead>),
    /// The fetcher's log and this one part ways at this epoch's end.
    Diverging(Positions, LeaderEpoch, Offset),
    /// It can't be read.
    Failed(ErrorCode),
    /// Another node leads it.
    Elsewhere(NodeId, LeaderEpoch),
}

/// The log in which a reader of committed records has to be told what was aborted.
pub(super) type AbortedIn = Rc<PartitionLog>;

/// A read of one partition.
pub(super) struct PlannedRead {
    pub(super) plan: ReadPlan,
    /// `None` if there is nothing of the kind, which is usual.
    pub(super) aborted_in: Option<AbortedIn>,
}

/// The plan for a request.
pub(super) struct RequestPlan {
    /// In the order of the request's partitions.
    pub(super) reads: SmallVec<[PartitionRead; 1]>,
    /// Bytes that will be read.
    pub(super) bytes: usize,
    /// Whether something has to be told at once.
    pub(super) urgent: bool,
    /// Logs in which more may appear.
    pub(super) logs: SmallVec<[Rc<PartitionLog>; 1]>,
}

/// Plans a request.
pub(super) fn plan(shard: &Shard, partitions: &[FetchPartition], limits: ReadLimits) -> RequestPlan {
    let image = shard.image();
    let mut plan = RequestPlan {
        reads: SmallVec::with_capacity(partitions.len()),
        bytes: 0,
        urgent: false,
        logs: SmallVec::with_capacity(partitions.len()),
    };
    let mut last: Option<(&FetchTopic, Option<Arc<TopicImage>>)> = None;
    for wanted in partitions {
        if last.as_ref().is_none_or(|(topic, _)| **topic != wanted.topic) {
            last = Some((&wanted.topic, find_topic(&image, &wanted.topic)));
        }
        let topic = last.as_ref().and_then(|(_, topic)| topic.as_deref());
        let read = plan_partition(shard, &image, topic, wanted, limits, &mut plan);
        plan.urgent |= !matches!(read, PartitionRead::Planned(..));
        plan.reads.push(read);
    }
    plan
}

fn find_topic(image: &ClusterImage, topic: &FetchTopic) -> Option<Arc<TopicImage>> {
    match topic {
        FetchTopic::Name(name) => image.topic_by_name(name).cloned(),
        FetchTopic::Id(id) => image.topic(id).cloned(),
    }
}

fn plan_partition(
    shard: &Shard,
    image: &ClusterImage,
    topic: Option<&TopicImage>,
    wanted: &FetchPartition,
    limits: ReadLimits,
    plan: &mut RequestPlan,
) -> PartitionRead {
    let Some(topic) = topic else {
        return PartitionRead::Failed(match wanted.topic {
            FetchTopic::Name(_) => ErrorCode::UnknownTopicOrPartition,
            FetchTopic::Id(_) => ErrorCode::UnknownTopicId,
        });
    };
    let log = match partition_lookup::find(shard, image, topic, wanted.partition) {
        Ok(log) => log,
        Err(LookupError::Elsewhere(node, epoch)) => return PartitionRead::Elsewhere(node, epoch),
        Err(error) => return PartitionRead::Failed(error.code()),
    };
    if let Err(code) = partition_lookup::check_leader_epoch(&log, wanted.current_leader_epoch) {
        return PartitionRead::Failed(code);
    }
    let positions = log.positions();
    if wanted.last_fetched_epoch.0 >= 0 {
        match log.end_offset_for_epoch(wanted.last_fetched_epoch) {
            Some((epoch, end)) if epoch < wanted.last_fetched_epoch || end < wanted.fetch_offset => {
                return PartitionRead::Diverging(positions, epoch, end);
            }
            Some(_) => {}
            None => return PartitionRead::Failed(ErrorCode::OffsetOutOfRange),
        }
    }
    let room = limits.max_bytes.saturating_sub(plan.bytes);
    let max_bytes = room.min(usize::try_from(wanted.max_bytes).unwrap_or(0));
    let min_one_batch = if plan.bytes == 0 {
        MinOneBatch::Yes
    } else {
        MinOneBatch::No
    };
    match log.read_plan(wanted.fetch_offset, max_bytes, min_one_batch, limits.upto) {
        Ok(read) => {
            let bytes = read.expected_bytes();
            plan.bytes += bytes;
            let tells = limits.upto == ReadUpto::LastStable && log.has_aborted_transactions();
            let read = (bytes > 0).then(|| PlannedRead {
                plan: read,
                aborted_in: tells.then(|| log.clone()),
            });
            plan.logs.push(log);
            PartitionRead::Planned(positions, read)
        }
        Err(error) => PartitionRead::Failed(read_error(&error)),
    }
}
