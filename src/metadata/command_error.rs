//! Why a command, or one item of it, was refused.

use std::fmt;

/// Which of Kafka's errors it is. The server maps each to its code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CommandErrorKind {
    /// INVALID_TOPIC_EXCEPTION: no such name can be, or it is too like another.
    InvalidTopicName,
    /// TOPIC_ALREADY_EXISTS.
    TopicAlreadyExists,
    /// UNKNOWN_TOPIC_OR_PARTITION.
    UnknownTopic,
    /// UNKNOWN_TOPIC_ID.
    UnknownTopicId,
    /// INVALID_PARTITIONS.
    InvalidPartitions,
    /// INVALID_REPLICATION_FACTOR.
    InvalidReplicationFactor,
    /// INVALID_REPLICA_ASSIGNMENT.
    InvalidReplicaAssignment,
    /// INVALID_CONFIG.
    InvalidConfig,
    /// INVALID_REQUEST.
    InvalidRequest,
    /// POLICY_VIOLATION: more than the limits of this broker.
    PolicyViolation,
    /// TOPIC_DELETION_DISABLED.
    TopicDeletionDisabled,
    /// RESOURCE_NOT_FOUND.
    ResourceNotFound,
    /// DUPLICATE_RESOURCE.
    DuplicateResource,
    /// UNACCEPTABLE_CREDENTIAL.
    UnacceptableCredential,
    /// UNSUPPORTED_SASL_MECHANISM.
    UnsupportedSaslMechanism,
    /// KAFKA_STORAGE_ERROR: the metadata log can't be written any more.
    Storage,
}

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandError {
    /// Which of Kafka's errors.
    pub kind: CommandErrorKind,
    /// What is wrong and what to do, for a person.
    pub message: String,
}

impl CommandError {
    /// A refusal with its reason.
    pub fn new(kind: CommandErrorKind, message: impl Into<String>) -> CommandError {
        CommandError {
            kind,
            message: message.into(),
        }
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for CommandError {}
