//! `portcullis diff OLD NEW`: what a new definition breaks for callers of the old one.
//!
//! Each question about schemas is answered on a thread of its own, with a stack of its own and [`TICKS_MAX`]: the algebra
//! may take long, or fail. What has no answer then is unknown. After [`ALL_TICKS_MAX`] no more are asked, so that the whole
//! ends.

use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use portcullis_gateway::config::definition::{Bounds, Definition, Folder, Loads, Severity};
use portcullis_gateway::config::difference::{
    self, Answer, Change, Limits, Place, Question, Verdict, algebra,
};
use portcullis_gateway::config::overlays::Text;
use serde_json::json;

use crate::args::Diff;
use crate::output::{Outcome, findings, remark, say};
use crate::overlay::{self, Overlay};

/// How long is waited before it is counted.
const TICK: Duration = Duration::from_millis(5);

/// How often is waited for one answer: five seconds.
const TICKS_MAX: u32 = 1_000;

/// How often is waited for all answers, after which no more are asked: a minute.
const ALL_TICKS_MAX: u32 = 12_000;

/// Longest text of a schema that is printed.
const SHOWN_CHARS_MAX: usize = 400;

/// Good when nothing is broken; with `strict` when that is proven.
pub(super) fn compare(old: &Path, new: &Path, args: &Diff) -> anyhow::Result<Outcome> {
    let (is_json, is_strict) = (args.candidate.json, args.strict);
    let overlays =
        args.overlays.iter().map(|path| overlay::read(path)).collect::<anyhow::Result<Vec<_>>>()?;
    let (before, after) = (load(old, &overlays)?, load(new, &overlays)?);
    let mut waited = 0;
    let changes =
        difference::between(&before, &after, &Limits::DEFAULT, &mut |question| ask(question, &mut waited));
    let unread = before.refused.saturating_add(after.refused);
    if is_json {
        let document = json!({
            "verdict": difference::verdict(&changes),
            "breaking": count(&changes, Verdict::Breaking),
            "unknown": count(&changes, Verdict::Unknown),
            "safe": count(&changes, Verdict::Safe),
            "unread_operations": { "old": before.refused, "new": after.refused },
            "changes": changes,
        });
        say(serde_json::to_string_pretty(&document)?);
    } else {
        tell(&changes);
    }
    if unread > 0 {
        remark(format_args!(
            "{unread} operations cannot be read, and are not compared; `portcullis check --openapi` says why"
        ));
    }
    Ok(match difference::verdict(&changes) {
        Verdict::Breaking => Outcome::No,
        Verdict::Unknown if is_strict => Outcome::No,
        Verdict::Safe if is_strict && unread > 0 => Outcome::No,
        Verdict::Unknown | Verdict::Safe => Outcome::Good,
    })
}

fn load(path: &Path, overlays: &[Overlay]) -> anyhow::Result<Definition> {
    let folder = Folder::of(path).map_err(|error| anyhow::anyhow!("{} {error}", path.display()))?;
    let texts: Vec<Text<'_>> = overlays.iter().map(Overlay::text).collect();
    let loads = Loads { overlays: &texts, ..Loads::default() };
    Definition::load_with(&folder, folder.root(), &Bounds::DEFAULT, &loads).map_err(|refused| {
        let errors = refused.notices.into_iter().filter(|notice| notice.severity == Severity::Error);
        findings(&errors.map(|notice| notice.finding).collect::<Vec<_>>())
    })
}

/// Answers a question in bounded time.
fn ask(question: Question, waited: &mut u32) -> Answer {
    let undecided = |why: &str| Answer::Undecided { why: why.into() };
    if *waited >= ALL_TICKS_MAX {
        return undecided("the comparison as a whole took too long");
    }
    let (sender, receiver) = mpsc::sync_channel(1);
    let work = move || {
        // Nobody may listen any more.
        let _ = sender.send(algebra::answer(&question));
    };
    let thread = thread::Builder::new().name("algebra".to_owned()).stack_size(algebra::STACK_BYTES);
    if thread.spawn(work).is_err() {
        return undecided("the system gave no thread");
    }
    for _ in 0..TICKS_MAX {
        match receiver.recv_timeout(TICK) {
            Ok(answer) => return answer,
            Err(mpsc::RecvTimeoutError::Timeout) => *waited = waited.saturating_add(1),
            Err(mpsc::RecvTimeoutError::Disconnected) => return undecided("the comparison failed"),
        }
    }
    undecided("the comparison took too long")
}

fn tell(changes: &[Change]) {
    for change in changes {
        say(head(change));
        say(format_args!("    {}", change.why));
        match (&change.old, &change.new) {
            (Some(old), Some(new)) => say(format_args!("    {} -> {}", place(old), place(new))),
            (Some(one), None) | (None, Some(one)) => say(format_args!("    {}", place(one))),
            (None, None) => {}
        }
        if let Some(lost) = &change.lost {
            say(format_args!("    lost: {}", shortened(&lost.to_string())));
        }
        if let Some(witness) = &change.witness {
            say(format_args!("    for instance: {}", shortened(&witness.to_string())));
        }
    }
    let counts = [Verdict::Breaking, Verdict::Unknown, Verdict::Safe].map(|verdict| count(changes, verdict));
    let [breaking, unknown, safe] = counts;
    say(format_args!("{breaking} breaking, {unknown} unknown, {safe} safe"));
}

fn head(change: &Change) -> String {
    let verdict = match change.verdict {
        Verdict::Breaking => "breaking",
        Verdict::Unknown => "unknown",
        Verdict::Safe => "safe",
    };
    let mut head = format!("{verdict:<8} {}", change.rule);
    for text in [&change.operation, &change.part, &change.pointer] {
        if !text.is_empty() {
            head.push_str("  ");
            head.push_str(text);
        }
    }
    let more = change.also.len().saturating_add(change.also_left_out);
    if more > 0 {
        head.push_str(&format!("  (and in {more} more operations)"));
    }
    head
}

fn count(changes: &[Change], verdict: Verdict) -> usize {
    changes.iter().filter(|change| change.verdict == verdict).count()
}

fn place(place: &Place) -> String {
    format!("{}:{}:{}", place.file, place.line, place.column)
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
