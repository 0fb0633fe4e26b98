//! A member of a classic group: joins, is given partitions, reads them from where the group has come to, and commits.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;

use super::client::{Client, any_version};
use super::consumer::{Consumer, Sessions};
use super::offset_committer::{Membership, commit_offset, committed_offset};
use super::oracle::{Oracle, below};
use crate::base::ids::TopicPartition;
use crate::rt;
use crate::wire::errors::ErrorCode;
use crate::wire::messages::HeartbeatRequest;
use crate::wire::messages::join_group::{JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse};
use crate::wire::messages::leave_group::{LeaveGroupRequest, MemberIdentity};
use crate::wire::messages::sync_group::{SyncGroupRequest, SyncGroupRequestAssignment};

const PROTOCOL_TYPE: &str = "simulated";
const PROTOCOL: &str = "by turns";

/// The first version of LeaveGroup in which many members leave.
const MANY_LEAVE: i16 = 3;

/// What all members of a group know.
#[derive(Clone)]
pub struct Group {
    pub oracle: Oracle,
    pub name: String,
    pub partitions: Vec<(String, TopicPartition)>,
    pub stop: Rc<Cell<bool>>,
}

impl Group {
    /// Whether the group has read and committed all that was acknowledged.
    pub fn has_caught_up(&self) -> bool {
        self.partitions.iter().all(|(_, partition)| {
            let end = self.oracle.promised_end(*partition);
            end == 0 || self.oracle.promised_commit(&self.name, *partition) == end
        })
    }
}

/// Why a member has to do something again.
enum Setback {
    /// The coordinator is elsewhere, or gone.
    Coordinator,
    /// The group forms anew.
    Rejoin,
    /// The group does not know the member any more.
    Forgotten,
}

/// A member until it is told to stop. Now and then it leaves, or goes without a word and comes back as another.
/// A static member (KIP-345) comes back as the same.
pub async fn take_part(group: Group, instance: Option<&'static str>) {
    let nobody = Membership {
        instance: instance.map(str::to_string),
        ..Membership::none()
    };
    let mut member = Member {
        client: Client::new(&group.oracle),
        group,
        port: 0,
        by: nobody.clone(),
        earlier: Membership::none(),
    };
    member.port = member.client.coordinator(&member.group.name).await;
    while !member.group.stop.get() {
        match member.one_generation().await {
            Ok(()) => {}
            Err(Setback::Rejoin) => {}
            Err(Setback::Forgotten) => member.by = nobody.clone(),
            Err(Setback::Coordinator) => {
                member.client.pause().await;
                member.port = member.client.coordinator(&member.group.name).await;
            }
        }
    }
}

struct Member {
    client: Client,
    group: Group,
    port: u16,
    by: Membership,
    /// What it was in the generation before.
    earlier: Membership,
}

impl Member {
    async fn one_generation(&mut self) -> Result<(), Setback> {
        let joined = self.join().await?;
        let mine = self.sync(&joined).await?;
        let mut consumer = Consumer::new(Client::new(&self.group.oracle), mine.clone(), Sessions::No);
        consumer.client.refresh_surely().await;
        let mut committed = BTreeMap::new();
        for (name, partition) in &mine {
            let group = self.group.name.clone();
            let from = committed_offset(&mut self.client, self.port, &group, (name, *partition)).await;
            let from = from.map_err(setback)?.max(0);
            consumer.positions.insert(*partition, from);
            committed.insert(*partition, from);
        }
        self.commit_late(&mine, &committed).await;
        self.earlier = self.by.clone();
        while !self.group.stop.get() {
            consumer.round(10).await;
            for (name, partition) in &mine {
                let position = consumer.positions[partition];
                if committed[partition] < position {
                    let group = self.group.name.clone();
                    let commit = commit_offset(
                        &mut self.client,
                        self.port,
                        &group,
                        &self.by,
                        (name, *partition),
                        position,
                    );
                    commit.await.map_err(setback)?;
                    committed.insert(*partition, position);
                }
            }
            self.heartbeat().await?;
            match below(60) {
                0 => {
                    self.leave().await;
                    return Err(Setback::Forgotten);
                }
                // Without a word: its session times out.
                1 => return Err(Setback::Forgotten),
                _ => rt::sleep(Duration::from_micros(below(60_000))).await,
            }
        }
        self.leave().await;
        Ok(())
    }

    /// A commit of an earlier generation, as one that was long on its way: it must not count any more.
    async fn commit_late(
        &mut self,
        mine: &[(String, TopicPartition)],
        committed: &BTreeMap<TopicPartition, i64>,
    ) {
        let earlier = self.earlier.clone();
        if earlier.generation == -1 || earlier.generation == self.by.generation {
            return;
        }
        for (name, partition) in mine.iter().take(1) {
            let (group, offset) = (self.group.name.clone(), committed[partition]);
            let late = commit_offset(
                &mut self.client,
                self.port,
                &group,
                &earlier,
                (name, *partition),
                offset,
            )
            .await;
            assert!(
                late.is_err(),
                "a commit of {earlier:?} was accepted from {:?}",
                self.by
            );
        }
    }

    async fn join(&mut self) -> Result<JoinGroupResponse, Setback> {
        loop {
            let request = JoinGroupRequest {
                group_id: self.group.name.clone(),
                session_timeout_ms: 1500,
                rebalance_timeout_ms: 2000,
                member_id: self.by.member_id.clone(),
                group_instance_id: self.by.instance.clone(),
                protocol_type: PROTOCOL_TYPE.to_string(),
                protocols: vec![JoinGroupRequestProtocol {
                    name: PROTOCOL.to_string(),
                    metadata: Bytes::from_static(b"any"),
                }],
                ..JoinGroupRequest::default()
            };
            let answer = self
                .client
                .call(
                    self.port,
                    any_version::<JoinGroupRequest>(self.first_version(5)),
                    &request,
                )
                .await;
            let Ok(answer) = answer else {
                return Err(Setback::Coordinator);
            };
            let code = ErrorCode::from_code(answer.error_code).expect("a known code");
            match code {
                ErrorCode::None => {
                    self.by = Membership {
                        member_id: answer.member_id.clone(),
                        generation: answer.generation_id,
                        instance: self.by.instance.clone(),
                    };
                    return Ok(answer);
                }
                ErrorCode::MemberIdRequired => self.by.member_id = answer.member_id,
                _ => return Err(setback(Some(code))),
            }
        }
    }

    /// The partitions given to this member; the leader gives them out by turns.
    async fn sync(&mut self, joined: &JoinGroupResponse) -> Result<Vec<(String, TopicPartition)>, Setback> {
        let members = joined.members.len();
        let share = |nth: usize| -> Bytes {
            let all = 0..self.group.partitions.len() as u8;
            all.filter(|partition| usize::from(*partition) % members == nth)
                .collect::<Vec<u8>>()
                .into()
        };
        // A static member that comes back to a group whose leader it is leaves everything as it was.
        let given: &[_] = if joined.skip_assignment {
            &[]
        } else {
            &joined.members
        };
        let assignments = given
            .iter()
            .enumerate()
            .map(|(nth, member)| SyncGroupRequestAssignment {
                member_id: member.member_id.clone(),
                assignment: share(nth),
            });
        let request = SyncGroupRequest {
            group_id: self.group.name.clone(),
            generation_id: self.by.generation,
            member_id: self.by.member_id.clone(),
            group_instance_id: self.by.instance.clone(),
            protocol_type: Some(PROTOCOL_TYPE.to_string()),
            protocol_name: Some(PROTOCOL.to_string()),
            assignments: assignments.collect(),
        };
        let answer = self
            .client
            .call(
                self.port,
                any_version::<SyncGroupRequest>(self.first_version(3)),
                &request,
            )
            .await;
        let answer = answer.map_err(|_| Setback::Coordinator)?;
        match ErrorCode::from_code(answer.error_code).expect("a known code") {
            ErrorCode::None => {
                let mine = answer
                    .assignment
                    .iter()
                    .map(|nth| self.group.partitions[usize::from(*nth)].clone());
                Ok(mine.collect())
            }
            code => Err(setback(Some(code))),
        }
    }

    /// The first version of a request that this member can send, if static ones can from `first` on.
    fn first_version(&self, first: i16) -> i16 {
        if self.by.instance.is_some() { first } else { 0 }
    }

    async fn heartbeat(&mut self) -> Result<(), Setback> {
        let request = HeartbeatRequest {
            group_id: self.group.name.clone(),
            generation_id: self.by.generation,
            member_id: self.by.member_id.clone(),
            group_instance_id: self.by.instance.clone(),
        };
        let answer = self
            .client
            .call(
                self.port,
                any_version::<HeartbeatRequest>(self.first_version(3)),
                &request,
            )
            .await;
        let answer = answer.map_err(|_| Setback::Coordinator)?;
        match ErrorCode::from_code(answer.error_code).expect("a known code") {
            ErrorCode::None => Ok(()),
            code => Err(setback(Some(code))),
        }
    }

    async fn leave(&mut self) {
        let mut request = LeaveGroupRequest {
            group_id: self.group.name.clone(),
            ..LeaveGroupRequest::default()
        };
        let version = any_version::<LeaveGroupRequest>(self.first_version(MANY_LEAVE));
        if version < MANY_LEAVE {
            request.member_id = self.by.member_id.clone();
        } else {
            request.members = vec![MemberIdentity {
                member_id: self.by.member_id.clone(),
                group_instance_id: self.by.instance.clone(),
                reason: None,
            }];
        }
        // Without an answer its session times out.
        let _ = self.client.call(self.port, version, &request).await;
    }
}

fn setback(code: Option<ErrorCode>) -> Setback {
    match code {
        None
        | Some(
            ErrorCode::NotCoordinator
            | ErrorCode::CoordinatorNotAvailable
            | ErrorCode::CoordinatorLoadInProgress,
        ) => Setback::Coordinator,
        Some(ErrorCode::RebalanceInProgress | ErrorCode::IllegalGeneration) => Setback::Rejoin,
        Some(ErrorCode::UnknownMemberId | ErrorCode::FencedInstanceId) => Setback::Forgotten,
        Some(code) => panic!("{code:?} for a member"),
    }
}
