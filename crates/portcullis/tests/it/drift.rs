//! Drift: what is asked and answered and is not declared, and what is declared and nobody asks for.

use portcullis_testkit::gateway::Builder;
use portcullis_testkit::{Gateway, Request, Wire};
use serde_json::Value;

use crate::stage::{Stage, executable};

const CONFIG: &str = r#"version: 1
state: state
admin: { probes: 127.0.0.1:0 }
listeners: { public: { bind: 127.0.0.1:0, protocols: [http1, http2] } }
backends: { recorder: { targets: ["http://BACKEND"] } }
apis: { shop: { openapi: shop.yaml, base_path: /shop, backend: recorder, auth: none } }
"#;

const DEFINITION: &str = r"openapi: 3.1.0
info: { title: Shop, version: '1' }
paths:
  /orders:
    get: { operationId: listOrders, responses: { '200': { description: all } } }
  /baskets:
    get: { operationId: listBaskets, deprecated: true, responses: { '200': { description: all } } }
  /reports:
    get: { operationId: listReports, responses: { '200': { description: all } } }
";

fn start() -> Stage {
    Stage::built(|backend| {
        Builder::new(executable(), CONFIG.replace("BACKEND", backend)).file("shop.yaml", DEFINITION)
    })
}

fn drift(gateway: &Gateway) -> Value {
    let output = gateway.run(&executable(), &["drift", "--json"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text} {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_str(&text).expect("JSON")
}

fn names<'a>(report: &'a Value, list: &str, name: &str) -> Vec<&'a str> {
    let rows = report[list].as_array().expect("a list");
    rows.iter().map(|row| row[name].as_str().expect("a text")).collect()
}

#[test]
fn what_is_asked_for_and_not_published_is_told_with_what_was_answered() {
    let stage = start();
    for wire in Wire::ALL {
        for target in ["/shop/carts/1", "/shop/carts/2", "/shop/carts/2?secret=hunter2"] {
            assert_eq!(wire.send(stage.public(), &Request::get(target)).status, 404);
        }
        assert_eq!(wire.send(stage.public(), &Request::new("DELETE", "/shop/orders")).status, 405);
        assert_eq!(wire.send(stage.public(), &Request::get("/shop/orders")).status, 200);
    }
    let report = drift(&stage.gateway);
    let shadow = report["shadow"].as_array().expect("a list");
    let shown: Vec<String> = shadow
        .iter()
        .map(|row| format!("{} {} {} {}", row["method"], row["path"], row["answered"], row["count"]))
        .collect();
    assert_eq!(shown, [r#""GET" "/shop/carts/{number}" 404 6"#, r#""DELETE" "/shop/orders" 405 2"#]);
    let is_time = |text: &Value| text.as_str().is_some_and(|text| text.ends_with('Z') && text.len() > 19);
    assert!(shadow.iter().all(|row| is_time(&row["first_seen"]) && is_time(&row["last_seen"])), "{report}");
    assert!(!report.to_string().contains("hunter2"), "no value is kept: {report}");
    let metrics = stage.gateway.metrics();
    assert!(metrics.contains(r#"portcullis_shadow_requests_total{answer="404"} 6"#), "{metrics}");
    assert!(metrics.contains(r#"portcullis_shadow_requests_total{answer="405"} 2"#), "{metrics}");
    assert!(!metrics.contains("carts"), "no name of a stranger is a label: {metrics}");
}

#[test]
fn what_is_published_and_unused_and_what_is_deprecated_and_used_is_told() {
    let stage = start();
    let before = drift(&stage.gateway);
    assert_eq!(names(&before, "zombie", "operation"), ["listOrders", "listBaskets", "listReports"]);
    assert!(before["deprecated"].as_array().is_some_and(Vec::is_empty), "{before}");
    for wire in Wire::ALL {
        for target in ["/shop/orders", "/shop/baskets"] {
            assert_eq!(wire.send(stage.public(), &Request::get(target)).status, 200);
        }
    }
    let report = drift(&stage.gateway);
    assert_eq!(names(&report, "zombie", "operation"), ["listReports"]);
    assert_eq!(names(&report, "zombie", "path"), ["/shop/reports"]);
    assert_eq!(names(&report, "deprecated", "operation"), ["listBaskets"]);
    assert_eq!(report["deprecated"][0]["count"], 2);
    let output = stage.gateway.run(&executable(), &["drift"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("GET /shop/reports (listReports of shop): since "), "{text}");
    assert!(text.contains("GET /shop/baskets (listBaskets of shop): 2 times, from "), "{text}");
    let metrics = stage.gateway.metrics();
    let series = r#"portcullis_deprecated_requests_total{api="shop",operation="listBaskets"} 2"#;
    assert!(metrics.contains(series), "{metrics}");
    let series = r#"portcullis_operation_last_used_timestamp_seconds{api="shop",operation="listReports"} 0"#;
    assert!(metrics.contains(series), "{metrics}");
}

#[test]
fn names_in_requests_that_are_not_declared_are_told_without_their_values() {
    let stage = start();
    for wire in Wire::ALL {
        let answer = wire.send(stage.public(), &Request::get("/shop/orders?debug=hunter2"));
        assert_eq!(answer.status, 400, "{answer:?}");
    }
    let report = drift(&stage.gateway);
    let row = report["undeclared"].as_array().expect("a list").iter().find(|row| row["side"] == "request");
    let row = row.unwrap_or_else(|| panic!("{report}"));
    assert_eq!((&row["what"], &row["name"], &row["count"]), (&"query".into(), &"debug".into(), &2.into()));
    assert!(!report.to_string().contains("hunter2"), "{report}");
    let metrics = stage.gateway.metrics();
    let series = r#"portcullis_undeclared_names_total{api="shop",operation="listOrders",side="request"} 2"#;
    assert!(metrics.contains(series), "{metrics}");
}
