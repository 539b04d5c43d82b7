//! deploy/kubernetes and deploy/systemd against the binary: its ports, paths, flags, configuration and promises.

mod schemas;
mod systemd;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clap::Parser;
use hookstream::cli::Cli;
use hookstream::config::Config;
use serde_json::Value;

/// What SIGTERM promises, in seconds: more must be given before SIGKILL.
const ENDS_WITHIN: i64 = 20;

const CONFIG: &str = "/etc/hookstream/config/hookstream.toml";

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("deploy")
}

/// Every document of every manifest, with its file's name.
fn manifests() -> Vec<(String, Value)> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(root().join("kubernetes")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let documents = |file: &PathBuf| {
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(file).unwrap();
        let documents = text.split("\n---\n").map(|text| serde_saphyr::from_str::<Value>(text).unwrap());
        documents.map(|document| (name.clone(), document)).collect::<Vec<_>>()
    };
    files.iter().filter(|file| file.extension().is_some_and(|ending| ending == "yaml")).flat_map(documents).collect()
}

fn of_kind(kind: &str) -> Vec<(String, Value)> {
    manifests().into_iter().filter(|(_, document)| document["kind"] == kind).collect()
}

/// What runs pods, with the pod's specification.
fn workloads() -> Vec<(String, Value)> {
    ["Deployment", "StatefulSet", "Job"].into_iter().flat_map(of_kind).collect()
}

fn configuration() -> Config {
    let (_, map) = of_kind("ConfigMap").pop().unwrap();
    Config::parse(Path::new("hookstream.toml"), map["data"]["hookstream.toml"].as_str().unwrap(), []).unwrap()
}

fn container(workload: &Value) -> &Value {
    let containers = workload["spec"]["template"]["spec"]["containers"].as_array().unwrap();
    assert_eq!(containers.len(), 1);
    &containers[0]
}

fn labels(value: &Value) -> BTreeMap<String, String> {
    serde_json::from_value(value.clone()).unwrap()
}

#[test]
fn every_command_line_is_one_and_every_image_is_ours() {
    let mut commands = BTreeSet::new();
    for (file, workload) in workloads() {
        let container = container(&workload);
        let arguments: Vec<&str> =
            container["args"].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect();
        let words = [&["hookstream"][..], &arguments].concat();
        let cli = Cli::try_parse_from(words).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert_eq!(cli.config_file(), Path::new(CONFIG), "{file}");
        commands.insert(arguments[2..].join(" "));
        assert_eq!(container["image"], format!("hookstream:{}", env!("CARGO_PKG_VERSION")), "{file}");
    }
    assert_eq!(commands, ["enrich", "serve", "topics apply"].map(str::to_owned).into());
}

#[test]
fn ports_and_probes_are_the_binarys() {
    let config = configuration();
    assert!(config.gateway.listen.ip().is_unspecified() && config.admin.listen.ip().is_unspecified());
    let known: BTreeMap<&str, u16> =
        [("http", config.gateway.listen.port()), ("admin", config.admin.listen.port())].into();
    for (file, workload) in workloads().into_iter().filter(|(_, workload)| workload["kind"] != "Job") {
        let container = container(&workload);
        for port in container["ports"].as_array().unwrap() {
            let name = port["name"].as_str().unwrap();
            assert_eq!(port["containerPort"], known[name], "{file}: {name}");
        }
        for (probe, path) in [("startupProbe", "/livez"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")] {
            assert_eq!(container[probe]["httpGet"]["path"], path, "{file}");
            assert_eq!(container[probe]["httpGet"]["port"], "admin", "{file}");
        }
        let spec = &workload["spec"]["template"]["spec"];
        assert!(spec["terminationGracePeriodSeconds"].as_i64().unwrap() > ENDS_WITHIN, "{file}");
    }
    let (_, monitor) = of_kind("PodMonitor").pop().unwrap();
    assert_eq!(monitor["spec"]["podMetricsEndpoints"][0]["port"], "admin");
    for (file, service) in of_kind("Service") {
        for port in service["spec"]["ports"].as_array().unwrap() {
            assert!(known.contains_key(port["targetPort"].as_str().unwrap()), "{file}");
        }
    }
    let serve = crate::support::serve::setup().source("orders", "").on_stand_in();
    for path in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(crate::support::http::get(serve.admin, path).status, 200, "{path}");
    }
}

/// What the comments say of SIGTERM is what it promises.
#[test]
fn what_is_said_of_the_end_is_so() {
    let mut said = 0;
    for folder in ["kubernetes", "systemd"] {
        for entry in std::fs::read_dir(root().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            for line in text.lines().filter(|line| line.contains("SIGTERM ends in order within")) {
                assert!(line.contains(&format!("within {ENDS_WITHIN} s")), "{}: {line}", path.display());
                said += 1;
            }
        }
    }
    assert!(said >= 4, "{said}");
}

#[test]
fn pods_can_do_no_more_than_they_need() {
    for (file, workload) in workloads() {
        let spec = &workload["spec"]["template"]["spec"];
        let container = container(&workload);
        assert_eq!(spec["automountServiceAccountToken"], false, "{file}");
        assert_eq!(spec["securityContext"]["runAsNonRoot"], true, "{file}");
        assert_eq!(spec["securityContext"]["seccompProfile"]["type"], "RuntimeDefault", "{file}");
        let security = &container["securityContext"];
        assert_eq!(security["readOnlyRootFilesystem"], true, "{file}");
        assert_eq!(security["allowPrivilegeEscalation"], false, "{file}");
        assert_eq!(security["capabilities"]["drop"][0], "ALL", "{file}");
        for limit in [&container["resources"]["requests"]["memory"], &container["resources"]["limits"]["memory"]] {
            assert!(limit.is_string(), "{file}: memory is asked for and bounded");
        }
        let dockerfile = std::fs::read_to_string(root().join("../Dockerfile")).unwrap();
        assert!(dockerfile.contains(&format!("USER {}:", spec["securityContext"]["runAsUser"])), "{file}");
    }
}

#[test]
fn what_the_configuration_names_is_mounted() {
    let config = configuration();
    for source in config.sources.values() {
        assert!(source.secret_count() > 0, "{}", source.name);
    }
    let (_, map) = of_kind("ConfigMap").pop().unwrap();
    let text = map["data"]["hookstream.toml"].as_str().unwrap();
    let secrets: Vec<&str> = text.split("file:").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert!(!secrets.is_empty());
    let file = std::fs::read_to_string(root().join("kubernetes/config.yaml")).unwrap();
    for (name, workload) in workloads() {
        let spec = &workload["spec"]["template"]["spec"];
        let container = container(&workload);
        let volumes: BTreeSet<&str> =
            spec["volumes"].as_array().unwrap().iter().map(|volume| volume["name"].as_str().unwrap()).collect();
        let claims = workload["spec"]["volumeClaimTemplates"].as_array().into_iter().flatten();
        let claims: BTreeSet<&str> = claims.map(|claim| claim["metadata"]["name"].as_str().unwrap()).collect();
        let mounts: Vec<&Value> = container["volumeMounts"].as_array().unwrap().iter().collect();
        for mount in &mounts {
            let volume = mount["name"].as_str().unwrap();
            assert!(volumes.contains(volume) || claims.contains(volume), "{name}: {volume}");
            assert!(mount.get("subPath").is_none(), "{name}: it would never change");
            assert_eq!(
                mount["readOnly"] == true,
                volumes.contains(volume),
                "{name}: only a volume of its own is written"
            );
        }
        let is_mounted = |path: &str| mounts.iter().any(|mount| path.starts_with(mount["mountPath"].as_str().unwrap()));
        assert!(is_mounted(CONFIG), "{name}");
        for secret in secrets.iter().filter(|_| workload["kind"] != "Job") {
            assert!(is_mounted(secret), "{name}: {secret}");
            let key = Path::new(secret).file_name().unwrap().to_str().unwrap();
            assert!(file.contains(&format!("--from-file={key}=")), "{key} is said to be needed");
        }
    }
}

/// The environment of a workload's container.
fn environment(workload: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let variables = container(workload)["env"].as_array().into_iter().flatten();
    variables.map(|variable| (text(&variable["name"]), text(&variable["value"]))).collect()
}

/// What a pod runs with is the file and its environment together, as the binary puts them together.
#[test]
fn a_spool_stands_on_a_volume_of_its_own_that_has_room_for_it() {
    let (_, map) = of_kind("ConfigMap").pop().unwrap();
    let text = map["data"]["hookstream.toml"].as_str().unwrap();
    let mut spools = 0;
    for (name, workload) in workloads() {
        let variables = environment(&workload);
        for (key, _) in &variables {
            assert!(key.starts_with("HOOKSTREAM_"), "{name}: {key}");
        }
        let config =
            Config::parse(Path::new("hookstream.toml"), text, variables).unwrap_or_else(|e| panic!("{name}: {e}"));
        let claims = workload["spec"]["volumeClaimTemplates"].as_array().into_iter().flatten();
        let claims: Vec<&Value> = claims.collect();
        let Some(spool) = config.spool else {
            assert!(claims.is_empty(), "{name}: a volume that nothing uses");
            continue;
        };
        spools += 1;
        assert_eq!(workload["kind"], "StatefulSet", "{name}: an instance comes back to its own volume");
        assert!(!spool.ephemeral, "{name}");
        let mounts = container(&workload)["volumeMounts"].as_array().unwrap();
        let mount = mounts.iter().find(|mount| spool.dir.starts_with(mount["mountPath"].as_str().unwrap())).unwrap();
        assert!(spool.dir != Path::new(mount["mountPath"].as_str().unwrap()), "{name}: lost+found is not ours");
        let claim = claims.iter().find(|claim| claim["metadata"]["name"] == mount["name"]).unwrap();
        let asked = claim["spec"]["resources"]["requests"]["storage"].as_str().unwrap();
        let room = asked.strip_suffix("Gi").unwrap().parse::<u64>().unwrap() << 30;
        assert!(spool.max_bytes <= room / 10 * 9, "{name}: {} of {room} bytes", spool.max_bytes);
    }
    assert_eq!(spools, 1, "one of the workloads has a spool");
}

#[test]
fn what_selects_pods_finds_them() {
    let pods: Vec<BTreeMap<String, String>> =
        workloads().iter().map(|(_, workload)| labels(&workload["spec"]["template"]["metadata"]["labels"])).collect();
    let finds = |what: &str, selector: &Value| {
        let selector = labels(selector);
        let found = pods.iter().any(|pod| selector.iter().all(|(name, value)| pod.get(name) == Some(value)));
        assert!(found && !selector.is_empty(), "{what} selects nothing");
    };
    for (file, document) in manifests() {
        let spec = &document["spec"];
        match document["kind"].as_str().unwrap() {
            "Service" => finds(&file, &spec["selector"]),
            "NetworkPolicy" => finds(&file, &spec["podSelector"]["matchLabels"]),
            "PodDisruptionBudget" | "PodMonitor" => finds(&file, &spec["selector"]["matchLabels"]),
            "Deployment" | "StatefulSet" => {
                finds(&file, &spec["selector"]["matchLabels"]);
                assert_eq!(spec["selector"]["matchLabels"], spec["template"]["metadata"]["labels"], "{file}");
            }
            "ConfigMap" | "Job" => {}
            other => panic!("{file}: nothing is known of {other}"),
        }
        if let Some(name) = spec["serviceName"].as_str() {
            let headless = |(_, service): &(String, Value)| service["metadata"]["name"] == name;
            assert!(of_kind("Service").iter().any(headless), "{file}: {name}");
        }
    }
    // The rules ask for these jobs.
    let (_, monitor) = of_kind("PodMonitor").pop().unwrap();
    assert_eq!(monitor["spec"]["podMetricsEndpoints"][0]["relabelings"][0]["replacement"], "hookstream-$1");
}
