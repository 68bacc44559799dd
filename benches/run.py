"""Rows of ./bench: every one with its baseline in the same run, runs taking turns, medians of them.

A neighbour on the machine slows the clock on the wall but not the time on the core: rows that compare
the cost of the same work use CPU time (user and system, of the whole process), rows about throughput use
the wall, and say so.
"""

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import answers
import delays

TOP = Path(__file__).resolve().parent.parent
BIN = TOP / "target/release"
WORK = TOP / "target/bench"
BOOK = TOP / "rules/bench/kqi-1.yaml"
EVENTS = WORK / "kqi-1.ndjson"


class Row:
    """A row of the table."""

    def __init__(self, name, reach, values, unit, least=False, note=""):
        self.name, self.reach, self.unit, self.note = name, reach, unit, note
        self.median = statistics.median(values)
        self.spread = f"{min(values):.3g} – {max(values):.3g}"
        self.runs = len(values)
        self.met = self.median >= reach if least else self.median <= reach
        self.wanted = f"{'≥' if least else '≤'} {reach:g} {unit}".strip()

    def line(self):
        value = f"{self.median:.3g} {self.unit}".strip()
        met = "yes" if self.met else "**no**"
        return f"| {self.name} | {self.wanted} | {value} | {self.spread} | {self.runs} | {met} | {self.note} |"


class Unmeasured:
    """A row without a figure, and why."""

    def __init__(self, name, wanted, why):
        self.name, self.wanted, self.why = name, wanted, why

    def line(self):
        return f"| {self.name} | {self.wanted} | – | – | 0 | **not measured** | {self.why} |"


def timed(command, core=None, out=None):
    """Runs a command; wall and CPU seconds. On one core, if one is named."""
    began = time.monotonic()
    pin = (lambda: os.sched_setaffinity(0, {core})) if core is not None else None
    with open(WORK / "last.log", "wb") as log, open(out or os.devnull, "wb") as told:
        child = subprocess.Popen(
            [str(part) for part in command], stdout=told if out else log, stderr=log, preexec_fn=pin)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        sys.exit(f"{command[0]} failed:\n" + (WORK / "last.log").read_text())
    return {
        "wall": time.monotonic() - began,
        "cpu": usage.ru_utime + usage.ru_stime,
        "peak_mib": usage.ru_maxrss / 1024,
    }


def inside(*arguments):
    """One object from benches/inside."""
    command = [str(BIN / "inside"), *(str(argument) for argument in arguments)]
    run = subprocess.run(command, cwd=TOP, capture_output=True, text=True)
    if run.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{run.stderr}")
    return json.loads(run.stdout)


def replay(workers, core=None):
    command = [BIN / "chrysalis", "replay", "--rules", BOOK, "--workers", workers]
    return timed([*command, "--out", WORK / "replay", EVENTS], core)


def ceiling(core):
    return timed([BIN / "ceiling", EVENTS, "--out", WORK / "ceiling"], core)


def rate(seconds, events):
    return f"{events / seconds / 1e6:.2f} M/s"


# --- rows -----------------------------------------------------------------------------------------


def row_ceiling(options):
    core = max(os.sched_getaffinity(0))
    replay(1, core)
    ceiling(core)
    checked = subprocess.run(
        [BIN / "ceiling", EVENTS, "--out", WORK / "ceiling", "--check", WORK / "replay"],
        capture_output=True,
        text=True,
    )
    if checked.returncode != 0:
        sys.exit(f"the ceiling does not do the same work: {checked.stderr}")
    pairs = [(ceiling(core), replay(1, core)) for _ in range(options.runs)]
    own, theirs = (statistics.median(pair[at]["cpu"] for pair in pairs) for at in (1, 0))
    wall = statistics.median(pair[0]["wall"] / pair[1]["wall"] for pair in pairs)
    note = (
        f"CPU: replay {rate(own, options.events)}, ceiling {rate(theirs, options.events)}; ratio on the wall "
        f"{wall:.2f}; {checked.stdout.strip().splitlines()[-1]}"
    )
    yield Row("replay, 1 worker on 1 core, against the ceiling", 0.7,
              [pair[0]["cpu"] / pair[1]["cpu"] for pair in pairs], "", True, note)


def row_workers(options):
    core = max(os.sched_getaffinity(0))
    pairs = [(replay(1, core), replay(2)) for _ in range(options.runs)]
    one, two = (statistics.median(pair[at]["wall"] for pair in pairs) for at in (0, 1))
    cpu = statistics.median(pair[1]["cpu"] / pair[0]["cpu"] for pair in pairs)
    note = (f"wall: 1 worker on 1 core {rate(one, options.events)}, 2 on 2 {rate(two, options.events)}; CPU of the "
            f"second is {cpu:.2f} of the first's")
    yield Row("two workers against one", 1.7, [a["wall"] / b["wall"] for a, b in pairs], "", True, note)


def row_keys(options):
    minutes = 5 if options.long else 1
    values, notes = [], []
    for _ in range(options.runs):
        few = inside("keys", "--keys", 1_000, "--minutes", 100 * minutes)["ns_per_event"]
        many = inside("keys", "--keys", 100_000, "--minutes", minutes)["ns_per_event"]
        values.append(many / few)
        notes.append((few, many))
    few, many = (statistics.median(note[at] for note in notes) for at in (0, 1))
    yield Row("cost per event, 100,000 keys against 1,000", 1.3, values, "",
              note=f"CPU: {few:.0f} and {many:.0f} ns; ten events a key and minute in both, no key or outcome is new")


def row_memory(options):
    # `serve` has as many workers as cores, and each of two has most tuples: the dearer case. One worker is in the note.
    # With the ten minutes before it, the long form is a day: nothing about it is reckoned.
    minutes = 1_430 if options.long else 120
    told = [inside("memory", "--minutes", minutes) for _ in range(options.runs_state)]
    one = told[0]
    note = (f"resident memory, 2 workers, 20,000 keys, {one['panes']:,} panes and {one['tuple_panes']:,} of tuples on both, "
            f"{one['events_per_pane']} events a key and minute")
    if options.long:
        alone = inside("memory", "--minutes", minutes, "--workers", 1)
        note += f"; {alone['bytes_per_pane']:.0f} B with 1 worker"
    yield Row("memory per live (key, minute) with histogram", 400, [t["bytes_per_pane"] for t in told], "B", note=note)
    if options.long:
        day = [t["resident_bytes"] / 2**30 for t in told]
        yield Row("20,000 keys × 24 h kept", 4, day, "GiB", note="the whole process after 24 h, 2 workers")
    else:
        day = [t["bytes_per_pane"] * 20_000 * 1_440 / 2**30 for t in told]
        yield Row("20,000 keys × 24 h kept", 4, day, "GiB", note="reckoned from the row above; the long form measures it")


def row_checkpoint(options):
    told = [inside("checkpoint", "--keys", 1_000_000) for _ in range(options.runs_state)]
    one = told[0]
    pauses = [pair for t in told for pair in zip(t["pauses_workers_ms"], t["pauses_engine_ms"])]
    engine = statistics.median(pause for _, pause in pauses)
    note = (f"{one['state_keys']:,} tuples and groups; an epoch of 20,000 events takes {one['epoch_ms']:.0f} ms, the "
            f"first while the state is written {one['epoch_while_writing_ms'] or 0:.0f}; the engine's own pieces "
            f"{engine:.1f} ms; {one['bytes'] / 2**20:.0f} MiB encoded in {one['encode_s']:.1f} s")
    yield Row("checkpoint at a million live keys: pause", 100,
              [workers + engine for workers, engine in pauses], "ms", note=note)


def row_rules(options):
    minutes = 200 if options.long else 40
    values, notes = [], []
    for _ in range(options.runs):
        few = inside("rules", "--rules", 10, "--minutes", minutes)["ns_per_event"]
        many = inside("rules", "--rules", 1_000, "--minutes", minutes)["ns_per_event"]
        values.append(many / few)
        notes.append((few, many))
    few, many = (statistics.median(note[at] for note in notes) for at in (0, 1))
    yield Row("cost per event, 1,000 KQI rules against 10", 1.3, values, "",
              note=f"CPU: {few:.0f} and {many:.0f} ns; each event matched by 10")


def row_state(options):
    told = [inside("state", "--minutes", 1_440) for _ in range(options.runs_state)]
    note = f"CPU: {told[0]['ns_per_event_empty']:.0f} and {told[0]['ns_per_event_full']:.0f} ns; {told[0]['panes']:,} panes"
    yield Row("cost per event with 24 h of state against none", 1.2,
              [t["ns_per_event_full"] / t["ns_per_event_empty"] for t in told], "", note=note)


def row_mms(options):
    messages = 5_000_000 if options.long else 500_000
    told = [inside("mms", "--messages", messages) for _ in range(options.runs_state)]
    one = told[0]
    note = (f"{one['open']:,} open, {one['bytes_per_open']:.0f} B each; submits {one['submits_per_s'] / 1e3:.0f} k/s; "
            f"CPU {one['cpu_ns_per_receipt']:.0f} ns a receipt; 2 workers, the shipped rules")
    yield Row("MMS join: memory of 5 million open messages", 4,
              [t["bytes_per_open"] * 5e6 / 2**30 for t in told], "GiB", note=note)
    yield Row("MMS join: receipts/s", 50_000, [t["receipts_per_s"] for t in told], "/s", True, "as above; on the wall")


# --- rows with a server ---------------------------------------------------------------------------


class Server:
    """`chrysalis serve` in a folder of its own."""

    def __init__(self, folder, rules, *more):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.log = open(WORK / "serve.log", "ab")
        command = [BIN / "chrysalis", "serve", "--listen", f"127.0.0.1:{port}", "--data", folder, "--rules", rules,
                   *more]
        self.began = time.monotonic()
        self.child = subprocess.Popen([str(part) for part in command], stdout=self.log, stderr=self.log)

    def ready(self, seconds=300):
        """Seconds from the start until it is ready: the journal has been read by then."""
        while time.monotonic() - self.began < seconds:
            try:
                with urllib.request.urlopen(self.url + "/ready", timeout=5):
                    return time.monotonic() - self.began
            except OSError:
                if self.child.poll() is not None:
                    break
                time.sleep(0.002)
        sys.exit("the server does not become ready; see target/bench/serve.log")

    def cpu(self):
        fields = Path(f"/proc/{self.child.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def kill(self):
        self.child.kill()
        self.child.wait()
        self.log.close()


def row_ingest(options):
    values, rates, recovered, against = [], [], [], []
    folder = WORK / "serve"
    for _ in range(options.runs_served):
        two = replay(2)
        shutil.rmtree(folder, ignore_errors=True)
        server = Server(folder, BOOK)
        server.ready()
        report = WORK / "sent.json"
        sent = timed([BIN / "loadgen", "replay", EVENTS, "--target", server.url, "--batch", 1_000, "--report", report])
        server.kill()
        rates.append(options.events / sent["wall"])
        values.append(two["wall"] / sent["wall"])
        # All of the journal, as after the loss of every checkpoint.
        for checkpoints in folder.glob("checkpoint*"):
            shutil.rmtree(checkpoints)
        server = Server(folder, BOOK)
        seconds = server.ready()
        server.kill()
        recovered.append(options.events / seconds)
        against.append(two["wall"] / seconds)
    shutil.rmtree(folder, ignore_errors=True)
    yield Row("durable ingest over HTTP against replay, 2 workers", 0.3, values, "", True,
              f"wall: {statistics.median(rates) / 1e3:.0f} k/s, batches of 1,000, loadgen on the same cores")
    yield Row("recovery from the journal against replay, 2 workers", 3, against, "", True,
              f"wall: {statistics.median(recovered) / 1e6:.2f} M/s from the start of the process until it is ready")


def row_loadgen(options):
    """Not an engine's row: whoever measures with loadgen must know that it is not what he measures."""
    made, sent, on_core = [], [], []
    core = max(os.sched_getaffinity(0))
    sink = subprocess.Popen([sys.executable, TOP / "benches/sink.py"], stdout=subprocess.PIPE, text=True)
    target = f"http://127.0.0.1:{sink.stdout.readline().strip()}"
    try:
        for _ in range(options.runs_served):
            generate = [BIN / "loadgen", "generate", "kqi-1", "--events", options.events, "--seed", 1]
            spent = timed([*generate, "--truth", WORK / "truth.json"], core, out=os.devnull)
            made.append(options.events / spent["cpu"])
            spent = timed([BIN / "loadgen", "replay", EVENTS, "--target", target, "--batch", 1_000])
            sent.append(options.events / spent["wall"])
            on_core.append(options.events / spent["cpu"])
    finally:
        sink.kill()
        sink.wait()
    yield Row("loadgen: lines made, a core", 2_000_000, made, "/s", True, "CPU; kqi-1, to nowhere")
    yield Row("loadgen: lines sent", 1_000_000, sent, "/s", True,
              f"wall; batches of 1,000, to a server in Python on the other core; {statistics.median(on_core) / 1e6:.1f} M/s "
              "of its own CPU")


def row_idle(options):
    folder = WORK / "idle"
    shutil.rmtree(folder, ignore_errors=True)
    server = Server(folder, TOP / "rules")
    server.ready()
    time.sleep(2)
    shares = []
    for _ in range(options.runs_state):
        before, began = server.cpu(), time.monotonic()
        time.sleep(60 if options.long else 15)
        shares.append((server.cpu() - before) / (time.monotonic() - began) * 100)
    server.kill()
    shutil.rmtree(folder, ignore_errors=True)
    yield Row("idle engine", 1, shares, "% of a core", note="the shipped rules, no events; ticks of 10 ms are counted")


def row_flink(options):
    """benches/peers does it, with its own turns of replay: Flink DataStream from Maven, on a JDK from Debian."""
    name = "two workers against Flink DataStream"
    if not options.long and "flink" not in options.rows:
        yield Unmeasured(name, "≥ 5", "takes ten minutes and a JDK: `./bench long`, or `./bench short flink`")
        return
    told = WORK / "peers.json"
    told.unlink(missing_ok=True)
    form = ["long"] if options.events >= 10_000_000 else []
    command = [str(TOP / "benches/peers/run.sh"), *form, "flink", "flink-panes"]
    made = {**os.environ, "BIN": str(BIN), "RUNS": str(options.runs), "JSON": str(told)}
    ran = subprocess.run(command, cwd=TOP, env=made, capture_output=True, text=True)
    if ran.returncode != 0 or not told.exists():
        last = (ran.stderr.strip().splitlines() or ["no word"])[-1].replace("|", "/")[:160]
        yield Unmeasured(name, "≥ 5", f"benches/peers/run.sh ended with {ran.returncode}, no JDK or Flink to be had?: {last}")
        return
    measured = json.loads(told.read_text())
    for peer, how in (("flink", "as the API is usually written"), ("flink-panes", "five minutes made of finished minutes")):
        of = measured[peer]
        note = (f"wall, {of['events']:,} events, Flink {of['version']}, {how}; its third job in one JVM by its own clock; "
                f"its first with the JVM's start {statistics.median(of['first']):.2f}")
        yield Row(f"{name}, `{peer}`", 5, of["warm"], "", True, note)


ROWS = {
    "ceiling": row_ceiling,
    "workers": row_workers,
    "flink": row_flink,
    "keys": row_keys,
    "memory": row_memory,
    "idle": row_idle,
    "loadgen": row_loadgen,
    "ingest": row_ingest,
    "checkpoint": row_checkpoint,
    "rules": row_rules,
    "state": row_state,
    "mms": row_mms,
    "verdict": lambda options: delays.verdict(sys.modules[__name__], options),
    "mail": lambda options: delays.mail(sys.modules[__name__], options),
    "answers": lambda options: answers.rows(sys.modules[__name__], options),
}


def machine():
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = os.getloadavg()[0]
    return f"{os.cpu_count()} × {model}, {memory:.0f} GiB, load {load:.1f} at the end"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--events", type=int, required=True)
    parser.add_argument("rows", nargs="*", help=f"some of {', '.join(ROWS)}")
    options = parser.parse_args()
    options.runs = 5
    options.runs_served = 5 if options.long else 3
    # The short form must end within three minutes.
    options.runs_state = 5 if options.long else 1
    for name in options.rows:
        if name not in ROWS:
            sys.exit(f"no row {name}: rows are {', '.join(ROWS)}")
    began = time.monotonic()
    lines = []
    for name in options.rows or ROWS:
        for row in ROWS[name](options):
            lines.append(row.line())
            print(f"[{time.monotonic() - began:4.0f} s] {lines[-1]}", file=sys.stderr, flush=True)
    commit = subprocess.run(["git", "log", "-1", "--format=%h"], cwd=TOP, capture_output=True, text=True).stdout.strip()
    changed = subprocess.run(["git", "status", "--porcelain"], cwd=TOP, capture_output=True, text=True).stdout.strip()
    form = "long" if options.long else "short"
    print(f"\n{time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime())}, commit {commit}{' and changes' if changed else ''}, "
          f"{form} form, {options.events:,} events of kqi-1, {time.monotonic() - began:.0f} s")
    print(f"{machine()}\n")
    print("| what | reach | median | spread | runs | met | how |")
    print("|---|---|---|---|---|---|---|")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
