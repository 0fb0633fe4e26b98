"""The client programs: how each is built and started."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from harness import java, toolchain
from harness.paths import CACHE, CLIENTS

PAIRS = CLIENTS / "pairs"


@dataclass(frozen=True)
class Program:
    name: str
    needs: tuple[str, ...]
    # Fetches and builds, and gives the command to which `produce ...` or `consume ...` is appended.
    prepare: Callable[[], list[str]]


def _python(script: str) -> list[str]:
    folder = PAIRS / "python"
    return [str(toolchain.python_env("pairs", folder / "requirements.txt")), str(folder / script)]


def _java() -> list[str]:
    java.prepare()
    return java.command("pairs.PairClient")


def _go() -> list[str]:
    binary = CACHE / "go" / "pairs"
    toolchain.run_quietly(["go", "build", "-o", str(binary), "."], cwd=PAIRS / "go")
    return [str(binary)]


def _node() -> list[str]:
    source, folder = PAIRS / "node", CACHE / "node"
    lock = (source / "package-lock.json").read_text()
    stamp = folder / "installed.json"
    if not stamp.exists() or stamp.read_text() != lock:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(source / name, folder / name)
        toolchain.run_quietly(["npm", "ci", "--silent", "--no-audit", "--no-fund"], cwd=folder)
        stamp.write_text(lock)
    return ["node", str(source / "pair.js")]


PROGRAMS = {program.name: program for program in (
    Program("librdkafka", (), lambda: _python("librdkafka_pair.py")),
    Program("java", java.TOOLS, _java),
    Program("franz-go", ("go",), _go),
    Program("kafka-python", (), lambda: _python("kafka_python_pair.py")),
    Program("kafkajs", ("node", "npm"), _node),
)}

ENVIRONMENT = {
    **os.environ,
    "PAIRS_NODE_MODULES": str(CACHE / "node" / "node_modules"),
    "KAFKAJS_NO_PARTITIONER_WARNING": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
}


def topic_creator() -> Callable[[str, str, int], list[str]]:
    """The command that creates a topic, through librdkafka's admin client."""
    command = _python("create_topic.py")
    return lambda bootstrap, topic, partitions: [*command, bootstrap, topic, str(partitions)]
