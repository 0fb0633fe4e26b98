//! `corelane consume --group` and `corelane group` against a broker.

mod cli;
mod fixture;

use std::fs::File;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use cli::{Cli, stderr};
use serde_json::{Value, json};

/// Only a hang takes this long.
const DEADLINE: Duration = Duration::from_secs(90);

fn numbered(from: usize, to: usize) -> String {
    (from..to).map(|i| format!("key{}:{i}\n", i % 97)).collect()
}

/// Waits until something holds, however long this machine takes.
fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}: not within {DEADLINE:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn lines_in(path: &Path) -> Vec<usize> {
    let text = std::fs::read_to_string(path).unwrap();
    // The last line may be half written.
    text.split_inclusive('\n')
        .filter_map(|line| line.strip_suffix('\n')?.parse().ok())
        .collect()
}

fn interrupt(child: Child) {
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}: {}", output.status, stderr(&output));
}

fn lags(described: &Value) -> Vec<i64> {
    described[0]["partitions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| p["lag"].as_i64().unwrap_or(-1))
        .collect()
}

#[test]
fn members_share_what_is_produced_and_the_group_goes_on_where_it_was() {
    let cli = Cli::start();
    let (topic, group) = (&cli.name("shared"), &cli.name("sharers"));
    cli.run(&["topic", "create", topic, "-p", "9"]);
    let folder = tempfile::tempdir().unwrap();
    let files: Vec<_> = (0..3).map(|i| folder.path().join(i.to_string())).collect();
    let members: Vec<Child> = files
        .iter()
        .map(|file| {
            let args = ["consume", topic, "--group", group, "--assignor", "roundrobin"];
            cli.spawn(&args, Stdio::from(File::create(file).unwrap()))
        })
        .collect();
    wait_until("three members with three partitions each", || {
        let output = cli::feed(cli.command(&["group", "describe", group, "--json"]), b"");
        let described: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let members = described[0]["members"].as_array().cloned().unwrap_or_default();
        described[0]["state"] == json!("Stable")
            && members.len() == 3
            && members
                .iter()
                .all(|member| member["partitions"].as_array().unwrap().len() == 3)
    });

    cli.run_with(&["produce", topic, "-k", ":"], numbered(0, 3000).as_bytes());
    let read = || files.iter().flat_map(|file| lines_in(file)).count();
    wait_until("all records read", || read() >= 3000);
    assert!(
        files.iter().all(|file| !lines_in(file).is_empty()),
        "each member has its share"
    );

    // While there are members, nobody else moves or deletes the group.
    assert!(
        cli.fails(&["group", "reset", group, "--topic", topic, "--to", "beginning"])
            .contains("stop them first")
    );
    assert!(cli.fails(&["group", "delete", group]).contains("NON_EMPTY_GROUP"));
    assert!(
        cli.text(&["group", "describe", group, "--members"])
            .contains("corelane-cli")
    );

    // One leaves, the others go on with its partitions.
    let mut members = members.into_iter();
    interrupt(members.next().unwrap());
    cli.run_with(&["produce", topic, "-k", ":"], numbered(3000, 4000).as_bytes());
    wait_until("the rest read by the others", || read() >= 4000);
    members.for_each(interrupt);

    let mut all: Vec<usize> = files.iter().flat_map(|file| lines_in(file)).collect();
    all.sort_unstable();
    assert!(all == (0..4000).collect::<Vec<_>>(), "each record once");
    let described = cli.json(&["group", "describe", group, "--json"]);
    assert_eq!(described[0]["members"], json!([]));
    assert!(lags(&described).iter().all(|lag| *lag == 0), "{described}");

    // Somebody who joins later begins there.
    cli.run_with(&["produce", topic, "-k", ":"], b"k:4000\n");
    assert_eq!(
        cli.text(&["consume", topic, "--group", group, "--exit-at-end"]),
        "4000\n"
    );
    cli.stop();
}

#[test]
fn groups_are_listed_described_reset_and_deleted() {
    let cli = Cli::start();
    let (topic, other, group) = (&cli.name("work"), &cli.name("other"), &cli.name("workers"));
    for topic in [topic, other] {
        cli.run(&["topic", "create", topic, "-p", "2"]);
        cli.run_with(&["produce", topic, "-p", "0"], b"0\n1\n2\n3\n4\n");
        cli.run_with(&["produce", topic, "-p", "1"], b"5\n6\n");
    }
    let read = |args: &[&str]| {
        let mut all = vec!["consume", topic, other, "--group", group, "--exit-at-end"];
        all.extend(args);
        cli.text(&all).lines().count()
    };
    assert_eq!(read(&[]), 14);
    assert_eq!(read(&[]), 0);

    let listed = cli.json(&["group", "list", "--json"]);
    let found = listed
        .as_array()
        .unwrap()
        .iter()
        .find(|g| g["group"] == json!(group))
        .unwrap();
    assert_eq!(found["state"], json!("Empty"));
    assert!(
        cli.text(&["group", "list", "--state", "empty"])
            .contains(group.as_str())
    );

    let moved = cli.json(&[
        "group",
        "reset",
        group,
        "--topic",
        &format!("{topic}:0"),
        "--to",
        "-2",
        "--json",
    ]);
    assert_eq!(
        moved["partitions"],
        json!([{"topic": topic, "partition": 0, "before": 5, "after": 3}])
    );
    let described = cli.json(&["group", "describe", group, "--json"]);
    assert_eq!(lags(&described).iter().sum::<i64>(), 2);
    cli.run(&[
        "group",
        "reset",
        group,
        "--all-topics",
        "--to",
        "beginning",
        "--dry-run",
    ]);
    assert_eq!(read(&[]), 2, "a dry run moves nothing");
    cli.run(&["group", "reset", group, "--all-topics", "--to", "beginning"]);
    assert_eq!(read(&["--count", "3"]), 3);
    assert_eq!(read(&[]), 11, "exactly what was printed was committed");

    assert!(
        cli.text(&["group", "delete", group, "--topic", other])
            .contains("deleted 2 committed offsets")
    );
    let described = cli.json(&["group", "describe", group, "--json"]);
    let partitions = described[0]["partitions"].as_array().unwrap();
    assert!(partitions.iter().all(|p| p["topic"] == json!(topic)) && partitions.len() == 2);
    cli.run(&["group", "delete", group]);
    assert!(
        cli.fails(&["group", "describe", group])
            .contains("GROUP_ID_NOT_FOUND")
    );
    assert!(
        cli.fails(&["group", "delete", group])
            .contains("GROUP_ID_NOT_FOUND")
    );
    cli.stop();
}
