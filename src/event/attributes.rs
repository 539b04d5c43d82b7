//! The attributes of an event: what CloudEvents asks for, and ours.

use std::borrow::Cow;

use jiff::Timestamp;

/// What is known of an event besides its data. (source, id) is its identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attributes<'a> {
    /// The provider's id of the event, or the one its file derives; never empty.
    pub id: Cow<'a, str>,
    /// `/webhooks/{source name}`, see [`source_uri`]; with `/enriched` after it for enriched events.
    pub source: Cow<'a, str>,
    /// CloudEvents' `type`: the provider file's prefix and the provider's own name.
    pub kind: Cow<'a, str>,
    /// The object the event is about, by the provider's id.
    pub subject: Option<Cow<'a, str>>,
    /// When it happened, as the provider says. A year that RFC 3339 cannot write is left out.
    pub time: Option<Timestamp>,
    /// The schema of `data`; absent on raw events.
    pub dataschema: Option<Cow<'a, str>>,
    /// The provider's name, `stripe`.
    pub provider: Cow<'a, str>,
    /// The provider's own name for the type of event, `invoice.paid`; absent on a dead letter whose body nobody can read.
    pub providertype: Option<Cow<'a, str>>,
    /// The type in the vocabulary that all providers share, `payment.succeeded`.
    pub category: Option<Cow<'a, str>>,
    /// The account at the provider.
    pub tenant: Option<Cow<'a, str>>,
    /// How the event came here.
    pub origin: Origin,
    /// What the event's authenticity rests on.
    pub verification: Verification,
    /// The run of a replay or of a redelivery that an operator let through; absent for all that came by itself.
    pub run: Option<Cow<'a, str>>,
    /// When hookstream received it.
    pub recordedtime: Timestamp,
}

impl Attributes<'_> {
    /// The source's name: what stands between `/webhooks/` and the next slash.
    pub fn source_name(&self) -> &str {
        let name = self.source.strip_prefix("/webhooks/").unwrap_or(&self.source);
        name.strip_suffix("/enriched").unwrap_or(name)
    }

    /// The identity in topics that sources share: `{source}/{id}`. A source's name holds no slash.
    pub fn identity(&self) -> String {
        format!("{}/{}", self.source_name(), self.id)
    }
}

/// The `source` attribute of a configured source.
pub fn source_uri(name: &str) -> String {
    format!("/webhooks/{name}")
}

/// A text as a CloudEvents attribute can hold it: control characters and noncharacters, which the specification forbids
/// (section 3.1 "String"), are percent-encoded. Callers key and deduplicate by the cleaned id; cleaning twice changes nothing.
pub fn clean(text: Cow<'_, str>) -> Cow<'_, str> {
    // Without an early end the compiler checks many bytes at once.
    let plain = text.bytes().fold(true, |plain, b| plain & (0x20..0x7f).contains(&b));
    if plain || !text.contains(forbidden) {
        return text;
    }
    let mut cleaned = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if forbidden(character) {
            for byte in character.encode_utf8(&mut [0; 4]).bytes() {
                cleaned.push_str(&format!("%{byte:02X}"));
            }
        } else {
            cleaned.push(character);
        }
    }
    Cow::Owned(cleaned)
}

fn forbidden(character: char) -> bool {
    let code = u32::from(character);
    character.is_control() || (0xFDD0..=0xFDEF).contains(&code) || code & 0xFFFE == 0xFFFE
}

/// How an event came here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// The provider sent it.
    Webhook,
    /// `backfill` listed it at the provider.
    Backfill,
    /// `reconcile` found that it was missing.
    Reconcile,
    /// `poll` saw a changed record.
    Poll,
    /// `replay` put it here again.
    Replay,
    /// It was let out of quarantine.
    Quarantine,
}

impl Origin {
    /// Every origin.
    pub const ALL: [Origin; 6] =
        [Origin::Webhook, Origin::Backfill, Origin::Reconcile, Origin::Poll, Origin::Replay, Origin::Quarantine];

    /// The attribute's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Origin::Webhook => "webhook",
            Origin::Backfill => "backfill",
            Origin::Reconcile => "reconcile",
            Origin::Poll => "poll",
            Origin::Replay => "replay",
            Origin::Quarantine => "quarantine",
        }
    }

    /// The origin of this name.
    pub fn from_name(name: &str) -> Option<Origin> {
        Origin::ALL.into_iter().find(|origin| origin.as_str() == name)
    }
}

/// What an event's authenticity rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verification {
    /// A signature over the body.
    Signature,
    /// A secret that came with the request and says nothing about the body.
    Token,
    /// The event was fetched from, or confirmed at, the provider's API.
    Fetched,
    /// Nothing; somebody wrote down that this source accepts unsigned traffic.
    None,
}

impl Verification {
    /// Every kind.
    pub const ALL: [Verification; 4] =
        [Verification::Signature, Verification::Token, Verification::Fetched, Verification::None];

    /// The attribute's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Verification::Signature => "signature",
            Verification::Token => "token",
            Verification::Fetched => "fetched",
            Verification::None => "none",
        }
    }

    /// The kind of this name.
    pub fn from_name(name: &str) -> Option<Verification> {
        Verification::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_both_ways() {
        assert!(Origin::ALL.into_iter().all(|origin| Origin::from_name(origin.as_str()) == Some(origin)));
        assert!(Verification::ALL.into_iter().all(|kind| Verification::from_name(kind.as_str()) == Some(kind)));
        assert_eq!(Origin::from_name("Webhook"), None);
    }

    #[test]
    fn forbidden_characters_are_percent_encoded_once() {
        for (text, cleaned) in [
            ("evt_1PqX…é\u{1F600}%00", "evt_1PqX…é\u{1F600}%00"),
            ("a\u{0}b\nc\u{7f}", "a%00b%0Ac%7F"),
            ("\u{85}\u{FFFF}\u{FDD0}\u{1FFFE}", "%C2%85%EF%BF%BF%EF%B7%90%F0%9F%BF%BE"),
        ] {
            assert_eq!(clean(text.into()), cleaned);
            assert_eq!(clean(cleaned.into()), cleaned);
        }
    }
}
