//! Overlays: what they take out of a definition is not served, what they put in is, and nothing is loosened by them.

use std::process::Output;

use portcullis_testkit::gateway::{Builder, Signal};
use portcullis_testkit::{Request, Wire};
use serde_json::Value;

use crate::stage::{HEAD, KEY, KEY_FIELD, Stage, executable};

const SHOP: &str = r#"openapi: 3.1.0
info: { title: Shop, version: "1" }
paths:
  /items:
    get: { operationId: listItems }
    post: { operationId: addItem }
    delete: { operationId: clear, x-portcullis: { bounds: { body: 1KiB } } }
"#;

fn overlay(actions: &str) -> String {
    format!("overlay: 1.1.0\ninfo: {{ title: O, version: 1.0.0 }}\nactions:\n{actions}\n")
}

/// A gateway with the API `shop`; `api` is what is said of it, in flow style.
fn config(api: &str) -> String {
    format!(
        r#"{HEAD}apis: {{ shop: {{ backend: recorder, openapi: shop.yaml, {api} }} }}
"#
    )
}

fn built(backend: &str, api: &str, files: &[(&str, &str)]) -> Builder {
    let builder = Builder::new(executable(), config(api).replace("BACKEND", backend)).file("shop.yaml", SHOP);
    files.iter().fold(builder, |builder, (name, text)| builder.file(*name, *text))
}

fn check(api: &str, files: &[(&str, &str)]) -> Output {
    built("127.0.0.1:9", api, files).run(&["check"])
}

fn status(stage: &Stage, wire: Wire, request: &Request) -> u16 {
    wire.send(stage.public(), request).status
}

#[test]
fn what_is_taken_out_is_gone_and_what_is_put_in_counts() {
    let first = overlay(
        "- { target: '$.paths[\"/items\"].post', remove: true }
- { target: $.paths, update: { /new: {}, /old: { get: { operationId: old } } } }
- { target: '$.paths[\"/new\"]', copy: '$.paths[\"/items\"]' }
- { target: '$.paths[\"/new\"].*.operationId', remove: true }",
    );
    let second = overlay(
        "- { target: '$.paths[\"/old\"]', remove: true }
- { target: '$.paths[\"/items\"].get', update: { x-portcullis: { auth: api_key, bounds: { body: 5B } } } }",
    );
    let api = "overlays: [one.yaml, { file: two.yaml, must_match: true }], auth: none";
    let stage = Stage::built(|backend| built(backend, api, &[("one.yaml", &first), ("two.yaml", &second)]));
    for &wire in Wire::ALL {
        for (method, target, wanted) in [
            ("POST", "/items", 405),
            ("GET", "/items", 401),
            ("DELETE", "/items", 200),
            ("GET", "/new", 200),
            ("POST", "/new", 405),
            ("DELETE", "/new", 200),
            ("GET", "/old", 404),
        ] {
            assert_eq!(status(&stage, wire, &Request::new(method, target)), wanted, "{method} {target}");
        }
        let with_key = Request::get("/items").field(KEY_FIELD, KEY);
        assert_eq!(status(&stage, wire, &with_key), 200);
    }
    let listed = stage.gateway.run(&executable(), &["routes", "--json"]);
    let listed: Value = serde_json::from_slice(&listed.stdout).expect("JSON");
    let places: Vec<&str> =
        listed.as_array().expect("a list").iter().filter_map(|row| row["place"].as_str()).collect();
    assert!(places[0].starts_with("shop.yaml:5 "), "{places:?}");
    assert!(places.iter().any(|place| place.starts_with("one.yaml:6 ")), "{places:?}");
}

#[test]
fn an_overlay_is_watched_and_counts_towards_the_revision() {
    let adding =
        |path: &str| overlay(&format!("- {{ target: $.paths, update: {{ {path}: {{ get: {{}} }} }} }}"));
    let api = "overlays: [one.yaml], auth: none";
    let stage = Stage::built(|backend| built(backend, api, &[("one.yaml", &adding("/a"))]));
    let get = |target: &str| status(&stage, Wire::Http1, &Request::get(target));
    assert_eq!((get("/a"), get("/b")), (200, 404));
    for (text, told) in [
        (adding("/b"), "configuration reloaded"),
        ("overlay: 3.0.0".to_owned(), "configuration not reloaded"),
    ] {
        let mark = stage.gateway.stderr().mark();
        std::fs::write(stage.gateway.folder().join("one.yaml"), text).expect("a file");
        stage.gateway.signal(Signal::Hup);
        stage.gateway.stderr().expect_since(mark, told, |line| line.contains(told).then_some(()));
    }
    assert_eq!((get("/a"), get("/b")), (404, 200));
}

#[test]
fn an_overlay_does_not_loosen() {
    let settings = |operation: &str, settings: &str| {
        overlay(&format!(
            "- {{ target: '$.paths[\"/items\"].{operation}', update: {{ x-portcullis: {settings} }} }}"
        ))
    };
    let removal = overlay("- { target: '$.paths[\"/items\"].delete[\"x-portcullis\"]', remove: true }");
    for (text, refused_at) in [
        (settings("get", "{ bounds: { body: 1KiB } }"), None),
        (
            settings("get", "{ auth: none }"),
            Some("one.yaml:4:64: paths./items.get.x-portcullis.auth: lets anybody in"),
        ),
        // Below what the configuration allows, and above what the definition does.
        (
            settings("delete", "{ bounds: { body: 2KiB } }"),
            Some("one.yaml:4:77: paths./items.delete.x-portcullis.bounds.body: allows more"),
        ),
        (settings("delete", "{ bounds: { body: 1B } }"), None),
        (removal.clone(), Some("shop.yaml:7:61: paths./items.delete.x-portcullis.bounds.body: allows more")),
    ] {
        let files = [("one.yaml", text.as_str())];
        let output = check("overlays: [one.yaml], auth: api_key", &files);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        match refused_at {
            Some(wanted) => {
                assert!(output.status.code() == Some(2) && said.contains(wanted), "{text}\n{said}")
            }
            None => assert!(output.status.success(), "{text}\n{said}"),
        }
    }
    let output =
        check("overlays: [one.yaml], auth: api_key, trust_definition: true", &[("one.yaml", &removal)]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn mistakes_are_told_where_they_are() {
    let idle = overlay("- { target: $.none, remove: true }");
    let wrong = overlay("- { target: $.paths, update: [] }");
    for (api, text, code, told) in [
        (
            "overlays: [one.yaml], auth: none",
            &idle,
            0,
            "warning: one.yaml:4:13: actions[0].target: finds nothing",
        ),
        (
            "overlays: [{ file: one.yaml, must_match: true }], auth: none",
            &idle,
            2,
            "one.yaml:4:13: actions[0].target: finds nothing",
        ),
        (
            "overlays: [one.yaml], auth: none",
            &wrong,
            2,
            "one.yaml:4:30: actions[0].update: cannot merge a list into a mapping at shop.yaml:4",
        ),
        (
            "overlays: [two.yaml], auth: none",
            &wrong,
            2,
            "portcullis.yaml:11:67: apis.shop.overlays[0]: two.yaml does not exist",
        ),
    ] {
        let output = check(api, &[("one.yaml", text)]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(code) && said.contains(told), "{api}: {said}");
    }
}

#[test]
fn a_definition_is_served_with_overlays_without_a_configuration() {
    let text = overlay("- { target: '$.paths[\"/items\"].post', remove: true }");
    let builder = Builder::without_config(executable()).file("shop.yaml", SHOP).file("one.yaml", &*text);
    let output = builder.run(&["routes", "--openapi", "shop.yaml", "--overlay", "one.yaml"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("listItems") && !said.contains("addItem"), "{said}");
}
