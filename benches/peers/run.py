"""kqi-1 on other engines against `chrysalis replay --workers 2`, taking turns; benches/peers/run.sh calls it.

Every peer writes the rows of all windows as CSV; each run of it is compared with replay's. What is
timed is the whole process, from its start to its end. Flink is timed inside its JVM, too: a second job
there finds its code compiled.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

from compare import compare

TOP = Path(__file__).resolve().parent.parent.parent
HERE = TOP / "benches/peers"
WORK = TOP / "target/peers"
BOOK = TOP / "rules/bench/kqi-1.yaml"
PYTHON = WORK / "venv/bin/python"
CORES = 2
# The engine's histogram has 32 buckets an octave: from an exact quantile it is at most this far.
SKETCH_ERROR = 1 / 64
SAME_BUCKETS = 1e-12
# Packages of the JDK that Flink's own start script opens to it.
OPENED = ("java.lang", "java.lang.reflect", "java.util", "java.util.concurrent", "java.net", "java.io", "java.nio",
          "sun.nio.ch", "java.text", "java.time")


class Peer:
    """How a peer is run, and what is to be said of it."""

    def __init__(self, command, p95, p95_error, differs, events_max=None):
        self.command, self.p95, self.p95_error, self.differs = command, p95, p95_error, differs
        # Slow peers take the first lines only; replay takes the same ones in its turn.
        self.events_max = events_max


def flink(variant):
    opened = [f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in OPENED]
    classes = f"{WORK}/flink/classes:{WORK}/flink/dependency/*"
    return lambda events, out: ["java", "-XX:+UseParallelGC", "-Xms2g", "-Xmx2g", *opened, "-cp", classes,
                                "peer.Kqi1", events, out, variant, 3]


PEERS = {
    "duckdb": Peer(
        lambda events, out: [PYTHON, HERE / "duckdb_windows.py", events, out],
        "exact", SKETCH_ERROR,
        "a batch query over the whole file: no streaming, no watermark, no late data, no alerts",
    ),
    "bytewax": Peer(
        lambda events, out: [PYTHON, "-B", HERE / "bytewax_windows.py", events, out],
        "the same buckets", SAME_BUCKETS,
        "two processes, one of which reads; five minutes are made of finished minutes; each key's watermark is its own; "
        "no alerts, no corrections",
        events_max=500_000,
    ),
    "dbsp": Peer(
        lambda events, out: [WORK / "dbsp/release/peer-dbsp", events, out],
        "the same buckets", SAME_BUCKETS,
        "keys are numbers, made by the reader; windows are folded once when they are due, five minutes of finished "
        "minutes; no alerts, no corrections",
    ),
    "flink": Peer(
        flink("direct"),
        "the same buckets", SAME_BUCKETS,
        "DataStream; each event into one tumbling and five sliding windows; no alerts, no corrections",
    ),
    "flink-panes": Peer(
        flink("panes"),
        "the same buckets", SAME_BUCKETS,
        "DataStream; five minutes are made of finished minutes; no alerts, no corrections",
    ),
}


def mebibytes(root):
    """Highest resident memory of a process and its children as far as they live now, MiB."""
    total, waiting = 0, [root]
    while waiting:
        process = waiting.pop()
        try:
            status = Path(f"/proc/{process}/status").read_text()
            waiting += Path(f"/proc/{process}/task/{process}/children").read_text().split()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    return total / 1024


def run(command, out):
    """Runs a command to its end: wall and CPU seconds, highest memory, and what its last line tells."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    began = time.monotonic()
    with open(WORK / "last.log", "wb") as log:
        child = subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, stderr=log)
        peak, ended = [0.0], threading.Event()

        def watch():
            while not ended.wait(0.05):
                peak[0] = max(peak[0], mebibytes(child.pid))

        watcher = threading.Thread(target=watch)
        watcher.start()
        printed = child.stdout.read().decode()
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.monotonic() - began
        ended.set()
        watcher.join()
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        sys.exit(f"{command[0]} failed:\n{printed}\n" + (WORK / "last.log").read_text())
    last = printed.strip().splitlines()[-1] if printed.strip() else "{}"
    return {
        "wall": wall,
        "cpu": usage.ru_utime + usage.ru_stime,
        "mib": max(peak[0], usage.ru_maxrss / 1024),
        "told": json.loads(last) if last.startswith("{") else {},
    }


def first_lines(events, count):
    """A file of the first lines, and how many those are."""
    if count is None or count >= events:
        return WORK / "kqi-1.ndjson", events
    path = WORK / "kqi-1-first.ndjson"
    with open(WORK / "kqi-1.ndjson", "rb") as whole, open(path, "wb") as first:
        for _, line in zip(range(count), whole):
            first.write(line)
    return path, count


def ratios(pairs, what):
    """How many times faster replay was, turn by turn."""
    return [theirs[what] / ours[what] for ours, theirs in pairs]


def ratio(pairs, what):
    """Median and range of the turns."""
    values = ratios(pairs, what)
    return f"{statistics.median(values):.3g} ({min(values):.3g} – {max(values):.3g})"


def rate(runs, events, what):
    return f"{events / statistics.median(run[what] for run in runs) / 1e3:,.0f}"


def line(name, version, events, pairs, mib, p95, differs):
    own = [theirs for _, theirs in pairs]
    cells = [name, version, f"{events / 1e6:g} M", rate(own, events, "wall"), rate(own, events, "cpu"),
             ratio(pairs, "wall"), ratio(pairs, "cpu"), f"{mib:,.0f}", p95, differs]
    return f"| {' | '.join(cells)} |"


def measure(name, peer, options):
    """The rows of a peer, and replay's own runs beside it."""
    path, events = first_lines(options.events, peer.events_max)
    replay_out, out = WORK / "out/replay", WORK / "out" / name
    command = [options.bin / "chrysalis", "replay", "--rules", BOOK, "--workers", CORES, "--out", replay_out, path]
    pairs, difference, windows = [], 0.0, 0
    for _ in range(options.runs):
        ours = run(command, replay_out)
        theirs = run(peer.command(path, out), out)
        windows, worst = compare(out, replay_out, peer.p95_error)
        difference = max(difference, worst)
        pairs.append((ours, theirs))
    version = pairs[-1][1]["told"]["version"]
    mib = statistics.median(theirs["mib"] for _, theirs in pairs)
    p95 = f"{peer.p95}: " + (f"within {difference * 100:.2f} %" if difference else "equal")
    differs = f"{peer.differs}; {windows:,} windows compared"
    rounds = pairs[0][1]["told"].get("rounds")
    if rounds is None:
        yield line(name, version, events, pairs, mib, p95, differs)
    else:
        first = [(ours, theirs["told"]["rounds"][0]) for ours, theirs in pairs]
        yield line(f"{name}, first job, with the JVM's start", version, events, first, mib, p95, differs)
        # Without the start of Flink's cluster, which its own clock leaves out; the CPU time has it.
        warm = [(ours, theirs["told"]["rounds"][-1]) for ours, theirs in pairs]
        warm = [(ours, {"wall": theirs["job"], "cpu": theirs["cpu"]}) for ours, theirs in warm]
        TOLD[name] = {"version": version, "events": events, "first": ratios(first, "wall"), "warm": ratios(warm, "wall")}
        yield line(f"{name}, job {len(rounds)} in the same JVM", version, events, warm, mib, p95, differs)
    if events == options.events:
        OWN.extend(ours for ours, _ in pairs)


# Replay's runs with all of the events.
OWN = []
# For `./bench`: by peer that does more than one job, how many times faster replay was, on the wall.
TOLD = {}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", type=Path, required=True)
    parser.add_argument("--events", type=int, required=True)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", type=Path, help="where the turns of Flink's ratios are written, for ./bench")
    parser.add_argument("peers", nargs="+", choices=PEERS)
    options = parser.parse_args()
    began, before = time.monotonic(), os.getloadavg()[0]
    lines = []
    for name in options.peers:
        for row in measure(name, PEERS[name], options):
            lines.append(row)
            print(f"[{time.monotonic() - began:4.0f} s] {row}", file=sys.stderr, flush=True)
    if options.json:
        options.json.write_text(json.dumps(TOLD))
    commit = subprocess.run(["git", "log", "-1", "--format=%h"], cwd=TOP, capture_output=True, text=True).stdout.strip()
    model = next((text.split(":")[1].strip() for text in open("/proc/cpuinfo") if text.startswith("model name")), "?")
    if options.bin.resolve() != TOP / "target/release":
        commit += " (chrysalis is another build)"
    print(f"\n{time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime())}, commit {commit}, {options.events:,} events of kqi-1, "
          f"medians of {options.runs} turns, {time.monotonic() - began:.0f} s")
    print(f"{os.cpu_count()} × {model}, load {before:.1f} at the beginning, {os.getloadavg()[0]:.1f} at the end\n")
    print("| engine | version | events | k/s, wall | k/s, CPU | replay is faster by, wall | by CPU | memory, MiB | p95 "
          "| what differs |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    if OWN:
        mib = statistics.median(own["mib"] for own in OWN)
        print(f"| chrysalis replay | {CORES} workers | {options.events / 1e6:g} M | {rate(OWN, options.events, 'wall')} | "
              f"{rate(OWN, options.events, 'cpu')} | | | {mib:,.0f} | 32 buckets an octave | alerts, too; "
              f"median of {len(OWN)} |")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
