//! Certificates by ACME: from Debian's pebble, and from an authority that does as it is told.

mod hostile;
mod rotation;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use portcullis_testkit::gateway::{Builder, Lines};
use portcullis_testkit::pebble::{Habits, Pebble, Town};
use portcullis_testkit::raw::Client;
use portcullis_testkit::tls::{Choices, Handshake, Tls};
use portcullis_testkit::{Deadline, Gateway, Recorder, Request, Wire};
use serde_json::Value;
use tempfile::TempDir;

use crate::stage::executable;

/// Where the gateway listens at its town's address.
const TLS_PORT: u16 = 15_443;
const HTTP_PORT: u16 = 15_080;

/// The secret of an account that was made elsewhere: 32 bytes.
const ACCOUNT_KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY";

const CONFIG: &str = r#"version: 1
admin: { probes: 127.0.0.1:0 }
telemetry: { access_log: stdout, incidents: stdout }
listeners:
  public:
    bind: ADDRESS:15443
    protocols: [http1, http2]
    tls:
      certificates:
        - acme: { directory: "DIRECTORY", names: [NAMES], terms_agreed: true, ca: "${file:pebble.pem}"MORE }
  clear: { bind: ADDRESS:15080 }
backends: { recorder: { targets: ["http://BACKEND"] } }
apis:
  open: { listen: [public, clear], backend: recorder, auth: none, operations: { all: { match: "* /{rest*}" } } }
"#;

/// Pebble takes its time, and the machine may be busy.
fn in_time() -> Deadline {
    Deadline::after(Duration::from_secs(90))
}

struct Scene {
    town: Town,
    backend: Recorder,
    state: TempDir,
}

impl Scene {
    fn new() -> Self {
        let town = Town::new();
        for name in ["api.acme.test", "shop.acme.test", "new.acme.test"] {
            town.leads_here(name);
        }
        Self { town, backend: Recorder::start(), state: TempDir::new().expect("a folder") }
    }

    fn config(&self, names: &str, more: &str) -> String {
        CONFIG
            .replace("ADDRESS", &self.town.ip().to_string())
            .replace("DIRECTORY", &self.town.directory())
            .replace("NAMES", names)
            .replace("MORE", more)
            .replace("BACKEND", &self.backend.address().to_string())
    }

    fn builder(&self, names: &str, more: &str) -> Builder {
        Builder::new(executable(), self.config(names, more))
            .file("pebble.pem", self.town.authority())
            .argument("--state-dir")
            .argument(self.state.path().display().to_string())
    }

    fn pebble(&self, habits: Habits) -> Pebble {
        self.town.pebble(TLS_PORT, HTTP_PORT, habits)
    }

    fn address(&self) -> SocketAddr {
        (self.town.ip(), TLS_PORT).into()
    }

    fn connect(&self, root: &str, name: &str, protocol: &str) -> std::io::Result<(Client, Handshake)> {
        let tls = Tls::new(root, &Choices { protocols: &[protocol], ..Choices::default() });
        tls.connect(self.address(), name)
    }

    /// The certificate that is shown for `name` once there is one that `root` vouches for.
    fn certificate(&self, root: &str, name: &str) -> Vec<u8> {
        in_time().poll("a certificate", || {
            self.connect(root, name, "http/1.1").ok().and_then(|(_, handshake)| handshake.certificate)
        })
    }
}

/// Waits for a line of the log, or of what is told, that has this text.
fn logged(lines: &Lines, text: &str) {
    in_time().poll(text, || lines.all().iter().any(|line| line.contains(text)).then_some(()));
}

fn readiness(gateway: &Gateway) -> String {
    let answer = Wire::Http1.send(gateway.probes(), &Request::get("/readyz"));
    assert_eq!(answer.status, 200, "an authority must be let in, whatever there is: {answer:?}");
    String::from_utf8_lossy(&answer.body).into_owned()
}

fn status(gateway: &Gateway, state: &Path) -> Value {
    let socket = state.join("admin.sock").display().to_string();
    let said = gateway.run(&executable(), &["status", "--json", "--socket", &socket]);
    serde_json::from_slice(&said.stdout).expect("a status")
}

/// Pebble rejects nonces and takes its time, as it does; the gateway has its certificate all the same, over both kinds of
/// challenge, and serves by it on both wires.
#[test]
fn a_certificate_comes_from_pebble_and_is_used_on_both_wires() {
    let account = format!("external_account: {{ id: partner, key: {ACCOUNT_KEY} }}");
    let other = format!(", challenge: http-01, key: p384, email: ops@acme.test, {account}");
    let bound = Habits { external_account: Some(("partner", ACCOUNT_KEY)), ..Habits::default() };
    for (more, habits) in [("", Habits::default()), (&other, bound)] {
        let scene = Scene::new();
        let gateway = scene.builder("api.acme.test, shop.acme.test", more).start();
        // Before there is one: refused by TLS, and said.
        assert!(scene.connect(&scene.town.authority(), "api.acme.test", "http/1.1").is_err());
        assert!(readiness(&gateway).contains("certificate api.acme.test: none yet"));
        let pebble = scene.pebble(habits);
        let root = pebble.root();
        scene.certificate(&root, "api.acme.test");
        for name in ["api.acme.test", "shop.acme.test"] {
            let (mut client, _) = scene.connect(&root, name, "http/1.1").expect("a handshake");
            client.send(format!("GET /x HTTP/1.1\r\nHost: {name}\r\n\r\n"));
            assert_eq!(client.response("GET", Deadline::soon()).expect("an answer").status, 200);
            let (_, handshake) = scene.connect(&root, name, "h2").expect("a handshake");
            assert_eq!(handshake.protocol.as_deref(), Some(&b"h2"[..]));
        }
        assert!(readiness(&gateway).contains("certificate api.acme.test: expires "), "{more}");
        for series in [
            r#"portcullis_acme_orders_total{name="api.acme.test",outcome="good"} 1"#,
            r#"place="listeners.public.tls.certificates[0].acme"} "#,
        ] {
            in_time().poll(series, || gateway.metrics().contains(series).then_some(()));
        }
        let status = status(&gateway, scene.state.path());
        assert_eq!(status["acme"][0]["state"], "valid", "{status}");
    }
}
