"""Posts MM7 delivery reports by a foreign SOAP client, and looks at what the engine made of them.

Usage: reports.py URL FOLDER, of an engine whose token of the role `subscribers` is in FOLDER/care.token, and of the role
`producer` in FOLDER/relay.token.
"""
import datetime
import json
import pathlib
import sys
import time
import urllib.request

import requests
import zeep
from zeep.transports import Transport

BASE = "http://www.3gpp.org/ftp/Specs/archive/23_series/23.140/schema/"
# Namespace, version, name of the time, relay.
RELEASES = [
    ("REL-5-MM7-1-0", "5.3.0", "Date", "relay-5"),
    ("REL-5-MM7-1-3", "5.6.0", "Date", "relay-5"),
    ("REL-6-MM7-1-0", "6.3.0", "TimeStamp", "relay-6"),
    ("REL-6-MM7-1-4", "6.8.0", "TimeStamp", "relay-6"),
]
STATUSES = ["Forwarded", "Deferred", "Retrieved", "Expired", "Rejected", "Unrecognised", "Indeterminate"]

url, folder = sys.argv[1], pathlib.Path(sys.argv[2])
here = pathlib.Path(__file__).parent
shapes = (here / "service.wsdl").read_text()
zone = datetime.timezone(datetime.timedelta(hours=8))
now = datetime.datetime.now(zone).replace(microsecond=0)


def client(namespace, name_of_time):
    path = folder / f"{namespace}.wsdl"
    path.write_text(shapes.replace("NAMESPACE", BASE + namespace).replace("TIME", name_of_time))
    session = requests.Session()
    session.headers["Authorization"] = "Bearer " + (folder / "relay.token").read_text()
    # Strict: what the schema does not have is an error.
    made = zeep.Client(str(path), transport=Transport(session=session), settings=zeep.Settings(strict=True))
    return made, made.create_service(f"{{{BASE}{namespace}}}soap", f"{url}/mm7")


def ask(path, body=None):
    request = urllib.request.Request(url + path, data=json.dumps(body).encode() if body else None)
    request.add_header("Authorization", "Bearer " + (folder / "care.token").read_text())
    request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def report(service, release, number, status, at, write):
    global sent
    sent += 1
    _, version, name_of_time, relay = release
    transaction = f"{release[0]}/{number}/{status} <&>"
    answer = service.report(
        MM7Version=version,
        MMSRelayServerID=relay,
        MessageID=f"{release[0]}-{number}",
        Recipient=write(number),
        Sender={"ShortCode": {"_value_1": "10658000"}},
        MMStatus=status,
        StatusText="OK",
        _soapheaders={"header": transaction},
        **{name_of_time: at},
    )
    assert answer.header.header == transaction, answer.header
    told = answer.body
    assert told.MM7Version == version, told
    assert (told.Status.StatusCode, told.Status.StatusText) == (1000, "Success"), told


WAYS = [
    lambda number: {"Number": {"_value_1": number}},
    lambda number: {"Number": {"_value_1": "+86" + number, "displayOnly": False}},
    lambda number: {"Number": {"_value_1": "86" + number}},
    lambda number: {"RFC2822Address": {"_value_1": f"+86{number}/TYPE=PLMN@mms.example.cn"}},
]

want, sent = {}, 0
for r, release in enumerate(RELEASES):
    made, service = client(release[0], release[2])
    for s, status in enumerate(STATUSES):
        number = f"139{r:04d}{s:04d}"
        message = f"{release[0]}-{number}"
        # With and without a fraction of a second, in the operator's zone and in UTC.
        at = now - datetime.timedelta(minutes=s + 1, milliseconds=250 * s)
        at = at if s % 2 else at.astimezone(datetime.timezone.utc)
        if status not in ("Forwarded", "Deferred"):
            report(service, release, number, "Forwarded", at - datetime.timedelta(minutes=10), WAYS[s % 4])
        report(service, release, number, status, at, WAYS[s % 4])
        # A gateway that heard no answer says it again.
        report(service, release, number, status, at, WAYS[(s + 1) % 4])
        want[message] = (number, status, at)

    # What is none of our operations is a fault that the client reads as one.
    try:
        service.submit(MM7Version=release[1], Subject="彩信", _soapheaders={"header": "t"})
        raise SystemExit("a SubmitReq was not refused")
    except zeep.exceptions.Fault as fault:
        detail = made.get_element(f"{{{BASE}{release[0]}}}RSErrorRsp").parse(fault.detail[0], made.wsdl.types)
        assert detail.Status.StatusCode == 4003, detail
        assert fault.code.endswith(":Client"), fault.code

    # What cannot be is refused by its own code, and not as a fault.
    future = now + datetime.timedelta(days=400)
    answer = service.report(
        MM7Version=release[1], MMSRelayServerID=release[3], MessageID="future", MMStatus="Retrieved",
        Recipient=WAYS[0]("13900000000"), Sender=WAYS[0]("10658000"),
        _soapheaders={"header": "t"}, **{release[2]: future},
    )
    assert answer.body.Status.StatusCode == 4004 and answer.body.Status.Details, answer.body

begun = time.monotonic()
for message, (number, status, at) in want.items():
    # Interim words leave a message open; of the rest the last word is its status.
    told_as = "pending" if status in ("Forwarded", "Deferred") else status
    while True:
        told = ask("/v1/subscribers/messages", {"number": number})
        found = [row for row in told["messages"] if row["message_id"] == message]
        # Durable is not counted yet: the dataflow has it an epoch later.
        if [row["status"] for row in found] == [told_as]:
            break
        assert time.monotonic() - begun < 20, (message, told_as, told)
        time.sleep(0.1)
    if told_as != "pending":
        assert found[0]["decided_ms"] == round(at.timestamp() * 1000), (message, found, at)

# Twenty megabytes are refused, whether their length is told or not, and are held nowhere.
def resident():
    request = urllib.request.Request(url + "/metrics")
    request.add_header("Authorization", "Bearer " + (folder / "care.token").read_text())
    with urllib.request.urlopen(request) as page:
        lines = page.read().decode().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("process_resident_memory_bytes"))


before = resident()
piece = b"<a>" + b"m" * 65_000
large = {"told": piece * 320, "untold": (piece for _ in range(320))}
for name, body in large.items():
    headers = {"Authorization": "Bearer " + (folder / "relay.token").read_text(), "Content-Type": "text/xml"}
    try:
        status = requests.post(f"{url}/mm7", data=body, headers=headers).status_code
    except requests.exceptions.ConnectionError:
        # It answered and hung up before we had said everything.
        status = 413
    assert status == 413, (name, status)
grown = resident() - before
assert grown < 10e6, f"{grown / 1e6:.0f} MB for a message of 20 MB"

unsure = ask("/v1/quarantine")
assert len(unsure["lines"]) == 2 * len(RELEASES), unsure
print(f"{sent} reports on {len(want)} messages under {len(RELEASES)} releases, all read and answered")
