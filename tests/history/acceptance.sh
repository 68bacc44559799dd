#!/usr/bin/env bash
# The acceptance tests with the history on a real PostgreSQL: one server for all of them, on loopback, in a folder
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
CHRYSALIS_TEST_POSTGRES="postgres://chrysalis@127.0.0.1:$port" \
  cargo test --locked --workspace --test acceptance "$@"
