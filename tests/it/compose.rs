//! docker-compose.yml, the Dockerfile and what they mount: no engine runs here, so everything that can be known without
//! one is checked.

mod image;
mod schema;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Parser;
use hookstream::cli::Cli;
use hookstream::config::Config;
use serde_json::Value;

/// Where the image looks for its configuration.
const CONFIG: &str = "/etc/hookstream/hookstream.toml";

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn compose() -> Value {
    serde_saphyr::from_str(&read("docker-compose.yml")).unwrap()
}

fn services(compose: &Value) -> impl Iterator<Item = (&String, &Value)> {
    compose["services"].as_object().unwrap().iter()
}

/// The texts of a list that may be absent.
fn texts(list: &Value) -> Vec<&str> {
    list.as_array().map(|list| list.iter().map(|text| text.as_str().unwrap()).collect()).unwrap_or_default()
}

/// (here, in the container) of each path or volume that a service mounts.
fn mounts(service: &Value) -> Vec<(&str, &str)> {
    texts(&service["volumes"]).into_iter().map(|mount| mount.split_once(':').unwrap()).collect()
}

/// The port in the container behind each port of this machine.
fn ports(service: &Value) -> Vec<(u16, u16)> {
    let pair = |text: &str| {
        let rest = text.strip_prefix("127.0.0.1:").unwrap_or_else(|| panic!("{text} is open to the network"));
        let (here, inside) = rest.split_once(':').unwrap();
        (here.parse().unwrap(), inside.parse().unwrap())
    };
    texts(&service["ports"]).into_iter().map(pair).collect()
}

fn config() -> Config {
    Config::parse(Path::new("hookstream.toml"), &read("deploy/compose/hookstream.toml"), []).unwrap()
}

#[test]
fn every_mounted_path_exists() {
    let compose = compose();
    for (name, service) in services(&compose) {
        for (here, inside) in mounts(service) {
            let inside = match inside.strip_suffix(":ro") {
                Some(inside) => {
                    assert!(root().join(here).exists(), "{name} mounts {here}, which is not there");
                    inside
                }
                None => {
                    assert!(compose["volumes"].get(here).is_some(), "{name}: {here} is neither read-only nor a volume");
                    inside
                }
            };
            assert!(inside.starts_with('/'), "{name}: {inside}");
        }
        for secret in texts(&service["secrets"]) {
            let file = compose["secrets"][secret]["file"].as_str().unwrap_or_else(|| panic!("{name}: secret {secret}"));
            let text = read(file);
            assert!(text.ends_with('\n'), "{file}");
            // `bm90LWEtc2VjcmV0` is "not-a-secret" in the base64 that Standard Webhooks wants.
            assert!(text.contains("not-a-") || text.contains("bm90LWEtc2VjcmV0"), "{file} looks like a real secret");
        }
        let after = service["depends_on"].as_object().map(|services| services.keys().cloned().collect());
        let after =
            after.unwrap_or_else(|| texts(&service["depends_on"]).into_iter().map(str::to_owned).collect::<Vec<_>>());
        for other in after {
            assert!(compose["services"].get(&other).is_some(), "{name} waits for {other}, which is no service");
        }
    }
}

#[test]
fn every_image_is_pinned() {
    for (name, service) in services(&compose()) {
        let image = service["image"].as_str().unwrap_or_else(|| panic!("{name} has no image"));
        let (_, tag) = image.rsplit_once(':').unwrap_or_else(|| panic!("{name}: {image} has no version"));
        assert!(tag.chars().filter(|c| *c == '.').count() >= 2, "{name}: {image} moves");
        if service.get("build").is_some() {
            assert_eq!(tag, env!("CARGO_PKG_VERSION"), "{name}: our own image has our own version");
        }
    }
}

#[test]
fn every_command_line_is_one() {
    let compose = compose();
    let mut commands = BTreeSet::new();
    for (name, service) in services(&compose).filter(|(_, service)| service.get("build").is_some()) {
        if service.get("entrypoint").is_some() {
            continue;
        }
        let words = [&["hookstream"][..], &texts(&service["command"])].concat();
        Cli::try_parse_from(&words).unwrap_or_else(|error| panic!("{name}: {error}"));
        commands.insert(words[1..].join(" "));
    }
    assert_eq!(commands, BTreeSet::from(["enrich".to_owned(), "serve".to_owned(), "topics apply".to_owned()]));
    // The others' files are where they are mounted.
    for (name, service) in services(&compose) {
        let words = [texts(&service["entrypoint"]), texts(&service["command"])].concat();
        let paths = words.iter().flat_map(|word| word.split('=')).filter(|word| word.starts_with('/'));
        for path in paths.filter(|path| !path.starts_with("/bin/")) {
            let mounted = mounts(service).iter().any(|(_, inside)| inside.trim_end_matches(":ro") == path);
            assert!(mounted, "{name}: nothing is mounted at {path}");
        }
    }
}

#[test]
fn the_samples_are_sent_to_sources_that_exist() {
    let script = read("deploy/compose/samples.sh");
    let config = config();
    let mut sent = 0;
    for line in script.lines().filter_map(|line| line.split_once("hookstream send ")).map(|(_, rest)| rest) {
        let line = line.trim_end_matches(" &").replace('"', "");
        let sources: Vec<&str> = match line.starts_with("$source ") {
            true => config.sources.keys().map(String::as_str).collect(),
            false => vec![line.split(' ').next().unwrap()],
        };
        for source in sources {
            let line = line.replace("$source", source).replace("$bodies", "deploy/compose/bodies");
            let words = ["hookstream", "send"].into_iter().chain(line.split(' ')).chain(["--to", "http://serve:8080"]);
            let cli = Cli::try_parse_from(words).unwrap_or_else(|error| panic!("{line}: {error}"));
            let hookstream::cli::Command::Send(send) = cli.command else { panic!("{line}") };
            assert!(config.sources.contains_key(&send.source), "{line}");
            assert!(send.file.is_none_or(|file| root().join(file).is_file()), "{line}");
            sent += 1;
        }
    }
    let loop_over = script.lines().find_map(|line| line.strip_prefix("for source in ")?.strip_suffix("; do")).unwrap();
    let named: BTreeSet<&str> = loop_over.split(' ').collect();
    assert_eq!(named, config.sources.keys().map(String::as_str).collect(), "every source gets something");
    assert!(sent > config.sources.len());
}

#[test]
fn addresses_and_ports_fit_together() {
    let (compose, config) = (compose(), config());
    let service = |name: &str| &compose["services"][name];
    let inside = |name: &str| ports(service(name)).into_iter().map(|(_, inside)| inside).collect::<Vec<_>>();
    assert_eq!(inside("serve"), [config.gateway.listen.port(), config.admin.listen.port()]);
    assert_eq!(inside("enrich"), [config.admin.listen.port()]);
    assert!(config.gateway.listen.ip().is_unspecified() && config.admin.listen.ip().is_unspecified());
    let here: Vec<u16> = services(&compose).flat_map(|(_, service)| ports(service)).map(|(here, _)| here).collect();
    assert_eq!(here.iter().collect::<BTreeSet<_>>().len(), here.len(), "no port is given twice");

    let kafka = &service("kafka")["environment"];
    let advertised = kafka["KAFKA_ADVERTISED_LISTENERS"].as_str().unwrap();
    let listener = |name: &str| advertised.split(',').find_map(|listener| listener.strip_prefix(name)).unwrap();
    assert_eq!(listener("INSIDE://"), config.kafka.bootstrap_servers);
    assert_eq!(listener("HOST://"), format!("localhost:{}", inside("kafka")[0]));
    assert_eq!(config.kafka.topics.replication, 1, "there is one node");

    let prometheus: Value = serde_saphyr::from_str(&read("dashboards/prometheus.yml")).unwrap();
    for scrape in prometheus["scrape_configs"].as_array().unwrap() {
        for target in texts(&scrape["static_configs"][0]["targets"]) {
            let (host, port) = target.split_once(':').unwrap();
            assert!(inside(host).contains(&port.parse().unwrap()), "{target}");
            assert!(config.admin.hosts.iter().any(|known| known == host), "admin.hosts refuses Prometheus at {target}");
        }
    }
    let datasource: Value = serde_saphyr::from_str(&read("dashboards/grafana/datasource.yml")).unwrap();
    assert_eq!(datasource["datasources"][0]["url"], format!("http://prometheus:{}", inside("prometheus")[0]));

    for source in config.sources.values() {
        let Some(base) = &source.api_base else { continue };
        assert!(compose["services"].get(base.host_str().unwrap()).is_some(), "{base}");
        assert!(read("deploy/compose/apis.conf").contains(&format!("listen {};", base.port().unwrap())), "{base}");
    }
}

#[test]
fn our_services_have_what_the_configuration_asks_for() {
    let compose = compose();
    let text = read("deploy/compose/hookstream.toml");
    let wanted: BTreeSet<&str> =
        text.split("file:/run/secrets/").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    for (name, service) in services(&compose).filter(|(_, service)| service.get("build").is_some()) {
        assert_eq!(texts(&service["secrets"]).into_iter().collect::<BTreeSet<_>>(), wanted, "{name}");
        let config = mounts(service).into_iter().find(|(_, inside)| *inside == format!("{CONFIG}:ro"));
        assert_eq!(config.map(|(here, _)| here), Some("./deploy/compose/hookstream.toml"), "{name}");
        assert_eq!(service["read_only"], true, "{name}");
        // What it runs with is the file and its environment together.
        let variables = service["environment"].as_object().into_iter().flatten();
        let variables = variables.map(|(key, value)| (key.clone(), value.as_str().unwrap().to_owned()));
        let merged = Config::parse(Path::new("hookstream.toml"), &text, variables);
        let spool = merged.unwrap_or_else(|error| panic!("{name}: {error}")).spool;
        let volumes = || mounts(service).into_iter().filter(|(_, inside)| !inside.ends_with(":ro"));
        let kept = spool.is_none_or(|spool| volumes().any(|(_, inside)| spool.dir.starts_with(inside)));
        assert!(kept, "{name}: its root is read-only, and no volume holds its spool");
        assert_eq!(service["cap_drop"][0], "ALL", "{name}");
    }
    let boards: BTreeSet<String> = mounts(&compose["services"]["grafana"])
        .into_iter()
        .filter_map(|(here, _)| Some(here.strip_prefix("./dashboards/")?.to_owned()))
        .filter(|file| file.ends_with(".json"))
        .collect();
    let entries = std::fs::read_dir(root().join("dashboards")).unwrap();
    let files = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(boards, files.filter(|file| file.ends_with(".json")).collect(), "Grafana shows every board");
}
