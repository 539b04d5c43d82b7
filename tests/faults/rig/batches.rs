//! Which producer wrote what, from the brokers' disks: two copies under one producer epoch are another fault than two under
//! two, or than two that were handed over separately.

use std::path::Path;

use crate::support::kafka::Cluster;

/// The length of a batch's header.
const HEADER: usize = 61;

/// The batch that holds an offset, as each broker has it.
pub(crate) fn holding(kafka: &Cluster, topic: &str, partition: i32, offset: i64) -> Vec<String> {
    let nodes = 1..=kafka.nodes().len();
    let of = |node: usize| {
        let directory = kafka.directory().join(format!("node-{node}/data/{topic}-{partition}"));
        let batch = batches(&directory).into_iter().rfind(|batch| batch.first <= offset);
        batch.map_or_else(|| format!("broker {node}: nothing"), |batch| format!("broker {node}: {batch:?}"))
    };
    nodes.map(of).collect()
}

/// A batch, by its header.
#[derive(Debug)]
#[allow(dead_code, reason = "printed")]
struct Batch {
    first: i64,
    leader_epoch: i32,
    producer: i64,
    producer_epoch: i16,
    sequence: i32,
    records: i32,
}

fn batches(directory: &Path) -> Vec<Batch> {
    let files = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut files: Vec<_> =
        files.map(|file| file.path()).filter(|path| path.extension().is_some_and(|it| it == "log")).collect();
    files.sort();
    let mut batches = Vec::new();
    for file in files {
        let bytes = std::fs::read(file).unwrap_or_default();
        let mut rest = &bytes[..];
        while let Some(header) = rest.get(..HEADER) {
            let long = |at: usize| i64::from_be_bytes(header[at..at + 8].try_into().expect("eight"));
            let int = |at: usize| i32::from_be_bytes(header[at..at + 4].try_into().expect("four"));
            let short = |at: usize| i16::from_be_bytes(header[at..at + 2].try_into().expect("two"));
            batches.push(Batch {
                first: long(0),
                leader_epoch: int(12),
                producer: long(43),
                producer_epoch: short(51),
                sequence: int(53),
                records: int(57),
            });
            rest = rest.get(12 + int(8).max(49) as usize..).unwrap_or_default();
        }
    }
    batches
}
