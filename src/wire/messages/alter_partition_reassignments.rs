//! AlterPartitionReassignments (key 45): moves partitions to other nodes.

use crate::wire::codec::messages;

messages! {
    api AlterPartitionReassignments(AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse), versions 0-1, flexible 0+;

    struct AlterPartitionReassignmentsRequest {
        timeout_ms: i32, 0+, default 60000;
        allow_replication_factor_change: bool, 1+, default true, or refuse;
        topics: Vec<ReassignableTopic>, 0+;
    }

    struct ReassignableTopic {
        name: String, 0+;
        partitions: Vec<ReassignablePartition>, 0+;
    }

    struct ReassignablePartition {
        partition_index: i32, 0+;
        replicas: Option<Vec<i32>>, 0+, nullable 0+;
    }

    struct AlterPartitionReassignmentsResponse {
        throttle_time_ms: i32, 0+;
        allow_replication_factor_change: bool, 1+, default true;
        error_code: i16, 0+;
        error_message: Option<String>, 0+, nullable 0+;
        responses: Vec<ReassignableTopicResponse>, 0+;
    }

    struct ReassignableTopicResponse {
        name: String, 0+;
        partitions: Vec<ReassignablePartitionResponse>, 0+;
    }

    struct ReassignablePartitionResponse {
        partition_index: i32, 0+;
        error_code: i16, 0+;
        error_message: Option<String>, 0+, nullable 0+;
    }
}
