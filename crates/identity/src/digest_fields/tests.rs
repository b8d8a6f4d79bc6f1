use super::Stated;
use crate::base64::encode_standard;
use crate::sha256::digest;

/// RFC 9530 §B.1 and RFC 9421 §B.2: both of this body.
const BODY: &[u8] = b"{\"hello\": \"world\"}";
const SHA256: &str = "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:";
const SHA512: &str =
    "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:";

/// A field that states the SHA-256 of `body`.
fn sha256(body: &[u8]) -> String {
    format!("sha-256=:{}:", encode_standard(digest(body).as_bytes()))
}

#[test]
fn published_digests_hold() {
    assert_eq!(sha256(BODY), SHA256);
    for field in [SHA256, SHA512, &format!("{SHA256}, {SHA512}"), &format!("md5=:AAAA:, {SHA256}")] {
        assert!(Stated::parse(field).unwrap().is_of(BODY), "{field}");
        assert!(!Stated::parse(field).unwrap().is_of(b"{\"hello\": \"worle\"}"), "{field}");
    }
    let mut running = Stated::parse(SHA512).unwrap().begin();
    for piece in BODY.chunks(5) {
        running.update(piece);
    }
    assert!(running.is_good());
}

#[test]
fn each_stated_digest_must_hold() {
    let wrong = sha256(b"other");
    assert!(!Stated::parse(&format!("{wrong}, {SHA512}")).unwrap().is_of(BODY));
}

#[test]
fn what_states_nothing_is_refused() {
    for field in [
        "",
        "md5=:AAAA:",
        "sha-256=abc",
        "sha-256=:AAAA:",
        "sha-256=\"X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=\"",
        "sha-256",
        "SHA-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:",
    ] {
        assert_eq!(Stated::parse(field), None, "{field}");
    }
}
