//! Overrides from the environment: `HOOKSTREAM_{SECTION}__{KEY}`, deeper keys with further double underscores.

use toml::{Table, Value};

use super::{ConfigError, file::File, redact};

/// The sections that may be overridden. Sources live in the file only.
const SECTIONS: [&str; 6] = ["gateway", "admin", "kafka", "spool", "enrich", "log"];

/// librdkafka's properties have dots where a variable's name cannot.
const PROPERTY_TABLES: [&str; 3] = ["properties", "producer", "consumer"];

/// Apply every override to the file, one after the other, so that an error names its variable. Returned as a table too.
pub(super) fn overridden(
    file: File,
    text: &str,
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<(Table, File), ConfigError> {
    let mut overrides: Vec<(String, Vec<String>, String)> = Vec::new();
    for (name, value) in variables {
        let Some((section, rest)) = name.strip_prefix("HOOKSTREAM_").and_then(|rest| rest.split_once("__")) else {
            continue;
        };
        let section = section.to_ascii_lowercase();
        if !SECTIONS.contains(&section.as_str()) {
            let known = SECTIONS.map(str::to_uppercase).join(", ");
            let message = format!("there is no section to override by this name; there are {known}");
            return Err(ConfigError::new(&name, message));
        }
        let path = path(section, rest);
        overrides.push((name, path, value));
    }
    overrides.sort();
    let Ok(mut table) = text.parse::<Table>() else { return Ok((Table::new(), file)) };
    let mut file = file;
    for (name, path, value) in overrides {
        (table, file) = apply(&table, &path, &value).map_err(|message| ConfigError::new(&name, message))?;
    }
    Ok((table, file))
}

/// The file with one override. What looks like a number is tried as one first, then as the text it may be meant for; a
/// property is always text.
fn apply(table: &Table, path: &[String], value: &str) -> Result<(Table, File), String> {
    let text = Value::String(value.to_owned());
    let is_property = path.get(1).is_some_and(|table| PROPERTY_TABLES.contains(&table.as_str()));
    let attempts = if is_property { vec![text] } else { vec![literal(value), text] };
    let mut error = String::new();
    for attempt in attempts {
        let mut changed = table.clone();
        set(&mut changed, path, attempt)?;
        match changed.clone().try_into() {
            Ok(file) => return Ok((changed, file)),
            Err(wrong) => {
                let wrong: toml::de::Error = wrong;
                error = redact::without_texts(wrong.message());
            }
        }
    }
    Err(error)
}

/// `KAFKA__TOPICS__PREFIX` → kafka, topics, prefix; below a property table underscores become dots.
fn path(section: String, rest: &str) -> Vec<String> {
    let rest = rest.to_ascii_lowercase();
    let mut path = vec![section];
    match rest.split_once("__") {
        Some((table, property)) if PROPERTY_TABLES.contains(&table) => {
            path.extend([table.to_owned(), property.replace('_', ".")]);
        }
        _ => path.extend(rest.split("__").map(str::to_owned)),
    }
    path
}

/// A number, boolean or list as TOML reads it; everything else is a string.
fn literal(text: &str) -> Value {
    match format!("value = {text}").parse::<Table>() {
        Ok(mut table) => table.remove("value").unwrap_or_else(|| Value::String(text.to_owned())),
        Err(_) => Value::String(text.to_owned()),
    }
}

fn set(table: &mut Table, path: &[String], value: Value) -> Result<(), String> {
    match path {
        [] => Ok(()),
        [key] => {
            table.insert(key.clone(), value);
            Ok(())
        }
        [key, rest @ ..] => match table.entry(key.clone()).or_insert_with(|| Value::Table(Table::new())) {
            Value::Table(inner) => set(inner, rest, value),
            _ => Err(format!("`{key}` is a value, not a table")),
        },
    }
}
