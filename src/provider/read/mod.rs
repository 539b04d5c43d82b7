//! Reading a verified body: one scan that finds the facts of the event, or the handshake it is.

mod facts;
mod follow_up;
mod handshake;
mod source;

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::event::{Data, Flaw, Found, MAX_ITEMS, Pointer, Unreadable, Wanted, scan};

pub use facts::Facts;
pub(crate) use facts::{FactsSpec, ItemData, Places};
pub use handshake::{Challenge, Reply};
pub(crate) use handshake::{Handshake, HandshakeSpec};
pub(crate) use source::{Input, Source, join};

use super::error::Fault;
use super::glob::Globs;
use super::meaning::Meaning;
use super::spec::{BodyKind, Spec};
use super::verify::{Check, Request};

/// What a verified request turned out to be.
#[derive(Debug, Clone)]
pub enum Reading<'a> {
    /// A handshake: answer it, store nothing.
    Handshake(Reply),
    /// The events, in the order of the body.
    Events(Vec<Facts<'a>>),
}

/// The most bytes that the events of one request may carry together, where each carries the whole body.
const MAX_COPIED: usize = 32 << 20;

/// A provider's `[event]` and `[[handshake]]`, compiled.
#[derive(Debug, Clone)]
pub(crate) struct Reader {
    /// The field whose JSON counts, where the body is a form.
    form_field: Option<String>,
    /// May a body hold one JSON value a line?
    lines: bool,
    content_type: String,
    /// One for each alternative of `[[verify]]`.
    layouts: Vec<Layout>,
}

/// What one scan looks for.
#[derive(Debug, Clone)]
struct Layout {
    kind: BodyKind,
    wanted: Wanted,
    /// What stands in a request whose body is one event whatever it is, and what is looked for then.
    unsplit: Option<(Source<usize>, Wanted)>,
    places: Places,
    item_data: ItemData,
    handshakes: Vec<Handshake>,
    categories: Globs<Meaning<Option<usize>>>,
}

impl Reader {
    pub(crate) fn compile(spec: &Spec, categories: &Globs<Meaning<Pointer>>) -> Result<Reader, Fault> {
        if spec.event.kind.0.is_empty() {
            return Err(Fault::new("type", "is missing: where the event type stands").within("event"));
        }
        let facts = spec.facts();
        if let Some((pattern, pointer)) = categories.iter().find_map(|(pattern, meaning)| {
            let lost = |pointer: &&Pointer| !facts.iter().any(|facts| facts.reaches(pointer));
            meaning.pointers().find(lost).map(|pointer| (pattern, pointer))
        }) {
            return Err(Fault::new(pattern, format!("`{pointer}` has a * that no split leads to")).within("categories"));
        }
        let layouts: Vec<_> =
            facts.iter().map(|facts| Layout::compile(spec, facts, categories)).collect::<Result<_, _>>()?;
        if layouts.iter().any(|layout| layout.kind == BodyKind::Bytes && layout.wanted.slots() > 0) {
            return Err(Fault::new("body", "bytes have no fields: pointers need json or form"));
        }
        for (key, given) in [("form_field", spec.form_field.is_some()), ("lines", spec.lines)] {
            if given && spec.body != BodyKind::Json {
                return Err(Fault::new(key, "has a meaning only with body = \"json\""));
            }
        }
        let (form_field, lines) = (spec.form_field.clone(), spec.lines);
        Ok(Reader { form_field, lines, content_type: spec.content_type.clone(), layouts })
    }

    /// With one source's parameters.
    pub(crate) fn bind(&mut self, params: &BTreeMap<String, String>) {
        self.layouts.iter_mut().flat_map(|layout| &mut layout.handshakes).for_each(|rule| rule.bind(params));
    }

    /// Handshakes that come without a signature.
    pub(crate) fn unsigned_handshake(&self, request: &Request<'_>, checks: &[Check]) -> Option<Challenge> {
        let Request { method, headers, query, body, now, .. } = *request;
        let input = Input { found: None, headers, query, body, now, index: None, checks };
        let mut unsigned = self.layouts.first()?.handshakes.iter().filter(|handshake| !handshake.signed);
        unsigned.find_map(|handshake| handshake.challenge(method, input))
    }

    /// Does the provider hand its secret over in a handshake?
    pub(crate) fn stores_secrets(&self) -> bool {
        self.layouts.first().is_some_and(|layout| layout.handshakes.iter().any(Handshake::stores))
    }

    /// Is this a request for a handshake of that kind, whether it gets its reply or not?
    pub(crate) fn asks_for_handshake(&self, request: &Request<'_>) -> bool {
        let Request { method, headers, query, now, .. } = *request;
        let input = Input { found: None, headers, query, body: b"", now, index: None, checks: &[] };
        let rules = self.layouts.first().map(|layout| layout.handshakes.as_slice()).unwrap_or_default();
        rules.iter().any(|handshake| !handshake.signed && handshake.is_asked_for(method, input))
    }

    /// The facts as the alternative says that verified the request; out of the provider's record, where that is the proof.
    pub(crate) fn read<'a>(
        &self,
        alternative: usize,
        request: &Request<'a>,
        checks: &[Check],
        record: Option<&[u8]>,
    ) -> Result<Reading<'a>, Unreadable> {
        let Some(layout) = self.layouts.get(alternative).or(self.layouts.first()) else {
            return Ok(Reading::Events(Vec::new()));
        };
        let data = match (layout.kind, &self.form_field) {
            (BodyKind::Json, Some(field)) => Data::json_or_form(request.body, field)?,
            (BodyKind::Json, None) => Data::json(request.body),
            (BodyKind::Form, _) => Data::form(request.body)?,
            (BodyKind::Bytes, _) => self.bytes(request.body),
        };
        if let Some(record) = record {
            // The body only names it: what is true stands in the record.
            let found = scan(record, &layout.wanted)?;
            let bare = Request { body: b"", ..*request };
            let reading = layout.found(Some(&found), &bare, checks, Data::None)?.detached();
            return Ok(Reading::with_data(reading, data));
        }
        match layout.whole(request, checks, data) {
            // Something stands after the first value: then there may be one a line.
            Err(Unreadable { flaw: Flaw::Trailing, .. }) if self.lines => layout.lines(request, checks),
            reading => reading,
        }
    }

    fn bytes<'a>(&self, body: &'a [u8]) -> Data<'a> {
        if body.is_empty() {
            return Data::None;
        }
        Data::Bytes { content_type: Cow::Owned(self.content_type.clone()), body: Cow::Borrowed(body) }
    }

    /// Can an event of this provider have an id of its own?
    pub(crate) fn has_id(&self) -> bool {
        self.layouts.iter().all(|layout| layout.places.has_id())
    }
}

impl Layout {
    fn compile(spec: &Spec, facts: &FactsSpec, categories: &Globs<Meaning<Pointer>>) -> Result<Layout, Fault> {
        let mut pointers: Vec<Pointer> = Vec::new();
        let mut slot = |pointer: &Pointer| {
            pointers.iter().position(|known| known == pointer).unwrap_or_else(|| {
                pointers.push(pointer.clone());
                pointers.len() - 1
            })
        };
        facts.check_split().map_err(|fault| fault.within("event"))?;
        let split: Vec<Pointer> = facts.split.0.iter().map(|split| split.0.clone()).collect();
        let kind = facts.body.unwrap_or(spec.body);
        if !split.is_empty() && kind != BodyKind::Json {
            return Err(Fault::new("split", "needs body = \"json\": nothing else has arrays").within("event"));
        }
        let places = Places::new(facts, &mut slot);
        let handshakes = spec.handshake.iter().enumerate().map(|(index, handshake)| {
            handshake.compile(&mut slot).map_err(|fault| fault.within(&index.to_string()).within("handshake"))
        });
        let handshakes = handshakes.collect::<Result<_, _>>()?;
        let categories = categories.map(|meaning| meaning.map(&mut |at| facts.reaches(at).then(|| slot(at))));
        let wanted = Wanted::splitting(&pointers, &split);
        let unsplit = facts.split_unless.as_ref().map(|place| {
            let unread = |_: &Pointer| usize::MAX;
            if split.is_empty() || !place.source.pointers().is_empty() {
                let problem = "says of a header or a query's parameter that nothing is split, and needs a split";
                return Err(Fault::new("split_unless", problem).within("event"));
            }
            Ok((place.source.map(&mut { unread }), Wanted::new(&pointers)))
        });
        Ok(Layout {
            wanted,
            kind,
            unsplit: unsplit.transpose()?,
            places,
            item_data: facts.data.unwrap_or_default(),
            handshakes,
            categories,
        })
    }

    /// What one event says of itself, and what it means.
    fn facts<'a>(&self, input: Input<'a, '_>) -> Facts<'a> {
        let facts = self.places.read(input);
        let category = self.categories.get(&facts.providertype).and_then(|meaning| meaning.of(input.found));
        Facts { category, ..facts }
    }

    /// What is looked for in the body of this request.
    fn wanted(&self, request: &Request<'_>) -> &Wanted {
        let Request { headers, query, body, now, .. } = *request;
        let input = Input { found: None, headers, query, body, now, index: None, checks: &[] };
        self.unsplit.as_ref().filter(|(place, _)| place.there(input)).map_or(&self.wanted, |(_, wanted)| wanted)
    }

    fn whole<'a>(&self, request: &Request<'a>, checks: &[Check], data: Data<'a>) -> Result<Reading<'a>, Unreadable> {
        let wanted = self.wanted(request);
        let reading = |json, data| self.found(Some(&scan(json, wanted)?), request, checks, data);
        match data {
            Data::Json(json) => reading(json, data),
            Data::Derived { json: Cow::Borrowed(json), .. } => reading(json, data),
            Data::Derived { json: Cow::Owned(ref json), .. } => {
                let found = scan(json, wanted)?;
                let reading = self.found(Some(&found), request, checks, Data::None)?.detached();
                Ok(Reading::with_data(reading, data))
            }
            Data::Bytes { .. } | Data::None => self.found(None, request, checks, data),
        }
    }

    /// One JSON value a line, each as if it had come alone: all of them can be read, or none counts.
    fn lines<'a>(&self, request: &Request<'a>, checks: &[Check]) -> Result<Reading<'a>, Unreadable> {
        let mut events = Vec::new();
        let mut start = 0;
        for line in request.body.split(|&byte| byte == b'\n') {
            let offset = start;
            start += line.len() + 1;
            if line.trim_ascii().is_empty() {
                continue;
            }
            let alone = Request { body: line, ..*request };
            let flawed = |flaw: Unreadable| Unreadable { offset: offset + flaw.offset, ..flaw };
            if let Reading::Events(found) = self.whole(&alone, checks, Data::Json(line)).map_err(flawed)? {
                events.extend(found);
            }
            if events.len() > MAX_ITEMS {
                return Err(Unreadable { flaw: Flaw::TooManyItems, offset });
            }
        }
        Ok(Reading::Events(events))
    }

    fn found<'a>(
        &self,
        found: Option<&Found<'a>>,
        request: &Request<'a>,
        checks: &[Check],
        data: Data<'a>,
    ) -> Result<Reading<'a>, Unreadable> {
        let Request { method, headers, query, body, now, .. } = *request;
        let input = Input { found, headers, query, body, now, index: None, checks };
        let mut signed = self.handshakes.iter().filter(|handshake| handshake.signed);
        if let Some(reply) = signed.find_map(|handshake| handshake.reply(method, input)) {
            return Ok(Reading::Handshake(reply));
        }
        let Some(count) = found.and_then(Found::items) else {
            return Ok(Reading::Events(vec![Facts { data, ..self.facts(input) }]));
        };
        if self.item_data == ItemData::Body && count.saturating_mul(body.len()) > MAX_COPIED {
            return Err(Unreadable { flaw: Flaw::TooManyItems, offset: 0 });
        }
        let item = |place| {
            let (raw, found) = found?.item(place)?;
            let data = if self.item_data == ItemData::Body { data.clone() } else { Data::Json(raw) };
            Some(Facts { data, ..self.facts(Input { found: Some(&found), index: Some(place), ..input }) })
        };
        Ok(Reading::Events((0..count).filter_map(item).collect()))
    }
}

impl Reading<'_> {
    /// Free of the text in which it was found.
    fn detached(self) -> Reading<'static> {
        match self {
            Reading::Handshake(reply) => Reading::Handshake(reply),
            Reading::Events(events) => Reading::Events(events.into_iter().map(Facts::detached).collect()),
        }
    }

    /// Each event around this payload.
    fn with_data<'a>(reading: Reading<'a>, data: Data<'a>) -> Reading<'a> {
        match reading {
            Reading::Handshake(reply) => Reading::Handshake(reply),
            Reading::Events(events) => {
                Reading::Events(events.into_iter().map(|facts| Facts { data: data.clone(), ..facts }).collect())
            }
        }
    }
}
