//! JSON numbers: their grammar, and whether a double can hold them. Digits are never changed.

use super::{Flaw, Unreadable};

/// The longest number, in characters (Jackson's limit).
pub(super) const MAX_NUMBER: usize = 1_000;
/// Every number below 10 to this power is within the range of a double.
const SAFE_POWER: i64 = 308;

/// Check the number at `start`; returns the offset after it.
///
/// # Errors
/// Not a JSON number, too long, or beyond the largest double. A number too small for a double is held as zero, as readers do.
#[inline]
pub(super) fn number_end(body: &[u8], start: usize) -> Result<usize, Unreadable> {
    let digits_from = start + usize::from(body.get(start) == Some(&b'-'));
    let whole_end = digits_end(body, digits_from)?;
    if whole_end - digits_from > 1 && body.get(digits_from) == Some(&b'0') {
        return Err(Unreadable::new(Flaw::Syntax, digits_from));
    }
    let mut end = whole_end;
    if body.get(end) == Some(&b'.') {
        end = digits_end(body, end + 1)?;
    }
    let mut exponent = 0;
    if let Some(b'e' | b'E') = body.get(end) {
        let signed = usize::from(matches!(body.get(end + 1), Some(b'+' | b'-')));
        let from = end + 1;
        end = digits_end(body, from + signed)?;
        exponent = power(&body[from..end]);
    }
    if end - start > MAX_NUMBER {
        return Err(Unreadable::new(Flaw::NumberTooLong, start));
    }
    let magnitude = exponent.saturating_add((whole_end - digits_from) as i64);
    if magnitude > SAFE_POWER && !finite(&body[start..end]) {
        return Err(Unreadable::new(Flaw::NumberOutOfRange, start));
    }
    Ok(end)
}

/// The offset after one or more digits.
#[inline]
fn digits_end(body: &[u8], start: usize) -> Result<usize, Unreadable> {
    let mut end = start;
    while body.get(end).is_some_and(u8::is_ascii_digit) {
        end += 1;
    }
    match body.get(end) {
        _ if end > start => Ok(end),
        Some(_) => Err(Unreadable::new(Flaw::Syntax, end)),
        None => Err(Unreadable::new(Flaw::CutShort, end)),
    }
}

/// An exponent's value; one that no i64 holds is as good as the largest or the smallest.
fn power(text: &[u8]) -> i64 {
    let (negative, digits) = match text.split_first() {
        Some((b'-', digits)) => (true, digits),
        Some((b'+', digits)) => (false, digits),
        _ => (false, text),
    };
    let value = digits.iter().fold(0i64, |value, b| value.saturating_mul(10).saturating_add(i64::from(b - b'0')));
    if negative { -value } else { value }
}

#[cold]
fn finite(text: &[u8]) -> bool {
    std::str::from_utf8(text).ok().and_then(|text| text.parse::<f64>().ok()).is_some_and(f64::is_finite)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<usize, Flaw> {
        number_end(text.as_bytes(), 0).map_err(|error| error.flaw)
    }

    #[test]
    fn numbers_of_json() {
        for text in [
            "0",
            "-0",
            "12",
            "9007199254740993",
            "0.1000000000000000055511151231257827",
            "-1.5e-3",
            "1E+2",
            "0e99999999999999999999",
            "1e-400",
        ] {
            assert_eq!(check(text), Ok(text.len()), "{text}");
        }
        assert_eq!(check("1,"), Ok(1));
        assert_eq!(check(&"9".repeat(308)), Ok(308));
        assert_eq!(check("1.7976931348623157e308"), Ok(22));
        assert_eq!(check(&format!("0.{}1e1300", "0".repeat(990))), Err(Flaw::NumberOutOfRange));
        assert_eq!(check(&format!("0.{}1e1200", "0".repeat(980))), Ok(988));
    }

    #[test]
    fn others_are_refused() {
        for (text, flaw) in [
            ("01", Flaw::Syntax),
            ("-", Flaw::CutShort),
            ("1.", Flaw::CutShort),
            ("1.x", Flaw::Syntax),
            ("1e", Flaw::CutShort),
            ("1e+", Flaw::CutShort),
            ("-x", Flaw::Syntax),
            ("1e400", Flaw::NumberOutOfRange),
            ("-1e309", Flaw::NumberOutOfRange),
            ("1.7976931348623159e308", Flaw::NumberOutOfRange),
        ] {
            assert_eq!(check(text), Err(flaw), "{text}");
        }
        assert_eq!(check(&format!("0.{}", "1".repeat(998))), Ok(1000));
        assert_eq!(check(&format!("0.{}", "1".repeat(999))), Err(Flaw::NumberTooLong));
        assert_eq!(check(&"1".repeat(400)), Err(Flaw::NumberOutOfRange));
    }
}
