//! Our verifier beside the verdicts of the providers' official SDKs, on the same generated requests and under the same clock.
//!
//! Every `cargo test` compares 1,000 cases for each provider. HOOKSTREAM_DIFFERENTIAL=100000 compares more and
//! HOOKSTREAM_SEED=7 others. The SDKs are the pinned ones of tests/vectors/sdk, each in a Node process of its own that
//! judges line by line. A difference is a bug or one of the departures that are named beside the provider's cases.

mod dice;
mod github;
mod hubspot;
mod judge;
mod request;
mod slack;
mod standard;
mod stripe;
mod twilio;

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use hookstream::config::Secret;
use hookstream::provider::{Binding, Catalogue, Reject, Rules};

use crate::support::skip::skip;
use dice::Dice;
use judge::Judge;
use request::Case;

/// Cases for each provider on every run.
const EVERYDAY: u64 = 1_000;

/// Unexplained differences that are shown before a run is given up.
const SHOWN: usize = 20;

static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| Catalogue::embedded().unwrap());

/// A provider under test.
struct Sender {
    /// As its file and its judge are called.
    name: &'static str,
    case: fn(&mut Dice) -> Case,
    departures: &'static [Departure],
}

/// Where we mean to judge otherwise than the SDK.
struct Departure {
    name: &'static str,
    holds: fn(&Compared<'_>) -> bool,
}

/// A case with both verdicts.
struct Compared<'a> {
    case: &'a Case,
    ours: Result<(), Verdict>,
    /// Why the SDK refuses, if it does.
    theirs: Result<(), &'a str>,
}

/// Our refusal: of a request, or of the source's settings at start.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Verdict {
    Reject(Reject),
    Settings,
}

impl Compared<'_> {
    /// We refuse for one of these reasons what the SDK takes.
    fn stricter(&self, reasons: &[Reject]) -> bool {
        self.theirs.is_ok() && reasons.iter().any(|&reason| self.ours == Err(Verdict::Reject(reason)))
    }

    /// We take what the SDK refuses.
    fn laxer(&self) -> bool {
        self.ours.is_ok() && self.theirs.is_err()
    }

    /// We take hexadecimal digits in upper case, which are the same bytes; the SDK compares texts.
    fn upper_case(&self, header: &str) -> bool {
        self.laxer()
            && self.case.header(header).is_some_and(|value| value.bytes().any(|byte| byte.is_ascii_uppercase()))
    }
}

/// The departures that several providers share.
mod departure {
    use hookstream::provider::Reject;

    use super::{Departure, Verdict};

    pub(super) const AHEAD: Departure = Departure {
        name: "stricter: signed more than 5 minutes ahead of the clock",
        holds: |it| it.stricter(&[Reject::TimestampInFuture]),
    };

    /// One of the two cannot match.
    pub(super) const NO_TEXT: Departure = Departure {
        name: "the body is no UTF-8 or begins with a byte order mark: the SDK hashes its text, we hash its bytes",
        holds: |it| {
            let odd = std::str::from_utf8(&it.case.body).is_err() || it.case.body.starts_with(b"\xef\xbb\xbf");
            odd && (it.laxer() || it.stricter(&[Reject::SignatureMismatch]))
        },
    };

    pub(super) const SETTINGS: Departure = Departure {
        name: "stricter: a secret with a blank around it, or not in the provider's form, is refused at start",
        holds: |it| it.ours == Err(Verdict::Settings) && it.theirs.is_ok(),
    };

    pub(super) const NOT_ASCII: Departure = Departure {
        name: "stricter: a signature header with characters beyond ASCII, where the SDK looks at the rest",
        holds: |it| {
            let odd = it
                .case
                .headers
                .iter()
                .any(|(name, value)| name.to_lowercase().contains("signature") && !value.is_ascii());
            odd && it.stricter(&[Reject::SignatureMalformed])
        },
    };

    pub(super) const TOO_MANY: Departure = Departure {
        name: "stricter: more than 16 signatures",
        holds: |it| {
            let count =
                |text: &str| it.case.headers.iter().map(|(_, value)| value.matches(text).count()).sum::<usize>();
            it.stricter(&[Reject::SignatureMalformed]) && count("v1") > 16
        },
    };
}

/// Our own verdicts; sources are bound once.
#[derive(Default)]
struct Ours {
    bound: HashMap<(Vec<String>, String), Option<Rules>>,
}

impl Ours {
    fn verdict(&mut self, provider: &str, case: &Case) -> Result<(), Verdict> {
        let key = (case.secrets.clone(), case.base.clone());
        let rules = self.bound.entry(key).or_insert_with(|| {
            let secrets = case.secrets.iter().map(|secret| Secret::new(secret.as_bytes().to_vec())).collect();
            let binding = Binding { secrets, public_url: Some(case.base.clone()), ..Binding::default() };
            CATALOGUE.get(provider).unwrap().bind(&binding).ok()
        });
        let rules = rules.as_ref().ok_or(Verdict::Settings)?;
        let headers = case.header_map();
        rules.verify(&case.request(&headers)).map(drop).map_err(Verdict::Reject)
    }
}

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{variable}: {text}")))
}

/// Compare, and say what came of it.
#[allow(clippy::print_stdout)]
fn compare(sender: &Sender) {
    let (cases, seed) = (number("HOOKSTREAM_DIFFERENTIAL", EVERYDAY), number("HOOKSTREAM_SEED", 1));
    let case = sender.case;
    let mut judge = match Judge::start(sender.name, move |place| case(&mut Dice::new(seed, place)), cases) {
        Ok(judge) => judge,
        Err(why) => return skip(&format!("no official SDK to compare with: {why}")),
    };
    let mut ours = Ours::default();
    let mut tally = BTreeMap::<&str, u64>::new();
    let mut unexplained = Vec::new();
    for place in 0..cases {
        let case = case(&mut Dice::new(seed, place));
        let refusal = judge.refusal();
        let theirs = if refusal.is_empty() { Ok(()) } else { Err(refusal.as_str()) };
        let compared = Compared { case: &case, ours: ours.verdict(sender.name, &case), theirs };
        let what = match (compared.ours.is_ok(), theirs.is_ok()) {
            (true, true) => "both accept",
            (false, false) => "both refuse",
            _ => match sender.departures.iter().find(|departure| (departure.holds)(&compared)) {
                Some(departure) => departure.name,
                None => {
                    unexplained.push(format!("case {place}: ours {:?}, theirs {theirs:?}\n{case:#?}", compared.ours));
                    "UNEXPLAINED"
                }
            },
        };
        *tally.entry(what).or_default() += 1;
    }
    let report: String = tally.iter().map(|(what, count)| format!("\n  {count:>7}  {what}")).collect();
    println!("{}: {cases} cases of seed {seed}{report}", sender.name);
    let shown = unexplained.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join("\n");
    assert!(
        unexplained.is_empty(),
        "{}: seed {seed}, {} differences nobody named:\n{shown}",
        sender.name,
        unexplained.len()
    );
    for both in ["both accept", "both refuse"] {
        assert!(tally.get(both).is_some_and(|count| count * 5 > cases), "{}: hardly ever: {both}{report}", sender.name);
    }
    // What never happens any more is no departure; rare ones need a long run to show.
    let gone = sender.departures.iter().find(|departure| cases >= 100_000 && !tally.contains_key(departure.name));
    assert!(gone.is_none(), "{}: not seen in {cases} cases: {:?}", sender.name, gone.map(|departure| departure.name));
}

#[test]
fn stripe_and_its_sdk_agree() {
    compare(&stripe::SENDER);
}

#[test]
fn github_and_its_sdk_agree() {
    compare(&github::SENDER);
}

#[test]
fn slack_and_its_sdk_agree() {
    compare(&slack::SENDER);
}

#[test]
fn twilio_and_its_sdk_agree() {
    compare(&twilio::SENDER);
}

#[test]
fn standard_webhooks_and_its_library_agree() {
    compare(&standard::SENDER);
}

#[test]
fn hubspot_and_its_sdk_agree() {
    compare(&hubspot::SENDER);
}
