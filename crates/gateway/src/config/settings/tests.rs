use portcullis_openapi::source::{Reading, parse};

use super::*;

/// Merges documents, the most general first, and shows the result as JSON.
fn merged(layers: &[&str]) -> String {
    let mut files = Files::new();
    let file = files.add("f");
    let nodes: Vec<Node> = layers
        .iter()
        .map(|text| parse(&files, file, text.as_bytes(), &Reading::CONFIGURATION).unwrap())
        .collect();
    let merged = nodes.iter().fold(None, |merged, layer| Some(lay(merged, layer)));
    serde_json::to_string(&merged.unwrap_or_else(nothing)).unwrap()
}

#[test]
fn mappings_merge_key_by_key_and_the_rest_replaces() {
    for (layers, expected) in [
        (vec![], "{}"),
        (vec!["auth: none\nbackend: b\noperations: {}"], r#"{"auth":"none"}"#),
        (
            vec!["bounds: { body: 1, body_idle: 2s }", "bounds: { body: 3 }"],
            r#"{"bounds":{"body":3,"body_idle":"2s"}}"#,
        ),
        (vec!["require: { scopes: [a, b] }", "require: { scopes: [c] }"], r#"{"require":{"scopes":["c"]}}"#),
        (vec!["auth: { any_of: [api_key] }", "auth: { api_key: {} }"], r#"{"auth":{"api_key":{}}}"#),
        (vec!["auth: { api_key: {} }", "auth: none"], r#"{"auth":"none"}"#),
        (
            vec!["waf: { mode: enforce, paranoia: 1 }", "waf: { mode: observe }", "{}"],
            r#"{"waf":{"mode":"observe","paranoia":1}}"#,
        ),
        (
            vec![
                "limits: [{ name: a, rate: 1/s }, { name: b, rate: 2/s }]",
                "limits: [{ name: b, rate: 3/s }, { name: c, rate: 4/s }]",
            ],
            r#"{"limits":[{"name":"a","rate":"1/s"},{"name":"b","rate":"3/s"},{"name":"c","rate":"4/s"}]}"#,
        ),
        (vec!["fields: [a]", "fields: any"], r#"{"fields":"any"}"#),
    ] {
        assert_eq!(merged(&layers), expected, "{layers:?}");
    }
}

#[test]
fn the_keys_are_those_of_the_type() {
    let schema = schemars::schema_for!(Settings).to_value();
    let mut known: Vec<&str> = schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
    let mut keys = KEYS.to_vec();
    known.sort_unstable();
    keys.sort_unstable();
    assert_eq!(known, keys);
}
