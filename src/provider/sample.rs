//! Samples: a request as the provider would send it, and the record that its API would answer with.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::error::Fault;
use super::placeholder::{Piece, pieces};
use crate::event::rfc3339_millis;

/// What `send` and `dev` send. `$id`, `$n`, `$uuid`, `$unix`, `$unix_ms` and `$rfc3339` stand for values of the moment.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// The event type, in the provider's own name.
    #[serde(rename = "type")]
    pub providertype: String,
    /// Headers that the provider sends besides its signature.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: String,
    /// What the provider's API answers for the event's record.
    pub record: Option<String>,
    /// One phrase about that record, with pointers into it.
    pub summary: Option<String>,
}

/// The values of the moment.
#[derive(Debug, Clone, Copy)]
pub struct Filling<'a> {
    /// `$id`: unlike every other, letters, digits and underscores.
    pub id: &'a str,
    /// `$n`: a running number.
    pub n: u64,
    /// `$uuid`: in its usual form.
    pub uuid: &'a str,
    /// `$unix` in seconds, `$unix_ms` in milliseconds and `$rfc3339` with three decimals.
    pub now: Timestamp,
}

/// A sample with its values in it, ready to be signed.
#[derive(Debug, Clone)]
pub struct Filled {
    /// Headers, the content type among them.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
    /// The API's answer, where there is a record.
    pub record: Option<String>,
}

impl Sample {
    /// Can it be sent? Checked when its file is read, for names and values do not depend on the moment.
    pub(crate) fn check(&self) -> Result<(), Fault> {
        let filling = Filling { id: "id", n: 1, uuid: "0-0", now: Timestamp::UNIX_EPOCH };
        for (name, value) in &self.headers {
            if header(name, &filling.fill(value)).is_none() {
                return Err(Fault::new(name, "is not a header").within("headers"));
            }
        }
        let record = self.record.as_deref().map(|record| serde_json::from_str::<Value>(&filling.fill(record)));
        let record = record.transpose().map_err(|error| Fault::new("record", format!("is not JSON: {error}")))?;
        match (&self.summary, record) {
            (Some(_), None) => Err(Fault::new("summary", "speaks of a record and there is none")),
            (Some(_), Some(record)) if self.summarise(&record).is_none() => Err(Fault::new(
                "summary",
                "holds something that the record does not: {/pointer}, {count:/list}, {cents:/amount}, {short:/hash}",
            )),
            _ => Ok(()),
        }
    }

    /// The sample at this moment.
    pub fn fill(&self, filling: &Filling<'_>) -> Filled {
        let headers = self.headers.iter().filter_map(|(name, value)| header(name, &filling.fill(value)));
        Filled {
            headers: headers.collect(),
            body: filling.fill(&self.body).into_bytes(),
            record: self.record.as_deref().map(|record| filling.fill(record)),
        }
    }

    /// The phrase about a record, unless the record lacks something that the phrase names.
    pub fn summarise(&self, record: &Value) -> Option<String> {
        let phrase = |piece| match piece {
            Piece::Literal(text) => Some(text),
            Piece::Hole(name) => value(&name, record),
        };
        pieces(self.summary.as_deref()?).ok()?.into_iter().map(phrase).collect()
    }
}

fn header(name: &str, value: &str) -> Option<(HeaderName, HeaderValue)> {
    Some((HeaderName::try_from(name).ok()?, HeaderValue::from_str(value).ok()?))
}

fn value(hole: &str, record: &Value) -> Option<String> {
    let (form, pointer) = hole.split_once(':').unwrap_or(("", hole));
    match (form, record.pointer(pointer)?) {
        ("", Value::String(text)) => Some(text.clone()),
        ("", Value::Number(number)) => Some(number.to_string()),
        ("count", Value::Array(items)) => Some(items.len().to_string()),
        ("cents", Value::Number(amount)) => {
            amount.as_i64().map(|cents| format!("{}.{:02}", cents / 100, cents.abs() % 100))
        }
        ("short", Value::String(text)) => Some(format!("{}…", text.get(..4)?)),
        _ => None,
    }
}

impl Filling<'_> {
    fn fill(&self, text: &str) -> String {
        text.replace("$id", self.id)
            .replace("$uuid", self.uuid)
            .replace("$unix_ms", &self.now.as_millisecond().to_string())
            .replace("$unix", &self.now.as_second().to_string())
            .replace("$rfc3339", &rfc3339_millis(self.now))
            .replace("$n", &self.n.to_string())
    }
}
