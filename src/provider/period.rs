//! Lengths of time in provider files: a number and `ms`, `s`, `m`, `h` or `d`.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;

/// A length of time such as `"5m"`, at most 366 days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Period(pub(crate) Duration);

const LONGEST: Duration = Duration::from_secs(366 * 86_400);

impl TryFrom<String> for Period {
    type Error = String;

    fn try_from(text: String) -> Result<Period, String> {
        parse(&text).map(Period).ok_or_else(|| {
            format!("`{text}` is not a length of time: a whole number and one of ms, s, m, h, d, at most 366d")
        })
    }
}

fn parse(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number: u64 = text[..digits].parse().ok()?;
    let millis = match &text[digits..] {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(millis).map(Duration::from_millis).filter(|period| *period <= LONGEST)
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        for (unit, size) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)] {
            if millis >= size && millis.is_multiple_of(size) {
                return write!(f, "{}{unit}", millis / size);
            }
        }
        write!(f, "{millis}ms")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Period, parse};

    #[test]
    fn a_number_and_a_unit() {
        assert_eq!(parse("5m"), Some(Duration::from_secs(300)));
        assert_eq!(parse("1500ms"), Some(Duration::from_millis(1500)));
        for text in ["", "5", "m", "-5m", "5 m", "5min", "367d", "99999999999999999999d", "1e3s", "٣s"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn it_is_shown_as_it_is_written() {
        for text in ["5m", "1500ms", "10s", "2d"] {
            assert_eq!(Period::try_from(text.to_owned()).map(|p| p.to_string()), Ok(text.to_owned()));
        }
    }
}
