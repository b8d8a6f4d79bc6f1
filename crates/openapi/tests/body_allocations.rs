//! How often reading and judging a body asks the allocator for memory. Alone in its executable: the allocator is the process's.

use std::alloc::System;
use std::collections::BTreeMap;

use portcullis_openapi::contract::{Contract, Options, Violations};
use portcullis_openapi::definition::{Bounds, Definition};
use portcullis_openapi::value::{Limits, parse};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const DEFINITION: &[u8] = include_bytes!("../../../benches/contract/definition.json");
const BODY: &[u8] = include_bytes!("../../../benches/contract/orders-27k.json");

/// What one body takes after those before it, by count.
fn allocations(work: impl Fn()) -> usize {
    (0..10).for_each(|_| work());
    let region = Region::new(ALLOCATOR);
    (0..100).for_each(|_| work());
    let stats = region.change();
    stats.allocations.saturating_add(stats.reallocations).div_ceil(100)
}

/// 2,847 values and names: none of them is allocated, nor is the tape, which the thread keeps.
#[test]
fn a_body_is_read_without_memory_and_judged_with_little() {
    let documents: BTreeMap<String, Vec<u8>> = [("api.json".to_owned(), DEFINITION.to_vec())].into();
    let definition = Definition::load(&documents, "api.json", &Bounds::DEFAULT).expect("a definition");
    let contract = Contract::compile(&definition, &Options::default()).expect("a contract");
    let operation = contract.operation(0).expect("an operation");
    let chosen = operation.body().choose(&mut [&b"application/json"[..]].into_iter(), true).expect("JSON");

    let reading = allocations(|| assert!(parse(BODY, &Limits::REQUEST).is_ok()));
    assert_eq!(reading, 0, "allocations to read a body");

    let judging = allocations(|| {
        let mut found = Violations::new();
        operation.judge_body(chosen, BODY, &mut found).expect("JSON");
        assert!(found.is_empty(), "{found:?}");
    });
    let values = parse(BODY, &Limits::REQUEST).expect("JSON").len();
    println!("{judging} allocations to judge {values} values and names");
    assert!(judging * 10 < values, "{judging} allocations to judge {values} values and names");

    // A bomb takes no more than its bounds allow: refused at the first array that is too long.
    let bomb = format!("[{}1]", "1,".repeat(500_000));
    let region = Region::new(ALLOCATOR);
    assert!(parse(bomb.as_bytes(), &Limits::REQUEST).is_err());
    let bytes = region.change().bytes_allocated;
    assert!(bytes < 1 << 20, "{bytes} bytes for a bomb");
}
