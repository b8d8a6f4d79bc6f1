//! What closes values, beside two others that say which members are declared: `unevaluatedProperties` of the engine below,
//! and the projection of answers.

#![expect(clippy::arithmetic_side_effects, reason = "an overflow fails the test, as it should")]

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::super::response::{Content, Json, Responses};
use super::super::{Contract, OperationOptions, Options, Undeclared};
use crate::definition::{Bounds, Definition};
use crate::engine::{CLOSED, Key, Validators};
use crate::media_type::MediaType;
use crate::schema::emit::{Closing, Emitter, Lens};
use crate::schema::{Direction, SchemaId};
use crate::value::{Limits, parse};

const NAMES: [&str; 5] = ["a", "b", "c", "xa", "xb"];

/// Made the same way in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % most
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    fn name(&mut self) -> &'static str {
        usize::try_from(self.below(5)).ok().and_then(|at| NAMES.get(at)).copied().unwrap_or("a")
    }
}

/// A schema for objects. `deeper`: how far compositions go, `nested`: how far members do.
fn schema(random: &mut Random, deeper: u64, nested: u64, kinds: &[&str]) -> Value {
    let mut schema = json!({});
    let mut properties = json!({});
    for _ in 0..random.below(3) {
        properties[random.name()] = member(random, nested, kinds);
    }
    if properties != json!({}) {
        schema["properties"] = properties;
    }
    if random.one_in(3) {
        schema["required"] = json!([random.name()]);
    }
    if deeper == 0 {
        return schema;
    }
    for kind in kinds {
        if !random.one_in(3) {
            continue;
        }
        match *kind {
            "allOf" | "anyOf" | "oneOf" => {
                let count = random.below(2) + 1;
                let branches: Vec<Value> =
                    (0..count).map(|_| self::schema(random, deeper - 1, nested, kinds)).collect();
                schema[*kind] = Value::Array(branches);
            }
            "if" => {
                for keyword in ["if", "then", "else"] {
                    schema[keyword] = self::schema(random, deeper - 1, nested, kinds);
                }
            }
            "dependentSchemas" => {
                schema[*kind] = json!({ random.name(): self::schema(random, deeper - 1, nested, kinds) });
            }
            "patternProperties" if random.one_in(2) => schema[*kind] = json!({ "^x": {} }),
            "additionalProperties" if random.one_in(3) => schema[*kind] = json!({ "type": "integer" }),
            "unevaluatedProperties" if random.one_in(4) => schema[*kind] = json!({ "type": "integer" }),
            "$ref" => schema["$ref"] = json!(format!("#/components/schemas/s{}", random.below(3))),
            _ => {}
        }
    }
    schema
}

fn member(random: &mut Random, nested: u64, kinds: &[&str]) -> Value {
    match (nested.checked_sub(1), random.below(5)) {
        (Some(nested), 0 | 1) => schema(random, 0, nested, kinds),
        (Some(nested), 2) => schema(random, 1, nested, kinds),
        (Some(nested), 3) => json!({ "items": schema(random, 0, nested, kinds) }),
        (_, 4) => json!({ "const": 1 }),
        _ => json!({}),
    }
}

fn instance(random: &mut Random, nested: u64) -> Value {
    let mut object = json!({});
    for _ in 0..random.below(4) {
        object[random.name()] = match (nested.checked_sub(1), random.below(4)) {
            (Some(nested), 0 | 1) => instance(random, nested),
            (Some(nested), 2) => json!([instance(random, nested)]),
            _ => json!(random.below(2) + 1),
        };
    }
    object
}

/// A document that takes and answers a schema.
fn document(random: &mut Random, nested: u64, kinds: &[&str]) -> String {
    let mut schemas = String::new();
    for at in 0..3 {
        let _ = writeln!(schemas, "    s{at}: {}", schema(random, 0, nested, kinds));
    }
    let root = schema(random, 2, nested, kinds);
    format!(
        "openapi: 3.1.0\ninfo: {{ title: t, version: '1' }}\npaths:\n  /a:\n    post:\n      requestBody: {{ content: {{ \
         application/json: {{ schema: {{ $ref: '#/components/schemas/root' }} }} }} }}\n      responses:\n        200: {{ description: d, \
         content: {{ application/json: {{ schema: {{ $ref: '#/components/schemas/root' }} }} }} }}\ncomponents:\n  schemas:\n    root: \
         {root}\n{schemas}"
    )
}

fn loaded(text: &str) -> (Definition, SchemaId) {
    let documents: BTreeMap<String, Vec<u8>> = [("api.yaml".to_owned(), text.as_bytes().to_vec())].into();
    let definition = Definition::load(&documents, "api.yaml", &Bounds::DEFAULT).expect("a definition");
    let body = definition.operations[0].body.as_ref().expect("a body");
    let schema = body.content[0].schema.expect("a schema");
    (definition, schema)
}

fn rounds(few: usize) -> usize {
    if std::env::var_os("PORTCULLIS_WHOLE").is_some() { few * 50 } else { few }
}

/// Members of one value, told by the engine's own keyword: the two agree wherever both can say it.
#[test]
fn values_are_closed_as_unevaluated_properties_would() {
    let kinds = [
        "allOf",
        "anyOf",
        "oneOf",
        "if",
        "dependentSchemas",
        "patternProperties",
        "additionalProperties",
        "unevaluatedProperties",
        "$ref",
    ];
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let (mut valid, mut invalid) = (0_usize, 0_usize);
    for _ in 0..rounds(120) {
        let text = document(&mut random, 0, &kinds);
        let (definition, root) = loaded(&text);
        let mut emitter = Emitter::new(&definition.schemas);
        let lens = Lens { direction: Some(Direction::Request), closing: Closing::Closed, bounds: 0 };
        let key = Key(u32::try_from(emitter.root(root, lens)).expect("a key"));
        let emitted = emitter.finish();
        let mut theirs = emitted.document.clone();
        unevaluated(&mut theirs);
        let theirs = Validators::compile(&theirs).expect("theirs");
        let ours = Validators::compile_with(&emitted.document, emitted.patterns, emitted.descriptions);
        let ours = ours.expect("ours");
        for _ in 0..20 {
            let instance = instance(&mut random, 0).to_string();
            let tape = parse(instance.as_bytes(), &Limits::REQUEST).expect("JSON");
            let verdict = theirs.is_valid(key, tape.root());
            assert_eq!(ours.is_valid(key, tape.root()), verdict, "{instance} by\n{text}");
            let mut told = Vec::new();
            ours.judge_each(key, tape.root(), &mut |pointer, keyword| {
                told.push(format!("{pointer} {keyword}"))
            });
            assert_eq!(told.is_empty(), verdict, "{told:?}");
            *(if verdict { &mut valid } else { &mut invalid }) += 1;
        }
    }
    assert!(valid > 300 && invalid > 300, "{valid} valid, {invalid} invalid");
}

fn unevaluated(document: &mut Value) {
    match document {
        Value::Object(members) => {
            if members.remove(CLOSED).is_some() {
                members.insert("unevaluatedProperties".to_owned(), json!(false));
            }
            members.values_mut().for_each(unevaluated);
        }
        Value::Array(items) => items.iter_mut().for_each(unevaluated),
        _ => {}
    }
}

/// Members at every depth: what is valid but for members that nothing declares is what has none to strip.
#[test]
fn values_are_closed_where_answers_would_be_stripped() {
    let mut random = Random(0x2545_F491_4F6C_DD1D);
    let (mut valid, mut invalid) = (0_usize, 0_usize);
    for _ in 0..rounds(120) {
        let text = document(&mut random, 2, &["allOf", "$ref"]);
        let (definition, _) = loaded(&text);
        let open = OperationOptions { undeclared: Undeclared::Pass, limits: None };
        let closed =
            Contract::compile(&definition, &Options { chooses_branches: true, ..Options::default() });
        let open = Contract::compile(
            &definition,
            &Options { chooses_branches: true, operations: [(0, open)].into(), ..Options::default() },
        );
        let (closed, open) = (closed.expect("a contract"), open.expect("a contract"));
        for _ in 0..20 {
            let instance = instance(&mut random, 2).to_string();
            let is_valid =
                |contract: &Contract| contract.judge(0).judge(json_of(contract), instance.as_bytes()).is_ok();
            let undeclared = closed.judge(0).undeclared(json_of(&closed), instance.as_bytes());
            let verdict = is_valid(&open) && undeclared.is_empty();
            assert_eq!(is_valid(&closed), verdict, "{instance}, undeclared {undeclared:?}, by\n{text}");
            *(if verdict { &mut valid } else { &mut invalid }) += 1;
        }
    }
    assert!(valid > 300 && invalid > 300, "{valid} valid, {invalid} invalid");
}

fn json_of(contract: &Contract) -> Json {
    let responses: &Responses = contract.operation(0).expect("an operation").responses();
    let media_type = MediaType::parse(b"application/json").expect("a type");
    match responses.find(200).expect("a response").content(&media_type) {
        Content::Json(json) => json,
        other => panic!("{other:?}"),
    }
}
