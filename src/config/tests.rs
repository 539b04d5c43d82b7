//! Wrong configurations: each names the key and what is allowed.

use std::path::Path;

use super::{Config, ConfigError};

fn parse(text: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::parse(Path::new("hookstream.toml"), text, variables)
}

fn refusal(text: &str) -> String {
    parse(text, &[]).expect_err("should be refused").to_string()
}

#[test]
fn an_empty_file_has_every_default() {
    let config = parse("", &[]).unwrap();
    assert_eq!(config.gateway.listen.port(), 8080);
    assert_eq!(config.admin.listen.port(), 9464);
    assert!(config.sources.is_empty());
}

#[test]
fn an_unknown_key_is_named_with_its_line_and_the_known_ones() {
    let message = refusal("[gateway]\nlisten = \"0.0.0.0:80\"\nmax_bodies = 3\n");
    assert!(message.contains("hookstream.toml") && message.contains("line 3"), "{message}");
    assert!(message.contains("max_bodies") && message.contains("max_connections"), "{message}");
}

#[test]
fn a_source_defaults_to_the_provider_of_its_name() {
    let config = parse(
        "[sources.stripe]\nsecrets = [\"env:S\"]\n[sources.shop-eu]\nprovider = \"shopify\"\npath = \"/shop/hook\"\n",
        &[],
    )
    .unwrap();
    assert_eq!(config.sources["stripe"].path, "/webhooks/stripe");
    assert_eq!(config.sources["stripe"].raw_topic, "webhooks.stripe");
    assert_eq!(config.sources["shop-eu"].provider.name(), "shopify");
}

#[test]
fn an_unknown_provider_lists_the_known_ones() {
    let message = refusal("[sources.strype]\n");
    assert!(message.contains("[sources.strype]") && message.contains("stripe"), "{message}");
}

#[test]
fn a_source_that_stands_there_twice_and_what_is_no_toml_are_refused_with_their_line() {
    for (text, line) in [
        ("[sources.stripe]\n[sources.stripe]\n", "line 2"),
        ("[sources.stripe]\nsecrets = [\n", "line 2"),
        ("\0", "line 1"),
    ] {
        let error = Config::parse(Path::new("hookstream.toml"), text, []).unwrap_err().to_string();
        assert!(error.contains(line), "{text:?}: {error}");
    }
}

#[test]
fn two_sources_on_one_path_are_refused() {
    let message = refusal("[sources.stripe]\npath = \"/in\"\n[sources.github]\npath = \"/in\"\n");
    assert!(message.contains("/in") && message.contains("another source"), "{message}");
}

#[test]
fn what_the_guarantees_rest_on_cannot_be_set() {
    let message = refusal("[kafka.properties]\nacks = 1\n");
    assert!(message.contains("kafka.properties") && message.contains("acks=all"), "{message}");
    let message = refusal("[kafka.producer]\nenable.idempotence = false\n");
    assert!(message.contains("enable.idempotence"), "{message}");
}

#[test]
fn properties_may_be_quoted_or_not() {
    let config =
        parse("[kafka.properties]\nsecurity.protocol = \"SASL_SSL\"\n\"sasl.mechanism\" = \"PLAIN\"\n", &[]).unwrap();
    let properties = config.kafka.properties.resolve().unwrap();
    assert!(properties.contains(&("security.protocol".to_owned(), "SASL_SSL".to_owned())));
    assert!(properties.contains(&("sasl.mechanism".to_owned(), "PLAIN".to_owned())));
}

#[test]
fn the_environment_overrides_the_file() {
    let config = parse(
        "[kafka]\nbootstrap_servers = \"a:1\"\n[kafka.topics]\npartitions = 3\n",
        &[
            ("HOOKSTREAM_KAFKA__BOOTSTRAP_SERVERS", "b:2"),
            ("HOOKSTREAM_KAFKA__TOPICS__PARTITIONS", "12"),
            ("HOOKSTREAM_KAFKA__PROPERTIES__SSL_CA_LOCATION", "/ca.pem"),
            ("HOOKSTREAM_CONFIG", "ignored.toml"),
        ],
    )
    .unwrap();
    assert_eq!(config.kafka.bootstrap_servers, "b:2");
    assert_eq!(config.kafka.topics.partitions, 12);
    assert_eq!(config.kafka.properties.resolve().unwrap(), [("ssl.ca.location".to_owned(), "/ca.pem".to_owned())]);
}

#[test]
fn an_override_is_read_as_what_its_key_wants() {
    let variables = [("HOOKSTREAM_ENRICH__INSTANCE", "0"), ("HOOKSTREAM_KAFKA__PROPERTIES__SASL_USERNAME", "1_000")];
    let config = parse("", &variables).unwrap();
    assert!(config.transactional_id().ends_with(".0"));
    assert_eq!(config.kafka.properties.resolve().unwrap(), [("sasl.username".to_owned(), "1_000".to_owned())]);
}

#[test]
fn an_override_of_nothing_is_refused() {
    let message = parse("", &[("HOOKSTREAM_GATWAY__LISTEN", "0.0.0.0:80")]).unwrap_err().to_string();
    assert!(message.starts_with("HOOKSTREAM_GATWAY__LISTEN") && message.contains("GATEWAY"), "{message}");
}

#[test]
fn a_password_stands_nowhere_in_the_file() {
    let message = refusal("[kafka.properties]\nsasl.password = \"canary\"\n");
    assert!(
        message.contains("sasl.password") && message.contains("env:NAME") && !message.contains("canary"),
        "{message}"
    );
}

#[test]
fn a_wrong_override_names_its_variable() {
    let message = parse("", &[("HOOKSTREAM_GATEWAY__LISTEN", "everywhere")]).unwrap_err().to_string();
    assert!(message.starts_with("HOOKSTREAM_GATEWAY__LISTEN"), "{message}");
}

#[test]
fn a_secret_in_the_file_is_refused_without_being_shown() {
    for (text, says) in [
        ("[sources.stripe]\napi_key = \"sk_live_canary\"\n", "line 2: sources.stripe.api_key: a secret never stands"),
        (
            "[sources.stripe]\nsecrets = \"canary\"\n",
            "line 2: sources.stripe.secrets: invalid type: string, expected a sequence",
        ),
        ("[sources.stripe]\nsecrets = [\"canary\"]\n", "env:NAME"),
        ("[sources.stripe]\nsecrets = [canary]\n", "line 2"),
        ("[sources.stripe]\nsecret = \"canary\"\n", "unknown field `secret`"),
        ("[gateway]\nmax_connections = \"canary \\\", expected \"\n", "line 2: gateway.max_connections"),
    ] {
        let message = refusal(text);
        assert!(message.contains(says) && !message.contains("canary"), "{message}");
    }
    let override_ = ("HOOKSTREAM_GATEWAY__MAX_CONNECTIONS", "canary");
    assert!(!parse("", &[override_]).unwrap_err().to_string().contains("canary"));
}
