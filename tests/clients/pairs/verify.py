"""Checks what a consumer program printed against the input that was produced."""

from __future__ import annotations

import hashlib
from collections import defaultdict


class Expected:
    """The input, as what a correct reader must see: per key, the digests of its lines in order."""

    def __init__(self, keyed_lines: list[tuple[bytes, bytes]]):
        self.count = len(keyed_lines)
        self.digests: dict[str, list[str]] = defaultdict(list)
        for key, line in keyed_lines:
            self.digests[key.hex()].append(hashlib.sha256(line).hexdigest())


def check(printed: str, expected: Expected, partitions: int, members: int) -> list[str]:
    """What is wrong with the lines `MEMBER PARTITION OFFSET KEY DIGEST`; an empty list if nothing is."""
    problems: list[str] = []
    by_key: dict[str, list[str]] = defaultdict(list)
    partition_of: dict[str, str] = {}
    next_offset: dict[str, int] = defaultdict(int)
    members_of: dict[str, set[str]] = defaultdict(set)
    for line in printed.splitlines():
        member, partition, offset, key, digest = line.split(" ")
        by_key[key].append(digest)
        members_of[member].add(partition)
        if partition_of.setdefault(key, partition) != partition:
            problems.append(f"key {bytes.fromhex(key)!r} is in partitions {partition_of[key]} and {partition}")
        if int(offset) != next_offset[partition]:
            problems.append(f"partition {partition}: offset {offset} where {next_offset[partition]} was next")
        next_offset[partition] = int(offset) + 1
    for key, wanted in expected.digests.items():
        got = by_key.get(key, [])
        if got != wanted:
            problems.append(_difference(bytes.fromhex(key), got, wanted))
    strangers = by_key.keys() - expected.digests.keys()
    if strangers:
        problems.append(f"{len(strangers)} keys that were never produced")
    if len(members_of) != members:
        problems.append(f"only members {sorted(members_of)} of {members} read anything")
    if len(next_offset) != partitions:
        problems.append(f"records in {len(next_offset)} of {partitions} partitions")
    return problems


def _difference(key: bytes, got: list[str], wanted: list[str]) -> str:
    if sorted(got) == sorted(wanted):
        return f"key {key!r}: {len(wanted)} lines, all there, in the wrong order"
    missing, extra = len(set(wanted) - set(got)), len(set(got) - set(wanted))
    return f"key {key!r}: {len(got)} lines instead of {len(wanted)}; {missing} missing, {extra} changed or foreign"
