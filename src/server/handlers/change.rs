//! Asking the controller for a change on behalf of an admin request, and Kafka's codes for its refusals.

use std::time::Duration;

use crate::metadata::{Command, CommandError, CommandErrorKind, Outcome};
use crate::rt;
use crate::server::context::RequestContext;
use crate::shard::ChangeError;
use crate::wire::errors::ErrorCode;

/// An error for a client: the code, and what to tell a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Kafka's code.
    pub code: ErrorCode,
    /// Why, where there is more to say than the code does.
    pub message: Option<String>,
}

impl Refusal {
    /// A code with its reason.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Refusal {
        Refusal {
            code,
            message: Some(message.into()),
        }
    }

    /// A code that says it all.
    pub fn bare(code: ErrorCode) -> Refusal {
        Refusal { code, message: None }
    }
}

impl From<CommandError> for Refusal {
    fn from(error: CommandError) -> Refusal {
        Refusal {
            code: error_code(error.kind),
            message: Some(error.message),
        }
    }
}

impl From<ChangeError> for Refusal {
    fn from(error: ChangeError) -> Refusal {
        match error {
            ChangeError::Refused(error) => error.into(),
            // Both are worth another try, here or at another node, and admin clients do try after these codes.
            ChangeError::ShuttingDown => {
                Refusal::new(ErrorCode::NotController, "The server is shutting down.")
            }
            ChangeError::TooMany => Refusal::new(
                ErrorCode::RequestTimedOut,
                "Too many changes are waiting for the controller.",
            ),
        }
    }
}

/// Kafka's code for a refused command.
pub fn error_code(kind: CommandErrorKind) -> ErrorCode {
    match kind {
        CommandErrorKind::InvalidTopicName => ErrorCode::InvalidTopicException,
        CommandErrorKind::TopicAlreadyExists => ErrorCode::TopicAlreadyExists,
        CommandErrorKind::UnknownTopic => ErrorCode::UnknownTopicOrPartition,
        CommandErrorKind::UnknownTopicId => ErrorCode::UnknownTopicId,
        CommandErrorKind::InvalidPartitions => ErrorCode::InvalidPartitions,
        CommandErrorKind::InvalidReplicationFactor => ErrorCode::InvalidReplicationFactor,
        CommandErrorKind::InvalidReplicaAssignment => ErrorCode::InvalidReplicaAssignment,
        CommandErrorKind::InvalidConfig => ErrorCode::InvalidConfig,
        CommandErrorKind::InvalidRequest => ErrorCode::InvalidRequest,
        CommandErrorKind::PolicyViolation => ErrorCode::PolicyViolation,
        CommandErrorKind::TopicDeletionDisabled => ErrorCode::TopicDeletionDisabled,
        CommandErrorKind::ResourceNotFound => ErrorCode::ResourceNotFound,
        CommandErrorKind::DuplicateResource => ErrorCode::DuplicateResource,
        CommandErrorKind::UnacceptableCredential => ErrorCode::UnacceptableCredential,
        CommandErrorKind::UnsupportedSaslMechanism => ErrorCode::UnsupportedSaslMechanism,
        CommandErrorKind::Storage => ErrorCode::KafkaStorageError,
    }
}

/// Has the controller run a command. With an outcome, every shard serves by it. The change may still come about when
/// the time is up; without any time it is not even asked for, as with Kafka's controller.
pub async fn submit_within(
    cx: &RequestContext,
    command: Command,
    timeout_ms: i32,
) -> Result<Outcome, Refusal> {
    let timed_out = Refusal::bare(ErrorCode::RequestTimedOut);
    let Some(timeout_ms) = u64::try_from(timeout_ms).ok().filter(|ms| *ms > 0) else {
        return Err(timed_out);
    };
    match rt::timeout(
        Duration::from_millis(timeout_ms),
        cx.shard().control.submit(command),
    )
    .await
    {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(timed_out),
    }
}

/// The outcome for each of `count` items, or the refusal of them all. `each` gives the items' outcomes if the outcome is
/// of the command's kind, which it always is.
pub fn for_each<T>(
    answer: Result<Outcome, Refusal>,
    count: usize,
    each: impl FnOnce(Outcome) -> Option<Vec<Result<T, CommandError>>>,
) -> Vec<Result<T, Refusal>> {
    match answer {
        Ok(outcome) => {
            let items = each(outcome).expect("the outcome of a command is of its kind");
            assert_eq!(items.len(), count, "every item of a command has an outcome");
            items
                .into_iter()
                .map(|item| item.map_err(Refusal::from))
                .collect()
        }
        Err(refusal) => (0..count).map(|_| Err(refusal.clone())).collect(),
    }
}
