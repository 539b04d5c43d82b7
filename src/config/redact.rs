//! What the TOML reader says, without what stands in the file: somebody may have pasted a secret into the wrong place,
//! and messages end up in logs.

use crate::provider::from_toml;

/// The error with its line and key, and without the line's text.
pub(super) fn located(error: &toml::de::Error, text: &str) -> String {
    let fault = from_toml(error, "", text);
    let key = if fault.key.is_empty() { String::new() } else { format!("{}: ", fault.key) };
    format!("line {}: {key}{}", fault.line, without_texts(&fault.problem))
}

/// The message without the text that serde quotes where another kind of value was wanted.
pub(super) fn without_texts(message: &str) -> String {
    const QUOTED: &str = "string \"";
    match (message.find(QUOTED), message.rfind("\", expected ")) {
        (Some(start), Some(end)) if start + QUOTED.len() <= end => {
            format!("{}string{}", &message[..start], &message[end + 1..])
        }
        _ => message.to_owned(),
    }
}
