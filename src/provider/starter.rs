//! The beginning of a configuration: one commented `[sources.NAME]` from what a provider file says.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::compiled::Provider;

/// What stands where only the operator knows the value; `check` finds it again.
pub const TO_FILL_IN: &str = "change-me";

/// The host of the URL that is written when none was given; `check` finds it again.
pub const EXAMPLE_HOST: &str = "hooks.example.com";

/// Comments are broken at this column.
const WIDTH: usize = 105;

/// A variable that the configuration names, and where its value is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Where the provider shows the value.
    pub place: String,
}

/// The variables that must be set before a provider's source works.
pub fn variables(provider: &Provider) -> Vec<Variable> {
    if let Some((name, place)) = asked_with(provider) {
        return vec![Variable { name, place }];
    }
    let need = provider.needs().secrets.as_ref().filter(|_| !provider.stores_secrets());
    let Some(need) = need else { return key_variables(provider).map(|(_, variable)| variable).collect() };
    let base = if provider.key_kind().is_some() { "PUBLIC_KEY" } else { "WEBHOOK_SECRET" };
    let number = |n: usize| if n == 0 { String::new() } else { format!("_{}", n + 1) };
    let one = |n| Variable { name: format!("{}{}", variable(provider, base), number(n)), place: need.place.clone() };
    (0..need.min.max(1)).map(one).collect()
}

/// The variables of the credentials with which its keys are asked for, each with the credential's name.
fn key_variables(provider: &Provider) -> impl Iterator<Item = (&str, Variable)> {
    provider.key_credentials().into_iter().map(|credential| {
        let place = provider.needs().credentials.get(credential).cloned().unwrap_or_default();
        (credential, Variable { name: variable(provider, credential), place })
    })
}

/// The variable of the credential with which each event is confirmed, and where it is found.
fn asked_with(provider: &Provider) -> Option<(String, String)> {
    let api = provider.api().filter(|_| provider.is_fetched())?;
    let place = provider.needs().credentials.get(api.credential())?;
    Some((variable(provider, api.credential()), place.clone()))
}

/// The source's table with all that its operator should know, called at `url`: what must be set stands there, what may be
/// set stands there as a comment.
pub fn source_table(provider: &Provider, url: &str) -> String {
    let mut text = heading(provider);
    comment(&mut text, "", &format!("{}, verified by {}.", provider.title(), provider.schemes().join(", ")));
    let steps: Vec<String> = provider.setup(url).collect();
    if steps.is_empty() {
        comment(&mut text, "", &format!("Enter {url} there; {} says where.", provider.docs()));
    }
    for (number, step) in steps.iter().enumerate() {
        comment(&mut text, &format!("{}. ", number + 1), step);
    }
    if !provider.notes().is_empty() {
        comment(&mut text, "", "To know:");
    }
    for note in provider.notes() {
        comment(&mut text, "- ", note);
    }
    needed(&mut text, provider);
    optional(&mut text, provider);
    text
}

/// The same table for a page that says the rest elsewhere.
pub fn short_table(provider: &Provider) -> String {
    let mut text = heading(provider);
    needed(&mut text, provider);
    optional(&mut text, provider);
    text
}

fn heading(provider: &Provider) -> String {
    format!("[sources.{}]\n", provider.name())
}

/// What must be set.
fn needed(text: &mut String, provider: &Provider) {
    let needs = provider.needs();
    match &needs.secrets {
        Some(need) if provider.stores_secrets() => {
            let says = "The provider hands the secret over in a handshake and it is kept here: a path that outlives the process.";
            comment(text, "", says);
            comment(text, "", &format!("The secret: {}", need.place));
            let _ = writeln!(text, "secrets_file = {}", quoted(&format!("{}.secrets", provider.name())));
        }
        None if provider.is_fetched() => {
            if let Some((name, place)) = asked_with(provider) {
                comment(text, "", &format!("Each event is confirmed by the API: {place}"));
                let _ = writeln!(text, "api_key = {}", quoted(&format!("env:{name}")));
            }
        }
        Some(need) => {
            comment(text, "", &format!("The secret: {}", need.place));
            let names = variables(provider).into_iter().map(|variable| quoted(&format!("env:{}", variable.name)));
            let _ = writeln!(text, "secrets = [{}]", names.collect::<Vec<_>>().join(", "));
        }
        None if provider.is_unsigned() => {
            comment(text, "", "Requests prove nothing: whoever reaches the path can write to the topic.");
            text.push_str("accept_unsigned = true\n");
        }
        // What is needed to verify is fetched, perhaps with credentials; the rest stands in the parameters.
        None => {
            for (credential, Variable { name, place }) in key_variables(provider) {
                comment(text, "", &format!("For the keys that verify: {place}"));
                let _ = writeln!(text, "credentials.{credential} = {}", quoted(&format!("env:{name}")));
            }
        }
    }
    for (param, place) in &needs.params {
        comment(text, "", &format!("{param}: {place}"));
        let _ = writeln!(text, "params.{param} = {}", quoted(TO_FILL_IN));
    }
}

/// What may be set, commented out.
fn optional(text: &mut String, provider: &Provider) {
    let needs = provider.needs();
    if provider.api().is_some() && !provider.is_fetched() {
        for (credential, place) in &needs.credentials {
            comment(text, "", &format!("For full records (`hookstream enrich`): {place}"));
            let reference = quoted(&format!("env:{}", variable(provider, credential)));
            let key =
                if needs.credentials.len() == 1 { "api_key".to_owned() } else { format!("credentials.{credential}") };
            let _ = writeln!(text, "# {key} = {reference}");
        }
    }
    if provider.api().is_some_and(|api| api.needs_tenant()) {
        comment(
            text,
            "",
            "The tenants whose records may be fetched, each with credentials of its own or with those above:",
        );
        text.push_str("# tenants = { \"TENANT\" = {} }\n");
    }
    if let Some(addresses) = provider.addresses() {
        comment(text, "", &format!("Only from the addresses that it publishes; the list is {}:", addresses.origin()));
        text.push_str("# allow = [\"provider\"]\n");
    }
    let mut open: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for key in provider.overridable() {
        if let Some((table, key)) = key.split_once('.') {
            open.entry(table).or_default().push(key);
        }
    }
    for (table, keys) in open {
        comment(text, "", &format!("[sources.{}.{table}] can set {}.", provider.name(), keys.join(", ")));
    }
}

fn variable(provider: &Provider, what: &str) -> String {
    format!("{}_{what}", provider.name()).to_uppercase().replace('-', "_")
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// Lines of a comment, broken between words; what follows the first stands under its text.
pub fn comment(out: &mut String, lead: &str, text: &str) {
    let hang = " ".repeat(lead.chars().count());
    let mut line = format!("# {lead}");
    let empty = line.chars().count();
    let mut length = empty;
    for word in text.split_whitespace() {
        let size = word.chars().count();
        if length > empty && length + 1 + size > WIDTH {
            let _ = writeln!(out, "{line}");
            line = format!("# {hang}");
            length = empty;
        }
        if length > empty {
            line.push(' ');
            length += 1;
        }
        line.push_str(word);
        length += size;
    }
    let _ = writeln!(out, "{}", line.trim_end());
}

#[cfg(test)]
mod tests {
    use super::comment;

    #[test]
    fn comments_are_broken_between_words() {
        let mut out = String::new();
        comment(&mut out, "1. ", &"word ".repeat(30));
        let lines: Vec<_> = out.lines().collect();
        assert_eq!(lines.len(), 2, "{out}");
        assert!(lines[0].starts_with("# 1. word word") && lines[1].starts_with("#    word"));
        assert!(lines.iter().all(|line| line.chars().count() <= super::WIDTH));
    }
}
