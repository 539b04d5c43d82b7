//! Standard Webhooks: a list of `v1,…`, with id and timestamp in headers of their own.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hookstream::provider::Reject;
use ring::hmac::{self, HMAC_SHA256};

use super::dice::Dice;
use super::request::{Case, among_strangers, is_plain_number, written};
use super::{Departure, Sender, departure};

const ID: &str = "webhook-id";
const TIMESTAMP: &str = "webhook-timestamp";
const SIGNATURE: &str = "webhook-signature";

pub(super) const SENDER: Sender = Sender { name: "standard-webhooks", case, departures: DEPARTURES };

const DEPARTURES: &[Departure] = &[
    departure::NO_TEXT,
    departure::SETTINGS,
    departure::NOT_ASCII,
    departure::TOO_MANY,
    Departure {
        name: "a timestamp that is no plain number: the library hashes what it makes of it, we hash what was sent",
        holds: |it| {
            // The library drops what follows the seconds, so that half a second may pass its bound.
            let reasons = [Reject::TimestampMalformed, Reject::SignatureMismatch, Reject::TimestampInFuture];
            !is_plain_number(it.case.header(TIMESTAMP), 10) && (it.laxer() || it.stricter(&reasons))
        },
    },
    Departure {
        name: "stricter: something behind a second comma, which the library ignores",
        holds: |it| {
            let mut items = it.case.values(SIGNATURE).flat_map(|value| value.split(' '));
            let behind = items.any(|item| item.contains("v1,") && item.matches(',').count() > 1);
            behind && it.stricter(&[Reject::SignatureMalformed, Reject::SignatureMismatch])
        },
    },
];

fn case(dice: &mut Dice) -> Case {
    let live = [
        "whsec_ZmFrZSBzZWNyZXQgbnVtYmVyIG9uZQ==",
        "ZmFrZSBzZWNyZXQgbnVtYmVyIHR3bw==",
        "whsec_/+8A/+8A/+8A/+8A/+8A/+8A/+8A/+8A",
    ];
    let (mut case, secret) = Case::new(dice, &live, "whsec_Zm9yZWlnbiBzZWNyZXQgb2YgdGVzdHM=");
    let number = case.signed_at(dice);
    let at = written(dice, number);
    let signed = if dice.one_in(2) { at.clone() } else { number.to_string() };
    let id = if dice.one_in(20) { "msg.1".to_owned() } else { format!("msg_{}", dice.below(1_000)) };
    let sign = |secret: &str| {
        let encoded = secret.strip_prefix("whsec_").unwrap_or(secret);
        // What cannot be decoded signs as it stands.
        let key = STANDARD.decode(encoded).unwrap_or_else(|_| secret.as_bytes().to_vec());
        let text = [id.as_bytes(), b".", signed.as_bytes(), b".", &case.body].concat();
        STANDARD.encode(hmac::sign(&hmac::Key::new(HMAC_SHA256, &key), &text))
    };
    let good = format!("v1,{}", sign(&secret));
    let items = among_strangers(dice, good, |dice| match dice.below(5) {
        0 => format!("v1a,{}", sign(&secret)),
        1 => format!("v1,{}", sign("whsec_Zm9yZWlnbiBzZWNyZXQgb2YgdGVzdHM=")),
        2 => "v1,zz".to_owned(),
        3 => "v1,".to_owned(),
        _ => format!("v2,{}", dice.word()),
    });
    let separator = if dice.one_in(20) { dice.pick(&["  ", ",", ";", ", "]) } else { " " };
    case.headers.push((ID.to_owned(), if dice.one_in(60) { String::new() } else { id }));
    case.headers.push((TIMESTAMP.to_owned(), at));
    case.headers.push((SIGNATURE.to_owned(), items.join(separator)));
    case.travel(dice)
}
