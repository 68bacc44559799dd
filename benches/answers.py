#!/usr/bin/env python3
"""How long people wait for an answer: what agents say (H14: under 20 ms), receipts of a number (H19: under 50 ms).

    benches/answers.py [BINARY] [MESSAGES]

Starts the engine on a folder of its own, sends MESSAGES messages of a newspaper with a report each (200,000 unless
given; two a subscriber), and asks 500 times, one after the other, over one connection. Prints a line for each
question. The build says more than the machine: numbers of a debug build are an upper bound."""

import http.client
import json
import random
import socket
import subprocess
import sys
import tempfile
import time

BINARY = sys.argv[1] if len(sys.argv) > 1 else "target/release/chrysalis"
MESSAGES = int(sys.argv[2]) if len(sys.argv) > 2 else 200_000
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


def measure(name, ask):
    for at in range(20):
        ask(at)
    times = []
    for at in range(ASKED):
        began = time.perf_counter()
        ask(at)
        times.append((time.perf_counter() - began) * 1_000)
    times.sort()
    print(f"{name}: median {times[ASKED // 2]:.2f} ms, p99 {times[ASKED * 99 // 100]:.2f} ms, worst {times[-1]:.2f} ms")


def main():
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = [BINARY, "serve", "--data", folder, "--listen", f"127.0.0.1:{port}", "--rules", "rules"]
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
            batch = []
            for event in lines(MESSAGES, start_ms):
                batch.append(json.dumps(event, ensure_ascii=False))
                if len(batch) == BATCH:
                    call(connection, "POST", "/v1/events", "\n".join(batch).encode())
                    batch = []
            if batch:
                call(connection, "POST", "/v1/events", "\n".join(batch).encode())
            while json.loads(call(connection, "GET", "/v1/status"))["dataflow"]["entities"] < MESSAGES:
                time.sleep(0.2)
            chance = random.Random(1)
            numbers = [f"139{chance.randrange(MESSAGES // 2):08}" for _ in range(ASKED)]
            measure("H14 front line", lambda at: call(connection, "GET", "/v1/frontline/mobile_newspaper"))
            # With the journal's sync: the reading is durable before it is answered.
            measure(f"H19 receipts of a number, {MESSAGES} messages",
                    lambda at: call(connection, "POST", "/v1/subscribers/messages",
                                    json.dumps({"number": numbers[at]})))
            found = json.loads(call(connection, "POST", "/v1/subscribers/messages",
                                    json.dumps({"number": numbers[0]})))
            assert found["total"] == 2, found
        finally:
            engine.terminate()
            engine.wait()


main()
