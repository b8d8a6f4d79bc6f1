//! Tokens: any bytes are judged to an end, and whatever header and claims are signed with the right key, what passes holds
//! by a plainer reading.
//!
//! The bytes stand for a token as they are, and for header and claims with a line end between them.

use std::time::Duration;

use portcullis_identity::algorithm::Algorithm;
use portcullis_identity::base64::encode_url;
use portcullis_identity::jwk::{Key, KeySet};
use portcullis_identity::jwt::{Rules, Said, SigningKey, verify};

const NOW: Duration = Duration::from_secs(1_800_000_000);
const SECRET: &[u8; 32] = &[7; 32];

/// Panics when `data` breaks a promise.
pub(crate) fn check(data: &[u8]) {
    let key = Key::secret(SECRET).expect("a key");
    let keys = KeySet::new(vec![key]).expect("a set");
    let rules = Rules::access("i", &["a"], Algorithm::HS256.into());
    assert!(verify(data, &keys, &rules, NOW).is_err(), "made without the key");
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (header, claims) = (&data[..end], data.get(end + 1..).unwrap_or_default());
    let input = format!("{}.{}", encode_url(header), encode_url(claims));
    let signing = SigningKey::secret(SECRET, Algorithm::HS256).expect("a key");
    let signature = signing.sign_bytes(input.as_bytes()).expect("a signature");
    let token = format!("{input}.{}", encode_url(&signature));
    let Ok(verified) = verify(token.as_bytes(), &keys, &rules, NOW) else { return };
    let looked = Said::of(token.as_bytes(), |said| {
        assert!(!said.is_over(&rules, NOW) && !said.is_of_other_key(&keys), "a look refused what holds");
        assert!(said.issuer.is_none_or(|issuer| issuer == "i"), "a look saw another issuer");
    });
    assert!(looked.is_some(), "a look did not see what holds");
    // Numbers beyond a float are none for others.
    if let Ok(header) = serde_json::from_slice::<serde_json::Value>(header) {
        assert_eq!(header["alg"], "HS256");
        for name in ["crit", "b64", "jwk", "jku", "x5u", "x5c", "zip", "enc", "p2c"] {
            assert!(header.get(name).is_none(), "{name}");
        }
    }
    assert_eq!(verified.issuer(), Some("i"));
    assert!(verified.audience().any(|audience| audience == "a"));
    assert!(verified.subject().is_some_and(|subject| !subject.is_empty()));
    assert!(verified.expires().expect("an end") + rules.leeway > NOW);
    if let Ok(theirs) = serde_json::from_slice::<serde_json::Value>(claims) {
        assert_eq!(theirs["iss"], "i");
        assert!(theirs["exp"].as_f64().expect("a number") > 1_799_999_969.0);
        assert!(theirs["nbf"].as_f64().is_none_or(|begins| begins < 1_800_000_031.0));
        assert_eq!(theirs.as_object().expect("claims").len(), verified.members().len());
    }
}
