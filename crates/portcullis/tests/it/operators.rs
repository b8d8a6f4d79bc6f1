//! `status` and `drain`: what operators ask of a running gateway, and tell it.

use std::process::Output;
use std::thread;

use portcullis_testkit::gateway::{Builder, Signal};
use portcullis_testkit::recorder::Gate;
use portcullis_testkit::{Deadline, Gateway, Reply, Request};
use serde_json::Value;

use crate::stage::{CONFIG, Stage, executable, text};

fn stage(bounds: &str) -> Stage {
    let more = format!("bounds: {{ {bounds} }}\n");
    Stage::built(|backend| {
        let config = CONFIG.replace("BACKEND", backend).replace("state: none", "state: state") + &more;
        Builder::new(executable(), config)
    })
}

/// Exit code and everything that was printed.
fn run(gateway: &Gateway, arguments: &[&str]) -> (Option<i32>, String) {
    said(&gateway.run(&executable(), arguments))
}

fn said(output: &Output) -> (Option<i32>, String) {
    (output.status.code(), text(output))
}

#[test]
fn status_shows_phase_configuration_and_listeners() {
    let stage = stage("drain_notice: 60s");
    let (code, text) = run(&stage.gateway, &["status"]);
    assert_eq!(code, Some(0), "{text}");
    for part in ["ready: portcullis ", "configuration ", "listener public on 127.0.0.1:"] {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
    let (code, json) = run(&stage.gateway, &["status", "--json", "--socket", "state/admin.sock"]);
    let json: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!((code, json["phase"].as_str()), (Some(0), Some("ready")));

    let written = std::fs::read_to_string(stage.gateway.folder().join("portcullis.yaml")).expect("a file");
    stage.gateway.reconfigure(&written.replace("auth: none", "auth: nobody"));
    stage.gateway.signal(Signal::Hup);
    stage.gateway.log("the refusal", |line| line.to_string().contains("configuration not reloaded"));
    let (code, text) = run(&stage.gateway, &["status", "--socket", "state/admin.sock"]);
    assert_eq!(code, Some(0), "what runs is ready: {text}");
    assert!(text.contains("last reload failed at ") && text.contains("portcullis.yaml:"), "{text}");
    let (code, text) = run(&stage.gateway, &["status"]);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("--socket"), "a broken file leads nowhere; what does is told: {text}");
    stage.gateway.reconfigure(&written);

    assert_eq!(run(&stage.gateway, &["drain", "--socket", "state/admin.sock"]).0, Some(0));
    let (code, text) = run(&stage.gateway, &["status", "--socket", "state/admin.sock"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.starts_with("draining: "), "{text}");
}

#[test]
fn drain_waits_for_the_end_and_says_whether_it_came() {
    let mut stage = stage("drain: 60s");
    let gate = Gate::new();
    let slow = Reply::new().wait(&gate).send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone");
    stage.backend.on("/slow", slow);
    let mut client = stage.connect();
    client.send(Request::get("/slow").http1());
    stage.backend.expect("the slow request", |message| message.target == b"/slow");

    let gateway = &stage.gateway;
    let answer = thread::scope(|scope| {
        let waiting = scope.spawn(|| run(gateway, &["drain", "--wait", "60s"]));
        // Whoever waits has been heard before the end may come.
        Deadline::soon()
            .poll("the drain", || run(gateway, &["status"]).1.starts_with("draining: ").then_some(()));
        let (code, text) = run(gateway, &["drain", "--wait", "500ms"]);
        assert_eq!((code, text.trim()), (Some(1), "still draining"));
        gate.open();
        let answer = client.response("GET", Deadline::soon()).expect("what was under way ends");
        assert_eq!(waiting.join().expect("it ends"), (Some(0), "ended\n".to_owned()));
        answer
    });
    assert_eq!((answer.status, answer.text("connection").as_deref()), (200, Some("close")));
    assert_eq!(stage.gateway.wait(Deadline::soon()).code(), Some(0));
    let (code, text) = run(&stage.gateway, &["drain"]);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("is it running"), "{text}");
}

#[test]
fn a_time_that_is_none_is_a_matter_of_usage() {
    let output = Builder::new(executable(), CONFIG).run(&["drain", "--wait", "soon"]);
    assert_eq!(said(&output).0, Some(2));
    assert!(said(&output).1.contains("500ms"), "{output:?}");
}
