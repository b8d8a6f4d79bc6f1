//! How the hostile tokens are made: from keys of this run, each by what is wrong with it.

use std::time::Duration;

use aws_lc_rs::hmac;
use portcullis_identity::algorithm::{Algorithm, Algorithms};
use portcullis_identity::base64::{decode_url, encode_standard, encode_url};
use portcullis_identity::json::{self, Value};
use portcullis_identity::jwk::{Key, KeySet, Origin};
use portcullis_identity::jwt::{Refused, Rules, SigningKey};

pub(crate) const NOW: Duration = Duration::from_secs(1_800_000_000);
const CLAIMS: &str = r#""iss":"https://i.test","aud":"orders","sub":"s","exp":1800000300,"iat":1799999990"#;

pub(crate) struct Stage {
    pub(crate) keys: KeySet,
    pub(crate) rules: Rules,
    rsa: SigningKey,
    ec: SigningKey,
    ed: SigningKey,
    theirs: Vec<SigningKey>,
}

pub(crate) struct Case {
    pub(crate) class: &'static str,
    pub(crate) name: String,
    pub(crate) token: Vec<u8>,
    pub(crate) reasons: Vec<Refused>,
}

#[derive(Default)]
struct Cases(Vec<Case>);

impl Cases {
    fn add(&mut self, class: &'static str, name: impl Into<String>, token: impl Into<Vec<u8>>, why: Refused) {
        self.any(class, name, token, &[why]);
    }

    fn any(
        &mut self,
        class: &'static str,
        name: impl Into<String>,
        token: impl Into<Vec<u8>>,
        reasons: &[Refused],
    ) {
        self.0.push(Case { class, name: name.into(), token: token.into(), reasons: reasons.to_vec() });
    }
}

impl Stage {
    pub(crate) fn new() -> Self {
        let make = |algorithm, kid| SigningKey::generate(algorithm).unwrap().named(Some(kid)).unwrap();
        let (rsa, ec, ed) =
            (make(Algorithm::RS256, "r"), make(Algorithm::ES256, "e"), make(Algorithm::EdDSA, "d"));
        let keys = [&rsa, &ec, &ed].map(|key| Key::from_jwk(&key.public_jwk(), Origin::Remote).unwrap());
        Self {
            keys: KeySet::new(keys.into()).unwrap(),
            rules: Rules::access("https://i.test", &["orders"], Algorithms::ASYMMETRIC),
            rsa,
            ec,
            ed,
            theirs: [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA]
                .map(|algorithm| make(algorithm, "t"))
                .into(),
        }
    }

    pub(crate) fn good(&self) -> Vec<(&'static str, String)> {
        let token = |key: &SigningKey| signed(key, &header(key, ""), &payload(""));
        vec![
            ("RS256", token(&self.rsa)),
            ("ES256", token(&self.ec)),
            ("EdDSA", token(&self.ed)),
            (
                "at+jwt",
                signed(&self.ed, &header(&self.ed, r#","typ":"at+jwt""#), &payload(r#","nonce":"n""#)),
            ),
            ("fractional", signed(&self.ed, &header(&self.ed, ""), &changed("exp", "1800000000.5"))),
            ("x5t", signed(&self.ed, &header(&self.ed, r#","x5t":"AAAA""#), &payload(""))),
        ]
    }

    pub(crate) fn cases(&self) -> Vec<Case> {
        let mut cases = Cases::default();
        self.algorithms(&mut cases);
        self.confusion(&mut cases);
        self.key_names(&mut cases);
        self.brought_keys(&mut cases);
        self.critical(&mut cases);
        self.claim_types(&mut cases);
        self.duplicates(&mut cases);
        self.kinds(&mut cases);
        self.signatures(&mut cases);
        self.encodings(&mut cases);
        self.encrypted(&mut cases);
        self.times(&mut cases);
        cases.0
    }

    /// 33: `none`, and words like it.
    fn algorithms(&self, cases: &mut Cases) {
        let good = signed(&self.ec, &header(&self.ec, ""), &payload(""));
        let signature = good.rsplit('.').next().unwrap().to_owned();
        for name in [
            "none", "None", "NONE", "nOnE", "", " none", "none ", "null", "plain", "HS0", "ES256K", "RS1",
            "es256",
        ] {
            for signature in ["", "AA", &signature] {
                let head = format!(r#"{{"alg":"{name}","kid":"e"}}"#);
                let token = format!(
                    "{}.{}.{signature}",
                    encode_url(head.as_bytes()),
                    encode_url(payload("").as_bytes())
                );
                cases.add("33 none", format!("{name:?} {signature:.4}"), token, Refused::Algorithm);
            }
        }
        cases.add("33 none", "missing", signed(&self.ec, r#"{"kid":"e"}"#, &payload("")), Refused::Algorithm);
        for value in ["null", "1", "[\"ES256\"]", "{}", "true"] {
            let token = signed(&self.ec, &format!(r#"{{"alg":{value},"kid":"e"}}"#), &payload(""));
            cases.add("33 none", value, token, Refused::Header(json::Refused::Syntax));
        }
    }

    /// 33: what is public used as a secret; one key's algorithm claimed for another's.
    fn confusion(&self, cases: &mut Cases) {
        let public = self.public_texts();
        for (algorithm, name) in
            [(hmac::HMAC_SHA256, "HS256"), (hmac::HMAC_SHA384, "HS384"), (hmac::HMAC_SHA512, "HS512")]
        {
            for (kid, what, secret) in &public {
                let input = unsigned(&format!(r#"{{"alg":"{name}","kid":"{kid}"}}"#), &payload(""));
                let tag = hmac::sign(&hmac::Key::new(algorithm, secret), input.as_bytes());
                let token = format!("{input}.{}", encode_url(tag.as_ref()));
                cases.add("33 confusion", format!("{name} {kid} {what}"), token, Refused::Algorithm);
            }
        }
        for (key, kid, alg) in [
            (&self.rsa, "e", "ES256"),
            (&self.ec, "r", "RS256"),
            (&self.ed, "e", "ES256"),
            (&self.ec, "d", "EdDSA"),
        ] {
            let token = signed(key, &format!(r#"{{"alg":"{alg}","kid":"{kid}"}}"#), &payload(""));
            cases.add("33 confusion", format!("{alg} of {}", key.algorithm()), token, Refused::Signature);
        }
        for (key, kid, alg) in [
            (&self.rsa, "r", "PS256"),
            (&self.rsa, "r", "RS512"),
            (&self.rsa, "r", "ES256"),
            (&self.ec, "e", "ES384"),
            (&self.ec, "e", "RS256"),
            (&self.ed, "d", "ES256"),
        ] {
            let token = signed(key, &format!(r#"{{"alg":"{alg}","kid":"{kid}"}}"#), &payload(""));
            cases.add("33 confusion", format!("{alg} claimed for {kid}"), token, Refused::Algorithm);
        }
    }

    /// Texts of our public keys that some verifier took for a secret.
    fn public_texts(&self) -> Vec<(&'static str, &'static str, Vec<u8>)> {
        let mut texts = Vec::new();
        for (kid, key, prefix, members) in [
            (
                "r",
                &self.rsa,
                "30820122300d06092a864886f70d01010105000382010f003082010a0282010100",
                &["n"][..],
            ),
            ("e", &self.ec, "3059301306072a8648ce3d020106082a8648ce3d03010703420004", &["x", "y"]),
            ("d", &self.ed, "302a300506032b6570032100", &["x"]),
        ] {
            let jwk = key.public_jwk();
            let member = |name: &str| jwk.get(name).and_then(Value::as_text).unwrap().to_owned();
            let raw: Vec<u8> =
                members.iter().flat_map(|name| decode_url(member(name).as_bytes()).unwrap()).collect();
            let mut der = hexadecimal(prefix);
            der.extend(&raw);
            if kid == "r" {
                der.extend([2, 3, 1, 0, 1]);
            }
            assert!(Key::from_spki(&der).is_ok(), "{kid}");
            let pem =
                format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", encode_standard(&der));
            texts.push((kid, "PEM", pem.clone().into_bytes()));
            texts.push((kid, "PEM without its line end", pem.trim_end().as_bytes().to_vec()));
            texts.push((kid, "DER", der));
            texts.push((kid, "raw", raw));
            texts.push((kid, "member", member(members[0]).into_bytes()));
            texts.push((kid, "JWK", jwk.to_string().into_bytes()));
            texts.push((kid, "kid", kid.as_bytes().to_vec()));
        }
        texts.push(("e", "nothing", Vec::new()));
        texts
    }

    /// 34: names of keys that some verifier took for a path, a query or a command.
    fn key_names(&self, cases: &mut Cases) {
        for kid in [
            "",
            "x",
            "E",
            "e ",
            " e",
            "e\\u0000",
            "../../../../dev/null",
            "/dev/null",
            "/proc/sys/kernel/randomize_va_space",
            "file:///dev/null",
            "https://evil.test/key",
            "' UNION SELECT 'AA' --",
            "e' OR '1'='1",
            "e;ls",
            "|id",
            "$(id)",
            "{{7*7}}",
            "e\\r\\nX: y",
            "\\u202ee",
            "\u{ff45}",
        ] {
            let token = signed(&self.ec, &format!(r#"{{"alg":"ES256","kid":"{kid}"}}"#), &payload(""));
            cases.add("34 kid", kid, token, Refused::UnknownKey);
        }
        for value in ["null", "1", "true", "[\"e\"]", "{\"e\":1}"] {
            let token = signed(&self.ec, &format!(r#"{{"alg":"ES256","kid":{value}}}"#), &payload(""));
            cases.add("34 kid", value, token, Refused::Header(json::Refused::Syntax));
        }
        let long =
            signed(&self.ec, &format!(r#"{{"alg":"ES256","kid":"{}"}}"#, "e".repeat(513)), &payload(""));
        cases.add("34 kid", "long", long, Refused::Header(json::Refused::TooLong));
        for key in &self.theirs {
            let kid = match key.algorithm() {
                Algorithm::RS256 => "r",
                Algorithm::ES256 => "e",
                _ => "d",
            };
            let token =
                signed(key, &format!(r#"{{"alg":"{}","kid":"{kid}"}}"#, key.algorithm()), &payload(""));
            cases.add("34 kid", format!("{kid} claimed by another key"), token, Refused::Signature);
        }
    }

    /// 34: keys and places of keys that the token brings along.
    fn brought_keys(&self, cases: &mut Cases) {
        for key in self.theirs.iter().chain([&self.ec]) {
            let jwk = key.public_jwk();
            for kid in ["e", "t"] {
                let head = format!(r#"{{"alg":"{}","kid":"{kid}","jwk":{jwk}}}"#, key.algorithm());
                cases.add(
                    "34 jwk",
                    format!("{kid} {}", key.algorithm()),
                    signed(key, &head, &payload("")),
                    Refused::EmbeddedKey,
                );
            }
        }
        let key = &self.theirs[1];
        for value in ["null", "{}", "\"x\"", r#"{"kty":"oct","k":"AA"}"#] {
            let head = format!(r#"{{"alg":"ES256","kid":"e","jwk":{value}}}"#);
            cases.add("34 jwk", value, signed(key, &head, &payload("")), Refused::EmbeddedKey);
        }
        for member in ["jku", "x5u"] {
            for value in [
                "https://evil.test/jwks.json",
                "http://169.254.169.254/latest/meta-data",
                "https://i.test/jwks.json",
                "https://i.test@evil.test/",
                "https://i.test.evil.test/",
                "file:///etc/passwd",
                "//evil.test",
                "data:application/json,{}",
                "",
            ] {
                let head = format!(r#"{{"alg":"ES256","kid":"e","{member}":"{value}"}}"#);
                cases.add(
                    "34 place",
                    format!("{member} {value}"),
                    signed(key, &head, &payload("")),
                    Refused::EmbeddedKey,
                );
            }
        }
        for value in ["[]", "[\"MIIB\"]", "\"MIIB\"", "null", "[\"MIIB\",\"MIIC\"]"] {
            let head = format!(r#"{{"alg":"ES256","kid":"e","x5c":{value}}}"#);
            cases.add("34 x5c", value, signed(&self.ec, &head, &payload("")), Refused::EmbeddedKey);
        }
    }

    /// 35: extensions that must be understood, and are not.
    fn critical(&self, cases: &mut Cases) {
        for more in [
            r#""crit":["exp"],"exp":1"#,
            r#""crit":["b64"],"b64":false"#,
            r#""crit":["http://x.test/y"],"http://x.test/y":true"#,
            r#""crit":[]"#,
            r#""crit":"exp""#,
            r#""crit":null"#,
            r#""crit":["alg"]"#,
            r#""crit":["not-there"]"#,
            r#""b64":false"#,
            r#""b64":true"#,
        ] {
            let token = signed(&self.ec, &header(&self.ec, &format!(",{more}")), &payload(""));
            cases.add("35 crit", more, token, Refused::Critical);
        }
    }

    /// 36: a wrong type is no absence.
    fn claim_types(&self, cases: &mut Cases) {
        for name in ["exp", "nbf", "iat"] {
            for value in [
                "\"1800000300\"",
                "null",
                "[1800000300]",
                "{}",
                "true",
                "1e9999",
                "1.8e9",
                "-1",
                "\"\"",
                "18446744073709551616",
                "-0.5",
            ] {
                let token = signed(&self.ec, &header(&self.ec, ""), &changed(name, value));
                cases.add("36 times", format!("{name} {value}"), token, Refused::ClaimType(name));
            }
        }
        for (name, values) in [
            ("iss", &["null", "1", "[\"https://i.test\"]", "{}", "true"][..]),
            ("sub", &["null", "1", "[\"s\"]", "{}"]),
            ("aud", &["null", "1", "{}", "[1]", "[\"orders\",null]", "[[\"orders\"]]", "{\"orders\":1}"]),
            ("scope", &["null", "1", "{}", "[1]"]),
            ("jti", &["null", "1"]),
            ("cnf", &["null", "\"x\"", "[]", "{\"jkt\":1}", "{\"x5t#S256\":null}"]),
        ] {
            for value in values {
                let token = signed(&self.ec, &header(&self.ec, ""), &changed(name, value));
                cases.add("36 types", format!("{name} {value}"), token, Refused::ClaimType(name));
            }
        }
        for (value, why) in [
            ("NaN", json::Refused::Syntax),
            ("Infinity", json::Refused::Syntax),
            ("01800000300", json::Refused::Syntax),
            ("0x6b49d4ac", json::Refused::Syntax),
            ("1_800_000_300", json::Refused::Syntax),
        ] {
            let token = signed(&self.ec, &header(&self.ec, ""), &changed("exp", value));
            cases.add("36 times", value, token, Refused::Payload(why));
        }
        for (name, value, why) in [
            ("iss", "\"https://evil.test\"", Refused::Issuer),
            ("iss", "\"https://i.test/\"", Refused::Issuer),
            ("iss", "\"\"", Refused::Issuer),
            ("aud", "\"other\"", Refused::Audience),
            ("aud", "[]", Refused::Audience),
            ("aud", "\"Orders\"", Refused::Audience),
            ("aud", "\"orders,other\"", Refused::Audience),
            ("sub", "\"\"", Refused::Subject),
        ] {
            cases.add(
                "36 values",
                value,
                signed(&self.ec, &header(&self.ec, ""), &changed(name, value)),
                why,
            );
        }
        for (name, why) in [
            ("iss", Refused::Issuer),
            ("aud", Refused::Audience),
            ("sub", Refused::Subject),
            ("exp", Refused::NoEnd),
        ] {
            let renamed = payload("").replace(&format!("\"{name}\":"), &format!("\"no-{name}\":"));
            cases.add(
                "36 values",
                format!("no {name}"),
                signed(&self.ec, &header(&self.ec, ""), &renamed),
                why,
            );
        }
    }

    /// 37: members that stand twice, also when one is spelt otherwise.
    fn duplicates(&self, cases: &mut Cases) {
        for (more, escaped) in [
            (r#","alg":"none""#, r#","\u0061lg":"none""#),
            (r#","kid":"x""#, r#","ki\u0064":"x""#),
            (r#","typ":"JWT","typ":"at+jwt""#, r#","typ":"JWT","\u0074yp":"at+jwt""#),
        ] {
            for more in [more, escaped] {
                let token = signed(&self.ec, &header(&self.ec, more), &payload(""));
                cases.add("37 header", more, token, Refused::Header(json::Refused::Duplicate));
            }
        }
        for more in [
            r#","sub":"admin""#,
            r#","\u0073ub":"admin""#,
            r#","exp":9999999999"#,
            r#","e\u0078p":9999999999"#,
            r#","iss":"https://i.test""#,
            r#","aud":"orders""#,
            r#","scope":"a","scope":"admin""#,
            r#","scope":"a","scop\u0065":"admin""#,
            r#","realm":{"role":"a","role":"admin"}"#,
            r#","":1,"":2"#,
        ] {
            let token = signed(&self.ec, &header(&self.ec, ""), &payload(more));
            cases.add("37 claims", more, token, Refused::Payload(json::Refused::Duplicate));
        }
    }

    /// 38: good tokens made for another purpose.
    fn kinds(&self, cases: &mut Cases) {
        for typ in [
            "dpop+jwt",
            "logout+jwt",
            "secevent+jwt",
            "token-introspection+jwt",
            "entity-statement+jwt",
            "jwk-set+jwt",
            "application/dpop+jwt",
            "oauth-authz-req+jwt",
            "client-authentication+jwt",
            "at+jwt ",
            "JWE",
            "",
            "JWT;x",
        ] {
            let token = signed(&self.ec, &header(&self.ec, &format!(r#","typ":"{typ}""#)), &payload(""));
            cases.add("38 typ", typ, token, Refused::Kind);
        }
        for value in ["null", "1", "[\"JWT\"]", "{}"] {
            let token = signed(&self.ec, &header(&self.ec, &format!(r#","typ":{value}"#)), &payload(""));
            cases.add("38 typ", value, token, Refused::Header(json::Refused::Syntax));
        }
        for more in [
            r#","nonce":"n""#,
            r#","at_hash":"h""#,
            r#","c_hash":"h""#,
            r#","s_hash":"h""#,
            r#","events":{"http://schemas.openid.net/event/backchannel-logout":{}}"#,
        ] {
            cases.add(
                "38 marks",
                more,
                signed(&self.ec, &header(&self.ec, ""), &payload(more)),
                Refused::Kind,
            );
        }
    }

    /// 39: signatures at the edges of what they can be.
    fn signatures(&self, cases: &mut Cases) {
        let order = hexadecimal("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
        let input = unsigned(&header(&self.ec, ""), &payload(""));
        let good = self.ec.sign_bytes(input.as_bytes()).unwrap();
        let (r, s) = good.split_at(32);
        let mut one = [0; 32];
        one[31] = 1;
        for (name, parts) in [
            ("r = s = 0", vec![&[0; 32][..], &[0; 32]]),
            ("r = 0", vec![&[0; 32][..], s]),
            ("s = 0", vec![r, &[0; 32]]),
            ("r = s = 1", vec![&one[..], &one]),
            ("r = n", vec![&order, s]),
            ("s = n", vec![r, &order]),
            ("r = s = n", vec![&order, &order]),
            ("ones", vec![&[0xff; 32][..], &[0xff; 32]]),
            ("swapped", vec![s, r]),
            ("short", vec![r, &s[..31]]),
            ("long", vec![r, s, &[0]]),
            ("padded", vec![&[0], r, &[0], s]),
            ("twice", vec![r, s, r, s]),
            ("half", vec![r]),
            ("empty", vec![]),
            ("DER", vec![&[0x30, 0x44, 2, 32], r, &[2, 32], s]),
        ] {
            let token = format!("{input}.{}", encode_url(&parts.concat()));
            cases.add("39 ECDSA", name, token, Refused::Signature);
        }
        let input = unsigned(&header(&self.ed, ""), &payload(""));
        let good = self.ed.sign_bytes(input.as_bytes()).unwrap();
        let (r, s) = good.split_at(32);
        let mut above = s.to_vec();
        let order = hexadecimal("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
        let mut carry = 0;
        for (byte, more) in above.iter_mut().zip(&order) {
            carry += u16::from(*byte) + u16::from(*more);
            *byte = (carry & 0xff) as u8;
            carry >>= 8;
        }
        for (name, parts) in [
            ("S + L", vec![r, &above]),
            ("S = L", vec![r, &order]),
            ("zero", vec![&[0; 32][..], &[0; 32]]),
            ("R = 1", vec![&[1][..], &[0; 31], s]),
            ("swapped", vec![s, r]),
            ("short", vec![r, &s[..31]]),
            ("long", vec![r, s, &[0]]),
            ("empty", vec![]),
        ] {
            let token = format!("{input}.{}", encode_url(&parts.concat()));
            cases.add("39 EdDSA", name, token, Refused::Signature);
        }
        let input = unsigned(&header(&self.rsa, ""), &payload(""));
        let good = self.rsa.sign_bytes(input.as_bytes()).unwrap();
        for (name, signature) in [
            ("zero", vec![0; 256]),
            ("one", [&[0; 255][..], &[1]].concat()),
            ("ones", vec![0xff; 256]),
            ("with a zero before", [&[0][..], &good].concat()),
            ("short", good[..255].to_vec()),
            ("long", [&good[..], &[0]].concat()),
            ("backwards", good.iter().rev().copied().collect()),
            ("empty", vec![]),
        ] {
            cases.add("39 RSA", name, format!("{input}.{}", encode_url(&signature)), Refused::Signature);
        }
    }

    /// 40: other spellings of a good token.
    fn encodings(&self, cases: &mut Cases) {
        let good = signed(&self.ec, &header(&self.ec, ""), &payload(r#","x":"\u00ff\u00fe??>>""#));
        let [head, claims, signature] = good.split('.').collect::<Vec<_>>()[..] else {
            panic!("three segments")
        };
        let three = Refused::NotThreeSegments;
        for (name, token, why) in [
            ("padded header", format!("{head}=.{claims}.{signature}"), Refused::Encoding),
            ("padded claims", format!("{head}.{claims}==.{signature}"), Refused::Encoding),
            ("padded signature", format!("{head}.{claims}.{signature}=="), Refused::Encoding),
            ("line end behind", format!("{good}\n"), Refused::Encoding),
            (
                "line end within",
                format!("{head}.{}\n{}.{signature}", claims.get(..8).unwrap(), claims.get(8..).unwrap()),
                Refused::Encoding,
            ),
            ("space before", format!(" {good}"), Refused::Encoding),
            ("space behind", format!("{good} "), Refused::Encoding),
            ("scheme", format!("Bearer {good}"), Refused::Encoding),
            ("quoted", format!("\"{good}\""), Refused::Encoding),
            ("zero byte", format!("{good}\0"), Refused::Encoding),
            ("byte order mark", format!("\u{feff}{good}"), Refused::Encoding),
            ("percent", good.replace('.', "%2e"), three),
            ("wide dots", good.replace('.', "\u{ff0e}"), three),
            ("nothing", String::new(), three),
            ("one segment", head.to_owned(), three),
            ("two segments", format!("{head}.{claims}"), three),
            ("four segments", format!("{good}.{signature}"), three),
            ("four, the last empty", format!("{good}."), three),
            ("six segments", format!("{good}.{good}"), three),
            ("dots", "..".to_owned(), Refused::Header(json::Refused::Syntax)),
            ("many dots", ".".repeat(10_000), three),
            ("empty header", format!(".{claims}.{signature}"), Refused::Header(json::Refused::Syntax)),
            ("empty claims", format!("{head}..{signature}"), Refused::Payload(json::Refused::Syntax)),
            (
                "flattened JSON",
                format!(r#"{{"protected":"{head}","payload":"{claims}","signature":"{signature}"}}"#),
                three,
            ),
            ("encoded twice", encode_url(good.as_bytes()), three),
            ("left-over bits", left_over(&good), Refused::Encoding),
        ] {
            cases.add("40 spelling", name, token, why);
        }
        let standard = encode_standard(r#"{"a":"???>>>~~~"}"#.as_bytes());
        assert!(standard.contains(['+', '/']));
        let token = format!("{head}.{}.{signature}", standard.trim_end_matches('='));
        cases.add("40 spelling", "standard alphabet", token, Refused::Encoding);
        let syntax = json::Refused::Syntax;
        for (name, claims, why) in [
            ("byte order mark within", format!("\u{feff}{}", payload("")).into_bytes(), syntax),
            ("behind the end", format!("{}x", payload("")).into_bytes(), syntax),
            ("two objects", payload("").repeat(2).into_bytes(), syntax),
            ("an array", b"[]".to_vec(), syntax),
            ("a string", b"\"x\"".to_vec(), syntax),
            ("null", b"null".to_vec(), syntax),
            ("a comment", format!("/**/{}", payload("")).into_bytes(), syntax),
            ("single quotes", payload("").replace('"', "'").into_bytes(), syntax),
            ("not UTF-8", b"{\"sub\":\"\xff\"}".to_vec(), json::Refused::NotUtf8),
            ("UTF-16", payload("").encode_utf16().flat_map(u16::to_le_bytes).collect(), syntax),
            ("a lone surrogate", payload(r#","x":"\ud800""#).into_bytes(), syntax),
            ("a control character", payload(",\"x\":\"\u{1}\"").into_bytes(), syntax),
            (
                "deep",
                payload(&format!(",\"x\":{}{}", "[".repeat(17), "]".repeat(17))).into_bytes(),
                json::Refused::TooDeep,
            ),
        ] {
            let input = format!("{head}.{}", encode_url(&claims));
            let token = format!("{input}.{}", encode_url(&self.ec.sign_bytes(input.as_bytes()).unwrap()));
            cases.add("40 JSON", name, token, Refused::Payload(why));
        }
        for (name, open) in [("arrays", "["), ("objects", "{\"a\":")] {
            let deep = open.repeat(100_000);
            cases.add(
                "40 deep",
                format!("header, {name}"),
                signed(&self.ec, &deep, &payload("")),
                Refused::TooLong,
            );
            cases.add(
                "40 deep",
                format!("claims, {name}"),
                signed(&self.ec, &header(&self.ec, ""), &deep),
                Refused::TooLong,
            );
            let fits = open.repeat(11_000 / open.len());
            let token = signed(&self.ec, &fits, "{}");
            cases.add("40 deep", format!("{name} that fit"), token, Refused::Header(json::Refused::TooDeep));
        }
        cases.add("40 long", "a megabyte", "A".repeat(1 << 20), Refused::TooLong);
        let members: String = (0..1_000).map(|at| format!(",\"m{at}\":1")).collect();
        let token = signed(&self.ec, &header(&self.ec, ""), &changed("aud", &format!("\"x\"{members}")));
        cases.add("40 long", "many members", token, Refused::Audience);
    }

    /// 41: encrypted, compressed, and whatever makes a reader derive keys.
    fn encrypted(&self, cases: &mut Cases) {
        for head in [
            r#"{"alg":"RSA1_5","enc":"A128CBC-HS256"}"#,
            r#"{"alg":"RSA-OAEP","enc":"A256GCM","kid":"r"}"#,
            r#"{"alg":"dir","enc":"A256GCM","zip":"DEF"}"#,
            r#"{"alg":"PBES2-HS256+A128KW","enc":"A128GCM","p2c":2147483647,"p2s":"AAAA"}"#,
            r#"{"alg":"ECDH-ES","enc":"A128GCM","epk":{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}}"#,
            r#"{"alg":"A128KW","enc":"A128GCM"}"#,
        ] {
            let head = encode_url(head.as_bytes());
            cases.add("41 JWE", "five segments", format!("{head}.AAAA.AAAA.AAAA.AAAA"), Refused::Encrypted);
            cases.add("41 JWE", "empty segments", format!("{head}...."), Refused::Encrypted);
            cases.add("41 JWE", "three segments", format!("{head}.AAAA.AAAA"), Refused::Encrypted);
        }
        for more in [
            r#","zip":"DEF""#,
            r#","enc":"A128GCM""#,
            r#","p2c":2147483647"#,
            r#","p2s":"AAAA""#,
            r#","epk":{}"#,
            r#","cty":"JWT""#,
            r#","cty":"application/jwt""#,
        ] {
            let token = signed(&self.ec, &header(&self.ec, more), &payload(""));
            cases.add("41 members", more, token, Refused::Encrypted);
        }
    }

    /// 42: at the edges of the one leeway, which is 30 seconds here.
    fn times(&self, cases: &mut Cases) {
        for (name, value, why) in [
            ("exp", "1799999970", Refused::Expired),
            ("exp", "1799999969.999", Refused::Expired),
            ("exp", "0", Refused::Expired),
            ("exp", "1799996400", Refused::Expired),
            ("nbf", "1800000031", Refused::NotYet),
            ("nbf", "1800000030.001", Refused::NotYet),
            ("nbf", "18446744073709551615", Refused::NotYet),
            ("nbf", "1800003600", Refused::NotYet),
            ("iat", "1800000031", Refused::IssuedInFuture),
            ("iat", "1800003600", Refused::IssuedInFuture),
        ] {
            let token = signed(&self.ec, &header(&self.ec, ""), &changed(name, value));
            cases.add("42 clocks", format!("{name} {value}"), token, why);
        }
    }
}

fn header(key: &SigningKey, more: &str) -> String {
    format!(r#"{{"alg":"{}","kid":"{}"{more}}}"#, key.algorithm(), key.kid())
}

fn payload(more: &str) -> String {
    format!("{{{CLAIMS}{more}}}")
}

/// The usual claims, with `name` of another value.
fn changed(name: &str, value: &str) -> String {
    let mut claims: Vec<String> = Vec::new();
    for claim in CLAIMS.split(',') {
        if !claim.starts_with(&format!("\"{name}\":")) {
            claims.push(claim.to_owned());
        }
    }
    claims.push(format!("\"{name}\":{value}"));
    format!("{{{}}}", claims.join(","))
}

fn unsigned(header: &str, payload: &str) -> String {
    format!("{}.{}", encode_url(header.as_bytes()), encode_url(payload.as_bytes()))
}

fn signed(key: &SigningKey, header: &str, payload: &str) -> String {
    let input = unsigned(header, payload);
    let signature = key.sign_bytes(input.as_bytes()).unwrap();
    format!("{input}.{}", encode_url(&signature))
}

/// The same signature with one of the bits set that no byte takes.
fn left_over(token: &str) -> String {
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (rest, last) = token.split_at(token.len() - 1);
    let at = alphabet.find(last).unwrap();
    format!("{rest}{}", alphabet.as_bytes()[at | 1] as char)
}

fn hexadecimal(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(text.get(at..at + 2).unwrap(), 16).unwrap())
        .collect()
}
