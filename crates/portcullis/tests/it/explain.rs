//! What operators ask a running gateway from the command line.

use portcullis_testkit::gateway::{Builder, Signal};
use portcullis_testkit::{Deadline, Request, Wire};

use crate::stage::{CONFIG, KEY, KEY_FIELD, Stage, executable, text};

fn stage() -> Stage {
    Stage::built(|backend| {
        let config = CONFIG.replace("BACKEND", backend).replace("state: none", "state: state");
        Builder::new(executable(), config)
    })
}

/// What `portcullis explain` says of `id`.
fn explain(stage: &Stage, id: &str, more: &[&str]) -> (Option<i32>, String) {
    let mut arguments = vec!["explain", id];
    arguments.extend(more);
    let output = stage.gateway.run(&executable(), &arguments);
    (output.status.code(), text(&output))
}

#[test]
fn each_verdict_is_told_with_the_line_that_made_it() {
    let stage = stage();
    let refused = Wire::Http1.send(stage.public(), &Request::get("/admin/x"));
    let id = refused.text("x-request-id").expect("an id");
    let socket = ["--socket", "state/admin.sock"];
    let (code, said) = explain(&stage, &id, &socket);
    assert_eq!(code, Some(0), "{said}");
    for part in ["GET gw.test/admin/x", "API: secured", "operation: all", "route", "refused", "401"] {
        assert!(said.contains(part), "`{part}` is not in: {said}");
    }
    // Both the operation and its `auth` stand in the file, at lines that can be counted.
    let line = |key: &str| {
        let config = std::fs::read_to_string(stage.gateway.folder().join("portcullis.yaml")).expect("a file");
        let at = config.lines().position(|line| line.contains(key)).expect("a line") + 1;
        format!("portcullis.yaml:{at}")
    };
    assert!(said.contains(&line("auth: { api_key")), "the line of `auth` is not in: {said}");
    let (code, found) = explain(&stage, &id, &[]);
    assert_eq!((code, &found), (Some(0), &said), "the configuration leads to the socket");
    let (code, json) = explain(&stage, &id, &["--socket", "state/admin.sock", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!((code, json["status"].as_u64()), (Some(0), Some(401)));
}

#[test]
fn a_malformed_request_is_explained_too() {
    let stage = stage();
    let mut client = stage.connect();
    client.send("GET / HTTP/1.1\r\nHost: gw.test\r\nHost: other.test\r\n\r\n");
    let refused = client.response("GET", Deadline::soon()).expect("an answer");
    assert_eq!(refused.status, 400);
    let (code, said) = explain(&stage, &refused.text("x-request-id").expect("an id"), &[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("malformed-request") && said.contains("more than one host"), "{said}");
}

#[test]
fn an_unknown_id_is_a_no() {
    let stage = stage();
    let (code, said) = explain(&stage, "00000000-0000-7000-8000-000000000000", &[]);
    assert_eq!(code, Some(1), "{said}");
    let nobody = Builder::new(executable(), CONFIG).run(&["explain", "x", "--socket", "nowhere.sock"]);
    assert_eq!(nobody.status.code(), Some(2), "{}", text(&nobody));
}

#[test]
fn a_health_check_tells_by_its_exit_code() {
    let mut stage = Stage::with(&format!("{CONFIG}bounds: {{ drain_notice: 30s }}\n"));
    let probes = stage.gateway.probes().to_string();
    let check = |stage: &Stage| stage.gateway.run(&executable(), &["healthcheck", "--probes", &probes]);
    let ready = check(&stage);
    assert_eq!((ready.status.code(), text(&ready).trim()), (Some(0), "ready"));
    stage.gateway.signal(Signal::Term);
    Deadline::soon().poll("a draining gateway", || {
        let draining = check(&stage);
        (draining.status.code() == Some(1) && text(&draining).contains("503")).then_some(())
    });
    stage.gateway.signal(Signal::Term);
    assert!(stage.gateway.wait(Deadline::soon()).success());
    let gone = check(&stage);
    assert_eq!(gone.status.code(), Some(1), "{}", text(&gone));
}

#[test]
fn a_new_key_opens_what_it_is_pasted_for() {
    let made = Builder::new(executable(), "").run(&["keys", "new", "--consumer", "shop", "--api", "secured"]);
    assert!(made.status.success(), "{}", text(&made));
    let printed = String::from_utf8(made.stdout).expect("text");
    let (key, block) = printed.trim_start().split_once('\n').expect("a key, then the block");
    let (before, rest) = CONFIG.split_once("consumers:\n").expect("consumers");
    let (_, after) = rest.split_once("backends:").expect("backends");
    let stage = Stage::with(&format!("{before}{}\nbackends:{after}", block.trim()));
    let ask = |key: &str| {
        let request = Request::get("/admin/x").field(KEY_FIELD, key);
        Wire::Http1.send(stage.public(), &request).status
    };
    assert_eq!((ask(key.trim()), ask(KEY)), (200, 401));
}
