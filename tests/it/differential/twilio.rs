//! Twilio: the URL and the sorted fields of a form; of other bodies the URL alone, which holds their hash.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hookstream::provider::Reject;
use ring::digest::{SHA256, digest};
use ring::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY;

use super::dice::Dice;
use super::request::{Case, mac};
use super::{Departure, Sender, departure};

const HEADER: &str = "X-Twilio-Signature";

pub(super) const SENDER: Sender = Sender { name: "twilio", case, departures: DEPARTURES };

const DEPARTURES: &[Departure] = &[
    departure::NO_TEXT,
    departure::SETTINGS,
    Departure {
        name: "laxer: a repeated header, each one a candidate",
        holds: |it| it.laxer() && it.case.values(HEADER).count() > 1,
    },
    Departure {
        name: "an empty body beside bodySHA256, for which the SDK puts {}",
        holds: |it| {
            let empty = it.case.body.is_empty() && it.case.query.contains("bodySHA256");
            empty && (it.laxer() || it.stricter(&[Reject::SignatureMismatch]))
        },
    },
    Departure {
        name: "stricter: the query as Node's old `querystring` writes it, which is the SDK's last resort",
        holds: |it| {
            let rewritten = |item: &str| !item.contains('=') || item.contains(['+', '%']);
            it.stricter(&[Reject::SignatureMismatch]) && it.case.query.split('&').any(rewritten)
        },
    },
    Departure {
        name: "laxer: the digits of bodySHA256 in upper case",
        holds: |it| {
            let hash = it.case.query.split("bodySHA256=").nth(1);
            it.laxer() && hash.is_some_and(|hash| hash.bytes().any(|byte| byte.is_ascii_uppercase()))
        },
    },
    Departure {
        name: "names or values beyond U+FFFF: we sort by code point, as the SDK for Python, not by half of a surrogate pair",
        holds: |it| {
            let form: Vec<_> = url::form_urlencoded::parse(&it.case.body).collect();
            let has = |range: std::ops::RangeInclusive<char>| {
                form.iter().any(|(name, value)| name.chars().chain(value.chars()).any(|letter| range.contains(&letter)))
            };
            let unlike = has('\u{e000}'..='\u{ffff}') && has('\u{10000}'..=char::MAX);
            unlike && (it.laxer() || it.stricter(&[Reject::SignatureMismatch]))
        },
    },
];

const URLS: [&str; 10] = [
    "https://hooks.example.com/webhooks/x",
    "https://hooks.example.com:443/webhooks/x",
    "https://hooks.example.com:8443/webhooks/x",
    "http://hooks.example.com/webhooks/x",
    "http://hooks.example.com:80/x",
    "https://ada:fake@hooks.example.com/x",
    "https://[2001:db8::1]/x",
    "https://[2001:db8::1]:8443/x",
    "https://hooks.example.com",
    "https://Hooks.Example.com/it's/a b",
];

const QUERIES: [&str; 12] =
    ["", "", "", "", "a=1", "a=1&b=it's", "b=2&a=1&b=1", "q=%27%20+%C3%A9", "empty=", "flag", "a=%zz&%", "x=(1)*!~"];

fn case(dice: &mut Dice) -> Case {
    let (mut case, secret) = Case::new(dice, &["12345", "fake-two", "fake three"], "fake-foreign");
    case.base = dice.pick(&URLS).to_owned();
    case.query = dice.pick(&QUERIES).to_owned();
    let whole = dice.one_in(4);
    let mut fields = Vec::new();
    if whole {
        let hash = hex::encode(digest(&SHA256, &case.body));
        let hash = if dice.one_in(10) { dice.damaged(&hash) } else { hash };
        let hash: String = hash.chars().filter(char::is_ascii_graphic).collect();
        let and = if case.query.is_empty() { "" } else { "&" };
        case.query = format!("{}{and}bodySHA256={hash}", case.query);
    } else {
        let names = ["MessageSid", "MessageStatus", "Body", "AccountSid", "To", "Digits", "a", "B", "", "é"];
        for _ in 0..dice.below(8) {
            let name = if dice.one_in(12) { dice.word() } else { dice.pick(&names).to_owned() };
            fields.push((name, dice.word()));
            if dice.one_in(8) {
                fields.extend(fields.last().cloned());
            }
        }
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(&fields);
        case.body = form.finish().into_bytes();
        if dice.one_in(30) {
            case.body.extend_from_slice(
                dice.pick(&["&", "&&a=1", "&=", "&x", "&x=%", "&x=%ff", "&x=a=b", ";y=1"]).as_bytes(),
            );
        }
    }
    if dice.one_in(2) {
        fields.sort();
    } else {
        let halves = |text: &str| text.encode_utf16().collect::<Vec<u16>>();
        fields.sort_by_cached_key(|(name, value)| (halves(name), halves(value)));
    }
    fields.dedup();
    let called = called(dice, &case);
    let text: String = fields.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]).collect();
    let tag = mac(HMAC_SHA1_FOR_LEGACY_USE_ONLY, &secret, &[called.as_bytes(), text.as_bytes()]);
    case.headers.push((HEADER.to_owned(), STANDARD.encode(tag)));
    case.travel(dice)
}

/// The URL as Twilio may have signed it: with or without a port, escaped or not.
fn called(dice: &mut Dice, case: &Case) -> String {
    let url = case.url();
    match dice.below(13) {
        0 => url.replacen(".com/", ".com:443/", 1).replacen("]/", "]:443/", 1),
        1 => url.replacen(".com/", ".com:80/", 1),
        2 | 3 => url.replace(":8443", "").replace(":443", "").replace(":80/", "/"),
        4 => url::Url::parse(&url).unwrap().to_string(),
        5 => dice.damaged(&url),
        6 => url.replace("https", "http"),
        7 => url.replace("?flag", "?flag="),
        _ => url,
    }
}
