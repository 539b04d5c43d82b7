//! The `hookstream` binary: command line → command → exit code.

use std::process::ExitCode;

use clap::Parser;
use hookstream::cli::Cli;
use hookstream::command;

/// Fewer cycles per event than the system's allocator, and less memory kept after a burst of large bodies. librdkafka's
/// memory comes from it as well (its feature `override`).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // A core dump would hold the secrets.
    let none = rustix::process::Rlimit { current: Some(0), maximum: Some(0) };
    let _ = rustix::process::setrlimit(rustix::process::Resource::Core, none);
    // The allocator asks for huge pages, and a connection at rest would hold whole ones for the little that it touched.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    command::run(Cli::parse())
}
