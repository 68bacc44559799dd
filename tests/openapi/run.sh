#!/usr/bin/env bash
# Schemathesis, which is not ours, against everything that the OpenAPI document names: no answer 5xx but
# those documented, none undocumented, none of another shape. The server has the demo's stories in it.
#
# CHRYSALIS names another binary than target/debug/chrysalis; EXAMPLES how many examples a route gets; HISTORY the URL of a
# database for the history instead of SQLite.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
chrysalis=${CHRYSALIS:-$top/target/debug/chrysalis}
venv=$top/target/openapi-test/venv
requirement='schemathesis==4.32.5'

[[ -x $chrysalis ]] || { echo "no $chrysalis: cargo build first" >&2; exit 2; }
if [[ $(cat "$venv/requirement" 2>/dev/null) != "$requirement" ]]; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check "$requirement"
    echo "$requirement" >"$venv/requirement"
fi

work=$(mktemp -d)
port=$("$venv/bin/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
url=http://127.0.0.1:$port
"$chrysalis" demo --listen "127.0.0.1:$port" --data "$work/data" ${HISTORY:+--history "$HISTORY"} >"$work/demo.log" 2>&1 &
server=$!
trap 'kill $server 2>/dev/null; wait $server 2>/dev/null; rm -rf "$work"' EXIT

# The stories have been told when the demo says where to look.
for _ in $(seq 300); do
    grep -q 'The stories are told' "$work/demo.log" && break
    kill -0 $server 2>/dev/null || { cat "$work/demo.log"; exit 1; }
    sleep 1
done
grep -q 'The stories are told' "$work/demo.log" || { tail "$work/demo.log"; echo "the demo did not end in time"; exit 1; }

cd "$work"
export SCHEMATHESIS_HOOKS=$here/hooks.py
run() {
    "$venv/bin/schemathesis" run "$url/v1/openapi.json" --url "$url" \
        --phases examples,coverage,fuzzing --max-examples "${EXAMPLES:-40}" --seed 20261122 \
        --suppress-health-check all --warnings off --no-color "$@"
}
shape=status_code_conformance,content_type_conformance,response_schema_conformance
run --exclude-path /mm7 --checks "not_a_server_error,$shape"
# A SOAP 1.1 fault is an answer 500 by its own standard (section 6.2).
run --include-path /mm7 --checks "$shape"
kill -0 $server || { echo "the server did not survive"; exit 1; }
