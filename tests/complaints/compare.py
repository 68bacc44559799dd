#!/usr/bin/env python3
"""Compares `chrysalis replay` of complaint records with DuckDB's answers on the original table.

Usage: compare.py RECORDS.csv[.gz] OUT_DIR

Totals by month, type and place must be equal. A serial number counts once, on the first day that it was opened on,
under what its newest version says. Nothing of the engine is used: DuckDB reads the table and the CSV file.
"""

import sys

import duckdb

RECORDS, OUT = sys.argv[1], sys.argv[2]

db = duckdb.connect()
db.execute(
    """
    CREATE TABLE versions AS
    WITH records AS (
        SELECT unique_key AS serial, opendate::DATE AS opened, closedate::DATE AS closed,
               coalesce(nullif(trim(complaint_type), ''), '(no type)') AS kind,
               nullif(trim(borough), '') AS place
        FROM read_csv(?, header = true, all_varchar = true)
        WHERE trim(unique_key) <> '' AND trim(opendate) <> '')
    SELECT serial, 1 AS version, opened AS day, opened, kind, place FROM records
    UNION ALL
    SELECT serial, 2, closed, opened, kind, place FROM records WHERE closed IS NOT NULL
    """,
    [RECORDS],
)
db.execute(
    """
    CREATE TABLE want AS
    WITH tickets AS (
        SELECT serial, min(opened) AS filed,
               last(kind ORDER BY version, day, kind) AS kind,
               last(place ORDER BY version, day, kind) FILTER (place IS NOT NULL) AS place
        FROM versions GROUP BY serial)
    SELECT strftime(filed, '%Y-%m') AS month,
           'path=' || replace(replace(kind, '%', '%25'), ';', '%3B') || ';city=' || coalesce(place, '') AS grp,
           count(*) AS n
    FROM tickets GROUP BY ALL
    """
)
db.execute(
    """
    CREATE TABLE got AS
    SELECT strftime(to_timestamp(window_start_ms / 1000) AT TIME ZONE 'Asia/Shanghai', '%Y-%m') AS month,
           "group" AS grp, sum("count") AS n
    FROM read_csv(?, header = true, columns = {
        'kqi': 'VARCHAR', 'group': 'VARCHAR', 'window_start_ms': 'BIGINT', 'window_end_ms': 'BIGINT',
        'count': 'BIGINT', 'value': 'DOUBLE', 'score': 'DOUBLE', 'verdict': 'VARCHAR'})
    WHERE kqi = 'complaints_of_type' GROUP BY ALL
    """,
    [f"{OUT}/windows.csv"],
)
wrong = db.execute(
    """
    SELECT month, grp, want.n AS wanted, got.n AS got
    FROM want FULL JOIN got USING (month, grp)
    WHERE want.n IS DISTINCT FROM got.n ORDER BY ALL LIMIT 10
    """
).fetchall()
totals, tickets = db.execute("SELECT count(*), sum(n) FROM want").fetchone()
if wrong or not totals:
    print(f"FAIL {len(wrong)} of {totals} totals differ, such as {wrong}")
    sys.exit(1)
print(f"ok   {totals} totals by month, type and place are DuckDB's; {tickets} tickets")
