//! Files of Apache Kafka taken in here, and files of ours taken over by Apache Kafka: one real broker of each kind, and the same records
//! before and after.
//!
//! It runs where Java and Maven are found, see `kafka_jars`. A start of Kafka costs seconds, so all steps share one broker.

#[path = "../fixture/mod.rs"]
mod fixture;
#[path = "../kafka_jars/mod.rs"]
mod kafka_jars;
#[path = "../kafka_server/mod.rs"]
mod kafka_server;

mod compaction;
mod export;
mod import;
mod talk;
mod transactions;

use fixture::{Broker, Options};
use kafka_jars::KafkaJars;
use kafka_server::KafkaServer;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Settings with which Kafka compacts at once what can be.
const KAFKA_SETTINGS: &[&str] = &["log.cleaner.backoff.ms=100", "log.initial.task.delay.ms=100"];

#[test]
fn files_go_from_kafka_to_us_and_back() {
    let Some(jars) = KafkaJars::find("that files go from Apache Kafka to us and back") else {
        return;
    };
    let mut kafka = KafkaServer::start(jars, KAFKA_SETTINGS);
    let wanted = import::fill(&kafka);
    transactions::fill(&kafka);
    let id = export::create_in_kafka(&kafka.bootstrap());
    let kafkas = compaction::survivors(&kafka.bootstrap(), &kafka.log_dir());
    // A server that has been there before, with data of its own.
    let mut broker = Broker::start(Options::shards(1).set("log.cleaner.backoff.ms", 100));
    let ours = compaction::survivors(broker.bootstrap(), &broker.data_dir());
    compaction::check_bite(&kafkas);
    assert!(ours == kafkas, "compaction has left other records than Kafka's");
    broker.stop();
    export::refused_while_kafka_runs(&kafka, &broker);
    kafka.stop();
    broker.start_again(1);
    import::refused_while_the_server_runs(&broker, &kafka);
    broker.stop();

    import::import(&kafka, &broker);
    transactions::import(&kafka, &broker);
    broker.start_again(1);
    import::check(broker.bootstrap(), &wanted);
    broker.sigkill_and_restart(1);
    import::check(broker.bootstrap(), &wanted);

    let ours = transactions::compact(broker.bootstrap(), &broker.data_dir());
    let given = export::fill(&mut broker);
    export::export(&kafka, &broker, id);
    export::dump(&kafka);
    transactions::dump(&kafka, &broker);
    kafka.start_again();
    export::check(&kafka, &given);
    let kafkas = transactions::compact(&kafka.bootstrap(), &kafka.log_dir());
    transactions::compare(&ours, &kafkas);
    // What was exported is here as before.
    broker.start_again(1);
    import::check_topics(broker.bootstrap(), &wanted);
    broker.stop();
}

/// Adds the files of a partition's directory that Kafka's tool reads.
fn add_dumpable(partition: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(partition).expect("listed") {
        let path = entry.expect("an entry").path();
        let known = ["log", "index", "timeindex", "snapshot", "txnindex"];
        if path
            .extension()
            .is_some_and(|extension| known.iter().any(|one| extension == *one))
        {
            files.push(path);
        }
    }
}

/// Runs Kafka's `DumpLogSegments` on files; it must find nothing wrong.
fn dump(kafka: &KafkaServer, files: &[PathBuf]) {
    let list: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    let output = kafka
        .java("org.apache.kafka.tools.DumpLogSegments")
        .args(["--deep-iteration", "--files", &list.join(",")])
        .output()
        .expect("java runs");
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    let bad = [
        "Mismatch",
        "Found",
        "rror",
        "xception",
        "isvalid: false",
        "corrupt",
    ];
    let complaint = text
        .lines()
        .find(|line| bad.iter().any(|word| line.contains(word)));
    assert!(output.status.success() && complaint.is_none(), "{complaint:?}");
    assert_eq!(text.matches("Dumping ").count(), files.len());
}

/// Runs `corelane storage`.
fn storage(arguments: &[&str], paths: &[&Path]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_corelane"));
    command.arg("storage").args(arguments).args(paths);
    command.output().expect("start the command")
}

/// What it said, which must have been a success.
#[track_caller]
fn succeeded(output: Output) -> String {
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{complaint}");
    said
}

/// What it complained of, after all it said.
#[track_caller]
fn failed(output: Output) -> String {
    let said = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{said}{complaint}");
    format!("{said}{complaint}")
}
