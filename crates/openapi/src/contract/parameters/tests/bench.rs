//! What the parameters of a request cost. `cargo test --release -- --ignored --nocapture` prints it.

use std::hint::black_box;
use std::time::Duration;

use super::{Fields, compiled};
use crate::contract::{Options, RequestHead, Violations};
use crate::matcher::Span;

const DOCUMENT: &str = "
openapi: 3.1.0
info: { title: t, version: '1' }
paths:
  /things/{id}:
    get:
      parameters:
        - { in: path, name: id, required: true, schema: { type: integer, minimum: 1 } }
        - { in: query, name: page, schema: { type: integer, minimum: 1, maximum: 1000 } }
        - { in: query, name: status, schema: { type: string, enum: [open, closed] } }
        - { in: query, name: sort, explode: false, schema: { type: array, items: { type: string, maxLength: 20 } } }
        - { in: header, name: X-Request-Id, schema: { type: string, format: uuid } }
      responses: { '200': { description: ok } }
";

#[expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]
fn measure(work: impl Fn()) -> Duration {
    let start = std::time::Instant::now();
    work();
    start.elapsed()
}

/// The best of a few runs, for one request with five parameters.
fn cost(requests: u32, rounds: usize) -> Duration {
    let contract = compiled(DOCUMENT, &Options::default());
    let operation = contract.operation(0).expect("an operation");
    assert!(operation.gaps().is_empty(), "{:?}", operation.gaps());
    let fields = Fields(&[("x-request-id", "f81d4fae-7dec-11d0-a765-00a0c91e6bf6")]);
    let head = RequestHead {
        path: "/things/4711",
        spans: &[Span { start: 8, end: 12 }],
        query: Some("page=3&status=open&sort=name,age"),
        fields: &fields,
        others: &[],
    };
    let judge = || {
        for _ in 0..requests {
            let mut found = Violations::new();
            operation.judge_head(black_box(&head), &mut found);
            assert!(found.is_empty(), "{found:?}");
        }
    };
    (0..rounds).map(|_| measure(judge)).min().and_then(|best| best.checked_div(requests)).unwrap_or_default()
}

/// Compiled without optimisation it takes some ten times as long.
#[test]
fn five_parameters_cost_microseconds() {
    let cost = cost(200, 10);
    assert!(cost < Duration::from_micros(300), "{cost:?}");
}

#[test]
#[ignore = "a measurement; run it by name in a release build"]
fn cost_of_five_parameters() {
    println!("{:?} for a request with five parameters", cost(20_000, 20));
}
