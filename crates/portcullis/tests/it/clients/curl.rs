//! curl: both versions of HTTP over cleartext and TLS, uploads, and leave to go on.

use std::fs;
use std::process::Command;

use portcullis_testkit::recorder::Reply;

use super::{Scene, client, run};

/// Listener, the options that choose the version, and what curl calls it.
const WIRES: &[(&str, &[&str], &str)] = &[
    ("clear", &["--http1.1"], "1.1"),
    ("clear", &["--http2-prior-knowledge"], "2"),
    ("tls", &["--http1.1"], "1.1"),
    ("tls", &["--http2"], "2"),
];

fn curl(scene: &Scene) -> Option<Command> {
    let mut command = client("curl", &["--version"])?;
    command.args(["-sS", "--noproxy", "*", "--max-time", "30", "--cacert"]).arg(scene.ca());
    Some(command)
}

#[test]
fn every_wire_answers_in_its_own_version() {
    let scene = Scene::start();
    let fields = "Set-Cookie: a=1; Path=/\r\nSet-Cookie: b=2\r\n";
    scene.backend.on("/cookies", Reply::with("200 OK", fields, "sweet"));
    for (listener, wire, version) in WIRES {
        let Some(mut curl) = curl(&scene) else { return };
        curl.args(*wire).args(["-i", "-w", "\n%{http_version} %{http_code} %{num_connects}\n"]);
        // curl before 8.0 cannot use a connection again that it opened with prior knowledge.
        let times = if *wire == ["--http2-prior-knowledge"] { 1 } else { 2 };
        curl.args(vec![format!("{}/cookies", scene.url(listener)); times]);
        let said = run(&mut curl).to_ascii_lowercase();
        let ends: Vec<&str> = said.lines().filter(|line| line.starts_with(version)).collect();
        assert_eq!(
            ends,
            [format!("{version} 200 1"), format!("{version} 200 0")][..times],
            "{wire:?}: {said}"
        );
        assert_eq!(said.matches("set-cookie: a=1; path=/").count(), times, "{wire:?}: {said}");
        assert_eq!(said.matches("set-cookie: b=2").count(), times, "{wire:?}: {said}");
    }
    scene.expect_plain_backend_traffic();
}

#[test]
fn uploads_arrive_whole_announced_or_not() {
    let scene = Scene::start();
    let content: Vec<u8> = (0..3_000_000_u32).map(|at| at.to_le_bytes()[usize::from(at % 3 == 0)]).collect();
    let file = scene.gateway.folder().join("upload");
    fs::write(&file, &content).expect("a file");
    for (listener, wire, _) in WIRES {
        for (name, more) in [("announced", None), ("not announced", Some("Transfer-Encoding: chunked"))] {
            if more.is_some() && wire.contains(&"--http2-prior-knowledge") {
                continue; // this curl would send the field itself, which HTTP/2 forbids
            }
            let Some(mut curl) = curl(&scene) else { return };
            curl.args(*wire).args(["-f", "-T"]).arg(&file);
            curl.args(more.into_iter().flat_map(|field| ["-H", field]));
            let mark = scene.backend.mark();
            run(curl.arg(format!("{}/upload", scene.url(listener))));
            let arrived = scene.backend.since(mark);
            assert_eq!(arrived.len(), 1, "{wire:?}, {name}");
            assert!(arrived[0].is_complete && arrived[0].body == content, "{wire:?}, {name}: another body");
        }
    }
    scene.expect_plain_backend_traffic();
}

#[test]
fn a_client_that_asks_for_leave_gets_it_or_a_refusal_before_its_body() {
    let scene = Scene::start();
    for listener in ["clear", "tls"] {
        for (path, status, uploaded) in [("/leave", "200", "9"), ("/admin", "401", "0")] {
            let Some(mut curl) = curl(&scene) else { return };
            // Without an answer to its question curl would wait for longer than it may take.
            curl.args(["--http1.1", "-v", "--expect100-timeout", "60", "-H", "Expect: 100-continue"]);
            curl.args(["-o", "/dev/null", "--stderr", "-", "-w", "\n%{http_code} %{size_upload}"]);
            let url = format!("{}{path}", scene.url(listener));
            let said = run(curl.args(["-d", "with care"]).arg(url));
            assert!(said.ends_with(&format!("\n{status} {uploaded}")), "{listener}{path}: {said}");
            assert_eq!(said.contains("< HTTP/1.1 100"), status == "200", "{listener}{path}: {said}");
        }
    }
    scene.expect_plain_backend_traffic();
}
