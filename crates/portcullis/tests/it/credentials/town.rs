//! A gateway that asks every pair of ways in an API of its own, the issuers it trusts, and what it is asked.

use std::collections::HashMap;
use std::time::Duration;

use portcullis_testkit::certificates::Authority;
use portcullis_testkit::gateway::Builder;
use portcullis_testkit::provider::{Answer, DISCOVERY, Provider};
use portcullis_testkit::tls::{Choices, Tls};
use portcullis_testkit::tokens::{Signer, claims, key_set, now, with};
use portcullis_testkit::{Deadline, Gateway, Recorder, Request, Response, Wire, h2, raw};
use serde_json::{Value, json};

use super::HOST;
use super::page::{Page, Relation, STATES};
use super::ways::{Purse, Way, spiffe};
use crate::logins;
use crate::stage::executable;

/// The name of the issuer whose keys are in a file.
const LAB: &str = "https://lab.example.com";
/// Requests on their way over one connection.
const AT_ONCE: usize = 24;

/// What is not said pair by pair.
const CONFIG: &str = r#"version: 1
state: none
bounds: { credential_failures: 1000000 }
listeners:
  public:
    bind: 127.0.0.1:0
    protocols: [http1, http2]
    tls:
      certificates: [{ cert: "${file:api.crt}", key: "${file:api.key}" }]
      client_certificates: { mode: request, ca: "${file:ca.pem}" }
issuers:
  corp: { openid: "ISSUER", audiences: [orders-api], refresh: 1s, timeout: 60s, login: { client_id: gw, client_secret: secret } }
  lab: { issuer: "https://lab.example.com", jwks: lab.jwks.json, audiences: [orders-api] }
  old: { introspection: { url: "ISSUER/introspect", client_id: gw, client_secret: secret, cache: 1s }, audiences: [orders-api], timeout: 60s }
backends: { recorder: { targets: ["http://BACKEND"] } }
"#;

pub(super) struct Town {
    pub(super) gateway: Gateway,
    backend: Recorder,
    provider: Provider,
    issuers: Issuers,
    pub(super) purse: Purse,
    tls: HashMap<(bool, &'static str), Tls>,
}

/// Keys of both issuers with keys: one that stays, one that goes, and a stranger's under the name of the first.
struct Issuers {
    stays: Signer,
    goes: Signer,
    stranger: Signer,
}

enum Connection {
    Http1(raw::Client),
    Http2(h2::Client),
}

/// Where the API of a pair is.
pub(super) fn path(rule: &str, first: Way, second: Way) -> String {
    format!("/{rule}/{}/{}", first.slug(), second.slug())
}

impl Town {
    pub(super) fn start(page: &Page) -> Self {
        let (backend, provider, authority) = (Recorder::start(), Provider::start(), Authority::new("tests"));
        let server = authority.server(&[HOST]);
        let issuers = Issuers {
            stays: Signer::new("stays"),
            goes: Signer::new("goes"),
            stranger: Signer::new("stays"),
        };
        let both = key_set(&[&issuers.stays, &issuers.goes]);
        provider.on(DISCOVERY, Answer::Json(logins::document(&provider.url())));
        provider.on("/jwks", Answer::Json(both.clone()));
        let purse = Purse::new(&STATES);
        let config = config(page, &backend, &provider, true);
        let mut builder = Builder::new(executable(), config)
            .file("api.crt", server.certificate)
            .file("api.key", server.key)
            .file("ca.pem", authority.pem())
            .file("lab.jwks.json", both.to_string());
        for (state, signer) in &purse.signers {
            builder = builder.file(format!("{}.pem", Way::Signature.id(state)), signer.public_pem());
        }
        let gateway = builder.start();
        let mut tls = HashMap::new();
        for state in STATES {
            let pair = (state != "absent").then(|| authority.client(&spiffe(state)));
            for (is_http2, protocols) in [(false, ["http/1.1"]), (true, ["h2"])] {
                let choices = Choices { protocols: &protocols, client: pair.as_ref(), ..Choices::default() };
                tls.insert((is_http2, state), Tls::new(&authority.pem(), &choices));
            }
        }
        let mut town = Self { gateway, backend, provider, issuers, purse, tls };
        town.issue_tokens();
        town.log_in_all();
        town
    }

    /// A token of each state from each issuer.
    fn issue_tokens(&mut self) {
        let url = self.provider.url();
        for state in STATES.into_iter().skip(1) {
            let subject = if state == "another's" { "bob" } else { "alice" };
            let signer = match state {
                "bad" => &self.issuers.stranger,
                "revoked" => &self.issuers.goes,
                _ => &self.issuers.stays,
            };
            for (way, issuer) in [(Way::Jwt, &*url), (Way::Lab, LAB)] {
                let mut own = json!({ "jti": way.id(state) });
                if state == "expired" {
                    own = json!({ "iat": now() - 7_200, "exp": now() - 3_600 });
                }
                let token = signer.token(&with(&claims(issuer, "orders-api", subject), own));
                self.purse.held.insert((way, state), token);
            }
            let exp = if state == "expired" { now() - 3_600 } else { now() + 3_600 };
            let said = json!({
                "active": state != "bad", "sub": subject, "aud": "orders-api", "exp": exp, "jti": Way::Token.id(state),
            });
            self.answer_about(state, said);
            self.purse.held.insert((Way::Token, state), Way::Token.id(state));
        }
    }

    /// What the asked issuer says of the token of a state from now on.
    fn answer_about(&self, state: &str, said: Value) {
        let part = format!("token={}&", Way::Token.id(state));
        self.provider.on_body("/introspect", &part, Answer::Json(said));
    }

    fn log_in_all(&mut self) {
        let mut good = String::new();
        for (state, subject) in
            [("good", "alice"), ("another's", "bob"), ("revoked", "alice"), ("expired", "alice")]
        {
            let session = self.log_in(subject, if state == "expired" { 0 } else { 3_600 });
            if state == "good" {
                good.clone_from(&session);
            }
            self.purse.held.insert((Way::Login, state), session);
        }
        // Another letter in the middle of what is sealed.
        let middle = good.len() / 2;
        let other = if good.as_bytes()[middle] == b'A' { "B" } else { "A" };
        good.replace_range(middle..=middle, other);
        self.purse.held.insert((Way::Login, "bad"), good);
    }

    /// The cookie of a session that the issuer vouches for so long.
    fn log_in(&self, subject: &str, seconds: u64) -> String {
        let base = path("any_of", Way::Jwt, Way::Login);
        let navigate = |target: &str| Request::get(target).host(HOST).field("Sec-Fetch-Mode", "navigate");
        let begun = Deadline::soon().poll("a redirect to the login", || {
            let answer = self.ask(Wire::Http1, "absent", &[navigate(&base)]).remove(0);
            (answer.status == 302).then_some(answer)
        });
        let location = logins::decoded(&begun.text("location").expect("a place"));
        let parameter = |name: &str| {
            let rest = location.split_once(&format!("{name}=")).expect("a parameter").1;
            rest.split('&').next().unwrap_or_default().to_owned()
        };
        let url = self.provider.url();
        let said = json!({
            "iss": url, "aud": "gw", "sub": subject, "iat": now(), "exp": now() + 600, "nonce": parameter("&nonce"),
        });
        let header = json!({ "alg": "ES256", "kid": "stays" });
        let id_token = self.issuers.stays.sign(&header.to_string(), &said.to_string());
        let granted = json!({
            "access_token": "access", "token_type": "Bearer", "expires_in": seconds, "id_token": id_token,
        });
        self.provider.on("/token", Answer::Json(granted));
        let back = format!("{base}/.login/corp/callback?code=c&state={}", parameter("&state"));
        let cookie = logins::set_cookies(&begun).pop().expect("a cookie");
        let answer = self.ask(Wire::Http1, "absent", &[navigate(&back).field("Cookie", cookie)]).remove(0);
        assert_eq!(answer.status, 303, "{answer:?}");
        logins::set_cookies(&answer)
            .into_iter()
            .find(|cookie| cookie.contains("-session-"))
            .expect("a session")
    }

    /// Ends what is to be revoked, each in its own way.
    pub(super) fn revoke(&self, page: &Page) {
        let left = key_set(&[&self.issuers.stays]);
        self.provider.on("/jwks", Answer::Json(left.clone()));
        self.answer_about("revoked", json!({ "active": false }));
        let session = &self.purse.held[&(Way::Login, "revoked")];
        let logout = format!("{}/.login/corp/logout", path("any_of", Way::Jwt, Way::Login));
        let logout = Request::post(logout, "").host(HOST).field("Cookie", session);
        let answer = self.ask(Wire::Http1, "absent", &[logout.field("Sec-Fetch-Site", "same-origin")]);
        assert_eq!(answer[0].status, 303, "{answer:?}");
        self.gateway.write("lab.jwks.json", left.to_string());
        self.gateway.reconfigure(&config(page, &self.backend, &self.provider, false));
    }

    /// Asks over a connection whose certificate has this state, many at once. It is a new one each time: one that is kept may
    /// be idle for so long on a busy machine that the gateway ends it.
    pub(super) fn ask(&self, wire: Wire, state: &'static str, requests: &[Request]) -> Vec<Response> {
        let tls = &self.tls[&(wire == Wire::Http2, state)];
        let (client, _) = tls.connect(self.gateway.address("public"), HOST).expect("a handshake");
        let mut connection = match wire {
            Wire::Http1 => Connection::Http1(client),
            Wire::Http2 => {
                let mut client = h2::Client::silent(client);
                client.open(&[]);
                Connection::Http2(client)
            }
        };
        let runs = requests.chunk_by(|one, next| !has_password(one) && !has_password(next));
        runs.flat_map(|run| run.chunks(AT_ONCE)).flat_map(|some| connection.exchange(some)).collect()
    }
}

impl Connection {
    fn exchange(&mut self, requests: &[Request]) -> Vec<Response> {
        let deadline = Deadline::after(Duration::from_secs(60));
        match self {
            Self::Http1(client) => {
                client.send(requests.iter().flat_map(Request::http1).collect::<Vec<u8>>());
                requests
                    .iter()
                    .map(|one| client.response(&one.method, deadline).expect("an answer"))
                    .collect()
            }
            Self::Http2(client) => {
                let streams: Vec<u32> = requests.iter().map(|request| secure(client, request)).collect();
                streams.into_iter().map(|one| client.response(one, deadline).expect("an answer")).collect()
            }
        }
    }
}

/// Whether it goes alone: passwords wait for each other, and on a busy machine the last ones for so long that they get 503.
fn has_password(request: &Request) -> bool {
    request.fields.iter().any(|(name, value)| name == b"authorization" && value.starts_with(b"Basic"))
}

/// Sends a request without a body over HTTP/2 and TLS; its stream.
fn secure(client: &mut h2::Client, request: &Request) -> u32 {
    let stream = client.stream();
    let mut fields = h2::request_fields(request);
    let scheme = fields.iter_mut().find(|(name, _)| name == b":scheme").expect("a scheme");
    scheme.1 = b"https".to_vec();
    client.fields(stream, &fields, true);
    stream
}

/// `has_revoked`: with the credentials that are taken out later.
fn config(page: &Page, backend: &Recorder, provider: &Provider, has_revoked: bool) -> String {
    let of = |states: &[&str]| {
        let all = Way::ALL.into_iter().flat_map(|way| states.iter().map(move |state| way.credential(state)));
        all.collect::<String>()
    };
    let one = of(if has_revoked { &["good", "expired", "revoked"] } else { &["good", "expired"] });
    let two = of(&["another's"]);
    let mut text =
        CONFIG.replace("ISSUER", &provider.url()).replace("BACKEND", &backend.address().to_string());
    for (name, credentials) in [("one", one), ("two", two)] {
        if name == "one" {
            text.push_str("consumers:\n");
        }
        text.push_str(&format!("  {name}:\n    apis: [\"*\"]\n    credentials:\n{credentials}"));
    }
    text.push_str("apis:\n");
    for (first, second, relation) in page.pairs() {
        let rules: &[&str] = if relation == Relation::Same { &["any_of", "all_of"] } else { &["any_of"] };
        for rule in rules {
            text.push_str(&api(rule, first, second));
            text.push_str(&api(rule, second, first));
        }
    }
    text
}

/// An API that asks for a pair.
fn api(rule: &str, first: Way, second: Way) -> String {
    format!(
        "  {rule}-{}-{}: {{ base_path: {}, backend: recorder, auth: {{ {rule}: [{}, {}] }}, operations: {{ all: {{ match: \"* /{{rest*}}\" }} }} }}\n",
        first.slug(),
        second.slug(),
        path(rule, first, second),
        first.auth(),
        second.auth(),
    )
}

/// What `check` says of every pair that can prove no one consumer, asked for together.
pub(super) fn check_all_of(page: &Page, pairs: &[(Way, Way)]) -> String {
    let (backend, provider, authority) = (Recorder::start(), Provider::start(), Authority::new("tests"));
    let server = authority.server(&[HOST]);
    let config = config(page, &backend, &provider, false);
    let signer = Signer::new("any");
    let (before, _) = config.split_once("\napis:\n").expect("APIs");
    let mut config = format!("{before}\napis:\n");
    for (first, second) in pairs {
        config.push_str(&api("all_of", *first, *second));
        config.push_str(&api("all_of", *second, *first));
    }
    let mut builder = Builder::new(executable(), config)
        .file("api.crt", server.certificate)
        .file("api.key", server.key)
        .file("ca.pem", authority.pem())
        .file("lab.jwks.json", key_set(&[&signer]).to_string());
    for state in STATES {
        builder = builder.file(format!("{}.pem", Way::Signature.id(state)), Signer::new(state).public_pem());
    }
    let output = builder.run(&["check"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout)
}
