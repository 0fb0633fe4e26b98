//! One of two data directories fails while the server runs: its partitions are offline, the others go on, and what is new goes to the
//! other directory. Where only its write-ahead logs fail, reads go on. The next start has all of it again.

use std::time::Duration;

use super::client::{BASE_PORT, Client};
use super::oracle::Oracle;
use super::server_life::{SERVER, ServerLife};
use super::shard_failure::{Cluster, PARTITIONS, TOPIC, code};
use crate::rt;
use crate::rt::sim;
use crate::rt::sim::disk::FaultPlan;
use crate::wire::errors::ErrorCode;
use crate::wire::messages::alter_replica_log_dirs::{AlterReplicaLogDir, AlterReplicaLogDirTopic};
use crate::wire::messages::describe_topic_partitions::TopicRequest;
use crate::wire::messages::elect_leaders::TopicPartitions;
use crate::wire::messages::metadata::{MetadataRequestTopic, MetadataResponsePartition};
use crate::wire::messages::{
    AlterReplicaLogDirsRequest, DescribeLogDirsRequest, DescribeTopicPartitionsRequest, ElectLeadersRequest,
    MetadataRequest,
};

const DIRS: [&str; 2] = ["/data", "/more"];
const SHARDS: u16 = 2;
/// How long a failure may take to be noticed by all.
const PATIENCE: Duration = Duration::from_secs(20);

fn cluster() -> Cluster {
    Cluster {
        client: Client::new(&Oracle::default()),
        ports: Vec::new(),
    }
}

impl Cluster {
    async fn metadata(&mut self, port: u16, topic: &str) -> Vec<MetadataResponsePartition> {
        let request = MetadataRequest {
            topics: Some(vec![MetadataRequestTopic {
                name: Some(topic.to_string()),
                ..MetadataRequestTopic::default()
            }]),
            ..MetadataRequest::default()
        };
        let answer = self.client.call(port, 12, &request).await.expect("an answer");
        let mut partitions = answer.topics[0].partitions.clone();
        partitions.sort_by_key(|partition| partition.partition_index);
        partitions
    }

    /// Per directory its error and the partitions of the topic in it, on all nodes together.
    async fn described(&mut self, topic: &str) -> [(Vec<ErrorCode>, Vec<i32>); 2] {
        let mut found: [(Vec<ErrorCode>, Vec<i32>); 2] = Default::default();
        for shard in 0..SHARDS {
            let request = DescribeLogDirsRequest { topics: None };
            let answer = self.client.call(BASE_PORT + shard, 4, &request).await;
            for dir in answer.expect("an answer").results {
                let nth = DIRS.iter().position(|path| *path == dir.log_dir).expect("known");
                found[nth].0.push(code(dir.error_code));
                let here = dir.topics.iter().filter(|found| found.name == topic);
                let here = here.flat_map(|found| &found.partitions);
                found[nth]
                    .1
                    .extend(here.map(|partition| partition.partition_index));
            }
        }
        found
            .iter_mut()
            .for_each(|(_, partitions)| partitions.sort_unstable());
        found
    }

    async fn elect(&mut self, election_type: i8, partition: i32) -> ErrorCode {
        let request = ElectLeadersRequest {
            election_type,
            topic_partitions: Some(vec![TopicPartitions {
                topic: TOPIC.to_string(),
                partitions: vec![partition],
            }]),
            timeout_ms: 1000,
        };
        let answer = self.client.call(BASE_PORT, 2, &request).await.expect("an answer");
        code(answer.replica_election_results[0].partition_result[0].error_code)
    }

    async fn alter(&mut self, partition: i32, dir: &str) -> ErrorCode {
        let request = AlterReplicaLogDirsRequest {
            dirs: vec![AlterReplicaLogDir {
                path: dir.to_string(),
                topics: vec![AlterReplicaLogDirTopic {
                    name: TOPIC.to_string(),
                    partitions: vec![partition],
                }],
            }],
        };
        let port = self.ports[partition as usize];
        let answer = self.client.call(port, 2, &request).await.expect("an answer");
        code(answer.results[0].partitions[0].error_code)
    }
}

/// A server with a topic in both directories, five records in each partition. Gives the partitions in the second.
async fn spread(cluster: &mut Cluster) -> Vec<i32> {
    assert_eq!(cluster.create(TOPIC).await, ErrorCode::None);
    cluster.find_leaders().await;
    for partition in 0..PARTITIONS {
        for _ in 0..5 {
            assert_eq!(cluster.produce(partition).await, ErrorCode::None);
        }
    }
    let [(_, first), (_, second)] = cluster.described(TOPIC).await;
    assert_eq!((first.len(), second.len()), (2, 2), "spread evenly");
    second
}

/// New partitions go to the first directory, and work.
async fn avoids_the_second(cluster: &mut Cluster, topic: &str) {
    assert_eq!(cluster.create(topic).await, ErrorCode::None);
    let [(_, here), (_, there)] = cluster.described(topic).await;
    assert_eq!((here.len(), there.len()), (PARTITIONS as usize, 0), "{topic}");
    for partition in cluster.metadata(BASE_PORT, topic).await {
        assert_eq!(code(partition.error_code), ErrorCode::None);
    }
}

/// Another start, and all of it is there.
async fn all_comes_back(server: ServerLife, second: &[i32]) {
    sim::sigkill(server.process());
    let _ = server.ended().await;
    sim::disk::of(SERVER).set_faults(FaultPlan::default());
    let server = ServerLife::start_on(SHARDS, &DIRS);
    server.serving().await;
    let mut cluster = cluster();
    cluster.find_leaders().await;
    for partition in 0..PARTITIONS {
        let (records, error) = cluster.fetch(partition).await;
        assert!(records >= 5 && error == ErrorCode::None, "{records} {error:?}");
        assert_eq!(cluster.produce(partition).await, ErrorCode::None);
    }
    let [(_, first), (errors, found)] = cluster.described(TOPIC).await;
    assert_eq!(found, second);
    assert_eq!(first.len() + found.len(), PARTITIONS as usize);
    assert!(errors.iter().all(|error| *error == ErrorCode::None));
    server.stop().await;
}

async fn the_whole_directory_fails() {
    let server = ServerLife::start_on(SHARDS, &DIRS);
    server.serving().await;
    let mut cluster = cluster();
    let second = spread(&mut cluster).await;
    sim::disk::of(SERVER).set_faults(FaultPlan {
        write_error: 1.0,
        sync_error: 1.0,
        read_error: 1.0,
        only_paths_with: Some("/more/".to_string()),
        ..FaultPlan::default()
    });
    // One write to any of them is enough for all of them.
    assert_eq!(cluster.produce(second[0]).await, ErrorCode::KafkaStorageError);
    {
        let all_know = async {
            for port in (0..SHARDS).map(|shard| BASE_PORT + shard) {
                for partition in &second {
                    while cluster.metadata(port, TOPIC).await[*partition as usize].leader_id >= 0 {
                        rt::sleep(Duration::from_millis(5)).await;
                    }
                }
            }
        };
        rt::timeout(PATIENCE, all_know)
            .await
            .expect("all nodes learn of it");
    }
    for partition in cluster.metadata(BASE_PORT, TOPIC).await {
        let index = partition.partition_index;
        let here = !second.contains(&index);
        let expected = match here {
            true => ErrorCode::None,
            false => ErrorCode::LeaderNotAvailable,
        };
        assert_eq!(code(partition.error_code), expected, "{partition:?}");
        assert_eq!(partition.offline_replicas.is_empty(), here, "{partition:?}");
        assert_eq!(partition.replica_nodes.len(), 1);
        // A client that has not heard of it asks the node it knows.
        let expected = match here {
            true => ErrorCode::None,
            false => ErrorCode::KafkaStorageError,
        };
        assert_eq!(cluster.produce(index).await, expected);
        let (records, error) = cluster.fetch(index).await;
        assert_eq!((records, error), (if here { 6 } else { 0 }, expected));
        assert_eq!(cluster.alter(index, DIRS[1]).await, ErrorCode::KafkaStorageError);
        let expected = match here {
            true => [ErrorCode::ElectionNotNeeded; 2],
            false => [
                ErrorCode::PreferredLeaderNotAvailable,
                ErrorCode::EligibleLeadersNotAvailable,
            ],
        };
        assert_eq!(
            [cluster.elect(0, index).await, cluster.elect(1, index).await],
            expected
        );
    }
    let request = DescribeTopicPartitionsRequest {
        topics: vec![TopicRequest {
            name: TOPIC.to_string(),
        }],
        response_partition_limit: 100,
        cursor: None,
    };
    let answer = cluster
        .client
        .call(BASE_PORT, 0, &request)
        .await
        .expect("an answer");
    for partition in &answer.topics[0].partitions {
        let offline = second.contains(&partition.partition_index);
        assert_eq!(partition.leader_id < 0, offline, "{partition:?}");
        assert_eq!(partition.offline_replicas.len(), usize::from(offline));
        let eligible = partition.eligible_leader_replicas.as_ref().map(Vec::len);
        assert_eq!(
            (eligible, partition.isr_nodes.is_empty()),
            (Some(usize::from(offline)), offline)
        );
    }
    let all = ElectLeadersRequest {
        election_type: 1,
        topic_partitions: None,
        timeout_ms: 1000,
    };
    let answer = cluster.client.call(BASE_PORT, 2, &all).await.expect("an answer");
    let of_topic = answer
        .replica_election_results
        .iter()
        .find(|found| found.topic == TOPIC);
    let named: Vec<i32> = of_topic
        .expect("named")
        .partition_result
        .iter()
        .map(|p| p.partition_id)
        .collect();
    assert_eq!(named, second);
    let [(errors, first), (offline, none)] = cluster.described(TOPIC).await;
    assert!(errors.iter().all(|error| *error == ErrorCode::None));
    assert!(offline.iter().all(|error| *error == ErrorCode::KafkaStorageError));
    assert_eq!((first.len(), none.len()), (2, 0));
    avoids_the_second(&mut cluster, "new").await;
    all_comes_back(server, &second).await;
}

async fn its_write_ahead_logs_fail() {
    let server = ServerLife::start_on(SHARDS, &DIRS);
    server.serving().await;
    let mut cluster = cluster();
    let second = spread(&mut cluster).await;
    sim::disk::of(SERVER).set_faults(FaultPlan {
        write_error: 1.0,
        only_paths_with: Some("/more/wal/".to_string()),
        ..FaultPlan::default()
    });
    for partition in 0..PARTITIONS {
        let (expected, records) = match second.contains(&partition) {
            true => (ErrorCode::KafkaStorageError, 5),
            false => (ErrorCode::None, 6),
        };
        assert_eq!(cluster.produce(partition).await, expected);
        assert_eq!(
            cluster.fetch(partition).await,
            (records, ErrorCode::None),
            "reads go on"
        );
    }
    let leads = |shard: &usize| {
        second
            .iter()
            .any(|p| cluster.ports[*p as usize] == BASE_PORT + *shard as u16)
    };
    let stopped: Vec<usize> = (0..usize::from(SHARDS)).filter(leads).collect();
    let (errors, _) = &cluster.described(TOPIC).await[1];
    for shard in stopped {
        assert_eq!(
            errors[shard],
            ErrorCode::KafkaStorageError,
            "it takes nothing from this node"
        );
    }
    for partition in cluster.metadata(BASE_PORT, TOPIC).await {
        assert_eq!(code(partition.error_code), ErrorCode::None, "reads go on");
    }
    // The directory is avoided as soon as the control thread has heard of it.
    let mut rounds = 0;
    loop {
        rounds += 1;
        assert!(rounds < 1000, "new partitions go elsewhere");
        let topic = format!("probe-{rounds}");
        assert_eq!(cluster.create(&topic).await, ErrorCode::None);
        if cluster.described(&topic).await[0].1.len() == PARTITIONS as usize {
            break;
        }
        assert_eq!(cluster.delete(&topic).await, ErrorCode::None);
    }
    avoids_the_second(&mut cluster, "new").await;
    all_comes_back(server, &second).await;
}

#[test]
fn a_directory_that_fails_takes_its_partitions_offline_and_nothing_else() {
    sim::check_seeds(
        "a_directory_that_fails_takes_its_partitions_offline",
        0..8,
        |_| async {
            let life = rt::timeout(Duration::from_secs(120), the_whole_directory_fails()).await;
            life.expect("everything is answered");
        },
    );
}

#[test]
fn a_directory_whose_write_ahead_logs_fail_is_read_and_gets_nothing_new() {
    sim::check_seeds(
        "a_directory_whose_write_ahead_logs_fail_is_read",
        0..8,
        |_| async {
            let life = rt::timeout(Duration::from_secs(120), its_write_ahead_logs_fail()).await;
            life.expect("everything is answered");
        },
    );
}
