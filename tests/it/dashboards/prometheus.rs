//! A real Prometheus with our configuration and rules, as a child process; asked over its HTTP API.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tempfile::TempDir;

use super::directory;
use crate::support::child::Child;
use crate::support::kafka::await_that;
use crate::support::skip::skip;

/// A running Prometheus.
pub(super) struct Prometheus {
    address: SocketAddr,
    _child: Child,
    _directory: TempDir,
}

impl Prometheus {
    /// Start one that scrapes these instead of the targets in dashboards/prometheus.yml, every second. `None` where there is no
    /// Prometheus, which has been said.
    pub(super) fn start(targets: &[(&str, SocketAddr)]) -> Option<Prometheus> {
        if Command::new("prometheus").arg("--version").output().is_err() {
            skip("prometheus is not on the PATH (a Debian package)");
            return None;
        }
        let own = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let mut config = std::fs::read_to_string(directory().join("prometheus.yml")).unwrap();
        for (given, ours) in [
            ("scrape_interval: 5s", "scrape_interval: 1s"),
            ("scrape_timeout: 4s", "scrape_timeout: 1s"),
            ("evaluation_interval: 15s", "evaluation_interval: 1s"),
        ]
        .map(|(given, ours)| (given.to_owned(), ours.to_owned()))
        .into_iter()
        .chain(targets.iter().map(|(given, ours)| ((*given).to_owned(), ours.to_string())))
        {
            assert!(config.contains(&given), "dashboards/prometheus.yml has no {given}");
            config = config.replace(&given, &ours);
        }
        std::fs::write(own.path().join("prometheus.yml"), config).unwrap();
        std::fs::copy(directory().join("alerts.yml"), own.path().join("alerts.yml")).unwrap();
        let address = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).unwrap();
        let mut command = Command::new("prometheus");
        command.arg("--config.file").arg(own.path().join("prometheus.yml"));
        command.arg("--storage.tsdb.path").arg(own.path().join("data"));
        command.arg(format!("--web.listen-address={address}"));
        let log = own.path().join("log");
        let mut child = Child::start(&command, &log);
        await_that("Prometheus is ready", || {
            assert!(!child.has_exited(), "it ended:\n{}", std::fs::read_to_string(&log).unwrap_or_default());
            get(address, "/-/ready").is_ok_and(|(status, _)| status == 200)
        });
        Some(Prometheus { address, _child: child, _directory: own })
    }

    /// The samples of an instant query as (labels, value).
    ///
    /// # Errors
    /// What Prometheus has against the expression.
    pub(super) fn query(&self, expression: &str) -> Result<Vec<(Value, f64)>, String> {
        let encoded = utf8_percent_encode(expression, NON_ALPHANUMERIC);
        let data = self.api(&format!("query?query={encoded}"))?;
        let number = |sample: &Value| sample[1].as_str().unwrap().parse::<f64>().unwrap();
        match data["resultType"].as_str() {
            Some("vector") => {
                let samples = data["result"].as_array().unwrap().iter();
                Ok(samples.map(|sample| (sample["metric"].clone(), number(&sample["value"]))).collect())
            }
            _ => Ok(vec![(Value::Null, number(&data["result"]))]),
        }
    }

    /// The rules as Prometheus has loaded and evaluated them.
    pub(super) fn rules(&self) -> Vec<Value> {
        let data = self.api("rules").unwrap();
        let groups = data["groups"].as_array().unwrap().iter();
        groups.flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
    }

    fn api(&self, path: &str) -> Result<Value, String> {
        let (_, body) = get(self.address, &format!("/api/v1/{path}")).map_err(|error| error.to_string())?;
        let answer: Value = serde_json::from_slice(&body).map_err(|error| error.to_string())?;
        match answer["status"].as_str() {
            Some("success") => Ok(answer["data"].clone()),
            _ => Err(answer["error"].to_string()),
        }
    }
}

/// HTTP/1.0: the answer ends with the connection and is never sent in chunks.
fn get(address: SocketAddr, path: &str) -> std::io::Result<(u16, Vec<u8>)> {
    let mut stream = TcpStream::connect(address)?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let head = answer.windows(4).position(|window| window == b"\r\n\r\n").ok_or(std::io::ErrorKind::UnexpectedEof)?;
    let status = std::str::from_utf8(&answer[9..12]).ok().and_then(|status| status.parse().ok()).unwrap_or(0);
    Ok((status, answer.split_off(head + 4)))
}
