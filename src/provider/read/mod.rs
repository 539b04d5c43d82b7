//! Reading a verified body: one scan that finds the facts of the event, or the handshake it is.

mod facts;
mod handshake;
mod source;

use std::borrow::Cow;

use crate::event::{Data, Pointer, Unreadable, Wanted, scan};

pub use facts::Facts;
pub(crate) use facts::{FactsSpec, Places};
pub use handshake::Reply;
pub(crate) use handshake::{Handshake, HandshakeSpec};
pub(crate) use source::{Input, Source, join};

use super::error::Fault;
use super::spec::{BodyKind, Spec};
use super::verify::Request;

/// What a verified request turned out to be.
#[derive(Debug, Clone)]
pub enum Reading<'a> {
    /// A handshake: answer it, store nothing.
    Handshake(Reply),
    /// The events, in the order of the body.
    Events(Vec<Facts<'a>>),
}

/// A provider's `[event]` and `[[handshake]]`, compiled into one scan.
#[derive(Debug, Clone)]
pub(crate) struct Reader {
    kind: BodyKind,
    content_type: String,
    wanted: Wanted,
    /// One for each alternative of `[[verify]]`.
    places: Vec<Places>,
    handshakes: Vec<Handshake>,
}

impl Reader {
    pub(crate) fn compile(spec: &Spec) -> Result<Reader, Fault> {
        let mut pointers: Vec<Pointer> = Vec::new();
        let mut slot = |pointer: &Pointer| {
            pointers.iter().position(|known| known == pointer).unwrap_or_else(|| {
                pointers.push(pointer.clone());
                pointers.len() - 1
            })
        };
        if spec.event.kind.0.is_empty() {
            return Err(Fault::new("type", "is missing: where the event type stands").within("event"));
        }
        let places = spec.facts().iter().map(|facts| Places::new(facts, &mut slot)).collect();
        let handshakes = spec.handshake.iter().enumerate().map(|(index, handshake)| {
            handshake.compile(&mut slot).map_err(|fault| fault.within(&index.to_string()).within("handshake"))
        });
        let handshakes = handshakes.collect::<Result<_, _>>()?;
        if spec.body == BodyKind::Bytes && !pointers.is_empty() {
            return Err(Fault::new("body", "bytes have no fields: pointers need json or form"));
        }
        let content_type = spec.content_type.clone();
        Ok(Reader { kind: spec.body, content_type, wanted: Wanted::new(&pointers), places, handshakes })
    }

    /// Handshakes that come without a signature.
    pub(crate) fn unsigned_handshake(&self, request: &Request<'_>) -> Option<Reply> {
        let input = Input { found: None, headers: request.headers, query: request.query };
        let mut unsigned = self.handshakes.iter().filter(|handshake| !handshake.signed);
        unsigned.find_map(|handshake| handshake.reply(request.method, input))
    }

    /// The facts as the alternative says that verified the request.
    pub(crate) fn read<'a>(&self, alternative: usize, request: &Request<'a>) -> Result<Reading<'a>, Unreadable> {
        let data = match self.kind {
            BodyKind::Json => Data::json(request.body),
            BodyKind::Form => Data::form(request.body)?,
            BodyKind::Bytes => self.bytes(request.body),
        };
        match data {
            Data::Json(json) => self.scanned(alternative, json, request, data),
            Data::Derived { json: Cow::Borrowed(json), .. } => self.scanned(alternative, json, request, data),
            Data::Derived { json: Cow::Owned(ref json), .. } => {
                let reading = self.scanned(alternative, json, request, Data::None)?.detached();
                Ok(Reading::with_data(reading, data))
            }
            Data::Bytes { .. } | Data::None => Ok(self.found(alternative, None, request, data)),
        }
    }

    fn bytes<'a>(&self, body: &'a [u8]) -> Data<'a> {
        if body.is_empty() {
            return Data::None;
        }
        Data::Bytes { content_type: Cow::Owned(self.content_type.clone()), body: Cow::Borrowed(body) }
    }

    fn scanned<'a>(
        &self,
        alternative: usize,
        json: &'a [u8],
        request: &Request<'a>,
        data: Data<'a>,
    ) -> Result<Reading<'a>, Unreadable> {
        let found = scan(json, &self.wanted)?;
        Ok(self.found(alternative, Some(&found), request, data))
    }

    fn found<'a>(
        &self,
        alternative: usize,
        found: Option<&crate::event::Found<'a>>,
        request: &Request<'a>,
        data: Data<'a>,
    ) -> Reading<'a> {
        let input = Input { found, headers: request.headers, query: request.query };
        let mut signed = self.handshakes.iter().filter(|handshake| handshake.signed);
        if let Some(reply) = signed.find_map(|handshake| handshake.reply(request.method, input)) {
            return Reading::Handshake(reply);
        }
        let places = self.places.get(alternative).or(self.places.first());
        Reading::Events(places.map(|places| Facts { data, ..places.read(input) }).into_iter().collect())
    }

    /// Can an event of this provider have an id of its own?
    pub(crate) fn has_id(&self) -> bool {
        self.places.iter().all(Places::has_id)
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
