//! `auth: definition`: the document's `security` decides who may call, through verifiers for its schemes.

use portcullis_testkit::gateway::Builder;
use portcullis_testkit::tokens::{Signer, base64, claims, content_digest, key_set, now, with};
use portcullis_testkit::{Request, Wire};
use serde_json::json;

use crate::stage::{Findings, KEY, Stage, executable, text};

const CONFIG: &str = r#"version: 1
state: none
bounds: { credential_failures: 1000000 }
listeners: { public: { bind: 127.0.0.1:0, protocols: [http1, http2] } }
consumers:
  tester:
    apis: ["*"]
    credentials:
      - { id: k1, api_key: { sha256: "87cbebfeebc05f7c54ac9336c4b4bbec831227a641951a4bde7edd56020f8590", scopes: [read, list] } }
  ann:
    apis: ["*"]
    credentials:
      - { id: p1, basic: { user: ann, password: "$argon2id$v=19$m=7168,t=5,p=1$YzJGc2RITmhiSFF4$meE12SBYL4136AkzPwSEswSRDfpgjaJBdm/wCYKzmyA" } }
backends: { recorder: { targets: ["http://BACKEND"] } }
apis:
  shop:
    openapi: shop.yaml
    backend: recorder
    auth: definition
    schemes: { token: { api_key: { header: x-token } } }
"#;

const DOCUMENT: &str = r#"openapi: 3.0.3
info: { title: Shop, version: "1" }
security: [{ key: [] }]
paths:
  /inherited: { get: { responses: { default: { description: any } } } }
  /open: { get: { security: [], responses: { default: { description: any } } } }
  /either: { get: { security: [{ query: [] }, { basic: [] }], responses: { default: { description: any } } } }
  /both: { get: { security: [{ key: [], cookie: [] }], responses: { default: { description: any } } } }
  /mapped: { get: { security: [{ token: [read, list] }], responses: { default: { description: any } } } }
  /scoped: { get: { security: [{ token: [write] }], responses: { default: { description: any } } } }
  /less: { get: { security: [{ key: [], cookie: [] }, { key: [] }], responses: { default: { description: any } } } }
  /one-scope: { get: { security: [{ token: [write] }, { token: [read] }], responses: { default: { description: any } } } }
components:
  securitySchemes:
    key: { type: apiKey, in: header, name: X-Shop-Key }
    query: { type: apiKey, in: query, name: key }
    cookie: { type: apiKey, in: cookie, name: key }
    basic: { type: http, scheme: Basic }
    token: { type: oauth2, flows: { clientCredentials: { tokenUrl: "https://id.example/token", scopes: { read: r, write: w, list: l } } } }
"#;

/// `ann:correct horse` and `ann:wrong`.
const RIGHT: &str = "Basic YW5uOmNvcnJlY3QgaG9yc2U=";
const WRONG: &str = "Basic YW5uOndyb25n";

/// A target, fields, and the status that is answered.
type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], u16);

#[test]
fn the_document_says_who_may_call() {
    let stage = Stage::built(|backend| {
        Builder::new(executable(), CONFIG.replace("BACKEND", backend)).file("shop.yaml", DOCUMENT)
    });
    let both = format!("key={KEY}");
    let cases: &[Case<'_>] = &[
        ("/inherited", &[], 401),
        ("/inherited", &[("x-shop-key", KEY)], 200),
        ("/inherited", &[("x-shop-key", "other")], 401),
        ("/inherited", &[("x-api-key", KEY)], 401),
        ("/open", &[], 200),
        ("/either", &[], 401),
        ("/either", &[("authorization", RIGHT)], 200),
        ("/either", &[("authorization", WRONG)], 401),
        ("/either?key=KEY", &[], 200),
        ("/either?key=KEY", &[("authorization", WRONG)], 401),
        ("/either?key=KEY", &[("authorization", RIGHT)], 401),
        ("/both", &[("x-shop-key", KEY)], 401),
        ("/both", &[("x-shop-key", KEY), ("cookie", &both)], 200),
        ("/less", &[("x-shop-key", KEY)], 200),
        ("/less", &[("x-shop-key", KEY), ("cookie", &both)], 200),
        ("/less", &[("cookie", &both)], 401),
        ("/less", &[("x-shop-key", KEY), ("cookie", "key=other")], 401),
        ("/mapped", &[("x-token", KEY)], 200),
        ("/scoped", &[("x-token", KEY)], 403),
        ("/scoped", &[], 401),
        ("/one-scope", &[("x-token", KEY)], 200),
    ];
    for wire in Wire::ALL {
        let mut findings = Findings::default();
        for (target, fields, status) in cases {
            let mut request = Request::get(target.replace("KEY", KEY));
            for (name, value) in *fields {
                request = request.field(name, value);
            }
            let response = wire.send(stage.public(), &request);
            let outcome = if response.status == *status { Ok(()) } else { Err(format!("{response:?}")) };
            findings.note(format!("{wire:?} {target} {fields:?}"), outcome);
        }
        findings.conclude(cases.len());
    }
}

/// Signatures by a scheme: a body is held against its signed digest, and a nonce is good once, however many alternatives ask
/// for the signature.
#[test]
fn a_scheme_of_signatures_brings_all_that_comes_with_them() {
    let document = r#"openapi: 3.1.0
info: { title: Shop, version: "1" }
paths:
  /signed: { post: { requestBody: { content: { text/plain: {} } }, security: [{ sig: [] }] } }
  /scoped: { post: { requestBody: { content: { text/plain: {} } }, security: [{ sig: [write] }, { sig: [read] }] } }
  /shared: { post: { requestBody: { content: { text/plain: {} } }, security: [{ sig: [], key: [] }, { sig: [], query: [] }] } }
components:
  securitySchemes:
    sig: { type: http, scheme: signature }
    key: { type: apiKey, in: header, name: X-Shop-Key }
    query: { type: apiKey, in: query, name: key }
"#;
    let config = r#"version: 1
state: none
bounds: { credential_failures: 1000000 }
listeners: { public: { bind: 127.0.0.1:0, protocols: [http1, http2] } }
consumers:
  partner:
    apis: [shop]
    credentials:
      - { id: s1, signature: { keyid: p1, public_key: "${file:partner.pem}", scopes: [read] } }
      - { id: k1, api_key: { sha256: "87cbebfeebc05f7c54ac9336c4b4bbec831227a641951a4bde7edd56020f8590" } }
backends: { recorder: { targets: ["http://BACKEND"] } }
apis: { shop: { openapi: shop.yaml, backend: recorder, auth: definition, schemes: { sig: signature } } }
"#;
    let signer = Signer::new("p1");
    let stage = Stage::built(|backend| {
        Builder::new(executable(), config.replace("BACKEND", backend))
            .file("shop.yaml", document)
            .file("partner.pem", signer.public_pem())
    });
    let signed = |path: &str, nonce: &str| {
        let digest = content_digest(b"hello");
        let covered = "\"@method\" \"@authority\" \"@path\" \"content-digest\"";
        let input = format!("({covered});created={};keyid=\"p1\";nonce=\"{nonce}\"", now());
        let base = format!(
            "\"@method\": POST\n\"@authority\": gw.test\n\"@path\": {path}\n\"content-digest\": {digest}\n\"@signature-params\": {input}"
        );
        let signature = base64(&signer.sign_bytes(base.as_bytes()));
        let mut request = Request::new("POST", path)
            .field("Signature-Input", format!("sig1={input}"))
            .field("Signature", format!("sig1=:{signature}:"))
            .field("Content-Digest", digest)
            .field("Content-Type", "text/plain");
        request.body = b"hello".to_vec();
        request
    };
    for wire in Wire::ALL {
        let send = |request: &Request| wire.send(stage.public(), request).status;
        let good = signed("/signed", &format!("{wire:?}-1"));
        assert_eq!((send(&good), send(&good)), (200, 401), "{wire:?}: a nonce is good once");
        let other = Request { body: b"other".to_vec(), ..signed("/signed", &format!("{wire:?}-2")) };
        assert_eq!(send(&other), 401, "{wire:?}: another body than the signed one");
        assert_eq!(send(&signed("/scoped", &format!("{wire:?}-3"))), 200, "{wire:?}: asked for once");
        let keyed = signed("/shared", &format!("{wire:?}-4")).field("X-Shop-Key", KEY);
        assert_eq!(send(&keyed), 200, "{wire:?}: a part that another alternative shares");
        assert_eq!(send(&signed("/shared", &format!("{wire:?}-5"))), 401, "{wire:?}: half of either");
    }
}

/// Tokens of one issuer, with the scopes that an alternative asks for; a proof of possession is good once, however many
/// alternatives ask for the token.
#[test]
fn tokens_carry_the_scopes_of_an_alternative() {
    let document = r#"openapi: 3.1.0
info: { title: Shop, version: "1" }
paths:
  /items: { get: { security: [{ oidc: [items.write] }, { oidc: [items.read] }] }, post: { security: [{ oidc: [items.write] }] } }
components: { securitySchemes: { oidc: { type: openIdConnect, openIdConnectUrl: "https://lab.example.com/.well-known/openid-configuration" } } }
"#;
    let config = r#"version: 1
state: none
bounds: { credential_failures: 1000000 }
listeners: { public: { bind: 127.0.0.1:0, protocols: [http1, http2] } }
issuers: { lab: { issuer: "https://lab.example.com", jwks: lab.jwks.json, audiences: [shop] } }
backends: { recorder: { targets: ["http://BACKEND"] } }
apis: { shop: { openapi: shop.yaml, backend: recorder, auth: definition } }
"#;
    let (signer, holder) = (Signer::new("a"), Signer::new("holder"));
    let stage = Stage::built(|backend| {
        Builder::new(executable(), config.replace("BACKEND", backend))
            .file("shop.yaml", document)
            .file("lab.jwks.json", key_set(&[&signer]).to_string())
    });
    let base = claims("https://lab.example.com", "shop", "alice");
    let plain = signer.token(&with(&base, json!({ "scope": "items.read other" })));
    let bound = json!({ "scope": "items.read", "cnf": { "jkt": holder.thumbprint() } });
    let bound = signer.token(&with(&base, bound));
    for wire in Wire::ALL {
        let send = |request: Request| wire.send(stage.public(), &request);
        let bearing =
            |method: &str| Request::new(method, "/items").field("Authorization", format!("Bearer {plain}"));
        assert_eq!(send(Request::get("/items")).verdict(), (401, Some("credential-missing".to_owned())));
        assert_eq!(send(bearing("GET")).status, 200);
        let refused = send(bearing("POST"));
        assert_eq!(refused.verdict(), (403, Some("scope-missing".to_owned())));
        let challenge = refused.text("www-authenticate").expect("a challenge");
        assert!(challenge.contains("error=\"insufficient_scope\", scope=\"items.write\""), "{challenge}");
        let proof = holder.proof("GET", "http://gw.test/items", &bound, json!({}));
        let possessed =
            Request::get("/items").field("Authorization", format!("DPoP {bound}")).field("DPoP", proof);
        assert_eq!(send(possessed.clone()).status, 200);
        assert_eq!(send(possessed).verdict(), (401, Some("credential-invalid".to_owned())), "a replay");
        let metadata = send(Request::get("/.well-known/oauth-protected-resource")).json();
        assert_eq!(metadata["scopes_supported"], json!(["items.read", "items.write"]));
    }
}

#[test]
fn what_the_document_leaves_open_does_not_load() {
    let bearer = "token: { type: http, scheme: bearer }";
    let with = |security: &str, schemes: &str| {
        format!(
            "swagger: \"2.0\"\ninfo: {{ title: a, version: \"1\" }}\npaths:\n  /a: {{ get: {{ operationId: getA, {security} responses: {{ default: {{ description: any }} }} }} }}\nsecurityDefinitions: {{ key: {{ type: apiKey, in: query, name: key }}, basic: {{ type: basic }}, {schemes} }}\n"
        )
    };
    let oauth = "token: { type: oauth2, flow: implicit, authorizationUrl: \"https://a\", scopes: {} }";
    let mut findings = Findings::default();
    for (api, document, said) in [
        ("auth: definition", with("security: [{ key: [] }, { basic: [] }],", ""), None),
        ("auth: definition", with("security: [],", ""), None),
        ("auth: definition", with("", ""), Some("does not say who may call getA; hint: write `security` in the definition")),
        ("auth: definition", with("security: [{ key: [] }, {}],", ""), Some("welcomes anonymous callers beside others")),
        ("auth: definition", with("security: [{ other: [] }],", ""), Some("the scheme `other`, which the document does not declare")),
        (
            "auth: definition",
            with("security: [{ token: [] }],", oauth),
            Some("nothing says who verifies it; hint: below `shop:` paste `schemes: { \"token\": { jwt: ISSUER } }`"),
        ),
        (
            "auth: definition, schemes: { token: { api_key: {} } }",
            with("security: [{ token: [] }],", oauth),
            None,
        ),
        ("auth: definition, schemes: { nobody: { api_key: {} } }", with("security: [],", ""), Some("declares no scheme of this name")),
        ("auth: none, schemes: { key: { api_key: {} } }", with("", ""), Some("no operation has `auth: definition`")),
        (
            "auth: definition, schemes: { token: basic }",
            with("security: [{ key: [], token: [] }],", oauth).replace("in: query, name: key", "in: header, name: X-Key"),
            None,
        ),
        ("auth: definition, schemes: { key: none }", with("security: [{ key: [] }],", ""), Some("`none` stands alone")),
        (
            "auth: definition",
            format!(
                "openapi: 3.1.0\ninfo: {{ title: a, version: \"1\" }}\nsecurity: [{{ token: [] }}]\npaths: {{ /a: {{ get: {{}} }} }}\ncomponents: {{ securitySchemes: {{ {bearer}, tls: {{ type: mutualTLS }} }} }}\n"
            ),
            Some("nothing says who verifies it"),
        ),
        (
            "auth: definition",
            "openapi: 3.1.0\ninfo: { title: a, version: \"1\" }\nsecurity: [{ tls: [] }]\npaths: { /a: { get: {} } }\ncomponents: { securitySchemes: { tls: { type: mutualTLS } } }\n".to_owned(),
            Some("does not ask for them, since it speaks no TLS"),
        ),
    ] {
        let config = format!(
            "version: 1\nlisteners: {{ public: {{ bind: 127.0.0.1:0 }} }}\nbackends: {{ shop: {{ targets: [\"http://127.0.0.1:9\"] }} }}\napis: {{ shop: {{ openapi: shop.yaml, backend: shop, {api} }} }}\n"
        );
        let output = Builder::new(executable(), config).file("shop.yaml", document.as_str()).run(&["check"]);
        let printed = String::from_utf8_lossy(&output.stderr).into_owned();
        let is_right = match said {
            None => output.status.success(),
            Some(said) => output.status.code() == Some(2) && printed.contains(said),
        };
        let outcome = if is_right { Ok(()) } else { Err(format!("{said:?} expected, said {printed}")) };
        findings.note(format!("{api}\n{document}"), outcome);
    }
    findings.conclude(13);
}

#[test]
fn a_definition_can_be_served_with_its_own_security() {
    let output = Builder::without_config(executable())
        .file(
            "shop.yaml",
            DOCUMENT
                .replace(
                    "token: { type: oauth2",
                    "token: { type: apiKey, in: header, name: x-token, x-not: { type: oauth2",
                )
                .replace("list: l } } } }", "list: l } } } } }"),
        )
        .run(&["routes", "--openapi", "shop.yaml", "--auth", "definition"]);
    let printed = text(&output);
    for (path, auth) in [("/open", "none"), ("/either", "api_key or basic"), ("/both", "api_key+api_key")] {
        let is_there = printed.lines().any(|line| line.contains(path) && line.contains(auth));
        assert!(is_there, "{path} with {auth} is not in: {printed}");
    }
}
