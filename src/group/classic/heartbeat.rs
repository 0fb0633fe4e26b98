//! Heartbeat: the member is alive, and learns that it has to join again.

use super::classic_group::ClassicGroup;
use crate::group::error::GroupError;
use crate::group::request::HeartbeatRequest;
use crate::group::step::Step;

impl ClassicGroup {
    /// Handles a Heartbeat. One between join and sync counts like any other: consumers send them from then on.
    pub fn heartbeat(&mut self, step: &mut Step<'_>, heartbeat: &HeartbeatRequest) -> Result<(), GroupError> {
        self.check_member(&heartbeat.member_id, heartbeat.instance_id.as_ref())?;
        if heartbeat.generation != self.generation {
            return Err(GroupError::IllegalGeneration);
        }
        self.renew_session(step, &heartbeat.member_id);
        if self.state.is_preparing() {
            Err(GroupError::RebalanceInProgress)
        } else {
            Ok(())
        }
    }
}
