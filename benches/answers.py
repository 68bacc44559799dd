#!/usr/bin/env python3
"""How long people wait for an answer: what agents say (H14: under 20 ms), receipts of a number (H19: under 50 ms).

    ./bench long answers, or: benches/answers.py [BINARY] [MESSAGES]

Starts the engine on a folder of its own, sends MESSAGES messages of a newspaper with a report each (200,000 unless
given; two a subscriber), and asks 500 times, one after the other, over one connection. By itself it prints a line for
each question. The build says more than the machine: numbers of a debug build are an upper bound."""

import http.client
import itertools
import json
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
BINARY = "target/release/chrysalis"
MESSAGES = 200_000
ASKED = 500
BATCH = 20_000


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def lines(count, start_ms):
    for at in range(count):
        number = f"139{at // 2:08}"
        ts = start_ms + at % 600_000
        yield {"type": "mms_submit", "ts": ts, "message_id": f"m{at}", "service": "mobile_newspaper",
               "city": "长沙", "edition": "morning", "recipient": number}
        status = "Retrieved" if at % 10 else "Expired"
        yield {"type": "mms_receipt", "ts": ts + 30_000, "message_id": f"m{at}", "status": status}


def call(connection, method, path, body=None):
    headers = {"content-type": "application/json"} if body is not None else {}
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    text = answer.read()
    assert answer.status == 200, (path, answer.status, text[:300])
    return text


def timed(ask):
    """Milliseconds of each answer, the shortest first."""
    for at in range(20):
        ask(at)
    times = []
    for at in range(ASKED):
        began = time.perf_counter()
        ask(at)
        times.append((time.perf_counter() - began) * 1_000)
    return sorted(times)


def p99(times):
    return times[len(times) * 99 // 100]


def measure(binary, messages):
    """Milliseconds of the answers to both questions: H14, H19."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = [str(binary), "serve", "--data", folder, "--listen", f"127.0.0.1:{port}", "--rules", str(TOP / "rules")]
        engine = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            for _ in range(300):
                try:
                    call(connection, "GET", "/ready")
                    break
                except (OSError, AssertionError):
                    connection.close()
                    time.sleep(0.1)
            start_ms = int(time.time() * 1_000) - 3_600_000
            events = (json.dumps(event, ensure_ascii=False) for event in lines(messages, start_ms))
            while batch := list(itertools.islice(events, BATCH)):
                call(connection, "POST", "/v1/events", "\n".join(batch).encode())
            while json.loads(call(connection, "GET", "/v1/status"))["dataflow"]["entities"] < messages:
                time.sleep(0.2)
            chance = random.Random(1)
            numbers = [f"139{chance.randrange(messages // 2):08}" for _ in range(ASKED)]

            def receipts(at):
                return call(connection, "POST", "/v1/subscribers/messages", json.dumps({"number": numbers[at]}))

            found = json.loads(receipts(0))
            assert found["total"] == 2, found
            front_line = timed(lambda _: call(connection, "GET", "/v1/frontline/mobile_newspaper"))
            # With the journal's sync: the reading is durable before it is answered.
            return front_line, timed(receipts)
        finally:
            engine.terminate()
            engine.wait()


def rows(run, options):
    """Rows of ./bench: the long form's, or by name. Nobody may wait longer, so what is held to the reach is the p99."""
    names = [("answer: what agents say (H14), p99", 20), ("answer: receipts of a number (H19), p99", 50)]
    if not options.long and "answers" not in options.rows:
        why = "the short form has no room for it: `./bench long`, or `./bench short answers`"
        yield from (run.Unmeasured(name, f"≤ {reach} ms", why) for name, reach in names)
        return
    told = [measure(run.BIN / "chrysalis", MESSAGES) for _ in range(options.runs)]
    for at, (name, reach) in enumerate(names):
        of = [turn[at] for turn in told]
        median = statistics.median(times[len(times) // 2] for times in of)
        worst = max(times[-1] for times in of)
        note = (f"wall, over HTTP; {MESSAGES:,} messages, {ASKED} answers a run; median {median:.2f} ms, worst {worst:.1f} ms"
                + ("; each reading is audited and durable first" if at else ""))
        yield run.Row(name, reach, [p99(times) for times in of], "ms", note=note)


def main():
    binary = sys.argv[1] if len(sys.argv) > 1 else TOP / BINARY
    messages = int(sys.argv[2]) if len(sys.argv) > 2 else MESSAGES
    front_line, receipts = measure(binary, messages)
    for name, times in [("H14 front line", front_line), (f"H19 receipts of a number, {messages} messages", receipts)]:
        median = times[len(times) // 2]
        print(f"{name}: median {median:.2f} ms, p99 {p99(times):.2f} ms, worst {times[-1]:.2f} ms")


if __name__ == "__main__":
    main()
