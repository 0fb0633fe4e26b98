"""franz-go's own tests of its client package `pkg/kgo`, as the module carries them.

The module folder is read-only, so its source is copied; the version is the one that the Go client of the mixed pairs
pins. The package also has tests that need no broker; they take no time and are run as they are.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

from harness import toolchain
from harness.expectations import Expectations
from harness.paths import CACHE, CLIENTS
from harness.report import FAILED, PASSED, SKIPPED, Result

NAME = "franz-go"
TOOLS = ("go",)
MODULE = "github.com/twmb/franz-go"

# Records per test of the large group, transaction and share tests. The suite's own default is 500,000: with the
# three chained consumer groups of each test that is minutes of pure volume on two cores.
RECORDS = 20_000
SUITE_TIMEOUT_S = 900


def prepare() -> Path:
    """Copies the module and compiles its tests; gives the package's folder with the binary `kgo.test`."""
    go_client = CLIENTS / "pairs" / "go"
    toolchain.run_quietly(["go", "mod", "download"], cwd=go_client)
    listed = subprocess.run(["go", "list", "-m", "-json", MODULE], cwd=go_client, check=True, capture_output=True)
    module = json.loads(listed.stdout)
    folder = CACHE / f"franz-go-{module['Version']}"
    package = folder / "pkg" / "kgo"
    if not (package / "kgo.test").exists():
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(module["Dir"], folder)
        subprocess.run(["chmod", "-R", "u+w", str(folder)], check=True)
        toolchain.run_quietly(["go", "test", "-c", "-o", "kgo.test", "."], cwd=package)
    return package


def run(broker, expectations: Expectations, scratch: Path, only: str | None) -> list[Result]:
    package = prepare()
    listed = subprocess.run(["./kgo.test", "-test.list", only or "."], cwd=package, check=True, capture_output=True,
                            text=True, env={**os.environ, "KGO_SEEDS": broker.bootstrap})
    names = [line for line in listed.stdout.split() if line.startswith("Test")]
    results = [Result(name, SKIPPED, 0.0, expectations.left_out(name)) for name in names if expectations.left_out(name)]
    to_run = [name for name in names if not expectations.left_out(name)]
    env = {**os.environ, "KGO_SEEDS": broker.bootstrap, "KGO_TEST_RF": "1", "KGO_TEST_RECORDS": str(RECORDS),
           "KGO_LOG_LEVEL": "none"}
    command = ["./kgo.test", "-test.v", f"-test.timeout={SUITE_TIMEOUT_S}s",
               "-test.run", "^(" + "|".join(to_run) + ")$"]
    log = scratch / "output.log"
    with log.open("wb") as output:
        subprocess.run(command, cwd=package, env=env, stdin=subprocess.DEVNULL, stdout=output,
                       stderr=subprocess.STDOUT, timeout=SUITE_TIMEOUT_S + 60)
    return results + _read(log.read_text(errors="replace"), to_run)


def _read(text: str, names: list[str]) -> list[Result]:
    outcomes = {"PASS": PASSED, "FAIL": FAILED, "SKIP": SKIPPED}
    found = {}
    for outcome, name, seconds in re.findall(r"^--- (PASS|FAIL|SKIP): (\S+) \(([\d.]+)s\)", text, re.M):
        found[name] = Result(name, outcomes[outcome], float(seconds), _detail(text, name))
    unfinished = "\n".join(re.findall(r"^panic: .*", text, re.M)[:2]) or "did not finish"
    return [found.get(name) or Result(name, FAILED, 0.0, unfinished) for name in names]


def _detail(text: str, name: str) -> str:
    """What the test said: the indented lines after its closing line, and those after its `=== NAME`."""
    said = re.findall(rf"^(?:--- \w+: {name} .*|=== NAME +{name})\n((?:    .*\n)+)", text, re.M)
    lines = [line.strip() for block in said for line in block.splitlines()]
    return "\n".join(line[:300] for line in lines[:6])
