//! Disks that are full or take nothing: requests go on, one warning says what is not kept, and writing goes on when there
//! is room again (row 75).
//!
//! The disk is a file system in memory of 256 KiB, which needs the right to mount. Without it the size of files is limited
//! instead, and what that cannot show is named as not run.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use portcullis_testkit::gateway::Builder;
use portcullis_testkit::{Deadline, Gateway, Recorder, Request, Wire};
use tempfile::TempDir;

use crate::stage::executable;

const CONFIG: &str = r#"version: 1
state: STATE
admin: { bind: "unix:ADMIN", probes: 127.0.0.1:0 }
telemetry: { access_log: "file:LOGS/access.log", incidents: off }
bounds: { log_queue: 64KiB }
listeners: { public: { bind: 127.0.0.1:0, protocols: [http1, http2] } }
backends: { recorder: { targets: ["http://BACKEND"] } }
apis: { open: { backend: recorder, auth: none, operations: { all: { match: "* /{rest*}" } } } }
"#;

/// A file system of its own, gone with this value.
struct Disk {
    folder: TempDir,
    is_mounted: bool,
}

impl Disk {
    /// One of 256 KiB, with a folder for state and one for logs; `None` where nothing may be mounted.
    fn small() -> Option<Self> {
        let folder = tempfile::Builder::new().prefix("portcullis-disk-").tempdir().expect("a folder");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"])
            .arg(folder.path())
            .output()
            .is_ok_and(|output| output.status.success());
        if !mounted {
            let test = std::thread::current().name().unwrap_or_default().to_owned();
            // Not by `eprintln`, which the test runner keeps to itself when a test passes.
            writeln!(std::io::stderr(), "not run: {test}, for nothing may be mounted here")
                .expect("standard error");
            return None;
        }
        let disk = Self { folder, is_mounted: true };
        for name in ["state", "logs"] {
            fs::create_dir(disk.path(name)).expect("a folder");
        }
        Some(disk)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Takes every byte that is left.
    fn fill(&self) -> PathBuf {
        let path = self.path("filler");
        let mut file = fs::File::create(&path).expect("a file");
        for piece in [vec![0; 4096], vec![0; 1]] {
            while file.write_all(&piece).is_ok() {}
        }
        path
    }

    fn read_only(&self) {
        let done = Command::new("mount").args(["-o", "remount,ro"]).arg(self.folder.path()).status();
        assert!(done.is_ok_and(|status| status.success()), "nothing is open on it");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.is_mounted {
            // What still holds it open dies with its test; it is then gone for good.
            drop(Command::new("umount").arg("--lazy").arg(self.folder.path()).status());
        }
    }
}

fn config(state: &Path, logs: &Path, admin: &str, backend: &Recorder) -> String {
    CONFIG
        .replace("STATE", &state.display().to_string())
        .replace("LOGS", &logs.display().to_string())
        .replace("ADMIN", admin)
        .replace("BACKEND", &backend.address().to_string())
}

/// Asks `count` times; every answer is the backend's.
fn ask(gateway: &Gateway, count: usize) {
    let mut client = portcullis_testkit::raw::Client::connect(gateway.address("public"));
    for number in 0..count {
        let target = format!("/{number}");
        client.send(Request::get(&target).http1());
        let answer = client.response("GET", Deadline::soon()).expect("an answer");
        assert_eq!(answer.text("x-recorded"), Some(target));
    }
}

fn metric(gateway: &Gateway, name: &str) -> f64 {
    let text = gateway.metrics();
    let line = text.lines().find(|line| line.starts_with(name) && line.contains("\"access\""));
    line.and_then(|line| line.rsplit_once(' ')?.1.parse().ok()).expect("a count")
}

fn lines(gateway: &Gateway, text: &str) -> usize {
    gateway.stderr().all().iter().filter(|line| line.contains(text)).count()
}

const DROPPED: &str = "portcullis_log_dropped_total";
const ERRORS: &str = "portcullis_log_write_errors_total";

#[test]
fn on_a_full_disk_requests_go_on_and_writing_does_when_there_is_room() {
    let Some(disk) = Disk::small() else { return };
    let backend = Recorder::start();
    let text = config(&disk.path("state"), &disk.path("logs"), "admin.sock", &backend);
    let gateway = Builder::new(executable(), text.clone()).start();
    let filler = disk.fill();
    // Far more than the disk and the queue hold.
    Deadline::soon().poll("records that are lost", || {
        ask(&gateway, 50);
        (metric(&gateway, ERRORS) >= 1.0 && metric(&gateway, DROPPED) >= 1.0).then_some(())
    });
    assert_eq!(lines(&gateway, "cannot write records"), 1, "one warning");
    assert_eq!(Wire::Http1.send(gateway.probes(), &Request::get("/readyz")).status, 200);
    // A change is taken; that it is not kept is said.
    gateway.reconfigure(&text.replace("64KiB", "128KiB"));
    gateway.log("the change", |line| line.to_string().contains("configuration reloaded"));
    gateway.log("that it is not kept", |line| {
        line["severity_text"] == "WARN" && line.to_string().contains("not kept")
    });
    fs::remove_file(filler).expect("the filler");
    let written = || fs::metadata(disk.path("logs/access.log")).map_or(0, |it| it.len());
    let before = written();
    Deadline::soon().poll("records again", || {
        ask(&gateway, 1);
        (written() > before).then_some(())
    });
    let kept = fs::read_to_string(disk.path("logs/access.log")).expect("records");
    let whole = kept.lines().filter(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()).count();
    assert!(kept.lines().count() - whole <= 1, "no line is torn but the last, which is being written");
}

/// The same where nothing can be mounted, and for whoever limits the size of files.
#[test]
fn a_file_that_may_not_grow_ends_no_process() {
    let backend = Recorder::start();
    let folder = tempfile::tempdir().expect("a folder");
    let text = config(&folder.path().join("state"), folder.path(), "admin.sock", &backend);
    let mut gateway = Builder::new(executable(), text).limit("--fsize=65536:65536").start();
    Deadline::soon().poll("records that are lost", || {
        ask(&gateway, 50);
        (metric(&gateway, ERRORS) >= 1.0).then_some(())
    });
    ask(&gateway, 10);
    assert!(gateway.is_running());
    assert_eq!(lines(&gateway, "cannot write records"), 1, "one warning");
    let size = fs::metadata(folder.path().join("access.log")).expect("a file").len();
    assert!(size <= 65_536, "{size} bytes");
}

#[test]
fn a_state_folder_that_takes_nothing_is_no_reason_not_to_serve() {
    let Some(disk) = Disk::small() else { return };
    disk.read_only();
    let backend = Recorder::start();
    let elsewhere = tempfile::tempdir().expect("a folder");
    let socket = elsewhere.path().join("admin.sock").display().to_string();
    let text = config(&disk.path("state"), elsewhere.path(), &socket, &backend);
    let gateway = Builder::new(executable(), text).start();
    ask(&gateway, 3);
    gateway.log("that nothing is kept", |line| {
        line["severity_text"] == "WARN" && line.to_string().contains("not kept")
    });

    // What cannot be done without is named, and nothing is served: the log, and the door for operators.
    for (logs, admin, named) in [
        (disk.path("logs"), socket.replace("admin", "other"), "access.log"),
        (elsewhere.path().to_owned(), "admin.sock".to_owned(), "admin.sock"),
    ] {
        let text = config(&disk.path("state"), &logs, &admin, &backend);
        let refused = Builder::new(executable(), text).run(&["run"]);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(2), "{said}");
        assert!(said.contains(named) && said.contains("Read-only file system"), "{said}");
    }
}
