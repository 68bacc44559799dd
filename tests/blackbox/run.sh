#!/usr/bin/env bash
# A real blackbox_exporter: a probe that succeeds and one that fails become dial tests of an engine that asks it.
#
# Usage: run.sh BINARIES WORK; needs prometheus-blackbox-exporter. HISTORY is the URL of a database for the history
# instead of SQLite.
set -euo pipefail
BINARIES=$1 WORK=$2
TOP=$(cd "$(dirname "$0")/../.." && pwd)

rm -rf "$WORK"
mkdir -p "$WORK/rules"
pids=()
trap 'for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done; wait' EXIT

free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}
EXPORTER=$(free_port) ENGINE=$(free_port)
cat >"$WORK/exporter.yml" <<'YAML'
modules:
  page: {prober: http, timeout: 5s, http: {fail_if_body_not_matches_regexp: ["mended"]}}
  open: {prober: http, timeout: 5s}
YAML
prometheus-blackbox-exporter --config.file="$WORK/exporter.yml" --web.listen-address="127.0.0.1:$EXPORTER" \
  >"$WORK/exporter.log" 2>&1 &
pids+=($!)

cp -r "$TOP"/rules/*.yaml "$TOP/rules/services" "$WORK/rules/"
cat >"$WORK/rules/by_probe.yaml" <<'YAML'
kqis:
  - {id: by_probe, name: n, layer: experience, stream: dial_test, filter: source == 'blackbox', good: ok, aggregate: ratio, unit: percent, group_by: [probe, code], window: 1d}
  - {id: by_content, name: n, layer: experience, stream: dial_test, filter: source == 'blackbox' && content_ok != null, good: content_ok, aggregate: ratio, unit: percent, group_by: [probe], window: 1d}
  - {id: by_time, name: n, layer: experience, stream: dial_test, filter: source == 'blackbox' && ok, aggregate: max, unit: ms, group_by: [probe], window: 1d}
YAML
ask() { # ask NAME MODULE TARGET
  echo "  - {name: $1, url: \"http://127.0.0.1:$EXPORTER/probe?module=$2&target=$3\", service: web_hall, step: page, interval_s: 1}"
}
{
  echo "blackbox:"
  ask well open "http://127.0.0.1:$ENGINE/healthz"
  ask missing open "http://127.0.0.1:$ENGINE/v1/nothing"
  ask words page "http://127.0.0.1:$ENGINE/healthz"
  ask closed open "http://127.0.0.1:1/"
  [ -z "${HISTORY:-}" ] || echo "history: {url: \"$HISTORY\"}"
} >"$WORK/config.yaml"
"$BINARIES/chrysalis" serve --config "$WORK/config.yaml" --data "$WORK/data" --listen "127.0.0.1:$ENGINE" \
  --rules "$WORK/rules" >"$WORK/engine.log" 2>&1 &
pids+=($!)

python3 - "$ENGINE" <<'PY'
import json, sys, time, urllib.request

base = f"http://127.0.0.1:{sys.argv[1]}"


def rows(kqi):
    with urllib.request.urlopen(f"{base}/v1/kqis/{kqi}/windows") as answer:
        return {row["group"]: row for row in json.load(answer)["windows"]}


want = {
    "probe=well;code=": 100.0,
    "probe=missing;code=http_error": 0.0,
    "probe=closed;code=no_connection": 0.0,
    "probe=words;code=wrong_content": 0.0,
}
until = time.time() + 60
while True:
    try:
        got = {group: row["value"] for group, row in rows("by_probe").items()}
        if got == want and rows("by_probe")["probe=well;code="]["count"] >= 3:
            break
    except OSError as error:
        got = error
    if time.time() > until:
        sys.exit(f"FAIL wanted {want}, got {got}")
    time.sleep(0.5)
print(f"ok   four probes of a real exporter are dial tests: {got}")
content = {group: row["value"] for group, row in rows("by_content").items()}
if content.get("probe=words") != 0.0:
    sys.exit(f"FAIL content {content}")
print("ok   what a page says is judged by the exporter's expression")
slowest = rows("by_time")["probe=well"]["value"]
if not 0 < slowest < 5000:
    sys.exit(f"FAIL the slowest good probe took {slowest} ms")
print(f"ok   durations are latencies: the slowest good probe took {slowest:.1f} ms")
PY
