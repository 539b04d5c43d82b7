//! Hypotheses about time: clocks that are apart, and timestamps in another unit or form.

use jiff::{SignedDuration, Timestamp};

use super::bench::{signature, signature_mut, timeless};
use super::case::Case;
use super::{Cause, Finding};
use crate::provider::Reject;
use crate::provider::verify::{ClockPlace, Parsed, TimeFormat};

/// Timestamps nearer than this are taken for the same moment in another form.
const NEAR: SignedDuration = SignedDuration::from_hours(24 * 366);

const FORMATS: [TimeFormat; 4] = [TimeFormat::Unix, TimeFormat::UnixMs, TimeFormat::Rfc3339, TimeFormat::Rfc1123];

/// Units that no scheme reads, and how many of each make a second.
const FINER: [(&str, i64); 2] = [("microseconds since 1970", 1_000_000), ("nanoseconds since 1970", 1_000_000_000)];

/// The signature is right, and the timestamp lies outside of its window.
pub(super) fn off(case: &Case<'_>, signed_at: Option<Timestamp>) -> Option<Finding> {
    let window = signature(&case.plan)?.clock.as_ref()?.window;
    let signed_at = signed_at?;
    window.check(signed_at, case.request.now).err()?;
    let age = case.request.now.duration_since(signed_at);
    let (seconds, past) = (age.abs().as_secs(), age.is_positive());
    let (where_to, limit) = if past { ("behind", window.past) } else { ("ahead of", window.future) };
    // Since it was captured time went by, which excuses its age and nothing ahead of now.
    if case.inquiry.captured && past {
        let seen = format!("The signature matches. Its timestamp, {signed_at:.0}, is {seconds} s {where_to} now");
        return Some(Finding::proven(
            Cause::Verifies,
            format!("{seen}, as a captured request's is."),
            "Nothing is wrong with secret, body and URL as they stand here: look at what reaches the gateway instead. --at TIME \
             says when it was received, and judges the time as well.",
        ));
    }
    let arrived = if case.inquiry.captured { "" } else { " when it arrived" };
    let evidence = format!(
        "The signature matches. Its timestamp, {signed_at:.0}, is {seconds} s {where_to} this machine's clock{arrived}; {} s are \
         allowed.",
        limit.as_secs()
    );
    let look = "Compare this machine's clock with a time server (`chronyc tracking`, `timedatectl`)";
    let advice = if past {
        format!(
            "{look}: it may be {seconds} s fast. If it is right, the request was held up on its way or is an old one sent again."
        )
    } else {
        format!("{look}: it is about {seconds} s slow, or the sender's is fast.")
    };
    Some(Finding::proven(Cause::ClockOff, evidence, advice))
}

/// Read in another form, the timestamp is a timestamp.
pub(super) fn other_form(case: &Case<'_>) -> Option<Finding> {
    let own = signature(&case.plan)?.clock.as_ref()?.format;
    for format in FORMATS.into_iter().filter(|format| *format != own) {
        let mut plan = timeless(&case.plan);
        if let Some(clock) = signature_mut(&mut plan).and_then(|signature| signature.clock.as_mut()) {
            clock.format = format;
        }
        let passed = case.bench.passes(&plan, case.secrets());
        let near = |at: Timestamp| at.duration_since(case.request.now).abs() < NEAR;
        if passed.is_some_and(|passed| passed.signed_at.is_some_and(near)) {
            return Some(Finding::proven(
                Cause::TimestampForm,
                said(own, format, "The signature matches when"),
                advice(case, format),
            ));
        }
        // Where nothing matches, the timestamp alone may still tell.
        if text(case).and_then(|text| format.parse(&text)).is_some_and(near) {
            return Some(Finding::likely(
                Cause::TimestampForm,
                said(own, format, "It makes sense when"),
                advice(case, format),
            ));
        }
    }
    finer(case)
}

/// A whole number that is a time of these days in a unit finer than any scheme's.
fn finer(case: &Case<'_>) -> Option<Finding> {
    let own = signature(&case.plan)?.clock.as_ref()?.format;
    let text = text(case).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    let number: i64 = text.parse().ok()?;
    let is_now = |per_second: i64| {
        let at = Timestamp::from_second(number / per_second).ok();
        at.is_some_and(|at| at.duration_since(case.request.now).abs() < NEAR)
    };
    let (unit, _) = FINER.into_iter().find(|(_, per_second)| is_now(*per_second))?;
    // The verifier reads no such unit: the digits go into the signed text as they stand, and no clock is asked.
    let mut plan = timeless(&case.plan);
    let signature = signature_mut(&mut plan)?;
    signature.clock = None;
    signature.signed = signature.signed.as_str().replace("{timestamp}", &text).try_into().ok()?;
    signature.signed.register(&mut signature.picks);
    let proven = case.bench.passes(&plan, case.secrets()).is_some();
    let own = words(own);
    let advice = format!(
        "{} does not write it so: the sender is another program, or something rewrote the header. Have it write {own}.",
        case.title()
    );
    let said = |when: &str| format!("The timestamp is written as {unit}, and the scheme reads {own}. {when} so.");
    Some(if proven {
        Finding::proven(Cause::TimestampForm, said("The signature matches with the timestamp written"), advice)
    } else {
        Finding::likely(Cause::TimestampForm, said("It makes sense when it is read"), advice)
    })
}

/// There are two of it, and which one was signed is open.
pub(super) fn doubled(case: &Case<'_>) -> Option<Finding> {
    let plan = signature(&case.plan)?;
    let values = |names: &[http::HeaderName]| -> Vec<&str> {
        let values = names.iter().flat_map(|name| case.request.headers.get_all(name));
        values.filter_map(|value| value.to_str().ok()).collect()
    };
    let (place, is_doubled) = match &plan.clock.as_ref()?.place {
        ClockPlace::Format => {
            let mut parsed = Parsed::default();
            let values = values(plan.at.headers());
            let mut read = values.into_iter().map(|value| plan.format.read(value, &mut parsed));
            (plan.at.describe(), read.any(|read| read == Err(Reject::TimestampMalformed)))
        }
        ClockPlace::Own(place) if !place.headers().is_empty() => (place.describe(), values(place.headers()).len() > 1),
        ClockPlace::Own(place) => {
            let picked = plan.picks.read(case.request.body);
            (place.describe(), place.value(&case.request, &picked, None).is_err())
        }
        ClockPlace::Inside(place, picks) => {
            let picked = picks.read(case.request.body);
            (place.describe(), place.value(&case.request, &picked, None).is_err())
        }
    };
    is_doubled.then(|| {
        Finding::proven(
            Cause::HeaderMissing,
            format!("The timestamp at `{place}` stands there twice, and which of the two is signed is left open."),
            format!("{} always sends it once: a proxy doubles it, or joins two headers.", case.title()),
        )
    })
}

/// It is there, and is no time at all.
pub(super) fn unreadable(case: &Case<'_>) -> Option<Finding> {
    let plan = signature(&case.plan)?;
    let clock = plan.clock.as_ref()?;
    let place = match &clock.place {
        ClockPlace::Format => plan.at.describe(),
        ClockPlace::Own(place) | ClockPlace::Inside(place, _) => place.describe(),
    };
    let empty = if text(case).is_some_and(|text| text.is_empty()) { ": it is empty" } else { "" };
    Some(Finding::proven(
        Cause::TimestampForm,
        format!("The timestamp at `{place}` cannot be read as {}{empty}.", words(clock.format)),
        format!(
            "{} does not write it so: the sender is another program, or something rewrote the header.",
            case.title()
        ),
    ))
}

fn said(own: TimeFormat, other: TimeFormat, when: &str) -> String {
    let (own, other) = (words(own), words(other));
    format!("The timestamp is written as {other}, and the scheme reads {own}. {when} it is read as {other}.")
}

fn advice(case: &Case<'_>, format: TimeFormat) -> String {
    if case.may_set("verify.timestamp_format") {
        return format!("Set timestamp_format = \"{}\" in [sources.{}.verify].", format.as_str(), case.source.name);
    }
    format!(
        "{} does not write it so: the sender is another program, or something rewrote the header. For a sender of your own, \
         correct it there or use provider = \"generic\".",
        case.title()
    )
}

fn words(format: TimeFormat) -> &'static str {
    match format {
        TimeFormat::Unix => "seconds since 1970",
        TimeFormat::UnixMs => "milliseconds since 1970",
        TimeFormat::Rfc3339 => "an RFC 3339 date",
        TimeFormat::Rfc1123 => "an HTTP date",
    }
}

/// The timestamp as it stands in a header.
pub(super) fn text(case: &Case<'_>) -> Option<String> {
    let plan = signature(&case.plan)?;
    let value = |names: &[http::HeaderName]| {
        let value = case.request.headers.get(names.first()?)?;
        value.to_str().ok().map(str::to_owned)
    };
    match &plan.clock.as_ref()?.place {
        ClockPlace::Format => {
            let value = value(plan.at.headers())?;
            let mut parsed = Parsed::default();
            plan.format.read(&value, &mut parsed).ok()?;
            parsed.timestamp.map(str::to_owned)
        }
        ClockPlace::Own(place) => value(place.headers()),
        ClockPlace::Inside(..) => None,
    }
}

/// What is missing: the scheme signs a timestamp.
pub(super) fn missing(case: &Case<'_>) -> Finding {
    let place = signature(&case.plan).and_then(|plan| {
        let clock = plan.clock.as_ref()?;
        Some(match &clock.place {
            ClockPlace::Format => format!("`{}` in `{}`", plan.format.as_str(), plan.at.describe()),
            ClockPlace::Own(place) | ClockPlace::Inside(place, _) => format!("`{}`", place.describe()),
        })
    });
    let place = place.unwrap_or_else(|| "its header".to_owned());
    Finding::proven(
        Cause::HeaderMissing,
        format!("The scheme signs a timestamp, and the request has none at {place}."),
        format!("{} always sends it: a proxy drops the header, or the sender is another program.", case.title()),
    )
}
