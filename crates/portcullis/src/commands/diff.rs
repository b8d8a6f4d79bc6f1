//! `portcullis diff`: what a configuration would change of what runs; and what a definition breaks for callers of another.

mod definitions;

use serde_json::Value;

use crate::args::{Candidate, Diff};
use crate::operator::{self, tell_refusal};
use crate::output::{Outcome, say};

/// One file is a configuration, two are definitions.
pub(crate) fn diff(diff: &Diff) -> anyhow::Result<Outcome> {
    match (&diff.candidate.candidate, &diff.new) {
        (Some(old), Some(new)) => definitions::compare(old, new, diff),
        _ => against_running(&diff.candidate),
    }
}

/// Good when nothing would change.
fn against_running(candidate: &Candidate) -> anyhow::Result<Outcome> {
    let text = candidate.text()?;
    let answer = candidate.socket.find()?.call("POST", "/diff", &text)?;
    if answer.status == 422 {
        tell_refusal(&answer);
        anyhow::bail!("the candidate does not load");
    }
    let difference = operator::json(&answer)?;
    if candidate.json {
        say(serde_json::to_string_pretty(&difference)?);
    } else {
        tell(&difference);
    }
    let is_same = difference.get("running") == difference.get("wanted");
    Ok(if is_same { Outcome::Good } else { Outcome::No })
}

fn tell(difference: &Value) {
    let list = |pointer: &str| difference.pointer(pointer).and_then(Value::as_array).into_iter().flatten();
    for change in list("/changes") {
        let text = |name: &str| change.get(name).and_then(Value::as_str).unwrap_or_default();
        let place = if text("place").is_empty() { String::new() } else { format!("{} ", text("place")) };
        match text("kind") {
            "added" => say(format_args!("+ {place}{}: {}", text("path"), text("after"))),
            "removed" => say(format_args!("- {}: {}", text("path"), text("before"))),
            _ => say(format_args!("~ {place}{}: {} -> {}", text("path"), text("before"), text("after"))),
        }
    }
    for (pointer, mark) in [("/operations/added", '+'), ("/operations/removed", '-')] {
        for operation in list(pointer) {
            say(format_args!("{mark} operation {}", operation.as_str().unwrap_or_default()));
        }
    }
    for file in list("/files") {
        say(format_args!("~ file {}", file.as_str().unwrap_or_default()));
    }
}
