use corelane::base::ids::TopicId;
use corelane::wire::errors::ErrorCode;
use corelane::wire::messages::describe_topic_partitions::{
    DescribeTopicPartitionsRequestCursor, TopicRequest,
};
use corelane::wire::messages::{DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse};

use crate::fixture::client::Client;
use crate::server::Server;
use crate::steps::{create_topic, error, eventually, new_topic, topic_id};

fn ask(
    client: &mut Client,
    names: &[&str],
    limit: i32,
    cursor: Option<(&str, i32)>,
) -> DescribeTopicPartitionsResponse {
    let topic = |name: &&str| TopicRequest {
        name: name.to_string(),
    };
    let cursor = cursor.map(|(name, partition_index)| DescribeTopicPartitionsRequestCursor {
        topic_name: name.to_string(),
        partition_index,
    });
    let topics = names.iter().map(topic).collect();
    client.call(
        &DescribeTopicPartitionsRequest {
            topics,
            response_partition_limit: limit,
            cursor,
        },
        0,
    )
}

/// Topics with the partitions of each, and where to go on.
type Shape = (Vec<(String, Vec<i32>)>, Option<(String, i32)>);

fn shape(answer: &DescribeTopicPartitionsResponse) -> Shape {
    let topics = answer.topics.iter().map(|topic| {
        let partitions = topic
            .partitions
            .iter()
            .map(|partition| partition.partition_index)
            .collect();
        (topic.name.clone().expect("a name"), partitions)
    });
    let next = answer
        .next_cursor
        .as_ref()
        .map(|cursor| (cursor.topic_name.clone(), cursor.partition_index));
    (topics.collect(), next)
}

#[test]
fn topics_come_by_name_in_pieces() {
    let server = Server::start();
    let (a, b) = (server.topic("a"), server.topic("b"));
    create_topic(&server, new_topic(&b, 3));
    create_topic(&server, new_topic(&a, 2));
    let mut client = server.client();
    let mut check = |limit, cursor, topics: &[(&str, &[i32])], next: Option<(&str, i32)>| {
        let topics = topics
            .iter()
            .map(|(name, all)| (name.to_string(), all.to_vec()))
            .collect();
        let next = next.map(|(name, partition)| (name.to_string(), partition));
        assert_eq!(
            shape(&ask(&mut client, &[&b, &a, &b], limit, cursor)),
            (topics, next)
        );
    };
    check(2000, None, &[(&a, &[0, 1]), (&b, &[0, 1, 2])], None);
    check(5, None, &[(&a, &[0, 1]), (&b, &[0, 1, 2])], None);
    check(4, None, &[(&a, &[0, 1]), (&b, &[0, 1])], Some((&b, 2)));
    check(2, None, &[(&a, &[0, 1])], Some((&b, 0)));
    check(0, None, &[(&a, &[0])], Some((&a, 1)));
    check(-1, None, &[(&a, &[0])], Some((&a, 1)));
    check(2, Some((&a, 1)), &[(&a, &[1]), (&b, &[0])], Some((&b, 1)));
    check(9, Some((&b, 1)), &[(&b, &[1, 2])], None);
    check(9, Some((&b, 99)), &[(&b, &[])], None);
}

#[test]
fn partitions_show_all_there_is_to_know() {
    let server = Server::start();
    let name = server.topic("full");
    create_topic(&server, new_topic(&name, 2));
    let mut client = server.client();
    let topic = ask(&mut client, &[&name], 10, None).topics.remove(0);
    assert_eq!(topic.topic_id, topic_id(&mut client, &name));
    assert_eq!(
        (topic.is_internal, topic.topic_authorized_operations),
        (false, 3576)
    );
    for partition in &topic.partitions {
        assert_eq!((partition.error_code, partition.leader_epoch), (0, 0));
        assert_eq!(partition.replica_nodes, [partition.leader_id]);
        assert_eq!(partition.isr_nodes, [partition.leader_id]);
        assert_eq!(partition.eligible_leader_replicas, Some(Vec::new()));
        assert_eq!(partition.last_known_elr, Some(Vec::new()));
    }
}

#[test]
fn all_topics_when_none_is_named() {
    let server = Server::start();
    let name = server.topic("every");
    create_topic(&server, new_topic(&name, 1));
    let mut client = server.client();
    eventually(&server, || {
        let (topics, _) = shape(&ask(&mut client, &[], 2000, None));
        topics.is_sorted() && topics.contains(&(name.clone(), vec![0]))
    });
    // The cursor may name what was deleted since.
    let before = &name[..name.len() - 1];
    let (topics, _) = shape(&ask(&mut client, &[], 1, Some((before, 5))));
    assert_eq!(topics[0], (name, vec![0]));
}

#[test]
fn unknown_topics_are_not_created() {
    let server = Server::start();
    let name = server.topic("missing");
    let mut client = server.client();
    for _ in 0..2 {
        let answer = ask(&mut client, &[&name, "a b"], 10, None);
        let [invalid, unknown] = &answer.topics[..] else {
            panic!("two topics: {answer:?}");
        };
        assert_eq!(error(invalid.error_code), ErrorCode::InvalidTopicException);
        assert_eq!(error(unknown.error_code), ErrorCode::UnknownTopicOrPartition);
        assert_eq!(unknown.topic_id, TopicId::ZERO);
    }
}

#[test]
fn a_wrong_cursor_is_refused() {
    let server = Server::start();
    let name = server.topic("cursor");
    create_topic(&server, new_topic(&name, 1));
    let mut client = server.client();
    for cursor in [("another", 0), (&*name, -1)] {
        let answer = ask(&mut client, &[&name], 10, Some(cursor));
        assert_eq!(error(answer.topics[0].error_code), ErrorCode::InvalidRequest);
        assert_eq!(answer.next_cursor, None);
    }
}
