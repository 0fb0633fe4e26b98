//! DescribeTopicPartitions (key 75): tells about topics and partitions, page by page (KIP-966).

use crate::base::ids::TopicId;
use crate::wire::codec::messages;

messages! {
    api DescribeTopicPartitions(DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse), versions 0-0, flexible 0+;

    struct DescribeTopicPartitionsRequest {
        topics: Vec<TopicRequest>, 0+;
        response_partition_limit: i32, 0+, default 2000;
        cursor: Option<DescribeTopicPartitionsRequestCursor>, 0+, nullable 0+;
    }

    struct TopicRequest {
        name: String, 0+;
    }

    struct DescribeTopicPartitionsRequestCursor {
        topic_name: String, 0+;
        partition_index: i32, 0+;
    }

    struct DescribeTopicPartitionsResponse {
        throttle_time_ms: i32, 0+;
        topics: Vec<DescribeTopicPartitionsResponseTopic>, 0+;
        next_cursor: Option<DescribeTopicPartitionsResponseCursor>, 0+, nullable 0+;
    }

    struct DescribeTopicPartitionsResponseTopic {
        error_code: i16, 0+;
        name: Option<String>, 0+, nullable 0+;
        topic_id: TopicId, 0+;
        is_internal: bool, 0+;
        partitions: Vec<DescribeTopicPartitionsResponsePartition>, 0+;
        topic_authorized_operations: i32, 0+, default i32::MIN;
    }

    struct DescribeTopicPartitionsResponsePartition {
        error_code: i16, 0+;
        partition_index: i32, 0+;
        leader_id: i32, 0+;
        leader_epoch: i32, 0+, default -1;
        replica_nodes: Vec<i32>, 0+;
        isr_nodes: Vec<i32>, 0+;
        eligible_leader_replicas: Option<Vec<i32>>, 0+, nullable 0+;
        last_known_elr: Option<Vec<i32>>, 0+, nullable 0+;
        offline_replicas: Vec<i32>, 0+;
    }

    struct DescribeTopicPartitionsResponseCursor {
        topic_name: String, 0+;
        partition_index: i32, 0+;
    }
}
