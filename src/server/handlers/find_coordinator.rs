//! FindCoordinator, versions 0 to 6.
//!
//! - A group's coordinator is the node that leads the group's partition of `__consumer_offsets`. The topic is created
//!   the first time somebody asks, and the answer comes when it can be used.
//! - While that partition is offline: COORDINATOR_NOT_AVAILABLE, and clients ask again.
//! - The node is given with the address by which this client reaches it.
//!
//! v1 has key types and a message, v3 is flexible, v4 asks for many keys at once (KIP-699), v5 is for transactions of
//! the second version (KIP-890), v6 for share groups (KIP-932).
//!
//! Not done: transactions and share groups, which have no coordinator yet. They are answered INVALID_REQUEST, which makes
//! clients give up with the message; COORDINATOR_NOT_AVAILABLE would have them try for ever.

use crate::base::ids::ShardId;
use crate::group::coordinator_partition;
use crate::metadata::{ClusterImage, Command, GROUP_METADATA_TOPIC, InternalTopic};
use crate::server::context::{Endpoint, RequestContext};
use crate::wire::errors::ErrorCode;
use crate::wire::messages::find_coordinator::{Coordinator, FindCoordinatorRequest, FindCoordinatorResponse};

/// The key type of groups.
const GROUP: i8 = 0;
/// The first version with many keys.
const MANY_KEYS: i16 = 4;

/// Answers where the coordinators are.
pub async fn handle(cx: &RequestContext, request: FindCoordinatorRequest) -> FindCoordinatorResponse {
    let mut response = FindCoordinatorResponse::default();
    if cx.api_version < MANY_KEYS {
        let found = find(cx, request.key_type, &request.key).await;
        let one = coordinator(request.key, found);
        response.error_code = one.error_code;
        response.error_message = one.error_message;
        response.node_id = one.node_id;
        response.host = one.host;
        response.port = one.port;
    } else {
        for key in request.coordinator_keys {
            let found = find(cx, request.key_type, &key).await;
            response.coordinators.push(coordinator(key, found));
        }
    }
    response
}

fn coordinator(key: String, found: Result<Endpoint, (ErrorCode, String)>) -> Coordinator {
    match found {
        Ok(endpoint) => Coordinator {
            key,
            node_id: endpoint.node.0,
            host: endpoint.host,
            port: i32::from(endpoint.port),
            error_code: ErrorCode::None.code(),
            error_message: None,
        },
        Err((error, message)) => Coordinator {
            key,
            node_id: -1,
            host: String::new(),
            port: -1,
            error_code: error.code(),
            error_message: Some(message),
        },
    }
}

async fn find(cx: &RequestContext, key_type: i8, key: &str) -> Result<Endpoint, (ErrorCode, String)> {
    if key_type != GROUP {
        let message = format!("this broker has coordinators for groups (0) only, not for key type {key_type}");
        return Err((ErrorCode::InvalidRequest, message));
    }
    let unavailable = |why: String| (ErrorCode::CoordinatorNotAvailable, why);
    if cx.shard().image().topic_by_name(GROUP_METADATA_TOPIC).is_none() {
        let create = Command::EnsureInternalTopic { topic: InternalTopic::ConsumerOffsets };
        if let Err(error) = cx.shard().control.submit(create).await {
            tracing::warn!(?error, "{GROUP_METADATA_TOPIC} could not be created");
            return Err(unavailable(format!("{GROUP_METADATA_TOPIC} could not be created")));
        }
    }
    // The image may have become another one.
    let leader = leader_of(&cx.shard().image(), key);
    leader.map(|shard| cx.endpoint(shard)).ok_or_else(|| unavailable("the coordinator has no leader".to_string()))
}

fn leader_of(image: &ClusterImage, group: &str) -> Option<ShardId> {
    let topic = image.topic_by_name(GROUP_METADATA_TOPIC)?;
    let partition = coordinator_partition(group, topic.partition_count());
    if image.is_offline(topic, partition) {
        return None;
    }
    image.leader(topic, partition).map(|(node, _)| node.shard())
}
