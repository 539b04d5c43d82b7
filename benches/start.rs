//! What all provider files cost before the first request: time to read, check and compile them, the start of the program
//! with and without them, and their memory. `cargo bench --bench start`. The aim: at most 50 ms to start.
#![allow(clippy::expect_used, clippy::print_stdout)]

mod turns;

use std::hint::black_box;
use std::process::{Command, Stdio};

use hookstream::provider::{Catalogue, embedded_files};
use turns::{Turn, in_turns, median};

/// Catalogues held at one time: one alone would drown in the allocator's own reserves.
const HELD: usize = 50;

/// Resident memory of this process in bytes (/proc, so on Linux alone).
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a figure");
    line.trim().trim_end_matches(" kB").trim().parse::<f64>().expect("a number") * 1024.0
}

/// As at the start of the program; [`Catalogue::embedded`] does it once for each process.
fn compiled() -> Catalogue {
    let mut catalogue = Catalogue::default();
    embedded_files().iter().try_for_each(|(file, text)| catalogue.add(file, text)).expect("sound files");
    catalogue
}

fn program(argument: &'static str) -> Turn<'static> {
    Turn::new(format!("hookstream {argument}"), move || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hookstream"));
        let status = command.arg(argument).stdout(Stdio::null()).status().expect("started");
        assert!(status.success());
    })
}

fn main() {
    let before = resident();
    let held: Vec<Catalogue> = (0..HELD).map(|_| compiled()).collect();
    let each = (resident() - before) / HELD as f64;
    let providers = held[0].iter().count();
    println!("{providers} providers take {:.0} KiB of memory", black_box(each) / 1024.0);
    drop(held);
    let mut turns = [
        Turn::new("read, check and compile all of them".to_owned(), || drop(black_box(compiled()))),
        program("--version"),
        program("providers"),
    ];
    let taken = in_turns(&mut turns);
    for (turn, taken) in turns.iter().zip(taken) {
        println!("{:<40} {:>8.1} ms", turn.name, median(taken) / 1e6);
    }
}
