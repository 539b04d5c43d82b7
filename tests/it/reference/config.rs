//! docs/reference/config.md, from the schema of the configuration file.

use std::fmt::Write as _;

use serde_json::Value;

const HEAD: &str = "# Configuration

One TOML file: `hookstream.toml`, or what `--config` or `HOOKSTREAM_CONFIG` names. Unknown keys are errors.

`[gateway] [admin] [kafka] [enrich] [log]` can be overridden by `HOOKSTREAM_{SECTION}__{KEY}`, deeper keys with further
double underscores: `HOOKSTREAM_KAFKA__TOPICS__PARTITIONS=12`. Below `[kafka.properties]`, `[kafka.producer]` and
`[kafka.consumer]` single underscores become dots. Sources live in the file only.

A length of time is written `200ms`, `5s`, `14d`; a number of bytes `64KiB`, `1MiB`, `10GiB`. A secret never stands in
the file: `env:NAME` or `file:PATH`. schemas/config.schema.json says the same to editors.
";

pub(super) fn page(schema: &Value) -> String {
    let mut page = HEAD.to_owned();
    section(&mut page, schema, schema, "");
    page
}

fn section(page: &mut String, root: &Value, table: &Value, path: &str) {
    let title = if path.is_empty() { "Top level".to_owned() } else { format!("`[{path}]`") };
    writeln!(page, "\n## {title}\n\n| key | type | default | meaning |\n| --- | --- | --- | --- |").unwrap();
    let mut deeper = Vec::new();
    for (key, property) in table["properties"].as_object().unwrap() {
        let target = resolved(root, property);
        let inner = resolved(root, &target["additionalProperties"]);
        let help = property["description"].as_str().or(target["description"].as_str()).unwrap_or_default();
        if target.get("properties").is_some() {
            deeper.push((joined(path, key), target));
        } else if inner.get("properties").is_some() {
            deeper.push((joined(path, &format!("{key}.NAME")), inner));
        } else {
            let default = match &property["default"] {
                Value::Null => String::new(),
                Value::Array(list) if list.is_empty() => String::new(),
                Value::Object(map) if map.is_empty() => String::new(),
                other => format!("`{}`", other.to_string().replace('"', "")),
            };
            writeln!(page, "| `{key}` | {} | {default} | {} |", kind(root, property), help.replace('\n', " ")).unwrap();
        }
    }
    for (path, table) in deeper {
        section(page, root, table, &path);
    }
}

fn joined(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn resolved<'s>(root: &'s Value, schema: &'s Value) -> &'s Value {
    let reference =
        schema["$ref"].as_str().or_else(|| schema["anyOf"].as_array()?.iter().find_map(|one| one["$ref"].as_str()));
    match reference.and_then(|reference| root.pointer(reference.trim_start_matches('#'))) {
        Some(target) => target,
        None => schema,
    }
}

fn kind(root: &Value, schema: &Value) -> String {
    if let Some(name) =
        schema["$ref"].as_str().or_else(|| schema["anyOf"].as_array()?.iter().find_map(|one| one["$ref"].as_str()))
    {
        let target = resolved(root, schema);
        let values: Vec<&str> =
            target["oneOf"].as_array().into_iter().flatten().filter_map(|one| one["const"].as_str()).collect();
        if !values.is_empty() {
            return values.join(", ");
        }
        return name.rsplit('/').next().unwrap_or(name).replace("%20", " ").to_lowercase();
    }
    match &schema["type"] {
        Value::String(name) if name == "array" => format!("list of {}", kind(root, &schema["items"])),
        Value::String(name) if name == "object" => "table".to_owned(),
        Value::String(name) => name.clone(),
        Value::Array(names) => {
            names.iter().filter_map(Value::as_str).filter(|name| *name != "null").collect::<Vec<_>>().join(" or ")
        }
        _ => String::new(),
    }
}
