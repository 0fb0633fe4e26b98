//! Commands against an image: what is refused and how, and what the image is afterwards.

use std::sync::Arc;

use super::*;
use crate::base::ids::{DirectoryId, LeaderEpoch, NodeId, TopicPartition};
use crate::base::limits::{MAX_PARTITIONS, MAX_PARTITIONS_PER_COMMAND};
use crate::config::{CleanupPolicy, Source, StaticSettings};
use crate::metadata::command::*;
use crate::metadata::command_error::CommandErrorKind;
use crate::metadata::internal_topic::{GROUP_METADATA_TOPIC, InternalTopic};
use crate::metadata::{WantedDirectory, WentOffline};

/// A cluster of one server, driven by commands.
struct Cluster {
    image: ClusterImage,
    last_id: u8,
}

type Refusal = CommandErrorKind;

impl Cluster {
    fn new(shards: u16, settings: &[&str]) -> Cluster {
        let mut fixed = StaticSettings::default();
        for setting in settings {
            fixed.add_assignment(setting).expect("a good setting");
        }
        let empty = ClusterImage::empty(Arc::new(fixed));
        let (_, image) = plan_start(&empty, 0, shards, &[DirectoryId::HOME], || "test".to_string())
            .expect("a first start");
        Cluster { image, last_id: 0 }
    }

    fn restart(&mut self, shards: u16) {
        self.image = plan_start(&self.image, 0, shards, &[DirectoryId::HOME], || unreachable!())
            .expect("the same server")
            .1;
    }

    fn run(&mut self, command: Command) -> Result<Outcome, CommandError> {
        let last_id = &mut self.last_id;
        let plan = plan(&self.image, command, &mut || {
            *last_id += 1;
            TopicId([*last_id; 16])
        })?;
        // What is live and what the records say is the same.
        let mut replayed = self.image.clone();
        for record in &plan.records {
            replayed.apply(record).expect("planned records fit");
        }
        replayed.set_version(self.image.version() + u64::from(!plan.records.is_empty()));
        assert_eq!(replayed, plan.image);
        self.image = plan.image;
        Ok(plan.outcome)
    }

    fn create(&mut self, topics: Vec<NewTopic>) -> Vec<Result<i32, Refusal>> {
        match self
            .run(Command::CreateTopics {
                topics,
                mode: Mode::Apply,
            })
            .expect("no limit met")
        {
            Outcome::TopicsCreated(all) => all
                .into_iter()
                .map(|one| one.map(|topic| topic.partitions).map_err(|e| e.kind))
                .collect(),
            other => panic!("{other:?}"),
        }
    }

    fn create_one(&mut self, topic: NewTopic) -> Result<i32, Refusal> {
        self.create(vec![topic]).remove(0)
    }

    fn delete(&mut self, topics: &[TopicSelector]) -> Vec<Result<(), Refusal>> {
        match self
            .run(Command::DeleteTopics {
                topics: topics.to_vec(),
            })
            .expect("never as a whole")
        {
            Outcome::TopicsDeleted(all) => all
                .into_iter()
                .map(|one| one.map(drop).map_err(|e| e.kind))
                .collect(),
            other => panic!("{other:?}"),
        }
    }

    fn add_partitions(&mut self, topic: &str, total: i32, to: Option<&[i32]>) -> Result<(), Refusal> {
        let assignments = to.map(|nodes| nodes.iter().map(|node| vec![NodeId(*node)]).collect());
        let topics = vec![NewPartitions {
            topic: topic.to_string(),
            total,
            assignments,
        }];
        match self
            .run(Command::CreatePartitions {
                topics,
                mode: Mode::Apply,
            })
            .expect("no limit met")
        {
            Outcome::PartitionsCreated(mut all) => all.remove(0).map_err(|e| e.kind),
            other => panic!("{other:?}"),
        }
    }

    fn alter(&mut self, resource: ConfigResource, changes: ConfigChanges) -> Result<(), CommandError> {
        let resources = vec![ConfigAlteration { resource, changes }];
        match self
            .run(Command::AlterConfigs {
                resources,
                mode: Mode::Apply,
            })
            .expect("never as a whole")
        {
            Outcome::ConfigsAltered(mut all) => all.remove(0),
            other => panic!("{other:?}"),
        }
    }

    fn leaders(&self, topic: &str) -> Vec<i32> {
        let topic = self.image.topic_by_name(topic).expect("exists");
        self.image
            .partitions(topic)
            .map(|partition| partition.leader.0)
            .collect()
    }

    fn epochs(&self, topic: &str) -> Vec<LeaderEpoch> {
        let topic = self.image.topic_by_name(topic).expect("exists");
        self.image
            .partitions(topic)
            .map(|partition| partition.leader_epoch)
            .collect()
    }
}

fn topic(name: &str, partitions: i32) -> NewTopic {
    NewTopic {
        name: name.to_string(),
        partitions,
        replication_factor: -1,
        assignments: Vec::new(),
        configs: Vec::new(),
    }
}

fn with_config(name: &str, config: &str, value: Option<&str>) -> NewTopic {
    NewTopic {
        configs: vec![(config.to_string(), value.map(str::to_string))],
        ..topic(name, 1)
    }
}

fn assigned(name: &str, leaders: &[&[i32]]) -> NewTopic {
    let assignments = leaders
        .iter()
        .zip(0..)
        .map(|(nodes, partition)| ReplicaAssignment {
            partition,
            replicas: nodes.iter().map(|n| NodeId(*n)).collect(),
        })
        .collect();
    NewTopic {
        assignments,
        ..topic(name, -1)
    }
}

fn step(name: &str, operation: ConfigOperation, value: Option<&str>) -> ConfigChange {
    ConfigChange {
        name: name.to_string(),
        operation,
        value: value.map(str::to_string),
    }
}

fn set(name: &str, value: &str) -> ConfigChanges {
    ConfigChanges::Incremental(vec![step(name, ConfigOperation::Set, Some(value))])
}

#[test]
fn topics_are_created_with_what_was_asked_for_or_the_defaults() {
    let mut cluster = Cluster::new(2, &["num.partitions=4"]);
    assert_eq!(
        cluster.create(vec![topic("a", 3), topic("b", -1)]),
        [Ok(3), Ok(4)]
    );
    assert_eq!(cluster.image.version(), 2, "one change, one version");
    assert_eq!(cluster.image.topic_by_name("a").expect("a").partition_count(), 3);
    assert_eq!(cluster.image.partition_count(), 7);
    assert_eq!(
        cluster.create_one(with_config("c", "retention.ms", Some(" 5 "))),
        Ok(1)
    );
    let c = cluster.image.topic_by_name("c").expect("c").clone();
    assert_eq!(cluster.image.topic(&c.id()), Some(&c));
    assert_eq!(cluster.image.topic_config(&c, NodeId(0)).retention_ms, 5);
}

#[test]
fn topics_that_can_not_be_are_refused_one_by_one() {
    let mut cluster = Cluster::new(2, &[]);
    let factor = |factor| NewTopic {
        replication_factor: factor,
        ..topic("f", 1)
    };
    assert_eq!(cluster.create_one(topic("a.b", 1)), Ok(1));
    for (new, refusal) in [
        (topic("a.b", 1), Refusal::TopicAlreadyExists),
        (topic("a_b", 1), Refusal::InvalidTopicName),
        (topic("a/b", 1), Refusal::InvalidTopicName),
        (topic(".", 1), Refusal::InvalidTopicName),
        (topic(&"x".repeat(250), 1), Refusal::InvalidTopicName),
        (topic("..consumer_offsets", 1), Refusal::InvalidTopicName),
        (topic("p", 0), Refusal::InvalidPartitions),
        (topic("p", -2), Refusal::InvalidPartitions),
        (factor(0), Refusal::InvalidReplicationFactor),
        (factor(-2), Refusal::InvalidReplicationFactor),
        (factor(3), Refusal::InvalidReplicationFactor),
        (
            with_config("c", "dummy.doesntexist", Some("x")),
            Refusal::InvalidConfig,
        ),
        (with_config("c", "retention.ms", None), Refusal::InvalidConfig),
        (
            with_config("c", "retention.ms", Some("soon")),
            Refusal::InvalidConfig,
        ),
        (
            NewTopic {
                partitions: 1,
                ..assigned("m", &[&[0]])
            },
            Refusal::InvalidRequest,
        ),
        (
            NewTopic {
                replication_factor: 1,
                ..assigned("m", &[&[0]])
            },
            Refusal::InvalidRequest,
        ),
        (assigned("m", &[&[2]]), Refusal::InvalidReplicaAssignment),
        (assigned("m", &[&[]]), Refusal::InvalidReplicaAssignment),
        (assigned("m", &[&[0, 0]]), Refusal::InvalidReplicaAssignment),
        (assigned("m", &[&[0, 1]]), Refusal::InvalidReplicaAssignment),
    ] {
        let name = new.name.clone();
        let good = topic(&format!("good{}", cluster.last_id), 1);
        assert_eq!(cluster.create(vec![new, good]), [Err(refusal), Ok(1)], "{name}");
    }
    let repeated = vec![topic("twice", 1), topic("once", 1), topic("twice", 1)];
    assert_eq!(
        cluster.create(repeated),
        [Err(Refusal::InvalidRequest), Ok(1), Err(Refusal::InvalidRequest)]
    );
    assert_eq!(
        cluster.create(vec![topic("c.d", 1), topic("c_d", 1)]),
        [Ok(1), Err(Refusal::InvalidTopicName)]
    );
}

#[test]
fn a_default_that_can_not_be_is_refused_too() {
    let mut cluster = Cluster::new(1, &["default.replication.factor=3"]);
    assert_eq!(
        cluster.create_one(topic("a", 1)),
        Err(Refusal::InvalidReplicationFactor)
    );
    let one = NewTopic {
        replication_factor: 1,
        ..topic("a", 1)
    };
    assert_eq!(cluster.create_one(one), Ok(1));
}

#[test]
fn configs_that_contradict_each_other_are_refused() {
    let mut cluster = Cluster::new(1, &["log.cleaner.max.compaction.lag.ms=10"]);
    let lag = with_config("a", "min.compaction.lag.ms", Some("11"));
    assert_eq!(cluster.create_one(lag), Err(Refusal::InvalidConfig));
    assert_eq!(
        cluster.create_one(with_config("a", "min.compaction.lag.ms", Some("10"))),
        Ok(1)
    );
    let topic = || ConfigResource::Topic("a".to_string());
    let refused = cluster
        .alter(topic(), set("max.compaction.lag.ms", "9"))
        .expect_err("contradiction");
    assert_eq!(refused.kind, Refusal::InvalidConfig);
}

#[test]
fn checking_only_changes_nothing() {
    let mut cluster = Cluster::new(1, &[]);
    let before = cluster.image.clone();
    let topics = vec![
        topic("a", 3),
        topic("a b", 1),
        with_config("c", "segment.bytes", Some("2000000")),
    ];
    let outcome = cluster
        .run(Command::CreateTopics {
            topics,
            mode: Mode::ValidateOnly,
        })
        .expect("no limit met");
    let Outcome::TopicsCreated(all) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(all[0].as_ref().expect("fine").partitions, 3);
    assert_eq!(all[0].as_ref().expect("fine").id, TopicId::ZERO);
    assert_eq!(
        all[1].as_ref().expect_err("no name").kind,
        Refusal::InvalidTopicName
    );
    assert_eq!(
        all[2].as_ref().expect("fine").overrides["segment.bytes"],
        "2000000"
    );
    assert_eq!(cluster.image, before);
}

#[test]
fn limits_hold() {
    let mut cluster = Cluster::new(1, &[]);
    let most = MAX_PARTITIONS_PER_COMMAND as i32;
    let too_many = Command::CreateTopics {
        topics: vec![topic("a", most), topic("b", 1)],
        mode: Mode::Apply,
    };
    assert_eq!(
        cluster.run(too_many).expect_err("too many").kind,
        Refusal::PolicyViolation
    );
    for n in 0..MAX_PARTITIONS / MAX_PARTITIONS_PER_COMMAND {
        assert_eq!(cluster.create_one(topic(&format!("t{n}"), most)), Ok(most));
    }
    assert_eq!(
        cluster.create_one(topic("one.more", 1)),
        Err(Refusal::PolicyViolation)
    );
    assert_eq!(
        cluster.add_partitions("t0", most + 1, None),
        Err(Refusal::PolicyViolation)
    );
}

#[test]
fn partitions_spread_evenly_over_shards_however_many_there_are() {
    for shards in [1, 2, 3, 5] {
        let mut cluster = Cluster::new(shards, &[]);
        for n in 0..20 {
            cluster
                .create_one(topic(&format!("t{n}"), 1 + n % 7))
                .expect("created");
        }
        for shards in [shards, 1, 2, 4, 7] {
            cluster.restart(shards);
            let nodes: Vec<NodeId> = cluster.image.nodes().collect();
            let spread = |counts: &[usize]| counts.iter().max().unwrap() - counts.iter().min().unwrap();
            for topic in cluster.image.topics() {
                let of_topic = |node: &NodeId| {
                    cluster
                        .image
                        .partitions(topic)
                        .filter(|p| p.leader == *node)
                        .count()
                };
                assert!(
                    spread(&nodes.iter().map(of_topic).collect::<Vec<_>>()) <= 1,
                    "{}",
                    topic.name()
                );
            }
            let led: Vec<usize> = nodes
                .iter()
                .map(|node| cluster.image.led_by(*node).count())
                .collect();
            assert!(spread(&led) <= 1, "{led:?}");
            assert_eq!(led.iter().sum::<usize>(), cluster.image.partition_count());
        }
    }
}

#[test]
fn partitions_go_where_they_were_assigned() {
    let mut cluster = Cluster::new(3, &[]);
    assert_eq!(cluster.create_one(assigned("a", &[&[2], &[0], &[2]])), Ok(3));
    assert_eq!(cluster.leaders("a"), [2, 0, 2]);
    assert_eq!(cluster.add_partitions("a", 5, Some(&[1, 1])), Ok(()));
    assert_eq!(cluster.leaders("a"), [2, 0, 2, 1, 1]);
    assert_eq!(cluster.add_partitions("a", 7, None), Ok(()));
    assert_eq!(cluster.leaders("a"), [2, 0, 2, 1, 1, 2, 0]);
    cluster.restart(2);
    assert_eq!(cluster.leaders("a"), [0, 0, 0, 1, 1, 0, 1]);
    let mut gap = assigned("b", &[&[0], &[1]]);
    gap.assignments[1].partition = 2;
    assert_eq!(cluster.create_one(gap), Err(Refusal::InvalidReplicaAssignment));
    let mut twice = assigned("b", &[&[0], &[1]]);
    twice.assignments[1].partition = 0;
    assert_eq!(cluster.create_one(twice), Err(Refusal::InvalidReplicaAssignment));
}

#[test]
fn partitions_are_added_but_never_taken_away() {
    let mut cluster = Cluster::new(2, &[]);
    cluster.create_one(topic("a", 2)).expect("created");
    let before = cluster.leaders("a");
    assert_eq!(
        cluster.add_partitions("a", 2, None),
        Err(Refusal::InvalidPartitions)
    );
    assert_eq!(
        cluster.add_partitions("a", 1, None),
        Err(Refusal::InvalidPartitions)
    );
    assert_eq!(
        cluster.add_partitions("nope", 3, None),
        Err(Refusal::UnknownTopic)
    );
    assert_eq!(
        cluster.add_partitions("a", 3, Some(&[0, 1])),
        Err(Refusal::InvalidReplicaAssignment)
    );
    assert_eq!(
        cluster.add_partitions("a", 3, Some(&[7])),
        Err(Refusal::InvalidReplicaAssignment)
    );
    assert_eq!(cluster.add_partitions("a", 5, None), Ok(()));
    assert_eq!(cluster.leaders("a")[..2], before);
    assert_eq!(cluster.leaders("a").len(), 5);
    assert_eq!(cluster.add_partitions("a", 6, Some(&[1])), Ok(()));
    assert_eq!(cluster.leaders("a")[5], 1);
    assert_eq!(cluster.image.partition_count(), 6);
}

#[test]
fn leader_epochs_rise_with_each_start_since_the_partition_was_created() {
    let mut cluster = Cluster::new(1, &[]);
    cluster.create_one(topic("a", 1)).expect("created");
    assert_eq!(cluster.epochs("a"), [LeaderEpoch(0)]);
    cluster.restart(1);
    cluster.add_partitions("a", 2, None).expect("added");
    cluster.restart(1);
    assert_eq!(cluster.epochs("a"), [LeaderEpoch(2), LeaderEpoch(1)]);
    let a = cluster.image.topic_by_name("a").expect("a");
    assert_eq!(cluster.image.leader(a, 2), None);
    assert_eq!(cluster.image.leader(a, -1), None);
}

#[test]
fn the_data_of_one_server_is_not_taken_by_another() {
    let cluster = Cluster::new(1, &[]);
    let refused = plan_start(&cluster.image, 3, 1, &[DirectoryId::HOME], || unreachable!())
        .expect_err("another server");
    assert_eq!(refused, WrongServer { owner: 0, asker: 3 });
}

#[test]
fn topics_are_deleted_by_name_or_id() {
    let mut cluster = Cluster::new(1, &[]);
    for name in ["a", "b", "c.c"] {
        cluster.create_one(topic(name, 2)).expect("created");
    }
    let (name, id) = (
        |n: &str| TopicSelector::Name(n.to_string()),
        |n: u8| TopicSelector::Id(TopicId([n; 16])),
    );
    assert_eq!(
        cluster.delete(&[
            name("a"),
            id(2),
            name("x"),
            id(9),
            name("c_c"),
            name("c.c"),
            id(3)
        ]),
        [
            Ok(()),
            Ok(()),
            Err(Refusal::UnknownTopic),
            Err(Refusal::UnknownTopicId),
            Err(Refusal::UnknownTopic),
            Err(Refusal::InvalidRequest),
            Err(Refusal::InvalidRequest),
        ]
    );
    assert_eq!(cluster.image.topic_count(), 1);
    assert_eq!(cluster.image.partition_count(), 2);
    assert_eq!(cluster.create_one(topic("a", 1)), Ok(1), "the name is free again");
    assert_ne!(
        cluster.image.topic_by_name("a").expect("a").id(),
        TopicId([1; 16]),
        "and has another id"
    );
    let mut forbidden = Cluster::new(1, &["delete.topic.enable=false"]);
    forbidden.create_one(topic("a", 1)).expect("created");
    assert_eq!(
        forbidden.delete(&[name("a")]),
        [Err(Refusal::TopicDeletionDisabled)]
    );
}

#[test]
fn topic_configs_change_step_by_step_or_as_a_whole() {
    use ConfigOperation::*;
    let mut cluster = Cluster::new(1, &[]);
    cluster
        .create_one(with_config("a", "retention.ms", Some("5")))
        .expect("created");
    let of_a = || ConfigResource::Topic("a".to_string());
    let config = |cluster: &Cluster| {
        let topic = cluster.image.topic_by_name("a").expect("a");
        cluster.image.topic_config(topic, NodeId(0))
    };
    let steps = vec![
        step("retention.ms", Delete, None),
        step("cleanup.policy", Append, Some("compact")),
    ];
    cluster
        .alter(of_a(), ConfigChanges::Incremental(steps))
        .expect("changed");
    assert_eq!(config(&cluster).retention_ms, 604_800_000);
    assert_eq!(
        config(&cluster).cleanup_policy,
        CleanupPolicy {
            delete: true,
            compact: true
        }
    );
    let steps = vec![step("cleanup.policy", Subtract, Some("delete, compact"))];
    cluster
        .alter(of_a(), ConfigChanges::Incremental(steps))
        .expect("changed");
    assert_eq!(
        config(&cluster).cleanup_policy,
        CleanupPolicy {
            delete: false,
            compact: false
        }
    );
    let version = cluster.image.version();
    cluster
        .alter(of_a(), set("cleanup.policy", ""))
        .expect("as it is");
    assert_eq!(
        cluster.image.version(),
        version,
        "what changes nothing is no change"
    );
    let whole = vec![("segment.bytes".to_string(), Some("2000000".to_string()))];
    cluster
        .alter(of_a(), ConfigChanges::Replace(whole))
        .expect("changed");
    assert_eq!(
        config(&cluster).cleanup_policy,
        CleanupPolicy {
            delete: true,
            compact: false
        }
    );
    assert_eq!(config(&cluster).segment_bytes, 2_000_000);

    for (changes, refusal) in [
        (set("retention.mss", "5"), Refusal::InvalidConfig),
        (set("retention.ms", "x"), Refusal::InvalidConfig),
        (
            ConfigChanges::Incremental(vec![step("retention.ms", Set, None)]),
            Refusal::InvalidRequest,
        ),
        (
            ConfigChanges::Incremental(vec![step("retention.ms", Append, Some("5"))]),
            Refusal::InvalidConfig,
        ),
        (
            ConfigChanges::Incremental(vec![step("cleanup.policy", Append, Some("shred"))]),
            Refusal::InvalidConfig,
        ),
        (
            ConfigChanges::Incremental(vec![
                step("retention.ms", Set, Some("5")),
                step("retention.ms", Delete, None),
            ]),
            Refusal::InvalidRequest,
        ),
        (
            ConfigChanges::Replace(vec![("retention.ms".to_string(), None)]),
            Refusal::InvalidRequest,
        ),
    ] {
        let before = cluster.image.clone();
        assert_eq!(
            cluster.alter(of_a(), changes.clone()).expect_err("refused").kind,
            refusal,
            "{changes:?}"
        );
        assert_eq!(cluster.image, before);
    }
    let nobody = ConfigResource::Topic("nobody".to_string());
    assert_eq!(
        cluster
            .alter(nobody, set("retention.ms", "5"))
            .expect_err("refused")
            .kind,
        Refusal::UnknownTopic
    );
    let empty = ConfigResource::Topic(String::new());
    assert_eq!(
        cluster
            .alter(empty, set("retention.ms", "5"))
            .expect_err("refused")
            .kind,
        Refusal::InvalidRequest
    );
}

#[test]
fn broker_settings_change_for_one_node_or_for_all() {
    let mut cluster = Cluster::new(2, &["log.retention.hours=1"]);
    cluster.create_one(topic("a", 1)).expect("created");
    let retention = |cluster: &Cluster, node: i32| {
        let topic = cluster.image.topic_by_name("a").expect("a");
        cluster.image.topic_config(topic, NodeId(node)).retention_ms
    };
    assert_eq!(retention(&cluster, 0), 3_600_000);
    cluster
        .alter(ConfigResource::DefaultBroker, set("log.retention.ms", "7"))
        .expect("changed");
    cluster
        .alter(ConfigResource::Broker(NodeId(1)), set("log.retention.ms", "8"))
        .expect("changed");
    assert_eq!((retention(&cluster, 0), retention(&cluster, 1)), (7, 8));
    let described = cluster.image.layers(NodeId(1)).describe_broker();
    let setting = described
        .iter()
        .find(|setting| setting.name == "log.retention.ms")
        .expect("declared");
    assert_eq!(
        (setting.value.as_deref(), setting.source),
        (Some("8"), Source::DynamicBroker)
    );
    let unset = ConfigChanges::Replace(Vec::new());
    cluster
        .alter(ConfigResource::Broker(NodeId(1)), unset)
        .expect("changed");
    assert_eq!(retention(&cluster, 1), 7);

    // Kafka's tools set these on every broker they meet; here they are kept and do nothing.
    cluster
        .alter(
            ConfigResource::Broker(NodeId(0)),
            set("sasl.kerberos.min.time.before.relogin", "58000"),
        )
        .expect("kept");

    let refused = |cluster: &mut Cluster, node: i32, name: &str, value: &str| {
        cluster
            .alter(ConfigResource::Broker(NodeId(node)), set(name, value))
            .expect_err("refused")
    };
    assert_eq!(
        refused(&mut cluster, 2, "log.retention.ms", "7").kind,
        Refusal::InvalidRequest
    );
    assert_eq!(
        refused(&mut cluster, 0, "num.partitions", "7").kind,
        Refusal::InvalidRequest
    );
    assert_eq!(
        refused(&mut cluster, 0, "retention.ms", "7").kind,
        Refusal::InvalidConfig
    );
    assert_eq!(
        refused(&mut cluster, 0, "log.retention.ms", "-7").kind,
        Refusal::InvalidConfig
    );
    let unknown = refused(&mut cluster, 0, "log.retention.mss", "7");
    assert!(
        unknown.message.ends_with("did you mean log.retention.ms?"),
        "{unknown}"
    );
}

#[test]
fn producer_ids_are_never_handed_out_twice() {
    let mut cluster = Cluster::new(1, &[]);
    let mut next = 0;
    for _ in 0..3 {
        let outcome = cluster.run(Command::AllocateProducerIds).expect("enough left");
        assert_eq!(outcome, Outcome::ProducerIds(next..next + 1000));
        next += 1000;
        cluster.restart(1);
    }
}

#[test]
fn the_offsets_topic_is_kafkas_and_created_once() {
    let mut cluster = Cluster::new(
        2,
        &["offsets.topic.num.partitions=6", "log.cleanup.policy=delete"],
    );
    let ensure = Command::EnsureInternalTopic {
        topic: InternalTopic::ConsumerOffsets,
    };
    let first = cluster.run(ensure.clone()).expect("created");
    let version = cluster.image.version();
    assert_eq!(cluster.run(ensure).expect("there already"), first);
    assert_eq!(cluster.image.version(), version);
    let topic = cluster
        .image
        .topic_by_name(GROUP_METADATA_TOPIC)
        .expect("created")
        .clone();
    assert!(topic.is_internal());
    let config = cluster.image.topic_config(&topic, NodeId(0));
    assert_eq!((topic.partition_count(), config.segment_bytes), (6, 104_857_600));
    assert_eq!(
        config.cleanup_policy,
        CleanupPolicy {
            delete: false,
            compact: true
        }
    );
    assert_eq!(
        cluster.add_partitions(GROUP_METADATA_TOPIC, 9, None),
        Err(Refusal::InvalidRequest)
    );
}

#[test]
fn new_partitions_go_to_the_directory_with_the_fewest() {
    let mut cluster = Cluster::new(2, &[]);
    let topic = |name: &str, partitions| NewTopic {
        name: name.to_string(),
        partitions,
        replication_factor: 1,
        assignments: Vec::new(),
        configs: Vec::new(),
    };
    cluster.create_one(topic("before", 3)).expect("created");
    assert_eq!(cluster.image.directories_online(), [DirectoryId::HOME]);
    let (home, second, third) = (DirectoryId::HOME, DirectoryId([2; 16]), DirectoryId([3; 16]));
    let counts =
        |cluster: &Cluster| [home, second, third].map(|directory| cluster.image.partitions_in(directory));
    let start = |cluster: &mut Cluster, directories: &[DirectoryId]| {
        let started = plan_start(&cluster.image, 0, 1, directories, || unreachable!());
        let (records, image) = started.expect("the same server");
        cluster.image = image;
        records.len()
    };
    assert_eq!(start(&mut cluster, &[home, second, third]), 2);
    assert_eq!(
        start(&mut cluster, &[home, second, third]),
        1,
        "nothing new to note"
    );
    cluster.create_one(topic("a", 4)).expect("created");
    assert_eq!(counts(&cluster), [3, 2, 2]);
    cluster.create_one(topic("b", 3)).expect("created");
    assert_eq!(counts(&cluster), [4, 3, 3]);
    assert_eq!(cluster.add_partitions("a", 6, None), Ok(()));
    assert_eq!(counts(&cluster), [4, 4, 4]);
    let a = cluster.image.topic_by_name("a").expect("there").clone();
    let of: Vec<_> = (0..6).map(|partition| a.directory(partition)).collect();
    assert_eq!(of, [second, third, second, third, second, third]);
    // One is not there: what it has stays in it, and nothing new goes there.
    start(&mut cluster, &[home, third]);
    cluster.create_one(topic("c", 2)).expect("created");
    assert_eq!(counts(&cluster), [5, 4, 5]);
    assert_eq!(
        cluster.image.topic_by_name("a").expect("there").directory(0),
        second
    );
    // What a snapshot holds is the same.
    let mut snapshot = ClusterImage::empty(cluster.image.fixed_for_tests());
    for record in cluster.image.to_records() {
        snapshot.apply(&record).expect("fits");
    }
    snapshot.set_version(cluster.image.version());
    assert_eq!(snapshot, cluster.image);
    let names: Vec<_> = ["a", "b", "c"]
        .map(|name| TopicSelector::Name(name.to_string()))
        .to_vec();
    cluster.delete(&names);
    assert_eq!(counts(&cluster), [3, 0, 0]);
    // The one that was not there had partitions of both of these.
    let owed = |cluster: &Cluster, directory| {
        let owed = cluster.image.deletions_owed(directory);
        let mut names: Vec<_> = owed.map(|topic| topic.name.to_string()).collect();
        names.sort_unstable();
        names
    };
    assert_eq!(owed(&cluster, second), ["a", "b"]);
    assert!(owed(&cluster, third).is_empty() && owed(&cluster, home).is_empty());
    let mut snapshot = ClusterImage::empty(cluster.image.fixed_for_tests());
    for record in cluster.image.to_records() {
        snapshot.apply(&record).expect("fits");
    }
    assert_eq!(
        owed(
            &Cluster {
                image: snapshot,
                ..cluster
            },
            second
        ),
        ["a", "b"]
    );
}

#[test]
fn what_has_gone_offline_gets_nothing_new_and_is_in_no_record() {
    let mut cluster = Cluster::new(2, &[]);
    let topic = |name: &str, partitions| NewTopic {
        name: name.to_string(),
        partitions,
        replication_factor: 1,
        assignments: Vec::new(),
        configs: Vec::new(),
    };
    let (home, second, third) = (DirectoryId::HOME, DirectoryId([2; 16]), DirectoryId([3; 16]));
    let start = |image: &ClusterImage| {
        let started = plan_start(image, 0, 2, &[home, second, third], || unreachable!());
        started.expect("the same server").1
    };
    cluster.image = start(&cluster.image);
    cluster.create_one(topic("a", 6)).expect("created");
    let directories = |cluster: &Cluster, topic: &str| {
        let topic = cluster.image.topic_by_name(topic).expect("there").clone();
        let all = 0..topic.partition_count();
        all.map(|partition| topic.directory(partition))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        directories(&cluster, "a"),
        [home, second, third, home, second, third]
    );
    let went = |cluster: &mut Cluster, what: WentOffline| match cluster.image.with_offline(&what) {
        Some(next) => {
            cluster.image = next;
            true
        }
        None => false,
    };
    assert!(went(&mut cluster, WentOffline::DirectoryForRecords(home)));
    assert!(
        !went(&mut cluster, WentOffline::DirectoryForRecords(home)),
        "it is known"
    );
    assert!(went(&mut cluster, WentOffline::Directory(second)));
    cluster.create_one(topic("b", 2)).expect("created");
    assert_eq!(directories(&cluster, "b"), [third, third]);
    let offline = |cluster: &Cluster, topic: &str| {
        let topic = cluster.image.topic_by_name(topic).expect("there").clone();
        let partitions = cluster.image.partitions(&topic);
        let offline = partitions.filter(|partition| partition.is_offline);
        offline.map(|partition| partition.partition).collect::<Vec<_>>()
    };
    assert_eq!(offline(&cluster, "a"), [1, 4]);
    assert_eq!(offline(&cluster, "b"), [0; 0]);
    let b = cluster.image.topic_by_name("b").expect("there").id();
    let alone = |partition| TopicPartition { topic: b, partition };
    let gone = TopicPartition {
        topic: TopicId([9; 16]),
        partition: 0,
    };
    assert!(!went(&mut cluster, WentOffline::Partitions(vec![gone])));
    assert!(went(&mut cluster, WentOffline::Partitions(vec![gone, alone(1)])));
    assert_eq!(offline(&cluster, "b"), [1]);
    // Wishes that can't be met count for nothing.
    let wanted = |partition, directory| WantedDirectory {
        node: NodeId(partition % 2),
        topic: "c".to_string(),
        partition,
        directory,
    };
    for wanted in [wanted(0, second), wanted(1, third)] {
        cluster.image = cluster.image.wanting(wanted);
    }
    cluster.create_one(topic("c", 2)).expect("created");
    assert_eq!(directories(&cluster, "c"), [third, third]);
    // When all have failed partitions go anywhere, and are offline there.
    assert!(went(&mut cluster, WentOffline::Directory(third)));
    assert!(went(&mut cluster, WentOffline::Directory(home)));
    cluster.create_one(topic("d", 3)).expect("created");
    assert_eq!(offline(&cluster, "d"), [0, 1, 2]);
    // A start finds out anew.
    let mut snapshot = ClusterImage::empty(cluster.image.fixed_for_tests());
    for record in cluster.image.to_records() {
        snapshot.apply(&record).expect("fits");
    }
    snapshot.set_version(cluster.image.version());
    cluster.image = start(&snapshot);
    for topic in ["a", "b", "c", "d"] {
        assert_eq!(offline(&cluster, topic), [0; 0]);
    }
}

fn imported(name: &str, id: u8, newest_epoch: Option<i32>) -> ImportedTopic {
    ImportedTopic {
        id: TopicId([id; 16]),
        name: name.to_string(),
        partitions: 3,
        configs: vec![("cleanup.policy".to_string(), Some("compact".to_string()))],
        newest_epoch: newest_epoch.map(LeaderEpoch),
        newest_producer: None,
    }
}

#[test]
fn an_imported_topic_goes_on_where_it_was() {
    let mut cluster = Cluster::new(2, &[]);
    cluster.restart(2);
    cluster.create(vec![topic("own", 1)]);
    let epoch_of = |image: &ClusterImage, name: &str| {
        let topic = image.topic_by_name(name).expect("there");
        image.leader(topic, 0).expect("a leader").1
    };
    // Epochs go on above those it had, whether or not the server's is as high.
    for (name, id, had, then) in [("young", 21, 0, 1), ("none", 22, -1, 1), ("old", 23, 41, 42)] {
        let topic = imported(name, id, (had >= 0).then_some(had));
        let (records, image) = plan_import(&cluster.image, topic).expect("it can come");
        assert_eq!(image, cluster.image.after(&records).expect("they fit"));
        cluster.image = image;
        let mut next = Cluster {
            image: cluster.image.clone(),
            last_id: 0,
        };
        next.restart(2);
        assert_eq!(epoch_of(&next.image, name), LeaderEpoch(then), "{name}");
    }
    // What was there before only rises.
    cluster.restart(2);
    assert!(epoch_of(&cluster.image, "own") >= LeaderEpoch(1));
    assert_eq!(epoch_of(&cluster.image, "old"), LeaderEpoch(42));
    let old = cluster.image.topic_by_name("old").expect("there");
    assert_eq!((old.id(), old.partition_count()), (TopicId([23; 16]), 3));
    assert_eq!(old.overrides()["cleanup.policy"], "compact");

    let mut with_producer = imported("more", 24, None);
    with_producer.newest_producer = Some(crate::base::ids::ProducerId(5000));
    let (_, image) = plan_import(&cluster.image, with_producer).expect("it can come");
    assert_eq!(image.next_producer_id(), 5001);
}

#[test]
fn an_imported_topic_is_refused_as_a_created_one_is() {
    let mut cluster = Cluster::new(1, &[]);
    cluster.create(vec![topic("there.is", 1)]);
    let refusal = |topic| plan_import(&cluster.image, topic).expect_err("refused").kind;
    assert_eq!(
        refusal(imported("there.is", 9, None)),
        Refusal::TopicAlreadyExists
    );
    assert_eq!(refusal(imported("there_is", 9, None)), Refusal::InvalidTopicName);
    assert_eq!(refusal(imported("other", 1, None)), Refusal::TopicAlreadyExists);
    assert_eq!(
        refusal(imported("other", 9, Some(i32::MAX))),
        Refusal::InvalidRequest
    );
    let mut unknown = imported("other", 9, None);
    unknown
        .configs
        .push(("no.such".to_string(), Some("1".to_string())));
    assert_eq!(refusal(unknown), Refusal::InvalidConfig);
}
