use std::collections::HashSet;

use corelane::wire::errors::ErrorCode;
use corelane::wire::messages::{InitProducerIdRequest, InitProducerIdResponse};

use crate::fixture::client::Client;
use crate::server::Server;
use crate::steps::{error, eventually};

fn ask(
    server: &Server,
    client: &mut Client,
    request: &InitProducerIdRequest,
    version: i16,
) -> InitProducerIdResponse {
    let mut answer = InitProducerIdResponse::default();
    eventually(server, || {
        answer = client.call(request, version);
        error(answer.error_code) != ErrorCode::CoordinatorLoadInProgress
    });
    answer
}

#[test]
fn every_version_gives_ids_that_nobody_else_has() {
    let server = Server::start();
    let mut seen = HashSet::new();
    for address in server.addresses() {
        let mut client = Client::connect(address);
        for version in 0..=5 {
            for _ in 0..50 {
                let answer = ask(&server, &mut client, &InitProducerIdRequest::default(), version);
                assert_eq!((answer.error_code, answer.producer_epoch), (0, 0));
                assert!(answer.producer_id >= 0 && seen.insert(answer.producer_id));
            }
        }
    }
}

#[test]
fn whoever_wants_its_epoch_raised_gets_a_new_id() {
    let server = Server::start();
    let mut client = server.client();
    let first = ask(&server, &mut client, &InitProducerIdRequest::default(), 3);
    for version in 3..=5 {
        let request = InitProducerIdRequest {
            producer_id: first.producer_id,
            producer_epoch: first.producer_epoch,
            ..InitProducerIdRequest::default()
        };
        let next = ask(&server, &mut client, &request, version);
        assert_eq!((next.error_code, next.producer_epoch), (0, 0));
        assert_ne!(next.producer_id, first.producer_id);
    }
}

#[test]
fn ill_formed_requests_are_refused() {
    let server = Server::start();
    let mut client = server.client();
    let request = |transactional_id: Option<&str>, producer_id, producer_epoch| InitProducerIdRequest {
        transactional_id: transactional_id.map(str::to_string),
        transaction_timeout_ms: 1000,
        producer_id,
        producer_epoch,
        ..InitProducerIdRequest::default()
    };
    for wrong in [
        request(None, 5, -1),
        request(None, -1, 5),
        request(Some(""), -1, -1),
    ] {
        let answer = ask(&server, &mut client, &wrong, 5);
        assert_eq!(error(answer.error_code), ErrorCode::InvalidRequest);
        assert_eq!((answer.producer_id, answer.producer_epoch), (-1, -1));
    }
}
