//! DeleteShareGroupOffsets (key 92): forgets where share groups start to read.

use crate::base::ids::TopicId;
use crate::wire::codec::messages;

messages! {
    api DeleteShareGroupOffsets(DeleteShareGroupOffsetsRequest, DeleteShareGroupOffsetsResponse), versions 0-0, flexible 0+;

    struct DeleteShareGroupOffsetsRequest {
        group_id: String, 0+;
        topics: Vec<DeleteShareGroupOffsetsRequestTopic>, 0+;
    }

    struct DeleteShareGroupOffsetsRequestTopic {
        topic_name: String, 0+;
    }

    struct DeleteShareGroupOffsetsResponse {
        throttle_time_ms: i32, 0+;
        error_code: i16, 0+;
        error_message: Option<String>, 0+, nullable 0+;
        responses: Vec<DeleteShareGroupOffsetsResponseTopic>, 0+;
    }

    struct DeleteShareGroupOffsetsResponseTopic {
        topic_name: String, 0+;
        topic_id: TopicId, 0+;
        error_code: i16, 0+;
        error_message: Option<String>, 0+, nullable 0+;
    }
}
