"""Mail by SMTP, submission and IMAP for packaging/test/inside, and what a server
sees behind a proxy. The certificate is the server's own, so it is not verified."""

import imaplib
import json
import smtplib
import ssl
import sys
import time
import urllib.error
import urllib.request

ADDRESS, PASSWORD = "ana@example.org", open("/test/password").read().strip()
TLS = ssl._create_unverified_context()
TRIES = 100  # of a tenth of a second each


def text(subject):
    return f"From: bo@example.net\r\nTo: {ADDRESS}\r\nSubject: {subject}\r\nMessage-ID: <{subject}@example.net>\r\n\r\nHello {subject}.\r\n"


def connect(source=None):
    """A connection to port 25; while the server restarts, systemd holds it."""
    for attempt in range(TRIES):
        try:
            return smtplib.SMTP("127.0.0.1", 25, local_hostname="mail.example.net", timeout=60, source_address=source)
        except (ConnectionError, smtplib.SMTPServerDisconnected):
            if source is None or attempt == TRIES - 1:
                raise
            time.sleep(0.1)


def send25(subject, source=None):
    with connect(source) as s:
        s.ehlo()
        s.starttls(context=TLS)
        s.sendmail("bo@example.net", [ADDRESS], text(subject))


def submit(subject):
    with smtplib.SMTP_SSL("127.0.0.1", 465, context=TLS, timeout=60) as s:
        s.login(ADDRESS, PASSWORD)
        s.sendmail(ADDRESS, [ADDRESS], text(subject).replace("bo@example.net", ADDRESS, 1))


def read(subject):
    """Returns the message; it may be in Junk, for the DNS knows nobody here."""
    for _ in range(TRIES):
        with imaplib.IMAP4_SSL("127.0.0.1", 993, ssl_context=TLS) as c:
            c.login(ADDRESS, PASSWORD)
            for box in ("INBOX", "Junk"):
                if c.select(box, readonly=True)[0] != "OK":
                    continue
                found = c.search(None, "SUBJECT", subject)[1][0].split()
                if len(found) == 1:
                    message = c.fetch(found[0], "(BODY[])")[1][0][1].decode()
                    if f"Hello {subject}." not in message:
                        sys.exit(f"{subject} has another text: {message}")
                    return message
        time.sleep(0.1)
    sys.exit(f"{subject} is in no mailbox")


def proxied(subject, address):
    send25(subject, (address, 0))
    received = read(subject).split("Subject:")[0]
    if f"[{address}]" not in received:
        sys.exit(f"no Received field names {address}: {received}")


def forwarded(address):
    """A login that fails, through the web server in front, from an address."""
    import http.client

    c = http.client.HTTPConnection("127.0.0.1", 8080, timeout=30, source_address=(address, 0))
    body = json.dumps({"address": ADDRESS, "password": "wrong"})
    c.request("POST", "/api/v1/session", body, {"Content-Type": "application/json", "Origin": "https://mail.example.org"})
    r = c.getresponse()
    print("login through the web server:", r.status, r.read().decode()[:200])
    if r.status not in (401, 403, 422):
        sys.exit("that is no refusal")


globals()[sys.argv[1]](*sys.argv[2:])
