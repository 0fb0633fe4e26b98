"""What the two Python programs share: the command line, the input, and the count of what the members read."""

import argparse
import hashlib
import os
import sys
import threading
import traceback


def main(produce, consume):
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("produce")
    for option in ("--bootstrap", "--topic", "--file"):
        command.add_argument(option, required=True)
    command = commands.add_parser("consume")
    for option in ("--bootstrap", "--topic", "--group"):
        command.add_argument(option, required=True)
    for option in ("--members", "--expect"):
        command.add_argument(option, required=True, type=int)
    arguments = vars(parser.parse_args())
    {"produce": produce, "consume": consume}[arguments.pop("command")](**arguments)
    return 0


def records(path):
    """The lines KEY<tab>VALUE as bytes."""
    with open(path, "rb") as lines:
        for line in lines:
            key, _, value = line[:-1].partition(b"\t")
            yield key, value


class Progress:
    """Counts and prints the records of all members."""

    def __init__(self, expect):
        self._expect = expect
        self._lines = []
        self._lock = threading.Lock()

    def complete(self):
        return len(self._lines) >= self._expect

    def record(self, member, partition, offset, key, value):
        line = f"{member} {partition} {offset} {key.hex()} {hashlib.sha256(value).hexdigest()}\n"
        with self._lock:
            self._lines.append(line)

    def run(self, member, members):
        threads = [threading.Thread(target=self._guarded, args=(member, number)) for number in range(members)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        sys.stdout.write("".join(self._lines))
        sys.stdout.flush()

    @staticmethod
    def _guarded(member, number):
        try:
            member(number)
        except BaseException:
            # One member's failure is the program's: the others would wait for its records.
            traceback.print_exc()
            os._exit(1)
