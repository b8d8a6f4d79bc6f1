//! A login in Chromium at a certified OpenID provider, over HTTP/1.1 and HTTP/2: by a secret and by a key of the gateway.

use std::path::Path;

use portcullis_testkit::certificates::Authority;
use portcullis_testkit::gateway::Builder;
use portcullis_testkit::recorder::Reply;
use portcullis_testkit::{Recorder, Request, Wire};
use serde_json::json;

use super::chromium::Browser;
use super::{Server, client, node};
use crate::stage::executable;

const CONFIG: &str = r#"version: 1
state: none
listeners:
  tls:
    bind: 127.0.0.1:0
    protocols: [WIRE]
    tls: { certificates: [ { cert: "${file:gateway.crt}", key: "${file:gateway.key}" } ] }
telemetry: { access_log: stdout }
issuers:
  corp: { openid: "ISSUER", login: { client_id: gw, PROOF, scopes: [offline_access] } }
backends: { recorder: { targets: ["http://BACKEND"] } }
apis:
  app:
    base_path: /app
    backend: recorder
    auth: { login: corp }
    operations: { all: { match: "* /{rest*}" } }
"#;

/// Logs in over a wire, by a proof of the gateway.
fn log_in(wire: &str, spoken: &str, proof: &str, has_key: bool) {
    let modules = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target folder");
    let modules = modules.join("clients-node/node_modules");
    let provider = modules.join("oidc-provider/lib/index.js");
    if client("node", &["--check", &provider.display().to_string()]).is_none() {
        return;
    }
    let Some(mut command) = node("oidc_provider.mjs") else { return };
    let server = Server::start(command.arg(modules));
    let issuer = server.addresses[0];
    let authority = Authority::new("logins");
    let (pair, own) = (authority.server(&["localhost"]), authority.server(&["client"]));
    let pin = pair.pin();
    let backend = Recorder::start();
    let html = "Content-Type: text/html; charset=utf-8\r\n";
    backend.on("/app/page?x=1", Reply::with("200 OK", html, include_str!("login.html")));
    let config = CONFIG
        .replace("WIRE", wire)
        .replace("ISSUER", &format!("http://{issuer}"))
        .replace("PROOF", proof)
        .replace("BACKEND", &backend.address().to_string());
    let gateway = Builder::new(executable(), config)
        .file("gateway.crt", pair.certificate)
        .file("gateway.key", pair.key)
        .file("client.key", own.key.clone())
        .start();
    let url = format!("https://localhost:{}", gateway.address("tls").port());
    let key = has_key.then_some(own.key);
    let told = json!({ "redirect_uris": [format!("{url}/app/.login/corp/callback")], "key": key });
    let answer = Wire::Http1.send(issuer, &Request::post("/__client", told.to_string()));
    assert_eq!(answer.status, 200, "{answer:?}");
    gateway
        .stderr()
        .expect("the provider's keys", |line| line.contains("an issuer has other keys").then_some(()));

    let Some(browser) = Browser::open(&format!("{url}/app/page?x=1"), &pin) else { return };
    let report = backend.expect("the page's report", |message| message.target == b"/app/report");
    drop(browser);
    let report: serde_json::Value = serde_json::from_slice(&report.body).expect("a report");
    assert_eq!(
        report,
        json!({
            "at": "/app/page?x=1", "cookies": "", "referrer": false, "wire": spoken, "fetched": 200, "posted": 200,
            "renewed": [200, 200, 200, 200, 200, 200, 200, 200], "again": 200, "failed": null,
        })
    );
    let record = gateway.record("the report", |record| record["url.path"] == "/app/report");
    assert_eq!(record["portcullis.consumer"], "corp/alice");
    for message in backend.messages() {
        let has_cookie = message.fields.iter().any(|(name, _)| name.eq_ignore_ascii_case(b"cookie"));
        assert!(!has_cookie, "the backend saw a cookie");
    }
    for line in gateway.stdout().all().iter().chain(&gateway.stderr().all()) {
        assert!(!line.contains("code=") && !line.contains("eyJ"), "told: {line}");
    }
}

#[test]
fn a_user_logs_in_over_http1_by_a_secret_of_the_gateway() {
    log_in("http1", "http/1.1", "client_secret: \"a secret of the client, long enough\"", false);
}

#[test]
fn a_user_logs_in_over_http2_by_a_key_of_the_gateway() {
    log_in("http2", "h2", "private_key: \"${file:client.key}\", private_key_id: k1", true);
}
