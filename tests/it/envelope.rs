//! What is written can be read back to the byte and is what the schemas say.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::borrow::Cow;
use std::collections::BTreeSet;

use hookstream::event::{
    Attributes, Data, DecodeError, ENRICHED_SCHEMA, Encoded, Enrichment, Extra, Format, Headers, Origin, Status,
    Verification, decode, encode, enriched, source_uri,
};
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::Value;

pub(crate) const ENVELOPE: &str = include_str!("../../schemas/envelope.schema.json");
const ENRICHED: &str = include_str!("../../schemas/enriched.schema.json");
pub(crate) const DEAD_LETTER: &str = include_str!("../../schemas/dead-letter.schema.json");
pub(crate) const FORMATS: [Format; 2] = [Format::CloudEvents, Format::CloudEventsBinary];
const BODY: &[u8] = b" {\"amount\": 1234567890.1234567890123456789, \"id\":\"in_1\"}\r\n";

pub(crate) fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(crate) fn attributes() -> Attributes<'static> {
    Attributes {
        id: "evt_1PqX".into(),
        source: source_uri("stripe").into(),
        kind: "com.stripe.invoice.paid".into(),
        subject: Some("in_1PqX".into()),
        time: Some(time("2026-11-20T10:00:00Z")),
        dataschema: None,
        provider: "stripe".into(),
        providertype: Some("invoice.paid".into()),
        category: Some("payment.succeeded".into()),
        tenant: Some("acct_1".into()),
        origin: Origin::Webhook,
        verification: Verification::Signature,
        run: None,
        recordedtime: time("2026-11-20T10:00:01.123Z"),
    }
}

pub(crate) fn extra() -> Extra<'static> {
    Extra {
        kept_headers: &[("stripe-signature", b"t=1,v1=ab")],
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        received: None,
    }
}

pub(crate) fn header<'h>(headers: &'h Headers, name: &str) -> Option<&'h str> {
    headers.iter().find(|(other, _)| other == name).map(|(_, value)| std::str::from_utf8(value).unwrap())
}

pub(crate) fn assert_valid(schema: &str, value: &[u8]) {
    let validator = jsonschema::draft202012::options()
        .should_validate_formats(true)
        .build(&serde_json::from_str(schema).unwrap())
        .unwrap();
    let instance: Value = serde_json::from_slice(value).unwrap();
    let errors: Vec<_> = validator.iter_errors(&instance).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:#?}\n{}", String::from_utf8_lossy(value));
}

fn is_valid(schema: &str, value: &Value) -> bool {
    jsonschema::draft202012::is_valid(&serde_json::from_str(schema).unwrap(), value)
}

#[test]
fn structured_mode_is_the_designs_envelope_to_the_byte() {
    let Encoded { value, headers } = encode(Format::CloudEvents, &attributes(), &Data::Json(BODY), extra());
    let expected = concat!(
        r#"{"specversion":"1.0","id":"evt_1PqX","source":"/webhooks/stripe","type":"com.stripe.invoice.paid","#,
        r#""subject":"in_1PqX","time":"2026-11-20T10:00:00.000Z","datacontenttype":"application/json","#,
        r#""provider":"stripe","providertype":"invoice.paid","category":"payment.succeeded","tenant":"acct_1","#,
        r#""origin":"webhook","verification":"signature","recordedtime":"2026-11-20T10:00:01.123Z","data":"#,
        " {\"amount\": 1234567890.1234567890123456789, \"id\":\"in_1\"}\r\n}",
    );
    assert_eq!(String::from_utf8(value).unwrap(), expected);
    let expected: &[(&str, &str)] = &[
        ("content-type", "application/cloudevents+json; charset=UTF-8"),
        ("ce_specversion", "1.0"),
        ("ce_id", "evt_1PqX"),
        ("ce_source", "/webhooks/stripe"),
        ("ce_type", "com.stripe.invoice.paid"),
        ("ce_subject", "in_1PqX"),
        ("ce_time", "2026-11-20T10:00:00.000Z"),
        ("ce_provider", "stripe"),
        ("ce_category", "payment.succeeded"),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("http-stripe-signature", "t=1,v1=ab"),
    ];
    let headers: Vec<_> = headers.iter().map(|(name, value)| (&**name, std::str::from_utf8(value).unwrap())).collect();
    assert_eq!(headers, expected);
}

#[test]
fn binary_mode_puts_every_attribute_into_a_header() {
    let Encoded { value, headers } = encode(Format::CloudEventsBinary, &attributes(), &Data::Json(BODY), extra());
    assert_eq!(value, BODY);
    for (name, value) in [
        ("content-type", "application/json"),
        ("ce_providertype", "invoice.paid"),
        ("ce_tenant", "acct_1"),
        ("ce_origin", "webhook"),
        ("ce_verification", "signature"),
        ("ce_recordedtime", "2026-11-20T10:00:01.123Z"),
    ] {
        assert_eq!(header(&headers, name), Some(value), "{name}");
    }
    assert_eq!(header(&headers, "ce_datacontenttype"), None);
}

#[test]
fn no_data_is_an_empty_value_in_binary_mode_and_no_member_in_structured_mode() {
    let binary = encode(Format::CloudEventsBinary, &attributes(), &Data::None, Extra::default());
    assert_eq!(binary.value, b"");
    assert_eq!(header(&binary.headers, "content-type"), None);
    let structured = encode(Format::CloudEvents, &attributes(), &Data::None, Extra::default());
    let value: Value = serde_json::from_slice(&structured.value).unwrap();
    assert!(value.get("data").is_none() && value.get("datacontenttype").is_none());
}

#[test]
fn the_raw_body_rides_along_exactly_when_data_is_not_the_body() {
    let marked = b"\xEF\xBB\xBF{}";
    for format in FORMATS {
        for (data, raw) in [
            (Data::json(marked), Some(&marked[..])),
            (Data::form(b"a=1&a=2").unwrap(), Some(&b"a=1&a=2"[..])),
            (Data::json(b"{}"), None),
            (Data::None, None),
        ] {
            let encoded = encode(format, &attributes(), &data, Extra::default());
            let ridden = encoded.headers.iter().find(|(name, _)| name == "hookstream-raw-body").map(|(_, v)| &v[..]);
            assert_eq!(ridden, raw);
            assert_eq!(decode(&encoded.headers, &encoded.value).unwrap().data, data);
        }
    }
}

#[test]
fn attributes_that_cloudevents_cannot_hold_are_cleaned_or_left_out() {
    let odd = Attributes {
        subject: Some("".into()),
        tenant: Some("a\u{0}b".into()),
        time: Some("-000044-03-15T12:00:00Z".parse().unwrap()),
        ..attributes()
    };
    for format in FORMATS {
        let encoded = encode(format, &odd, &Data::None, Extra::default());
        let read = decode(&encoded.headers, &encoded.value).unwrap().attributes;
        assert_eq!((read.subject, read.tenant.as_deref(), read.time), (None, Some("a%00b"), None));
    }
}

#[test]
fn schemas_describe_every_kind_of_raw_event() {
    let bare = Attributes { subject: None, time: None, category: None, tenant: None, ..attributes() };
    let bytes = Data::Bytes { content_type: "application/xml".into(), body: Cow::Borrowed(b"<a/>") };
    for attributes in [attributes(), bare, Attributes { run: Some("01J".into()), ..attributes() }] {
        for data in [Data::Json(BODY), Data::Json(b"null"), Data::form(b"a=1").unwrap(), bytes.clone(), Data::None] {
            assert_valid(ENVELOPE, &encode(Format::CloudEvents, &attributes, &data, extra()).value);
        }
    }
}

#[test]
fn schemas_refuse_what_the_contract_refuses() {
    let value = encode(Format::CloudEvents, &attributes(), &Data::Json(BODY), extra()).value;
    let good: Value = serde_json::from_slice(&value).unwrap();
    assert!(is_valid(ENVELOPE, &good));
    for (member, value) in [
        ("specversion", "0.3".into()),
        ("id", "".into()),
        ("source", "/hooks/stripe".into()),
        ("time", "2026-11-20T10:00:00Z".into()),
        ("recordedtime", "2026-11-20T10:00:00.123456Z".into()),
        ("origin", "elsewhere".into()),
        ("datacontenttype", "text/plain".into()),
        ("dataschema", "urn:x".into()),
        ("data_base64", "YQ==".into()),
        ("Camel", "case".into()),
        ("nested", Value::Array(vec![])),
    ] {
        let mut bad = good.clone();
        bad[member] = value;
        assert!(!is_valid(ENVELOPE, &bad), "{member}");
    }
    for member in ["id", "source", "type", "provider", "providertype", "origin", "verification", "recordedtime", "data"]
    {
        let mut bad = good.clone();
        bad.as_object_mut().unwrap().remove(member);
        assert!(!is_valid(ENVELOPE, &bad), "{member}");
    }
}

#[test]
fn the_three_schemas_share_their_definitions_and_describe_every_member() {
    let schemas = [ENVELOPE, ENRICHED, DEAD_LETTER].map(|text| serde_json::from_str::<Value>(text).unwrap());
    assert!(schemas.iter().all(|schema| schema["$defs"] == schemas[0]["$defs"]));
    assert_eq!(schemas[1]["$id"], ENRICHED_SCHEMA);
    let full = Attributes { run: Some("01J".into()), ..attributes() };
    let value = encode(Format::CloudEvents, &full, &Data::Json(BODY), Extra::default()).value;
    let written: Value = serde_json::from_slice(&value).unwrap();
    for schema in &schemas {
        let described: BTreeSet<_> = schema["properties"].as_object().unwrap().keys().collect();
        assert!(written.as_object().unwrap().keys().all(|name| described.contains(name)), "{described:?}");
        for (name, property) in schema["properties"].as_object().unwrap() {
            let definition = property["$ref"].as_str().and_then(|path| schema["$defs"].get(path.rsplit('/').next()?));
            let described = property.get("description").or(definition.and_then(|d| d.get("description")));
            assert!(described.is_some(), "{name}");
        }
    }
}

fn enrichment() -> Enrichment<'static> {
    Enrichment {
        status: Status::Enriched,
        reason: None,
        url: Some("https://api.stripe.com/v1/invoices/in_1"),
        httpstatus: Some(200),
        fetchedat: Some(time("2026-11-20T10:00:02Z")),
        etag: Some("W/\"1\""),
        recordversion: Some("7"),
        attempts: 1,
    }
}

#[test]
fn enriched_events_hold_both_texts_verbatim() {
    let raw = encode(Format::CloudEvents, &attributes(), &Data::Json(BODY), extra());
    let event = decode(&raw.headers, &raw.value).unwrap();
    let record = br#"{"total":0.1000000000000000055511151231257827}"#;
    for format in FORMATS {
        let encoded = enriched(format, &event, Some(record), &enrichment(), Extra::default());
        let read = decode(&encoded.headers, &encoded.value).unwrap();
        assert_eq!(read.attributes.source, "/webhooks/stripe/enriched");
        assert_eq!(read.attributes.source_name(), "stripe");
        assert_eq!(read.attributes.id, event.attributes.id);
        assert_eq!(read.attributes.dataschema.as_deref(), Some(ENRICHED_SCHEMA));
        let expected = [
            b"{\"event\":",
            BODY,
            b",\"record\":",
            record,
            br#","enrichment":{"status":"enriched","url":"https://api.stripe.com/v1/invoices/in_1","httpstatus":200,"fetchedat":"2026-11-20T10:00:02.000Z","etag":"W/\"1\"","recordversion":"7","attempts":1}}"#,
        ]
        .concat();
        assert_eq!(read.data, Data::Json(&expected));
        if format == Format::CloudEvents {
            assert_valid(ENRICHED, &encoded.value);
        }
    }
}

#[test]
fn enriched_events_without_a_record_say_why() {
    let bytes = Data::Bytes { content_type: "application/xml".into(), body: Cow::Borrowed(b"<a/>") };
    for data in [Data::Json(BODY), Data::form(b"a=1").unwrap(), bytes, Data::None] {
        let raw = encode(Format::CloudEvents, &attributes(), &data, Extra::default());
        let event = decode(&raw.headers, &raw.value).unwrap();
        for status in [Status::Skipped, Status::Gone] {
            let why = Enrichment {
                status,
                reason: Some("no_route"),
                url: None,
                httpstatus: None,
                fetchedat: None,
                etag: None,
                recordversion: None,
                attempts: 0,
            };
            assert_valid(ENRICHED, &enriched(Format::CloudEvents, &event, None, &why, Extra::default()).value);
        }
    }
}

#[test]
fn an_event_at_the_limit_of_depth_can_be_enriched_and_read() {
    let deep = [vec![b'['; 60], vec![b']'; 60]].concat();
    let raw = encode(Format::CloudEvents, &attributes(), &Data::Json(&deep), Extra::default());
    let event = decode(&raw.headers, &raw.value).unwrap();
    let encoded = enriched(Format::CloudEvents, &event, Some(&deep), &enrichment(), Extra::default());
    assert!(decode(&encoded.headers, &encoded.value).is_ok());
}

#[test]
fn records_that_are_not_ours_are_refused() {
    let good = encode(Format::CloudEvents, &attributes(), &Data::Json(b"1"), Extra::default());
    let text = String::from_utf8(good.value.clone()).unwrap();
    let none: Headers = vec![];
    assert_eq!(decode(&none, &good.value), Err(DecodeError::NotCloudEvent));
    let avro = [("content-type", b"application/cloudevents+avro")];
    assert!(matches!(decode(&avro, b"x"), Err(DecodeError::Unsupported(_))));
    let upper = [("content-type", "Application/CloudEvents+JSON")];
    assert!(decode(&upper, &good.value).is_ok());
    for (from, to, expected) in [
        ("\"1.0\"", "\"0.3\"", "unsupported_cloudevent"),
        ("\"id\":\"evt_1PqX\",", "", "attribute_missing"),
        ("\"evt_1PqX\"", "7", "attribute_invalid"),
        ("\"webhook\"", "\"elsewhere\"", "attribute_invalid"),
        ("T10:00:01.123Z", "", "attribute_invalid"),
        ("\"data\":1", "\"data\":1,\"data_base64\":\"\"", "attribute_invalid"),
        ("\"data\":1", "\"data_base64\":\"%\"", "attribute_invalid"),
        ("\"subject\"", "\"i\\u0064\"", "duplicate_name"),
        ("\"data\":1", "\"data\":", "json_syntax"),
    ] {
        let changed = text.replace(from, to);
        assert_ne!(changed, text);
        let result = decode(&good.headers, changed.as_bytes());
        assert_eq!(result.map_err(|error| error.as_str()).unwrap_err(), expected, "{from} -> {to}");
    }
    assert_eq!(decode(&good.headers, b"[1]").unwrap_err().as_str(), "not_cloudevent");
    let binary = encode(Format::CloudEventsBinary, &attributes(), &Data::Json(b"1"), Extra::default());
    assert_eq!(decode(&binary.headers, b"{").unwrap_err().as_str(), "json_cut_short");
}

fn text() -> impl Strategy<Value = Cow<'static, str>> {
    // Anything that an attribute can hold: the rest is cleaned, which has a test of its own.
    "[^\\p{C}]{1,24}".prop_map(Cow::Owned)
}

fn any_attributes() -> impl Strategy<Value = Attributes<'static>> {
    let millis = -62_135_596_800_000i64..253_402_207_200_000;
    let times = (prop::option::of(millis.clone()), millis);
    let options =
        (prop::option::of(text()), prop::option::of(text()), prop::option::of(text()), prop::option::of(text()));
    (text(), text(), options, times, 0..6usize, 0..4usize).prop_map(
        |(id, kind, (a, b, c, d), (t, at), origin, proof)| Attributes {
            id,
            kind,
            subject: a,
            category: b,
            tenant: c,
            run: d,
            time: t.map(|t| Timestamp::from_millisecond(t).unwrap()),
            recordedtime: Timestamp::from_millisecond(at).unwrap(),
            origin: Origin::ALL[origin],
            verification: Verification::ALL[proof],
            ..attributes()
        },
    )
}

proptest! {
    #[test]
    fn any_event_comes_back_to_the_byte(attributes in any_attributes(), json in super::scan::json(), space in "[ \t\r\n]{0,3}") {
        let body = format!("{space}{json}{space}").into_bytes();
        for data in [Data::Json(&body), Data::Derived { json: Cow::Borrowed(&body), body: b"raw" }] {
            for format in FORMATS {
                let encoded = encode(format, &attributes, &data, extra());
                let read = decode(&encoded.headers, &encoded.value).unwrap();
                prop_assert_eq!(&read.attributes, &attributes);
                prop_assert_eq!(&read.data, &data);
                if format == Format::CloudEvents {
                    prop_assert!(serde_json::from_slice::<Value>(&encoded.value).is_ok());
                }
            }
        }
    }

    #[test]
    fn any_bytes_come_back(body in prop::collection::vec(any::<u8>(), 1..200)) {
        let data = Data::Bytes { content_type: "application/soap+xml; charset=utf-8".into(), body: Cow::Owned(body) };
        for format in FORMATS {
            let encoded = encode(format, &attributes(), &data, Extra::default());
            prop_assert_eq!(&decode(&encoded.headers, &encoded.value).unwrap().data, &data);
        }
    }

    #[test]
    fn any_attribute_text_gives_a_valid_event(id in ".{1,20}", tenant in prop::option::of(any::<String>())) {
        let odd = Attributes { id: id.into(), tenant: tenant.map(Cow::Owned), ..attributes() };
        let value = encode(Format::CloudEvents, &odd, &Data::None, Extra::default()).value;
        prop_assert!(is_valid(ENVELOPE, &serde_json::from_slice(&value).unwrap()));
    }

    #[test]
    fn changed_records_never_panic(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
        let good = encode(Format::CloudEvents, &attributes(), &Data::Json(BODY), extra());
        let mut value = good.value;
        let index = at.index(value.len());
        value[index] = byte;
        let _ = decode(&good.headers, &value);
        value.truncate(cut.index(value.len()));
        let _ = decode(&good.headers, &value);
    }
}
