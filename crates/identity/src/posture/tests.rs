use std::time::Duration;

use super::{BINDING_CLAIM, binding, is_bound};
use crate::algorithm::Algorithm;
use crate::json::{Limits, Object, parse_object};
use crate::jwk::{Key, KeySet, Origin};
use crate::jwt::{Header, Kind, Refused, Rules, SigningKey, verify};

const NOW: Duration = Duration::from_secs(1_800_000_000);

#[test]
fn a_token_of_approovs_shape_is_judged() {
    let signing = SigningKey::secret(&[3; 64], Algorithm::HS256).unwrap();
    let keys = KeySet::new(vec![Key::secret(&[3; 64]).unwrap().limited_to(Some(Algorithm::HS256)).unwrap()])
        .unwrap();
    let rules = Rules {
        issuer: None,
        audiences: None,
        algorithms: Algorithm::HS256.into(),
        kind: Kind::Plain,
        subject: false,
        leeway: Duration::from_secs(5),
    };
    let fields: [&[u8]; 2] = [b"Bearer myauth_token", b" my-device-id "];
    let text = format!(
        r#"{{"exp":1800000300.891912,"ip":"1.2.3.4","did":"ExampleApproovTokenDID==","pay":"{}"}}"#,
        binding(fields)
    );
    let claims = parse_object(text.as_bytes(), Limits { bytes: 4096, depth: 4 }).unwrap();
    let token = signing.sign(&Header::new("JWT"), &claims).unwrap();
    let verified = verify(token.as_bytes(), &keys, &rules, NOW).unwrap();
    assert!(is_bound(&verified, BINDING_CLAIM, fields));
    assert!(!is_bound(&verified, BINDING_CLAIM, [fields[0]]));
    assert!(!is_bound(&verified, BINDING_CLAIM, [fields[1], fields[0]]));
    let late = NOW + Duration::from_secs(306);
    assert_eq!(verify(token.as_bytes(), &keys, &rules, late), Err(Refused::Expired));
    let unbound = signing.sign(&Header::new("JWT"), &Object::new().with("exp", NOW.as_secs() + 9)).unwrap();
    let unbound = verify(unbound.as_bytes(), &keys, &rules, NOW).unwrap();
    assert!(!is_bound(&unbound, BINDING_CLAIM, fields));
    // What a failed attestation gets: the same, by another key.
    let other = SigningKey::secret(&[4; 64], Algorithm::HS256).unwrap();
    let token = other.sign(&Header::new("JWT"), &claims).unwrap();
    assert_eq!(verify(token.as_bytes(), &keys, &rules, NOW), Err(Refused::Signature));
}

#[test]
fn the_published_binding_is_ours() {
    // Of Approov's own tests: SHA-256("Bearer myauth_token" + "my-device-id") begins so.
    assert!(binding([b"Bearer myauth_token".as_slice(), b"my-device-id"]).starts_with("71tnS3rS"));
}

#[test]
fn firebase_app_check_is_judged_exactly() {
    let signing = SigningKey::generate(Algorithm::RS256).unwrap();
    let keys = KeySet::new(vec![Key::from_jwk(&signing.public_jwk(), Origin::Remote).unwrap()]).unwrap();
    let issuer = "https://firebaseappcheck.googleapis.com/1234";
    let rules =
        Rules { kind: Kind::Plain, ..Rules::access(issuer, &["projects/1234"], Algorithm::RS256.into()) };
    let claims = Object::new()
        .with("iss", issuer)
        .with("aud", vec!["projects/1234", "projects/demo"])
        .with("sub", "1:1234:ios:abc")
        .with("exp", NOW.as_secs() + 1800);
    let judge = |claims: Object| {
        let token = signing.sign(&Header::new("JWT"), &claims).unwrap();
        verify(token.as_bytes(), &keys, &rules, NOW).err()
    };
    assert_eq!(judge(claims.clone()), None);
    let longer = "https://firebaseappcheck.googleapis.com/12345";
    assert_eq!(judge(claims.clone().with("iss", longer)), Some(Refused::Issuer));
    assert_eq!(judge(claims.with("aud", vec!["projects/123"])), Some(Refused::Audience));
}
