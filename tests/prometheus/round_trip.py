#!/usr/bin/env python3
"""Reads dashboards with Grafana's own schema (grafana-foundation-sdk) and writes them again.

Usage: round_trip.py DASHBOARD.json...

A key that does not come back is one that Grafana does not know: a mistake. Defaults that the schema
adds are no matter. A closing line a dashboard, `ok` or `FAIL`; the checks are counted by run.sh.
"""

import json
import sys
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

# Keys that Grafana 11 reads and the schema does not hold, each with its reason.
OUTSIDE_THE_SCHEMA = {
    # The Prometheus data source adds these to an annotation query, whose schema is the common part.
    "step",
    "titleFormat",
    "textFormat",
    "tagKeys",
    "useValueForTime",
}


def lost(want, got, path=""):
    """Paths of what is in `want` and not, or not the same, in `got`."""
    if isinstance(want, dict) and isinstance(got, dict):
        for key, value in want.items():
            here = f"{path}.{key}"
            if key in got:
                yield from lost(value, got[key], here)
            elif not (".annotations." in path and key in OUTSIDE_THE_SCHEMA):
                # The encoder leaves out nulls, which say nothing.
                if value is not None:
                    yield here
    elif isinstance(want, list) and isinstance(got, list) and len(want) == len(got):
        for index, (a, b) in enumerate(zip(want, got)):
            yield from lost(a, b, f"{path}[{index}]")
    elif want != got:
        yield f"{path} ({want!r} became {got!r})"


def main():
    register_default_plugins()
    failed = False
    for name in sys.argv[1:]:
        want = json.loads(Path(name).read_text(encoding="utf-8"))
        got = json.loads(json.dumps(Dashboard.from_json(want), cls=JSONEncoder))
        missing = list(lost(want, got))
        failed |= bool(missing)
        print(f"{'FAIL' if missing else 'ok  '} {Path(name).name}: Grafana's schema keeps every key")
        for path in missing[:40]:
            print(f"     lost {path}")
    sys.exit(failed)


main()
