//! Several nodes serve one host: a login may begin on one and end on another, a session counts on all, and so does its end.

use std::net::SocketAddr;
use std::time::Duration;

use portcullis_testkit::gateway::{Builder, Signal};
use portcullis_testkit::{Deadline, Gateway, Postgres, Request, Response, Stopwatch, Wire};
use serde_json::json;

use super::{CONFIG, Scene, send_to, session_of};
use crate::stage::executable;

/// A scene, and another node beside its gateway.
struct Nodes {
    scene: Scene,
    other: Gateway,
}

impl Nodes {
    fn start(postgres: &Postgres) -> Self {
        let stores = format!(
            "state: state\nstores: {{ durable: \"{}\", encryption_keys: [\"6b1f0a1c9d0e4f5a8b7c6d5e4f3a2b1c\"] }}",
            postgres.url()
        );
        let config = CONFIG.replace("state: none", &stores);
        let scene = Scene::with(&config, json!({}));
        let backend = scene.stage.backend.address().to_string();
        let config = config.replace("ISSUER", &scene.provider.url()).replace("BACKEND", &backend);
        let other = Builder::new(executable(), config).start();
        scene.provider.await_count("/jwks", 2);
        Self { scene, other }
    }

    fn addresses(&self) -> [SocketAddr; 2] {
        [self.scene.stage.public(), self.other.address("public")]
    }

    /// Logs in: it begins on the scene's node and ends on the other.
    fn log_in(&self, wire: Wire, sid: &str) -> String {
        let [_, other] = self.addresses();
        let begun = self.scene.begin(wire, "/app/page?x=1");
        let id_token = self.scene.id_token(&begun.nonce, json!({ "sid": sid }));
        self.scene.provider.on("/token", self.scene.granted(&id_token, json!({})));
        let callback = format!("/app/.login/corp/callback?code=good&state={}", begun.state);
        let request = Request::get(callback).field("Cookie", &begun.cookie);
        let answer = send_to(other, wire, request.field("Sec-Fetch-Mode", "navigate"));
        assert_eq!(answer.status, 303, "{answer:?}");
        session_of(&answer)
    }
}

fn status(node: SocketAddr, wire: Wire, session: &str) -> u16 {
    send_to(node, wire, Request::get("/app/data").field("Cookie", session)).status
}

fn log_out(node: SocketAddr, wire: Wire, session: &str) -> Response {
    let request = Request::post("/app/.login/corp/logout", "").field("Cookie", session);
    send_to(node, wire, request.field("Origin", "https://app.test"))
}

/// Waits until a session counts no more; how long that took.
fn becomes_nothing(node: SocketAddr, session: &str) -> Duration {
    let since = Stopwatch::start();
    Deadline::soon()
        .poll("the end of a session", || (status(node, Wire::Http1, session) == 401).then_some(()));
    since.elapsed()
}

#[test]
fn a_session_counts_on_all_nodes_and_so_does_its_end() {
    let postgres = Postgres::start();
    let nodes = Nodes::start(&postgres);
    let [one, two] = nodes.addresses();
    for wire in Wire::ALL {
        // By the user.
        let session = nodes.log_in(*wire, "s1");
        let stays = nodes.log_in(*wire, "s2");
        for node in [one, two] {
            assert_eq!(status(node, *wire, &session), 200);
        }
        assert_eq!(log_out(two, *wire, &session).status, 303);
        assert_eq!(status(two, *wire, &session), 401, "at once where it was said");
        let took = becomes_nothing(one, &session);
        println!("a logout holds on another node after {took:?}");
        // By the issuer, which tells one node alone.
        let sid = format!("by the issuer {wire:?}");
        let session = nodes.log_in(*wire, &sid);
        let token = nodes.scene.logout_token(json!({ "sid": sid }));
        assert_eq!(nodes.scene.back_channel(*wire, &token).status, 200);
        assert_eq!(status(one, *wire, &session), 401);
        becomes_nothing(two, &session);
        let body = format!("logout_token={token}");
        let again = Request::post("/app/.login/corp/backchannel", body)
            .field("Content-Type", "application/x-www-form-urlencoded");
        let again = send_to(two, *wire, again);
        assert_eq!(again.problem().as_deref(), Some("logout-refused"), "it came to the other node before");
        for node in [one, two] {
            assert_eq!(status(node, *wire, &stays), 200, "another session");
        }
    }
    let kept = postgres.say("SELECT name FROM portcullis_secrets ORDER BY name");
    assert_eq!(kept, "login corp");
}

#[test]
fn a_logout_waits_for_no_store_and_is_told_when_it_is_back() {
    let mut postgres = Postgres::start();
    let mut nodes = Nodes::start(&postgres);
    let session = nodes.log_in(Wire::Http1, "s1");
    let [one, two] = nodes.addresses();
    assert_eq!((status(one, Wire::Http1, &session), status(two, Wire::Http1, &session)), (200, 200));
    postgres.leave();
    assert_eq!(log_out(one, Wire::Http2, &session).status, 303);
    assert_eq!(status(one, Wire::Http1, &session), 401);
    assert_eq!(status(two, Wire::Http1, &session), 200, "nobody can have told it");
    // What was to be told outlives a kill.
    let gateway = &mut nodes.scene.stage.gateway;
    gateway.signal(Signal::Kill);
    gateway.wait(Deadline::soon());
    let again = Builder::beside(gateway, executable()).start();
    nodes.scene.stage.gateway = again;
    let [one, _] = nodes.addresses();
    nodes.scene.provider.await_count("/jwks", 2);
    assert_eq!(status(one, Wire::Http1, &session), 401, "the keys of cookies are those of the copy");
    postgres.come_back();
    becomes_nothing(two, &session);
}
