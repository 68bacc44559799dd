#!/usr/bin/env bash
# A real Prometheus scrapes `chrysalis demo`; promtool judges /metrics, every query of every dashboard
# is asked, and values are compared with the API. About two minutes.
#
# CHRYSALIS names another binary than target/release/chrysalis; HISTORY is the URL of a database for the history instead of
# SQLite.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
chrysalis=${CHRYSALIS:-$top/target/release/chrysalis}
venv=$top/target/prometheus-test/venv
# Grafana's own schema, as of 11.6.0.
requirement='grafana-foundation-sdk==1769699379!11.6.0'
story_wait_s=170

[[ -x $chrysalis ]] || { echo "no $chrysalis: cargo build --release first" >&2; exit 2; }

work=$(mktemp -d)
results=$work/results
: >"$results"
pids=()
say() { printf '%s\n' "$*" | tee -a "$results"; }
# Whatever ends the script, what it started ends and the closing line comes.
finish() {
    local code=$1 pid passed failed
    trap - EXIT
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
    if ((code != 0)); then
        say "FAIL the run broke off with code $code"
        tail -n 5 "$work"/*.log "$work"/*.err 2>/dev/null >&2 || true
    fi
    passed=$(grep -c '^ok' "$results" || true)
    failed=$(grep -c '^FAIL' "$results" || true)
    rm -rf "$work"
    echo "$passed passed, $failed failed"
    exit $((failed > 0))
}
trap 'finish $?' EXIT
trap 'exit 130' INT TERM

if ! command -v prometheus >/dev/null || ! command -v promtool >/dev/null; then
    # Other tests may be installing as well: wait for their lock.
    apt-get -o DPkg::Lock::Timeout=120 update -qq
    DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120 install -y -qq \
        --no-install-recommends prometheus >/dev/null
fi
if [[ $(cat "$venv/requirement" 2>/dev/null) != "$requirement" ]]; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check "$requirement"
    echo "$requirement" >"$venv/requirement"
fi
python=$venv/bin/python

# A check prints its own lines; one that dies before its first FAIL must not go unseen.
check() {
    local before after
    before=$(grep -c '^FAIL' "$results" || true)
    if ! "$@" 2>&1 | tee -a "$results"; then
        after=$(grep -c '^FAIL' "$results" || true)
        ((after > before)) || say "FAIL $* ended with an error"
    fi
}
# Quiet tools: success is no word and exit code 0.
quiet() {
    local what=$1 words
    shift
    if words=$("$@" 2>&1) && [[ -z $words ]]; then
        say "ok   $what"
    else
        say "FAIL $what"
        printf '     %s\n' "$words"
    fi
}
free_port() {
    "$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}
wait_for() { # URL SECONDS
    local until=$((SECONDS + $2))
    until curl -sf -o "$work/waited" "$1"; do
        ((SECONDS < until)) || { echo "no answer from $1" >&2; return 1; }
        sleep 0.2
    done
}
metrics_are_clean() { # WHEN
    curl -sf "$url/metrics" >"$work/metrics"
    quiet "promtool check metrics $1" promtool check metrics <"$work/metrics"
}
told() { grep -q "$1" "$work/demo.log"; }
wait_told() { # WORDS
    local until=$((SECONDS + story_wait_s))
    until told "$1"; do
        ((SECONDS < until)) || { echo "the demo did not say \"$1\" within $story_wait_s s" >&2; return 1; }
        kill -0 "$demo" 2>/dev/null || { echo "the demo ended early" >&2; return 1; }
        sleep 0.5
    done
}

check "$python" "$here/round_trip.py" "$top"/dashboards/*.json
check "$python" "$here/promises.py" "$top"/dashboards/*.json
if promtool check config "$top/grafana/prometheus.yml" >"$work/config" 2>&1; then
    say "ok   promtool check config grafana/prometheus.yml"
else
    say "FAIL promtool check config grafana/prometheus.yml"
    cat "$work/config"
fi

cp "$top/grafana/chrysalis.rules.yml" "$here/rules_test.yml" "$work"
if (cd "$work" && promtool test rules rules_test.yml) >"$work/rules" 2>&1; then
    say "ok   promtool test rules grafana/chrysalis.rules.yml"
else
    say "FAIL promtool test rules grafana/chrysalis.rules.yml"
    cat "$work/rules"
fi

url=http://127.0.0.1:$(free_port)
prometheus_url=http://127.0.0.1:$(free_port)
# The shipped configuration, but for the address and a shorter interval: the stories are short.
sed -e "s/127\.0\.0\.1:8080/${url#http://}/" -e 's/scrape_interval: .*/scrape_interval: 1s/' \
    -e 's/scrape_timeout: .*/scrape_timeout: 1s\n  evaluation_interval: 1s/' "$top/grafana/prometheus.yml" >"$work/prometheus.yml"
start=$(date +%s)
prometheus --config.file="$work/prometheus.yml" --storage.tsdb.path="$work/tsdb" \
    --web.listen-address="${prometheus_url#http://}" >"$work/prometheus.log" 2>&1 &
pids+=($!)
"$chrysalis" demo --listen "${url#http://}" --data "$work/data" ${HISTORY:+--history "$HISTORY"} >"$work/demo.log" 2>"$work/demo.err" &
demo=$!
pids+=("$demo")

wait_for "$url/ready" 20
wait_for "$prometheus_url/-/ready" 20
metrics_are_clean "at the start"
wait_told "■ 体验卡"
metrics_are_clean "between the stories"
wait_told "▲ major    体验卡"
metrics_are_clean "in mid-story"
wait_told "The stories are told"
# What a quiet demo does not show: a broken line, an unknown field, a repeated batch, a 404.
printf '%s\n' '{"type":"annotation","start":1,"end":2,"kind":"note","text":"x","strange":1}' 'broken' >"$work/batch"
for _ in 1 2; do
    curl -sf -o "$work/answer" -H 'Chrysalis-Producer: prometheus-test' -H 'Chrysalis-Sequence: 1' \
        --data-binary "@$work/batch" "$url/v1/events"
    curl -s -o "$work/answer" "$url/v1/nothing"
done
# The last values must have been scraped, twice for rates.
sleep 4
metrics_are_clean "at the end"
check "$python" "$here/queries.py" "$prometheus_url" "$start" "$top"/dashboards/*.json
check "$python" "$here/values.py" "$prometheus_url" "$url" "$top/dashboards/chrysalis-overview.json"
# Every series that an alert rule names is there, and none of them fires over a quiet demo.
check "$python" "$here/rules.py" "$prometheus_url" "$url"
down=$(curl -sfG "$prometheus_url/api/v1/query" --data-urlencode 'query=min_over_time(up[60s])' | grep -c '"0"' || true)
if [[ $down == 0 ]]; then
    say "ok   no scrape failed in the last minute"
else
    say "FAIL a scrape failed in the last minute"
fi
if [[ -s $work/demo.err ]]; then
    say "FAIL the demo printed errors"
    head -5 "$work/demo.err"
else
    say "ok   the demo printed no error"
fi
