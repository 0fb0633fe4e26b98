//! DescribeLogDirs and AlterReplicaLogDirs.

use corelane::wire::errors::ErrorCode;
use corelane::wire::messages::alter_replica_log_dirs::{AlterReplicaLogDir, AlterReplicaLogDirTopic};
use corelane::wire::messages::describe_log_dirs::{DescribableLogDirTopic, DescribeLogDirsResult};
use corelane::wire::messages::{AlterReplicaLogDirsRequest, DescribeLogDirsRequest};

use crate::fixture::client::Client;
use crate::server::Server;
use crate::steps::{create_topic, error, leader, new_topic, produce};

fn describe(client: &mut Client, topics: Option<&[(&str, &[i32])]>, version: i16) -> DescribeLogDirsResult {
    let wanted = |(topic, partitions): &(&str, &[i32])| DescribableLogDirTopic {
        topic: topic.to_string(),
        partitions: partitions.to_vec(),
    };
    let request = DescribeLogDirsRequest {
        topics: topics.map(|topics| topics.iter().map(wanted).collect()),
    };
    let mut answer = client.call(&request, version);
    assert_eq!((answer.error_code, answer.results.len()), (0, 1));
    let dir = answer.results.remove(0);
    assert_eq!(error(dir.error_code), ErrorCode::None);
    dir
}

/// Partition and size, of one topic.
fn sizes(dir: &DescribeLogDirsResult, topic: &str) -> Vec<(i32, i64)> {
    let Some(topic) = dir.topics.iter().find(|found| found.name == topic) else {
        return Vec::new();
    };
    let size = |found: &corelane::wire::messages::describe_log_dirs::DescribeLogDirsPartition| {
        assert_eq!((found.offset_lag, found.is_future_key), (0, false));
        (found.partition_index, found.partition_size)
    };
    topic.partitions.iter().map(size).collect()
}

#[test]
fn each_node_describes_what_it_leads() {
    let server = Server::start();
    let name = server.topic("dirs");
    create_topic(&server, new_topic(&name, 2));
    produce(&server, &name, 0, &[1, 2, 3]);
    for version in 1..=5 {
        let mut all = Vec::new();
        for partition in 0..2 {
            let mut client = leader(&server, &name, partition);
            let dir = describe(&mut client, None, version);
            assert!(
                std::path::Path::new(&dir.log_dir).is_absolute(),
                "{}",
                dir.log_dir
            );
            assert!(std::path::Path::new(&dir.log_dir).is_dir(), "{}", dir.log_dir);
            if version >= 4 {
                assert!(
                    dir.total_bytes > 0 && (0..=dir.total_bytes).contains(&dir.usable_bytes),
                    "{dir:?}"
                );
            } else {
                assert_eq!((dir.total_bytes, dir.usable_bytes), (-1, -1));
            }
            assert!(!dir.is_cordoned);
            all.extend(sizes(&dir, &name));
        }
        all.sort();
        all.dedup();
        assert_eq!(
            all.iter().map(|(partition, _)| *partition).collect::<Vec<_>>(),
            [0, 1]
        );
        assert!(all[0].1 > 3 * 61 / 3, "three records: {all:?}");
        assert_eq!(all[1].1, 0);
    }
}

#[test]
fn only_what_was_asked_for_is_described() {
    let server = Server::start();
    let name = server.topic("some");
    create_topic(&server, new_topic(&name, 1));
    let mut client = leader(&server, &name, 0);
    let dir = describe(&mut client, Some(&[(&name, &[0, 7]), ("not-there", &[0])]), 5);
    assert_eq!(dir.topics.len(), 1);
    assert_eq!(sizes(&dir, &name), [(0, 0)]);
    assert!(describe(&mut client, Some(&[(&name, &[7])]), 5).topics.is_empty());
    assert!(describe(&mut client, Some(&[]), 5).topics.is_empty());
}

#[test]
fn a_partition_stays_in_the_only_directory() {
    let server = Server::start();
    let name = server.topic("moved");
    create_topic(&server, new_topic(&name, 1));
    let mut client = leader(&server, &name, 0);
    let own = describe(&mut client, None, 5).log_dir;
    for version in 1..=2 {
        let dir = |path: &str, topic: &str, partitions: &[i32]| AlterReplicaLogDir {
            path: path.to_string(),
            topics: vec![AlterReplicaLogDirTopic {
                name: topic.to_string(),
                partitions: partitions.to_vec(),
            }],
        };
        let request = AlterReplicaLogDirsRequest {
            dirs: vec![
                dir(&own, &name, &[0, 1]),
                dir("/elsewhere", &name, &[2]),
                dir(&own, "not-there", &[0]),
            ],
        };
        let answer = client.call(&request, version);
        let mut codes: Vec<_> = answer
            .results
            .iter()
            .map(|topic| {
                let codes = topic
                    .partitions
                    .iter()
                    .map(|p| (p.partition_index, error(p.error_code)));
                (&*topic.topic_name, codes.collect::<Vec<_>>())
            })
            .collect();
        codes.sort_by_key(|(topic, _)| *topic == "not-there");
        let of_topic = vec![
            (0, ErrorCode::None),
            (1, ErrorCode::UnknownTopicOrPartition),
            (2, ErrorCode::LogDirNotFound),
        ];
        assert_eq!(
            codes,
            [
                (&*name, of_topic),
                ("not-there", vec![(0, ErrorCode::UnknownTopicOrPartition)])
            ]
        );
    }
}
