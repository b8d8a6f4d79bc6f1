//! What callers are told of the tokens that count (RFC 9728).

use portcullis_testkit::gateway::Builder;
use portcullis_testkit::tokens::{Signer, key_set};
use portcullis_testkit::{Request, Wire};
use serde_json::json;

use crate::stage::{Stage, executable};

const CONFIG: &str = r#"version: 1
state: none
listeners: { public: { bind: 127.0.0.1:0, protocols: [http1, http2] } }
bounds: { credential_failures: 1000000 }
issuers:
  lab: { issuer: "https://lab.example.com", jwks: lab.jwks.json, audiences: [orders-api] }
backends: { recorder: { targets: ["http://BACKEND"] } }
apis:
  root: { backend: recorder, auth: { jwt: lab }, operations: { all: { match: "* /{rest*}" } } }
  orders:
    base_path: /orders
    backend: recorder
    auth: { any_of: [{ jwt: lab }, { api_key: {} }] }
    operations:
      write: { match: "POST /", require: { scopes: [orders.write, orders.read] } }
      open: { match: "GET /open", auth: none }
  open: { base_path: /open, backend: recorder, auth: none, operations: { all: { match: "* /{rest*}" } } }
"#;

#[test]
fn a_challenge_leads_to_a_document_about_the_tokens_that_count() {
    let keys = key_set(&[&Signer::new("a")]).to_string();
    let stage = Stage::built(|backend| {
        Builder::new(executable(), CONFIG.replace("BACKEND", backend)).file("lab.jwks.json", keys)
    });
    for wire in Wire::ALL {
        let mark = stage.backend.mark();
        for (path, method, document) in [
            (
                "/thing",
                "GET",
                json!({
                    "resource": "http://gw.test", "authorization_servers": ["https://lab.example.com"],
                    "bearer_methods_supported": ["header"],
                }),
            ),
            (
                "/orders/",
                "POST",
                json!({
                    "resource": "http://gw.test/orders", "authorization_servers": ["https://lab.example.com"],
                    "scopes_supported": ["orders.read", "orders.write"], "bearer_methods_supported": ["header"],
                }),
            ),
        ] {
            let refused = wire.send(stage.public(), &Request::new(method, path));
            assert_eq!(refused.status, 401, "{refused:?}");
            let challenge = refused.text("www-authenticate").expect("a challenge");
            let (_, place) = challenge.split_once("resource_metadata=\"http://gw.test").expect("a place");
            let answer = wire.send(stage.public(), &Request::get(place.trim_end_matches('"')));
            assert_eq!((answer.status, answer.json()), (200, document));
            assert_eq!(answer.text("content-type").as_deref(), Some("application/json"));
        }
        let other = wire.send(stage.public(), &Request::post("/.well-known/oauth-protected-resource", "x"));
        assert_eq!(other.status, 405);
        assert!(stage.backend.since(mark).is_empty());
        // An API that asks for no tokens has none; what is below the root API asks for one like everything there.
        let none = wire.send(stage.public(), &Request::get("/.well-known/oauth-protected-resource/open"));
        assert_eq!(none.status, 404, "{none:?}");
    }
}
