"""kafka-python's integration tests, from its source archive."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tarfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from harness import toolchain
from harness.expectations import Expectations
from harness.paths import CACHE, CLIENTS
from harness.report import FAILED, PASSED, SKIPPED, Result

NAME = "kafka-python"
TOOLS: tuple[str, ...] = ()
SUITE_TIMEOUT_S = 900
# Which tests hold for a cluster of one node only, as pytest's -k has it: this one counts the records of a single `poll`,
# which returns with the first node's answer, and clients see a node per shard.
ONE_NODE = "test_delete_records and not test_delete_records_with_errors"
# What its one module is for is said in it.
PLUGIN = Path(__file__).resolve().parent / "kafka_python_plugin"

# The archive's fixtures import a module that the archive does not hold. With a broker that runs already they need no
# more of it than that the two classes exist.
SERVICE = '''\
class ExternalService:
    """A broker that runs already."""

    def __init__(self, host, port):
        self.host, self.port = host, port


class SpawnedService:
    """Never made: the tests run against a broker that runs already."""

    def __init__(self, *_):
        raise RuntimeError("these tests start no broker")
'''


def _requirements() -> Path:
    return CLIENTS / "suites" / "kafka_python_requirements.txt"


def prepare() -> tuple[Path, Path]:
    """Gives the interpreter and the folder of the unpacked archive."""
    python = toolchain.python_env("kafka-python-suite", _requirements())
    version = re.search(r"^kafka-python==(\S+)", _requirements().read_text(), re.M)[1]
    folder = CACHE / f"kafka-python-{version}"
    source = folder / f"kafka_python-{version}"
    if not (source / "test" / "service.py").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        toolchain.run_quietly([str(python), "-m", "pip", "--disable-pip-version-check", "download", "--quiet",
                               "--no-deps", "--no-binary", "kafka-python", f"kafka-python=={version}"], cwd=folder)
        with tarfile.open(next(folder.glob("*.tar.gz"))) as archive:
            archive.extractall(folder, filter="data")
        # Without this the standard library's own package `test` is found instead.
        (source / "test" / "__init__.py").touch()
        (source / "test" / "service.py").write_text(SERVICE)
    return python, source


def run(broker, expectations: Expectations, scratch: Path, only: str | None) -> list[Result]:
    chosen = f"({only}) and " if only else ""
    results = _pytest(broker, scratch / "any-nodes", f"{chosen}not ({ONE_NODE})")
    broker.restart(shards=1)
    return results + _pytest(broker, scratch / "one-node", f"{chosen}({ONE_NODE})")


def _pytest(broker, scratch: Path, chosen: str) -> list[Result]:
    python, source = prepare()
    scratch.mkdir()
    # KAFKA_ROOT, where Kafka would be installed to start it from, only has to be a folder.
    env = {**os.environ, "KAFKA_URI": f"kafka://{broker.bootstrap}", "KAFKA_VERSION": "4.3.0",
           "KAFKA_ROOT": str(scratch), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(PLUGIN)}
    report = scratch / "report.xml"
    command = [str(python), "-m", "pytest", "test/integration", "-k", chosen, "-q", "-p", "no:cacheprovider",
               "-p", "bootstrap_first", "--timeout=120", f"--junitxml={report}", "-o", "log_level=WARNING",
               "--ignore=test/integration/test_sasl_integration.py",
               "--ignore=test/integration/test_ssl_integration.py"]
    with (scratch / "output.log").open("wb") as output:
        subprocess.run(command, cwd=source, env=env, stdin=subprocess.DEVNULL, stdout=output,
                       stderr=subprocess.STDOUT, timeout=SUITE_TIMEOUT_S)
    if not report.exists():
        tail = "\n".join((scratch / "output.log").read_text(errors="replace").splitlines()[-12:])
        return [Result("the suite", FAILED, 0.0, f"ended without a report\n{tail}")]
    return [_result(case) for case in ElementTree.parse(report).iter("testcase")]


def _result(case: ElementTree.Element) -> Result:
    # The archive's parameters hold addresses of objects in no test, so a name is the same in every run.
    name, seconds = case.get("name"), float(case.get("time"))
    for problem in (*case.findall("failure"), *case.findall("error")):
        return Result(name, FAILED, seconds, (problem.get("message") or problem.text or "")[:1200])
    skipped = case.find("skipped")
    if skipped is not None:
        return Result(name, SKIPPED, seconds, skipped.get("message") or "")
    return Result(name, PASSED, seconds)
