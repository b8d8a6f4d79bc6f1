//! An authority that does as it is told: whatever it says, nothing is used that should not be, nothing hangs, and the reason is
//! told.

use portcullis_testkit::acme::{Acme, Instead};
use portcullis_testkit::gateway::Builder;
use portcullis_testkit::provider::Answer;
use portcullis_testkit::tls::{Choices, Tls};
use portcullis_testkit::{Gateway, Recorder, Request, Signal, Wire};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{in_time, logged, status};
use crate::stage::executable;

const CONFIG: &str = r#"version: 1
admin: { probes: 127.0.0.1:0 }
telemetry: { access_log: off, incidents: stdout }
listeners:
  public: { bind: 127.0.0.1:0, protocols: [http1, http2], tls: { certificates: [CERTIFICATES] } }
  clear: { bind: 127.0.0.1:0 }
backends: { recorder: { targets: ["http://BACKEND"] } }
apis:
  open: { listen: [public, clear], backend: recorder, auth: none, operations: { all: { match: "* /{rest*}" } } }
"#;

/// A gateway before an authority that does as it is told.
struct Scene {
    authority: Acme,
    backend: Recorder,
    state: TempDir,
}

impl Scene {
    fn new() -> Self {
        let state = TempDir::new().expect("a folder");
        Self { authority: Acme::start(), backend: Recorder::start(), state }
    }

    /// The entry for `name`, whose directory has its first label's name.
    fn entry(&self, name: &str, more: &str) -> String {
        let directory = self.authority.directory(name.split('.').next().unwrap_or_default());
        format!(
            "{{ acme: {{ directory: \"{directory}\", names: [{name}], terms_agreed: true, ca: \"${{file:front.pem}}\"{more} }} }}"
        )
    }

    fn config(&self, entries: &[String]) -> String {
        CONFIG
            .replace("CERTIFICATES", &entries.join(", "))
            .replace("BACKEND", &self.backend.address().to_string())
    }

    fn start(&self, entries: &[String]) -> Gateway {
        Builder::new(executable(), self.config(entries))
            .file("front.pem", self.authority.front())
            .argument("--state-dir")
            .argument(self.state.path().display().to_string())
            .start()
    }

    fn certificate(&self, gateway: &Gateway, name: &str) -> Option<Vec<u8>> {
        let tls = Tls::new(&self.authority.root(), &Choices { protocols: &["h2"], ..Choices::default() });
        tls.connect(gateway.address("public"), name).ok().and_then(|(_, handshake)| handshake.certificate)
    }

    fn await_certificate(&self, gateway: &Gateway, name: &str) -> Vec<u8> {
        in_time().poll("a certificate", || self.certificate(gateway, name))
    }

    /// What the gateway says of the certificate for `name`.
    fn said(&self, gateway: &Gateway, name: &str) -> Value {
        let status = status(gateway, self.state.path());
        let all = status["acme"].as_array().cloned().unwrap_or_default();
        all.into_iter().find(|one| one["name"] == name).unwrap_or_default()
    }
}

fn says(status: u16, kind: &'static str, body: &str) -> Instead {
    Instead::Says(Answer::Reply(status, kind, body.as_bytes().to_vec()))
}

fn replaced(old: &str, new: &str) -> Instead {
    Instead::Replaced(vec![(old.to_owned(), new.to_owned())])
}

fn problem(kind: &str) -> String {
    json!({ "type": format!("urn:ietf:params:acme:error:{kind}"), "detail": "so it is" }).to_string()
}

/// Step, what comes of it, and what the reason for the failure has in it.
fn cases() -> Vec<(&'static str, Instead, &'static str)> {
    let elsewhere = json!("https://127.0.0.1:1/elsewhere");
    let identifier = json!([{ "type": "dns", "value": "strange.acme.test" }]);
    let challenge = |token: &str| json!([{ "type": "tls-alpn-01", "url": "https://127.0.0.1:1/c", "token": token, "status": "pending" }]);
    let complaint = "application/problem+json";
    vec![
        ("dir", Instead::Says(Answer::Endless), "no whole answer"),
        ("dir", Instead::Says(Answer::Silence), "no answer within 2s"),
        ("dir", Instead::Says(Answer::Drip), "no answer within 2s"),
        ("dir", Instead::Says(Answer::Close), ""),
        ("dir", Instead::Says(Answer::Raw(b"no HTTP at all\r\n\r\n".to_vec())), "no HTTP answer"),
        ("dir", says(200, "text/html", "<html>hello</html>"), "no document"),
        ("dir", replaced("\"meta\":{}", "\"newNonce\":\"x\""), "stands twice"),
        ("dir", replaced("https://", "http://"), "leads to another host"),
        ("dir", Instead::Member("newOrder", elsewhere.clone()), "leads to another host"),
        ("dir", Instead::Head(302, vec![("Location", "https://127.0.0.1:1/dir".to_owned())]), "answered 302"),
        ("dir", Instead::Member("meta", json!({ "externalAccountRequired": true })), "external_account"),
        ("nonce", Instead::NoNonce, "gives no nonce"),
        ("account", says(400, complaint, &problem("badNonce")), "takes none of the nonces"),
        ("account", says(403, complaint, &problem("unauthorized")), "answered 403: unauthorized: so it is"),
        ("account", Instead::Member("status", json!("deactivated")), "may not order"),
        (
            "account",
            Instead::Head(201, vec![("Location", "http://127.0.0.1/a".to_owned())]),
            "leads to another",
        ),
        ("order", says(429, complaint, &problem("rateLimited")), "answered 429: rateLimited"),
        ("order", says(500, "text/html", "<html>"), "answered 500"),
        ("order", Instead::Member("identifiers", identifier.clone()), "other names"),
        ("order", Instead::Member("authorizations", json!([elsewhere])), "leads to another host"),
        ("order", Instead::Member("authorizations", json!([])), "too few or too many"),
        ("look", Instead::Member("status", json!("invalid")), "came to nothing"),
        ("authz", Instead::Member("identifier", identifier[0].clone()), "not asked for"),
        ("authz", Instead::Member("status", json!("invalid")), "does not believe"),
        ("authz", Instead::Member("challenges", json!([])), "no challenge `tls-alpn-01`"),
        ("authz", Instead::Member("challenges", challenge("../../../../etc/passwd")), "token is none"),
        ("authz", Instead::Member("challenges", challenge("0123456789abcdef0123456789")), "leads to another"),
        ("final", says(403, complaint, &problem("badCSR")), "badCSR"),
        ("final", Instead::Member("certificate", elsewhere), "leads to another host"),
        ("cert", Instead::OtherKey, "does not belong"),
        ("cert", Instead::OtherNames, "other names"),
        ("cert", Instead::Chain(10), "too long"),
        ("cert", Instead::Head(200, vec![("Content-Type", "text/html".to_owned())]), "media type"),
        ("cert", replaced("-----BEGIN CERTIFICATE-----", "-----BEGIN NOTHING-----"), "PEM"),
        ("cert", Instead::Says(Answer::Endless), "no whole answer"),
    ]
}

#[test]
fn nothing_an_authority_says_is_used_that_should_not_be() {
    let scene = Scene::new();
    let cases = cases();
    let mut entries: Vec<String> = Vec::new();
    for (number, (step, instead, reason)) in cases.iter().enumerate() {
        scene.authority.instead(&format!("n{number}"), step, instead.clone());
        let timeout = if reason.contains("within") { ", timeout: 2s" } else { ", timeout: 60s" };
        entries.push(scene.entry(&format!("n{number}.acme.test"), timeout));
    }
    // After all of them a good one: none has kept the others from theirs.
    entries.push(scene.entry("good.acme.test", ""));
    let gateway = scene.start(&entries);
    scene.await_certificate(&gateway, "good.acme.test");
    for (number, (step, instead, reason)) in cases.iter().enumerate() {
        let name = format!("n{number}.acme.test");
        let said = in_time().poll("a failure", || {
            let said = scene.said(&gateway, &name);
            said["failure"].is_string().then_some(said)
        });
        let failure = said["failure"].as_str().unwrap_or_default();
        assert!(failure.contains(reason), "{name}, {step} {instead:?}: {failure:?} lacks {reason:?}");
        assert_eq!(said["state"], "none", "{name}: {said}");
        assert!(scene.certificate(&gateway, &name).is_none(), "{name}");
    }
    let nonces = cases.iter().position(|(_, _, reason)| reason.contains("none of the nonces"));
    let name = format!("n{}", nonces.expect("a case"));
    let tries = scene.authority.asked(&name, "account");
    assert!((10..=100).contains(&tries), "each try has an end: {tries}");
    let answer = Wire::Http1.send(gateway.address("clear"), &Request::get("/x"));
    assert_eq!(answer.status, 200, "what has no certificate to do with it is served");
}

/// A restart uses what was kept, with no word to the authority; a kill in the middle of an order leaves nothing behind that
/// is in the way.
#[test]
fn a_restart_orders_nothing_and_a_kill_in_the_middle_harms_nothing() {
    let scene = Scene::new();
    let entries = [scene.entry("a.acme.test", "")];
    scene.authority.instead("a", "authz", Instead::Says(Answer::Silence));
    let mut gateway = scene.start(&entries);
    in_time().poll("an order", || (scene.authority.asked("a", "authz") > 0).then_some(()));
    gateway.signal(Signal::Kill);
    gateway.wait(in_time());
    scene.authority.mends("a", "authz");
    let account = || {
        let files = std::fs::read_dir(scene.state.path().join("acme")).expect("a folder").flatten();
        let mut files = files.filter(|file| file.file_name().to_string_lossy().starts_with("account-"));
        std::fs::read(files.next().expect("an account").path()).expect("a file")
    };
    let before = account();
    let gateway = scene.start(&entries);
    let first = scene.await_certificate(&gateway, "a.acme.test");
    assert!(account() == before, "the account of before");
    drop(gateway);
    let asked = scene.authority.asked("a", "dir");
    scene.authority.instead("a", "dir", Instead::Says(Answer::Silence));
    let gateway = scene.start(&entries);
    assert_eq!(scene.certificate(&gateway, "a.acme.test"), Some(first), "at once");
    assert_eq!(scene.authority.asked("a", "dir"), asked, "nobody was asked");
    let said = scene.said(&gateway, "a.acme.test");
    assert!(said["failure"].is_null() && said["renews"].is_string(), "{said}");
}

/// What cannot be kept is not ordered: each start would order again.
#[test]
fn a_state_directory_that_cannot_be_written_to_orders_nothing() {
    let scene = Scene::new();
    std::fs::write(scene.state.path().join("acme"), "in the way").expect("a file");
    let gateway = scene.start(&[scene.entry("a.acme.test", "")]);
    logged(gateway.stderr(), "it cannot be kept");
    assert_eq!(scene.authority.asked("a", "dir"), 0);
    // Once it can be written to again, the order follows.
    std::fs::remove_file(scene.state.path().join("acme")).expect("a file");
    scene.await_certificate(&gateway, "a.acme.test");
}

/// The last good certificate serves while the authority is away; that it ends is said loudly, and an incident.
#[test]
fn a_certificate_that_has_expired_is_served_and_told() {
    let scene = Scene::new();
    scene.authority.gives_for(2, 4);
    let gateway = scene.start(&[scene.entry("a.acme.test", ", timeout: 1s")]);
    in_time()
        .poll("a certificate", || (scene.said(&gateway, "a.acme.test")["state"] != "none").then_some(()));
    scene.authority.instead("a", "dir", Instead::Says(Answer::Close));
    logged(gateway.stderr(), "a certificate that has expired is served");
    logged(
        gateway.stdout(),
        r#""portcullis.incident.kind":"certificate-not-renewed","portcullis.incident.severity":"high""#,
    );
    in_time().poll("the end", || (scene.said(&gateway, "a.acme.test")["state"] == "expired").then_some(()));
    let shown = Tls::trusting_anybody(&["h2"]).connect(gateway.address("public"), "a.acme.test");
    assert!(shown.expect("a handshake").1.certificate.is_some());
    scene.authority.gives_for(60, 86_400);
    scene.authority.mends("a", "dir");
    scene.await_certificate(&gateway, "a.acme.test");
}

/// What proves a name proves nothing else: by a handshake that asks for it and nothing else, or at one path of one host.
#[test]
fn a_proof_is_shown_to_who_asks_for_exactly_it() {
    let scene = Scene::new();
    for name in ["tls", "clear"] {
        // Never believed, so that the proof stays.
        let status = Instead::Member("status", json!("pending"));
        scene.authority.instead(name, "authz", status);
    }
    let alone = |name: &str, more: &str| [scene.entry(name, more)];
    let gateway = scene.start(&alone("tls.acme.test", ""));
    let public = gateway.address("public");
    let asks = |protocols: &[&str], name: &str| Tls::trusting_anybody(protocols).connect(public, name);
    in_time().poll("a proof", || asks(&["acme-tls/1"], "tls.acme.test").ok());
    let (mut client, handshake) = asks(&["acme-tls/1"], "tls.acme.test").expect("a proof");
    assert_eq!(handshake.protocol.as_deref(), Some(&b"acme-tls/1"[..]));
    // 1.3.6.1.5.5.7.1.31, critical, and 32 bytes (RFC 8737 §3).
    let extension =
        [0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x01, 0x1f, 0x01, 0x01, 0xff, 0x04, 0x22];
    let shown = handshake.certificate.expect("a certificate");
    assert!(shown.windows(extension.len()).any(|bytes| bytes == extension));
    client.send("GET /x HTTP/1.1\r\nHost: tls.acme.test\r\n\r\n");
    assert!(client.response("GET", in_time()).is_err(), "no request comes over it");
    for (protocols, name) in [
        (&["acme-tls/1", "h2"][..], "tls.acme.test"),
        (&["h2"], "tls.acme.test"),
        (&["acme-tls/1"], "other.acme.test"),
    ] {
        assert!(asks(protocols, name).is_err(), "{protocols:?} {name}");
    }
    drop(gateway);

    let gateway = scene.start(&alone("clear.acme.test", ", challenge: http-01"));
    let place = "/.well-known/acme-challenge/token-0-0123456789abcdef";
    let clear = gateway.address("clear");
    let says = |method: &str, path: &str, host: &str| {
        Wire::Http1.send(clear, &Request::new(method, path).host(host))
    };
    let is_proof = |answer: &portcullis_testkit::Response| {
        answer.status == 200 && answer.body.starts_with(b"token-0-0123456789abcdef.")
    };
    in_time().poll("a proof", || is_proof(&says("GET", place, "clear.acme.test")).then_some(()));
    let mark = scene.backend.mark();
    assert!(is_proof(&says("GET", place, "clear.acme.test:80")), "the port is no part of the name");
    assert!(scene.backend.since(mark).is_empty(), "no backend sees it");
    for (method, path, host) in [
        ("GET", &*format!("{place}x"), "clear.acme.test"),
        ("GET", &*format!("{place}?x"), "clear.acme.test"),
        ("GET", "/.well-known/acme-challenge/", "clear.acme.test"),
        ("POST", place, "clear.acme.test"),
        ("GET", place, "other.acme.test"),
    ] {
        let answer = says(method, path, host);
        assert!(!is_proof(&answer) && answer.status == 200, "{method} {path} {host}: {answer:?}");
    }
    assert_eq!(scene.backend.since(mark).len(), 5, "and is what it was without proofs");
}
