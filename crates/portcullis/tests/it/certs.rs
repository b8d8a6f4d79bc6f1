//! What the gateway knows of its certificates: `certs`, the metric, the incidents before they end.

use std::collections::BTreeMap;

use portcullis_testkit::certificates::{Authority, Validity};
use portcullis_testkit::gateway::Builder;
use portcullis_testkit::{Deadline, Gateway};
use serde_json::Value;

use crate::stage::executable;

const CONFIG: &str = r#"version: 1
state: state
admin: { probes: 127.0.0.1:0 }
telemetry: { certificate_notice: [30d, 5d] }
listeners:
  public:
    bind: 127.0.0.1:0
    tls:
      certificates: [{ cert: "${file:api.crt}", key: "${file:api.key}" }]
      client_certificates: { mode: request, ca: "${file:ca.pem}", crl: ["${file:crl.pem}"] }
backends:
  orders:
    targets: ["https://127.0.0.1:9"]
    tls: { ca: "${file:ca.pem}", client_certificate: { cert: "${file:own.crt}", key: "${file:own.key}" } }
consumers:
  partner:
    apis: [orders]
    credentials:
      - id: k1
        api_key:
          sha256: "87cbebfeebc05f7c54ac9336c4b4bbec831227a641951a4bde7edd56020f8590"
          with_certificate: "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
apis: { orders: { backend: orders, auth: api_key, operations: { all: { match: "* /{rest*}" } } } }
"#;

const SERVER: &str = "listeners.public.tls.certificates[0].cert";
const LIST: &str = "listeners.public.tls.client_certificates.crl[0]";

struct Scene {
    gateway: Gateway,
    authority: Authority,
}

/// The gateway's own certificate has 20 days left, the one for the backend 3, the revocation list is overdue.
fn start() -> Scene {
    let authority = Authority::new("tests");
    let server = authority.server_valid(&["api.example.com", "www.example.com"], Validity::Days(20));
    let own = authority.client_valid("spiffe://example.com/gateway", Validity::Days(3));
    let gateway = Builder::new(executable(), CONFIG)
        .file("api.crt", server.certificate)
        .file("api.key", server.key)
        .file("own.crt", own.certificate)
        .file("own.key", own.key)
        .file("ca.pem", authority.pem())
        .file("crl.pem", authority.revoke_for(&[], 0))
        .start();
    Scene { gateway, authority }
}

fn run(gateway: &Gateway, command: &str) -> (Option<i32>, String) {
    let output = gateway.run(&executable(), &command.split(' ').collect::<Vec<_>>());
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code(), text + &String::from_utf8_lossy(&output.stderr))
}

/// The certificates, by their places.
fn listed(gateway: &Gateway, command: &str) -> BTreeMap<String, Value> {
    let (_, text) = run(gateway, command);
    let all: Vec<Value> = serde_json::from_str(&text).unwrap_or_else(|_| panic!("no list: {text}"));
    all.into_iter().map(|one| (one["place"].as_str().expect("a place").to_owned(), one)).collect()
}

/// The incident of this kind about what stands at `place`.
fn incident(gateway: &Gateway, kind: &str, place: &str) -> Value {
    gateway.record(kind, |record| {
        record["portcullis.incident.kind"] == kind
            && record["portcullis.cause"].as_str().is_some_and(|cause| cause.contains(place))
    })
}

#[test]
fn every_certificate_is_listed_with_its_place_and_the_days_it_has_left() {
    let scene = start();
    let all = listed(&scene.gateway, "certs --json");
    let row = |place: &str| {
        let one = all.get(place).unwrap_or_else(|| panic!("nothing at {place}: {all:?}"));
        (one["role"].as_str().expect("a role"), one["days_left"].as_i64())
    };
    assert_eq!(row(SERVER), ("server", Some(20)));
    assert_eq!(row("backends.orders.tls.client_certificate.cert"), ("client", Some(3)));
    assert_eq!(row(LIST), ("revocation_list", Some(0)));
    assert_eq!(row("listeners.public.tls.client_certificates.ca").0, "client_authority");
    assert_eq!(row("backends.orders.tls.ca").0, "server_authority");
    assert_eq!(row("consumers.partner"), ("consumer", None));
    let server = &all[SERVER];
    assert_eq!(server["names"], serde_json::json!(["api.example.com", "www.example.com"]));
    assert_eq!(server["issuer"].as_str(), Some("CN=tests"));
    assert_eq!(server["sha256"].as_str().map(str::len), Some(64));
    assert_eq!(all["consumers.partner"]["credential"].as_str(), Some("k1"));

    let (code, text) = run(&scene.gateway, "certs");
    assert_eq!(code, Some(0), "{text}");
    for part in [
        "server api.example.com, www.example.com: ends ",
        "20 days left",
        "revocation list of CN=tests: ends ",
        "consumer of partner, key k1: an end nobody knows",
        &format!("  at {SERVER}, sha256 "),
    ] {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
    assert!(text.starts_with("revocation list"), "what ends first is first: {text}");

    let (code, text) = run(&scene.gateway, "certs --within 10d");
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("spiffe://example.com/gateway") && !text.contains("api.example.com"), "{text}");
}

#[test]
fn an_end_is_told_of_before_it_comes_once_for_each_time_and_a_renewal_is_seen() {
    let scene = start();
    let gateway = &scene.gateway;
    let told = incident(gateway, "certificate-expires", SERVER);
    assert_eq!(told["portcullis.incident.severity"], "medium");
    let cause = told["portcullis.cause"].as_str().expect("a cause");
    assert!(cause.contains("api.example.com") && cause.ends_with("20 days left"), "{cause}");
    incident(gateway, "certificate-expires", "backends.orders.tls.client_certificate.cert");
    incident(gateway, "revocation-list-expires", LIST);
    let text = gateway.metrics();
    for part in [
        &format!(
            "portcullis_cert_not_after_timestamp_seconds{{role=\"server\",name=\"api.example.com\",place=\"{SERVER}\"}} "
        ),
        &format!("portcullis_crl_next_update_timestamp_seconds{{name=\"CN=tests\",place=\"{LIST}\"}} "),
        "portcullis_incidents_total{kind=\"certificate-expires\",severity=\"medium\"} 2",
    ] {
        assert!(text.contains(part.trim_end_matches(' ')), "`{part}` is not in: {text}");
    }

    // Another certificate is in time, and the list that comes with it is over.
    let renewed = scene.authority.server_valid(&["api.example.com"], Validity::Days(60));
    gateway.write("api.key", renewed.key);
    gateway.write("api.crt", renewed.certificate);
    gateway.write("crl.pem", scene.authority.revoke_too_long(&[]));
    incident(gateway, "revocation-list-expired", LIST);
    Deadline::soon().poll("the renewed certificate", || {
        (listed(gateway, "certs --json")[SERVER]["days_left"].as_i64() == Some(60)).then_some(())
    });
    let again = gateway.metrics();
    assert!(
        again.contains("portcullis_incidents_total{kind=\"certificate-expires\",severity=\"medium\"} 2"),
        "what was told once is not told again: {again}"
    );
}

#[test]
fn times_that_make_no_sense_do_not_load() {
    let config = CONFIG.replace("[30d, 5d]", "[30d, 30d, 0s]");
    let authority = Authority::new("tests");
    let pair = authority.server(&["api.example.com"]);
    let output = ["api", "own"]
        .iter()
        .fold(Builder::new(executable(), config), |builder, name| {
            builder
                .file(format!("{name}.crt"), pair.certificate.clone())
                .file(format!("{name}.key"), pair.key.clone())
        })
        .file("ca.pem", authority.pem())
        .file("crl.pem", authority.revoke(&[]))
        .run(&["check"]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{text}");
    for part in [
        "telemetry.certificate_notice[1]: stands here twice",
        "telemetry.certificate_notice[2]: is no time before the end",
    ] {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
}
