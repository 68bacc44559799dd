#!/usr/bin/env python3
"""Asks a real Prometheus every query of every dashboard.

Usage: queries.py PROMETHEUS_URL START DASHBOARD.json...     (START: seconds since 1970)

Each query of a panel, a variable or an annotation must be understood and must find something
between START and now, with every variable at "All". It is asked again as a drill-down would, with
one service, KQI and city, where it must only be understood. One line a query: `ok` or `FAIL`.
"""

import json
import math
import re
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

# Queries that may rightly find nothing: (dashboard, panel or variable, query letter) -> reason.
NONE_YET = "the stories are over before the first checkpoint is due"
NONE_FOLDED = "no story has so many groups"
NONE_SHORT = "no room is short in the stories"
NONE_TOLD = "no report is due within the stories"
RIGHTLY_EMPTY = {
    ("chrysalis-engine", "检查点年龄、时长 Checkpoint age and duration", "A"): NONE_YET,
    ("chrysalis-engine", "检查点年龄、时长 Checkpoint age and duration", "B"): NONE_YET,
    ("chrysalis-engine", "检查点大小 Checkpoint size", "A"): NONE_YET,
    ("chrysalis-engine", "折叠的分组 Groups folded into __other__", "A"): NONE_FOLDED,
    ("chrysalis-engine", "报告 Reports", "A"): NONE_TOLD,
    ("chrysalis-engine", "引擎自身告警 The engine's own alerts", "A"): NONE_SHORT,
}

STEP_S = 2
# What Grafana puts in at a scrape interval of 5 s: four scrapes.
BUILT_IN = {"__rate_interval": "20s", "__interval": "5s", "__range": "1h"}
DRILL_DOWN = {
    "service": "experience_card",
    "kqi": "xcard_sms_reply_time_p95",
    "city": "长沙",
    "group": "service=experience_card;city=长沙",
}


def ask(path, **parameters):
    """Data of an answer; an error of Prometheus is raised in its own words."""
    body = urllib.parse.urlencode(parameters, doseq=True)
    try:
        with urllib.request.urlopen(f"{URL}{path}?{body}", timeout=20) as answer:
            return json.load(answer)["data"]
    except urllib.error.HTTPError as error:
        raise ValueError(json.load(error).get("error", str(error))) from error


def substituted(text, values):
    """The text with `$name` and `${name}` replaced; a name that nobody knows is an error."""

    def value(match):
        name = match.group(1) or match.group(2)
        known = {**BUILT_IN, **values}
        if name not in known:
            raise ValueError(f"unknown variable ${name}")
        return known[name]

    return re.sub(r"\$(?:(\w+)|\{(\w+)(?::\w+)?\})", value, text)


def found(expr):
    """Whether a query finds a number anywhere in the range."""
    result = ask("/api/v1/query_range", query=expr, start=START, end=time.time(), step=STEP_S)["result"]
    return any(not math.isnan(float(value)) for series in result for _, value in series["values"])


def variable_found(query):
    match = re.fullmatch(r"label_values\((.+),\s*(\w+)\)", query, re.S)
    if not match:
        raise ValueError("not label_values(SELECTOR, LABEL)")
    values = ask(f"/api/v1/label/{match.group(2)}/values", **{"match[]": match.group(1)}, start=START, end=time.time())
    return any(values)


def queries(board):
    """Every (place, letter, text, how to ask) of a dashboard."""
    for panel in board["panels"]:
        for inner in [panel, *panel.get("panels", [])]:
            for target in inner.get("targets", []):
                yield inner["title"], target["refId"], target["expr"], found
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            yield f"${variable['name']}", "", variable["query"]["query"], variable_found
    for annotation in board["annotations"]["list"]:
        if "expr" in annotation:
            yield annotation["name"], "", annotation["expr"], found


def main():
    failed = False
    for name in sys.argv[3:]:
        board = json.loads(Path(name).read_text(encoding="utf-8"))
        variables = [v for v in board["templating"]["list"] if v["type"] == "query"]
        everything = {v["name"]: v["allValue"] for v in variables}
        one = {v["name"]: re.escape(DRILL_DOWN[v["name"]]).replace("\\", "\\\\") for v in variables}
        for place, letter, text, asked in queries(board):
            what = f"{board['uid']}: {place} {letter}".rstrip()
            try:
                problem = None
                if not asked(substituted(text, everything)):
                    if (board["uid"], place, letter) not in RIGHTLY_EMPTY:
                        problem = "finds nothing"
                asked(substituted(text, one))
            except ValueError as error:
                problem = str(error)
            failed |= problem is not None
            print(f"FAIL {what}: {problem}\n     {text}" if problem else f"ok   {what}")
    sys.exit(failed)


URL, START = sys.argv[1], float(sys.argv[2])
main()
