//! Hypotheses about time: clocks that are apart, and timestamps in another unit or form.

use jiff::{SignedDuration, Timestamp};

use super::bench::{signature, signature_mut, timeless};
use super::case::Case;
use super::{Cause, Finding};
use crate::provider::verify::{ClockPlace, Parsed, TimeFormat};

/// Timestamps nearer than this are taken for the same moment in another form.
const NEAR: SignedDuration = SignedDuration::from_hours(24 * 366);

const FORMATS: [TimeFormat; 4] = [TimeFormat::Unix, TimeFormat::UnixMs, TimeFormat::Rfc3339, TimeFormat::Rfc1123];

/// The signature is right, and the timestamp lies outside of its window.
pub(super) fn off(case: &Case<'_>, signed_at: Option<Timestamp>) -> Option<Finding> {
    let window = signature(&case.plan)?.clock.as_ref()?.window;
    let signed_at = signed_at?;
    window.check(signed_at, case.request.now).err()?;
    let age = case.request.now.duration_since(signed_at);
    let (seconds, past) = (age.abs().as_secs(), age.is_positive());
    let (where_to, limit) = if past { ("behind", window.past) } else { ("ahead of", window.future) };
    if case.inquiry.captured {
        let seen = format!("The signature matches. Its timestamp, {signed_at:.0}, is {seconds} s {where_to} now");
        return Some(Finding::proven(
            Cause::Verifies,
            format!("{seen}, as a captured request's is."),
            "Nothing is wrong with secret, body and URL as they stand here: look at what reaches the gateway instead. --at TIME \
             says when it was received, and judges the time as well.",
        ));
    }
    let evidence = format!(
        "The signature matches. Its timestamp, {signed_at:.0}, is {seconds} s {where_to} this machine's clock when it arrived; {} s \
         are allowed.",
        limit.as_secs()
    );
    let look = "Compare this machine's clock with a time server (`chronyc tracking`, `timedatectl`)";
    let advice = if past {
        format!(
            "{look}: it may be {seconds} s fast. If it is right, the request was held up on its way or is an old one sent again."
        )
    } else {
        format!("{look}: it is about {seconds} s slow.")
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
    None
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
