//! From when and until when a certificate is valid. Nothing rests on it but a metric and a clear word at the start: the
//! clients judge the certificate themselves. Structure: RFC 5280, section 4.1.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

const SEQUENCE: u8 = 0x30;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// `[0] EXPLICIT Version`, absent in version 1.
const VERSION: u8 = 0xA0;

/// notBefore and notAfter of a certificate in DER; `None` where it is not one.
pub(super) fn validity(certificate: &[u8]) -> Option<(Timestamp, Timestamp)> {
    let (_, certificate, _) = element(certificate).filter(|(tag, ..)| *tag == SEQUENCE)?;
    let (_, mut rest, _) = element(certificate).filter(|(tag, ..)| *tag == SEQUENCE)?;
    let (tag, _, after) = element(rest)?;
    if tag == VERSION {
        rest = after;
    }
    // serialNumber, signature, issuer
    for _ in 0..3 {
        rest = element(rest)?.2;
    }
    let (_, validity, _) = element(rest).filter(|(tag, ..)| *tag == SEQUENCE)?;
    let (from_tag, from, rest) = element(validity)?;
    let (until_tag, until, _) = element(rest)?;
    Some((time(from_tag, from)?, time(until_tag, until)?))
}

/// The first element: its tag, its content, and what follows it.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7F => (usize::from(first), rest),
        // Up to four bytes of length; more is no certificate.
        0x81..=0x84 => {
            let (length, rest) = rest.split_at_checked(usize::from(first & 0x7F))?;
            (length.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

/// `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ`.
fn time(tag: u8, text: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(text).ok()?;
    let text = match tag {
        // Two digits from 50 on belong to the twentieth century.
        UTC_TIME => format!("{}{text}", if text.get(..2)? < "50" { "20" } else { "19" }),
        GENERALIZED_TIME => text.to_owned(),
        _ => return None,
    };
    let time = DateTime::strptime("%Y%m%d%H%M%SZ", text).ok()?;
    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_time() {
        let second = |tag, text: &str| time(tag, text.as_bytes()).map(|time| time.to_string());
        assert_eq!(second(UTC_TIME, "261121053000Z").as_deref(), Some("2026-11-21T05:30:00Z"));
        assert_eq!(second(UTC_TIME, "500101000000Z").as_deref(), Some("1950-01-01T00:00:00Z"));
        assert_eq!(second(GENERALIZED_TIME, "20500101000000Z").as_deref(), Some("2050-01-01T00:00:00Z"));
        for text in ["", "2", "é61121053000Z", "261321053000Z", "261121053000"] {
            assert_eq!(second(UTC_TIME, text), None, "{text}");
        }
    }

    #[test]
    fn what_is_cut_off_anywhere_is_no_certificate() {
        // 30 len { 30 len { A0 version, serial, algorithm, issuer, validity } }
        let validity_der =
            [&[SEQUENCE, 30, UTC_TIME, 13][..], b"260101000000Z", &[UTC_TIME, 13], b"270101000000Z"].concat();
        let inner = [&[VERSION, 0, 2, 1, 7, SEQUENCE, 0, SEQUENCE, 0][..], &validity_der].concat();
        let inner = [&[SEQUENCE, 0x81, inner.len() as u8][..], &inner].concat();
        let certificate = [&[SEQUENCE, 0x82, 0, inner.len() as u8][..], &inner].concat();
        let (from, until) = validity(&certificate).unwrap();
        assert_eq!(
            (from.to_string(), until.to_string()),
            ("2026-01-01T00:00:00Z".into(), "2027-01-01T00:00:00Z".into())
        );
        for end in 0..certificate.len() {
            assert_eq!(validity(&certificate[..end]), None, "{end}");
        }
    }
}
