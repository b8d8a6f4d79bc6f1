//! Values made to cost: what judging them takes is bounded, and what honest ones take is far from the bound.

use std::time::Duration;

use serde_json::{Map, Value as Document, json};

use crate::contract::violations::{Place, Violations};
use crate::value::parse;

use super::super::{COMPLEXITY, Key, Validators};
use super::WIDE;

struct Case {
    name: &'static str,
    document: Document,
    body: String,
    /// The first keyword that is told; none if the value holds.
    told: Option<&'static str>,
}

fn list(items: usize, item: impl Fn(usize) -> String) -> String {
    format!("[{}]", (0..items).map(item).collect::<Vec<_>>().join(","))
}

fn nested(depth: usize, name: &str) -> String {
    format!("{}1{}", format!("{{\"{name}\":").repeat(depth), "}".repeat(depth))
}

fn root(schema: Document) -> Document {
    json!({ "properties": { "7": schema } })
}

fn node(schema: Document) -> Document {
    json!({ "properties": { "7": { "$ref": "#/$defs/node" } }, "$defs": { "node": schema } })
}

fn branch(required: &str) -> Document {
    json!({ "type": "object", "properties": { "a": { "$ref": "#/$defs/node" } }, "required": [required] })
}

/// Each level asks for the next one twice.
fn doubling(levels: usize) -> Document {
    let mut definitions = Map::new();
    for level in 0..levels {
        let next = format!("#/$defs/d{}", level.saturating_add(1));
        let both = |name: &str| json!({ "allOf": [{ "$ref": next }, { "required": [name] }] });
        definitions.insert(format!("d{level}"), json!({ "anyOf": [both("x"), both("y")] }));
    }
    definitions.insert(format!("d{levels}"), json!({ "properties": { "a": { "type": "integer" } } }));
    json!({ "properties": { "7": { "$ref": "#/$defs/d0" } }, "$defs": definitions })
}

/// `strings`: how many make a pattern go back; without optimisation that takes its time.
fn cases(strings: usize) -> Vec<Case> {
    let case = |name, document, body, told| Case { name, document, body, told };
    let branches: Vec<Document> = (0..50)
        .map(|at| json!({ "properties": { "kind": { "const": at } }, "required": ["kind"] }))
        .collect();
    let words: Vec<String> = (0..1000).map(|at| format!("word {at}")).collect();
    let patterns: Map<String, Document> =
        (0..10).map(|at| (format!("^[a-z]+{at}x*[0-9]+$"), json!({ "type": "integer" }))).collect();
    let mut closed = branch("x");
    closed["unevaluatedProperties"] = json!(false);
    vec![
        case(
            "10,000 unique objects",
            root(json!({ "uniqueItems": true })),
            list(10_000, |at| format!("{{\"a\":{at},\"b\":[{at}]}}")),
            None,
        ),
        case(
            "60 levels, three branches each, none holds",
            node(json!({ "anyOf": [branch("x"), branch("y"), closed.clone()] })),
            nested(60, "a"),
            // The reasons double with each level; no more is told than that it does not hold.
            Some("schema"),
        ),
        case(
            "60 levels of unevaluated members",
            node(json!({
                "allOf": [{ "properties": { "a": { "$ref": "#/$defs/node" } } }, { "type": ["object", "integer"] }],
                "unevaluatedProperties": false
            })),
            nested(60, "a"),
            None,
        ),
        case(
            "60 levels of conditions",
            node(json!({
                "if": { "properties": { "a": { "$ref": "#/$defs/node" } }, "required": ["a"] },
                "then": { "properties": { "a": { "$ref": "#/$defs/node" } } },
                "else": { "not": { "properties": { "a": { "$ref": "#/$defs/node" } }, "required": ["a"] } }
            })),
            nested(60, "a"),
            None,
        ),
        case(
            "10,000 objects, fifty branches each, none holds",
            root(json!({ "items": { "oneOf": branches } })),
            list(10_000, |_| "{\"kind\":\"x\"}".to_owned()),
            Some("oneOf"),
        ),
        case(
            "10,000 strings, none among a thousand but the last",
            root(json!({ "items": { "enum": words } })),
            list(10_000, |_| "\"word 999\"".to_owned()),
            None,
        ),
        case(
            "100,000 elements that do not hold",
            root(json!({ "items": { "type": "string" } })),
            list(100_000, |_| "1".to_owned()),
            Some("type"),
        ),
        case(
            "500 names, ten patterns, and unevaluated ones",
            root(json!({ "patternProperties": patterns, "unevaluatedProperties": { "type": "string" } })),
            format!("{{{}}}", (0..500).map(|at| format!("\"name-{at}\":\"\"")).collect::<Vec<_>>().join(",")),
            None,
        ),
        case(
            "strings that make a pattern go back as often as all may",
            root(json!({ "items": { "not": { "pattern": r"^(a|aa)+\1b$" } } })),
            list(strings, |_| format!("\"{}!\"", "a".repeat(6))),
            None,
        ),
        case(
            "strings that make a pattern go back for ever",
            root(json!({ "items": { "not": { "pattern": r"^(a|aa)+\1b$" } } })),
            list(strings, |_| format!("\"{}!\"", "a".repeat(40))),
            Some("pattern"),
        ),
        case(
            "strings that make a pattern go back nearly as often as it may",
            root(json!({ "items": { "not": { "pattern": r"^(a|aa)+\1b$" } } })),
            list(strings, |_| format!("\"{}!\"", "a".repeat(15))),
            // A few may go back that often.
            Some("pattern"),
        ),
        case(
            "a schema that doubles with each of 24 levels",
            doubling(24),
            "{\"a\":1}".to_owned(),
            Some(COMPLEXITY),
        ),
    ]
}

/// The first keyword that is told, and the steps it took.
fn judged(case: &Case) -> (Option<String>, u64, usize) {
    let validators = Validators::compile(&case.document).expect(case.name);
    let tape = parse(case.body.as_bytes(), &WIDE).expect(case.name);
    let mut found = Violations::new();
    validators.judge(Key(7), tape.root(), Place::Body, &mut found);
    let told = found.iter().next().map(|violation| violation.keyword.to_string());
    (told, validators.steps(Key(7), tape.root()), tape.len())
}

#[test]
fn hostile_values_are_judged_within_their_steps() {
    for case in cases(20) {
        let (told, steps, entries) = judged(&case);
        assert_eq!(told.as_deref(), case.told, "{}", case.name);
        let bound = 1_000_000 + 64 * entries as u64;
        assert!(
            steps <= bound && (steps < bound / 2 || matches!(case.told, Some(COMPLEXITY | "pattern"))),
            "{}: {steps}",
            case.name
        );
    }
}

#[expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]
fn measure(work: impl Fn()) -> Duration {
    let start = std::time::Instant::now();
    work();
    start.elapsed()
}

#[test]
#[ignore = "a measurement; run it by name in a release build"]
fn cost_of_hostile_values() {
    for case in cases(3_000) {
        let validators = Validators::compile(&case.document).expect(case.name);
        let tape = parse(case.body.as_bytes(), &WIDE).expect(case.name);
        let parsing = measure(|| drop(parse(case.body.as_bytes(), &WIDE)));
        let verdict = measure(|| _ = std::hint::black_box(validators.is_valid(Key(7), tape.root())));
        let all = measure(|| validators.judge(Key(7), tape.root(), Place::Body, &mut Violations::new()));
        let steps = validators.steps(Key(7), tape.root());
        println!(
            "{:>9} bytes, parsed in {parsing:>9.1?}, verdict in {verdict:>9.1?}, told in {all:>9.1?}, {steps:>8} steps: {}",
            case.body.len(),
            case.name,
        );
    }
}
