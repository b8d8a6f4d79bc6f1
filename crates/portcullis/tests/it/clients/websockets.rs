//! Python's `websockets`, on both sides of the gateway.

use super::{Scene, Server, python, run};

#[test]
fn messages_pass_both_ways_and_both_sides_may_close() {
    let Some(mut server) = python("websockets_peer.py") else { return };
    let server = Server::start(server.arg("serve"));
    let scene = Scene::with_chat(&server.addresses[0].to_string());
    for listener in ["clear", "tls"] {
        let url = scene.url(listener).replacen("http", "ws", 1);
        let Some(mut client) = python("websockets_peer.py") else { return };
        run(client.arg("ask").arg(format!("{url}/chat/socket")).arg(scene.ca()));
    }
    scene.gateway.record("records of sockets", |record| record["http.response.status_code"] == 101);
}
