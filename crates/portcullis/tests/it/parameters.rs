//! Each row of `docs/parameters.md` at the running gateway: what is read passes and arrives as it was sent, what is refused does
//! not arrive, and an operation with a gap answers 501. Over both wires.

use std::collections::HashSet;

use portcullis_testkit::gateway::Builder;
use portcullis_testkit::{Request, Response, Wire};
use serde_json::Value;

use crate::stage::{Findings, Stage, executable};
use table::{Page, Row};

#[path = "../../../openapi/src/parameters/tests/table.rs"]
mod table;

const CONFIG: &str = r#"version: 1
state: none
listeners: { public: { bind: 127.0.0.1:0, protocols: [http1, http2] } }
backends: { recorder: { targets: ["http://BACKEND"] } }
apis:
  three: { base_path: /three, backend: recorder, auth: none, openapi: three.yaml }
  two: { base_path: /two, backend: recorder, auth: none, openapi: two.yaml }
"#;

/// A definition in which each row is an operation of its own.
fn definition(version: &str, rows: &[&Row], page: &Page) -> String {
    let mut text = format!("{version}\ninfo: {{ title: t, version: '1' }}\npaths:\n");
    for row in rows {
        let schema = page.schema(row);
        let operation = match row.part() {
            "form" => format!("post: {{ requestBody: {}, responses: {{}} }}", row.form(schema)),
            _ => format!("get: {{ parameters: [{}], responses: {{}} }}", row.declaration(schema)),
        };
        text += &format!("  {}:\n    {operation}\n", template(row));
    }
    text
}

fn template(row: &Row) -> String {
    if row.part() == "path" { format!("/r{}/{{color}}", row.line) } else { format!("/r{}", row.line) }
}

fn request(row: &Row) -> Request {
    let base = if row.is_2_0() { "/two" } else { "/three" };
    let at = format!("{base}/r{}", row.line);
    match row.part() {
        "form" => Request::post(at, &row.request).field("content-type", "application/x-www-form-urlencoded"),
        "path" => Request::get(format!("{at}/{}", row.request)),
        "header" => row.lines().fold(Request::get(at), |request, line| request.field("color", line)),
        "cookie" => row.lines().fold(Request::get(at), |request, line| request.field("cookie", line)),
        _ if row.request.is_empty() => Request::get(at),
        _ => Request::get(format!("{at}?{}", row.request)),
    }
}

/// What a row must get: what passes is to arrive as it was sent.
fn judge(row: &Row, request: &Request, response: &Response) -> Result<(), String> {
    let arrived = response.text("x-recorded");
    let refusal = row.expected.strip_prefix("400 ").unwrap_or(&row.expected);
    let is_refused =
        row.expected.starts_with("400 ") || row.part() == "form" && !row.expected.starts_with('{');
    let wanted = match &*row.expected {
        "gap" => (501, None),
        _ if is_refused => (400, Some(refusal)),
        // No path that could be another's gets as far as the contract.
        _ if row.part() == "path" && row.request == "." => (400, None),
        // Read, and refused by the schema, which is closed.
        _ if row.part() == "form" && row.request.starts_with("a.b=") => (422, Some("additionalProperties")),
        _ => (200, None),
    };
    // What of a form is not by its schema is no fault of its syntax.
    let is_status =
        response.status == wanted.0 || row.part() == "form" && wanted.0 == 400 && response.status == 422;
    if !is_status {
        return Err(format!("{} instead of {}: {response:?}", response.status, wanted.0));
    }
    if wanted.0 != 200 {
        let is_named =
            wanted.1.is_none_or(|keyword| keywords(response).is_none_or(|all| all.contains(keyword)));
        return match arrived {
            Some(target) => Err(format!("arrived as {target}")),
            None if !is_named => {
                Err(format!("`{}` is not named: {response:?}", wanted.1.unwrap_or_default()))
            }
            None => Ok(()),
        };
    }
    let sent = String::from_utf8_lossy(&request.target).into_owned();
    // The canonical form of a path has no raw bar; a query has whatever was sent.
    let is_same = arrived.as_deref() == Some(&sent) || arrived.as_deref() == Some(&sent.replace('|', "%7C"));
    if is_same { Ok(()) } else { Err(format!("arrived as {arrived:?}, not as {sent}")) }
}

/// The keywords that a problem of the contract names; nothing where the request did not get that far.
fn keywords(response: &Response) -> Option<HashSet<String>> {
    let code = response.problem()?;
    if code == "malformed-request" {
        return None;
    }
    let document: Value = serde_json::from_slice(&response.body).ok()?;
    let errors = document["errors"].as_array().cloned().unwrap_or_default();
    Some(errors.iter().filter_map(|error| error["keyword"].as_str().map(str::to_owned)).collect())
}

#[test]
fn every_row_of_the_page_holds_at_the_running_gateway() {
    let page = Page::read();
    let (two, three): (Vec<&Row>, Vec<&Row>) = page.rows.iter().partition(|row| row.is_2_0());
    let stage = Stage::built(|backend| {
        Builder::new(executable(), CONFIG.replace("BACKEND", backend))
            .file("three.yaml", definition("openapi: 3.2.0", &three, &page))
            .file("two.yaml", definition("swagger: '2.0'", &two, &page))
    });
    let mut findings = Findings::default();
    for row in &page.rows {
        // Of one connection each: half of the rows over each wire in a short run, all over both in a long one.
        for (index, wire) in Wire::ALL.iter().enumerate() {
            if row.line % Wire::ALL.len() != index && std::env::var_os("PORTCULLIS_WHOLE").is_none() {
                continue;
            }
            let request = request(row);
            let response = wire.send(stage.public(), &request);
            let name = format!(
                "line {}, {} `{}` {} `{}` ({wire:?})",
                row.line, row.place, row.written, row.kind, row.request
            );
            findings.note(name, judge(row, &request, &response));
        }
    }
    // Rows with a raw bar in the query: the gateway forwards it as it came.
    let is_bar = |oddity: &String| oddity.contains('|') && oddity.ends_with("a character that no URI has");
    let oddities: Vec<String> =
        stage.backend.oddities().into_iter().filter(|oddity| !is_bar(oddity)).collect();
    assert_eq!(oddities, [""; 0]);
    findings.conclude(300);
}
