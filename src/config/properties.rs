//! librdkafka properties given by the operator, without those that the guarantees rest on.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::file::Property;
use super::value::SecretRef;

/// What may not be changed, and why. A prefix ends in `*`.
const REFUSED: [(&str, &str); 20] = [
    ("acks", "a 2xx rests on acks=all"),
    ("request.required.acks", "a 2xx rests on acks=all"),
    ("enable.idempotence", "without it a retry inside the client can write an event twice"),
    ("enable.gapless.guarantee", "it makes one failed delivery fatal for all"),
    ("max.in.flight*", "more than 5 breaks the order that idempotence keeps"),
    ("message.timeout.ms", "the deadline, the breaker and the transaction timeout are built around it"),
    ("delivery.timeout.ms", "the deadline, the breaker and the transaction timeout are built around it"),
    ("transactional.id", "it follows kafka.topics.prefix and enrich.instance"),
    ("transaction.timeout.ms", "readers of the enriched topics wait this long after a crash"),
    ("isolation.level", "an uncommitted record must not be enriched"),
    ("enable.auto.commit", "offsets are committed in the transaction, nowhere else"),
    ("auto.commit*", "offsets are committed in the transaction, nowhere else"),
    ("enable.auto.offset.store", "offsets are committed in the transaction, nowhere else"),
    ("auto.offset.reset", "`latest` would skip events on the first start"),
    ("partitioner", "partitions are computed by hookstream as Java clients do"),
    ("group.id", "it follows kafka.topics.prefix and enrich.group"),
    ("group.protocol", "the rebalance handling is written for the classic protocol"),
    ("partition.assignment.strategy", "the rebalance handling is written for cooperative-sticky"),
    ("allow.auto.create.topics", "a typo would create a topic with one replica; use `hookstream topics apply`"),
    ("bootstrap.servers", "write kafka.bootstrap_servers"),
];

/// Properties by name; values may still have to be fetched.
#[derive(Clone, Debug, Default)]
pub struct Properties(BTreeMap<String, Value>);

#[derive(Clone, Debug)]
enum Value {
    Literal(String),
    Reference(SecretRef),
}

impl Properties {
    /// Flatten and check one table of properties.
    ///
    /// # Errors
    /// The first property that may not be set, with the reason.
    pub(super) fn new(table: &str, file: &BTreeMap<String, Property>) -> Result<Self, String> {
        let mut properties = BTreeMap::new();
        flatten("", file, &mut properties);
        for name in properties.keys() {
            let secret = ["password", "secret", "key.pem"].iter().any(|word| name.contains(word));
            if secret && matches!(properties.get(name), Some(Value::Literal(_))) {
                return Err(format!(
                    "{table}: `{name}` is a secret and never stands in the file itself: write env:NAME or file:PATH"
                ));
            }
            if let Some((_, why)) = REFUSED.iter().find(|(pattern, _)| matches(pattern, name)) {
                return Err(format!("{table}: `{name}` cannot be set: {why}"));
            }
        }
        Ok(Self(properties))
    }

    /// Every property with its value, secrets fetched.
    ///
    /// # Errors
    /// The property whose variable or file is missing.
    pub fn resolve(&self) -> Result<Vec<(String, String)>, String> {
        self.0
            .iter()
            .map(|(name, value)| match value {
                Value::Literal(text) => Ok((name.clone(), text.clone())),
                Value::Reference(reference) => {
                    let secret = reference.resolve().map_err(|error| format!("kafka property `{name}`: {error}"))?;
                    let text = secret
                        .expose_text()
                        .ok_or_else(|| format!("kafka property `{name}`: {reference} is not UTF-8"))?;
                    Ok((name.clone(), text.to_owned()))
                }
            })
            .collect()
    }
}

impl Properties {
    /// The files that the values come from, and those that librdkafka reads itself: certificates, keys, keystores.
    pub(super) fn files(&self) -> impl Iterator<Item = PathBuf> {
        self.0.iter().filter_map(|(name, value)| match value {
            Value::Reference(reference) => reference.file().map(Path::to_path_buf),
            Value::Literal(text) if name.ends_with(".location") => Some(PathBuf::from(text)),
            Value::Literal(_) => None,
        })
    }
}

fn flatten(prefix: &str, table: &BTreeMap<String, Property>, into: &mut BTreeMap<String, Value>) {
    for (key, property) in table {
        let name = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        let value = match property {
            Property::Nested(inner) => {
                flatten(&name, inner, into);
                continue;
            }
            Property::Text(text) => match text.parse::<SecretRef>() {
                Ok(reference) => Value::Reference(reference),
                Err(_) => Value::Literal(text.clone()),
            },
            Property::Integer(number) => Value::Literal(number.to_string()),
            Property::Boolean(flag) => Value::Literal(flag.to_string()),
        };
        into.insert(name, value);
    }
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => name == pattern,
    }
}
