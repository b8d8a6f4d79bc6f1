//! What backends are told of somebody who logged in: made once for a session, and no longer than it lasts.

use portcullis_testkit::provider::Answer;
use portcullis_testkit::{Deadline, Message, Request, Wire};
use serde_json::{Value, json};

use super::{Scene, navigation};

/// One backend that is told by a token of ours, one by what the session's access token is exchanged for.
fn config() -> String {
    let minting = r#"mint_jwt: { audience: minted }"#;
    let exchanging = r#"token_exchange: { url: "ISSUER/exchange", cleartext: true, client_id: gw, client_secret: "s3cret/+", audience: orders }"#;
    let backend = |name: &str, own: &str| {
        format!("  {name}: {{ targets: [\"http://BACKEND\"], credentials: {{ {own} }} }}\n")
    };
    let api = |name: &str| {
        format!(
            "  {name}: {{ base_path: /app/{name}, backend: {name}, auth: {{ login: corp }}, operations: {{ all: {{ match: \"* /{{rest*}}\" }} }} }}\n"
        )
    };
    let backends =
        format!("backends:\n{}{}  recorder:", backend("minted", minting), backend("exchanged", exchanging));
    let config = super::CONFIG.replace(
        "backends: { recorder: { targets: [\"http://BACKEND\"] } }",
        &format!("{backends} {{ targets: [\"http://BACKEND\"] }}"),
    );
    format!("{config}{}{}signing: {{ issuer: \"https://gw.test\" }}\n", api("minted"), api("exchanged"))
}

fn get(scene: &Scene, wire: Wire, path: &str, session: &str) -> (u16, Option<Message>) {
    let mark = scene.stage.backend.mark();
    let answer = scene.send(wire, Request::get(path).field("Cookie", session));
    (answer.status, scene.stage.backend.since(mark).pop())
}

fn exchanged(token: &str) -> Answer {
    Answer::Json(json!({
        "access_token": token, "issued_token_type": "urn:ietf:params:oauth:token-type:access_token", "token_type": "Bearer",
        "expires_in": 600,
    }))
}

#[test]
fn a_token_of_ours_is_made_once_for_a_session() {
    let scene = Scene::with(&config(), json!({}));
    let first = scene.log_in(Wire::Http1, json!({}));
    let second = scene.log_in(Wire::Http1, json!({}));
    let id = |session: &str| {
        // Over one connection, so on one core.
        let mut client = scene.stage.connect();
        let mut ids: Vec<Value> = Vec::new();
        for _ in 0..3 {
            let mark = scene.stage.backend.mark();
            let request = Request::get("/app/minted/x").host("app.test").field("X-Forwarded-Proto", "https");
            client.send(request.field("Cookie", session).http1());
            assert_eq!(client.response("GET", Deadline::soon()).expect("an answer").status, 200);
            let message = scene.stage.backend.since(mark).pop().expect("a message");
            let token = message.text("authorization").expect("a token");
            let claims = portcullis_testkit::tokens::claims_of(token.trim_start_matches("Bearer "));
            assert_eq!(
                (&claims["sub"], &claims["aud"]),
                (&json!("corp/alice"), &json!("minted")),
                "{claims}"
            );
            ids.push(claims["jti"].clone());
        }
        assert!(ids.iter().all(|id| *id == ids[0]), "signed anew: {ids:?}");
        ids[0].clone()
    };
    assert_ne!(id(&first), id(&second), "another session is another caller");
}

#[test]
fn a_sessions_access_token_is_exchanged_until_the_session_ends() {
    let scene = Scene::with(&config(), json!({}));
    scene.provider.on("/exchange", exchanged("for-alice"));
    let session = scene.log_in(Wire::Http1, json!({}));
    for wire in Wire::ALL {
        let (status, message) = get(&scene, *wire, "/app/exchanged/x", &session);
        assert_eq!(status, 200);
        let message = message.expect("a message");
        assert_eq!(message.all("authorization"), [b"Bearer for-alice"], "{message}");
        assert!(
            message.all("cookie").is_empty() && !message.to_string().contains("Bearer access"),
            "{message}"
        );
    }
    let calls = scene.provider.asked();
    let calls: Vec<_> = calls.iter().filter(|call| call.line == "POST /exchange").collect();
    assert_eq!(calls.len(), 1);
    assert!(calls[0].body.split('&').any(|pair| pair == "subject_token=access"), "{}", calls[0].body);
    // The session ends, and with it what its token was exchanged for.
    let answer = scene.send(
        Wire::Http1,
        Request::post("/app/exchanged/.login/corp/logout", "")
            .field("Cookie", &session)
            .field("Sec-Fetch-Site", "same-origin"),
    );
    assert_eq!(answer.status, 303, "{answer:?}");
    for wire in Wire::ALL {
        for path in ["/app/exchanged/x", "/app/minted/x"] {
            let (status, message) = get(&scene, *wire, path, &session);
            assert_eq!((status, message.is_none()), (401, true), "{path}");
        }
    }
    assert_eq!(scene.send(Wire::Http1, navigation("/app/page").field("Cookie", &session)).status, 302);
    scene.expect_never_told(&["for-alice", "subject_token", "s3cret", "__Host-"]);
}

#[test]
fn a_refusal_of_the_issuer_is_told_and_nothing_goes() {
    let scene = Scene::with(&config(), json!({}));
    let session = scene.log_in(Wire::Http1, json!({}));
    let refused = br#"{"error":"invalid_target"}"#;
    scene.provider.on("/exchange", Answer::Reply(400, "application/json", refused.to_vec()));
    for wire in Wire::ALL {
        let (status, message) = get(&scene, *wire, "/app/exchanged/x", &session);
        assert_eq!((status, message.is_none()), (403, true));
    }
}
