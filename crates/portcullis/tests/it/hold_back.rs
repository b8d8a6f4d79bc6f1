//! An address whose credentials fail too often is held back: guessing is slow, and costs nobody else anything.

use portcullis_testkit::{Request, Response, Wire};

use crate::stage::{Stage, executable};

/// A key of ours, a key of another maker, and a user, all good. `MORE` is where bounds go.
const CONFIG: &str = r#"version: 1
state: none
admin: { probes: 127.0.0.1:0 }
listeners: { public: { bind: 127.0.0.1:0, protocols: [http1, http2], trusted_proxies: [127.0.0.1] } }
backends: { recorder: { targets: ["http://BACKEND"] } }
consumers:
  ours: { apis: ["*"], credentials: [{ id: ours, api_key: { sha256: "OURS" } }] }
  theirs:
    apis: ["*"]
    credentials: [{ id: theirs, api_key: { sha256: "87cbebfeebc05f7c54ac9336c4b4bbec831227a641951a4bde7edd56020f8590" } }]
  ann:
    apis: ["*"]
    credentials: [{ id: ann, basic: { user: ann, password: "$argon2id$v=19$m=7168,t=5,p=1$YzJGc2RITmhiSFF4$meE12SBYL4136AkzPwSEswSRDfpgjaJBdm/wCYKzmyA" } }]
apis:
  any: { backend: recorder, auth: { any_of: [api_key, basic] }, operations: { all: { match: "* /{rest*}" } } }
  open: { base_path: /open, backend: recorder, auth: none, operations: { all: { match: "* /{rest*}" } } }
"#;

struct Scene {
    stage: Stage,
    key: String,
}

fn start() -> Scene {
    let made =
        portcullis_testkit::gateway::Builder::without_config(executable()).run(&["keys", "new", "--json"]);
    let made: serde_json::Value = serde_json::from_slice(&made.stdout).expect("a key");
    let sha256 = made["sha256"].as_str().expect("a digest");
    let stage = Stage::with(&CONFIG.replace("OURS", sha256));
    Scene { stage, key: made["key"].as_str().expect("a key").to_owned() }
}

impl Scene {
    /// Asks as the client at this address, with one field more.
    fn ask(&self, wire: Wire, client: &str, target: &str, field: Option<(&str, &str)>) -> Response {
        let mut request = Request::get(target).field("X-Forwarded-For", client);
        if let Some((name, value)) = field {
            request = request.field(name, value);
        }
        wire.send(self.stage.public(), &request)
    }

    /// Fails until the address is held back.
    fn fail(&self, wire: Wire, client: &str) -> Response {
        for attempt in 1..=60 {
            let response = self.ask(wire, client, "/a", Some(("x-api-key", "guessed")));
            if response.status == 429 {
                assert!(attempt > 20, "held back after {} failures", attempt - 1);
                return response;
            }
            assert_eq!(response.problem().as_deref(), Some("credential-invalid"), "{response:?}");
        }
        panic!("60 failures, and the address is not held back");
    }
}

/// `ann:correct horse` and `ann:wrong`.
const RIGHT: &str = "Basic YW5uOmNvcnJlY3QgaG9yc2U=";
const WRONG: &str = "Basic YW5uOndyb25n";

#[test]
fn an_address_with_many_failures_is_held_back_and_its_neighbours_are_not() {
    for wire in Wire::ALL {
        let scene = start();
        let theirs = ("x-api-key", crate::stage::KEY);
        for credential in [("authorization", RIGHT), theirs, ("x-api-key", &*scene.key)] {
            assert_eq!(scene.ask(*wire, "192.0.2.1", "/a", Some(credential)).status, 200);
        }
        let held = scene.fail(*wire, "192.0.2.1");
        assert_eq!(held.problem().as_deref(), Some("credential-attempts-exceeded"), "{held:?}");
        let wait: u64 = held.text("retry-after").and_then(|text| text.parse().ok()).expect("a time");
        assert!((1..=60).contains(&wait), "{held:?}");
        // What could be guessed is not told apart; what cannot be, and is known, is let on.
        for (client, target, field, status) in [
            ("192.0.2.1", "/a", Some(("authorization", RIGHT)), 429),
            ("192.0.2.1", "/a", Some(("authorization", WRONG)), 429),
            ("192.0.2.1", "/a", Some(theirs), 429),
            (
                "192.0.2.1",
                "/a",
                Some(("x-api-key", "pcl_0000000000000000000000000000000000000000000000000")),
                429,
            ),
            ("192.0.2.1", "/a", Some(("x-api-key", &*scene.key)), 200),
            ("192.0.2.1", "/a", None, 401),
            ("192.0.2.1", "/open/a", Some(("authorization", WRONG)), 200),
            ("192.0.2.2", "/a", Some(("authorization", RIGHT)), 200),
            ("192.0.2.2", "/a", Some(theirs), 200),
        ] {
            let response = scene.ask(*wire, client, target, field);
            assert_eq!(response.status, status, "{wire:?} {client} {target} {field:?}: {response:?}");
        }
        let both = Request::get("/a")
            .field("X-Forwarded-For", "192.0.2.1")
            .field("x-api-key", &scene.key)
            .field("authorization", WRONG);
        assert_eq!(wire.send(scene.stage.public(), &both).status, 429, "a good one does not cover a bad one");

        scene.stage.gateway.record("an incident", |record| {
            record["event.name"] == "portcullis.incident"
                && record["portcullis.incident.kind"] == "credential-attempts-exceeded"
                && record["client.address"] == "192.0.2.1"
        });
        let text = scene.stage.gateway.metrics();
        for line in ["portcullis_credential_failures_total 20", "portcullis_addresses_held_back_total 1"] {
            assert!(text.lines().any(|own| own == line), "`{line}` is not in: {text}");
        }
    }
}

#[test]
fn an_ipv6_client_is_held_back_by_its_network() {
    let scene = start();
    scene.fail(Wire::Http1, "2001:db8::1");
    let ask = |client: &str| scene.ask(Wire::Http1, client, "/a", Some(("authorization", RIGHT))).status;
    assert_eq!((ask("2001:db8::ffff"), ask("2001:db8:0:1::1")), (429, 200));
}
