//! Logouts: by the user at the gateway, by the issuer for a user, and what must not log anybody out.

use portcullis_testkit::tokens::{Signer, now, with};
use portcullis_testkit::{Request, Response, Wire};
use serde_json::{Value, json};

use super::{CONFIG, Scene, navigation};
use crate::stage::Findings;

const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

impl Scene {
    pub(super) fn logout_token(&self, others: Value) -> String {
        let claims = json!({
            "iss": self.provider.url(), "aud": "gw", "iat": now(), "exp": now() + 120, "jti": format!("j{}", self.number()),
            "events": { EVENT: {} }, "sub": "alice", "sid": "s1",
        });
        let header = json!({ "alg": "ES256", "kid": "a", "typ": "logout+jwt" });
        self.signer.sign(&header.to_string(), &with(&claims, others).to_string())
    }

    /// Another number each time.
    fn number(&self) -> u64 {
        use std::sync::atomic::{AtomicU64, Ordering};
        static NEXT: AtomicU64 = AtomicU64::new(0);
        NEXT.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn back_channel(&self, wire: Wire, token: &str) -> Response {
        let request = Request::post("/app/.login/corp/backchannel", format!("logout_token={token}"));
        self.send(wire, request.field("Content-Type", "application/x-www-form-urlencoded"))
    }

    fn status(&self, wire: Wire, session: &str) -> u16 {
        self.send(wire, Request::get("/app/data").field("Cookie", session)).status
    }
}

#[test]
fn a_user_logs_out_here_and_is_led_to_the_issuer() {
    let config = CONFIG.replace("login: {", "login: { after_logout: \"https://app.test/bye?x=1\",");
    let scene = Scene::with(&config, json!({}));
    for wire in Wire::ALL {
        let session = scene.log_in(*wire, json!({}));
        let logout = || Request::post("/app/.login/corp/logout", "").field("Cookie", &session);
        for request in [
            logout().field("Sec-Fetch-Site", "cross-site"),
            logout().field("Origin", "https://evil.test"),
            logout(),
        ] {
            let answer = scene.send(*wire, request);
            assert_eq!(answer.problem().as_deref(), Some("cross-site-request"), "{answer:?}");
            assert_eq!(scene.status(*wire, &session), 200);
        }
        let by_link = scene.send(*wire, navigation("/app/.login/corp/logout").field("Cookie", &session));
        assert_eq!(by_link.status, 405, "a link logs nobody out");
        let answer = scene.send(*wire, logout().field("Origin", "https://app.test"));
        assert_eq!(answer.status, 303, "{answer:?}");
        let place = format!(
            "{}/logout?client_id=gw&post_logout_redirect_uri=https%3A%2F%2Fapp.test%2Fbye%3Fx%3D1",
            scene.provider.url()
        );
        assert_eq!(answer.text("location"), Some(place));
        let taken = String::from_utf8_lossy(answer.all("set-cookie")[0]).into_owned();
        assert!(
            taken.starts_with("__Host-portcullis-session-corp=; ") && taken.contains("Max-Age=0"),
            "{taken}"
        );
        assert_eq!(scene.status(*wire, &session), 401, "a copy of the cookie is of no use");
    }
}

#[test]
fn the_issuer_logs_a_user_out() {
    let scene = Scene::start();
    for wire in Wire::ALL {
        let sid = format!("{wire:?}");
        let session = scene.log_in_as(*wire, json!({ "sid": sid }), json!({}));
        let answer = scene.back_channel(*wire, &scene.logout_token(json!({ "sid": "other" })));
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.text("cache-control").as_deref(), Some("no-store"));
        assert_eq!(scene.status(*wire, &session), 200, "another session of the user");
        let answer = scene.back_channel(*wire, &scene.logout_token(json!({ "sub": null, "sid": sid })));
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(scene.status(*wire, &session), 401);
        assert_eq!(scene.send(*wire, navigation("/app/page").field("Cookie", &session)).status, 302);
    }
    // By the user: every session that had begun, also under a type that says nothing.
    let scene = Scene::start();
    let session = scene.log_in(Wire::Http1, json!({}));
    let token = scene.logout_token(json!({ "sid": null }));
    let claims = portcullis_testkit::tokens::claims_of(&token);
    let token = scene.signer.sign(&json!({ "alg": "ES256", "kid": "a" }).to_string(), &claims.to_string());
    assert_eq!(scene.back_channel(Wire::Http1, &token).status, 200);
    assert_eq!(scene.status(Wire::Http2, &session), 401);
    let again = scene.back_channel(Wire::Http2, &token);
    assert_eq!(again.problem().as_deref(), Some("logout-refused"), "a logout token counts once");
}

#[test]
fn what_is_no_logout_token_logs_nobody_out() {
    let scene = Scene::start();
    let session = scene.log_in(Wire::Http1, json!({}));
    let stranger = Signer::new("a");
    let typed = |kind: &str| {
        let claims = portcullis_testkit::tokens::claims_of(&scene.logout_token(json!({})));
        let header = json!({ "alg": "ES256", "kid": "a", "typ": kind });
        scene.signer.sign(&header.to_string(), &claims.to_string())
    };
    let claims = portcullis_testkit::tokens::claims_of(&scene.logout_token(json!({})));
    let header = json!({ "alg": "ES256", "kid": "a", "typ": "logout+jwt" }).to_string();
    let rows = [
        ("an ID token", scene.id_token("n", json!({}))),
        ("no event", scene.logout_token(json!({ "events": {} }))),
        (
            "another event",
            scene.logout_token(json!({ "events": { "http://schemas.openid.net/event/x": {} } })),
        ),
        ("an event that is no object", scene.logout_token(json!({ "events": { EVENT: true } }))),
        ("a nonce", scene.logout_token(json!({ "nonce": "n" }))),
        ("about nobody", scene.logout_token(json!({ "sub": null, "sid": null }))),
        ("a sid that is no text", scene.logout_token(json!({ "sid": 1 }))),
        ("no jti", scene.logout_token(json!({ "jti": null }))),
        ("another issuer", scene.logout_token(json!({ "iss": "https://evil.test" }))),
        ("another audience", scene.logout_token(json!({ "aud": "other" }))),
        ("over", scene.logout_token(json!({ "exp": now() - 120 }))),
        ("without an end", scene.logout_token(json!({ "exp": null }))),
        ("without a time of issue", scene.logout_token(json!({ "iat": null }))),
        ("old", scene.logout_token(json!({ "iat": now() - 4_000 }))),
        ("an access token's type", typed("at+jwt")),
        ("another type", typed("secevent+jwt")),
        ("a stranger's key", stranger.sign(&header, &claims.to_string())),
        ("nothing", String::new()),
        ("two", format!("{}&logout_token=x", scene.logout_token(json!({})))),
        ("long", "a".repeat(20_000)),
    ];
    let mut findings = Findings::default();
    for (name, token) in &rows {
        for wire in Wire::ALL {
            let answer = scene.back_channel(*wire, token);
            let is_refused = answer.status == 400 && answer.problem().as_deref() == Some("logout-refused");
            findings.note(
                format!("{wire:?} {name}"),
                if is_refused { Ok(()) } else { Err(format!("{answer:?}")) },
            );
        }
    }
    let json = Request::post("/app/.login/corp/backchannel", "{}").field("Content-Type", "application/json");
    assert_eq!(scene.send(Wire::Http1, json).status, 400);
    let large = scene.back_channel(Wire::Http1, &"a".repeat(100_000));
    assert_eq!(large.status, 413, "{large:?}");
    findings.conclude(40);
    assert_eq!(scene.status(Wire::Http1, &session), 200);
}
