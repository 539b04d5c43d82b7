//! The one pass over a body: never panics, and what it takes, every strict reader takes.
#![no_main]

use hookstream::event::{Pointer, Wanted, scan};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let pointers: Vec<Pointer> =
        ["/id", "/type", "/data/object/id", "/a/0/b", ""].iter().filter_map(|text| text.parse().ok()).collect();
    let wanted = Wanted::new(&pointers);
    if let Ok(found) = scan(body, &wanted) {
        assert!(std::str::from_utf8(body).is_ok());
        for slot in 0..pointers.len() {
            let _ = found.text(slot);
            if let Some(raw) = found.raw(slot) {
                assert!(scan(raw, &Wanted::new(&[])).is_ok(), "a part of what is sound is sound");
            }
        }
    }
});
