//! Provider files as a whole: signing, hostile requests, what is refused at start and how it is said.

use std::collections::{BTreeMap, BTreeSet};

use std::sync::LazyLock;

use hookstream::config::Secret;
use hookstream::event::Data;
use hookstream::provider::{
    Binding, BodyKind, Catalogue, Facts, Filling, Provider, Reading, Reject, Request, Rules, Sample,
};
use http::{HeaderMap, HeaderValue, Method};
use jiff::Timestamp;
use proptest::prelude::*;

const NOW: i64 = 1_700_000_000;
const SECRET: &str = "whsec_ZmFrZSBzZWNyZXQgb2YgdGhpcyB0ZXN0";

static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| Catalogue::embedded().unwrap());
/// Those that we can sign for, and whose signature covers every byte of the body. The vectors prove the others: what
/// only the provider can sign, what stands in the body or the query, tokens, and forms, which can be written in many ways.
static ALL: LazyLock<Vec<(&'static Provider, Rules)>> = LazyLock::new(|| {
    let others = [
        "adyen",
        "braintree",
        "cloudevents",
        "discord",
        "event-grid",
        "figma",
        "mailgun",
        "mollie-classic",
        "ms-graph",
        "salesforce",
        "sendgrid",
        "twilio",
        "zoho-crm",
    ];
    let shared = CATALOGUE.iter().filter(|provider| provider.key_hosts().is_empty());
    let ours = shared.filter(|provider| !others.contains(&provider.name()));
    ours.map(|provider| (provider.as_ref(), rules(provider))).collect()
});

fn now() -> Timestamp {
    Timestamp::from_second(NOW).unwrap()
}

fn secret(text: &str) -> Secret {
    Secret::new(text.as_bytes().to_vec())
}

/// The secret in the form that the provider hands out.
fn rules(provider: &Provider) -> Rules {
    let params: BTreeMap<String, String> =
        provider.needs().params.keys().map(|name| (name.clone(), "word".to_owned())).collect();
    let bind = |text: &&str| {
        let public_url = Some("https://hooks.example.com/webhooks/x".to_owned());
        let params = params.clone();
        provider.bind(&Binding { secrets: vec![secret(text)], params, public_url, ..Binding::default() }).ok()
    };
    let forms = [SECRET, &SECRET["whsec_".len()..], "user:password"];
    forms.iter().find_map(bind).unwrap_or_else(|| panic!("{} takes no such secret", provider.name()))
}

/// Does its scheme cover the body?
fn signs(provider: &Provider) -> bool {
    provider.schemes().iter().all(|scheme| scheme.starts_with("hmac-"))
}

fn request<'a>(headers: &'a HeaderMap, body: &'a [u8]) -> Request<'a> {
    Request { method: &Method::POST, headers, query: "", body, now: now() }
}

/// The sample, signed as its provider would.
fn signed(rules: &Rules, sample: &Sample) -> (HeaderMap, Vec<u8>) {
    let filling = Filling { id: "dev_1", n: 1, uuid: "7f3a0c1d-cc78-11e3-81ab-4c9367dc0958", now: now() };
    let filled = sample.fill(&filling);
    let signed = rules.sign(&filled.body, &filled.headers, now()).unwrap();
    (signed.headers, signed.body)
}

fn only_event(reading: Reading<'_>) -> Option<Facts<'_>> {
    match reading {
        Reading::Handshake(_) => None,
        Reading::Events(mut events) => events.pop(),
    }
}

#[test]
fn every_sample_is_what_its_provider_sends() {
    let mut seen = Vec::new();
    for (provider, rules) in ALL.iter() {
        for sample in provider.samples() {
            let (headers, body) = signed(rules, sample);
            let request = request(&headers, &body);
            let verified = rules.verify(&request).unwrap();
            let Some(facts) = only_event(rules.read(&verified, &request).unwrap()) else {
                seen.push((provider.name(), sample.providertype.as_str(), "handshake".to_owned()));
                continue;
            };
            assert_eq!(facts.providertype, sample.providertype.as_str());
            if provider.body_kind() == BodyKind::Json {
                let timeless = TIMELESS.contains(&provider.name());
                assert_eq!(facts.time.map(|time| time.as_second()), (!timeless).then_some(NOW), "{}", provider.name());
                // The body, or its one item where it is a batch.
                let text = facts.data.text().unwrap();
                let batch = matches!(body.first(), Some(b'[')) || text.len() < body.len();
                assert!(if batch { body.windows(text.len()).any(|part| part == text) } else { text == body });
            }
            let known = facts.category.is_some() || provider.categories().next().is_none();
            assert!(known, "{}: {}", provider.name(), facts.providertype);
            seen.push((provider.name(), sample.providertype.as_str(), facts.id.unwrap_or_default().into_owned()));
        }
    }
    let uuid = "7f3a0c1d-cc78-11e3-81ab-4c9367dc0958";
    let expected = [
        ("generic", "order.created", ""),
        ("github", "push", uuid),
        ("hubspot", "contact.creation", "62515:12345:1700000000:123001:1700000000000"),
        ("meta", "page.feed", "5566b3aa27fc0ce01599dbd87bf239e0"),
        ("netlify", "deploy_created", "5d1adev_1:ready"),
        ("segment", "track.Order Completed", "m-dev_1"),
        ("shopify", "orders/create", uuid),
        ("slack", "url_verification", "handshake"),
        ("slack", "message", "Ev_dev_1"),
        ("square", "order.created", uuid),
        ("standard-webhooks", "user.created", "msg_dev_1"),
        ("stripe", "invoice.paid", "evt_dev_1"),
        ("trello", "createCard", "51f9424bcd6e040f3c002411"),
        ("x", "tweet_create_events", "1:171"),
        ("youtube", "feed.updated", "8e219f56e1e994e547cf73e0156d67c3"),
    ];
    for (provider, kind, id) in expected {
        assert!(seen.contains(&(provider, kind, id.to_owned())), "{provider}: {kind} {id}");
    }
    let without = seen.iter().filter(|(_, _, id)| id.is_empty()).map(|(provider, _, _)| *provider);
    let without: Vec<_> = without.collect::<BTreeSet<_>>().into_iter().collect();
    assert_eq!(without, NO_ID, "samples whose event has no id");
    let providers = ALL.iter().filter(|(provider, _)| provider.samples().is_empty());
    assert_eq!(providers.count(), 0, "providers without a sample");
}

/// Providers whose events say nothing of when they happened.
const TIMELESS: [&str; 1] = ["dropbox"];

/// Providers whose events are each an event of its own: no two are known to be one.
const NO_ID: [&str; 3] = ["airtable", "dropbox", "generic"];

#[test]
fn records_have_routes_and_summaries() {
    let summaries = ALL.iter().flat_map(|(provider, _)| provider.samples()).filter_map(|sample| {
        let filling = Filling { id: "dev_1", n: 1, uuid: "", now: now() };
        let record = serde_json::from_str(&sample.fill(&filling).record?).unwrap();
        sample.summarise(&record)
    });
    let summaries: Vec<_> = summaries.collect();
    for expected in [
        "commit 9c1e…, 3 files",
        "order #1001, 2 line items",
        "invoice in_dev_1, paid 42.00",
        "payment pay_dev_1, captured 500.00",
    ] {
        assert!(summaries.iter().any(|summary| summary == expected), "{expected}: {summaries:?}");
    }
    for (provider, _) in ALL.iter() {
        for sample in provider.samples().iter().filter(|sample| sample.record.is_some()) {
            assert!(provider.api().unwrap().route(&sample.providertype).is_some(), "{}", sample.providertype);
        }
    }
}

#[test]
fn what_nobody_signs_is_known() {
    let unsigned = CATALOGUE.iter().map(|provider| (provider.name(), provider.unsigned_facts().to_vec()));
    let unsigned: Vec<_> = unsigned.filter(|(_, facts)| !facts.is_empty()).collect();
    let expected = [
        ("adyen", vec!["time"]),
        ("bitbucket", vec!["id", "type"]),
        ("cloudevents", vec!["id", "type", "time", "subject", "tenant"]),
        ("generic", vec!["type"]),
        ("github", vec!["id", "type"]),
        ("mailgun", vec!["id", "type", "time", "subject"]),
        ("netlify", vec!["type"]),
        ("razorpay", vec!["id"]),
        ("segment", vec!["id", "type", "time", "subject"]),
        ("shopify", vec!["id", "type", "time", "tenant"]),
        ("woocommerce", vec!["id", "type", "tenant"]),
        ("zendesk", vec!["id", "tenant"]),
    ];
    for (provider, facts) in expected {
        assert!(unsigned.contains(&(provider, facts)), "{provider}: {unsigned:?}");
    }
    assert!(!CATALOGUE.get("shopify").unwrap().tenant_is_signed());
}

#[test]
fn a_stored_record_can_be_verified_again() {
    for (provider, rules) in ALL.iter().filter(|(provider, _)| signs(provider)) {
        let (headers, body) = signed(rules, &provider.samples()[0]);
        let kept = rules.kept_headers().iter().filter_map(|name| Some((name.clone(), headers.get(name)?.clone())));
        let kept: HeaderMap = kept.collect();
        assert!(rules.verify(&request(&kept, &body)).is_ok(), "{}", provider.name());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_flipped_bit_in_the_body_is_refused(place in any::<prop::sample::Index>(), bit in 0u8..8) {
        for (provider, rules) in ALL.iter().filter(|(provider, _)| signs(provider)) {
            for sample in provider.samples() {
                let (headers, mut body) = signed(rules, sample);
                let at = place.index(body.len());
                body[at] ^= 1 << bit;
                prop_assert_eq!(rules.verify(&request(&headers, &body)).err(), Some(Reject::SignatureMismatch));
            }
        }
    }

    /// In any header that the scheme reads. Upper and lower case of hexadecimal digits are the same signature.
    #[test]
    fn a_flipped_bit_in_a_signed_header_is_refused(place in any::<prop::sample::Index>(), bit in 0u8..7) {
        for (provider, rules) in ALL.iter() {
            let (headers, body) = signed(rules, &provider.samples()[0]);
            for name in ["stripe-signature", "x-hub-signature-256", "x-shopify-hmac-sha256", "x-slack-signature",
                         "x-slack-request-timestamp", "webhook-id", "webhook-timestamp", "webhook-signature", "x-signature"] {
                let Some(value) = headers.get(name) else { continue };
                let mut bytes = value.as_bytes().to_vec();
                let at = place.index(bytes.len());
                bytes[at] ^= 1 << bit;
                let same_digit = bytes.eq_ignore_ascii_case(value.as_bytes()) && name != "webhook-id"
                    && !name.contains("shopify") && (!name.starts_with("webhook-") || provider.name() == "cloudflare-stream");
                let Ok(changed) = HeaderValue::from_bytes(&bytes) else { continue };
                let mut headers = headers.clone();
                headers.insert(name, changed);
                let verdict = rules.verify(&request(&headers, &body));
                prop_assert!(verdict.is_err() || same_digit, "{} {}: {:?}", provider.name(), name, bytes);
            }
        }
    }

    #[test]
    fn no_request_panics_and_none_passes(
        values in prop::collection::vec((0usize..12, "[ -~]{0,80}"), 0..6),
        body in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        const NAMES: [&str; 12] = ["stripe-signature", "x-hub-signature-256", "x-shopify-hmac-sha256", "x-slack-signature",
            "x-slack-request-timestamp", "webhook-id", "webhook-timestamp", "webhook-signature", "svix-id",
            "svix-timestamp", "svix-signature", "x-signature"];
        let mut headers = HeaderMap::new();
        for (name, value) in values {
            headers.append(NAMES[name], HeaderValue::from_str(&value).unwrap());
        }
        for (_, rules) in ALL.iter() {
            prop_assert!(rules.verify(&request(&headers, &body)).is_err());
        }
    }

    #[test]
    fn no_signed_body_panics(body in prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        "[\\[\\]{}\",:a-z0-9\\\\ ]{0,200}".prop_map(String::into_bytes),
    ]) {
        for (provider, rules) in ALL.iter() {
            let filling = Filling { id: "1", n: 1, uuid: "1", now: now() };
            let headers = rules.sign(&body, &provider.samples()[0].fill(&filling).headers, now()).unwrap().headers;
            let request = request(&headers, &body);
            let verified = match rules.verify(&request) {
                // Linear's timestamp stands in the body.
                Err(Reject::TimestampMissing) if provider.name() == "linear" => continue,
                verified => verified.unwrap(),
            };
            let _ = rules.read(&verified, &request);
        }
    }
}

/// A provider file around these lines, and what parsing it says.
fn parse(rest: &str) -> Result<Provider, String> {
    let head = "name = \"x\"\ntitle = \"X\"\ndocs = \"https://x.example\"\n";
    Provider::parse("x.toml", &format!("{head}{rest}")).map_err(|error| error.to_string())
}

const SOUND: &str = "[needs]\nsecrets = { min = 1, where = \"there\" }\n[verify]\nscheme = \"hmac-sha256\"\nheader = \"X-Sig\"\n[event]\ntype = \"/type\"\n";

#[test]
fn a_faulty_file_says_file_line_key_and_what_is_allowed() {
    assert!(parse(SOUND).is_ok());
    for (from, to, expected) in [
        (
            "header = ",
            "headr = ",
            "x.toml:8: verify.headr: unknown field `headr`, expected one of `scheme`, `when`, `header`",
        ),
        (
            "hmac-sha256",
            "hmac-md5",
            "x.toml:7: verify.scheme: unknown variant `hmac-md5`, expected one of `hmac-sha1`, `hmac-sha256`",
        ),
        ("\"X-Sig\"", "\"X Sig\"", "x.toml:8: verify.header: `X Sig` is not a header name"),
        ("header = \"X-Sig\"", "", "x.toml:6: verify.header: is missing"),
        ("\"/type\"", "\"type\"", "x.toml:10: event.type: `type` is none of header:NAME"),
        ("type = \"/type\"", "id = \"/id\"", "x.toml:9: event.type: is missing"),
        (
            "where",
            "place",
            "x.toml:5: needs.secrets.place: unknown field `place`, expected one of `min`, `where`, `looks_like`, `not`, `known`, `others`",
        ),
        ("[needs]\nsecrets = { min = 1, where = \"there\" }", "", "x.toml:1: needs.secrets: is missing"),
        ("[event]", "signed = \"{method}\"\n[event]", "x.toml:9: verify.signed: leaves {body} out"),
        (
            "[event]",
            "signed = \"{timestamp}{body}\"\n[event]",
            "x.toml:9: verify.signed: has a {timestamp}, but neither",
        ),
        ("[event]", "timestamp_header = \"X-T\"\n[event]", "x.toml:6: verify.signed: must contain {timestamp}"),
        ("[event]", "tolerance = \"5m\"\n[event]", "x.toml:9: verify.tolerance: has no meaning here"),
        (
            "[event]",
            "tolerance = \"5 minutes\"\n[event]",
            "x.toml:9: verify.tolerance: `5 minutes` is not a length of time",
        ),
        (
            "[event]",
            "[categories]\n\"a.*\" = \"payment.made\"\n[event]",
            "x.toml:10: categories.a.*: unknown category `payment.made`, expected one of payment.succeeded",
        ),
        (
            "[needs]",
            "keep_headers = [\"Authorization\"]\n[needs]",
            "x.toml:4: keep_headers: `Authorization` carries a credential",
        ),
        (
            "[needs]",
            "body = \"xml\"\n[needs]",
            "x.toml:4: body: unknown variant `xml`, expected one of `json`, `form`, `bytes`",
        ),
        ("[needs]", "body = \"bytes\"\n[needs]", "x.toml:4: body: bytes have no fields"),
        ("[event]", "[event", "x.toml:9:"),
    ] {
        let error = parse(&SOUND.replace(from, to)).unwrap_err();
        assert!(error.starts_with(expected), "{to}\n   {error}\nis not {expected}");
    }
    let error = Provider::parse("x.toml", "").unwrap_err();
    assert_eq!(error.to_string(), "x.toml:1: missing field `name`");
    let error =
        parse(&SOUND.replace("[verify]", "[[verify]]").replace("[event]", "[[verify]]\nscheme = \"none\"\n[event]"));
    assert!(error.unwrap_err().starts_with("x.toml:6: verify.0.when: is missing"));
}

#[test]
fn a_source_without_what_its_scheme_needs_does_not_start() {
    let error =
        |provider: &str, binding: &Binding| CATALOGUE.get(provider).unwrap().bind(binding).err().unwrap().to_string();
    let with = |text: &str| Binding { secrets: vec![secret(text)], ..Binding::default() };
    let none = Binding::default();
    assert!(error("stripe", &none).starts_with("secrets: needs at least 1 (find it at: Developers → Webhooks"));
    assert!(error("stripe", &with("")).starts_with("secrets: secret 1 is empty"));
    assert!(
        error("stripe", &with("whsec_x\n"))
            .starts_with("secrets: secret 1 begins or ends with a space or a line break")
    );
    let bad = error("standard-webhooks", &with("whsec_not base64"));
    assert!(bad.contains("is not `whsec_` and base64") && !bad.contains("not base64,\""), "{bad}");
    let both = Binding { accept_unsigned: true, ..with(SECRET) };
    assert!(error("stripe", &both).starts_with("secrets: are given although accept_unsigned"));
    let many = Binding { secrets: vec![secret("s"); 11], ..Binding::default() };
    assert!(error("stripe", &many).starts_with("secrets: holds 11 secrets"));
    let topics = |text: &str| Binding { params: [("topics".to_owned(), text.to_owned())].into(), ..Binding::default() };
    for listed in ["alarms", "arn:aws:sns:us-west-2:123456789012:alarms,alarms"] {
        let refused = error("sns", &topics(listed));
        assert_eq!(refused, "params.topics: `alarms` is not arn:PARTITION:sns:REGION:ACCOUNT:NAME");
    }
    assert!(error("sns", &topics(" , ")).starts_with("params.topics: names none"));
    let params = Binding { params: [("webhook_id".to_owned(), "1".to_owned())].into(), ..with(SECRET) };
    assert!(error("stripe", &params).starts_with("params.webhook_id: is unknown"));
    let overrides = |text: &str| Binding { overrides: text.parse().unwrap(), ..with(SECRET) };
    let refused = error("stripe", &overrides("verify.header = \"X\""));
    assert!(refused.starts_with("verify.header: cannot be set: Stripe says all of it"), "{refused}");
    assert!(
        error("generic", &overrides("verify.when = \"X\""))
            .starts_with("verify.when: cannot be set, only verify.scheme")
    );
    assert!(
        error("generic", &overrides("verify.encoding = \"hax\""))
            .starts_with("verify.encoding: unknown variant `hax`, expected one of")
    );
    assert!(
        error("generic", &overrides("verify.timestamp_header = \"X-T\""))
            .starts_with("verify.signed: must contain {timestamp}")
    );
    assert!(error("generic", &overrides("event.id = \"OrderId\"")).starts_with("event.id: `OrderId` is none of"));
}

#[test]
fn an_operators_file_takes_the_place_of_ours() {
    let mut catalogue = Catalogue::embedded().unwrap();
    let text = format!("name = \"stripe\"\ntitle = \"Ours\"\ndocs = \"d\"\n{SOUND}");
    catalogue.add("/etc/hookstream/providers/stripe.toml", &text).unwrap();
    assert_eq!(catalogue.get("stripe").unwrap().title(), "Ours");
    assert!(
        catalogue.add("bad.toml", "name = 1").unwrap_err().to_string().starts_with("bad.toml:1: name: invalid type")
    );
}

#[test]
fn unsigned_challenges_are_answered_without_looking_at_the_body() {
    let rule = "[[handshake]]\nsigned = false\nmethod = \"GET\"\nwhen = \"query:mode\"\nequals = \"subscribe\"\n\
                reply = { status = 201, content_type = \"application/json\", headers = { X-Echo = \"{query:mode}\" }, body = '{{\"c\":\"{query:challenge}\"}}' }\n";
    let provider = parse(&format!("{SOUND}{rule}")).unwrap();
    let rules = rules(&provider);
    let headers = HeaderMap::new();
    let get = |method: &Method, query: &str| {
        let request = Request { method, headers: &headers, query, body: b"", now: now() };
        rules.handshake(&request).map(|challenge| challenge.reply)
    };
    let reply = get(&Method::GET, "mode=subscribe&challenge=a%22b").unwrap();
    assert_eq!((reply.status, reply.body.as_slice()), (201, br#"{"c":"a\"b"}"#.as_slice()));
    assert_eq!(reply.headers, [("X-Echo".to_owned(), "subscribe".to_owned())]);
    assert_eq!(get(&Method::GET, "mode=subscribe"), None);
    assert_eq!(get(&Method::GET, "mode=other&challenge=1"), None);
    assert_eq!(get(&Method::POST, "mode=subscribe&challenge=1"), None);
    let reads_the_body = rule.replace("query:mode\"\nequals", "/mode\"\nequals");
    assert!(
        parse(&format!("{SOUND}{reads_the_body}"))
            .unwrap_err()
            .contains("handshake.0.signed: a body that is not verified")
    );
}

#[test]
fn forms_become_objects_and_keep_their_bytes() {
    let provider = parse(&format!("body = \"form\"\n{SOUND}")).unwrap();
    let rules = rules(&provider);
    let body = b"type=message.sent&id=1";
    let headers = rules.sign(body, &HeaderMap::new(), now()).unwrap().headers;
    let request = request(&headers, body);
    let facts = only_event(rules.read(&rules.verify(&request).unwrap(), &request).unwrap()).unwrap();
    assert_eq!(facts.providertype, "message.sent");
    assert_eq!(facts.data.text(), Some(&br#"{"type":"message.sent","id":"1"}"#[..]));
}

#[test]
fn the_json_of_a_form_is_the_data_and_the_form_rides_along() {
    for (provider, body) in
        [("github", &b"payload=%7B%22action%22%3A%22opened%22%7D&x=1"[..]), ("slack", b"command=%2Fx&trigger_id=1.2")]
    {
        let provider = CATALOGUE.get(provider).unwrap();
        let rules = rules(provider);
        let headers = rules.sign(body, &HeaderMap::new(), now()).unwrap();
        let request = request(&headers.headers, body);
        let facts = only_event(rules.read(&rules.verify(&request).unwrap(), &request).unwrap()).unwrap();
        let json: &[u8] = if provider.name() == "github" {
            br#"{"action":"opened"}"#
        } else {
            br#"{"command":"/x","trigger_id":"1.2"}"#
        };
        let Data::Derived { json: found, body: kept } = &facts.data else { panic!("{:?}", facts.data) };
        assert_eq!((&**found, *kept), (json, body));
    }
}

#[test]
fn bytes_are_carried_unread() {
    let text = format!("body = \"bytes\"\ncontent_type = \"application/xml\"\n{SOUND}")
        .replace("\"/type\"", "\"header:X-Kind\"");
    let rules = rules(&parse(&text).unwrap());
    let mut headers = HeaderMap::new();
    headers.insert("x-kind", HeaderValue::from_static("a.b"));
    let headers = rules.sign(b"<x/>", &headers, now()).unwrap().headers;
    let request = request(&headers, b"<x/>");
    let facts = only_event(rules.read(&rules.verify(&request).unwrap(), &request).unwrap()).unwrap();
    assert_eq!(facts.providertype, "a.b");
    assert_eq!(facts.data, Data::Bytes { content_type: "application/xml".into(), body: b"<x/>".as_slice().into() });
}
