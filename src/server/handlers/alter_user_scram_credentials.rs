//! AlterUserScramCredentials (key 51), version 0 (KIP-554): sets and deletes users' SCRAM credentials.
//!
//! - Deletions come before upsertions. A user may be in the request once only, whatever the mechanism: DUPLICATE_RESOURCE.
//! - Deleting what is not there is RESOURCE_NOT_FOUND. No user name, fewer than 4096 or more than 16384 iterations, and a salt of
//!   more than 1024 bytes are UNACCEPTABLE_CREDENTIAL. An unknown mechanism is UNSUPPORTED_SASL_MECHANISM.
//! - Each user succeeds or fails alone; what succeeds is durable when it is answered.
//! - A client sends the salted password. Only the keys derived from it are kept; neither is ever logged or told to anybody.
//!
//! Not done: nobody is asked for a credential yet, because connections are not authenticated.

use bytes::Bytes;

use crate::metadata::{Command, Outcome, ScramDeletion, ScramUpsertion};
use crate::rt;
use crate::security::{ScramCredential, ScramMechanism};
use crate::server::context::RequestContext;
use crate::server::handlers::change::{Refusal, submit_within};
use crate::wire::errors::ErrorCode;
use crate::wire::messages::alter_user_scram_credentials::{
    AlterUserScramCredentialsResult, ScramCredentialDeletion, ScramCredentialUpsertion,
};
use crate::wire::messages::{AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse};

/// How long the change may take, in milliseconds. The request carries no timeout of its own; clients wait 30 s and more.
const CHANGE_WITHIN_MS: i32 = 30_000;

/// Has the credentials changed and says what came of each user.
pub async fn handle(
    cx: &RequestContext,
    request: AlterUserScramCredentialsRequest,
) -> AlterUserScramCredentialsResponse {
    let deletions: Vec<ScramDeletion> = request.deletions.into_iter().map(deletion).collect();
    let mut upsertions = Vec::with_capacity(request.upsertions.len());
    for one in request.upsertions {
        upsertions.push(upsertion(one));
        // Deriving keys takes some microseconds each, and a request may hold very many.
        rt::yield_if_needed().await;
    }
    let named: Vec<String> = deletions.iter().map(|one| &one.user).chain(upsertions.iter().map(|one| &one.user)).cloned().collect();
    let command = Command::AlterScramCredentials { deletions, upsertions };
    let results = match submit_within(cx, command, CHANGE_WITHIN_MS).await {
        Ok(Outcome::ScramCredentialsAltered(results)) => {
            results.into_iter().map(|(user, result)| response(user, result.map_err(Refusal::from))).collect()
        }
        Ok(other) => unreachable!("the outcome of a command is of its kind: {other:?}"),
        Err(refusal) => each_user(named).into_iter().map(|user| response(user, Err(refusal.clone()))).collect(),
    };
    AlterUserScramCredentialsResponse { results, ..AlterUserScramCredentialsResponse::default() }
}

fn deletion(asked: ScramCredentialDeletion) -> ScramDeletion {
    ScramDeletion { user: asked.name, mechanism: ScramMechanism::from_code(asked.mechanism) }
}

fn upsertion(asked: ScramCredentialUpsertion) -> ScramUpsertion {
    let ScramCredentialUpsertion { name, mechanism, iterations, salt, salted_password } = asked;
    let derive = |salt: Bytes, mechanism| {
        (mechanism, ScramCredential::derive(mechanism, salt.to_vec(), &salted_password, iterations))
    };
    ScramUpsertion {
        user: name,
        credential: ScramMechanism::from_code(mechanism).map(|mechanism| derive(salt, mechanism)),
    }
}

/// Every name once.
fn each_user(mut named: Vec<String>) -> Vec<String> {
    named.sort_unstable();
    named.dedup();
    named
}

fn response(user: String, result: Result<(), Refusal>) -> AlterUserScramCredentialsResult {
    let (code, error_message) = match result {
        Ok(()) => (ErrorCode::None, None),
        Err(refusal) => (refusal.code, refusal.message),
    };
    AlterUserScramCredentialsResult { user, error_code: code.code(), error_message }
}
