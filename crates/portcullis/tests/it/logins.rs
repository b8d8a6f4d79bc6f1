//! Browser login with OpenID Connect through the real executable: the whole way, and everything a hostile identity provider,
//! site or stranger can do to it.

mod handover;
mod hostile;
mod logout;
mod nodes;
mod real;
mod renewal;

use std::net::SocketAddr;

use portcullis_testkit::gateway::Builder;
use portcullis_testkit::provider::{Answer, DISCOVERY, Provider};
use portcullis_testkit::tokens::{Signer, base64url, key_set, now, sha256};
use portcullis_testkit::{Deadline, Request, Response, Wire};
use serde_json::{Value, json};

use crate::stage::{Stage, executable};

/// The gateway stands behind a balancer that speaks TLS for it: every request says so.
const CONFIG: &str = r#"version: 1
state: none
admin: { probes: 127.0.0.1:0 }
listeners:
  public: { bind: 127.0.0.1:0, protocols: [http1, http2], trusted_proxies: [127.0.0.0/8] }
telemetry: { access_log: stdout }
issuers:
  corp:
    openid: ISSUER
    timeout: 2s
    login: { client_id: gw, client_secret: "s3cret/+", scopes: [offline_access, orders.read] }
backends: { recorder: { targets: ["http://BACKEND"] } }
apis:
  app:
    base_path: /app
    backend: recorder
    auth: { login: corp }
    operations:
      all: { match: "* /{rest*}" }
      secret: { match: "GET /secret", require: { scopes: [orders.write] } }
  open:
    backend: recorder
    auth: none
    operations: { all: { match: "* /{rest*}" } }
"#;

/// A provider that says what a test tells it, a gateway that trusts it.
struct Scene {
    stage: Stage,
    provider: Provider,
    signer: Signer,
}

/// What came of the first redirect.
struct Begun {
    /// `Cookie` as the browser sends it from then on.
    cookie: String,
    state: String,
    nonce: String,
    /// Everything the provider was to be asked.
    asked: Vec<(String, String)>,
}

impl Scene {
    fn start() -> Self {
        Self::with(CONFIG, json!({}))
    }

    /// One with another configuration, and these members of the discovery document in place of others.
    fn with(config: &str, others: Value) -> Self {
        let provider = Provider::start();
        let signer = Signer::new("a");
        let mut document = document(&provider.url());
        for (name, value) in others.as_object().expect("members") {
            document[name] = value.clone();
        }
        provider.on(DISCOVERY, Answer::Json(document));
        provider.on("/jwks", Answer::Json(key_set(&[&signer])));
        let config = config.replace("ISSUER", &provider.url());
        let stage = Stage::built(|backend| Builder::new(executable(), config.replace("BACKEND", backend)));
        provider.await_count("/jwks", 1);
        Self { stage, provider, signer }
    }

    fn send(&self, wire: Wire, request: Request) -> Response {
        send_to(self.stage.public(), wire, request)
    }

    /// Navigates to a page without a session.
    fn begin(&self, wire: Wire, target: &str) -> Begun {
        let answer = Deadline::soon().poll("a redirect to the provider", || {
            let answer = self.send(wire, navigation(target));
            (answer.status == 302).then_some(answer)
        });
        self.begun(&answer)
    }

    fn begun(&self, answer: &Response) -> Begun {
        let location = answer.text("location").expect("a place");
        let (place, query) = location.split_once('?').expect("a query");
        assert_eq!(place, format!("{}/authorize", self.provider.url()));
        for (name, value) in [("cache-control", "no-store"), ("referrer-policy", "no-referrer")] {
            assert_eq!(answer.text(name).as_deref(), Some(value), "{answer:?}");
        }
        let asked: Vec<(String, String)> = query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (name.to_owned(), decoded(value)))
            .collect();
        let get = |name: &str| {
            asked.iter().find(|(own, _)| own == name).map(|(_, value)| value.clone()).unwrap_or_default()
        };
        let cookie = set_cookies(answer).pop().expect("a cookie");
        Begun { cookie, state: get("state"), nonce: get("nonce"), asked }
    }

    /// An ID token for a login under way, with these claims in place of others.
    fn id_token(&self, nonce: &str, others: Value) -> String {
        let claims = json!({
            "iss": self.provider.url(), "aud": "gw", "sub": "alice", "sid": "s1", "iat": now(), "exp": now() + 600,
            "nonce": nonce, "email": "alice@example.com", "at_hash": at_hash("access"),
        });
        let header = json!({ "alg": "ES256", "kid": "a" });
        let claims = portcullis_testkit::tokens::with(&claims, others);
        self.signer.sign(&header.to_string(), &claims.to_string())
    }

    /// What the token endpoint grants.
    fn granted(&self, id_token: &str, others: Value) -> Answer {
        let mut granted = json!({
            "access_token": "access", "token_type": "Bearer", "expires_in": 300, "id_token": id_token,
            "scope": "openid orders.read",
        });
        for (name, value) in others.as_object().expect("members") {
            granted[name] = value.clone();
        }
        Answer::Json(granted)
    }

    /// Comes back from the provider.
    fn come_back(&self, wire: Wire, cookie: &str, query: &str) -> Response {
        let request = Request::get(format!("/app/.login/corp/callback?{query}"));
        self.send(wire, request.field("Cookie", cookie).field("Sec-Fetch-Mode", "navigate"))
    }

    /// Logs in; the session cookie as the browser sends it.
    fn log_in(&self, wire: Wire, granted: Value) -> String {
        self.log_in_as(wire, json!({}), granted)
    }

    /// The same, as somebody of whom the ID token says this.
    fn log_in_as(&self, wire: Wire, claims: Value, granted: Value) -> String {
        let begun = self.begin(wire, "/app/page?x=1");
        let id_token = self.id_token(&begun.nonce, claims);
        self.provider.on("/token", self.granted(&id_token, granted));
        let answer = self.come_back(wire, &begun.cookie, &format!("code=good&state={}", begun.state));
        assert_eq!(answer.status, 303, "{answer:?}");
        session_of(&answer)
    }

    /// Neither records nor the log have any of these texts.
    fn expect_never_told(&self, texts: &[&str]) {
        let told = [self.stage.gateway.stdout().all(), self.stage.gateway.stderr().all()].concat();
        for text in texts {
            let line = told.iter().find(|line| line.contains(text));
            assert!(line.is_none(), "{text} was told: {line:?}");
        }
    }

    /// How often the token endpoint was asked.
    fn asked(&self) -> usize {
        self.provider.count("/token")
    }
}

/// Sends a request to a gateway as one that came over TLS.
fn send_to(address: SocketAddr, wire: Wire, request: Request) -> Response {
    wire.send(address, &request.host("app.test").field("X-Forwarded-Proto", "https"))
}

/// A discovery document with all that a login needs.
pub(crate) fn document(issuer: &str) -> Value {
    json!({
        "issuer": issuer, "jwks_uri": format!("{issuer}/jwks"),
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"), "end_session_endpoint": format!("{issuer}/logout"),
        "response_types_supported": ["code"], "code_challenge_methods_supported": ["plain", "S256"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic"],
    })
}

fn navigation(target: &str) -> Request {
    Request::get(target).field("Sec-Fetch-Mode", "navigate").field("Sec-Fetch-Site", "none")
}

/// The cookies an answer sets and does not take away, as a browser sends them.
pub(crate) fn set_cookies(answer: &Response) -> Vec<String> {
    answer
        .all("set-cookie")
        .into_iter()
        .map(|line| String::from_utf8_lossy(line).into_owned())
        .filter(|line| !line.contains("Max-Age=0"))
        .map(|line| {
            assert!(line.contains("; Path=/; Secure; HttpOnly; SameSite=Lax;"), "{line}");
            assert!(line.starts_with("__Host-portcullis-") && !line.contains("Domain"), "{line}");
            line.split(';').next().unwrap_or_default().to_owned()
        })
        .collect()
}

fn session_of(answer: &Response) -> String {
    let cookies = set_cookies(answer);
    let session = cookies.iter().find(|cookie| cookie.starts_with("__Host-portcullis-session-corp="));
    session.cloned().unwrap_or_else(|| panic!("no session: {answer:?}"))
}

/// The left half of the token's SHA-256.
fn at_hash(token: &str) -> String {
    base64url(&sha256(token.as_bytes())[..16])
}

pub(crate) fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let pair = [rest.next().expect("a digit"), rest.next().expect("a digit")];
            let pair = std::str::from_utf8(&pair).expect("digits");
            bytes.push(u8::from_str_radix(pair, 16).expect("digits"));
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).expect("text")
}

#[test]
fn a_navigation_leads_to_the_provider_and_back_to_where_it_began() {
    let scene = Scene::start();
    for wire in Wire::ALL {
        let begun = scene.begin(*wire, "/app/page?x=1");
        let asked = |name: &str| {
            let mut all = begun.asked.iter().filter(|(own, _)| own == name);
            let found = all.next().map(|(_, value)| value.as_str());
            assert!(all.next().is_none(), "{name} twice");
            found.unwrap_or_default()
        };
        assert_eq!(asked("response_type"), "code");
        assert_eq!(asked("client_id"), "gw");
        assert_eq!(asked("redirect_uri"), "https://app.test/app/.login/corp/callback");
        assert_eq!(asked("scope"), "openid offline_access orders.read");
        assert_eq!(asked("code_challenge_method"), "S256");
        assert!(begun.state.len() >= 43 && begun.nonce.len() >= 43 && begun.state != begun.nonce);

        let before = scene.asked();
        let id_token = scene.id_token(&begun.nonce, json!({}));
        scene.provider.on("/token", scene.granted(&id_token, json!({})));
        let answer = scene.come_back(*wire, &begun.cookie, &format!("code=c%2Fd&state={}", begun.state));
        assert_eq!(answer.status, 303, "{answer:?}");
        assert_eq!(answer.text("location").as_deref(), Some("https://app.test/app/page?x=1"));
        assert_eq!(answer.text("cache-control").as_deref(), Some("no-store"));
        assert_eq!(answer.text("referrer-policy").as_deref(), Some("no-referrer"));
        let login = begun.cookie.split('=').next().unwrap_or_default().to_owned();
        let is_taken = |line: &&[u8]| {
            let line = String::from_utf8_lossy(line);
            line.starts_with(&format!("{login}=;")) && line.contains("Max-Age=0")
        };
        assert_eq!(answer.all("set-cookie").iter().filter(|line| is_taken(line)).count(), 1);

        let calls = scene.provider.asked();
        let call = calls.iter().filter(|call| call.line == "POST /token").nth(before).expect("a call");
        // The client's name and secret, each encoded as in a form before they are joined (RFC 6749 §2.3.1).
        assert!(call.head.contains("Z3c6czNjcmV0JTJGJTJC"), "{}", call.head);
        let form: Vec<&str> = call.body.split('&').collect();
        assert!(form.contains(&"grant_type=authorization_code") && form.contains(&"code=c%2Fd"), "{form:?}");
        let verifier = form.iter().find_map(|pair| pair.strip_prefix("code_verifier=")).expect("a verifier");
        assert_eq!(asked("code_challenge"), base64url(&sha256(verifier.as_bytes())));

        let session = session_of(&answer);
        let mark = scene.stage.backend.mark();
        let cookies = format!("a=1; {session}; b=2");
        let answer = scene.send(*wire, navigation("/app/page").field("Cookie", &cookies));
        assert_eq!(answer.status, 200, "{answer:?}");
        let arrived = scene.stage.backend.since(mark);
        let fields = &arrived.first().expect("a message").fields;
        let cookies: Vec<_> =
            fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case(b"cookie")).collect();
        assert_eq!(cookies.len(), 1);
        assert_eq!(String::from_utf8_lossy(&cookies[0].1), "a=1; b=2");
        let forbidden = scene.send(*wire, navigation("/app/secret").field("Cookie", &session));
        assert_eq!(forbidden.status, 403, "{forbidden:?}");
    }
    let page =
        |record: &Value| record["portcullis.consumer"] == "corp/alice" && record["url.path"] == "/app/page";
    assert_eq!(scene.stage.gateway.record("the page", page)["portcullis.decision"], "allowed");
    scene.expect_never_told(&["c%2Fd", "c/d", "s3cret", "eyJ", "state=", "__Host-"]);
}

#[test]
fn what_is_no_navigation_is_told_that_a_credential_is_missing() {
    let scene = Scene::start();
    drop(scene.begin(Wire::Http1, "/app/page"));
    for wire in Wire::ALL {
        for request in [
            Request::get("/app/data"),
            Request::get("/app/data").field("Accept", "application/json"),
            Request::get("/app/data").field("Accept", "text/html").field("Sec-Fetch-Mode", "cors"),
            Request::post("/app/data", "x").field("Accept", "text/html").field("Sec-Fetch-Mode", "navigate"),
        ] {
            let answer = scene.send(*wire, request.clone());
            assert_eq!(answer.status, 401, "{request:?}");
            assert_eq!(answer.problem().as_deref(), Some("credential-missing"));
            assert!(answer.all("set-cookie").is_empty());
        }
        let page = scene.send(*wire, Request::get("/app/page").field("Accept", "text/html, */*"));
        assert_eq!(page.status, 302, "a browser that does not say how it asks");
        let clear = wire.send(scene.stage.public(), &navigation("/app/page"));
        assert_eq!(clear.status, 401, "no login over plain http: {clear:?}");
    }
}
