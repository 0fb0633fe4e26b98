//! `corelane bench` against a broker: what it reports is what it did.

mod cli;
mod fixture;

use cli::Cli;
use serde_json::{Value, json};
use std::path::Path;

/// Requests that each have one record for each of two partitions.
const WORKLOAD: &str = r#"
name = "checked"
measure = "produce"
warm_up_s = 0
duration_s = 1.2

[topics]
count = 2
partitions = 4

[records]
bytes = 100
keys = 50

[producers]
connections = 2
in_flight = 1000
batch_bytes = 1
partitions_per_request = 2
records_per_s = 2000

[consumers]
connections = 2
groups = 2

[catch_up]
connections = 2
backlog_bytes = 100000
"#;

fn written(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).expect("a workload file");
    path.to_str().expect("a path of plain letters").to_string()
}

/// Runs a command that needs no broker: whether it succeeded, and what it said.
fn run(args: &[&str]) -> (bool, String) {
    let output = cli::feed(cli::corelane(args), b"");
    let said = String::from_utf8(output.stdout.clone()).expect("UTF-8");
    (output.status.success(), said + &cli::stderr(&output))
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[test]
fn a_run_counts_what_was_due_on_both_sides() {
    let cli = Cli::start();
    let folder = tempfile::tempdir().expect("a folder");
    let workload = written(folder.path(), "checked.toml", WORKLOAD);
    let page = folder.path().join("page.html");
    let page_arg = page.to_str().expect("a path of plain letters");
    let args = ["bench", "run", &workload, "--json", "--html", page_arg];
    let report = cli.json(&[&args[..], &["--label", "broker=here"]].concat());

    assert_eq!(report["errors"], json!({}));
    assert_eq!(report["unsent"], json!(0));
    assert_eq!(report["labels"], json!({"broker": "here"}));
    // 2,000 records a second, two a request. A machine that is busy gives the clock a head start, but no such one.
    let (requests, records) = (number(&report["requests"]), number(&report["records"]));
    assert_eq!(records, 2.0 * requests);
    let due = 1000.0 * number(&report["seconds"]);
    assert!(requests > 0.0 && requests < 3.0 * due, "{requests} of {due}");
    // Two groups read everything that was written.
    let read = number(&report["end_to_end"]["records"]);
    assert!(read > 0.0 && read < 2.0 * 2.0 * 3.0 * due, "{read} of {records}");
    let latency = |side: &Value| number(&side["latency_ms"]["p50"]);
    assert!(latency(&report["end_to_end"]) > 0.0 && latency(&report) > 0.0);
    assert!(number(&report["catch_up"]["mb_per_s"]) > 0.0);
    let slices = report["timeline"].as_array().expect("a timeline");
    let in_slices: f64 = slices.iter().map(|slice| number(&slice["requests"])).sum();
    assert_eq!(in_slices, requests);
    let html = std::fs::read_to_string(&page).expect("the page");
    assert!(
        html.contains("<svg") && html.contains("checked") && !html.contains("http"),
        "{html}"
    );

    let topics = cli.json(&["topic", "list", "--json"]);
    assert_eq!(topics, json!([]), "a run leaves no topic behind");
}

#[test]
fn a_workload_of_the_openmessaging_benchmark_runs() {
    let cli = Cli::start();
    let folder = tempfile::tempdir().expect("a folder");
    let text = "name: small\ntopics: 2\npartitionsPerTopic: 2\nmessageSize: 200\nsubscriptionsPerTopic: 1\n\
                consumerPerSubscription: 1\nproducersPerTopic: 1\nproducerRate: 500\ntestDurationMinutes: 1\n";
    let workload = written(folder.path(), "small.yaml", text);
    let times = ["--warm-up-s", "0", "--duration-s", "1", "--json"];
    let report = cli.json(&[&["bench", "run", &workload][..], &times].concat());
    assert_eq!(report["workload"]["name"], json!("small"));
    assert!(number(&report["records"]) > 0.0);
    assert!(number(&report["end_to_end"]["records"]) > 0.0);
}

#[test]
fn find_max_stops_at_the_bound() {
    let cli = Cli::start();
    let folder = tempfile::tempdir().expect("a folder");
    let workload = written(folder.path(), "checked.toml", WORKLOAD);
    // No broker answers within a nanosecond, and any within 100 seconds: the one has no rate, the other no end but the
    // generator's. So only the first can be asked here.
    let times = ["--warm-up-s", "0", "--duration-s", "1"];
    let bound = ["--p99-ms", "0.000001"];
    let said = cli.fails(&[&["bench", "find-max", &workload][..], &times, &bound].concat());
    assert!(said.contains("1000 records/s are too much already"), "{said}");
}

#[test]
fn a_suite_starts_brokers_measures_and_compares_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let workload = written(folder.path(), "checked.toml", WORKLOAD);
    let results = folder.path().join("results");
    let results_arg = results.to_str().expect("a path of plain letters");
    let serve = format!(
        "{} serve --listen 127.0.0.1:{{port}} --data-dir {{dir}}/data --shards 1",
        env!("CARGO_BIN_EXE_corelane")
    );
    let (a, b) = (
        format!("a={serve}"),
        format!("b={serve} --set durability=relaxed"),
    );
    let suite = [
        "bench",
        "suite",
        &workload,
        "--broker",
        &a,
        "--broker",
        &b,
        "--results",
        results_arg,
    ];
    let times = [
        "--warm-up-s",
        "0",
        "--duration-s",
        "1",
        "--rounds",
        "2",
        "--label",
        "commit=none",
    ];
    let (good, said) = run(&[&suite[..], &times].concat());
    assert!(good, "{said}");
    assert!(
        said.contains("| checked | MB/s |") && said.contains("durability=relaxed"),
        "{said}"
    );
    let (a, b) = (results.join("a.jsonl"), results.join("b.jsonl"));
    let lines = std::fs::read_to_string(&a).expect("results");
    assert_eq!(lines.lines().count(), 2, "a line a round");
    for line in lines.lines() {
        let report: Value = serde_json::from_str(line).expect("a report");
        assert!(number(&report["start_s"]) > 0.0);
        assert!(number(&report["broker"]["cpu_s"]) > 0.0);
    }
    assert!(results.join("report.html").exists() && results.join("summary.md").exists());

    let (a, b) = (a.to_str().expect("plain"), b.to_str().expect("plain"));
    let (good, compared) = run(&["bench", "compare", a, b, "--fail-above", "1000000"]);
    assert!(good && compared.contains("| checked | p99 ms |"), "{compared}");
    let (good, again) = run(&[&suite[..], &times].concat());
    assert!(!good && again.contains("is there already"), "{again}");
}

#[test]
fn producers_that_build_records_live_send_what_was_due() {
    let cli = Cli::start();
    let folder = tempfile::tempdir().expect("a folder");
    let text = "name = \"live\"\nmeasure = \"produce\"\nwarm_up_s = 0\nduration_s = 1.2\n\
                [topics]\npartitions = 5\n\
                [records]\nbytes = 100\nkeys = 1000\n\
                [producers]\nconnections = 3\nin_flight = 5\nbatch_bytes = 500\nlinger_ms = 20\n\
                compression = \"lz4\"\nrecords_per_s = 3000\n";
    let workload = written(folder.path(), "live.toml", text);
    let report = cli.json(&["bench", "run", &workload, "--json"]);
    assert_eq!(report["errors"], json!({}));
    let (requests, records) = (number(&report["requests"]), number(&report["records"]));
    let due = 3000.0 * number(&report["seconds"]);
    assert!(records > 0.0 && records < 3.0 * due, "{records} of {due}");
    assert!(
        records > 2.0 * requests,
        "records are collected: {records} in {requests} requests"
    );
    // A record waits for others, at most for so long unless the machine is busy; the median tells that they do wait.
    assert!(number(&report["latency_ms"]["max"]) > 1.0);

    // As fast as it goes, with the rate taken off on the command line.
    let flat_out = ["--records-per-s", "0", "--duration-s", "0.5", "--json"];
    let report = cli.json(&[&["bench", "run", &workload][..], &flat_out].concat());
    assert_eq!(report["errors"], json!({}));
    assert!(number(&report["records"]) > 0.0);
    let topics = cli.json(&["topic", "list", "--json"]);
    assert_eq!(topics, json!([]), "a run leaves no topic behind");
}

#[test]
fn a_suite_survives_what_fails_and_goes_by_its_reference() {
    let folder = tempfile::tempdir().expect("a folder");
    let keyed = "name = \"paced\"\nmeasure = \"produce\"\nwarm_up_s = 0\nduration_s = 0.5\n\
                 [topics]\npartitions = 3\n[records]\nbytes = 100\nkeys = 100\n\
                 [producers]\nconnections = 2\nbatch_bytes = 500\nlinger_ms = 1\n\
                 part_of_max = 0.01\nmax_of = \"reference\"\n";
    let keyed = written(folder.path(), "paced.toml", keyed);
    let reading = written(folder.path(), "checked.toml", WORKLOAD);
    let results = folder.path().join("results");
    let program = env!("CARGO_BIN_EXE_corelane");
    let serve = format!("{program} serve --listen 127.0.0.1:{{port}} --data-dir {{dir}}/data --shards 1");
    let (a, sink) = (
        format!("a={serve}"),
        format!("sink={program} bench sink --listen 127.0.0.1:{{port}}"),
    );
    let results_arg = results.to_str().expect("a path of plain letters");
    let brokers = ["--broker", &a, "--broker", &sink, "--results", results_arg];
    let options = ["--rounds", "1", "--reference", "sink", "--vary", "partitions=1,3"];
    // The sink can't be read from, so one of its workloads fails, unless it is left out.
    let suite = [
        &["bench", "suite", &keyed, &reading, "idle-1"][..],
        &brokers,
        &options,
    ]
    .concat();
    let short = ["--warm-up-s", "0", "--duration-s", "0.5", "--skip", "a=checked"];
    let (good, said) = run(&[&suite[..], &short].concat());
    assert!(!good, "{said}");
    assert!(
        said.contains("2 runs failed") && said.contains("does not know Fetch"),
        "{said}"
    );

    let read = |name: &str| -> Vec<Value> {
        let lines = std::fs::read_to_string(results.join(name)).expect("results");
        lines
            .lines()
            .map(|line| serde_json::from_str(line).expect("a report"))
            .collect()
    };
    for (file, broker) in [("a.jsonl", "a"), ("sink.jsonl", "sink")] {
        let names: Vec<Value> = read(file)
            .iter()
            .map(|report| report["workload"]["name"].clone())
            .collect();
        let variants = [
            "paced-1-partitions",
            "paced-3-partitions",
            "idle-1-1-partitions",
            "idle-1-3-partitions",
        ];
        assert_eq!(json!(names), json!(variants), "{broker}");
    }
    let (a, sink) = (read("a.jsonl"), read("sink.jsonl"));
    for i in 0..2 {
        let rate = |report: &Value| report["workload"]["producers"]["records_per_s"].clone();
        assert!(number(&rate(&a[i])) > 0.0);
        assert_eq!(rate(&a[i]), rate(&sink[i]), "all have the reference's load");
    }
    assert_eq!(a[2]["requests"], json!(0));
    assert!(number(&a[2]["broker"]["resident_mb"]) > 0.0);
    let page = std::fs::read_to_string(results.join("report.html")).expect("the page");
    assert!(page.contains("as it scales"), "{page}");
}
