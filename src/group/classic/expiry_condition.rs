//! From when on a group's offsets grow old (KIP-211).

use super::classic_group::ClassicGroup;
use super::group_state::GroupState;

/// What the age of a group's offsets is counted from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::group) enum ExpiryCondition {
    /// They do not age: the group is in use, and what it subscribed to is in flux or not known.
    Never,
    /// From the commit; offsets of subscribed topics do not age.
    SinceCommit,
    /// From when the group became empty, milliseconds since 1970.
    SinceEmpty(i64),
}

impl ClassicGroup {
    /// What the age of the group's offsets is counted from.
    pub fn expiry_condition(&self) -> ExpiryCondition {
        if self.protocol_type.is_none() {
            // A simple consumer: all that is known of it is its commits.
            return ExpiryCondition::SinceCommit;
        }
        match self.state {
            GroupState::Empty => self
                .state_timestamp_ms
                .map_or(ExpiryCondition::SinceCommit, ExpiryCondition::SinceEmpty),
            GroupState::Stable if self.subscribed.is_some() => ExpiryCondition::SinceCommit,
            _ => ExpiryCondition::Never,
        }
    }
}
