//! OpenID providers of others, started for the test: tokens they give, verified by their keys and by asking them.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use portcullis_testkit::certificates::Authority;
use portcullis_testkit::gateway::Builder;
use portcullis_testkit::raw::Client;
use portcullis_testkit::{Deadline, Request, Wire};

use crate::clients::{Server, client, python_with};
use crate::stage::{Stage, executable};

const CONFIG: &str = r#"version: 1
state: none
listeners: { public: { bind: 127.0.0.1:0, protocols: [http1, http2] } }
bounds: { credential_failures: 1000000 }
telemetry: { access_log: stdout }
issuers:
  corp: { openid: "ISSUER", audiences: [orders-api] }
  asked: { introspection: { url: "ISSUER/token/introspection", client_id: gateway, client_secret: gateway-secret, cache: 1s }, audiences: [orders-api] }
backends: { recorder: { targets: ["http://BACKEND"] } }
apis:
  signed: { backend: recorder, auth: { jwt: corp }, require: { scopes: [read] }, operations: { all: { match: "* /{rest*}" } } }
  both: { base_path: /both, backend: recorder, auth: { any_of: [{ jwt: corp }, { token: asked }] }, operations: { all: { match: "* /{rest*}" } } }
"#;

/// Where `./test.sh clients-setup` has put the packages of Node.
fn packages() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target folder").join("clients-node")
}

/// The provider, if Node and its package are there or must be.
fn provider() -> Option<Server> {
    provider_with(None)
}

/// The same, which also speaks TLS with the certificates in a folder.
fn provider_with(certificates: Option<&Path>) -> Option<Server> {
    let lib = packages().join("node_modules/oidc-provider/lib/index.js");
    let check = format!("require('fs').accessSync({:?})", lib.display().to_string());
    let mut node: Command = client("node", &["-e", &check])?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/issuers/oidc_provider.mjs");
    Some(Server::start(node.arg(script).arg(packages()).args(certificates)))
}

/// Debian's second one, if it is there or must be. Not every release of Debian has it: `./test.sh` says so.
fn glewlwyd() -> Option<Server> {
    if std::env::var_os("PORTCULLIS_WITHOUT_GLEWLWYD").is_some() {
        writeln!(std::io::stderr(), "not run: glewlwyd is not to be had").expect("standard error");
        return None;
    }
    client("glewlwyd", &["--version"])?;
    Some(Server::start(&mut python_with("cryptography", "glewlwyd_provider.py")?))
}

/// Asks the provider for something as a client of it.
fn post(provider: &Server, path: &str, client: &str, body: &str) -> serde_json::Value {
    let pair = portcullis_testkit::tokens::base64(format!("{client}:{client}-secret").as_bytes());
    let request = Request::post(path, body)
        .host(&provider.addresses[0].to_string())
        .field("Authorization", format!("Basic {pair}"))
        .field("Content-Type", "application/x-www-form-urlencoded");
    let mut connection = Client::connect(provider.addresses[0]);
    connection.send(request.http1());
    let answer = connection.response("POST", Deadline::soon()).expect("an answer");
    assert_eq!(answer.status, 200, "{answer:?}");
    if answer.body.is_empty() { serde_json::Value::Null } else { answer.json() }
}

fn token(provider: &Server, resource: &str, scope: &str) -> String {
    let body = format!("grant_type=client_credentials&scope={scope}&resource={resource}");
    post(provider, "/token", "app", &body)["access_token"].as_str().expect("a token").to_owned()
}

#[test]
fn tokens_of_a_certified_provider_pass_and_revoked_ones_do_not() {
    let Some(provider) = provider() else { return };
    let issuer = format!("http://{}", provider.addresses[0]);
    let stage = Stage::built(|backend| {
        Builder::new(executable(), CONFIG.replace("BACKEND", backend).replace("ISSUER", &issuer))
    });
    let (signed, opaque) = (token(&provider, "urn:jwt", "read"), token(&provider, "urn:opaque", "read"));
    let weak = token(&provider, "urn:jwt", "write");
    let ask = |wire: &Wire, path: &str, token: &str| {
        let request = Request::get(path).field("Authorization", format!("Bearer {token}"));
        wire.send(stage.public(), &request).status
    };
    for wire in Wire::ALL {
        assert_eq!(ask(wire, "/thing", &signed), 200);
        assert_eq!(ask(wire, "/thing", &weak), 403);
        assert_eq!(ask(wire, "/thing", &opaque), 401, "an opaque token where signed ones count");
        assert_eq!(ask(wire, "/both/thing", &signed), 200);
        assert_eq!(ask(wire, "/both/thing", &opaque), 200);
        assert_eq!(ask(wire, "/both/thing", "made-up"), 401);
    }
    for consumer in ["corp/app", "asked/app"] {
        stage.gateway.record(consumer, |record| record["portcullis.consumer"] == consumer);
    }
    post(&provider, "/token/revocation", "app", &format!("token={opaque}"));
    Deadline::soon()
        .poll("the revocation", || (ask(&Wire::Http1, "/both/thing", &opaque) == 401).then_some(()));
}

/// Keys found by discovery, or asked by the very client whose tokens they are: this provider answers about no others.
const OF_GLEWLWYD: &str = r#"version: 1
state: none
listeners: { public: { bind: 127.0.0.1:0, protocols: [http1, http2] } }
bounds: { credential_failures: 1000000 }
telemetry: { access_log: stdout }
issuers:
  corp: { openid: "ISSUER", audiences: ["https://orders.example.com"], timeout: 30s }
  asked: { introspection: { url: "ISSUER/introspect", client_id: app, client_secret: app-secret, cache: 1s }, audiences: ["https://orders.example.com"], timeout: 30s }
backends: { recorder: { targets: ["http://BACKEND"] } }
apis:
  signed: { backend: recorder, auth: { jwt: corp }, require: { scopes: [read] }, operations: { all: { match: "* /{rest*}" } } }
  asked: { base_path: /asked, backend: recorder, auth: { token: asked }, operations: { all: { match: "* /{rest*}" } } }
"#;

#[test]
fn tokens_of_a_second_provider_pass_and_those_for_others_do_not() {
    let Some(provider) = glewlwyd() else { return };
    let issuer = format!("http://{}/api/oidc", provider.addresses[0]);
    let stage = Stage::built(|backend| {
        Builder::new(executable(), OF_GLEWLWYD.replace("BACKEND", backend).replace("ISSUER", &issuer))
    });
    let token = |asked: &str| {
        let body = format!("grant_type=client_credentials&{asked}");
        let granted = post(&provider, "/api/oidc/token", "app", &body);
        granted["access_token"].as_str().expect("a token").to_owned()
    };
    let good = token("scope=read&resource=https://orders.example.com");
    let weak = token("scope=write&resource=https://orders.example.com");
    let for_others = token("scope=read");
    let ask = |wire: &Wire, path: &str, token: &str| {
        let request = Request::get(path).field("Authorization", format!("Bearer {token}"));
        wire.send(stage.public(), &request).status
    };
    Deadline::soon().poll("the keys", || (ask(&Wire::Http1, "/thing", &good) == 200).then_some(()));
    for wire in Wire::ALL {
        for path in ["/thing", "/asked/thing"] {
            assert_eq!(ask(wire, path, &good), 200, "{path}");
            assert_eq!(ask(wire, path, &for_others), 401, "{path}: another audience");
        }
        assert_eq!(ask(wire, "/thing", &weak), 403);
        assert_eq!(ask(wire, "/asked/thing", "made-up"), 401);
    }
    for consumer in ["corp/app", "asked/app"] {
        stage.gateway.record(consumer, |record| record["portcullis.consumer"] == consumer);
    }
    post(&provider, "/api/oidc/revoke", "app", &format!("token={good}"));
    Deadline::soon()
        .poll("the revocation", || (ask(&Wire::Http1, "/asked/thing", &good) == 401).then_some(()));
    assert_eq!(ask(&Wire::Http2, "/thing", &good), 200, "its signature holds until it ends");
}

/// `CLIENT` becomes how the gateway asks the provider for tokens, `ASKING` how it asks about them.
const EXCHANGING: &str = r#"version: 1
state: none
listeners: { public: { bind: 127.0.0.1:0, protocols: [http1, http2] } }
bounds: { credential_failures: 1000000 }
issuers:
  asked: { audiences: [orders-api], ASKING }
backends:
  orders:
    targets: ["http://BACKEND"]
    credentials:
      token_exchange: { CLIENT, resource: "urn:orders", token_audience: orders, scopes: [read], actor: {} }
  stock:
    targets: ["http://BACKEND"]
    credentials: { token_exchange: { CLIENT, resource: "urn:stock" } }
apis:
  orders: { backend: orders, auth: { token: asked }, operations: { all: { match: "* /{rest*}" } } }
  stock: { base_path: /stock, backend: stock, auth: { token: asked }, operations: { all: { match: "* /{rest*}" } } }
"#;

/// Has an opaque token exchanged for each wire; `acting` is the gateway's name there.
fn expect_exchange(stage: &Stage, provider: &Server, acting: &str) {
    let opaque = token(provider, "urn:opaque", "read");
    let ask = |wire: &Wire, path: &str| {
        let request = Request::get(path).field("Authorization", format!("Bearer {opaque}"));
        wire.send(stage.public(), &request)
    };
    for wire in Wire::ALL {
        let mark = stage.backend.mark();
        let answer = ask(wire, "/thing");
        assert_eq!(answer.status, 200, "{answer:?}");
        let arrived = stage.backend.since(mark).pop().expect("a message");
        let given = arrived.text("authorization").expect("a token");
        assert!(!arrived.to_string().contains(&opaque), "{arrived}");
        let claims = portcullis_testkit::tokens::claims_of(given.trim_start_matches("Bearer "));
        assert_eq!((&claims["aud"], &claims["sub"]), (&"orders".into(), &"app".into()), "{claims}");
        assert_eq!(claims["act"]["sub"], acting, "{claims}");
        let forbidden = ask(wire, "/stock/thing");
        assert_eq!(forbidden.verdict(), (403, Some("backend-credential-refused".to_owned())));
    }
    post(provider, "/token/revocation", "app", &format!("token={opaque}"));
    Deadline::soon().poll("the revocation", || (ask(&Wire::Http1, "/thing").status == 401).then_some(()));
}

#[test]
fn a_certified_provider_exchanges_a_callers_token_and_says_who_acts() {
    let Some(provider) = provider() else { return };
    let issuer = format!("http://{}", provider.addresses[0]);
    let proof = "client_id: gateway, client_secret: gateway-secret";
    let client = format!(r#"url: "{issuer}/token", cleartext: true, {proof}"#);
    let asking = format!(r#"introspection: {{ url: "{issuer}/token/introspection", {proof}, cache: 1s }}"#);
    let stage = Stage::built(|backend| {
        let config = EXCHANGING.replace("CLIENT", &client).replace("ASKING", &asking);
        Builder::new(executable(), config.replace("BACKEND", backend))
    });
    expect_exchange(&stage, &provider, "gateway");
}

#[test]
fn a_certified_provider_knows_the_gateway_by_its_certificate() {
    let authority = Authority::new("both");
    let (server, own) = (authority.server(&["127.0.0.1"]), authority.client("spiffe://gw/mutual"));
    let folder = tempfile::tempdir().expect("a folder");
    for (name, content) in
        [("idp.crt", &server.certificate), ("idp.key", &server.key), ("ca.pem", &authority.pem())]
    {
        std::fs::write(folder.path().join(name), content).expect("a file");
    }
    let Some(provider) = provider_with(Some(folder.path())) else { return };
    let issuer = format!("https://{}", provider.addresses[1]);
    let proof = r#"client_id: mutual, client_certificate: { cert: "${file:gw.crt}", key: "${file:gw.key}" }"#;
    let ca = r#"ca: "${file:ca.pem}""#;
    let client = format!(r#"url: "{issuer}/token", {proof}, {ca}"#);
    let asking =
        format!(r#"{ca}, introspection: {{ url: "{issuer}/token/introspection", {proof}, cache: 1s }}"#);
    let stage = Stage::built(|backend| {
        let config = EXCHANGING.replace("CLIENT", &client).replace("ASKING", &asking);
        Builder::new(executable(), config.replace("BACKEND", backend))
            .file("gw.crt", own.certificate)
            .file("gw.key", own.key)
            .file("ca.pem", authority.pem())
    });
    expect_exchange(&stage, &provider, "mutual");
}

/// What a certified provider has signed about an opaque token.
const PHANTOM: &str = r#"version: 1
state: none
listeners: { public: { bind: 127.0.0.1:0, protocols: [http1, http2] } }
issuers:
  asked: { openid: "ISSUER", audiences: [orders-api], introspection: { url: "ISSUER/token/introspection", client_id: reader, client_secret: reader-secret, signed: true } }
backends: { recorder: { targets: ["http://BACKEND"], credentials: { phantom_token: { header: x-phantom } } } }
apis: { orders: { backend: recorder, auth: { token: asked }, operations: { all: { match: "* /{rest*}" } } } }
"#;

#[test]
fn a_backend_reads_what_a_certified_provider_has_signed_about_an_opaque_token() {
    let Some(provider) = provider() else { return };
    let issuer = format!("http://{}", provider.addresses[0]);
    let stage = Stage::built(|backend| {
        Builder::new(executable(), PHANTOM.replace("BACKEND", backend).replace("ISSUER", &issuer))
    });
    let opaque = token(&provider, "urn:opaque", "read");
    for wire in Wire::ALL {
        let request = || Request::get("/thing").field("Authorization", format!("Bearer {opaque}"));
        let arrived = Deadline::soon().poll("the keys", || {
            let mark = stage.backend.mark();
            (wire.send(stage.public(), &request()).status == 200).then(|| stage.backend.since(mark))
        });
        let arrived = arrived.first().expect("a message");
        let claims = portcullis_testkit::tokens::claims_of(&arrived.text("x-phantom").expect("a token"));
        assert_eq!((&claims["aud"], &claims["iss"]), (&"reader".into(), &issuer.clone().into()), "{claims}");
        assert_eq!(claims["token_introspection"]["client_id"], "app", "{claims}");
        assert!(!arrived.to_string().contains(&opaque), "{arrived}");
    }
}
