//! docker-compose.yml against the official JSON Schema of the Compose Specification.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::skip::skip;

/// The specification's own loader, which is also docker compose's; it carries the schema. A Go module.
const MODULE: &str = "github.com/compose-spec/compose-go/v2@v2.16.2";

/// The schema, or why there is none here.
fn schema() -> Result<Value, String> {
    let output = Command::new("go")
        .args(["mod", "download", "-json", MODULE])
        // Outside of any module of somebody else's.
        .current_dir(env!("CARGO_TARGET_TMPDIR"))
        .output()
        .map_err(|error| format!("go does not run here ({error})"))?;
    let said: Value = serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())?;
    let directory = said["Dir"].as_str().ok_or_else(|| format!("{MODULE} cannot be had: {}", said["Error"]))?;
    let text =
        std::fs::read(Path::new(directory).join("schema/compose-spec.json")).map_err(|error| error.to_string())?;
    serde_json::from_slice(&text).map_err(|error| error.to_string())
}

#[test]
fn the_official_schema_accepts_docker_compose_yml() {
    let schema = match schema() {
        Ok(schema) => schema,
        Err(why) => return skip(&format!("no schema of the Compose Specification: {why}")),
    };
    let validator = jsonschema::validator_for(&schema).unwrap();
    let mut compose = super::compose();
    let errors: Vec<String> =
        validator.iter_errors(&compose).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{}", errors.join("\n"));
    compose["services"]["serve"]["comand"] = Value::Null;
    assert!(!validator.is_valid(&compose), "a schema that accepts everything proves nothing");
}
