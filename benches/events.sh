#!/usr/bin/env bash
# The first EVENTS lines of kqi-1, in the page cache: benches/events.sh LOADGEN EVENTS FILE
#
# The first of ten million: fewer events over the same two hours would be fewer events a window, another
# workload.
set -euo pipefail
LOADGEN=$1 EVENTS=$2 FILE=$3
ALL=10000000
OF=${FILE%.ndjson}.of

mkdir -p "$(dirname "$FILE")"
if [ "$(cat "$OF" 2>/dev/null || true)" != "$EVENTS" ]; then
  rm -f "$OF"
  # The generator is cut short when there are enough lines, and says so.
  "$LOADGEN" generate kqi-1 --events "$ALL" --seed 1 --truth "$(dirname "$FILE")/truth.json" 2>/dev/null |
    head -n "$EVENTS" >"$FILE" || true
  [ "$(wc -l <"$FILE")" -eq "$EVENTS" ]
  echo "$EVENTS" >"$OF"
fi
# From the page cache, as every run but the first would find it.
cat "$FILE" >/dev/null
