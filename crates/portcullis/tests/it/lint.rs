//! `lint`: a score of a definition, what costs points, and an Overlay after which it is higher.

use std::process::Output;

use portcullis_testkit::gateway::Builder;
use portcullis_testkit::{Request, Wire};
use serde_json::Value;

use crate::stage::{Stage, executable};

const LOOSE: &str = r##"openapi: 3.0.3
info: { title: Loose, version: "1" }
servers: [{ url: "http://shop.example" }]
paths:
  /items:
    get:
      parameters: [{ name: query, in: query, schema: { type: string } }]
      responses: { "200": { description: d, content: { application/json: { schema: { $ref: "#/components/schemas/Item" } } } } }
    post:
      requestBody: { content: { application/json: { schema: { $ref: "#/components/schemas/Item" } } } }
components:
  schemas:
    Item: { type: object, properties: { name: { type: string }, tags: { type: array, items: { type: string } } } }
"##;

fn folder() -> Builder {
    Builder::without_config(executable()).file("shop.yaml", LOOSE)
}

fn json(output: &Output) -> Value {
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[test]
fn each_finding_has_its_place_cost_and_fix() {
    let report = json(&folder().run(&["lint", "shop.yaml", "--json"]));
    let score = report["score"].as_f64().expect("a score");
    assert!(score > 0.0 && score < 40.0, "{score}");
    let findings = report["findings"].as_array().expect("findings");
    for (rule, line, has_fix) in [
        ("owasp:api3:2023-no-additionalProperties", 13, true),
        ("owasp:api4:2023-string-limit", 7, true),
        ("owasp:api4:2023-string-restricted", 7, false),
        ("owasp:api4:2023-array-limit", 13, true),
        ("owasp:api2:2023-write-restricted", 9, true),
        ("owasp:api2:2023-read-restricted", 6, true),
        ("owasp:api8:2023-no-server-http", 3, true),
        ("portcullis:response-schema", 9, false),
    ] {
        let is_there = findings.iter().any(|one| {
            one["rule"] == rule
                && one["line"] == line
                && one["file"] == "shop.yaml"
                && one["cost"].as_f64().is_some_and(|cost| cost > 0.0)
                && one["fix"].as_array().is_some_and(|fix| fix.is_empty() != has_fix)
        });
        assert!(is_there, "{rule} in line {line}: {findings:#?}");
    }
    let cost: f64 = findings.iter().filter_map(|one| one["cost"].as_f64()).sum();
    assert!((score + cost - 100.0).abs() < 0.1, "{score} and {cost}");
    let sarif = json(&folder().run(&["lint", "shop.yaml", "--sarif"]));
    let run = &sarif["runs"][0];
    assert_eq!(run["tool"]["driver"]["name"], "portcullis lint");
    assert_eq!(run["results"].as_array().map(Vec::len), Some(findings.len()));
    assert_eq!(
        run["results"][0]["locations"][0]["physicalLocation"]["region"]["startLine"],
        findings[0]["line"]
    );
}

#[test]
fn fixes_raise_the_score_and_are_served() {
    let stage = Stage::built(|backend| {
        let config = format!(
            "version: 1\nstate: none\nlisteners: {{ public: {{ bind: 127.0.0.1:0 }} }}\nbackends: {{ b: {{ targets: [\"http://{backend}\"] }} }}\n\
             apis: {{ shop: {{ openapi: shop.yaml, backend: b, auth: none }} }}\n"
        );
        Builder::new(executable(), config).file("shop.yaml", LOOSE)
    });
    let run = |arguments: &[&str]| stage.gateway.run(&executable(), arguments);
    let before = json(&run(&["lint", "shop.yaml", "--json"]));
    let written = run(&["lint", "shop.yaml", "--fixes", "fixes.yaml"]);
    let told = String::from_utf8_lossy(&written.stderr).into_owned();
    assert!(written.status.success() && told.contains("fixes.yaml: ") && told.contains(" points"), "{told}");
    let after = json(&run(&["lint", "shop.yaml", "--overlay", "fixes.yaml", "--json"]));
    let score = |report: &Value| report["score"].as_f64().expect("a score");
    assert!(score(&after) > score(&before) + 40.0, "{} after {}", score(&after), score(&before));
    let loads = run(&["check", "--openapi", "shop.yaml", "--overlay", "fixes.yaml"]);
    assert!(loads.status.success(), "{}", String::from_utf8_lossy(&loads.stderr));
    assert_eq!(Wire::Http1.send(stage.public(), &Request::get("/items")).status, 200);
    // What is read is never overwritten.
    for file in ["shop.yaml", "./shop.yaml", "fixes.yaml"] {
        let output = run(&["lint", "shop.yaml", "--overlay", "fixes.yaml", "--fixes", file]);
        assert_eq!(output.status.code(), Some(2), "{file}");
    }
}

#[test]
fn a_low_score_fails_where_that_is_asked_for() {
    for (least, code) in [("1", 0), ("99", 1)] {
        assert_eq!(
            folder().run(&["lint", "shop.yaml", "--fail-below", least]).status.code(),
            Some(code),
            "{least}"
        );
    }
    let output = folder().run(&["lint", "none.yaml"]);
    assert_eq!(output.status.code(), Some(2));
    let output = folder().file("one.yaml", "overlay: 7").run(&["lint", "shop.yaml", "--overlay", "one.yaml"]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.code() == Some(2) && told.contains("one.yaml:1:10: overlay: expected a known version"),
        "{told}"
    );
}
