//! What is sent and what is stored: 2 KiB events with ids of their own, signed as Stripe signs them, and the Kafka records
//! that the gateway makes of them.

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::support::kafka::Seen;
use super::support::serve::SECRET;

/// The length of every body, in bytes.
pub(crate) const BODY: usize = 2_048;

/// Bodies that differ, so that compression meets what it would meet in life.
pub(crate) const BODIES: usize = 256;

/// The provider's id without its number.
const ID: &str = "evt_";

/// The digits of an id.
const DIGITS: usize = 24;

/// What follows the id: it stands last, so that a generator hashes everything before it once.
const TAIL: &[u8] = b"\"}";

/// How every body begins.
const HEAD: &str = r#"{"object":"event","api_version":"2025-03-31.basil","created":1795168800,"type":"invoice.paid","account":"acct_1032D82eZvKYlo2C","livemode":true,"pending_webhooks":1,"request":{"id":"req_abc123","idempotency_key":null},"data":{"object":{"id":"in_1PqXabcdefghijklmnop","object":"invoice","status":"paid","currency":"eur","total":4200,"customer_email":"jenny.rosen@example.com","lines":["#;

/// One body, with room for the number of its event.
pub(crate) struct Body {
    bytes: Vec<u8>,
}

impl Body {
    /// An invoice with lines of its own, as long as every other body.
    pub(crate) fn new(index: usize) -> Body {
        let mut text = HEAD.to_owned();
        let end = format!(r#"]}}}},"id":"{ID}{:0DIGITS$}"#, 0);
        let noise = |line: usize| hex::encode(Sha256::digest(format!("{index}/{line}")));
        let mut line = 0;
        while text.len() + 400 < BODY {
            let comma = if line == 0 { "" } else { "," };
            let noise = noise(line);
            text.push_str(&format!(
                r#"{comma}{{"id":"il_{}","amount":{},"currency":"eur","description":"Größe {line} × Widget","discountable":true,"metadata":{{"order":"{}"}},"period":{{"end":1797760800,"start":1795168800}},"quantity":{line}}}"#,
                &noise[..24],
                (index + 1) * (line + 7) % 9_973,
                &noise[24..40],
            ));
            line += 1;
        }
        let rest = BODY - text.len() - end.len() - TAIL.len() - r#",{"memo":""}"#.len();
        let memo: String = (0..).flat_map(|part| noise(1_000 + part).into_bytes()).take(rest).map(char::from).collect();
        text.push_str(&format!(r#",{{"memo":"{memo}"}}{end}"#));
        let bytes = [text.as_bytes(), TAIL].concat();
        assert_eq!(bytes.len(), BODY);
        Body { bytes }
    }

    /// The body of this event.
    pub(crate) fn number(&mut self, number: u64) -> &[u8] {
        let at = BODY - TAIL.len() - DIGITS;
        write_digits(&mut self.bytes[at..at + DIGITS], number);
        &self.bytes
    }
}

/// The id of an event.
pub(crate) fn id(number: u64) -> String {
    format!("{ID}{number:0DIGITS$}")
}

fn write_digits(place: &mut [u8], mut number: u64) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

/// The key of the source's secret.
pub(crate) fn keyed() -> Hmac<Sha256> {
    Hmac::new_from_slice(SECRET.as_bytes()).expect("a key of any length")
}

/// A request that is made new for each event by writing over the last one's number and signature.
pub(crate) struct Request {
    bytes: Vec<u8>,
    signature_at: usize,
    /// Has taken in the timestamp and the body up to the number.
    keyed: Hmac<Sha256>,
}

impl Request {
    pub(crate) fn new(path: &str, index: usize) -> Request {
        let body = Body::new(index).bytes;
        let signed_at = jiff::Timestamp::now().as_second().to_string();
        let mut bytes = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: Stripe/1.0 (+https://stripe.com/docs/webhooks)\r\n\
             Content-Type: application/json; charset=utf-8\r\nContent-Length: {BODY}\r\nStripe-Signature: t={signed_at},v1="
        )
        .into_bytes();
        let signature_at = bytes.len();
        bytes.extend_from_slice(&[b'0'; 64]);
        bytes.extend_from_slice(b"\r\n\r\n");
        bytes.extend_from_slice(&body);
        let fixed = &body[..BODY - TAIL.len() - DIGITS];
        let keyed = keyed().chain_update(&signed_at).chain_update(".").chain_update(fixed);
        Request { bytes, signature_at, keyed }
    }

    /// The bytes of the request for this event.
    pub(crate) fn number(&mut self, number: u64) -> &[u8] {
        let digits_at = self.bytes.len() - TAIL.len() - DIGITS;
        write_digits(&mut self.bytes[digits_at..digits_at + DIGITS], number);
        let tag = self.keyed.clone().chain_update(&self.bytes[digits_at..]).finalize().into_bytes();
        let place = &mut self.bytes[self.signature_at..self.signature_at + 64];
        hex::encode_to_slice(tag, place).expect("64 digits");
        &self.bytes
    }
}

/// A record of the gateway, taken apart so that the floors make the same bytes of other events.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Template {
    /// The value up to the body.
    head: String,
    id_at: usize,
    headers: Vec<(String, String)>,
}

impl Template {
    /// From the record of this event.
    pub(crate) fn new(record: &Seen, number: u64, body: &[u8]) -> Template {
        let (id, value) = (id(number), record.text());
        let head = value.len() - 1 - body.len();
        let template = Template {
            head: value[..head].to_owned(),
            id_at: value.find(&id).expect("the id in the value"),
            headers: record
                .headers
                .iter()
                .map(|(name, value)| (name.clone(), String::from_utf8(value.clone()).expect("UTF-8")))
                .collect(),
        };
        assert_eq!(template.value(&id, body), value.as_bytes(), "the floors make the same bytes");
        template
    }

    /// The value of an event with this id.
    pub(crate) fn value(&self, id: &str, body: &[u8]) -> Vec<u8> {
        let mut value = Vec::with_capacity(self.head.len() + body.len() + 1);
        value.extend_from_slice(self.head.as_bytes());
        value[self.id_at..self.id_at + id.len()].copy_from_slice(id.as_bytes());
        value.extend_from_slice(body);
        value.push(b'}');
        value
    }

    /// The headers of an event with this id.
    pub(crate) fn headers<'a>(&'a self, id: &'a str) -> impl ExactSizeIterator<Item = (&'a str, &'a str)> {
        self.headers.iter().map(move |(name, value)| (name.as_str(), if name == "ce_id" { id } else { value }))
    }
}
