//! Sessions: renewed ahead of their end, once for all who bring them; over when they cannot be; good on other nodes and after
//! a restart with the same keys.

use std::thread;

use portcullis_testkit::gateway::Builder;
use portcullis_testkit::provider::Answer;
use portcullis_testkit::{Deadline, Request, Wire};
use serde_json::json;

use super::{CONFIG, Scene, navigation, send_to, session_of, set_cookies};
use crate::stage::{executable, text};

fn page(session: &str) -> Request {
    navigation("/app/page").field("Cookie", session)
}

#[test]
fn a_session_is_renewed_once_for_all_requests_that_bring_it() {
    let scene = Scene::start();
    for wire in Wire::ALL {
        // It ends at once, so that the next request renews it.
        let session =
            scene.log_in(*wire, json!({ "expires_in": 0, "refresh_token": format!("one {wire:?}") }));
        let before = scene.asked();
        let renewed = json!({
            "access_token": "next", "token_type": "Bearer", "expires_in": 300, "refresh_token": "two",
            "scope": "openid orders.write",
        });
        scene.provider.on("/token", Answer::Json(renewed));
        let address = scene.stage.public();
        let answers: Vec<_> = thread::scope(|scope| {
            let sending: Vec<_> =
                (0..12).map(|_| scope.spawn(|| send_to(address, *wire, page(&session)))).collect();
            sending.into_iter().map(|one| one.join().expect("an answer")).collect()
        });
        for answer in &answers {
            assert_eq!(answer.status, 200, "{answer:?}");
            assert_eq!(answer.text("cache-control").as_deref(), Some("no-store"));
        }
        assert_eq!(scene.asked(), before + 1, "one refresh for all");
        let calls = scene.provider.asked();
        let call = calls.iter().rfind(|call| call.line == "POST /token").expect("a call");
        assert!(call.body.contains("grant_type=refresh_token&refresh_token=one%20"), "{}", call.body);
        let newer = session_of(&answers[0]);
        assert_ne!(newer, session);
        let answer = scene.send(*wire, navigation("/app/secret").field("Cookie", &newer));
        assert_eq!(answer.status, 200, "with the scopes that were granted last: {answer:?}");
        assert!(set_cookies(&answer).is_empty());
        assert_eq!(scene.asked(), before + 1);
    }
}

#[test]
fn a_session_that_cannot_be_renewed_counts_as_nothing_there() {
    let scene = Scene::start();
    for (name, answer) in [
        ("refused", Answer::Reply(400, "application/json", br#"{"error":"invalid_grant"}"#.to_vec())),
        ("away", Answer::Close),
        ("HTML", Answer::Reply(200, "text/html", b"<html>".to_vec())),
        (
            "somebody else",
            Answer::Json(json!({
                "access_token": "access", "token_type": "Bearer", "expires_in": 300,
                "id_token": scene.id_token("any", json!({ "sub": "mallory" })),
            })),
        ),
    ] {
        for wire in Wire::ALL {
            let grant = json!({ "expires_in": 0, "refresh_token": format!("{name} {wire:?}") });
            let session = scene.log_in(*wire, grant);
            scene.provider.on("/token", answer.clone());
            let data = scene.send(*wire, Request::get("/app/data").field("Cookie", &session));
            assert_eq!(data.status, 401, "{name}: {data:?}");
            assert_eq!(data.problem().as_deref(), Some("credential-missing"), "{name}");
            assert_eq!(scene.send(*wire, page(&session)).status, 302, "{name}");
        }
    }
    let session = scene.log_in(Wire::Http1, json!({ "expires_in": 0 }));
    assert_eq!(scene.send(Wire::Http1, page(&session)).status, 302, "nothing to renew it with");
}

#[test]
fn an_issuer_that_is_away_takes_nobody_out_whom_it_vouches_for() {
    let scene = Scene::start();
    // Due for renewal at once, and good for some minutes: nine tenths of a time that is nearly over would be a wait.
    let session = scene.log_in(Wire::Http1, json!({ "expires_in": 3_600, "refresh_token": "one" }));
    for answer in [Answer::Close, Answer::Silence] {
        scene.provider.on("/token", answer.clone());
        scene.provider.on("/jwks", answer);
        for wire in Wire::ALL {
            assert_eq!(scene.send(*wire, page(&session)).status, 200);
        }
    }
}

#[test]
fn a_session_of_one_node_is_good_on_another_with_the_same_keys() {
    let key = "0123456789abcdef0123456789abcdef";
    let config = CONFIG.replace("login: {", &format!("login: {{ cookie_keys: [\"{key}\"],"));
    let scene = Scene::with(&config, json!({}));
    let session = scene.log_in(Wire::Http1, json!({}));
    let node = |keys: &str| {
        let config = CONFIG.replace("login: {", &format!("login: {{ cookie_keys: [{keys}],"));
        let config = config.replace("ISSUER", &scene.provider.url());
        Builder::new(executable(), config.replace("BACKEND", &scene.stage.backend.address().to_string()))
            .start()
    };
    let newer = "fedcba9876543210fedcba9876543210";
    for (keys, status) in
        [(format!("\"{key}\""), 200), (format!("\"{newer}\", \"{key}\""), 200), (format!("\"{newer}\""), 401)]
    {
        let other = node(&keys);
        let request = Request::get("/app/data").field("Cookie", &session);
        let answer = send_to(other.address("public"), Wire::Http2, request);
        assert_eq!(answer.status, status, "{answer:?}");
    }
}

#[test]
fn sessions_and_their_ends_outlive_a_restart_with_a_state_directory() {
    let state = tempfile::tempdir().expect("a folder");
    let config = CONFIG.replace("state: none", &format!("state: {}", state.path().display()));
    let mut scene = Scene::with(&config, json!({}));
    let kept = scene.log_in(Wire::Http1, json!({}));
    let ended = scene.log_in(Wire::Http2, json!({}));
    let logout = Request::post("/app/.login/corp/logout", "").field("Cookie", &ended);
    let answer = scene.send(Wire::Http1, logout.field("Sec-Fetch-Site", "same-origin"));
    assert_eq!(answer.status, 303, "{answer:?}");
    scene.stage.gateway.signal(portcullis_testkit::gateway::Signal::Term);
    assert!(scene.stage.gateway.wait(Deadline::soon()).success());
    let config = config.replace("ISSUER", &scene.provider.url());
    let config = config.replace("BACKEND", &scene.stage.backend.address().to_string());
    let again = Builder::new(executable(), config).start();
    for (session, status) in [(&kept, 200), (&ended, 401)] {
        let request = Request::get("/app/data").field("Cookie", session);
        let answer = send_to(again.address("public"), Wire::Http1, request);
        assert_eq!(answer.status, status, "{answer:?}");
    }
    let keys = state.path().join("logins/corp.keys");
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&keys.metadata().expect("a file of keys").permissions());
    assert_eq!(mode & 0o077, 0, "nobody else reads the keys");
}

#[test]
fn a_change_of_the_configuration_ends_no_session() {
    let scene = Scene::start();
    let session = scene.log_in(Wire::Http1, json!({}));
    let config =
        CONFIG.replace("orders.read]", "orders.read, profile]").replace("ISSUER", &scene.provider.url());
    scene.stage.gateway.reconfigure(&config.replace("BACKEND", &scene.stage.backend.address().to_string()));
    let begun = Deadline::soon().poll("the new scopes", || {
        let answer = scene.send(Wire::Http1, navigation("/app/page"));
        answer.text("location").filter(|place| place.contains("profile"))
    });
    assert!(begun.contains("orders.read%20profile"), "{begun}");
    assert_eq!(scene.send(Wire::Http2, page(&session)).status, 200);
}

#[test]
fn a_request_that_is_only_judged_uses_nothing_up() {
    let key = "0123456789abcdef0123456789abcdef";
    let scene =
        Scene::with(&CONFIG.replace("login: {", &format!("login: {{ cookie_keys: [\"{key}\"],")), json!({}));
    let explain = |target: &str, cookie: &str| {
        let cookie = format!("Cookie: {cookie}");
        let request = format!("GET {target}");
        let words = ["explain", "--request", &request, "--header", "Host: app.test", "--header", &cookie];
        let output = scene
            .stage
            .gateway
            .run(&executable(), &[&words[..], &["--header", "X-Forwarded-Proto: https"]].concat());
        text(&output)
    };
    // Both are due for renewal; the issuer's word for the first is over.
    let over = scene.log_in(Wire::Http1, json!({ "expires_in": 0, "refresh_token": "one" }));
    let vouched = scene.log_in(Wire::Http1, json!({ "expires_in": 3_600, "refresh_token": "two" }));
    let begun = scene.begin(Wire::Http1, "/app/page");
    let before = scene.asked();
    let told = explain("/app/page", &over);
    assert!(told.contains("authenticate") && !told.contains("would be asked"), "{told}");
    let told = explain("/app/page", &vouched);
    assert!(told.contains("would be asked"), "{told}");
    explain(&format!("/app/.login/corp/callback?code=good&state={}", begun.state), &begun.cookie);
    assert_eq!(scene.asked(), before, "the provider was asked for tokens");
    // They are as good as before.
    assert_eq!(scene.send(Wire::Http1, page(&vouched)).status, 200);
}
