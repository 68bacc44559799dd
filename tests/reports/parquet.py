"""Reads the reports' Parquet files with DuckDB, which is not ours, and holds every cell against report.json.

Usage: parquet.py FOLDER, where FOLDER has <report>/<period>/report.json and its tables as <table>.parquet.
"""

import datetime
import json
import pathlib
import sys

import duckdb


def same(cell, row, key):
    """Whether a row of DuckDB has a value of the report, in one column or, for words, in two."""
    if isinstance(cell, dict):
        return (row[f"{key}_zh"], row[f"{key}_en"]) == (cell["zh"], cell["en"])
    if key not in row:
        # Words of which some are names: both languages have the name.
        return row[f"{key}_zh"] == row[f"{key}_en"] == cell
    found = row[key]
    if isinstance(found, datetime.datetime):
        return found == datetime.datetime.fromisoformat(cell)
    return found == cell


def compare(path, table):
    """Cells of one table that were compared."""
    relation = duckdb.sql(f"SELECT * FROM read_parquet('{path}')")
    rows = [dict(zip(relation.columns, row)) for row in relation.fetchall()]
    assert len(rows) == len(table["rows"]), f"{path}: {len(rows)} rows"
    for wanted, row in zip(table["rows"], rows):
        for key, cell in wanted.items():
            assert same(cell, row, key), f"{path}: {key} is {row}, wanted {cell!r}"
    return sum(len(row) for row in rows), tuple(zip(relation.columns, map(str, relation.types)))


def main():
    duckdb.sql("SET TimeZone = 'UTC'")
    tables = cells = 0
    types = {}
    for path in sorted(pathlib.Path(sys.argv[1]).glob("*/*/report.json")):
        for table in json.loads(path.read_text())["tables"]:
            file = path.parent / f"{table['key']}.parquet"
            count, schema = compare(file, table)
            name = (path.parent.parent.name, table["key"])
            assert types.setdefault(name, schema) == schema, f"{file}: the types are not those of other issues"
            tables, cells = tables + 1, cells + count
    assert cells > 1_000, f"only {cells} cells"
    print(f"DuckDB reads {tables} tables with {cells} cells as they are in report.json")


if __name__ == "__main__":
    main()
