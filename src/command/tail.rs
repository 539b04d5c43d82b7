//! `tail`: what stands in a topic.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Failure, output};
use crate::cli::Tail;
use crate::config::Config;
use crate::kafka::{Polled, Reader, Start, Stored};
use crate::shutdown::Shutdown;

/// How long Kafka may take to describe the topic.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often a reading thread looks whether it should stop.
const LOOK: Duration = Duration::from_millis(100);

pub(super) async fn run(mut config: Config, arguments: &Tail, shutdown: Shutdown) -> Result<ExitCode, Failure> {
    if let Some(kafka) = &arguments.kafka {
        config.kafka.bootstrap_servers.clone_from(kafka);
    }
    let topic =
        config.sources.get(&arguments.topic).map_or_else(|| arguments.topic.clone(), |source| source.raw_topic.clone());
    let (new, uncommitted, json) = (arguments.new, arguments.uncommitted, arguments.json);
    let (count, idle) = (arguments.count.unwrap_or(u64::MAX), arguments.idle.map(|length| length.0));
    let reading = move || -> Result<(), String> {
        let reader = Reader::open(&config.kafka, uncommitted)?;
        reader.read([topic.as_str()], if new { Start::End } else { Start::Beginning }, PATIENCE)?;
        let (mut shown, mut last) = (0, Instant::now());
        while shown < count && !shutdown.is_requested() && idle.is_none_or(|idle| last.elapsed() < idle) {
            match reader.poll(LOOK) {
                Polled::Record(record) => {
                    output::print(&if json { as_json(&record).to_string() } else { as_text(&record) })?;
                    (shown, last) = (shown + 1, Instant::now());
                }
                Polled::Nothing => {}
                Polled::Trouble(why) => tracing::warn!(why, "trouble while reading; trying on"),
                Polled::Fatal(why) => return Err(why),
            }
        }
        Ok(())
    };
    tokio::task::spawn_blocking(reading).await.map_err(|error| error.to_string())??;
    Ok(ExitCode::SUCCESS)
}

/// A head line with place, key and headers, then the value.
fn as_text(record: &Stored) -> String {
    let mut text = format!(
        "{}@{}  key {}",
        record.partition,
        record.offset,
        output::visible(&String::from_utf8_lossy(&record.key))
    );
    for (name, value) in &record.headers {
        text.push_str(&format!("\n  {}: {}", output::visible(name), output::visible(&String::from_utf8_lossy(value))));
    }
    text.push('\n');
    // Line ends inside the value are the provider's and harmless; other control characters are not.
    text.extend(
        String::from_utf8_lossy(&record.value)
            .chars()
            .map(|c| if c.is_control() && c != '\n' && c != '\t' { '\u{fffd}' } else { c }),
    );
    text.push('\n');
    text
}

/// Everything, without loss: bytes that are not UTF-8 stand in `value_base64`.
fn as_json(record: &Stored) -> Value {
    let headers: Vec<Value> =
        record.headers.iter().map(|(name, value)| json!({ "name": name, "value": lossless(value) })).collect();
    let mut object = json!({
        "topic": &*record.partition.topic,
        "partition": record.partition.number,
        "offset": record.offset,
        "timestamp": record.timestamp_ms,
        "key": lossless(&record.key),
        "headers": headers,
    });
    match std::str::from_utf8(&record.value) {
        Ok(text) => object["value"] = text.into(),
        Err(_) => object["value_base64"] = STANDARD.encode(&record.value).into(),
    }
    object
}

fn lossless(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => json!({ "base64": STANDARD.encode(bytes) }),
    }
}
