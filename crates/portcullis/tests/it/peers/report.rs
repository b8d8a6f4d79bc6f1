//! `docs/peers.md`: the rows on which the three differ, by the reason that says who is right.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use super::page::{Outcome, Page, Right, Row, Section};

/// What stands above it is written by hand.
const MARK: &str = "<!-- From here on it is what came out, written by `UPDATE=1 cargo test -p portcullis --test it peers`. -->";

/// Whether the page says what came out; writes it there where that is asked for.
pub(super) fn check(page: &Page) -> Result<(), String> {
    let text = fs::read_to_string(file()).map_err(|error| error.to_string())?;
    let (by_hand, _) = text.split_once(MARK).ok_or_else(|| format!("no line `{MARK}`"))?;
    let whole = format!("{by_hand}{MARK}\n\n{}", written(page));
    if std::env::var_os("UPDATE").is_some() {
        fs::write(file(), &whole).map_err(|error| error.to_string())?;
        return Ok(());
    }
    if whole == text { Ok(()) } else { Err("is not what came out; UPDATE=1 writes it anew".to_owned()) }
}

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/peers.md")
}

fn written(page: &Page) -> String {
    let differing: Vec<(&Section, &Row, Right)> = page
        .sections
        .iter()
        .flat_map(|section| section.rows.iter().map(move |row| (section, row)))
        .filter_map(|(section, row)| Some((section, row, row.right?)))
        .collect();
    let mut text = tally(page, &differing);
    for (reason, what) in &page.reasons {
        write!(text, "\n### {reason}\n\n{what}\n\n").expect("memory");
        text += "| definition | request | gateway | express | core | right |\n| --- | --- | --- | --- | --- | --- |\n";
        for (section, row, right) in differing.iter().filter(|(_, row, _)| row.why == *reason) {
            let [gateway, express, core] = row.expected;
            let (title, request) = (&section.title, row.written.replace('|', "\\|"));
            writeln!(text, "| {title} | {request} | {gateway} | {express} | {core} | {right} |")
                .expect("memory");
        }
    }
    text
}

fn tally(page: &Page, differing: &[(&Section, &Row, Right)]) -> String {
    let all: usize = page.sections.iter().map(|section| section.rows.len()).sum();
    let decided: Vec<_> = differing
        .iter()
        .filter_map(|(_, row, right)| match right {
            Right::Class(class) => Some((row, *class)),
            Right::Either | Right::Theirs => None,
        })
        .collect();
    let wrong = |peer: usize| {
        decided.iter().filter(|(row, class)| Outcome::class(row.expected[peer]) != *class).count()
    };
    let theirs = differing.iter().filter(|(_, _, right)| *right == Right::Theirs).count();
    let mut text = String::from("| rows | so many |\n| --- | --- |\n");
    for (what, count) in [
        ("asked", all),
        ("the three agree", all - differing.len()),
        ("they differ, and the gateway does what a standard asks for", decided.len()),
        ("… express-openapi-validator does not", wrong(1)),
        ("… openapi-core does not", wrong(2)),
        ("they differ, and the gateway deviates from the letter of one", theirs),
        ("they differ, and no standard decides", differing.len() - decided.len() - theirs),
    ] {
        writeln!(text, "| {what} | {count} |").expect("memory");
    }
    text
}
