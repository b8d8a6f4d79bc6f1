//! The engine on the tape against `jsonschema` on `serde_json`'s values of the same bytes: one verdict, for several schemas.
//!
//! The first byte chooses the schema. If its high bit is set the rest is JSON; otherwise it steers a writer of JSON that
//! knows the schemas' names, so that values get far into them. Bytes that the strict parser refuses are of no concern,
//! nor are numbers that a double cannot hold exactly: there the two differ on purpose.

use std::sync::LazyLock;

use portcullis_openapi::engine::{COMPLEXITY, Key, Validators};
use portcullis_openapi::value::{Kind, Limits, Value, parse};
use serde_json::{Value as Document, json};

const LIMITS: Limits =
    Limits { depth: 24, string: 1024, array: 300, members: 60, number_digits: 40, values: 1500 };

struct Pair {
    ours: Validators,
    theirs: Vec<jsonschema::Validator>,
}

static PAIR: LazyLock<Pair> = LazyLock::new(|| {
    let schemas = schemas();
    let named: serde_json::Map<String, Document> =
        schemas.iter().enumerate().map(|(at, schema)| (at.to_string(), schema.clone())).collect();
    let ours = Validators::compile(&json!({ "properties": named, "$defs": definitions() })).expect("ours");
    let theirs = schemas
        .into_iter()
        .map(|schema| {
            let document = json!({ "allOf": [schema], "$defs": definitions() });
            jsonschema::options().should_validate_formats(true).build(&document).expect("theirs")
        })
        .collect();
    Pair { ours, theirs }
});

/// Panics when `data` breaks a promise.
pub(crate) fn check(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else { return };
    let pair = &*PAIR;
    let at = usize::from(*first & 0x7F) % pair.theirs.len();
    let text = if first & 0x80 == 0 { write(rest) } else { rest.to_vec() };
    let Ok(tape) = parse(&text, &LIMITS) else {
        assert!(first & 0x80 != 0 || text.len() > 512, "what was written is refused");
        return;
    };
    if !is_exact(tape.root()) {
        return;
    }
    let document: Document = serde_json::from_slice(&text).expect("others read it");
    let theirs = pair.theirs.get(at).is_some_and(|validator| validator.is_valid(&document));
    let key = Key(u32::try_from(at).expect("few"));
    let mut told = Vec::new();
    pair.ours.judge_each(key, tape.root(), &mut |pointer, keyword| {
        told.push((pointer.to_owned(), keyword.to_owned()));
    });
    assert_eq!(pair.ours.is_valid(key, tape.root()), told.is_empty(), "two verdicts of one engine");
    if told.iter().any(|(_, keyword)| keyword == COMPLEXITY) {
        return;
    }
    assert_eq!(theirs, told.is_empty(), "schema {at}, {}: {told:?}", String::from_utf8_lossy(&text));
    // Each pointer leads to something, or to a member that is missing. Long names are cut, controls in them are not told.
    for (pointer, keyword) in &told {
        let is_whole = pointer.len() <= 200 && !pointer.contains(char::REPLACEMENT_CHARACTER);
        let is_there = document.pointer(pointer).is_some() || !is_whole;
        assert!(is_there || keyword == "required", "{pointer} {keyword}");
    }
}

fn is_exact(value: Value<'_>) -> bool {
    match value.kind() {
        Kind::Number => value.as_number().is_some_and(|number| {
            number.as_f64_exact().is_some_and(|double| double.abs() < 9e15)
                || number.as_u64().is_some()
                || number.as_i64().is_some()
        }),
        Kind::Array => value.items().all(is_exact),
        Kind::Object => value.members().all(|member| is_exact(member.value())),
        Kind::Null | Kind::Boolean | Kind::String => true,
    }
}

fn definitions() -> Document {
    json!({
        "node": {
            "type": "object",
            "properties": { "a": { "$ref": "#/$defs/node" }, "b": { "type": ["integer", "null"] } },
            "required": ["b"],
            "unevaluatedProperties": false
        },
        "base": { "properties": { "a": { "type": "string" } }, "required": ["a"] },
        "card": { "properties": { "kind": { "const": "card" }, "n": { "type": "integer" } }, "required": ["kind"] },
        "cash": { "properties": { "kind": { "const": "cash" } }, "required": ["kind"] }
    })
}

fn schemas() -> Vec<Document> {
    vec![
        json!({ "$ref": "#/$defs/node" }),
        json!({
            "type": "object",
            "properties": {
                "a": { "type": "string", "minLength": 2, "maxLength": 4 },
                "b": { "type": "integer", "minimum": -5, "exclusiveMaximum": 100, "multipleOf": 5 },
                "c": { "type": "array", "items": { "enum": [1, "x", null, [1, { "a": 2.5 }]] }, "uniqueItems": true },
                "kind": { "const": 1.0 }
            },
            "required": ["a"],
            "additionalProperties": false
        }),
        json!({
            "allOf": [{ "$ref": "#/$defs/base" }],
            "oneOf": [{ "$ref": "#/$defs/card" }, { "$ref": "#/$defs/cash" }],
            "unevaluatedProperties": false
        }),
        json!({
            "type": ["object", "array"],
            "patternProperties": { "^a": { "type": "number", "maximum": 2.5 }, "[0-9]$": { "type": "string" } },
            "additionalProperties": { "type": "boolean" },
            "propertyNames": { "maxLength": 4, "pattern": "^[a-z0-9]*$" },
            "minProperties": 1,
            "maxProperties": 3
        }),
        json!({ "items": { "type": "string", "pattern": "^[a-c]+x?$" }, "minItems": 1, "maxItems": 20 }),
        json!({
            "prefixItems": [{ "type": "string" }, { "type": "integer" }],
            "items": false,
            "contains": { "const": "x" }
        }),
        json!({
            "if": { "properties": { "kind": { "const": "card" } }, "required": ["kind"] },
            "then": { "required": ["n"] },
            "else": { "not": { "required": ["n"] } },
            "dependentRequired": { "a": ["b"] },
            "dependentSchemas": { "c": { "properties": { "a": { "type": "null" } } } }
        }),
        json!({ "anyOf": [{ "type": "null" }, { "$ref": "#/$defs/node" }, { "multipleOf": 0.1, "type": "number" }] }),
        json!({ "uniqueItems": true, "contains": { "type": "object" }, "minContains": 2, "maxContains": 4 }),
        json!({ "items": { "anyOf": [{ "format": "date" }, { "format": "ipv4" }, { "format": "uuid" }] } }),
        json!({ "items": { "type": "string", "pattern": "^(?!ab)[a-c]{2}" } }),
        json!({ "unevaluatedItems": { "type": "integer" }, "allOf": [{ "prefixItems": [{ "type": "string" }] }] }),
    ]
}

/// JSON, steered by bytes.
fn write(steering: &[u8]) -> Vec<u8> {
    let mut writer = Writer { steering: steering.iter(), out: Vec::new(), left: 400 };
    writer.value(6);
    writer.out
}

struct Writer<'s> {
    steering: std::slice::Iter<'s, u8>,
    out: Vec<u8>,
    left: usize,
}

const NAMES: &[&str] = &["a", "b", "c", "n", "kind", "a1", "x9", "\\u0061b", "zz", ""];

const SCALARS: &[&str] = &[
    "null",
    "true",
    "false",
    "0",
    "-0",
    "1",
    "1.0",
    "5",
    "25e-1",
    "2.5",
    "-5",
    "100",
    "0.3",
    "1e2",
    "\"x\"",
    "\"a\"",
    "\"abx\"",
    "\"card\"",
    "\"cash\"",
    "\"\\u00e9\\u00e9\"",
    "\"2026-02-30\"",
    "\"2026-02-28\"",
    "\"192.0.2.1\"",
    "\"\"",
    "[1,{\"a\":2.5}]",
];

impl Writer<'_> {
    fn next(&mut self) -> usize {
        self.steering.next().copied().map_or(0, usize::from)
    }

    fn value(&mut self, deeper: usize) {
        let byte = self.next();
        self.left = self.left.saturating_sub(1);
        match (byte % 4, deeper.checked_sub(1)) {
            (0, Some(deeper)) if self.left > 0 => self.object(byte / 4 % 5, deeper),
            (1, Some(deeper)) if self.left > 0 => self.array(byte / 4 % 6, deeper),
            _ => {
                let at = self.next() % SCALARS.len();
                self.out.extend_from_slice(SCALARS.get(at).copied().unwrap_or("null").as_bytes());
            }
        }
    }

    /// Names are taken in turn from some first one, so that none stands twice.
    fn object(&mut self, members: usize, deeper: usize) {
        let first = self.next();
        self.out.push(b'{');
        for at in 0..members {
            if at > 0 {
                self.out.push(b',');
            }
            let name = NAMES.get((first + at) % NAMES.len()).copied().unwrap_or("a");
            self.out.push(b'"');
            self.out.extend_from_slice(name.as_bytes());
            self.out.extend_from_slice(b"\":");
            self.value(deeper);
        }
        self.out.push(b'}');
    }

    fn array(&mut self, items: usize, deeper: usize) {
        self.out.push(b'[');
        for at in 0..items {
            if at > 0 {
                self.out.push(b',');
            }
            self.value(deeper);
        }
        self.out.push(b']');
    }
}
