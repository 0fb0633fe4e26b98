//! Where a classic group is in its round of joining and syncing.

/// The states of a classic group. `Dead` is what one that does not exist is called, so it is not among them.
///
/// `Empty` → `PreparingRebalance` → `CompletingRebalance` → `Stable`, and from all but `Empty` back to
/// `PreparingRebalance`; from there to `Empty` when nobody is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupState {
    /// No members. Offsets may be there.
    Empty,
    /// Members are being waited for.
    PreparingRebalance(RebalanceKind),
    /// The generation stands; the leader's assignment is being waited for.
    CompletingRebalance,
    /// All has been assigned.
    Stable,
}

/// How the end of the join phase is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RebalanceKind {
    /// The first members of an empty group: waits for `group.initial.rebalance.delay.ms`, longer if more members come.
    Initial(InitialDelay),
    /// Waits until all members have joined again, at most for the longest rebalance timeout of theirs.
    Ordinary,
}

/// How long the first rebalance may still be put off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InitialDelay {
    /// The delay that runs now.
    pub current_ms: i32,
    /// What may be added to it.
    pub remaining_ms: i32,
    /// Whether a member came since it began.
    pub member_added: bool,
}

impl GroupState {
    /// The name that DescribeGroups and ListGroups show.
    pub fn name(self) -> &'static str {
        match self {
            GroupState::Empty => "Empty",
            GroupState::PreparingRebalance(_) => "PreparingRebalance",
            GroupState::CompletingRebalance => "CompletingRebalance",
            GroupState::Stable => "Stable",
        }
    }

    /// True while members are being waited for.
    pub fn is_preparing(self) -> bool {
        matches!(self, GroupState::PreparingRebalance(_))
    }
}

/// What a group that does not exist is shown as.
pub const DEAD: &str = "Dead";
