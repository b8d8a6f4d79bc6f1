//! Whatever a hostile provider, site or stranger brings back from a login, nobody is let in by it, and each is answered in
//! time.

use std::time::{Duration, Instant};

use portcullis_testkit::provider::Answer;
use portcullis_testkit::tokens::{Signer, now};
use portcullis_testkit::{Request, Wire};
use serde_json::{Value, json};

use super::{Begun, CONFIG, Scene, at_hash, navigation, session_of, set_cookies};
use crate::stage::Findings;

/// The provider is given two seconds; a machine that is busy some more.
const IN_TIME: Duration = Duration::from_secs(20);

/// What the browser brings back, made of the login under way: its cookies, and the query.
type Brings = Box<dyn Fn(&Scene, &Begun) -> (String, String)>;

fn brings(query: impl Fn(&Begun) -> String + 'static) -> Brings {
    Box::new(move |_, begun| (begun.cookie.clone(), query(begun)))
}

/// The same text but for one letter in it.
fn changed(text: &str) -> String {
    let at = text.len() - 20;
    let other = if text.as_bytes()[at] == b'A' { "B" } else { "A" };
    format!("{}{other}{}", &text[..at], &text[at + 1..])
}

#[test]
fn what_comes_back_and_does_not_hold_lets_nobody_in() {
    let scene = Scene::with(CONFIG, json!({ "authorization_response_iss_parameter_supported": true }));
    let issuer = scene.provider.url();
    let good = move |begun: &Begun| format!("code=good&state={}&iss={issuer}", begun.state);
    let with = |more: &'static str| {
        let good = good.clone();
        brings(move |begun| format!("{}{more}", good(begun)))
    };
    let cookie_is = |change: fn(&str) -> String| -> Brings {
        let good = good.clone();
        Box::new(move |_, begun| (change(&begun.cookie), good(begun)))
    };
    let rows: Vec<(&str, Brings)> = vec![
        ("no state", brings(|_| "code=good".to_owned())),
        ("no query", brings(|_| String::new())),
        ("another state", brings(|begun| format!("code=good&state={}x", begun.state))),
        (
            "no issuer, though it says that it names itself",
            brings(|begun| format!("code=good&state={}", begun.state)),
        ),
        (
            "another issuer (mix-up)",
            brings(|begun| format!("code=good&state={}&iss=https://evil.test", begun.state)),
        ),
        ("an issuer with a slash more", with("/")),
        ("two codes", with("&code=other")),
        ("two states", with("&state=other")),
        ("two issuers", with("&iss=other")),
        ("no code", brings(|begun| format!("state={}", begun.state))),
        ("an empty code", with("&code=")),
        ("the provider refused", with("&error=access_denied")),
        ("no cookie", cookie_is(|_| "a=b".to_owned())),
        ("a cookie that was changed", cookie_is(changed)),
        ("a cookie that was cut", cookie_is(|cookie| cookie[..cookie.len() - 8].to_owned())),
        ("the cookie twice", cookie_is(|cookie| format!("{cookie}; {cookie}"))),
        (
            "the cookie of another login",
            Box::new(|scene, begun| {
                let other = scene.begin(Wire::Http1, "/app/other");
                let name = begun.cookie.split('=').next().unwrap_or_default();
                let value = other.cookie.split_once('=').expect("a value").1.to_owned();
                (
                    format!("{name}={value}"),
                    format!("code=good&state={}&iss={}", begun.state, scene.provider.url()),
                )
            }),
        ),
    ];
    let mut findings = Findings::default();
    for wire in Wire::ALL {
        for (name, brings) in &rows {
            let begun = scene.begin(*wire, "/app/page");
            scene.provider.on("/token", scene.granted(&scene.id_token(&begun.nonce, json!({})), json!({})));
            let before = scene.asked();
            let (cookie, query) = brings(&scene, &begun);
            let answer = scene.come_back(*wire, &cookie, &query);
            let is_refused = answer.status == 401
                && answer.problem().as_deref() == Some("credential-invalid")
                && set_cookies(&answer).is_empty()
                && answer.text("referrer-policy").as_deref() == Some("no-referrer")
                && answer.text("cache-control").as_deref() == Some("no-store");
            let has_asked = scene.asked() > before;
            let outcome =
                if is_refused && !has_asked { Ok(()) } else { Err(format!("{has_asked} {answer:?}")) };
            findings.note(format!("{wire:?} {name}"), outcome);
        }
    }
    findings.conclude(30);
    // The nearest that holds, so that not everything is refused; and it holds once.
    let begun = scene.begin(Wire::Http2, "/app/page");
    scene.provider.on("/token", scene.granted(&scene.id_token(&begun.nonce, json!({})), json!({})));
    let query = format!("code=good&state={}&iss={}", begun.state, scene.provider.url());
    let answer = scene.come_back(Wire::Http2, &begun.cookie, &query);
    assert_eq!(answer.status, 303, "{answer:?}");
    let before = scene.asked();
    let replayed = scene.come_back(Wire::Http1, &begun.cookie, &query);
    assert_eq!((replayed.status, scene.asked()), (401, before), "a state counts once: {replayed:?}");
}

#[test]
fn a_token_endpoint_that_says_anything_else_lets_nobody_in() {
    let scene = Scene::start();
    let stranger = Signer::new("a");
    let id = |claims: Value| move |scene: &Scene, nonce: &str| scene.id_token(nonce, claims.clone());
    let signed = |header: Value| {
        move |scene: &Scene, nonce: &str| {
            let good = scene.id_token(nonce, json!({}));
            let claims = portcullis_testkit::tokens::claims_of(&good);
            scene.signer.sign(&header.to_string(), &claims.to_string())
        }
    };
    type Made<'a> = Box<dyn Fn(&Scene, &str) -> String + 'a>;
    let id_tokens: Vec<(&str, Made<'_>)> = vec![
        ("another nonce", Box::new(id(json!({ "nonce": "other" })))),
        ("no nonce", Box::new(id(json!({ "nonce": null })))),
        ("a nonce that is no text", Box::new(id(json!({ "nonce": 1 })))),
        ("another at_hash", Box::new(id(json!({ "at_hash": at_hash("other") })))),
        ("an at_hash that is no text", Box::new(id(json!({ "at_hash": ["x"] })))),
        ("another issuer", Box::new(id(json!({ "iss": "https://evil.test" })))),
        ("another audience", Box::new(id(json!({ "aud": "other" })))),
        ("several audiences and no azp", Box::new(id(json!({ "aud": ["gw", "other"] })))),
        ("another azp", Box::new(id(json!({ "azp": "other" })))),
        ("no subject", Box::new(id(json!({ "sub": null })))),
        ("an empty subject", Box::new(id(json!({ "sub": "" })))),
        ("over", Box::new(id(json!({ "exp": now() - 120 })))),
        ("without an end", Box::new(id(json!({ "exp": null })))),
        ("without a time of issue", Box::new(id(json!({ "iat": null })))),
        ("issued long ago", Box::new(id(json!({ "iat": now() - 3_600 })))),
        ("issued in the future", Box::new(id(json!({ "iat": now() + 3_600 })))),
        ("a logout token", Box::new(id(json!({ "events": {} })))),
        (
            "an access token by its type",
            Box::new(signed(json!({ "alg": "ES256", "kid": "a", "typ": "at+jwt" }))),
        ),
        ("unsigned", Box::new(signed(json!({ "alg": "none" })))),
        (
            "of a stranger's key",
            Box::new(|scene, nonce| {
                let claims = portcullis_testkit::tokens::claims_of(&scene.id_token(nonce, json!({})));
                stranger.sign(&json!({ "alg": "ES256", "kid": "a" }).to_string(), &claims.to_string())
            }),
        ),
        ("none", Box::new(|_, _| String::new())),
    ];
    let mut findings = Findings::default();
    for (index, (name, made)) in id_tokens.iter().enumerate() {
        let wire = Wire::ALL[index % Wire::ALL.len()];
        let begun = scene.begin(wire, "/app/page");
        scene.provider.on("/token", scene.granted(&made(&scene, &begun.nonce), json!({})));
        let answer = scene.come_back(wire, &begun.cookie, &format!("code=good&state={}", begun.state));
        let is_refused = answer.status == 401 && set_cookies(&answer).is_empty();
        findings
            .note(format!("ID token: {name}"), if is_refused { Ok(()) } else { Err(format!("{answer:?}")) });
    }
    let json = |value: Value| Answer::Json(value);
    let good = json!({ "access_token": "access", "token_type": "Bearer", "id_token": "x" });
    let answers: Vec<(&str, u16, Answer)> = vec![
        (
            "invalid_grant",
            401,
            Answer::Reply(400, "application/json", br#"{"error":"invalid_grant"}"#.to_vec()),
        ),
        (
            "invalid_client",
            503,
            Answer::Reply(401, "application/json", br#"{"error":"invalid_client"}"#.to_vec()),
        ),
        ("HTML with 200", 503, Answer::Reply(200, "text/html", b"<html>Welcome</html>".to_vec())),
        ("JSON that says it is HTML", 503, Answer::Reply(200, "text/html", good.to_string().into_bytes())),
        ("a redirect", 503, Answer::Reply(302, "application/json", good.to_string().into_bytes())),
        ("an error of the server", 503, Answer::Reply(500, "text/plain", b"no".to_vec())),
        ("no JSON", 503, Answer::Reply(200, "application/json", b"{".to_vec())),
        ("a member twice", 503, Answer::Reply(200, "application/json", br#"{"a":1,"a":2}"#.to_vec())),
        (
            "another type of token",
            503,
            json(json!({ "access_token": "a", "token_type": "mac", "id_token": "x" })),
        ),
        ("no access token", 503, json(json!({ "token_type": "Bearer", "id_token": "x" }))),
        (
            "a time that is no number",
            503,
            json(json!({ "access_token": "a", "token_type": "Bearer", "expires_in": "x" })),
        ),
        ("too large", 503, Answer::Reply(200, "application/json", vec![b' '; 200_000])),
        ("endless", 503, Answer::Endless),
        ("silence", 503, Answer::Silence),
        ("a byte now and then", 503, Answer::Drip),
        ("closed", 503, Answer::Close),
        ("no HTTP", 503, Answer::Raw(b"SSH-2.0-x\r\n".to_vec())),
    ];
    for (index, (name, status, said)) in answers.into_iter().enumerate() {
        let wire = Wire::ALL[index % Wire::ALL.len()];
        let begun = scene.begin(wire, "/app/page");
        scene.provider.on("/token", said);
        let began = Instant::now();
        let answer = scene.come_back(wire, &begun.cookie, &format!("code=good&state={}", begun.state));
        let is_so = answer.status == status && set_cookies(&answer).is_empty() && began.elapsed() < IN_TIME;
        findings
            .note(format!("token endpoint: {name}"), if is_so { Ok(()) } else { Err(format!("{answer:?}")) });
    }
    findings.conclude(35);
    let places: Vec<String> = scene.provider.asked().into_iter().map(|asked| asked.line).collect();
    let is_known = |line: &String| {
        ["GET /.well-known/openid-configuration", "GET /jwks", "POST /token"].contains(&line.as_str())
    };
    assert!(places.iter().all(is_known), "nothing else was asked for: {places:?}");
}

#[test]
fn a_provider_that_cannot_do_what_is_insisted_on_lets_nobody_begin() {
    for (members, why) in [
        (json!({ "code_challenge_methods_supported": ["plain"] }), "PKCE"),
        (json!({ "code_challenge_methods_supported": [] }), "PKCE"),
        (json!({ "code_challenge_methods_supported": null }), "PKCE"),
        (json!({ "response_types_supported": ["id_token"] }), "authorization code flow"),
        (json!({ "token_endpoint_auth_methods_supported": ["none"] }), "client_secret_basic"),
        (json!({ "authorization_endpoint": "http://idp.example.com/authorize" }), "authorization_endpoint"),
        (json!({ "authorization_endpoint": "javascript:alert(1)" }), "authorization_endpoint"),
        (json!({ "token_endpoint": 7 }), "token_endpoint"),
    ] {
        let scene = Scene::with(CONFIG, members.clone());
        // It is told when the document is first seen, before anybody wants to log in.
        scene
            .stage
            .gateway
            .stderr()
            .expect(why, |line| (line.contains("nobody can log in") && line.contains(why)).then_some(()));
        for wire in Wire::ALL {
            let answer = scene.send(*wire, navigation("/app/page"));
            assert_eq!(answer.status, 503, "{members}: {answer:?}");
            assert_eq!(answer.problem().as_deref(), Some("issuer-unavailable"));
            assert!(answer.text("location").is_none() && set_cookies(&answer).is_empty());
        }
        let other = scene.send(Wire::Http1, Request::get("/open"));
        assert_eq!(other.status, 200, "its neighbours go on");
    }
}

#[test]
fn nobody_is_led_to_another_place_than_where_the_login_began() {
    let scene = Scene::start();
    for wire in Wire::ALL {
        for target in [
            "/app/page?return_to=https://evil.test/",
            "/app/page?next=//evil.test",
            "/app/.login/corp/nothing",
        ] {
            let begun = scene.begin(*wire, target);
            scene.provider.on("/token", scene.granted(&scene.id_token(&begun.nonce, json!({})), json!({})));
            let query = format!(
                "code=good&state={}&target=https://evil.test&redirect_uri=https://evil.test",
                begun.state
            );
            let answer = scene.come_back(*wire, &begun.cookie, &query);
            assert_eq!(answer.status, 303, "{answer:?}");
            assert_eq!(answer.text("location"), Some(format!("https://app.test{target}")));
        }
        let long = format!("/app/page?{}", "x".repeat(3_000));
        let begun = scene.begin(*wire, &long);
        scene.provider.on("/token", scene.granted(&scene.id_token(&begun.nonce, json!({})), json!({})));
        let answer = scene.come_back(*wire, &begun.cookie, &format!("code=good&state={}", begun.state));
        assert_eq!(answer.text("location").as_deref(), Some("https://app.test/app/page"));
    }
}

#[test]
fn logins_in_several_tabs_do_not_disturb_each_other_and_are_bounded() {
    let scene = Scene::start();
    let tabs: Vec<Begun> = (0..3).map(|_| scene.begin(Wire::Http1, "/app/page")).collect();
    let jar = tabs.iter().map(|tab| tab.cookie.clone()).collect::<Vec<_>>().join("; ");
    for tab in tabs.iter().rev() {
        scene.provider.on("/token", scene.granted(&scene.id_token(&tab.nonce, json!({})), json!({})));
        let answer = scene.come_back(Wire::Http2, &jar, &format!("code=good&state={}", tab.state));
        assert_eq!(answer.status, 303, "{answer:?}");
        drop(session_of(&answer));
    }
    let jar: Vec<String> = (0..10).map(|_| scene.begin(Wire::Http1, "/app/page").cookie).collect();
    let answer = scene.send(Wire::Http1, navigation("/app/page").field("Cookie", jar.join("; ")));
    let taken: Vec<String> = answer
        .all("set-cookie")
        .into_iter()
        .map(|line| String::from_utf8_lossy(line).into_owned())
        .filter(|line| line.contains("Max-Age=0"))
        .collect();
    assert_eq!(taken.len(), 6, "{taken:?}");
    for (line, cookie) in taken.iter().zip(&jar) {
        assert_eq!(line.split('=').next(), cookie.split('=').next(), "the oldest goes first");
    }
}

#[test]
fn what_does_not_fit_into_a_cookie_is_refused_and_says_so() {
    let scene = Scene::start();
    let begun = scene.begin(Wire::Http1, "/app/page");
    let id_token = scene.id_token(&begun.nonce, json!({ "groups": "g".repeat(5_000) }));
    scene.provider.on("/token", scene.granted(&id_token, json!({})));
    let answer = scene.come_back(Wire::Http1, &begun.cookie, &format!("code=good&state={}", begun.state));
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(set_cookies(&answer).is_empty());
    let record = scene.stage.gateway.record("the refusal", |record| {
        record["portcullis.cause"].as_str().is_some_and(|cause| cause.contains("login.claims"))
    });
    assert!(record["portcullis.cause"].as_str().is_some_and(|cause| cause.contains("fits into a cookie")));

    let config = CONFIG.replace("client_secret:", "claims: [email], client_secret:");
    let scene = Scene::with(&config, json!({}));
    let begun = scene.begin(Wire::Http1, "/app/page");
    let id_token = scene.id_token(&begun.nonce, json!({ "groups": "g".repeat(5_000) }));
    scene.provider.on("/token", scene.granted(&id_token, json!({})));
    let answer = scene.come_back(Wire::Http1, &begun.cookie, &format!("code=good&state={}", begun.state));
    assert_eq!(answer.status, 303, "what is not kept need not fit: {answer:?}");
}

#[test]
fn another_site_cannot_make_use_of_a_session() {
    let scene = Scene::start();
    let session = scene.log_in(Wire::Http1, json!({}));
    let same = "https://app.test";
    // Method, Sec-Fetch-Site, Origin, status.
    let rows = [
        ("POST", Some("same-origin"), Some(same), 200),
        ("POST", Some("same-origin"), None, 200),
        ("POST", None, Some(same), 200),
        ("POST", Some("cross-site"), Some("https://evil.test"), 403),
        ("POST", Some("cross-site"), None, 403),
        ("POST", Some("same-site"), Some("https://other.app.test"), 403),
        ("POST", Some("same-origin"), Some("https://evil.test"), 403),
        ("POST", None, Some("https://evil.test"), 403),
        ("POST", None, Some("null"), 403),
        ("POST", None, Some("http://app.test"), 403),
        ("POST", None, Some("https://app.test:444"), 403),
        ("POST", None, Some("https://app.test.evil.test"), 403),
        ("POST", None, None, 403),
        ("PUT", Some("cross-site"), None, 403),
        ("DELETE", None, None, 403),
        ("PATCH", Some("none"), None, 200),
        ("GET", Some("cross-site"), None, 200),
        ("GET", None, None, 200),
    ];
    for wire in Wire::ALL {
        for (method, site, origin, status) in rows {
            let mut request = Request::new(method, "/app/thing").field("Cookie", &session);
            if let Some(site) = site {
                request = request.field("Sec-Fetch-Site", site);
            }
            if let Some(origin) = origin {
                request = request.field("Origin", origin);
            }
            let mark = scene.stage.backend.mark();
            let answer = scene.send(*wire, request);
            assert_eq!(answer.status, status, "{wire:?} {method} {site:?} {origin:?}: {answer:?}");
            if status == 403 {
                assert_eq!(answer.problem().as_deref(), Some("cross-site-request"));
                assert!(scene.stage.backend.since(mark).is_empty());
            }
        }
    }
}

#[test]
fn a_cookie_that_is_no_session_of_ours_counts_as_nothing_there() {
    let scene = Scene::start();
    let session = scene.log_in(Wire::Http1, json!({}));
    let begun = scene.begin(Wire::Http1, "/app/page");
    let value = |cookie: &str| cookie.split_once('=').expect("a value").1.to_owned();
    let name = "__Host-portcullis-session-corp";
    let own = value(&session);
    for (what, cookie) in [
        ("a login under way", format!("{name}={}", value(&begun.cookie))),
        ("changed", format!("{name}={}", changed(&own))),
        ("cut", format!("{name}={}", &own[..own.len() / 2])),
        ("empty", format!("{name}=")),
        ("long", format!("{name}={}", "A".repeat(8_000))),
        ("another name", format!("{name}x={own}")),
        ("another case", format!("{}={own}", name.to_ascii_lowercase())),
    ] {
        for wire in Wire::ALL {
            let answer = scene.send(*wire, Request::get("/app/data").field("Cookie", &cookie));
            assert_eq!(answer.status, 401, "{what}: {answer:?}");
            assert_eq!(answer.problem().as_deref(), Some("credential-missing"), "{what}");
            let page = scene.send(*wire, navigation("/app/page").field("Cookie", &cookie));
            assert_eq!(page.status, 302, "{what}: {page:?}");
        }
    }
    let twice =
        scene.send(Wire::Http1, Request::get("/app/data").field("Cookie", format!("{session}; {session}")));
    assert_eq!(twice.problem().as_deref(), Some("credential-invalid"), "{twice:?}");
}

#[test]
fn no_backend_gets_our_cookies_or_sets_one() {
    let scene = Scene::start();
    let session = scene.log_in(Wire::Http1, json!({}));
    let begun = scene.begin(Wire::Http1, "/app/page");
    let planted =
        "Set-Cookie: __Host-portcullis-session-corp=evil; Path=/; Secure\r\nSet-Cookie: theme=dark\r\n";
    scene.stage.backend.on("/open", portcullis_testkit::recorder::Reply::with("200 OK", planted, "hello"));
    for wire in Wire::ALL {
        let mark = scene.stage.backend.mark();
        let cookies = format!("{session}; theme=light; {}", begun.cookie);
        let answer = scene.send(*wire, Request::get("/open").field("Cookie", cookies));
        assert_eq!(answer.status, 200);
        assert_eq!(answer.all("set-cookie"), [b"theme=dark"]);
        let arrived = scene.stage.backend.since(mark);
        let message = arrived.first().expect("a message");
        let cookie = message.fields.iter().find(|(name, _)| name.eq_ignore_ascii_case(b"cookie"));
        assert_eq!(
            cookie.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).as_deref(),
            Some("theme=light")
        );
    }
}
