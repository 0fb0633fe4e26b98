//! OffsetForLeaderEpoch (key 23): asks where a leader epoch ended, to find where logs diverge.

use crate::wire::codec::messages;

messages! {
    api OffsetForLeaderEpoch(OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse), versions 2-4, flexible 4+;

    struct OffsetForLeaderEpochRequest {
        replica_id: i32, 3+, default -2;
        topics: Vec<OffsetForLeaderTopic>, 0+;
    }

    struct OffsetForLeaderTopic {
        topic: String, 0+;
        partitions: Vec<OffsetForLeaderPartition>, 0+;
    }

    struct OffsetForLeaderPartition {
        partition: i32, 0+;
        current_leader_epoch: i32, 2+, default -1;
        leader_epoch: i32, 0+;
    }

    struct OffsetForLeaderEpochResponse {
        throttle_time_ms: i32, 2+;
        topics: Vec<OffsetForLeaderTopicResult>, 0+;
    }

    struct OffsetForLeaderTopicResult {
        topic: String, 0+;
        partitions: Vec<EpochEndOffset>, 0+;
    }

    struct EpochEndOffset {
        error_code: i16, 0+;
        partition: i32, 0+;
        leader_epoch: i32, 1+, default -1;
        end_offset: i64, 0+, default -1;
    }
}
