#!/usr/bin/env bash
# The windows of kqi-1 on other engines, each from its package registry, against `chrysalis replay`:
# `benches/peers/run.sh` for all with two million events, `long` before anything else for ten million, and
# after that names of single peers (duckdb flink flink-panes bytewax dbsp).
#
# Prints one table; benches/README.md says how it is measured. Made for a clean Debian 12 machine with Rust
# and Python 3.11, as root. BIN is a folder with chrysalis and loadgen; they are built when it is not given.
# RUNS is how often each peer and replay take turns, JSON a file for the ratios of each turn (Flink's, for ./bench).
set -euo pipefail
cd "$(dirname "$0")/../.."

EVENTS=2000000
if [ "${1:-}" = long ]; then
  shift
  EVENTS=10000000
fi
PEERS=("$@")
WORK=target/peers
[ ${#PEERS[@]} -gt 0 ] || PEERS=(duckdb flink flink-panes bytewax dbsp)
mkdir -p "$WORK"
export DEBIAN_FRONTEND=noninteractive PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_ROOT_USER_ACTION=ignore

# need COMMAND PACKAGE: installs a Debian package when its command is not there.
need() {
  command -v "$1" >/dev/null && return
  apt-get update >/dev/null && apt-get install -y --no-install-recommends "$2" >/dev/null
}

# python_packages: the peers that are Python packages, in an environment of their own.
python_packages() {
  [ -x "$WORK/venv/bin/python" ] || python3 -m venv "$WORK/venv" || {
    need python3-venv python3-venv && python3 -m venv "$WORK/venv"
  }
  "$WORK/venv/bin/pip" install --quiet -r benches/peers/requirements.txt
}

for peer in "${PEERS[@]}"; do
  case $peer in
  duckdb | bytewax)
    python_packages
    ;;
  flink | flink-panes)
    need javac openjdk-17-jdk-headless
    need mvn maven
    mvn -q -B -f benches/peers/flink/pom.xml compile dependency:copy-dependencies -DincludeScope=runtime \
      >"$WORK/maven.log" 2>&1 || { cat "$WORK/maven.log" >&2 && exit 1; }
    ;;
  dbsp)
    need cc gcc
    CARGO_TARGET_DIR=$PWD/$WORK/dbsp cargo build --release --locked \
      --manifest-path benches/peers/dbsp/Cargo.toml
    ;;
  *)
    echo "no peer $peer" >&2
    exit 2
    ;;
  esac
done

if [ -z "${BIN:-}" ]; then
  cargo build --release --locked --bins
  BIN=target/release
fi
benches/events.sh "$BIN/loadgen" "$EVENTS" "$WORK/kqi-1.ndjson"
exec python3 -B benches/peers/run.py --bin "$BIN" --events "$EVENTS" --runs "${RUNS:-3}" ${JSON:+--json "$JSON"} "${PEERS[@]}"
