//! The one pass over a body: never panics, takes what serde_json takes but for our own further rules, and picks what
//! serde_json would pick.
#![no_main]

use std::sync::LazyLock;

use hookstream::event::{Data, Flaw, Pointer, Wanted, scan};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

const PLACES: [&str; 6] = ["/id", "/type", "/data/object/id", "/a/0/b", "/0", ""];

static POINTERS: LazyLock<Vec<Pointer>> = LazyLock::new(|| pointers(&PLACES));
static WANTED: LazyLock<Wanted> = LazyLock::new(|| Wanted::new(&POINTERS));
static BATCH: LazyLock<Wanted> =
    LazyLock::new(|| Wanted::splitting(&pointers(&["/id", "/a/*/id", "/a/*/b/*/id"]), &pointers(&["/*", "/a/*/b/*"])));

fn pointers(texts: &[&str]) -> Vec<Pointer> {
    texts.iter().map(|text| text.parse().expect("a pointer")).collect()
}

fuzz_target!(|body: &[u8]| {
    let theirs = serde_json::from_slice::<Value>(body);
    match (scan(body, &WANTED), &theirs) {
        (Ok(found), Ok(value)) => {
            for (slot, place) in PLACES.iter().enumerate() {
                let _ = found.text(slot);
                let picked = found.raw(slot).map(|raw| serde_json::from_slice::<Value>(raw).expect("sound"));
                assert_eq!(picked.as_ref(), value.pointer(place), "{place}");
            }
        }
        (Ok(_), Err(theirs)) => panic!("taken, and serde_json says: {theirs}"),
        (Err(ours), Ok(_)) => assert!(
            matches!(ours.flaw, Flaw::DuplicateName | Flaw::TooDeep | Flaw::NumberTooLong),
            "serde_json takes it: {ours:?}"
        ),
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
