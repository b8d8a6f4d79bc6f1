//! nghttpd as the backend: another implementation of HTTP/2, by prior knowledge and by ALPN.

use std::net::TcpStream;
use std::process::{Child, Stdio};

use portcullis_testkit::certificates::Authority;
use portcullis_testkit::gateway::{Builder, terminate};
use portcullis_testkit::{Deadline, Request, Wire};

use super::client;
use crate::stage::executable;

const CONFIG: &str = r#"version: 1
state: none
listeners: { public: { bind: 127.0.0.1:0, protocols: [http1, http2] } }
backends: { files: { targets: ["URL"], protocol: PROTOCOL } }
apis: { files: { backend: files, auth: none, operations: { all: { match: "* /{rest*}" } } } }
"#;

struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        terminate(&self.0);
        drop(self.0.wait());
    }
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}

#[test]
fn files_and_trailers_come_from_another_implementation() {
    let content: Vec<u8> = (0..3_000_001_u32).map(|at| at.to_le_bytes()[usize::from(at % 7 == 0)]).collect();
    for (url, protocol) in
        [("http://localhost", "http2"), ("https://localhost", "auto, tls: { ca: \"${file:ca.pem}\" }")]
    {
        let folder = tempfile::tempdir().expect("a folder");
        let authority = Authority::new("nghttpd");
        let pair = authority.server(&["localhost"]);
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir(path("files")).expect("a folder");
        std::fs::write(path("files/large"), &content).expect("a file");
        std::fs::write(path("server.crt"), &pair.certificate).expect("a file");
        std::fs::write(path("server.key"), &pair.key).expect("a file");
        // It stands where only an administrator's search path leads.
        let Some(mut server) = client("/usr/sbin/nghttpd", &["--version"]) else { return };
        server.args(["--address=127.0.0.1", "--trailer=x-sum: abc", "-d"]).arg(path("files"));
        let port = free_port();
        server.arg(port.to_string());
        match protocol {
            "http2" => server.arg("--no-tls"),
            _ => server.arg(path("server.key")).arg(path("server.crt")),
        };
        server.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let server = Ended(server.spawn().expect("the server starts"));
        Deadline::soon().poll("the server", || TcpStream::connect(("127.0.0.1", port)).ok());
        let config = CONFIG.replace("URL", &format!("{url}:{port}")).replace("PROTOCOL", protocol);
        let gateway = Builder::new(executable(), config).file("ca.pem", authority.pem()).start();
        for wire in Wire::ALL {
            for _ in 0..3 {
                let request = Request::get("/large").field("TE", "trailers");
                let response = wire.send(gateway.address("public"), &request);
                assert!(response.status == 200 && response.body == content, "{url}, {wire:?}");
                // Behind a body of known length HTTP/1.1 has no place for them.
                let trailers = usize::from(*wire == Wire::Http2);
                assert_eq!(response.trailers.len(), trailers, "{url}, {wire:?}: {:?}", response.trailers);
            }
            let missing = wire.send(gateway.address("public"), &Request::get("/missing"));
            assert_eq!((missing.status, missing.problem()), (404, None), "{url}, {wire:?}");
            let posted =
                wire.send(gateway.address("public"), &Request::post("/missing", vec![b'x'; 200_000]));
            assert_eq!(posted.status, 404, "{url}, {wire:?}");
        }
        drop(server);
    }
}
