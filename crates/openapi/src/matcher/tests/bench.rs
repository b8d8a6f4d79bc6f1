//! What a search costs as the number of operations grows. `cargo test --release -- --ignored --nocapture` prints it.

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

/// The best of a few runs, per search.
fn cost(operations: usize, searches: usize, rounds: usize) -> u128 {
    let (matcher, paths) = matcher(operations);
    // In an order the caches cannot foresee; the path itself has just been read from the wire.
    let order: Vec<usize> = (0..searches).map(|step| step * 7919 % paths.len()).collect();
    let paths: Vec<String> = order.iter().map(|at| paths[*at].clone()).collect();
    let search = || {
        for (at, path) in order.iter().zip(&paths) {
            let found = matcher.find(black_box(&Method::GET), black_box(path));
            assert!(matches!(found, Match::Found { value, .. } if value == at));
        }
    };
    let best = (0..rounds).map(|_| measure(search)).min().unwrap();
    best.as_nanos() / order.len() as u128
}

/// A thousand times as many operations may miss the caches; they may not be searched one by one.
#[test]
fn a_search_costs_about_the_same_however_many_operations_there_are() {
    let (few, many) = (cost(10, 10_000, 20), cost(10_000, 10_000, 20));
    assert!(many < few * 8, "{few} ns among 10, {many} ns among 10,000");
}

#[test]
#[ignore = "a measurement; run it by name in a release build"]
fn cost_of_a_search() {
    for operations in [10, 100, 1_000, 10_000] {
        println!("{operations:>6} operations: {:>4} ns a search", cost(operations, 100_000, 20));
    }
}
