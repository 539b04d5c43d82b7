//! The W3C trace context that a record carries: the sender's, or one made of the request's id.

use hex::Buffer;
use http::HeaderMap;

use crate::http::RequestId;

/// The sender's trace context where it is well-formed. Else the request is the trace: its id gives the 128 bits, and the
/// random ones of them the span.
pub(super) fn parent(headers: &HeaderMap, id: RequestId) -> String {
    let given = headers.get("traceparent").and_then(|value| value.to_str().ok());
    if let Some(given) = given.filter(|text| is_well_formed(text)) {
        return given.to_owned();
    }
    let (trace, span) = (id.bits(), id.bits() as u64 | 1);
    let (mut trace_hex, mut span_hex) = (Buffer::<16>::new(), Buffer::<8>::new());
    ["00-", trace_hex.format(&trace.to_be_bytes()), "-", span_hex.format(&span.to_be_bytes()), "-00"].concat()
}

/// W3C Trace Context, version 00: lower-case hexadecimal, neither id all zeros.
fn is_well_formed(text: &str) -> bool {
    let mut parts = text.split('-');
    let mut next = |length: usize| {
        parts.next().filter(|part| part.len() == length && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
    };
    let well_formed = next(2) == Some("00")
        && next(32).is_some_and(|id| id.bytes().any(|b| b != b'0'))
        && next(16).is_some_and(|id| id.bytes().any(|b| b != b'0'))
        && next(2).is_some();
    well_formed && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_trace_context_is_passed_on_or_made() {
        let given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert!(is_well_formed(given));
        let id = RequestId::at(jiff::Timestamp::UNIX_EPOCH);
        let made = parent(&HeaderMap::new(), id);
        assert!(is_well_formed(&made) && made[3..35] == format!("{:032x}", id.bits()), "{made}");
        let headers =
            |value: &str| [(http::HeaderName::from_static("traceparent"), HeaderValue::from_str(value).unwrap())];
        assert_eq!(parent(&headers(given).into_iter().collect(), id), given);
        for wrong in ["", "00-0-0-0", "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", &format!("{given}-x")]
        {
            assert!(!is_well_formed(wrong), "{wrong}");
            assert_eq!(parent(&headers(wrong).into_iter().collect(), id), made);
        }
    }
}
