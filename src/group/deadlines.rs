//! What is due when, for all groups of one coordinator. The driver sleeps until the first and sends a tick.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use crate::base::time::Monotonic;

/// What happens when time is up.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Deadline {
    /// The member was silent for its session timeout.
    Session { group: Rc<str>, member: Rc<str> },
    /// The rebalance has waited long enough for members to join.
    Join { group: Rc<str> },
    /// The rebalance has waited long enough for members to sync.
    Sync { group: Rc<str> },
}

/// Each deadline once, in order of time.
#[derive(Debug, Default)]
pub struct Deadlines {
    by_time: BTreeSet<(Monotonic, Deadline)>,
    at: HashMap<Deadline, Monotonic>,
}

impl Deadlines {
    /// Sets the deadline, or moves it.
    pub fn set(&mut self, deadline: Deadline, at: Monotonic) {
        if let Some(old) = self.at.insert(deadline.clone(), at) {
            self.by_time.remove(&(old, deadline.clone()));
        }
        self.by_time.insert((at, deadline));
    }

    /// Forgets the deadline, if it is set.
    pub fn cancel(&mut self, deadline: &Deadline) {
        if let Some(old) = self.at.remove(deadline) {
            self.by_time.remove(&(old, deadline.clone()));
        }
    }

    /// When the next one is due.
    pub fn next(&self) -> Option<Monotonic> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// Takes the first one if it is due.
    pub fn pop_due(&mut self, now: Monotonic) -> Option<Deadline> {
        if self.next()? > now {
            return None;
        }
        let (_, deadline) = self.by_time.pop_first()?;
        self.at.remove(&deadline);
        Some(deadline)
    }

    /// True if the deadline is set.
    #[cfg(test)]
    pub fn is_set(&self, deadline: &Deadline) -> bool {
        self.at.contains_key(deadline)
    }
}
