//! Findings as SARIF 2.1.0, the format that code hosts and scanners read.

use portcullis_gateway::oauth::form::escaped;
use serde_json::{Value, json};

use crate::args::Grade;

/// A kind of finding.
pub(crate) struct Rule<'a> {
    pub(crate) id: &'a str,
    pub(crate) grade: Grade,
    pub(crate) title: &'a str,
    pub(crate) help: &'a str,
    /// The entry of the OWASP API Security Top 10, such as `API2:2023`.
    pub(crate) owasp: Option<String>,
}

/// One finding.
pub(crate) struct Found<'a> {
    /// The kind's place in the list of kinds.
    pub(crate) rule: usize,
    pub(crate) message: &'a str,
    pub(crate) file: &'a str,
    pub(crate) line: u32,
    pub(crate) column: Option<u32>,
}

/// One run of a command.
pub(crate) fn document<'a>(
    command: &str,
    rules: &[Rule<'_>],
    found: impl IntoIterator<Item = Found<'a>>,
) -> Value {
    let results: Vec<Value> =
        found.into_iter().filter_map(|one| Some(result(rules.get(one.rule)?, &one))).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": format!("portcullis {command}"),
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules.iter().map(rule).collect::<Vec<_>>(),
            } },
            "results": results,
        }],
    })
}

fn rule(rule: &Rule<'_>) -> Value {
    // What code hosts show as high, medium and low.
    let severity = match rule.grade {
        Grade::High => "8.0",
        Grade::Medium => "5.0",
        Grade::Low => "2.0",
    };
    let mut tags = vec!["security".to_owned()];
    tags.extend(rule.owasp.as_ref().map(|owasp| format!("OWASP {owasp}")));
    json!({
        "id": rule.id,
        "shortDescription": { "text": rule.title },
        "help": { "text": rule.help },
        "defaultConfiguration": { "level": level(rule.grade) },
        "properties": { "tags": tags, "security-severity": severity },
    })
}

fn result(rule: &Rule<'_>, one: &Found<'_>) -> Value {
    let line = one.line.max(1);
    let region = match one.column {
        Some(column) => json!({ "startLine": line, "startColumn": column.max(1) }),
        None => json!({ "startLine": line }),
    };
    json!({
        "ruleId": rule.id,
        "ruleIndex": one.rule,
        "level": level(rule.grade),
        "message": { "text": one.message },
        "locations": [{ "physicalLocation": {
            "artifactLocation": { "uri": uri(one.file) },
            "region": region,
        } }],
    })
}

/// A path as a URI reference (RFC 3986).
fn uri(path: &str) -> String {
    let scheme = if path.starts_with('/') { "file://" } else { "" };
    let parts: Vec<String> = path.split('/').map(escaped).collect();
    format!("{scheme}{}", parts.join("/"))
}

fn level(grade: Grade) -> &'static str {
    match grade {
        Grade::High => "error",
        Grade::Medium => "warning",
        Grade::Low => "note",
    }
}
