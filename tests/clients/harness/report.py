"""Results of tests, and the report that a person or a CI run reads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .expectations import Expectations

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"


@dataclass
class Result:
    name: str
    outcome: str
    seconds: float = 0.0
    detail: str = ""


class Report:
    """One suite's results against what is expected of it."""

    def __init__(self, suite: str, results: list[Result], expectations: Expectations | None = None, whole: bool = True):
        self.suite = suite
        self.passed = [r for r in results if r.outcome == PASSED]
        self.skipped = [r for r in results if r.outcome == SKIPPED]
        failed = [r for r in results if r.outcome == FAILED]
        reason = expectations.fails if expectations else lambda name: None
        self.failed = [r for r in failed if not reason(r.name)]
        self.expected = [(r, reason(r.name)) for r in failed if reason(r.name)]
        self.surprises = [r for r in self.passed if reason(r.name)]
        # A part of a suite says nothing about whether the list names tests that no longer exist.
        self.unknown = expectations.without_match([r.name for r in results]) if expectations and whole else []

    @property
    def good(self) -> bool:
        return not self.failed and not self.unknown

    def text(self) -> str:
        lines = [f"{self.suite}: {len(self.passed)} passed, {len(self.failed)} failed, {len(self.skipped)} skipped"
                 f", {len(self.expected)} failed as expected"]
        for result in self.failed:
            lines.append(f"  FAILED {result.name} ({result.seconds:.0f} s)")
            lines += [f"      {line}" for line in result.detail.strip().splitlines()[-12:]]
        for result, reason in self.expected:
            lines.append(f"  failed as expected: {result.name}: {reason}")
        for result in self.surprises:
            lines.append(f"  passes although expected to fail (take it off the list): {result.name}")
        for name in self.unknown:
            lines.append(f"  FAILED the list of expectations names a test that does not exist: {name}")
        for reason, names in _by_reason(self.skipped).items():
            lines.append(f"  skipped: {', '.join(names)}: {reason}")
        slow = sorted(self.passed + self.failed, key=lambda r: -r.seconds)[:5]
        if slow and slow[0].seconds >= 10:
            lines.append("  slowest: " + ", ".join(f"{r.name} {r.seconds:.0f} s" for r in slow))
        return "\n".join(lines)

    def counts(self) -> tuple[int, int, int]:
        """Passed, failed, skipped. An expected failure proves nothing, so it counts as skipped."""
        return len(self.passed), len(self.failed) + len(self.unknown), len(self.skipped) + len(self.expected)


def _by_reason(skipped: list[Result]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for result in skipped:
        grouped.setdefault(result.detail or "the suite skips it itself", []).append(result.name)
    return grouped


def write_counts(path: Path | None, counts: list[tuple[int, int, int]]) -> None:
    """One line `passed failed skipped` for whoever adds up several runners."""
    if path:
        totals = [sum(column) for column in zip(*counts)] if counts else [0, 0, 0]
        path.write_text(" ".join(map(str, totals)) + "\n")
