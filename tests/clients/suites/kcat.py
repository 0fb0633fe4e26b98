"""kcat right after the start of a broker: its first lines of a new topic go in, and come out again."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from harness import toolchain
from harness.expectations import Expectations
from harness.report import FAILED, PASSED, Result

NAME = "kcat"
TOOLS = ("kcat",)
TIMEOUT_S = 60


def prepare() -> None:
    toolchain.require(*TOOLS)


def run(broker, expectations: Expectations, scratch: Path, only: str | None) -> list[Result]:
    # `localhost` on purpose: kcat resolves it to ::1 first on many machines and must get through all the same.
    server = "localhost:" + broker.bootstrap.rsplit(":", 1)[1]
    lines = "".join(f"{number},line {number}\n" for number in range(1000))
    steps = [
        ("produce-to-a-topic-that-does-not-exist", ["-t", "kcat", "-P"], lines, lambda out: out == ""),
        ("consume-to-the-end", ["-t", "kcat", "-C", "-e", "-q"], None,
         lambda out: sorted(out.splitlines()) == sorted(lines.splitlines())),
        ("produce-with-keys", ["-t", "kcat-keys", "-P", "-K", ","], lines, lambda out: out == ""),
        ("consume-with-keys-in-order-per-partition",
         ["-t", "kcat-keys", "-C", "-e", "-q", "-f", "%p %o %k,%s\\n"], None, lambda out: _ordered(out, lines)),
        ("consume-as-a-group", ["-G", "kcat-group", "-e", "-q", "kcat", "-X", "auto.offset.reset=earliest"], None,
         lambda out: sorted(out.splitlines()) == sorted(lines.splitlines())),
        ("offset-for-a-timestamp", ["-Q", "-t", "kcat:0:0"], None, lambda out: "kcat [0] offset 0" in out),
        ("list", ["-L"], None, lambda out: 'topic "kcat"' in out and "broker" in out),
    ]
    return [_step(server, *step) for step in steps if not expectations.left_out(step[0])]


def _step(server: str, name: str, arguments: list[str], given: str | None, good) -> Result:
    began = time.monotonic()
    command = ["kcat", "-b", server, *arguments]
    try:
        done = subprocess.run(command, input=given or "", capture_output=True, text=True, timeout=TIMEOUT_S)
        problem = "" if done.returncode == 0 and good(done.stdout) else (
            f"{' '.join(command)} ended with {done.returncode}\n{done.stdout[:500]}\n{done.stderr[-500:]}")
    except subprocess.TimeoutExpired:
        problem = f"{' '.join(command)} did not end within {TIMEOUT_S} s"
    return Result(name, FAILED if problem else PASSED, time.monotonic() - began, problem)


def _ordered(out: str, lines: str) -> bool:
    """All there, and each partition's records in the order of the input at offsets that follow each other."""
    last: dict[str, tuple[int, int]] = {}
    got = []
    for row in out.splitlines():
        partition, offset, line = row.split(" ", 2)
        here = (int(offset), int(line.split(",", 1)[0]))
        before = last.get(partition, (-1, -1))
        if here[0] != before[0] + 1 or here[1] <= before[1]:
            return False
        last[partition] = here
        got.append(line)
    return sorted(got) == sorted(lines.splitlines())
