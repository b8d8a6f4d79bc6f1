//! Every folder of `examples/` is a configuration that runs, and the requests that prove what it says.
//!
//! `test.yaml` is a list of requests: `send` is the request line without its version, beside it may stand `host`,
//! `fields` and `body`. Of the reply it may `expect` a `status`, the code of a `problem` and `fields`; of what reaches
//! the backend, its request line as `backend`, fields that arrive (`arrives`) and fields that do not (`lacks`). Without
//! `backend` nothing may reach it.

use std::fs;
use std::path::{Path, PathBuf};

use portcullis_openapi::source::{self, Files, Reading};
use portcullis_testkit::gateway::Builder;
use portcullis_testkit::{Message, Recorder, Request, Response, Wire};
use serde_json::Value;

use crate::stage::{Findings, executable};

#[test]
fn every_example_does_what_it_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let mut examples: Vec<PathBuf> =
        fs::read_dir(&folder).expect("examples").map(|entry| entry.expect("an entry").path()).collect();
    examples.retain(|path| path.is_dir());
    examples.sort();
    let mut findings = Findings::default();
    for example in &examples {
        let name = example.file_name().expect("a name").to_string_lossy().into_owned();
        let Ok(text) = fs::read_to_string(example.join("test.yaml")) else {
            findings.note(&name, Err("it has no test.yaml: nothing shown is untested".to_owned()));
            continue;
        };
        run(&name, example, &requests(&text), &mut findings);
    }
    findings.conclude(20);
}

fn requests(text: &str) -> Vec<Value> {
    let mut files = Files::new();
    let file = files.add("test.yaml");
    let tree = source::parse(&files, file, text.as_bytes(), &Reading::CONFIGURATION).expect("YAML");
    let requests = serde_json::to_value(tree).expect("JSON");
    requests.as_array().expect("a list of requests").clone()
}

fn run(name: &str, example: &Path, requests: &[Value], findings: &mut Findings) {
    let backend = Recorder::start();
    let config = fs::read_to_string(example.join("portcullis.yaml")).expect("portcullis.yaml");
    // The port an example shows may be taken here.
    let mut config = config.replace("127.0.0.1:8080", "127.0.0.1:0");
    if !config.contains("protocols:") {
        // What an example says holds over both wires; cleartext HTTP/2 has to be asked for.
        config = config.replace("bind: 127.0.0.1:0", "bind: 127.0.0.1:0, protocols: [http1, http2]");
    }
    let mut builder = Builder::new(executable(), config).environment("BACKEND", backend.url());
    for entry in fs::read_dir(example).expect("a folder") {
        let path = entry.expect("an entry").path();
        let file = path.file_name().expect("a name").to_string_lossy().into_owned();
        if path.is_file() && file != "portcullis.yaml" {
            builder = builder.file(file, fs::read(&path).expect("a file"));
        }
    }
    let gateway = builder.start();
    for (at, case) in requests.iter().enumerate() {
        for wire in Wire::ALL {
            let mark = backend.mark();
            let response = wire.send(gateway.address("public"), &request(case));
            let outcome = judge(&case["expect"], &response, &backend.since(mark));
            findings.note(format!("{name}, request {} ({}), {wire:?}", at + 1, case["send"]), outcome);
        }
    }
}

fn request(case: &Value) -> Request {
    let (method, target) =
        case["send"].as_str().and_then(|line| line.split_once(' ')).expect("a method and a target");
    let mut request = Request::new(method, target);
    if let Some(host) = case["host"].as_str() {
        request = request.host(host);
    }
    for (name, value) in case["fields"].as_object().into_iter().flatten() {
        request = request.field(name, value.as_str().expect("a text"));
    }
    request.body = case["body"].as_str().unwrap_or_default().as_bytes().to_vec();
    request
}

fn judge(expect: &Value, response: &Response, arrived: &[Message]) -> Result<(), String> {
    let wrong = |what: String| Err(format!("{what}: {response:?}"));
    if expect["status"] != response.status {
        return wrong(format!("status {} instead of {}", response.status, expect["status"]));
    }
    if let Some(code) = expect["problem"].as_str()
        && response.problem().as_deref() != Some(code)
    {
        return wrong(format!("no problem `{code}`"));
    }
    for (name, value) in expect["fields"].as_object().into_iter().flatten() {
        if response.text(name).as_deref() != value.as_str() {
            return wrong(format!("`{name}` is not {value}"));
        }
    }
    let Some(line) = expect["backend"].as_str() else {
        return if arrived.is_empty() {
            Ok(())
        } else {
            wrong(format!("it reached the backend: {arrived:?}"))
        };
    };
    let [message] = arrived else { return wrong(format!("{} messages reached the backend", arrived.len())) };
    let seen = format!("{} {}", message.method.escape_ascii(), message.target.escape_ascii());
    if seen != line {
        return wrong(format!("the backend saw `{seen}`"));
    }
    for (name, value) in expect["arrives"].as_object().into_iter().flatten() {
        if message.text(name).as_deref() != value.as_str() {
            return wrong(format!("the backend saw {:?} as `{name}`", message.text(name)));
        }
    }
    let lacks = expect["lacks"].as_array().into_iter().flatten().filter_map(Value::as_str);
    match lacks.into_iter().find(|name| message.text(name).is_some()) {
        Some(name) => wrong(format!("`{name}` reached the backend")),
        None => Ok(()),
    }
}
