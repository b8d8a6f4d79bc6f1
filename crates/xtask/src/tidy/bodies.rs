//! No JSON value is made of a body: bodies are read by crate `openapi`'s own parser, which refuses what two readers could
//! read differently, and are judged on what it made.
//!
//! `serde_json` takes the last of two members of one name and says nothing. A control that read a body with it would judge
//! something else than what the backend gets. So on the data plane (the crates [`CRATES`]) nothing but the files of [`READERS`]
//! may have `serde_json` read a text, and none of the files that touch bodies ([`BODY_PATH`]) may speak of it at all.

use super::Finding;
use super::source::{self, Source};

/// The crates a request passes through.
const CRATES: &[&str] = &["gateway", "openapi", "identity", "http1"];

/// Files that read JSON of our own with `serde_json`, and what it is.
const READERS: &[(&str, &str)] = &[
    ("crates/gateway/src/issuers/last_good.rs", "key sets that were verified and laid aside"),
    ("crates/gateway/src/store/copy.rs", "the last good copy of the store, sealed by us"),
    ("crates/gateway/src/store/rows.rs", "columns that we wrote"),
    ("crates/gateway/src/store/writes.rs", "columns that we wrote"),
    ("crates/openapi/src/difference/slice.rs", "examples that a definition writes"),
    ("crates/openapi/src/mock.rs", "examples that a definition writes"),
];

/// What of a path only files that touch bodies have, and the files there that may name `serde_json` all the same. Not among
/// them is `engine`: there values of the definition, which are `serde_json`'s, meet those of bodies, which are the tape's.
const BODY_PATH: &[(&str, &[&str])] = &[
    ("crates/openapi/src/value", &[]),
    ("crates/openapi/src/parameters", &[]),
    ("crates/openapi/src/multipart", &[]),
    ("crates/openapi/src/coding", &[]),
    ("crates/openapi/src/project", &[]),
    // Written for whoever asks, never read.
    (
        "crates/openapi/src/contract",
        &["crates/openapi/src/contract/coverage.rs", "crates/openapi/src/contract/lowering.rs"],
    ),
    ("crates/gateway/src/workers", &[]),
    ("crates/gateway/src/pipeline/decoded", &[]),
    ("crates/gateway/src/pipeline/judged", &[]),
    // Problems: members of an answer of our own.
    ("crates/gateway/src/policies/contract", &["crates/gateway/src/policies/contract/problems.rs"]),
];

/// What `serde_json` reads texts with.
const READS: &[&str] = &["from_slice", "from_str", "from_reader", "de", "Deserializer", "StreamDeserializer"];

/// Finds readers of JSON where none may be.
pub(crate) fn judge(source: &Source, findings: &mut Vec<Finding>) {
    if !source.krate().is_some_and(|krate| CRATES.contains(&krate)) {
        return;
    }
    let is_reader = READERS.iter().any(|(file, _)| *file == source.path);
    for offset in source.find("serde_json").filter(|offset| !source.is_test(*offset)) {
        let mut note = |what: &str| {
            findings.push(Finding {
                file: source.path.clone(),
                line: source.line(offset),
                what: what.to_owned(),
            });
        };
        if touches_bodies(&source.path) {
            note(
                "nothing that touches bodies knows `serde_json`: read them with `portcullis_openapi::value`",
            );
        } else if !is_reader && reads(source.rest(offset)) {
            note(
                "reads JSON with `serde_json`, which takes the last of two members of one name: what comes from outside \
                  is read by `portcullis_openapi::value` or `portcullis_identity::json`, and what is our own by a file that \
                  stands in READERS of xtask's tidy/bodies.rs",
            );
        }
    }
}

fn touches_bodies(path: &str) -> bool {
    BODY_PATH.iter().any(|(begin, but)| {
        let rest = path.strip_prefix(begin);
        rest.is_some_and(|rest| rest.starts_with(['/', '.'])) && !but.contains(&path)
    })
}

/// Whether what is named behind `serde_json` reads a text.
fn reads(rest: &str) -> bool {
    let Some(rest) = rest.strip_prefix("serde_json::") else { return false };
    let end = if rest.starts_with('{') { source::block_len(rest) } else { None };
    let group = end.and_then(|end| rest.get(1..end.saturating_sub(1)));
    match group {
        Some(group) => group.split(',').any(|name| READS.contains(&source::identifier(name.trim()))),
        None => READS.contains(&source::identifier(rest)),
    }
}
