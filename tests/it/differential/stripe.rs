//! Stripe: `t=…,v1=…` in one header.

use hookstream::provider::Reject;
use ring::hmac::HMAC_SHA256;

use super::dice::Dice;
use super::request::{Case, among_strangers, is_plain_number, mac, written};
use super::{Departure, Sender, departure};

const HEADER: &str = "Stripe-Signature";

pub(super) const SENDER: Sender = Sender { name: "stripe", case, departures: DEPARTURES };

const DEPARTURES: &[Departure] = &[
    departure::AHEAD,
    departure::NO_TEXT,
    departure::SETTINGS,
    departure::NOT_ASCII,
    departure::TOO_MANY,
    Departure {
        name: "a timestamp that is no plain number: the SDK hashes what it makes of it, we hash what was sent",
        holds: |it| {
            let plain = times(it.case).all(|text| is_plain_number(Some(text), 10));
            !plain && (it.laxer() || it.stricter(&[Reject::TimestampMalformed, Reject::SignatureMismatch]))
        },
    },
    Departure {
        name: "stricter: two timestamps, where the SDK takes the last",
        holds: |it| it.stricter(&[Reject::TimestampMalformed]) && times(it.case).count() > 1,
    },
    Departure {
        name: "stricter: something behind a second `=`, which the SDK ignores",
        holds: |it| {
            let behind = items(it.case).any(|item| item.starts_with("v1=") && item.matches('=').count() > 1);
            behind && it.stricter(&[Reject::SignatureMalformed, Reject::SignatureMismatch])
        },
    },
    Departure { name: "laxer: hexadecimal digits in upper case", holds: |it| it.upper_case(HEADER) },
    Departure {
        name: "laxer: blanks around the commas",
        holds: |it| it.laxer() && it.case.values(HEADER).any(|value| value.contains(", ") || value.contains(" ,")),
    },
    Departure {
        name: "laxer: an empty signature beside the good one, at which the SDK throws",
        holds: |it| it.laxer() && it.theirs == Err("secureCompare must receive two arguments"),
    },
    Departure {
        name: "laxer: a repeated header, each one a candidate",
        holds: |it| it.laxer() && it.case.values(HEADER).count() > 1,
    },
];

fn items(case: &Case) -> impl Iterator<Item = &str> {
    case.values(HEADER).flat_map(|value| value.split(',')).map(|item| item.trim_matches(' '))
}

fn times(case: &Case) -> impl Iterator<Item = &str> {
    items(case).filter_map(|item| if item == "t" { Some("") } else { item.strip_prefix("t=") })
}

fn case(dice: &mut Dice) -> Case {
    let (mut case, secret) =
        Case::new(dice, &["whsec_fakeOne", "whsec_fakeTwo", "whsec_ZmFrZQ=="], "whsec_fakeForeign");
    let number = case.signed_at(dice);
    let at = written(dice, number);
    let signed = if dice.one_in(2) { at.clone() } else { number.to_string() };
    let sign = |key: &str| hex::encode(mac(HMAC_SHA256, key, &[signed.as_bytes(), b".", &case.body]));
    let good = format!("v1={}", sign(&secret));
    let mut items = among_strangers(dice, good, |dice| match dice.below(4) {
        0 => format!("v0={}", sign(&secret)),
        1 => format!("v1={}", sign("whsec_fakeForeign")),
        2 => "v1=zz".to_owned(),
        _ => format!("v2={}", dice.word()),
    });
    let first = if dice.one_in(8) { dice.below(items.len() + 1) } else { 0 };
    items.insert(first, format!("t={at}"));
    if dice.one_in(40) {
        items.push(format!("t={number}"));
    }
    let separator = if dice.one_in(20) { ", " } else { "," };
    case.headers.push((HEADER.to_owned(), items.join(separator)));
    case.travel(dice)
}
