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

mod import;
mod talk;

use fixture::{Broker, Options};
use kafka_jars::KafkaJars;
use kafka_server::KafkaServer;
use std::path::Path;
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
    kafka.stop();

    // A server that has been there before, with data of its own.
    let mut broker = Broker::start(Options::shards(1).set("group.initial.rebalance.delay.ms", 0));
    import::refused_while_the_server_runs(&broker, &kafka);
    broker.stop();
    import::import(&kafka, &broker);
    broker.start_again(1);
    import::check(broker.bootstrap(), &wanted);
    broker.sigkill_and_restart(1);
    import::check(broker.bootstrap(), &wanted);
    broker.stop();
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
