#!/usr/bin/env python3
"""Holds what our dashboards promise and no schema knows.

Usage: promises.py DASHBOARD.json...

Panels do not overlap, ids are unique, every variable in use is there, links lead to a dashboard that
exists, and only the normal verdict is green. One line a dashboard: `ok` or `FAIL`.
"""

import json
import re
import sys
from pathlib import Path

BUILT_IN = {"__all", "__rate_interval", "__url_time_range", "__field", "__value", "__data"}
JUDGED_HEALTHY = "正常 Normal"
VERDICT_WORDS = ("无法判断", "已抑制", "警告", "次要", "重要", "紧急")


def walk(value):
    """Every object and text in a dashboard."""
    yield value
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for one in inner:
        yield from walk(one)


def overlaps(a, b):
    a, b = a["gridPos"], b["gridPos"]
    apart = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"] or a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
    return not apart


def broken(board, uids):
    panels = board["panels"]
    for number, panel in enumerate(panels):
        if panel["gridPos"]["x"] + panel["gridPos"]["w"] > 24:
            yield f"{panel['title']} is wider than the screen"
        for other in panels[number + 1 :]:
            if panel["id"] == other["id"]:
                yield f"{panel['title']} and {other['title']} have one id"
            if overlaps(panel, other):
                yield f"{panel['title']} and {other['title']} overlap"
    known = BUILT_IN | {variable["name"] for variable in board["templating"]["list"]}
    for part in walk(board):
        if isinstance(part, str):
            for name in re.findall(r"\$\{?(\w+)", part):
                if name not in known:
                    yield f"nobody knows ${name}"
            for uid in re.findall(r"^/d/([^/?]+)", part):
                if uid not in uids:
                    yield f"a link leads to {uid}, which does not exist"
        elif isinstance(part, dict) and "text" in part and "color" in part:
            text, color = part["text"], part["color"]
            if any(word in text for word in VERDICT_WORDS) and "green" in color:
                yield f"{text} is {color}"
            if text == JUDGED_HEALTHY and color != "green":
                yield f"{text} is {color}"


def main():
    boards = {name: json.loads(Path(name).read_text(encoding="utf-8")) for name in sys.argv[1:]}
    uids = {board["uid"] for board in boards.values()}
    failed = len(uids) != len(boards)
    for name, board in boards.items():
        problems = sorted(set(broken(board, uids)))
        failed |= bool(problems)
        print(f"{'FAIL' if problems else 'ok  '} {Path(name).name}: layout, variables, links and colours")
        for problem in problems:
            print(f"     {problem}")
    sys.exit(failed)


main()
