//! Imports inside the gateway point one way: from the top floor to the ground.
//!
//! Read from every `crate::…` path, in `use` lines and inline, and from `super::` chains that climb to the
//! root. Neighbours on one floor may know each other; a file may always use its own module.

use super::Finding;
use super::source::{self, Source};

/// The floors of `crates/gateway/src`, from the top. A new module is entered here, where it stands.
const FLOORS: &[&[&str]] = &[
    &["gateway"],
    &["listener"],
    &["exchange"],
    &["snapshot", "resources"],
    &["policies"],
    &["logins"],
    &["upstream", "icap", "store", "issuers", "authorizers", "acme"],
    &["callers", "certificates", "operators"],
    &["pipeline"],
    &["route"],
    &["http", "observe", "fetch"],
    &["config"],
    &["dns", "oauth", "passwords", "session_ends", "signing", "vault"],
    &[
        "problem",
        "clock",
        "secret",
        "tally",
        "bounds",
        "descriptors",
        "files",
        "once",
        "sealing",
        "answers",
        "remembered",
        "tasks",
        "chores",
        "panics",
        "protobuf",
        "workers",
    ],
];

/// Finds imports that point up.
pub(crate) fn judge(source: &Source, findings: &mut Vec<Finding>) {
    let Some(below) = source.below_src().filter(|_| source.krate() == Some("gateway")) else { return };
    let module = below.split('/').next().unwrap_or_default().trim_end_matches(".rs");
    if module == "lib" || source.is_test_file() {
        return; // the map itself names every floor; tests may look down from the roof
    }
    let Some(own) = floor(module) else {
        let what =
            format!("module `{module}` stands on no floor: enter it in FLOORS of xtask's tidy/layers.rs");
        findings.push(Finding { file: source.path.clone(), line: 1, what });
        return;
    };
    for (offset, target) in imports(source, depth(below)) {
        // An unknown name is an item of the root or a macro; an unknown module is found at its own file.
        if target != module && !source.is_test(offset) && floor(&target).is_some_and(|floor| floor < own) {
            let what = format!("`{module}` must not import `{target}`, which stands above it");
            findings.push(Finding { file: source.path.clone(), line: source.line(offset), what });
        }
    }
}

fn floor(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

/// How many modules deep a file is: `problem.rs` is 1, `http/body.rs` 2.
fn depth(below_src: &str) -> usize {
    below_src.split('/').count()
}

/// Each name right below the crate's root that the file speaks of, with its place.
fn imports(source: &Source, depth: usize) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for offset in source.find("crate::").filter(|offset| source.begins_word(*offset)) {
        let rest = source.rest(offset.saturating_add("crate::".len()));
        found.extend(heads(rest).into_iter().map(|head| (offset, head)));
    }
    for offset in source.find("super::").filter(|offset| source.begins_word(*offset)) {
        let mut rest = source.rest(offset);
        let mut climbed = 0_usize;
        while let Some(shorter) = rest.strip_prefix("super::") {
            climbed = climbed.saturating_add(1);
            rest = shorter;
        }
        if climbed >= depth {
            found.extend(heads(rest).into_iter().map(|head| (offset, head)));
        }
    }
    found
}

/// The first names of a path or of a group of paths: `a::b` gives `a`; `{a, b::{c, d}}` gives `a` and `b`.
fn heads(rest: &str) -> Vec<String> {
    let Some(group) = rest.strip_prefix('{') else {
        return vec![source::identifier(rest).to_owned()];
    };
    let end = source::block_len(rest).map_or(group.len(), |length| length.saturating_sub(2));
    let mut heads = Vec::new();
    let mut depth = 0_usize;
    let mut item = String::new();
    for letter in group.get(..end).unwrap_or_default().chars().chain([',']) {
        match letter {
            '{' => depth = depth.saturating_add(1),
            '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                heads.push(source::identifier(item.trim()).to_owned());
                item.clear();
            }
            _ if depth == 0 => item.push(letter),
            _ => {}
        }
    }
    heads.retain(|head| !head.is_empty());
    heads
}
