"""What of Java, Go, Node and the C compiler is on this machine, and how a missing one is spoken of."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from .paths import CACHE


class Missing(Exception):
    """A tool this part needs is not on the machine."""


def require(*tools: str) -> None:
    absent = [tool for tool in tools if not shutil.which(tool)]
    if absent:
        raise Missing(f"{', '.join(absent)} not found on this machine")


def in_ci() -> bool:
    """Under CI=true nothing may be skipped for want of a tool."""
    return os.environ.get("CI") == "true"


def run_quietly(command: list[str], cwd: Path, env: dict[str, str] | None = None, timeout_s: int = 900) -> None:
    """Runs a build step; its output is shown only if it fails."""
    done = subprocess.run(command, cwd=cwd, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                          timeout=timeout_s)
    if done.returncode != 0:
        print("\n".join(done.stdout.splitlines()[-40:]), file=sys.stderr)
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}")


def python_env(name: str, requirements: Path) -> Path:
    """A virtual environment with exactly these packages; gives its interpreter."""
    folder = CACHE / f"venv-{name}"
    wanted = requirements.read_text()
    stamp = folder / "installed.txt"
    python = folder / "bin" / "python"
    if not stamp.exists() or stamp.read_text() != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        run_quietly([sys.executable, "-m", "venv", str(folder)], cwd=requirements.parent)
        pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
        run_quietly([*pip, "--no-deps", "--requirement", str(requirements)], cwd=requirements.parent)
        stamp.write_text(wanted)
    return python
