//! Sets and deletes users' SCRAM credentials.

use std::collections::HashMap;

use crate::base::limits::MAX_SCRAM_CREDENTIALS;
use crate::metadata::command::{ScramDeletion, ScramUpsertion};
use crate::metadata::command_error::{CommandError, CommandErrorKind};
use crate::metadata::outcome::Outcome;
use crate::metadata::record::Record;
use crate::security::ScramMechanism;

use super::draft::Draft;

/// Fewest and most iterations, as Apache Kafka has it. The fewest are from RFC 7677; the most bound what a client that
/// authenticates has to compute.
const ITERATIONS: std::ops::RangeInclusive<i32> = 4096..=16_384;

/// Longest salt in bytes. A guess: clients use some dozens.
const MAX_SALT_BYTES: usize = 1024;

pub(super) fn plan(
    draft: &mut Draft,
    deletions: Vec<ScramDeletion>,
    upsertions: Vec<ScramUpsertion>,
) -> Outcome {
    let mut users = Users::default();
    for ScramDeletion { user, mechanism } in deletions {
        let checked = || match check_mechanism(&user, mechanism)? {
            mechanism if has(draft, &user, mechanism) => Ok(Record::ScramCredentialRemoved {
                user: user.clone(),
                mechanism,
            }),
            _ => refuse(
                CommandErrorKind::ResourceNotFound,
                "The user has no credential of this mechanism.",
            ),
        };
        users.alter(&user, checked);
    }
    for ScramUpsertion { user, credential } in upsertions {
        let checked = || {
            let mechanism = check_mechanism(&user, credential.as_ref().map(|(mechanism, _)| *mechanism))?;
            let (_, credential) = credential.expect("its mechanism was found");
            if credential.iterations < *ITERATIONS.start() {
                return refuse(CommandErrorKind::UnacceptableCredential, "Too few iterations.");
            }
            if credential.iterations > *ITERATIONS.end() {
                return refuse(CommandErrorKind::UnacceptableCredential, "Too many iterations.");
            }
            if credential.salt.len() > MAX_SALT_BYTES {
                return refuse(CommandErrorKind::UnacceptableCredential, "Too long a salt.");
            }
            Ok(Record::ScramCredentialSet {
                user: user.clone(),
                mechanism,
                credential,
            })
        };
        users.alter(&user, checked);
    }
    let record = |(user, planned): (String, Result<Record, CommandError>)| {
        let result = planned.and_then(|record| apply(draft, record));
        (user, result)
    };
    Outcome::ScramCredentialsAltered(users.planned.into_iter().map(record).collect())
}

fn apply(draft: &mut Draft, record: Record) -> Result<(), CommandError> {
    if let Record::ScramCredentialSet { user, mechanism, .. } = &record
        && !has(draft, user, *mechanism)
        && draft.image.scram().len() >= MAX_SCRAM_CREDENTIALS
    {
        let message = format!("There are {MAX_SCRAM_CREDENTIALS} credentials, and no more may be.");
        return Err(CommandError::new(CommandErrorKind::PolicyViolation, message));
    }
    draft.record(record);
    Ok(())
}

/// What is planned for each user, in the order in which the request names them.
#[derive(Default)]
struct Users {
    planned: Vec<(String, Result<Record, CommandError>)>,
    index: HashMap<String, usize>,
}

impl Users {
    /// Plans an alteration. A user may have only one, whatever its mechanism, as in Kafka; what was refused stays refused.
    fn alter(&mut self, user: &str, checked: impl FnOnce() -> Result<Record, CommandError>) {
        match self.index.get(user) {
            None => {
                self.index.insert(user.to_string(), self.planned.len());
                self.planned.push((user.to_string(), checked()));
            }
            Some(at) if self.planned[*at].1.is_ok() => {
                self.planned[*at].1 = refuse(
                    CommandErrorKind::DuplicateResource,
                    "A user may be altered once in a request.",
                );
            }
            Some(_) => {}
        }
    }
}

fn has(draft: &Draft, user: &str, mechanism: ScramMechanism) -> bool {
    let credentials = draft.image.scram().user(user);
    credentials.is_some_and(|all| all.contains_key(&mechanism))
}

fn check_mechanism(user: &str, mechanism: Option<ScramMechanism>) -> Result<ScramMechanism, CommandError> {
    if user.is_empty() {
        return refuse(CommandErrorKind::UnacceptableCredential, "A user needs a name.");
    }
    match mechanism {
        Some(mechanism) => Ok(mechanism),
        None => refuse(
            CommandErrorKind::UnsupportedSaslMechanism,
            "There is no SCRAM mechanism of this number.",
        ),
    }
}

fn refuse<T>(kind: CommandErrorKind, message: &str) -> Result<T, CommandError> {
    Err(CommandError::new(kind, message))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::StaticSettings;
    use crate::metadata::ClusterImage;
    use crate::security::ScramCredential;

    fn upsertion(user: &str, mechanism: ScramMechanism, iterations: i32) -> ScramUpsertion {
        let credential = ScramCredential::derive(mechanism, b"salt".to_vec(), b"salted", iterations);
        ScramUpsertion {
            user: user.to_string(),
            credential: Some((mechanism, credential)),
        }
    }

    fn deletion(user: &str, mechanism: ScramMechanism) -> ScramDeletion {
        ScramDeletion {
            user: user.to_string(),
            mechanism: Some(mechanism),
        }
    }

    /// The image after a command, and what came of each user.
    fn alter(
        image: &ClusterImage,
        deletions: Vec<ScramDeletion>,
        upsertions: Vec<ScramUpsertion>,
    ) -> (ClusterImage, Vec<(String, Option<CommandErrorKind>)>) {
        let mut draft = Draft::of(image);
        let outcome = plan(&mut draft, deletions, upsertions);
        let Outcome::ScramCredentialsAltered(results) = outcome else {
            panic!("{outcome:?}");
        };
        let kinds = results
            .into_iter()
            .map(|(user, result)| (user, result.err().map(|e| e.kind)));
        (draft.finish(image).1, kinds.collect())
    }

    #[test]
    fn a_user_that_is_named_twice_is_refused_and_others_are_not() {
        use ScramMechanism::{Sha256, Sha512};
        let empty = ClusterImage::empty(Arc::new(StaticSettings::default()));
        let some = vec![upsertion("ann", Sha256, 4096), upsertion("bob", Sha512, 16_384)];
        let (image, results) = alter(&empty, Vec::new(), some);
        assert_eq!(results, [("ann".to_string(), None), ("bob".to_string(), None)]);
        assert_eq!((image.scram().len(), image.version()), (2, 1));

        let (after, results) = alter(
            &image,
            vec![
                deletion("ann", Sha256),
                deletion("bob", Sha512),
                deletion("cid", Sha256),
            ],
            vec![
                upsertion("ann", Sha512, 5000),
                upsertion("cid", Sha256, 5000),
                upsertion("dan", Sha256, 5000),
            ],
        );
        let expected = [
            ("ann", Some(CommandErrorKind::DuplicateResource)),
            ("bob", None),
            // What was wrong with the user first is what is told.
            ("cid", Some(CommandErrorKind::ResourceNotFound)),
            ("dan", None),
        ];
        assert_eq!(results, expected.map(|(user, kind)| (user.to_string(), kind)));
        let users: Vec<_> = after.scram().users().map(|(name, _)| name.to_string()).collect();
        assert_eq!(users, ["ann", "dan"]);
    }

    #[test]
    fn there_are_no_more_than_may_be() {
        let empty = ClusterImage::empty(Arc::new(StaticSettings::default()));
        let model = upsertion("", ScramMechanism::Sha256, 4096);
        let named = |n: usize| ScramUpsertion {
            user: format!("user {n}"),
            ..model.clone()
        };
        let (full, results) = alter(
            &empty,
            Vec::new(),
            (0..=MAX_SCRAM_CREDENTIALS).map(named).collect(),
        );
        assert_eq!(full.scram().len(), MAX_SCRAM_CREDENTIALS);
        assert_eq!(
            results[MAX_SCRAM_CREDENTIALS].1,
            Some(CommandErrorKind::PolicyViolation)
        );
        // What is there can still be changed.
        let (_, results) = alter(&full, Vec::new(), vec![named(7)]);
        assert_eq!(results[0].1, None);
    }
}
