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
