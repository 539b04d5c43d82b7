//! The one pass over a body: checks every rule of the envelope and picks the wanted values as they were written.

use std::borrow::Cow;
use std::ops::Range;

use super::names::{self, Name};
use super::wanted::{Mark, Node};
use super::{Flaw, Unreadable, Wanted, number, text};

/// The deepest nesting: the envelope and the enrichment add levels, and some readers stop at 64.
pub(super) const MAX_DEPTH: usize = 60;
/// What an enriched value adds around the provider's JSON: the event and its `data`.
pub(super) const ENVELOPE_DEPTH: usize = MAX_DEPTH + 2;

/// The most events that one request can bring; the largest documented batch has 1,000.
pub const MAX_ITEMS: usize = 10_000;

/// Where a value stands: its first byte and the byte after its last.
type Span = (usize, usize);

/// The wanted values of a scanned body.
#[derive(Clone, Debug)]
pub struct Found<'a> {
    body: &'a [u8],
    spans: Vec<Option<Span>>,
    /// The items of a batch; `None` when the body has no array where they would stand.
    items: Option<Vec<Item>>,
}

/// One event of a batch: its place, and the values that are its own.
#[derive(Clone, Debug)]
struct Item {
    span: Span,
    spans: Vec<Option<Span>>,
}

impl<'a> Found<'a> {
    /// The value at the slot's pointer, byte for byte and without surrounding whitespace.
    pub fn raw(&self, slot: usize) -> Option<&'a [u8]> {
        self.span(slot).and_then(|span| self.body.get(span))
    }

    /// Where the slot's value stands in the body.
    pub fn span(&self, slot: usize) -> Option<Range<usize>> {
        self.spans.get(slot).copied().flatten().map(|(start, end)| start..end)
    }

    /// How many items the batch has; `None` when the body has no array where they would stand.
    pub fn items(&self) -> Option<usize> {
        self.items.as_ref().map(Vec::len)
    }

    /// An item as it stands in the body, and the wanted values as seen from it.
    pub fn item(&self, place: usize) -> Option<(&'a [u8], Found<'a>)> {
        let item = self.items.as_ref()?.get(place)?;
        let spans = item.spans.iter().zip(&self.spans).map(|(own, shared)| own.or(*shared)).collect();
        Some((self.body.get(item.span.0..item.span.1)?, Found { body: self.body, spans, items: None }))
    }

    /// The value as text: strings unescaped; numbers, `true` and `false` as written; `null`, objects and arrays are none.
    pub fn text(&self, slot: usize) -> Option<Cow<'a, str>> {
        let raw = self.raw(slot)?;
        match raw {
            [b'"', inside @ .., b'"'] => match text::unescape(inside) {
                Cow::Borrowed(plain) => std::str::from_utf8(plain).ok().map(Cow::Borrowed),
                Cow::Owned(plain) => String::from_utf8(plain).ok().map(Cow::Owned),
            },
            [b'{' | b'[' | b'n', ..] => None,
            scalar => std::str::from_utf8(scalar).ok().map(Cow::Borrowed),
        }
    }
}

/// Check a JSON body and pick the wanted values. An empty body and a byte order mark are [`super::Data::json`]'s business.
///
/// # Errors
/// The first rule that the body breaks; a duplicate name is noticed at the end of its object.
pub fn scan<'a>(body: &'a [u8], wanted: &Wanted) -> Result<Found<'a>, Unreadable> {
    scan_to(body, wanted, MAX_DEPTH)
}

/// [`scan`] with another limit of depth, for values that hold a scanned body.
pub(super) fn scan_to<'a>(body: &'a [u8], wanted: &Wanted, depth: usize) -> Result<Found<'a>, Unreadable> {
    if let Err(error) = std::str::from_utf8(body) {
        return Err(Unreadable::new(Flaw::Utf8, error.valid_up_to()));
    }
    let mut scanner = Scanner {
        body,
        at: 0,
        levels: depth,
        names: Vec::new(),
        spans: vec![None; wanted.slots()],
        wanted,
        items: None,
        inner: false,
    };
    scanner.value(wanted.root())?;
    match scanner.peek() {
        None => Ok(Found { body, spans: scanner.spans, items: scanner.items }),
        Some(_) => Err(scanner.flaw(Flaw::Trailing)),
    }
}

struct Scanner<'a> {
    body: &'a [u8],
    at: usize,
    /// How many more levels may be opened.
    levels: usize,
    /// The names of all objects that are open, innermost last.
    names: Vec<Name>,
    spans: Vec<Option<Span>>,
    wanted: &'a Wanted,
    items: Option<Vec<Item>>,
    /// Did the element that is open hold an array of items, be it empty?
    inner: bool,
}

impl Scanner<'_> {
    fn value(&mut self, node: Option<&Node>) -> Result<(), Unreadable> {
        let first = self.peek();
        let start = self.at;
        let mark = node.map_or(Mark::None, |node| node.mark);
        let items = self.items.as_ref().map_or(0, Vec::len);
        if mark == Mark::Outer {
            self.inner = false;
        }
        match first {
            Some(b'"') => self.at = self.string(text::MAX_STRING, Flaw::StringTooLong)?.0 + 1,
            Some(b'{') => self.nested(node, Self::object)?,
            Some(b'[') => self.nested(node, Self::array)?,
            Some(b'-' | b'0'..=b'9') => self.at = number::number_end(self.body, self.at)?,
            Some(b't') => self.word(b"true")?,
            Some(b'f') => self.word(b"false")?,
            Some(b'n') => self.word(b"null")?,
            Some(_) => return Err(self.flaw(Flaw::Syntax)),
            None => return Err(self.flaw(Flaw::CutShort)),
        }
        for &slot in node.map_or(&[][..], |node| &node.slots) {
            if let Some(span) = self.spans.get_mut(slot) {
                *span = Some((start, self.at));
            }
        }
        match mark {
            Mark::None => Ok(()),
            Mark::Item(level) => self.item(start, level),
            Mark::Outer => self.outer(start, items),
        }
    }

    /// The end of an item: what was found on its level is its own.
    fn item(&mut self, start: usize, level: usize) -> Result<(), Unreadable> {
        let span = (start, self.at);
        let wanted = self.wanted;
        let own =
            |(slot, span): (usize, &mut Option<Span>)| if wanted.level(slot) == level { span.take() } else { None };
        let spans = self.spans.iter_mut().enumerate().map(own).collect();
        let items = self.items.get_or_insert_default();
        if items.len() == MAX_ITEMS {
            return Err(Unreadable::new(Flaw::TooManyItems, start));
        }
        items.push(Item { span, spans });
        Ok(())
    }

    /// The end of an element that holds items: they share what was found beside them. One without any array of items is
    /// an item itself, so that no sort of content is lost.
    fn outer(&mut self, start: usize, first: usize) -> Result<(), Unreadable> {
        if !self.inner {
            return self.item(start, 1);
        }
        for (slot, span) in self.spans.iter_mut().enumerate().filter(|(slot, _)| self.wanted.level(*slot) == 1) {
            let found = span.take();
            for item in self.items.iter_mut().flatten().skip(first) {
                item.spans[slot] = found;
            }
        }
        Ok(())
    }

    /// Step over the opening bracket and read what it opens, one level down.
    fn nested(
        &mut self,
        node: Option<&Node>,
        read: fn(&mut Self, Option<&Node>) -> Result<(), Unreadable>,
    ) -> Result<(), Unreadable> {
        self.levels = self.levels.checked_sub(1).ok_or_else(|| self.flaw(Flaw::TooDeep))?;
        self.at += 1;
        read(self, node.filter(|node| !node.is_leaf()))?;
        self.levels += 1;
        Ok(())
    }

    fn object(&mut self, node: Option<&Node>) -> Result<(), Unreadable> {
        let first_name = self.names.len();
        let mut next = self.peek();
        if next == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        loop {
            if next != Some(b'"') {
                return Err(self.unexpected(next));
            }
            let wanted = self.name(node)?;
            self.expect(b':')?;
            self.value(wanted)?;
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => break,
                other => return Err(self.unexpected(other)),
            }
            next = self.peek();
        }
        self.at += 1;
        if let Some(offset) = names::duplicate(self.body, self.names.get_mut(first_name..).unwrap_or_default()) {
            return Err(Unreadable::new(Flaw::DuplicateName, offset));
        }
        self.names.truncate(first_name);
        Ok(())
    }

    /// Read a member name, note it, and find what is wanted below it.
    fn name<'n>(&mut self, node: Option<&'n Node>) -> Result<Option<&'n Node>, Unreadable> {
        let start = self.at + 1;
        let (end, escaped) = self.string(text::MAX_NAME, Flaw::NameTooLong)?;
        self.at = end + 1;
        if !escaped {
            self.names.push(Name::plain(self.body, start, end));
            return Ok(node.and_then(|node| node.member(&self.body[start..end])));
        }
        let unescaped = text::unescape(&self.body[start..end]);
        self.names.push(Name::escaped(start, &unescaped));
        Ok(node.and_then(|node| node.member(&unescaped)))
    }

    fn array(&mut self, node: Option<&Node>) -> Result<(), Unreadable> {
        match node.map_or(Mark::None, Node::elements) {
            Mark::None => {}
            Mark::Item(level) if level > 1 => self.inner = true,
            Mark::Item(_) | Mark::Outer => drop(self.items.get_or_insert_default()),
        }
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(());
        }
        for index in 0.. {
            self.value(node.and_then(|node| node.element(index)))?;
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => break,
                other => return Err(self.unexpected(other)),
            }
        }
        self.at += 1;
        Ok(())
    }

    /// Check the string whose opening quote is the current byte; returns the offset of its closing quote.
    #[inline]
    fn string(&self, limit: usize, too_long: Flaw) -> Result<(usize, bool), Unreadable> {
        let (end, escaped) = text::string_end(self.body, self.at + 1)?;
        if end - self.at - 1 > limit { Err(self.flaw(too_long)) } else { Ok((end, escaped)) }
    }

    #[inline]
    fn word(&mut self, word: &[u8]) -> Result<(), Unreadable> {
        for (n, expected) in word.iter().enumerate() {
            match self.body.get(self.at + n) {
                Some(b) if b == expected => {}
                Some(_) => return Err(Unreadable::new(Flaw::Syntax, self.at + n)),
                None => return Err(Unreadable::new(Flaw::CutShort, self.at + n)),
            }
        }
        self.at += word.len();
        Ok(())
    }

    #[inline]
    fn expect(&mut self, byte: u8) -> Result<(), Unreadable> {
        let next = self.peek();
        if next != Some(byte) {
            return Err(self.unexpected(next));
        }
        self.at += 1;
        Ok(())
    }

    /// The next byte that is not whitespace, which becomes the current one.
    #[inline]
    fn peek(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.body.get(self.at) {
            self.at += 1;
        }
        self.body.get(self.at).copied()
    }

    #[cold]
    fn unexpected(&self, next: Option<u8>) -> Unreadable {
        self.flaw(if next.is_some() { Flaw::Syntax } else { Flaw::CutShort })
    }

    #[cold]
    fn flaw(&self, flaw: Flaw) -> Unreadable {
        Unreadable::new(flaw, self.at)
    }
}
