//! The shape of files: sizes, names, module docs, and no file that nobody reads.

use std::collections::HashSet;

use super::Finding;
use super::source::{self, Source};

/// Lines of a file, tests included: past this nobody reads it in one sitting.
const FILE_LINES_MAX: usize = 800;
/// Lines of a function without blank and comment lines, tests excluded: one screen. A function that is one table
/// (a `match` from value to value, and no statement) is read row by row and may be longer.
const FUNCTION_LINES_MAX: usize = 70;
/// Rooms where everything ends up.
const NAMES: &[&str] = &["util", "utils", "common", "helper", "helpers", "types", "prelude", "misc"];

/// Judges one file.
pub(crate) fn judge(source: &Source, findings: &mut Vec<Finding>) {
    let lines = source.text.lines().count();
    if lines > FILE_LINES_MAX {
        push(findings, source, 1, format!("{lines} lines; split it before {FILE_LINES_MAX}"));
    }
    let name = source.path.rsplit('/').next().unwrap_or_default();
    if name == "mod.rs" {
        push(findings, source, 1, "no `mod.rs`: `http.rs` stands beside its folder `http/`".to_owned());
    }
    judge_name(source, 1, name.trim_end_matches(".rs"), findings);
    for offset in source.find("mod ").filter(|offset| source.begins_word(*offset)) {
        let module = source::identifier(source.rest(offset.saturating_add("mod ".len())));
        judge_name(source, source.line(offset), module, findings);
    }
    // Unit tests are described by the module they stand below, the glue of a fuzz target by its check.
    let is_unit_test = source.path.contains("/src/") && source.path.contains("/tests/");
    let is_described = name == "tests.rs" || is_unit_test || source.path.contains("/fuzz_targets/");
    if !is_described && !source.text.trim_start().starts_with("//!") {
        push(findings, source, 1, "begins without `//!`: say why the module exists".to_owned());
    }
    judge_functions(source, findings);
}

fn judge_name(source: &Source, line: usize, module: &str, findings: &mut Vec<Finding>) {
    if NAMES.contains(&module) {
        push(findings, source, line, format!("no room called `{module}`: name it after what it holds"));
    }
}

fn judge_functions(source: &Source, findings: &mut Vec<Finding>) {
    for offset in source.find("fn ").filter(|offset| source.begins_word(*offset)) {
        let rest = source.rest(offset);
        let name = source::identifier(rest.get("fn ".len()..).unwrap_or_default());
        if name.is_empty() || source.is_test(offset) {
            continue;
        }
        let brace = rest.find('{').unwrap_or(rest.len());
        if rest.find(';').is_some_and(|semicolon| semicolon < brace && !is_inside(rest, semicolon)) {
            continue; // a declaration without a body
        }
        let body = source::block_len(rest).and_then(|length| rest.get(..length)).unwrap_or_default();
        let lines = body.lines().filter(|line| !line.trim().is_empty()).count();
        if lines > FUNCTION_LINES_MAX && !is_table(body) {
            let what = format!("function `{name}` has {lines} lines; {FUNCTION_LINES_MAX} is one screen");
            push(findings, source, source.line(offset), what);
        }
    }
}

/// Whether a function only looks something up: it decides nothing and calls nothing that could fail.
fn is_table(body: &str) -> bool {
    let statements = ["let ", "if ", "for ", "while ", "loop ", "return ", "?;", "await"];
    body.matches("match ").count() == 1 && !statements.iter().any(|word| body.contains(word))
}

/// Whether `at` lies inside brackets, as the `;` of an array type in a signature does.
fn is_inside(text: &str, at: usize) -> bool {
    let before = text.get(..at).unwrap_or_default();
    before.matches(['[', '(']).count() > before.matches([']', ')']).count()
}

/// Finds files below a `src` that no module declares: they look alive and are never compiled.
pub(crate) fn judge_reachable(sources: &[Source], findings: &mut Vec<Finding>) {
    let paths: HashSet<&str> = sources.iter().map(|source| source.path.as_str()).collect();
    for source in sources {
        let Some(below) = source.below_src() else { continue };
        let stem = below.trim_end_matches(".rs");
        if ["lib", "main"].contains(&stem) || stem.starts_with("bin/") {
            continue;
        }
        let (parent, module) = stem.rsplit_once('/').unwrap_or(("", stem));
        let front = source.path.strip_suffix(below).unwrap_or_default();
        let parents = match parent {
            "" => vec![format!("{front}lib.rs"), format!("{front}main.rs")],
            _ => vec![format!("{front}{parent}.rs")],
        };
        let declared = sources
            .iter()
            .filter(|candidate| parents.contains(&candidate.path))
            .any(|candidate| candidate.masked.contains(&format!("mod {module};")));
        if !declared {
            let known = parents.iter().filter(|parent| paths.contains(parent.as_str()));
            let place = known.map(String::as_str).collect::<Vec<_>>().join(" or ");
            let what =
                format!("no `mod {module};` in {}", if place.is_empty() { "a parent" } else { &place });
            push(findings, source, 1, what);
        }
    }
}

fn push(findings: &mut Vec<Finding>, source: &Source, line: usize, what: String) {
    findings.push(Finding { file: source.path.clone(), line, what });
}
