#!/usr/bin/env python3
"""Compares `chrysalis replay` of kqi-1 with DuckDB's answers on the same file.

Usage: compare.py EVENTS.ndjson OUT_DIR

Counts and ratios must be equal, means equal to the last bits of a double, p95 within 2 % of the
nearest-rank quantile, and the firing intervals exactly the runs of breaching windows. Nothing of
the engine is used: DuckDB reads the events and the CSV files and computes on its own.
"""

import sys

import duckdb

EVENTS, OUT = sys.argv[1], sys.argv[2]
MINUTE = 60_000

db = duckdb.connect()
db.execute("SET threads = 2")
db.execute(
    """
    CREATE TABLE events AS
    SELECT service, city, channel, ts, ok, latency_ms::DOUBLE AS latency_ms
    FROM read_json(?, format = 'newline_delimited', columns = {
        type: 'VARCHAR', ts: 'BIGINT', service: 'VARCHAR', city: 'VARCHAR',
        channel: 'VARCHAR', ok: 'BOOLEAN', latency_ms: 'DOUBLE'})
    WHERE type = 'dial_test'
    """,
    [EVENTS],
)
db.execute(
    """
    CREATE TABLE got AS
    SELECT kqi, "group" AS grp, window_start_ms AS s, window_end_ms AS e, "count" AS n, value, verdict
    FROM read_csv(?, header = true, columns = {
        'kqi': 'VARCHAR', 'group': 'VARCHAR', 'window_start_ms': 'BIGINT', 'window_end_ms': 'BIGINT',
        'count': 'BIGINT', 'value': 'DOUBLE', 'score': 'DOUBLE', 'verdict': 'VARCHAR'})
    """,
    [f"{OUT}/windows.csv"],
)

GROUP = "'service=' || service || ';city=' || city || ';channel=' || channel"


def windows(name, size_minutes):
    """One row a window that holds at least one event, from the events alone."""
    db.execute(
        f"""
        CREATE TABLE {name} AS
        SELECT {GROUP} AS grp, s, s + {size_minutes * MINUTE} AS e, count(*) AS n,
               sum(ok::INT) AS good, sum(ok::INT)::DOUBLE / count(*) AS success,
               avg(latency_ms) AS mean, quantile_disc(latency_ms, 0.95) AS p95
        FROM (SELECT *, unnest(range(ts - ts % {MINUTE} - {(size_minutes - 1) * MINUTE},
                                     ts - ts % {MINUTE} + 1, {MINUTE})) AS s FROM events)
        GROUP BY ALL
        """
    )


windows("want_1m", 1)
windows("want_5m", 5)
failures = 0


def expect(what, query, detail=""):
    """The query must find nothing."""
    global failures
    count = db.execute(f"SELECT count(*) FROM ({query})").fetchone()[0]
    print(f"{'ok  ' if count == 0 else 'FAIL'} {what}" + (f": {count} differ" if count else ""))
    if count:
        failures += 1
        print(db.execute(f"{query} LIMIT 5").fetchall())


for size in ("1m", "5m"):
    want = f"want_{size}"
    total = db.execute(f"SELECT count(*) FROM {want}").fetchone()[0]
    print(f"-- {size}: {total} windows by DuckDB")
    for kqi, column, differs in (
        ("success", "success", "g.value <> w.success"),
        ("latency_mean", "mean", "abs(g.value - w.mean) > 1e-9 * abs(w.mean)"),
        ("latency_p95", "p95", "abs(g.value - w.p95) > 0.02 * w.p95"),
    ):
        kqi = f"kqi1_{kqi}_{size}"
        # A window under the minimum of samples has its value all the same; only the verdict differs.
        expect(
            f"{kqi}: same windows, same counts",
            f"""SELECT * FROM (SELECT * FROM got WHERE kqi = '{kqi}') g
                FULL JOIN {want} w USING (grp, s, e)
                WHERE g.n IS DISTINCT FROM w.n""",
        )
        expect(
            f"{kqi}: value of {column}",
            f"""SELECT g.grp, g.s, g.value, w.{column} FROM got g JOIN {want} w USING (grp, s, e)
                WHERE g.kqi = '{kqi}' AND ({differs} OR g.value IS NULL)""",
        )

# Runs of breaching windows: gaps and islands over consecutive window ends.
db.execute(
    f"""
    CREATE TABLE runs AS
    WITH breaching AS (
        SELECT grp, e, e - {MINUTE} * row_number() OVER (PARTITION BY grp ORDER BY e) AS island
        FROM want_5m WHERE n >= 30 AND good::DOUBLE / n < 0.95
    )
    SELECT grp, min(e) AS first_e, max(e) AS last_e FROM breaching GROUP BY grp, island
    """
)
db.execute(
    """
    CREATE TABLE transitions AS
    SELECT "group" AS grp, state, at_ms, row_number() OVER () AS line
    FROM read_csv(?, header = true, columns = {
        'alert': 'VARCHAR', 'group': 'VARCHAR', 'severity': 'VARCHAR', 'state': 'VARCHAR',
        'at_ms': 'BIGINT', 'value': 'DOUBLE', 'reason': 'VARCHAR'})
    WHERE alert = 'kqi1_success_low'
    """,
    [f"{OUT}/alerts.csv"],
)
db.execute(
    """
    CREATE TABLE intervals AS
    SELECT grp, at_ms AS fired, resolved FROM (
        SELECT *, lead(CASE WHEN state = 'resolved' THEN at_ms END)
               OVER (PARTITION BY grp ORDER BY line) AS resolved
        FROM transitions)
    WHERE state = 'firing'
    """
)
print("-- alerts:", db.execute("SELECT count(*) FROM runs").fetchone()[0], "runs by DuckDB")
# An alert fires with the first breaching window and resolves with the first window after the last.
expect(
    "firing intervals are the runs of breaching windows",
    f"""SELECT * FROM runs r FULL JOIN intervals i ON r.grp = i.grp AND r.first_e = i.fired
        WHERE r.grp IS NULL OR i.grp IS NULL OR (i.resolved IS NOT NULL AND i.resolved <> r.last_e + {MINUTE})
           OR (i.resolved IS NULL AND EXISTS (SELECT 1 FROM want_5m w
               WHERE w.grp = r.grp AND w.e > r.last_e))""",
)
if db.execute("SELECT count(*) FROM runs").fetchone()[0] == 0:
    print("FAIL the file has no breaching window: nothing was compared")
    failures += 1
print("passed" if failures == 0 else f"{failures} comparisons failed")
sys.exit(failures != 0)
