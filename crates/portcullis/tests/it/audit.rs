//! `audit`: what a configuration leaves open, for people, for code hosts and for CI; and `explain` of a request nobody sent.

use std::process::Output;

use portcullis_testkit::gateway::Builder;
use serde_json::Value;

use crate::stage::{KEY, executable, text};

const OPEN: &str = r#"version: 1
bounds: { credential_failures: 5000 }
listeners: { public: { bind: 0.0.0.0:0, lenient: [empty_segments] } }
consumers: { shop: { apis: ["*"], credentials: [{ id: k1, api_key: { sha256: "87cbebfeebc05f7c54ac9336c4b4bbec831227a641951a4bde7edd56020f8590" } }] } }
backends: { far: { targets: ["http://192.0.2.1:9000"] } }
apis:
  orders:
    base_path: /orders
    backend: far
    auth: { any_of: [{ api_key: { query: key } }, { api_key: { cookie: key } }, basic] }
    operations:
      read: { match: "GET /{id}", auth: none }
      write: { match: "POST /", auth: none }
      rest: { match: "DELETE /{id}", require: { when: "path.id != '1'" } }
"#;

fn run(config: &str, arguments: &[&str]) -> Output {
    Builder::new(executable(), config).run(arguments)
}

#[test]
fn each_weakness_is_told_with_its_line() {
    let output = run(OPEN, &["audit", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let found: Vec<Value> = serde_json::from_slice(&output.stdout).expect("JSON");
    for (rule, line, owasp) in [
        ("anonymous-write", 13, "API2:2023"),
        ("anonymous-read", 12, "API2:2023"),
        ("cleartext-credentials", 3, "API2:2023"),
        ("no-limit", 6, "API4:2023"),
        ("no-contract", 12, "API8:2023"),
        ("no-contract", 13, "API8:2023"),
        ("no-contract", 14, "API8:2023"),
        ("no-attack-rules", 6, "API8:2023"),
        ("no-definition", 7, "API9:2023"),
        ("key-in-query", 10, "API2:2023"),
        ("key-in-cookie", 10, "API2:2023"),
        ("passwords", 10, "API2:2023"),
        ("cleartext-backend", 5, "API8:2023"),
        ("guessing", 2, "API2:2023"),
        ("leniency", 3, "API8:2023"),
        ("endless-credential", 4, "API2:2023"),
        ("every-api", 4, "API5:2023"),
    ] {
        let is_there = found.iter().any(|one| {
            one["rule"] == rule
                && one["line"] == line
                && one["owasp"] == owasp
                && one["file"] == "portcullis.yaml"
        });
        assert!(is_there, "{rule} at line {line} is not in {found:#?}");
    }
    // What cannot be set yet is said once, however many operations there are.
    for rule in ["no-limit", "no-attack-rules"] {
        assert_eq!(found.iter().filter(|one| one["rule"] == rule).count(), 1, "{rule}");
    }
    let told = text(&run(OPEN, &["audit"]));
    assert!(
        told.starts_with("high ") && told.contains("POST /orders/ of the API `orders` has `auth: none`"),
        "{told}"
    );
}

#[test]
fn ci_fails_by_grade() {
    let tight = r#"version: 1
listeners: { public: { bind: 127.0.0.1:0 } }
consumers: { shop: { apis: [orders], credentials: [{ id: k1, api_key: { sha256: "87cbebfeebc05f7c54ac9336c4b4bbec831227a641951a4bde7edd56020f8590", expires: 2090-01-01 } }] } }
backends: { near: { targets: ["http://127.0.0.1:9"] } }
apis: { orders: { backend: near, auth: api_key, operations: { all: { match: "* /{rest*}" } } } }
"#;
    for (config, grade, code) in
        [(OPEN, "high", 1), (OPEN, "low", 1), (tight, "high", 0), (tight, "medium", 1)]
    {
        let output = run(config, &["audit", "--fail-on", grade]);
        assert_eq!(output.status.code(), Some(code), "{grade}: {}", text(&output));
    }
}

/// What SARIF 2.1.0 §3 asks for, of the objects that are used.
#[test]
fn sarif_is_as_its_standard_says() {
    let output = run(OPEN, &["audit", "--sarif"]);
    let document: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(document["version"], "2.1.0");
    let run = &document["runs"].as_array().expect("runs")[0];
    let driver = &run["tool"]["driver"];
    assert!(driver["name"].is_string() && driver["version"].is_string());
    let rules = driver["rules"].as_array().expect("rules");
    let mut ids: Vec<&str> = rules.iter().map(|rule| rule["id"].as_str().expect("an id")).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), rules.len(), "each rule once");
    let results = run["results"].as_array().expect("results");
    assert!(results.len() > 12, "{results:#?}");
    for result in results {
        let index = usize::try_from(result["ruleIndex"].as_u64().expect("an index")).expect("small");
        assert_eq!(result["ruleId"], rules[index]["id"]);
        assert!(["error", "warning", "note"].contains(&result["level"].as_str().expect("a level")));
        assert!(result["message"]["text"].as_str().is_some_and(|text| !text.is_empty()));
        let place = &result["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "portcullis.yaml");
        assert!(place["region"]["startLine"].as_u64().is_some_and(|line| line >= 1));
    }
}

#[test]
fn a_request_that_nobody_sent_is_explained() {
    let header = format!("Cookie: key={KEY}");
    for (request, headers, wanted) in [
        ("GET /orders/7", vec![], vec!["operation: read", "allowed with 200", "its backend would be asked"]),
        ("GET /nothing", vec![], vec!["refused with 404 no-such-operation"]),
        ("PUT /orders/7", vec![], vec!["refused with 405 method-not-allowed"]),
        ("DELETE /orders/7", vec![], vec!["refused with 401 credential-missing", "portcullis.yaml:10"]),
        (
            "DELETE /orders/7",
            vec!["Cookie: key=no"],
            vec!["refused with 401 credential-invalid", "api key: unknown"],
        ),
        ("DELETE /orders/7", vec![header.as_str()], vec!["consumer: shop", "allowed with 200"]),
        (
            "DELETE /orders/1",
            vec![header.as_str()],
            vec!["refused with 403 condition-not-met", "portcullis.yaml:14"],
        ),
        ("DELETE /orders/%zz", vec![header.as_str()], vec!["refused with 400 malformed-request"]),
    ] {
        let mut arguments = vec!["explain", "--request", request];
        headers.iter().for_each(|header| arguments.extend(["--header", header]));
        let output = run(OPEN, &arguments);
        let told = text(&output);
        assert_eq!(output.status.code(), Some(0), "{told}");
        for part in wanted {
            assert!(told.contains(part), "`{part}` is not in what is told of {request}: {told}");
        }
    }
    let output = run(OPEN, &["explain", "--request", "nonsense"]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
}
