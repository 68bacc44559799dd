#!/usr/bin/env python3
"""Compares what Prometheus scraped with what the engine's own API says.

Usage: values.py PROMETHEUS_URL CHRYSALIS_URL OVERVIEW.json

The stories are over, so both stand still but for ticks; a difference is looked at again for some
seconds before it is one. One line a comparison: `ok` or `FAIL`.
"""

import json
import math
import sys
import time
import urllib.parse
import urllib.request
from collections import Counter
from pathlib import Path

PATIENCE_S = 12
TO_BASE = {"%": 0.01, "ms": 0.001}
VERDICTS = {
    "normal": 0,
    "abnormal_warning": 1,
    "abnormal_minor": 2,
    "abnormal_major": 3,
    "abnormal_critical": 4,
    "insufficient": -1,
    "no_traffic": -2,
    "source_silent": -3,
    "suppressed": -4,
}
# The order in which the overview's first panel ranks them.
RANKS = [
    "normal",
    "suppressed",
    "insufficient",
    "no_traffic",
    "source_silent",
    "abnormal_warning",
    "abnormal_minor",
    "abnormal_major",
    "abnormal_critical",
]

PROMETHEUS, CHRYSALIS, OVERVIEW = sys.argv[1:4]


def get(url):
    with urllib.request.urlopen(url, timeout=20) as answer:
        return json.load(answer)


def api(path):
    return get(CHRYSALIS + path)


def scraped(expr, *labels):
    """Values of an instant query by these labels."""
    answer = get(f"{PROMETHEUS}/api/v1/query?{urllib.parse.urlencode({'query': expr})}")
    return {
        tuple(series["metric"].get(label, "") for label in labels): float(series["value"][1])
        for series in answer["data"]["result"]
    }


def objects(pick):
    """Something of every object, by KQI and group, without those that have none."""
    picked = {}
    for kqi in api("/v1/kqis?limit=10000")["kqis"]:
        for group in kqi["groups"]:
            value = pick(kqi, group)
            if value is not None:
                picked[(kqi["id"], group["group_label"])] = value
    return picked


def sealed(field):
    def pick(kqi, group):
        # An object that does not speak keeps its last window in the API and has no series.
        if group["verdict"] in ("no_traffic", "source_silent") or not group["sealed"]:
            return None
        value = group["sealed"][field]
        return value * TO_BASE.get(kqi["unit"], 1) if field == "value" and value is not None else value

    return pick


def worst_query():
    """The overview's first panel, for all services."""
    board = json.loads(Path(OVERVIEW).read_text(encoding="utf-8"))
    return board["panels"][0]["targets"][0]["expr"].replace("$service", ".*")


def firing():
    """Alerts that fire, and as zeros those that ended: at the stories' end there may be no others."""
    told = [a for a in api("/v1/alerts")["alerts"] if a["state"] != "pending"]
    states = {}
    for a in told:
        key = (a["alert"], a["group_label"])
        states[key] = max(states.get(key, 0), int(a["state"] == "firing"))
    return states


def open_triggers():
    triggers = api("/v1/triggers")["triggers"]
    return dict(Counter((t["department"], t["state"]) for t in triggers))


COMPARISONS = {
    "kqi_value of every object": (
        lambda: scraped("chrysalis_kqi_value", "kqi", "group"),
        lambda: objects(sealed("value")),
    ),
    "kqi_score of every object": (
        lambda: scraped("chrysalis_kqi_score", "kqi", "group"),
        lambda: objects(sealed("score")),
    ),
    "kqi_samples of every object that speaks": (
        lambda: scraped("chrysalis_kqi_samples > 0", "kqi", "group"),
        lambda: {k: v for k, v in objects(sealed("count")).items() if v > 0},
    ),
    "kqi_verdict of every object": (
        lambda: scraped("chrysalis_kqi_verdict", "kqi", "group"),
        lambda: objects(lambda _, group: VERDICTS[group["verdict"]]),
    ),
    "worst verdict of every service, by the overview's own query": (
        # What is counted over all services (complaints by place) is a row of its own there.
        lambda: {k: v for k, v in scraped(worst_query(), "service").items() if k != ("",)},
        lambda: {(s["id"],): RANKS.index(s["verdict"]) for s in api("/v1/services")["services"]},
    ),
    "alerts that fire or ended": (
        lambda: scraped("chrysalis_alert_firing", "alert", "group"),
        firing,
    ),
    "number of alerts that fire": (
        lambda: scraped('sum(chrysalis_alerts{state="firing"})'),
        lambda: {(): sum(firing().values())},
    ),
    "triggers by department and state": (
        lambda: scraped("chrysalis_triggers > 0", "department", "state"),
        open_triggers,
    ),
    "events in the journal": (
        lambda: scraped("chrysalis_journal_events_total"),
        lambda: {(): api("/v1/status")["journal"]["events_total"]},
    ),
}


def differences(got, want):
    for key in sorted(got.keys() | want.keys()):
        a, b = got.get(key), want.get(key)
        if a is None or b is None or not math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12):
            yield f"{' '.join(key) or 'all'}: Prometheus {a}, API {b}"


def main():
    failed = False
    for what, (got, want) in COMPARISONS.items():
        until = time.monotonic() + PATIENCE_S
        while True:
            expected = want()
            differ = list(differences(got(), expected))
            if not expected:
                differ = ["the API has nothing to compare with"]
            if not differ or time.monotonic() > until:
                break
            time.sleep(1)
        failed |= bool(differ)
        print(f"{'FAIL' if differ else 'ok  '} {what} ({len(expected)})")
        for line in differ[:5]:
            print(f"     {line}")
    sys.exit(failed)


main()
