#!/usr/bin/env bash
# Complaint records by month, type and place, against DuckDB: the table that COMPLAINTS names (.csv or .csv.gz), or
# all records where they lie beside the repository (233,331: seven seconds of one core), or the excerpt of loadgen's tests.
#
# Usage: run.sh BINARIES PYTHON WORK
set -euo pipefail
BINARIES=$1 PYTHON=$2 WORK=$3
HERE=$(dirname "$0")
ALL=$HERE/../../../shared/data/complaints/constituent-complaints-2015-2019.csv.gz
[ -e "$ALL" ] || ALL=$HERE/../../loadgen/tests/data/complaints.csv
RECORDS=${COMPLAINTS:-$ALL}

rm -rf "$WORK"
mkdir -p "$WORK"
trap 'rm -f "$WORK"/*.ndjson' EXIT
"$BINARIES/loadgen" convert complaints "$RECORDS" "$WORK/events.ndjson"
for workers in 1 3; do
  "$BINARIES/chrysalis" replay --rules "$HERE/book.yaml" --workers "$workers" --out "$WORK/out$workers" \
    "$WORK/events.ndjson"
done
cmp "$WORK/out1/windows.csv" "$WORK/out3/windows.csv"
"$PYTHON" "$HERE/compare.py" "$RECORDS" "$WORK/out1"
