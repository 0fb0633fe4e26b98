#!/usr/bin/env python3
"""Runs the client suites against a broker and compares the results with tests/clients/suites/expected/*.txt.

    python3 tests/clients/suites/run.py                       all suites, each against a fresh broker of ours
    python3 tests/clients/suites/run.py franz-go kafka-python  only these
    python3 tests/clients/suites/run.py --broker HOST:PORT     against a broker that runs already
    python3 tests/clients/suites/run.py librdkafka --only 0081 only tests whose name matches

Ends with a code other than 0 when a test fails that is not expected to.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import shutil
import sys
import time
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness import toolchain  # noqa: E402
from harness.broker import Broker, BrokerFailed, ExternalBroker, SUITE_SETTINGS, scratch  # noqa: E402
from harness.expectations import Expectations  # noqa: E402
from harness.report import FAILED, SKIPPED, Report, Result, write_counts  # noqa: E402
from suites import java_tools, kafka_python, kcat, kgo, librdkafka  # noqa: E402

SUITES = {module.NAME: module for module in (librdkafka, kgo, kafka_python, java_tools, kcat)}
EXPECTED = Path(__file__).resolve().parent / "expected"


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("suites", nargs="*", metavar="SUITE", help=f"of {', '.join(SUITES)}; all if none is named")
    options.add_argument("--broker", metavar="HOST:PORT", help="use this broker instead of starting ours")
    options.add_argument("--only", metavar="REGEX", help="only tests whose name matches")
    options.add_argument("--at-a-time", type=int, default=2, help="suites that run side by side (default 2)")
    options.add_argument("--counts", type=Path, help="write 'passed failed skipped' into this file")
    arguments = options.parse_args()
    unknown = [name for name in arguments.suites if name not in SUITES]
    if unknown:
        options.error(f"no such suite: {', '.join(unknown)}")
    chosen = arguments.suites or list(SUITES)
    reports = []
    with concurrent.futures.ThreadPoolExecutor(arguments.at_a_time) as pool:
        runs = {pool.submit(run_suite, SUITES[name], arguments): name for name in chosen}
        for run in concurrent.futures.as_completed(runs):
            report, seconds = run.result()
            print(f"{report.text()}\n  took {seconds:.0f} s", flush=True)
            reports.append(report)
    write_counts(arguments.counts, [report.counts() for report in reports])
    return 0 if all(report.good for report in reports) else 1


def run_suite(suite, arguments) -> tuple[Report, float]:
    """One suite against its own broker. Whatever goes wrong on the way is a failed result, never an exception."""
    began = time.monotonic()
    results: list[Result] = []
    expectations = Expectations.load(EXPECTED / f"{suite.NAME}.txt")
    folder = scratch() / f"suite-{suite.NAME}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    broker = None
    try:
        toolchain.require(*suite.TOOLS)
        suite.prepare()
        broker = ExternalBroker(arguments.broker) if arguments.broker else Broker(
            suite.NAME, 2, SUITE_SETTINGS, data_dirs=getattr(suite, "DATA_DIRS", 1))
        results = suite.run(broker, expectations, folder, arguments.only)
        broker.stop()
        if hasattr(suite, "after_stop"):
            results += suite.after_stop(broker, expectations, folder, arguments.only)
    except toolchain.Missing as missing:
        outcome = FAILED if toolchain.in_ci() else SKIPPED
        results = [Result(suite.NAME, outcome, 0.0, f"not run: {missing}")]
        expectations = None
    except BrokerFailed as problem:
        results.append(Result("the broker", FAILED, 0.0, str(problem)))
    except Exception:
        # A build that fails, a suite that hangs, a full disk: the other suites' reports must still be seen.
        results = [Result(suite.NAME, FAILED, 0.0, f"did not get through\n{traceback.format_exc()}")]
        expectations = None
    finally:
        if broker:
            broker.close()
    return Report(suite.NAME, results, expectations, whole=not arguments.only), time.monotonic() - began


if __name__ == "__main__":
    sys.exit(main())
