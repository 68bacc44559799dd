#!/usr/bin/env python3
"""Asks a real Prometheus for the shipped alert rules.

Usage: rules.py PROMETHEUS_URL CHRYSALIS_URL

Every rule is evaluated without an error, every series that it names is on the engine's page, and none fires
while the engine is well. One line a rule: `ok` or `FAIL`.
"""

import json
import re
import sys
import urllib.request


def get(url):
    with urllib.request.urlopen(url, timeout=20) as answer:
        return answer.read().decode()


def main():
    prometheus, chrysalis = sys.argv[1:]
    page = get(f"{chrysalis}/metrics")
    known = set(re.findall(r"^# TYPE (\S+)", page, re.MULTILINE))
    groups = json.loads(get(f"{prometheus}/api/v1/rules"))["data"]["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    if not rules:
        print("FAIL there are no alert rules")
        return
    for rule in rules:
        unknown = set(re.findall(r"chrysalis_\w+", rule["query"])) - known
        # A limit that is asked for by name must be there by that name.
        limits = re.findall(r'limit="([^"]+)"', rule["query"])
        unknown |= {limit for limit in limits if f'limit="{limit}"' not in page}
        if rule["health"] != "ok":
            print(f"FAIL rule {rule['name']}: {rule['health']} {rule.get('lastError', '')}")
        elif unknown:
            print(f"FAIL rule {rule['name']} asks for {', '.join(sorted(unknown))}, which is not there")
        elif rule["state"] == "firing":
            print(f"FAIL rule {rule['name']} fires: {rule['alerts']}")
        else:
            print(f"ok   rule {rule['name']}")


main()
