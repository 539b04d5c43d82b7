//! The configuration file and its overrides: any text is taken, or refused with a sentence, in which no secret stands that
//! somebody pasted where its reference belongs.
#![no_main]

use std::path::Path;

use hookstream::config::Config;
use libfuzzer_sys::fuzz_target;
use toml::{Table, Value};

/// What stands for a pasted secret.
const PASTED: &str = "PASTED-7d2c";

/// Where references to secrets stand.
const PLACES: [&str; 6] = ["secrets", "api_key", "token", "credentials", "key_roots", "tenants"];

fuzz_target!(|text: &str| {
    // After a line of its own: overrides from the environment.
    let (text, variables) = text.split_once("\n# environment\n").unwrap_or((text, ""));
    // Files beside it are read: there are none.
    if text.contains("providers_dir") {
        return;
    }
    let variables = variables.lines().filter_map(|line| line.split_once('='));
    let variables: Vec<_> = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let pasted = variables.iter().all(|(name, _)| !name.contains(PASTED)) && is_pasted(text);
    match Config::parse(Path::new("/nonexistent/hookstream.toml"), text, variables) {
        Err(error) => {
            assert!(!error.message.is_empty() && !error.origin.is_empty());
            assert!(!pasted || !error.message.contains(PASTED), "{}", error.message);
        }
        Ok(config) => {
            for source in config.sources.values() {
                let _ = source.bind_with(Vec::new());
                assert!(source.path.starts_with('/'), "{}", source.path);
            }
        }
    }
});

/// Does the text stand where a reference belongs, and nowhere else?
fn is_pasted(text: &str) -> bool {
    let Ok(table) = text.parse::<Table>() else { return false };
    let (mut inside, mut all) = (0, text.matches(PASTED).count());
    for (key, value) in &table {
        count(key, value, false, &mut inside);
    }
    all -= inside;
    inside > 0 && all == 0
}

fn count(key: &str, value: &Value, within: bool, inside: &mut usize) {
    let within = within || PLACES.contains(&key);
    match value {
        Value::Table(table) => table.iter().for_each(|(key, value)| count(key, value, within, inside)),
        Value::Array(items) => items.iter().for_each(|item| count("", item, within, inside)),
        Value::String(text) if within && !text.starts_with("env:") && !text.starts_with("file:") => {
            *inside += text.matches(PASTED).count();
        }
        _ => {}
    }
}
