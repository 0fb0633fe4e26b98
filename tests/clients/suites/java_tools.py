"""Apache Kafka's own command-line tools, step by step, each with a check of what it says.

The steps run in order against one broker and build on each other's topics. Every step is one or a few runs of a tool
as its users start it; the last ones read the broker's segment files after it has stopped.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
from pathlib import Path

from harness import java
from harness.expectations import Expectations
from harness.report import FAILED, PASSED, SKIPPED, Result

NAME = "java-tools"
TOOLS = java.TOOLS
TOOL_TIMEOUT_S = 90
MOVED_WITHIN_S = 120
# One of the steps moves partitions between the data directories of a broker.
DATA_DIRS = 3

TOPICS = "org.apache.kafka.tools.TopicCommand"
CONFIGS = "kafka.admin.ConfigCommand"
GROUPS = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"
PRODUCER = "org.apache.kafka.tools.ConsoleProducer"
CONSUMER = "org.apache.kafka.tools.consumer.ConsoleConsumer"
OFFSETS = "org.apache.kafka.tools.GetOffsetShell"
LOG_DIRS = "org.apache.kafka.tools.LogDirsCommand"
REASSIGN = "org.apache.kafka.tools.reassign.ReassignPartitionsCommand"


def prepare() -> None:
    java.prepare()


def run(broker, expectations: Expectations, scratch: Path, only: str | None) -> list[Result]:
    steps = Steps(broker.bootstrap, scratch)
    results = []
    for name, step in STEPS:
        if only and not re.search(only, name):
            continue
        if expectations.left_out(name):
            results.append(Result(name, SKIPPED, 0.0, expectations.left_out(name)))
        else:
            results.append(_result(name, lambda: step(steps)))
    return results


def after_stop(broker, expectations: Expectations, scratch: Path, only: str | None) -> list[Result]:
    """What needs a stopped broker: its files, read by Kafka's own tool."""
    name = "dump-log"
    if broker.data is None or only and not re.search(only, name):
        return []
    return [_result(name, lambda: dump_log(Steps(broker.bootstrap, scratch), broker.data))]


def _result(name: str, step) -> Result:
    began = time.monotonic()
    try:
        step()
        problem = ""
    except (AssertionError, subprocess.TimeoutExpired) as failure:
        problem = str(failure)
    return Result(name, FAILED if problem else PASSED, time.monotonic() - began, problem[-1500:])


class Steps:
    """How the steps start tools."""

    def __init__(self, bootstrap: str, scratch: Path):
        self.bootstrap = bootstrap
        self.scratch = scratch

    def tool(self, main_class: str, *arguments: str, given: str = "", refused: bool = False,
             server: str = "--bootstrap-server") -> str:
        """Runs a tool and gives what it printed; it must end with 0, or with another code if it is to be refused."""
        where = [server, self.bootstrap] if server else []
        done = subprocess.run(java.command(main_class, *where, *arguments), input=given, capture_output=True,
                              text=True, errors="replace", timeout=TOOL_TIMEOUT_S)
        said = f"{main_class.rsplit('.', 1)[1]} {' '.join(arguments)} ended with {done.returncode}\n" + (
            f"{done.stdout[-700:]}\n{done.stderr[-700:]}")
        assert (done.returncode != 0) == refused, said
        return done.stdout + done.stderr

    def consume(self, topic: str, *arguments: str, count: int | None = None) -> list[str]:
        """The lines of a console consumer; it ends after `count` records or when nothing has come for a while."""
        end = ["--max-messages", str(count), "--timeout-ms", "30000"] if count else ["--timeout-ms", "6000"]
        where = java.command(CONSUMER, "--bootstrap-server", self.bootstrap, "--topic", topic, *end, *arguments)
        done = subprocess.run(where, capture_output=True, text=True, errors="replace", timeout=TOOL_TIMEOUT_S,
                              stdin=subprocess.DEVNULL)
        assert done.returncode == 0 or not count, f"ended with {done.returncode}\n{done.stderr[-1000:]}"
        return done.stdout.splitlines()


def expect(condition: bool, what: str, said: object) -> None:
    assert condition, f"{what}; the tool said:\n{said if isinstance(said, str) else repr(said)[:1200]}"


def api_versions(s: Steps) -> None:
    said = s.tool("org.apache.kafka.tools.BrokerApiVersionsCommand")
    expect("Produce(0):" in said and "Fetch(1):" in said, "names the APIs", said)
    expect("ERROR" not in said, "every node answers", said)


def cluster(s: Steps) -> None:
    said = s.tool("org.apache.kafka.tools.ClusterTool", "cluster-id", "--bootstrap-server", s.bootstrap, server="")
    expect("Cluster ID:" in said, "prints the cluster id", said)
    said = s.tool("org.apache.kafka.tools.ClusterTool", "list-endpoints", "--bootstrap-server", s.bootstrap, server="")
    expect(s.bootstrap.rsplit(":", 1)[1] in said, "lists the endpoint that was dialled", said)


def topic_create(s: Steps) -> None:
    s.tool(TOPICS, "--create", "--topic", "tools", "--partitions", "6", "--config", "retention.ms=7200000")
    said = s.tool(TOPICS, "--create", "--topic", "tools", refused=True)
    expect("already exists" in said, "refuses a second topic of the name", said)
    s.tool(TOPICS, "--create", "--topic", "tools", "--if-not-exists")
    said = s.tool(TOPICS, "--create", "--topic", "not/a/name", refused=True)
    expect("InvalidTopic" in said, "refuses a bad name", said)
    said = s.tool(TOPICS, "--create", "--topic", "bad-config", "--config", "cleanup.policy=compact",
                  "--config", "min.insync.replicas=-1", refused=True)
    expect("onfig" in said, "refuses a bad configuration", said)


def topic_describe(s: Steps) -> None:
    expect("tools" in s.tool(TOPICS, "--list").splitlines(), "is listed", "")
    said = s.tool(TOPICS, "--describe", "--topic", "tools")
    expect("PartitionCount: 6" in said and "retention.ms=7200000" in said, "shows partitions and configs", said)
    expect(len(re.findall(r"Leader: \d+", said)) == 6, "every partition has a leader", said)
    expect(s.tool(TOPICS, "--describe", "--unavailable-partitions").strip() == "", "all are available", said)


def topic_alter(s: Steps) -> None:
    s.tool(TOPICS, "--alter", "--topic", "tools", "--partitions", "8")
    said = s.tool(TOPICS, "--describe", "--topic", "tools")
    expect("PartitionCount: 8" in said, "has more partitions", said)
    said = s.tool(TOPICS, "--alter", "--topic", "tools", "--partitions", "3", refused=True)
    expect("InvalidPartitions" in said, "refuses fewer", said)


def topic_delete(s: Steps) -> None:
    s.tool(TOPICS, "--create", "--topic", "short-lived")
    s.tool(TOPICS, "--delete", "--topic", "short-lived")
    expect("short-lived" not in s.tool(TOPICS, "--list").splitlines(), "is gone", "")
    s.tool(TOPICS, "--delete", "--topic", "short-lived", refused=True)


def configs_topic(s: Steps) -> None:
    entity = ["--entity-type", "topics", "--entity-name", "tools"]
    s.tool(CONFIGS, *entity, "--alter", "--add-config", "max.message.bytes=20000,cleanup.policy=[compact,delete]")
    said = s.tool(CONFIGS, *entity, "--describe")
    expect("max.message.bytes=20000" in said and "cleanup.policy=compact,delete" in said, "is changed", said)
    s.tool(CONFIGS, *entity, "--alter", "--delete-config", "max.message.bytes,cleanup.policy")
    said = s.tool(CONFIGS, *entity, "--describe")
    expect("max.message.bytes" not in said and "retention.ms=7200000" in said, "is as before", said)
    said = s.tool(CONFIGS, *entity, "--describe", "--all")
    expect("segment.bytes=" in said and "DEFAULT_CONFIG" in said, "shows defaults and their source", said)
    said = s.tool(CONFIGS, *entity, "--alter", "--add-config", "no.such.config=1", refused=True)
    expect("InvalidConfiguration" in said or "Unknown" in said, "refuses what does not exist", said)


def configs_broker(s: Steps) -> None:
    said = s.tool(TOPICS, "--describe", "--topic", "tools")
    node = re.search(r"Leader: (\d+)", said)[1]
    said = s.tool(CONFIGS, "--entity-type", "brokers", "--entity-name", node, "--describe", "--all")
    expect("num.partitions=" in said, "shows the broker's settings", said)


def console(s: Steps) -> None:
    lines = "".join(f"k{i % 7}:value {i}\n" for i in range(500))
    s.tool(PRODUCER, "--topic", "console", "--reader-property", "parse.key=true", "--reader-property",
           "key.separator=:", given=lines)
    got = s.consume("console", "--from-beginning", "--formatter-property", "print.key=true", "--formatter-property",
                    "key.separator=:", count=500)
    expect(sorted(got) == sorted(lines.splitlines()), "all lines come back", got[:5])
    for key in range(7):
        mine = [line for line in got if line.startswith(f"k{key}:")]
        expect(mine == [line for line in lines.splitlines() if line.startswith(f"k{key}:")], f"order of k{key}", mine[:5])


def console_partition(s: Steps) -> None:
    said = s.tool(OFFSETS, "--topic", "console")
    ends = {int(p): int(o) for p, o in re.findall(r"^console:(\d+):(\d+)$", said, re.M)}
    partition = max(ends, key=ends.get)
    got = s.consume("console", "--partition", str(partition), "--offset", "3", "--formatter-property",
                    "print.offset=true", "--formatter-property", "print.timestamp=true", count=ends[partition] - 3)
    expect("Offset:3" in got[0] and "CreateTime:" in got[0], "begins at the offset asked for", got[:3])


def console_compressed(s: Steps) -> None:
    for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
        lines = "".join(f"{codec} {i} {'z' * 200}\n" for i in range(200))
        s.tool(PRODUCER, "--topic", "compressed", "--compression-codec", codec, given=lines)
    got = s.consume("compressed", "--from-beginning", count=1000)
    expect(len(set(got)) == 1000, "all codecs come back", got[:3])


def console_headers(s: Steps) -> None:
    s.tool(PRODUCER, "--topic", "headers", "--reader-property", "parse.headers=true", "--reader-property",
           "parse.key=true", given="a:1,b:2\tkey\tvalue\n")
    got = s.consume("headers", "--from-beginning", "--formatter-property", "print.headers=true", count=1)
    expect(got == ["a:1,b:2\tvalue"], "headers come back", got)


def console_acks(s: Steps) -> None:
    for acks in ("0", "1", "all"):
        s.tool(PRODUCER, "--topic", "acks", "--request-required-acks", acks, "--command-property",
               "enable.idempotence=false", given=f"acks {acks}\n")
    got = s.consume("acks", "--from-beginning", count=3)
    expect(sorted(got) == ["acks 0", "acks 1", "acks all"], "each way of acknowledging", got)


def console_too_large(s: Steps) -> None:
    s.tool(TOPICS, "--create", "--topic", "small", "--config", "max.message.bytes=2000")
    # The producer reports a refused record and ends with 0 or not, depending on when the answer came.
    command = java.command(PRODUCER, "--bootstrap-server", s.bootstrap, "--topic", "small", "--sync")
    done = subprocess.run(command, input="x" * 5000 + "\n", capture_output=True, text=True, timeout=TOOL_TIMEOUT_S)
    said = done.stdout + done.stderr
    expect("RecordTooLargeException" in said or "MESSAGE_TOO_LARGE" in said, "is refused as too large", said)


def get_offsets(s: Steps) -> None:
    s.tool(PRODUCER, "--topic", "offsets", given="".join(f"{i}\n" for i in range(40)))
    ends = sum(int(o) for o in re.findall(r"^offsets:\d+:(\d+)$", s.tool(OFFSETS, "--topic", "offsets"), re.M))
    expect(ends == 40, "the ends add up to the number of records", str(ends))
    said = s.tool(OFFSETS, "--topic", "offsets", "--time", "earliest")
    expect(set(re.findall(r"^offsets:\d+:(\d+)$", said, re.M)) == {"0"}, "begin at 0", said)
    said = s.tool(OFFSETS, "--topic", "offsets", "--time", "max-timestamp")
    expect(any(int(o) >= 0 for o in re.findall(r"^offsets:\d+:(\d+)$", said, re.M)), "has a newest record", said)
    said = s.tool(OFFSETS, "--topic", "offsets", "--time", "1000")
    expect(set(re.findall(r"^offsets:\d+:(\d+)$", said, re.M)) == {"0"}, "an early timestamp is the beginning", said)


def group_consume(s: Steps) -> None:
    got = s.consume("console", "--group", "readers", "--from-beginning", count=500)
    expect(len(got) == 500, "reads as a group", got[:3])
    expect("readers" in s.tool(GROUPS, "--list").splitlines(), "is listed", "")
    said = s.tool(GROUPS, "--describe", "--group", "readers")
    lag = [int(row.split()[5]) for row in said.splitlines() if row.startswith("readers ")]
    expect(lag and sum(lag) == 0, "has no lag", said)
    said = s.tool(GROUPS, "--describe", "--group", "readers", "--state")
    expect("Empty" in said, "is empty", said)


def group_live(s: Steps) -> None:
    reading = subprocess.Popen(
        java.command(CONSUMER, "--bootstrap-server", s.bootstrap, "--topic", "console", "--group", "live",
                     "--command-property", "client.id=live-member"),
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 30
        said = ""
        while "console:" not in said and time.monotonic() < deadline:
            said = s.tool(GROUPS, "--describe", "--group", "live", "--members", "--verbose")
        expect("live-member" in said and "console:" in said, "shows the member and its partitions", said)
        said = s.tool(GROUPS, "--describe", "--group", "live", "--state")
        expect("Stable" in said and "range" in said, "is stable, with its assignor", said)
        said = s.tool(GROUPS, "--delete", "--group", "live")
        expect("GroupNotEmpty" in said, "cannot be deleted while it has members", said)
    finally:
        reading.terminate()
        reading.wait(30)


def group_reset(s: Steps) -> None:
    base = ["--group", "readers", "--topic", "console", "--reset-offsets"]
    said = s.tool(GROUPS, *base, "--to-earliest", "--dry-run")
    expect("console" in said, "shows what it would do", said)
    s.tool(GROUPS, *base, "--to-earliest", "--execute")
    said = s.tool(GROUPS, "--describe", "--group", "readers")
    lag = sum(int(row.split()[5]) for row in said.splitlines() if row.startswith("readers "))
    expect(lag == 500, "everything is to be read again", said)
    s.tool(GROUPS, *base, "--shift-by", "1", "--execute")
    s.tool(GROUPS, *base, "--to-datetime", "2020-01-01T00:00:00.000", "--execute")
    got = s.consume("console", "--group", "readers", count=500)
    expect(len(got) == 500, "reads all again", got[:3])


def group_delete(s: Steps) -> None:
    said = s.tool(GROUPS, "--delete-offsets", "--group", "readers", "--topic", "console:0")
    expect("Successful" in said, "deletes the offset of one partition", said)
    said = s.tool(GROUPS, "--delete", "--group", "readers")
    expect("successful" in said, "deletes the group", said)
    expect("readers" not in s.tool(GROUPS, "--list").splitlines(), "is gone", said)


def groups_command(s: Steps) -> None:
    s.consume("console", "--group", "listed", "--from-beginning", count=500)
    said = s.tool("org.apache.kafka.tools.GroupsCommand", "--list")
    expect(re.search(r"^listed\s+Classic\s+consumer", said, re.M) is not None, "shows the type and protocol", said)


def verifiable(s: Steps) -> None:
    said = s.tool("org.apache.kafka.tools.VerifiableProducer", "--topic", "verifiable", "--max-messages", "2000")
    events = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    data = next(event for event in events if event["name"] == "tool_data")
    expect((data["sent"], data["acked"]) == (2000, 2000), "everything is acknowledged", repr(data))
    said = s.tool("org.apache.kafka.tools.VerifiableConsumer", "--topic", "verifiable", "--group-id", "verifiable",
                  "--reset-policy", "earliest", "--max-messages", "2000")
    events = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    read = sum(event["count"] for event in events if event["name"] == "records_consumed")
    commits = [event for event in events if event["name"] == "offsets_committed"]
    expect(read >= 2000 and all(commit["success"] for commit in commits), "everything is read and committed", said)


def performance(s: Steps) -> None:
    said = s.tool("org.apache.kafka.tools.ProducerPerformance", "--topic", "perf", "--num-records", "50000",
                  "--record-size", "200", "--throughput", "-1")
    expect("50000 records sent" in said, "sends everything", said)
    said = s.tool("org.apache.kafka.tools.ConsumerPerformance", "--topic", "perf", "--num-records", "50000",
                  "--timeout", "30000")
    expect(", 50000, " in said, "reads everything", said)


def end_to_end_latency(s: Steps) -> None:
    said = s.tool("org.apache.kafka.tools.EndToEndLatency", "--topic", "latency", "--num-records", "300",
                  "--producer-acks", "all", "--record-size", "100")
    expect("Avg latency" in said and "99th" in said, "each record comes straight back", said)


def delete_records(s: Steps) -> None:
    request = s.scratch / "delete-records.json"
    request.write_text(json.dumps({"version": 1, "partitions": [{"topic": "perf", "partition": 0, "offset": 5}]}))
    said = s.tool("org.apache.kafka.tools.DeleteRecordsCommand", "--offset-json-file", str(request))
    expect("low_watermark: 5" in said, "moves the beginning", said)


def log_dirs(s: Steps) -> None:
    said = s.tool(LOG_DIRS, "--describe", "--topic-list", "console")
    expect('"partition":"console-0"' in said, "shows sizes", said)


def log_dir_moves(s: Steps) -> None:
    def described() -> tuple[dict[str, tuple[int, str]], list[str]]:
        said = s.tool(LOG_DIRS, "--describe", "--topic-list", "moved")
        found, paths = {}, set()
        for node in json.loads(said[said.index('{"'):].splitlines()[0])["brokers"]:
            for log_dir in node["logDirs"]:
                expect(log_dir["error"] is None, "the directory is online", said)
                paths.add(log_dir["logDir"])
                for partition in log_dir["partitions"]:
                    if not partition["isFuture"]:
                        found[partition["partition"]] = (node["broker"], log_dir["logDir"])
        return found, sorted(paths)

    s.tool(TOPICS, "--create", "--topic", "moved", "--partitions", "4")
    records = [f"record {number}" for number in range(2000)]
    s.tool(PRODUCER, "--topic", "moved", given="\n".join(records) + "\n")
    before, paths = described()
    expect(len(before) == 4, "each partition is in one directory", before)
    expect(len(paths) > 1, "the broker has several data directories", paths)
    wanted = {name: (node, paths[(paths.index(path) + 1) % len(paths)]) for name, (node, path) in before.items()}
    plan = s.scratch / "log-dirs.json"
    plan.write_text(json.dumps({"version": 1, "partitions": [
        {"topic": "moved", "partition": int(name.rsplit("-", 1)[1]), "replicas": [node], "log_dirs": [path]}
        for name, (node, path) in wanted.items()]}))
    said = s.tool(REASSIGN, "--execute", "--reassignment-json-file", str(plan))
    expect(said.count("Successfully started moving log directory") == 4, "the moves begin", said)
    deadline = time.monotonic() + MOVED_WITHIN_S
    while True:
        said = s.tool(REASSIGN, "--verify", "--reassignment-json-file", str(plan))
        if len(re.findall(r"Reassignment of replica moved-\d.* completed successfully", said)) == 4:
            break
        expect(time.monotonic() < deadline, "the moves end", said)
    after, _ = described()
    expect(after == wanted, "each is where it was wanted", (after, wanted))
    got = s.consume("moved", "--from-beginning", count=len(records))
    expect(sorted(got) == sorted(records), "nothing is lost and nothing there twice", got[:5])


def leader_election(s: Steps) -> None:
    said = s.tool("org.apache.kafka.tools.LeaderElectionCommand", "--election-type", "preferred",
                  "--all-topic-partitions")
    expect("rror" not in said, "has nothing to do", said)


def quorum(s: Steps) -> None:
    said = s.tool("org.apache.kafka.tools.MetadataQuorumCommand", "describe", "--status")
    expect("LeaderId:" in said, "names the leader", said)
    said = s.tool("org.apache.kafka.tools.MetadataQuorumCommand", "describe", "--replication")
    expect(re.search(r"^\d+\s+\S+\s+\d+\s+0\s+\d+\s+\d+\s+Leader", said, re.M) is not None, "it has everything", said)


def reassignment(s: Steps) -> None:
    # `describe` shows the nodes as they are; the tool is told to leave each partition where it is, and to move one away.
    said = s.tool(TOPICS, "--describe", "--topic", "console")
    leaders = {int(p): int(node) for p, node in re.findall(r"Partition: (\d+)\s+Leader: (\d+)", said)}

    def plan(name: str, replicas: dict[int, list[int]]) -> list[str]:
        file = s.scratch / f"{name}.json"
        moves = [{"topic": "console", "partition": p, "replicas": nodes} for p, nodes in replicas.items()]
        file.write_text(json.dumps({"version": 1, "partitions": moves}))
        return ["--reassignment-json-file", str(file)]

    stay = plan("stay", {p: [node] for p, node in leaders.items()})
    said = s.tool(REASSIGN, "--verify", *stay)
    expect(said.count("is completed") == len(leaders), "each is where it shall be", said)
    said = s.tool(REASSIGN, "--list")
    expect("No partition reassignments found" in said, "nothing is being moved", said)
    said = s.tool(REASSIGN, "--execute", *stay)
    expect("Successfully started partition reassignments" in said, "partitions may stay where they are", said)
    said = s.tool(REASSIGN, "--execute", *plan("away", {0: [777_777]}), refused=True)
    expect("777777" in said, "there is no such node", said)


def producers(s: Steps) -> None:
    s.tool(PRODUCER, "--topic", "producers", given="one\ntwo\n")
    rows = []
    for partition in range(4):
        said = s.tool("org.apache.kafka.tools.TransactionsCommand", "describe-producers", "--topic", "producers",
                      "--partition", str(partition))
        rows += re.findall(r"^(\d+)\s+0\s+-1\s+(\d+)\s+(\d+)\s+None", said, re.M)
    expect(rows and sum(int(last) + 1 for _, last, _ in rows) == 2, "the sequence numbers are of two records", repr(rows))


def transactions(s: Steps) -> None:
    said = s.tool("org.apache.kafka.tools.TransactionsCommand", "list")
    expect("TransactionalId" in said, "lists transactions", said)


def new_group_protocol(s: Steps) -> None:
    got = s.consume("console", "--group", "kip-848", "--from-beginning", "--command-property",
                    "group.protocol=consumer", count=500)
    expect(len(got) == 500, "reads with the consumer protocol", got[:3])


def share_group(s: Steps) -> None:
    said = s.tool("org.apache.kafka.tools.consumer.ConsoleShareConsumer", "--topic", "console", "--group", "share",
                  "--timeout-ms", "5000")
    expect("UnsupportedVersion" not in said, "reads as a share group", said)


def dump_log(s: Steps, data: Path) -> None:
    found = 0
    for segment in sorted(data.glob("**/perf-*/*.log")):
        said = s.tool("org.apache.kafka.tools.DumpLogSegments", "--files", str(segment), "--deep-iteration", server="")
        expect("isvalid: true" in said or "baseOffset" not in said, "its batches are valid", said)
        expect("isvalid: false" not in said, "no batch is damaged", said)
        found += len(re.findall(r"^\| offset: ", said, re.M))
    expect(found == 50000, "all records of the performance test are in segment files", str(found))


STEPS = [
    ("broker-api-versions", api_versions),
    ("cluster", cluster),
    ("topics-create", topic_create),
    ("topics-list-and-describe", topic_describe),
    ("topics-alter", topic_alter),
    ("topics-delete", topic_delete),
    ("configs-topic", configs_topic),
    ("configs-broker", configs_broker),
    ("console-keys-and-order", console),
    ("console-one-partition-from-an-offset", console_partition),
    ("console-all-compressions", console_compressed),
    ("console-headers", console_headers),
    ("console-acks-0-1-all", console_acks),
    ("console-record-too-large", console_too_large),
    ("get-offsets", get_offsets),
    ("consumer-groups-consume-list-describe", group_consume),
    ("consumer-groups-a-live-group", group_live),
    ("consumer-groups-reset-offsets", group_reset),
    ("consumer-groups-delete", group_delete),
    ("groups-list", groups_command),
    ("verifiable-producer-and-consumer", verifiable),
    ("producer-and-consumer-performance", performance),
    ("end-to-end-latency", end_to_end_latency),
    ("delete-records", delete_records),
    ("log-dirs", log_dirs),
    ("log-dirs-moves", log_dir_moves),
    ("leader-election", leader_election),
    ("metadata-quorum", quorum),
    ("reassign-partitions", reassignment),
    ("describe-producers", producers),
    ("transactions", transactions),
    ("console-consumer-protocol", new_group_protocol),
    ("console-share-group", share_group),
]
