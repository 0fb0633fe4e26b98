//! A member's session ended.

use std::rc::Rc;

use super::classic_group::ClassicGroup;
use crate::group::step::Step;

impl ClassicGroup {
    /// Nothing was heard of the member for its session timeout. One whose request is parked is excused: its session
    /// starts anew with the answer.
    pub fn session_deadline(&mut self, step: &mut Step<'_>, member_id: &Rc<str>) {
        if self.pending_join.remove(member_id) {
            tracing::info!(group = %self.id, member = %member_id, "a new member did not come back with its id");
            self.maybe_complete_join(step);
            return;
        }
        let Some(member) = self.members.get(member_id) else {
            return;
        };
        if member.is_excused() {
            return;
        }
        tracing::info!(group = %self.id, member = %member_id, "a member's session ended");
        self.remove_member(step, member_id);
        self.rebalance_or_complete_join(step);
    }
}
