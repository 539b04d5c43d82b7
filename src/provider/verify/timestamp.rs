//! The signed timestamp: how it is written, and how far it may lie from now.

use jiff::fmt::rfc2822;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::super::reject::Reject;

/// How a point in time is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub(crate) enum TimeFormat {
    /// Seconds since 1970, decimals allowed.
    #[default]
    #[serde(rename = "unix")]
    Unix,
    /// Milliseconds since 1970.
    #[serde(rename = "unix_ms")]
    UnixMs,
    /// RFC 3339; without an offset it is UTC.
    #[serde(rename = "rfc3339")]
    Rfc3339,
    /// The date of mail and HTTP: `Tue, 14 Nov 2023 22:13:20 GMT` or `+0000`.
    #[serde(rename = "rfc1123")]
    Rfc1123,
}

impl TimeFormat {
    /// As the file spells it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            TimeFormat::Unix => "unix",
            TimeFormat::UnixMs => "unix_ms",
            TimeFormat::Rfc3339 => "rfc3339",
            TimeFormat::Rfc1123 => "rfc1123",
        }
    }

    /// `None` when the text is not of this format or lies outside the years −9999 to 9999.
    pub(crate) fn parse(self, text: &str) -> Option<Timestamp> {
        match self {
            TimeFormat::Unix => unix(text),
            TimeFormat::UnixMs => Timestamp::from_millisecond(whole(text)?).ok(),
            TimeFormat::Rfc3339 => text.parse().ok().or_else(|| civil(text)),
            TimeFormat::Rfc1123 => rfc2822::DateTimeParser::new().parse_timestamp(text).ok(),
        }
    }

    /// The clock as this format tells it. Seconds are compared with whole seconds, as the senders' own libraries do:
    /// what was signed 300 s ago stays in time until that second is over.
    pub(crate) fn rounded(self, now: Timestamp) -> Timestamp {
        match self {
            TimeFormat::Unix => Timestamp::from_second(now.as_second()).unwrap_or(now),
            TimeFormat::UnixMs | TimeFormat::Rfc3339 | TimeFormat::Rfc1123 => now,
        }
    }

    /// As a provider would write `time`.
    pub(crate) fn write(self, time: Timestamp) -> String {
        match self {
            TimeFormat::Unix => time.as_second().to_string(),
            TimeFormat::UnixMs => time.as_millisecond().to_string(),
            TimeFormat::Rfc3339 => format!("{time:.3}"),
            TimeFormat::Rfc1123 => {
                rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&time).unwrap_or_default()
            }
        }
    }
}

/// Digits only: `i64::from_str` would also take a sign in front of them.
fn whole(text: &str) -> Option<i64> {
    text.bytes().next().filter(u8::is_ascii_digit)?;
    text.parse().ok()
}

fn unix(text: &str) -> Option<Timestamp> {
    if let Some(seconds) = whole(text) {
        return Timestamp::from_second(seconds).ok();
    }
    let (seconds, fraction) = text.split_once('.')?;
    let nanos = whole(&format!("{fraction:0<9.9}"))?;
    if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Timestamp::new(whole(seconds)?, i32::try_from(nanos).ok()?).ok()
}

fn civil(text: &str) -> Option<Timestamp> {
    let time: jiff::civil::DateTime = text.parse().ok()?;
    time.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

/// How far a signed timestamp may lie from the clock of this machine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    pub(crate) past: SignedDuration,
    pub(crate) future: SignedDuration,
}

impl Window {
    /// The bounds themselves are allowed.
    pub(crate) fn check(&self, signed_at: Timestamp, now: Timestamp) -> Result<(), Reject> {
        let age = now.duration_since(signed_at);
        if age > self.past {
            Err(Reject::TimestampTooOld)
        } else if -age > self.future {
            Err(Reject::TimestampInFuture)
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};
    use proptest::prelude::*;

    use super::{TimeFormat, Window};
    use crate::provider::Reject;

    const FORMATS: [TimeFormat; 4] = [TimeFormat::Unix, TimeFormat::UnixMs, TimeFormat::Rfc3339, TimeFormat::Rfc1123];

    #[test]
    fn the_formats() {
        let expected: Timestamp = "2023-11-14T22:13:20.123Z".parse().unwrap();
        assert_eq!(TimeFormat::Unix.parse("1700000000.123"), Some(expected));
        assert_eq!(TimeFormat::UnixMs.parse("1700000000123"), Some(expected));
        assert_eq!(TimeFormat::Rfc3339.parse("2023-11-14T23:13:20.123+01:00"), Some(expected));
        assert_eq!(TimeFormat::Rfc3339.parse("2023-11-14T22:13:20.123"), Some(expected));
        let whole = "2023-11-14T22:13:20Z".parse().ok();
        assert_eq!(TimeFormat::Rfc1123.parse("Tue, 14 Nov 2023 22:13:20 GMT"), whole);
        assert_eq!(TimeFormat::Rfc1123.parse("Tue, 14 Nov 2023 23:13:20 +0100"), whole);
    }

    #[test]
    fn what_only_looks_like_a_number_is_none() {
        for text in
            ["", "+1", "-1", " 1", "1 ", "1e3", "0x1", "1.", ".5", "1.2.3", "1.-2", "99999999999999999999", "NaN"]
        {
            assert_eq!(TimeFormat::Unix.parse(text), None, "{text}");
            assert_eq!(TimeFormat::UnixMs.parse(text), None, "{text}");
        }
    }

    #[test]
    fn seconds_last_until_they_are_over() {
        let now = Timestamp::from_millisecond(1_700_000_000_999).unwrap();
        let signed_at = TimeFormat::Unix.parse("1699999700").unwrap();
        let window = Window { past: SignedDuration::from_secs(300), future: SignedDuration::from_secs(300) };
        assert_eq!(window.check(signed_at, TimeFormat::Unix.rounded(now)), Ok(()));
        assert_eq!(window.check(signed_at, TimeFormat::UnixMs.rounded(now)), Err(Reject::TimestampTooOld));
    }

    #[test]
    fn the_window_includes_its_bounds() {
        let window = Window { past: SignedDuration::from_secs(300), future: SignedDuration::from_secs(60) };
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        let check = |offset: i64| window.check(now + SignedDuration::from_secs(offset), now);
        assert_eq!(check(-300), Ok(()));
        assert_eq!(check(-301), Err(Reject::TimestampTooOld));
        assert_eq!(check(60), Ok(()));
        assert_eq!(check(61), Err(Reject::TimestampInFuture));
        assert_eq!(window.check(Timestamp::MIN, Timestamp::MAX), Err(Reject::TimestampTooOld));
        assert_eq!(window.check(Timestamp::MAX, Timestamp::MIN), Err(Reject::TimestampInFuture));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[0-9.TZ:+-]{0,40}|.{0,20}") {
            for format in FORMATS {
                let _ = format.parse(&text);
            }
        }

        #[test]
        fn what_is_written_is_read(second in 0i64..4_000_000_000) {
            let time = Timestamp::from_second(second).unwrap();
            for format in FORMATS {
                prop_assert_eq!(format.parse(&format.write(time)), Some(time));
            }
        }
    }
}
