//! What `send` and `dev` sign: for every provider a sample that its own rules accept and read, alone and over HTTP.

use std::process::Command;
use std::sync::Arc;

use hookstream::dev;
use hookstream::provider::{Catalogue, Filling, Provider, Reading, Request, Signed};
use http::Method;
use jiff::Timestamp;

use crate::support::keys::DevKeys;
use crate::support::serve::setup;

const URL: &str = "https://hooks.example.com/webhooks/it";

fn filling() -> Filling<'static> {
    Filling { id: "01fake", n: 7, uuid: "7f3a0c1d-cc78-11e3-81ab-4c9367dc0958", now: Timestamp::now() }
}

/// Sign every sample of a provider with what everybody knows, or with the dev key; count the events read.
fn signs_and_reads(provider: &Provider, keys: &DevKeys) -> Result<usize, String> {
    let rules = dev::rules(provider, None, keys.file(provider).as_deref(), URL)?;
    let mut events = 0;
    for sample in provider.samples() {
        let filled = sample.fill(&filling());
        let now = Timestamp::now();
        let signed = rules.sign(&filled.body, &filled.headers, now).map_err(|error| error.to_string())?;
        let Signed { headers, query, body } = &signed;
        let request = Request { method: &Method::POST, headers, query, body, now };
        let verified = if provider.is_fetched() {
            // The proof is what the API says of it.
            rules.confirmed(&request, filled.record.clone().ok_or("no record")?.into_bytes())
        } else {
            rules.verify(&request).map_err(|reject| reject.as_str().to_owned())?
        };
        let read = rules.read(&verified, &request).map_err(|error| error.to_string())?;
        match read {
            Reading::Handshake(_) => {}
            Reading::Events(facts) => {
                if facts.iter().all(|facts| facts.providertype != sample.providertype) {
                    return Err(format!("{} is read as {:?}", sample.providertype, facts[0].providertype));
                }
                events += facts.len();
            }
        }
        if let Some(header) = headers.iter().find(|(name, _)| !filled.headers.contains_key(*name)) {
            assert!(header.1.is_sensitive(), "{}: {} is a proof", provider.name(), header.0);
        }
    }
    Ok(events)
}

#[test]
fn every_provider_can_be_signed_for() {
    let keys = DevKeys::new();
    let mut wrong = Vec::new();
    // Keys that are fetched are the provider's own: nobody else can sign with them.
    for provider in Catalogue::embedded().unwrap().iter().filter(|provider| provider.key_hosts().is_empty()) {
        assert!(!provider.samples().is_empty(), "{} has no sample", provider.name());
        match signs_and_reads(provider, &keys) {
            Ok(0) => wrong.push(format!("{}: no event", provider.name())),
            Ok(_) => {}
            Err(why) => wrong.push(format!("{}: {why}", provider.name())),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A secret of the same form. `serve` refuses the one that everybody knows.
fn another(secret: &str) -> String {
    let mut bytes = secret.as_bytes().to_vec();
    // What `serve` knows it by stands at its beginning.
    let early = if secret.starts_with("whsec_") { 10 } else { 4 };
    bytes[early] = match bytes[early] {
        digit @ b'0'..=b'8' | digit @ b'a'..=b'e' | digit @ b'A'..=b'Y' => digit + 1,
        _ => b'a',
    };
    String::from_utf8(bytes).unwrap()
}

/// One gateway with a source for every provider, and `hookstream send` for each of them.
#[test]
fn every_provider_is_sent_to_one_gateway() {
    let keys = DevKeys::new();
    let catalogue = Catalogue::embedded().unwrap();
    let mut setup = setup().set("gateway.public_url", "https://hooks.example.com");
    let mut environment = Vec::new();
    // Those whose API is asked for each event are tried beside a double of it, in tests/it/gateway.
    let can_sign = |provider: &&Arc<Provider>| !provider.is_fetched() && provider.key_hosts().is_empty();
    let providers: Vec<_> = catalogue.iter().filter(can_sign).collect();
    for provider in &providers {
        let name = provider.name();
        let mut table = format!("[sources.{name}]\n");
        let variable = format!("IT_{}", name.replace('-', "_").to_uppercase());
        match dev::secrets(provider, keys.file(provider).as_deref()).unwrap().first() {
            None => table.push_str("accept_unsigned = true\n"),
            Some(secret) => {
                table.push_str(&format!("secrets = [\"env:{variable}\"]\n"));
                let secret = secret.expose_text().unwrap();
                let own = if provider.key_kind().is_none() { another(secret) } else { secret.to_owned() };
                environment.push((variable, own));
            }
        }
        for (param, value) in dev::params(provider) {
            table.push_str(&format!("params.{param} = \"{value}\"\n"));
        }
        setup = setup.table(&table);
    }
    for (name, value) in &environment {
        setup = setup.env(name, value);
    }
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("hookstream.toml");
    std::fs::write(&file, setup.text()).unwrap();
    let serve = setup.on_stand_in();
    let mut wrong = Vec::new();
    for provider in providers {
        for sample in provider.samples() {
            let mut send = Command::new(env!("CARGO_BIN_EXE_hookstream"));
            send.arg("--config").arg(&file).args(["send", provider.name(), "--json", "--type", &sample.providertype]);
            send.arg("--to").arg(format!("http://{}", serve.public)).envs(environment.iter().cloned());
            if let Some(key) = keys.file(provider) {
                send.arg("--key").arg(key);
            }
            let sent = send.output().unwrap();
            if !sent.status.success() {
                let said = [sent.stdout, sent.stderr].concat();
                wrong.push(format!("{}: {}", provider.name(), String::from_utf8_lossy(&said)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    serve.assert_conservation();
}

/// A source that holds the provider's key alone refuses the dev key, and `send` says how it learns it.
#[test]
fn a_dev_key_is_explained_where_the_source_does_not_know_it() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("hookstream.toml");
    std::fs::write(&config, "[sources.discord]\nsecrets = [\"env:IT_DISCORD_KEY\"]\n").unwrap();
    let mut send = Command::new(env!("CARGO_BIN_EXE_hookstream"));
    send.arg("--config").arg(&config).args(["send", "discord", "--to", "http://127.0.0.1:9"]);
    // RFC 8032, 7.1, test 2.
    send.env("IT_DISCORD_KEY", "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
    let state = directory.path().join("state");
    let sent = send.env("XDG_STATE_HOME", &state).output().unwrap();
    let said = String::from_utf8(sent.stderr).unwrap();
    let key = std::fs::read_to_string(state.join("hookstream/dev-ed25519.pem")).unwrap();
    assert!(key.starts_with("-----BEGIN PRIVATE KEY-----\n"), "a key of its own was made");
    let public = said.lines().find_map(|line| line.strip_prefix("DISCORD_DEV_KEY=")).expect("the public key");
    assert_eq!(hex::decode(public).unwrap().len(), 32);
    assert!(said.contains("[sources.discord]") && said.contains("env:DISCORD_DEV_KEY"), "{said}");
}

/// Sign a body of a provider as it stands and verify it.
fn signed(name: &str, body: &str) -> Signed {
    let catalogue = Catalogue::embedded().unwrap();
    let provider = catalogue.get(name).unwrap();
    let rules = dev::rules(provider, None, None, URL).unwrap();
    let headers = provider.samples()[0].fill(&filling()).headers;
    let now = Timestamp::now();
    let signed = rules.sign(body.as_bytes(), &headers, now).unwrap();
    let Signed { headers, query, body } = &signed;
    rules.verify(&Request { method: &Method::POST, headers, query, body, now }).unwrap();
    signed
}

#[test]
fn proofs_stand_where_the_provider_puts_them() {
    let text = |body: Vec<u8>| String::from_utf8(body).unwrap();
    // Twilio signs forms over their fields; its other way, for JSON, has the body's hash in the query.
    let twilio = signed("twilio", "MessageSid=SM1&MessageStatus=sent");
    assert!(twilio.headers.contains_key("x-twilio-signature") && twilio.query.is_empty(), "{twilio:?}");
    // Every item of a batch has a proof of its own, and everything between them stays as it was.
    let item = |id: u8| format!(r#"{{ "subscriptionId" : "{id}","clientState":"?" , "changeType":"updated"}}"#);
    let graph = text(signed("ms-graph", &format!(r#"{{"value":[{} ,{}]}}"#, item(1), item(2))).body);
    let secret = "hookstream-dev-ms-graph-not-a-secret";
    let expected = format!(r#"{{"value":[{} ,{}]}}"#, item(1), item(2)).replace("\"?\"", &format!("\"{secret}\""));
    assert_eq!(graph, expected);
    let item = |number: u8, proof: &str| {
        format!(
            r#"{{"NotificationRequestItem":{{"pspReference":"P{number}","eventCode":"AUTHORISATION","success":"true","amount":{{"value":{number},"currency":"EUR"}},"additionalData":{{"hmacSignature":"{proof}"}}}}}}"#
        )
    };
    let adyen = signed("adyen", &format!(r#"{{"notificationItems":[{},{}]}}"#, item(1, ""), item(2, "")));
    assert!(!adyen.headers.contains_key("hmacsignature"), "these notifications carry it inside");
    let body: serde_json::Value = serde_json::from_slice(&adyen.body).unwrap();
    let proof = |item: usize| {
        body["notificationItems"][item]["NotificationRequestItem"]["additionalData"]["hmacSignature"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_ne!(proof(0), proof(1), "each item is signed over its own values");
    // The timestamp of Mailgun is signed too and stands in the body.
    let mailgun =
        text(signed("mailgun", r#"{"signature":{"timestamp":"1","token":"t","signature":"s"},"event-data":{}}"#).body);
    assert!(!mailgun.contains(r#""timestamp":"1""#), "{mailgun}");
    assert_eq!(signed("salesforce", "<x/>").query, "token=hookstream-dev-salesforce-not-a-secret");
    let braintree = text(signed("braintree", "bt_payload=eA%3D%3D%0A").body);
    assert!(braintree.starts_with("bt_payload=eA%3D%3D%0A&bt_signature=hookstream-dev-public_key%7C"), "{braintree}");
    let basic = signed("chargebee", "{}");
    assert!(basic.headers["authorization"].to_str().unwrap().starts_with("Basic "));
}

#[test]
fn a_body_without_a_place_for_the_proof_is_not_sent() {
    let catalogue = Catalogue::embedded().unwrap();
    for (name, body) in [("mailgun", "{}"), ("ms-graph", r#"{"value":[]}"#), ("figma", "no JSON")] {
        let rules = dev::rules(catalogue.get(name).unwrap(), None, None, URL).unwrap();
        let error = rules.sign(body.as_bytes(), &http::HeaderMap::new(), Timestamp::now()).unwrap_err();
        assert!(error.to_string().contains("at `/"), "{name}: {error}");
    }
}
