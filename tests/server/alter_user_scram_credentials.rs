//! DescribeUserScramCredentials is tested here as well: what one changes the other shows.

use bytes::Bytes;
use corelane::wire::errors::ErrorCode;
use corelane::wire::messages::alter_user_scram_credentials::{
    ScramCredentialDeletion, ScramCredentialUpsertion,
};
use corelane::wire::messages::describe_user_scram_credentials::UserName;
use corelane::wire::messages::{AlterUserScramCredentialsRequest, DescribeUserScramCredentialsRequest};

use crate::fixture::client::Client;
use crate::fixture::{Broker, Options};
use crate::server::Server;
use crate::steps::{error, eventually};

const SHA_256: i8 = 1;
const SHA_512: i8 = 2;

/// What must be found nowhere but in the files of the metadata, and the password not even there.
const SALT: &[u8] = b"a salt that can be recognised";
const SALTED_PASSWORD: &[u8] = b"a salted password to recognise";

fn upsertion(user: &str, mechanism: i8, iterations: i32) -> ScramCredentialUpsertion {
    ScramCredentialUpsertion {
        name: user.to_string(),
        mechanism,
        iterations,
        salt: Bytes::from_static(SALT),
        salted_password: Bytes::from_static(SALTED_PASSWORD),
    }
}

fn deletion(user: &str, mechanism: i8) -> ScramCredentialDeletion {
    ScramCredentialDeletion {
        name: user.to_string(),
        mechanism,
    }
}

/// What came of each user, by name.
fn alter(
    client: &mut Client,
    deletions: Vec<ScramCredentialDeletion>,
    upsertions: Vec<ScramCredentialUpsertion>,
) -> Vec<(String, ErrorCode)> {
    let request = AlterUserScramCredentialsRequest {
        deletions,
        upsertions,
    };
    let results = client.call(&request, 0).results;
    let mut results: Vec<_> = results
        .into_iter()
        .map(|one| (one.user, error(one.error_code)))
        .collect();
    results.sort_unstable();
    results
}

type Described = (String, ErrorCode, Vec<(i8, i32)>);

/// Mechanisms and iterations of users, by name; `None` asks for all.
fn describe(client: &mut Client, users: Option<&[&str]>) -> Vec<Described> {
    let name = |user: &&str| UserName {
        name: user.to_string(),
    };
    let request = DescribeUserScramCredentialsRequest {
        users: users.map(|users| users.iter().map(name).collect()),
    };
    let answer = client.call(&request, 0);
    assert_eq!(error(answer.error_code), ErrorCode::None);
    let described = |one: corelane::wire::messages::describe_user_scram_credentials::DescribeUserScramCredentialsResult| {
        let infos = one.credential_infos.iter().map(|info| (info.mechanism, info.iterations));
        assert!(one.error_code == 0 || one.error_message.is_some_and(|text| !text.is_empty()));
        (one.user, error(one.error_code), infos.collect())
    };
    let mut results: Vec<Described> = answer.results.into_iter().map(described).collect();
    results.sort_unstable();
    results
}

fn has(user: &str, credentials: &[(i8, i32)]) -> Described {
    (user.to_string(), ErrorCode::None, credentials.to_vec())
}

fn has_not(user: &str) -> Described {
    (user.to_string(), ErrorCode::ResourceNotFound, Vec::new())
}

#[test]
fn credentials_are_set_listed_and_deleted() {
    let server = Server::start();
    let mut client = server.client();
    let (ann, bob) = (server.topic("ann"), server.topic("bob"));
    assert_eq!(describe(&mut client, Some(&[&ann])), [has_not(&ann)]);

    let ok = |user: &str| (user.to_string(), ErrorCode::None);
    let both = vec![upsertion(&bob, SHA_512, 16_384), upsertion(&ann, SHA_256, 4096)];
    assert_eq!(alter(&mut client, Vec::new(), both), [ok(&ann), ok(&bob)]);
    let more = vec![upsertion(&ann, SHA_512, 5000)];
    assert_eq!(alter(&mut client, Vec::new(), more), [ok(&ann)]);
    let replaced = vec![upsertion(&ann, SHA_256, 8192)];
    assert_eq!(alter(&mut client, Vec::new(), replaced), [ok(&ann)]);

    let expected = [
        has(&ann, &[(SHA_256, 8192), (SHA_512, 5000)]),
        has(&bob, &[(SHA_512, 16_384)]),
    ];
    eventually(&server, || describe(&mut client, Some(&[&bob, &ann])) == expected);
    for all in [None, Some(&[][..])] {
        let all = describe(&mut client, all);
        assert!(expected.iter().all(|one| all.contains(one)), "{all:?}");
    }
    // Another node tells the same.
    if let Some(address) = server.addresses().get(1) {
        assert_eq!(
            describe(&mut Client::connect(address), Some(&[&bob, &ann])),
            expected
        );
    }

    let deletions = vec![deletion(&ann, SHA_256), deletion(&bob, SHA_512)];
    assert_eq!(alter(&mut client, deletions, Vec::new()), [ok(&ann), ok(&bob)]);
    eventually(&server, || {
        describe(&mut client, Some(&[&bob, &ann])) == [has(&ann, &[(SHA_512, 5000)]), has_not(&bob)]
    });
    assert_eq!(
        alter(&mut client, vec![deletion(&ann, SHA_512)], Vec::new()),
        [ok(&ann)]
    );
}

#[test]
fn what_can_not_be_is_refused_user_by_user() {
    let server = Server::start();
    let mut client = server.client();
    let user = server.topic("eve");
    let mut check = |deletions: &[(&str, i8)], upsertions: &[(&str, i8, i32)], expected: ErrorCode| {
        let deletions: Vec<_> = deletions
            .iter()
            .map(|(user, mechanism)| deletion(user, *mechanism))
            .collect();
        let upsertions: Vec<_> = upsertions
            .iter()
            .map(|(user, mechanism, iterations)| upsertion(user, *mechanism, *iterations))
            .collect();
        let what = format!("{deletions:?} {upsertions:?}");
        let results = alter(&mut client, deletions, upsertions);
        assert_eq!(results.len(), 1, "{results:?}");
        assert_eq!(results[0].1, expected, "{what}");
    };
    check(&[(&user, SHA_256)], &[], ErrorCode::ResourceNotFound);
    check(&[("", SHA_256)], &[], ErrorCode::UnacceptableCredential);
    check(&[("", 9)], &[], ErrorCode::UnacceptableCredential);
    for mechanism in [-1, 0, 3] {
        check(&[(&user, mechanism)], &[], ErrorCode::UnsupportedSaslMechanism);
        check(
            &[],
            &[(&user, mechanism, 4096)],
            ErrorCode::UnsupportedSaslMechanism,
        );
    }
    check(&[], &[("", SHA_256, 4096)], ErrorCode::UnacceptableCredential);
    for iterations in [-1, 0, 4095, 16_385, i32::MAX] {
        check(
            &[],
            &[(&user, SHA_256, iterations)],
            ErrorCode::UnacceptableCredential,
        );
        check(
            &[],
            &[(&user, SHA_512, iterations)],
            ErrorCode::UnacceptableCredential,
        );
    }
    check(
        &[],
        &[(&user, SHA_256, 4096), (&user, SHA_512, 4096)],
        ErrorCode::DuplicateResource,
    );
    // What is wrong with the user first is what is told.
    check(
        &[(&user, SHA_256)],
        &[(&user, SHA_256, 4096)],
        ErrorCode::ResourceNotFound,
    );
    let mut client = server.client();
    let good = server.topic("gil");
    let results = alter(
        &mut client,
        vec![deletion(&user, SHA_256)],
        vec![upsertion(&good, SHA_256, 4096)],
    );
    let expected = [
        (user.clone(), ErrorCode::ResourceNotFound),
        (good.clone(), ErrorCode::None),
    ];
    assert_eq!(results, expected);
    eventually(&server, || {
        describe(&mut client, Some(&[&good, &user])) == [has_not(&user), has(&good, &[(SHA_256, 4096)])]
    });
    let twice = describe(&mut client, Some(&[&good, &user, &good]));
    let duplicate = (good.clone(), ErrorCode::DuplicateResource, Vec::new());
    assert_eq!(twice, [has_not(&user), duplicate]);
}

/// Only ours: a broker that can be killed.
#[test]
fn credentials_survive_a_kill_and_nothing_secret_is_logged_or_kept() {
    if Server::start().is_foreign() {
        return;
    }
    let mut broker = Broker::start(Options::shards(2).set("logging", "trace"));
    let mut client = Client::connect(broker.bootstrap());
    let all = vec![upsertion("ann", SHA_256, 4096), upsertion("bob", SHA_512, 4097)];
    alter(&mut client, Vec::new(), all.clone());
    alter(&mut client, vec![deletion("bob", SHA_512)], Vec::new());
    broker.sigkill_and_restart(1);
    let mut client = Client::connect(broker.bootstrap());
    assert_eq!(describe(&mut client, None), [has("ann", &[(SHA_256, 4096)])]);

    alter(&mut client, Vec::new(), all);
    let log = broker.stop_with_log().join("\n");
    let contains = |bytes: &[u8], secret: &[u8]| bytes.windows(secret.len()).any(|window| window == secret);
    assert!(!contains(log.as_bytes(), SALT) && !contains(log.as_bytes(), SALTED_PASSWORD));
    let mut salts = 0;
    for file in std::fs::read_dir(broker.data_dir().join("metadata")).expect("listed") {
        let bytes = std::fs::read(file.expect("an entry").path()).expect("read");
        salts += usize::from(contains(&bytes, SALT));
        assert!(!contains(&bytes, SALTED_PASSWORD), "the password is not kept");
    }
    assert!(salts > 0, "the files were looked through");
}
