//! The schemas of the data files against the files, and against the lists in the code.

use std::collections::BTreeSet;

use hookstream::provider::{CATEGORIES, Provider, Reject};
use serde_json::{Value, json};

fn schema(name: &str) -> Value {
    let path = format!("{}/schemas/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The files in `providers/` that are vectors, or that are not.
fn files(vectors: bool) -> Vec<(String, Value)> {
    let directory = std::fs::read_dir(format!("{}/providers", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let names = directory.map(|entry| entry.unwrap().path());
    let chosen = names.filter(|path| path.to_string_lossy().ends_with(".vectors.toml") == vectors);
    chosen
        .map(|path| (path.display().to_string(), toml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()))
        .collect()
}

#[test]
fn every_file_fits_its_schema() {
    for (name, vectors) in [("provider.schema.json", false), ("vectors.schema.json", true)] {
        let validator = jsonschema::validator_for(&schema(name)).unwrap();
        for (file, value) in files(vectors) {
            let errors: Vec<_> =
                validator.iter_errors(&value).map(|error| format!("{}: {error}", error.instance_path())).collect();
            assert!(errors.is_empty(), "{file}:\n{}", errors.join("\n"));
        }
    }
}

#[test]
fn a_key_that_nobody_knows_fits_none() {
    let validator = jsonschema::validator_for(&schema("provider.schema.json")).unwrap();
    let (_, mut provider) = files(false).remove(0);
    assert!(validator.is_valid(&provider));
    provider["docs_url"] = json!("https://x.example");
    assert!(!validator.is_valid(&provider));
}

#[test]
fn the_vocabularies_are_the_same() {
    let mut expected = vec!["ok", "handshake", "unreadable"];
    expected.extend(Reject::ALL.iter().map(|reject| reject.as_str()));
    let vectors = schema("vectors.schema.json");
    assert_eq!(vectors["$defs"]["vector"]["properties"]["expect"]["enum"], json!(expected));
    let categories: Vec<_> = CATEGORIES.iter().map(|(name, _)| name).collect();
    assert_eq!(schema("provider.schema.json")["$defs"]["category"]["enum"], json!(categories));
}

/// What the reader of the files says it takes at the key that holds `nonsense`.
fn taken(text: &str) -> BTreeSet<String> {
    let error = Provider::parse("x", text).unwrap_err().to_string();
    let (_, expected) = error.split_once("expected").unwrap_or_else(|| panic!("{error}"));
    expected.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn schema_and_reader_know_the_same_keys() {
    let schema = schema("provider.schema.json");
    let keys = |part: &Value| part["properties"].as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    let properties = &schema["properties"];
    let head = "name = \"x\"\ntitle = \"x\"\ndocs = \"x\"\nverify = { scheme = \"none\" }\nevent = {}\n";
    for (text, part) in [
        ("nonsense = 1".to_owned(), &schema),
        ("verify = { nonsense = 1 }".to_owned(), &schema["$defs"]["verify"]),
        ("event = { nonsense = 1 }".to_owned(), &schema["$defs"]["event"]),
        ("needs = { nonsense = 1 }".to_owned(), &properties["needs"]),
        ("needs = { secrets = { nonsense = 1 } }".to_owned(), &properties["needs"]["properties"]["secrets"]),
        ("answer = { nonsense = 1 }".to_owned(), &properties["answer"]),
        ("answer = { disables = { nonsense = 1 } }".to_owned(), &properties["answer"]["properties"]["disables"]),
        ("addresses = { nonsense = 1 }".to_owned(), &properties["addresses"]),
        ("api = { nonsense = 1 }".to_owned(), &properties["api"]),
        ("api = { rate = { nonsense = 1 } }".to_owned(), &properties["api"]["properties"]["rate"]),
        ("handshake = [{ nonsense = 1 }]".to_owned(), &properties["handshake"]["items"]),
        (
            format!("{head}handshake = [{{ when = \"/a\", reply = {{ nonsense = 1 }} }}]"),
            &properties["handshake"]["items"]["properties"]["reply"],
        ),
        (format!("{head}samples = [{{ nonsense = 1 }}]"), &properties["samples"]["items"]),
        ("categories = { a = [{ nonsense = 1 }] }".to_owned(), &schema["$defs"]["case"]),
    ] {
        assert_eq!(taken(&text), keys(part), "{text}");
    }
}
