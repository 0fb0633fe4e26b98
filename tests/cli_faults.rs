//! What `corelane produce` and `corelane consume` do when a broker fails them: a broker of the test's own, which speaks just
//! enough of the protocol and misbehaves as it is told.

mod scripted;

use std::io::Write;
use std::process::{Command, Output, Stdio};

use corelane::wire::errors::ErrorCode;
use corelane::wire::records::{BatchBuilder, BatchView, Compression};
use scripted::{Reply, ScriptedBroker};

fn run(args: &[&str], broker: &ScriptedBroker, stdin: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_corelane"))
        .args(args)
        .args(["--bootstrap", broker.address(), "--timeout", "20s"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("start the command");
    child.stdin.take().unwrap().write_all(stdin).unwrap();
    child.wait_with_output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A batch of one record for each value, at that offset.
fn batch(base_offset: i64, values: &[&str]) -> Vec<u8> {
    let mut builder =
        BatchBuilder::new(Compression::None).base_offset(corelane::base::ids::Offset(base_offset));
    for value in values {
        builder.append(0, None, Some(value.as_bytes()), &[]);
    }
    builder.build().unwrap().to_vec()
}

#[test]
fn what_may_have_arrived_is_sent_again_with_the_same_sequence() {
    // The first request arrives, but its answer does not; the second meets a broker that is not the leader any more.
    let broker = ScriptedBroker::start(vec![
        Reply::Cut,
        Reply::Code(ErrorCode::NotLeaderOrFollower),
        Reply::Code(ErrorCode::None),
    ]);
    let output = run(&["produce", "t", "--json"], &broker, b"one\ntwo\n");
    assert!(output.status.success(), "{}", stderr(&output));
    let batches = broker.produced();
    assert_eq!(batches.len(), 3);
    assert!(
        batches.iter().all(|batch| *batch == batches[0]),
        "the same bytes each time"
    );
    let header = *BatchView::parse(&batches[0]).unwrap().header();
    assert_eq!((header.base_sequence, header.record_count), (0, 2));
    assert_eq!(header.producer_id.0, scripted::PRODUCER_ID);
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said["records"], serde_json::json!(2), "counted once");
}

#[test]
fn sequences_go_on_from_batch_to_batch() {
    let broker = ScriptedBroker::start(vec![Reply::Code(ErrorCode::None); 3]);
    let output = run(
        &["produce", "t", "-p", "0", "--batch-bytes", "1"],
        &broker,
        b"one\ntwo\nthree\n",
    );
    assert!(output.status.success(), "{}", stderr(&output));
    let sequences: Vec<i32> = broker
        .produced()
        .iter()
        .map(|batch| BatchView::parse(batch).unwrap().header().base_sequence)
        .collect();
    assert_eq!(sequences, [0, 1, 2]);
}

#[test]
fn a_refusal_is_final_and_said() {
    let broker = ScriptedBroker::start(vec![Reply::Code(ErrorCode::TopicAuthorizationFailed)]);
    let output = run(&["produce", "t"], &broker, b"one\n");
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(
        said.contains("TOPIC_AUTHORIZATION_FAILED") && said.contains("sent 0 records"),
        "{said}"
    );
    assert_eq!(broker.produced().len(), 1);
}

#[test]
fn reading_goes_on_after_a_cut_and_prints_each_record_once() {
    let records = [batch(0, &["a", "b"]), batch(2, &["c"]), batch(3, &["d", "e"])];
    // The second answer brings the last batch of the first once more, as brokers do that send whole batches, and a part of
    // the next one.
    let overlapping = [&records[1][..], &records[2][..30]].concat();
    let broker = ScriptedBroker::start(vec![
        Reply::Records([&records[0][..], &records[1][..]].concat()),
        Reply::Cut,
        Reply::Records(overlapping),
        Reply::Code(ErrorCode::NotLeaderOrFollower),
        Reply::Records(records[2].clone()),
    ]);
    let output = run(&["consume", "t", "-p", "0", "--count", "5"], &broker, b"");
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "a\nb\nc\nd\ne\n");
}

#[test]
fn damaged_records_are_not_printed() {
    let mut damaged = batch(0, &["a", "b"]);
    *damaged.last_mut().unwrap() ^= 1;
    let broker = ScriptedBroker::start(vec![Reply::Records(damaged)]);
    let output = run(&["consume", "t", "-p", "0", "--count", "2"], &broker, b"");
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    let said = stderr(&output);
    assert!(said.contains("t-0") && said.contains("checksum"), "{said}");
}

#[test]
fn an_offset_that_is_gone_is_left_behind_aloud() {
    let broker = ScriptedBroker::start(vec![
        Reply::Code(ErrorCode::OffsetOutOfRange),
        Reply::Records(batch(0, &["a"])),
    ]);
    let output = run(&["consume", "t", "-p", "0", "--count", "1"], &broker, b"");
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(output.stdout, b"a\n");
    assert!(
        stderr(&output).contains("warning: partition t-0"),
        "{}",
        stderr(&output)
    );
}
