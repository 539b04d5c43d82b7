//! What a provider file says about finding an event's facts, and finding them.

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::source::{Input, Source, SourceSpec, first, first_id};
use crate::event::{Data, EACH, Pointer};
use crate::provider::error::Fault;
use crate::provider::spec::{BodyKind, OneOrMany};
use crate::provider::verify::TimeFormat;

/// The type of an event that names none. CloudEvents wants one.
pub(crate) const UNKNOWN_TYPE: &str = "unknown";

/// How files call the moment of receipt, the last resort for a time that the provider does not tell.
const RECEIVED: &str = "received";

/// What an event says of itself, and what it carries.
#[derive(Debug, Clone)]
pub struct Facts<'a> {
    /// The provider's id, or the one derived as its file says.
    pub id: Option<Cow<'a, str>>,
    /// The provider's own name of the event type; `unknown` when there is none.
    pub providertype: Cow<'a, str>,
    /// When it happened, as the provider says.
    pub time: Option<Timestamp>,
    /// The object that it is about.
    pub subject: Option<Cow<'a, str>>,
    /// The account at the provider.
    pub tenant: Option<Cow<'a, str>>,
    /// The category that all providers share, as `[categories]` says.
    pub category: Option<&'static str>,
    /// The payload.
    pub data: Data<'a>,
}

/// `[event]` as written: for each fact its places, the first that exists counts.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FactsSpec {
    #[serde(default)]
    pub(crate) id: OneOrMany<SourceSpec>,
    #[serde(default, rename = "type")]
    pub(crate) kind: OneOrMany<SourceSpec>,
    #[serde(default)]
    pub(crate) time: OneOrMany<TimeSpec>,
    #[serde(default)]
    pub(crate) subject: OneOrMany<SourceSpec>,
    #[serde(default)]
    pub(crate) tenant: OneOrMany<SourceSpec>,
    /// Where the events of a batch stand; a `*` in a fact's pointer is the same element.
    #[serde(default)]
    pub(crate) split: OneOrMany<Split>,
    /// A header or a parameter of the query: where it stands, the body is one event, be it an array.
    pub(crate) split_unless: Option<SourceSpec>,
    /// What the events of a batch carry.
    pub(crate) data: Option<ItemData>,
    /// What bodies are, where one way to verify has others than the rest.
    pub(crate) body: Option<BodyKind>,
}

/// The pointer to the items of a batch, such as `/events/*`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Split(pub(crate) Pointer);

impl TryFrom<String> for Split {
    type Error = String;

    fn try_from(text: String) -> Result<Split, String> {
        let pointer: Pointer = text.parse().map_err(|error: crate::event::PointerError| error.to_string())?;
        let ends = pointer.tokens().last().is_some_and(|token| token == EACH);
        if ends && pointer.levels() <= 2 {
            return Ok(Split(pointer));
        }
        Err(format!("`{text}` must end with /* and hold one * or two, as in /events/* or /entry/*/changes/*"))
    }
}

/// What an event of a batch carries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ItemData {
    /// The item as it stands in the body.
    #[default]
    Item,
    /// The whole body, where the items are mere ids.
    Body,
}

/// A place and how the time is written there: `{ at, format }`, or the place alone for RFC 3339, or `received`.
#[derive(Debug, Clone)]
pub(crate) struct TimeSpec {
    pub(crate) at: SourceSpec,
    pub(crate) format: TimeFormat,
}

impl<'de> Deserialize<'de> for TimeSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<TimeSpec, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Table {
            at: SourceSpec,
            format: TimeFormat,
        }

        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = TimeSpec;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a place or { at, format }")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<TimeSpec, E> {
                if text == RECEIVED {
                    let at = SourceSpec { source: Source::Received, text: text.to_owned() };
                    return Ok(TimeSpec { at, format: TimeFormat::Rfc3339 });
                }
                let at = SourceSpec::try_from(text.to_owned()).map_err(E::custom)?;
                Ok(TimeSpec { at, format: TimeFormat::Rfc3339 })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<TimeSpec, A::Error> {
                let Table { at, format } = Table::deserialize(MapAccessDeserializer::new(map))?;
                Ok(TimeSpec { at, format })
            }
        }

        deserializer.deserialize_any(Either)
    }
}

impl FactsSpec {
    /// Each fact with its places.
    pub(crate) fn by_name(&self) -> [(&'static str, Vec<&Source<Pointer>>); 5] {
        fn sources(list: &OneOrMany<SourceSpec>) -> Vec<&Source<Pointer>> {
            list.0.iter().map(|source| &source.source).collect()
        }
        [
            ("id", sources(&self.id)),
            ("type", sources(&self.kind)),
            ("time", self.time.0.iter().map(|time| &time.at.source).collect()),
            ("subject", sources(&self.subject)),
            ("tenant", sources(&self.tenant)),
        ]
    }

    /// Every pointer with a `*` must lead through one of the splits.
    pub(crate) fn check_split(&self) -> Result<(), Fault> {
        for (fact, sources) in self.by_name() {
            if let Some(pointer) = sources.into_iter().flat_map(Source::pointers).find(|pointer| !self.reaches(pointer))
            {
                return Err(Fault::new(fact, format!("`{pointer}` has a * that no split leads to")));
            }
        }
        Ok(())
    }

    /// Does this pointer lead somewhere: has it no `*`, or does one of the splits lead through it?
    pub(crate) fn reaches(&self, pointer: &Pointer) -> bool {
        let tokens = pointer.tokens();
        let last = tokens.iter().rposition(|token| token == EACH);
        last.is_none_or(|last| self.split.0.iter().any(|split| split.0.tokens().starts_with(&tokens[..=last])))
    }

    /// Each fact with its places as the file spells them.
    pub(crate) fn texts(&self) -> [(&'static str, Vec<String>); 5] {
        let texts = |list: &OneOrMany<SourceSpec>| list.0.iter().map(|source| source.text.clone()).collect();
        let time = |time: &TimeSpec| format!("{} ({})", time.at.text, time.format.as_str());
        [
            ("id", texts(&self.id)),
            ("type", texts(&self.kind)),
            ("time", self.time.0.iter().map(time).collect()),
            ("subject", texts(&self.subject)),
            ("tenant", texts(&self.tenant)),
        ]
    }

    /// These facts, with those of `other` where these say nothing.
    pub(crate) fn or(&self, other: &FactsSpec) -> FactsSpec {
        fn either<T: Clone>(one: &OneOrMany<T>, other: &OneOrMany<T>) -> OneOrMany<T> {
            if one.0.is_empty() { other.clone() } else { one.clone() }
        }
        FactsSpec {
            id: either(&self.id, &other.id),
            kind: either(&self.kind, &other.kind),
            time: either(&self.time, &other.time),
            subject: either(&self.subject, &other.subject),
            tenant: either(&self.tenant, &other.tenant),
            split: either(&self.split, &other.split),
            split_unless: self.split_unless.clone().or_else(|| other.split_unless.clone()),
            data: self.data.or(other.data),
            body: self.body.or(other.body),
        }
    }
}

/// The places of every fact, compiled.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    id: Vec<Source<usize>>,
    kind: Vec<Source<usize>>,
    time: Vec<(Source<usize>, TimeFormat)>,
    subject: Vec<Source<usize>>,
    tenant: Vec<Source<usize>>,
}

impl Places {
    /// `slot` gives each pointer its place in the scan.
    pub(crate) fn new(spec: &FactsSpec, slot: &mut dyn FnMut(&Pointer) -> usize) -> Places {
        let mut places = |list: &OneOrMany<SourceSpec>| list.0.iter().map(|source| source.source.map(slot)).collect();
        Places {
            id: places(&spec.id),
            kind: places(&spec.kind),
            subject: places(&spec.subject),
            tenant: places(&spec.tenant),
            time: spec.time.0.iter().map(|time| (time.at.source.map(slot), time.format)).collect(),
        }
    }

    /// The facts of one event; its category and its data are put in by the caller.
    pub(crate) fn read<'a>(&self, input: Input<'a, '_>) -> Facts<'a> {
        let time = |(source, format): &(Source<usize>, TimeFormat)| format.parse(&source.text(input)?);
        Facts {
            id: first_id(&self.id, input),
            providertype: first(&self.kind, input).unwrap_or(Cow::Borrowed(UNKNOWN_TYPE)),
            time: self.time.iter().find_map(time),
            subject: first(&self.subject, input),
            tenant: first(&self.tenant, input),
            category: None,
            data: Data::None,
        }
    }

    /// Can an event have an id of its own?
    pub(crate) fn has_id(&self) -> bool {
        !self.id.is_empty()
    }
}

impl Facts<'_> {
    /// The same facts with texts of their own and without data.
    pub(super) fn detached(self) -> Facts<'static> {
        let own = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        Facts {
            id: self.id.map(own),
            providertype: own(self.providertype),
            time: self.time,
            subject: self.subject.map(own),
            tenant: self.tenant.map(own),
            category: self.category,
            data: Data::None,
        }
    }
}
