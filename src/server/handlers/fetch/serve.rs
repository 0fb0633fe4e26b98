//! Hot path: fetch, steps 3 to 6. One fetch request from its frame to its answer.

use std::rc::Rc;
use std::time::Duration;

use crate::base::ids::{LeaderEpoch, Offset};
use crate::base::time::Monotonic;
use crate::log::ReadUpto;
use crate::rt;
use crate::rt::sync::Event;
use crate::server::context::RequestContext;
use crate::server::handlers::fetch::answer::{self, FetchAnswer};
use crate::server::handlers::fetch::read::{self, ReadLimits, RequestPlan};
use crate::server::handlers::fetch::session::{FetchPartition, FetchScope, FetchTopic, SessionRequest};
use crate::wire::codec::EncodeError;
use crate::wire::fetch_view::FetchView;
use crate::wire::topic_ref::TopicRef;

/// Least memory of an answer when the shard is short of it, in bytes: consumers get slower then, but none stands still.
const SCARCE_ANSWER_BYTES: usize = 64 * 1024;

/// First version that names topics by id.
const TOPIC_IDS_SINCE: i16 = 13;

/// `isolation_level` of a consumer that reads only what is committed.
const READ_COMMITTED: i8 = 1;

/// Serves a fetch; the answer holds what it sends, and its share of the memory budget.
pub async fn handle(
    cx: &RequestContext,
    correlation_id: i32,
    request: FetchView<'_>,
) -> Result<FetchAnswer, EncodeError> {
    let session = SessionRequest {
        connection: cx.connection.id,
        session: request.session_id,
        epoch: request.session_epoch,
        by_id: cx.api_version >= TOPIC_IDS_SINCE,
    };
    let forgotten: Vec<_> = request
        .forgotten()
        .map(|(topic, partition)| (fetch_topic(topic), partition))
        .collect();
    let wanted = wanted_partitions(&request);
    let scope =
        cx.server
            .fetch_sessions
            .borrow_mut()
            .begin(session, wanted, &forgotten, rt::now(), rt::random_u64);
    let scope = match scope {
        Ok(scope) => scope,
        Err(code) => return answer::refused(cx, correlation_id, code),
    };
    let deadline = rt::now().plus(Duration::from_millis(
        u64::try_from(request.max_wait_ms).unwrap_or(0),
    ));
    let min_bytes = usize::try_from(request.min_bytes).unwrap_or(0);
    let committed_only = request.isolation_level == READ_COMMITTED;
    let upto = if committed_only {
        ReadUpto::LastStable
    } else {
        ReadUpto::HighWatermark
    };
    let asked = usize::try_from(request.max_bytes)
        .unwrap_or(0)
        .min(cx.shard().settings().fetch_max_bytes);
    let plan = plan_with_enough(
        cx,
        &scope,
        ReadLimits {
            max_bytes: asked,
            upto,
        },
        min_bytes,
        deadline,
    )
    .await;
    // Memory is asked for when it is known how much there is to send: a consumer that waits holds none.
    let permit = cx.server.fetch_budget.try_take(plan.bytes);
    let plan = match permit {
        Some(_) => plan,
        None => read::plan(
            cx.shard(),
            &scope.partitions,
            ReadLimits {
                max_bytes: asked.min(SCARCE_ANSWER_BYTES),
                upto,
            },
        ),
    };
    answer::write(cx, correlation_id, scope, plan, committed_only, permit).await
}

/// Plans again and again until there is enough to answer, or something to tell at once, or no more time.
async fn plan_with_enough(
    cx: &RequestContext,
    scope: &FetchScope,
    limits: ReadLimits,
    min_bytes: usize,
    deadline: Monotonic,
) -> RequestPlan {
    let mut moved: Option<Rc<Event>> = None;
    loop {
        let plan = read::plan(cx.shard(), &scope.partitions, limits);
        let left = deadline.since(rt::now());
        let enough = plan.bytes >= min_bytes || plan.urgent || scope.partitions.is_empty();
        if enough || left.is_zero() || cx.server.is_stopping() {
            return plan;
        }
        // Nothing has been awaited since the plan was made, so no news is missed.
        let moved = moved.get_or_insert_default();
        let news = moved.wait();
        let new_image = cx.shard().image_changed().wait();
        for log in &plan.logs {
            log.watch(moved);
        }
        drop(plan);
        let waiting = rt::race(rt::race(news, new_image), cx.server.stopped());
        // Whatever ends the wait, the next plan shows what there is.
        let _ = rt::timeout(left, waiting).await;
    }
}

fn fetch_topic(topic: TopicRef<'_>) -> FetchTopic {
    match topic {
        TopicRef::Name(name) => FetchTopic::Name(name.into()),
        TopicRef::Id(id) => FetchTopic::Id(id),
    }
}

fn wanted_partitions(request: &FetchView<'_>) -> Vec<FetchPartition> {
    let mut wanted: Vec<FetchPartition> = Vec::with_capacity(request.partition_count);
    let mut topic_index = usize::MAX;
    for partition in request.partitions() {
        let topic = match wanted.last() {
            Some(last) if partition.topic_index == topic_index => last.topic.clone(),
            _ => fetch_topic(partition.topic),
        };
        topic_index = partition.topic_index;
        wanted.push(FetchPartition {
            topic,
            partition: partition.partition,
            fetch_offset: Offset(partition.fetch_offset),
            max_bytes: partition.partition_max_bytes,
            current_leader_epoch: LeaderEpoch(partition.current_leader_epoch),
            last_fetched_epoch: LeaderEpoch(partition.last_fetched_epoch),
        });
    }
    wanted
}
