//! WriteShareGroupState (key 85): changes the stored state of share partitions (KIP-932).

use crate::base::ids::TopicId;
use crate::wire::codec::messages;

messages! {
    api WriteShareGroupState(WriteShareGroupStateRequest, WriteShareGroupStateResponse), versions 0-1, flexible 0+;

    struct WriteShareGroupStateRequest {
        group_id: String, 0+;
        topics: Vec<WriteStateData>, 0+;
    }

    struct WriteStateData {
        topic_id: TopicId, 0+;
        partitions: Vec<PartitionData>, 0+;
    }

    struct PartitionData {
        partition: i32, 0+;
        state_epoch: i32, 0+;
        leader_epoch: i32, 0+;
        start_offset: i64, 0+;
        delivery_complete_count: i32, 1+, default -1;
        state_batches: Vec<StateBatch>, 0+;
    }

    struct StateBatch {
        first_offset: i64, 0+;
        last_offset: i64, 0+;
        delivery_state: i8, 0+;
        delivery_count: i16, 0+;
    }

    struct WriteShareGroupStateResponse {
        results: Vec<WriteStateResult>, 0+;
    }

    struct WriteStateResult {
        topic_id: TopicId, 0+;
        partitions: Vec<PartitionResult>, 0+;
    }

    struct PartitionResult {
        partition: i32, 0+;
        error_code: i16, 0+;
        error_message: Option<String>, 0+, nullable 0+;
    }
}
