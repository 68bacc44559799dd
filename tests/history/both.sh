#!/usr/bin/env bash
# Tests that run the engine, with the history on a real PostgreSQL: one server for all of them, on loopback, in a folder
# that goes with it; each engine gets a database of its own.
#
# Usage: both.sh [--] [NAME…]: of the Rust tests those of these names. PYTHON is one that has zeep.
#
# Not here, and why:
# * `mail` is the ledger and mail servers; `oracle`, `simulation`, `journal` and `fuzz` are the parts below a history;
# * tests/kqi1, tests/complaints and tests/stories are `replay`, and the golden cases `test`: neither has a history;
# * tests/load and tests/prometheus want a release build and minutes, and look at no row: `HISTORY=URL` takes them to one;
# * unit tests of what is a file's alone: its bound, its copies, a folder's that lost it, and one that may only be read.
set -euo pipefail
cd "$(dirname "$0")/../.."
# Where the programs are, not where a link to one of them is: the folder of a link need not hold the others.
bin=$(dirname "$(readlink -f "$(command -v initdb || compgen -G '/usr/lib/postgresql/*/bin/initdb' | sort -V | tail -1)")")
folder=$(mktemp -d)
mkdir "$folder/mnt"
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
[ "${1:-}" != -- ] || shift
# Unit tests that start an engine, record what it decides, or ask for what is recorded.
units=(app::tests app::recording api::tests)
[ $# = 0 ] || units=("$@")
cargo test --locked --workspace --lib -- "${units[@]}"
# Every test that runs the engine with a history: the program is the same.
for test in acceptance checkpoints clock connections stop restore unbroken process starting; do
  cargo test --locked --workspace --test "$test" -- "$@"
done
# A full disk is one of the journal, the ledger and the checkpoints then; where nothing may be mounted, what needs no disk of its own.
names=("$@")
mount -t tmpfs -o size=1m chrysalis-test "$folder/mnt" 2>/dev/null && umount "$folder/mnt" || names=(a_sync_that_fails)
cargo test --locked --workspace --test disk -- "${names[@]}"
# kill -9 while the history is written: a few kills, the long form is `./check crash`'s.
CRASH_KILLS=${CRASH_KILLS:-9} cargo test --locked --workspace --test crash -- "$@"
# The demo's stories to their end, and what anybody may ask of the API (fewer examples than on SQLite: routes that read no history
# are the same).
cargo build --locked --bins
for name in demo openapi mm7 blackbox; do
  as_owner createdb -h 127.0.0.1 -p "$port" -U chrysalis "$name"
done
target/debug/chrysalis demo --exit --seed 7 --listen 127.0.0.1:0 --data "$folder/demo" --history "$CHRYSALIS_TEST_POSTGRES/demo" >"$folder/demo.log" ||
  { cat "$folder/demo.log"; exit 1; }
moves=$(as_owner psql -h 127.0.0.1 -p "$port" -U chrysalis -At -c 'SELECT count(*) FROM trigger_moves' demo)
[ "$moves" -gt 0 ] || { echo "the demo's history is not in PostgreSQL"; exit 1; }
# Programs that are not ours, beside an engine whose history is there. `./check postgres` installs them; who runs this alone may be
# without them.
is_there() { # is_there NAME
  local tables
  tables=$(as_owner psql -h 127.0.0.1 -p "$port" -U chrysalis -At -c "SELECT count(*) FROM pg_tables WHERE tablename = 'history_progress'" "$1")
  [ "$tables" = 1 ] || { echo "the history of $1 is not in PostgreSQL"; exit 1; }
}
python=${PYTHON:-python3}
if command -v curl >/dev/null && "$python" -c 'import zeep' 2>/dev/null; then
  HISTORY="$CHRYSALIS_TEST_POSTGRES/mm7" tests/mm7/run.sh target/debug "$python" "$folder/mm7"
  is_there mm7
else
  echo "left out: mm7, without curl or zeep"
fi
if command -v prometheus-blackbox-exporter >/dev/null; then
  HISTORY="$CHRYSALIS_TEST_POSTGRES/blackbox" tests/blackbox/run.sh target/debug "$folder/blackbox"
  is_there blackbox
else
  echo "left out: blackbox, without prometheus-blackbox-exporter"
fi
HISTORY="$CHRYSALIS_TEST_POSTGRES/openapi" EXAMPLES=${EXAMPLES:-10} tests/openapi/run.sh
