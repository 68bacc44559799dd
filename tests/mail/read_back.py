"""Reads a mailbox by IMAP and tells what a mail program makes of each message, as JSON.

Python's own parser is the independent one: nothing here comes from the code under test.
usage: read_back.py PORT USER PASSWORD
"""

import email
import email.policy
import imaplib
import json
import re
import sys


def describe(raw: bytes) -> dict:
    message = email.message_from_bytes(raw, policy=email.policy.default)
    text = message.get_body(("plain",))
    html = message.get_body(("html",))
    images = {
        str(part["Content-ID"]).strip("<>"): part.get_content()
        for part in message.walk()
        if part.get_content_type() == "image/png"
    }
    wanted = re.findall(r'src="cid:([^"]+)"', html.get_content())
    return {
        "from": str(message["From"].addresses[0].display_name),
        "from_address": message["From"].addresses[0].addr_spec,
        "to": str(message["To"].addresses[0].display_name),
        "to_address": message["To"].addresses[0].addr_spec,
        "subject": str(message["Subject"]),
        "date": message["Date"].datetime.isoformat(),
        "message_id": str(message["Message-ID"]),
        "in_reply_to": str(message["In-Reply-To"] or ""),
        "references": str(message["References"] or ""),
        "auto_submitted": str(message["Auto-Submitted"]),
        "list_id": str(message["List-Id"]),
        "reason": str(message["X-Chrysalis-Reason"]),
        "received_with": " ".join(str(line) for line in message.get_all("Received", [])),
        "text": text.get_content(),
        "text_charset": text.get_content_charset(),
        "html": html.get_content(),
        "html_charset": html.get_content_charset(),
        "images_resolved": bool(wanted)
        and all(images.get(cid, b"").startswith(b"\x89PNG\r\n") for cid in wanted),
        "structure": [part.get_content_type() for part in message.walk()],
        "defects": [str(d) for part in message.walk() for d in part.defects],
        "raw": raw.decode("ascii"),
    }


def main() -> None:
    port, user, password = sys.argv[1:]
    with imaplib.IMAP4("127.0.0.1", int(port)) as imap:
        imap.login(user, password)
        imap.select("INBOX", readonly=True)
        _, found = imap.search(None, "ALL")
        messages = []
        for number in found[0].split():
            _, parts = imap.fetch(number, "(BODY.PEEK[])")
            messages.append(describe(parts[0][1]))
    json.dump(messages, sys.stdout)


main()
