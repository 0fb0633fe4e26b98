//! DeleteTopics (key 20): deletes topics.

use crate::base::ids::TopicId;
use crate::wire::codec::messages;

messages! {
    api DeleteTopics(DeleteTopicsRequest, DeleteTopicsResponse), versions 1-6, flexible 4+;

    struct DeleteTopicsRequest {
        topics: Vec<DeleteTopicState>, 6+, or refuse;
        topic_names: Vec<String>, 0-5;
        timeout_ms: i32, 0+;
    }

    struct DeleteTopicState {
        name: Option<String>, 6+, nullable 6+;
        topic_id: TopicId, 6+;
    }

    struct DeleteTopicsResponse {
        throttle_time_ms: i32, 1+;
        responses: Vec<DeletableTopicResult>, 0+;
    }

    struct DeletableTopicResult {
        name: Option<String>, 0+, nullable 6+;
        topic_id: TopicId, 6+;
        error_code: i16, 0+;
        error_message: Option<String>, 5+, nullable 5+;
    }
}
