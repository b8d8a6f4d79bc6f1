//! Python's `requests`.

use portcullis_testkit::recorder::{Gate, Reply};

use super::{Scene, python, run};

#[test]
fn it_keeps_connections_posts_and_streams_both_ways() {
    let scene = Scene::start();
    let fields = "Set-Cookie: a=1; Path=/\r\nSet-Cookie: b=2; Path=/\r\nX-A: caf\u{e9}\r\n";
    scene.backend.on("/cookies", Reply::with("200 OK", fields, "sweet"));
    scene.backend.on("/large", Reply::ok(vec![b'x'; 5_000_000]));
    for listener in ["clear", "tls"] {
        // The second half of the stream waits until the client, which has had the first, asks for it.
        let gate = Gate::new();
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let reply = Reply::raw(format!("{head}5\r\nfirst\r\n")).wait(&gate).send("6\r\nsecond\r\n0\r\n\r\n");
        scene.backend.on("/pieces", reply);
        scene.backend.on("/go-on", Reply::new().open(&gate).send("HTTP/1.1 204 No Content\r\n\r\n"));
        let Some(mut python) = python("requests_client.py") else { return };
        let mark = scene.backend.mark();
        run(python.arg(scene.url(listener)).arg(scene.ca()));
        let arrived = scene.backend.since(mark);
        let body = |target: &[u8]| {
            let message = arrived.iter().find(|message| message.target == target && message.is_complete);
            message.map(|message| message.body.clone()).unwrap_or_default()
        };
        assert_eq!(body(b"/json"), br#"{"name": "caf\u00e9"}"#);
        assert_eq!(body(b"/stream").len(), 4_000_000, "a body in chunks");
        assert!(arrived.iter().any(|message| message.target == b"/again/9"), "ten over one connection");
    }
    scene.expect_plain_backend_traffic();
}
