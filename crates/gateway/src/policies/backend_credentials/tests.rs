use super::*;
use crate::pipeline::consumer::{Consumer, Grant};

fn proof(consumer: &str, scopes: &[&str]) -> Proof {
    Proof {
        consumer: Arc::new(Consumer { name: consumer.into(), apis: Grant::All }),
        credential: "k1".into(),
        scopes: scopes.iter().map(|scope| (*scope).into()).collect(),
        expires: None,
        fingerprint: None,
        claims: None,
        issued: None,
    }
}

#[test]
fn a_fact_is_told_as_it_is_known() {
    let partner = proof("partner", &["a", "b"]);
    assert_eq!(fact_of(&partner, &CallerFact::Consumer), Ok(Some("partner".to_owned())));
    assert_eq!(fact_of(&partner, &CallerFact::Credential), Ok(Some("k1".to_owned())));
    assert_eq!(fact_of(&partner, &CallerFact::Scopes), Ok(Some("a b".to_owned())));
    assert_eq!(fact_of(&proof("partner", &[]), &CallerFact::Scopes), Ok(None));
}

#[test]
fn a_value_that_no_field_may_have_is_refused() {
    for name in
        ["a\r\nx-admin: 1", "a\nb", "a\0b", "caf\u{e9}", "\t", "", " a", "a ", "\u{7f}", &"a".repeat(4097)]
    {
        assert!(fact_of(&proof(name, &[]), &CallerFact::Consumer).is_err(), "{name:?}");
    }
    for name in ["corp/alice@example.com", "a b", &"a".repeat(4096)] {
        assert_eq!(fact_of(&proof(name, &[]), &CallerFact::Consumer), Ok(Some(name.to_owned())));
    }
}

fn with_claims(text: &str) -> Proof {
    use portcullis_identity::claims::Claims;
    use portcullis_identity::json::{Limits, parse_object};
    let claims = parse_object(text.as_bytes(), Limits { bytes: 4096, depth: 8 }).expect("an object");
    Proof { claims: Some(Arc::new(Claims::new(claims).expect("claims"))), ..proof("corp/alice", &[]) }
}

#[test]
fn a_claim_is_told_as_text_and_only_where_it_is_one() {
    let alice = with_claims(
        r#"{"email":"a@example.com","age":1.50,"ok":true,"org":{"id":"o1","roles":["x","y",7]},"none":null,"empty":[],
            "spoof":["a,b"],"space":["a b"],"deep":[["a"]],"lines":"a\r\nb","void":""}"#,
    );
    let told = |path: &str| fact_of(&alice, &CallerFact::Claim(path.to_owned()));
    for (path, text) in [
        ("email", "a@example.com"),
        ("age", "1.50"),
        ("ok", "true"),
        ("/org/id", "o1"),
        ("/org/roles", "x,y,7"),
        ("/org/roles/1", "y"),
    ] {
        assert_eq!(told(path), Ok(Some(text.to_owned())), "{path}");
    }
    for path in ["other", "/org/other", "none", "empty"] {
        assert_eq!(told(path), Ok(None), "{path}");
    }
    for path in ["org", "spoof", "space", "deep", "lines", "void"] {
        assert!(told(path).is_err(), "{path}");
    }
    assert_eq!(fact_of(&proof("partner", &[]), &CallerFact::Claim("sub".to_owned())), Ok(None));
}
