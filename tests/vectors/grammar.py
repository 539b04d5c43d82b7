"""Vectors of the providers that sign more than their body: URLs, forms, fields, items, and with keys of two halves.

Each recipe is written down here a second time and independently of the TOML files. `generate.py` runs them.
"""

import base64
import hashlib
import hmac
import json
import urllib.parse

from asymmetric import N, der_integer, ed25519_public, ed25519_sign, p256_public, p256_sign

NOW = 1_700_000_000
JSON = [("Content-Type", "application/json")]
FORM = [("Content-Type", "application/x-www-form-urlencoded")]


def b64(data):
    return base64.b64encode(data).decode()


def mac(secret, message, hash="sha256"):
    return hmac.new(secret.encode(), message, hash).digest()


def cases(file, sign, body, facts, secrets, prefix="", covers=True, altered=None, **more):
    """`sign(body, secret, edit)` gives what a vector needs beside its name; `edit` changes the signature's text."""
    live, old, foreign = secrets

    def add(name, expect, request, live=(live,), **extra):
        file.add(prefix + name, expect, secrets=[public(secret) for secret in live], **{**request, **more, **extra})

    public = getattr(sign, "public", lambda secret: secret)
    same = lambda text: text
    good = sign(body, live, same)
    add("valid", "ok", good, **facts)
    if covers:
        at = altered if altered is not None else len(good["body"]) - 2
        bit = good["body"][:at] + bytes([good["body"][at] ^ 1]) + good["body"][at + 1:]
        add("one bit of the body flipped", "signature_mismatch", {**good, "body": bit})
    add("signed with another secret", "signature_mismatch", sign(body, foreign, same))
    add("signature missing", "signature_missing", sign(body, live, lambda text: None))
    add("signature empty", "signature_malformed", sign(body, live, lambda text: ""))
    add("signature cut in half", "signature_malformed", sign(body, live, lambda text: text[:len(text) // 2 - 1]))
    add("last characters of the signature cut off", "signature_malformed", sign(body, live, lambda text: text[:-3]))
    add("signature too long", "signature_malformed", sign(body, live, lambda text: text + text))
    add("signature not in its encoding", "signature_malformed", sign(body, live, lambda text: "!" * len(text)))
    add("rotated: the old secret still signs", "ok", sign(body, old, same), live=(live, old), secret=1, **facts)
    add("rotated: the old secret is gone", "signature_mismatch", sign(body, old, same))


def header_signer(base, header, make, **more):
    """A signer whose signature stands in a header."""
    def sign(body, secret, edit):
        text = edit(make(body, secret))
        headers = base + ([(header, text)] if text is not None else [])
        return dict(headers=headers, body=body, **more)
    return sign


def tokens(file, sign, body, facts, live="fake-token-live"):
    """`sign(token)` gives the request that carries it; None leaves it out."""
    add = lambda name, expect, request, live=(live,), **extra: file.add(name, expect, secrets=list(live), **request, **extra)
    add("valid", "ok", sign(live), **facts)
    add("another token", "token_mismatch", sign("fake-token-foreign"))
    add("token missing", "token_missing", sign(None))
    add("token empty", "token_mismatch", sign(""))
    add("token cut short", "token_mismatch", sign(live[:-1]))
    add("token too long", "token_mismatch", sign(live + "2"))
    add("token of 4,000 characters", "token_mismatch", sign("a" * 4000))
    add("rotated: the old token is gone", "token_mismatch", sign("fake-token-old"))
    add("rotated: the old token still passes", "ok", sign("fake-token-old"), live=(live, "fake-token-old"), secret=1, **facts)


# HubSpot ------------------------------------------------------------------------------------------------------------

def hubspot(File, Scheme):
    file = File("hubspot")
    url = "https://hooks.example.com/webhooks/hubspot"
    item = ('{"eventId":1,"subscriptionId":12345,"portalId":62515,"occurredAt":1564113600000,"subscriptionType":'
            '"contact.creation","attemptNumber":0,"objectId":123,"changeSource":"CRM","changeFlag":"NEW","appId":54321}')
    body = ("[" + item + "]").encode()
    event = dict(id="62515:12345:1:123:1564113600000", type="contact.creation", time="2019-07-26T04:00:00Z", subject="123",
                 tenant="62515")
    millis = lambda ts: str(ts * 1000) if isinstance(ts, int) else ts
    secrets = ("fake-hubspot-live", "fake-hubspot-old", "fake-hubspot-foreign")
    v3 = Scheme("X-HubSpot-Signature-v3", lambda body, ts, _: f"POST{url}".encode() + body + millis(ts).encode(),
                encoding="base64", ts_header="X-HubSpot-Request-Timestamp", ts_text=millis)
    file.standard(v3, body, JSON, event, secrets)

    two = ("[" + item + "," + item.replace('"objectId":123', '"objectId":124') + "]").encode()
    signed = lambda body: dict(headers=v3.headers(JSON, NOW, v3.sig(secrets[0], body, NOW, JSON)), body=body, now=NOW,
                               secrets=[secrets[0]])
    other = {**event, "id": "62515:12345:1:124:1564113600000", "subject": "124"}
    file.add("two events in one request", "ok", **signed(two), events=[event, other])
    file.add("an empty batch", "ok", **signed(b"[]"), events=[])
    file.add("no batch at all", "ok", **signed(item.encode()), type="unknown")

    query = "portal=1&back=https%3A%2F%2Fa.example%2Fb%3Fc"
    for name, target in [("verbatim", query), ("decoded", urllib.parse.unquote(query))]:
        sig = b64(mac(secrets[0], f"POST{url}?{target}".encode() + body + millis(NOW).encode()))
        file.add(f"a query, signed {name}", "ok", headers=v3.headers(JSON, NOW, sig), body=body, now=NOW, query=query,
                 secrets=[secrets[0]], **event)
    sig = b64(mac(secrets[0], f"POST{url}".encode() + body + millis(NOW).encode()))
    file.add("a query that was not signed", "signature_mismatch", headers=v3.headers(JSON, NOW, sig), body=body, now=NOW,
             query="a=1", secrets=[secrets[0]])
    file.add("the URL of another source", "signature_mismatch", headers=v3.headers(JSON, NOW, sig), body=body, now=NOW,
             url="https://hooks.example.com/webhooks/other", secrets=[secrets[0]])
    host = [("X-Forwarded-Host", "hooks.example.com")]
    file.add("a header does not choose the URL", "signature_mismatch", headers=v3.headers(JSON + host, NOW, sig),
             body=body, now=NOW, url="https://internal.example.com/webhooks/hubspot", secrets=[secrets[0]])

    digest = lambda *parts: hashlib.sha256(b"".join(parts)).hexdigest()
    second = header_signer(JSON + [("X-HubSpot-Signature-Version", "v2")], "X-HubSpot-Signature",
                           lambda body, secret: digest(secret.encode(), b"POST", url.encode(), body))
    cases(file, second, body, event, secrets, "version 2: ")
    first = header_signer(JSON + [("X-HubSpot-Signature-Version", "v1")], "X-HubSpot-Signature",
                          lambda body, secret: digest(secret.encode(), body))
    cases(file, first, body, event, secrets, "version 1: ")
    both = v3.headers(JSON, NOW, b64(bytes(32))) + [("X-HubSpot-Signature", digest(secrets[0].encode(), body))]
    file.add("no way down from a bad version 3 to a good version 1", "signature_mismatch", headers=both, body=body, now=NOW,
             secrets=[secrets[0]])

    source = "published: @hubspot/api-client 13.5.0 lib/test/unit/signature.spec.js"
    key = "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy"
    file.add("known answer, version 1", "ok", headers=[("X-HubSpot-Signature-Version", "v1"), (
        "X-HubSpot-Signature", "232db2615f3d666fe21a8ec971ac7b5402d33b9a925784df3ca654d05f4817de")], body=body,
        secrets=[key], source=source, **event)
    file.add("known answer, version 2", "ok", headers=[("X-HubSpot-Signature-Version", "v2"), (
        "X-HubSpot-Signature", "9569219f8ba981ffa6f6f16aa0f48637d35d728c7e4d93d0d52efaa512af7900")],
        body=b'{"example_field":"example_value"}', secrets=[key], url="https://www.example.com/webhook_uri", source=source,
        type="unknown")
    file.add("known answer, version 3", "ok", headers=[("X-HubSpot-Request-Timestamp", "1752613922216"), (
        "X-HubSpot-Signature-v3", "gbj1XPRvUt0noT7i7fXfTzOD4sLzQmf0VT28ZYq0EYg=")], now=1752613922,
        body=b'[{"eventId":531833541,"subscriptionId":3923621,"portalId":48807704,"appId":16111050,"occurredAt":1752613920733,'
             b'"subscriptionType":"contact.creation","attemptNumber":0,"objectId":138017612137,"changeFlag":"CREATED",'
             b'"changeSource":"CRM_UI","sourceId":"userId:76023669"}]', secrets=["cfc68c0b-4b4e-4ef8-b764-95350e4ea479"],
        url="https://webhook.site/335453f5-94b3-49d9-b684-a55354d4b8df", source="published: developers.hubspot.com webhooks error-handling",
        id="48807704:3923621:531833541:138017612137:1752613920733", type="contact.creation",
        time="2025-07-15T21:12:00.733Z", subject="138017612137", tenant="48807704")
    return file


# Twilio -------------------------------------------------------------------------------------------------------------

def twilio(File, Scheme):
    file = File("twilio")
    url = "https://hooks.example.com/webhooks/twilio"
    body = b"AccountSid=ACfake&MessageSid=SMfake1&MessageStatus=delivered&To=%2B491515550100&From=%2B15005550006"

    def message(url, body):
        fields = sorted(set(urllib.parse.parse_qsl(body.decode(), keep_blank_values=True)))
        return (url + "".join(name + value for name, value in fields)).encode()

    event = dict(id="SMfake1:delivered", type="message.delivered", subject="SMfake1", tenant="ACfake")
    secrets = ("fake-twilio-live", "fake-twilio-old", "fake-twilio-foreign")
    sign = header_signer(FORM, "X-Twilio-Signature", lambda body, secret: b64(mac(secret, message(url, body), "sha1")))
    cases(file, sign, body, event, secrets)
    request = sign(body, secrets[0], lambda text: text)
    twice = body + b"&MessageStatus=failed"
    file.add("a field added", "signature_mismatch", **{**request, "body": twice}, secrets=[secrets[0]])
    reordered = b"&".join(reversed(body.split(b"&")))
    file.add("the fields in another order are the same form", "ok", **{**request, "body": reordered}, secrets=[secrets[0]], **event)
    inbound = b"AccountSid=ACfake&MessageSid=SMfake2&SmsStatus=received&Body=a%20b%26c"
    file.add("an inbound message", "ok", **sign(inbound, secrets[0], lambda text: text), secrets=[secrets[0]], id="SMfake2",
             type="message.received", subject="SMfake2", tenant="ACfake")
    call = b"AccountSid=ACfake&CallSid=CA1&CallStatus=completed&SequenceNumber=3&Timestamp=Tue%2C+14+Nov+2023+22%3A13%3A20+%2B0000"
    file.add("the status of a call", "ok", **sign(call, secrets[0], lambda text: text), secrets=[secrets[0]],
             id="CA1:completed:3", type="call.completed", subject="CA1", tenant="ACfake", time="2023-11-14T22:13:20Z")

    def ok(name, fields, *tokens, **facts):
        request = sign(urllib.parse.urlencode(fields).encode(), secrets[0], lambda text: text)
        request["headers"] = request["headers"] + [("I-Twilio-Idempotency-Token", token) for token in tokens]
        file.add(name, "ok", **request, secrets=[secrets[0]], **{"tenant": "ACfake", **facts})

    account = dict(AccountSid="ACfake")
    ok("a delivery report under one token", account | dict(MessageSid="SMfake1", MessageStatus="delivered"), "fake-token-1", **event)
    ok("the same delivery report under another token", account | dict(MessageSid="SMfake1", MessageStatus="delivered"), "fake-token-2", **event)
    received = dict(type="message.received", subject="SMfake2")
    ok("an inbound picture without a text", account | dict(MessageSid="SMfake2", SmsStatus="received", Body="", NumMedia="1"), id="SMfake2", **received)
    ok("an inbound message without the field", account | dict(MessageSid="SMfake2", SmsStatus="received"), id="SMfake2:received", **received)
    ok("an older status callback", account | dict(MessageSid="SMfake1", SmsStatus="sent"), id="SMfake1:sent", type="message.sent", subject="SMfake1")
    for status in ("in-progress", "completed"):
        recording = account | dict(CallSid="CA1", RecordingSid="REfake1", RecordingStatus=status)
        ok(f"a recording that is {status}", recording, "fake-token-3", id=f"REfake1:{status}", type=f"recording.{status}", subject="CA1")
    asked = lambda digits: account | dict(CallSid="CA1", CallStatus="in-progress", Digits=digits)
    gather = dict(type="call.in-progress", subject="CA1")
    body_of = lambda fields: urllib.parse.urlencode(fields)
    for name, digits, token in (("the first Gather of a call", "1", "fake-token-4"), ("the second Gather of a call", "2", "fake-token-5"),
                                ("a third Gather with the digits of the first", "1", "fake-token-6")):
        ok(name, asked(digits), token, id=hashed(body_of(asked(digits)), token), **gather)
    ok("a Gather that says nothing of its own has no id", asked("1"), **gather)
    ok("a Gather with two tokens has no id", asked("1"), "fake-token-4", "fake-token-5", **gather)
    ok("a call that comes in has no id without a token", account | dict(CallSid="CA1", CallStatus="ringing", Direction="inbound"),
       type="call.ringing", subject="CA1")
    ok("a token that is the id of a delivery report", asked("1"), "SMfake1:delivered", id=hashed(body_of(asked("1")), "SMfake1:delivered"), **gather)
    edited = account | dict(EventType="onMessageUpdated", MessageSid="IMfake1", Body="x")
    ok("a message of a conversation, changed", edited, "fake-token-7", id=hashed(body_of(edited), "fake-token-7"), type="unknown", subject="IMfake1")
    document = b'{"a":1}'
    digest = "bodySHA256=" + hashlib.sha256(document).hexdigest()
    signature = b64(mac(secrets[0], f"{url}?{digest}".encode(), "sha1"))
    json_request = dict(headers=JSON + [("X-Twilio-Signature", signature)], query=digest, secrets=[secrets[0]])
    file.add("JSON by its hash in the query", "ok", **json_request, body=document, type="unknown")
    stream = [dict(specversion="1.0", type="com.twilio.messaging.message.delivered", source="/2010-04-01/Accounts/AC1/Messages/SM1", id=f"EZfake{n}",
                   time="2026-01-02T03:04:05.000Z", data=dict(messageSid="SM1", accountSid="AC1")) for n in (1, 2)]
    events = json.dumps(stream).encode()
    query = "bodySHA256=" + hashlib.sha256(events).hexdigest()
    file.add("Event Streams", "ok", headers=JSON + [("X-Twilio-Signature", b64(mac(secrets[0], f"{url}?{query}".encode(), "sha1")))], query=query,
             secrets=[secrets[0]], body=events, events=[dict(id=event["id"], type=event["type"], time="2026-01-02T03:04:05Z", subject="SM1", tenant="AC1")
                                                        for event in stream])
    file.add("JSON that is not what was hashed", "signature_mismatch", **json_request, body=b'{"a":2}')
    file.add("a hash that is none", "signature_malformed", headers=json_request["headers"], query="bodySHA256=zz", body=document,
             secrets=[secrets[0]])

    source = "published: twilio/twilio-python tests/unit/test_request_validator.py"
    form = b"CallSid=CA1234567890ABCDE&Digits=1234&From=%2B14158675309&To=%2B18005551212&Caller=%2B14158675309"
    known = dict(type="unknown", subject="CA1234567890ABCDE")
    site, query = "mycompany.com", "foo=1&bar=2"
    for name, expect, url, signature, body, facts in [
        ("form", "ok", f"https://{site}/myapp.php", "RSOYDt4T1cUTdK1PDd93/VVr8B8=", form, known),
        ("signed with :443", "ok", f"https://{site}/myapp.php", "kvajT1Ptam85bY51eRf/AJRuM3w=", form, known),
        ("http, signed with :80", "ok", f"http://{site}/myapp.php", "0ZXoZLH/DfblKGATFgpif+LLRf4=", form, known),
        ("a port in the URL, signed without", "ok", f"https://{site}:1234/myapp.php", "RSOYDt4T1cUTdK1PDd93/VVr8B8=", form, known),
        ("http and a port, signed with it", "ok", f"http://{site}:1234/myapp.php", "Zmvh+3yNM1Phv2jhDCwEM3q5ebU=", form, known),
        ("a field twice", "ok", f"https://{site}/myapp.php", "IK+Dwps556ElfBT0I3Rgjkr1wJU=",
         b"Sid=CA123&SidAccount=AC123&Digits=5678&Digits=1234", dict(type="unknown")),
    ]:
        file.add(f"known answer: {name}", expect, headers=FORM + [("X-Twilio-Signature", signature)], body=body, url=url,
                 query=query, secrets=["12345"], source=source, **facts)
    file.add("known answer: the body's hash in the query", "ok", headers=JSON + [("X-Twilio-Signature", "a9nBmqA0ju/hNViExpshrM61xv4=")],
             body=b'{"property": "value", "boolean": true}', url=f"https://{site}/myapp.php", secrets=["12345"], source=source,
             query=query + "&bodySHA256=0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620", type="unknown")
    return file


# Discord ------------------------------------------------------------------------------------------------------------

def hashed(*parts):
    data = b"".join(bytes(8) if part is None else (len(part.encode()) + 1).to_bytes(8, "big") + part.encode() for part in parts)
    return hashlib.sha256(data).hexdigest()[:32]


def discord(File, Scheme):
    file = File("discord")
    seed = lambda secret: hashlib.sha256(secret.encode()).digest()
    body = (b'{"version":1,"application_id":"1234560123453231555","type":1,"event":{"type":"APPLICATION_AUTHORIZED",'
            b'"timestamp":"2024-10-18T14:42:53.064834","data":{"user":{"id":"1"}}}}')
    event = dict(id=hashed("1234560123453231555", "APPLICATION_AUTHORIZED", "2024-10-18T14:42:53.064834", "1", None, None),
                 type="APPLICATION_AUTHORIZED", time="2024-10-18T14:42:53.064834Z", subject="1", tenant="1234560123453231555")

    def sign_at(ts):
        make = lambda body, secret: ed25519_sign(seed(secret), f"{ts}".encode() + body).hex()
        return header_signer(JSON + [("X-Signature-Timestamp", str(ts))], "X-Signature-Ed25519", make)

    sign = sign_at(NOW)
    public = lambda secret: ed25519_public(seed(secret)).hex()
    sign.public = public
    cases(file, sign, body, event, ("live", "old", "foreign"), now=NOW)
    same = lambda text: text
    key = dict(secrets=[public("live")], now=NOW)
    for name, expect, ts in [("15 min old", "ok", NOW - 900), ("16 min old", "timestamp_too_old", NOW - 960),
                             ("16 min ahead", "timestamp_in_future", NOW + 960), ("milliseconds", "timestamp_malformed", NOW * 1000),
                             ("not a number", "timestamp_malformed", "now")]:
        file.add(f"timestamp: {name}", expect, **sign_at(ts)(body, "live", same), **key, **(event if expect == "ok" else {}))
    good = sign(body, "live", same)
    late = [(name, str(NOW + 1) if name == "X-Signature-Timestamp" else value) for name, value in good["headers"]]
    file.add("timestamp moved by a second", "signature_mismatch", headers=late, body=body, **key)
    none = [(name, value) for name, value in good["headers"] if name != "X-Signature-Timestamp"]
    file.add("timestamp missing", "timestamp_missing", headers=none, body=body, **key)
    zeros = JSON + [("X-Signature-Timestamp", str(NOW)), ("X-Signature-Ed25519", "00" * 64)]
    file.add("Discord's own probe: a signature of zeros", "signature_mismatch", headers=zeros, body=b'{"type":0}', **key)
    signature = bytes.fromhex(good["headers"][-1][1])
    order = 2**252 + 27742317777372353535851937790883648493
    malleable = signature[:32] + (int.from_bytes(signature[32:], "little") + order).to_bytes(32, "little")
    file.add("the same signature with the group's order added", "signature_mismatch",
             headers=good["headers"][:-1] + [("X-Signature-Ed25519", malleable.hex())], body=body, **key)
    ping = b'{"version":1,"application_id":"1234560123453231555","type":0}'
    file.add("PING of events", "handshake", **sign(ping, "live", same), **key,
             reply=dict(status=204, content_type="application/json", body=""))
    pong = b'{"application_id":"1234560123453231555","token":"x","type":1,"version":1}'
    file.add("PING of interactions", "handshake", **sign(pong, "live", same), **key,
             reply=dict(status=200, content_type="application/json", body='{"type":1}'))
    for name, number in (("an interaction", "1300000000000000001"), ("another interaction of the application", "1300000000000000002")):
        pressed = (f'{{"version":1,"application_id":"1234560123453231555","id":"{number}","type":3,"token":"fake","data":{{"custom_id":"weave"}},'
                   '"member":{"user":{"id":"1"}}}').encode()
        file.add(name, "ok", **sign(pressed, "live", same), **key, id=number, type="3", tenant="1234560123453231555")
    file.add("PING without a signature", "signature_missing", **sign(ping, "live", lambda text: None), **key)
    file.add("known answer", "ok", headers=JSON + [("X-Signature-Timestamp", "1700000000"), (
        "X-Signature-Ed25519", "b73cb700dcca561fe6013c411c7d5d8acdc70e83e5843979f3f9429bc9ab7a08bd3617822598edf36854979ba5bed31745fa94170b331da88980a911d5347608")],
        body=body, now=NOW, secrets=["c8aae42d5c6bdc94d84790ff4620dfdffc15b182364754ac7763c910641a1ddf"],
        source="generated by node:crypto, accepted by discord-interactions@4.4.0 verifyKey", **event)
    return file


# SendGrid -----------------------------------------------------------------------------------------------------------

def sendgrid(File, Scheme):
    file = File("sendgrid")
    private = lambda secret: int.from_bytes(hashlib.sha256(secret.encode()).digest(), "big") >> 1
    first = ('{"email":"ada@example.com","timestamp":1699999990,"event":"delivered","sg_event_id":"ev_1","sg_message_id":"msg_1"}')
    body = ("[" + first + "]\r\n").encode()
    event = dict(id="ev_1", type="delivered", time="2023-11-14T22:13:10Z", subject="msg_1")
    names = "X-Twilio-Email-Event-Webhook-Signature", "X-Twilio-Email-Event-Webhook-Timestamp"

    def sign_at(ts):
        make = lambda body, secret: b64(p256_sign(private(secret), f"{ts}".encode() + body))
        return header_signer(JSON + [(names[1], str(ts))], names[0], make)

    sign = sign_at(NOW)
    sign.public = public = lambda secret: b64(p256_public(private(secret)))
    cases(file, sign, body, event, ("live", "old", "foreign"), now=NOW, altered=5)
    same = lambda text: text
    key = dict(secrets=[public("live")], now=NOW)
    for name, expect, ts in [("a day old", "ok", NOW - 86400), ("older", "timestamp_too_old", NOW - 86401),
                             ("301 s ahead", "timestamp_in_future", NOW + 301), ("not a number", "timestamp_malformed", "x")]:
        file.add(f"timestamp: {name}", expect, **sign_at(ts)(body, "live", same), **key, **(event if expect == "ok" else {}))
    good = sign(body, "live", same)
    none = [(name, value) for name, value in good["headers"] if name != names[1]]
    file.add("timestamp missing", "timestamp_missing", headers=none, body=body, **key)
    file.add("the line end trimmed", "signature_mismatch", headers=good["headers"], body=body.strip(), **key)
    for name, number in [("zeros", der_integer(0)), ("the group's order", der_integer(N))]:
        der = bytes([0x30, 2 * len(number)]) + number * 2
        file.add(f"r and s are {name}", "signature_mismatch",
                 headers=JSON + [(names[1], str(NOW)), (names[0], b64(der))], body=body, **key)
    two = ("[" + first + ',{"event":"bounce","sg_event_id":"ev_2","timestamp":1699999991}]').encode()
    file.add("two events in one request", "ok", **sign(two, "live", same), **key,
             events=[event, dict(id="ev_2", type="bounce", time="2023-11-14T22:13:11Z")])
    source = "published: sendgrid/sendgrid-nodejs packages/eventwebhook/src/eventwebhook.spec.js"
    known = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEEDr2LjtURuePQzplybdC+u4CwrqDqBaWjcMMsTbhdbcwHBcepxo7yAQGhHPTnlvFYPAZFceEu/1FwCM/QmGUhA=="
    other = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqTxd43gyp8IOEto2LdIfjRQrIbsd4SXZkLW6jDutdhXSJCWHw8REntlo7aNDthvj+y7GjUuFDb/R1NGe1OPzpA=="
    signature = "MEUCIQCtIHJeH93Y+qpYeWrySphQgpNGNr/U+UyUlBkU6n7RAwIgJTz2C+8a8xonZGi6BpSzoQsbVRamr2nlxFDWYNH2j/0="
    payload = b'{"category":"example_payload","event":"test_event","message_id":"message_id"}'
    for name, expect, secret, sig, ts, body in [
        ("its payload", "ok", known, signature, "1588788367", payload),
        ("another key", "signature_mismatch", other, signature, "1588788367", payload),
        ("bad payload", "signature_mismatch", known, signature, "1588788367", b"payload"),
        ("bad signature", "signature_mismatch", known, signature.replace("YNH2", "YNH3"), "1588788367", payload),
        ("bad timestamp", "timestamp_malformed", known, signature, "timestamp", payload),
    ]:
        file.add(f"known answer: {name}", expect, headers=JSON + [(names[1], ts), (names[0], sig)], body=body, secrets=[secret],
                 now=1588788367, source=source, **(dict(type="test_event") if expect == "ok" else {}))
    return file
