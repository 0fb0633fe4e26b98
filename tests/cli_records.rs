//! `corelane produce` and `corelane consume` against a broker: what goes in comes out.

mod cli;
mod fixture;

use std::collections::BTreeMap;
use std::io::Read;
use std::process::Stdio;

use cli::{Cli, corelane, feed, stderr};
use serde_json::{Value, json};

/// Lines of an access log: a client address, then what it asked for. The same for the same seed.
fn access_lines(seed: u64, count: usize) -> Vec<String> {
    let mut state = seed;
    let mut next = move |bound: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % bound
    };
    (0..count)
        .map(|i| {
            let path = "x".repeat(next(120) as usize);
            format!(
                "10.0.{}.{} - - \"GET /{path}?n={i} HTTP/1.1\" 200 {}",
                next(4),
                next(50),
                next(100_000)
            )
        })
        .collect()
}

fn sorted_lines(bytes: &[u8]) -> Vec<String> {
    let mut lines: Vec<String> = String::from_utf8(bytes.to_vec())
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect();
    lines.sort();
    lines
}

fn objects(bytes: &[u8]) -> Vec<Value> {
    bytes
        .split(|b| *b == b'\n')
        .filter(|l| !l.is_empty())
        .map(|l| serde_json::from_slice(l).unwrap())
        .collect()
}

#[test]
fn lines_come_back_byte_for_byte_in_every_codec() {
    let cli = Cli::start();
    let lines = access_lines(1, 20_000);
    let input = lines.join("\n") + "\n";
    let mut expected = lines.clone();
    expected.sort();
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let topic = &cli.name(codec);
        cli.run(&["topic", "create", topic, "-p", "6"]);
        let sent = cli.run_with(
            &[
                "produce",
                topic,
                "-k",
                " ",
                "--keep-key",
                "-z",
                codec,
                "--batch-bytes",
                "20000",
                "--json",
            ],
            input.as_bytes(),
        );
        let sent: Value = serde_json::from_slice(&sent).unwrap();
        assert_eq!(sent["records"], json!(lines.len()), "{codec}");
        assert_eq!(
            sent["partitions"].as_object().unwrap().len(),
            6,
            "{codec}: all partitions have keys"
        );
        let read = cli.run(&["consume", topic, "--exit-at-end"]);
        assert!(sorted_lines(&read) == expected, "{codec}: the lines differ");
    }
    cli.stop();
}

#[test]
fn each_key_keeps_its_partition_and_its_order_also_over_a_kill() {
    let mut cli = Cli::start();
    let topic = &cli.name("keyed");
    let lines = access_lines(2, 10_000);
    cli.run(&["topic", "create", topic, "-p", "12"]);
    cli.run_with(
        &["produce", topic, "-k", " ", "--keep-key"],
        (lines.join("\n") + "\n").as_bytes(),
    );
    let check = |cli: &Cli| {
        let mut expected: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for line in &lines {
            expected
                .entry(line.split(' ').next().unwrap())
                .or_default()
                .push(line);
        }
        let read = objects(&cli.run(&["consume", topic, "--exit-at-end", "--format", "json"]));
        let mut found: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        let mut partitions: BTreeMap<&str, i64> = BTreeMap::new();
        for record in &read {
            let key = record["key"].as_str().unwrap();
            found
                .entry(key)
                .or_default()
                .push(record["value"].as_str().unwrap());
            let partition = record["partition"].as_i64().unwrap();
            assert_eq!(
                *partitions.entry(key).or_insert(partition),
                partition,
                "{key} stays in its partition"
            );
        }
        assert!(found == expected, "every line once, in order per key");
    };
    check(&cli);
    for shards in [3, 1] {
        let Some(broker) = &mut cli.broker else { break };
        broker.sigkill_and_restart(shards);
        check(&cli);
    }
    cli.stop();
}

#[test]
fn json_carries_all_of_a_record() {
    let cli = Cli::start();
    let (first, second) = (&cli.name("first"), &cli.name("second"));
    let input = concat!(
        r#"{"key":"a","value":"1","timestamp":1700000000000,"headers":[{"key":"h","value":"x"},{"key":"n","value":null}]}"#,
        "\n",
        r#"{"key":null,"value":"no key","timestamp":1700000000001}"#,
        "\n",
        r#"{"key":"tombstone","value":null,"timestamp":1700000000002}"#,
        "\n",
        r#"{"key_base64":"/w==","value_base64":"AP8A","timestamp":1700000000003}"#,
        "\n",
    );
    for topic in [first, second] {
        cli.run(&["topic", "create", topic, "-p", "1"]);
    }
    cli.run_with(&["produce", first, "--format", "json"], input.as_bytes());
    let dumped = cli.run(&["consume", first, "--exit-at-end", "--format", "json"]);
    let sent = objects(input.as_bytes());
    let read = objects(&dumped);
    assert_eq!(read.len(), sent.len());
    for (i, (read, sent)) in read.iter().zip(&sent).enumerate() {
        assert_eq!(read["offset"], json!(i));
        for (field, value) in sent.as_object().unwrap() {
            assert_eq!(&read[field.as_str()], value, "record {i}, {field}");
        }
    }
    // What one prints, the other takes.
    cli.run_with(&["produce", second, "--format", "json"], &dumped);
    let copied = objects(&cli.run(&["consume", second, "--exit-at-end", "--format", "json"]));
    for (copy, original) in copied.iter().zip(&read) {
        for field in [
            "key",
            "key_base64",
            "value",
            "value_base64",
            "headers",
            "timestamp",
            "offset",
        ] {
            assert_eq!(copy[field], original[field]);
        }
    }
    cli.stop();
}

#[test]
fn reading_begins_and_ends_where_it_is_told() {
    let cli = Cli::start();
    let topic = &cli.name("points");
    cli.run(&["topic", "create", topic, "-p", "2"]);
    for partition in ["0", "1"] {
        let records: String = (0..10)
            .map(|i| {
                format!(
                    "{{\"value\":\"p{partition}-{i}\",\"timestamp\":{}}}\n",
                    1_700_000_000_000_i64 + i * 1000
                )
            })
            .collect();
        // A batch for each record, so that offsets and times are looked for between batches, too.
        for record in records.split_inclusive('\n') {
            cli.run_with(
                &["produce", topic, "-f", "json", "-p", partition],
                record.as_bytes(),
            );
        }
    }
    let read = |args: &[&str]| {
        let mut all = vec!["consume", topic];
        all.extend(args);
        sorted_lines(&cli.run(&all)).join(" ")
    };
    assert_eq!(read(&["-e", "-p", "0", "--from", "7"]), "p0-7 p0-8 p0-9");
    assert_eq!(read(&["-e", "--from", "-1"]), "p0-9 p1-9");
    assert_eq!(read(&["-e", "-p", "1", "--from", "@1700000008000"]), "p1-8 p1-9");
    assert_eq!(
        read(&["-e", "-p", "1", "--from", "2023-11-14T22:13:27.500Z"]),
        "p1-8 p1-9"
    );
    assert_eq!(read(&["-e", "--from", "end"]), "");
    assert_eq!(read(&["-p", "1", "--count", "2"]), "p1-0 p1-1");
    assert_eq!(
        read(&["-p", "1", "--from", "1000000", "-e"]),
        "",
        "beyond the end is the end"
    );
    assert_eq!(read(&["-e", "-p", "0,1"]).split(' ').count(), 20);
    assert!(
        cli.fails(&["consume", topic, "-p", "5"])
            .contains("no partition 5, only 0 to 1")
    );

    let keyed = &cli.name("separators");
    cli.run_with(
        &["produce", keyed, "-k", "=", "--null-value", "NULL", "-p", "0"],
        b"a=1\nb=NULL\n",
    );
    let printed = cli.run(&[
        "consume",
        keyed,
        "-e",
        "-f",
        "key-value",
        "-s",
        " => ",
        "-d",
        r"\0",
    ]);
    assert_eq!(printed, b"a => 1\0b => \0");
    cli.stop();
}

#[test]
fn files_are_sent_whole_or_line_by_line_and_bad_input_is_named() {
    let cli = Cli::start();
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    std::fs::write(&one, b"1\n2").unwrap();
    std::fs::write(&two, b"3\n\xff\n").unwrap();
    let (one, two) = (one.to_str().unwrap(), two.to_str().unwrap());
    let (whole, lines) = (&cli.name("whole"), &cli.name("lines"));
    cli.run(&["produce", whole, one, two, "--whole-files", "-p", "0"]);
    assert_eq!(cli.run(&["consume", whole, "-e", "-d", "|"]), b"1\n2|3\n\xff\n|");
    cli.run(&["produce", lines, one, two, "-p", "0"]);
    assert_eq!(cli.run(&["consume", lines, "-e", "-d", "|"]), b"1|2|3|\xff|");

    assert!(
        cli.fails(&["produce", lines, "/no/such/file"])
            .contains("cannot open /no/such/file")
    );
    assert!(
        cli.fails(&["produce", lines, one, "-k", ":"])
            .contains("record 1 has no key")
    );
    assert!(
        cli.fails(&["produce", lines, one, "-p", "99"])
            .contains("UNKNOWN_TOPIC_OR_PARTITION")
    );
    let small = &cli.name("small");
    cli.run(&["topic", "create", small, "-c", "max.message.bytes=1000"]);
    let output = feed(cli.command(&["produce", small]), &[b'x'; 5000]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("max.message.bytes"),
        "{}",
        stderr(&output)
    );
    cli.stop();
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let cli = Cli::start();
    let topic = &cli.name("head");
    let lines = access_lines(3, 30_000);
    cli.run_with(&["produce", topic], lines.join("\n").as_bytes());
    let mut child = cli.spawn(&["consume", topic], Stdio::piped());
    // More than a pipe holds is still to come when it is closed.
    let mut first = [0; 10];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stderr(&output), "");
    cli.stop();
}

#[test]
fn what_is_typed_arrives_although_the_input_is_still_open() {
    use std::io::Write;
    let cli = Cli::start();
    let topic = &cli.name("typed");
    cli.run(&["topic", "create", topic]);
    let mut command = corelane(&["produce", topic, "--bootstrap", cli.bootstrap()]);
    let mut producer = command
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = producer.stdin.take().unwrap();
    for word in ["one", "two"] {
        writeln!(input, "{word}").unwrap();
        input.flush().unwrap();
        let read = cli.run(&["consume", topic, "--count", if word == "one" { "1" } else { "2" }]);
        assert!(sorted_lines(&read).contains(&word.to_owned()));
    }
    drop(input);
    assert!(producer.wait().unwrap().success());
    cli.stop();
}
