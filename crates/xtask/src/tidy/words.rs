//! Words that do not belong: panics on the data plane, tests that never run, traces of one machine.

use super::Finding;
use super::source::Source;

/// Crates in which a panic would take a caller's request along.
const DATA_PLANE: &[&str] = &["gateway", "http1", "waf", "openapi", "identity", "admin"];
/// Calls that panic on what the network, the disk or a clock may cause.
const PANICS: &[&str] = &[".unwrap()", ".expect("];
/// Attributes that switch a test off or let it pass for the wrong panic, and what to write instead.
const ATTRIBUTES: &[(&str, &str)] = &[
    ("#[ignore]", "an ignored test says why: `#[ignore = \"reason\"]`"),
    ("#[should_panic", "no `should_panic`: assert on a result, which names the failure"),
];
/// Endings of files that are read as text.
const TEXT: &[&str] =
    &[".rs", ".md", ".toml", ".yaml", ".yml", ".json", ".sh", ".py", ".js", ".html", ".ci/run"];
/// Text that ties the repository to one machine or one network. Written in halves, or this file would be one.
const TRACES: &[(&str, &str)] = &[
    (concat!("/wo", "rk/"), "a path of one machine"),
    (concat!("/ro", "ot/"), "a path of one machine"),
    (concat!("/ho", "me/"), "a path of one machine"),
    (concat!("registry.npm", "js.org"), "the name of a package registry: its client knows it"),
    (concat!("pypi", ".org"), "the name of a package registry: its client knows it"),
    (concat!("index.crates", ".io"), "the name of a package registry: its client knows it"),
    (concat!("static.crates", ".io"), "the name of a package registry: its client knows it"),
    (concat!("deb.deb", "ian.org"), "the name of a package registry: its client knows it"),
];

/// Judges the code of one file.
pub(crate) fn judge(source: &Source, findings: &mut Vec<Finding>) {
    let mut push = |offset: usize, what: String| {
        findings.push(Finding { file: source.path.clone(), line: source.line(offset), what });
    };
    if source.krate().is_some_and(|krate| DATA_PLANE.contains(&krate)) {
        for call in PANICS {
            for offset in source.find(call).filter(|offset| !source.is_test(*offset)) {
                push(offset, format!("`{call}` on the data plane: answer with an error"));
            }
        }
    }
    for (attribute, what) in ATTRIBUTES {
        for offset in source.find(attribute) {
            push(offset, (*what).to_owned());
        }
    }
}

/// Whether the file called `name` is text to judge.
pub(crate) fn is_text(name: &str) -> bool {
    TEXT.iter().any(|ending| name.ends_with(ending))
}

/// Judges any text, code or not.
pub(crate) fn judge_text(name: &str, text: &str, findings: &mut Vec<Finding>) {
    for (index, line) in text.lines().enumerate() {
        for (trace, what) in TRACES.iter().filter(|(trace, _)| line.contains(trace)) {
            let line = index.saturating_add(1);
            findings.push(Finding { file: name.to_owned(), line, what: format!("`{trace}` is {what}") });
        }
    }
}
