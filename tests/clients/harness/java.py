"""Apache Kafka's Java client and tools: fetched and compiled once, started by class name."""

from __future__ import annotations

import hashlib
import shutil

from . import toolchain
from .paths import CACHE, CLIENTS

TOOLS = ("java", "mvn")
PROJECT = CLIENTS / "java"
OUTPUT = CACHE / "java"


def prepare() -> None:
    """Compiles the project and copies its libraries, unless that has been done for exactly these sources."""
    sources = sorted(path for path in PROJECT.rglob("*") if path.is_file())
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
    stamp = OUTPUT / "built.txt"
    if stamp.exists() and stamp.read_text() == digest:
        return
    shutil.rmtree(OUTPUT, ignore_errors=True)
    toolchain.run_quietly(["mvn", "--batch-mode", "--no-transfer-progress", f"-Doutput.folder={OUTPUT}", "compile",
                           "dependency:copy-dependencies"], cwd=PROJECT)
    stamp.write_text(digest)


def command(main_class: str, *arguments: str, properties: tuple[str, ...] = ()) -> list[str]:
    """The command line that starts a class. The JVM is told to start fast: each run is short."""
    options = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx512m"]
    options += [f"-Dlog4j2.configurationFile={PROJECT / 'log4j2.yaml'}", *properties]
    return ["java", *options, "-cp", f"{OUTPUT / 'classes'}:{OUTPUT / 'libs'}/*", main_class, *arguments]
