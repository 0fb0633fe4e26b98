//! InitializeShareGroupState (key 83): begins the stored state of share partitions (KIP-932).

use crate::base::ids::TopicId;
use crate::wire::codec::messages;

messages! {
    api InitializeShareGroupState(InitializeShareGroupStateRequest, InitializeShareGroupStateResponse), versions 0-0, flexible 0+;

    struct InitializeShareGroupStateRequest {
        group_id: String, 0+;
        topics: Vec<InitializeStateData>, 0+;
    }

    struct InitializeStateData {
        topic_id: TopicId, 0+;
        partitions: Vec<PartitionData>, 0+;
    }

    struct PartitionData {
        partition: i32, 0+;
        state_epoch: i32, 0+;
        start_offset: i64, 0+;
    }

    struct InitializeShareGroupStateResponse {
        results: Vec<InitializeStateResult>, 0+;
    }

    struct InitializeStateResult {
        topic_id: TopicId, 0+;
        partitions: Vec<PartitionResult>, 0+;
    }

    struct PartitionResult {
        partition: i32, 0+;
        error_code: i16, 0+;
        error_message: Option<String>, 0+, nullable 0+;
    }
}
