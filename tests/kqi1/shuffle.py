#!/usr/bin/env python3
"""Shuffles events within the allowed lateness of kqi-1 (35 s).

Usage: shuffle.py EVENTS.ndjson > SHUFFLED.ndjson

Each line is delayed by up to 30 s of event time, always the same for the same file.
"""

import random
import re
import sys

DELAY_MS = 30_000

random.seed(1)
ts = re.compile(rb'"ts":(\d+)')
with open(sys.argv[1], "rb") as file:
    lines = [(int(ts.search(line)[1]) + random.randrange(DELAY_MS), line) for line in file]
lines.sort(key=lambda pair: pair[0])
sys.stdout.buffer.writelines(line for _, line in lines)
