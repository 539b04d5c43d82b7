//! A provider file as it is written: parsed, every key known, nothing compiled yet.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::addresses::Addresses;
use super::api::ApiSpec;
use super::meaning::CategoriesSpec;
use super::period::Period;
use super::plausible::Look;
use super::read::{FactsSpec, HandshakeSpec};
use super::sample::Sample;
use super::verify::VerifySpec;

/// The whole file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Spec {
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) docs: String,
    #[serde(default)]
    pub(crate) type_prefix: String,
    #[serde(default)]
    pub(crate) body: BodyKind,
    /// Some of its bodies are forms, and this field of theirs holds the JSON.
    pub(crate) form_field: Option<String>,
    /// A body may hold one JSON value a line.
    #[serde(default)]
    pub(crate) lines: bool,
    /// The media types that it may send; all when there are none.
    #[serde(default)]
    pub(crate) media_types: Vec<String>,
    #[serde(default)]
    pub(crate) needs: Needs,
    pub(crate) verify: OneOrMany<VerifySpec>,
    pub(crate) event: FactsSpec,
    #[serde(default)]
    pub(crate) handshake: Vec<HandshakeSpec>,
    #[serde(default)]
    pub(crate) answer: AnswerSpec,
    #[serde(default)]
    pub(crate) categories: CategoriesSpec,
    /// The media type of a `bytes` body.
    #[serde(default = "octets")]
    pub(crate) content_type: String,
    #[serde(default)]
    pub(crate) keep_headers: Vec<String>,
    /// The encodings in which its bodies may come.
    #[serde(default)]
    pub(crate) encodings: Vec<Encoding>,
    /// Which bytes an encoded request's signature is over.
    #[serde(default)]
    pub(crate) signed_body: SignedBody,
    pub(crate) api: Option<ApiSpec>,
    pub(crate) addresses: Option<Addresses>,
    /// What to do at the provider, step by step; `{url}` stands for the URL of the source.
    #[serde(default)]
    pub(crate) setup: Vec<String>,
    #[serde(default)]
    pub(crate) samples: Vec<Sample>,
    #[serde(default)]
    pub(crate) overridable: Vec<String>,
    #[serde(default)]
    pub(crate) notes: Vec<String>,
    #[serde(default)]
    pub(crate) unverified: Vec<String>,
}

impl Spec {
    /// The facts to read for each alternative of `[[verify]]`, in their order.
    pub(crate) fn facts(&self) -> Vec<FactsSpec> {
        let facts =
            |verify: &VerifySpec| verify.event.as_ref().map_or_else(|| self.event.clone(), |own| own.or(&self.event));
        self.verify.0.iter().map(facts).collect()
    }
}

/// What a body of this provider is, whatever its Content-Type header says: nobody signs that one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BodyKind {
    /// JSON, checked and carried verbatim as `data`.
    #[default]
    Json,
    /// A form, turned into an object of strings; its bytes are kept beside it.
    Form,
    /// Anything else, carried as `data_base64`.
    Bytes,
}

/// A Content-Encoding (RFC 9110, section 8.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// RFC 1952.
    Gzip,
    /// RFC 1950.
    Deflate,
}

impl Encoding {
    /// The encoding of this name, in lower case.
    pub fn from_name(name: &str) -> Option<Encoding> {
        match name {
            "gzip" | "x-gzip" => Some(Encoding::Gzip),
            "deflate" => Some(Encoding::Deflate),
            _ => None,
        }
    }
}

/// Which bytes a signature is over, where a body comes encoded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SignedBody {
    /// Those that came: nothing of a forger is decompressed.
    #[default]
    Received,
    /// Those before the encoding.
    Decoded,
}

/// What a source of this provider must configure.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Needs {
    /// The secrets with which requests are verified.
    pub secrets: Option<SecretsNeed>,
    /// Credentials for the provider's API by name, each with the place to find it.
    #[serde(default)]
    pub credentials: BTreeMap<String, String>,
    /// Parameters by name, each with the place to find it.
    #[serde(default)]
    pub params: BTreeMap<String, String>,
}

/// How many secrets, and where they are found.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretsNeed {
    /// At least so many.
    pub min: usize,
    /// Where the provider shows it.
    #[serde(rename = "where")]
    pub place: String,
    /// What one looks like; empty where whoever sets up the webhook chooses it.
    #[serde(default)]
    pub looks_like: Vec<Look>,
    /// What is pasted in its place by mistake, and what that is.
    #[serde(default)]
    pub not: BTreeMap<Look, String>,
    /// Secrets that everybody knows, and whose they are.
    #[serde(default)]
    pub known: BTreeMap<String, String>,
    /// The other secrets that the provider has for similar ends, each in one phrase.
    #[serde(default)]
    pub others: Vec<String>,
}

/// How the provider waits and whether it tries again.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AnswerSpec {
    pub(crate) deadline: Option<Period>,
    #[serde(default = "yes")]
    pub(crate) redelivers: bool,
    pub(crate) disables: Option<Disables>,
    /// The answer to a stored event, where the provider wants another than ours.
    pub(crate) status: Option<u16>,
    pub(crate) content_type: Option<String>,
    pub(crate) body: Option<String>,
    /// The status of the answer, without a body, to a request that does not prove where it comes from.
    pub(crate) rejected: Option<u16>,
}

/// When a provider gives an endpoint up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Disables {
    /// After so many failures in a row, where a number is published.
    pub after: Option<u32>,
    /// What becomes of the endpoint then.
    pub effect: Effect,
}

/// What becomes of an endpoint that failed too often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// It must be set up anew.
    Deleted,
    /// It must be switched on again.
    Disabled,
    /// The provider tries again later by itself.
    Paused,
}

impl Effect {
    /// As the file spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Effect::Deleted => "deleted",
            Effect::Disabled => "disabled",
            Effect::Paused => "paused",
        }
    }
}

impl Default for AnswerSpec {
    fn default() -> AnswerSpec {
        AnswerSpec {
            deadline: None,
            redelivers: true,
            disables: None,
            status: None,
            content_type: None,
            body: None,
            rejected: None,
        }
    }
}

fn octets() -> String {
    "application/octet-stream".to_owned()
}

fn yes() -> bool {
    true
}

/// A table, or a list of them: `[verify]` and `[[verify]]`, `"…"` and `["…", "…"]`.
#[derive(Debug, Clone)]
pub(crate) struct OneOrMany<T>(pub(crate) Vec<T>);

impl<T> Default for OneOrMany<T> {
    fn default() -> OneOrMany<T> {
        OneOrMany(Vec::new())
    }
}

/// By hand, since an untagged enum would answer every mistake with "did not match any variant".
impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<OneOrMany<T>, D::Error> {
        struct Either<T>(std::marker::PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Either<T> {
            type Value = OneOrMany<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("one of these or a list of them")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
                let one = T::deserialize(serde::de::value::StrDeserializer::new(text))?;
                Ok(OneOrMany(vec![one]))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(|one| OneOrMany(vec![one]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(seq)).map(OneOrMany)
            }
        }

        deserializer.deserialize_any(Either(std::marker::PhantomData))
    }
}
