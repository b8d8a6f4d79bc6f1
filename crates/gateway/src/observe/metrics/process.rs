//! What the kernel says of the process, read from `/proc` when somebody scrapes.

use std::fs;

/// Memory, descriptors, processor time. What cannot be read is left out.
#[derive(Debug, Default)]
pub(super) struct Process {
    pub(super) resident_bytes: Option<u64>,
    pub(super) open_fds: Option<u64>,
    pub(super) max_fds: Option<u64>,
    pub(super) cpu_seconds: Option<f64>,
    pub(super) start_seconds: Option<f64>,
}

/// Ticks in a second in what `/proc` tells programs: a constant of the kernel's interface, whatever its own clock.
const TICKS_PER_SECOND: f64 = 100.0;

impl Process {
    /// Reads them now.
    pub(super) fn read() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let boot = fs::read_to_string("/proc/stat").unwrap_or_default();
        // The command's name stands in brackets and may hold anything: fields are counted after the last one.
        let fields: Vec<&str> =
            stat.rsplit(')').next().unwrap_or_default().split_ascii_whitespace().collect();
        let ticks = |field: usize| fields.get(field)?.parse::<f64>().ok();
        Self {
            resident_bytes: word::<u64>(&status, "VmRSS:", 0).map(|kib| kib.saturating_mul(1024)),
            open_fds: fs::read_dir("/proc/self/fd")
                .ok()
                .and_then(|entries| u64::try_from(entries.count()).ok()),
            max_fds: word(&limits, "Max open files", 0),
            cpu_seconds: ticks(11).zip(ticks(12)).map(|(user, system)| (user + system) / TICKS_PER_SECOND),
            start_seconds: word::<f64>(&boot, "btime", 0)
                .zip(ticks(19))
                .map(|(boot, start)| boot + start / TICKS_PER_SECOND),
        }
    }
}

/// The word at `place` after `label` at the beginning of a line.
fn word<T: std::str::FromStr>(text: &str, label: &str, place: usize) -> Option<T> {
    let rest = text.lines().find_map(|line| line.strip_prefix(label))?;
    rest.split_ascii_whitespace().nth(place)?.parse().ok()
}
