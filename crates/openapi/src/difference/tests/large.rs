//! Documents in which everything refers to everything and all of it changed: the work is bounded by the pairs of schemas,
//! not by the ways that lead to them.

#![expect(clippy::arithmetic_side_effects, reason = "tests fail loudly")]

use std::fmt::Write;

use super::super::{Change, Limits, Verdict, algebra, between, verdict};
use super::load;

const SCHEMAS: usize = 1_000;
const OPERATIONS: usize = 100;

/// Schemas that refer to others, plainly and in a choice, each with a text of its own.
fn document(longest: u32, last: &str) -> String {
    let mut text = "openapi: 3.1.0\ninfo: { title: T, version: '1' }\npaths:\n".to_owned();
    for number in 0..OPERATIONS {
        let content = format!(
            "content: {{ application/json: {{ schema: {{ $ref: '#/components/schemas/S{}' }} }} }}",
            number * 7
        );
        writeln!(text, "  /o{number}: {{ post: {{ requestBody: {{ {content} }}, responses: {{ '200': {{ description: ok, {content} }} }} }} }}").expect("text");
    }
    text.push_str("components:\n  schemas:\n");
    for number in 0..SCHEMAS {
        let refer = |other: usize| format!("{{ $ref: '#/components/schemas/S{}' }}", other % SCHEMAS);
        let (next, far, choice) = (refer(number + 1), refer(number * 7 + 3), refer(number * 13 + 5));
        let more = if number + 1 == SCHEMAS { last } else { "" };
        writeln!(text, "    S{number}: {{ type: object, properties: {{ text: {{ type: string, maxLength: {longest} }}, next: {next}, far: {far}, choice: {{ anyOf: [ {{ type: string, maxLength: {longest} }}, {choice} ] }}{more} }} }}").expect("text");
    }
    text
}

/// What changes, and how many questions were asked.
fn changes(old: &str, new: &str, limits: &Limits) -> (Vec<Change>, usize) {
    let (old, new) = (load("old.yaml", old), load("new.yaml", new));
    let mut asked = 0;
    let changes = between(&old, &new, limits, &mut |question| {
        asked += 1;
        algebra::answer(&question)
    });
    (changes, asked)
}

/// Enough to look at every pair a few times, and far from enough to do so from every operation.
const MODEST: Limits = Limits { steps_max: 100_000, ..Limits::DEFAULT };

#[test]
fn a_large_document_that_changed_everywhere_is_gone_through_once() {
    let (changes, asked) = changes(&document(5000, ""), &document(4000, ""), &MODEST);
    assert!(changes.iter().all(|change| change.rule != "too-large"), "{:#?}", changes.last());
    assert!(asked <= 8, "{asked} questions for the same text everywhere");
    // The text of each schema and that of its choice, in either direction.
    let texts = changes.iter().filter(|change| change.why.contains("5000 becomes 4000"));
    assert_eq!(texts.count(), SCHEMAS * 4);
    let breaking: Vec<_> = changes.iter().filter(|change| change.verdict == Verdict::Breaking).collect();
    assert_eq!(breaking.len(), SCHEMAS, "each text that is found without a choice");
    let first = breaking.first().expect("one");
    assert!(first.witness.is_some() && first.also.len() == 20, "{first:#?}");
    assert_eq!(first.also.len() + first.also_left_out, OPERATIONS - 1);
}

#[test]
fn one_change_far_away_is_found_from_everywhere_at_once() {
    let (changes, _) = changes(&document(9, ""), &document(9, ", more: { type: string }"), &MODEST);
    assert!(changes.iter().all(|change| change.rule != "too-large"), "{:#?}", changes.last());
    assert_eq!(verdict(&changes), Verdict::Safe, "{:#?}", changes.first());
}

#[test]
fn what_is_past_the_limits_is_never_safe() {
    let (narrow, wide) = (document(4000, ""), document(5000, ""));
    // All that is found by then is safe.
    let steps = Limits { steps_max: 40, ..Limits::DEFAULT };
    let (found, _) = changes(&narrow, &narrow.replace("4000", "4000 "), &steps);
    assert_eq!(verdict(&found), Verdict::Unknown, "{found:#?}");
    let (found, _) = changes(&narrow, &wide, &steps);
    assert_eq!(verdict(&found), Verdict::Unknown, "{found:#?}");
    let end = found.iter().find(|change| change.rule == "too-large").expect("it is said");
    assert!(end.why.contains("40 steps") && end.why.contains("were not looked at"), "{end:#?}");
    // Findings that are left out are counted, the gravest are kept.
    let few = Limits { findings_max: 10, ..MODEST };
    let (found, _) = changes(&wide, &narrow, &few);
    assert_eq!(found.len(), 11);
    assert!(found.iter().all(|change| change.verdict == Verdict::Breaking), "{found:#?}");
    assert!(found[10].why.contains("left out are 990 breaking, 1000 unknown, 2000 safe"), "{:#?}", found[10]);
}
