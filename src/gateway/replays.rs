//! Bodies that came before, for sources whose event id the signature does not cover: whoever holds one signed body can
//! send it again under another id. Such events are accepted and counted, so that somebody can look.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use super::duplicates::Key;

/// Bodies remembered per source; about 100 bytes each.
const REMEMBERED: usize = 10_000;

/// The latest bodies of a source and the ids they came under.
#[derive(Default)]
pub(super) struct Bodies(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    ids: HashMap<Key, Key>,
    order: VecDeque<Key>,
}

impl Bodies {
    /// Remember a body; whether it came before under another id.
    pub(super) fn seen_under_another_id(&self, body: &[u8], id: &str) -> bool {
        let (body, id) = (Key::of(body), Key::new(id));
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = inner.ids.insert(body, id) else {
            inner.order.push_back(body);
            if inner.order.len() > REMEMBERED
                && let Some(oldest) = inner.order.pop_front()
            {
                inner.ids.remove(&oldest);
            }
            return false;
        };
        known != id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_under_another_id_is_noticed_and_a_repeat_is_not() {
        let bodies = Bodies::default();
        assert!(!bodies.seen_under_another_id(b"{}", "a"));
        assert!(!bodies.seen_under_another_id(b"{}", "a"), "a redelivery");
        assert!(bodies.seen_under_another_id(b"{}", "b"));
    }

    #[test]
    fn the_oldest_body_is_forgotten() {
        let bodies = Bodies::default();
        for number in 0..=REMEMBERED {
            bodies.seen_under_another_id(number.to_string().as_bytes(), "a");
        }
        assert!(!bodies.seen_under_another_id(b"0", "b"));
        assert!(bodies.seen_under_another_id(b"5", "b"));
    }
}
