//! The scan against a list of hostile bodies and, by generated ones, against serde_json.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::{Duration, Instant};

use hookstream::event::{Data, Flaw, Wanted, scan};
use proptest::prelude::*;
use serde_json::Value;

fn flaw(body: &[u8]) -> Result<(), Flaw> {
    scan(body, &Wanted::none()).map(drop).map_err(|unreadable| unreadable.flaw)
}

fn wanted(pointers: &[&str]) -> Wanted {
    Wanted::new(&pointers.iter().map(|pointer| pointer.parse().unwrap()).collect::<Vec<_>>())
}

#[test]
fn values_are_picked_as_they_were_written() {
    let wanted = wanted(&["/id", "/data/object/0/amount", "/a~1b", "", "/data/object", "/no", "/n", "/t", "/id", "/0"]);
    let body = br#" {"i\u0064":"evt\n1", "data":{"object":[ {"amount":-0.100} ,2]},"a/b":"\ud83d\ude00","n":null,"t":true,"0":7} "#;
    let found = scan(body, &wanted).unwrap();
    assert_eq!(found.raw(0), Some(&br#""evt\n1""#[..]));
    assert_eq!(found.text(0).as_deref(), Some("evt\n1"));
    assert_eq!(found.text(1).as_deref(), Some("-0.100"));
    assert_eq!(found.text(2).as_deref(), Some("\u{1F600}"));
    assert_eq!(found.raw(3), Some(body.trim_ascii()));
    assert_eq!(found.raw(4), Some(&br#"[ {"amount":-0.100} ,2]"#[..]));
    assert_eq!((found.text(3), found.text(4), found.raw(5)), (None, None, None));
    assert_eq!((found.raw(6), found.text(6)), (Some(&b"null"[..]), None));
    assert_eq!(found.text(7).as_deref(), Some("true"));
    assert_eq!(found.text(8).as_deref(), Some("evt\n1"));
    assert_eq!(found.text(9).as_deref(), Some("7"));
    assert_eq!(found.raw(99), None);
}

#[test]
fn picked_text_borrows_from_the_body() {
    let found = scan(br#"{"id":"plain"}"#, &wanted(&["/id"])).unwrap();
    assert!(matches!(found.text(0), Some(std::borrow::Cow::Borrowed("plain"))));
}

/// The classes of the JSON parsing test suites, and the limits of the envelope.
#[test]
fn good_bodies_pass() {
    let deep = [vec![b'['; 60], vec![b']'; 60]].concat();
    let name = format!("{{\"{}\":1}}", "n".repeat(50_000));
    let bodies: &[&[u8]] = &[
        b"null",
        b"true",
        b"\"\"",
        b"0",
        b"-0",
        b"[]",
        b"{}",
        b" [ 1 , 2 ] ",
        b"\t\r\n{ }\n",
        b"[[],{}]",
        b"{\"a\":{\"a\":{\"a\":1}},\"b\":[{\"a\":1},{\"a\":2}]}",
        b"[9007199254740993,0.1000000000000000055511151231257827]",
        b"[1E22,1e-22,1e+2,0e1,-1.5E3,123123e10,1e-400]",
        b"\"\\u0000\\u001f\\uD834\\uDD1E\\uFFFF\"",
        "\"é\u{7f}\u{2028}\u{10FFFF}\u{FEFF}\"".as_bytes(),
        b"{\"\":1,\"\\u0000\":2,\" \":3}",
        &deep,
        name.as_bytes(),
    ];
    for body in bodies {
        assert_eq!(flaw(body), Ok(()), "{}", String::from_utf8_lossy(&body[..body.len().min(60)]));
        assert!(serde_json::from_slice::<Value>(body).is_ok());
    }
}

#[test]
fn bad_bodies_are_refused_with_their_flaw() {
    let cases: &[(Flaw, &[&[u8]])] = &[
        (
            Flaw::CutShort,
            &[
                b"",
                b" ",
                b"[",
                b"[1",
                b"[1,",
                b"{",
                b"{\"a\"",
                b"{\"a\":",
                b"{\"a\":1",
                b"{\"a\":1,",
                b"\"a",
                b"\"\\",
                b"\"\\u00",
                b"tru",
                b"-",
                b"1.",
                b"1e",
            ],
        ),
        (
            Flaw::Syntax,
            &[
                b"[,1]",
                b"[1,]",
                b"[1 2]",
                b"[1:2]",
                b"{1:2}",
                b"{\"a\" 1}",
                b"{\"a\":1,}",
                b"{,}",
                b"{a:1}",
                b"{'a':1}",
                b"]",
                b"}",
                b"[}",
                b"{]",
                b"nul1",
                b"True",
                b"NaN",
                b"Infinity",
                b"-Infinity",
                b"+1",
                b".5",
                b"01",
                b"-01",
                b"1.e1",
                b"/*c*/1",
                b"\x0b1",
                b"\x0c1",
                b"[1\x00]",
                "\u{FEFF}{}".as_bytes(),
                "\u{a0}1".as_bytes(),
                "[１]".as_bytes(),
            ],
        ),
        (Flaw::Trailing, &[b"1 1", b"{}{}", b"[]]", b"null,", b"\"a\"b", b"1\x00", b"0x10", b"[1]//"]),
        (
            Flaw::Utf8,
            &[
                b"\"\xff\"",
                b"\"\xc3\"",
                b"\"\xc0\xaf\"",
                b"\"\xed\xa0\x80\"",
                b"\"\xf4\x90\x80\x80\"",
                b"\xff\xfe{\x00}\x00",
                b"{}\xff",
            ],
        ),
        (
            Flaw::DuplicateName,
            &[
                b"{\"id\":1,\"id\":2}",
                b"{\"id\":1,\"i\\u0064\":2}",
                b"{\"\\u0069d\":1,\"i\\u0064\":1}",
                b"[{\"a\":{\"b\":1,\"c\":[{}],\"b\":2}}]",
                b"{\"\":1,\"\":2}",
                b"{\"\\/\":1,\"/\":2}",
                "{\"é\":1,\"\\u00e9\":2}".as_bytes(),
                "{\"😀\":1,\"\\ud83d\\ude00\":2}".as_bytes(),
            ],
        ),
        (Flaw::ControlCharacter, &[b"\"\n\"", b"\"\x00\"", b"\"abcdefghij\x1f\"", b"{\"a\tb\":1}"]),
        (
            Flaw::Escape,
            &[b"\"\\x41\"", b"\"\\u12G4\"", b"\"\\'\"", b"\"\\U0041\"", b"\"\\\n\"", b"\"\\u\"", b"\"\\u+123\""],
        ),
        (
            Flaw::LoneSurrogate,
            &[
                b"\"\\ud800\"",
                b"\"\\udc00\"",
                b"\"\\ud800\\ud800\"",
                b"\"\\ud800x\"",
                b"{\"\\udfff\":1}",
                b"\"\\ud800\\n\"",
            ],
        ),
        (Flaw::NumberOutOfRange, &[b"1e400", b"-1e400", b"[1.8e308]", b"1e99999999999999999999"]),
    ];
    for (expected, bodies) in cases {
        for body in *bodies {
            assert_eq!(flaw(body), Err(*expected), "{:?}", String::from_utf8_lossy(body));
        }
    }
}

#[test]
fn limits_are_limits() {
    let nested = |levels: usize| [b"{\"a\":".repeat(levels), b"1".to_vec(), b"}".repeat(levels)].concat();
    assert_eq!(flaw(&nested(60)), Ok(()));
    assert_eq!(flaw(&nested(61)), Err(Flaw::TooDeep));
    assert_eq!(flaw(&vec![b'['; 1_000_000]), Err(Flaw::TooDeep));
    assert_eq!(flaw(format!("{{\"{}\":1}}", "n".repeat(50_001)).as_bytes()), Err(Flaw::NameTooLong));
    assert_eq!(flaw(format!("\"{}\"", "s".repeat(20_000_000)).as_bytes()), Ok(()));
    assert_eq!(flaw(format!("\"{}\"", "s".repeat(20_000_001)).as_bytes()), Err(Flaw::StringTooLong));
    assert_eq!(flaw(format!("0.{}", "1".repeat(998)).as_bytes()), Ok(()));
    assert_eq!(flaw(format!("0.{}", "1".repeat(999)).as_bytes()), Err(Flaw::NumberTooLong));
}

#[test]
fn offsets_point_at_the_flaw() {
    for (body, offset) in [
        (&b"[1,x]"[..], 3),
        (b"{\"a\":1,\"a\":2}", 8),
        (b"\"ab\xff\"", 3),
        (b"{\"a\":1} x", 8),
        (b"[1e400]", 1),
        (b"[\"a\\ud800\"]", 3),
    ] {
        assert_eq!(scan(body, &Wanted::none()).unwrap_err().offset, offset, "{}", String::from_utf8_lossy(body));
    }
}

/// Generous for a debug build under load; quadratic work would take minutes.
fn in_time<T>(work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = work();
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    result
}

#[test]
fn a_million_names_are_no_attack() {
    let mut body: String = std::iter::once('{').collect();
    body.extend((0..1_000_000).map(|n| format!("\"{n}\":0,")));
    assert_eq!(in_time(|| flaw(format!("{body}\"x\":0}}").as_bytes())), Ok(()));
    assert_eq!(in_time(|| flaw(format!("{body}\"7\":0}}").as_bytes())), Err(Flaw::DuplicateName));
    assert_eq!(
        in_time(|| flaw(format!("{{{}\"b\":0}}", "\"a\":0,".repeat(1_000_000)).as_bytes())),
        Err(Flaw::DuplicateName)
    );
}

#[test]
fn names_made_to_collide_are_no_attack() {
    // Same length, same first and last eight bytes: every cheap fingerprint agrees.
    let body: String = (0..200_000).map(|n| format!("\"aaaaaaaa{n:08}bbbbbbbb\":0,")).collect();
    assert_eq!(in_time(|| flaw(format!("{{{body}\"x\":0}}").as_bytes())), Ok(()));
    let long: String = (0..40).map(|n| format!("\"{}{n:02}{}\":0,", "\\u0061".repeat(8_000), "b".repeat(8))).collect();
    assert_eq!(in_time(|| flaw(format!("{{{long}\"x\":0}}").as_bytes())), Ok(()));
}

/// JSON texts of every shape that the envelope allows.
pub(crate) fn json() -> impl Strategy<Value = String> {
    let number = prop_oneof![
        any::<i64>().prop_map(|n| n.to_string()),
        "-?(0|[1-9][0-9]{0,40})(\\.[0-9]{1,40})?([eE][+-]?[0-9]{1,2})?",
    ];
    let string = any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap());
    let escaped = prop::collection::vec(any::<char>(), 0..6).prop_map(|characters| {
        let units = characters.iter().flat_map(|c| c.encode_utf16(&mut [0; 2]).to_vec());
        format!("\"{}\"", units.map(|unit| format!("\\u{unit:04x}")).collect::<String>())
    });
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("false".to_owned()),
        number,
        string,
        escaped
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(|values| format!("[ {}]", values.join(" ,"))),
            prop::collection::btree_map("[a-c\"\\\\é😀]{0,3}", inner, 0..6).prop_map(|members| {
                let members: Vec<_> = members
                    .iter()
                    .map(|(name, value)| format!("{}:{value}", serde_json::to_string(name).unwrap()))
                    .collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

proptest! {
    #[test]
    fn good_json_is_accepted(text in json()) {
        prop_assert_eq!(flaw(text.as_bytes()), Ok(()));
        prop_assert!(serde_json::from_str::<Value>(&text).is_ok());
    }

    /// Whatever the scan accepts serde_json accepts; whatever serde_json alone accepts breaks one of our further rules.
    #[test]
    fn changed_json_is_judged_as_serde_json_does(text in json(), edits in prop::collection::vec((any::<prop::sample::Index>(), edit()), 1..4)) {
        let mut body = text.into_bytes();
        for (index, edit) in edits {
            let at = index.index(body.len() + 1);
            match edit {
                Edit::Insert(byte) => body.insert(at, byte),
                Edit::Replace(byte) => if let Some(place) = body.get_mut(at) { *place = byte },
                Edit::Remove => { if at < body.len() { body.remove(at); } }
            }
        }
        let theirs = serde_json::from_slice::<Value>(&body);
        match flaw(&body) {
            Ok(()) => prop_assert!(theirs.is_ok(), "{:?}", theirs),
            Err(Flaw::DuplicateName | Flaw::TooDeep | Flaw::NumberTooLong) => {}
            Err(ours) => prop_assert!(theirs.is_err(), "{:?}", ours),
        }
    }

    #[test]
    fn any_bytes_are_judged_without_panic(body in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = scan(&body, &wanted(&["", "/a", "/0/0"]));
    }

    #[test]
    fn picks_agree_with_serde_json(text in json(), names in prop::collection::vec("[a-c]{0,2}|[0-3]", 0..4)) {
        let pointer: String = names.iter().map(|name| format!("/{name}")).collect();
        let value: Value = serde_json::from_str(&text).unwrap();
        let picked = scan(text.as_bytes(), &wanted(&[&pointer])).unwrap();
        let picked = picked.raw(0).map(|raw| serde_json::from_slice::<Value>(raw).unwrap());
        prop_assert_eq!(picked.as_ref(), value.pointer(&pointer));
    }

    #[test]
    fn a_repeated_name_is_found_wherever_it_stands(count in 2..150usize, one in any::<prop::sample::Index>(), escaped in any::<bool>()) {
        let mut names: Vec<String> = (0..count).map(|n| format!("\"name{n}\":{n}")).collect();
        prop_assert_eq!(flaw(format!("{{{}}}", names.join(",")).as_bytes()), Ok(()));
        let again = names[one.index(count)].clone();
        names.push(if escaped { again.replacen('n', "\\u006e", 1) } else { again });
        prop_assert_eq!(flaw(format!("{{{}}}", names.join(",")).as_bytes()), Err(Flaw::DuplicateName));
    }

    #[test]
    fn any_form_becomes_readable_json(pairs in prop::collection::vec(("[a-d]{1,2}", any::<String>()), 0..8)) {
        let encode = |text: &str| text.bytes().map(|b| format!("%{b:02x}")).collect::<String>();
        let body: Vec<_> = pairs.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
        let data = Data::form(body.join("&").as_bytes()).map(|data| data.text().map(<[u8]>::to_vec)).unwrap();
        let Some(text) = data else { return Ok(()) };
        prop_assert_eq!(flaw(&text), Ok(()));
        let object: Value = serde_json::from_slice(&text).unwrap();
        for (name, value) in pairs.iter().rev() {
            prop_assert!(object[name].is_string());
            let first = pairs.iter().find(|(other, _)| other == name).map(|(_, value)| value);
            prop_assert_eq!(object[name].as_str(), first.map(String::as_str), "{}", value);
        }
    }
}

#[derive(Clone, Debug)]
enum Edit {
    Insert(u8),
    Replace(u8),
    Remove,
}

fn edit() -> impl Strategy<Value = Edit> {
    let byte = || {
        prop_oneof![
            prop::sample::select(&b"\"\\{}[]:,0159-+.eEtfnu \n\x00\x1f\x80\xc3\xff"[..]).prop_map(|b| b),
            any::<u8>()
        ]
    };
    prop_oneof![byte().prop_map(Edit::Insert), byte().prop_map(Edit::Replace), Just(Edit::Remove)]
}
