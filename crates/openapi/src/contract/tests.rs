//! Definitions enforced, through the whole of loading, lowering and judging.

use super::{Contract, Options, Violations};
use crate::definition::{Bounds, Definition};

mod bodies;
mod closing;
mod constructs;
mod large;
mod media;

/// Compiles one document, of which nothing may be refused.
#[track_caller]
fn compiled(text: &str) -> (Definition, Contract) {
    let documents: std::collections::BTreeMap<String, Vec<u8>> =
        [("api.yaml".to_owned(), text.as_bytes().to_vec())].into();
    let definition = Definition::load(&documents, "api.yaml", &Bounds::DEFAULT).expect("a definition");
    assert_eq!(definition.refused, 0, "{:#?}", definition.notices);
    let contract = Contract::compile(&definition, &Options::default()).expect("a contract");
    (definition, contract)
}

/// A document with one operation whose JSON body has a schema.
fn posting(version: &str, schema: &str, components: &str) -> String {
    format!(
        "openapi: {version}\ninfo: {{ title: t, version: '1' }}\npaths:\n  /a:\n    post:\n      requestBody: {{ content: \
         {{ application/json: {{ schema: {schema} }} }} }}\n      responses: {{}}\ncomponents:\n  schemas:\n    unused: \
         {{}}\n{components}"
    )
}

/// What is wrong with a body, as `pointer keyword`.
fn judged(contract: &Contract, body: &str) -> Vec<String> {
    let operation = contract.operation(0).expect("an operation");
    let chosen = operation.body().choose(&mut [&b"application/json"[..]].into_iter(), true).expect("JSON");
    let mut found = Violations::new();
    operation.judge_body(chosen, body.as_bytes(), &mut found).expect("JSON");
    found.iter().map(|violation| format!("{} {}", violation.pointer, violation.keyword)).collect()
}

/// The gaps of the only operation.
fn gaps(contract: &Contract) -> Vec<String> {
    contract.operation(0).expect("an operation").gaps().iter().map(ToString::to_string).collect()
}
