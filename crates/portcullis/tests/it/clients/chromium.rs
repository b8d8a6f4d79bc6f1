//! Chromium: a page over TLS and HTTP/2 that fetches, hears events and talks over a socket.

use std::process::{Child, Stdio};

use portcullis_testkit::recorder::{Gate, Reply};

use super::{Scene, Server, client, python};

/// The browser, ended with its processes however the test ends.
pub(super) struct Browser {
    child: Child,
    /// Gone when the browser is.
    _profile: tempfile::TempDir,
}

impl Drop for Browser {
    fn drop(&mut self) {
        // A signal that `timeout` passes on; killed itself, it would leave the browser behind.
        portcullis_testkit::gateway::terminate(&self.child);
        drop(self.child.wait());
    }
}

impl Browser {
    /// Opens a page of a gateway whose key has this hash; `None` when there is no browser and need not be.
    pub(super) fn open(url: &str, pin: &str) -> Option<Self> {
        let profile = tempfile::tempdir().expect("a folder");
        let mut chromium = client("chromium", &["--version"])?;
        chromium.args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]);
        chromium.args(["--no-first-run", "--disable-background-networking", "--disable-component-update"]);
        chromium.args(["--disable-extensions", "--disable-sync", "--no-proxy-server", "--disable-quic"]);
        // Nothing but this machine is asked for, and only the gateway's own key is trusted.
        chromium.arg("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1");
        chromium.arg(format!("--ignore-certificate-errors-spki-list={pin}"));
        chromium.arg(format!("--user-data-dir={}", profile.path().display()));
        chromium.arg(url);
        chromium.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Some(Self { child: chromium.spawn().expect("the browser starts"), _profile: profile })
    }
}

#[test]
fn a_page_fetches_hears_events_and_talks_over_http2() {
    let Some(mut server) = python("websockets_peer.py") else { return };
    let server = Server::start(server.arg("serve"));
    let scene = Scene::with_chat(&server.addresses[0].to_string());
    let gate = Gate::new();
    let page = include_str!("page.html");
    scene.backend.on("/page", Reply::with("200 OK", "Content-Type: text/html; charset=utf-8\r\n", page));
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n\r\n";
    let events = Reply::raw(head).send("data: one\n\n").wait(&gate).send("event: end\ndata: two\n\n").close();
    scene.backend.on("/events/", events);
    scene.backend.on("/go-on", Reply::new().open(&gate).send("HTTP/1.1 204 No Content\r\n\r\n"));
    scene.backend.on("/large", Reply::ok(vec![b'x'; 3_000_000]));
    let Some(browser) = Browser::open(&format!("{}/page", scene.url("tls")), &scene.pin) else { return };
    scene.backend.expect("the browser", |message| message.target == b"/page");
    let report = scene.backend.expect("the page's report", |message| message.target == b"/report");
    drop(browser);
    let report: serde_json::Value = serde_json::from_slice(&report.body).expect("a report");
    assert_eq!(
        report,
        serde_json::json!({
            "page": "h2", "fetched": "h2", "many": 40, "large": 3_000_000, "posted": 200, "refused": 401,
            "events": ["one", "two"], "socket": ["caf\u{e9}", 4096, 4001, "as you wish"], "failed": null,
        })
    );
    let sent = scene.backend.expect("the upload", |message| message.target == b"/post");
    assert_eq!(sent.body.len(), 1_000_000);
}
