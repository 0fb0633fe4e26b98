//! DescribeQuorum (key 55): shows the state of the metadata quorum.

use crate::base::ids::TopicId;
use crate::wire::codec::messages;

messages! {
    api DescribeQuorum(DescribeQuorumRequest, DescribeQuorumResponse), versions 0-2, flexible 0+;

    struct DescribeQuorumRequest {
        topics: Vec<DescribeQuorumRequestTopicData>, 0+;
    }

    struct DescribeQuorumRequestTopicData {
        topic_name: String, 0+;
        partitions: Vec<DescribeQuorumRequestPartitionData>, 0+;
    }

    struct DescribeQuorumRequestPartitionData {
        partition_index: i32, 0+;
    }

    struct DescribeQuorumResponse {
        error_code: i16, 0+;
        error_message: Option<String>, 2+, nullable 2+;
        topics: Vec<DescribeQuorumResponseTopicData>, 0+;
        nodes: Vec<Node>, 2+;
    }

    struct DescribeQuorumResponseTopicData {
        topic_name: String, 0+;
        partitions: Vec<DescribeQuorumResponsePartitionData>, 0+;
    }

    struct DescribeQuorumResponsePartitionData {
        partition_index: i32, 0+;
        error_code: i16, 0+;
        error_message: Option<String>, 2+, nullable 2+;
        leader_id: i32, 0+;
        leader_epoch: i32, 0+;
        high_watermark: i64, 0+;
        current_voters: Vec<ReplicaState>, 0+;
        observers: Vec<ReplicaState>, 0+;
    }

    struct ReplicaState {
        replica_id: i32, 0+;
        replica_directory_id: TopicId, 2+;
        log_end_offset: i64, 0+;
        last_fetch_timestamp: i64, 1+, default -1;
        last_caught_up_timestamp: i64, 1+, default -1;
    }

    struct Node {
        node_id: i32, 2+;
        listeners: Vec<Listener>, 2+;
    }

    struct Listener {
        name: String, 2+;
        host: String, 2+;
        port: u16, 2+;
    }
}
