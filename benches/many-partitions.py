#!/usr/bin/env python3
"""Measures what many partitions and much data cost at a start, and writes what came out to bench-results/.

    benches/many-partitions.py [--partitions 100,1000,10000,50000/2] [--restart-gb 2,20] [--corelane target/release/corelane]

For each number of partitions, in topics of 100, on one shard or as many as stand behind the slash: making them; one record to every partition and
back; an orderly stop right then, and SIGKILL after another record to each, with the starts after them; the 99th percentile of one
producer while the files of all are made, and after; stop, start, memory and CPU time of the idle process, and a start after SIGKILL of that.
For each size: so much data in 200 partitions, SIGKILL right after the last answer, and the time until a record can be read again.
Data goes below --lab and is removed.
Needs Python 3.9 and nothing else; a few words of Kafka's protocol are spoken here.
"""

import argparse
import os
import platform
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TOPIC_PARTITIONS = 100
# So many partitions are asked for in one request.
REQUEST_PARTITIONS = 1000
FILL_PARTITIONS = 200
FILL_BATCH_BYTES = 256 << 10
FILL_BATCHES_PER_REQUEST = 32
START_WITHIN_S = 600


def crc32c_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = (byte >> 1) ^ 0x82F63B78 if byte & 1 else byte >> 1
        table.append(byte)
    return table


CRC_TABLE = crc32c_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = CRC_TABLE[(crc ^ byte) & 255] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def varint(value):
    value = (value << 1) ^ (value >> 63)
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def batch(value):
    """A record batch of version 2 with one record."""
    record = b"\0" + varint(0) + varint(0) + varint(-1) + varint(len(value)) + value + varint(0)
    record = varint(len(record)) + record
    now_ms = int(time.time() * 1000)
    body = struct.pack(">hiqqqhii", 0, 0, now_ms, now_ms, -1, -1, -1, 1) + record
    return struct.pack(">qiibI", 0, len(body) + 9, -1, 2, crc32c(body)) + body


def string(text):
    return struct.pack(">h", len(text)) + text.encode()


class Client:
    def __init__(self, address):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.correlation = 0

    def call(self, key, version, body):
        self.correlation += 1
        header = struct.pack(">hhi", key, version, self.correlation) + string("many-partitions")
        self.socket.sendall(struct.pack(">i", len(header) + len(body)) + header + body)
        (size,) = struct.unpack(">i", self.receive(4))
        answer = self.receive(size)
        assert struct.unpack(">i", answer[:4]) == (self.correlation,)
        return Reader(answer[4:])

    def receive(self, size):
        parts = []
        while size:
            part = self.socket.recv(min(size, 1 << 20))
            assert part, "the broker has closed the connection"
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def create_topics(self, topics):
        """Topics by name, with their number of partitions. CreateTopics version 2."""
        body = struct.pack(">i", len(topics))
        for name, partitions in topics:
            body += string(name) + struct.pack(">ihii", partitions, 1, 0, 0)
        answer = self.call(19, 2, body + struct.pack(">ib", 120_000, 0))
        answer.take(">i")
        for _ in range(answer.take(">i")):
            name, error, message = answer.string(), answer.take(">h"), answer.string()
            assert error == 0, f"{name}: {error} {message}"

    def metadata(self):
        """Addresses by node; topics with their partitions by the node that leads them. Metadata version 1, all topics."""
        answer = self.call(3, 1, struct.pack(">i", -1))
        brokers, led = {}, {}
        for _ in range(answer.take(">i")):
            node, host, port, _ = answer.take(">i"), answer.string(), answer.take(">i"), answer.string()
            brokers[node] = f"{host}:{port}"
        answer.take(">i")
        for _ in range(answer.take(">i")):
            assert answer.take(">h") == 0
            name, _ = answer.string(), answer.take(">b")
            for _ in range(answer.take(">i")):
                error, partition, leader = answer.take(">h"), answer.take(">i"), answer.take(">i")
                assert error == 0 and leader in brokers, f"{name}-{partition}: {error}, leader {leader}"
                led.setdefault(leader, {}).setdefault(name, []).append(partition)
                for _ in range(2):
                    answer.skip(4 * answer.take(">i"))
        return brokers, led

    def produce(self, topics, records):
        """The same records to partitions of topics, acks=all. Produce version 7."""
        body = struct.pack(">hhii", -1, -1, 120_000, len(topics))
        parts = [body]
        for name, partitions in topics:
            parts.append(string(name) + struct.pack(">i", len(partitions)))
            for partition in partitions:
                parts += [struct.pack(">ii", partition, len(records)), records]
        answer = self.call(0, 7, b"".join(parts))
        for _ in range(answer.take(">i")):
            name = answer.string()
            for _ in range(answer.take(">i")):
                partition, error, _, _, _ = (answer.take(t) for t in (">i", ">h", ">q", ">q", ">q"))
                assert error == 0, f"{name}-{partition}: {error}"

    def fetch(self, topics):
        """How many partitions have a record at 0. Fetch version 4."""
        body = struct.pack(">iiiibi", -1, 1000, 1, 100 << 20, 0, len(topics))
        for name, partitions in topics:
            body += string(name) + struct.pack(">i", len(partitions))
            for partition in partitions:
                body += struct.pack(">iqi", partition, 0, 1 << 20)
        answer = self.call(1, 4, body)
        answer.take(">i")
        found = 0
        for _ in range(answer.take(">i")):
            name = answer.string()
            for _ in range(answer.take(">i")):
                partition, error, _, _ = (answer.take(t) for t in (">i", ">h", ">q", ">q"))
                assert error == 0, f"{name}-{partition}: {error}"
                assert answer.take(">i") <= 0, "no aborted transactions"
                size = answer.take(">i")
                found += size > 0
                answer.skip(max(size, 0))
        return found


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, form):
        (value,) = struct.unpack_from(form, self.data, self.at)
        self.at += struct.calcsize(form)
        return value

    def skip(self, size):
        self.at += size

    def string(self):
        size = self.take(">h")
        self.at += max(size, 0)
        return self.data[self.at - max(size, 0) : self.at].decode()


class Broker:
    def __init__(self, corelane, data, shards=1, settings=()):
        begun = time.monotonic()
        command = [corelane, "serve", "--listen", "127.0.0.1:0", "--data-dir", str(data), "--shards", str(shards)]
        for setting in settings:
            command += ["--set", setting]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        addresses = None
        for line in self.process.stdout:
            if line.startswith("ready "):
                addresses = line.replace(",", " ").split()[1:]
                break
        assert addresses, "the broker did not get ready"
        self.start_s = time.monotonic() - begun
        self.client = Client(addresses[0])
        self.clients = {}

    def leaders(self):
        """By node its connection, and which partitions it leads."""
        brokers, led = self.client.metadata()
        for node in led:
            if node not in self.clients:
                self.clients[node] = Client(brokers[node])
        return [(self.clients[node], list(topics.items())) for node, topics in sorted(led.items())]

    def stop(self, how):
        """Gives the time it took."""
        begun = time.monotonic()
        self.process.send_signal(how)
        code = self.process.wait(START_WITHIN_S)
        assert code == (0 if how == signal.SIGTERM else -how), code
        return time.monotonic() - begun

    def memory_mb(self):
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        (line,) = [line for line in status.splitlines() if line.startswith("VmRSS")]
        return int(line.split()[1]) / 1024

    def open_files(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def cpu_s(self):
        words = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def timed(action):
    begun = time.monotonic()
    result = action()
    return time.monotonic() - begun, result


def requests_of(broker):
    """Per request the connection, and the topics with their partitions."""
    some = REQUEST_PARTITIONS // TOPIC_PARTITIONS
    for client, topics in broker.leaders():
        for i in range(0, len(topics), some):
            yield client, topics[i : i + some]


def write(broker):
    one = batch(b"one record")
    for client, topics in requests_of(broker):
        client.produce(topics, one)


def read(broker):
    return sum(client.fetch(topics) for client, topics in requests_of(broker))


def p99_ms(broker, until, at_least):
    """A record to one partition every 5 ms, until something holds and so many were written: the 99th percentile of its times."""
    client, topics = broker.leaders()[0]
    to, one, times = [(topics[0][0], topics[0][1][:1])], batch(b"one record"), []
    begun = time.monotonic()
    done_s = None
    while done_s is None or len(times) < at_least:
        took, _ = timed(lambda: client.produce(to, one))
        times.append(took)
        time.sleep(max(0.0, 0.005 - took))
        if done_s is None and len(times) % 100 == 0 and until():
            done_s = time.monotonic() - begun
        assert time.monotonic() - begun < START_WITHIN_S
    times.sort()
    return times[len(times) * 99 // 100] * 1000, done_s


def segments(data):
    """How many partitions have a segment."""
    found = 0
    with os.scandir(data) as dirs:
        for one in dirs:
            found += os.path.exists(f"{one.path}/00000000000000000000.log")
    return found


def many(corelane, data, partitions, shards):
    row = {"partitions": partitions, "shards": shards}
    topics = [(f"t{i:04}", TOPIC_PARTITIONS) for i in range(partitions // TOPIC_PARTITIONS)]
    start = lambda: Broker(corelane, data, shards)
    broker = start()

    def create():
        some = REQUEST_PARTITIONS // TOPIC_PARTITIONS
        for i in range(0, len(topics), some):
            broker.client.create_topics(topics[i : i + some])

    row["created in s"], _ = timed(create)
    row["Metadata of all in s"], (_, led) = timed(broker.client.metadata)
    assert sum(len(p) for topics in led.values() for p in topics.values()) == partitions
    row["a record to each in s"], _ = timed(lambda: write(broker))
    row["and back in s"], found = timed(lambda: read(broker))
    assert found == partitions, found
    row["stop at once in s"] = broker.stop(signal.SIGTERM)
    broker = start()
    row["start after it in s"] = broker.start_s
    write(broker)
    broker.stop(signal.SIGKILL)
    broker = start()
    row["start after SIGKILL at once in s"] = broker.start_s
    assert read(broker) == partitions
    # Meanwhile the files are made.
    row["p99 meanwhile in ms"], row["all in segments after s"] = p99_ms(broker, lambda: segments(data) == partitions, 2000)
    row["quiet p99 in ms"], _ = p99_ms(broker, lambda: True, 2000)
    row["stop in s"] = broker.stop(signal.SIGTERM)
    broker = start()
    row["start in s"] = broker.start_s
    time.sleep(5)
    row["idle memory in MB"] = broker.memory_mb()
    row["its open files"] = broker.open_files()
    cpu_s = broker.cpu_s()
    time.sleep(30)
    row["idle CPU in %"] = (broker.cpu_s() - cpu_s) / 30 * 100
    broker.stop(signal.SIGKILL)
    broker = start()
    row["start after SIGKILL when idle in s"] = broker.start_s
    broker.stop(signal.SIGKILL)
    return row


def restart(corelane, data, gigabytes):
    broker = Broker(corelane, data)
    broker.client.create_topics([("filled", FILL_PARTITIONS)])
    records = batch(os.urandom(1024) * (FILL_BATCH_BYTES // 1024))
    left, at = int(gigabytes * 1e9), 0

    def fill():
        nonlocal left, at
        while left > 0:
            some = [(at + i) % FILL_PARTITIONS for i in range(FILL_BATCHES_PER_REQUEST)]
            broker.client.produce([("filled", some)], records)
            at += len(some)
            left -= len(some) * len(records)

    fill_s, _ = timed(fill)
    broker.stop(signal.SIGKILL)
    row = {"GB in 200 partitions": gigabytes, "written in s": fill_s}
    for name in ("start after SIGKILL in s", "and after another in s"):
        begun = time.monotonic()
        broker = Broker(corelane, data)
        row[name] = broker.start_s
        if "until a record was read in s" not in row:
            assert broker.client.fetch([("filled", [FILL_PARTITIONS - 1])]) == 1
            row["until a record was read in s"] = time.monotonic() - begun
        broker.stop(signal.SIGKILL)
    return row


def table(rows):
    names = list(rows[0])
    cell = lambda value: f"{value:.2f}" if isinstance(value, float) else str(value)
    # A column per size: so a narrow page shows them beside each other.
    lines = ["| " + " | ".join([names[0], *(cell(row[names[0]]) for row in rows)]) + " |", "|---" + "|---:" * len(rows) + "|"]
    lines += ["| " + " | ".join([name, *(cell(row[name]) for row in rows)]) + " |" for name in names[1:]]
    return "\n".join(lines)


def numbers(kind):
    return lambda text: [kind(word) for word in text.split(",") if word]


def with_shards(word):
    partitions, _, shards = word.partition("/")
    return int(partitions), int(shards or 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--partitions", type=numbers(with_shards), default=[(100, 1), (1000, 1), (10_000, 1), (50_000, 2)])
    parser.add_argument("--restart-gb", type=numbers(float), default=[2.0, 20.0])
    parser.add_argument("--corelane", default="target/release/corelane")
    parser.add_argument("--lab", default="target/bench-lab", help="where data goes: on the disk that is to be measured")
    parser.add_argument("--note", default="", help="a line for the result, of what else ran on the machine")
    args = parser.parse_args()
    Path(args.lab).mkdir(parents=True, exist_ok=True)
    sections = []
    for measure, values in ((many, args.partitions), (restart, [(gb,) for gb in args.restart_gb])):
        rows = []
        for value in values:
            data = Path(tempfile.mkdtemp(prefix="many-partitions-", dir=args.lab))
            try:
                rows.append(measure(args.corelane, data, *value))
                print(rows[-1], file=sys.stderr)
            finally:
                shutil.rmtree(data, ignore_errors=True)
        if rows:
            sections.append(table(rows))
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    lines = [
        "# Many partitions, and a restart with much data",
        "",
        f"- Command: `{' '.join(['benches/many-partitions.py', *sys.argv[1:]])}`",
        f"- Commit: {commit}",
        f"- Machine: {os.cpu_count()} CPUs; kernel {platform.release()}",
        "- Corelane: `serve`, one shard or as the table says, all else as it comes: acknowledged means durable",
        "- A start is timed from the start of the process until it says that it is ready; the page cache is as it was",
        f"- The limit of open files was {os.sysconf('SC_OPEN_MAX')} (soft)",
    ]
    lines += [f"- {args.note}"] if args.note else []
    text = "\n".join(lines) + "\n\n" + "\n\n".join(sections) + "\n"
    out = Path("bench-results") / time.strftime("%Y-%m-%d-%H%M-many-partitions.md", time.gmtime())
    out.write_text(text)
    print(text)
    print(f"written to {out}", file=sys.stderr)


if __name__ == "__main__":
    main()
