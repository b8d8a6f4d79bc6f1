//! Certificates that are renewed while new connections come and old ones stay.

use portcullis_testkit::acme::Acme;
use portcullis_testkit::gateway::Builder;
use portcullis_testkit::load::{Backend, Plan};
use tempfile::TempDir;

use super::{in_time, logged};
use crate::stage::executable;

const CONFIG: &str = r#"version: 1
admin: { probes: 127.0.0.1:0 }
bounds: { requests_per_connection: 1000000000 }
telemetry: { access_log: off }
listeners:
  public:
    bind: 127.0.0.1:0
    protocols: [http1, http2]
    tls: { certificates: [{ acme: { directory: "DIRECTORY", names: [gw.test], terms_agreed: true, ca: "${file:front.pem}" } }] }
backends: { load: { targets: ["http://BACKEND"] } }
apis:
  load:
    base_path: /load
    backend: load
    auth: none
    operations:
      number: { match: "GET /{number}" }
      socket: { match: "GET /socket", stream: websocket }
"#;

#[test]
fn certificates_are_renewed_under_load_without_loss() {
    let (authority, backend) = (Acme::start(), Backend::start());
    // Due when they come, and good for long enough: as often as the gateway orders, every 5 s.
    authority.gives_for(170, 80);
    let state = TempDir::new().expect("a folder");
    let config = CONFIG
        .replace("DIRECTORY", &authority.directory("gw"))
        .replace("BACKEND", &backend.address().to_string());
    let gateway = Builder::new(executable(), config)
        .file("front.pem", authority.front())
        .argument("--state-dir")
        .argument(state.path().display().to_string())
        .start();
    logged(gateway.stderr(), "a certificate was obtained");
    let load = Plan::to([gateway.address("public")]).tls(&authority.root(), "gw.test");
    let load = load.fresh(30, 2).kept(30, 2).http2(30, 1).sockets(8, 1).start();
    load.more_good(20, in_time());
    let mut seen = load.tally().certificate;
    for _ in 0..2 {
        in_time().poll("a new certificate", || (load.tally().certificate != seen).then_some(()));
        seen = load.tally().certificate;
    }
    load.more_good(20, in_time());
    let tally = load.stop();
    assert_eq!((tally.failed(), tally.sent), (0, tally.echoed), "{tally}");
    assert_eq!(
        (tally.resent, tally.moved, tally.crossed),
        (0, 0, 0),
        "a renewal ends no connection: {tally}"
    );
}
