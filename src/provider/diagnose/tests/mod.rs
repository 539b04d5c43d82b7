//! Each cause, made and found: requests are signed by the provider's own rules, then spoiled as the world spoils them.

mod clocks;
mod requests;
mod secrets;
mod urls;

use std::sync::LazyLock;

use http::{HeaderMap, HeaderValue, Method};
use jiff::{SignedDuration, Timestamp};

use super::{Cause, Certainty, Diagnosis, Inquiry, Suspect, diagnose};
use crate::config::Secret;
use crate::provider::{Binding, Catalogue, Request};

const JSON: &str =
    r#"{"id":"evt_1","type":"invoice.paid","name":"Jos\u00e9","url":"https://x.example/a","n":[1.50,2]}"#;
const FORM: &str = "MessageSid=SM1&MessageStatus=delivered&Body=a+b";
const HOOKS: &str = "https://hooks.example.com/webhooks/it";

static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| Catalogue::embedded().unwrap());

fn now() -> Timestamp {
    Timestamp::from_second(1_700_000_000).unwrap()
}

fn secret(text: &str) -> Secret {
    Secret::new(text.as_bytes().to_vec())
}

fn binding(secrets: &[&str]) -> Binding {
    let secrets = secrets.iter().map(|text| secret(text)).collect();
    Binding { secrets, public_url: Some(HOOKS.to_owned()), ..Binding::default() }
}

/// A request on its way, and the source that it reaches.
struct Scene {
    provider: &'static str,
    source: Binding,
    method: Method,
    path: &'static str,
    headers: HeaderMap,
    query: String,
    body: Vec<u8>,
    now: Timestamp,
    others: Vec<(&'static str, &'static str, Binding)>,
    offered: Vec<(String, Secret)>,
    captured: bool,
}

impl Scene {
    /// Signed by the provider under one secret, sent to a source that is configured with others.
    fn new(provider: &'static str, signed_with: &str, configured: &[&str]) -> Scene {
        Scene::by(provider, &binding(&[signed_with]), binding(configured))
    }

    fn by(provider: &'static str, signer: &Binding, source: Binding) -> Scene {
        let body = if provider == "twilio" { FORM } else { JSON };
        let mut given = HeaderMap::new();
        for (name, value) in [("webhook-id", "msg_1"), ("svix-id", "msg_1"), ("host", "hooks.example.com")] {
            given.insert(name, HeaderValue::from_static(value));
        }
        let rules = CATALOGUE.get(provider).unwrap().bind(signer).unwrap();
        Scene {
            provider,
            source,
            method: Method::POST,
            path: "/webhooks/it",
            headers: rules.sign(body.as_bytes(), &given, now()).unwrap().headers,
            query: String::new(),
            body: body.as_bytes().to_vec(),
            now: now(),
            others: Vec::new(),
            offered: Vec::new(),
            captured: false,
        }
    }

    fn body(mut self, body: impl AsRef<[u8]>) -> Scene {
        self.body = body.as_ref().to_vec();
        self
    }

    fn header(mut self, name: &'static str, value: &str) -> Scene {
        self.headers.insert(name, HeaderValue::from_str(value).unwrap());
        self
    }

    fn without(mut self, name: &str) -> Scene {
        self.headers.remove(name).unwrap();
        self
    }

    fn later(mut self, seconds: i64) -> Scene {
        self.now += SignedDuration::from_secs(seconds);
        self
    }

    fn value(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    fn beside(mut self, name: &'static str, provider: &'static str, secret: &str) -> Scene {
        self.others.push((name, provider, binding(&[secret])));
        self
    }

    fn diagnosis(&self) -> Diagnosis {
        let names = |binding: &Binding| (0..binding.secrets.len()).map(|n| format!("env:S{n}")).collect::<Vec<_>>();
        let own_names = names(&self.source);
        let theirs: Vec<_> = self.others.iter().map(|(_, _, binding)| names(binding)).collect();
        let others: Vec<Suspect<'_>> = self
            .others
            .iter()
            .zip(&theirs)
            .map(|((name, provider, binding), names)| Suspect {
                name,
                provider: CATALOGUE.get(provider).unwrap(),
                binding,
                secret_names: names,
                path: "/webhooks/other",
            })
            .collect();
        let request = Request {
            method: &self.method,
            headers: &self.headers,
            query: &self.query,
            body: &self.body,
            now: self.now,
        };
        diagnose(&Inquiry {
            request,
            path: self.path,
            source: Suspect {
                name: "it",
                provider: CATALOGUE.get(self.provider).unwrap(),
                binding: &self.source,
                secret_names: &own_names,
                path: "/webhooks/it",
            },
            others: &others,
            offered: &self.offered,
            catalogue: &CATALOGUE,
            captured: self.captured,
            verified: Some(7),
        })
    }

    /// The first finding is this one, proven, and says so.
    #[track_caller]
    fn proves(&self, cause: Cause, words: &str) {
        self.finds(Certainty::Proven, cause, words);
    }

    #[track_caller]
    fn finds(&self, certainty: Certainty, cause: Cause, words: &str) {
        let diagnosis = self.diagnosis();
        let first = &diagnosis.findings[0];
        assert_eq!((first.cause, first.certainty), (cause, certainty), "{}: {diagnosis:#?}", self.provider);
        let said = format!("{} {}", first.evidence, first.advice);
        assert!(said.contains(words), "{said}");
        assert!(!diagnosis.cut_short && diagnosis.is_explained());
        self.tells_no_secret(&format!("{diagnosis:?}"));
    }

    fn tells_no_secret(&self, said: &str) {
        let offered = self.offered.iter().map(|(_, secret)| secret);
        let theirs = self.others.iter().flat_map(|(_, _, binding)| &binding.secrets);
        for secret in self.source.secrets.iter().chain(theirs).chain(offered) {
            let text = String::from_utf8_lossy(secret.expose()).into_owned();
            assert!(!said.contains(&text), "{said}");
        }
        assert!(!said.contains("evt_1") && !said.contains("SM1"), "nor the body: {said}");
    }
}

/// A key in the form of each provider.
const PLAIN: [(&str, &str); 5] = [
    ("stripe", "whsec_fake0123456789"),
    ("github", "it is fake"),
    ("shopify", "shpss_0123456789abcdef0123456789abcdef"),
    ("slack", "0123456789abcdef0123456789abcdef"),
    ("hubspot", "0123abcd-0000-4000-8000-00000000000f"),
];
