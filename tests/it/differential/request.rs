//! A generated request: what every provider's cases have in common.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hookstream::provider::Request;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use jiff::Timestamp;
use ring::hmac;
use serde_json::json;

use super::dice::Dice;

/// The clock of all cases in milliseconds, before a random part of a second is added.
const NOW: i64 = 1_700_000_000_000;

/// One request, the source that it is for, and the time at which it arrives.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) secrets: Vec<String>,
    pub(super) method: &'static str,
    /// The URL that the source is configured with.
    pub(super) base: String,
    /// The query that the request adds to it.
    pub(super) query: String,
    /// As they are sent: of printable characters, without blanks around them.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    /// Milliseconds since 1970.
    pub(super) now: i64,
}

impl Case {
    /// A request without proof: a body, one to three live secrets, and the one of them, or a foreign one, to sign with.
    pub(super) fn new(dice: &mut Dice, secrets: &[&str], foreign: &str) -> (Case, String) {
        let body = body(dice);
        let count = if dice.one_in(3) { 2 + dice.below(2) } else { 1 };
        let mut live: Vec<String> = (0..count).map(|_| dice.pick(secrets).to_owned()).collect();
        let signer = if dice.one_in(12) { foreign.to_owned() } else { live[dice.below(count)].clone() };
        if dice.one_in(40) {
            // The operator pasted it badly.
            let place = dice.below(count);
            live[place] = match dice.below(4) {
                0 => format!("{} ", live[place]),
                1 => format!("{}\n", live[place]),
                2 => live[place].to_uppercase(),
                _ => dice.damaged(&live[place]),
            };
        }
        let now = NOW + dice.number(&[0, 0, 1, 500, 999]);
        let base = "https://hooks.example.com/webhooks/x".to_owned();
        (Case { secrets: live, method: "POST", base, query: String::new(), headers: Vec::new(), body, now }, signer)
    }

    /// The value of the only header of this name.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.values(name);
        values.next().filter(|_| values.next().is_none())
    }

    /// Every value of the headers of this name.
    pub(super) fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        let named = self.headers.iter().filter(move |(known, _)| known.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str())
    }

    /// The URL as it was called.
    pub(super) fn url(&self) -> String {
        if self.query.is_empty() { self.base.clone() } else { format!("{}?{}", self.base, self.query) }
    }

    /// For us.
    pub(super) fn header_map(&self) -> HeaderMap {
        let pair = |(name, value): &(String, String)| {
            let bytes: Vec<u8> = value.chars().map(|letter| u8::try_from(letter).unwrap()).collect();
            (HeaderName::try_from(name).unwrap(), HeaderValue::from_bytes(&bytes).unwrap())
        };
        let mut map = HeaderMap::new();
        for (name, value) in self.headers.iter().map(pair) {
            map.append(name, value);
        }
        map
    }

    /// For us.
    pub(super) fn request<'a>(&'a self, headers: &'a HeaderMap) -> Request<'a> {
        const METHODS: [&Method; 3] = [&Method::POST, &Method::PUT, &Method::GET];
        let method = METHODS.into_iter().find(|method| method.as_str() == self.method).unwrap();
        let now = Timestamp::from_millisecond(self.now).unwrap();
        Request { method, headers, query: &self.query, body: &self.body, now }
    }

    /// For the judge.
    pub(super) fn line(&self) -> String {
        json!({
            "secrets": self.secrets, "method": self.method, "url": self.url(), "headers": self.headers,
            "body": STANDARD.encode(&self.body), "now": self.now,
        })
        .to_string()
    }

    /// What happens on the way: mostly nothing, else something to a header or to the body.
    pub(super) fn travel(mut self, dice: &mut Dice) -> Case {
        while dice.one_in(2) && !self.headers.is_empty() {
            let place = dice.below(self.headers.len());
            match dice.below(11) {
                0 => drop(self.headers.remove(place)),
                1 => self.headers.push(self.headers[place].clone()),
                2 => {
                    let (name, value) = self.headers[place].clone();
                    self.headers.push((name, dice.damaged(&value)));
                }
                3 => {
                    let (name, value) = self.headers[place].clone();
                    self.headers.insert(0, (name, dice.damaged(&value)));
                }
                4 => self.headers[place].0 = self.headers[place].0.to_uppercase(),
                5 => self.headers.reverse(),
                6 => self.body = damaged_bytes(dice, &self.body),
                7 => self.headers[place].1.clear(),
                8 => self.now += dice.number(&[-1, 1, 1_000, -301_000, 301_000]),
                _ => self.headers[place].1 = dice.damaged(&self.headers[place].1),
            }
        }
        for (_, value) in &mut self.headers {
            let sent: String = value.chars().map(|letter| if letter as u32 > 255 { 'é' } else { letter }).collect();
            *value = sent.trim_matches([' ', '\t']).to_owned();
        }
        self
    }

    /// When it was signed, in seconds: now, at the bounds of what is tolerated, or far off.
    pub(super) fn signed_at(&self, dice: &mut Dice) -> i64 {
        let now = self.now.div_euclid(1_000);
        let off = [0, 0, 0, -1, 1, -299, -300, -301, -302, 299, 300, 301, 302, -86_400, 86_400];
        if dice.one_in(3) { now + dice.number(&off) } else { now - dice.below(200) as i64 }
    }
}

/// A timestamp as its sender writes it: nearly always the plain number.
pub(super) fn written(dice: &mut Dice, number: i64) -> String {
    if !dice.one_in(12) {
        return number.to_string();
    }
    match dice.below(9) {
        0 => format!("{number}.5"),
        1 => format!("0{number}"),
        2 => format!("+{number}"),
        3 => format!("{number}000"),
        4 => format!("{}e1", number / 10),
        5 => format!("{number:#x}"),
        6 => "yesterday".to_owned(),
        7 => format!("-{number}"),
        _ => dice.damaged(&number.to_string()).trim().to_owned(),
    }
}

/// Seconds or milliseconds of our days as every provider writes them: so many digits, the first of them not 0.
pub(super) fn is_plain_number(text: Option<&str>, digits: usize) -> bool {
    text.is_some_and(|text| {
        text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0')
    })
}

fn body(dice: &mut Dice) -> Vec<u8> {
    match dice.below(24) {
        0 => Vec::new(),
        1 => dice.word().into_bytes(),
        2 => [b"\xef\xbb\xbf".as_slice(), &json_body(dice)].concat(),
        3 => [json_body(dice), vec![0xff, b'"']].concat(),
        4 => vec![b'x'; dice.below(3_000)],
        _ => json_body(dice),
    }
}

fn json_body(dice: &mut Dice) -> Vec<u8> {
    let blank = dice.pick(&["", "", " ", "\n\t", "\r\n"]);
    let members = dice.below(6);
    let member = |_| format!("{blank}{}:{blank}{}", json!(dice.word()), json!(dice.word()));
    let members: Vec<String> = (0..members).map(member).collect();
    format!("{{{}}}", members.join(",")).into_bytes()
}

fn damaged_bytes(dice: &mut Dice, body: &[u8]) -> Vec<u8> {
    let mut body = body.to_vec();
    let at = dice.below(body.len() + 1);
    match dice.below(5) {
        0 => body.push(dice.pick(&[&b' ', &b'\n', &b'&', &0xff]).to_owned()),
        1 => body.truncate(at),
        2 if at < body.len() => body[at] ^= 1 << dice.below(8),
        3 if at < body.len() => drop(body.remove(at)),
        _ => body.insert(at, dice.pick(&[&b' ', &b'0', &b'=', &0xc3]).to_owned()),
    }
    body
}

/// The hash of an HMAC or of the plain text, by another library than the one under test.
pub(super) fn mac(algorithm: hmac::Algorithm, key: &str, parts: &[&[u8]]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(algorithm, key.as_bytes()), &parts.concat()).as_ref().to_vec()
}

/// A good signature, mostly alone, sometimes among strangers, rarely among very many.
pub(super) fn among_strangers(dice: &mut Dice, good: String, stranger: impl Fn(&mut Dice) -> String) -> Vec<String> {
    let strangers = match dice.below(10) {
        0..=6 => 0,
        7 | 8 => 1 + dice.below(3),
        _ => dice.below(20),
    };
    let mut all: Vec<String> = (0..strangers).map(|_| stranger(dice)).collect();
    all.insert(dice.below(strangers + 1), good);
    all
}
