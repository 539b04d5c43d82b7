//! From an answer to a decision: what becomes of the event's token. Pure.

use super::answer::{Answer, Exchange, Fetched};
use super::schedule::Delay;

/// Why an event is passed on without a record. Closed: it is the `reason` in the enriched record and a metric's label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Skip {
    /// The provider file has no route for this type of event.
    NoRoute,
    /// The source has no credentials for the API.
    NoCredentials,
    /// The tenant is not on the operator's list.
    UnknownTenant,
    /// The event does not hold what the route's address is made of.
    NoAddress,
    /// The address is on a host that the provider file does not name.
    HostNotAllowed,
}

impl Skip {
    /// The name in records and metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::NoRoute => "no_route",
            Self::NoCredentials => "no_credentials",
            Self::UnknownTenant => "unknown_tenant",
            Self::NoAddress => "no_address",
            Self::HostNotAllowed => "host_not_allowed",
        }
    }
}

/// What is decided about a record.
#[derive(Clone, Debug)]
pub(crate) enum Decision {
    /// Its event is claimed already: nothing goes out.
    Duplicate,
    /// It goes on with the provider's record.
    Enriched(Fetched, Exchange),
    /// It goes on without one.
    Skipped(Skip),
    /// It goes on; the provider has no such record any more.
    Gone(Exchange),
    /// It waits in a retry topic.
    Retry(Retry),
    /// It becomes a dead letter.
    Dead(Dead),
}

/// How a token waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Retry {
    /// In which topic.
    pub(crate) delay: Delay,
    /// Attempts that counted so far.
    pub(crate) attempts: u32,
    /// Why, from a closed list.
    pub(crate) reason: &'static str,
    /// One short sentence.
    pub(crate) error: String,
}

/// Why a token ends as a dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dead {
    /// From a closed list.
    pub(crate) reason: &'static str,
    /// One short sentence.
    pub(crate) error: String,
    /// Attempts that counted.
    pub(crate) attempts: u32,
    /// The event itself is too large for the dead-letter topic: only where it stood is kept.
    pub(crate) without_body: bool,
}

/// Every outcome, as the events metric labels it.
pub(crate) const OUTCOMES: [&str; 6] = ["duplicate", "enriched", "skipped", "gone", "retry", "dead_letter"];

impl Decision {
    /// The label of the events metric.
    pub(crate) fn outcome(&self) -> &'static str {
        match self {
            Self::Duplicate => "duplicate",
            Self::Enriched(..) => "enriched",
            Self::Skipped(_) => "skipped",
            Self::Gone(_) => "gone",
            Self::Retry(_) => "retry",
            Self::Dead(_) => "dead_letter",
        }
    }

    /// Why it was skipped, waits or is dead.
    pub(crate) fn reason(&self) -> Option<&'static str> {
        match self {
            Self::Skipped(skip) => Some(skip.as_str()),
            Self::Retry(retry) => Some(retry.reason),
            Self::Dead(dead) => Some(dead.reason),
            Self::Duplicate | Self::Enriched(..) | Self::Gone(_) => None,
        }
    }

    /// What the decision holds in memory beyond its record.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Enriched(fetched, exchange) => fetched.record.len() + exchange.url.len(),
            Self::Duplicate | Self::Skipped(_) | Self::Gone(_) | Self::Retry(_) | Self::Dead(_) => 0,
        }
    }
}

/// Where a record stands while it is worked on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In a raw topic. `alone`: everything behind it waits for the same account, so that moving it aside would gain
    /// nothing; the topic is the better queue.
    Raw {
        /// No other account shares the lane.
        alone: bool,
    },
    /// In the retry topic of this delay.
    Retry(Delay),
}

impl Place {
    /// Where a record goes next that is moved aside.
    fn next_delay(self) -> Delay {
        match self {
            Self::Raw { .. } => Delay::FIRST,
            Self::Retry(delay) => delay.next(),
        }
    }

    /// Whether it may wait where it is while its provider is away.
    pub(crate) fn waits(self) -> bool {
        self == Self::Raw { alone: true }
    }
}

/// What is known of a record when its answer comes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Circumstances {
    /// Where it stands.
    pub(crate) place: Place,
    /// Attempts that counted before this one.
    pub(crate) attempts: u32,
    /// At this many it becomes a dead letter.
    pub(crate) max_attempts: u32,
    /// It waits here because of a 404.
    pub(crate) was_not_found: bool,
    /// Its type says that the object was deleted: a 404 is what one would expect.
    pub(crate) deleted: bool,
    /// The account's breaker, after this answer was noted there.
    pub(crate) breaker_open: bool,
}

/// What to do with a record after an answer.
#[derive(Clone, Debug)]
pub(crate) enum Verdict {
    /// It is decided.
    Decided(Decision),
    /// It waits where it is.
    PutBack,
}

/// Judge an answer.
pub(crate) fn judge(answer: Answer, exchange: Exchange, at: &Circumstances) -> Verdict {
    let decided = match answer {
        Answer::Record(fetched) => Decision::Enriched(fetched, exchange),
        Answer::Gone => Decision::Gone(exchange),
        Answer::NotFound if at.deleted || at.was_not_found => Decision::Gone(exchange),
        // Asking again cannot make it smaller.
        Answer::TooLarge => dead(&answer, at.attempts + 1),
        Answer::NotFound | Answer::Forbidden | Answer::Redirected | Answer::Refused(_) | Answer::Unreadable(_) => {
            counted(&answer, at)
        }
        // One record's trouble while the provider is well with others counts; a provider that is away does not.
        Answer::ServerError(..) | Answer::Unreachable | Answer::TimedOut if !at.breaker_open => counted(&answer, at),
        Answer::ServerError(..)
        | Answer::Unreachable
        | Answer::TimedOut
        | Answer::Unauthorized
        | Answer::RateLimited(_)
            if at.place.waits() =>
        {
            return Verdict::PutBack;
        }
        Answer::ServerError(..)
        | Answer::Unreachable
        | Answer::TimedOut
        | Answer::Unauthorized
        | Answer::RateLimited(_) => retry(&answer, at, at.attempts),
    };
    Verdict::Decided(decided)
}

/// The time budget is spent, or the provider has no budget or an open breaker: aside, and it does not count.
pub(crate) fn aside(at: Place, attempts: u32, aside: Aside) -> Decision {
    let (reason, error) = aside.words();
    Decision::Retry(Retry { delay: at.next_delay(), attempts, reason, error: error.to_owned() })
}

/// Why a record is moved aside without having been asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aside {
    /// Its turn did not come within the time budget.
    NoTurn,
    /// Its provider is away.
    Away,
}

impl Aside {
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::NoTurn => ("no_budget", "the account's budget left no turn in time"),
            Self::Away => ("provider_away", "the provider is taken for away"),
        }
    }
}

fn counted(answer: &Answer, at: &Circumstances) -> Decision {
    let attempts = at.attempts.saturating_add(1);
    if attempts >= at.max_attempts { dead(answer, attempts) } else { retry(answer, at, attempts) }
}

fn retry(answer: &Answer, at: &Circumstances, attempts: u32) -> Decision {
    let delay = answer.retry_after().map_or(at.place.next_delay(), Delay::at_least);
    Decision::Retry(Retry { delay, attempts, reason: answer.as_str(), error: answer.detail() })
}

fn dead(answer: &Answer, attempts: u32) -> Decision {
    Decision::Dead(Dead { reason: answer.as_str(), error: answer.detail(), attempts, without_body: false })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::StatusCode;
    use proptest::prelude::*;

    use super::*;

    const RAW: Place = Place::Raw { alone: true };
    const SHARED: Place = Place::Raw { alone: false };

    fn at(place: Place) -> Circumstances {
        Circumstances { place, attempts: 0, max_attempts: 3, was_not_found: false, deleted: false, breaker_open: false }
    }

    fn exchange() -> Exchange {
        Exchange { url: String::new(), began: jiff::Timestamp::UNIX_EPOCH, status: None }
    }

    fn server_error() -> Answer {
        Answer::ServerError(StatusCode::INTERNAL_SERVER_ERROR, None)
    }

    fn decided(answer: Answer, at: Circumstances) -> Option<Decision> {
        match judge(answer, exchange(), &at) {
            Verdict::Decided(decision) => Some(decision),
            Verdict::PutBack => None,
        }
    }

    fn retried(answer: Answer, at: Circumstances) -> Option<Retry> {
        match decided(answer, at) {
            Some(Decision::Retry(retry)) => Some(retry),
            _ => None,
        }
    }

    #[test]
    fn a_404_is_gone_when_expected_or_at_the_second_look() {
        assert_eq!(
            retried(Answer::NotFound, at(RAW)).map(|retry| (retry.delay.name(), retry.attempts)),
            Some(("30s", 1))
        );
        let deleted = Circumstances { deleted: true, ..at(RAW) };
        assert!(matches!(decided(Answer::NotFound, deleted), Some(Decision::Gone(_))));
        let again = Circumstances { was_not_found: true, attempts: 1, ..at(Place::Retry(Delay::FIRST)) };
        assert!(matches!(decided(Answer::NotFound, again), Some(Decision::Gone(_))));
        assert!(matches!(decided(Answer::Gone, at(RAW)), Some(Decision::Gone(_))));
    }

    #[test]
    fn attempts_end_as_a_dead_letter() {
        let last = Circumstances { attempts: 2, ..at(Place::Retry(Delay::FIRST)) };
        let Some(Decision::Dead(dead)) = decided(Answer::Forbidden, last) else { panic!("must be dead") };
        assert_eq!((dead.reason, dead.attempts), ("forbidden", 3));
        assert!(matches!(decided(Answer::TooLarge, at(RAW)), Some(Decision::Dead(_))));
    }

    #[test]
    fn a_provider_that_is_away_uses_up_no_attempts() {
        let away = |place| Circumstances { breaker_open: true, attempts: 2, ..at(place) };
        for answer in [server_error(), Answer::Unreachable, Answer::TimedOut, Answer::Unauthorized] {
            assert!(decided(answer.clone(), away(RAW)).is_none(), "waits in the raw topic");
            assert_eq!(retried(answer.clone(), away(SHARED)).map(|retry| retry.attempts), Some(2));
            let retry = retried(answer, away(Place::Retry(Delay::FIRST)));
            assert_eq!(retry.map(|retry| (retry.delay.name(), retry.attempts)), Some(("5m", 2)));
        }
        let counted = retried(Answer::TimedOut, at(RAW));
        assert_eq!(counted.map(|retry| retry.attempts), Some(1), "a timeout counts while the breaker is closed");
    }

    #[test]
    fn retry_after_chooses_the_delay() {
        let pause = Some(Duration::from_secs(100));
        let retry = retried(Answer::RateLimited(pause), at(SHARED));
        assert_eq!(retry.map(|retry| (retry.delay.name(), retry.attempts)), Some(("5m", 0)));
        assert!(decided(Answer::RateLimited(pause), at(RAW)).is_none());
    }

    proptest! {
        /// No answer ever loses a token, and attempts never shrink or jump.
        #[test]
        fn attempts_move_by_one_at_most(attempts in 0u32..10, kind in 0usize..6, open: bool, place in 0usize..3) {
            let answer = [server_error(), Answer::TimedOut, Answer::NotFound, Answer::RateLimited(None), Answer::Unauthorized, Answer::Forbidden][kind].clone();
            let place = [RAW, SHARED, Place::Retry(Delay::FIRST)][place];
            let at = Circumstances { attempts, max_attempts: 8, breaker_open: open, ..at(place) };
            match decided(answer, at) {
                Some(Decision::Retry(retry)) => prop_assert!(retry.attempts - attempts <= 1 && retry.attempts < 8.max(attempts + 1)),
                Some(Decision::Dead(dead)) => prop_assert!(dead.attempts >= 8),
                Some(_) => prop_assert!(false, "unexpected"),
                None => prop_assert!(place.waits()),
            }
        }
    }
}
