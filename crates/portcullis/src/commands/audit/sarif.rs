//! Findings as SARIF 2.1.0, the format that code hosts and scanners read.

use portcullis_gateway::oauth::form::escaped;
use serde_json::{Value, json};

use super::{Found, RULES, Rule};
use crate::args::Grade;

/// One run of the audit.
pub(super) fn document(found: &[Found]) -> Value {
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "portcullis audit",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": RULES.iter().map(|rule| self::rule(rule)).collect::<Vec<_>>(),
            } },
            "results": found.iter().map(result).collect::<Vec<_>>(),
        }],
    })
}

fn rule(rule: &Rule) -> Value {
    // What code hosts show as high, medium and low.
    let severity = match rule.grade {
        Grade::High => "8.0",
        Grade::Medium => "5.0",
        Grade::Low => "2.0",
    };
    json!({
        "id": rule.id,
        "shortDescription": { "text": rule.title },
        "help": { "text": rule.help },
        "defaultConfiguration": { "level": level(rule.grade) },
        "properties": { "tags": ["security", format!("OWASP {}", rule.owasp)], "security-severity": severity },
    })
}

fn result(one: &Found) -> Value {
    let index = RULES.iter().position(|rule| rule.id == one.rule.id);
    json!({
        "ruleId": one.rule.id,
        "ruleIndex": index,
        "level": level(one.rule.grade),
        "message": { "text": one.message },
        "locations": [{ "physicalLocation": {
            "artifactLocation": { "uri": uri(&one.file) },
            "region": { "startLine": one.line.max(1) },
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
