use std::time::Duration;

use super::{Header, Kind, LEEWAY_MAX, Refused, Rules, Said, SigningKey, Unverified, verify};
use crate::algorithm::{ALL, Algorithm, Algorithms};
use crate::json::Object;
use crate::jwk::{Key, KeySet, Origin};

const NOW: Duration = Duration::from_secs(1_800_000_000);

fn rules(algorithm: Algorithm) -> Rules {
    Rules::access("https://i.test", &["orders"], algorithm.into())
}

fn claims() -> Object {
    Object::new()
        .with("iss", "https://i.test")
        .with("aud", "orders")
        .with("sub", "s")
        .with("exp", 1_800_000_300)
        .with("iat", 1_799_999_990)
}

fn key(algorithm: Algorithm) -> (SigningKey, KeySet) {
    if algorithm.is_symmetric() {
        let signing = SigningKey::secret(&[9; 64], algorithm).unwrap();
        return (signing, KeySet::new(vec![Key::secret(&[9; 64]).unwrap()]).unwrap());
    }
    let signing = SigningKey::generate(algorithm).unwrap();
    let key = Key::from_jwk(&signing.public_jwk(), Origin::Remote).unwrap();
    (signing, KeySet::new(vec![key]).unwrap())
}

#[test]
fn what_is_signed_is_verified_by_every_algorithm() {
    for algorithm in ALL {
        let (signing, keys) = key(algorithm);
        let token = signing.sign(&Header::new("at+jwt"), &claims()).unwrap();
        let verified = verify(token.as_bytes(), &keys, &rules(algorithm), NOW).unwrap();
        assert_eq!(verified.members(), &claims(), "{algorithm}");
        let other = ALL.into_iter().filter(|other| *other != algorithm).collect::<Algorithms>();
        let others = Rules { algorithms: other, ..rules(algorithm) };
        assert_eq!(verify(token.as_bytes(), &keys, &others, NOW), Err(Refused::Algorithm));
        if let Some(pkcs8) = signing.to_pkcs8() {
            let again = SigningKey::from_pkcs8(&pkcs8, algorithm).unwrap();
            assert_eq!(again.public_jwk(), signing.public_jwk());
        }
    }
}

#[test]
fn a_token_says_of_itself_whose_it_is() {
    let (signing, _) = key(Algorithm::EdDSA);
    let token = signing.sign(&Header::new("JWT"), &claims()).unwrap();
    let unverified = Unverified::read(token.as_bytes()).unwrap();
    assert_eq!(unverified.issuer(), Some("https://i.test"));
    assert_eq!(unverified.kid(), Some(signing.kid()));
    assert!(!format!("{unverified:?} {signing:?}").contains("i.test"));
}

#[test]
fn what_a_look_refuses_is_refused_for_the_same_reason() {
    let (signing, keys) = key(Algorithm::EdDSA);
    let (other, _) = key(Algorithm::EdDSA);
    let rules = rules(Algorithm::EdDSA);
    let now = NOW.as_secs();
    for (exp, signing, is_over, is_of_other) in [
        (now + 300, &signing, false, false),
        (now - 29, &signing, false, false),
        (now - 30, &signing, true, false),
        (now + 300, &other, false, true),
        (now - 30, &other, true, true),
    ] {
        let token = signing.sign(&Header::new("JWT"), &claims().with("exp", exp)).unwrap();
        let looked = Said::of(token.as_bytes(), |said| {
            assert_eq!(said.issuer, Some("https://i.test"));
            assert_eq!(said.kid, Some(signing.kid()));
            (said.is_over(&rules, NOW), said.is_of_other_key(&keys))
        });
        assert_eq!(looked, Some((is_over, is_of_other)), "{exp}");
        let expected = match (is_over, is_of_other) {
            (true, _) => Some(Refused::Expired),
            (false, true) => Some(Refused::UnknownKey),
            (false, false) => None,
        };
        assert_eq!(verify(token.as_bytes(), &keys, &rules, NOW).err(), expected, "{exp}");
    }
}

/// A key without a name may be the one that is meant.
#[test]
fn a_look_refuses_no_name_where_a_key_has_none() {
    let signing = SigningKey::secret(&[9; 64], Algorithm::HS256).unwrap();
    let keys = KeySet::new(vec![Key::secret(&[9; 64]).unwrap()]).unwrap();
    let token = signing.sign(&Header::new("JWT"), &claims()).unwrap();
    assert_eq!(Said::of(token.as_bytes(), |said| said.is_of_other_key(&keys)), Some(false));
    assert_eq!(Said::of(b"a.b.c", |_| ()), None);
    assert_eq!(Said::of(b"", |_| ()), None);
}

#[test]
fn times_are_judged_with_one_leeway() {
    let (signing, keys) = key(Algorithm::EdDSA);
    let judge = |name: &str, at: u64, leeway: u64| {
        let token = signing.sign(&Header::new("JWT"), &claims().with(name, at)).unwrap();
        let rules = Rules { leeway: Duration::from_secs(leeway), ..rules(Algorithm::EdDSA) };
        verify(token.as_bytes(), &keys, &rules, NOW).err()
    };
    let now = NOW.as_secs();
    let most = LEEWAY_MAX.as_secs();
    for (name, at, leeway, expected) in [
        ("exp", now + 1, 0, None),
        ("exp", now, 0, Some(Refused::Expired)),
        ("exp", now, 1, None),
        ("exp", now - 30, 30, Some(Refused::Expired)),
        ("exp", now - 29, 30, None),
        ("exp", now - most, 100_000, Some(Refused::Expired)),
        ("exp", now - most + 1, 100_000, None),
        ("exp", u64::MAX, 30, None),
        ("exp", 0, 30, Some(Refused::Expired)),
        ("nbf", now + 31, 30, Some(Refused::NotYet)),
        ("nbf", now + 30, 30, None),
        ("nbf", now + most + 1, 100_000, Some(Refused::NotYet)),
        ("nbf", 0, 0, None),
        ("iat", now + 31, 30, Some(Refused::IssuedInFuture)),
        ("iat", now + 30, 30, None),
        ("iat", 0, 0, None),
    ] {
        assert_eq!(judge(name, at, leeway), expected, "{name} {at} {leeway}");
    }
}

#[test]
fn a_kind_of_token_serves_no_other_purpose() {
    let (signing, keys) = key(Algorithm::EdDSA);
    let judge = |typ: Option<&str>, kind: Kind, marked: Option<&str>| {
        let header = typ.map_or_else(Header::default, Header::new);
        let claims = marked.map_or_else(claims, |name| claims().with(name, "x"));
        let token = signing.sign(&header, &claims).unwrap();
        verify(token.as_bytes(), &keys, &Rules { kind, ..rules(Algorithm::EdDSA) }, NOW).err()
    };
    let exactly = || Kind::Exactly("at+jwt".into());
    for (typ, kind, marked, passes) in [
        (None, Kind::Access, None, true),
        (Some("JWT"), Kind::Access, None, true),
        (Some("jwt"), Kind::Access, None, true),
        (Some("at+jwt"), Kind::Access, None, true),
        (Some("application/at+JWT"), Kind::Access, Some("nonce"), true),
        (Some("application/"), Kind::Access, None, false),
        (Some(""), Kind::Access, None, false),
        (Some("dpop+jwt"), Kind::Access, None, false),
        (Some("logout+jwt"), Kind::Access, None, false),
        (Some("token-introspection+jwt"), Kind::Access, None, false),
        (None, Kind::Access, Some("nonce"), false),
        (Some("JWT"), Kind::Access, Some("at_hash"), false),
        (Some("JWT"), Kind::Access, Some("c_hash"), false),
        (Some("JWT"), Kind::Access, Some("events"), false),
        (Some("JWT"), Kind::Plain, Some("nonce"), true),
        (Some("at+jwt"), Kind::Plain, None, false),
        (Some("at+jwt"), exactly(), None, true),
        (Some("application/at+jwt"), exactly(), None, true),
        (Some("JWT"), exactly(), None, false),
        (None, exactly(), None, false),
    ] {
        let shown = format!("{typ:?} {kind:?} {marked:?}");
        assert_eq!(judge(typ, kind, marked), (!passes).then_some(Refused::Kind), "{shown}");
    }
}

#[test]
fn issuer_audience_and_subject_are_judged_exactly() {
    let (signing, keys) = key(Algorithm::EdDSA);
    let judge = |claims: Object, rules: Rules| {
        let token = signing.sign(&Header::new("JWT"), &claims).unwrap();
        verify(token.as_bytes(), &keys, &rules, NOW).err()
    };
    let strict = || rules(Algorithm::EdDSA);
    let without = |name: &str| {
        let mut claims = claims();
        claims.remove(name);
        claims
    };
    assert_eq!(judge(without("iss"), strict()), Some(Refused::Issuer));
    assert_eq!(judge(claims().with("iss", "https://i.test/"), strict()), Some(Refused::Issuer));
    assert_eq!(judge(claims().with("iss", "https://I.test"), strict()), Some(Refused::Issuer));
    assert_eq!(judge(without("aud"), strict()), Some(Refused::Audience));
    assert_eq!(judge(claims().with("aud", "orders2"), strict()), Some(Refused::Audience));
    assert_eq!(judge(claims().with("aud", "other orders"), strict()), Some(Refused::Audience));
    assert_eq!(judge(claims().with("aud", vec!["a", "orders"]), strict()), None);
    assert_eq!(judge(claims().with("aud", Vec::<&str>::new()), strict()), Some(Refused::Audience));
    assert_eq!(judge(without("sub"), strict()), Some(Refused::Subject));
    assert_eq!(judge(claims().with("sub", ""), strict()), Some(Refused::Subject));
    assert_eq!(judge(without("exp"), strict()), Some(Refused::NoEnd));
    assert_eq!(judge(claims(), Rules { audiences: Some(vec![]), ..strict() }), Some(Refused::Audience));
    let loose = Rules { issuer: None, audiences: None, subject: false, ..strict() };
    assert_eq!(judge(Object::new().with("exp", NOW.as_secs() + 5), loose), None);
}
