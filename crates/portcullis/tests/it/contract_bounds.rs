//! `contract.bounds`: how large values may be where a definition states nothing, by API and by operation, over both wires.

use portcullis_testkit::gateway::Builder;
use portcullis_testkit::{Request, Wire};
use serde_json::Value;

use crate::stage::{Findings, HEAD, Stage, executable, text};

const SHOP: &str = "openapi: 3.1.0
info: { title: t, version: '1' }
paths:
  /small:
    post:
      operationId: small
      parameters: [{ in: query, name: q, schema: { type: string } }]
      requestBody: { content: { application/json: { schema: { type: object, additionalProperties: true, properties: { stated: { type: string, maxLength: 40 } } } } } }
      responses: {}
  /large:
    post:
      operationId: large
      parameters: [{ in: query, name: q, schema: { type: string } }]
      requestBody: { content: { application/json: { schema: { type: object, additionalProperties: true } } } }
      responses: {}
";

fn config(contract: &str, large: &str) -> String {
    format!(
        "{HEAD}apis:\n  shop:\n    backend: recorder\n    openapi: shop.yaml\n    auth: none\n    contract: {contract}\n    operations: {{ large: {{ contract: {large} }} }}\n"
    )
}

fn built(backend: &str, contract: &str, large: &str, definition: &str) -> Builder {
    Builder::new(executable(), config(contract, large).replace("BACKEND", backend))
        .file("shop.yaml", definition)
}

const BOUNDS: &str = "{ bounds: { string: 16, items: 3, properties: 3, depth: 3, digits: 5, values: 12 } }";

#[test]
fn an_operation_has_its_own_and_inherits_the_others() {
    let large = "{ bounds: { string: 64, items: 5 } }";
    let definition = SHOP.to_owned();
    let stage = Stage::built(|backend| built(backend, BOUNDS, large, &definition));
    let mut findings = Findings::default();
    let text = |length: usize| format!(r#"{{"a":"{}"}}"#, "x".repeat(length));
    for (body, small, large) in [
        (text(16), 200, 200),
        // The document states a larger bound for another member: this one keeps to the default.
        (text(17), 422, 200),
        (text(65), 422, 422),
        // What no text of this definition may have is more than is read.
        (text(200), 413, 413),
        (format!(r#"{{"stated":"{}"}}"#, "x".repeat(40)), 200, 200),
        (r#"{"a":[1,2,3]}"#.to_owned(), 200, 200),
        (r#"{"a":[1,2,3,4]}"#.to_owned(), 413, 200),
        (r#"{"a":[1,2,3,4,5,6]}"#.to_owned(), 413, 413),
        (r#"{"a":1,"b":2,"c":3}"#.to_owned(), 200, 200),
        (r#"{"a":1,"b":2,"c":3,"d":4}"#.to_owned(), 413, 413),
        (r#"{"a":[[1]]}"#.to_owned(), 200, 200),
        (r#"{"a":[[[1]]]}"#.to_owned(), 413, 413),
        (r#"{"a":12345}"#.to_owned(), 200, 200),
        (r#"{"a":123456}"#.to_owned(), 413, 413),
        (r#"{"a":[[1,2,3],[1,2,3],[1,2,3]]}"#.to_owned(), 413, 413),
    ] {
        for (path, status) in [("/small", small), ("/large", large)] {
            for wire in Wire::ALL {
                let request = Request::post(path, &body).field("content-type", "application/json");
                let response = wire.send(stage.public(), &request);
                let outcome = if response.status == status {
                    Ok(())
                } else {
                    Err(format!("not {status}: {response:?}"))
                };
                findings.note(format!("{wire:?} {path} {body}"), outcome);
            }
        }
    }
    for (path, length, status) in
        [("/small", 16, 200), ("/small", 40, 400), ("/large", 60, 200), ("/large", 65, 400)]
    {
        for wire in Wire::ALL {
            let request = Request::post(format!("{path}?q={}", "x".repeat(length)), "");
            let response = wire.send(stage.public(), &request);
            let outcome = if response.status == status { Ok(()) } else { Err(format!("{response:?}")) };
            findings.note(format!("{wire:?} {path} {length}"), outcome);
        }
    }
    findings.conclude(15 * 4 + 8);
}

#[test]
fn coverage_prints_the_bounds_in_force() {
    let definition = SHOP.replace("maxLength: 40", "maxLength: 4");
    let told = |contract: &str, large: &str, words: &[&str]| {
        let output = built("127.0.0.1:9", contract, large, &definition).run(&[&["coverage"], words].concat());
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
        text(&output)
    };
    let usual = told("{ mode: enforce }", "{ mode: enforce }", &[]);
    assert!(
        usual.contains("bytes of a text: at most 8192 where the document states none (2 operations)"),
        "{usual}"
    );
    assert!(usual.contains("nesting: at most 64\n"), "{usual}");
    let own = told("{ bounds: { string: 16, depth: 3 } }", "{ bounds: { string: 1KiB } }", &[]);
    for line in [
        "bytes of a text: at most 16 where the document states none (1 operations)",
        "bytes of a text: at most 1024 where the document states none (1 operations)",
        "items of a list: at most 10000",
        "nesting: at most 3\n",
    ] {
        assert!(own.contains(line), "`{line}` is not in {own}");
    }
    let json = told("{ bounds: { values: 7 } }", "{ bounds: { values: 8 } }", &["--json"]);
    let json: Value = serde_json::from_str(&json).expect("JSON");
    let defaults = json[0]["defaults"].as_array().expect("a list");
    let is_there =
        |text: &str| defaults.iter().any(|one| one.as_str().is_some_and(|one| one.starts_with(text)));
    assert!(is_there("values of a body: at most 7 ") && is_there("values of a body: at most 8 "), "{json}");
}

#[test]
fn a_definition_may_lower_bounds_and_not_raise_them() {
    let with = |bounds: &str| {
        let line = format!("  /small:\n    x-portcullis: {{ contract: {{ bounds: {bounds} }} }}");
        SHOP.replace("  /small:", &line)
    };
    for (contract, bounds, wanted) in [
        (BOUNDS, "{ string: 8 }", None),
        (
            BOUNDS,
            "{ string: 17 }",
            Some("contract.bounds.string: allows more than the bound that holds otherwise"),
        ),
        ("{ mode: enforce }", "{ depth: 63, items: 9999 }", None),
        ("{ mode: enforce }", "{ depth: 65 }", Some("contract.bounds.depth: allows more")),
        ("{ mode: enforce }", "{ items: 10001 }", Some("contract.bounds.items: allows more")),
        // Responses may have longer texts where nothing is said.
        ("{ mode: enforce }", "{ string: 8KiB }", None),
        ("{ mode: enforce }", "{ string: 9KiB }", Some("contract.bounds.string: allows more")),
    ] {
        let output = built("127.0.0.1:9", contract, "{}", &with(bounds)).run(&["check"]);
        let told = text(&output);
        match wanted {
            None => assert_eq!(output.status.code(), Some(0), "{bounds}: {told}"),
            Some(wanted) => {
                assert_eq!(output.status.code(), Some(2), "{bounds}: {told}");
                assert!(told.contains(wanted), "`{wanted}` is not in {told}");
            }
        }
    }
}
