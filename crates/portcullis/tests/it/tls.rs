//! TLS: the right certificate by name, both wires, client certificates, reload. The client is curl.

use std::path::Path;
use std::process::{Command, Output};

use portcullis_testkit::certificates::{Authority, Pair};
use portcullis_testkit::gateway::Builder;
use portcullis_testkit::tls::{Choices, CipherSuite, Tls};
use portcullis_testkit::{Deadline, Gateway, Recorder};

use crate::stage::executable;

const CONFIG: &str = r#"version: 1
state: none
listeners:
  public:
    bind: 127.0.0.1:0
    protocols: [http1, http2]
    tls:
      certificates:
        - { cert: "${file:api.crt}", key: "${file:api.key}" }
        - { cert: "${file:wild.crt}", key: "${file:wild.key}" }
      hosts:
        mtls.example.com:
          client_certificates: { mode: require, ca: "${file:ca.pem}", crl: ["${file:crl.pem}"] }
backends: { recorder: { targets: ["http://BACKEND"] } }
apis:
  open: { backend: recorder, auth: none, operations: { all: { match: "* /{rest*}" } } }
"#;

struct Scene {
    gateway: Gateway,
    _backend: Recorder,
    authority: Authority,
}

fn start() -> Scene {
    let authority = Authority::new("tests");
    let backend = Recorder::start();
    let gateway = with(&authority, &CONFIG.replace("BACKEND", &backend.address().to_string())).start();
    gateway.write("ca.pem", authority.pem());
    Scene { gateway, _backend: backend, authority }
}

fn with(authority: &Authority, config: &str) -> Builder {
    let (api, wild) = (authority.server(&["api.example.com"]), authority.server(&["*.example.com"]));
    Builder::new(executable(), config)
        .file("api.crt", api.certificate)
        .file("api.key", api.key)
        .file("wild.crt", wild.certificate)
        .file("wild.key", wild.key)
        .file("ca.pem", authority.pem())
        .file("crl.pem", authority.revoke(&[]))
}

/// Asks by curl, which verifies the certificate against the authority of the tests.
fn curl(scene: &Scene, host: &str, more: &[&str]) -> Output {
    let port = scene.gateway.address("public").port();
    Command::new("curl")
        .args(["-sS", "-i", "--max-time", "10", "--cacert"])
        .arg(scene.gateway.folder().join("ca.pem"))
        .args(["--resolve", &format!("{host}:{port}:127.0.0.1")])
        .args(more)
        .arg(format!("https://{host}:{port}/x"))
        .output()
        .expect("curl is there")
}

fn answer(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn client_files(folder: &Path, pair: &Pair) -> [String; 4] {
    std::fs::write(folder.join("client.crt"), &pair.certificate).expect("a writable folder");
    std::fs::write(folder.join("client.key"), &pair.key).expect("a writable folder");
    let path = |name: &str| folder.join(name).display().to_string();
    ["--cert".to_owned(), path("client.crt"), "--key".to_owned(), path("client.key")]
}

#[test]
fn the_certificate_fits_the_name_and_both_wires_are_spoken() {
    let scene = start();
    for (host, wire, line) in [
        ("api.example.com", "--http1.1", "HTTP/1.1 200"),
        ("api.example.com", "--http2", "HTTP/2 200"),
        ("other.example.com", "--http2", "HTTP/2 200"),
        ("other.example.com", "--http1.1", "HTTP/1.1 200"),
    ] {
        let answer = answer(&curl(&scene, host, &[wire]));
        assert!(answer.starts_with(line), "{host} {wire}: {answer}");
    }
    scene.gateway.record("the version of TLS", |record| record["tls.protocol.version"] == "1.3");
    for version in ["1.2", "1.3"] {
        let answer = answer(&curl(&scene, "api.example.com", &["--tls-max", version]));
        assert!(answer.contains(" 200"), "TLS {version}: {answer}");
    }
    let old = curl(&scene, "api.example.com", &["--tls-max", "1.1"]);
    assert!(!old.status.success(), "TLS 1.1 is not spoken");
}

/// A session saves its second handshake, takes nothing before the handshake is over, and is not kept where clients
/// prove themselves: what was judged once would not be judged again.
#[test]
fn sessions_are_resumed_without_early_data_and_never_past_a_client_certificate() {
    let scene = start();
    let pair = scene.authority.client("spiffe://tests/partner");
    for old in [false, true] {
        for (host, resumes) in [("api.example.com", true), ("mtls.example.com", false)] {
            let choices =
                Choices { protocols: &["http/1.1"], client: Some(&pair), old, ..Choices::default() };
            let tls = Tls::new(&scene.authority.pem(), &choices);
            for again in [false, true] {
                let address = scene.gateway.address("public");
                let (mut client, handshake) = tls.connect(address, host).expect("a handshake");
                client.send(format!("GET /x HTTP/1.1\r\nHost: {host}\r\n\r\n"));
                let response = client.response("GET", Deadline::soon()).expect("a response");
                assert_eq!(response.status, 200, "{host}: {response:?}");
                assert_eq!(handshake.is_resumed, again && resumes, "{host}: {handshake:?}");
                assert!(!handshake.takes_early_data, "{host}: {handshake:?}");
            }
        }
    }
}

#[test]
fn aes_128_comes_first_unless_the_client_has_no_aes_in_hardware() {
    use CipherSuite::{
        TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384,
        TLS13_CHACHA20_POLY1305_SHA256,
    };
    let scene = start();
    let new = [TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256];
    let old = [
        TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    ];
    for [aes_128, aes_256, chacha] in [new, old] {
        let offers: [(&[CipherSuite], CipherSuite); 5] = [
            (&[aes_256, aes_128, chacha], aes_128),
            (&[aes_128, chacha], aes_128),
            (&[aes_256, chacha], aes_256),
            (&[chacha, aes_256, aes_128], chacha),
            (&[chacha], chacha),
        ];
        for (suites, chosen) in offers {
            let choices = Choices { suites, old: aes_128 == old[0], ..Choices::default() };
            let tls = Tls::new(&scene.authority.pem(), &choices);
            for resumed in [false, true] {
                let address = scene.gateway.address("public");
                let (mut client, handshake) = tls.connect(address, "api.example.com").expect("a handshake");
                assert_eq!((handshake.suite, handshake.is_resumed), (Some(chosen), resumed), "{suites:?}");
                client.send("GET /x HTTP/1.1\r\nHost: api.example.com\r\n\r\n");
                assert_eq!(client.response("GET", Deadline::soon()).expect("a response").status, 200);
            }
        }
    }
}

#[test]
fn a_name_no_certificate_bears_gets_no_handshake() {
    let scene = start();
    let refused = curl(&scene, "stranger.test", &["-k"]);
    assert!(!refused.status.success(), "{}", answer(&refused));
}

#[test]
fn a_host_outside_the_certificate_of_its_connection_is_misdirected() {
    let scene = start();
    for wire in ["--http1.1", "--http2"] {
        let answer = answer(&curl(&scene, "api.example.com", &[wire, "-H", "Host: other.example.com"]));
        assert!(answer.contains(" 421") && answer.contains("misdirected-request"), "{wire}: {answer}");
    }
}

#[test]
fn a_host_may_require_a_client_certificate() {
    let scene = start();
    let folder = scene.gateway.folder().to_owned();
    let without = curl(&scene, "mtls.example.com", &[]);
    assert!(!without.status.success(), "no certificate, no handshake: {}", answer(&without));
    let good = client_files(&folder, &scene.authority.client("spiffe://example.com/partner"));
    let good: Vec<&str> = good.iter().map(String::as_str).collect();
    let with = answer(&curl(&scene, "mtls.example.com", &good));
    assert!(with.contains(" 200"), "{with}");
    let stranger = Authority::new("strangers");
    let bad = client_files(&folder, &stranger.client("spiffe://example.com/partner"));
    let bad: Vec<&str> = bad.iter().map(String::as_str).collect();
    let with = curl(&scene, "mtls.example.com", &bad);
    assert!(!with.status.success(), "another authority's certificate: {}", answer(&with));
    // The rule is the host's alone, and a connection made without it does not get there by naming the host: neither one
    // with another certificate of ours, nor one with the same.
    for (name, wire) in [
        ("api.example.com", "--http1.1"),
        ("api.example.com", "--http2"),
        ("other.example.com", "--http1.1"),
        ("other.example.com", "--http2"),
    ] {
        let answer = answer(&curl(&scene, name, &[wire, "-H", "Host: mtls.example.com"]));
        assert!(answer.contains(" 421"), "{name} {wire}: {answer}");
    }
    let neighbour = answer(&curl(&scene, "other.example.com", &["-H", "Host: third.example.com"]));
    assert!(neighbour.contains(" 200"), "hosts that ask for the same share connections: {neighbour}");
}

#[test]
fn a_revoked_client_certificate_is_refused_after_a_reload() {
    let scene = start();
    let folder = scene.gateway.folder().to_owned();
    let pair = scene.authority.client("spiffe://example.com/partner");
    let files = client_files(&folder, &pair);
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    assert!(answer(&curl(&scene, "mtls.example.com", &files)).contains(" 200"));
    scene.gateway.write("crl.pem", scene.authority.revoke(&[pair.serial]));
    Deadline::soon().poll("the revoked certificate to be refused", || {
        (!curl(&scene, "mtls.example.com", &files).status.success()).then_some(())
    });
}

/// A connection was let in by a list that no longer holds: it drains, and who is still welcome comes back.
#[test]
fn connections_drain_when_a_revocation_list_changes() {
    let scene = start();
    let (revoked, good) =
        (scene.authority.client("spiffe://tests/a"), scene.authority.client("spiffe://tests/b"));
    let connect = |pair: &Pair| {
        let choices = Choices { protocols: &["http/1.1"], client: Some(pair), ..Choices::default() };
        let tls = Tls::new(&scene.authority.pem(), &choices);
        let (mut client, _) = tls.connect(scene.gateway.address("public"), "mtls.example.com").ok()?;
        client.send("GET /x HTTP/1.1\r\nHost: mtls.example.com\r\n\r\n");
        let answer = client.response("GET", Deadline::soon()).ok()?;
        assert_eq!(answer.status, 200);
        Some(client)
    };
    let kept = [&revoked, &good].map(|pair| connect(pair).expect("a connection"));
    scene.gateway.write("crl.pem", scene.authority.revoke(&[revoked.serial]));
    for mut client in kept {
        client.closed(Deadline::soon()).expect("closed");
    }
    assert!(connect(&revoked).is_none(), "revoked");
    assert!(connect(&good).is_some(), "still welcome");
}

#[test]
fn a_new_certificate_is_used_and_a_torn_pair_is_not() {
    let scene = start();
    let other = Authority::new("the next one");
    let pair = other.server(&["api.example.com"]);
    // Half of a pair: the key is still the old one.
    scene.gateway.write("api.crt", &pair.certificate);
    scene.gateway.log("the torn pair to be refused", |line| {
        line["message"].as_str().is_some_and(|m| m.contains("not reloaded"))
    });
    assert!(answer(&curl(&scene, "api.example.com", &[])).contains(" 200"), "the old pair serves on");
    scene.gateway.write("api.key", &pair.key);
    scene.gateway.write("ca.pem", other.pem());
    Deadline::soon().poll("the new pair to be served", || {
        answer(&curl(&scene, "api.example.com", &[])).contains(" 200").then_some(())
    });
}

#[test]
fn what_cannot_protect_does_not_load() {
    let authority = Authority::new("tests");
    let cases = [
        (
            "cert: \"${file:api.crt}\", key: \"${file:api.key}\"",
            "cert: \"${file:api.crt}\", key: \"${file:wild.key}\"",
            "does not belong",
        ),
        ("ca: \"${file:ca.pem}\"", "ca: \"${file:api.key}\"", "no certificate"),
        ("crl: [\"${file:crl.pem}\"]", "crl: [\"${file:ca.pem}\"]", "revocation list"),
        ("ca: \"${file:ca.pem}\"", "ca: \"${file:missing.pem}\"", "missing.pem"),
    ];
    for (right, wrong, why) in cases {
        let config = CONFIG.replace("BACKEND", "127.0.0.1:1").replace(right, wrong);
        assert!(config.contains(wrong));
        let ran = with(&authority, &config).run(&["check"]);
        let said = answer(&ran);
        assert_eq!(ran.status.code(), Some(2), "{wrong}: {said}");
        assert!(said.contains(why) && said.contains("portcullis.yaml:"), "{wrong}: {said}");
    }
}
