//! How often judging a request's parameters asks the allocator for memory. Alone in its executable: the allocator is the
//! process's.

use std::alloc::System;
use std::collections::BTreeMap;

use portcullis_openapi::contract::{Contract, HeadFields, Options, RequestHead, Violations};
use portcullis_openapi::definition::{Bounds, Definition};
use portcullis_openapi::matcher::Span;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

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
        - { in: header, name: X-Request-Id, schema: { type: string, maxLength: 36 } }
        - in: query
          name: p
          style: deepObject
          schema: { type: object, properties: { items: { type: array, items: { type: string } } } }
      responses: { '200': { description: ok } }
";

/// With each value percent-encoded there is one more buffer.
const PER_REQUEST_MAX: usize = 1;

struct Fields;

impl HeadFields for Fields {
    fn each<'s>(&'s self, name: &str, take: &mut dyn FnMut(&'s [u8])) {
        if name == "x-request-id" {
            take(b"f81d4fae-7dec-11d0-a765-00a0c91e6bf6");
        }
    }
}

#[test]
fn parameters_are_judged_without_memory_of_their_own_and_floods_are_refused_without() {
    let documents: BTreeMap<String, Vec<u8>> = [("api.yaml".to_owned(), DOCUMENT.into())].into();
    let definition = Definition::load(&documents, "api.yaml", &Bounds::DEFAULT).expect("a definition");
    let contract = Contract::compile(&definition, &Options::default()).expect("a contract");
    let operation = contract.operation(0).expect("an operation");
    assert!(operation.gaps().is_empty(), "{:?}", operation.gaps());
    for query in ["page=3&status=open&sort=name,age", "p%61ge=%33&status=%6Fpen&sort=n%61me,%61ge"] {
        let head = RequestHead {
            path: "/things/4711",
            spans: &[Span { start: 8, end: 12 }],
            query: Some(query),
            fields: &Fields,
            others: &[],
        };
        let judge = |times: usize| {
            for _ in 0..times {
                let mut found = Violations::new();
                operation.judge_head(&head, &mut found);
                assert!(found.is_empty(), "{found:?}");
            }
        };
        judge(10);
        let region = Region::new(ALLOCATOR);
        judge(1000);
        let stats = region.change();
        let count = (stats.allocations + stats.reallocations) / 1000;
        println!("{query}: {count} allocations a request");
        let encoded = if query.contains('%') { 2 } else { 0 };
        assert!(count <= PER_REQUEST_MAX + encoded, "{query}: {count}");
    }
    // kin-openapi 1223a0f2: a list as long as the caller's index says.
    for query in [
        "p[items][50000000]=x".to_owned(),
        format!("p[items][0]=a&p[items][{}]=x", u64::MAX),
        format!("p{}=x", "[items]".repeat(2000)),
        "p[items]=x&".repeat(5000),
    ] {
        let head = RequestHead {
            path: "/things/4711",
            spans: &[Span { start: 8, end: 12 }],
            query: Some(&query),
            fields: &Fields,
            others: &[],
        };
        let region = Region::new(ALLOCATOR);
        let mut found = Violations::new();
        operation.judge_head(&head, &mut found);
        assert_eq!(found.iter().count(), 1, "{found:?}");
        let bytes = region.change().bytes_allocated;
        assert!(bytes < 32 << 10, "{bytes} bytes for {} of query", query.len());
    }
}
