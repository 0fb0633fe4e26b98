#!/usr/bin/env python3
"""The checks must be able to fail: what the pair runner and the reports make of known good and known bad results."""

from __future__ import annotations

import hashlib
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness.expectations import Expectations  # noqa: E402
from harness.report import FAILED, PASSED, SKIPPED, Report, Result  # noqa: E402
from pairs import log_lines, verify  # noqa: E402

INPUT = [(b"a", b"a one"), (b"b", b"b one"), (b"a", b"a two"), (b"b", b"b two")]
# Partition and member of each key, as two members of a group would print them.
PLACE = {b"a": (0, 0), b"b": (1, 1)}


def printed(lines: list[tuple[bytes, bytes]]) -> list[str]:
    ends = [0, 0]
    out = []
    for key, value in lines:
        member, partition = PLACE[key]
        out.append(f"{member} {partition} {ends[partition]} {key.hex()} {hashlib.sha256(value).hexdigest()}")
        ends[partition] += 1
    return out


def problems(lines: list[str]) -> list[str]:
    return verify.check("\n".join(lines), verify.Expected(INPUT), partitions=2, members=2)


class Verify(unittest.TestCase):
    def test_the_input_itself_is_fine(self):
        self.assertEqual(problems(printed(INPUT)), [])

    def test_order_between_keys_does_not_matter(self):
        self.assertEqual(problems(printed([INPUT[1], INPUT[0], INPUT[3], INPUT[2]])), [])

    def test_loss(self):
        self.assertTrue(problems(printed(INPUT[:3])))

    def test_duplicate(self):
        self.assertTrue(problems(printed(INPUT + INPUT[3:])))

    def test_order_within_a_key(self):
        self.assertIn("wrong order", problems(printed([INPUT[2], INPUT[1], INPUT[0], INPUT[3]]))[0])

    def test_changed_byte(self):
        self.assertTrue(problems(printed(INPUT[:3] + [(b"b", b"b twO")])))

    def test_gap_in_offsets(self):
        lines = printed(INPUT)
        lines[3] = lines[3].replace(" 1 1 ", " 1 2 ", 1)
        self.assertIn("offset 2 where 1 was next", problems(lines)[0])

    def test_key_in_two_partitions(self):
        lines = printed(INPUT)
        lines[2] = lines[2].replace("0 0 1 ", "0 1 2 ", 1)
        self.assertIn("is in partitions", problems(lines)[0])

    def test_idle_member(self):
        self.assertIn("only members", problems([line.replace("1 ", "0 ", 1) for line in printed(INPUT)])[-1])


class Lines(unittest.TestCase):
    def test_a_seed_gives_the_same_lines(self):
        self.assertEqual(log_lines.generated(7, 100), log_lines.generated(7, 100))
        self.assertNotEqual(log_lines.generated(7, 100), log_lines.generated(8, 100))

    def test_keys(self):
        self.assertEqual(log_lines.key_of(b"1.2.3.4 - - rest"), b"1.2.3.4")
        self.assertEqual(log_lines.key_of(b'{"version":6,"address":"5.6.7.8"}'), b"5.6.7.8")


class Reports(unittest.TestCase):
    def expectations(self, text: str) -> Expectations:
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
            file.write(text)
            file.flush()
            return Expectations.load(Path(file.name))

    def test_an_expected_failure_is_no_failure_and_counts_as_skipped(self):
        report = Report("s", [Result("a", PASSED), Result("b", FAILED)], self.expectations("fails b: not there yet"))
        self.assertTrue(report.good)
        self.assertEqual(report.counts(), (1, 0, 1))

    def test_an_unexpected_failure_fails(self):
        report = Report("s", [Result("a", FAILED), Result("b", FAILED)], self.expectations("fails b: not there yet"))
        self.assertFalse(report.good)
        self.assertIn("FAILED a", report.text())

    def test_an_unexpected_pass_is_told(self):
        report = Report("s", [Result("b", PASSED)], self.expectations("fails b: not there yet"))
        self.assertTrue(report.good)
        self.assertIn("take it off the list", report.text())

    def test_a_name_that_does_not_exist_fails(self):
        report = Report("s", [Result("a", SKIPPED)], self.expectations("fails zzz: was renamed"))
        self.assertFalse(report.good)

    def test_a_line_without_a_reason_is_refused(self):
        with self.assertRaises(ValueError):
            self.expectations("fails b")


if __name__ == "__main__":
    unittest.main()
