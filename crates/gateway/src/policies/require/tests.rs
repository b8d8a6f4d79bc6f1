use std::sync::Arc;

use indexmap::IndexMap;
use portcullis_identity::claims::Claims;
use portcullis_identity::json::{Limits, parse_object};

use super::Require;
use crate::config::{ClaimRule, ClaimValue, Require as Settings};
use crate::pipeline::consumer::Grant;
use crate::pipeline::{Consumer, Proof};

fn proof(claims: Option<&str>) -> Proof {
    let claims = claims.map(|text| {
        let members = parse_object(text.as_bytes(), Limits { bytes: 4096, depth: 8 }).expect("an object");
        Arc::new(Claims::new(members).expect("claims"))
    });
    let scopes = claims.as_ref().map(|claims| claims.scopes().into()).unwrap_or_default();
    let consumer = Arc::new(Consumer { name: "corp/alice".into(), apis: Grant::All });
    Proof { consumer, credential: "t".into(), scopes, expires: None, fingerprint: None, claims, issued: None }
}

/// What of these claims is missing, as the log has it.
fn check(settings: &Settings, claims: Option<&str>, expected: Option<&str>) {
    let require = Require::new(settings.clone(), "a.yaml:1".into());
    let cause = require.judge(Some(&proof(claims)));
    let cause = cause.as_ref().and_then(|problem| problem.cause());
    assert_eq!(cause, expected, "{settings:?} of {claims:?}");
}

#[test]
fn everything_that_is_asked_for_must_be_there() {
    let scopes = Settings { scopes: vec!["a".into(), "b".into()], ..Settings::default() };
    check(&scopes, Some(r#"{"scope":"b a"}"#), None);
    check(&scopes, Some(r#"{"scope":"a bb"}"#), Some("scope `b` is missing"));
    let audiences = Settings { audiences: vec!["x".into(), "y".into()], ..Settings::default() };
    check(&audiences, Some(r#"{"aud":["z","y"]}"#), None);
    check(&audiences, Some(r#"{"aud":"z"}"#), Some("none of the required audiences is named"));
    check(&audiences, None, Some("none of the required audiences is named"));
    let roles = Settings { roles: vec!["r".into()], ..Settings::default() };
    check(&roles, Some(r#"{"roles":["q","r"]}"#), None);
    check(&roles, Some(r#"{"roles":["q",{"r":1}]}"#), Some("role `r` is missing"));
    let deep = Settings { roles_claim: Some("/realm_access/roles".into()), ..roles };
    check(&deep, Some(r#"{"realm_access":{"roles":["r"]}}"#), None);
    check(&deep, Some(r#"{"roles":["r"]}"#), Some("role `r` is missing"));
}

#[test]
fn a_claim_says_exactly_what_it_must_or_does_not() {
    let missing = Some("claim `c` does not say what it must");
    let equals = |value| ClaimRule { equals: Some(value), contains: None };
    let contains = ClaimRule { equals: None, contains: Some("x".into()) };
    for (rule, claims, expected) in [
        (equals(ClaimValue::Text("x".into())), r#"{"c":"x"}"#, None),
        (equals(ClaimValue::Text("x".into())), r#"{"c":["x"]}"#, missing),
        (equals(ClaimValue::Text("1".into())), r#"{"c":1}"#, missing),
        (equals(ClaimValue::Number(1)), r#"{"c":1}"#, None),
        (equals(ClaimValue::Number(1)), r#"{"c":true}"#, missing),
        (equals(ClaimValue::Flag(true)), r#"{"c":true}"#, None),
        (equals(ClaimValue::Flag(true)), r#"{"c":"true"}"#, missing),
        (equals(ClaimValue::Flag(false)), r#"{}"#, missing),
        (contains.clone(), r#"{"c":["y","x"]}"#, None),
        (contains.clone(), r#"{"c":"x"}"#, missing),
        (contains, r#"{"c":["xx"]}"#, missing),
        (ClaimRule::default(), r#"{"c":"x"}"#, missing),
    ] {
        let claims_rule = IndexMap::from([("c".to_owned(), rule)]);
        check(&Settings { claims: claims_rule, ..Settings::default() }, Some(claims), expected);
    }
}
