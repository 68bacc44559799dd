#!/usr/bin/env bash
# Installs a PostgreSQL server for the tests of the history.
set -euo pipefail
has_server() {
  command -v initdb >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null
}
has_server && exit 0
export DEBIAN_FRONTEND=noninteractive
install() {
  apt-get -o DPkg::Lock::Timeout=120 install -y --no-install-recommends postgresql >/dev/null
}
install || { apt-get -o DPkg::Lock::Timeout=120 update >/dev/null && install; }
has_server
