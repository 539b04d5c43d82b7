//! What a process has cost so far, from /proc.

use std::fs;
use std::time::Duration;

/// The kernel counts for user space in these, on every architecture.
const TICKS_PER_SECOND: f64 = 100.0;

/// User and system time of all threads.
pub(crate) fn cpu(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("a running process");
    // The name may hold spaces; it ends at the last bracket.
    let rest = stat.rsplit_once(") ").expect("a name in brackets").1;
    let ticks: u64 = rest.split(' ').skip(11).take(2).map(|field| field.parse::<u64>().expect("a number")).sum();
    Duration::from_secs_f64(ticks as f64 / TICKS_PER_SECOND)
}

/// What the machine has done so far, whoever asked for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Machine {
    busy: f64,
    idle: f64,
}

impl Machine {
    pub(crate) fn now() -> Machine {
        let stat = fs::read_to_string("/proc/stat").expect("/proc/stat");
        let ticks = stat.lines().next().expect("a line for all processors").split_whitespace().skip(1).take(8);
        let ticks: Vec<f64> = ticks.map(|field| field.parse().expect("a number")).collect();
        let [user, nice, system, idle, iowait, irq, softirq, _stolen] = ticks[..] else { panic!("eight fields") };
        Machine { busy: user + nice + system + irq + softirq, idle: idle + iowait }
    }

    /// Time of all processors since then, and the share of it in which they had nothing to do.
    pub(crate) fn since(self) -> (Duration, f64) {
        let Machine { busy, idle } = Machine::now();
        let (busy, idle) = (busy - self.busy, idle - self.idle);
        (Duration::from_secs_f64(busy / TICKS_PER_SECOND), idle / (busy + idle))
    }
}

/// The most memory that was resident at one time, in bytes.
pub(crate) fn peak_memory(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("a running process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("VmHWM");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1_024
}
