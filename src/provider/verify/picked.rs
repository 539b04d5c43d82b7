//! What a scheme needs of a body before that body is verified: the one named exception to "nothing is parsed before".

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::event::{EACH, Found, Pointer, Wanted, scan};
use crate::provider::Reject;

/// The largest body that is looked into before it is verified, in bytes.
const LARGEST: usize = 1 << 20;

/// The most fields of a form that are looked at.
const MAX_FIELDS: usize = 1_000;

/// What a scheme wants from bodies, collected while its plan is compiled.
#[derive(Debug, Clone, Default)]
pub(crate) struct Picks {
    pointers: Vec<Pointer>,
    each: Vec<Pointer>,
    form: bool,
    wanted: Option<Wanted>,
}

/// A form's fields in their order, decoded.
type Fields<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

/// What one body holds of it.
#[derive(Debug, Default)]
pub(crate) struct Picked<'a> {
    found: Option<Found<'a>>,
    form: Fields<'a>,
}

impl Picks {
    /// The slot of a pointer in the scan.
    pub(crate) fn slot(&mut self, pointer: &Pointer) -> usize {
        self.pointers.iter().position(|known| known == pointer).unwrap_or_else(|| {
            self.pointers.push(pointer.clone());
            self.pointers.len() - 1
        })
    }

    /// The fields of a form are wanted.
    pub(crate) fn form(&mut self) {
        self.form = true;
    }

    /// The elements of this array are verified one by one: everything up to the last `*` of a pointer.
    pub(crate) fn each(&mut self, pointer: &Pointer) {
        let tokens = pointer.tokens();
        if let Some(last) = tokens.iter().rposition(|token| token == EACH) {
            self.each = vec![Pointer::from_tokens(&tokens[..=last])];
        }
    }

    /// Verify a request: as a whole, or, where the proof stands in the items of a batch, every one of them. `missing` is
    /// said of a batch without items.
    pub(crate) fn verify<T>(
        &self,
        body: &[u8],
        missing: Reject,
        one: impl Fn(&Picked<'_>, Option<&Found<'_>>) -> Result<T, Reject>,
    ) -> Result<T, Reject> {
        let picked = self.read(body);
        if !self.has_each() {
            return one(&picked, None);
        }
        let found = picked.found().ok_or(missing)?;
        let mut items = (0..found.items().unwrap_or_default()).filter_map(|place| found.item(place));
        let first = items.next().ok_or(missing)?;
        let passed = one(&picked, Some(&first.1))?;
        items.try_for_each(|(_, item)| one(&picked, Some(&item)).map(drop))?;
        Ok(passed)
    }

    /// Are there elements to verify one by one?
    pub(crate) fn has_each(&self) -> bool {
        !self.each.is_empty()
    }

    /// Everything was registered: compile the scan.
    pub(crate) fn close(mut self) -> Picks {
        if !self.pointers.is_empty() || !self.each.is_empty() {
            self.wanted = Some(Wanted::splitting(&self.pointers, &self.each));
        }
        self
    }

    /// Look into a body. What cannot be read holds nothing: the proof is then missing.
    #[inline]
    pub(crate) fn read<'a>(&self, body: &'a [u8]) -> Picked<'a> {
        let nothing = self.wanted.is_none() && !self.form;
        if nothing || body.len() > LARGEST { Picked::default() } else { self.look(body) }
    }

    fn look<'a>(&self, body: &'a [u8]) -> Picked<'a> {
        let found = self.wanted.as_ref().and_then(|wanted| scan(body, wanted).ok());
        let form =
            if self.form { url::form_urlencoded::parse(body).take(MAX_FIELDS + 1).collect() } else { Vec::new() };
        Picked { found, form: if form.len() > MAX_FIELDS { Vec::new() } else { form } }
    }
}

impl<'a> Picked<'a> {
    /// The scanned body, where a pointer is wanted and the body is JSON.
    pub(crate) fn found(&self) -> Option<&Found<'a>> {
        self.found.as_ref()
    }

    /// All values of a field of the form.
    pub(crate) fn form(&self, name: &str) -> impl Iterator<Item = &Cow<'a, str>> {
        self.form.iter().filter(move |(key, _)| key == name).map(|(_, value)| value)
    }

    /// Every name followed by each of its values, names and values sorted and once each: what Twilio signs of a form.
    pub(crate) fn form_sorted(&self) -> String {
        let mut sorted: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (name, value) in &self.form {
            sorted.entry(name).or_default().insert(value);
        }
        sorted.iter().flat_map(|(name, values)| values.iter().flat_map(move |value| [*name, *value])).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Picks;

    #[test]
    fn a_form_is_sorted_and_told_once() {
        let mut picks = Picks::default();
        picks.form();
        let picks = picks.close();
        let sorted = |body: &str| picks.read(body.as_bytes()).form_sorted();
        assert_eq!(sorted("b=2&a=1&B=3"), "B3a1b2");
        assert_eq!(sorted("Digits=5678&Digits=1234&Digits=5678&Sid=CA+1%2B"), "Digits1234Digits5678SidCA 1+");
        assert_eq!(sorted(""), "");
        assert_eq!(sorted(&"a=1&".repeat(1_001)), "", "too many fields are none");
    }

    #[test]
    fn what_cannot_be_read_holds_nothing() {
        let mut picks = Picks::default();
        let slot = picks.slot(&"/token".parse().unwrap());
        let picks = picks.close();
        assert_eq!(picks.read(br#"{"token":"t"}"#).found().unwrap().text(slot).unwrap(), "t");
        for body in [&b"{"[..], b"", br#"{"token":"a","token":"b"}"#, b"\xff"] {
            assert!(picks.read(body).found().is_none());
        }
        assert!(picks.read(&vec![b' '; super::LARGEST + 1]).found().is_none());
    }
}
