"""Rows about delays: from an epoch's tick to its verdicts, and from a watermark to the mail.

They need a server that runs for a while, so they are not for a busy machine.
"""

import json
import shutil
import signal
import statistics
import subprocess
import sys
import time
import urllib.request
from email import message_from_bytes

MAIL_BOOK = """
book: {name: mail, version: '1', time_zone: Asia/Shanghai, pane: 1m, any_service: true}
streams: {dial_test: {allowed_lateness: 1s, idle_timeout: 1h, retention: 3h}}
departments:
  - id: NOC
    name: {zh: 值班, en: Duty}
    roles: [{id: duty, name: {zh: 值班, en: Duty}, contacts: [{name: n, email: noc@example.com, language: zh}]}]
alert_policies:
  at_once: {for: 0s, keep_firing_for: 0s, missing: hold}
kqis:
  - {id: ok, name: n, layer: platform, stream: dial_test, aggregate: ratio, good: ok, group_by: [service, city],
     window: 1m, unit: ratio, interval: {min: 0.9}, min_samples: 5, department: NOC, alert: at_once}
"""
# Objects that fail in a round, and rounds: each alert mails and opens a trigger, which mails, so 400 mails. Grouped they would be
# fewer: not here, where each is waited for.
PLACES, ROUNDS, MAILS = 10, 20, 2
MINUTE_MS = 60_000


def quantile_of_buckets(text, name, share):
    """The quantile of a Prometheus histogram, by the upper bound of its bucket and linearly inside."""
    buckets = []
    for line in text.splitlines():
        if line.startswith(name + "_bucket{"):
            labels, count = line.rsplit(" ", 1)
            bound = labels.split('le="')[1].split('"')[0]
            buckets.append((float("inf") if bound == "+Inf" else float(bound), float(count)))
    buckets.sort()
    wanted = share * buckets[-1][1]
    low, before = 0.0, 0.0
    for bound, count in buckets:
        if count >= wanted:
            part = (wanted - before) / (count - before) if count > before else 1.0
            return low + (bound - low) * part if bound != float("inf") else bound
        low, before = bound, count
    return float("nan")


def get(url):
    with urllib.request.urlopen(url, timeout=30) as answer:
        return answer.read().decode()


def post(server, lines):
    body = "\n".join(json.dumps(line) for line in lines).encode()
    request = urllib.request.Request(server.url + "/v1/events", data=body, method="POST")
    with urllib.request.urlopen(request, timeout=30) as answer:
        told = json.load(answer)
    if told["refused"]:
        sys.exit(f"lines are refused: {told['refused'][0]}")


def verdict(bench, options):
    """p99 of the delay of verdicts at half of the rate that the server takes at most."""
    folder = bench.WORK / "serve"
    shutil.rmtree(folder, ignore_errors=True)
    server = bench.Server(folder, bench.BOOK)
    server.ready()
    sent = bench.timed([bench.BIN / "loadgen", "replay", bench.EVENTS, "--target", server.url, "--batch", 1_000])
    server.kill()
    highest = options.events / sent["wall"]
    p99 = []
    for _ in range(options.runs_served):
        shutil.rmtree(folder, ignore_errors=True)
        server = bench.Server(folder, bench.BOOK)
        server.ready()
        bench.timed([bench.BIN / "loadgen", "replay", bench.EVENTS, "--target", server.url, "--batch", 1_000,
                     "--rate", int(highest / 2)])
        metrics = get(server.url + "/metrics")
        p99.append(quantile_of_buckets(metrics, "chrysalis_epoch_verdict_duration_seconds", 0.99) * 1e3)
        server.kill()
    shutil.rmtree(folder, ignore_errors=True)
    yield bench.Row("epoch in, verdict out, at half of the highest rate: p99", 300, p99, "ms",
                    note=f"wall, {highest / 2e3:.0f} k/s by HTTP, loadgen on the same cores; from the tick that closes "
                         "the epoch")


class Sink:
    """An SMTP server that notes when each subject was handed over."""

    def __init__(self, bench):
        python = bench.WORK / "venv/bin/python"
        if not python.exists():
            subprocess.run([sys.executable, "-m", "venv", bench.WORK / "venv"], check=True)
            subprocess.run([python, "-m", "pip", "install", "--quiet", "aiosmtpd==1.4.6"], check=True)
        self.child = subprocess.Popen([str(python), __file__], stdout=subprocess.PIPE)
        self.port = int(self.child.stdout.readline())

    def mails(self, count):
        """Moment and subject of so many mails; fails where they do not come within a minute."""
        signal.signal(signal.SIGALRM, lambda *_: sys.exit(f"fewer than {count} mails within a minute"))
        signal.alarm(60)
        lines = (json.loads(self.child.stdout.readline()) for _ in range(count))
        told = [(line["at"], line["subject"]) for line in lines]
        signal.alarm(0)
        return told

    def stop(self):
        self.child.kill()
        self.child.wait()


def mail(bench, options):
    """p99 from the moment that an event passed a window's end to its mail at the SMTP server."""
    folder = bench.WORK / "mail"
    p99, medians = [], []
    for _ in range(options.runs_served):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        (folder / "book.yaml").write_text(MAIL_BOOK)
        sink = Sink(bench)
        (folder / "config.yaml").write_text(
            "mail: {from: 'Chrysalis <chrysalis@example.com>', per_recipient_minute_max: 100000, group_from: 0, "
            f"smtp: {{host: 127.0.0.1, port: {sink.port}, security: none}}}}\n")
        server = bench.Server(folder / "data", folder / "book.yaml", "--config", folder / "config.yaml")
        server.ready()
        passed, delays = {}, []
        start_ms = int(time.time() // 60 - 2 * ROUNDS) * MINUTE_MS
        for number in range(ROUNDS):
            ts = start_ms + 2 * number * MINUTE_MS
            event = {"type": "dial_test", "service": "s", "ok": False, "latency_ms": 100, "ts": ts}
            places = [f"p{number}-{place}" for place in range(PLACES)]
            post(server, [{**event, "city": city} for city in places for _ in range(10)])
            passed[number] = time.time()
            post(server, [{**event, "city": "elsewhere", "ok": True, "ts": ts + MINUTE_MS + 5_000}])
            for at, subject in sink.mails(PLACES * MAILS):
                of_round = int(subject.split(" p")[1].split("-")[0])
                delays.append((at - passed[of_round]) * 1e3)
        server.kill()
        sink.stop()
        delays.sort()
        p99.append(delays[int(0.99 * len(delays))])
        medians.append(statistics.median(delays))
    shutil.rmtree(folder, ignore_errors=True)
    yield bench.Row("watermark past a window's end, mail handed to SMTP: p99", 1_000, p99, "ms",
                    note=f"wall, {PLACES} alerts and their triggers at a time, {PLACES * ROUNDS * MAILS} mails; median {statistics.median(medians):.0f} ms; from "
                         "sending the event that passes the end, so with the epoch's fifth of a second")


def serve_smtp():
    """The sink's process: prints its port, and a line for each mail."""
    import asyncio
    from email.header import decode_header, make_header

    from aiosmtpd.smtp import SMTP

    class Handler:
        async def handle_DATA(self, _server, _session, envelope):
            at = time.time()
            subject = str(make_header(decode_header(message_from_bytes(envelope.content)["Subject"])))
            print(json.dumps({"at": at, "subject": subject}), flush=True)
            return "250 OK"

    async def run():
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: SMTP(Handler(), enable_SMTPUTF8=True), "127.0.0.1", 0)
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()

    asyncio.run(run())


if __name__ == "__main__":
    serve_smtp()
