//! ConsumerGroupHeartbeat (key 68): is all that a member of a consumer group says to its coordinator (KIP-848).

use crate::base::ids::TopicId;
use crate::wire::codec::messages;

messages! {
    api ConsumerGroupHeartbeat(ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse), versions 0-1, flexible 0+;

    struct ConsumerGroupHeartbeatRequest {
        group_id: String, 0+;
        member_id: String, 0+;
        member_epoch: i32, 0+;
        instance_id: Option<String>, 0+, nullable 0+;
        rack_id: Option<String>, 0+, nullable 0+;
        rebalance_timeout_ms: i32, 0+, default -1;
        subscribed_topic_names: Option<Vec<String>>, 0+, nullable 0+;
        subscribed_topic_regex: Option<String>, 1+, nullable 1+, or refuse;
        server_assignor: Option<String>, 0+, nullable 0+;
        topic_partitions: Option<Vec<ConsumerGroupHeartbeatRequestTopicPartitions>>, 0+, nullable 0+;
    }

    struct ConsumerGroupHeartbeatRequestTopicPartitions {
        topic_id: TopicId, 0+;
        partitions: Vec<i32>, 0+;
    }

    struct ConsumerGroupHeartbeatResponse {
        throttle_time_ms: i32, 0+;
        error_code: i16, 0+;
        error_message: Option<String>, 0+, nullable 0+;
        member_id: Option<String>, 0+, nullable 0+;
        member_epoch: i32, 0+;
        heartbeat_interval_ms: i32, 0+;
        assignment: Option<Assignment>, 0+, nullable 0+;
    }

    struct Assignment {
        topic_partitions: Vec<ConsumerGroupHeartbeatResponseTopicPartitions>, 0+;
    }

    struct ConsumerGroupHeartbeatResponseTopicPartitions {
        topic_id: TopicId, 0+;
        partitions: Vec<i32>, 0+;
    }
}
