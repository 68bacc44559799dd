#!/usr/bin/env bash
# Delivery reports over MM7 from a SOAP client that is not ours, against the real engine.
#
# Usage: run.sh BINARIES PYTHON WORK; PYTHON has zeep. README.md beside this says why it is that one. HISTORY is the URL of a
# database for the history instead of SQLite.
set -euo pipefail
BINARIES=$1 PYTHON=$2 WORK=$3
TOP=$(cd "$(dirname "$0")/../.." && pwd)

rm -rf "$WORK"
mkdir -p "$WORK"
trap 'kill "$engine" 2>/dev/null || true; wait' EXIT
ENGINE=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
printf 'token-of-customer-care' >"$WORK/care.token"
printf 'token-of-the-relays' >"$WORK/relay.token"
cat >"$WORK/config.yaml" <<YAML
access:
  tokens:
    - {name: care, token_file: $WORK/care.token, roles: [subscribers]}
    - {name: relays, token_file: $WORK/relay.token, roles: [producer]}
YAML
[ -z "${HISTORY:-}" ] || echo "history: {url: \"$HISTORY\"}" >>"$WORK/config.yaml"
"$BINARIES/chrysalis" serve --config "$WORK/config.yaml" --data "$WORK/data" --listen "127.0.0.1:$ENGINE" \
  --rules "$TOP/rules" >"$WORK/engine.log" 2>&1 &
engine=$!
for _ in $(seq 200); do
  curl -sf "127.0.0.1:$ENGINE/ready" >/dev/null && break
  sleep 0.1
done
"$PYTHON" "$TOP/tests/mm7/reports.py" "http://127.0.0.1:$ENGINE" "$WORK"
