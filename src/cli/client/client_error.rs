//! What can go wrong between us and a cluster.

use std::sync::Arc;
use std::{fmt, io};

use crate::wire::errors::ErrorCode;

/// Why a request was not done.
#[derive(Clone, Debug)]
pub enum ClientError {
    /// No connection to a node.
    Connect { address: String, source: Arc<io::Error> },
    /// A connection broke, or its answer did not come in time.
    Connection { address: String, source: Arc<io::Error> },
    /// The node answered something that is not the answer.
    Protocol { address: String, detail: String },
    /// The node does not know the API, or no version of it that we know.
    Unsupported { address: String, api: &'static str },
    /// The node refused. `what` is the object: a topic, a partition, a group.
    Broker {
        what: String,
        code: ErrorCode,
        message: Option<String>,
    },
    /// There is no node to ask: the partition has no leader, or metadata does not name it.
    NoNode { what: String },
}

impl ClientError {
    /// The error for a code, `Ok` if it is 0.
    pub fn check(what: impl fmt::Display, code: i16) -> Result<(), ClientError> {
        ClientError::check_with(what, code, None)
    }

    /// The same with what the broker says about it.
    pub fn check_with(what: impl fmt::Display, code: i16, message: Option<&str>) -> Result<(), ClientError> {
        if code == 0 {
            return Ok(());
        }
        let message = message.filter(|text| !text.is_empty()).map(str::to_owned);
        Err(ClientError::Broker {
            what: what.to_string(),
            code: error_code(code),
            message,
        })
    }

    /// The broker's code, if it is one.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            ClientError::Broker { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// Whether trying again, perhaps at another node, may help.
    pub fn is_retriable(&self) -> bool {
        match self {
            ClientError::Connect { .. } | ClientError::Connection { .. } | ClientError::NoNode { .. } => true,
            ClientError::Protocol { .. } | ClientError::Unsupported { .. } => false,
            ClientError::Broker { code, .. } => code.is_retriable(),
        }
    }

    fn advice(&self) -> Option<&'static str> {
        let code = match self {
            ClientError::Connect { .. } => {
                return Some(
                    "is a broker running there? `corelane serve` starts one; --bootstrap names another address",
                );
            }
            ClientError::Unsupported { .. } => {
                return Some("the broker is too old, or this is no Kafka broker");
            }
            ClientError::Broker { code, .. } => *code,
            _ => return None,
        };
        Some(match code {
            ErrorCode::UnknownTopicOrPartition => {
                "`corelane topic list` shows what there is, `corelane topic create` makes one"
            }
            ErrorCode::TopicAlreadyExists => {
                "--if-not-exists accepts that; `corelane topic alter` changes it"
            }
            ErrorCode::NonEmptyGroup | ErrorCode::UnknownMemberId => {
                "the group has running consumers: stop them first; `corelane group describe` shows them"
            }
            ErrorCode::GroupIdNotFound => "`corelane group list` shows what there is",
            ErrorCode::MessageTooLarge | ErrorCode::RecordListTooLarge => {
                "raise max.message.bytes (`corelane topic alter --config`), or send smaller batches (--batch-bytes)"
            }
            ErrorCode::InconsistentGroupProtocol => "the other members use another assignor: try --assignor",
            ErrorCode::FencedInstanceId => "another member has joined with this --instance-id",
            ErrorCode::NotEnoughReplicas | ErrorCode::NotEnoughReplicasAfterAppend => {
                "fewer replicas are in sync than min.insync.replicas asks for"
            }
            ErrorCode::InvalidReplicationFactor => {
                "there are not that many servers: leave out --replication-factor"
            }
            ErrorCode::TopicAuthorizationFailed | ErrorCode::GroupAuthorizationFailed => {
                "this client may not do that"
            }
            _ => return None,
        })
    }
}

/// The error of a code; one that nobody knows is the server's unknown error.
pub fn error_code(code: i16) -> ErrorCode {
    ErrorCode::from_code(code).unwrap_or(ErrorCode::UnknownServerError)
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClientError::Connect { address, source } => write!(f, "cannot connect to {address}: {source}")?,
            ClientError::Connection { address, source }
                if matches!(source.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) =>
            {
                write!(f, "{address} did not answer in time")?;
            }
            ClientError::Connection { address, source } if source.kind() == io::ErrorKind::UnexpectedEof => {
                write!(f, "{address} closed the connection")?;
            }
            ClientError::Connection { address, source } => write!(f, "connection to {address}: {source}")?,
            ClientError::Protocol { address, detail } => {
                write!(f, "strange answer from {address}: {detail}")?
            }
            ClientError::Unsupported { address, api } => write!(f, "{address} does not support {api}")?,
            ClientError::Broker {
                what,
                code,
                message: Some(message),
            } => write!(f, "{what}: {code}: {message}")?,
            ClientError::Broker {
                what,
                code,
                message: None,
            } => write!(f, "{what}: {code}")?,
            ClientError::NoNode { what } => write!(f, "{what} has no leader at the moment")?,
        }
        match self.advice() {
            Some(advice) => write!(f, " ({advice})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ClientError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        // The cause is part of the message already.
        None
    }
}
