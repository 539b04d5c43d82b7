//! The order in which hypotheses are tried, and what is said of those that hold.

use http::header::CONTENT_LENGTH;

use super::bench::{exact, form, signature};
use super::case::Case;
use super::{Cause, Certainty, Finding, bodies, clock, secrets, senders, shape, urls};
use crate::config::Secret;
use crate::provider::plausible::Doubt;
use crate::provider::reject::Reject;
use crate::provider::spec::BodyKind;
use crate::provider::verify::{Passed, Plan, Request, only};

impl Case<'_> {
    /// What the verdict leads to.
    pub(super) fn examine(&self, reject: Reject, findings: &mut Vec<Finding>) {
        match reject {
            Reject::SignatureMissing | Reject::TokenMissing => {
                let found = senders::other_way(self)
                    .or_else(|| senders::other_source(self))
                    .or_else(|| shape::elsewhere(self))
                    .or_else(|| senders::other_provider(self));
                findings.push(found.unwrap_or_else(|| shape::missing(self)));
            }
            Reject::SignatureMalformed => {
                let found = shape::elsewhere(self)
                    .or_else(|| senders::other_way(self))
                    .or_else(|| senders::other_source(self))
                    .or_else(|| shape::malformed(self));
                findings.extend(found.or_else(|| senders::other_provider(self)));
            }
            Reject::SignedHeaderMissing => findings.push(self.header_missing()),
            Reject::TimestampMissing => findings.push(clock::missing(self)),
            Reject::TimestampMalformed => {
                let found = clock::doubled(self).or_else(|| clock::other_form(self));
                findings.extend(found.or_else(|| clock::unreadable(self)));
            }
            Reject::TimestampTooOld | Reject::TimestampInFuture => {
                let passed = self.bench.passes(&self.timeless, self.secrets());
                let far = clock::other_form(self);
                match (passed, far) {
                    (_, Some(other)) if other.certainty == Certainty::Proven => findings.push(other),
                    (Some(passed), _) => findings.extend(clock::off(self, passed.signed_at)),
                    (None, other) => {
                        self.search(findings);
                        findings.extend(other);
                    }
                }
            }
            Reject::SignatureMismatch | Reject::TokenMismatch => self.search(findings),
            Reject::KeyUnknown => {
                let what = "Whether the signature matches was not looked at: its key must be fetched, and nothing is fetched here.";
                let advice =
                    "The gateway says in its log, and in hookstream_gateway_key_fetches_total, whether it had the key.";
                findings.push(Finding::possible(Cause::Refused, what, advice));
            }
            other => findings.push(refused(other)),
        }
    }

    /// A signature that has its form and does not match: try everything, the likely causes first.
    fn search(&self, findings: &mut Vec<Finding>) {
        let proven = self
            .own_secrets()
            .or_else(|| senders::other_source(self))
            .or_else(|| senders::other_secret(self))
            .or_else(|| shape::token_form(self))
            .or_else(|| shape::elsewhere(self))
            .or_else(|| senders::other_way(self))
            .or_else(|| self.url(self.secrets(), None))
            .or_else(|| self.body(self.secrets(), None))
            .or_else(|| self.two_faults());
        if let Some(proven) = proven {
            return findings.push(proven);
        }
        findings.extend(senders::other_provider(self));
        findings.extend(self.doubts());
        let declared = self.request.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        let is_json = self.source.provider.body_kind() == BodyKind::Json;
        findings.extend(bodies::damage(self.request.body, declared, is_json).map(|what| {
            let advice = "Look at the proxies and load balancers in front: the bytes must arrive as they were sent.";
            Finding::likely(Cause::BodyCut, what, advice)
        }));
        if findings.is_empty() {
            findings.extend(self.url_assumed());
            findings.extend(bodies::sorted_keys(self.request.body).filter(|_| is_json).map(|what| {
                let advice = format!(
                    "If {} sends them in another order, something on the way parses JSON and writes it anew: let it pass the raw \
                     bytes on. The order that was signed cannot be found out.",
                    self.title()
                );
                Finding::possible(Cause::BodyRewritten, what, advice)
            }));
        }
    }

    /// Configured secrets, copied or decoded in another way.
    fn own_secrets(&self) -> Option<Finding> {
        let plan = exact(&self.timeless);
        self.variants().find_map(|(place, variant)| {
            // A token is compared as it stands, whatever the form.
            let passed = self.bench.passes(&plan, std::slice::from_ref(&variant.key))?;
            let name = self.secret_name(place);
            let evidence = format!("The signature matches when {name} is taken {}.", variant.how);
            let finding = Finding::proven(variant.cause, evidence, self.secret_advice(place, &variant));
            Some(self.with_clock(finding, &passed))
        })
    }

    fn variants(&self) -> impl Iterator<Item = (usize, secrets::Variant)> {
        let looks =
            self.source.provider.needs().secrets.as_ref().map(|need| need.looks_like.as_slice()).unwrap_or_default();
        let own = form(&self.plan);
        let each = self.secrets().iter().enumerate();
        each.flat_map(move |(place, secret)| {
            secrets::variants(secret, own, looks).into_iter().map(move |variant| (place, variant))
        })
    }

    fn secret_advice(&self, place: usize, variant: &secrets::Variant) -> String {
        let name = self.source.secret_names.get(place).map_or("it", String::as_str);
        match (variant.form, variant.cause) {
            (Some(form), _) if self.may_set("verify.secret") => {
                let form = format!("{form:?}").to_lowercase();
                format!("Set secret = \"{form}\" in [sources.{}.verify].", self.source.name)
            }
            (Some(_), Cause::SecretEncoding) => format!(
                "{} does not use its secrets so: the sender is another program, or {name} was encoded or decoded when it was \
                 stored. {}",
                self.title(),
                self.where_to_look()
            ),
            _ if variant.how.contains("at the provider") => format!(
                "What was entered at the provider has more than {name}: enter it there again, without a line break or quotes \
                 (`printf %s`, not `echo`)."
            ),
            _ => format!(
                "Store {name} again, exactly as the provider shows it (`printf %s`, not `echo`; no quotes in --env-file), and \
                 restart. {}",
                self.where_to_look()
            ),
        }
    }

    /// Another URL under which it matches.
    fn url(&self, secrets: &[Secret], how: Option<&str>) -> Option<Finding> {
        let plan = signature(&self.plan).filter(|plan| plan.signed.has_url())?;
        let configured = self.bench.public_url;
        let others: Vec<String> =
            { self.inquiry.others }.iter().filter_map(|other| other.binding.public_url.clone()).take(8).collect();
        let called = urls::candidates(configured, self.inquiry.path, self.request.headers, &others);
        let query = self.request.query;
        let queries = urls::queries(query);
        // One change first, of the URL or of its query. Where a secret is changed beside them, the likely ones must do.
        let (most, both) = if how.is_some() { (1, 0) } else { (queries.len(), queries.len().min(1)) };
        let near = called.iter().map(|url| (url.as_str(), query, ""));
        let ours = configured
            .into_iter()
            .flat_map(|url| queries.iter().take(most).map(move |(query, how)| (url, &**query, &**how)));
        let bare = { queries.iter().take(both) }
            .flat_map(|(query, how)| called.iter().map(move |url| (url.as_str(), &**query, &**how)));
        let plan_name = plan.at.describe();
        near.chain(ours).chain(bare).find_map(|(url, query, mark)| {
            let request = Request { query, ..self.request };
            let passed = self.bench.passes_as(&self.timeless_for(how), secrets, &request, Some(url))?;
            let stated = configured.unwrap_or("none");
            let and = how.map(|how| format!(" (and the secret is taken {how})")).unwrap_or_default();
            let (name, title) = (self.source.name, self.title());
            let pass_on = "Something between the two adds parameters to the query, takes them away or writes them anew: let it \
                           pass the query on as it came.";
            let enter = format!(
                "Set public_url = \"{url}\" in [sources.{name}], or enter the URL of public_url at {title}. A proxy that changes \
                 host or path makes no difference once this is what the provider calls."
            );
            let (evidence, advice) = if configured == Some(url) {
                let what = format!("`{plan_name}` signs the URL {url}{mark}{and}: it arrived with another query.");
                (what, format!("{title} calls the URL of public_url. {pass_on}"))
            } else {
                let what = format!("`{plan_name}` signs the URL {url}{mark}{and}; public_url says {stated}.");
                (what, if mark.is_empty() { enter } else { format!("{enter} {pass_on}") })
            };
            Some(self.with_clock(Finding::proven(Cause::UrlDiffers, evidence, advice), &passed))
        })
    }

    /// The URL that was taken for the signed one, where no other could be found. Its query is not repeated.
    fn url_assumed(&self) -> Option<Finding> {
        let plan = signature(&self.plan).filter(|plan| plan.signed.has_url())?;
        let (url, title) = (self.bench.public_url?, self.title());
        let query = if self.request.query.is_empty() { "" } else { ", with the query that arrived" };
        Some(Finding::possible(
            Cause::UrlDiffers,
            format!(
                "`{}` signs the URL as well. It was taken to be {url}{query}; others near it were tried: scheme, host, port, path, \
                 slash at the end, query.",
                plan.at.describe()
            ),
            format!(
                "Compare it, character by character, with the URL that is entered at {title}. If another one stands there, set it as \
                 public_url in [sources.{}], without its query, or enter this one there. In a captured request, the first line or \
                 the curl command may hold that whole URL: it is then tried.",
                self.source.name
            ),
        ))
    }

    /// Another body under which it matches.
    fn body(&self, secrets: &[Secret], how: Option<&str>) -> Option<Finding> {
        let plan = self.timeless_for(how);
        bodies::variants(self.request.body).take_while(|_| !self.bench.is_spent()).find_map(|(what, body)| {
            let request = Request { body: &body, ..self.request };
            let passed = self.bench.passes_as(&plan, secrets, &request, self.bench.public_url)?;
            let and = how.map(|how| format!(", and the secret is taken {how}")).unwrap_or_default();
            let finding = Finding::proven(
                Cause::BodyRewritten,
                format!("The signature matches when the body is taken {what}{and}: it was written anew on its way."),
                "Something between the provider and the gateway parses and rewrites bodies: a framework's middleware, an API \
                 gateway with a mapping, a firewall or a CDN that transforms. Let it pass the raw bytes on.",
            );
            Some(self.with_clock(finding, &passed))
        })
    }

    /// A secret and, beside it, URL or body.
    fn two_faults(&self) -> Option<Finding> {
        self.variants().take(40).take_while(|_| !self.bench.is_spent()).find_map(|(_, variant)| {
            let secrets = std::slice::from_ref(&variant.key);
            self.url(secrets, Some(&variant.how)).or_else(|| self.body(secrets, Some(&variant.how)))
        })
    }

    /// For keys of ours as they are, or for the secrets of the configuration.
    fn timeless_for(&self, how: Option<&str>) -> Plan {
        if how.is_some() { exact(&self.timeless) } else { self.timeless.clone() }
    }

    /// What was found, and that the clocks are apart as well.
    fn with_clock(&self, mut finding: Finding, passed: &Passed) -> Finding {
        let off = clock::off(self, passed.signed_at).filter(|off| off.cause == Cause::ClockOff);
        if let Some(off) = off {
            finding.evidence = format!("{} {}", finding.evidence, off.evidence);
            finding.advice = format!("{} {}", finding.advice, off.advice);
        }
        finding
    }

    /// What the configured secrets look like.
    fn doubts(&self) -> Vec<Finding> {
        let Some(need) = &self.source.provider.needs().secrets else { return Vec::new() };
        let of = |(place, secret): (usize, &Secret)| {
            let doubt = need.doubts(secret).into_iter().next()?;
            let evidence = format!("{} {doubt}.", capital(&self.secret_name(place)));
            let advice = format!("Configure the signing secret in its place. {}", self.where_to_look());
            let cause = if matches!(doubt, Doubt::Stray(_)) { Cause::SecretStray } else { Cause::SecretIsOther };
            Some(Finding::likely(cause, evidence, advice))
        };
        self.secrets().iter().enumerate().filter_map(of).collect()
    }

    fn header_missing(&self) -> Finding {
        let signed = signature(&self.plan).map(|plan| plan.signed.headers()).into_iter().flatten();
        let absent: Vec<String> =
            signed.filter(|name| only(self.request.headers, name).is_none()).map(|name| format!("`{name}`")).collect();
        let what = if absent.is_empty() { "A parameter of the query".to_owned() } else { absent.join(", ") };
        Finding::proven(
            Cause::HeaderMissing,
            format!("{what} is part of the signed text, and is absent or stands there twice."),
            format!("{} always sends it once: a proxy drops or doubles it.", self.title()),
        )
    }

    pub(super) fn unexplained(&self) -> Finding {
        let tried = self.bench.tried();
        let cut = if self.bench.is_spent() { ", after which the budget was spent (the body is large)" } else { "" };
        let verified = match self.inquiry.verified {
            Some(0) => {
                " No request of this source has verified since the start: the secret is the first suspect.".to_owned()
            }
            Some(count) => format!(
                " {count} requests of this source have verified since the start, so the secret is right for some of its traffic: \
                 think of a second endpoint, a changed body, or a forger."
            ),
            None => String::new(),
        };
        let others =
            self.source.provider.needs().secrets.as_ref().map(|need| need.others.as_slice()).unwrap_or_default();
        let others = if others.is_empty() { String::new() } else { format!(" Mind that {}.", others.join("; ")) };
        let signs_url = signature(&self.plan).is_some_and(|plan| plan.signed.has_url());
        let changed = if signs_url { "the URL is another one, the body" } else { "the body" };
        Finding::possible(
            Cause::Unexplained,
            format!(
                "{tried} changed assumptions were tried{cut}, and under none of them the signature matches.{verified}"
            ),
            format!(
                "Copy the secret anew.{} {others} --secret env:NAME tries another one. If the secret is right, {changed} was \
                 changed in a way that cannot be undone, or the request is forged.",
                if self.where_to_look().is_empty() { String::new() } else { format!(" {}", self.where_to_look()) }
            ),
        )
    }
}

/// It was refused for something else than its signature.
pub(crate) fn refused(reject: Reject) -> Finding {
    let advice = match reject {
        Reject::UnsupportedMediaType => {
            "The signature is right. Choose the format that the provider's page here names, such as application/json, in the \
             webhook's settings."
        }
        Reject::HandshakeRefused => {
            "Compare the verify token and the topic that were entered at the provider with params of the source."
        }
        Reject::UnsupportedEncoding => {
            "Switch the compression off in the webhook's settings, or in the proxy that compresses."
        }
        Reject::HeadersTooLarge => "A proxy in front adds headers (cookies, tokens, traces); let it add fewer.",
        Reject::BodyIncomplete | Reject::BodyTimeout => "The network or a proxy in front is slow or cuts connections.",
        _ => "The signature was not looked at.",
    };
    Finding::proven(Cause::Refused, reject.docs(), advice)
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}
