//! Fixes as one Overlay.

use std::collections::HashSet;
use std::fmt::Write;

use serde_json::json;

use super::{Action, Report};
use crate::source::{Pointer, Segment};

/// The path to a node as JSONPath, in the RFC's normal form but for one thing: a number may be the name of a key or the
/// position in a list, since references name both alike.
pub(super) fn path(pointer: &Pointer) -> String {
    let mut path = String::from("$");
    for segment in pointer.segments() {
        // Writing to a `String` does not fail.
        let _ = match segment {
            Segment::Index(index) => write!(path, "[{index}]"),
            Segment::Key(key) => {
                let name = quoted(key);
                let is_index =
                    key.len() < 10 && key.parse::<u32>().is_ok_and(|index| index.to_string() == **key);
                if is_index { write!(path, "[{name},{key}]") } else { write!(path, "[{name}]") }
            }
        };
    }
    path
}

/// RFC 9535 §2.7.
fn quoted(key: &str) -> String {
    let mut text = String::from("'");
    for c in key.chars() {
        // Writing to a `String` does not fail.
        let _ = match c {
            '\'' | '\\' => write!(text, "\\{c}"),
            '\u{8}' => write!(text, "\\b"),
            '\u{c}' => write!(text, "\\f"),
            '\n' => write!(text, "\\n"),
            '\r' => write!(text, "\\r"),
            '\t' => write!(text, "\\t"),
            c if c < ' ' => write!(text, "\\u{:04x}", u32::from(c)),
            c => write!(text, "{c}"),
        };
    }
    text.push('\'');
    text
}

/// All fixes of a report as an Overlay 1.1 in YAML, and how many actions it has; nothing where there is none.
pub fn overlay(report: &Report, title: &str, extends: Option<&str>) -> Option<(String, usize)> {
    let title = json!(format!("What lint adds to {title}"));
    let extends = extends.map(|extends| format!("extends: {}\n", json!(extends))).unwrap_or_default();
    let mut text = format!("overlay: 1.1.0\ninfo: {{ title: {title}, version: 1.0.0 }}\n{extends}actions:\n");
    let (mut known, mut last) = (HashSet::new(), "");
    for finding in &report.findings {
        for Action { target, update } in &finding.fix {
            let action = format!("- {{ target: {}, update: {} }}\n", json!(target), update);
            if known.insert(action.clone()) {
                if finding.rule.id != last {
                    let _ = writeln!(text, "# {}", finding.rule.id);
                    last = finding.rule.id;
                }
                text.push_str(&action);
            }
        }
    }
    (!known.is_empty()).then_some((text, known.len()))
}
