use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use super::*;

/// A stand-in that announces two listeners, logs a record, and answers HUP and TERM.
// Of a signal that was ignored before it began (`nohup`) a shell would hear nothing.
const STAND_IN: &str = r#"#!/usr/bin/env -S --default-signal=HUP sh
trap 'echo "{\"message\":\"reloaded\"}" >&2' HUP
trap 'exit 3' TERM
echo "not json" >&2
echo '{"timestamp":"t","message":"listening","listener":"public","address":"127.0.0.1:4711"}' >&2
echo '{"fields":{"message":"probes listening","address":"127.0.0.1:4712"}}' >&2
cat "$3"
ulimit -n
i=0
while [ $i -lt 2000 ]; do sleep 0.01; i=$((i+1)); done
"#;

fn stand_in() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("stand-in");
    fs::write(&path, STAND_IN).expect("a file");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("permissions");
    (folder, path)
}

#[test]
fn the_process_is_configured_watched_signalled_and_ended() {
    let (_folder, executable) = stand_in();
    let config = r#"{"api":"orders"}"#;
    let mut gateway = Builder::new(executable, format!("{config}\n")).limit("--nofile=99:99").start();
    assert_eq!(gateway.address("public").port(), 4711);
    assert_eq!(gateway.probes().port(), 4712);
    gateway.record("its configuration", |record| record["api"] == "orders");
    gateway.stdout().expect("the limit", |line| (line == "99").then_some(()));
    assert!(gateway.usage().memory > 0 && gateway.usage().threads == 1);
    gateway.signal(Signal::Hup);
    gateway.log("a reload", |line| line["message"] == "reloaded");
    assert!(gateway.is_running());
    gateway.signal(Signal::Term);
    assert_eq!(gateway.wait(Deadline::soon()).code(), Some(3));
}

#[test]
fn a_wait_has_an_end() {
    let (_folder, executable) = stand_in();
    let gateway = Gateway::start(executable, "{}\n");
    gateway.probes(); // the last thing it says
    let mark = gateway.stderr().mark();
    let deadline = Deadline::after(Duration::from_millis(20));
    assert!(gateway.stderr().find(mark, deadline, |line| Some(line.to_owned())).is_none());
}
