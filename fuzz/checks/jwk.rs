//! Key sets: any document is judged to an end; what is taken has keys of different names, each found under its own, and
//! nothing secret.

use portcullis_identity::jwk::{KeySet, Origin};

/// Panics when `data` breaks a promise.
pub(crate) fn check(data: &[u8]) {
    let _ = KeySet::parse(data, Origin::Configuration);
    let Ok(set) = KeySet::parse(data, Origin::Remote) else { return };
    assert!(!set.keys().is_empty());
    for key in set.keys() {
        assert!(key.algorithms().count() > 0);
        for algorithm in key.algorithms() {
            assert!(!algorithm.is_symmetric(), "a secret from the network");
            if let Some(kid) = key.kid() {
                let found = set.find(Some(kid), algorithm).expect("found under its own name");
                assert_eq!(found.thumbprint(), key.thumbprint(), "another key under that name");
            }
            assert!(!key.verify(algorithm, data, b""), "nothing is a signature");
        }
    }
    // Of what it took, a plainer reader sees the same names.
    let theirs: serde_json::Value = serde_json::from_slice(data).expect("JSON");
    let theirs = theirs["keys"].as_array().expect("keys");
    assert_eq!(theirs.len(), set.keys().len() + set.left_out());
    for private in ["d", "p", "q", "k"] {
        let is_private = |key: &serde_json::Value| key.get(private).is_some();
        let shown = theirs.iter().filter(|key| is_private(key)).count();
        assert!(shown <= set.left_out(), "a private key");
    }
}
