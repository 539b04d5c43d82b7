"""The vectors of the providers that need no more than a recipe: how each signs, and where its facts stand, written down
a second time and independently of the TOML files. `known.json` holds answers that others published or made."""

import base64
import datetime
import hashlib
import json
import pathlib

from generate import NOW, File, Scheme, rfc3339, text

KNOWN = json.loads(pathlib.Path(__file__).with_name("known.json").read_text())
JSON = ("Content-Type", "application/json")
FAKE = ("fake-live-3f9a61c2", "fake-old-77d01e", "fake-foreign-b1")
PLAIN = lambda body, ts, headers: body
DOTTED = lambda body, ts, headers: f"{ts}.".encode() + body
FILES = {}


def at(value, pointer):
    """What a JSON pointer leads to, as text; None where it leads nowhere."""
    for step in pointer.split("/")[1:]:
        try:
            value = value[int(step)] if isinstance(value, list) else value[step]
        except (KeyError, IndexError, TypeError, ValueError):
            return None
    if value is None or isinstance(value, (dict, list)) or value == "":
        return None
    return json.dumps(value) if isinstance(value, (bool, int, float)) else value


def first(value, *pointers):
    return next((found for found in (at(value, pointer) for pointer in pointers) if found), None)


def seconds(number):
    return number and rfc3339(int(number))


def millis(number):
    moment = number and datetime.datetime.fromtimestamp(int(number) / 1000, datetime.timezone.utc)
    return moment and moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{int(number) % 1000:03}Z"


def utc(time):
    """A time without a zone is meant as UTC."""
    return time and (time if time.endswith("Z") or "+" in time else time + "Z")


def joined(separator, *parts):
    return separator.join(parts) if all(parts) else None


def hashed(*parts):
    """As hookstream documents its derived ids."""
    if not any(parts):
        return None
    data = b"".join((len(part.encode()) + 1).to_bytes(8, "big") + part.encode() if part else bytes(8) for part in parts)
    return hashlib.sha256(data).hexdigest()[:32]


def clock(format, tolerance=300):
    """The stamp of a scheme whose timestamp is not in seconds."""
    if format == "ms":
        return dict(stamp=lambda ts: ts * 1000, tolerance=tolerance)
    inside = lambda ts: 0 <= ts < 4_000_000_000
    return dict(stamp=lambda ts: rfc3339(ts) if inside(ts) else str(ts), tolerance=tolerance)


class Provider:
    """One provider: its file, what every scheme of its kind has, and the known answers."""

    def __init__(self, name, read, body="", base=(), secrets=FAKE):
        self.file = FILES[name] = File(name)
        self.read, self.secrets = read, secrets
        self.body, self.base = text(body), [JSON, *base]

    def facts(self, body, headers):
        """`read` says where the facts stand; a name twice among the headers says nothing."""
        names = [name.lower() for name, _ in headers]
        single = {name.lower(): value.strip() for name, value in headers if names.count(name.lower()) == 1}
        try:
            value = json.loads(body)
        except ValueError:
            value = None
        found = self.read(value, single.get)
        return {name: found[name] for name in ("id", "type", "time", "subject", "tenant") if found.get(name)} | {
            "type": found.get("type") or "unknown"}

    def signed(self, scheme):
        self.scheme = scheme
        value = scheme.value(NOW, scheme.sig(self.secrets[0], self.body, NOW, self.base))
        facts = self.facts(self.body, scheme.headers(self.base, NOW, value))
        self.standard(scheme, facts)
        return self.known("signature_mismatch")

    def standard(self, scheme, facts):
        """The id of some providers rests on the signature, so that facts differ between cases that pass."""
        self.file.standard(scheme, self.body, self.base, facts, self.secrets)
        for vector in self.file.vectors:
            if vector["expect"] == "ok":
                for name in ("id", "type", "time", "subject", "tenant"):
                    vector.pop(name, None)
                vector.update(self.facts(vector["body"], vector["headers"]))

    def ok(self, name, body, base=(), expect="ok", **more):
        """Another body of the provider's, signed by the scheme that `signed` was given."""
        body, base, now = text(body), [JSON, *base], {"now": NOW} if self.scheme.timed else {}
        value = self.scheme.value(NOW, self.scheme.sig(self.secrets[0], body, NOW, base))
        headers = self.scheme.headers(base, NOW, value)
        facts = self.facts(body, headers) if expect == "ok" else {}
        self.file.add(name, expect, headers, body, [self.secrets[0]], **{**now, **facts, **more})
        return self

    def token(self, header, value=lambda secret: secret, prefix="", **more):
        """The secret itself stands in a header."""
        live, old, foreign = self.secrets

        def add(name, expect, *values, live=(live,), body=self.body, **extra):
            headers = self.base + [(header, value) for value in values]
            facts = self.facts(body, headers) if expect == "ok" else {}
            self.file.add(prefix + name, expect, headers, body, list(live), **facts, **more, **extra)

        add("valid", "ok", value(live))
        add("the body is not covered", "ok", value(live), body=self.body.replace(b"{", b"{ ", 1))
        add("wrong", "token_mismatch", value(foreign))
        add("header missing", "token_missing")
        add("header empty", "token_mismatch", "")
        add("cut short", "token_mismatch", value(live)[:-1])
        add("too long", "token_mismatch", value(live + "x"))
        add("of 4,000 characters", "token_mismatch", "a" * 4000)
        add("in other case", "token_mismatch", value(live).swapcase())
        add("header twice", "token_mismatch", value(live), value(live))
        add("rotated: the old secret still passes", "ok", value(old), live=(live, old), secret=1)
        add("rotated: the new secret passes", "ok", value(live), live=(live, old), secret=0)
        add("rotated: the old secret is gone", "token_mismatch", value(old))
        add("valid, and no JSON", "unreadable", value(live), body=b"Hello, World!")
        return self.known("token_mismatch")

    def basic(self, **more):
        self.secrets = tuple(f"hookstream:{secret}" for secret in self.secrets)
        return self.token("Authorization", lambda secret: "Basic " + base64.b64encode(secret.encode()).decode(), **more)

    def known(self, mismatch):
        """What `known.json` has for this provider. `EXPECTED` names the verdicts that are not plain to see."""
        for known in KNOWN:
            if known["provider"] != self.file.provider or known["id"] in LEFT_OUT:
                continue
            body, headers = text(known["body"]), [tuple(header) for header in known["headers"]]
            readable = True
            try:
                json.loads(body or b"0")
            except ValueError:
                readable = False
            expect = EXPECTED.get(known["id"], mismatch if not known["valid"] else "ok" if readable else "unreadable")
            more = {key: known[key] for key in ("now", "method", "query") if key in known}
            facts = self.facts(body, headers) if expect == "ok" else {}
            secret = SECRETS.get(known["id"], known["secret"])
            self.file.add(f"known answer: {known['case']}", expect, headers, body, [secret], source=known["source"],
                          **more, **facts, **REPLIES.get(known["id"], {}))
        return self


# Verdicts of known answers other than: valid and JSON, an event; valid and not, unreadable; else a mismatch.
EXPECTED = {
    "woocommerce-04": "handshake",
    "zendesk-03": "timestamp_too_old",
    "calendly-03": "timestamp_too_old",
    "telegram-02": "token_missing",
    "dropbox-03": "handshake",
    "twitch-03": "handshake",
}
REPLIES = {
    "woocommerce-04": dict(reply=dict(status=200)),
    "dropbox-03": dict(reply=dict(status=200, content_type="text/plain", body="abc 123")),
    "twitch-03": dict(reply=dict(status=200, content_type="text/plain", body="pogchamp-kappa-360noscope-vohiyo")),
}
# The key in the form in which a source is configured.
SECRETS = {"woocommerce-03": "a&b <c>"}
# Answers for another way of signing than the provider's file is for.
LEFT_OUT = {"mollie-03"}


# Payments and shops -------------------------------------------------------------------------------------------------

RAZORPAY = ("refund", "dispute", "subscription", "payment_link", "qr_code", "virtual_account", "settlement", "payout",
            "transaction", "fund_account", "invoice", "order", "payment")


def payments():
    razorpay = Provider(
        "razorpay",
        lambda j, h: dict(id=h("x-razorpay-event-id"), type=at(j, "/event"), time=seconds(at(j, "/created_at")),
                          subject=first(j, *(f"/payload/{name}/entity/id" for name in RAZORPAY)), tenant=at(j, "/account_id")),
        '{"entity":"event","account_id":"acc_Fake","event":"payment.captured","contains":["payment"],"payload":{"payment":'
        '{"entity":{"id":"pay_FakeLoom","amount":50000,"currency":"INR"}}},"created_at":1699999990}',
        [("X-Razorpay-Event-Id", "evt_FakeEng1ne")],
    ).signed(Scheme("X-Razorpay-Signature", PLAIN))
    event = [("x-razorpay-event-id", "evt_Fake2")]
    razorpay.ok("a refund beside its payment", '{"event":"refund.processed","contains":["refund","payment"],"payload":{"refund":{'
                '"entity":{"id":"rfnd_1"}},"payment":{"entity":{"id":"pay_1"}}},"created_at":1699999990}', event)
    razorpay.ok("an order beside its payment", '{"event":"order.paid","contains":["payment","order"],"payload":{"payment":{'
                '"entity":{"id":"pay_1"}},"order":{"entity":{"id":"order_1"}}},"created_at":1699999990}', event)
    razorpay.ok("event id missing", '{"event":"payment.failed","payload":{},"created_at":1}')
    razorpay.ok("event id twice", '{"event":"payment.failed","payload":{},"created_at":1}', event * 2)

    woocommerce = Provider(
        "woocommerce",
        lambda j, h: dict(id=hashed(h("x-wc-webhook-delivery-id"), h("x-wc-webhook-topic"), h("x-wc-webhook-signature")),
                          type=h("x-wc-webhook-topic"), time=utc(at(j, "/date_modified_gmt")), subject=at(j, "/id"),
                          tenant=h("x-wc-webhook-source")),
        '{"id":727,"number":"727","status":"processing","date_modified_gmt":"2026-01-02T03:04:05","total":"409.94"}',
        [("X-WC-Webhook-Source", "https://shop.example.com/"), ("X-WC-Webhook-Topic", "order.updated"),
         ("X-WC-Webhook-Delivery-ID", "4de9e9a5ee3a2ba8b4fa1b8f0d5b8b72")],
    ).signed(Scheme("X-WC-Webhook-Signature", PLAIN, encoding="base64"))
    same = [("X-WC-Webhook-Topic", "order.updated"), ("X-WC-Webhook-Delivery-ID", "4de9e9a5ee3a2ba8b4fa1b8f0d5b8b72")]
    woocommerce.ok("same second, one delivery id: the first event", '{"id":727,"status":"pending"}', same)
    woocommerce.ok("same second, one delivery id: the second event", '{"id":727,"status":"processing"}', same)
    woocommerce.ok("same second, one delivery id: a third of another topic", '{"id":727,"status":"processing"}',
                   [("X-WC-Webhook-Topic", "order.created"), same[1]])
    woocommerce.ok("a deletion", '{"id":727}', [("X-WC-Webhook-Topic", "order.deleted"), same[1]])
    woocommerce.ok("an action", '{"action":"woocommerce_add_to_cart","arg":"9"}', [("X-WC-Webhook-Topic", "action.woocommerce_add_to_cart")])
    ping = dict(body=b"webhook_id=142", secrets=[FAKE[0]])
    woocommerce.file.add("ping with a character set", "handshake", [("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8")],
                         reply=dict(status=200), **ping)
    woocommerce.file.add("a ping that says it is JSON", "signature_missing", [JSON], **ping)
    ids = [vector["id"] for vector in woocommerce.file.vectors if vector["name"].startswith("same second")]
    assert len(set(ids)) == 3


# Code and tickets ---------------------------------------------------------------------------------------------------

def code_and_tickets():
    bitbucket = Provider(
        "bitbucket",
        lambda j, h: dict(id=h("x-request-uuid"), type=h("x-event-key"),
                          time=first(j, "/comment/updated_on", "/commit_status/updated_on", "/pullrequest/updated_on",
                                     "/issue/updated_on", "/push/changes/0/new/target/date"),
                          subject=joined("/pullrequests/", at(j, "/repository/full_name"), at(j, "/pullrequest/id"))
                          or joined("/issues/", at(j, "/repository/full_name"), at(j, "/issue/id")) or at(j, "/repository/uuid"),
                          tenant=first(j, "/repository/workspace/slug", "/repository/owner/uuid")),
        '{"push":{"changes":[{"new":{"name":"main","target":{"hash":"9c1e","date":"2026-01-02T03:04:05+00:00"}}}]},'
        '"repository":{"uuid":"{5f8c1c0a}","full_name":"ada/engine","workspace":{"slug":"ada"}}}',
        [("X-Event-Key", "repo:push"), ("X-Request-UUID", "8b3f0c6a-1111-4222-8333-c0ffee000003")],
    ).signed(Scheme("X-Hub-Signature", PLAIN, value=lambda ts, sig: f"sha256={sig}"))
    named = lambda key: [("X-Event-Key", key), ("X-Request-UUID", "r-1")]
    bitbucket.ok("a pull request", '{"pullrequest":{"id":7,"updated_on":"2026-01-02T03:04:05.678901+00:00"},"repository":'
                 '{"full_name":"ada/engine","uuid":"{5f8c}","owner":{"uuid":"{0001}"}}}', named("pullrequest:created"))
    bitbucket.ok("a branch deleted", '{"push":{"changes":[{"new":null,"old":{"name":"main"}}]},"repository":{"uuid":"{5f8c}"}}', named("repo:push"))
    bitbucket.file.add("another method than the one announced", "signature_malformed",
                       [("X-Hub-Signature", "sha512=" + "0" * 128)], b"{}", [FAKE[0]])

    zendesk = Provider(
        "zendesk",
        lambda j, h: dict(id=h("x-zendesk-webhook-invocation-id"), type=at(j, "/type"), time=at(j, "/time"),
                          subject=at(j, "/detail/id"), tenant=h("x-zendesk-account-id") or at(j, "/account_id")),
        '{"account_id":22129848,"id":"2b24ef10","type":"zen:event-type:ticket.created","subject":"zen:ticket:401950",'
        '"time":"2023-11-14T22:13:19.5Z","zendesk_event_version":"2022-11-06","detail":{"id":"401950"}}',
        [("X-Zendesk-Account-Id", "123456"), ("X-Zendesk-Webhook-Invocation-Id", "8350205582")],
    ).signed(Scheme("X-Zendesk-Webhook-Signature", lambda body, ts, _: str(ts).encode() + body, encoding="base64",
                    ts_header="X-Zendesk-Webhook-Signature-Timestamp", **clock("rfc3339")))
    invoked = [("X-Zendesk-Webhook-Invocation-Id", "8350205583")]
    zendesk.ok("a trigger's own body: its id is the ticket's", '{"id":"401950","title":"The loom has stopped"}', invoked)
    zendesk.ok("no body at all", "", invoked)
    zendesk.file.add(
        "the secret decoded as base64", "signature_mismatch",
        [("X-Zendesk-Webhook-Signature-Timestamp", rfc3339(NOW)), ("X-Zendesk-Webhook-Signature", Scheme(
            "", lambda body, ts, _: rfc3339(NOW).encode() + body, encoding="base64", key="base64").sig(
                "dGhpc19zZWNyZXRfaXNfZm9yX3Rlc3Rpbmdfb25seQ==", b"{}", NOW, []))],
        b"{}", ["dGhpc19zZWNyZXRfaXNfZm9yX3Rlc3Rpbmdfb25seQ=="], now=NOW)

    freshdesk = Provider(
        "freshdesk",
        lambda j, h: dict(id=first(j, "/freshdesk_webhook/event_id", "/event_id"),
                          type=first(j, "/freshdesk_webhook/event_type", "/event_type"),
                          time=first(j, "/freshdesk_webhook/event_time", "/event_time"),
                          subject=first(j, "/freshdesk_webhook/ticket_id", "/ticket_id")),
        '{"freshdesk_webhook":{"event_type":"ticket.updated","event_id":"12-2026-01-02T03:04:05Z","ticket_id":12,"ticket_status":"Open"}}',
    ).token("X-API-Key")
    secrets, freshdesk.base = freshdesk.secrets, [JSON]
    overrides = dict(verify=dict(scheme="basic", header="Authorization"))
    FILES["freshdesk"] = freshdesk.file
    freshdesk.known = lambda mismatch: freshdesk
    freshdesk.basic(prefix="Basic: ", overrides=overrides)
    bearer = dict(verify=dict(header="Authorization", format="Bearer {token}"))
    freshdesk.secrets = secrets
    freshdesk.token("Authorization", lambda secret: f"Bearer {secret}", prefix="Bearer: ", overrides=bearer)


def files():
    """Every file, in the order of the names."""
    payments()
    code_and_tickets()
    return [FILES[name] for name in sorted(FILES)]
