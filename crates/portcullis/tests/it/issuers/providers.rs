//! Keys that are fetched from a provider: rotated, away, slow, hostile. No request waits for one it does not need.

use std::time::Duration;

use portcullis_testkit::gateway::Builder;
use portcullis_testkit::provider::{Answer, DISCOVERY, Provider};
use portcullis_testkit::tokens::{Signer, claims, key_set};
use portcullis_testkit::{Deadline, Gateway, Request, Stopwatch, Wire};
use serde_json::json;

use super::{await_status, good, send};
use crate::stage::{Findings, Stage, executable};

const CONFIG: &str = r#"version: 1
admin: { probes: 127.0.0.1:0 }
listeners: { public: { bind: 127.0.0.1:0, protocols: [http1, http2] } }
bounds: { credential_failures: 1000000 }
telemetry: { access_log: stdout, incidents: stdout }
issuers:
  corp: { openid: "ISSUER", audiences: [orders-api], SETTINGS }
backends: { recorder: { targets: ["http://BACKEND"] } }
apis:
  orders: { backend: recorder, auth: { jwt: corp }, operations: { all: { match: "* /{rest*}" } } }
  open: { base_path: /open, backend: recorder, auth: none, operations: { all: { match: "* /{rest*}" } } }
  keyed: { base_path: /keyed, backend: recorder, auth: { any_of: [{ jwt: corp }, { api_key: {} }] }, operations: { all: { match: "* /{rest*}" } } }
consumers:
  tester: { apis: [keyed], credentials: [{ id: k1, api_key: { sha256: "87cbebfeebc05f7c54ac9336c4b4bbec831227a641951a4bde7edd56020f8590" } }] }
"#;

fn builder(issuer: &str, settings: &str, backend: &str) -> Builder {
    let config = CONFIG.replace("ISSUER", issuer).replace("SETTINGS", settings).replace("BACKEND", backend);
    Builder::new(executable(), config).argument("--state-dir").argument("state")
}

fn stage(provider: &Provider, settings: &str) -> Stage {
    Stage::built(|backend| builder(&provider.url(), settings, backend))
}

fn get(gateway: &Gateway, path: &str) -> String {
    String::from_utf8_lossy(&Wire::Http1.send(gateway.probes(), &Request::get(path)).body).into_owned()
}

/// A metric of the issuer, awaited.
fn await_metric(stage: &Stage, sample: &str) {
    Deadline::soon().poll(sample, || get(&stage.gateway, "/metrics").contains(sample).then_some(()));
}

#[test]
fn keys_are_found_by_discovery_and_a_rotation_is_noticed_at_once() {
    let (provider, first, second) = (Provider::start(), Signer::new("a"), Signer::new("b"));
    provider.keys(&[&first]);
    let stage = stage(&provider, "cool_down: 1s");
    let (old, new) = (good(&first, &provider.url(), "alice"), good(&second, &provider.url(), "bob"));
    for wire in Wire::ALL {
        assert_eq!(send(&stage, *wire, &old).status, 200);
    }
    let ready = get(&stage.gateway, "/readyz");
    assert!(ready.contains("issuer corp: 1 keys, fetched "), "{ready}");
    provider.keys(&[&first, &second]);
    await_status(&stage, &new, 200);
    assert_eq!(send(&stage, Wire::Http1, &old).status, 200);
    provider.keys(&[&second]);
    // Whoever has a token by a third key has the set fetched again.
    let unknown = good(&Signer::new("c"), &provider.url(), "carol");
    Deadline::soon().poll("the old key's end", || {
        send(&stage, Wire::Http1, &unknown);
        (send(&stage, Wire::Http1, &old).status == 401).then_some(())
    });
    assert_eq!(send(&stage, Wire::Http1, &new).status, 200);
    let log = stage.gateway.log("the rotation", |line| line["message"] == "an issuer has other keys");
    assert_eq!(log["issuer"], "corp");
}

#[test]
fn unknown_keys_cause_one_fetch_for_all_who_ask() {
    let (provider, signer) = (Provider::start(), Signer::new("a"));
    provider.keys(&[&signer]);
    let stage = stage(&provider, "cool_down: 1h");
    let known = good(&signer, &provider.url(), "alice");
    await_status(&stage, &known, 200);
    let before = provider.count("/jwks");
    let address = stage.public();
    let url = provider.url();
    let each = if std::env::var_os("PORTCULLIS_WHOLE").is_some() { 1_000 } else { 100 };
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (url, known) = (url.clone(), known.clone());
            scope.spawn(move || {
                let stranger = Signer::new("x");
                let claims = claims(&url, "orders-api", "mallory");
                let mut client = portcullis_testkit::raw::Client::connect(address);
                for number in 0..each {
                    let header =
                        json!({ "alg": "ES256", "typ": "at+jwt", "kid": format!("{thread}-{number}") });
                    let token = stranger.sign(&header.to_string(), &claims.to_string());
                    client.send(super::bearing(&token).http1());
                    let answer = client.response("GET", Deadline::soon()).expect("an answer");
                    assert_eq!(answer.status, 401, "{answer:?}");
                    if number % 10 == 0 {
                        client.send(super::bearing(&known).http1());
                        let answer = client.response("GET", Deadline::soon()).expect("an answer");
                        assert_eq!(answer.status, 200, "{answer:?}");
                    }
                }
            });
        }
    });
    assert_eq!(provider.count("/jwks"), before, "fetched while it was cooling down");
}

/// Sends tokens by keys that nobody has until `time` is over, and a known caller's beside every tenth; says how many.
fn flood(stage: &Stage, url: &str, known: &str, time: Duration) -> usize {
    let (address, began) = (stage.public(), Stopwatch::start());
    let one = &|thread: usize| {
        let (stranger, mut sent) = (Signer::new("x"), 0);
        let claims = claims(url, "orders-api", "mallory").to_string();
        let mut client = portcullis_testkit::raw::Client::connect(address);
        while began.elapsed() < time {
            if sent % 1_000 == 999 {
                // Long before the gateway closes it for having asked often enough.
                client = portcullis_testkit::raw::Client::connect(address);
            }
            let mut ask = |token: &str, status: u16| {
                client.send(super::bearing(token).http1());
                let answer = client.response("GET", Deadline::soon()).expect("an answer");
                assert_eq!(answer.status, status, "{answer:?}");
            };
            let header = json!({ "alg": "ES256", "typ": "at+jwt", "kid": format!("{thread}-{sent}") });
            ask(&stranger.sign(&header.to_string(), &claims), 401);
            if sent % 10 == 0 {
                ask(known, 200);
            }
            sent += 1;
        }
        sent
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|thread| scope.spawn(move || one(thread))).collect();
        threads.into_iter().map(|thread| thread.join().expect("a client")).sum()
    })
}

#[test]
fn a_flood_of_unknown_keys_causes_one_fetch_a_cool_down() {
    let (provider, signer) = (Provider::start(), Signer::new("a"));
    provider.keys(&[&signer]);
    let stage = stage(&provider, "cool_down: 1s");
    let known = good(&signer, &provider.url(), "alice");
    await_status(&stage, &known, 200);
    let (before, began) = (provider.count("/jwks"), Stopwatch::start());
    let is_whole = std::env::var_os("PORTCULLIS_WHOLE").is_some();
    let time = Duration::from_secs(if is_whole { 30 } else { 3 });
    let sent = flood(&stage, &provider.url(), &known, time);
    let (fetched, seconds) = (provider.count("/jwks") - before, began.elapsed().as_secs());
    println!("{sent} tokens by unknown keys in {seconds} s: {fetched} fetches");
    assert!((1..=seconds + 1).contains(&(fetched as u64)), "{fetched} fetches in {seconds} s");
    assert!(!is_whole || sent as u64 / seconds >= 1_000, "a flood is more: {sent} in {seconds} s");
}

#[test]
fn an_issuer_that_is_away_concerns_its_own_tokens_alone() {
    let provider = Provider::start();
    for answer in [Answer::Silence, Answer::Close, Answer::Reply(500, "text/plain", Vec::new())] {
        provider.on(DISCOVERY, answer);
        // The configuration loads all the same.
        let stage = stage(&provider, "timeout: 1s");
        let token = good(&Signer::new("a"), &provider.url(), "alice");
        for wire in Wire::ALL {
            let answer = send(&stage, *wire, &token);
            assert_eq!(answer.verdict(), (503, Some("issuer-unavailable".to_owned())));
            assert!(answer.text("retry-after").is_some() && answer.text("www-authenticate").is_none());
            assert_eq!(wire.send(stage.public(), &Request::get("/open/x")).status, 200);
            let keyed = Request::get("/keyed/x").field("x-api-key", crate::stage::KEY);
            assert_eq!(wire.send(stage.public(), &keyed).status, 200);
            let nothing = wire.send(stage.public(), &Request::get("/thing"));
            assert_eq!(nothing.status, 401);
        }
        let incident = stage
            .gateway
            .record("an incident", |record| record["portcullis.incident.kind"] == "issuer-unavailable");
        assert_eq!(incident["portcullis.incident.severity"], "high");
        let ready = get(&stage.gateway, "/readyz");
        assert!(ready.contains("issuer corp: no keys") && ready.contains("the last call failed"), "{ready}");
        let mark = stage.backend.mark();
        send(&stage, Wire::Http1, &token);
        assert!(stage.backend.since(mark).is_empty(), "open though nobody could judge");
    }
}

/// What a provider may say that is no key set.
fn hostile(signer: &Signer) -> Vec<(&'static str, Answer)> {
    let jwk = Signer::new("x").jwk();
    let ten_thousand: Vec<_> = (0..10_000)
        .map(|number| {
            let mut jwk = jwk.clone();
            jwk["kid"] = json!(number.to_string());
            jwk
        })
        .collect();
    let mut private = signer.jwk();
    private["d"] = json!("AAAA");
    let mut weak = json!({ "kty": "RSA", "kid": "w", "e": "AQAB" });
    weak["n"] = json!("u".repeat(86));
    let json = |body: &str| Answer::Reply(200, "application/json", body.as_bytes().to_vec());
    vec![
        ("silent", Answer::Silence),
        ("a byte now and then", Answer::Drip),
        ("closed", Answer::Close),
        ("without an end", Answer::Endless),
        ("five megabytes", json(&format!("{{\"keys\":[]{}}}", " ".repeat(5 << 20)))),
        ("an error", Answer::Reply(500, "application/json", key_set(&[signer]).to_string().into_bytes())),
        ("somewhere else", Answer::Reply(302, "text/plain", Vec::new())),
        ("HTML", Answer::Reply(200, "text/html", b"<html>welcome</html>".to_vec())),
        ("no HTTP", Answer::Raw(b"\x16\x03\x01\x02\x00".to_vec())),
        ("an empty set", Answer::Json(json!({ "keys": [] }))),
        ("two keys of one kid", Answer::Json(key_set(&[signer, &Signer::new("a")]))),
        ("10,000 keys", Answer::Json(json!({ "keys": ten_thousand }))),
        ("a private key", Answer::Json(json!({ "keys": [private] }))),
        ("a weak key", Answer::Json(json!({ "keys": [weak, signer.jwk()] }))),
        ("a secret", Answer::Json(json!({ "keys": [{ "kty": "oct", "kid": "a", "k": "AAAA" }] }))),
        ("a member twice", json(&format!("{{\"keys\":[],\"keys\":[{}]}}", signer.jwk()))),
        ("nested", json(&format!("{{\"keys\":{}", "[".repeat(100_000)))),
    ]
}

#[test]
fn what_is_no_good_key_set_changes_nothing() {
    let signer = Signer::new("a");
    let cases = hostile(&signer);
    assert!(cases.len() >= 17, "{} cases", cases.len());
    // Several providers beside each other, each with a gateway of its own: the time goes by in waiting.
    std::thread::scope(|scope| {
        for cases in cases.chunks(5) {
            let signer = &signer;
            scope.spawn(move || unmoved_by(cases, signer));
        }
    });
}

/// A gateway goes on with the keys it has, whatever its provider says instead.
fn unmoved_by(cases: &[(&'static str, Answer)], signer: &Signer) {
    let provider = Provider::start();
    provider.keys(&[signer]);
    let stage = stage(&provider, "refresh: 1s, cool_down: 1s, timeout: 1s");
    let known = good(signer, &provider.url(), "alice");
    await_status(&stage, &known, 200);
    let mut findings = Findings::default();
    for (name, answer) in cases {
        provider.on("/jwks", answer.clone());
        let asked = provider.count("/jwks");
        provider.await_count("/jwks", asked + 1);
        // Another subject each time: nothing remembered from before answers for it.
        let fresh = good(signer, &provider.url(), name);
        for wire in Wire::ALL {
            let began = Stopwatch::start();
            let (answer, old) = (send(&stage, *wire, &fresh), send(&stage, *wire, &known));
            let is_right =
                (answer.status, old.status) == (200, 200) && began.elapsed() < Duration::from_secs(10);
            findings.note(name, if is_right { Ok(()) } else { Err(format!("{answer:?} {old:?}")) });
        }
    }
    assert_eq!(provider.count("/elsewhere"), 0, "a redirect was followed");
    findings.conclude(2 * cases.len());
    provider.keys(&[signer]);
    await_metric(&stage, "portcullis_issuer_keys{issuer=\"corp\"} 1");
}

#[test]
fn a_document_about_another_issuer_counts_for_nothing() {
    let (provider, signer) = (Provider::start(), Signer::new("a"));
    provider.on("/jwks", Answer::Json(key_set(&[&signer])));
    let url = provider.url();
    let token = good(&signer, &url, "alice");
    for (document, why) in [
        (json!({ "issuer": "https://evil.example.com", "jwks_uri": format!("{url}/jwks") }), "not of"),
        (json!({ "issuer": format!("{url}/"), "jwks_uri": format!("{url}/jwks") }), "not of"),
        (json!({ "issuer": url, "jwks_uri": "http://keys.example.com/jwks" }), "plain http"),
        (json!({ "issuer": url }), "jwks_uri"),
    ] {
        provider.on(DISCOVERY, Answer::Json(document));
        let stage = stage(&provider, "timeout: 1s");
        assert_eq!(send(&stage, Wire::Http1, &token).status, 503);
        let log = stage.gateway.log("why", |line| line["message"] == "an issuer's keys cannot be had");
        assert!(log["reason"].as_str().expect("a reason").contains(why), "{log}");
    }
    assert_eq!(provider.count("/jwks"), 0, "keys of a document that does not count were fetched");
}

#[test]
fn the_last_good_keys_outlive_a_restart_and_end_in_time() {
    let (provider, signer) = (Provider::start(), Signer::new("a"));
    provider.keys(&[&signer]);
    let stage = stage(&provider, "keep: 24h");
    let url = provider.url();
    assert_eq!(send(&stage, Wire::Http1, &good(&signer, &url, "alice")).status, 200);
    let kept = stage.gateway.folder().join("state/issuers/corp.json");
    Deadline::soon().poll("the last good keys", || kept.exists().then_some(()));
    let kept = std::fs::read(kept).expect("a file");
    let address = provider.address();
    drop(provider);
    // The same address, where nobody answers any more.
    let silent = Deadline::soon().poll("the address", || std::net::TcpListener::bind(address).ok());
    let again = |settings: &str| {
        Stage::built(|backend| builder(&url, settings, backend).file("state/issuers/corp.json", kept.clone()))
    };
    let second = again("timeout: 1s, keep: 24h");
    for wire in Wire::ALL {
        assert_eq!(
            send(&second, *wire, &good(&signer, &url, "bob")).status,
            200,
            "not served with every issuer down"
        );
    }
    let unknown = send(&second, Wire::Http1, &good(&Signer::new("z"), &url, "zoe"));
    assert_eq!(unknown.verdict(), (503, Some("issuer-unavailable".to_owned())), "nobody can say");
    drop(second);
    let third = again("timeout: 1s, keep: 1s");
    await_status(&third, &good(&signer, &url, "bob"), 503);
    drop(silent);
}

#[test]
fn a_reload_of_something_else_fetches_nothing_anew() {
    let (provider, signer) = (Provider::start(), Signer::new("a"));
    provider.keys(&[&signer]);
    let stage = stage(&provider, "");
    let token = good(&signer, &provider.url(), "alice");
    assert_eq!(send(&stage, Wire::Http1, &token).status, 200);
    let asked = provider.asked().len();
    let config = std::fs::read_to_string(stage.gateway.folder().join("portcullis.yaml")).expect("a file");
    stage.gateway.reconfigure(&config.replace("base_path: /open", "base_path: /opened"));
    Deadline::soon().poll("the reload", || {
        let answer = Wire::Http1.send(stage.public(), &Request::get("/opened/x"));
        (answer.status == 200).then_some(())
    });
    assert_eq!(send(&stage, Wire::Http1, &token).status, 200);
    assert_eq!(provider.asked().len(), asked, "keys were thrown away with an unrelated edit");
}
