//! Requests that their senders sign, through the real executable: what is covered is what counts, and each is good once.

use portcullis_testkit::gateway::Builder;
use portcullis_testkit::tokens::{Signer, base64, content_digest, now};
use portcullis_testkit::{Request, Wire};

use crate::stage::{Findings, Stage, executable};

const CONFIG: &str = r#"version: 1
state: none
admin: { probes: 127.0.0.1:0 }
listeners: { public: { bind: 127.0.0.1:0, protocols: [http1, http2] } }
telemetry: { access_log: stdout }
bounds: { credential_failures: 1000000 }
consumers:
  partner:
    apis: [orders, loose]
    credentials:
      - { id: s1, signature: { keyid: partner-1, public_key: "${file:partner.pem}", scopes: [write] } }
backends: { recorder: { targets: ["http://BACKEND"] } }
apis:
  orders: { base_path: /orders, backend: recorder, auth: { signature: { tag: orders, covers: [x-thing] } }, operations: { all: { match: "* /{rest*}" } } }
  loose: { base_path: /loose, backend: recorder, auth: { signature: { nonce: false, max_age: 30s } }, operations: { all: { match: "* /{rest*}", require: { scopes: [write] } } } }
"#;

fn stage(signer: &Signer) -> Stage {
    let pem = signer.public_pem();
    Stage::built(|backend| {
        Builder::new(executable(), CONFIG.replace("BACKEND", backend)).file("partner.pem", pem)
    })
}

/// What a client signs, and how.
struct Signing<'a> {
    method: &'a str,
    path: &'a str,
    query: Option<&'a str>,
    body: Option<&'a str>,
    thing: &'a str,
    /// Behind the list of components.
    parameters: String,
}

impl<'a> Signing<'a> {
    fn new(method: &'a str, path: &'a str, name: &str) -> Self {
        let parameters = format!(";created={};keyid=\"partner-1\";nonce=\"{name}\";tag=\"orders\"", now());
        Self { method, path, query: None, body: None, thing: "t", parameters }
    }

    /// The request, signed by `signer`, its components covered but for those named.
    fn request(&self, signer: &Signer, but: &[&str]) -> Request {
        let target =
            self.query.map_or_else(|| self.path.to_owned(), |query| format!("{}?{query}", self.path));
        let digest = self.body.map(|body| content_digest(body.as_bytes()));
        let mut components = vec![
            ("@method", self.method.to_owned()),
            ("@authority", "gw.test".to_owned()),
            ("@path", self.path.to_owned()),
            ("x-thing", self.thing.to_owned()),
        ];
        components.extend(self.query.map(|query| ("@query", format!("?{query}"))));
        components.extend(digest.clone().map(|digest| ("content-digest", digest)));
        components.retain(|(name, _)| !but.contains(name));
        let names: Vec<_> = components.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        let input = format!("({}){}", names.join(" "), self.parameters);
        let mut base = String::new();
        for (name, value) in &components {
            base.push_str(&format!("\"{name}\": {value}\n"));
        }
        base.push_str(&format!("\"@signature-params\": {input}"));
        let signature = base64(&signer.sign_bytes(base.as_bytes()));
        let mut request = Request { method: self.method.to_owned(), ..Request::get(&target) }
            .field("X-Thing", self.thing)
            .field("Signature-Input", format!("sig1={input}"))
            .field("Signature", format!("sig1=:{signature}:"));
        if let (Some(body), Some(digest)) = (self.body, digest) {
            request = request.field("Content-Digest", digest);
            request.body = body.as_bytes().to_vec();
        }
        request
    }
}

#[test]
fn a_signed_request_passes_once_and_names_its_consumer() {
    let signer = Signer::new("a");
    let stage = stage(&signer);
    for (number, wire) in Wire::ALL.iter().enumerate() {
        let name = format!("once-{number}");
        let signing = Signing {
            query: Some("a=1&b=%20"),
            body: Some("{\"amount\":1}"),
            ..Signing::new("POST", "/orders/1", &name)
        };
        let request = signing.request(&signer, &[]);
        let mark = stage.backend.mark();
        let answer = wire.send(stage.public(), &request);
        assert_eq!(answer.status, 200, "{answer:?}");
        let arrived = stage.backend.since(mark);
        let message = arrived.first().expect("a message");
        let has =
            |name: &str| message.fields.iter().any(|(own, _)| own.eq_ignore_ascii_case(name.as_bytes()));
        assert!(!has("signature") && !has("signature-input"), "the backend saw the signature");
        assert!(has("content-digest"));
        let again = wire.send(stage.public(), &request);
        assert_eq!(again.verdict(), (401, Some("credential-invalid".to_owned())), "a replay");
    }
    stage.gateway.record("the exchange", |record| record["portcullis.consumer"] == "partner");
}

#[test]
fn a_rule_without_nonces_lets_the_same_come_again() {
    let signer = Signer::new("a");
    let stage = stage(&signer);
    let parameters = format!(";created={};keyid=\"partner-1\";alg=\"ecdsa-p256-sha256\"", now());
    let signing = Signing { parameters, ..Signing::new("GET", "/loose/1", "n") };
    let request = signing.request(&signer, &["x-thing"]);
    for wire in Wire::ALL {
        for _ in 0..2 {
            assert_eq!(wire.send(stage.public(), &request).status, 200);
        }
        let nothing = wire.send(stage.public(), &Request::get("/loose/1"));
        assert_eq!(nothing.verdict(), (401, Some("credential-missing".to_owned())));
        assert_eq!(nothing.text("www-authenticate").as_deref(), Some("Signature realm=\"portcullis\""));
    }
}

/// Signed requests that must not pass.
fn bad(signer: &Signer, stranger: &Signer, number: usize) -> Vec<(&'static str, Request)> {
    let new = |name: &str| Signing::new("POST", "/orders/1", &format!("{name}-{number}"));
    let whole = |name: &str| Signing { query: Some("a=1"), body: Some("{}"), ..new(name) };
    let good = |name: &str| whole(name).request(signer, &[]);
    let changed = |name: &str, change: &dyn Fn(&mut Request)| {
        let mut request = good(name);
        change(&mut request);
        request
    };
    let parameters = |parameters: String| Signing { parameters, ..whole("p") }.request(signer, &[]);
    let (made, key, tag) = (now(), "keyid=\"partner-1\"", "tag=\"orders\"");
    vec![
        ("another method", changed("method", &|it| it.method = "PUT".to_owned())),
        ("another path", changed("path", &|it| it.target = b"/orders/2?a=1".to_vec())),
        ("another query", changed("query", &|it| it.target = b"/orders/1?a=2".to_vec())),
        ("another host", changed("host", &|it| it.authority = "other.test".to_owned())),
        ("another body", changed("body", &|it| it.body = b"[]".to_vec())),
        ("a longer body", changed("long", &|it| it.body = b"{}{}".to_vec())),
        ("without its body", changed("none", &|it| it.body.clear())),
        ("another key", whole("key").request(stranger, &[])),
        ("method uncovered", whole("c1").request(signer, &["@method"])),
        ("host uncovered", whole("c2").request(signer, &["@authority"])),
        ("path uncovered", whole("c3").request(signer, &["@path"])),
        ("query uncovered", whole("c4").request(signer, &["@query"])),
        ("field uncovered", whole("c5").request(signer, &["x-thing"])),
        ("body uncovered", whole("c6").request(signer, &["content-digest"])),
        ("no time", parameters(format!(";{key};nonce=\"t1\";{tag}"))),
        ("an old one", parameters(format!(";created={};{key};nonce=\"t2\";{tag}", made - 90))),
        ("one of tomorrow", parameters(format!(";created={};{key};nonce=\"t3\";{tag}", made + 90))),
        ("ended", parameters(format!(";created={made};expires={};{key};nonce=\"t4\";{tag}", made - 30))),
        ("no nonce", parameters(format!(";created={made};{key};{tag}"))),
        ("no key", parameters(format!(";created={made};nonce=\"t5\";{tag}"))),
        ("a key of nobody", parameters(format!(";created={made};keyid=\"x\";nonce=\"t6\";{tag}"))),
        (
            "another algorithm",
            parameters(format!(";created={made};alg=\"hmac-sha256\";{key};nonce=\"t7\";{tag}")),
        ),
        (
            "no fields that can be read",
            Request::get("/orders/1").field("Signature-Input", "sig1=(").field("Signature", "x"),
        ),
    ]
}

#[test]
fn what_is_not_what_was_signed_is_refused_in_one_wording() {
    let (signer, stranger) = (Signer::new("a"), Signer::new("a"));
    let stage = stage(&signer);
    let mut findings = Findings::default();
    for (number, wire) in Wire::ALL.iter().enumerate() {
        for (name, request) in bad(&signer, &stranger, number) {
            let answer = wire.send(stage.public(), &request);
            let is_right = answer.verdict() == (401, Some("credential-invalid".to_owned()))
                && answer.json()["detail"] == "the credential is not valid";
            findings.note(name, if is_right { Ok(()) } else { Err(format!("{answer:?}")) });
        }
        // For another purpose: nothing is there for this one.
        let parameters = format!(";created={};keyid=\"partner-1\";nonce=\"o\";tag=\"other\"", now());
        let other = Signing { parameters, ..Signing::new("GET", "/orders/1", "o") }.request(&signer, &[]);
        assert_eq!(wire.send(stage.public(), &other).verdict(), (401, Some("credential-missing".to_owned())));
        let good = Signing::new("GET", "/orders/1", &format!("good-{number}")).request(&signer, &[]);
        assert_eq!(wire.send(stage.public(), &good).status, 200);
    }
    findings.conclude(46);
}
