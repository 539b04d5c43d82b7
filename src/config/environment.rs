//! Overrides from the environment: `HOOKSTREAM_{SECTION}__{KEY}`, deeper keys with further double underscores.

use toml::{Table, Value};

use super::{ConfigError, file::File, redact};

/// The sections that may be overridden. Sources live in the file only.
const SECTIONS: [&str; 5] = ["gateway", "admin", "kafka", "enrich", "log"];

/// librdkafka's properties have dots where a variable's name cannot.
const PROPERTY_TABLES: [&str; 3] = ["properties", "producer", "consumer"];

/// Apply every override to the file, one after the other, so that an error names its variable.
pub(super) fn overridden(
    file: File,
    text: &str,
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<File, ConfigError> {
    let mut overrides: Vec<(String, Vec<String>, String)> = variables
        .into_iter()
        .filter_map(|(name, value)| {
            let (section, rest) = name.strip_prefix("HOOKSTREAM_")?.split_once("__")?;
            let section = section.to_ascii_lowercase();
            SECTIONS.contains(&section.as_str()).then(|| (name.clone(), path(section, rest), value))
        })
        .collect();
    overrides.sort();
    let Ok(mut table) = text.parse::<Table>() else { return Ok(file) };
    let mut file = file;
    for (name, path, value) in overrides {
        set(&mut table, &path, literal(&value)).map_err(|message| ConfigError::new(&name, message))?;
        file = table
            .clone()
            .try_into()
            .map_err(|error: toml::de::Error| ConfigError::new(&name, redact::without_texts(error.message())))?;
    }
    Ok(file)
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
