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
    leave_running_threads_alone();
    command::run(Cli::parse())
}

/// Have the kernel finish a thread's turn before another of ours that just woke has its own, where cores are short (all
/// threads inherit this). An event passes through several of them, and each handed it on by pushing the one before it
/// off its core: a tenth of the events per second (docs/performance.md). Who started the process under a policy of their
/// own keeps that.
fn leave_running_threads_alone() {
    if uapi::sched_getscheduler(0) == Ok(uapi::c::SCHED_OTHER) {
        let _ = uapi::sched_setscheduler(0, uapi::c::SCHED_BATCH, &uapi::c::sched_param { sched_priority: 0 });
    }
}
