#!/usr/bin/env python3
"""Mixed pairs of clients: what one produces another reads, before and after the broker is killed.

Per pair: a topic of 12 partitions on a broker of 2 shards; one client produces access-log lines keyed by client
address; another reads them in a group of three. Every line must arrive once, byte for byte, in order per key. Then the
broker is killed with SIGKILL, started again with 3 shards, and everything is read again by new groups.

    python3 tests/clients/pairs/run.py                    all pairs against a broker of ours
    python3 tests/clients/pairs/run.py --broker HOST:PORT  against a broker that runs already (which is not killed)
    python3 tests/clients/pairs/run.py java:kafkajs        one pair, PRODUCER:CONSUMER
"""

from __future__ import annotations

import argparse
import concurrent.futures
import subprocess
import sys
import time
import uuid
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness import toolchain  # noqa: E402
from harness.broker import Broker, BrokerFailed, ExternalBroker, scratch  # noqa: E402
from harness.report import FAILED, PASSED, SKIPPED, Report, Result, write_counts  # noqa: E402
from pairs import log_lines, programs, verify  # noqa: E402

PARTITIONS = 12
MEMBERS = 3
SHARDS, SHARDS_AFTER_KILL = 2, 3
GENERATED_LINES = 10_000
SEED = 20150517
# A pair takes a few seconds; this is for a machine that is busy with something else.
PROGRAM_TIMEOUT_S = 120
# All three members must be in the group's first generation: a rebalance after the first reads may deliver records
# twice, which Kafka allows. They start in one process, so they join within a fraction of this.
SETTINGS = {"group.initial.rebalance.delay.ms": "2000"}
# Each client twice as producer and twice as consumer, never with itself.
NAMES = list(programs.PROGRAMS)
PAIRS = [(NAMES[i], NAMES[(i + step) % len(NAMES)]) for step in (1, 2) for i in range(len(NAMES))]


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("pairs", nargs="*", metavar="PRODUCER:CONSUMER", help=f"of {', '.join(NAMES)}; default: ten")
    options.add_argument("--broker", metavar="HOST:PORT", help="use this broker instead of starting ours")
    options.add_argument("--at-a-time", type=int, default=2, help="pairs that run side by side (default 2)")
    options.add_argument("--counts", type=Path, help="write 'passed failed skipped' into this file")
    arguments = options.parse_args()
    chosen = [tuple(pair.split(":")) for pair in arguments.pairs] or PAIRS
    if not all(len(pair) == 2 and set(pair) <= set(NAMES) for pair in chosen):
        options.error(f"a pair is PRODUCER:CONSUMER, each of {', '.join(NAMES)}")
    began = time.monotonic()
    report = Report("mixed pairs", Run(chosen, arguments).results())
    print(f"{report.text()}\n  took {time.monotonic() - began:.0f} s")
    write_counts(arguments.counts, [report.counts()])
    return 0 if report.good else 1


class Run:
    def __init__(self, pairs: list[tuple[str, str]], arguments):
        self.pairs = pairs
        self.external = arguments.broker
        self.at_a_time = arguments.at_a_time
        self.identity = uuid.uuid4().hex[:6]
        self.commands: dict[str, list[str]] = {}
        self.missing: dict[str, str] = {}
        lines, absent = log_lines.real()
        for name in absent:
            print(f"note: {name} is not here, the generated lines alone are used")
        lines += log_lines.generated(SEED, GENERATED_LINES)
        self.input = scratch() / f"pairs-{self.identity}.txt"
        log_lines.write_keyed(lines, self.input)
        self.expected = verify.Expected([(log_lines.key_of(line), line) for line in lines])
        print(f"{self.expected.count} lines under {len(self.expected.digests)} keys, "
              f"{sum(map(len, lines)) / 1e6:.1f} MB, seed {SEED}")

    def results(self) -> list[Result]:
        self._prepare()
        create_topic = programs.topic_creator()
        if self.external:
            broker = ExternalBroker(self.external)
        else:
            try:
                broker = Broker("pairs", SHARDS, SETTINGS)
            except BrokerFailed as problem:
                return [Result("the broker", FAILED, 0.0, str(problem))]
        results: list[Result] = []
        try:
            with concurrent.futures.ThreadPoolExecutor(self.at_a_time) as pool:
                first = list(pool.map(lambda pair: self._pair(broker, pair, create_topic), self.pairs))
                results += first
                if not self.external:
                    broker.sigkill()
                    broker.start(SHARDS_AFTER_KILL)
                    produced = [pair for pair, result in zip(self.pairs, first) if result.outcome == PASSED]
                    results += pool.map(lambda pair: self._read_again(broker, pair), produced)
            broker.stop()
        except BrokerFailed as problem:
            results.append(Result("the broker", FAILED, 0.0, str(problem)))
        finally:
            broker.close()
            self.input.unlink()
        return results

    def _prepare(self) -> None:
        for name in sorted({name for pair in self.pairs for name in pair}):
            program = programs.PROGRAMS[name]
            try:
                toolchain.require(*program.needs)
                self.commands[name] = program.prepare()
            except toolchain.Missing as missing:
                self.missing[name] = f"{name}: {missing}"

    def _topic(self, pair: tuple[str, str]) -> str:
        return f"pairs-{self.identity}-{pair[0]}-{pair[1]}"

    def _pair(self, broker, pair: tuple[str, str], create_topic) -> Result:
        name = f"{pair[0]} to {pair[1]}"
        absent = [self.missing[client] for client in pair if client in self.missing]
        if absent:
            return Result(name, FAILED if toolchain.in_ci() else SKIPPED, 0.0, "; ".join(absent))
        began = time.monotonic()
        producer, consumer = pair
        topic = self._topic(pair)
        problem = self._run(create_topic(broker.bootstrap, topic, PARTITIONS))[1]
        if not problem:
            produce = ["produce", "--bootstrap", broker.bootstrap, "--topic", topic, "--file", str(self.input)]
            problem = self._run(self.commands[producer] + produce)[1]
        problem = problem or self._consume(broker, consumer, topic, f"{topic}-first")
        return Result(name, FAILED if problem else PASSED, time.monotonic() - began, problem)

    def _read_again(self, broker, pair: tuple[str, str]) -> Result:
        began = time.monotonic()
        topic = self._topic(pair)
        problem = self._consume(broker, pair[1], topic, f"{topic}-again")
        name = f"{pair[0]} to {pair[1]}, again after SIGKILL with {SHARDS_AFTER_KILL} shards"
        return Result(name, FAILED if problem else PASSED, time.monotonic() - began, problem)

    def _consume(self, broker, consumer: str, topic: str, group: str) -> str:
        options = ["consume", "--bootstrap", broker.bootstrap, "--topic", topic, "--group", group,
                   "--members", str(MEMBERS), "--expect", str(self.expected.count)]
        printed, problem = self._run(self.commands[consumer] + options)
        if problem:
            return problem
        return "\n".join(verify.check(printed, self.expected, PARTITIONS, MEMBERS)[:10])

    @staticmethod
    def _run(command: list[str]) -> tuple[str, str]:
        """What the program printed, and what went wrong with it ('' if nothing)."""
        what = " ".join(command[-12:])
        try:
            done = subprocess.run(command, env=programs.ENVIRONMENT, stdin=subprocess.DEVNULL, capture_output=True,
                                  text=True, errors="replace", timeout=PROGRAM_TIMEOUT_S)
        except subprocess.TimeoutExpired as late:
            said = (late.stderr or b"").decode(errors="replace")
            return "", f"did not end within {PROGRAM_TIMEOUT_S} s: {what}\n{said[-1500:]}"
        if done.returncode != 0:
            return "", f"ended with {done.returncode}: {what}\n{done.stderr[-1500:]}"
        return done.stdout, ""


if __name__ == "__main__":
    sys.exit(main())
