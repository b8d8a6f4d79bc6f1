//! What a search costs as the number of operations grows. Prints; `cargo test --release -- --ignored --nocapture`.

use std::hint::black_box;
use std::time::Duration;

use http::Method;

use super::super::{Match, Matcher, MatcherBuilder, Methods};
use crate::template::Template;

/// Operations shaped like published ones: per resource a collection, an item, a custom verb and a nested collection.
fn matcher(operations: usize) -> (Matcher<usize>, Vec<String>) {
    let mut builder = MatcherBuilder::new();
    let mut paths = Vec::new();
    let verbs = ["", "/{id}", "/{id}:cancel", "/{id}/parts", "/{id}/parts/{part}"];
    let samples = ["", "/4711", "/4711:cancel", "/4711/parts", "/4711/parts/12"];
    for number in 0..operations {
        let resource = format!("/v1/projects/{{project}}/resource{}", number / verbs.len());
        let template = Template::parse(&format!("{resource}{}", verbs[number % verbs.len()])).unwrap();
        builder.insert(Methods::One(Method::GET), template, number).unwrap();
        paths.push(format!("{}{}", resource.replace("{project}", "blue"), samples[number % samples.len()]));
    }
    (builder.build().unwrap(), paths)
}

#[expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]
fn measure(work: impl Fn()) -> Duration {
    let start = std::time::Instant::now();
    work();
    start.elapsed()
}

#[test]
#[ignore = "a measurement; run it by name in a release build"]
fn cost_of_a_search() {
    for operations in [10, 100, 1_000, 10_000] {
        let (matcher, paths) = matcher(operations);
        // In an order the caches cannot foresee; the path itself has just been read from the wire.
        let order: Vec<usize> = (0..100_000).map(|step| step * 7919 % paths.len()).collect();
        let paths: Vec<String> = order.iter().map(|at| paths[*at].clone()).collect();
        let searches = || {
            for (at, path) in order.iter().zip(&paths) {
                let found = matcher.find(black_box(&Method::GET), black_box(path));
                assert!(matches!(found, Match::Found { value, .. } if value == at));
            }
        };
        let best = (0..20).map(|_| measure(searches)).min().unwrap();
        println!("{operations:>6} operations: {:>4} ns a search", best.as_nanos() / order.len() as u128);
    }
}
