//! The one pass over a body: never panics, takes what serde_json takes but for our own further rules, breaks none of these
//! where serde_json's own reading does not, and picks what serde_json would pick.
#![no_main]

use std::collections::HashSet;
use std::fmt;
use std::sync::LazyLock;

use hookstream::event::{Data, Flaw, Found, Pointer, Wanted, scan};
use libfuzzer_sys::fuzz_target;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// The deepest nesting that is taken.
const DEEPEST: usize = 60;

/// The longest number that is taken, in characters.
const LONGEST_NUMBER: usize = 1_000;

const PLACES: [&str; 6] = ["/id", "/type", "/data/object/id", "/a/0/b", "/0", ""];

static POINTERS: LazyLock<Vec<Pointer>> = LazyLock::new(|| pointers(&PLACES));
static WANTED: LazyLock<Wanted> = LazyLock::new(|| Wanted::new(&POINTERS));
static BATCH: LazyLock<Wanted> =
    LazyLock::new(|| Wanted::splitting(&pointers(&["/id", "/a/*/id", "/a/*/b/*/id"]), &pointers(&["/*", "/a/*/b/*"])));

fn pointers(texts: &[&str]) -> Vec<Pointer> {
    texts.iter().map(|text| text.parse().expect("a pointer")).collect()
}

/// What our own rules are about, as serde_json reads it: how deep a value is, and whether an object has a name twice.
#[derive(Default)]
struct Shape {
    depth: usize,
    has_duplicate: bool,
}

impl Shape {
    fn add(&mut self, inner: Shape) {
        self.depth = self.depth.max(inner.depth + 1);
        self.has_duplicate |= inner.has_duplicate;
    }
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Shape, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Shape;

            fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
                to.write_str("JSON")
            }

            fn visit_bool<E>(self, _: bool) -> Result<Shape, E> {
                Ok(Shape::default())
            }

            fn visit_i64<E>(self, _: i64) -> Result<Shape, E> {
                Ok(Shape::default())
            }

            fn visit_u64<E>(self, _: u64) -> Result<Shape, E> {
                Ok(Shape::default())
            }

            fn visit_f64<E>(self, _: f64) -> Result<Shape, E> {
                Ok(Shape::default())
            }

            fn visit_str<E>(self, _: &str) -> Result<Shape, E> {
                Ok(Shape::default())
            }

            fn visit_unit<E>(self) -> Result<Shape, E> {
                Ok(Shape::default())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Shape, A::Error> {
                let mut shape = Shape { depth: 1, ..Shape::default() };
                while let Some(inner) = array.next_element()? {
                    shape.add(inner);
                }
                Ok(shape)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Shape, A::Error> {
                let mut shape = Shape { depth: 1, ..Shape::default() };
                let mut names = HashSet::new();
                while let Some((name, inner)) = object.next_entry::<String, Shape>()? {
                    shape.has_duplicate |= !names.insert(name);
                    shape.add(inner);
                }
                Ok(shape)
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

fn shape(body: &[u8]) -> Shape {
    serde_json::from_slice(body).expect("it was read as a value")
}

/// Does a stretch of characters as in numbers go beyond what is taken?
fn has_long_number(body: &[u8]) -> bool {
    body.split(|byte| !matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'))
        .any(|run| run.len() > LONGEST_NUMBER)
}

/// The text that a slot has when this value stands there.
fn check_text(found: &Found<'_>, slot: usize, value: Option<&Value>) {
    let text = found.text(slot);
    match value {
        Some(Value::String(theirs)) => assert_eq!(text.as_deref(), Some(theirs.as_str())),
        Some(Value::Bool(_) | Value::Number(_)) => {
            assert_eq!(text.as_ref().map(|text| text.as_bytes()), found.raw(slot));
        }
        Some(Value::Null | Value::Array(_) | Value::Object(_)) | None => assert_eq!(text, None),
    }
}

fuzz_target!(|body: &[u8]| {
    let theirs = serde_json::from_slice::<Value>(body);
    match (scan(body, &WANTED), &theirs) {
        (Ok(found), Ok(value)) => {
            let Shape { depth, has_duplicate } = shape(body);
            assert!(depth <= DEEPEST && !has_duplicate, "taken with depth {depth}, duplicate: {has_duplicate}");
            for (slot, place) in PLACES.iter().enumerate() {
                check_text(&found, slot, value.pointer(place));
                let picked = found.raw(slot).map(|raw| serde_json::from_slice::<Value>(raw).expect("sound"));
                assert_eq!(picked.as_ref(), value.pointer(place), "{place}");
            }
        }
        (Ok(_), Err(theirs)) => panic!("taken, and serde_json says: {theirs}"),
        (Err(ours), Ok(_)) => {
            let right = match ours.flaw {
                Flaw::DuplicateName => shape(body).has_duplicate,
                Flaw::TooDeep => shape(body).depth > DEEPEST,
                Flaw::NumberTooLong => has_long_number(body),
                _ => false,
            };
            assert!(right, "serde_json takes it: {ours:?}");
        }
        (Err(_), Err(_)) => {}
    }
    if let Ok(found) = scan(body, &BATCH) {
        for (raw, item) in (0..found.items().unwrap_or(0)).filter_map(|place| found.item(place)) {
            assert!(scan(raw, &Wanted::none()).is_ok(), "a part of what is sound is sound");
            let _ = (0..3).map(|slot| item.text(slot)).count();
        }
    }
    for data in [Data::form(body), Data::json_or_form(body, "payload")].into_iter().flatten() {
        // The JSON of a form is ours: it is sound whatever was in the form. That of a field is the sender's.
        if let (Data::Derived { json, body: all }, true) = (&data, Data::form(body).as_ref() == Ok(&data)) {
            assert_eq!(*all, body);
            assert!(scan(json, &Wanted::none()).is_ok());
        }
    }
});
