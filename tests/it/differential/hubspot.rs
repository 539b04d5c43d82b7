//! HubSpot: version 3 over method, URL, body and time; versions 1 and 2 are plain hashes that hold the secret.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hookstream::provider::Reject;
use ring::digest::{SHA256, digest};
use ring::hmac::HMAC_SHA256;

use super::dice::Dice;
use super::request::{Case, is_plain_number, mac, written};
use super::{Departure, Sender, departure};

const THIRD: &str = "X-HubSpot-Signature-v3";
const TIMESTAMP: &str = "X-HubSpot-Request-Timestamp";
const EARLIER: &str = "X-HubSpot-Signature";
const VERSION: &str = "X-HubSpot-Signature-Version";

pub(super) const SENDER: Sender = Sender { name: "hubspot", case, departures: DEPARTURES };

const DEPARTURES: &[Departure] = &[
    departure::AHEAD,
    departure::NO_TEXT,
    departure::SETTINGS,
    Departure {
        name: "stricter: a timestamp that is no plain number, which the SDK compares as NaN",
        holds: |it| it.stricter(&[Reject::TimestampMalformed]) && !is_plain_number(it.case.header(TIMESTAMP), 13),
    },
    Departure { name: "laxer: hexadecimal digits in upper case", holds: |it| it.upper_case(EARLIER) },
    Departure {
        name: "laxer: a repeated header, each one a candidate",
        holds: |it| it.laxer() && [THIRD, EARLIER, VERSION].iter().any(|name| it.case.values(name).count() > 1),
    },
];

/// Queries with every encoding that HubSpot undoes, some that it does not, and broken ones.
const QUERIES: [&str; 12] = [
    "",
    "",
    "",
    "a=1&b=2",
    "next=https%3A%2F%2Fx.example%2Fp%3Fq%3D1%26r%40s",
    "a=%21%24%27%28%29%2a%2c%3b",
    "a=%20+%C3%A9",
    "a=%253A",
    "a=%3",
    "%",
    "a=%2523&b=%zz",
    "a=%E2%82%AC%2F",
];

fn case(dice: &mut Dice) -> Case {
    let (mut case, secret) = Case::new(dice, &["fake-one-9d2f", "fake-two", "fake three"], "fake-foreign");
    case.method = dice.pick(&["POST", "POST", "POST", "PUT", "GET"]);
    case.query = dice.pick(&QUERIES).to_owned();
    let mut called = case.url();
    if dice.one_in(3) {
        for (code, letter) in [
            ("%3A", ":"),
            ("%2F", "/"),
            ("%3F", "?"),
            ("%3D", "="),
            ("%26", "&"),
            ("%40", "@"),
            ("%21", "!"),
            ("%24", "$"),
            ("%27", "'"),
            ("%28", "("),
            ("%29", ")"),
            ("%2a", "*"),
            ("%2c", ","),
            ("%3b", ";"),
        ] {
            called = called.replace(code, letter);
        }
    }
    if dice.one_in(20) {
        called = dice.damaged(&called);
    }
    let version = if dice.one_in(2) { 3 } else { 1 + dice.below(2) };
    if version == 3 {
        let number = case.signed_at(dice) * 1_000 + dice.below(1_000) as i64;
        let at = written(dice, number);
        let signed = if dice.one_in(3) { number.to_string() } else { at.clone() };
        let tag =
            mac(HMAC_SHA256, &secret, &[case.method.as_bytes(), called.as_bytes(), &case.body, signed.as_bytes()]);
        case.headers.push((TIMESTAMP.to_owned(), at));
        case.headers.push((THIRD.to_owned(), STANDARD.encode(tag)));
    }
    if version < 3 || dice.one_in(4) {
        let second = if version == 2 { [case.method.as_bytes(), called.as_bytes()].concat() } else { Vec::new() };
        let hash = digest(&SHA256, &[secret.as_bytes(), &second, &case.body].concat());
        case.headers.push((EARLIER.to_owned(), hex::encode(hash)));
        case.headers.push((VERSION.to_owned(), format!("v{version}")));
    }
    if dice.one_in(40) {
        case.query = dice.damaged(&case.query).chars().filter(char::is_ascii_graphic).collect();
    }
    case.travel(dice)
}
