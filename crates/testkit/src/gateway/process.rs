//! Signals to a process and its bill, by its id alone.

use std::fs;
use std::process::Command;
use std::time::Duration;

/// A signal a test sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Read the configuration again.
    Hup,
    /// Drain and end.
    Term,
    /// End like Ctrl-C.
    Int,
    /// Stand still, as a machine that hangs.
    Stop,
    /// Go on.
    Cont,
    /// End at once.
    Kill,
    /// Start a process that takes over.
    Usr2,
}

/// What a process has used.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    /// Resident memory in bytes.
    pub memory: u64,
    /// The most resident memory it ever had, in bytes.
    pub memory_peak: u64,
    /// Processor time in user and kernel mode, all threads.
    pub processor: Duration,
    /// Open descriptors.
    pub descriptors: usize,
    /// Threads.
    pub threads: u64,
}

/// Sends `signal` to the process `pid`.
pub(crate) fn send(pid: u32, signal: Signal) {
    let name = match signal {
        Signal::Hup => "HUP",
        Signal::Term => "TERM",
        Signal::Int => "INT",
        Signal::Stop => "STOP",
        Signal::Cont => "CONT",
        Signal::Kill => "KILL",
        Signal::Usr2 => "USR2",
    };
    // The standard library only knows KILL, and unsafe code is forbidden here: the shell's own `kill` does it.
    let status = Command::new("sh").args(["-c", &format!("kill -{name} {pid}")]).status();
    assert!(status.is_ok_and(|status| status.success()), "failed to send {name} to {pid}");
}

/// Reads what the process `pid` has used from `/proc`.
pub(crate) fn usage(pid: u32) -> Usage {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("a running process");
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("a running process");
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count);
    let number = |name: &str| -> u64 {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
    };
    Usage {
        memory: number("VmRSS") * 1024,
        memory_peak: number("VmHWM") * 1024,
        processor: processor(&stat),
        descriptors,
        threads: number("Threads"),
    }
}

/// Fields 14 and 15 of `stat`, in ticks of 10 ms. They are counted behind the name, which may hold spaces.
fn processor(stat: &str) -> Duration {
    let behind = stat.rsplit_once(')').map_or("", |(_, behind)| behind);
    let fields = behind.split_whitespace().skip(11).take(2);
    let ticks: u64 = fields.filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}
