//! The admin API on an address: TLS, tokens and certificates, roles; who is nobody learns nothing, and what is done is
//! written down.

use std::fs;

use portcullis_testkit::certificates::{Authority, Pair, Validity};
use portcullis_testkit::gateway::Builder;
use portcullis_testkit::raw::Client;
use portcullis_testkit::tls::{Choices, Tls};
use portcullis_testkit::{Deadline, Gateway, Response};
use serde_json::Value;

use crate::stage::executable;

/// `OPERATORS` become those who may; `BACKEND` nobody.
const CONFIG: &str = r#"version: 1
state: state
admin:
  bind: 127.0.0.1:0
  probes: 127.0.0.1:0
  tls:
    certificates: [{ cert: "${file:admin.crt}", key: "${file:admin.key}" }]
    client_certificates: { mode: request, ca: "${file:ca.pem}", crl: ["${file:crl.pem}"] }
  operators:
OPERATORS
listeners: { public: { bind: 127.0.0.1:0 } }
backends: { orders: { targets: ["http://127.0.0.1:9"] } }
apis: { orders: { backend: orders, auth: none, operations: { all: { match: "* /{rest*}" } } } }
"#;

const ROLES: [&str; 3] = ["viewer", "operator", "security"];

struct Scene {
    gateway: Gateway,
    authority: Authority,
    /// By role.
    tokens: [String; 3],
    card: Pair,
}

fn start() -> Scene {
    start_with("")
}

/// One operator of each role by a token, who is called like it; `card` is security by a certificate.
fn start_with(more: &str) -> Scene {
    let authority = Authority::new("operators");
    let server = authority.server(&["127.0.0.1"]);
    let card = authority.client("spiffe://example.com/card");
    let folder = tempfile::tempdir().expect("a folder");
    let mut operators = String::new();
    let tokens = ROLES.map(|role| {
        let made = new_token(folder.path(), role, role);
        operators += &format!(
            "    {role}: {{ role: {role}, credentials: [{{ id: t1, token: {{ sha256: \"{}\" }} }}] }}\n",
            made["sha256"].as_str().expect("a digest")
        );
        made["token"].as_str().expect("a token").to_owned()
    });
    operators += "    card: { role: security, credentials: [{ id: c1, certificate: { spiffe: \"spiffe://example.com/card\" } }] }\n";
    let config = CONFIG.replace("OPERATORS\n", &(operators + more));
    let gateway = Builder::new(executable(), config)
        .file("admin.crt", server.certificate)
        .file("admin.key", server.key)
        .file("ca.pem", authority.pem())
        .file("crl.pem", authority.revoke(&[]))
        .argument("--workers")
        .argument("1")
        .start();
    Scene { gateway, authority, tokens, card }
}

/// What `operators new` makes.
fn new_token(folder: &std::path::Path, name: &str, role: &str) -> Value {
    let output = std::process::Command::new(executable())
        .current_dir(folder)
        .args(["operators", "new", name, "--role", role, "--json"])
        .output()
        .expect("it runs");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// An answer: its status, its problem's code, and all of its head.
struct Said {
    status: u16,
    code: String,
    answer: Response,
}

impl Scene {
    fn connect(&self, client: Option<&Pair>) -> Client {
        let choices = Choices { client, ..Choices::default() };
        let tls = Tls::new(&self.authority.pem(), &choices);
        tls.connect(self.gateway.admin(), "127.0.0.1").expect("a handshake").0
    }

    fn say(&self, client: Option<&Pair>, method: &str, path: &str, fields: &str, body: &str) -> Said {
        let mut connection = self.connect(client);
        let length = body.len();
        connection.send(format!(
            "{method} /api/v1{path} HTTP/1.1\r\nHost: gateway\r\n{fields}Content-Length: {length}\r\n\r\n{body}"
        ));
        let answer = connection.response(method, Deadline::soon()).expect("an answer");
        let problem: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let code = problem["code"].as_str().unwrap_or_default().to_owned();
        Said { status: answer.status, code, answer }
    }

    /// By a token.
    fn by(&self, token: &str, method: &str, path: &str, body: &str) -> Said {
        self.say(None, method, path, &format!("Authorization: Bearer {token}\r\n"), body)
    }

    /// Runs a command here that speaks to the gateway over the network.
    fn afar(&self, token: &str, command: &str) -> (Option<i32>, String) {
        self.gateway.write("token", token);
        let url = format!("https://{}", self.gateway.admin());
        let mut arguments: Vec<&str> = command.split(' ').collect();
        arguments.extend(["--admin", &url, "--token-file", "token", "--admin-ca", "ca.pem"]);
        said(&self.gateway.run(&executable(), &arguments))
    }

    fn incident(&self, kind: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        self.gateway.record(kind, |record| record["portcullis.incident.kind"] == kind && wanted(record))
    }
}

fn said(output: &std::process::Output) -> (Option<i32>, String) {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code(), text + &String::from_utf8_lossy(&output.stderr))
}

#[test]
fn each_request_needs_a_role_and_the_document_says_which() {
    let scene = start();
    let document = scene.by(&scene.tokens[0], "GET", "/openapi.json", "");
    let document: Value = serde_json::from_slice(&document.answer.body).expect("a document");
    let mut asked = 0;
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("methods") {
            let allowed: Vec<&str> = operation["x-portcullis-roles"]
                .as_array()
                .expect("roles")
                .iter()
                .filter_map(Value::as_str)
                .collect();
            let path = path.replace("{id}", "x").replace("{consumer}", "x").replace("{credential}", "x");
            for (role, token) in ROLES.iter().zip(&scene.tokens) {
                if path == "/drain" && allowed.contains(role) {
                    continue;
                }
                let said = scene.by(token, &method.to_uppercase(), &path, "?");
                let is_refused = said.status == 403;
                assert_eq!(is_refused, !allowed.contains(role), "{role}: {method} {path}: {}", said.status);
                if is_refused {
                    let code = if allowed.is_empty() { "admin-socket-only" } else { "admin-role-missing" };
                    assert_eq!(said.code, code, "{role}: {method} {path}");
                }
                asked += 1;
            }
        }
    }
    assert!(asked > 60, "only {asked} were asked");
    let told = scene.incident("admin-role-missing", |record| {
        record["portcullis.incident.evidence"].as_str() == Some("POST /api/v1/drain")
    });
    assert_eq!(told["portcullis.consumer"].as_str(), Some("viewer, t1"));
    assert_eq!(told["portcullis.control"].as_str(), Some("admin"));
    scene.incident("admin-socket-only", |_| true);
}

#[test]
fn who_is_nobody_gets_one_answer_whatever_is_asked_for() {
    let scene = start();
    let good = &scene.tokens[0];
    let stranger = new_token(scene.gateway.folder(), "x", "viewer")["token"].as_str().expect("it").to_owned();
    let other = Authority::new("others").client("spiffe://example.com/card");
    let wrong = [
        format!("Authorization: Bearer {stranger}\r\n"),
        format!("Authorization: Bearer {}\r\n", &good[..good.len() - 1]),
        format!("Authorization: Bearer {good}x\r\n"),
        format!("Authorization: Bearer {good}\r\nAuthorization: Bearer {good}\r\n"),
        format!("Authorization: Basic {good}\r\n"),
        format!("Authorization: {good}\r\n"),
        "Authorization: Bearer \r\n".to_owned(),
        "Authorization: Bearer pcl_0000000000000000000000000000000000000000000000000\r\n".to_owned(),
    ];
    let mut bodies = Vec::new();
    for fields in &wrong {
        for path in ["/status", "/nothing/there"] {
            let said = scene.say(None, "GET", path, fields, "");
            assert_eq!((said.status, said.code.as_str()), (401, "credential-invalid"), "{fields}");
            bodies.push(said.answer.body);
        }
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "one outward wording");
    let said = scene.say(None, "POST", "/drain", "", "");
    assert_eq!((said.status, said.code.as_str()), (401, "credential-missing"));
    let asked = said.answer.text("www-authenticate").expect("a challenge");
    assert_eq!(asked, "Bearer realm=\"portcullis-admin\"");
    let told = scene.incident("credential-invalid", |_| true);
    assert_eq!(told["portcullis.control"].as_str(), Some("admin"));
    assert_eq!(told["client.address"].as_str(), Some("127.0.0.1"));
    assert!(!told.to_string().contains(&good[5..30]), "a token stands in no record");

    // A certificate of another authority ends the handshake, at the latest with the first answer.
    let choices = Choices { client: Some(&other), ..Choices::default() };
    let shaken = Tls::new(&scene.authority.pem(), &choices).connect(scene.gateway.admin(), "127.0.0.1");
    if let Ok((mut connection, _)) = shaken {
        connection.send("GET /api/v1/status HTTP/1.1\r\nHost: gateway\r\n\r\n");
        assert!(connection.response("GET", Deadline::soon()).is_err(), "no answer");
    }
    // Cleartext is no way in.
    let mut plain = Client::connect(scene.gateway.admin());
    plain.send(format!(
        "GET /api/v1/status HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer {good}\r\n\r\n"
    ));
    assert!(plain.response("GET", Deadline::soon()).is_err(), "no answer in cleartext");
    assert_eq!(scene.by(good, "GET", "/status", "").status, 200, "and who is known is served");
}

#[test]
fn failed_tokens_hold_an_address_back_and_not_those_who_are_known() {
    let scene = start();
    let stranger = new_token(scene.gateway.folder(), "x", "viewer")["token"].as_str().expect("it").to_owned();
    for count in 1..=20 {
        assert_eq!(scene.by(&stranger, "GET", "/status", "").status, 401, "the {count}th");
    }
    let said = scene.by(&stranger, "GET", "/status", "");
    assert_eq!((said.status, said.code.as_str()), (429, "credential-attempts-exceeded"));
    let seconds: u64 = said.answer.text("retry-after").expect("a time").parse().expect("seconds");
    assert!((1..=60).contains(&seconds));
    scene.incident("credential-attempts-exceeded", |_| true);
    assert_eq!(scene.by(&scene.tokens[1], "GET", "/status", "").status, 200);
}

#[test]
fn a_certificate_proves_an_operator_until_it_is_revoked() {
    let scene = start();
    let put = |card: Option<&Pair>, fields: &str| {
        scene.say(card, "PUT", "/consumers/partner", fields, r#"{ "apis": ["orders"] }"#)
    };
    assert_eq!(put(Some(&scene.card), "").status, 200);
    let said = scene.say(Some(&scene.card), "POST", "/drain", "", "");
    assert_eq!((said.status, said.code.as_str()), (403, "admin-role-missing"));
    // A token and a certificate together must name one operator.
    let both = format!("Authorization: Bearer {}\r\n", scene.tokens[2]);
    assert_eq!(put(Some(&scene.card), &both).status, 401);
    // A certificate that is nobody's adds nothing and takes nothing.
    let other = scene.authority.client("spiffe://example.com/somebody");
    assert_eq!(put(Some(&other), &both).status, 200);
    assert_eq!(put(Some(&other), "").status, 401);
    let over = scene.authority.client_valid("spiffe://example.com/card", Validity::Past);
    let choices = Choices { client: Some(&over), ..Choices::default() };
    let shaken = Tls::new(&scene.authority.pem(), &choices).connect(scene.gateway.admin(), "127.0.0.1");
    if let Ok((mut connection, _)) = shaken {
        connection.send("GET /api/v1/status HTTP/1.1\r\nHost: gateway\r\n\r\n");
        assert!(connection.response("GET", Deadline::soon()).is_err(), "one that is over is refused");
    }
    scene.gateway.write("crl.pem", scene.authority.revoke(&[scene.card.serial]));
    Deadline::soon().poll("the revocation", || {
        let choices = Choices { client: Some(&scene.card), ..Choices::default() };
        let tls = Tls::new(&scene.authority.pem(), &choices);
        let Ok((mut connection, _)) = tls.connect(scene.gateway.admin(), "127.0.0.1") else {
            return Some(());
        };
        connection.send("GET /api/v1/status HTTP/1.1\r\nHost: gateway\r\n\r\n");
        connection.response("GET", Deadline::soon()).is_err().then_some(())
    });
}

#[test]
fn commands_work_from_afar_as_far_as_the_role_goes_and_each_write_is_written_down() {
    let scene = start();
    let [viewer, operator, security] = &scene.tokens;
    let (code, text) = scene.afar(viewer, "status");
    assert_eq!(code, Some(0), "{text}");
    assert!(text.starts_with("ready: portcullis "), "{text}");
    let (code, text) = scene.afar(viewer, "consumers create partner --api orders");
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("this needs the role `security`; yours is `viewer`"), "{text}");
    let (code, text) = scene.afar(security, "consumers create partner --api orders");
    assert_eq!((code, text.trim()), (Some(0), "partner: orders"));
    let (code, text) = scene.afar(security, "keys add partner");
    assert!(code == Some(0) && text.contains("pcl_"), "{text}");
    let (code, text) = scene.afar(viewer, "consumers log");
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("consumer.create partner  by security, t1"), "who it was: {text}");
    let told = scene.gateway.log("the write", |line| {
        line["message"] == "an operator's write" && line["act"] == "putConsumer" && line["status"] == "200"
    });
    assert_eq!(told["operator"].as_str(), Some("security, t1"), "{told}");
    assert_eq!(
        (told["subject"].as_str(), told["store_after"].as_str()),
        (Some("partner"), Some("1")),
        "{told}"
    );

    // A change of the configuration.
    let written = fs::read_to_string(scene.gateway.folder().join("portcullis.yaml")).expect("a file");
    scene
        .gateway
        .write("candidate.yaml", written.replace("match: \"* /{rest*}\"", "match: \"GET /{rest*}\""));
    let (code, text) = scene.afar(security, "apply candidate.yaml");
    assert_eq!(code, Some(1), "{text}");
    let (code, text) = scene.afar(operator, "apply candidate.yaml");
    assert_eq!(code, Some(0), "{text}");
    let hash = text.split_whitespace().next().expect("a hash").to_owned();
    let told = scene.gateway.log("the change", |line| {
        line["message"] == "an operator's write" && line["act"] == "applyConfig" && line["status"] == "200"
    });
    assert_eq!(told["operator"].as_str(), Some("operator, t1"), "{told}");
    assert_eq!(told["config_after"].as_str(), Some(&*hash), "{told}");
    assert_ne!(told["config_before"], told["config_after"], "{told}");

    // Who may operate the gateway is not changed from afar, and no token comes back by it.
    let open = written.replace("viewer: { role: viewer", "viewer: { role: security");
    scene.gateway.write("candidate.yaml", &open);
    let (code, text) = scene.afar(operator, "apply candidate.yaml");
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("not over the network"), "{text}");
    let (code, text) = scene.afar(operator, "rollback");
    assert_eq!(code, Some(0), "what ran before has the same operators: {text}");
    let (code, text) = scene.afar("nonsense", "status");
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("401") && text.contains("the credential is not valid"), "{text}");
    let (code, text) = scene.afar(operator, "drain --wait 60s");
    assert_eq!((code, text.trim()), (Some(0), "ended"));
}

#[test]
fn a_token_that_is_taken_out_counts_no_longer_and_stays_out() {
    let scene = start();
    let [viewer, operator, _] = &scene.tokens;
    let written = fs::read_to_string(scene.gateway.folder().join("portcullis.yaml")).expect("a file");
    let line = written.lines().find(|line| line.contains("role: viewer")).expect("its line");
    scene.gateway.reconfigure(&written.replace(line, ""));
    Deadline::soon()
        .poll("a refusal", || (scene.by(viewer, "GET", "/status", "").status == 401).then_some(()));
    let (code, text) = scene.afar(operator, "rollback");
    assert_eq!(code, Some(1), "it would bring the token back: {text}");
    assert!(text.contains("not over the network"), "{text}");
    assert_eq!(scene.by(viewer, "GET", "/status", "").status, 401);
    let (code, text) = said(&scene.gateway.run(&executable(), &["rollback"]));
    assert_eq!(code, Some(0), "on the socket it does: {text}");
    assert_eq!(scene.by(viewer, "GET", "/status", "").status, 200);
}

#[test]
fn the_address_changes_only_with_a_restart_and_is_handed_over() {
    let scene = start();
    let gateway = &scene.gateway;
    let address = gateway.admin();
    let written = fs::read_to_string(gateway.folder().join("portcullis.yaml")).expect("a file");
    gateway.reconfigure(&written.replacen("bind: 127.0.0.1:0", "bind: 127.0.0.1:9", 1));
    gateway.log("the refusal", |line| {
        line["reason"]
            .as_str()
            .is_some_and(|reason| reason.contains("admin.bind: changes only with a restart"))
    });
    gateway.reconfigure(&written);
    let successor = Builder::beside(gateway, executable()).argument("--take-over").start();
    assert_eq!(successor.admin(), address, "the same door");
    Deadline::soon().poll("the successor", || {
        let said = scene.by(&scene.tokens[0], "GET", "/status", "");
        (said.status == 200).then_some(())
    });
}

#[test]
fn cleartext_is_for_this_machine_where_it_is_written_out() {
    let made = new_token(&std::env::temp_dir(), "a", "viewer");
    let config = format!(
        "version: 1\nstate: none\nadmin:\n  bind: 127.0.0.1:0\n  cleartext: true\n  operators: {{ a: {{ role: viewer, credentials: [{{ id: t1, token: {{ sha256: \"{}\" }} }}] }} }}\n\
         listeners: {{ public: {{ bind: 127.0.0.1:0 }} }}\nbackends: {{ b: {{ targets: [\"http://127.0.0.1:9\"] }} }}\n\
         apis: {{ a: {{ backend: b, auth: none, operations: {{ all: {{ match: \"* /{{rest*}}\" }} }} }} }}\n",
        made["sha256"].as_str().expect("a digest")
    );
    let gateway = Builder::new(executable(), config).start();
    let url = format!("http://{}", gateway.admin());
    gateway.write("token", made["token"].as_str().expect("a token"));
    let ask = ["status", "--admin", &url, "--token-file", "token"];
    let (code, text) = said(&gateway.run(&executable(), &ask));
    assert_eq!(code, Some(0), "{text}");
    let ask = ["status", "--admin", "http://192.0.2.1:9443", "--token-file", "token"];
    let (code, text) = said(&gateway.run(&executable(), &ask));
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("cleartext"), "{text}");
}
