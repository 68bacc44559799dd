#!/bin/sh
# Installs what `cargo test --test mail -- --include-ignored` starts: a mail server, a mailbox, and a
# server that fails on request. Debian or Ubuntu, as root. The services stay off: the test starts its
# own on loopback, in a temporary folder.
set -eu

parts="postfix dovecot-imapd dovecot-lmtpd openssl python3"

missing=""
for part in $parts; do
    dpkg-query -W -f '${Status}' "$part" 2>/dev/null | grep -q 'install ok installed' || missing="$missing $part"
done
[ -n "$missing" ] || exit 0

# A package must not start a mail server on this machine's ports; a policy that is there already rules.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' > "$policy"
    chmod +x "$policy"
    trap 'rm -f "$policy"' EXIT
fi

export DEBIAN_FRONTEND=noninteractive
echo "postfix postfix/main_mailer_type select No configuration" | debconf-set-selections
apt-get update -q
# shellcheck disable=SC2086
apt-get install -q -y --no-install-recommends $missing
