//! DescribeUserScramCredentials (key 50), version 0 (KIP-554): which users have SCRAM credentials.
//!
//! - Told are mechanism and iterations, never anything that was derived from a password.
//! - Null or no users means all that have any. A user that has none is RESOURCE_NOT_FOUND, one that is asked for more than once is
//!   DUPLICATE_RESOURCE, once.

use crate::metadata::{ScramTable, UserCredentials};
use crate::security::{ScramCredential, ScramMechanism};
use crate::server::context::RequestContext;
use crate::wire::errors::ErrorCode;
use crate::wire::messages::describe_user_scram_credentials::{
    CredentialInfo, DescribeUserScramCredentialsResult, UserName,
};
use crate::wire::messages::{DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse};

/// Answers with each user's mechanisms.
pub async fn handle(
    cx: &RequestContext,
    request: DescribeUserScramCredentialsRequest,
) -> DescribeUserScramCredentialsResponse {
    let image = cx.shard().image();
    let asked = request.users.unwrap_or_default();
    let results = match asked.is_empty() {
        true => image.scram().users().map(|(user, credentials)| known(user, credentials)).collect(),
        false => asked_for(image.scram(), asked),
    };
    DescribeUserScramCredentialsResponse { results, ..DescribeUserScramCredentialsResponse::default() }
}

/// The users asked for, by name.
fn asked_for(scram: &ScramTable, asked: Vec<UserName>) -> Vec<DescribeUserScramCredentialsResult> {
    let mut names: Vec<String> = asked.into_iter().map(|user| user.name).collect();
    names.sort_unstable();
    let result = |same: &[String]| match (same, scram.user(&same[0])) {
        ([name], Some(credentials)) => known(name, credentials),
        ([name], None) => {
            let message = format!("User {name} has no SCRAM credentials.");
            refused(name, ErrorCode::ResourceNotFound, message)
        }
        ([name, ..], _) => {
            let message =
                format!("User {name} is in the request more than once.");
            refused(name, ErrorCode::DuplicateResource, message)
        }
        ([], _) => unreachable!("chunks hold something"),
    };
    names.chunk_by(|a, b| a == b).map(result).collect()
}

fn known(user: &str, credentials: &UserCredentials) -> DescribeUserScramCredentialsResult {
    let info = |(mechanism, credential): (&ScramMechanism, &ScramCredential)| {
        CredentialInfo { mechanism: mechanism.code(), iterations: credential.iterations }
    };
    DescribeUserScramCredentialsResult {
        user: user.to_string(),
        credential_infos: credentials.iter().map(info).collect(),
        ..DescribeUserScramCredentialsResult::default()
    }
}

fn refused(user: &str, code: ErrorCode, message: String) -> DescribeUserScramCredentialsResult {
    DescribeUserScramCredentialsResult {
        user: user.to_string(),
        error_code: code.code(),
        error_message: Some(message),
        ..DescribeUserScramCredentialsResult::default()
    }
}
