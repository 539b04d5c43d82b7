//! What a provider file can say beyond the embedded ones: numbered headers, a timestamp inside the body, and what is
//! refused when the file is read or bound.

use hookstream::config::Secret;
use hookstream::provider::{Binding, Provider, Reading, Reject, Request, Rules};
use http::{HeaderMap, HeaderName, Method};
use jiff::Timestamp;

const NOW: i64 = 1_700_000_000;
const HEAD: &str = "name = \"x\"\ntitle = \"X\"\ndocs = \"d\"\n[needs]\nsecrets = { min = 1, where = \"there\" }\n";

fn parse(rest: &str) -> Result<Provider, String> {
    Provider::parse("x.toml", &format!("{HEAD}{rest}")).map_err(|error| error.to_string())
}

fn rules(rest: &str) -> Rules {
    let secrets = vec![Secret::new(b"fake".to_vec()), Secret::new(b"fake-old".to_vec())];
    parse(rest).unwrap().bind(&Binding { secrets, ..Binding::default() }).unwrap()
}

fn verify(rules: &Rules, headers: &HeaderMap, body: &[u8]) -> Result<usize, Reject> {
    let now = Timestamp::from_second(NOW).unwrap();
    let request = Request { method: &Method::POST, headers, query: "", body, now };
    rules.verify(&request).map(|verified| verified.secret())
}

fn signed(rules: &Rules, body: &[u8]) -> HeaderMap {
    rules.sign(body, &HeaderMap::new(), Timestamp::from_second(NOW).unwrap()).unwrap().headers
}

/// DocuSign sends one header for each live key: X-DocuSign-Signature-1, -2 and so on.
#[test]
fn numbered_headers_are_one_list() {
    let rules = rules("[verify]\nscheme = \"hmac-sha256\"\nheader = \"X-Sig-*\"\n[event]\ntype = \"/event\"\n");
    let headers = signed(&rules, b"{}");
    assert_eq!(verify(&rules, &headers, b"{}"), Ok(0));
    let name = |number: u32| HeaderName::try_from(format!("x-sig-{number}")).unwrap();
    let good = headers.get(name(1)).unwrap().clone();
    let mut moved = HeaderMap::new();
    moved.insert(name(1), "00".repeat(32).parse().unwrap());
    moved.insert(name(3), good.clone());
    assert_eq!(verify(&rules, &moved, b"{}"), Ok(0));
    assert_eq!(verify(&rules, &moved, b"[]"), Err(Reject::SignatureMismatch));
    let mut far = HeaderMap::new();
    far.insert(name(17), good);
    assert_eq!(verify(&rules, &far, b"{}"), Err(Reject::SignatureMissing), "the family is bounded");
}

/// Linear signs the body, and the body holds the time: it is read once the signature has matched, and not before.
#[test]
fn a_timestamp_inside_a_signed_body() {
    let rules = rules(
        "[verify]\nscheme = \"hmac-sha256\"\nheader = \"X-Sig\"\ntimestamp_at = \"/at\"\ntimestamp_format = \"unix_ms\"\n\
         tolerance = \"1m\"\n[event]\ntype = \"/event\"\n",
    );
    for (body, expected) in [
        (r#"{"at":1700000000000}"#, Ok(0)),
        (r#"{"at":"1699999940000"}"#, Ok(0)),
        (r#"{"at":1699999939999}"#, Err(Reject::TimestampTooOld)),
        (r#"{"at":1700000060001}"#, Err(Reject::TimestampInFuture)),
        (r#"{"at":"soon"}"#, Err(Reject::TimestampMalformed)),
        (r#"{"at":null}"#, Err(Reject::TimestampMissing)),
        ("[", Err(Reject::TimestampMissing)),
    ] {
        assert_eq!(verify(&rules, &signed(&rules, body.as_bytes()), body.as_bytes()), expected, "{body}");
    }
    let unsigned = verify(&rules, &signed(&rules, b"{}"), br#"{"at":1}"#);
    assert_eq!(unsigned, Err(Reject::SignatureMismatch), "the signature comes first");
}

/// Recurly: a list by place, the timestamp first.
#[test]
fn a_list_by_place() {
    let rules = rules(
        "[verify]\nscheme = \"hmac-sha256\"\nheader = \"X-Sig\"\nformat = \"{timestamp},{signature}\"\n\
         signed = \"{timestamp}.{body}\"\ntimestamp_format = \"unix_ms\"\n[event]\ntype = \"/event\"\n",
    );
    let mut headers = signed(&rules, b"{}");
    let value = headers.get("x-sig").unwrap().to_str().unwrap().to_owned();
    let (timestamp, signature) = value.split_once(',').unwrap();
    headers.insert("x-sig", format!("{timestamp},{},{signature}", "00".repeat(32)).parse().unwrap());
    assert_eq!(verify(&rules, &headers, b"{}"), Ok(0));
    headers.insert("x-sig", format!("{signature},{timestamp}").parse().unwrap());
    assert!(verify(&rules, &headers, b"{}").is_err());
}

#[test]
fn a_batch_is_read_item_by_item_behind_a_byte_order_mark_too() {
    let rules = rules(
        "[verify]\nscheme = \"hmac-sha256\"\nheader = \"X-Sig\"\n[event]\nsplit = \"/e/*\"\nid = \"/e/*/id\"\ntype = \"/t\"\n",
    );
    let body = "\u{feff}{\"e\":[{\"id\":1.0},{\"id\":2}],\"t\":\"a\"}".as_bytes();
    let headers = signed(&rules, body);
    let now = Timestamp::from_second(NOW).unwrap();
    let request = Request { method: &Method::POST, headers: &headers, query: "", body, now };
    let verified = rules.verify(&request).unwrap();
    let Reading::Events(events) = rules.read(&verified, &request).unwrap() else { panic!("events") };
    let seen: Vec<_> = events
        .iter()
        .map(|facts| (facts.id.as_deref().unwrap(), &*facts.providertype, facts.data.text().unwrap()))
        .collect();
    assert_eq!(seen, [("1.0", "a", br#"{"id":1.0}"#.as_slice()), ("2", "a", br#"{"id":2}"#)]);
}

#[test]
fn what_makes_no_sense_is_refused_with_its_key() {
    let sound = "[verify]\nscheme = \"hmac-sha256\"\nheader = \"X-Sig\"\n[event]\ntype = \"/t\"\n";
    for (from, to, expected) in [
        ("header =", "at = \"/sig\"\nheader =", "verify.at: stands beside header"),
        ("header = \"X-Sig\"", "at = \"sig\"", "verify.at: `sig` is none of header:NAME"),
        (
            "[event]",
            "signed = \"{body}{secret}\"\n[event]",
            "verify.signed: must contain {secret} where a plain digest",
        ),
        ("hmac-sha256", "digest-sha256", "verify.signed: must contain {secret} where a plain digest"),
        ("[event]", "signed = \"{body}{config:id}\"\n[event]", "needs.params: `id` is missing"),
        ("[event]", "partial = true\n[event]", "verify.partial: has no meaning here"),
        ("[event]", "url = \"ports\"\n[event]", "verify.url: has no meaning here"),
        ("[event]", "issuer = \"x\"\n[event]", "verify.issuer: has no meaning here"),
        ("hmac-sha256", "jwt-hs256", "verify.body_claim: is missing"),
        ("type = \"/t\"", "type = \"/e/*/t\"", "event.type: `/e/*/t` has a * that no split leads to"),
        ("type = \"/t\"", "type = \"/t\"\nsplit = \"/e\"", "event.split: `/e` must end with /*"),
        ("type = \"/t\"", "type = \"/t\"\nsplit = \"/a/*/b/*/c/*\"", "event.split: `/a/*/b/*/c/*` must end with /*"),
        ("[event]", "[[handshake]]\nreply = {}\n[event]", "handshake.0.when: is missing"),
        ("[event]", "[answer]\nstatus = 500\n[event]", "answer.status: must be from 200 to 299"),
    ] {
        let error = parse(&sound.replace(from, to)).unwrap_err();
        assert!(error.contains(expected), "{to}\n   {error}\nis not {expected}");
    }
    let url = parse(&sound.replace("[event]", "signed = \"{url}{body}\"\n[event]")).unwrap();
    let bound = url.bind(&Binding { secrets: vec![Secret::new(b"fake".to_vec())], ..Binding::default() });
    assert!(bound.err().unwrap().to_string().starts_with("public_url: is missing"));
    let public = parse(&sound.replace("hmac-sha256", "ed25519")).unwrap();
    let bound = public.bind(&Binding { secrets: vec![Secret::new(b"fake".to_vec())], ..Binding::default() });
    assert!(bound.err().unwrap().to_string().starts_with("secrets: secret 1 is not a public key of 32 bytes"));
}
