"""The windows of kqi-1 by DuckDB: one batch query over the whole file, no streaming.

Usage: duckdb_windows.py EVENTS.ndjson OUT_DIR

Minutes are aggregated once, each with the list of its latencies; five minutes are made from minutes. The
quantile is exact (nearest rank). Tells its version as JSON.
"""

import json
import sys

import duckdb

EVENTS, OUT = sys.argv[1], sys.argv[2]
MINUTE = 60_000
KEY = "service, city, channel"

db = duckdb.connect()
db.execute("SET threads = 2; SET preserve_insertion_order = false; SET enable_progress_bar = false")
db.execute(
    f"""
    CREATE TEMP TABLE minutes AS
    SELECT {KEY}, ts // {MINUTE} AS minute, count(*) AS n, count(*) FILTER (ok) AS good,
           sum(latency_ms) AS total, count(latency_ms) AS valued,
           list(latency_ms) FILTER (latency_ms IS NOT NULL) AS latencies
    FROM read_json(?, format = 'newline_delimited', columns = {{
        type: 'VARCHAR', ts: 'BIGINT', service: 'VARCHAR', city: 'VARCHAR',
        channel: 'VARCHAR', ok: 'BOOLEAN', latency_ms: 'DOUBLE'}})
    WHERE type = 'dial_test'
    GROUP BY ALL
    """,
    [EVENTS],
)
FIVE = f"""
    (SELECT {KEY}, minute, sum(n) AS n, sum(good) AS good, sum(total) AS total, sum(valued) AS valued,
            flatten(list(latencies)) AS latencies
     FROM (SELECT * REPLACE (unnest(range(minute - 4, minute + 1)) AS minute) FROM minutes)
     GROUP BY ALL)
    """
for name, size, source in (("1m", 1, "minutes"), ("5m", 5, FIVE)):
    db.execute(
        f"""
        COPY (SELECT {KEY}, minute * {MINUTE}, (minute + {size}) * {MINUTE}, n, good / n, total / valued,
                     list_aggregate(latencies, 'quantile_disc', 0.95)
              FROM {source})
        TO '{OUT}/{name}.csv' (FORMAT csv, HEADER false)
        """
    )
print(json.dumps({"version": duckdb.__version__}))
