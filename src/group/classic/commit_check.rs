//! Who may commit offsets.

use std::rc::Rc;

use super::classic_group::ClassicGroup;
use super::group_state::GroupState;
use crate::group::error::GroupError;
use crate::group::step::Step;

impl ClassicGroup {
    /// Checks a commit. Without member and generation it comes from a simple consumer or an administrator, and the
    /// group has to be empty; else it has to come from a member of the current generation that knows its assignment.
    pub fn check_commit(
        &self,
        member_id: &str,
        instance_id: Option<&Rc<str>>,
        generation: i32,
    ) -> Result<(), GroupError> {
        if generation < 0 && self.state == GroupState::Empty {
            return Ok(());
        }
        if generation < 0 && member_id.is_empty() && instance_id.is_none() {
            return Err(GroupError::UnknownMemberId);
        }
        self.check_member(member_id, instance_id)?;
        if generation != self.generation {
            return Err(GroupError::IllegalGeneration);
        }
        if self.state == GroupState::CompletingRebalance {
            return Err(GroupError::RebalanceInProgress);
        }
        Ok(())
    }

    /// A commit is a sign of life.
    pub fn heard_by_commit(&self, step: &mut Step<'_>, member_id: &str) {
        if self.members.contains_key(member_id) {
            self.renew_session(step, member_id);
        }
    }
}
