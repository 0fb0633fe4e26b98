//! LeaveGroup: members go by themselves, or are removed by an administrator.

use std::rc::Rc;

use super::classic_group::ClassicGroup;
use super::group_state::GroupState;
use crate::group::error::GroupError;
use crate::group::request::LeavingMember;
use crate::group::step::Step;

impl ClassicGroup {
    /// Handles a LeaveGroup. A result per member; one that fails does not keep the others.
    pub fn leave(&mut self, step: &mut Step<'_>, leaving: &[LeavingMember]) -> Vec<Result<(), GroupError>> {
        let results: Vec<_> = leaving
            .iter()
            .map(|member| self.leave_one(step, member))
            .collect();
        if results.iter().any(Result::is_ok) && self.state != GroupState::Empty {
            self.rebalance_or_complete_join(step);
        }
        results
    }

    fn leave_one(&mut self, step: &mut Step<'_>, leaving: &LeavingMember) -> Result<(), GroupError> {
        let member_id = self.find_leaving(leaving)?;
        tracing::info!(group = %self.id, member = %member_id, reason = leaving.reason.as_deref(), "a member leaves");
        self.remove_member(step, &member_id);
        Ok(())
    }

    /// Administrators know static members by their instance id alone (KIP-345).
    fn find_leaving(&self, leaving: &LeavingMember) -> Result<Rc<str>, GroupError> {
        if leaving.member_id.is_empty() {
            let current = leaving
                .instance_id
                .as_ref()
                .and_then(|instance| self.static_members.get(instance));
            return current.cloned().ok_or(GroupError::UnknownMemberId);
        }
        if !self.pending_join.contains(&leaving.member_id) {
            self.check_member(&leaving.member_id, leaving.instance_id.as_ref())?;
        }
        Ok(leaving.member_id.clone())
    }
}
