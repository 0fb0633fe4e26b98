"""Input for the mixed pairs: access-log lines from a seed, and the real ones where they are present."""

from __future__ import annotations

import json
import random
from pathlib import Path

from harness.paths import REAL_DATA

_PATHS = ["/", "/about", "/favicon.ico", "/images/logo.png", "/blog/tags/puppet", "/blog/geekery/ssl-latency.html",
          "/presentations/2013/images/dashboard.png", "/robots.txt", "/articles/dynamic-dns?flav=rss20", "/search?q=%s"]
_AGENTS = ["Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/33.0 Safari/537.36",
           "Mozilla/5.0 (compatible; Googlebot/2.1)", "curl/7.35.0", "-", "Tiny Tiny RSS/1.11 (\u2192 reader)"]
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


def generated(seed: int, count: int) -> list[bytes]:
    """Lines of the combined log format: a few hundred client addresses, some of them far busier than the rest, and
    lines from some 100 bytes to some 4 KiB."""
    chance = random.Random(seed)
    clients = [".".join(str(chance.randrange(1, 255)) for _ in range(4)) for _ in range(400)]
    lines = []
    second = 0
    for _ in range(count):
        second += chance.randrange(3)
        client = clients[min(int(chance.expovariate(1 / 60)), len(clients) - 1)]
        day, clock = 1 + second // 86400 % 28, f"{second // 3600 % 24:02}:{second // 60 % 60:02}:{second % 60:02}"
        path = chance.choice(_PATHS)
        if "%s" in path:
            # A few very long queries, so that records differ in size by more than one order of magnitude.
            path %= "x" * (chance.randrange(3000, 4000) if chance.random() < 0.05 else chance.randrange(40))
        lines.append(
            f'{client} - - [{day:02}/{_MONTHS[second // 86400 // 28 % 12]}/2015:{clock} +0000] "GET {path} HTTP/1.1" '
            f'{chance.choice([200, 200, 200, 206, 301, 304, 404, 500])} {chance.randrange(200_000)} "-" '
            f'"{chance.choice(_AGENTS)}"'.encode())
    return lines


def real() -> tuple[list[bytes], list[str]]:
    """The lines of the real files, and the names of those that are not there."""
    lines, absent = [], []
    for name in ("apache_access.log", "nginx_access.jsonl"):
        path = REAL_DATA / name
        if path.exists():
            lines += path.read_bytes().splitlines()
        else:
            absent.append(name)
    return lines, absent


def key_of(line: bytes) -> bytes:
    """The client's address: the first field of a log line, `address` of a JSON line."""
    if line.startswith(b"{"):
        return json.loads(line)["address"].encode()
    return line.split(b" ", 1)[0]


def write_keyed(lines: list[bytes], path: Path) -> None:
    """Writes `KEY<tab>LINE`, the form that every client program reads."""
    with path.open("wb") as out:
        for line in lines:
            out.write(key_of(line) + b"\t" + line + b"\n")
