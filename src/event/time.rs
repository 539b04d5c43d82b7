//! Times as the envelope writes them: UTC, exactly three decimals, Z.

use jiff::Timestamp;
use jiff::tz::Offset;

/// `2026-11-20T10:00:01.123Z`; what is finer than a millisecond is cut off. Years are those of RFC 3339 where [`writable`] holds.
pub fn rfc3339_millis(time: Timestamp) -> String {
    let civil = Offset::UTC.to_datetime(time);
    let mut text = *b"0000-00-00T00:00:00.000Z";
    let mut put = |at: usize, digits: usize, value: u32| {
        let mut rest = value;
        for place in text[at..at + digits].iter_mut().rev() {
            *place = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
    };
    put(0, 4, u32::from(civil.year().unsigned_abs()));
    put(5, 2, u32::from(civil.month().unsigned_abs()));
    put(8, 2, u32::from(civil.day().unsigned_abs()));
    put(11, 2, u32::from(civil.hour().unsigned_abs()));
    put(14, 2, u32::from(civil.minute().unsigned_abs()));
    put(17, 2, u32::from(civil.second().unsigned_abs()));
    put(20, 3, civil.subsec_nanosecond().unsigned_abs() / 1_000_000);
    String::from_utf8_lossy(&text).into_owned()
}

/// Whether RFC 3339 and the readers of CloudEvents have a year for it: 1 to 9999.
pub(super) fn writable(time: &Timestamp) -> bool {
    Offset::UTC.to_datetime(*time).year() >= 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_decimals_always() {
        for (time, text) in [
            ("2026-11-20T10:00:01.123Z", "2026-11-20T10:00:01.123Z"),
            ("2026-11-20T10:00:00Z", "2026-11-20T10:00:00.000Z"),
            ("2026-11-20T10:00:00.9999Z", "2026-11-20T10:00:00.999Z"),
            ("1969-12-31T23:59:59.9999Z", "1969-12-31T23:59:59.999Z"),
            ("0099-01-01T00:00:00.05+01:00", "0098-12-31T23:00:00.050Z"),
        ] {
            assert_eq!(rfc3339_millis(time.parse().unwrap()), text);
        }
    }

    #[test]
    fn years_before_the_first_cannot_be_written() {
        assert!(writable(&"0001-01-01T00:00:00Z".parse().unwrap()));
        assert!(!writable(&Timestamp::MIN));
        assert!(writable(&Timestamp::MAX));
    }
}
