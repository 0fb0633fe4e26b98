use corelane::base::ids::TopicId;
use corelane::wire::errors::ErrorCode;
use corelane::wire::messages::delete_topics::DeleteTopicState;
use corelane::wire::messages::{DeleteTopicsRequest, DeleteTopicsResponse};

use crate::fixture::client::Client;
use crate::fixture::{Broker, Options};
use crate::server::Server;
use crate::steps::{create_topic, error, eventually, new_topic, produce, topic_id, topic_metadata, until};

fn by_name(names: &[&str]) -> DeleteTopicsRequest {
    DeleteTopicsRequest {
        topic_names: names.iter().map(|name| name.to_string()).collect(),
        timeout_ms: 30_000,
        ..DeleteTopicsRequest::default()
    }
}

fn by_state(states: &[(Option<&str>, TopicId)]) -> DeleteTopicsRequest {
    let state = |(name, topic_id): &(Option<&str>, TopicId)| DeleteTopicState {
        name: name.map(str::to_string),
        topic_id: *topic_id,
    };
    DeleteTopicsRequest {
        topics: states.iter().map(state).collect(),
        timeout_ms: 30_000,
        ..Default::default()
    }
}

fn codes(answer: &DeleteTopicsResponse) -> Vec<(Option<&str>, ErrorCode)> {
    let mut codes: Vec<_> = answer
        .responses
        .iter()
        .map(|topic| (topic.name.as_deref(), error(topic.error_code)))
        .collect();
    codes.sort_unstable();
    codes
}

#[track_caller]
fn check_gone(server: &Server, client: &mut Client, name: &str) {
    eventually(server, || {
        error(topic_metadata(client, name).error_code) == ErrorCode::UnknownTopicOrPartition
    });
}

#[test]
fn every_version_deletes_by_name() {
    let server = Server::start();
    let mut client = server.client();
    for version in 1..=6 {
        let name = server.topic("gone");
        create_topic(&server, new_topic(&name, 3));
        produce(&server, &name, 1, &[1, 2, 3]);
        let request = if version < 6 {
            by_name(&[&name])
        } else {
            by_state(&[(Some(&name), TopicId::ZERO)])
        };
        assert_eq!(
            codes(&client.call(&request, version)),
            [(Some(&*name), ErrorCode::None)]
        );
        check_gone(&server, &mut client, &name);
    }
}

#[test]
fn a_name_can_be_used_again_at_once() {
    let server = Server::start();
    let name = server.topic("again");
    let mut client = server.client();
    let mut ids = Vec::new();
    for _ in 0..3 {
        create_topic(&server, new_topic(&name, 2));
        assert_eq!(
            produce(&server, &name, 0, &[1]),
            0,
            "nothing is left of the topic before"
        );
        ids.push(topic_id(&mut client, &name));
        assert_eq!(
            codes(&client.call(&by_name(&[&name]), 5)),
            [(Some(&*name), ErrorCode::None)]
        );
        check_gone(&server, &mut client, &name);
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 3, "each has an id of its own");
}

#[test]
fn by_id() {
    let server = Server::start();
    let name = server.topic("by-id");
    create_topic(&server, new_topic(&name, 1));
    let mut client = server.client();
    let id = topic_id(&mut client, &name);
    let answer = client.call(&by_state(&[(None, id)]), 6);
    assert_eq!(codes(&answer), [(Some(&*name), ErrorCode::None)]);
    assert_eq!(answer.responses[0].topic_id, id);
    check_gone(&server, &mut client, &name);
    let answer = client.call(&by_state(&[(None, id)]), 6);
    assert_eq!(codes(&answer), [(None, ErrorCode::UnknownTopicId)]);
}

#[test]
fn what_can_not_be_meant_is_refused() {
    let server = Server::start();
    let (twice, missing) = (server.topic("twice"), server.topic("missing"));
    create_topic(&server, new_topic(&twice, 1));
    let mut client = server.client();
    let mut expected = vec![
        (Some(&*missing), ErrorCode::UnknownTopicOrPartition),
        (Some(&*twice), ErrorCode::InvalidRequest),
    ];
    expected.sort_unstable();
    assert_eq!(
        codes(&client.call(&by_name(&[&twice, &missing, &twice]), 5)),
        expected
    );
    let other = TopicId([9; 16]);
    for states in [&[(None, TopicId::ZERO)][..], &[(Some(&*twice), other)]] {
        let answer = client.call(&by_state(states), 6);
        assert_eq!(codes(&answer), [(states[0].0, ErrorCode::InvalidRequest)]);
        assert!(answer.responses[0].error_message.is_some());
    }
    assert_eq!(
        topic_metadata(&mut client, &twice).error_code,
        0,
        "it is still there"
    );
    assert!(client.call(&by_name(&[]), 1).responses.is_empty());
}

#[test]
fn deletion_can_be_switched_off() {
    let server = Server::start_with(&[("delete.topic.enable", "false")]);
    if server.is_foreign() {
        return; // Its settings are not ours to choose.
    }
    let name = server.topic("kept");
    create_topic(&server, new_topic(&name, 1));
    let mut client = server.client();
    for (version, expected) in [
        (2, ErrorCode::InvalidRequest),
        (3, ErrorCode::TopicDeletionDisabled),
    ] {
        assert_eq!(
            codes(&client.call(&by_name(&[&name]), version)),
            [(Some(&*name), expected)]
        );
    }
    assert_eq!(topic_metadata(&mut client, &name).error_code, 0);
}

/// What the disk has of the topic `gone`.
fn left(broker: &Broker) -> Vec<String> {
    let entries = std::fs::read_dir(broker.data_dir()).expect("the data directory");
    let names = entries.map(|entry| {
        let name = entry.expect("an entry").file_name();
        name.into_string().expect("a name")
    });
    names.filter(|name| name.starts_with("gone-0")).collect()
}

#[test]
fn what_a_crash_leaves_of_a_deleted_topic_goes_at_the_next_start() {
    let mut broker = Broker::start(Options::shards(2));
    let server = Server::of(&broker);
    create_topic(&server, new_topic("gone", 1));
    produce(&server, "gone", 0, &[1, 2, 3]);
    // In order, so that the records are in their segment.
    broker.stop();
    let dir = broker.data_dir().join("gone-0");
    let kept = broker.data_dir().join("copy");
    std::fs::create_dir(&kept).expect("a folder");
    for entry in std::fs::read_dir(&dir).expect("the partition's directory") {
        let entry = entry.expect("an entry");
        std::fs::copy(entry.path(), kept.join(entry.file_name())).expect("a copy");
    }
    broker.start_again(2);
    let server = Server::of(&broker);
    assert_eq!(
        server.client().call(&by_name(&["gone"]), 5).responses[0].error_code,
        0
    );
    broker.sigkill();
    // As if the crash had come after the metadata's change, and before that of the files.
    for name in left(&broker) {
        std::fs::remove_dir_all(broker.data_dir().join(name)).expect("the directory goes");
    }
    std::fs::rename(&kept, &dir).expect("the directory back in its place");
    broker.start_again(1);
    until(|| left(&broker).is_empty());
    let server = Server::of(&broker);
    create_topic(&server, new_topic("gone", 1));
    assert_eq!(produce(&server, "gone", 0, &[9]), 0);
    broker.stop();
}
