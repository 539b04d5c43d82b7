"""Vectors of the providers whose proof stands in the body or the query, or whose bodies hold several events."""

import base64
import hashlib
import hmac
import json
import urllib.parse

from grammar import FORM, JSON, NOW, b64, cases, hashed, header_signer, mac, tokens

SAME = lambda text: text


def zoho_crm(File, Scheme):
    file = File("zoho-crm")

    def body(token, ids=("554023000000527001", "554023000000527002")):
        fields = dict(server_time=1700000000123, query_params={}, module="Leads", ids=list(ids), operation="insert",
                      channel_id="1000000068001")
        if token is not None:
            fields["token"] = token
        return json.dumps(fields, separators=(",", ":")).encode()

    event = lambda record: dict(id=hashed("1000000068001", "Leads", "insert", record, "1700000000123"), type="Leads.insert",
                                time="2023-11-14T22:13:20.123Z", subject=record, tenant="1000000068001")
    facts = dict(events=[event("554023000000527001"), event("554023000000527002")])
    sign = lambda token: dict(headers=JSON, body=body(token))
    tokens(file, sign, body, facts)
    live = dict(headers=JSON, secrets=["fake-token-live"])
    file.add("one record", "ok", **live, body=body("fake-token-live", ["7"]), **event("7"))
    file.add("no record", "ok", **live, body=body("fake-token-live", []), events=[])
    file.add("the token twice", "token_missing", **live, body=b'{"token":"fake-token-live","token":"fake-token-live"}')
    file.add("the token elsewhere", "token_missing", **live, body=b'{"data":{"token":"fake-token-live"}}')
    file.add("the token in a list", "token_missing", **live, body=b'{"token":["fake-token-live"]}')
    file.add("no JSON", "token_missing", **live, body=b"token=fake-token-live")
    file.add("the token with an escape", "ok", **live, body=b'{"token":"fake-token-liv\\u0065","module":"Deals"}', type="Deals",
             id=hashed(None, "Deals", None, None, None))
    return file


def adyen(File, Scheme):
    file = File("adyen")
    names = ("pspReference", "originalReference", "merchantAccountCode", "merchantReference", "value", "currency", "eventCode", "success")
    key = lambda secret: hashlib.sha256(secret.encode()).hexdigest()

    def item(reference="PSP1", **more):
        return dict(pspReference=reference, merchantAccountCode="HooksECOM", merchantReference="order:1",
                    amount=dict(value=1990, currency="EUR"), eventCode="AUTHORISATION", eventDate="2026-01-02T03:04:05+01:00",
                    success="true", **more)

    def signature(fields, secret):
        flat = {**fields, **fields["amount"]}
        message = ":".join(str(flat.get(name, "")) for name in names)
        return b64(hmac.new(bytes.fromhex(key(secret)), message.encode(), "sha256").digest())

    def request(items, secret, edit=SAME):
        whole = []
        for fields in items:
            text = edit(signature(fields, secret))
            fields = {**fields, "additionalData": dict(hmacSignature=text) if text is not None else {}}
            whole.append(dict(NotificationRequestItem=fields))
        return dict(headers=JSON, body=json.dumps(dict(live="false", notificationItems=whole), separators=(",", ":")).encode())

    def event(reference):
        return dict(id=f"{reference}:AUTHORISATION:true", type="AUTHORISATION", time="2026-01-02T02:04:05Z", subject=reference,
                    tenant="HooksECOM")

    sign = lambda items, secret, edit: request(items, secret, edit)
    sign.public = key
    cases(file, sign, [item()], event("PSP1"), ("live", "old", "foreign"), covers=False)
    live = dict(secrets=[key("live")])
    two = request([item("PSP1"), item("PSP2")], "live")
    file.add("two items", "ok", **two, **live, events=[event("PSP1"), event("PSP2")])
    forged = two["body"].replace(b'"PSP2"', b'"PSP3"')
    file.add("two items, the second one forged", "signature_mismatch", headers=JSON, body=forged, **live)
    for field in (b"1990", b'"EUR"', b'"true"', b'"order:1"'):
        changed = request([item()], "live")["body"].replace(field, b'"x"')
        file.add(f"a signed field changed: {field.decode()}", "signature_mismatch", headers=JSON, body=changed, **live)
    file.add("no item: nothing is proven", "signature_missing", headers=JSON, body=b'{"notificationItems":[]}', **live)
    file.add("another shape", "signature_missing", headers=JSON, body=b'{"notificationItems":{}}', **live)
    whole = b'{"type":"balancePlatform.transfer.created","timestamp":"2026-01-02T03:04:05Z","data":{"id":"EVJN1","balancePlatform":"Hooks"}}'
    header = header_signer(JSON, "HmacSignature",
                           lambda body, secret: b64(hmac.new(bytes.fromhex(key(secret)), body, "sha256").digest()))
    header.public = key
    facts = dict(id="EVJN1:balancePlatform.transfer.created:2026-01-02T03:04:05Z", type="balancePlatform.transfer.created",
                 time="2026-01-02T03:04:05Z", subject="EVJN1", tenant="Hooks")
    cases(file, header, whole, facts, ("live", "old", "foreign"), "platforms: ")
    file.add("known answer: an item", "ok", headers=JSON, secrets=["DFB1EB5485895CFA84146406857104ABB4CBCABDC8AAF103A624C8F6A3EAAB00"],
             body=b'{"live": "false", "notificationItems": [{"NotificationRequestItem": {"pspReference": "pspReference", "originalReference": '
                  b'"originalReference", "merchantAccountCode": "merchantAccount", "merchantReference": "reference", "amount": {"currency": '
                  b'"EUR", "value": 1000}, "eventCode": "CAPTURE", "success": "true", "additionalData": {"hmacSignature": '
                  b'"xhpHvYq2u2Np0rstbZ6QjLGu7JWhvf7Iwaa6EviJSX0="}}}]}',
             source="published: Adyen/adyen-node-api-library src/__tests__/hmacValidator.spec.ts (item and signature verbatim)",
             id="pspReference:CAPTURE:true", type="CAPTURE", subject="pspReference", tenant="merchantAccount")
    return file


def meta(File, Scheme):
    file = File("meta", params=dict(verify_token="meatyhamhock"))
    scheme = Scheme("X-Hub-Signature-256", lambda body, ts, _: body, value=lambda ts, sig: f"sha256={sig}")
    body = (b'{"object":"whatsapp_business_account","entry":[{"id":"102290129340398","changes":[{"value":{"messages":[{"id":"wamid.1",'
            b'"timestamp":"1700000000","type":"text"}]},"field":"messages"}]}]}')
    event = dict(id="wamid.1", type="whatsapp_business_account.messages", time="2023-11-14T22:13:20Z", subject="102290129340398",
                 tenant="102290129340398")
    secrets = ("fake-app-secret", "fake-app-old", "fake-app-foreign")
    file.standard(scheme, body, JSON, event, secrets)

    def ok(name, body, **facts):
        file.add(name, "ok", scheme.headers(JSON, 0, "sha256=" + scheme.sig(secrets[0], body, 0, JSON)), body, [secrets[0]], **facts)

    status = body.replace(b'"messages":[{"id":"wamid.1",', b'"statuses":[{"id":"wamid.1","status":"read",')
    ok("a status of the same message", status, **{**event, "id": "wamid.1:read"})
    page = (b'{"object":"page","entry":[{"time":1700000000,"changes":[{"field":"feed","value":{"comment_id":"c1"}},{"field":"feed","value":'
            b'{"comment_id":"c2"}}],"id":"p1"},{"id":"p2","time":1700000001,"messaging":[{"message":{"mid":"m1"},"timestamp":1700000002000}]}]}')
    change = lambda comment: dict(id=hashed("page", "p1", "1700000000", '{"field":"feed","value":{"comment_id":"%s"}}' % comment, *[None] * 3),
                                  type="page.feed", time="2023-11-14T22:13:20Z", subject="p1", tenant="p1")
    ok("changes and messages of two pages", page, events=[change("c1"), change("c2"), dict(
        id="m1", type="page", time="2023-11-14T22:13:22Z", subject="p2", tenant="p2")])
    ok("an entry of another shape is an event", b'{"object":"user","entry":[{"id":"u1","time":1700000000,"changed_fields":["photos"]}]}',
       id=hashed("user", "u1", "1700000000", *[None] * 3, '["photos"]'), type="user", time="2023-11-14T22:13:20Z", subject="u1", tenant="u1")

    both = '{"field":"messages","value":{"statuses":[{"id":"wamid.1","status":"delivered","timestamp":"1700000000"},{"id":"wamid.2","status":"failed"}]}}'
    ok("two statuses in one change are one event", ('{"object":"whatsapp_business_account","entry":[{"id":"b1","changes":[%s]}]}' % both).encode(),
       id=hashed("whatsapp_business_account", "b1", None, both, *[None] * 3), type="whatsapp_business_account.messages",
       time="2023-11-14T22:13:20Z", subject="b1", tenant="b1")

    def two(name, object, key, items, ids, kind, time="2023-11-14T22:13:20Z"):
        """Two of a kind in one entry, so that all but their own values is the same."""
        entry = dict(id="e1", time=1700000000, **{key: items})
        facts = lambda id: {key: value for key, value in dict(id=id, type=kind, time=time, subject="e1", tenant="e1").items() if value}
        assert len(set(ids)) == 2 or ids == [None, None], name
        ok(name, json.dumps(dict(object=object, entry=[entry]), separators=(",", ":")).encode(), events=[facts(id) for id in ids])

    whole = lambda object, place, item: hashed(
        object, "e1", "1700000000", *(json.dumps(item, separators=(",", ":")) if place == key else None for key in ("changes", "messaging", "standby")), None)

    def changes(name, object, field, values):
        items = [dict(field=field, value=value) for value in values]
        two(name, object, "changes", items, [whole(object, "changes", item) for item in items], f"{object}.{field}")

    changes("two templates change their status", "whatsapp_business_account", "message_template_status_update",
            [dict(event="APPROVED", message_template_id=number, message_template_language="en_US") for number in (1, 2)])
    changes("one template is approved and then disabled", "whatsapp_business_account", "message_template_status_update",
            [dict(event=event, message_template_id=1) for event in ("APPROVED", "DISABLED")])
    changes("two reviews", "page", "ratings",
            [dict(item="rating", verb="add", open_graph_story_id=story, reviewer_id="7", created_time=1699999999) for story in ("s1", "s2")])
    changes("two people like one post", "page", "feed",
            [{"item": "reaction", "verb": "add", "post_id": "p", "from": dict(id=who), "reaction_type": "like", "created_time": 1699999999}
             for who in ("8", "9")])
    changes("two comments on Instagram", "instagram", "comments", [dict(id=number, text="Looms weave") for number in ("c1", "c2")])
    changes("mentions in a comment and in the caption of one post", "instagram", "mentions", [dict(comment_id="c1", media_id="m1"), dict(media_id="m1")])
    changes("two leads", "page", "leadgen", [dict(leadgen_id=number, form_id="f") for number in ("l1", "l2")])
    changes("two changes of a kind that names nothing", "page", "brand_new", [dict(state="a"), dict(state="b")])
    changes("two values that are texts", "user", "about", ["a", "b"])
    chat = lambda **more: dict(sender=dict(id="7"), recipient=dict(id="e1"), timestamp=1700000002000, **more)
    late = "2023-11-14T22:13:22Z"
    react = [chat(reaction=dict(mid=mid, action="react", emoji="+1")) for mid in ("m1", "m2")]
    for place in ("messaging", "standby"):
        two(f"two reactions at once in {place}", "page", place, react, [whole("page", place, item) for item in react], "page", late)
    seen = [chat(delivery=dict(watermark=5)), chat(read=dict(watermark=5))]
    two("delivered and read at once", "page", "messaging", seen, [whole("page", "messaging", item) for item in seen], "page", late)
    two("a message and its deletion", "instagram", "messaging", [chat(message=dict(mid="m1", text="x")), chat(message=dict(mid="m1", is_deleted=True))],
        ["m1", "m1:deleted"], "instagram", late)
    two("two messages, as standby", "page", "standby", [chat(message=dict(mid=mid)) for mid in ("m1", "m2")], ["m1", "m2"], "page", late)

    def challenge(name, expect, query, **more):
        file.add(name, expect, [], b"", [secrets[0]], method="GET", query=query,
                 source="published: developers.facebook.com graph-api webhooks getting-started", **more)

    reply = dict(status=200, content_type="text/plain", body="1158201444")
    challenge("the challenge", "handshake", "hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=meatyhamhock", reply=reply)
    challenge("the challenge with another verify token", "handshake_refused",
              "hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=other")
    challenge("the challenge without a verify token", "handshake_refused", "hub.mode=subscribe&hub.challenge=1158201444")
    return file


def mailgun(File, Scheme):
    file = File("mailgun")
    token = "a8ce0edb2dd8301dee6c2405235584e45aa91d1e9f979f3de0"

    def request(body, secret, edit, ts=NOW):
        text = edit(mac(secret, f"{ts}{token}".encode()).hex())
        fields = dict(timestamp=str(ts), token=token, **(dict(signature=text) if text is not None else {}))
        whole = {"signature": fields, "event-data": body}
        return dict(headers=JSON, body=json.dumps(whole, separators=(",", ":")).encode(), now=NOW)

    data = {"event": "opened", "timestamp": 1700000000.5, "id": "Ase7i2zsRYeDXztHGENqRA",
            "message": {"headers": {"message-id": "20130503182626.18666.16540@x"}}}
    event = dict(id="Ase7i2zsRYeDXztHGENqRA", type="opened", time="2023-11-14T22:13:20.5Z", subject="20130503182626.18666.16540@x")
    secrets = ("key-mg", "key-mg-old", "key-mg-foreign")
    cases(file, request, data, event, secrets, covers=False)
    good = request(data, secrets[0], SAME)
    key = dict(secrets=[secrets[0]])
    changed = {**good, "body": good["body"].replace(b"opened", b"failed")}
    file.add("the event changed: Mailgun does not sign it", "ok", **changed, **key, **{**event, "type": "failed"})
    file.add("the token changed", "signature_mismatch", **{**good, "body": good["body"].replace(b"a8ce", b"b8ce")}, **key)
    file.add("the timestamp changed", "signature_mismatch", **{**good, "body": good["body"].replace(b'"1700000000"', b'"1700000001"')}, **key)
    for name, expect, ts in [("a day old", "ok", NOW - 86400), ("older", "timestamp_too_old", NOW - 86401),
                             ("301 s ahead", "timestamp_in_future", NOW + 301), ("not a number", "timestamp_malformed", "now")]:
        file.add(f"timestamp: {name}", expect, **request(data, secrets[0], SAME, ts), **key, **(event if expect == "ok" else {}))
    file.add("timestamp missing", "timestamp_missing", **{**good, "body": good["body"].replace(b'"timestamp":"1700000000",', b"")}, **key)
    file.add("known answer", "ok", headers=JSON, now=NOW, secrets=["key-mg"], body=good["body"],
             source="made by Python hmac, as documentation.mailgun.com says (timestamp and token)", **event)
    return file


def netlify(File, Scheme):
    file = File("netlify")
    url64 = lambda data: base64.urlsafe_b64encode(data).decode().rstrip("=")

    def jwt(body, secret, header='{"alg":"HS256","typ":"JWT"}', issuer="netlify", hash="sha256"):
        claims = dict(iss=issuer, sha256=hashlib.sha256(body).hexdigest())
        signed = url64(header.encode()) + "." + url64(json.dumps(claims, separators=(",", ":")).encode())
        return signed + "." + url64(mac(secret, signed.encode(), hash))

    base = JSON + [("X-Netlify-Event", "deploy_created")]
    body = b'{"id":"5d1a","state":"ready","site_id":"s1","updated_at":"2026-01-02T03:04:05Z"}'
    event = dict(id="5d1a:ready", type="deploy_created", time="2026-01-02T03:04:05Z", subject="5d1a", tenant="s1")
    cases(file, header_signer(base, "X-Webhook-Signature", jwt), body, event, ("fake-jws-live", "fake-jws-old", "fake-jws-foreign"))
    add = lambda name, expect, token: file.add(name, expect, base + [("X-Webhook-Signature", token)], body, ["fake-jws-live"])
    good = jwt(body, "fake-jws-live")
    add("the algorithm none", "signature_malformed", url64(b'{"alg":"none"}') + "." + good.split(".")[1] + ".")
    add("the algorithm none, signed all the same", "signature_malformed", jwt(body, "fake-jws-live", '{"alg":"none"}'))
    add("another algorithm", "signature_malformed", jwt(body, "fake-jws-live", '{"alg":"HS512"}', hash="sha512"))
    add("another issuer", "claim_mismatch", jwt(body, "fake-jws-live", issuer="netlify.example"))
    add("a critical extension", "signature_malformed", jwt(body, "fake-jws-live", '{"alg":"HS256","crit":["b64"],"b64":false}'))
    known = ("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJuZXRsaWZ5Iiwic2hhMjU2IjoiMzVkYmEzZmQ0OGJjNGUzMTYzNTgwMmI4NWM0MzhjYTY1Y2E4NzkzMzRi"
             "NWIwNzdjYTk4MjA3MzE5NGE5M2I4MyJ9.o60rBDzfdIQUNbt3U-ARw-DXSgquV50o0-o2RIKbzA0")
    for name, expect, text in [("known answer", "ok", b'{"id":"5d1a","state":"ready","name":"site"}'),
                               ("known answer under another body", "signature_mismatch", b'{"id":"5d1a","state":"ready","name":"site"} ')]:
        file.add(name, expect, [("X-Webhook-Signature", known)], text, ["netlify-jws-secret"], source="generated by jose@6.2.17 SignJWT",
                 **(dict(id="5d1a:ready", type="deploy_ready", subject="5d1a") if expect == "ok" else {}))
    return file


def braintree(File, Scheme):
    file = File("braintree", params=dict(public_key="integration_public_key"))
    key = lambda secret: hashlib.sha1(secret.encode()).digest()

    def request(payload, secret, edit, before=""):
        text = edit(hmac.new(key(secret), payload, "sha1").hexdigest())
        fields = [("bt_payload", payload.decode())]
        if text is not None:
            fields.insert(0, ("bt_signature", before + "integration_public_key|" + text))
        return dict(headers=FORM, body=urllib.parse.urlencode(fields).encode())

    payload = base64.b64encode(b"<notification><kind>check</kind></notification>") + b"\n"
    event = dict(id=hashed(payload.decode()), type="notification")
    secrets = ("integration_private_key", "fake-bt-old", "fake-bt-foreign")
    cases(file, request, payload, event, secrets, covers=False)
    live = dict(secrets=[secrets[0]])
    good = request(payload, secrets[0], SAME)
    bare = payload.rstrip()
    file.add("a payload without the line break that was signed", "ok", headers=FORM, body=urllib.parse.urlencode(dict(
        bt_signature="integration_public_key|" + hmac.new(key(secrets[0]), payload, "sha1").hexdigest(), bt_payload=bare.decode())).encode(),
             **live, **{**event, "id": hashed(bare.decode())})
    file.add("another pair beside ours", "ok", **request(payload, secrets[0], SAME, "other_key|" + "0" * 40 + "&"), **live, **event)
    foreign = {**good, "body": good["body"].replace(b"integration_public_key", b"other_public_key")}
    file.add("the pair of another public key alone", "signature_malformed", **foreign, **live)
    file.add("the payload changed", "signature_mismatch", **{**good, "body": good["body"].replace(b"bt_payload=P", b"bt_payload=Q")}, **live)
    file.add("a second payload after the first", "ok", **{**good, "body": good["body"] + b"&bt_payload=PGE%2BCg"}, **live, **event)
    challenge = "20f9f8ed05f77439fe955c977e4c8a53"
    answer = hmac.new(key(secrets[0]), challenge.encode(), "sha1").hexdigest()
    file.add("the challenge", "handshake", [], b"", [secrets[0]], method="GET", query=f"bt_challenge={challenge}",
             reply=dict(status=200, content_type="text/plain", body=f"integration_public_key|{answer}"))
    forged = base64.b64encode(b"<notification><kind>subscription_canceled</kind><subject/></notification>").decode()
    for name, text in [("that is the payload of an event", forged), ("that is too long", "a" * 33), ("that is too short", "a" * 19), ("of letters", "weave" * 5)]:
        file.add(f"a challenge {name}", "handshake_refused", [], b"", [secrets[0]], method="GET",
                 query=urllib.parse.urlencode(dict(bt_challenge=text)))
    sample = ("bt_signature=integration_public_key%7C514236ba147d2a94a9bc480bca09357dde808a65&bt_payload=PG5vdGlmaWNhdGlvbj4KICAgIDx0aW1lc3RhbXAgdHlwZT0i"
              "ZGF0ZXRpbWUiPjIwMjYtMTEtMjFUMDA6MjU6MjZaPC90aW1lc3RhbXA%2BCiAgICA8a2luZD5zdWJzY3JpcHRpb25fd2VudF9wYXN0X2R1ZTwva2luZD4KICAgIAogICAgPHN1Ympl"
              "Y3Q%2BPHN1YnNjcmlwdGlvbj4KICAgIDxpZD5teV9pZDwvaWQ%2BCiAgICA8dHJhbnNhY3Rpb25zIHR5cGU9ImFycmF5Ij48L3RyYW5zYWN0aW9ucz4KICAgIDxhZGRfb25zIHR5cGU9"
              "ImFycmF5Ij48L2FkZF9vbnM%2BCiAgICA8ZGlzY291bnRzIHR5cGU9ImFycmF5Ij48L2Rpc2NvdW50cz4KPC9zdWJzY3JpcHRpb24%2BPC9zdWJqZWN0Pgo8L25vdGlmaWNhdGlvbj4%3D%0A")
    published = urllib.parse.parse_qs(sample)["bt_payload"][0]
    file.add("known answer of the SDK", "ok", FORM, sample.encode(), [secrets[0]],
             source="generated by braintree@3.40.0 webhookTesting.sampleNotification", id=hashed(published), type="notification")
    return file


def segment(File, Scheme):
    file = File("segment")
    one = '{"type":"track","event":"Order Completed","messageId":"m1","timestamp":"2026-01-02T03:04:05Z","userId":"ada"}'
    event = dict(id="m1", type="track.Order Completed", time="2026-01-02T03:04:05Z", subject="ada")
    sign = header_signer(JSON, "X-Signature", lambda body, secret: mac(secret, body, "sha1").hex())
    secrets = ("fake-segment-live", "fake-segment-old", "fake-segment-foreign")
    cases(file, sign, one.encode(), event, secrets)
    live = dict(secrets=[secrets[0]])
    headers = sign(one.encode(), secrets[0], SAME)["headers"]
    batch = lambda *items: dict(headers=headers, body=("[ " + " , ".join(items) + " ]").encode())
    second = one.replace("m1", "m2")
    file.add("a batch, signed by its first event", "ok", **batch(one, second), **live, events=[event, {**event, "id": "m2"}])
    file.add("a batch with another first event", "signature_mismatch", **batch(second, one), **live)
    file.add("an object whose member 0 is a signed event", "signature_mismatch", headers=headers, body=f'{{"0":{one},"messageId":"m3"}}'.encode(), **live)
    file.add("an empty batch under the signature of an event", "signature_mismatch", headers=headers, body=b"[]", **live)
    return file


def trello(File, Scheme):
    file = File("trello")
    url = "https://hooks.example.com/webhooks/trello"
    scheme = Scheme("X-Trello-Webhook", lambda body, ts, _: body + url.encode(), hash="sha1", encoding="base64")
    body = (b'{"action":{"id":"51f9424bcd6e040f3c002412","type":"updateBoard","date":"2013-07-31T16:58:51.949Z","data":{"board":'
            b'{"id":"4eea4ffc91e31d1746000046"}}},"model":{"id":"4eea4ffc91e31d1746000046"}}')
    event = dict(id="51f9424bcd6e040f3c002412", type="updateBoard", time="2013-07-31T16:58:51.949Z", subject="4eea4ffc91e31d1746000046",
                 tenant="4eea4ffc91e31d1746000046")
    file.standard(scheme, body, JSON, event, ("fake-trello-live", "fake-trello-old", "fake-trello-foreign"))
    good = scheme.headers(JSON, 0, scheme.sig("fake-trello-live", body, 0, JSON))
    file.add("signed for another URL", "signature_mismatch", good, body, ["fake-trello-live"], url=url + "2")
    file.add("the HEAD request", "handshake", [], b"", ["fake-trello-live"], method="HEAD", reply=dict(status=200))
    file.add("known answer", "ok", JSON + [("X-Trello-Webhook", "TKyF/G3GrXVNCJ81wOt4etz0YV0=")], body, ["trello-api-secret"],
             url="https://hooks.example.com/in/trello", source="made by Python hmac, as the Trello webhooks guide says", **event)
    return file


def square(File, Scheme):
    file = File("square")
    url = "https://hooks.example.com/webhooks/square"
    scheme = Scheme("x-square-hmacsha256-signature", lambda body, ts, _: url.encode() + body, encoding="base64")
    body = (b'{"merchant_id":"ML1","type":"payment.updated","event_id":"e-1","created_at":"2026-01-02T03:04:05Z","data":{"type":"payment",'
            b'"id":"p1","object":{"payment":{"status":"COMPLETED"}}}}')
    event = dict(id="e-1", type="payment.updated", time="2026-01-02T03:04:05Z", subject="p1", tenant="ML1")
    file.standard(scheme, body, JSON, event, ("fake-square-live", "fake-square-old", "fake-square-foreign"))
    file.add("known answer of the documentation", "ok",
             JSON + [("x-square-hmacsha256-signature", "2kRE5qRU2tR+tBGlDwMEw2avJ7QM4ikPYD/PJ3bd9Og=")], b'{"hello":"world"}', ["asdf1234"],
             url="https://example.com/webhook", source="published: developer.squareup.com webhooks step3validate", type="unknown")
    return file


ALLOWED = dict(reply=dict(status=200, headers={"webhook-allowed-origin": "eventemitter.example.com", "webhook-allowed-rate": "*", "allow": "POST"}))
PREFLIGHT = [("WebHook-Request-Origin", "eventemitter.example.com"), ("WebHook-Request-Rate", "120")]


def event_grid(File, Scheme):
    file = File("event-grid")
    body = (b'[{"id":"831e1650","topic":"/t","subject":"/blobs/b","eventType":"Microsoft.Storage.BlobCreated",'
            b'"eventTime":"2017-06-26T18:41:00.9584103Z","data":{}}]')
    event = dict(id="831e1650", type="Microsoft.Storage.BlobCreated", time="2017-06-26T18:41:00.9584103Z", subject="/blobs/b", tenant="/t")
    kind = lambda kind: JSON + [("aeg-event-type", kind)]
    query = lambda token: {} if token is None else dict(query="code=" + token)
    tokens(file, lambda token: dict(headers=kind("Notification"), body=body, **query(token)), body, event)
    file.add("the token twice", "token_mismatch", kind("Notification"), body, ["fake-token-live"], query="code=fake-token-live&code=x")
    validation = b'[{"id":"1","data":{"validationCode":"512d38b6-c7b8"},"eventType":"Microsoft.EventGrid.SubscriptionValidationEvent"}]'
    for name, expect, token in [("the validation", "handshake", "fake-token-live"), ("the validation with another token", "token_mismatch", "x")]:
        reply = dict(reply=dict(status=200, content_type="application/json", body='{"validationResponse":"512d38b6-c7b8"}'))
        file.add(name, expect, kind("SubscriptionValidation"), validation, ["fake-token-live"], query="code=" + token,
                 **(reply if expect == "handshake" else {}))
    file.add("the OPTIONS request", "handshake", PREFLIGHT, b"", ["fake-token-live"], method="OPTIONS", **ALLOWED)
    cloud = b'{"specversion":"1.0","id":"c1","source":"/s","type":"a.b","time":"2026-01-02T03:04:05Z"}'
    file.add("one event in the CloudEvents schema", "ok", JSON, cloud, ["fake-token-live"], query="code=fake-token-live", id="c1", type="a.b",
             time="2026-01-02T03:04:05Z", tenant="/s")
    return file


def cloudevents(File, Scheme):
    file = File("cloudevents")
    structured = b'{"specversion":"1.0","id":"c1","source":"/s","type":"a.b","time":"2026-01-02T03:04:05Z","subject":"x","data":1.10}'
    event = dict(id="/s#c1", type="a.b", time="2026-01-02T03:04:05Z", subject="x", tenant="/s")
    bearer = lambda token: [] if token is None else [("Authorization", "Bearer " + token)]
    tokens(file, lambda token: dict(headers=JSON + bearer(token), body=structured), structured, event)
    live = ["fake-token-live"]
    batch = b"[" + structured + b"," + structured.replace(b'"c1"', b'"c2"') + b"]"
    file.add("a batch", "ok", JSON + bearer(live[0]), batch, live, events=[event, {**event, "id": "/s#c2"}])
    binary = [("ce-specversion", "1.0"), ("ce-id", "c3"), ("ce-source", "/s"), ("ce-type", "a.c"), ("ce-time", "2026-01-02T03:04:05Z")]
    file.add("binary mode", "ok", JSON + binary + bearer(live[0]), b'{"t":21.50}', live, id="/s#c3", type="a.c", time="2026-01-02T03:04:05Z", tenant="/s")
    file.add("binary mode without data", "ok", binary + bearer(live[0]), b"", live, id="/s#c3", type="a.c", time="2026-01-02T03:04:05Z", tenant="/s")
    coded = [(name, dict([("ce-id", '"c%20\\"3\\""'), ("ce-source", "/s%E2%82%AC")]).get(name, value)) for name, value in binary]
    file.add("binary mode, percent-encoded and quoted", "ok", JSON + coded + bearer(live[0]), b"1", live, id='/s\u20ac#c "3"', type="a.c",
             time="2026-01-02T03:04:05Z", tenant="/s\u20ac", source="made by hand after cloudevents/spec bindings/http-protocol-binding.md 3.1.3.2")
    file.add("binary mode whose data is an array", "ok", JSON + binary + bearer(live[0]), b"[1,2,3]", live, id="/s#c3", type="a.c",
             time="2026-01-02T03:04:05Z", tenant="/s")
    file.add("a header that is no UTF-8 once decoded names nothing", "ok", JSON + binary[:1] + [("ce-id", "%ff")] + bearer(live[0]), b"1", live, type="unknown")
    kind = lambda kind: [("Content-Type", kind)] + bearer(live[0])
    for media in ("application/cloudevents+json; charset=utf-8", "Application/JSON"):
        file.add(f"sent as {media}", "ok", kind(media), structured, live, **event)
    file.add("a batch, sent as one", "ok", kind("application/cloudevents-batch+json"), batch, live, events=[event, {**event, "id": "/s#c2"}])
    file.add("an empty batch", "ok", kind("application/cloudevents-batch+json"), b"[]", live, events=[])
    for media in ("application/cloudevents+avro", "text/plain", "application/xml"):
        file.add(f"sent as {media}", "unsupported_media_type", kind(media), structured, live)
    file.add("another type without the token", "token_missing", [("Content-Type", "text/plain")], structured, live)
    file.add("OPTIONS without an origin", "method_not_allowed", [], b"", live, method="OPTIONS")
    file.add("the token in the query", "ok", JSON, structured, live, query="access_token=fake-token-live", **event)
    file.add("another token in the query", "token_mismatch", JSON + bearer(live[0]), structured, live, query="access_token=x")
    file.add("the token without its prefix", "token_mismatch", JSON + [("Authorization", live[0])], structured, live)
    file.add("the OPTIONS request", "handshake", PREFLIGHT, b"", live, method="OPTIONS", **ALLOWED,
             source="published: cloudevents/spec http-webhook.md section 4")
    return file


def figma(File, Scheme):
    file = File("figma")
    body = lambda token, kind="FILE_UPDATE": json.dumps({
        "event_type": kind, "file_key": "zH22", **({} if token is None else {"passcode": token}), "timestamp": "2020-02-23T20:27:16Z",
        "webhook_id": "22"}, separators=(",", ":")).encode()
    event = dict(id=hashed("22", "FILE_UPDATE", "2020-02-23T20:27:16Z", "zH22", None, None), type="FILE_UPDATE",
                 time="2020-02-23T20:27:16Z", subject="zH22", tenant="22")
    tokens(file, lambda token: dict(headers=JSON, body=body(token)), body, event)
    file.add("PING", "handshake", JSON, body("fake-token-live", "PING"), ["fake-token-live"], reply=dict(status=200))
    file.add("PING with another passcode", "token_mismatch", JSON, body("x", "PING"), ["fake-token-live"])
    return file


def x(File, Scheme):
    file = File("x")
    scheme = Scheme("x-twitter-webhooks-signature", lambda body, ts, _: body, value=lambda ts, sig: f"sha256={sig}", encoding="base64")
    body = b'{"for_user_id":"1","tweet_create_events":[{"id_str":"2","timestamp_ms":"1700000000000"}]}'
    event = dict(id="1:2", type="tweet_create_events", time="2023-11-14T22:13:20Z", subject="2", tenant="1")
    live = "x-consumer-secret"
    file.standard(scheme, body, JSON, event, (live, "fake-x-old", "fake-x-foreign"))

    def ok(name, body, **facts):
        file.add(name, "ok", scheme.headers(JSON, 0, "sha256=" + scheme.sig(live, body, 0, JSON)), body, [live], **facts)

    ok("the same post for another subscribed user", body.replace(b'"for_user_id":"1"', b'"for_user_id":"7"'), **{**event, "id": "7:2", "tenant": "7"})
    for user in ("1", "7"):
        message = f'{{"for_user_id":"{user}","direct_message_events":[{{"type":"message_create","id":"3","created_timestamp":"1700000000000"}}]}}'
        ok(f"a direct message for user {user}", message.encode(), id=f"{user}:3", type="direct_message_events", time="2023-11-14T22:13:20Z",
           subject="3", tenant=user)
    liked = b'{"for_user_id":"1","favorite_events":[{"id":"f"}]}'
    ok("a kind without an id of its own", liked, id=hashed(liked.decode()), type="favorite_events", tenant="1")

    def crc(name, expect, word, **more):
        file.add(name, expect, [], b"", [live], method="GET", query="crc_token=" + urllib.parse.quote(word) + "&nonce=n", **more)

    reply = dict(status=200, content_type="application/json", body='{"response_token":"sha256=+Xs9N1BqjR4bXeTKYIWkwKDNu7HQJYpp4O0c4u0VlgI="}')
    crc("the challenge", "handshake", "abc", reply=reply, source="made by Python hmac, as the Account Activity API's CRC says")
    for name, word in [("an event", body.decode()), ("a number", "123"), ("a word of JSON", "true"), ("long", "a" * 129), ("empty", "")]:
        crc(f"a challenge that is {name} is not signed", "handshake_refused" if word else "method_not_allowed", word)
    return file


def ms_graph(File, Scheme):
    file = File("ms-graph")
    item = lambda token, n: {"subscriptionId": "s", **({} if token is None else {"clientState": token}), "changeType": "updated",
                             "resource": f"users/1/messages/{n}", "resourceData": {"@odata.etag": "W/1"}, "tenantId": "t"}
    body = lambda *items: json.dumps({"value": list(items)}, separators=(",", ":")).encode()
    event = lambda n: dict(id=f"s:users/1/messages/{n}:updated:W/1", type="updated", subject=f"users/1/messages/{n}", tenant="t")
    tokens(file, lambda token: dict(headers=JSON, body=body(item(token, 2))), body, event(2))
    live = ["fake-token-live"]
    file.add("two notifications", "ok", JSON, body(item(live[0], 2), item(live[0], 3)), live, events=[event(2), event(3)])
    file.add("one clientState differs", "token_mismatch", JSON, body(item(live[0], 2), item("x", 3)), live)
    file.add("one has no clientState", "token_missing", JSON, body(item(live[0], 2), item(None, 3)), live)
    file.add("no notification: nothing is proven", "token_missing", JSON, body(), live)
    file.add("the validation token", "handshake", [("Content-Type", "text/plain")], b"", live,
             query="validationToken=Validation%3A+Testing+client+application%2C+reply",
             reply=dict(status=200, content_type="text/plain", body="Validation: Testing client application, reply"),
             source="published: learn.microsoft.com graph change-notifications-delivery-webhooks")
    return file


def youtube(File, Scheme):
    topic = "https://www.youtube.com/xml/feeds/videos.xml?channel_id=C"
    file = File("youtube", params=dict(topic=topic))
    body = (b'<feed xmlns:yt="http://www.youtube.com/xml/schemas/2015" xmlns="http://www.w3.org/2005/Atom"><entry><id>yt:video:VIDEO_ID</id>'
            b'<yt:videoId>VIDEO_ID</yt:videoId><updated>2015-03-09T19:05:24.552394234+00:00</updated></entry></feed>')
    base = [("Content-Type", "application/atom+xml")]
    event = dict(id=hashed(body.decode()), type="feed.updated")
    for hash in ("sha1", "sha256", "sha384", "sha512"):
        sign = header_signer(base, "X-Hub-Signature", lambda body, secret: mac(secret, body, hash).hex())

        def prefixed(body, secret, edit, hash=hash, sign=sign):
            return sign(body, secret, lambda text: None if edit(text) is None else f"{hash}={edit(text)}")

        if hash == "sha1":
            cases(file, prefixed, body, event, ("hub-secret", "hub-old", "hub-foreign"))
        else:
            file.add(f"signed with {hash}", "ok", **prefixed(body, "hub-secret", SAME), secrets=["hub-secret"], **event)
            file.add(f"signed with {hash} and another secret", "signature_mismatch", **prefixed(body, "x", SAME), secrets=["hub-secret"])
    quoted = urllib.parse.quote(topic, safe="")
    for name, expect, query in [("unsubscribing, for the topic", "handshake", f"hub.mode=unsubscribe&hub.topic={quoted}&hub.challenge=1234567"),
                                ("unsubscribing, for another topic", "handshake_refused", "hub.mode=unsubscribe&hub.topic=x&hub.challenge=1234567"),
                                ("a GET without a challenge", "method_not_allowed", ""),
                                ("the challenge", "handshake", f"hub.mode=subscribe&hub.topic={quoted}&hub.challenge=1234567&hub.lease_seconds=432000"),
                                ("the challenge for another topic", "handshake_refused", "hub.mode=subscribe&hub.topic=x&hub.challenge=1234567")]:
        reply = dict(reply=dict(status=200, content_type="text/plain", body="1234567"))
        file.add(name, expect, [], b"", ["hub-secret"], method="GET", query=query, **(reply if expect == "handshake" else {}))
    return file


def salesforce(File, Scheme):
    file = File("salesforce")
    body = b"<soapenv:Envelope><soapenv:Body><notifications><Notification><Id>04l1</Id></Notification></notifications></soapenv:Body></soapenv:Envelope>"
    query = lambda token: {} if token is None else dict(query="token=" + token)
    event = dict(id=hashed(body.decode()), type="outbound_message")
    tokens(file, lambda token: dict(headers=[("Content-Type", "text/xml; charset=utf-8")], body=body, **query(token)), body, event)
    return file


def mollie_classic(File, Scheme):
    """Unsigned: what counts is what Mollie's API answers, which stands beside the request."""
    file = File("mollie-classic")
    record = lambda **more: json.dumps({"resource": "payment", "id": "tr_7UhSN1zuXS", "status": "open", "profileId": "pfl_fake",
                                        "createdAt": "2026-01-02T03:04:05+00:00", **more}, separators=(",", ":"))
    paid = dict(status="paid", paidAt="2026-01-02T03:05:06+00:00", amountRefunded=dict(value="0.00", currency="EUR"))
    refunded = {**paid, "amountRefunded": dict(value="10.00", currency="EUR"), "_links": {"refunds": {"href": "x"}}}
    facts = lambda id, type, time=None: dict(id="tr_7UhSN1zuXS:" + id, type="payment." + type, subject="tr_7UhSN1zuXS", tenant="pfl_fake",
                                             **({} if time is None else dict(time=time)))
    body, path = b"id=tr_7UhSN1zuXS", "/v2/payments/tr_7UhSN1zuXS"
    for name, fields, event in [
        ("paid", paid, facts("paid:0.00", "paid", "2026-01-02T03:05:06Z")),
        ("the same payment refunded later is another event", refunded, facts("paid:10.00", "refunded")),
        ("charged back", {**paid, "amountChargedBack": dict(value="24.95"), "_links": {"chargebacks": {"href": "x"}}},
         facts("paid:0.00:24.95", "charged_back", "2026-01-02T03:05:06Z")),
        ("failed", dict(status="failed", failedAt="2026-01-02T03:06:00Z"), facts("failed", "failed", "2026-01-02T03:06:00Z")),
        ("open", {}, facts("open", "open", "2026-01-02T03:04:05Z"))]:
        file.add(name, "ok", FORM, body, [], asked=path, record=record(**fields), **event)
    order = '{"resource":"order","id":"ord_kEn1PlbGa","status":"paid","createdAt":"2026-01-02T03:04:05Z","profileId":"pfl_fake"}'
    file.add("an order", "ok", FORM, b"id=ord_kEn1PlbGa", [], asked="/v2/orders/ord_kEn1PlbGa", record=order, id="ord_kEn1PlbGa:paid",
             type="order.paid", time="2026-01-02T03:04:05Z", subject="ord_kEn1PlbGa", tenant="pfl_fake")
    file.add("known answer of the documentation: its id, which Mollie does not know", "unconfirmed", FORM, b"id=tr_d0b0E3EA3v", [],
             asked="/v2/payments/tr_d0b0E3EA3v", source="published: docs.mollie.com webhooks")
    file.add("one bit of the id flipped", "unconfirmed", FORM, b"id=tr_7UhSN1zuXR", [], asked="/v2/payments/tr_7UhSN1zuXR")
    for name, bad in [("no id", b"a=b"), ("an empty id", b"id="), ("an empty body", b""), ("two ids", b"id=tr_7UhSN1zuXS&id=tr_other"),
                      ("an id of another kind", b"id=sub_rVKGtNd6s3"), ("an id that leads elsewhere", b"id=tr_%2F..%2F..%2Fv2%2Forganizations%2Fme"),
                      ("an id with a query", b"id=tr_a%3Fembed%3Dx"), ("an id that is too long", b"id=tr_" + b"a" * 62),
                      ("JSON", b'{"id":"tr_7UhSN1zuXS"}')]:
        file.add(name + ": nobody is asked", "unconfirmed", FORM, bad, [])
    return file


ALL = (mollie_classic, zoho_crm, adyen, meta, mailgun, netlify, braintree, segment, trello, square, event_grid, cloudevents, figma, x, ms_graph, youtube,
       salesforce)
