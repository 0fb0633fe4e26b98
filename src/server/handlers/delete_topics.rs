//! DeleteTopics (key 20), versions 1 to 6: deletes topics with all their records, each for itself.
//!
//! - By name, and from v6 on by name or id (KIP-516). Both at once, or neither, is INVALID_REQUEST.
//! - What is named twice is INVALID_REQUEST, once, and not deleted.
//! - Unknown names are UNKNOWN_TOPIC_OR_PARTITION, unknown ids UNKNOWN_TOPIC_ID.
//! - With `delete.topic.enable` off: TOPIC_DELETION_DISABLED, which clients before v3 do not know: INVALID_REQUEST for them.
//! - The answer comes when no shard serves the topic any more. Files go right after.
//! - v5 on: an error message.
//!
//! Not done: quotas for topic deletion (KIP-599, v5 on).

use std::collections::HashSet;

use crate::base::ids::TopicId;
use crate::metadata::{Command, DeletedTopic, Outcome, TopicSelector};
use crate::server::context::RequestContext;
use crate::server::handlers::change::{Refusal, for_each, submit_within};
use crate::wire::errors::ErrorCode;
use crate::wire::messages::delete_topics::{DeletableTopicResult, DeleteTopicState};
use crate::wire::messages::{DeleteTopicsRequest, DeleteTopicsResponse};

/// The first version that has topics by name or id.
const FIRST_BY_ID: i16 = 6;

/// The first version whose clients know TOPIC_DELETION_DISABLED.
const FIRST_WITH_DELETION_DISABLED: i16 = 3;

/// Has the topics deleted and says what came of each.
pub async fn handle(cx: &RequestContext, request: DeleteTopicsRequest) -> DeleteTopicsResponse {
    let states = match cx.api_version >= FIRST_BY_ID {
        true => request.topics,
        false => request.topic_names.into_iter().map(|name| named(Some(name), TopicId::ZERO)).collect(),
    };
    let (states, mut responses) = sorted_out(states);
    let topics = states.iter().map(selector).collect();
    let answer = submit_within(cx, Command::DeleteTopics { topics }, request.timeout_ms).await;
    let results = for_each(answer, states.len(), |outcome| match outcome {
        Outcome::TopicsDeleted(items) => Some(items),
        _ => None,
    });
    let mut answered = HashSet::new();
    for (state, result) in states.into_iter().zip(results) {
        if !answered.insert((state.name.clone(), state.topic_id)) {
            continue;
        }
        responses.push(match result {
            Ok(deleted) => succeeded(deleted),
            Err(refusal) => refused(state, refusal, cx.api_version),
        });
    }
    DeleteTopicsResponse { responses, ..DeleteTopicsResponse::default() }
}

fn named(name: Option<String>, topic_id: TopicId) -> DeleteTopicState {
    DeleteTopicState { name, topic_id }
}

/// Takes out what names no topic or two: the rest, and the answers for what was taken out.
fn sorted_out(states: Vec<DeleteTopicState>) -> (Vec<DeleteTopicState>, Vec<DeletableTopicResult>) {
    let mut responses = Vec::new();
    let mut rest = Vec::new();
    for state in states {
        let problem = match (&state.name, state.topic_id != TopicId::ZERO) {
            (None, false) => "Neither topic name nor id were specified.",
            (Some(_), true) => "You may not specify both topic name and topic id.",
            _ => {
                rest.push(state);
                continue;
            }
        };
        responses.push(refused(state, Refusal::new(ErrorCode::InvalidRequest, problem), FIRST_BY_ID));
    }
    (rest, responses)
}

fn selector(state: &DeleteTopicState) -> TopicSelector {
    match &state.name {
        Some(name) => TopicSelector::Name(name.clone()),
        None => TopicSelector::Id(state.topic_id),
    }
}

fn succeeded(deleted: DeletedTopic) -> DeletableTopicResult {
    DeletableTopicResult {
        name: Some(deleted.name.to_string()),
        topic_id: deleted.id,
        error_code: ErrorCode::None.code(),
        error_message: None,
    }
}

fn refused(state: DeleteTopicState, refusal: Refusal, version: i16) -> DeletableTopicResult {
    let code = match refusal.code {
        ErrorCode::TopicDeletionDisabled if version < FIRST_WITH_DELETION_DISABLED => ErrorCode::InvalidRequest,
        code => code,
    };
    DeletableTopicResult {
        name: state.name,
        topic_id: state.topic_id,
        error_code: code.code(),
        error_message: refusal.message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_no_topic_or_two_is_refused() {
        let name = |text: &str| named(Some(text.to_string()), TopicId::ZERO);
        let id = |byte: u8| named(None, TopicId([byte; 16]));
        let both = named(Some("x".to_string()), TopicId([9; 16]));
        let states = vec![name("a"), id(0), id(1), both];
        let (rest, refused) = sorted_out(states);
        assert_eq!(rest, [name("a"), id(1)]);
        let messages: Vec<_> = refused.iter().filter_map(|result| result.error_message.as_deref()).collect();
        assert_eq!(
            messages,
            ["Neither topic name nor id were specified.", "You may not specify both topic name and topic id."]
        );
        assert!(refused.iter().all(|result| result.error_code == ErrorCode::InvalidRequest.code()));
    }
}
