//! The configuration file and its overrides: any text is taken, or refused with a sentence.
#![no_main]

use std::path::Path;

use hookstream::config::Config;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    // After a line of its own: overrides from the environment.
    let (text, variables) = text.split_once("\n# environment\n").unwrap_or((text, ""));
    // Files beside it are read: there are none.
    if text.contains("providers_dir") {
        return;
    }
    let variables = variables.lines().filter_map(|line| line.split_once('='));
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    match Config::parse(Path::new("/nonexistent/hookstream.toml"), text, variables) {
        Err(error) => assert!(!error.message.is_empty() && !error.origin.is_empty()),
        Ok(config) => {
            for source in config.sources.values() {
                let _ = source.bind_with(Vec::new());
                assert!(source.path.starts_with('/'), "{}", source.path);
            }
        }
    }
});
