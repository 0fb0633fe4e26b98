//! ShareGroupHeartbeat (key 76): is all that a member of a share group says to its coordinator (KIP-932).

use crate::base::ids::TopicId;
use crate::wire::codec::messages;

messages! {
    api ShareGroupHeartbeat(ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse), versions 1-1, flexible 0+;

    struct ShareGroupHeartbeatRequest {
        group_id: String, 0+;
        member_id: String, 0+;
        member_epoch: i32, 0+;
        rack_id: Option<String>, 0+, nullable 0+;
        subscribed_topic_names: Option<Vec<String>>, 0+, nullable 0+;
    }

    struct ShareGroupHeartbeatResponse {
        throttle_time_ms: i32, 0+;
        error_code: i16, 0+;
        error_message: Option<String>, 0+, nullable 0+;
        member_id: Option<String>, 0+, nullable 0+;
        member_epoch: i32, 0+;
        heartbeat_interval_ms: i32, 0+;
        assignment: Option<Assignment>, 0+, nullable 0+;
    }

    struct Assignment {
        topic_partitions: Vec<TopicPartitions>, 0+;
    }

    struct TopicPartitions {
        topic_id: TopicId, 0+;
        partitions: Vec<i32>, 0+;
    }
}
