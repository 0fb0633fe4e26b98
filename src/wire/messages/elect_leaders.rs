//! ElectLeaders (key 43): has partitions elect their leader anew.

use crate::wire::codec::messages;

messages! {
    api ElectLeaders(ElectLeadersRequest, ElectLeadersResponse), versions 0-2, flexible 2+;

    struct ElectLeadersRequest {
        election_type: i8, 1+, or refuse;
        topic_partitions: Option<Vec<TopicPartitions>>, 0+, nullable 0+;
        timeout_ms: i32, 0+, default 60000;
    }

    struct TopicPartitions {
        topic: String, 0+;
        partitions: Vec<i32>, 0+;
    }

    struct ElectLeadersResponse {
        throttle_time_ms: i32, 0+;
        error_code: i16, 1+;
        replica_election_results: Vec<ReplicaElectionResult>, 0+;
    }

    struct ReplicaElectionResult {
        topic: String, 0+;
        partition_result: Vec<PartitionResult>, 0+;
    }

    struct PartitionResult {
        partition_id: i32, 0+;
        error_code: i16, 0+;
        error_message: Option<String>, 0+, nullable 0+;
    }
}
