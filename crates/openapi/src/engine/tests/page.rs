//! Each row of `docs/values.md` is asked about.

use serde_json::json;

use crate::value::{Limits, parse};

use super::super::{PatternSupport, is_asserted, pattern_support};
use super::told;

const PAGE: &str = include_str!("../../../../../docs/values.md");

/// The rows of the table under a heading, each cell without its backquotes.
fn rows(heading: &str) -> Vec<Vec<&'static str>> {
    let section = PAGE.split("\n## ").find(|section| section.starts_with(heading)).expect(heading);
    let cells = |line: &'static str| -> Vec<&'static str> {
        line.trim_matches('|').split(" | ").map(|cell| cell.trim().trim_matches('`')).collect()
    };
    section.lines().filter(|line| line.starts_with('|')).skip(2).map(cells).collect()
}

#[test]
fn what_the_page_says_of_texts_holds() {
    for row in rows("What is read") {
        let found = match parse(row[0].as_bytes(), &Limits::REQUEST) {
            Ok(_) => "read".to_owned(),
            Err(fault) => format!("refused: {}", fault.reason),
        };
        assert_eq!(found, row[1], "{}", row[0]);
    }
}

#[test]
fn the_page_has_the_limits() {
    let limits = |limits: Limits| {
        [limits.depth, limits.string, limits.array, limits.members, limits.number_digits, limits.values]
    };
    let (requests, responses) = (limits(Limits::REQUEST), limits(Limits::RESPONSE));
    let rows = rows("How large it may be");
    assert_eq!(rows.len(), requests.len());
    for ((row, request), response) in rows.iter().zip(requests).zip(responses) {
        assert_eq!((row[1], row[2]), (&*request.to_string(), &*response.to_string()), "{}", row[0]);
    }
}

#[test]
fn what_the_page_says_of_numbers_holds() {
    for row in rows("What numbers mean") {
        let schema = serde_json::from_str(row[0]).expect(row[0]);
        let found = told(&schema, row[1]);
        let found = found.first().map_or("good".to_owned(), |first| format!("refused:{first}"));
        assert_eq!(found, row[2], "{} {}", row[0], row[1]);
    }
}

#[test]
fn what_the_page_says_of_formats_holds() {
    for row in rows("Formats") {
        assert!(is_asserted(row[0]), "{}", row[0]);
        let schema = json!({ "format": row[0] });
        assert!(told(&schema, row[1]).is_empty(), "{row:?}");
        if let Some(refused) = row.get(2).filter(|refused| !refused.is_empty()) {
            assert_eq!(told(&schema, refused), [" format"], "{row:?}");
        }
    }
    for format in ["password", "binary", "regex", "idn-email", "idn-hostname"] {
        assert!(!is_asserted(format), "{format}");
    }
}

#[test]
fn what_the_page_says_of_patterns_holds() {
    for row in rows("Patterns") {
        let found = match pattern_support(row[0]) {
            PatternSupport::Linear => "in time linear in the text",
            PatternSupport::Backtracking => "by going back, within a budget",
            PatternSupport::Unsupported => "not at all: the operation has a gap",
        };
        assert_eq!(found, row[1], "{}", row[0]);
    }
}
