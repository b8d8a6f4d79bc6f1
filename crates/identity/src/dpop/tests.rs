use std::time::Duration;

use super::{Nonces, Refused, Request, Rules, normal_uri, verify};
use crate::algorithm::{Algorithm, Algorithms};
use crate::json::Object;
use crate::jwt::{self, Header, SigningKey};
use crate::{base64, jwk};

const NOW: Duration = Duration::from_secs(1_800_000_000);
const TOKEN: &[u8] = b"the.access.token";
const URI: &str = "https://api.test/orders/1";

struct Client {
    key: SigningKey,
    thumbprint: [u8; 32],
}

impl Client {
    fn new(algorithm: Algorithm) -> Self {
        let key = SigningKey::generate(algorithm).unwrap();
        let thumbprint = base64::decode_url(key.kid().as_bytes()).unwrap().try_into().unwrap();
        Self { key, thumbprint }
    }

    fn header(&self) -> Header {
        let mut jwk = self.key.public_jwk();
        for name in ["kid", "use", "alg"] {
            jwk.remove(name);
        }
        Header::new("dpop+jwt").with("jwk", jwk)
    }

    fn judge(&self, header: &Header, claims: &Object, nonces: Option<&Nonces>) -> Option<Refused> {
        let proof = self.key.sign(header, claims).unwrap();
        self.judge_text(&proof, nonces)
    }

    fn judge_text(&self, proof: &str, nonces: Option<&Nonces>) -> Option<Refused> {
        let request = Request { method: "POST", uri: URI, token: TOKEN, thumbprint: &self.thumbprint };
        let rules = Rules {
            algorithms: Algorithms::ASYMMETRIC,
            age_max: Duration::from_secs(60),
            leeway: Duration::from_secs(5),
        };
        verify(proof.as_bytes(), request, &rules, nonces, NOW).err()
    }
}

fn ath(token: &[u8]) -> String {
    base64::encode_url(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, token).as_ref())
}

fn claims() -> Object {
    Object::new()
        .with("jti", "a")
        .with("htm", "POST")
        .with("htu", URI)
        .with("iat", NOW.as_secs())
        .with("ath", ath(TOKEN))
}

#[test]
fn a_good_proof_is_good_by_every_algorithm() {
    for algorithm in
        [Algorithm::ES256, Algorithm::ES384, Algorithm::EdDSA, Algorithm::RS256, Algorithm::PS512]
    {
        let client = Client::new(algorithm);
        assert_eq!(client.judge(&client.header(), &claims(), None), None, "{algorithm}");
    }
}

#[test]
fn each_claim_is_judged() {
    let client = Client::new(Algorithm::ES256);
    let header = client.header();
    let judge = |claims: &Object| client.judge(&header, claims, None);
    for name in ["jti", "htm", "htu", "iat", "ath"] {
        let mut less = claims();
        less.remove(name);
        assert_eq!(judge(&less), Some(Refused::Claim(name)));
        assert_eq!(judge(&claims().with(name, true)), Some(Refused::Claim(name)));
    }
    for (name, value, why) in [
        ("jti", "", Refused::Claim("jti")),
        ("htm", "GET", Refused::Method),
        ("htm", "post", Refused::Method),
        ("htu", "https://api.test/orders/2", Refused::Uri),
        ("htu", "http://api.test/orders/1", Refused::Uri),
        ("htu", "https://api.test:8443/orders/1", Refused::Uri),
        ("htu", "https://api.test/orders/1/", Refused::Uri),
        ("htu", "https://api.test@evil.test/orders/1", Refused::Uri),
        ("htu", "/orders/1", Refused::Uri),
        ("htu", "", Refused::Uri),
    ] {
        assert_eq!(judge(&claims().with(name, value)), Some(why), "{name} {value}");
    }
    assert_eq!(judge(&claims().with("ath", ath(b"another.access.token"))), Some(Refused::Token));
    assert_eq!(judge(&claims().with("jti", "x".repeat(513))), Some(Refused::Claim("jti")));
    let now = NOW.as_secs();
    for (issued, why) in [
        (now + 6, Some(Refused::Future)),
        (now + 5, None),
        (now - 65, None),
        (now - 66, Some(Refused::Stale)),
        (0, Some(Refused::Stale)),
    ] {
        assert_eq!(judge(&claims().with("iat", issued)), why, "{issued}");
    }
    for same in ["HTTPS://API.test:443/orders/1?x=y#z", "https://api.test/%6frders/1"] {
        assert_eq!(judge(&claims().with("htu", same)), None, "{same}");
    }
}

#[test]
fn the_header_is_judged() {
    let client = Client::new(Algorithm::ES256);
    let other = Client::new(Algorithm::ES256);
    let judge = |header: Header| client.judge(&header, &claims(), None);
    let jwk = || {
        let mut jwk = client.key.public_jwk();
        jwk.remove("alg");
        jwk
    };
    let with = |jwk: Object| Header::new("dpop+jwt").with("jwk", jwk);
    let form = |why| Some(Refused::Form(why));
    assert_eq!(judge(Header::new("JWT").with("jwk", jwk())), Some(Refused::Kind));
    assert_eq!(judge(Header::default().with("jwk", jwk())), Some(Refused::Kind));
    assert_eq!(judge(Header::new("dpop+jwt")), form(jwt::Refused::EmbeddedKey));
    assert_eq!(judge(Header::new("dpop+jwt").with("jwk", "x")), form(jwt::Refused::EmbeddedKey));
    assert_eq!(judge(with(jwk()).with("jku", "https://evil.test")), form(jwt::Refused::EmbeddedKey));
    assert_eq!(judge(with(jwk()).with("crit", vec!["x"])), form(jwt::Refused::Critical));
    assert_eq!(judge(with(jwk().with("d", "AA"))), Some(Refused::Key(jwk::Refused::Private)));
    let secret = Object::new().with("kty", "oct").with("k", base64::encode_url(&[1; 32]));
    assert_eq!(judge(with(secret)), Some(Refused::Key(jwk::Refused::Private)));
    assert_eq!(judge(with(other.key.public_jwk())), Some(Refused::Binding));
    assert_eq!(judge(with(Object::new())), Some(Refused::Key(jwk::Refused::Malformed)));
    // Of the right key by its own words, signed by another.
    let proof = other.key.sign(&client.header(), &claims()).unwrap();
    assert_eq!(client.judge_text(&proof, None), Some(Refused::Signature));
    let symmetric = SigningKey::secret(&[1; 32], Algorithm::HS256).unwrap();
    let proof = symmetric.sign(&client.header(), &claims()).unwrap();
    assert_eq!(client.judge_text(&proof, None), Some(Refused::Algorithm));
}

#[test]
fn a_proof_is_remembered_by_key_and_name() {
    let (one, two) = (Client::new(Algorithm::ES256), Client::new(Algorithm::ES256));
    let digest = |client: &Client, name: &str| {
        let proof = client.key.sign(&client.header(), &claims().with("jti", name)).unwrap();
        let request = Request { method: "POST", uri: URI, token: TOKEN, thumbprint: &client.thumbprint };
        let rules = Rules {
            algorithms: Algorithm::ES256.into(),
            age_max: Duration::from_secs(60),
            leeway: Duration::ZERO,
        };
        verify(proof.as_bytes(), request, &rules, None, NOW).unwrap().replay_digest()
    };
    assert_eq!(digest(&one, "a"), digest(&one, "a"));
    assert_ne!(digest(&one, "a"), digest(&one, "b"));
    assert_ne!(digest(&one, "a"), digest(&two, "a"));
}

#[test]
fn nonces_last_between_one_and_two_periods() {
    let nonces = Nonces::new(&[1; 32], Duration::from_secs(60));
    let client = Client::new(Algorithm::ES256);
    let judge = |claims: &Object| client.judge(&client.header(), claims, Some(&nonces));
    assert_eq!(judge(&claims()), Some(Refused::Nonce));
    assert_eq!(judge(&claims().with("nonce", "x")), Some(Refused::Nonce));
    assert_eq!(judge(&claims().with("nonce", 1)), Some(Refused::Nonce));
    assert_eq!(judge(&claims().with("nonce", nonces.current(NOW))), None);
    let first = nonces.current(NOW);
    for (after, is_good) in [(0, true), (60, true), (119, true), (120, false)] {
        assert_eq!(nonces.has(&first, NOW + Duration::from_secs(after)), is_good, "{after}");
    }
    assert!(!Nonces::new(&[2; 32], Duration::from_secs(60)).has(&first, NOW));
    assert!(Nonces::random(Duration::from_secs(60)).is_some());
}

#[test]
fn a_uri_has_one_spelling() {
    for (uri, expected) in [
        ("HTTP://A.Test:80", Some("http://a.test/")),
        ("http://a.test:443/", Some("http://a.test:443/")),
        ("https://[::1]:443/a%2fb%7E", Some("https://[::1]/a%2Fb~")),
        ("https://a.test?x", Some("https://a.test/")),
        ("https://a.test/%zz", None),
        ("https://a.test/%+1", None),
        ("https://a.test/%", None),
        ("https:///x", None),
        ("ftp://a.test/", None),
        ("a.test/x", None),
    ] {
        assert_eq!(normal_uri(uri).as_deref(), expected, "{uri}");
    }
}
