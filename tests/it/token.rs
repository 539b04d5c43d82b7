//! Tokens move between topics without loss, and dead letters keep every byte.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;

use hookstream::event::{
    Data, DeadLetter, Flaw, Foreign, Format, Place, Record, Stage, Token, Trail, UNREADABLE_TYPE, Verification, decode,
    encode,
};

use super::envelope::{DEAD_LETTER, FORMATS, assert_valid, attributes, extra, header, time};

fn trail() -> Trail {
    Trail {
        reason: "provider_error".into(),
        stage: Stage::Fetch,
        origin: Some(Place { topic: "webhooks.stripe".into(), partition: 3, offset: 42 }),
        attempts: 2,
        first_failed: time("2026-11-20T10:00:02.5Z"),
        error: "GET https://api.stripe.com/v1/invoices/in_1 answered 500".into(),
    }
}

/// A token as it comes out of the raw topic.
fn token(format: Format, data: &Data<'_>) -> Token {
    let raw = encode(format, &attributes(), data, extra());
    Token::new(b"in_1PqX", &raw.value, &raw.headers, trail())
}

#[test]
fn a_token_moves_without_loss_and_without_growing() {
    let retry: Arc<str> = "hookstream.retry.30s".into();
    let dead: Arc<str> = "hookstream.dead-letter".into();
    for format in FORMATS {
        let data = Data::form(b"a=1&a=2").unwrap();
        let first = token(format, &data);
        let record = first.retry(retry.clone(), 1).unwrap();
        assert_eq!(record.key, b"stripe/evt_1PqX");
        assert_eq!(Token::read(&record.value, &record.headers).unwrap(), first);

        let letter = Token::read(&record.value, &record.headers).unwrap().dead_letter(dead.clone(), 2).unwrap();
        assert_valid(DEAD_LETTER, &letter.value);
        assert_eq!(header(&letter.headers, "content-type"), Some("application/cloudevents+json; charset=UTF-8"));
        for (name, value) in [
            ("hookstream-reason", "provider_error"),
            ("hookstream-stage", "fetch"),
            ("hookstream-origin-topic", "webhooks.stripe"),
            ("hookstream-origin-partition", "3"),
            ("hookstream-origin-offset", "42"),
            ("hookstream-attempts", "2"),
            ("hookstream-first-failed", "2026-11-20T10:00:02.500Z"),
            ("hookstream-error", "GET https://api.stripe.com/v1/invoices/in_1 answered 500"),
            ("http-stripe-signature", "t=1,v1=ab"),
        ] {
            assert_eq!(header(&letter.headers, name), Some(value), "{name}");
        }

        let replayed = Token::read(&letter.value, &letter.headers).unwrap();
        assert_eq!((&replayed.key, &replayed.trail), (&first.key, &first.trail));
        let event = decode(&replayed.headers, &replayed.value).unwrap();
        assert_eq!(event.data, data);
        assert_eq!(event.attributes, attributes());
        let size = |record: &Record| record.headers.iter().map(|(n, v)| n.len() + v.len()).sum::<usize>();
        let again = (0..10).fold(replayed, |token, _| {
            let record = token.retry(retry.clone(), 3).unwrap();
            let letter = Token::read(&record.value, &record.headers).unwrap().dead_letter(dead.clone(), 4).unwrap();
            Token::read(&letter.value, &letter.headers).unwrap()
        });
        assert_eq!(size(&again.dead_letter(dead.clone(), 5).unwrap()), size(&letter));
    }
}

/// Found by the fuzzer: another writer's id with a control character had one identity in a retry topic and, written anew,
/// another in the dead-letter topic.
#[test]
fn an_id_that_no_writer_of_ours_makes_is_one_identity_everywhere() {
    let raw = encode(Format::CloudEventsBinary, &attributes(), &Data::None, extra());
    let mut headers = raw.headers;
    headers.iter_mut().filter(|(name, _)| name == "ce_id").for_each(|(_, id)| *id = "evt\x01".into());
    let token = Token::new(b"key", &raw.value, &headers, trail());
    let letter = token.dead_letter("dead".into(), 1).unwrap();
    assert_eq!(letter.key, b"stripe/evt%01");
    let back = Token::read(&letter.value, &letter.headers).unwrap();
    assert_eq!(back.dead_letter("dead".into(), 1).unwrap(), letter);
    assert_eq!(back.retry("retry".into(), 1).unwrap().key, token.retry("retry".into(), 1).unwrap().key);
}

/// Found by the fuzzer: another writer's empty content type was read, and lost when the record was written anew.
#[test]
fn a_record_with_an_empty_content_type_is_no_event() {
    let empty = |format, data: &Data<'_>| {
        let mut raw = encode(format, &attributes(), data, extra());
        let own = raw.headers.iter_mut().filter(|(name, _)| name == "content-type" && format != Format::CloudEvents);
        own.for_each(|(_, value)| value.clear());
        decode(&raw.headers, &raw.value).map(drop).map_err(|error| error.to_string())
    };
    let bytes = |content_type| Data::Bytes { content_type, body: b"<a/>".into() };
    let missing = Err("the attribute datacontenttype is missing".to_owned());
    assert_eq!(empty(Format::CloudEventsBinary, &bytes("text/xml".into())), missing);
    assert_eq!(empty(Format::CloudEvents, &bytes("".into())), missing);
    assert_eq!(empty(Format::CloudEvents, &bytes("text/xml".into())), Ok(()));
    assert_eq!(empty(Format::CloudEventsBinary, &Data::None), Ok(()));
}

#[test]
fn unreadable_bodies_and_foreign_records_keep_their_bytes() {
    let body = b"{\"id\":1,\"id\":2}\xff";
    let trail = Trail { reason: Flaw::Utf8.as_str().into(), stage: Stage::Read, origin: None, attempts: 0, ..trail() };
    let letter = DeadLetter {
        id: "01JD0000000000000000000000",
        source: "stripe",
        provider: "stripe",
        verification: Verification::Signature,
        received: time("2026-11-20T10:00:01.123Z"),
        body,
        extra: extra(),
        foreign: None,
        trail: &trail,
    };
    let record = letter.record("hookstream.dead-letter".into());
    assert_valid(DEAD_LETTER, &record.value);
    assert_eq!(record.key, b"stripe/01JD0000000000000000000000");
    assert_eq!(record.timestamp_ms, 1_795_168_801_123);
    assert_eq!(Trail::read(&record.headers).unwrap(), trail);
    let read = decode(&record.headers, &record.value).unwrap();
    assert_eq!(read.attributes.kind, UNREADABLE_TYPE);
    assert!(matches!(read.data, Data::Bytes { body: kept, .. } if *kept == body[..]));
    assert!(Token::read(&record.value, &record.headers).is_err(), "it is no token");

    let foreign = Foreign { key: b"k", headers: &[("content-type", b"text/plain"), ("hookstream-reason", b"mine")] };
    let record = DeadLetter { foreign: Some(foreign), ..letter }.record("hookstream.dead-letter".into());
    assert_eq!(header(&record.headers, "hookstream-origin-header-content-type"), Some("text/plain"));
    assert_eq!(header(&record.headers, "hookstream-reason"), Some("utf8"));
    assert_eq!(header(&record.headers, "hookstream-origin-key"), Some("k"));
}

/// Found by the fuzzer: cleaning made an error longer than its bound, and the next move cut it.
#[test]
fn an_error_of_control_characters_is_cut_once() {
    let trail = Trail { error: "\u{1}".repeat(400), ..trail() };
    let raw = encode(Format::CloudEvents, &attributes(), &Data::None, extra());
    let first = Token::new(b"key", &raw.value, &raw.headers, trail).retry("retry".into(), 1).unwrap();
    assert_eq!(header(&first.headers, "hookstream-error").map(str::len), Some(500));
    let again = Token::read(&first.value, &first.headers).unwrap().retry("retry".into(), 1).unwrap();
    assert_eq!(again, first);
}

#[test]
fn long_errors_are_cut_at_a_character() {
    let mut token = token(Format::CloudEvents, &Data::None);
    token.trail.error = format!("x{}\n", "é".repeat(600));
    let record = token.retry("t".into(), 0).unwrap();
    assert_eq!(header(&record.headers, "hookstream-error").map(str::len), Some(499));
}
