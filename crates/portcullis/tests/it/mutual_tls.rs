//! The gateway proves itself by a certificate: toward backends, at token endpoints, and where it asks about tokens. The other side is
//! a gateway, too, which asks for certificates and tells a recorder whose it was.

use std::net::SocketAddr;

use portcullis_testkit::certificates::{Authority, Pair};
use portcullis_testkit::gateway::Builder;
use portcullis_testkit::recorder::Reply;
use portcullis_testkit::{Deadline, Gateway, Message, Recorder, Request, Wire};
use serde_json::json;

use crate::stage::executable;

/// Asks everybody for a certificate, and says whose it was.
const ASKING: &str = r#"version: 1
state: none
listeners:
  public:
    bind: 127.0.0.1:0
    protocols: [http1, http2]
    tls:
      certificates: [{ cert: "${file:server.crt}", key: "${file:server.key}" }]
      client_certificates: { mode: require, ca: "${file:ca.pem}" }
consumers:
  one: { apis: ["*"], credentials: [{ id: c1, certificate: { san: "spiffe://gw/one" } }] }
  two: { apis: ["*"], credentials: [{ id: c1, certificate: { san: "spiffe://gw/two" } }] }
backends: { recorder: { targets: ["http://RECORDER"], credentials: { pass_through: true, fields: { x-who: { from: consumer } } } } }
apis: { all: { backend: recorder, auth: certificate, operations: { all: { match: "* /{rest*}" } } } }
"#;

/// Presents one wherever it goes.
const PRESENTING: &str = r#"version: 1
state: none
listeners: { public: { bind: 127.0.0.1:0, protocols: [http1, http2] } }
bounds: { credential_failures: 1000000 }
issuers:
  asked:
    ca: "${file:ca.pem}"
    timeout: 5s
    introspection: { url: "https://ASKING/introspect", client_id: gw, client_certificate: { cert: "${file:gw.crt}", key: "${file:gw.key}" }, cache: 1s }
backends:
  presenting:
    targets: ["https://ASKING"]
    tls: { ca: "${file:ca.pem}", client_certificate: { cert: "${file:gw.crt}", key: "${file:gw.key}" } }
  account:
    targets: ["http://RECORDER"]
    credentials: { client_credentials: { url: "https://ASKING/token", client_id: gw, client_certificate: { cert: "${file:gw.crt}", key: "${file:gw.key}" }, ca: "${file:ca.pem}" } }
  exchange:
    targets: ["http://RECORDER"]
    credentials: { token_exchange: { url: "https://ASKING/exchange", client_id: gw, client_certificate: { cert: "${file:gw.crt}", key: "${file:gw.key}" }, audience: orders, ca: "${file:ca.pem}" } }
apis:
  presenting: { base_path: /presenting, backend: presenting, auth: none, operations: { all: { match: "* /{rest*}" } } }
  account: { base_path: /account, backend: account, auth: none, operations: { all: { match: "* /{rest*}" } } }
  exchange: { base_path: /exchanging, backend: exchange, auth: { token: asked }, operations: { all: { match: "* /{rest*}" } } }
"#;

struct Scene {
    recorder: Recorder,
    gateway: Gateway,
    authority: Authority,
    _asking: Gateway,
}

impl Scene {
    fn start(client: &Pair, authority: Authority) -> Self {
        let recorder = Recorder::start();
        let granted = json!({
            "access_token": "given", "token_type": "Bearer", "expires_in": 600,
            "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
        });
        let json = |body: String| Reply::with("200 OK", "Content-Type: application/json\r\n", body);
        recorder.on("/token", json(granted.to_string()));
        recorder.on("/exchange", json(granted.to_string()));
        recorder.on("/introspect", json(json!({ "active": true, "sub": "alice" }).to_string()));
        let server = authority.server(&["127.0.0.1"]);
        let address = recorder.address().to_string();
        let asking = Builder::new(executable(), ASKING.replace("RECORDER", &address))
            .file("server.crt", server.certificate)
            .file("server.key", server.key)
            .file("ca.pem", authority.pem())
            .start();
        let config = PRESENTING.replace("ASKING", &asking.address("public").to_string());
        let gateway = Builder::new(executable(), config.replace("RECORDER", &address))
            .file("gw.crt", client.certificate.clone())
            .file("gw.key", client.key.clone())
            .file("ca.pem", authority.pem())
            .start();
        Self { recorder, gateway, authority, _asking: asking }
    }

    fn public(&self) -> SocketAddr {
        self.gateway.address("public")
    }

    fn send(&self, wire: Wire, path: &str) -> u16 {
        let request = Request::get(path).field("Authorization", format!("Bearer opaque{}", path.len()));
        wire.send(self.public(), &request).status
    }

    /// The last call to `target`, and by whose certificate.
    fn last(&self, target: &str) -> Option<(Message, String)> {
        let messages = self.recorder.messages();
        let message = messages.into_iter().rev().find(|message| message.target() == target)?;
        let who = message.text("x-who").unwrap_or_default();
        Some((message, who))
    }
}

#[test]
fn the_gateway_proves_itself_by_a_certificate_and_by_the_next_when_the_files_change() {
    let authority = Authority::new("both");
    let scene = Scene::start(&authority.client("spiffe://gw/one"), authority);
    for wire in Wire::ALL {
        assert_eq!(scene.send(*wire, "/presenting/a"), 200);
        assert_eq!(scene.send(*wire, "/account/a"), 200);
        assert_eq!(scene.send(*wire, "/exchanging/a"), 200);
    }
    for target in ["/presenting/a", "/token", "/introspect", "/exchange"] {
        let (message, who) = scene.last(target).expect(target);
        assert_eq!(who, "one", "{target}: {message}");
        if target != "/presenting/a" {
            let body = String::from_utf8_lossy(&message.body).into_owned();
            assert!(body.contains("client_id=gw") && !body.contains("secret"), "{body}");
            assert!(message.all("authorization").is_empty(), "{message}");
        }
    }
    let next = scene.authority.client("spiffe://gw/two");
    scene.gateway.write("gw.crt", &next.certificate);
    scene.gateway.write("gw.key", &next.key);
    // Both files are there before either counts: a pair that does not fit changes nothing.
    for (path, target) in
        [("/presenting/b", "/presenting/b"), ("/account/b", "/token"), ("/exchanging/b", "/exchange")]
    {
        Deadline::soon().poll(path, || {
            let status = scene.send(Wire::Http1, path);
            assert_eq!(status, 200, "{path}");
            (scene.last(target)?.1 == "two").then_some(())
        });
    }
    Deadline::soon().poll("the next question", || {
        assert_eq!(scene.send(Wire::Http1, "/exchanging/longer"), 200);
        (scene.last("/introspect")?.1 == "two").then_some(())
    });
}

#[test]
fn a_certificate_that_nobody_trusts_brings_nothing() {
    let scene = Scene::start(&Authority::new("other").client("spiffe://gw/one"), Authority::new("both"));
    for wire in Wire::ALL {
        for (path, status) in [("/presenting/a", 502), ("/account/a", 503), ("/exchanging/a", 503)] {
            assert_eq!(scene.send(*wire, path), status, "{path}");
        }
    }
    assert!(scene.recorder.messages().is_empty());
}
