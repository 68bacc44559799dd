"""The windows of kqi-1 by Bytewax: two processes, since the threads of one would wait for each other.

Usage: bytewax_windows.py EVENTS.ndjson OUT_DIR

One process reads, as Bytewax does with one file; keys are spread over both. Minutes are folded from
events and five minutes from minutes. A watermark is a key's own here: a key's last windows wait for its
next event or for the end. Tells its version as JSON.
"""

import json
import math
import os
import socket
import struct
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from importlib.metadata import version
from pathlib import Path

import bytewax.operators as op
import orjson
from bytewax.connectors.files import FileSink, FileSource
from bytewax.dataflow import Dataflow
from bytewax.operators.windowing import EventClock, SlidingWindower, TumblingWindower, fold_window

PROCESSES = 2
LINES_AT_ONCE = 1_000
BEGINNING = datetime(1970, 1, 1, tzinfo=timezone.utc)
MINUTE = timedelta(minutes=1)
MINUTE_MS = 60_000
# `allowed_lateness` of the rule book.
LATENESS = timedelta(seconds=35)
# 32 buckets an octave, as the engine has them: exponent and first bits of the mantissa.
SHIFT = 52 - 5


def bucket_of(value):
    return struct.unpack("<q", struct.pack("<d", value))[0] >> SHIFT


def bucket_value(bucket):
    low, high = (struct.unpack("<d", struct.pack("<q", number << SHIFT))[0] for number in (bucket, bucket + 1))
    return low + (high - low) / 2


class Totals:
    """What a window knows of its events."""

    __slots__ = ("count", "good", "valued", "sum", "buckets", "start_ms")

    def __init__(self):
        self.count = self.good = self.valued = self.start_ms = 0
        self.sum = 0.0
        self.buckets = {}

    def event(self, event):
        _, ok, latency = event
        self.count += 1
        self.good += ok
        if latency is not None:
            self.valued += 1
            self.sum += latency
            bucket = bucket_of(latency)
            self.buckets[bucket] = self.buckets.get(bucket, 0) + 1
        return self

    def pane(self, other):
        self.count += other.count
        self.good += other.good
        self.valued += other.valued
        self.sum += other.sum
        for bucket, count in other.buckets.items():
            self.buckets[bucket] = self.buckets.get(bucket, 0) + count
        return self

    def p95(self):
        """Nearest rank: the middle of its bucket."""
        rank = math.ceil(0.95 * self.valued)
        for bucket in sorted(self.buckets):
            rank -= self.buckets[bucket]
            if rank <= 0:
                return bucket_value(bucket)
        return ""


def decode(lines):
    """Lines into keys with time, ok and latency."""
    events = []
    for line in lines:
        event = orjson.loads(line)
        if event["type"] == "dial_test":
            key = f"{event['service']},{event['city']},{event['channel']}"
            time = BEGINNING + timedelta(milliseconds=event["ts"])
            events.append((key, (time, event["ok"], event.get("latency_ms"))))
    return events


def clock(time_of):
    # System time stands still: only events move the watermark, as in a replay they should.
    return EventClock(time_of, LATENESS, now_getter=lambda: BEGINNING, to_system_utc=lambda _: None)


def row(key, totals, start_ms, minutes):
    mean = totals.sum / totals.valued if totals.valued else ""
    end_ms = start_ms + minutes * MINUTE_MS
    return key, f"{key},{start_ms},{end_ms},{totals.count},{totals.good / totals.count},{mean},{totals.p95()}"


def started(item):
    """A finished minute with its start, which is what its number is."""
    key, (number, totals) = item
    totals.start_ms = number * MINUTE_MS
    return key, totals


def five(item):
    # A sliding window's number counts hops from the same beginning.
    key, (number, totals) = item
    return row(key, totals, number * MINUTE_MS, 5)


def build(events, out):
    flow = Dataflow("kqi_1")
    lines = op.input("read", flow, FileSource(events, batch_size=LINES_AT_ONCE))
    keyed = op.flat_map_batch("decode", lines, decode)
    tumbling = TumblingWindower(MINUTE, BEGINNING)
    minutes = fold_window("1m", keyed, clock(lambda event: event[0]), tumbling, Totals, Totals.event,
                          Totals.pane, ordered=False)
    panes = op.map("panes", minutes.down, started)
    sliding = SlidingWindower(5 * MINUTE, MINUTE, BEGINNING)
    fives = fold_window("5m", panes, clock(lambda pane: BEGINNING + timedelta(milliseconds=pane.start_ms)), sliding,
                        Totals, Totals.pane, Totals.pane, ordered=False)
    one = op.map("1m_rows", panes, lambda item: row(*item, item[1].start_ms, 1))
    op.output("1m_csv", one, FileSink(Path(out, "1m.csv")))
    op.output("5m_csv", op.map("5m_rows", fives.down, five), FileSink(Path(out, "5m.csv")))
    return flow


def addresses():
    """Free ports for the processes to meet at."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(PROCESSES)]
    names = [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]
    for one in sockets:
        one.close()
    return ";".join(names)


def main():
    command = [sys.executable, "-B", "-m", "bytewax.run", f"bytewax_windows:build('{sys.argv[1]}', '{sys.argv[2]}')",
               "-a", addresses()]
    folder = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    children = [subprocess.Popen([*command, "-i", str(number)], env=folder) for number in range(PROCESSES)]
    if any([child.wait() for child in children]):
        sys.exit("a process of the dataflow failed")
    print(json.dumps({"version": f"{version('bytewax')}, Python {sys.version.split()[0]}"}))


if __name__ == "__main__":
    main()
