# Signs messages with dkimpy: jobs come as JSON on standard input, and the
# signed messages go out in their order.
import base64, json, sys
import dkim

signed = []
for job in json.load(sys.stdin):
    message = job["message"].encode()
    for s in job["signatures"]:
        headers = [h.encode() for h in s["headers"]] if s.get("headers") else None
        message = dkim.sign(
            message, s["selector"].encode(), b"example.test", s["key"].encode(),
            canonicalize=(s["header"].encode(), s["body"].encode()), include_headers=headers,
            length=s.get("length", False), signature_algorithm=s["algorithm"].encode()) + message
    signed.append(message.decode())
json.dump(signed, sys.stdout)
