//! What a body costs to parse and to validate. `cargo test --release -- --ignored --nocapture cost_of_a_body` prints it.

use std::hint::black_box;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value as Document, json};

use crate::value::{Limits, parse};

use super::super::{Key, Validators};

#[expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]
fn measure(work: impl Fn()) -> Duration {
    let start = std::time::Instant::now();
    work();
    start.elapsed()
}

/// Microseconds per KiB, the best of some rounds.
fn cost(bytes: usize, work: impl Fn()) -> f64 {
    let turns = (1_usize << 20).div_ceil(bytes);
    let best = (0..20).map(|_| measure(|| (0..turns).for_each(|_| work()))).min().expect("rounds");
    best.as_secs_f64() * 1e6 / turns as f64 / (bytes as f64 / 1024.0)
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../benches/contract")
}

fn read(name: &str) -> Vec<u8> {
    std::fs::read(folder().join(name)).expect(name)
}

/// The definition's schemas as the lowering would have them.
fn document() -> Document {
    let definition: Document = serde_json::from_slice(&read("definition.json")).expect("JSON");
    let schemas = definition["components"]["schemas"].to_string();
    let schemas = schemas
        .replace("#/components/schemas/", "#/$defs/")
        .replace(r#""type":"string","nullable":true"#, r#""type":["string","null"]"#);
    let schemas: Document = serde_json::from_str(&schemas).expect("JSON");
    json!({ "properties": { "0": { "$ref": "#/$defs/Orders" } }, "$defs": schemas })
}

#[test]
fn the_bodies_of_the_bench_are_valid() {
    let validators = Validators::compile(&document()).expect("a document");
    for name in ["orders-1k.json", "orders-27k.json"] {
        let body = read(name);
        let tape = parse(&body, &Limits::REQUEST).expect("JSON");
        validators.judge_each(Key(0), tape.root(), &mut |pointer, keyword| panic!("{pointer} {keyword}"));
    }
}

#[test]
#[ignore = "a measurement; run it by name in a release build"]
fn cost_of_a_body() {
    let document = document();
    let validators = Validators::compile(&document).expect("a document");
    let plain = jsonschema::options().should_validate_formats(true).build(&document).expect("a document");
    for name in ["orders-1k.json", "orders-27k.json"] {
        let body = read(name);
        let bytes = body.len();
        let strict = cost(bytes, || drop(black_box(parse(black_box(&body), &Limits::REQUEST))));
        let both = cost(bytes, || {
            let tape = parse(black_box(&body), &Limits::REQUEST).expect("JSON");
            assert!(validators.is_valid(Key(0), tape.root()));
        });
        let tape = parse(&body, &Limits::REQUEST).expect("JSON");
        let judged = cost(bytes, || assert!(validators.is_valid(Key(0), black_box(tape.root()))));
        let serde = cost(bytes, || drop(black_box(serde_json::from_slice::<Document>(black_box(&body)))));
        let whole = json!({ "0": serde_json::from_slice::<Document>(&body).expect("JSON") });
        let theirs = cost(bytes, || assert!(plain.is_valid(black_box(&whole))));
        println!(
            "{name} {bytes} bytes, us/KiB: parse {strict:.2}, validate {judged:.2}, both {both:.2}; \
             serde_json::Value {serde:.2}, jsonschema on it {theirs:.2}"
        );
    }
}
