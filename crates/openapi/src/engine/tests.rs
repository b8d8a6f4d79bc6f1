//! Judging by schemas: what holds, what is told, what it may cost.

use serde_json::{Value as Document, json};

use crate::contract::violations::{Place, VIOLATIONS_MAX, Violations};
use crate::value::{Limits, parse};

use super::{FORBIDDEN, Key, PatternSupport, Validators, is_asserted, pattern_support};

mod bench;
mod hostile;
mod page;

const WIDE: Limits = Limits {
    depth: 64,
    string: 1 << 20,
    array: 1 << 20,
    members: 1 << 20,
    number_digits: 400,
    values: 1 << 20,
};

fn compiled(schema: &Document) -> Validators {
    Validators::compile(&json!({ "properties": { "7": schema } })).expect("a schema")
}

/// What is told of a value, as `pointer keyword`.
fn told(schema: &Document, body: &str) -> Vec<String> {
    let tape = parse(body.as_bytes(), &WIDE).expect("JSON");
    let mut found = Violations::new();
    let validators = compiled(schema);
    validators.judge(Key(7), tape.root(), Place::Body, &mut found);
    assert_eq!(validators.is_valid(Key(7), tape.root()), found.is_empty());
    found.iter().map(|violation| format!("{} {}", violation.pointer, violation.keyword)).collect()
}

fn holds(schema: &Document, body: &str) -> bool {
    told(schema, body).is_empty()
}

#[test]
fn what_does_not_hold_is_told_by_pointer_and_keyword() {
    let schema = json!({
        "type": "object",
        "properties": {
            "name": { "type": "string", "maxLength": 5 },
            "tags": { "type": "array", "items": { "type": "string", "pattern": "^[a-z]+$" }, "uniqueItems": true },
            "owner": { "anyOf": [{ "type": "null" }, { "$ref": "#/$defs/owner" }] },
            "id": { FORBIDDEN: "readOnly" },
            "a~/b": { "type": "integer", "minimum": 3 },
        },
        "required": ["name"],
        "additionalProperties": false,
    });
    let document = json!({
        "properties": { "7": schema },
        "$defs": { "owner": { "type": "object", "properties": { "age": { "type": "integer" } } } },
    });
    let validators = Validators::compile(&document).expect("a document");
    let check = |body: &str, expected: &[&str]| {
        let tape = parse(body.as_bytes(), &Limits::default()).expect("JSON");
        let mut found = Violations::new();
        validators.judge(Key(7), tape.root(), Place::Body, &mut found);
        let found: Vec<String> =
            found.iter().map(|violation| format!("{} {}", violation.pointer, violation.keyword)).collect();
        assert_eq!(found, expected, "{body}");
    };
    check(r#"{"name":"x","tags":["a","b"],"owner":{"age":1},"a~/b":3}"#, &[]);
    check(r#"{"name":"x","owner":null}"#, &[]);
    check("[]", &[" type"]);
    check("{}", &["/name required"]);
    check(r#"{"name":"secret"}"#, &["/name maxLength"]);
    check(r#"{"name":"x","tags":["a","B","b"]}"#, &["/tags/1 pattern"]);
    check(r#"{"name":"x","tags":["a","a"]}"#, &["/tags uniqueItems"]);
    check(r#"{"name":"x","owner":{"age":"old"}}"#, &["/owner/age type"]);
    check(r#"{"name":"x","owner":[]}"#, &["/owner anyOf"]);
    check(r#"{"name":"x","id":7}"#, &["/id readOnly"]);
    check(r#"{"name":"x","a~/b":2}"#, &["/a~0~1b minimum"]);
    check(r#"{"name":"x","admin":true}"#, &["/admin additionalProperties"]);
}

#[test]
fn a_key_that_is_not_there_takes_nothing() {
    let validators = compiled(&json!(true));
    let tape = parse(b"1", &WIDE).expect("JSON");
    let mut found = Violations::new();
    validators.judge(Key(8), tape.root(), Place::Body, &mut found);
    assert_eq!(found.iter().next().map(|violation| &*violation.keyword), Some("schema"));
    assert!(validators.is_valid(Key(7), tape.root()) && !validators.is_valid(Key(8), tape.root()));
}

#[test]
fn a_schema_that_denies_is_told_by_what_holds_it() {
    let tuple = json!({ "prefixItems": [{ "type": "string" }], "items": false });
    assert_eq!(told(&tuple, r#"["x",1]"#), ["/1 items"]);
    assert_eq!(told(&json!({ "properties": { "items": false } }), r#"{"items":1}"#), ["/items items"]);
    assert_eq!(told(&json!({ "properties": { "a": false } }), r#"{"a":1}"#), ["/a false"]);
    let tuple = json!({ "allOf": [{ "prefixItems": [{ "type": "string" }] }], "unevaluatedItems": false });
    assert_eq!(told(&tuple, r#"["x",1]"#), [" unevaluatedItems"]);
}

#[test]
fn no_more_than_ten_are_told_and_none_has_a_value() {
    let schema = json!({ "type": "array", "items": { "type": "integer" } });
    let body = format!("[{}]", vec!["\"secret\""; 500].join(","));
    let found = told(&schema, &body);
    assert_eq!(found.len(), VIOLATIONS_MAX);
    assert!(found.iter().all(|line| !line.contains("secret")), "{found:?}");
}

#[test]
fn numbers_are_judged_as_decimals() {
    for (schema, body, expected) in [
        (json!({ "maximum": 0.1 }), "0.1", true),
        (json!({ "maximum": 0.1 }), "0.10000000000000001", false),
        (json!({ "maximum": 100 }), "0.10000000000000001", true),
        (json!({ "maximum": u64::MAX }), "18446744073709551616", false),
        (json!({ "minimum": -9_223_372_036_854_776_000_f64 }), "-9223372036854776000", true),
        (json!({ "minimum": -9_223_372_036_854_776_000_f64 }), "-9223372036854776001", false),
        (json!({ "maximum": 9_007_199_254_740_992_u64 }), "9007199254740993", false),
        (json!({ "exclusiveMinimum": 0 }), "1e-300", true),
        (json!({ "minimum": 0 }), "-0", true),
        (json!({ "exclusiveMinimum": 0 }), "-0", false),
        (json!({ "multipleOf": 0.01 }), "1070468.14", true),
        (json!({ "multipleOf": 0.01 }), "0.075", false),
        (json!({ "const": 0.1 }), "0.10000000000000001", false),
        (json!({ "const": 0.1 }), "1e-1", true),
        (json!({ "const": 1 }), "1.0", true),
        (json!({ "enum": [1, 2.5] }), "25e-1", true),
        (json!({ "enum": [1, 2.5] }), "2.5000000000000000001", false),
        (json!({ "enum": [[1, { "a": 2 }]] }), r#"[1.0,{"a":2e0}]"#, true),
        (json!({ "type": "integer" }), "1.0", true),
        (json!({ "type": "integer" }), "12345678901234567890123", true),
        (json!({ "type": "integer" }), "1.00000000000000000001", false),
        (json!({ "type": ["integer", "null"] }), "1.00000000000000000001", false),
        (json!({ "uniqueItems": true }), "[0.1,0.10000000000000001]", true),
        (json!({ "uniqueItems": true }), "[1,1.0]", false),
        (json!({ "uniqueItems": true }), "[0,1,2,3,4,5,6,7,8,9,90e-1]", false),
        (json!({ "not": { "const": 0.1 } }), "0.10000000000000001", true),
    ] {
        assert_eq!(holds(&schema, body), expected, "{schema} {body}");
    }
}

#[test]
fn known_formats_are_asserted_and_others_annotate() {
    for (format, good, bad) in [
        ("date-time", "\"2026-11-29T17:19:00Z\"", "\"2026-11-29 17:19\""),
        ("date", "\"2026-02-28\"", "\"2026-02-30\""),
        ("time", "\"17:19:00Z\"", "\"17:19\""),
        ("uuid", "\"2f5b1c5e-9f1b-4c3a-8a51-0a4b6a7c8d9e\"", "\"2f5b1c5e\""),
        ("email", "\"a@example.com\"", "\"a\""),
        ("uri", "\"https://example.com/x\"", "\"/x\""),
        ("ipv4", "\"192.0.2.1\"", "\"192.0.2.256\""),
        ("ipv6", "\"2001:db8::1\"", "\"2001:db8::g\""),
        ("hostname", "\"example.com\"", "\"-x-\""),
        ("byte", "\"aGk=\"", "\"aGk\""),
        ("int32", "2147483647", "2147483648"),
        ("int32", "1.0", "1.5"),
        ("int64", "-9223372036854775808", "9223372036854775808"),
        ("uint8", "255", "256"),
        ("float", "3.4e38", "1e39"),
        ("double", "1e308", "\"\""),
    ] {
        assert!(is_asserted(format), "{format}");
        let schema = json!({ "format": format });
        assert!(holds(&schema, good), "{format} {good}");
        if bad != "\"\"" {
            assert_eq!(told(&schema, bad), [" format"], "{format} {bad}");
        }
    }
    for format in ["password", "binary", "regex", "int64-as-string", "no such"] {
        assert!(!is_asserted(format), "{format}");
        assert!(holds(&json!({ "format": format }), "\"(\""), "{format}");
    }
    assert!(
        holds(&json!({ "format": "int32" }), "\"9999999999\"") && holds(&json!({ "format": "date" }), "1")
    );
}

#[test]
fn patterns_are_linear_or_budgeted_or_refused() {
    for (pattern, support) in [
        ("^[a-z]+$", PatternSupport::Linear),
        (r"^\d{3}-\w+$", PatternSupport::Linear),
        (r"^\p{L}{1,64}$", PatternSupport::Linear),
        ("^(?=.*[A-Z])(?=.*[0-9]).{8,}$", PatternSupport::Backtracking),
        ("^(?!foo)bar", PatternSupport::Backtracking),
        (r"^(a)\1$", PatternSupport::Backtracking),
        ("(", PatternSupport::Unsupported),
    ] {
        assert_eq!(pattern_support(pattern), support, "{pattern}");
    }
    assert!(holds(&json!({ "pattern": r"^(['\x22])x\1$" }), "\"'x'\""));
    assert!(!holds(&json!({ "pattern": r"^(['\x22])x\1$" }), r#""'x\"""#));
}

/// `regex` and ECMA-262 differ in all of these; the pattern means what ECMA-262 says.
#[test]
fn patterns_are_read_as_ecma_262_has_them() {
    for (pattern, text, expected) in [
        (r"^\d$", r"\u0663", false),
        (r"^\w$", r"\u00e9", false),
        (r"^\s$", r"\ufeff", true),
        (r"^\s$", r"\u2003", true),
        (r"^.$", r"\u2028", false),
        (r"^.$", r"\r", false),
        (r"^a$", r"a\n", false),
        (r"a|b$", r"ac", true),
        (r"^\/x\-y$", r"/x-y", true),
        (r"^\cJ$", r"\n", true),
        (r"^\u00e9$", r"\u00e9", true),
        (r"^\x41$", r"A", true),
        (r"^\p{L}$", r"\u00e9", true),
        (r"^[\w-]+$", r"a-b", true),
        (r"^[[]$", r"[", true),
        (r"^\$\{x\}$", r"${x}", true),
        (r"^[a&&b]+$", r"&", true),
        (r"\bx\b", r"\u00e9x", true),
        (r"\bx\b", r"ax", false),
        (r"\Bx", r"\u00e9x", false),
        (r"\Bx", r"ax", true),
        (r"^[\w-.+]+$", r"a-b", true),
        (r"^[\w-.+]+$", r"a,b", false),
        (r"^[a-c-\d]+$", r"b-7", true),
        (r"^[a-z]{1-20}$", r"a{1-20}", true),
        (r"^x{,2}$", r"x{,2}", true),
        (r"^x{2,}y{1}$", r"xxy", true),
        (r"^[\d\-x]+$", r"1-x", true),
        (r"^(?:(?!\.\.).)*$", r"a..b", false),
    ] {
        let schema = json!({ "pattern": pattern });
        assert_eq!(holds(&schema, &format!("\"{text}\"")), expected, "{pattern} {text}");
    }
}

/// Where a match is given up the value is refused, though the pattern stands under `not`.
#[test]
fn a_spent_budget_is_a_violation() {
    let text = format!("\"{}!\"", "a".repeat(60));
    let bomb = json!({ "pattern": r"^(a|aa)+\1b$" });
    assert_eq!(told(&bomb, &text), [" pattern"]);
    assert_eq!(told(&json!({ "not": bomb }), &text), [" pattern"]);
    let many = format!("[{}]", vec![format!("\"bar{}\"", "x".repeat(1000)); 300].join(","));
    assert_eq!(told(&json!({ "items": { "pattern": "^(?!foo)bar" } }), &many), [" pattern"]);
}
