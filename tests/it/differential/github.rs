//! GitHub: `sha256=…` over the body.

use ring::hmac::{HMAC_SHA1_FOR_LEGACY_USE_ONLY, HMAC_SHA256};

use super::dice::Dice;
use super::request::{Case, mac};
use super::{Departure, Sender, departure};

const HEADER: &str = "X-Hub-Signature-256";

pub(super) const SENDER: Sender = Sender { name: "github", case, departures: DEPARTURES };

const DEPARTURES: &[Departure] = &[
    departure::NO_TEXT,
    departure::SETTINGS,
    Departure { name: "laxer: hexadecimal digits in upper case", holds: |it| it.upper_case(HEADER) },
    Departure {
        name: "laxer: a repeated header, each one a candidate",
        holds: |it| it.laxer() && it.case.values(HEADER).count() > 1,
    },
    Departure {
        name: "laxer: an empty body, which the SDK takes for a missing argument",
        holds: |it| it.laxer() && it.case.body.is_empty(),
    },
];

fn case(dice: &mut Dice) -> Case {
    let (mut case, secret) = Case::new(dice, &["fake-one", "It's a fake", "gr\u{f6}\u{df}e \u{1f600}"], "fake-foreign");
    if dice.one_in(4) {
        // As a form, which GitHub can be told to send.
        case.body = [b"payload=".as_slice(), &case.body].concat();
    }
    let sha256 = hex::encode(mac(HMAC_SHA256, &secret, &[&case.body]));
    let sha1 = hex::encode(mac(HMAC_SHA1_FOR_LEGACY_USE_ONLY, &secret, &[&case.body]));
    let value = match dice.below(12) {
        0 => sha256,
        1 => format!("sha1={sha1}"),
        2 => format!("sha256={sha1}"),
        _ => format!("sha256={sha256}"),
    };
    case.headers.push((HEADER.to_owned(), value));
    if dice.one_in(2) {
        case.headers.push(("X-Hub-Signature".to_owned(), format!("sha1={sha1}")));
    }
    case.travel(dice)
}
