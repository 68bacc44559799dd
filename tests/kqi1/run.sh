#!/usr/bin/env bash
# Runs kqi-1: the same bytes at 1, 2 and 4 workers and for shuffled input, and DuckDB's numbers.
#
# Usage: run.sh BINARIES PYTHON WORK [EVENTS]
set -euo pipefail
BINARIES=$1 PYTHON=$2 WORK=$3 EVENTS=${4:-2000000}
HERE=$(dirname "$0")
TOP=$HERE/../..

rm -rf "$WORK"
mkdir -p "$WORK"
trap 'rm -f "$WORK"/*.ndjson' EXIT
"$BINARIES/loadgen" generate kqi-1 --events "$EVENTS" --seed 1 --truth "$WORK/truth.json" \
  >"$WORK/events.ndjson"
"$PYTHON" "$HERE/shuffle.py" "$WORK/events.ndjson" >"$WORK/shuffled.ndjson"

replay() { # replay NAME WORKERS FILE
  "$BINARIES/chrysalis" replay --rules "$TOP/rules/bench/kqi-1.yaml" --workers "$2" \
    --out "$WORK/$1" "$WORK/$3"
}
replay w1 1 events.ndjson
replay w2 2 events.ndjson
replay w4 4 events.ndjson
replay shuffled 2 shuffled.ndjson

for other in w2 w4 shuffled; do
  for file in windows.csv alerts.csv; do
    cmp "$WORK/w1/$file" "$WORK/$other/$file"
  done
done
echo "ok   the same bytes at 1, 2 and 4 workers and for shuffled input"
"$PYTHON" "$HERE/compare.py" "$WORK/events.ndjson" "$WORK/w1"
