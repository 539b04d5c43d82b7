//! Slack: `v0=…`, its timestamp in a header of its own.

use hookstream::provider::Reject;
use ring::hmac::HMAC_SHA256;

use super::dice::Dice;
use super::request::{Case, is_plain_number, mac, written};
use super::{Departure, Sender, departure};

const SIGNATURE: &str = "X-Slack-Signature";
const TIMESTAMP: &str = "X-Slack-Request-Timestamp";

pub(super) const SENDER: Sender = Sender { name: "slack", case, departures: DEPARTURES };

const DEPARTURES: &[Departure] = &[
    departure::AHEAD,
    departure::NO_TEXT,
    departure::SETTINGS,
    Departure {
        name: "stricter: a timestamp that is no plain number, which the SDK compares as NaN",
        holds: |it| it.stricter(&[Reject::TimestampMalformed]) && !is_plain_number(it.case.header(TIMESTAMP), 10),
    },
    Departure {
        name: "stricter: something behind a second `=`, which the SDK ignores",
        holds: |it| {
            let behind = it.case.values(SIGNATURE).any(|value| value.matches('=').count() > 1);
            behind && it.stricter(&[Reject::SignatureMalformed])
        },
    },
    Departure { name: "laxer: hexadecimal digits in upper case", holds: |it| it.upper_case(SIGNATURE) },
    Departure {
        name: "laxer: a repeated header, each one a candidate",
        holds: |it| it.laxer() && it.case.values(SIGNATURE).count() > 1,
    },
];

fn case(dice: &mut Dice) -> Case {
    let (mut case, secret) =
        Case::new(dice, &["8f742231b10e8888abcd99yyyzzz85a5", "fakeTwo", "fake Three"], "fakeForeign");
    if dice.one_in(4) {
        case.body = [b"payload=".as_slice(), &case.body].concat();
    }
    let number = case.signed_at(dice);
    let at = written(dice, number);
    let signed = if dice.one_in(3) { number.to_string() } else { at.clone() };
    let version = if dice.one_in(20) { "v1" } else { "v0" };
    let tag = hex::encode(mac(HMAC_SHA256, &secret, &[version.as_bytes(), b":", signed.as_bytes(), b":", &case.body]));
    case.headers.push((TIMESTAMP.to_owned(), at));
    case.headers.push((SIGNATURE.to_owned(), format!("{version}={tag}")));
    case.travel(dice)
}
