//! The items of a batch: found in the one scan, each with the values that are its own.

use hookstream::event::{Flaw, Pointer, Wanted, scan};
use proptest::prelude::*;
use serde_json::Value;

fn pointers(texts: &[&str]) -> Vec<Pointer> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

/// Each item as it stands in the body, followed by the wanted values as it sees them.
fn items(body: &str, split: &[&str], wanted: &[&str]) -> Option<Vec<Vec<String>>> {
    let compiled = Wanted::splitting(&pointers(wanted), &pointers(split));
    let found = scan(body.as_bytes(), &compiled).unwrap();
    let item = |place| {
        let (raw, found) = found.item(place).unwrap();
        let texts = (0..wanted.len()).map(|slot| found.text(slot).unwrap_or_default().into_owned());
        std::iter::once(String::from_utf8(raw.to_vec()).unwrap()).chain(texts).collect()
    };
    Some((0..found.items()?).map(item).collect())
}

#[test]
fn a_top_level_array() {
    let found = items(r#" [ {"id":1} ,{"id":"b","x":[{"id":3}]}, {} ] "#, &["/*"], &["/*/id", "/id", "/0/id"]);
    let expected = [
        vec![r#"{"id":1}"#, "1", "", "1"],
        vec![r#"{"id":"b","x":[{"id":3}]}"#, "b", "", "1"],
        vec!["{}", "", "", "1"],
    ];
    assert_eq!(found.unwrap(), expected);
}

#[test]
fn two_levels_share_what_stands_beside_them_on_either_side() {
    let body =
        r#"{"o":"page","entry":[{"id":"e1","c":[{"f":"a"},{"f":"b"}],"t":5},{"c":[],"id":"e2"},{"id":"e3","m":1}]}"#;
    let wanted = ["/o", "/entry/*/id", "/entry/*/t", "/entry/*/c/*/f"];
    let expected = [
        vec![r#"{"f":"a"}"#, "page", "e1", "5", "a"],
        vec![r#"{"f":"b"}"#, "page", "e1", "5", "b"],
        // Neither array of items: the element is the event, or it would be lost.
        vec![r#"{"id":"e3","m":1}"#, "page", "e3", "", ""],
    ];
    assert_eq!(items(body, &["/entry/*/c/*", "/entry/*/x/*"], &wanted).unwrap(), expected);
}

#[test]
fn scalars_are_items() {
    let found = items(r#"{"ids":["7","8"],"m":"Leads"}"#, &["/ids/*"], &["/ids/*", "/m"]).unwrap();
    assert_eq!(found, [["\"7\"", "7", "Leads"], ["\"8\"", "8", "Leads"]]);
}

#[test]
fn an_empty_batch_is_one_and_another_shape_is_none() {
    assert_eq!(items("[]", &["/*"], &["/*/id"]), Some(vec![]));
    assert_eq!(items(r#"{"entry":[]}"#, &["/entry/*/c/*"], &[]), Some(vec![]));
    for other in [r#"{"id":1}"#, "7", r#"{"entry":{"c":[1]}}"#] {
        assert_eq!(items(other, &["/entry/*/c/*"], &["/id"]), None, "{other}");
    }
}

#[test]
fn a_batch_is_bounded() {
    let wanted = Wanted::splitting(&[], &pointers(&["/*"]));
    let body = |count: usize| format!("[{}]", vec!["1"; count].join(","));
    assert_eq!(scan(body(10_000).as_bytes(), &wanted).unwrap().items(), Some(10_000));
    assert_eq!(scan(body(10_001).as_bytes(), &wanted).unwrap_err().flaw, Flaw::TooManyItems);
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![Just(Value::Null), any::<u8>().prop_map(Value::from), "[a-c]{0,2}".prop_map(Value::from)];
    leaf.prop_recursive(5, 40, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("a|b|\\*", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    /// Against serde_json walking the same tree.
    #[test]
    fn items_are_those_of_another_parser(body in json()) {
        let text = body.to_string();
        let one = |array: &Value| array.as_array().map(|items| {
            items.iter().map(|item| vec![item.to_string(), text_of(item.pointer("/b"))]).collect::<Vec<_>>()
        });
        let found = items(&text, &["/a/*"], &["/a/*/b"]);
        prop_assert_eq!(found, body.pointer("/a").and_then(one));

        let two = body.pointer("/a").and_then(Value::as_array).map(|outer| {
            outer.iter().flat_map(|element| match element.pointer("/b").and_then(Value::as_array) {
                Some(inner) => inner.iter().map(|item| vec![item.to_string(), text_of(element.pointer("/a"))]).collect(),
                None => vec![vec![element.to_string(), text_of(element.pointer("/a"))]],
            }).collect::<Vec<_>>()
        });
        prop_assert_eq!(items(&text, &["/a/*/b/*"], &["/a/*/a"]), two);
    }
}

fn text_of(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(value @ (Value::Number(_) | Value::Bool(_))) => value.to_string(),
        _ => String::new(),
    }
}
