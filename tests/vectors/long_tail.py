"""The vectors of the providers that need no more than a recipe: how each signs, and where its facts stand, written down
a second time and independently of the TOML files. `known.json` holds answers that others published or made."""

import base64
import datetime
import email.utils
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


def place(item, items):
    """Which of the items it is, equal ones told apart."""
    return str(next(at for at, other in enumerate(items) if other is item))


def clock(format, tolerance=300):
    """The stamp of a scheme whose timestamp is not in seconds."""
    if format == "ms":
        return dict(stamp=lambda ts: ts * 1000, tolerance=tolerance)
    inside = lambda ts: 0 <= ts < 4_000_000_000
    if format == "rfc1123":
        return dict(stamp=lambda ts: email.utils.formatdate(ts, usegmt=True) if inside(ts) else str(ts), tolerance=tolerance)
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
        if isinstance(found, list):
            events = [{name: fact for name, fact in event.items() if fact} for event in found]
            return events[0] if len(events) == 1 else {"events": events}
        return {name: found[name] for name in ("id", "type", "time", "subject", "tenant") if found.get(name)} | {
            "type": found.get("type") or "unknown"}

    def signed(self, scheme):
        self.scheme = scheme
        value = scheme.value(NOW, scheme.sig(self.secrets[0], self.body, NOW, self.base))
        facts = self.facts(self.body, scheme.headers(self.base, NOW, value))
        self.standard(scheme, facts)
        if hasattr(scheme, "untimed"):
            sig, ts = scheme.sig(self.secrets[0], self.body, NOW, self.base), scheme.written(NOW)
            for name, expect, value in (("timestamp missing", "timestamp_missing", scheme.untimed(sig)),
                                        ("timestamp twice", "timestamp_malformed", scheme.twice(ts, sig))):
                self.file.add(name, expect, self.base + [(scheme.header, value)], self.body, [self.secrets[0]], now=NOW)
        return self.known("signature_mismatch")

    def standard(self, scheme, facts):
        """The id of some providers rests on the signature, so that facts differ between cases that pass."""
        self.file.standard(scheme, self.body, self.base, facts, self.secrets)
        for vector in self.file.vectors:
            if vector["expect"] == "ok":
                for name in ("id", "type", "time", "subject", "tenant", "events"):
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
            self.file.add(f"known answer: {known['case']}", expect, headers, body, [known["secret"]] if known["secret"] else [], source=known["source"],
                          **{**more, **facts, **REPLIES.get(known["id"], {})})
        return self


ASANA = "b537207f20cbfa02357cf448134da559e8bd39d61597dcd5631b8012eae53e81"

# Verdicts of known answers other than: valid and JSON, an event; valid and not, unreadable; else a mismatch.
EXPECTED = {
    "woocommerce-04": "handshake",
    "zendesk-03": "timestamp_too_old",
    "calendly-03": "timestamp_too_old",
    "telegram-02": "token_missing",
    "dropbox-03": "handshake",
    "twitch-03": "handshake",
    "zoom-03": "handshake",
    "asana-03": "handshake",
    "okta-03": "handshake",
}
REPLIES = {
    "asana-03": dict(reply=dict(status=200, headers={"x-hook-secret": ASANA}, store=ASANA)),
    "okta-03": dict(method="GET", reply=dict(status=200, content_type="application/json", body='{"verification":"abc"}')),
    "zoom-03": dict(reply=dict(status=200, content_type="application/json", body='{"plainToken":"qgg8vlvZRS6UYooatFL8Aw",'
                    '"encryptedToken":"b17f0320a1322a509340a1a835b3d9edbc491f0b0790ed2d20d0604d39dfe922"}')),
    "woocommerce-04": dict(reply=dict(status=200)),
    "dropbox-03": dict(reply=dict(status=200, content_type="text/plain", headers={"x-content-type-options": "nosniff"}, body="abc 123")),
    "twitch-03": dict(reply=dict(status=200, content_type="text/plain", body="pogchamp-kappa-360noscope-vohiyo")),
}
# Answers for another way of signing than the provider's file is for.
LEFT_OUT = {"mollie-03"}


# Payments and shops -------------------------------------------------------------------------------------------------

RAZORPAY = ("refund", "dispute", "subscription", "payment_link", "qr_code", "virtual_account", "settlement", "payout",
            "transaction", "fund_account", "invoice", "order", "payment", "payment.downtime")


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
    razorpay.ok("a downtime", '{"event":"payment.downtime.started","contains":["payment.downtime"],"payload":{"payment.downtime":{"entity":{'
                '"id":"down_Fake1","entity":"payment.downtime","method":"upi","status":"started"}}},"created_at":1699999990}', event)
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
    form = lambda charset: [("Content-Type", "application/x-www-form-urlencoded" + charset)]
    for name, charset in (("a character set", "; charset=UTF-8"), ("a character set in small letters", "; charset=utf-8"),
                          ("a character set and no space", ";charset=UTF-8"), ("a character set in small letters and no space", ";charset=utf-8")):
        woocommerce.file.add(f"ping with {name}", "handshake", form(charset), reply=dict(status=200), **ping)
    for name, charset in (("a form", ""), ("a form with a character set", "; charset=UTF-8")):
        headers = form(charset) + woocommerce.base[1:]
        headers += [("X-WC-Webhook-Signature", woocommerce.scheme.sig(FAKE[0], woocommerce.body, NOW, headers))]
        woocommerce.file.add(f"an event that says it is {name}", "ok", headers, woocommerce.body, [FAKE[0]], **woocommerce.facts(woocommerce.body, headers))
    woocommerce.file.add("a ping with a bad signature", "signature_mismatch",
                         form("") + [("X-WC-Webhook-Signature", base64.b64encode(bytes(32)).decode())], **ping)
    woocommerce.file.add("an event without a signature that says it is a form", "signature_missing", form("") + woocommerce.base[1:], woocommerce.body, [FAKE[0]])
    woocommerce.file.add("an event with an empty signature that says it is a form", "signature_malformed",
                         form("") + woocommerce.base[1:] + [("X-WC-Webhook-Signature", "")], woocommerce.body, [FAKE[0]])
    woocommerce.file.add("a ping with another character set", "signature_missing", form("; charset=latin1"), **ping)
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


def simple(name, scheme, read, body, base=(), secrets=FAKE):
    return Provider(name, read, body, base, secrets).signed(scheme)


def bare(header, **more):
    return Scheme(header, PLAIN, **more)


def prefixed(prefix, header, **more):
    return Scheme(header, PLAIN, value=lambda ts, sig: prefix + sig, **more)


def pair(header, before, between, message=DOTTED, **more):
    """`t=…,v1=…` and its like: the timestamp in the signature's own header."""
    scheme = Scheme(header, message, value=lambda ts, sig: f"{before}{ts}{between}{sig}", ts_inside=True,
                    several=lambda ts, sigs: f"{before}{ts}" + "".join(between + sig for sig in sigs), **more)
    if before:
        scheme.untimed = lambda sig: between.lstrip(",; ") + sig
        scheme.twice = lambda ts, sig: f"{before}{ts}{between[0]}{before}{ts}{between}{sig}"
    return scheme


def standard(family):
    return Scheme(f"{family}-signature", lambda body, ts, headers: f"{headers[f'{family}-id']}.{ts}.".encode() + body,
                  value=lambda ts, sig: f"v1,{sig}", encoding="base64", key="whsec", ts_header=f"{family}-timestamp",
                  several=lambda ts, sigs: " ".join(f"v1,{sig}" for sig in sigs))


WHSEC = tuple("whsec_" + base64.b64encode(f"fake {which} key of 24 bytes".encode()).decode()
              for which in ("live", "old.", "foreign"))


def adopters():
    """Those who sign as Standard Webhooks does."""
    def ids(file, scheme, family, body, base, prefix=""):
        """What only a signed header of the id can go wrong with. Gives the headers of a good request."""
        signed = scheme.headers(base, NOW, scheme.value(NOW, scheme.sig(WHSEC[0], body, NOW, base)))
        add = lambda name, expect, headers: file.add(prefix + name, expect, headers, body, [WHSEC[0]], now=NOW)
        add("id missing", "signed_header_missing", [header for header in signed if header[0] != f"{family}-id"])
        add("id twice", "signed_header_missing", signed + [(f"{family}-id", "msg_fake27UH4WbU6Z5A")])
        add("id changed", "signature_mismatch", [(name, "msg_other" if name == f"{family}-id" else value) for name, value in signed])
        return signed

    def adopter(name, family, read, body):
        provider = simple(name, standard(family), read, body, [(f"{family}-id", "msg_fake27UH4WbU6Z5A")], WHSEC)
        ids(provider.file, provider.scheme, family, provider.body, provider.base)
        return provider

    def either(own, other, name, read, body):
        """One whose library takes both families of headers: all of it again under the other one."""
        provider = adopter(name, own, read, body)
        file, body, base, scheme = provider.file, provider.body, [JSON, (f"{other}-id", "msg_fake27UH4WbU6Z5A")], standard(other)
        facts, prefix = provider.facts(body, provider.base), f"{other} headers: "
        file.standard(scheme, body, base, facts, WHSEC, prefix)
        signed = ids(file, scheme, other, body, base, prefix)
        add = lambda name, expect, headers, **facts: file.add(name, expect, headers, body, [WHSEC[0]], now=NOW, **facts)
        add(f"an unsigned {own}-id beside {other} headers names nothing", "ok", [(f"{own}-id", "msg_forged")] + signed, **facts)
        add(f"no way down from a bad {own}-signature to a good {other} one", "signature_mismatch",
            [(f"{own}-id", "msg_forged"), (f"{own}-timestamp", str(NOW)), (f"{own}-signature", "v1," + base64.b64encode(bytes(32)).decode())] + signed)

    adopter("clerk", "svix", lambda j, h: dict(id=h("svix-id"), type=at(j, "/type"), time=millis(at(j, "/timestamp")),
                                               subject=at(j, "/data/id"), tenant=at(j, "/instance_id")),
            '{"type":"user.created","timestamp":1699999990123,"instance_id":"ins_fake","data":{"id":"user_fake1"}}')
    either("svix", "webhook", "resend", lambda j, h: dict(id=h("svix-id"), type=at(j, "/type"), time=at(j, "/created_at"),
                                                          subject=first(j, "/data/email_id", "/data/id")),
            '{"type":"email.delivered","created_at":"2026-01-02T03:04:05.678Z","data":{"email_id":"56761188-7520"}}')
    adopter("openai", "webhook", lambda j, h: dict(id=at(j, "/id") or h("webhook-id"), type=at(j, "/type"),
                                                   time=seconds(at(j, "/created_at")), subject=at(j, "/data/id")),
            '{"object":"event","id":"evt_fake","type":"batch.completed","created_at":1699999990,"data":{"id":"batch_1"}}')
    either("svix", "webhook", "svix", lambda j, h: dict(id=h("svix-id"), type=first(j, "/type", "/eventType", "/event_type"), time=at(j, "/timestamp"),
                                                        subject=first(j, "/data/id", "/data/endpointId"), tenant=at(j, "/data/appId")),
            '{"type":"endpoint.disabled","data":{"appId":"app_1","endpointId":"ep_1"}}')
    either("webhook", "svix", "replicate", lambda j, h: dict(id=h("webhook-id"), type=joined("", "prediction.", at(j, "/status")),
                                                                time=first(j, "/completed_at", "/started_at", "/created_at"), subject=at(j, "/id")),
            '{"id":"pred1","status":"succeeded","created_at":"2026-01-02T03:04:05.678Z","completed_at":"2026-01-02T03:04:09Z"}')
    gitlab = lambda id: lambda j, h: dict(
        id=id(h), type=joined(".", at(j, "/object_kind"), at(j, "/object_attributes/action"))
        or joined(".", at(j, "/object_kind"), at(j, "/object_attributes/status"))
        or joined(".", at(j, "/object_kind"), at(j, "/build_status"))
        or first(j, "/object_kind", "/event_name") or h("x-gitlab-event"),
        time=first(j, "/object_attributes/updated_at", "/object_attributes/finished_at", "/object_attributes/created_at",
                   "/commits/0/timestamp", "/updated_at"),
        subject=first(j, "/object_attributes/id", "/build_id", "/project/id", "/project_id"), tenant=h("x-gitlab-instance"))
    issue = '{"object_kind":"issue","project":{"id":15},"object_attributes":{"id":301,"iid":23,"action":"open","updated_at":"2026-01-02T03:04:05Z"}}'
    adopter("gitlab-signed", "webhook", gitlab(lambda h: h("webhook-id")), issue)
    token = Provider("gitlab", gitlab(lambda h: h("idempotency-key") or h("x-gitlab-event-uuid")), issue, [
        ("X-Gitlab-Event", "Issue Hook"), ("X-Gitlab-Instance", "https://gitlab.example.com"),
        ("X-Gitlab-Event-UUID", "13792a34-cac6-4fda-95a8-c58e00a3954e"), ("Idempotency-Key", "f5e57ffa-e3f7-4d9c-a8a3-1d5f5b5e4a5b")])
    token.token("X-Gitlab-Token")
    for name, body in [("a pipeline", '{"object_kind":"pipeline","object_attributes":{"id":31,"status":"success","finished_at":"2016-08-12 15:26:29 UTC"}}'),
                       ("a job", '{"object_kind":"build","build_id":1977,"build_status":"failed","project_id":380}'),
                       ("a system hook", '{"event_name":"project_create","project_id":74,"updated_at":"2012-07-21T07:38:22Z"}'),
                       ("without an idempotency key", '{"object_kind":"push","project":{"id":15},"commits":[{"timestamp":"2026-01-02T03:04:05+02:00"}]}')]:
        headers = [JSON, ("X-Gitlab-Event-UUID", "uuid-1"), ("X-Gitlab-Token", FAKE[0])]
        facts = token.facts(text(body), headers)
        if "UTC" in body:
            facts.pop("time")
        token.file.add(name, "ok", headers, text(body), [FAKE[0]], **facts)


def clocked(provider, name, tolerance):
    """The timestamp stands in the signed body, in milliseconds: each vector gets a clock, and the body other times."""
    for vector in provider.file.vectors:
        vector.setdefault("now", NOW)
        if vector["expect"] == "unreadable":
            vector["expect"] = "timestamp_missing"
    for label, expect, value in (
        ("at the bound behind", "ok", (NOW - tolerance) * 1000), ("beyond the bound behind", "timestamp_too_old", (NOW - tolerance) * 1000 - 1),
        ("at the bound ahead", "ok", (NOW + tolerance) * 1000), ("beyond the bound ahead", "timestamp_in_future", (NOW + tolerance) * 1000 + 1),
        ("in seconds", "timestamp_too_old", NOW), ("negative", "timestamp_malformed", -1), ("no number", "timestamp_malformed", "now"),
    ):
        body = json.loads(provider.body) | {name: value}
        provider.ok(f"timestamp {label}", json.dumps(body), provider.base[1:], expect, now=NOW)
    body = {key: value for key, value in json.loads(provider.body).items() if key != name}
    provider.ok("timestamp missing", json.dumps(body), provider.base[1:], "timestamp_missing", now=NOW)


def work():
    """Tickets, talk, documents, alerts."""
    linear = simple("linear", bare("Linear-Signature"), lambda j, h: dict(
        id=h("linear-delivery"), type=joined(".", at(j, "/type"), at(j, "/action")) or at(j, "/type"), time=at(j, "/createdAt"),
        subject=at(j, "/data/id"), tenant=at(j, "/organizationId")),
        '{"action":"create","type":"Issue","createdAt":"2026-01-02T03:04:05.678Z","organizationId":"org-1","data":{"id":"2174add1"},'
        '"webhookTimestamp":1700000000000}', [("Linear-Delivery", "234d1a4e-b617-4388-90fe-adc3633d6b72")])
    clocked(linear, "webhookTimestamp", 60)
    simple("intercom", prefixed("sha1=", "X-Hub-Signature", hash="sha1"), lambda j, h: dict(
        id=at(j, "/id"), type=at(j, "/topic"), time=seconds(at(j, "/created_at")), subject=at(j, "/data/item/id"), tenant=at(j, "/app_id")),
        '{"type":"notification_event","app_id":"fa4eapp","id":"notif_fake","topic":"ticket.created","created_at":1699999990,'
        '"data":{"item":{"type":"ticket","id":"21"}}}')
    FILES["intercom"].add("the HEAD request", "handshake", [], b"", [FAKE[0]], method="HEAD", reply=dict(status=200))
    zoom = simple("zoom", Scheme("x-zm-signature", lambda body, ts, _: f"v0:{ts}:".encode() + body,
                                 value=lambda ts, sig: f"v0={sig}", ts_header="x-zm-request-timestamp"), lambda j, h: dict(
        id=hashed(*(at(j, pointer) for pointer in (
            "/event", "/event_ts", "/payload/object/uuid", "/payload/object/id", "/payload/object/participant/participant_uuid",
            "/payload/object/participant/user_id"))),
        type=at(j, "/event"), time=millis(at(j, "/event_ts")), subject=first(j, "/payload/object/uuid", "/payload/object/id"),
        tenant=at(j, "/payload/account_id")),
        '{"event":"meeting.ended","event_ts":1699999990123,"payload":{"account_id":"FakeAcc","object":{"id":"123","uuid":"4444AA=="}}}')
    joining = '{"event":"meeting.participant_joined","event_ts":1699999990123,"payload":{"object":{"uuid":"4444AA==","participant":{"user_id":"%s"}}}}'
    zoom.ok("two who join in one millisecond: the first", joining % "16778240")
    zoom.ok("two who join in one millisecond: the second", joining % "16778241")
    simple("typeform", prefixed("sha256=", "Typeform-Signature", encoding="base64"), lambda j, h: dict(
        id=at(j, "/event_id"), type=at(j, "/event_type"), time=at(j, "/form_response/submitted_at"),
        subject=at(j, "/form_response/token"), tenant=at(j, "/form_response/form_id")),
        '{"event_id":"01FAKE","event_type":"form_response","form_response":{"form_id":"f1","token":"t1","submitted_at":"2026-01-02T03:04:05Z"}}')
    simple("calendly", pair("Calendly-Webhook-Signature", "t=", ",v1=", tolerance=180), lambda j, h: dict(
        id=hashed(at(j, "/event"), at(j, "/created_at"), at(j, "/payload/uri")), type=at(j, "/event"), time=at(j, "/created_at"),
        subject=at(j, "/payload/uri"), tenant=at(j, "/created_by")),
        '{"event":"invitee.created","created_at":"2026-01-02T03:04:05.678901Z","payload":{"uri":"https://api.calendly.com/x/1"}}')
    docusign = simple("docusign", bare("X-DocuSign-Signature-1", encoding="base64"), lambda j, h: dict(
        id=hashed(at(j, "/data/envelopeId"), at(j, "/event"), at(j, "/generatedDateTime"), at(j, "/data/recipientId")),
        type=at(j, "/event"), time=at(j, "/generatedDateTime"), subject=at(j, "/data/envelopeId"), tenant=at(j, "/data/accountId")),
        '{"event":"recipient-signed","generatedDateTime":"2026-01-02T03:04:05.678Z","data":{"accountId":"1","envelopeId":"2","recipientId":"3"}}')
    good, bad = docusign.scheme.sig(FAKE[0], docusign.body, NOW, []), docusign.scheme.sig(FAKE[2], docusign.body, NOW, [])
    for name, expect, sigs in (("the second of two keys", "ok", (bad, good)), ("the first of two keys", "ok", (good, bad)),
                               ("two keys, none good", "signature_mismatch", (bad, bad))):
        headers = [JSON, *((f"X-DocuSign-Signature-{number + 1}", sig) for number, sig in enumerate(sigs))]
        docusign.file.add(name, expect, headers, docusign.body, [FAKE[0]], **(docusign.facts(docusign.body, headers) if expect == "ok" else {}))
    simple("notion", prefixed("sha256=", "X-Notion-Signature"), lambda j, h: dict(
        id=at(j, "/id"), type=at(j, "/type"), time=at(j, "/timestamp"), subject=at(j, "/entity/id"), tenant=at(j, "/workspace_id")),
        '{"id":"367cba44","timestamp":"2026-01-02T03:04:05.678Z","workspace_id":"w-1","type":"page.created","entity":{"id":"p-1"}}')
    simple("jira", prefixed("sha256=", "X-Hub-Signature"), lambda j, h: dict(
        id=h("x-atlassian-webhook-identifier"), type=at(j, "/webhookEvent"), time=millis(at(j, "/timestamp")),
        subject=first(j, "/issue/id", "/version/id", "/sprint/id", "/board/id", "/project/id", "/user/accountId")),
        '{"timestamp":1699999990123,"webhookEvent":"jira:issue_created","issue":{"id":"10001","key":"LOOM-1"}}',
        [("X-Atlassian-Webhook-Identifier", "8d1f7a52")])
    simple("sentry", bare("Sentry-Hook-Signature"), lambda j, h: dict(
        id=h("request-id"), type=joined(".", h("sentry-hook-resource"), at(j, "/action")) or h("sentry-hook-resource"),
        time=seconds(h("sentry-hook-timestamp")), tenant=at(j, "/installation/uuid"),
        subject=first(j, "/data/issue/id", "/data/event/issue_id", "/data/error/issue_id", "/data/metric_alert/id", "/data/event/event_id")),
        '{"action":"triggered","installation":{"uuid":"a8e5"},"data":{"event":{"event_id":"e93","issue_id":"1117540176"}}}',
        [("Request-ID", "c9c5e2a0b1"), ("Sentry-Hook-Resource", "event_alert"), ("Sentry-Hook-Timestamp", "1699999990")])
    simple("pagerduty", prefixed("v1=", "X-PagerDuty-Signature", several=lambda ts, sigs: ",".join(f"v1={sig}" for sig in sigs)), lambda j, h: dict(
        id=at(j, "/event/id"), type=at(j, "/event/event_type"), time=at(j, "/event/occurred_at"), subject=at(j, "/event/data/id")),
        '{"event":{"id":"01FAKE","event_type":"incident.resolved","occurred_at":"2026-01-02T03:04:05.678Z","data":{"id":"PGR0VU2"}}}')
    box = simple("box", Scheme("BOX-SIGNATURE-PRIMARY", lambda body, ts, _: body + str(ts).encode(), encoding="base64",
                         ts_header="BOX-DELIVERY-TIMESTAMP", **clock("rfc3339", 600)), lambda j, h: dict(
        id=at(j, "/id"), type=at(j, "/trigger"), time=at(j, "/created_at"), subject=at(j, "/source/id"), tenant=at(j, "/created_by/id")),
        '{"type":"webhook_event","id":"0f4eb4ec","created_at":"2016-07-11T10:10:33-07:00","trigger":"FILE.UPLOADED","source":{"id":"73835521473"}}')
    value = lambda secret: box.scheme.sig(secret, box.body, NOW, [])
    for name, expect, first_key, second_key in [
        ("both keys sign, the first one is ours", "ok", FAKE[0], FAKE[2]), ("both keys sign, the second one is ours", "ok", FAKE[2], FAKE[0]),
        ("both keys sign, none is ours", "signature_mismatch", FAKE[2], FAKE[1]), ("the second key alone", "ok", None, FAKE[0])]:
        signed = [(header, value(key)) for header, key in (("BOX-SIGNATURE-PRIMARY", first_key), ("BOX-SIGNATURE-SECONDARY", second_key)) if key]
        headers = [JSON, ("BOX-DELIVERY-TIMESTAMP", rfc3339(NOW)), *signed]
        box.file.add(name, expect, headers, box.body, [FAKE[0]], now=NOW, **(box.facts(box.body, headers) if expect == "ok" else {}))
    simple("launchdarkly", bare("X-LD-Signature"), lambda j, h: dict(
        id=at(j, "/_id"), type=joined(".", at(j, "/kind"), at(j, "/accesses/0/action")) or at(j, "/kind"), time=millis(at(j, "/date")),
        subject=first(j, "/target/_links/canonical/href", "/name"), tenant=at(j, "/_accountId")),
        '{"_id":"5fa4e","_accountId":"acc","date":1699999990123,"kind":"flag","name":"weave","accesses":[{"action":"updateOn"}]}')
    simple("workos", pair("WorkOS-Signature", "t=", ", v1=", **clock("ms", 180)), lambda j, h: dict(
        id=at(j, "/id"), type=at(j, "/event"), time=at(j, "/created_at"), subject=at(j, "/data/id"),
        tenant=first(j, "/data/organization_id", "/data/directory_id")),
        '{"id":"event_fake1","event":"user.created","data":{"id":"user_1","organization_id":null,"directory_id":"d-1"},"created_at":"2026-01-02T03:04:05.678Z"}')


def money():
    """Paddle, Mollie and other tills."""
    simple("paddle", pair("Paddle-Signature", "ts=", ";h1=", lambda body, ts, _: f"{ts}:".encode() + body), lambda j, h: dict(
        id=at(j, "/event_id"), type=at(j, "/event_type"), time=at(j, "/occurred_at"), subject=at(j, "/data/id")),
        '{"event_id":"evt_fake1","event_type":"transaction.completed","occurred_at":"2026-01-02T03:04:05.678901Z","data":{"id":"txn_1"}}')
    simple("mollie", prefixed("sha256=", "X-Mollie-Signature"), lambda j, h: dict(
        id=at(j, "/id"), type=at(j, "/type"), time=at(j, "/createdAt"), subject=at(j, "/entityId")),
        '{"resource":"event","id":"event_fake1","type":"payment-link.paid","entityId":"pl_1","createdAt":"2026-01-02T03:04:05.0Z"}')
    simple("recurly", pair("recurly-signature", "", ",", **clock("ms")), lambda j, h: dict(
        id=h("recurly-notification-id"), type=joined(".", at(j, "/object_type"), at(j, "/event_type")), time=at(j, "/event_time"),
        subject=first(j, "/id", "/account_code"), tenant=at(j, "/site_id")),
        '{"id":"urzfake","object_type":"account","event_type":"created","event_time":"2026-01-02T03:04:05Z","site_id":"s"}',
        [("recurly-notification-id", "n-1")])
    Provider("chargebee", lambda j, h: dict(
        id=at(j, "/id"), type=at(j, "/event_type"), time=seconds(at(j, "/occurred_at")),
        subject=first(j, *(f"/content/{name}/id" for name in ("transaction", "credit_note", "invoice", "subscription", "quote", "order", "customer")))),
        '{"id":"ev_fake1","occurred_at":1699999990,"event_type":"payment_succeeded","content":{"customer":{"id":"c"},"transaction":{"id":"txn_1"}}}').basic()
    simple("coinbase-commerce", bare("X-CC-Webhook-Signature"), lambda j, h: dict(
        id=at(j, "/event/id"), type=at(j, "/event/type"), time=at(j, "/event/created_at"), subject=first(j, "/event/data/code", "/event/data/id")),
        '{"event":{"id":"24934862","type":"charge:confirmed","created_at":"2026-01-02T03:04:05Z","data":{"code":"FAKE66"}}}')
    simple("lemon-squeezy", bare("X-Signature"), lambda j, h: dict(
        id=hashed(at(j, "/meta/event_name"), at(j, "/data/id"), h("x-signature")), type=at(j, "/meta/event_name"),
        time=first(j, "/data/attributes/updated_at", "/data/attributes/created_at"), subject=at(j, "/data/id"),
        tenant=at(j, "/data/attributes/store_id")),
        '{"meta":{"event_name":"order_created"},"data":{"id":"7","attributes":{"store_id":1,"created_at":"2026-01-02T03:04:05.000000Z"}}}')
    simple("paystack", bare("X-Paystack-Signature", hash="sha512"), lambda j, h: dict(
        id=hashed(at(j, "/event"), at(j, "/data/id"), h("x-paystack-signature")), type=at(j, "/event"),
        time=first(j, "/data/paid_at", "/data/updated_at", "/data/updatedAt", "/data/created_at", "/data/createdAt"),
        subject=first(j, "/data/reference", "/data/id")),
        '{"event":"charge.success","data":{"id":302961,"reference":"qTPrJoy9Bx","amount":10000,"paid_at":"2026-01-02T03:04:05.000Z"}}')
    simple("checkout-com", bare("Cko-Signature"), lambda j, h: dict(
        id=at(j, "/id"), type=at(j, "/type"), time=at(j, "/created_on"), subject=at(j, "/data/id")),
        '{"id":"evt_fake1","type":"payment_captured","created_on":"2026-01-02T03:04:05Z","data":{"id":"pay_1"}}')


def machines():
    """Builds, media, agents, streams."""
    simple("vercel", bare("x-vercel-signature", hash="sha1"), lambda j, h: dict(
        id=at(j, "/id"), type=at(j, "/type"), time=millis(at(j, "/createdAt")),
        subject=first(j, "/payload/deployment/id", "/payload/project/id", "/payload/deploymentId"),
        tenant=first(j, "/payload/team/id", "/payload/user/id")),
        '{"id":"evt_fake1","type":"deployment.succeeded","createdAt":1699999990123,"payload":{"team":{"id":"team_1"},"deployment":{"id":"dpl_1"}}}')
    twitch = simple("twitch", Scheme(
        "Twitch-Eventsub-Message-Signature", lambda body, ts, headers: (headers["Twitch-Eventsub-Message-Id"] + str(ts)).encode() + body,
        value=lambda ts, sig: f"sha256={sig}", ts_header="Twitch-Eventsub-Message-Timestamp", **clock("rfc3339", 600)), lambda j, h: dict(
        id=h("twitch-eventsub-message-id"), type=at(j, "/subscription/type") if j and "event" in j else joined("", "revoked.", at(j, "/subscription/type")), time=h("twitch-eventsub-message-timestamp"),
        subject=first(j, "/event/broadcaster_user_id", "/event/to_broadcaster_user_id", "/event/user_id", "/event/id")),
        '{"subscription":{"id":"f1c2","type":"channel.follow","version":"2"},"event":{"user_id":"1234","broadcaster_user_id":"12826"}}',
        [("Twitch-Eventsub-Message-Id", "e76c6bd4-55c9"), ("Twitch-Eventsub-Message-Type", "notification")])
    base = lambda kind: [("Twitch-Eventsub-Message-Id", "e76c6bd4-55c9"), ("Twitch-Eventsub-Message-Type", kind)]
    twitch.ok("a challenge", '{"challenge":"pogchamp-fake","subscription":{"id":"f1c2"}}', base("webhook_callback_verification"), "handshake",
              reply=dict(status=200, content_type="text/plain", body="pogchamp-fake"))
    twitch.ok("a revocation", '{"subscription":{"type":"channel.follow","status":"authorization_revoked"}}', base("revocation"))
    twitch.ok("a revocation that calls itself a notification", '{"subscription":{"type":"channel.follow","status":"user_removed"}}', base("notification"))
    twitch.ok("a notification that calls itself a challenge", '{"subscription":{"type":"channel.follow"},"event":{"user_id":"1"}}',
              base("webhook_callback_verification"))
    twitch.file.add("a challenge with a bad signature", "signature_mismatch", twitch.scheme.headers(base("webhook_callback_verification"), NOW, "sha256=" + "0" * 64),
                    b'{"challenge":"pogchamp-fake"}', [FAKE[0]], now=NOW)
    twitch.file.add("id missing", "signed_header_missing", twitch.scheme.headers([], NOW, "sha256=" + "0" * 64), b"{}", [FAKE[0]], now=NOW)
    simple("mux", pair("Mux-Signature", "t=", ",v1="), lambda j, h: dict(
        id=at(j, "/id"), type=at(j, "/type"), time=at(j, "/created_at"), subject=first(j, "/object/id", "/data/id"), tenant=at(j, "/environment/id")),
        '{"type":"video.asset.ready","id":"3a56ac3d","created_at":"2026-01-02T03:04:05.000000Z","object":{"type":"asset","id":"a-1"},"environment":{"id":"e-1"}}')
    simple("cloudflare-stream", pair("Webhook-Signature", "time=", ",sig1="), lambda j, h: dict(
        id=hashed(at(j, "/uid"), at(j, "/status/state"), at(j, "/modified")), type=at(j, "/status/state"),
        time=first(j, "/modified", "/created"), subject=at(j, "/uid")),
        '{"uid":"6b9e68b07dfee8cc2d116e4c51d6a957","readyToStream":true,"status":{"state":"ready"},"modified":"2019-05-26T17:53:02.848117Z"}')
    simple("elevenlabs", pair("ElevenLabs-Signature", "t=", ",v0=", tolerance=1800, ahead=300), lambda j, h: dict(
        id=hashed(*(at(j, pointer) for pointer in ("/type", "/event_timestamp", "/data/conversation_id", "/data/request_id"))),
        type=at(j, "/type"), time=seconds(at(j, "/event_timestamp")), subject=first(j, "/data/conversation_id", "/data/request_id"),
        tenant=at(j, "/data/agent_id")),
        '{"type":"post_call_transcription","event_timestamp":1699999990,"data":{"agent_id":"a-1","conversation_id":"c-1"}}')
    simple("dropbox", bare("X-Dropbox-Signature"), lambda j, h: dict(type="list_folder"), '{"list_folder":{"accounts":["dbid:AAH4fake"]},"delta":{"users":[1]}}')
    simple("airtable", prefixed("hmac-sha256=", "X-Airtable-Content-MAC", key="base64"), lambda j, h: dict(
        type="ping", time=at(j, "/timestamp"), subject=at(j, "/webhook/id"), tenant=at(j, "/base/id")),
        '{"base":{"id":"appX"},"webhook":{"id":"achX"},"timestamp":"2026-01-02T03:04:05.678Z"}',
        secrets=tuple(base64.b64encode(f"fake {which} key of 24 bytes".encode()).decode() for which in ("live", "old.", "foreign")))
    simple("cursor", prefixed("sha256=", "X-Webhook-Signature"), lambda j, h: dict(
        id=h("x-webhook-id"), type=joined(".", at(j, "/event"), at(j, "/status")) or at(j, "/event") or h("x-webhook-event"),
        time=at(j, "/timestamp"), subject=at(j, "/id")),
        '{"event":"statusChange","timestamp":"2026-01-02T03:04:05Z","id":"bc_fake1","status":"FINISHED"}', [("X-Webhook-ID", "w-1")])


def batches():
    """Those who send several events at once."""
    each = lambda pointer, read: lambda j, h: [read(item, j) for item in (pointer(j) or [])]
    Provider("okta", each(lambda j: j and j["data"]["events"], lambda e, j: dict(
        id=at(e, "/uuid"), type=at(e, "/eventType"), time=at(e, "/published"), subject=first(e, "/target/0/id", "/actor/id"), tenant=at(j, "/source"))),
        '{"source":"https://fake.okta.com/x","data":{"events":[{"uuid":"u-1","published":"2026-01-02T03:04:05.678Z","eventType":"user.lifecycle.create",'
        '"target":[{"id":"00u2"}]},{"uuid":"u-2","published":"2026-01-02T03:04:06Z","eventType":"user.session.end","actor":{"id":"00u3"}}]}}').token("Authorization")
    auth0 = Provider("auth0", each(lambda j: j, lambda e, j: dict(
        id=at(e, "/log_id"), type=at(e, "/data/type"), time=at(e, "/data/date"), subject=at(e, "/data/user_id"), tenant=at(e, "/data/tenant_name"))),
        '[{"log_id":"900201","data":{"date":"2026-01-02T03:04:05.678Z","type":"ss","user_id":"auth0|1"}},{"log_id":"900202","data":'
        '{"date":"2026-01-02T03:04:06.678Z","type":"f","tenant_name":"t"}}]').token("Authorization")
    entry = lambda n: (dict(id=n, type="s"), json.dumps({"log_id": n, "data": {"type": "s"}}, separators=(",", ":")))
    (one, first_line), (two, second_line) = entry("900301"), entry("900302")
    key = [JSON, ("Authorization", FAKE[0])]
    for name, body, events in [("two lines", f"{first_line}\n{second_line}\n", [one, two]), ("lines ended by CR and LF, and an empty one",
                                f"{first_line}\r\n\r\n{second_line}\r\n", [one, two]), ("one line", first_line + "\n", [one]), ("a single object", first_line, [one])]:
        facts = events[0] if len(events) == 1 else dict(events=events)
        auth0.file.add(name, "ok", key, body.encode(), [FAKE[0]], **facts)
    for name, body in [("the second line cut short", f"{first_line}\n{second_line[:-1]}"), ("two values in one line", f"{first_line} {second_line}"),
                       ("a line that is no JSON", f"{first_line}\nHello\n")]:
        auth0.file.add(name, "unreadable", key, body.encode(), [FAKE[0]])
    updates = ("message", "edited_message", "channel_post", "callback_query", "poll", "my_chat_member", "chat_boost")

    def update(j, h):
        kind = next((name for name in updates if isinstance(j, dict) and name in j), None)
        of = lambda pointer: at(j, f"/{kind}{pointer}")
        return dict(id=at(j, "/update_id"), type=kind, time=seconds(of("/date") or of("/boost/add_date")),
                    subject=of("/chat/id") or of("/message/chat/id") or of("/from/id") or (of("/id") if kind == "poll" else None))

    telegram = Provider("telegram", update, '{"update_id":10000,"message":{"message_id":1,"date":1699999990,"chat":{"id":1111111},"text":"hello"}}',
                        secrets=("tg_fake_Live-1", "tg_fake_Old-1", "tg_fake_Foreign-1")).token("X-Telegram-Bot-Api-Secret-Token")
    for name, body in [
        ("an edited message", '{"update_id":10001,"edited_message":{"date":1699999990,"edit_date":1699999995,"chat":{"id":-100}}}'),
        ("a button", '{"update_id":10002,"callback_query":{"id":"4382","from":{"id":7},"message":{"chat":{"id":-100}},"data":"x"}}'),
        ("a button under an inline message", '{"update_id":10003,"callback_query":{"id":"4382","from":{"id":7}}}'),
        ("a poll", '{"update_id":10004,"poll":{"id":"5","question":"?"}}'),
        ("a boost", '{"update_id":10005,"chat_boost":{"chat":{"id":-100},"boost":{"add_date":1699999990}}}'),
        ("a member that nobody knows yet", '{"update_id":10006,"brand_new":{"date":1}}')]:
        headers = [JSON, ("X-Telegram-Bot-Api-Secret-Token", "tg_fake_Live-1")]
        telegram.file.add(name, "ok", headers, text(body), ["tg_fake_Live-1"], **telegram.facts(text(body), headers))
    simple("xero", bare("x-xero-signature", encoding="base64"), each(lambda j: j["events"], lambda e, j: dict(
        id=hashed(*(at(e, "/" + name) for name in ("tenantId", "resourceId", "eventCategory", "eventType", "eventDateUtc")), at(j, "/firstEventSequence"), place(e, j["events"])),
        type=joined(".", at(e, "/eventCategory"), at(e, "/eventType")), time=utc(at(e, "/eventDateUtc")), subject=at(e, "/resourceId"), tenant=at(e, "/tenantId"))),
        '{"events":[{"resourceId":"717f","eventDateUtc":"2017-06-21T01:15:39.902","eventType":"CREATE","eventCategory":"CONTACT","tenantId":"c2cc"},'
        '{"resourceId":"717f","eventDateUtc":"2017-06-21T01:15:40.1","eventType":"UPDATE","eventCategory":"CONTACT","tenantId":"c2cc"}],"firstEventSequence":1}')
    legacy = lambda j: [(entity, note) for note in j["eventNotifications"] for entity in note["dataChangeEvent"]["entities"]]
    offset = lambda time: time and time[:-2] + ":" + time[-2:]
    simple("quickbooks", bare("intuit-signature", encoding="base64"), lambda j, h: [dict(
        id=at(e, "/id"), type=at(e, "/type"), time=at(e, "/time"), subject=at(e, "/intuitentityid"), tenant=at(e, "/intuitaccountid")) for e in j]
        if isinstance(j, list) else [dict(
            id=hashed(at(n, "/realmId"), at(e, "/name"), at(e, "/id"), at(e, "/operation"), at(e, "/lastUpdated")),
            type=joined(".", at(e, "/name"), at(e, "/operation")), time=offset(at(e, "/lastUpdated")), subject=at(e, "/id"), tenant=at(n, "/realmId"))
            for e, n in legacy(j)],
        '[{"specversion":"1.0","id":"88cd52aa","type":"qbo.customer.created.v1","time":"2025-09-10T21:31:25.179550Z","intuitentityid":"1234",'
        '"intuitaccountid":"310687"},{"specversion":"1.0","id":"88cd52ab","type":"qbo.invoice.updated.v1","time":"2025-09-10T21:31:26Z"}]')
    pusher = simple("pusher", bare("X-Pusher-Signature"), each(lambda j: j["events"], lambda e, j: dict(
        id=hashed(at(j, "/time_ms"), *(at(e, "/" + name) for name in ("name", "channel", "event", "user_id", "socket_id", "data")), place(e, j["events"])),
        type=at(e, "/name"), time=millis(at(j, "/time_ms")), subject=at(e, "/channel"))),
        '{"time_ms":1699999990123,"events":[{"name":"channel_occupied","channel":"a"},{"name":"channel_vacated","channel":"b"}]}', [("X-Pusher-Key", "fa4e")])
    simple("ably", bare("X-Ably-Signature", encoding="base64"), each(lambda j: j["items"], lambda e, j: dict(
        id=hashed(*(at(e, "/" + name) for name in ("webhookId", "serial", "name", "timestamp", "data/channelId", "data/messages/0/id", "data/presence/0/id"))),
        type=at(e, "/source"), time=millis(at(e, "/timestamp")), subject=at(e, "/data/channelId"))),
        '{"items":[{"webhookId":"w","source":"channel.message","serial":"a7:1","timestamp":1562124922426,"name":"channel.message","data":{"channelId":"c"}},'
        '{"webhookId":"w","source":"channel.presence","serial":"a7:2","timestamp":1562124922427,"name":"presence.enter","data":{"channelId":"c"}}]}',
        [("X-Ably-Key", "appId.keyId")])
    qonto = simple("qonto", pair("X-Qonto-Signature", "t=", ",v1="), lambda j, h: dict(
        id=at(j, "/id"), type=joined(".", at(j, "/type"), at(j, "/data/event")) or at(j, "/type"), time=at(j, "/created_at"),
        subject=at(j, "/data/id"), tenant=at(j, "/organization_id")),
        '{"id":"01968118","organization_id":"01968119","type":"v1/cards","created_at":"2025-01-24T10:55:00Z","data":{"event":"created","id":"f47a"}}')
    qonto.ok("an event of one kind only", '{"id":"01968119","type":"v1/consent-revocations","created_at":"2025-01-01T10:00:00Z","data":{"client_id":"c"}}')
    qonto.file.add("known answer of the documentation", "ok", [JSON, ("X-Qonto-Signature", "t=1704110400,v1=56aff06dc227db80d6568a5070f912c601c31f20451745d257cbc0b5dfa93805")],
                   b'{"test":"data"}', ["test-secret"], now=1704110400, type="unknown", source="published: docs.qonto.com business-api webhooks overview")
    zoho = simple("zoho-payments", pair("X-Zoho-Webhook-Signature", "t=", ",v=", **clock("ms")), lambda j, h: dict(
        id=at(j, "/event_id"), type=at(j, "/event_type"), time=seconds(at(j, "/event_time")),
        subject=first(j, "/event_object/payment/payment_id", "/event_object/refund/refund_id"), tenant=at(j, "/account_id")),
        '{"event_id":"evt_fake1","event_type":"payment.succeeded","account_id":"6001","event_time":1699999990,"event_object":{"payment":{"payment_id":"1730"}}}')
    value = zoho.scheme.value(NOW, zoho.scheme.sig(FAKE[0], zoho.body, NOW, []))
    zoho.file.add("the header as another page spells it", "ok", [JSON, ("X-ZohoWebhook-Signature", value)], zoho.body, [FAKE[0]], now=NOW,
                  **zoho.facts(zoho.body, []))
    cdp = simple("coinbase-cdp", pair("X-Hook0-Signature", "t=", ",v0="), lambda j, h: dict(
        id=first(j, "/eventId", "/id") or h("x-event-id"), type=first(j, "/eventType", "/type") or h("x-event-type"),
        time=first(j, "/timestamp", "/createdAt"), subject=first(j, "/data/id", "/data/transferId")),
        '{"eventId":"e-1","eventType":"payments.transfers.completed","timestamp":"2026-01-02T03:04:05Z","data":{"id":"t-1"}}')
    cdp.ok("id and type in the headers", '{"data":{"transferId":"t-2"}}', [("X-Event-Id", "e-2"), ("X-Event-Type", "payments.transfers.failed")])
    both = cdp.scheme.value(NOW, cdp.scheme.sig(FAKE[0], cdp.body, NOW, [])) + ",h=content-type x-event-id,v1=" + "0" * 64
    cdp.file.add("both signatures, as it is sent; the second is not looked at", "ok", [JSON, ("X-Hook0-Signature", both)], cdp.body, [FAKE[0]], now=NOW,
                 **cdp.facts(cdp.body, []))
    cdp.file.add("the second signature alone", "signature_malformed", [JSON, ("X-Hook0-Signature", f"t={NOW},h=content-type,v1=" + "0" * 64)], cdp.body,
                 [FAKE[0]], now=NOW)
    simple("klaviyo", Scheme("Klaviyo-Signature", lambda body, ts, _: body + str(ts).encode(), ts_header="Klaviyo-Timestamp", **clock("rfc1123")),
           each(lambda j: j["data"], lambda e, j: dict(
               id=at(e, "/external_id"), type=at(e, "/topic"), time=at(e, "/payload/data/attributes/datetime") or at(j, "/meta/timestamp"),
               subject=at(e, "/payload/data/relationships/profile/data/id"), tenant=at(j, "/meta/klaviyo_account_id"))),
           '{"data":[{"external_id":"ev_1","topic":"event:klaviyo.email_delivered","payload":{"data":{"attributes":{"datetime":"2026-01-02T03:04:05Z"},'
           '"relationships":{"profile":{"data":{"id":"01GFAKE"}}}}}},{"external_id":"ev_2","topic":"event:klaviyo.sent_sms","payload":{}}],'
           '"meta":{"klaviyo_account_id":"XKFAKE","timestamp":"2026-01-02T03:04:06Z"}}')
    asana = simple("asana", bare("X-Hook-Signature"), each(lambda j: j["events"], lambda e, j: dict(
        id=hashed(*(at(e, "/" + name) for name in ("resource/gid", "action", "created_at", "change/field", "user/gid", "parent/gid"))),
        type=joined(".", at(e, "/resource/resource_type"), at(e, "/action")), time=at(e, "/created_at"), subject=at(e, "/resource/gid"))),
        '{"events":[{"user":{"gid":"1"},"created_at":"2026-01-02T03:04:05.678Z","action":"changed","resource":{"gid":"1337","resource_type":"task"},'
        '"change":{"field":"name"}},{"created_at":"2026-01-02T03:04:06Z","action":"added","resource":{"gid":"1338","resource_type":"story"}}]}')
    asana.ok("a heartbeat: no events", '{"events":[]}')
    hand = lambda name, expect, headers, secrets=(), **more: asana.file.add(name, expect, [JSON, *headers], b"{}", list(secrets), **more)
    hand("a secret is handed over", "handshake", [("X-Hook-Secret", "fake-hook-secret-1")],
         reply=dict(status=200, headers={"x-hook-secret": "fake-hook-secret-1"}, store="fake-hook-secret-1"))
    hand("another secret, where there is one", "signature_missing", [("X-Hook-Secret", "fake-hook-secret-2")], [FAKE[0]])
    hand("a secret that is too short", "signature_missing", [("X-Hook-Secret", "fake")])
    hand("a secret that is too long", "signature_missing", [("X-Hook-Secret", "f" * 257)])
    hand("a secret with a space in it", "signature_missing", [("X-Hook-Secret", "fake hook secret")])
    hand("two secrets", "signature_missing", [("X-Hook-Secret", "fake-hook-secret-1")] * 2)
    hand("a secret beside a signature", "signature_mismatch", [("X-Hook-Secret", "fake-hook-secret-1"), ("X-Hook-Signature", "0" * 64)])
    hand("an event before the handshake", "signature_mismatch", [("X-Hook-Signature", "0" * 64)])
    token = b'{"verification_token":"secret_fakeTokenOfNotion1"}'
    notion = FILES["notion"]
    notion.add("the token is handed over", "handshake", [JSON], token, [], reply=dict(status=200, store="secret_fakeTokenOfNotion1"))
    notion.add("another token, where there is one", "signature_missing", [JSON], token, [FAKE[0]])
    notion.add("a token beside a signature", "signature_mismatch", [JSON, ("X-Notion-Signature", "sha256=" + "0" * 64)], token, [])
    for name, body in [("a token that is no text", b'{"verification_token":{}}'), ("a token in a body that is too long", token[:-1] + b" " * 4096 + b"}"),
                       ("a token in what is no JSON", token + b"x"), ("a token of a few letters", b'{"verification_token":"fake"}')]:
        notion.add(name, "signature_missing", [JSON], body, [])
    pusher.ok("an empty batch", '{"time_ms":1,"events":[]}')
    twice = '{"name":"client_event","channel":"a","event":"client-weave","data":"{}"}'
    pusher.ok("two equal events are two", '{"time_ms":1,"events":[%s,%s]}' % (twice, twice))


def files():
    """Every file, in the order of the names."""
    for group in (payments, code_and_tickets, adopters, work, money, machines, batches):
        group()
    known = {known["provider"] for known in KNOWN}
    assert known - set(FILES) <= LATER, known - set(FILES) - LATER
    return [FILES[name] for name in sorted(FILES)]


# Known answers that wait for their provider's file.
LATER = set()
