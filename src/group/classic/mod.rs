//! Classic groups: members join, a leader assigns, all sync.
//!
//! Responsible for one group's membership and its rounds of rebalancing, as Apache Kafka 4.3 does them. The group's
//! methods change the group and tell the [`Step`](super::step::Step) what to answer, to append and to be woken for.
//! Knows nothing of offsets, of other groups, or of how records and answers travel. Start reading in
//! `classic_group.rs`, then follow a round: `join.rs`, `rebalance.rs`, `sync.rs`.

mod classic_group;
mod commit_check;
mod describe;
mod expiry_condition;
mod group_state;
mod heartbeat;
mod join;
mod leave;
mod member;
mod protocol_votes;
mod rebalance;
mod silence;
mod static_member;
mod subscription;
mod sync;

pub(in crate::group) use classic_group::ClassicGroup;
pub(in crate::group) use expiry_condition::ExpiryCondition;
pub(in crate::group) use group_state::{DEAD, GroupState};
