//! Every pair of ways to prove a caller, in every state, in `any_of` and `all_of`: `docs/credentials.md` says what each gets.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use portcullis_identity::sha256::digest;
use portcullis_testkit::certificates::Authority;
use portcullis_testkit::gateway::Builder;
use portcullis_testkit::tls::{Choices, Tls};
use portcullis_testkit::{Deadline, Gateway, Recorder, Request, Response, Wire, h2, raw};
use serde_json::Value;

use crate::stage::{Findings, executable};

const HOST: &str = "api.example.com";
/// Of `correct horse`, at the least work that is taken.
const HASH: &str =
    "$argon2id$v=19$m=7168,t=5,p=1$YzJGc2RITmhiSFF4$meE12SBYL4136AkzPwSEswSRDfpgjaJBdm/wCYKzmyA";
/// What stands in `Authorization` for each state, `user:password` in base 64.
const BASIC: [(&str, &str); 5] = [
    ("bad", "Z29vZDpjb3JyZWN0IGhvcnNm"),
    ("expired", "ZXhwaXJlZDpjb3JyZWN0IGhvcnNl"),
    ("revoked", "cmV2b2tlZDpjb3JyZWN0IGhvcnNl"),
    ("good", "Z29vZDpjb3JyZWN0IGhvcnNl"),
    ("another's", "YW5vdGhlcidzOmNvcnJlY3QgaG9yc2U="),
];

/// A way to prove a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Header,
    Query,
    Cookie,
    Basic,
    Certificate,
}

const SCHEMES: [Scheme; 5] =
    [Scheme::Header, Scheme::Query, Scheme::Cookie, Scheme::Basic, Scheme::Certificate];

impl Scheme {
    fn name(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::Query => "query",
            Self::Cookie => "cookie",
            Self::Basic => "basic",
            Self::Certificate => "certificate",
        }
    }

    fn auth(self) -> &'static str {
        match self {
            Self::Header => "{ api_key: { header: x-key } }",
            Self::Query => "{ api_key: { query: key } }",
            Self::Cookie => "{ api_key: { cookie: key } }",
            Self::Basic => "basic",
            Self::Certificate => "certificate",
        }
    }

    /// The credential of this state as the configuration has it.
    fn credential(self, state: &str) -> String {
        let end = if state == "expired" { ", expires: 2020-01-01" } else { "" };
        let means = match self {
            Self::Header | Self::Query | Self::Cookie => {
                format!("api_key: {{ sha256: \"{}\"{end} }}", digest(self.key(state).as_bytes()))
            }
            Self::Basic => format!("basic: {{ user: \"{state}\", password: \"{HASH}\"{end} }}"),
            Self::Certificate => format!("certificate: {{ spiffe: \"{}\"{end} }}", spiffe(state)),
        };
        format!("      - {{ id: \"{}\", {means} }}\n", self.id(state))
    }

    fn key(self, state: &str) -> String {
        format!("{}-{}", self.name(), state.replace('\'', ""))
    }

    fn id(self, state: &str) -> String {
        self.key(state)
    }

    /// Puts a credential of this state into a request; a certificate belongs to the connection.
    fn present(self, request: &mut Request, state: &str) {
        if state == "absent" {
            return;
        }
        let key = self.key(state);
        match self {
            Self::Header => request.fields.push((b"x-key".to_vec(), key.into_bytes())),
            Self::Query => request.target.extend(format!("?key={key}").bytes()),
            Self::Cookie => request.fields.push((b"cookie".to_vec(), format!("a=b; key={key}").into_bytes())),
            Self::Basic => {
                let (_, pair) = BASIC.iter().find(|(own, _)| *own == state).expect("a state");
                request.fields.push((b"authorization".to_vec(), format!("Basic {pair}").into_bytes()));
            }
            Self::Certificate => {}
        }
    }
}

fn spiffe(state: &str) -> String {
    format!("spiffe://tests/{}", state.replace('\'', ""))
}

/// Every pair, each once.
fn pairs() -> impl Iterator<Item = (Scheme, Scheme)> {
    let later = |at: usize| SCHEMES.into_iter().skip(at + 1);
    SCHEMES.into_iter().enumerate().flat_map(move |(at, first)| later(at).map(move |second| (first, second)))
}

/// A row of the table: two states, and what they get in `any_of` and in `all_of`.
struct Row {
    states: [String; 2],
    answers: [String; 2],
}

fn table() -> Vec<Row> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/credentials.md");
    let page = fs::read_to_string(page).expect("the page");
    let rows = page.lines().filter(|line| line.contains("| 200 ") || line.contains("| 401 "));
    let rows: Vec<Row> = rows
        .map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            let [first, second, any_of, all_of] = cells[..] else { panic!("no row: {line}") };
            Row { states: [first, second].map(str::to_owned), answers: [any_of, all_of].map(str::to_owned) }
        })
        .collect();
    assert_eq!(rows.len(), 36, "six states cross six");
    rows
}

/// `revoked`: what stands in the configuration of those that are taken out later.
fn config(backend: &str, has_revoked: bool) -> String {
    let of = |states: &[&str]| {
        let all = SCHEMES.iter().flat_map(|scheme| states.iter().map(|state| scheme.credential(state)));
        all.collect::<String>()
    };
    let (one, two) = (of(&["good", "expired"]), of(&["another's"]));
    let revoked = if has_revoked { of(&["revoked"]) } else { String::new() };
    let mut text = format!(
        r#"version: 1
state: none
bounds: {{ credential_failures: 1000000 }}
listeners:
  public:
    bind: 127.0.0.1:0
    protocols: [http1, http2]
    tls:
      certificates: [{{ cert: "${{file:api.crt}}", key: "${{file:api.key}}" }}]
      client_certificates: {{ mode: request, ca: "${{file:ca.pem}}" }}
backends: {{ recorder: {{ targets: ["http://{backend}"] }} }}
consumers:
  one:
    apis: ["*"]
    credentials:
{one}{revoked}  two:
    apis: ["*"]
    credentials:
{two}apis:
"#
    );
    for (first, second) in pairs() {
        for rule in ["any_of", "all_of"] {
            text.push_str(&format!(
                "  {rule}-{}-{}:\n    base_path: {}\n    backend: recorder\n    auth: {{ {rule}: [{}, {}] }}\n    operations: {{ all: {{ match: \"* /{{rest*}}\" }} }}\n",
                first.name(),
                second.name(),
                path(rule, first, second),
                first.auth(),
                second.auth(),
            ));
        }
    }
    text
}

fn path(rule: &str, first: Scheme, second: Scheme) -> String {
    format!("/{rule}/{}/{}", first.name(), second.name())
}

/// Connections over one wire, by the state of their certificate.
struct Town {
    gateway: Gateway,
    _backend: Recorder,
    tls: HashMap<(Wire1, String), Tls>,
    open: HashMap<(Wire1, String), Connection>,
}

/// A wire, as a key.
type Wire1 = bool;

enum Connection {
    Http1(raw::Client),
    Http2(h2::Client),
}

impl Town {
    fn start() -> (Self, String) {
        let backend = Recorder::start();
        let authority = Authority::new("tests");
        let server = authority.server(&[HOST]);
        let at = backend.address().to_string();
        let gateway = Builder::new(executable(), config(&at, true))
            .file("api.crt", server.certificate)
            .file("api.key", server.key)
            .file("ca.pem", authority.pem())
            .start();
        let mut tls = HashMap::new();
        for state in ["absent", "bad", "expired", "revoked", "good", "another's"] {
            let pair = (state != "absent").then(|| authority.client(&spiffe(state)));
            for (is_http2, protocols) in [(false, ["http/1.1"]), (true, ["h2"])] {
                let choices = Choices { protocols: &protocols, client: pair.as_ref(), ..Choices::default() };
                tls.insert((is_http2, state.to_owned()), Tls::new(&authority.pem(), &choices));
            }
        }
        (Self { gateway, _backend: backend, tls, open: HashMap::new() }, at)
    }

    /// Asks on the connection whose certificate has this state.
    fn ask(&mut self, wire: Wire, state: &str, request: &Request) -> Response {
        let key = (wire == Wire::Http2, state.to_owned());
        let (tls, address) = (&self.tls[&key], self.gateway.address("public"));
        let connection = self.open.entry(key).or_insert_with(|| {
            let (client, _) = tls.connect(address, HOST).expect("a handshake");
            match wire {
                Wire::Http1 => Connection::Http1(client),
                Wire::Http2 => {
                    let mut client = h2::Client::silent(client);
                    client.open(&[]);
                    Connection::Http2(client)
                }
            }
        });
        match connection {
            Connection::Http1(client) => {
                client.send(request.http1());
                client.response(&request.method, Deadline::soon()).expect("an answer")
            }
            Connection::Http2(client) => {
                let stream = client.stream();
                let mut fields = h2::request_fields(request);
                let scheme = fields.iter_mut().find(|(name, _)| name == b":scheme").expect("a scheme");
                scheme.1 = b"https".to_vec();
                client.fields(stream, &fields, true);
                client.response(stream, Deadline::soon()).expect("an answer")
            }
        }
    }

    /// Asks with credentials of these states.
    fn present(&mut self, wire: Wire, rule: &str, schemes: [Scheme; 2], states: [&str; 2]) -> Response {
        let mut request = Request::get(path(rule, schemes[0], schemes[1])).host(HOST);
        let mut certificate = "absent";
        for (scheme, state) in schemes.into_iter().zip(states) {
            scheme.present(&mut request, state);
            if scheme == Scheme::Certificate {
                certificate = state;
            }
        }
        self.ask(wire, certificate, &request)
    }
}

/// What the access record must say of who called: consumer and credential.
type Named = Option<(&'static str, String)>;

#[test]
fn every_pair_gets_what_the_table_says() {
    let rows = table();
    let (mut town, backend) = Town::start();
    // What is revoked later was good before.
    for (at, scheme) in SCHEMES.into_iter().enumerate() {
        let (first, second) = if at == 0 { (scheme, SCHEMES[1]) } else { (SCHEMES[0], scheme) };
        let states = if at == 0 { ["revoked", "absent"] } else { ["absent", "revoked"] };
        let response = town.present(Wire::Http1, "any_of", [first, second], states);
        assert_eq!(response.status, 200, "{scheme:?}: {response:?}");
    }
    town.gateway.reconfigure(&config(&backend, false));
    Deadline::soon().poll("the revocation", || {
        let pair = [Scheme::Header, Scheme::Query];
        let response = town.present(Wire::Http1, "any_of", pair, ["revoked", "absent"]);
        (response.status == 401).then_some(())
    });

    let mut findings = Findings::default();
    let mut recorded: HashMap<String, (String, Named)> = HashMap::new();
    for wire in Wire::ALL {
        for (first, second) in pairs() {
            for row in &rows {
                for (rule, answer) in ["any_of", "all_of"].into_iter().zip(&row.answers) {
                    let states = [row.states[0].as_str(), row.states[1].as_str()];
                    let response = town.present(*wire, rule, [first, second], states);
                    let case = format!("{wire:?} {rule} {first:?} {} {second:?} {}", states[0], states[1]);
                    findings.note(&case, judge(&response, answer));
                    let named = match answer.as_str() {
                        "200 first" => Some((consumer(states[0]), first.id(states[0]))),
                        "200 second" => Some((consumer(states[1]), second.id(states[1]))),
                        _ => None,
                    };
                    let id = response.text("x-request-id").expect("an id");
                    recorded.insert(id, (case, named));
                }
            }
        }
    }
    findings.conclude(1400);
    records_name_the_caller(&town, recorded);
}

fn consumer(state: &str) -> &'static str {
    if state == "another's" { "two" } else { "one" }
}

/// Status and problem as the table says, and a challenge with each 401.
fn judge(response: &Response, answer: &str) -> Result<(), String> {
    let (status, problem) = match answer {
        "200 first" | "200 second" => (200, None),
        "401 missing" => (401, Some("credential-missing")),
        "401 invalid" => (401, Some("credential-invalid")),
        _ => panic!("no answer: {answer}"),
    };
    if response.status != status || response.problem().as_deref() != problem {
        return Err(format!("{answer} expected, got {response:?}"));
    }
    if status == 401 && response.all("www-authenticate").is_empty() {
        return Err(format!("no challenge in {response:?}"));
    }
    Ok(())
}

fn records_name_the_caller(town: &Town, mut recorded: HashMap<String, (String, Named)>) {
    let mut findings = Findings::default();
    let count = recorded.len();
    town.gateway.stdout().expect("a record of each request", |line| {
        let record: Value = serde_json::from_str(line).unwrap_or_default();
        let id = record["request.id"].as_str().unwrap_or_default();
        if record["event.name"] == "portcullis.access"
            && let Some((case, named)) = recorded.remove(id)
        {
            let text = |name: &str| record[name].as_str().map(str::to_owned);
            let got = (text("portcullis.consumer"), text("portcullis.credential"));
            let is_right = match &named {
                Some((consumer, credential)) => {
                    got == (Some((*consumer).to_owned()), Some(credential.clone()))
                }
                None => got == (None, None),
            };
            findings.note(case, if is_right { Ok(()) } else { Err(format!("{named:?} expected: {line}")) });
        }
        recorded.is_empty().then_some(())
    });
    findings.conclude(count);
}
