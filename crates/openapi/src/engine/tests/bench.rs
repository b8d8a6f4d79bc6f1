//! What a body costs to parse and to judge. `benches/contract/run` prints it, beside what kin-openapi takes.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value as Document;

use crate::contract::violations::Violations;
use crate::contract::{Contract, Options};
use crate::definition::{Bounds, Definition};
use crate::value::{Limits, parse};

const BODIES: [&str; 2] = ["orders-1k.json", "orders-27k.json"];

#[expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]
fn measure(work: impl Fn()) -> Duration {
    let start = std::time::Instant::now();
    work();
    start.elapsed()
}

/// Microseconds per KiB, the best of some rounds.
fn cost(bytes: usize, work: impl Fn()) -> f64 {
    let turns = (1_usize << 19).div_ceil(bytes);
    let best = (0..30).map(|_| measure(|| (0..turns).for_each(|_| work()))).min().expect("rounds");
    best.as_secs_f64() * 1e6 / turns as f64 / (bytes as f64 / 1024.0)
}

fn read(name: &str) -> Vec<u8> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../benches/contract");
    std::fs::read(folder.join(name)).expect(name)
}

fn contract() -> Contract {
    let documents: BTreeMap<String, Vec<u8>> =
        [("definition.json".to_owned(), read("definition.json"))].into();
    let definition = Definition::load(&documents, "definition.json", &Bounds::DEFAULT).expect("a definition");
    Contract::compile(&definition, &Options::default()).expect("a contract")
}

/// Judges a body as a request's; panics if it is not by the contract.
fn judge(contract: &Contract, body: &[u8]) {
    let operation = contract.operation(0).expect("an operation");
    let chosen = operation.body().choose(&mut [&b"application/json"[..]].into_iter(), true).expect("JSON");
    let mut found = Violations::new();
    operation.judge_body(chosen, body, &mut found).expect("JSON");
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn the_bodies_of_the_bench_are_by_the_contract() {
    let contract = contract();
    for name in BODIES {
        judge(&contract, &read(name));
    }
}

#[test]
#[ignore = "a measurement; benches/contract/run runs it"]
fn cost_of_a_body() {
    let contract = contract();
    for name in BODIES {
        let body = read(name);
        let bytes = body.len();
        let parsing = cost(bytes, || drop(black_box(parse(black_box(&body), &Limits::REQUEST))));
        let judging = cost(bytes, || judge(&contract, black_box(&body)));
        let serde = cost(bytes, || drop(black_box(serde_json::from_slice::<Document>(black_box(&body)))));
        println!("portcullis {name} {judging:.2} us/KiB, of which parsing {parsing:.2}");
        println!("serde_json::Value {name} {serde:.2} us/KiB, parsing alone");
    }
}
