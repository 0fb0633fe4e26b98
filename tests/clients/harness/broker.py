"""The broker under test: our own process, or one that runs already (for reference results)."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tempfile
import threading
from pathlib import Path

from .paths import TARGET

# A broker that replays a few hundred MiB of log on two busy cores has been seen to need a few seconds.
READY_WITHIN_S = 60
STOPPED_WITHIN_S = 30

# What the client suites assume of a broker; the first three are from the suites' own documentation.
SUITE_SETTINGS = {
    "num.partitions": "4",
    "auto.create.topics.enable": "true",
    "group.min.session.timeout.ms": "1000",
    "group.initial.rebalance.delay.ms": "100",
}


class BrokerFailed(Exception):
    """The broker did not start, or did not stop, or logged an error that no test provoked."""


class Broker:
    """One `corelane serve` process on a port of the system's choice, with its data in a temporary folder."""

    def __init__(self, name: str, shards: int, settings: dict[str, str] | None = None, binary: Path | None = None,
                 data_dirs: int = 1):
        self.binary = binary or default_binary()
        self.settings = dict(settings or {})
        self._folder = tempfile.TemporaryDirectory(prefix=f"corelane-{name}-", dir=scratch())
        self.folder = Path(self._folder.name)
        self.data = self.folder / "data"
        self.data_dirs = [self.data] if data_dirs == 1 else [self.data / str(nth) for nth in range(data_dirs)]
        # Kept in memory: a log file on the disk under test would have the broker wait for that disk to log.
        self._log: list[str] = []
        self.process: subprocess.Popen[bytes] | None = None
        self.bootstrap = ""
        self.start(shards)

    def start(self, shards: int) -> None:
        command = [str(self.binary), "serve", "--listen", "127.0.0.1:0"]
        for data_dir in self.data_dirs:
            command += ["--data-dir", str(data_dir)]
        command += ["--shards", str(shards)]
        for key, value in self.settings.items():
            command += ["--set", f"{key}={value}"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
        self._log_reader = threading.Thread(target=self._read_stderr, args=(self.process,), daemon=True)
        self._log_reader.start()
        ready = threading.Event()
        threading.Thread(target=self._read_stdout, args=(self.process, ready), daemon=True).start()
        if not ready.wait(READY_WITHIN_S) or not self.bootstrap:
            self.process.kill()
            raise BrokerFailed(f"the broker was not ready within {READY_WITHIN_S} s; its log ends:\n{self.log_tail()}")

    def _read_stdout(self, process: subprocess.Popen[bytes], ready: threading.Event) -> None:
        """Reads to the end, so that a broker that says more never blocks on a full pipe."""
        self.bootstrap = ""
        for raw in process.stdout:
            line = raw.decode(errors="replace").strip()
            if line.startswith("ready "):
                self.bootstrap = line.split()[1].rstrip(",")
                ready.set()
        ready.set()

    def _read_stderr(self, process: subprocess.Popen[bytes]) -> None:
        for raw in process.stderr:
            self._log.append(re.sub(r"\x1b\[[0-9;]*m", "", raw.decode(errors="replace").rstrip("\n")))

    def sigkill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """Stops in good order, and raises if the broker had ended before, ends badly or logged an error."""
        early = self.process.poll()
        if early is not None:
            raise BrokerFailed(f"the broker had ended by itself with {early}; its log ends:\n{self.log_tail()}")
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(STOPPED_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise BrokerFailed(f"the broker did not stop within {STOPPED_WITHIN_S} s of SIGTERM") from None
        if code != 0:
            raise BrokerFailed(f"the broker ended with {code}; its log ends:\n{self.log_tail()}")
        errors = self.error_lines()
        if errors:
            raise BrokerFailed("the broker logged errors that nothing provoked:\n" + "\n".join(errors[:10]))

    def restart(self, shards: int) -> None:
        self.stop()
        self.start(shards)

    def error_lines(self) -> list[str]:
        self._log_reader.join(STOPPED_WITHIN_S)
        return [line for line in self._log if re.search(r"\bERROR\b|panicked at", line)]

    def log_tail(self) -> str:
        return "\n".join(self._log[-15:])

    def close(self) -> None:
        """Kills whatever still runs and removes the data; for the end of a run, whatever its outcome."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._folder.cleanup()


class ExternalBroker:
    """A broker somebody else started; for measuring what another implementation answers to the same suites."""

    def __init__(self, bootstrap: str):
        self.bootstrap = bootstrap
        self.data = None

    def stop(self) -> None:
        pass

    def restart(self, shards: int) -> None:
        pass

    def close(self) -> None:
        pass


def default_binary() -> Path:
    named = os.environ.get("CORELANE")
    return Path(named) if named else TARGET / "release" / "corelane"


def scratch() -> Path:
    """Temporary data lies beside the build, on a real file system: /tmp may be one without direct I/O."""
    folder = TARGET / "clients" / "scratch"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
