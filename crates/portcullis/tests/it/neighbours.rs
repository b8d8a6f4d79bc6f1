//! What one client waits for or holds costs the others nothing.

use portcullis_testkit::raw::Client;
use portcullis_testkit::recorder::{Gate, Reply, Step};
use portcullis_testkit::{Request, Wire};

use crate::stage::Stage;

#[test]
fn a_backend_that_waits_holds_nobody_else() {
    let stage = Stage::start();
    let gate = Gate::new();
    stage.backend.on("/waits", Reply::new().wait(&gate).then(Step::Echo));
    let mut waiting: Vec<Client> = (0..100).map(|_| stage.connect()).collect();
    for client in &mut waiting {
        client.send("GET /waits HTTP/1.1\r\nHost: gw.test\r\n\r\n");
    }
    stage.backend.expect_begun("a waiting request", |message| message.target == b"/waits");
    for _ in 0..20 {
        assert_eq!(Wire::Http1.send(stage.public(), &Request::get("/neighbour")).status, 200);
    }
    gate.open();
    for client in &mut waiting {
        assert_eq!(client.response("GET", stage.soon()).expect("a response").status, 200);
    }
}

#[test]
fn open_connections_cost_little() {
    let stage = Stage::start();
    Wire::Http1.send(stage.public(), &Request::get("/first"));
    let before = stage.gateway.usage().memory;
    let mut clients: Vec<Client> = (0..500).map(|_| stage.connect()).collect();
    for client in &mut clients {
        client.send("GET /idle HTTP/1.1\r\nHost: gw.test\r\n\r\n");
        assert_eq!(client.response("GET", stage.soon()).expect("a response").status, 200);
    }
    let each = stage.gateway.usage().memory.saturating_sub(before) / 500;
    assert!(each < 40 * 1024, "{each} bytes for each idle connection");
}
