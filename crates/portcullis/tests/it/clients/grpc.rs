//! grpcio on both sides: every kind of call, over cleartext and TLS, to a cleartext and a TLS backend.

use portcullis_testkit::Gateway;
use portcullis_testkit::certificates::Authority;
use portcullis_testkit::gateway::Builder;

use super::{Server, python, run};
use crate::stage::executable;

/// The service decides the backend: `clear` by prior knowledge, `tls` by ALPN.
const CONFIG: &str = r#"version: 1
state: none
telemetry: { access_log: stdout }
listeners:
  clear: { bind: 127.0.0.1:0, protocols: [http2] }
  tls:
    bind: 127.0.0.1:0
    protocols: [http1, http2]
    tls: { certificates: [ { cert: "${file:gateway.crt}", key: "${file:gateway.key}" } ] }
backends:
  clear: { targets: ["http://CLEAR"], protocol: http2 }
  tls: { targets: ["https://localhost:TLS"], tls: { ca: "${file:ca.pem}" } }
apis:
  clear:
    base_path: /clear.Echo
    listen: [clear, tls]
    backend: clear
    auth: none
    operations: { all: { match: "POST /{method}", stream: grpc } }
  tls:
    base_path: /tls.Echo
    listen: [clear, tls]
    backend: tls
    auth: none
    operations: { all: { match: "POST /{method}", stream: grpc } }
"#;

fn gateway(authority: &Authority, server: &Server) -> Gateway {
    let pair = authority.server(&["localhost"]);
    let config = CONFIG.replace("CLEAR", &server.addresses[0].to_string());
    let config = config.replace("localhost:TLS", &format!("localhost:{}", server.addresses[1].port()));
    Builder::new(executable(), config)
        .file("gateway.crt", pair.certificate)
        .file("gateway.key", pair.key)
        .file("ca.pem", authority.pem())
        .start()
}

#[test]
fn every_kind_of_call_passes_with_its_status_and_metadata() {
    let authority = Authority::new("grpc");
    let folder = tempfile::tempdir().expect("a folder");
    let pair = authority.server(&["localhost"]);
    std::fs::write(folder.path().join("server.crt"), &pair.certificate).expect("a file");
    std::fs::write(folder.path().join("server.key"), &pair.key).expect("a file");
    let Some(mut server) = python("grpc_peer.py") else { return };
    let server = Server::start(server.arg("serve").arg(folder.path()));
    let gateway = gateway(&authority, &server);
    let Some(mut client) = python("grpc_peer.py") else { return };
    let [clear, tls] = ["clear", "tls"].map(|name| gateway.address(name).port().to_string());
    run(client.arg("ask").args([clear, tls]).arg(gateway.folder().join("ca.pem")));
    for route in ["/clear.Echo/{method}", "/tls.Echo/{method}"] {
        gateway.record(route, |record| {
            record["http.route"] == route && record["network.protocol.version"] == "2"
        });
    }
}
