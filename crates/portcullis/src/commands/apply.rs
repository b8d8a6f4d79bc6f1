//! `portcullis apply`, `confirm`, `rollback`: change what a running gateway runs, and go back.

use std::io::Read;
use std::path::Path;

use anyhow::Context;
use portcullis_admin::client::Answer;
use serde_json::Value;

use crate::args::{Apply, Ask, Candidate, Rollback};
use crate::operator::{self, tell_refusal};
use crate::output::{Outcome, remark, say};

/// Applies a candidate, or the gateway's file anew.
pub(crate) fn apply(apply: &Apply) -> anyhow::Result<Outcome> {
    let text = apply.candidate.text()?;
    let path = match apply.confirm {
        Some(time) => format!("/apply?confirm_ms={}", time.as_millis()),
        None => "/apply".to_owned(),
    };
    let answer = apply.candidate.socket.find()?.call("POST", &path, &text)?;
    let outcome = tell(&answer, "in force", apply.candidate.json)?;
    if outcome == Outcome::Good && apply.confirm.is_some() {
        remark("goes back by itself unless `portcullis confirm` comes in time");
    } else if outcome == Outcome::Good && apply.candidate.candidate.is_some() {
        remark("the gateway's own file is as it was: the next edit of it, or a restart, puts that in force");
    }
    Ok(outcome)
}

/// Keeps what waits to be confirmed.
pub(crate) fn confirm(ask: &Ask) -> anyhow::Result<Outcome> {
    tell(&ask.socket.find()?.call("POST", "/confirm", b"")?, "confirmed", ask.json)
}

/// Goes back, or lists what there is to go back to.
pub(crate) fn rollback(rollback: &Rollback) -> anyhow::Result<Outcome> {
    let running = rollback.ask.socket.find()?;
    if rollback.list {
        let kept = operator::json(&running.call("GET", "/revisions", b"")?)?;
        list(&kept, rollback.ask.json)?;
        return Ok(Outcome::Good);
    }
    let path = match &rollback.hash {
        Some(hash) => {
            let is_hash = !hash.is_empty() && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
            anyhow::ensure!(is_hash, "`{hash}` is no hash; `portcullis rollback --list` shows them");
            format!("/rollback?hash={}", hash.to_ascii_lowercase())
        }
        None => "/rollback".to_owned(),
    };
    tell(&running.call("POST", &path, b"")?, "in force again", rollback.ask.json)
}

impl Candidate {
    /// The candidate's text; empty when the gateway's own file is meant.
    pub(crate) fn text(&self) -> anyhow::Result<Vec<u8>> {
        let Some(path) = &self.candidate else { return Ok(Vec::new()) };
        let mut text = Vec::new();
        if path == Path::new("-") {
            std::io::stdin().lock().read_to_end(&mut text)?;
        } else {
            text = std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
        }
        // An empty body would ask for the gateway's own file.
        anyhow::ensure!(!text.is_empty(), "{} is empty", path.display());
        Ok(text)
    }
}

/// Prints what became of a change.
fn tell(answer: &Answer, what: &str, json: bool) -> anyhow::Result<Outcome> {
    if matches!(answer.status, 401 | 403 | 409 | 413 | 422 | 429) {
        tell_refusal(answer);
        return Ok(Outcome::No);
    }
    let document = operator::json(answer)?;
    if json {
        say(serde_json::to_string_pretty(&document)?);
    } else {
        say(format_args!("{} is {what}", document.get("hash").and_then(Value::as_str).unwrap_or_default()));
    }
    Ok(Outcome::Good)
}

fn list(kept: &Value, json: bool) -> anyhow::Result<()> {
    if json {
        say(serde_json::to_string_pretty(kept)?);
        return Ok(());
    }
    for one in kept.as_array().into_iter().flatten() {
        let text = |name: &str| one.get(name).and_then(Value::as_str).unwrap_or_default();
        let running = one.get("running").and_then(Value::as_bool).unwrap_or_default();
        say(format_args!(
            "{} since {}{}",
            text("hash"),
            text("since"),
            if running { ", in force" } else { "" }
        ));
    }
    Ok(())
}
