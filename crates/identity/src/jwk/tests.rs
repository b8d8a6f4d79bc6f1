use super::{Key, KeySet, Origin, Refused};
use crate::algorithm::Algorithm;
use crate::json::{Limits, Object, parse_object};
use crate::sign::SigningKey;

fn object(text: &str) -> Object {
    parse_object(text.as_bytes(), Limits { bytes: 1 << 16, depth: 8 }).unwrap()
}

fn public(algorithm: Algorithm) -> Object {
    SigningKey::generate(algorithm).unwrap().public_jwk()
}

fn set(keys: Vec<Object>) -> Result<KeySet, Refused> {
    KeySet::parse(Object::new().with("keys", keys).to_string().as_bytes(), Origin::Remote)
}

#[test]
fn a_thumbprint_is_that_of_rfc_7638() {
    let key = object(
        r#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}"#,
    );
    let key = Key::from_jwk(&key, Origin::Remote).unwrap();
    assert_eq!(key.thumbprint_text(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    assert_eq!(key.kid(), Some("2011-04-29"));
    assert_eq!(key.algorithms().collect::<Vec<_>>(), [Algorithm::RS256]);
    // RFC 8037 §A.3
    let key = object(r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#);
    let key = Key::from_jwk(&key, Origin::Remote).unwrap();
    assert_eq!(key.thumbprint_text(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
}

#[test]
fn a_key_verifies_what_its_type_and_members_leave() {
    let rsa = public(Algorithm::RS256);
    let mut any = rsa.clone();
    any.remove("alg");
    let names = |key: &Object| {
        let key = Key::from_jwk(key, Origin::Remote)
            .map(|key| key.algorithms().map(Algorithm::name).collect::<Vec<_>>());
        key.map_err(Refused::as_str)
    };
    assert_eq!(names(&any).unwrap(), ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]);
    assert_eq!(names(&any.clone().with("alg", "PS256")).unwrap(), ["PS256"]);
    assert_eq!(names(&any.clone().with("key_ops", vec!["verify"])).unwrap().len(), 6);
    for (member, value, why) in [
        ("use", "enc", Refused::Unknown),
        ("alg", "RSA-OAEP", Refused::Unknown),
        ("alg", "none", Refused::Unknown),
        ("alg", "HS256", Refused::Malformed),
        ("alg", "ES256", Refused::Malformed),
        ("kty", "rsa", Refused::Unknown),
        ("kty", "EC", Refused::Malformed),
        ("kid", "", Refused::Malformed),
        ("e", "AQ", Refused::Weak),
        ("e", "Ag", Refused::Malformed),
        ("e", "", Refused::Malformed),
        ("e", "AAEAAQ", Refused::Malformed),
        ("n", "AQAB", Refused::Weak),
        ("n", "AQAB==", Refused::Malformed),
        ("d", "AQAB", Refused::Private),
        ("k", "AQAB", Refused::Private),
    ] {
        assert_eq!(names(&any.clone().with(member, value)), Err(why.as_str()), "{member} {value}");
    }
    assert_eq!(names(&any.clone().with("key_ops", vec!["encrypt"])), Err(Refused::Unknown.as_str()));
    assert_eq!(names(&any.clone().with("key_ops", "verify")), Err(Refused::Malformed.as_str()));
    for member in ["kty", "kid", "use", "alg", "n", "e"] {
        assert_eq!(names(&any.clone().with(member, 7)), Err(Refused::Malformed.as_str()), "{member}");
    }
    assert_eq!(names(&public(Algorithm::ES384)).unwrap(), ["ES384"]);
    assert_eq!(names(&public(Algorithm::ES512)).unwrap(), ["ES512"]);
    assert_eq!(names(&public(Algorithm::ES256).with("crv", "secp256k1")), Err(Refused::Unknown.as_str()));
    assert_eq!(names(&public(Algorithm::ES256).with("x", "AQAB")), Err(Refused::Malformed.as_str()));
    // A point that is not on the curve.
    let other = public(Algorithm::ES256).get("x").unwrap().clone();
    let off = public(Algorithm::ES256).with("x", other);
    assert_eq!(names(&off), Err(Refused::Malformed.as_str()));
    assert_eq!(names(&public(Algorithm::EdDSA).with("crv", "X25519")), Err(Refused::Unknown.as_str()));
    let weak = public(Algorithm::EdDSA).with("x", "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    assert_eq!(names(&weak), Err(Refused::Weak.as_str()));
}

#[test]
fn secrets_come_from_the_configuration_alone() {
    let secret = object(r#"{"kty":"oct","k":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"}"#);
    assert_eq!(Key::from_jwk(&secret, Origin::Remote).err(), Some(Refused::Private));
    let key = Key::from_jwk(&secret, Origin::Configuration).unwrap();
    assert_eq!(key.algorithms().collect::<Vec<_>>(), [Algorithm::HS256]);
    assert_eq!(Key::secret(&[7; 64]).unwrap().algorithms().count(), 3);
    assert_eq!(Key::secret(&[7; 31]).err(), Some(Refused::Weak));
    assert!(!format!("{key:?}").contains("AAECAw"));
}

#[test]
fn a_set_is_taken_whole_or_not_at_all() {
    let (rsa, ec, ed) = (public(Algorithm::RS256), public(Algorithm::ES256), public(Algorithm::EdDSA));
    let good = set(vec![
        rsa.clone(),
        ec.clone(),
        ed.clone(),
        object(r#"{"kty":"EC","crv":"secp256k1","x":"AA","y":"AA","kid":"k1"}"#),
        object(r#"{"kty":"AKP","alg":"ML-DSA-65","pub":"AA","kid":"k2"}"#),
        rsa.clone().with("kid", "enc").with("use", "enc"),
    ])
    .unwrap();
    assert_eq!((good.keys().len(), good.left_out()), (3, 3));
    assert!(set(vec![ed.clone(), ed.clone().with("kid", "other")]).is_ok());
    for (keys, why) in [
        (vec![rsa.clone(), ec.clone().with("kid", rsa.get("kid").unwrap().clone())], Refused::TwoOfOneKid),
        (vec![rsa.clone(), rsa.clone()], Refused::TwoOfOneKid),
        (vec![rsa.clone(), rsa.clone().with("use", "enc")], Refused::TwoOfOneKid),
        (vec![rsa.clone(), ed.clone().with("d", "AA")], Refused::Private),
        (vec![rsa.clone(), rsa.clone().with("kid", "w").with("n", "AQAB")], Refused::Weak),
        (vec![], Refused::NoKeys),
        (vec![rsa.clone().with("use", "enc")], Refused::NoKeys),
        (vec![Object::new()], Refused::Malformed),
        (vec![rsa.clone().with("use", "enc"); 257], Refused::TooManyKeys),
    ] {
        assert_eq!(set(keys).err(), Some(why));
    }
    for text in ["[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[1]}"#, "<html>", ""] {
        assert!(KeySet::parse(text.as_bytes(), Origin::Remote).is_err(), "{text}");
    }
    let long = vec![b' '; super::SET_BYTES_MAX + 1];
    let too_long = Refused::Json(crate::json::Refused::TooLong);
    assert_eq!(KeySet::parse(&long, Origin::Remote).err(), Some(too_long));
}

#[test]
fn a_key_is_found_by_kid_or_as_the_only_one_that_could() {
    let (rsa, ec) = (public(Algorithm::RS256), public(Algorithm::ES256));
    let both = set(vec![rsa.clone().with("kid", "r"), ec.clone().with("kid", "e")]).unwrap();
    let kid = |set: &KeySet, kid, algorithm| set.find(kid, algorithm).map(|key| key.kid().map(str::to_owned));
    assert_eq!(kid(&both, Some("r"), Algorithm::RS256), Some(Some("r".to_owned())));
    assert_eq!(kid(&both, Some("r"), Algorithm::ES256), None);
    assert_eq!(kid(&both, Some("x"), Algorithm::ES256), None);
    assert_eq!(kid(&both, None, Algorithm::ES256), Some(Some("e".to_owned())));
    assert!(both.has("r") && !both.has("x"));
    let two = set(vec![ec.clone().with("kid", "a"), public(Algorithm::ES256).with("kid", "b")]).unwrap();
    assert_eq!(kid(&two, None, Algorithm::ES256), None);
    let mut nameless = ec;
    nameless.remove("kid");
    let set = set(vec![rsa.with("kid", "r"), nameless]).unwrap();
    assert_eq!(kid(&set, Some("any"), Algorithm::ES256), Some(None));
    assert_eq!(kid(&set, Some("any"), Algorithm::RS256), None);
}

#[test]
fn pem_is_the_same_key() {
    let pem = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n";
    let key = Key::from_pem(pem.as_bytes()).unwrap();
    assert_eq!(key.thumbprint_text(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    for text in ["", "-----BEGIN PUBLIC KEY-----\nAA==\n-----END PUBLIC KEY-----\n", "MCowBQYDK2VwAyEA"] {
        assert_eq!(Key::from_pem(text.as_bytes()).err(), Some(Refused::Malformed), "{text}");
    }
}
