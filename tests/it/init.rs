//! `init`: what it writes can be used once the blanks are filled in, for every provider.

use std::path::Path;
use std::process::{Command, Output};

use hookstream::config::Config;
use hookstream::config::file::File;
use hookstream::dev;
use hookstream::provider::starter::{self, TO_FILL_IN};
use hookstream::provider::{Catalogue, Provider};

use crate::support::keys::DevKeys;

fn hookstream(arguments: &[&str], directory: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hookstream"));
    command.args(arguments).current_dir(directory).env_remove("HOOKSTREAM_CONFIG").output().unwrap()
}

fn written(providers: &[&str], directory: &Path) -> String {
    let arguments = [&["init", "--public-url", "https://hooks.example.org/"], providers].concat();
    let output = hookstream(&arguments, directory);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Put a file in the place of each variable, as the comment at its head offers, and a word into each blank.
fn filled_in(text: &str, provider: &Provider, keys: &DevKeys, directory: &Path) -> String {
    let secrets = dev::secrets(provider, keys.file(provider).as_deref()).unwrap();
    // Not every word will do.
    let mut text = text.to_owned();
    for (param, value) in [("environment", "sandbox"), ("topics", "arn:aws:sns:us-west-2:123456789012:alarms")] {
        text = text.replace(&format!("{param} = \"{TO_FILL_IN}\""), &format!("{param} = \"{value}\""));
    }
    let mut text = text.replace(TO_FILL_IN, "a-word-of-our-own");
    for variable in starter::variables(provider) {
        assert!(!variable.place.is_empty());
        let file = directory.join(&variable.name);
        std::fs::write(
            &file,
            match secrets.first() {
                Some(secret) => another(secret.expose_text().unwrap(), provider),
                // A key to the API, not a secret of the webhook.
                None => "fake_api_key".to_owned(),
            },
        )
        .unwrap();
        let reference = format!("\"env:{}\"", variable.name);
        assert!(text.contains(&reference), "{reference} is nowhere in\n{text}");
        text = text.replace(&reference, &format!("\"file:{}\"", file.display()));
    }
    text
}

/// Another secret than the one of dev, of the same form: one letter differs in a way that every form bears.
fn another(secret: &str, provider: &Provider) -> String {
    if provider.key_kind().is_some() {
        return secret.to_owned();
    }
    let at = secret.rfind(|c: char| matches!(c, 'a'..='e' | '1'..='8')).expect("a letter");
    let mut bytes = secret.as_bytes().to_vec();
    bytes[at] += 1;
    String::from_utf8(bytes).unwrap()
}

#[test]
fn every_provider_has_a_beginning_that_works() {
    let directory = tempfile::tempdir().unwrap();
    let keys = DevKeys::new();
    let catalogue = Catalogue::embedded().unwrap();
    let names: Vec<&str> = catalogue.iter().map(|provider| provider.name()).collect();
    let original = written(&names, directory.path());
    let mut all = original.clone();
    for provider in catalogue.iter() {
        let name = provider.name();
        // The command writes the same for one as for many, so that one process is enough for all of them.
        let url = format!("https://hooks.example.org/webhooks/{name}");
        let table = starter::source_table(provider, &url);
        assert!(original.contains(&table) && original.contains(&url), "{name}");
        let alone: File = toml::from_str(&table).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(alone.sources.keys().collect::<Vec<_>>(), [name]);
        all = filled_in(&all, provider, &keys, directory.path());
    }
    let config = Config::parse(Path::new("hookstream.toml"), &all, []).unwrap_or_else(|error| panic!("{error}\n{all}"));
    for source in config.sources.values() {
        source.bind().unwrap_or_else(|error| panic!("{error}"));
    }
    // What is commented out can be put in as it stands.
    let open =
        |line: &&str| ["api_key", "credentials.", "allow ="].iter().any(|key| line.starts_with(&format!("# {key}")));
    let lines = all.lines().map(|line| if open(&line) { &line[2..] } else { line });
    let all_of_it = lines.collect::<Vec<_>>().join("\n");
    Config::parse(Path::new("hookstream.toml"), &all_of_it, []).unwrap_or_else(|error| panic!("{error}\n{all_of_it}"));
    std::fs::write(directory.path().join("hookstream.toml"), &all).unwrap();
    let checked = hookstream(&["check", "--offline"], directory.path());
    let table = String::from_utf8(checked.stdout).unwrap();
    assert!(checked.status.success(), "{table}{}", String::from_utf8_lossy(&checked.stderr));
    let wide = table.lines().find(|line| line.chars().count() > 105);
    assert!(wide.is_none(), "wider than a screen: {wide:?}");
}

#[test]
fn what_is_left_blank_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let text = written(&["meta"], directory.path());
    std::fs::write(directory.path().join("hookstream.toml"), &text).unwrap();
    let checked = hookstream(&["check", "--offline"], directory.path());
    let table = String::from_utf8(checked.stdout).unwrap();
    assert_eq!(checked.status.code(), Some(1), "{table}");
    assert!(
        table.contains("META_WEBHOOK_SECRET is not set") && table.contains("params.verify_token is still"),
        "{table}"
    );
}

/// `hookstream init … > hookstream.toml` in the directory of that file: the shell has emptied it, or it is half written.
#[test]
fn the_file_that_is_being_written_is_not_read() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("hookstream.toml"), "this is [no TOML").unwrap();
    let text = written(&["stripe", "github", "stripe"], directory.path());
    assert_eq!(text.matches("[sources.stripe]").count(), 1, "{text}");
    Config::parse(Path::new("hookstream.toml"), &text, []).unwrap();
}

#[test]
fn it_says_what_it_wants() {
    let directory = tempfile::tempdir().unwrap();
    let nothing = hookstream(&["init"], directory.path());
    assert_eq!(nothing.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&nothing.stderr).contains("hookstream init stripe github > hookstream.toml"));
    let unknown = hookstream(&["init", "stripe", "git-hub"], directory.path());
    assert_eq!(unknown.status.code(), Some(1));
    assert!(unknown.stdout.is_empty(), "half a file is worse than none");
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("`git-hub`; did you mean `github`"));
    let url = hookstream(&["init", "stripe", "--public-url", "hooks.example.org"], directory.path());
    assert_eq!(url.status.code(), Some(1));
}

#[test]
fn a_private_provider_can_be_begun_with() {
    let directory = tempfile::tempdir().unwrap();
    let own = directory.path().join("own");
    std::fs::create_dir(&own).unwrap();
    let text = "name = \"acme\"\ntitle = \"Acme\"\ndocs = \"https://acme.example\"\n[needs]\nsecrets = { min = 1, where = \"the moon\" }\n\
                [verify]\nscheme = \"hmac-sha256\"\nheader = \"X-Acme\"\n[event]\nid = \"/id\"\ntype = \"/type\"\n";
    std::fs::write(own.join("acme.toml"), text).unwrap();
    let text = written(&["acme", "--providers-dir", "own"], directory.path());
    let config = Config::parse(&directory.path().join("hookstream.toml"), &text, []).unwrap();
    assert_eq!(config.sources["acme"].provider.title(), "Acme");
    assert!(text.contains("ACME_WEBHOOK_SECRET  the moon"), "{text}");
}

/// A sender that proves nothing: the file says so in words, and what it writes can be used.
#[test]
fn an_unsigned_provider_is_taken_knowingly() {
    let directory = tempfile::tempdir().unwrap();
    let own = directory.path().join("own");
    std::fs::create_dir(&own).unwrap();
    let text = "name = \"acme\"\ntitle = \"Acme\"\ndocs = \"https://acme.example\"\n[verify]\nscheme = \"none\"\n[event]\ntype = \"/type\"\n";
    std::fs::write(own.join("acme.toml"), text).unwrap();
    let text = written(&["acme", "--providers-dir", "own"], directory.path());
    assert!(
        text.contains("whoever reaches the path can write") && text.contains("\naccept_unsigned = true\n"),
        "{text}"
    );
    let config = Config::parse(&directory.path().join("hookstream.toml"), &text, []).unwrap();
    config.sources["acme"].bind().unwrap();
}
