//! A limit of memory that the kernel keeps: whoever passes it is killed.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

/// A control group for one process, gone with this value.
pub(crate) struct MemoryLimit {
    folder: PathBuf,
    is_v2: bool,
}

impl MemoryLimit {
    /// One of so many bytes; `None`, said on standard error, where the kernel or the rights do not allow it.
    pub(crate) fn new(bytes: u64) -> Option<Self> {
        let name = format!("portcullis-it-{}", std::process::id());
        let roots = [
            ("/sys/fs/cgroup/memory", false, "memory.limit_in_bytes"),
            ("/sys/fs/cgroup", true, "memory.max"),
        ];
        for (root, is_v2, limit) in roots {
            let folder = PathBuf::from(root).join(&name);
            if fs::create_dir(&folder).is_err() {
                continue;
            }
            let group = Self { folder, is_v2 };
            if fs::write(group.folder.join(limit), bytes.to_string()).is_ok() {
                return Some(group);
            }
        }
        let test = std::thread::current().name().unwrap_or_default().to_owned();
        // Not by `eprintln`, which the test runner keeps to itself when a test passes.
        writeln!(std::io::stderr(), "not run: {test}, for no control group may be made here")
            .expect("standard error");
        None
    }

    /// Puts a process under it, with what it takes from now on.
    pub(crate) fn hold(&self, pid: u32) {
        fs::write(self.folder.join("cgroup.procs"), pid.to_string()).expect("a process of ours");
    }

    /// How many processes the kernel has killed for it.
    pub(crate) fn kills(&self) -> u64 {
        self.number(if self.is_v2 { "memory.events" } else { "memory.oom_control" }, "oom_kill ")
    }

    /// The most it ever held, in bytes; 0 where the kernel does not say.
    pub(crate) fn peak(&self) -> u64 {
        self.number(if self.is_v2 { "memory.peak" } else { "memory.max_usage_in_bytes" }, "")
    }

    fn number(&self, file: &str, label: &str) -> u64 {
        let text = fs::read_to_string(self.folder.join(file)).unwrap_or_default();
        text.lines().find_map(|line| line.strip_prefix(label)?.trim().parse().ok()).unwrap_or_default()
    }
}

impl Drop for MemoryLimit {
    fn drop(&mut self) {
        // Only once its process has ended; what is left over holds nothing.
        drop(fs::remove_dir(&self.folder));
    }
}
