"""Vectors of the providers whose keys are fetched: certificates (PayPal, Amazon SNS) and JSON Web Keys (Plaid, Entra)."""

import base64
import hashlib
import hmac
import json
import pathlib
import zlib

from asymmetric import ec_mul, G, N, p256_sign
from grammar import JSON, NOW, b64, hashed

HERE = pathlib.Path(__file__).parent
KEYS = json.loads((HERE / "keys.json").read_text())
KNOWN = json.loads((HERE / "known_keys.json").read_text())
MADE = "made by tests/vectors/generate.py (Python integers)"

# RSA, PKCS #1 v1.5 (RFC 8017 §9.2) -----------------------------------------------------------------------------------

DIGEST_INFO = {"sha1": bytes.fromhex("3021300906052b0e03021a05000414"), "sha256": bytes.fromhex("3031300d060960864801650304020105000420")}


def rsa_sign(label, message, hash="sha256"):
    n, d = int(KEYS[label]["n"], 16), int(KEYS[label]["d"], 16)
    size = (n.bit_length() + 7) // 8
    info = DIGEST_INFO[hash] + hashlib.new(hash, message).digest()
    padded = b"\x00\x01" + b"\xff" * (size - len(info) - 3) + b"\x00" + info
    return pow(int.from_bytes(padded, "big"), d, n).to_bytes(size, "big")


def chain(label):
    return KEYS[label]["pem"] + KEYS["middle"]["pem"]


# What certificates and their signatures have in common ----------------------------------------------------------------

def altered(add, good, length):
    """The signature's own cases. `good(edit)` gives a request with the signature changed."""
    add("signature missing", "signature_missing", good(lambda text: None))
    add("signature empty", "signature_malformed", good(lambda text: ""))
    add("signature not in its encoding", "signature_malformed", good(lambda text: "!" * len(text)))
    add("signature too long", "signature_malformed", good(lambda text: base64.b64encode(bytes(1025)).decode()))
    add("signature cut in half", "signature_mismatch", good(lambda text: b64(base64.b64decode(text)[:length // 2])))
    add("one bit of the signature flipped", "signature_mismatch", good(flipped))
    add("signature of zeros", "signature_mismatch", good(lambda text: b64(bytes(length))))


def flipped(text):
    data = base64.b64decode(text)
    return b64(data[:-1] + bytes([data[-1] ^ 1]))


def paypal(File):
    file = File("paypal")
    file.material = dict(root=KEYS["root"]["pem"], chain=chain("paypal"), expired=chain("expired"), elsewhere=chain("elsewhere"),
                         forged=KEYS["forged"]["pem"] + KEYS["foreign"]["pem"], leaf=KEYS["paypal"]["pem"],
                         real=KNOWN["paypal"]["leaf"] + KNOWN["paypal"]["intermediate"], real_root=KNOWN["paypal"]["root"])
    url = "https://api.sandbox.paypal.com/v1/notifications/certs/CERT-fake-1"
    params = dict(webhook_id="4JH86294D6297924G", environment="sandbox")
    body = b'{"id":"WH-1","create_time":"2026-01-02T03:04:05Z","event_type":"PAYMENT.CAPTURE.COMPLETED","resource":{"id":"42311647XV020574X"}}'
    event = dict(id="WH-1", type="PAYMENT.CAPTURE.COMPLETED", time="2026-01-02T03:04:05Z", subject="42311647XV020574X")

    def request(edit=lambda text: text, key="paypal", body=body, url=url, algorithm="SHA256withRSA", hash="sha256", leave_out=None, webhook=params["webhook_id"]):
        stamp = "2026-01-02T03:04:05Z"
        message = f"fake-transmission|{stamp}|{webhook}|{zlib.crc32(body)}".encode()
        signature = edit(b64(rsa_sign(key, message, hash)))
        headers = JSON + [("PAYPAL-TRANSMISSION-ID", "fake-transmission"), ("PAYPAL-TRANSMISSION-TIME", stamp), ("PAYPAL-CERT-URL", url),
                          ("PAYPAL-AUTH-ALGO", algorithm)]
        headers += [("PAYPAL-TRANSMISSION-SIG", signature)] if signature is not None else []
        return dict(headers=[header for header in headers if header[0] != leave_out], body=body)

    def add(name, expect, request, key="chain", roots="root", params=params, now=NOW, source=MADE, **more):
        file.add(name, expect, secrets=[], source=source, now=now, params=params, key=key, roots=roots, **request, **more)

    add("valid", "ok", request(), **event)
    add("valid, from the other host", "ok", request(url=url.replace("api.", "api-m.")), **event)
    changed = request()
    add("one bit of the body flipped", "signature_mismatch", {**changed, "body": body[:-2] + bytes([body[-2] ^ 1]) + body[-1:]})
    add("signed with another key", "signature_mismatch", request(key="elsewhere"))
    add("signed for another webhook", "signature_mismatch", request(webhook="4JH86294D6297924X"))
    altered(add, lambda edit: request(edit), 256)
    for header in ("PAYPAL-TRANSMISSION-ID", "PAYPAL-TRANSMISSION-TIME"):
        add(header + " missing", "signed_header_missing", request(leave_out=header))
    add("the algorithm missing", "signature_malformed", request(leave_out="PAYPAL-AUTH-ALGO"))
    add("SHA-1", "signature_malformed", request(algorithm="SHA1withRSA", hash="sha1"))
    add("SHA-1 under the name of SHA-256", "signature_mismatch", request(hash="sha1"))
    add("no certificate named", "key_url_not_allowed", request(leave_out="PAYPAL-CERT-URL"))
    for name, other in [("on a foreign host", "https://api.paypal.com.evil.test/v1/notifications/certs/CERT-1"),
                        ("of the other environment", url.replace("sandbox.", "")), ("over http", url.replace("https", "http")),
                        ("with a port", url.replace(".com/", ".com:443/")), ("with a user", url.replace("//", "//u@")),
                        ("in another folder", "https://api.sandbox.paypal.com/v1/oauth2/token"),
                        ("with a query", url + "?x=1"), ("with dots", url + "/../../../x")]:
        add("a certificate " + name, "key_url_not_allowed", request(url=other))
    add("a certificate of another root", "certificate_invalid", request(key="forged"), key="forged")
    add("a certificate of another name", "certificate_invalid", request(key="elsewhere"), key="elsewhere")
    add("an expired certificate", "certificate_invalid", request(key="expired"), key="expired")
    add("a certificate without its intermediate", "certificate_invalid", request(), key="leaf")
    add("a root that is not trusted", "certificate_invalid", request(), roots=None)
    for number, sample in enumerate(KNOWN["paypal"]["samples"], 1):
        named = [(name, value) for name, value in sample["headers"].items()]
        real = dict(headers=named, body=sample["body"].encode())
        fields = json.loads(sample["body"])
        facts = dict(id=fields["id"], type=fields["event_type"], time=fields["create_time"], subject=fields["resource"]["id"])
        then = dict(key="real", roots="real_root", params=dict(webhook_id=sample["webhook_id"], environment="sandbox"))
        source = "published: real signatures of PayPal's sandbox from its SDK tests, the chain from paypalrestsdk 1.13.3"
        add(f"real sample {number} in its time", "ok", real, now=1_432_000_000, source=source, **then, **facts)
        add(f"real sample {number} after its certificate", "certificate_invalid", real, now=1_500_000_000, source=source, **then)
        if number == 1:
            add("real sample 1 for another webhook", "signature_mismatch", real, now=1_432_000_000, source=source,
                **{**then, "params": dict(webhook_id="4JH86294D6297924X", environment="sandbox")})
            add("real sample 1 with another amount", "signature_mismatch", {**real, "body": real["body"].replace(b"20.0 USD", b"21.0 USD")},
                now=1_432_000_000, source=source, **then)
    return file


def sns(File):
    file = File("sns")
    file.material = dict(root=KEYS["root"]["pem"], chain=chain("sns"), regional=chain("regional"), expired=chain("expired"),
                         elsewhere=chain("elsewhere"), forged=KEYS["forged"]["pem"] + KEYS["foreign"]["pem"])
    arn = "arn:aws:sns:us-west-2:123456789012:alarms"
    url = "https://sns.us-west-2.amazonaws.com/SimpleNotificationService-fake.pem"
    signed = dict(Notification=("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"))
    signed["SubscriptionConfirmation"] = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
    signed["UnsubscribeConfirmation"] = signed["SubscriptionConfirmation"]

    def message(kind="Notification", **more):
        fields = dict(Type=kind, MessageId="22b80b92-fdea", TopicArn=arn, Message='{"AlarmName":"disk full"}\nline \u00e9',
                      Timestamp="2026-01-02T03:04:05.678Z", **more)
        return {name: value for name, value in fields.items() if value is not None}

    def request(edit=lambda text: text, fields=None, key="sns", version="2", url=url, hash=None, after=None, lines=None):
        fields = dict(fields or message(Subject="ALARM"))
        names = lines or signed.get(fields["Type"], ())
        text = "".join(f"{name}\n{fields[name]}\n" for name in names if name in fields)
        signature = edit(b64(rsa_sign(key, text.encode(), hash or {"1": "sha1"}.get(version, "sha256"))))
        fields.update(SignatureVersion=version, SigningCertURL=url, UnsubscribeURL="https://sns.us-west-2.amazonaws.com/?Action=Unsubscribe")
        fields.update(dict(Signature=signature) if signature is not None else {})
        fields.update(after or {})
        fields = {name: value for name, value in fields.items() if value is not None}
        body = json.dumps(fields, indent=2).encode()
        return dict(headers=[("Content-Type", "text/plain; charset=UTF-8"), ("x-amz-sns-message-type", fields["Type"])], body=body)

    def add(name, expect, request, key="chain", roots="root", topics=arn, **more):
        file.add(name, expect, secrets=[], source=MADE, now=NOW, params=dict(topics=topics), key=key, roots=roots, **request, **more)

    event = dict(id="22b80b92-fdea", type="Notification", time="2026-01-02T03:04:05.678Z", subject=arn)
    add("valid", "ok", request(), **event)
    add("valid, SignatureVersion 1", "ok", request(version="1"), **event)
    add("without a subject", "ok", request(fields=message()), **event)
    add("an empty subject", "ok", request(fields=message(Subject="")), **event)
    add("one of several topics", "ok", request(), topics="arn:aws:sns:us-west-2:123456789012:other, " + arn, **event)
    for name, more in [("the message changed", dict(Message="x")), ("the id changed", dict(MessageId="x")),
                       ("the subject changed", dict(Subject="x")), ("the subject removed", dict(Subject=None)),
                       ("the time changed", dict(Timestamp="2026-01-02T03:04:06.678Z")),
                       ("the type changed", dict(Type="UnsubscribeConfirmation")), ("a type that SNS does not have", dict(Type="Other"))]:
        add(name, "signature_mismatch", request(after=more))
    add("nothing signed under a type that SNS does not have", "signature_mismatch", request(fields=message("Other")))
    add("a notification passed off as a confirmation", "signature_mismatch",
        request(fields=message(), after=dict(Type="SubscriptionConfirmation", Token="t", SubscribeURL="https://evil.test/")))
    add("signed with another key", "signature_mismatch", request(key="elsewhere"))
    add("SHA-256 under version 1", "signature_mismatch", request(version="1", hash="sha256"))
    altered(add, lambda edit: request(edit), 256)
    for version in ("3", "0", "", None):
        add(f"SignatureVersion {version}", "signature_malformed", request(after=dict(SignatureVersion=version)))
    body = request()["body"]
    twice = body.replace(b'"Type"', b'"Message": "x", "Type"', 1)
    add("a member twice", "signature_missing", {**request(), "body": twice})
    add("no JSON", "signature_missing", {**request(), "body": b"Signature=x"})
    add("another topic of AWS", "claim_mismatch", request(fields={**message(), "TopicArn": "arn:aws:sns:us-west-2:999999999999:evil"}))
    add("a topic whose name begins alike", "claim_mismatch", request(fields={**message(), "TopicArn": arn + "2"}))
    add("no topic", "claim_mismatch", request(after=dict(TopicArn=None)))
    for name, other in [("on a foreign host", "https://sns.us-west-2.amazonaws.com.evil.test/x.pem"),
                        ("in a bucket", "https://sns.s3-us-west-2.amazonaws.com/x.pem"), ("over http", url.replace("https", "http")),
                        ("with a user", url.replace("//", "//u@")), ("with a port", url.replace(".com/", ".com:8443/")),
                        ("with a fragment", url + "#.pem"), ("that is none", url.replace(".pem", ".txt")),
                        ("behind a backslash", url.replace("//", "\\\\")), ("at an address", "https://2130706433/x.pem"), ("missing", None)]:
        add("a certificate " + name, "key_url_not_allowed", request(after=dict(SigningCertURL=other)))
    add("a certificate of another root", "certificate_invalid", request(key="forged"), key="forged")
    add("a certificate of another name", "certificate_invalid", request(key="elsewhere"), key="elsewhere")
    add("an expired certificate", "certificate_invalid", request(key="expired"), key="expired")
    add("a region's certificate in another region", "certificate_invalid", request(key="regional"), key="regional")
    add("a certificate of another region than the topic's", "key_url_not_allowed", request(url=url.replace("us-west-2", "eu-west-1")))
    africa = "arn:aws:sns:af-south-1:123456789012:alarms"
    add("a region's own certificate", "ok", request(key="regional", fields={**message(), "TopicArn": africa}, url=url.replace("us-west-2", "af-south-1")),
        key="regional", topics=africa, **{**event, "subject": africa})
    confirmation = message("SubscriptionConfirmation", Token="2336412f37", SubscribeURL="https://evil.test/?Action=ConfirmSubscription")
    add("the subscription", "handshake", request(fields=confirmation), reply=dict(status=200))
    add("the subscription of another topic", "claim_mismatch",
        request(fields={**confirmation, "TopicArn": "arn:aws:sns:us-west-2:999999999999:evil"}))
    add("the subscription with another token", "signature_mismatch", request(fields=confirmation, after=dict(Token="x")))
    add("the subscription with another address", "signature_mismatch", request(fields=confirmation, after=dict(SubscribeURL="https://x/")))
    add("the end of a subscription", "ok", request(fields={**confirmation, "Type": "UnsubscribeConfirmation"}),
        **{**event, "type": "UnsubscribeConfirmation"})
    return file


# JSON Web Tokens ------------------------------------------------------------------------------------------------------

def url64(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def compact(fields):
    return url64(json.dumps(fields, separators=(",", ":")).encode())


def jwt(header, claims, sign):
    signed = compact(header) + "." + (claims if isinstance(claims, str) else compact(claims))
    return signed + "." + url64(sign(signed.encode()))


def es256(private):
    def sign(message):
        der = p256_sign(private, message)
        r_length = der[3]
        r, s = der[4:4 + r_length], der[6 + r_length:]
        return int.from_bytes(r, "big").to_bytes(32, "big") + int.from_bytes(s, "big").to_bytes(32, "big")
    return sign


def ec_jwk(private, **more):
    x, y = ec_mul(private, G)
    return dict(kty="EC", crv="P-256", alg="ES256", use="sig", x=url64(x.to_bytes(32, "big")), y=url64(y.to_bytes(32, "big")), **more)


def rsa_jwk(label, **more):
    return dict(kty="RSA", use="sig", n=url64(bytes.fromhex(KEYS[label]["n"])), e="AQAB", **more)


def token_shapes(add, token, header, claims, sign):
    """What no token may look like, whoever signed it."""
    good = token(jwt(header, claims, sign))
    add("token missing", "signature_missing", token(None))
    signed = jwt(header, claims, sign)
    for name, text in [("token empty", ""), ("no parts", "x"), ("two parts", signed.rsplit(".", 1)[0]), ("no signature", signed.rsplit(".", 1)[0] + "."),
                       ("a fourth part", signed + ".x"), ("signature cut", signed[:-4]), ("signature too long", signed + "AAAA"),
                       ("not base64url", signed[:-4] + "!!!!")]:
        add(name, "signature_malformed", token(text))
    for name, other in [("the algorithm none", dict(alg="none")), ("the algorithm HS256", dict(alg="HS256")), ("the algorithm PS256", dict(alg="PS256")),
                        ("the algorithm in another case", dict(alg=header["alg"].lower())), ("no algorithm", dict(alg=None)),
                        ("a list of algorithms", dict(alg=[header["alg"]])), ("a critical extension", dict(crit=["exp"])),
                        ("no key id", dict(kid=None)), ("an empty key id", dict(kid="")), ("a key id of 300 characters", dict(kid="k" * 300)),
                        ("a key id with a line end", dict(kid="a\nb"))]:
        changed = {name: value for name, value in {**header, **other}.items() if value is not None}
        add(name, "signature_malformed", token(jwt(changed, claims, sign)))
    for name, kid in [("an unknown key id", "other"), ("a key id that is a path", "../../etc/passwd"), ("a key id that is a URL", "https://evil.test/k")]:
        add(name, "key_unknown", token(jwt({**header, "kid": kid}, claims, sign)))
    offered = dict(jku="https://evil.test/jwks", x5u="https://evil.test/x.pem", jwk=dict(kty="oct", k="AA"), x5c=["AA"])
    add("addresses of keys in the header, signed by somebody else", "signature_mismatch", token(jwt({**header, **offered}, claims, lambda m: sign(m + b"x"))))
    add("one bit of the signature flipped", "signature_mismatch", token(signed[:-6] + ("A" if signed[-6] != "A" else "B") + signed[-5:]))
    add("the claims of another token", "signature_mismatch", token(".".join([signed.split(".")[0], compact({**claims, "x": 1}), signed.split(".")[2]])))
    add("a token without claims", "signature_malformed", token(jwt(header, url64(b"[]x"), sign)))
    return good


def times(add, token, header, claims, sign, name, bad_type):
    for label, value in bad_type:
        add(f"{name} {label}", "timestamp_malformed", token(jwt(header, {**claims, name: value}, sign)))


TEXTS = [("as a text", str(NOW)), ("as a list", [NOW]), ("negative", -1), ("null", None), ("as an exponent", 1e30)]


def plaid(File):
    file = File("plaid", credentials=dict(client_id="fake-client", secret='fake "secret"'))
    live, foreign = 0x1D5C4BA7E3F1, 0x2D5C4BA7E3F1
    answer = lambda key: json.dumps(dict(key=key, request_id="fake"))
    file.material = dict(key=answer(ec_jwk(live, kid="fake-kid", created_at=1, expired_at=None)),
                         ends=answer(ec_jwk(live, kid="fake-kid", expired_at=NOW + 1)), ended=answer(ec_jwk(live, kid="fake-kid", expired_at=NOW)),
                         known=answer(KNOWN["plaid"]["jwk"]))
    body = b'{\n  "webhook_type": "TRANSACTIONS",\n  "webhook_code": "DEFAULT_UPDATE",\n  "item_id": "item-1"\n}'
    event = lambda body: dict(id=hashed(body.decode()), type="TRANSACTIONS.DEFAULT_UPDATE", subject=json.loads(body)["item_id"])
    header, sign = dict(alg="ES256", kid="fake-kid", typ="JWT"), es256(live)
    claims = dict(iat=NOW, request_body_sha256=hashlib.sha256(body).hexdigest())
    token = lambda text, body=body: dict(headers=JSON + ([("Plaid-Verification", text)] if text is not None else []), body=body)

    def add(name, expect, request, key="key", now=NOW, source=MADE, environment="sandbox", **more):
        file.add(name, expect, secrets=[], source=source, now=now, params=dict(environment=environment), key=key, **request, **more)

    good = token_shapes(add, token, header, claims, sign)
    add("valid", "ok", good, **event(body))
    add("valid, in production", "ok", good, environment="production", **event(body))
    add("one bit of the body flipped", "signature_mismatch", {**good, "body": body[:-2] + bytes([body[-2] ^ 1]) + body[-1:]})
    add("a space added to the body", "signature_mismatch", {**good, "body": body + b" "})
    add("signed with another key", "signature_mismatch", token(jwt(header, claims, es256(foreign))))
    secret = json.loads(file.material["key"])["key"]["x"].encode()
    add("HS256 with the public key", "signature_malformed",
        token(jwt({**header, "alg": "HS256"}, claims, lambda m: hmac.new(secret, m, "sha256").digest())))
    add("ES256 signed as HS256", "signature_malformed", token(jwt(header, claims, lambda m: hmac.new(secret, m, "sha256").digest())))
    for name, age, expect in [("five minutes old", 300, "ok"), ("older", 301, "timestamp_too_old"), ("five minutes ahead", -300, "ok"),
                              ("further ahead", -301, "timestamp_in_future")]:
        add(name, expect, token(jwt(header, {**claims, "iat": NOW - age}, sign)), **(event(body) if expect == "ok" else {}))
    add("no iat", "timestamp_missing", token(jwt(header, {name: value for name, value in claims.items() if name != "iat"}, sign)))
    times(add, token, header, claims, sign, "iat", TEXTS)
    add("no hash of the body", "signature_malformed", token(jwt(header, dict(iat=NOW), sign)))
    add("a hash of another kind", "signature_malformed", token(jwt(header, {**claims, "request_body_sha256": 1.5}, sign)))
    add("a key that ends later", "ok", good, key="ends", **event(body))
    add("a key that ended", "key_unknown", good, key="ended")
    known = KNOWN["plaid"]
    add("known answer", "ok", token(known["token"], known["body"].encode()), key="known", source="generated by jose@6.2.17 SignJWT, as Plaid's docs say",
        **event(known["body"].encode()))
    return file


def event_grid_entra(File):
    file = File("event-grid-entra")
    file.material = dict(keys=json.dumps(dict(keys=[rsa_jwk("jwt", kid="fake-kid"), rsa_jwk("jwt_next", kid="fake-next")])))
    tenant, audience, application = "72f988bf-fake-tenant", "api://fake-hooks", "4962773b-9cdb-44cf-a8bf-237846a00ab7"
    params = dict(tenant=tenant, audience=audience, application=application)
    body = (b'[{"id":"831e1650","topic":"/t","subject":"/blobs/b","eventType":"Microsoft.Storage.BlobCreated",'
            b'"eventTime":"2017-06-26T18:41:00.9584103Z","data":{}}]')
    event = dict(id="831e1650", type="Microsoft.Storage.BlobCreated", time="2017-06-26T18:41:00.9584103Z", subject="/blobs/b", tenant="/t")
    sign = lambda message: rsa_sign("jwt", message)
    header = dict(alg="RS256", kid="fake-kid", typ="JWT")
    claims = dict(aud=audience, iss=f"https://sts.windows.net/{tenant}/", iat=NOW - 60, nbf=NOW - 60, exp=NOW + 3600, appid=application, tid=tenant)
    base = JSON + [("aeg-event-type", "Notification")]
    bearer = lambda text: [] if text is None else [("Authorization", "Bearer " + text)]
    token = lambda text, base=base, body=body: dict(headers=base + bearer(text), body=body)

    def add(name, expect, request, key="keys", now=NOW, **more):
        file.add(name, expect, secrets=[], source=MADE, now=now, params=params, key=key, **request, **more)

    good = token_shapes(add, token, header, claims, sign)
    second = {**{name: value for name, value in claims.items() if name != "appid"}, "azp": application, "iss": f"https://login.microsoftonline.com/{tenant}/v2.0"}
    add("valid", "ok", good, **event)
    add("valid, a token of version 2", "ok", token(jwt(header, second, sign)), **event)
    add("valid, the next key", "ok", token(jwt({**header, "kid": "fake-next"}, claims, lambda m: rsa_sign("jwt_next", m))), **event)
    add("without its prefix", "signature_malformed", {**good, "headers": base + [("Authorization", jwt(header, claims, sign))]})
    add("two tokens", "signature_malformed", {**good, "headers": good["headers"] + good["headers"][-1:]})
    add("signed with another key", "signature_mismatch", token(jwt(header, claims, lambda m: rsa_sign("jwt_next", m))))
    add("HS256 with the public key", "signature_malformed", token(jwt({**header, "alg": "HS256"}, claims,
        lambda m: hmac.new(bytes.fromhex(KEYS["jwt"]["n"]), m, "sha256").digest())))
    for name, value in [("aud", "api://other"), ("aud", [audience]), ("iss", "https://sts.windows.net/other/"), ("iss", f"https://evil.test/{tenant}/"),
                        ("tid", "other"), ("appid", "other"), ("appid", 7), ("aud", None)]:
        changed = {**claims, name: value}
        add(f"{name} is {json.dumps(value)}", "claim_mismatch", token(jwt(header, changed, sign)))
    for name in ("aud", "iss", "tid", "appid"):
        add(f"no {name}", "claim_mismatch", token(jwt(header, {key: value for key, value in claims.items() if key != name}, sign)))
    add("aud twice", "signature_malformed", token(jwt(header, url64(json.dumps(claims).replace('{"aud"', '{"aud":"x","aud"').encode()), sign)))
    add("expired", "timestamp_too_old", token(jwt(header, {**claims, "exp": NOW}, sign)))
    add("about to expire", "ok", token(jwt(header, {**claims, "exp": NOW + 1}, sign)), **event)
    add("not yet", "timestamp_in_future", token(jwt(header, {**claims, "nbf": NOW + 301}, sign)))
    add("no exp", "timestamp_missing", token(jwt(header, {name: value for name, value in claims.items() if name != "exp"}, sign)))
    times(add, token, header, claims, sign, "exp", TEXTS)
    times(add, token, header, claims, sign, "nbf", TEXTS[:2])
    validation = b'[{"id":"1","data":{"validationCode":"512d38b6-c7b8"},"eventType":"Microsoft.EventGrid.SubscriptionValidationEvent"}]'
    kind = JSON + [("aeg-event-type", "SubscriptionValidation")]
    add("the validation", "handshake", token(jwt(header, claims, sign), kind, validation),
        reply=dict(status=200, content_type="application/json", body='{"validationResponse":"512d38b6-c7b8"}'))
    add("the validation without a token", "signature_missing", token(None, kind, validation))
    add("the OPTIONS request", "handshake", dict(headers=[("WebHook-Request-Origin", "eventgrid.azure.net")], body=b"", method="OPTIONS"),
        reply=dict(status=200, headers={"webhook-allowed-origin": "eventgrid.azure.net", "webhook-allowed-rate": "*", "allow": "POST"}))
    return file


ALL = (paypal, sns, plaid, event_grid_entra)
