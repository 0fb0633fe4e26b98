//! The SCRAM credentials of all users.

use std::collections::BTreeMap;

use crate::security::{ScramCredential, ScramMechanism};

/// A user's credentials by mechanism; a user has one at least.
pub type UserCredentials = BTreeMap<ScramMechanism, ScramCredential>;

/// The credentials by user.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScramTable {
    by_user: BTreeMap<String, UserCredentials>,
    len: usize,
}

impl ScramTable {
    /// A user's credentials, `None` if there are none.
    pub fn user(&self, name: &str) -> Option<&UserCredentials> {
        self.by_user.get(name)
    }

    /// All users that have credentials, by name.
    pub fn users(&self) -> impl Iterator<Item = (&str, &UserCredentials)> {
        self.by_user.iter().map(|(name, all)| (name.as_str(), all))
    }

    /// Number of credentials.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Sets a credential, in place of the one there may be.
    pub(in crate::metadata) fn set(
        &mut self,
        user: &str,
        mechanism: ScramMechanism,
        credential: ScramCredential,
    ) {
        let all = self.by_user.entry(user.to_string()).or_default();
        if all.insert(mechanism, credential).is_none() {
            self.len += 1;
        }
    }

    /// Removes a credential. Says whether there was one.
    pub(in crate::metadata) fn remove(&mut self, user: &str, mechanism: ScramMechanism) -> bool {
        let Some(all) = self.by_user.get_mut(user) else {
            return false;
        };
        let removed = all.remove(&mechanism).is_some();
        if all.is_empty() {
            self.by_user.remove(user);
        }
        self.len -= usize::from(removed);
        removed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_come_with_their_first_credential_and_go_with_their_last() {
        let mut table = ScramTable::default();
        let credential = |n| ScramCredential::derive(ScramMechanism::Sha256, vec![n], &[n], 4096);
        table.set("ann", ScramMechanism::Sha256, credential(1));
        table.set("ann", ScramMechanism::Sha512, credential(2));
        table.set("ann", ScramMechanism::Sha256, credential(3));
        assert_eq!((table.len(), table.users().count()), (2, 1));
        assert_eq!(table.user("ann").unwrap()[&ScramMechanism::Sha256], credential(3));
        assert!(table.remove("ann", ScramMechanism::Sha256));
        assert!(!table.remove("ann", ScramMechanism::Sha256));
        assert!(!table.remove("bob", ScramMechanism::Sha256));
        assert!(table.remove("ann", ScramMechanism::Sha512));
        assert!(table.is_empty() && table.user("ann").is_none());
        assert_eq!(table, ScramTable::default());
    }
}
