#!/usr/bin/env python3
"""The two demo stories tell what they are about and nothing else, and end with everything resolved.

Usage: quiet.py BINARIES WORK

An alert that fires must be one that the story's incidents expect; every expected one must fire;
each must fire once for an object, and end.
"""

import collections
import csv
import json
import pathlib
import subprocess
import sys

BINARIES, WORK = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
STORIES = ("experience-card", "mobile-newspaper")
SEEDS = (1, 2, 3, 4, 5)
EVENTS_MAX = 80_000


def tell(story, seed):
    """Generates and replays; returns the alerts, the expected ids and the number of events."""
    work = WORK / f"{story}-{seed}"
    work.mkdir(parents=True, exist_ok=True)
    events, truth = work / "events.ndjson", work / "truth.json"
    with open(events, "wb") as out:
        command = [BINARIES / "loadgen", "generate", story, "--seed", str(seed), "--truth", truth]
        subprocess.run(command, stdout=out, stderr=subprocess.DEVNULL, check=True)
    command = [BINARIES / "chrysalis", "replay", "--rules", "rules", "--out", work, "--alerts-only"]
    subprocess.run([*command, events], stderr=subprocess.DEVNULL, check=True)
    incidents = json.loads(truth.read_text())["incidents"]
    expected = {id for incident in incidents for id in incident.get("expect") or []}
    alerts = collections.defaultdict(list)
    with open(work / "alerts.csv", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            alerts[row["alert"], row["group"]].append(row)
    with open(events, "rb") as file:
        return alerts, expected, sum(1 for _ in file)


def problems(alerts, expected, events):
    """Everything that a listener would find odd."""
    fired = set()
    for (alert, group), rows in alerts.items():
        firing = [row for row in rows if row["state"] == "firing" and row["reason"] != "escalated"]
        if not firing:
            continue
        fired.add(alert)
        if alert not in expected:
            yield f"{alert} {group} fired, which the story does not tell"
        if len(firing) > 1:
            yield f"{alert} {group} fired {len(firing)} times"
        if rows[-1]["state"] != "resolved":
            yield f"{alert} {group} is still firing at the end"
    for alert in sorted(expected - fired):
        yield f"{alert} never fired"
    if events > EVENTS_MAX:
        yield f"{events} events are more than {EVENTS_MAX}"


failures = 0
for story in STORIES:
    for seed in SEEDS:
        alerts, expected, events = tell(story, seed)
        found = list(problems(alerts, expected, events))
        print(f"{'FAIL' if found else 'ok  '} {story}, seed {seed}: {events} events")
        for problem in found:
            print(f"     {problem}")
        failures += bool(found)
print("passed" if failures == 0 else f"{failures} stories failed")
sys.exit(failures != 0)
