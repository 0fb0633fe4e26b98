//! Which protocol a group uses: one that all members know, the one most members prefer among those.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use super::member::Member;
use crate::group::request::Protocol;

/// How many members know each protocol.
#[derive(Clone, Debug, Default)]
pub(super) struct ProtocolVotes {
    known_by: HashMap<Rc<str>, usize>,
}

impl ProtocolVotes {
    pub fn add(&mut self, protocols: &[Protocol]) {
        for protocol in protocols {
            *self.known_by.entry(protocol.name.clone()).or_default() += 1;
        }
    }

    pub fn remove(&mut self, protocols: &[Protocol]) {
        for protocol in protocols {
            let count = self.known_by.get_mut(&protocol.name).expect("was added");
            *count -= 1;
            if *count == 0 {
                self.known_by.remove(&protocol.name);
            }
        }
    }

    /// True if all of `members` members know the protocol.
    pub fn is_known_by_all(&self, name: &str, members: usize) -> bool {
        self.known_by.get(name).copied().unwrap_or(0) == members
    }

    /// The winner: each member votes for the first of its protocols that all know. Of equals the first by name.
    pub fn select<'a>(&self, members: impl ExactSizeIterator<Item = &'a Member>) -> Rc<str> {
        let count = members.len();
        let mut votes: BTreeMap<&Rc<str>, usize> = BTreeMap::new();
        for member in members {
            let vote = member
                .protocols
                .iter()
                .find(|p| self.is_known_by_all(&p.name, count));
            *votes
                .entry(
                    &vote
                        .expect("a member joins only with a protocol that all know")
                        .name,
                )
                .or_default() += 1;
        }
        let (winner, _) = votes
            .into_iter()
            .rev()
            .max_by_key(|(_, votes)| *votes)
            .expect("there are members");
        winner.clone()
    }
}
