//! The admin server over real sockets, with a gateway that is a few facts in memory.

#![expect(clippy::unwrap_used, reason = "a test fails loudly")]

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use portcullis_admin::client::{self, Answer, CallError};
use portcullis_admin::{
    Admin, Bound, ConfigFailure, ConfigStatus, Control, ListenerStatus, Phase, ROUTES, Reach, Settings,
    Status, StuckWorker, Successor, server, takeover::Handed,
};
use portcullis_gateway::gateway::Lent;
use portcullis_gateway::observe::{BackendFacts, Kept, METRICS_CONTENT_TYPE, Observe};
use portcullis_gateway::operators::Operators;
use serde_json::{Value, json};

/// A gateway whose answers the test sets.
struct Fake {
    status: Mutex<Status>,
    reload: Mutex<Result<String, String>>,
}

impl Default for Fake {
    fn default() -> Self {
        Self {
            status: Mutex::new(Status {
                phase: Phase::Ready,
                version: "0.1.0",
                started: Duration::from_secs(1_700_000_000),
                config: ConfigStatus {
                    hash: Some("abc123".into()),
                    applied: Some(Duration::from_secs(1_700_000_001)),
                    confirm_by: None,
                    last_failure: None,
                },
                listeners: vec![ListenerStatus {
                    name: "public".into(),
                    address: "0.0.0.0:8443".into(),
                    connections: 3,
                }],
                targets: Vec::new(),
                issuers: Vec::new(),
                acme: Vec::new(),
                backends: vec![BackendFacts { backend: "orders".into(), ..BackendFacts::default() }],
                signing: None,
                store: None,
                workers: vec![2, 1],
                stuck: Vec::new(),
            }),
            reload: Mutex::new(Ok("def456".into())),
        }
    }
}

impl Fake {
    fn change(&self, change: impl FnOnce(&mut Status)) {
        change(&mut self.status.lock().unwrap());
    }
}

impl Control for Fake {
    fn status(&self) -> Status {
        self.status.lock().unwrap().clone()
    }
    fn metrics(&self) -> String {
        "# EOF\n".into()
    }
    fn explain(&self, id: &str) -> Option<Kept> {
        (id == "known").then(kept)
    }
    fn recent(&self, count: usize) -> Vec<Kept> {
        vec![kept(); count.min(30)]
    }
    fn routes(&self) -> Value {
        json!([{ "method": "GET", "path": "/orders" }])
    }
    fn bounds(&self) -> Value {
        json!([{ "key": "head", "value": "64KiB" }])
    }
    fn store(&self) -> Option<portcullis_gateway::store::Store> {
        None
    }
    fn operators(&self) -> Option<Arc<Operators>> {
        None
    }
    fn observe(&self) -> Observe {
        Observe::default()
    }
    fn certificates(&self) -> Value {
        json!([])
    }
    fn drift(&self) -> Value {
        json!({ "shadow": [] })
    }
    fn reload(&self) -> Result<String, String> {
        let outcome = self.reload.lock().unwrap().clone();
        if let Err(reason) = &outcome {
            let failure = ConfigFailure { at: Duration::from_secs(1_700_000_002), reason: reason.clone() };
            self.change(|status| status.config.last_failure = Some(failure));
        }
        outcome
    }
    fn apply(
        &self,
        candidate: Option<Vec<u8>>,
        confirm: Option<Duration>,
        _: Reach,
    ) -> Result<String, String> {
        match (candidate, confirm) {
            (Some(text), None) if text == b"bad" => Err("portcullis.yaml:1:1: bad".into()),
            (Some(_), None) => Ok("sent".into()),
            (None, None) => Ok("file".into()),
            (_, Some(time)) => Ok(format!("for {} ms", time.as_millis())),
        }
    }
    fn confirm(&self) -> Result<String, String> {
        Err("nothing waits".into())
    }
    fn rollback(&self, hash: Option<&str>, _: Reach) -> Result<String, String> {
        Ok(format!("back to {}", hash.unwrap_or("before")))
    }
    fn diff(&self, candidate: Option<Vec<u8>>) -> Result<Value, String> {
        Ok(json!({ "sent": candidate.is_some() }))
    }
    fn revisions(&self) -> Value {
        json!([])
    }
    fn drain(&self) {
        self.change(|status| status.phase = Phase::Draining);
    }
    fn lend(&self) -> Result<Vec<Lent>, String> {
        Err("there is nothing to lend".into())
    }
    fn may_give(&self) -> Result<(), String> {
        Ok(())
    }
    fn give(&self, _: &Successor) {}
    fn keep(&self, _: &str) {}
}

fn kept() -> Kept {
    use portcullis_gateway::observe::{Decision, Observe, Record};
    let peer = portcullis_gateway::http::Peer {
        listener: "public".into(),
        address: SocketAddr::from(([192, 0, 2, 7], 4_000)),
        local: SocketAddr::from(([192, 0, 2, 1], 8_443)),
        tls: None,
        term: Arc::default(),
        way: Default::default(),
    };
    let observe = Observe::default();
    observe.record(&Record {
        id: b"known",
        trace: &portcullis_gateway::http::trace::Trace::begin(|| 1),
        wall: Duration::from_secs(1_700_000_000),
        took: Duration::from_millis(3),
        wire: portcullis_gateway::http::Wire::Http11,
        peer: &peer,
        client: peer.ip(),
        method: Some("GET"),
        host: Some("api.example.com"),
        path: Some("/orders"),
        user_agent: None,
        raw_line: None,
        api: Some(&"orders".into()),
        operation: Some(&"listOrders".into()),
        template: Some(&"/orders".into()),
        metrics: None,
        consumer: None,
        credential: None,
        status: Some(401),
        request_bytes: 0,
        response_bytes: 9,
        decision: Decision::Refused,
        problem: None,
        detail: None,
        cause: None,
        authorizer: None,
        backend: None,
        overhead: None,
        tries: &[],
        strip: 0,
        resends: 0,
        verdicts: &[],
        places: None,
        observed: None,
        unseen: None,
        revision: "abc123",
    });
    observe.explain("known").unwrap()
}

struct Running {
    fake: Arc<Fake>,
    admin: Admin,
    probes: SocketAddr,
    socket: PathBuf,
    folder: tempfile::TempDir,
}

fn start() -> Running {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("admin.sock");
    let settings = Settings {
        probes: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
        api: None,
        socket: Some(socket.clone()),
    };
    let fake = Arc::new(Fake::default());
    let control: Arc<dyn Control> = Arc::clone(&fake) as Arc<dyn Control>;
    let admin = Bound::bind(&settings, &mut Handed::default()).unwrap().start(control).unwrap();
    let probes = admin.probes().unwrap();
    Running { fake, admin, probes, socket, folder }
}

impl Running {
    fn call(&self, method: &str, path: &str) -> (u16, Value) {
        let Answer { status, body } = client::call(&self.socket, method, path, b"").unwrap();
        (status, serde_json::from_slice(&body).unwrap())
    }

    fn probe(&self, path: &str) -> (u16, String) {
        let Answer { status, body } = client::probe(self.probes, path).unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    /// Sends bytes to the probes listener and reads all that comes back.
    fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.probes).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(bytes).unwrap();
        let mut answer = Vec::new();
        // A connection that is reset has still told what it told.
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8(answer).unwrap()
    }
}

#[test]
fn probes_tell_the_phase() {
    let running = start();
    let codes = || ["/livez", "/startupz", "/readyz"].map(|path| running.probe(path).0);
    assert_eq!(codes(), [200, 200, 200]);
    running.fake.change(|status| status.phase = Phase::Starting);
    assert_eq!(codes(), [200, 503, 503]);
    running.fake.change(|status| status.phase = Phase::Draining);
    assert_eq!(codes(), [200, 200, 503]);
    assert!(running.probe("/readyz").1.starts_with("draining\n"));
}

#[test]
fn a_worker_that_does_not_turn_fails_the_probes_and_is_named() {
    let running = start();
    running.fake.change(|status| status.stuck = vec![StuckWorker { worker: 1, seconds: 7 }]);
    let line = "worker 1: has not turned for 7 s\n";
    assert_eq!(running.probe("/livez"), (503, line.to_owned()));
    let (status, text) = running.probe("/readyz");
    assert!(status == 503 && text.ends_with(line), "{status} {text}");
    running.fake.change(|status| status.stuck.clear());
    assert_eq!((running.probe("/livez").0, running.probe("/readyz").0), (200, 200));
}

#[test]
fn readiness_shows_a_failed_reload_and_stays_good() {
    let running = start();
    *running.fake.reload.lock().unwrap() = Err("portcullis.yaml:3:1: apis: \u{1b}[2Jwrong\nand more".into());
    assert_eq!(running.call("POST", "/api/v1/reload").0, 422);
    let (status, text) = running.probe("/readyz");
    assert_eq!(status, 200);
    assert_eq!(
        text,
        "ready\nconfig: abc123\nconfig: last reload failed: portcullis.yaml:3:1: apis: [2Jwrong\nlistener public: 0.0.0.0:8443\n"
    );
}

#[test]
fn metrics_have_the_type_a_scraper_asks_for() {
    let running = start();
    let answer = running.raw(b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n");
    assert!(answer.contains(&format!("content-type: {METRICS_CONTENT_TYPE}\r\n")), "{answer}");
    assert!(answer.ends_with("\r\n\r\n# EOF\n"));
}

#[test]
fn the_probes_listener_has_nothing_else() {
    let running = start();
    for path in ["/", "/api/v1/status", "/api/v1/reload", "/livez/", "/livezz", "/LIVEZ", "//livez"] {
        let answer = running.raw(format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes());
        assert!(answer.starts_with("HTTP/1.1 404 "), "{path}: {answer}");
        assert!(answer.contains("content-type: application/problem+json\r\n"), "{answer}");
        assert!(answer.contains("admin-path-unknown"), "{answer}");
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE"] {
        let answer = running.raw(format!("{method} /readyz HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes());
        assert!(answer.starts_with("HTTP/1.1 405 "), "{method}: {answer}");
        assert!(answer.contains("allow: GET, HEAD\r\n"), "{answer}");
    }
    let head = running.raw(b"HEAD /readyz HTTP/1.1\r\nhost: x\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200 ") && head.ends_with("\r\n\r\n"), "{head}");
}

#[test]
fn a_connection_ends_with_its_answer() {
    let running = start();
    let request = b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n";
    assert_eq!(running.raw(&[request.as_slice(), request].concat()).matches("HTTP/1.1 ").count(), 1);
}

#[test]
fn slow_and_oversized_heads_are_cut_off_while_others_are_served() {
    let running = start();
    let begun = portcullis_gateway::clock::now();
    let slow: Vec<TcpStream> = (0..server::CONNECTIONS_MAX - 1)
        .map(|_| {
            let mut stream = TcpStream::connect(running.probes).unwrap();
            stream.write_all(b"GET /livez HTTP/1.1\r\nhost:").unwrap();
            stream
        })
        .collect();
    assert_eq!(running.probe("/livez").0, 200);
    let fields = "x: y\r\n".repeat(server::FIELDS_MAX + 1);
    let many = running.raw(format!("GET /livez HTTP/1.1\r\nhost: x\r\n{fields}\r\n").as_bytes());
    assert!(many.starts_with("HTTP/1.1 431 "), "{many}");
    let long = running.raw(&[b"GET /".as_slice(), &vec![b'a'; 4 * server::HEAD_BYTES_MAX]].concat());
    assert!(!long.contains(" 200 "), "{long}");
    for mut stream in slow {
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
    }
    assert!(begun.elapsed() < 3 * server::HEAD_TIMEOUT, "{:?}", begun.elapsed());
}

#[test]
fn the_admin_api_tells_and_acts() {
    let running = start();
    let (status, body) = running.call("GET", "/api/v1/status");
    assert_eq!((status, &body["phase"], &body["config"]["hash"]), (200, &json!("ready"), &json!("abc123")));
    assert_eq!(body["started"], "2023-11-14T22:13:20.000Z");
    let (status, body) = running.call("GET", "/api/v1/explain/known");
    assert_eq!((status, &body["path"]), (200, &json!("/orders")));
    assert_eq!(running.call("GET", "/api/v1/explain").1.as_array().unwrap().len(), 20);
    assert_eq!(running.call("GET", "/api/v1/explain?count=3").1.as_array().unwrap().len(), 3);
    assert_eq!(running.call("GET", "/api/v1/routes").1[0]["path"], "/orders");
    assert_eq!(running.call("GET", "/api/v1/bounds").1[0]["key"], "head");
    assert_eq!(running.call("POST", "/api/v1/reload"), (200, json!({ "hash": "def456" })));
    assert_eq!(running.call("POST", "/api/v1/drain").0, 202);
    assert_eq!(running.probe("/readyz").0, 503);
}

#[test]
fn the_admin_api_refuses_what_it_does_not_know() {
    let running = start();
    let check = |method: &str, path: &str, status: u16, code: &str| {
        let (found, body) = running.call(method, path);
        assert_eq!((found, &body["code"]), (status, &json!(code)), "{method} {path}");
        assert_eq!(body["type"], format!("urn:portcullis:problem:{code}"));
    };
    check("GET", "/api/v1/explain/unknown", 404, "exchange-not-kept");
    check("GET", "/api/v1/explain/a/b", 404, "admin-path-unknown");
    check("GET", "/api/v1", 404, "admin-path-unknown");
    check("GET", "/status", 404, "admin-path-unknown");
    check("GET", "/livez", 404, "admin-path-unknown");
    check("GET", "/api/v1/reload", 405, "admin-method-unknown");
    check("DELETE", "/api/v1/status", 405, "admin-method-unknown");
}

#[test]
fn a_failed_reload_names_every_finding() {
    let running = start();
    *running.fake.reload.lock().unwrap() = Err("a.yaml:1:1: first\na.yaml:2:2: second".into());
    let (status, body) = running.call("POST", "/api/v1/reload");
    assert_eq!((status, &body["code"]), (422, &json!("reload-refused")));
    assert_eq!(body["errors"], json!(["a.yaml:1:1: first", "a.yaml:2:2: second"]));
    assert_eq!(
        running.call("GET", "/api/v1/status").1["config"]["last_failure"]["at"],
        "2023-11-14T22:13:22.000Z"
    );
}

#[test]
fn a_large_body_is_refused() {
    let running = start();
    let body = vec![b'x'; server::BODY_BYTES_MAX + 1];
    let answer = client::call(&running.socket, "POST", "/api/v1/reload", &body).unwrap();
    assert_eq!(answer.status, 413);
    let body = vec![b'x'; server::BODY_BYTES_MAX];
    assert_eq!(client::call(&running.socket, "POST", "/api/v1/reload", &body).unwrap().status, 200);
}

#[test]
fn the_api_describes_itself() {
    let running = start();
    let (status, document) = running.call("GET", "/api/v1/openapi.json");
    assert_eq!((status, &document["openapi"]), (200, &json!("3.1.0")));
    for route in ROUTES {
        let operation = &document["paths"][route.path][route.method.to_lowercase()];
        assert_eq!(operation["operationId"], route.name, "{} {}", route.method, route.path);
        let (brings_text, brings_words) = match route.path {
            "/apply" => (true, vec!["confirm_ms"]),
            "/diff" => (true, vec![]),
            "/rollback" => (false, vec!["hash"]),
            "/explain" => (false, vec!["count"]),
            "/explain/{id}" => (false, vec!["id"]),
            "/consumers" => (false, vec!["after"]),
            "/consumers/{consumer}" if route.method == "PUT" => (true, vec!["consumer", "new"]),
            "/consumers/{consumer}" => (false, vec!["consumer"]),
            "/consumers/{consumer}/credentials" => (true, vec!["consumer"]),
            "/audit" => (false, vec!["before"]),
            path if path.ends_with("/rotate") => (false, vec!["consumer", "credential", "overlap_ms"]),
            path if path.ends_with("/expire") => (true, vec!["consumer", "credential"]),
            path if path.ends_with("/revoke") => (false, vec!["consumer", "credential"]),
            _ => (false, vec![]),
        };
        assert_eq!(operation["requestBody"].is_object(), brings_text, "{}", route.path);
        let words = operation["parameters"].as_array().cloned().unwrap_or_default();
        assert_eq!(words.iter().map(|word| word["name"].as_str().unwrap()).collect::<Vec<_>>(), brings_words);
    }
}

#[test]
fn the_socket_is_for_its_owner_alone_and_goes_with_the_server() {
    let Running { admin, socket, folder, .. } = start();
    assert_eq!(socket.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no draft is left");
    admin.stop();
    assert!(!socket.exists());
    assert!(matches!(client::call(&socket, "GET", "/api/v1/status", b""), Err(CallError::Absent(_))));
}

fn bind(path: &Path) -> Result<Bound, String> {
    let settings = Settings { probes: None, api: None, socket: Some(path.to_owned()) };
    Bound::bind(&settings, &mut Handed::default()).map_err(|error| error.to_string())
}

#[test]
fn a_socket_nobody_answers_on_is_replaced_and_a_live_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("admin.sock");
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists() && UnixStream::connect(&path).is_err(), "a stale socket");
    let first = bind(&path).unwrap();
    let error = bind(&path).unwrap_err();
    assert!(error.contains("another gateway answers there"), "{error}");
    drop(first);
    bind(&path).unwrap();
}

#[test]
fn what_is_no_socket_is_never_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("admin.sock");
    fs::write(&path, "precious").unwrap();
    assert!(bind(&path).unwrap_err().contains("no socket"));
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    let long = folder.path().join("a".repeat(120));
    assert!(bind(&long).unwrap_err().contains("too long"));
}

#[test]
fn a_taken_probes_address_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let error =
        Bound::bind(&Settings { probes: Some(address), api: None, socket: None }, &mut Handed::default())
            .unwrap_err()
            .to_string();
    assert!(error.contains(&address.to_string()), "{error}");
}

#[test]
fn the_client_says_plainly_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("admin.sock");
    let ask = |path: &Path, target: &str| client::call(path, "GET", target, b"").unwrap_err();
    assert!(matches!(ask(&path, "/"), CallError::Absent(_)));
    let listener = UnixListener::bind(&path).unwrap();
    for target in ["/api/v1/explain/a b", "/api/v1/explain/a\r\nx: y", "x", "/ü"] {
        assert!(matches!(ask(&path, target), CallError::Target(_)), "{target:?}");
    }
    let server = thread::spawn(move || {
        for answer in ["not http\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nabc"] {
            let mut stream = loop {
                // The refused calls above have connected and gone.
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = [0; 512];
                if stream.read(&mut request).unwrap() > 0 {
                    break stream;
                }
            };
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    assert!(matches!(ask(&path, "/"), CallError::Answer(_)));
    assert!(matches!(ask(&path, "/"), CallError::Answer(_)));
    server.join().unwrap();
}
