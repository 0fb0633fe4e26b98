//! A member of a classic consumer group (KIP-62), eager: at each rebalance it gives everything back.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

use super::client_error::error_code;
use super::{
    Assignment, Assignor, AutoCreate, ClientError, ClusterClient, CommitIdentity, Deadline, Partition,
};
use crate::base::ids::NodeId;
use crate::wire::codec::{Message, Reader};
use crate::wire::errors::ErrorCode;
use crate::wire::messages::heartbeat::HeartbeatRequest;
use crate::wire::messages::join_group::{
    JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse, JoinGroupResponseMember,
};
use crate::wire::messages::leave_group::{LeaveGroupRequest, MemberIdentity};
use crate::wire::messages::stored::consumer_protocol::ConsumerProtocolAssignmentTopicPartition;
use crate::wire::messages::stored::{ConsumerProtocolAssignment, ConsumerProtocolSubscription, to_record};
use crate::wire::messages::sync_group::{SyncGroupRequest, SyncGroupRequestAssignment};

const PROTOCOL_TYPE: &str = "consumer";

/// Kafka's default for `session.timeout.ms`: how long the group waits for a member it does not hear from.
const SESSION_TIMEOUT: Duration = Duration::from_secs(45);

/// How long the group waits for members to join again. Ours do so at once; Kafka's default is five minutes.
const REBALANCE_TIMEOUT: Duration = Duration::from_secs(60);

/// A join is answered when all members have joined, so its answer may take the rebalance timeout and a little more.
const JOIN_PATIENCE: Duration = Duration::from_secs(90);

/// Who wants to be a member of what.
#[derive(Clone, Debug)]
pub struct MemberOptions {
    /// The group.
    pub group: String,
    /// The topics to read.
    pub topics: Vec<String>,
    /// The preferred way to share partitions. The others are offered as well, so that the group finds a common one.
    pub assignor: Assignor,
    /// A name that keeps its partitions over a restart (KIP-345).
    pub instance_id: Option<String>,
}

/// Whether the group is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heartbeat {
    /// It is.
    Same,
    /// The member has to join again.
    Rejoin,
}

/// A member, after its first `join`.
#[derive(Debug)]
pub struct GroupMember {
    options: MemberOptions,
    identity: CommitIdentity,
    coordinator: Option<NodeId>,
}

impl GroupMember {
    /// How often the group should hear from a member: a third of Kafka's usual, a small part of the session.
    pub const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(3);

    /// Somebody who is about to join.
    pub fn new(options: MemberOptions) -> GroupMember {
        GroupMember {
            options,
            identity: CommitIdentity::outsider(),
            coordinator: None,
        }
    }

    /// The group.
    pub fn group(&self) -> &str {
        &self.options.group
    }

    /// As whom to commit.
    pub fn identity(&self) -> &CommitIdentity {
        &self.identity
    }

    /// Joins the group, or joins it again, and gives the partitions that are ours now. Tries as long as other members may
    /// hold it up.
    pub fn join(&mut self, client: &mut ClusterClient) -> Result<Vec<Partition>, ClientError> {
        let mut deadline = Deadline::after(client.options().timeout.max(JOIN_PATIENCE));
        loop {
            let error = match self.try_join(client) {
                Ok(partitions) => return Ok(partitions),
                Err(error) => error,
            };
            match error.code() {
                // The group tells us our name, and wants to hear it back (KIP-394): no pause.
                Some(ErrorCode::MemberIdRequired) => continue,
                Some(ErrorCode::UnknownMemberId) => self.identity = CommitIdentity::outsider(),
                Some(ErrorCode::IllegalGeneration) => self.identity.generation = -1,
                Some(ErrorCode::RebalanceInProgress) => {}
                _ if error.is_retriable() => {
                    if let Some(node) = self.coordinator.take() {
                        client.forget(node);
                    }
                    // If nobody answers, the next attempt says so.
                    let _ = client.refresh(&[], AutoCreate::Denied);
                }
                _ => return Err(error),
            }
            if !deadline.pause() {
                return Err(error);
            }
        }
    }

    /// Tells the group that we are here. Errors are those that joining again will not mend.
    pub fn heartbeat(&mut self, client: &mut ClusterClient) -> Result<Heartbeat, ClientError> {
        let request = HeartbeatRequest {
            group_id: self.options.group.clone(),
            generation_id: self.identity.generation,
            member_id: self.identity.member_id.clone(),
            group_instance_id: self.options.instance_id.clone(),
        };
        let node = self.find_coordinator(client)?;
        let what = format!("group {}", self.options.group);
        let result = client
            .call_node(node, &request, i16::MAX)
            .and_then(|response| ClientError::check(what, response.error_code));
        match result {
            Ok(()) => Ok(Heartbeat::Same),
            Err(error) => match error.code() {
                Some(ErrorCode::RebalanceInProgress | ErrorCode::IllegalGeneration) => Ok(Heartbeat::Rejoin),
                Some(ErrorCode::UnknownMemberId) => {
                    self.identity = CommitIdentity::outsider();
                    Ok(Heartbeat::Rejoin)
                }
                _ if error.is_retriable() => {
                    // The next heartbeat goes to wherever the coordinator is then.
                    self.coordinator = None;
                    Ok(Heartbeat::Same)
                }
                _ => Err(error),
            },
        }
    }

    /// Leaves the group, so that the others need not wait for the session to end. A member with a name of its own stays: it
    /// means to come back.
    pub fn leave(&mut self, client: &mut ClusterClient) -> Result<(), ClientError> {
        if self.options.instance_id.is_some() || self.identity.member_id.is_empty() {
            return Ok(());
        }
        let node = self.find_coordinator(client)?;
        let group_id = self.options.group.clone();
        let member_id = std::mem::take(&mut self.identity.member_id);
        if client.node(node)?.knows::<LeaveGroupRequest>(3) {
            let members = vec![MemberIdentity {
                member_id,
                ..Default::default()
            }];
            client.call_node(
                node,
                &LeaveGroupRequest {
                    group_id,
                    members,
                    ..Default::default()
                },
                i16::MAX,
            )?;
        } else {
            client.call_node(
                node,
                &LeaveGroupRequest {
                    group_id,
                    member_id,
                    ..Default::default()
                },
                2,
            )?;
        }
        Ok(())
    }

    fn find_coordinator(&mut self, client: &mut ClusterClient) -> Result<NodeId, ClientError> {
        match self.coordinator {
            Some(node) => Ok(node),
            None => {
                let node = client.find_coordinator(&self.options.group)?;
                self.coordinator = Some(node);
                Ok(node)
            }
        }
    }

    fn try_join(&mut self, client: &mut ClusterClient) -> Result<Vec<Partition>, ClientError> {
        let node = self.find_coordinator(client)?;
        let patience = client.options().timeout.max(JOIN_PATIENCE);
        client.node(node)?.set_timeout(patience)?;
        let joined = self.join_round(client, node);
        let timeout = client.options().timeout;
        // If the connection broke, the next request opens another with the usual timeout.
        let _ = client
            .node(node)
            .and_then(|connection| connection.set_timeout(timeout));
        joined
    }

    fn join_round(
        &mut self,
        client: &mut ClusterClient,
        node: NodeId,
    ) -> Result<Vec<Partition>, ClientError> {
        let response = client.call_node(node, &self.join_request()?, i16::MAX)?;
        let code = error_code(response.error_code);
        if code == ErrorCode::None || code == ErrorCode::MemberIdRequired {
            self.identity.member_id.clone_from(&response.member_id);
        }
        ClientError::check(format!("group {}", self.options.group), response.error_code)?;
        self.identity.generation = response.generation_id;
        let assignments = if response.leader == response.member_id && !response.skip_assignment {
            self.assign(client, &response)?
        } else {
            Vec::new()
        };
        let request = SyncGroupRequest {
            group_id: self.options.group.clone(),
            generation_id: response.generation_id,
            member_id: self.identity.member_id.clone(),
            group_instance_id: self.options.instance_id.clone(),
            protocol_type: Some(PROTOCOL_TYPE.to_owned()),
            protocol_name: response.protocol_name.clone(),
            assignments,
        };
        let synced = client.call_node(node, &request, i16::MAX)?;
        ClientError::check(format!("group {}", self.options.group), synced.error_code)?;
        decode_assignment(&synced.assignment).ok_or_else(|| self.strange("the leader's assignment"))
    }

    fn join_request(&self) -> Result<JoinGroupRequest, ClientError> {
        let mut topics = self.options.topics.clone();
        topics.sort();
        let subscription = ConsumerProtocolSubscription {
            topics,
            ..Default::default()
        };
        // Version 1 is the newest of which an eager member has something to say.
        let metadata = to_record(&subscription, 1).map_err(|_| self.strange("our own subscription"))?;
        let others = Assignor::ALL
            .into_iter()
            .filter(|assignor| *assignor != self.options.assignor);
        let offered = std::iter::once(self.options.assignor).chain(others);
        Ok(JoinGroupRequest {
            group_id: self.options.group.clone(),
            session_timeout_ms: SESSION_TIMEOUT.as_millis() as i32,
            rebalance_timeout_ms: REBALANCE_TIMEOUT.as_millis() as i32,
            member_id: self.identity.member_id.clone(),
            group_instance_id: self.options.instance_id.clone(),
            protocol_type: PROTOCOL_TYPE.to_owned(),
            protocols: offered
                .map(|assignor| JoinGroupRequestProtocol {
                    name: assignor.name().to_owned(),
                    metadata: metadata.clone(),
                })
                .collect(),
            ..Default::default()
        })
    }

    /// The leader's work: everybody's partitions.
    fn assign(
        &self,
        client: &mut ClusterClient,
        response: &JoinGroupResponse,
    ) -> Result<Vec<SyncGroupRequestAssignment>, ClientError> {
        let chosen = response.protocol_name.as_deref().and_then(Assignor::from_name);
        let assignor = chosen.ok_or_else(|| self.strange("the assignor the group chose"))?;
        let mut members = BTreeMap::new();
        for member in &response.members {
            let topics = subscribed_topics(member).ok_or_else(|| self.strange("a member's subscription"))?;
            members.insert(member.member_id.clone(), topics);
        }
        let mut names: Vec<&str> = members.values().flatten().map(String::as_str).collect();
        names.sort_unstable();
        names.dedup();
        client.refresh(&names, AutoCreate::Denied)?;
        let partitions = names
            .iter()
            .filter_map(|name| {
                let topic = client.cluster().topics.get(*name)?;
                Some(((*name).to_owned(), topic.partitions.len() as i32))
            })
            .collect();
        assignor
            .assign(&members, &partitions)
            .into_iter()
            .map(|(member_id, assignment)| {
                let assignment =
                    encode_assignment(assignment).ok_or_else(|| self.strange("an assignment"))?;
                Ok(SyncGroupRequestAssignment {
                    member_id,
                    assignment,
                })
            })
            .collect()
    }

    fn strange(&self, what: &str) -> ClientError {
        ClientError::Protocol {
            address: format!("group {}", self.options.group),
            detail: format!("{what} cannot be understood"),
        }
    }
}

fn subscribed_topics(member: &JoinGroupResponseMember) -> Option<Vec<String>> {
    let mut r = Reader::new(&member.metadata);
    let version = r.i16().ok()?.min(ConsumerProtocolSubscription::VERSIONS.last);
    Some(ConsumerProtocolSubscription::decode(&mut r, version).ok()?.topics)
}

fn encode_assignment(assignment: Assignment) -> Option<Bytes> {
    let assigned_partitions = assignment
        .into_iter()
        .map(|(topic, partitions)| ConsumerProtocolAssignmentTopicPartition { topic, partitions })
        .collect();
    to_record(
        &ConsumerProtocolAssignment {
            assigned_partitions,
            ..Default::default()
        },
        1,
    )
    .ok()
}

/// The partitions in a member's assignment; an empty one is a member that got nothing.
pub fn decode_assignment(bytes: &Bytes) -> Option<Vec<Partition>> {
    if bytes.is_empty() {
        return Some(Vec::new());
    }
    let mut r = Reader::new(bytes);
    let version = r.i16().ok()?.min(ConsumerProtocolAssignment::VERSIONS.last);
    let assignment = ConsumerProtocolAssignment::decode(&mut r, version).ok()?;
    let partitions = assignment.assigned_partitions.iter().flat_map(|topic| {
        topic
            .partitions
            .iter()
            .map(|index| Partition::new(&topic.topic, *index))
    });
    Some(partitions.collect())
}
