//! `corelane topic` against a broker.

mod cli;
mod fixture;

use cli::Cli;
use serde_json::json;

#[test]
fn topics_are_created_listed_described_altered_and_deleted() {
    let cli = Cli::start();
    let (clicks, users) = (&cli.name("clicks"), &cli.name("users"));

    let created = cli.json(&[
        "topic",
        "create",
        clicks,
        "-p",
        "3",
        "-c",
        "retention.ms=86400000",
        "--json",
    ]);
    assert_eq!(created[0]["topic"], json!(clicks));
    assert_eq!(created[0]["created"], json!(true));
    assert_eq!(created[0]["partitions"], json!(3));
    assert!(
        cli.text(&["topic", "create", users])
            .contains(&format!("created topic {users}: 4 partitions"))
    );
    let again = cli.json(&["topic", "create", users, "--if-not-exists", "--json"]);
    assert_eq!(again[0]["created"], json!(false));

    let listed = cli.json(&["topic", "list", "--json"]);
    let found = listed
        .as_array()
        .unwrap()
        .iter()
        .find(|topic| topic["topic"] == json!(clicks))
        .unwrap();
    assert_eq!(found["partitions"], json!(3));
    assert_eq!(found["internal"], json!(false));
    let table = cli.text(&["topic", "list"]);
    assert!(
        table.starts_with("TOPIC") && table.contains(users.as_str()),
        "{table}"
    );

    let described = cli.json(&["topic", "describe", clicks, "--json"]);
    assert_eq!(described[0]["configs"], json!({"retention.ms": "86400000"}));
    let partitions = described[0]["partitions"].as_array().unwrap();
    assert_eq!(partitions.len(), 3);
    for (index, partition) in partitions.iter().enumerate() {
        assert_eq!(partition["partition"], json!(index));
        assert!(partition["leader"].is_i64());
        assert_eq!(
            (&partition["start_offset"], &partition["end_offset"]),
            (&json!(0), &json!(0))
        );
    }
    let all = cli.json(&["topic", "describe", clicks, "--json", "--all-configs"]);
    assert_eq!(all[0]["configs"]["cleanup.policy"], json!("delete"));

    cli.run(&[
        "topic",
        "alter",
        clicks,
        "-p",
        "5",
        "-c",
        "max.message.bytes=2000000",
        "--delete-config",
        "retention.ms",
    ]);
    let described = cli.json(&["topic", "describe", clicks, "--json"]);
    assert_eq!(described[0]["configs"], json!({"max.message.bytes": "2000000"}));
    assert_eq!(described[0]["partitions"].as_array().unwrap().len(), 5);

    assert!(
        cli.text(&["topic", "delete", clicks, users])
            .contains(&format!("deleted topic {clicks}"))
    );
    let listed = cli.json(&["topic", "list", "--json"]);
    assert!(
        !listed
            .as_array()
            .unwrap()
            .iter()
            .any(|topic| topic["topic"] == json!(clicks))
    );
    cli.run(&["topic", "delete", clicks, "--if-exists"]);
    cli.stop();
}

#[test]
fn what_cannot_be_done_is_said_with_what_to_do() {
    let cli = Cli::start();
    let topic = &cli.name("t");
    cli.run(&["topic", "create", topic]);

    let said = cli.fails(&["topic", "create", topic]);
    assert!(
        said.contains("TOPIC_ALREADY_EXISTS") && said.contains("--if-not-exists"),
        "{said}"
    );
    let said = cli.fails(&["topic", "describe", "not-there"]);
    assert!(
        said.contains("not-there: UNKNOWN_TOPIC_OR_PARTITION") && said.contains("topic list"),
        "{said}"
    );
    assert!(
        cli.fails(&["topic", "delete", "not-there"])
            .contains("UNKNOWN_TOPIC_OR_PARTITION")
    );
    assert!(cli.fails(&["topic", "create", "a/b"]).contains("INVALID_TOPIC"));
    assert!(
        cli.fails(&["topic", "create", "x", "-c", "no.such.setting=1"])
            .contains("INVALID_CONFIG")
    );
    assert!(
        cli.fails(&["topic", "alter", topic])
            .contains("--partitions, --config or --delete-config")
    );
    assert!(
        cli.fails(&["topic", "alter", topic, "-p", "1"])
            .contains("INVALID_PARTITIONS")
    );
    let said = cli.fails(&["consume", "not-there"]);
    assert!(said.contains("topic create"), "{said}");
    // What was only to be checked has not been done.
    cli.run(&["topic", "create", &cli.name("dry"), "--dry-run"]);
    assert!(
        cli.fails(&["topic", "describe", &cli.name("dry")])
            .contains("UNKNOWN_TOPIC_OR_PARTITION")
    );
    cli.stop();
}
