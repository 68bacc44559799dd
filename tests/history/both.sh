#!/usr/bin/env bash
# Tests that run the engine, with the history on a real PostgreSQL: one server for all of them, on loopback, in a folder
# that goes with it; each engine gets a database of its own.
set -euo pipefail
cd "$(dirname "$0")/../.."
bin=$(dirname "$(command -v initdb || compgen -G '/usr/lib/postgresql/*/bin/initdb' | sort -V | tail -1)")
folder=$(mktemp -d)
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
# The server refuses to run as root.
owner=()
if [ "$(id -u)" = 0 ]; then
  chown postgres "$folder"
  owner=(runuser -u postgres --)
fi
as_owner() {
  (cd / && "${owner[@]}" "$bin/$1" "${@:2}")
}
trap 'as_owner pg_ctl -s -m immediate -D "$folder/data" stop || true; rm -rf "$folder"' EXIT
as_owner initdb --auth=trust --username=chrysalis --encoding=UTF8 --no-sync -D "$folder/data" >/dev/null
as_owner pg_ctl -w -s -l "$folder/log" -D "$folder/data" start \
  -o "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c max_connections=300 -c fsync=off"
export CHRYSALIS_TEST_POSTGRES="postgres://chrysalis@127.0.0.1:$port"
# Not here, and why: `mail` is the ledger and mail servers, without a history; `process` is starts, stops and replays that read
# none; `disk` fills the disk that the journal, the ledger and SQLite's file share, which a server elsewhere does not; the other
# crash tests ask the journal's lock and the mail server; the demo and schemathesis run routes that `acceptance` runs here.
# Every test that runs the engine with a history: the program is the same, so a name filter fits both forms.
cargo test --locked --workspace --test acceptance "$@"
for test in checkpoints clock connections stop restore unbroken; do
  cargo test --locked --workspace --test "$test" "$@"
done
# kill -9 while the history is written: a few kills, the long form is `./check crash`'s.
CRASH_KILLS=${CRASH_KILLS:-9} cargo test --locked --workspace --test crash \
  nothing_acknowledged_is_lost_and_nothing_is_counted_twice
