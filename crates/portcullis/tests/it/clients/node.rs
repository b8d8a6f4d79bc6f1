//! Node: `fetch`, which speaks HTTP/1.1, and the client of `http2`.

use portcullis_testkit::recorder::{Gate, Reply};

use super::{Scene, node, run};

#[test]
fn fetch_and_http2_stream_and_hear_events_as_they_happen() {
    let scene = Scene::start();
    scene.backend.on("/cookies", Reply::with("200 OK", "Set-Cookie: a=1\r\nSet-Cookie: b=2\r\n", "sweet"));
    scene.backend.on("/large", Reply::ok(vec![b'x'; 5_000_000]));
    for (listener, way) in [("clear", "fetch"), ("tls", "fetch"), ("clear", "http2"), ("tls", "http2")] {
        let gate = Gate::new();
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n";
        let first = "data: one\n\n";
        let framing = "Transfer-Encoding: chunked\r\n\r\n";
        let reply = Reply::raw(format!("{head}{framing}{:x}\r\n{first}\r\n", first.len()));
        scene.backend.on("/events/", reply.wait(&gate).send("b\r\ndata: two\n\n\r\n0\r\n\r\n"));
        scene.backend.on("/go-on", Reply::new().open(&gate).send("HTTP/1.1 204 No Content\r\n\r\n"));
        let Some(mut node) = node("node_client.mjs") else { return };
        node.env("NODE_EXTRA_CA_CERTS", scene.ca());
        let mark = scene.backend.mark();
        run(node.arg(way).arg(scene.url(listener)));
        let arrived = scene.backend.since(mark);
        let posted = arrived.iter().find(|message| message.target == b"/post").expect("an upload");
        assert_eq!(posted.body.len(), 2_000_000, "{way} over {listener}");
    }
    scene.expect_plain_backend_traffic();
}
