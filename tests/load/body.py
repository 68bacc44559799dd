#!/usr/bin/env python3
"""Writes a batch of dial tests as NDJSON, with times of now.

Usage: body.py LINES SEED

The lines spread over the last 20 s, so that nothing is late, and over the services, cities and
channels of the benchmark's rule book. The same file is sent again and again: events have no
identity of their own, so each sending counts.
"""

import json
import random
import sys
import time

SERVICES = [f"service_{number:02}" for number in range(16)]
CITIES = "长沙 株洲 湘潭 衡阳 邵阳 岳阳 常德 张家界 益阳 郴州 永州 怀化 娄底 湘西".split()
CHANNELS = ["sms", "wap", "web", "ivr", "mms", "app"]
SPREAD_MS = 20_000


def main():
    lines, seed = int(sys.argv[1]), int(sys.argv[2])
    pick = random.Random(seed)
    now_ms = time.time_ns() // 1_000_000
    for number in range(lines):
        city, channel = pick.choice(CITIES), pick.choice(CHANNELS)
        event = {
            "type": "dial_test",
            "ts": now_ms - pick.randrange(SPREAD_MS),
            "id": f"w-{seed}-{number}",
            "service": pick.choice(SERVICES),
            "channel": channel,
            "city": city,
            "network": "gsm",
            "probe": f"probe-{city}-{channel}",
            "target": "10086",
            "ok": pick.random() < 0.98,
            "latency_ms": int(pick.lognormvariate(6.5, 0.5)),
        }
        print(json.dumps(event, ensure_ascii=False, separators=(",", ":")))


main()
