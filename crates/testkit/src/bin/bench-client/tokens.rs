//! Tokens for loads: a folder of them, each with its own `jti`, and what is needed to verify them.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use portcullis_testkit::tokens::{Signer, base64, base64url, now};
use serde_json::{Value, json};

/// Who issues them.
const ISSUER: &str = "https://bench.example.com";

/// Writes `keys.jwks.json`, `es256.pem`, `rs256.pem` and, a token a line, `es256`, `rs256`, `forged` (signed by another key
/// of the same name), `expired` and `stranger` (of a key that no set has): `count` of each.
pub(super) fn write(folder: &Path, count: usize) {
    let (es256, forger, rsa) = (Signer::new("e"), Signer::new("e"), Rsa::new());
    let keys = json!({ "keys": [es256.jwk(), rsa.jwk()] });
    let put = |name: &str, text: &str| fs::write(folder.join(name), text).expect("a file in the folder");
    put("keys.jwks.json", &keys.to_string());
    put("es256.pem", &es256.public_pem());
    put("rs256.pem", &rsa.public_pem());
    let lines = |token: &dyn Fn(usize) -> String| {
        (0..count).fold(String::new(), |mut text, number| {
            writeln!(text, "{}", token(number)).expect("a string takes everything");
            text
        })
    };
    put("es256", &lines(&|number| es256.token(&claims(number, 86_400))));
    put("rs256", &lines(&|number| rsa.token(&claims(number, 86_400))));
    put("forged", &lines(&|number| forger.token(&claims(number, 86_400))));
    put("expired", &lines(&|number| es256.token(&claims(number, -86_400))));
    let stranger = Signer::new("s");
    put("stranger", &lines(&|number| stranger.token(&claims(number, 86_400))));
}

fn claims(number: usize, lasts: i64) -> Value {
    let now = i64::try_from(now()).expect("a time");
    json!({
        "iss": ISSUER, "sub": format!("user-{number}"), "aud": "bench", "iat": now - 90_000, "exp": now + lasts,
        "jti": format!("token-{number}"), "client_id": "bench", "scope": "read write",
    })
}

/// A key that signs by RS256.
struct Rsa(RsaKeyPair);

impl Rsa {
    fn new() -> Self {
        Self(RsaKeyPair::generate(KeySize::Rsa2048).expect("a key"))
    }

    fn jwk(&self) -> Value {
        // RSAPublicKey (RFC 8017 A.1.1): nine bytes lead to the modulus, five behind it are the exponent 65537.
        let modulus = &self.0.public_key().as_ref()[9..9 + 256];
        json!({ "kty": "RSA", "use": "sig", "alg": "RS256", "kid": "r", "n": base64url(modulus), "e": "AQAB" })
    }

    fn public_pem(&self) -> String {
        let der: PublicKeyX509Der<'_> = self.0.public_key().as_der().expect("a public key");
        let text = base64(der.as_ref());
        let lines: Vec<&str> =
            text.as_bytes().chunks(64).map(|line| str::from_utf8(line).expect("base64")).collect();
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
    }

    fn token(&self, claims: &Value) -> String {
        let header = json!({ "alg": "RS256", "typ": "at+jwt", "kid": "r" });
        let input = format!(
            "{}.{}",
            base64url(header.to_string().as_bytes()),
            base64url(claims.to_string().as_bytes())
        );
        let mut signature = vec![0; self.0.public_modulus_len()];
        let sign = self.0.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), input.as_bytes(), &mut signature);
        sign.expect("a signature");
        format!("{input}.{}", base64url(&signature))
    }
}
