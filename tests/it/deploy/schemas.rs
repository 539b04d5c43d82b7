//! The manifests against Kubernetes' own OpenAPI schemas, in the strict form that knows every key.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::manifests;
use crate::support::skip::skip;

/// It carries the schemas of every version. A Python package.
const PACKAGE: &str = "kubernetes-validate==1.37.0";
const WHEEL: &str = "kubernetes_validate-1.37.0-py3-none-any.whl";
const SCHEMAS: &str = "kubernetes_validate/kubernetes-json-schema/v1.37.0-local-strict";

/// The package, fetched once; or why it is not here.
fn wheel() -> Result<PathBuf, String> {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("kubernetes-schemas");
    let wheel = directory.join(WHEEL);
    if !wheel.exists() {
        let said = Command::new("python3")
            .args(["-m", "pip", "download", "--quiet", "--no-deps", "--disable-pip-version-check", PACKAGE, "--dest"])
            .arg(&directory)
            .output()
            .map_err(|error| format!("python3 does not run here ({error})"))?;
        if !wheel.exists() {
            return Err(format!("{PACKAGE} cannot be had: {}", String::from_utf8_lossy(&said.stderr)));
        }
    }
    Ok(wheel)
}

/// A file of the package.
fn file(wheel: &Path, name: &str) -> String {
    const READ: &str = "import sys, zipfile; sys.stdout.buffer.write(zipfile.ZipFile(sys.argv[1]).read(sys.argv[2]))";
    let name = format!("{SCHEMAS}/{name}");
    let output = Command::new("python3").args(["-c", READ]).arg(wheel).arg(&name).output().unwrap();
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The schema of a document's kind, with what it refers to inside of it.
fn schema(wheel: &Path, document: &Value) -> Value {
    let kind = document["kind"].as_str().unwrap().to_lowercase();
    let version = document["apiVersion"].as_str().unwrap().replace(".k8s.io", "").replace('/', "-");
    let inside = |text: String| -> Value {
        serde_json::from_str(&text.replace("/api/_definitions.json#/$defs/", "#/$defs/")).unwrap()
    };
    let mut schema = inside(file(wheel, &format!("{kind}-{version}.json")));
    schema["$defs"] = inside(file(wheel, "_definitions.json"))["$defs"].take();
    schema
}

#[test]
fn the_api_of_kubernetes_takes_every_manifest() {
    let wheel = match wheel() {
        Ok(wheel) => wheel,
        Err(why) => return skip(&why),
    };
    let mut checked = 0;
    // The Prometheus operator's kinds are its own.
    for (file, mut document) in manifests().into_iter().filter(|(_, document)| document["kind"] != "PodMonitor") {
        let validator = jsonschema::validator_for(&schema(&wheel, &document)).unwrap();
        let errors: Vec<String> =
            validator.iter_errors(&document).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(errors.is_empty(), "{file}: {}", errors.join("\n"));
        document["sepc"] = Value::Null;
        assert!(!validator.is_valid(&document), "{file}: a schema that accepts everything proves nothing");
        checked += 1;
    }
    assert!(checked > 10, "{checked}");
}
