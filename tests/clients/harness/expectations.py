"""The lists of what a suite is expected not to pass, and why.

One plain text file per suite. A line is `fails NAME: reason` (run, counted as an expected failure) or
`left out NAME: reason` (not run). NAME may hold `*`. Empty lines and lines with `#` are for people.
"""

from __future__ import annotations

import fnmatch
import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Expectation:
    kind: str
    name: str
    reason: str


class Expectations:
    def __init__(self, entries: list[Expectation]):
        self.entries = entries

    @staticmethod
    def load(path: Path) -> "Expectations":
        entries = []
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if not line.strip() or line.startswith("#"):
                continue
            found = re.fullmatch(r"(fails|left out) (\S+): (.+)", line)
            if not found:
                raise ValueError(f"{path}:{number}: expected 'fails NAME: reason' or 'left out NAME: reason'")
            entries.append(Expectation(*found.groups()))
        return Expectations(entries)

    def _find(self, kind: str, name: str) -> str | None:
        for entry in self.entries:
            if entry.kind == kind and fnmatch.fnmatchcase(name, entry.name):
                return entry.reason
        return None

    def fails(self, name: str) -> str | None:
        """The reason why this test is expected to fail, or None."""
        return self._find("fails", name)

    def left_out(self, name: str) -> str | None:
        """The reason why this test is not run, or None."""
        return self._find("left out", name)

    def without_match(self, names: list[str]) -> list[str]:
        """Entries that name no test at all: the list is out of date."""
        return [e.name for e in self.entries if not any(fnmatch.fnmatchcase(n, e.name) for n in names)]
