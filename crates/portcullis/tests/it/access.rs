//! `access` says who can call what, and the running gateway agrees: a thousand requests, chosen at random, by consumers of
//! the configuration and of the store, with keys, certificates and tokens, one of them, either, or several together.

use std::fmt::Write;

use portcullis_identity::sha256::digest;
use portcullis_testkit::certificates::Authority;
use portcullis_testkit::gateway::Builder;
use portcullis_testkit::tls::{Choices, Tls};
use portcullis_testkit::tokens::{Signer, claims, key_set, with};
use portcullis_testkit::{Deadline, Request, raw};
use serde_json::{Value, json};

use crate::stage::{Findings, Stage, executable};

const REQUESTS: usize = 1_000;
const HOST: &str = "api.example.com";
const LAB: &str = "https://lab.example.com";
/// Of the configuration; as many more are in the store.
const CONSUMERS: usize = 5;
const STORED: usize = 2;
const APIS: usize = 4;
const OPERATIONS: usize = 6;
const CERTIFICATES: usize = 3;
const SCOPES: [&str; 3] = ["read", "write", "admin"];

/// Xorshift: the same requests for the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % sides as u64).expect("small")
    }

    /// Some of these.
    fn some<'a>(&mut self, all: &[&'a str]) -> Vec<&'a str> {
        all.iter().copied().filter(|_| self.roll(2) == 0).collect()
    }

    fn one<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.roll(all.len())]
    }
}

/// Where a credential stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Header,
    Query,
    Certificate,
    Token,
}

const PLACES: [Place; 4] = [Place::Header, Place::Query, Place::Certificate, Place::Token];

impl Place {
    fn auth(self) -> &'static str {
        match self {
            Self::Header => "{ api_key: { header: x-a } }",
            Self::Query => "{ api_key: { query: b } }",
            Self::Certificate => "certificate",
            Self::Token => "{ jwt: lab }",
        }
    }
}

/// What an operation asks for: `auth` as an OR of ANDs, none at all where anybody may call, and a condition.
struct Asked {
    alternatives: Vec<Vec<Place>>,
    when: Option<&'static str>,
}

/// Conditions, and how this test judges them: by the owner in the path, the region in the query, who calls.
const CONDITIONS: [&str; 5] = [
    "caller.consumer == path.owner",
    "request.query.region == 'eu'",
    "'write' in caller.scopes",
    "caller.anonymous || caller.consumer.startsWith('c')",
    "has(claims.level) && claims.level == 'high' || request.method != 'GET'",
];

fn alternatives(dice: &mut Dice) -> Vec<Vec<Place>> {
    use Place::{Certificate, Header, Query, Token};
    match dice.roll(8) {
        0 => Vec::new(),
        1 => vec![vec![Header]],
        2 => vec![vec![Token]],
        3 => vec![vec![Header], vec![Token]],
        4 => vec![vec![Header, Certificate]],
        5 => vec![vec![Header], vec![Query], vec![Certificate]],
        6 => vec![vec![Certificate], vec![Header, Query]],
        _ => vec![vec![Header, Query], vec![Header]],
    }
}

fn spelled(alternatives: &[Vec<Place>]) -> String {
    let all = |parts: &Vec<Place>| match parts.as_slice() {
        [only] => only.auth().to_owned(),
        several => {
            let parts: Vec<&str> = several.iter().map(|part| part.auth()).collect();
            format!("{{ all_of: [{}] }}", parts.join(", "))
        }
    };
    match alternatives {
        [] => "none".to_owned(),
        [only] => all(only),
        several => format!("{{ any_of: [{}] }}", several.iter().map(all).collect::<Vec<_>>().join(", ")),
    }
}

fn consumers(dice: &mut Dice) -> String {
    let mut text = String::from("consumers:\n");
    for consumer in 0..CONSUMERS {
        let mut apis: Vec<String> =
            (0..APIS).filter(|_| dice.roll(4) > 0).map(|api| format!("api{api}")).collect();
        if apis.is_empty() {
            apis.push("\"*\"".to_owned());
        }
        let _ = writeln!(text, "  c{consumer}:\n    apis: [{}]\n    credentials:", apis.join(", "));
        for key in 0..2 {
            let end = if is_expired(consumer, key) { ", expires: 2020-01-01" } else { "" };
            let hash = digest(format!("c{consumer}k{key}").as_bytes());
            let scopes = dice.some(&SCOPES).join(", ");
            let _ = writeln!(
                text,
                "      - {{ id: c{consumer}k{key}, api_key: {{ sha256: \"{hash}\", scopes: [{scopes}]{end} }} }}"
            );
        }
        if consumer < CERTIFICATES {
            let scopes = dice.some(&SCOPES).join(", ");
            let _ = writeln!(
                text,
                "      - {{ id: c{consumer}t, certificate: {{ spiffe: \"spiffe://tests/c{consumer}\", scopes: [{scopes}] }} }}"
            );
        }
    }
    text
}

fn is_expired(consumer: usize, key: usize) -> bool {
    (consumer, key) == (1, 1)
}

/// What `require` asks for beside a condition.
fn require(dice: &mut Dice, alternatives: &[Vec<Place>]) -> Vec<String> {
    let takes_tokens = alternatives.iter().flatten().any(|place| *place == Place::Token);
    let mut require = Vec::new();
    if !alternatives.is_empty() {
        match dice.roll(6) {
            0 | 1 => require.push(format!("scopes: [{}]", dice.one(&SCOPES))),
            2 if takes_tokens => require.push("roles: [manager]".to_owned()),
            3 if takes_tokens => require.push("audiences: [special]".to_owned()),
            4 if takes_tokens => require.push("claims: { level: { equals: high } }".to_owned()),
            _ => {}
        }
    }
    require
}

/// A configuration, and what its operations ask for.
fn config(dice: &mut Dice, backend: &str) -> (String, Vec<Vec<Asked>>) {
    let mut text = format!(
        "version: 1\nstate: state\nbounds: {{ credential_failures: 1000000 }}\n\
         listeners: {{ public: {{ bind: 127.0.0.1:0, tls: {{ certificates: [{{ cert: \"${{file:api.crt}}\", key: \"${{file:api.key}}\" }}], \
         client_certificates: {{ mode: request, ca: \"${{file:ca.pem}}\" }} }} }} }}\n\
         issuers: {{ lab: {{ issuer: \"{LAB}\", jwks: keys.json, audiences: [orders, special] }} }}\n\
         backends: {{ recorder: {{ targets: [\"http://{backend}\"] }} }}\n{}apis:\n",
        consumers(dice)
    );
    let mut asked = Vec::new();
    for api in 0..APIS {
        let _ =
            writeln!(text, "  api{api}:\n    base_path: /api{api}\n    backend: recorder\n    operations:");
        let mut of_api = Vec::new();
        for operation in 0..OPERATIONS {
            let alternatives = alternatives(dice);
            let mut require = require(dice, &alternatives);
            let when = (dice.roll(3) == 0).then(|| dice.one(&CONDITIONS));
            require.extend(when.map(|when| format!("when: \"{when}\"")));
            let require = if require.is_empty() {
                String::new()
            } else {
                format!(", require: {{ {} }}", require.join(", "))
            };
            let _ = writeln!(
                text,
                "      op{operation}: {{ match: \"GET /op{operation}/{{owner}}\", auth: {}{require} }}",
                spelled(&alternatives)
            );
            of_api.push(Asked { alternatives, when });
        }
        asked.push(of_api);
    }
    (text, asked)
}

/// Somebody's credential at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Presented {
    place: Place,
    consumer: String,
    credential: String,
    is_good: bool,
}

/// A token of the issuer, and what `access` cannot know of its holder.
struct Token {
    subject: &'static str,
    text: String,
    claims: Value,
}

fn tokens(signer: &Signer) -> Vec<Token> {
    [
        ("ann", json!({ "scope": "read write" })),
        ("ben", json!({ "scope": "admin", "roles": ["manager"], "level": "high" })),
        ("cyd", json!({ "aud": "special", "scope": "read", "level": "low" })),
        ("dan", json!({ "aud": "special", "roles": ["manager", "clerk"], "scope": "read write admin", "level": "high" })),
    ]
    .map(|(subject, others)| {
        let claims = with(&claims(LAB, "orders", subject), others);
        Token { subject, text: signer.token(&claims), claims }
    })
    .into()
}

struct World {
    stage: Stage,
    asked: Vec<Vec<Asked>>,
    rows: Vec<Value>,
    tokens: Vec<Token>,
    /// Keys of the consumers in the store.
    stored: Vec<String>,
    connections: Vec<raw::Client>,
}

impl World {
    fn new(dice: &mut Dice) -> Self {
        let (authority, signer) = (Authority::new("tests"), Signer::new("a"));
        let server = authority.server(&[HOST]);
        let mut asked = Vec::new();
        let stage = Stage::built(|backend| {
            let (config, operations) = config(dice, backend);
            asked = operations;
            Builder::new(executable(), config)
                .file("ca.pem", authority.pem())
                .file("api.crt", server.certificate.as_str())
                .file("api.key", server.key.as_str())
                .file("keys.json", key_set(&[&signer]).to_string())
        });
        let run = |command: &str| {
            let output = stage.gateway.run(&executable(), &command.split(' ').collect::<Vec<_>>());
            assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
            serde_json::from_slice::<Value>(&output.stdout).expect("JSON")
        };
        let mut stored = Vec::new();
        for (number, scope) in SCOPES.iter().enumerate().take(STORED) {
            run(&format!("consumers create s{number} --api api{} --api api3 --json", number * 2));
            let made = run(&format!("keys add s{number} --id s{number}k --scope {scope} --json"));
            stored.push(made["key"].as_str().expect("a key").to_owned());
        }
        let rows = run("access --json").as_array().expect("rows").clone();
        let certificates: Vec<_> =
            (0..CERTIFICATES).map(|number| authority.client(&format!("spiffe://tests/c{number}"))).collect();
        let connections = std::iter::once(None).chain(certificates.iter().map(Some)).map(|client| {
            let tls = Tls::new(&authority.pem(), &Choices { client, ..Choices::default() });
            tls.connect(stage.public(), HOST).expect("a connection").0
        });
        let connections = connections.collect();
        Self { asked, rows, tokens: tokens(&signer), stored, connections, stage }
    }

    fn key(&self, dice: &mut Dice, place: Place) -> Presented {
        let consumer = dice.roll(CONSUMERS + STORED + 1);
        let (consumer, credential, is_good) = match consumer {
            own if own < CONSUMERS => {
                let key = dice.roll(2);
                (format!("c{own}"), format!("c{own}k{key}"), !is_expired(own, key))
            }
            stored if stored < CONSUMERS + STORED => {
                let number = stored - CONSUMERS;
                (format!("s{number}"), format!("s{number}k"), true)
            }
            _ => ("nobody".to_owned(), "unknown".to_owned(), false),
        };
        Presented { place, consumer, credential, is_good }
    }

    /// What a request presents: usually what one alternative asks for, of one consumer or of several.
    fn present(&self, dice: &mut Dice, asked: &Asked) -> Vec<Presented> {
        let mut places: Vec<Place> = match asked.alternatives.as_slice() {
            [] => Vec::new(),
            some => some[dice.roll(some.len())].clone(),
        };
        match dice.roll(8) {
            0 => places.clear(),
            1 => places.push(dice.one(&PLACES)),
            2 => drop(places.pop()),
            _ => {}
        }
        places.sort_by_key(|place| PLACES.iter().position(|own| own == place));
        places.dedup();
        let one = dice.roll(CERTIFICATES);
        let together = dice.roll(3) > 0;
        let present = |place: &Place| match place {
            Place::Certificate => Presented {
                place: *place,
                consumer: format!("c{one}"),
                credential: format!("c{one}t"),
                is_good: true,
            },
            Place::Token => {
                let token = &self.tokens[dice.roll(self.tokens.len())];
                let (consumer, credential) = (format!("lab/{}", token.subject), token.subject.to_owned());
                Presented { place: *place, consumer, credential, is_good: true }
            }
            Place::Header | Place::Query if together && dice.roll(4) > 0 => {
                let key = dice.roll(2);
                let credential = format!("c{one}k{key}");
                Presented {
                    place: *place,
                    consumer: format!("c{one}"),
                    credential,
                    is_good: !is_expired(one, key),
                }
            }
            Place::Header | Place::Query => self.key(dice, *place),
        };
        places.iter().map(present).collect()
    }

    fn send(&mut self, presented: &[Presented], target: String) -> u16 {
        let (mut target, mut fields, mut connection) = (target, Vec::new(), 0);
        for one in presented {
            let secret = match one.consumer.strip_prefix('s').and_then(|number| number.parse::<usize>().ok())
            {
                Some(number) => self.stored[number].clone(),
                None => one.credential.clone(),
            };
            match one.place {
                Place::Header => fields.push(("x-a", secret)),
                Place::Query => {
                    target.push_str(&format!("{}b={secret}", if target.contains('?') { '&' } else { '?' }))
                }
                Place::Certificate => {
                    connection = 1 + one.consumer[1..].parse::<usize>().expect("a number");
                }
                Place::Token => {
                    let token = self.tokens.iter().find(|token| *token.subject == one.credential);
                    fields.push(("authorization", format!("Bearer {}", token.expect("a token").text)));
                }
            }
        }
        let mut request = Request { authority: HOST.to_owned(), ..Request::get(target) };
        for (name, value) in fields {
            request = request.field(name, value);
        }
        let client = &mut self.connections[connection];
        client.send(request.http1());
        client.response("GET", Deadline::soon()).expect("an answer").status
    }

    /// What `access` says of a request, with what only a request can tell.
    fn lets_in(
        &self,
        row: &Value,
        asked: &Asked,
        presented: &[Presented],
        owner: &str,
        region: bool,
    ) -> bool {
        let condition = |caller: Option<&Presented>| match asked.when {
            Some("caller.consumer == path.owner") => caller.map_or("", |one| one.consumer.as_str()) == owner,
            Some("request.query.region == 'eu'") => region,
            // No credential of ours has claims, and every request is a GET.
            Some(other) if other.starts_with("has(claims.level)") => false,
            Some(other) => panic!("`{other}` depends on no request"),
            None => true,
        };
        if asked.alternatives.is_empty() {
            return match row["anybody"].as_str() {
                None => false,
                Some("yes") => true,
                Some(_) => condition(None),
            };
        }
        let looked = |one: &&Presented| asked.alternatives.iter().flatten().any(|place| *place == one.place);
        let presented: Vec<&Presented> = presented.iter().filter(looked).collect();
        let at = |place: &Place| presented.iter().find(|one| one.place == *place);
        // One that does not hold, and two of different consumers, are never covered up.
        if presented.iter().any(|one| !one.is_good)
            || presented.windows(2).any(|pair| pair[0].consumer != pair[1].consumer)
        {
            return false;
        }
        let complete = |parts: &Vec<Place>| parts.iter().map(at).collect::<Option<Vec<_>>>();
        let met = asked.alternatives.iter().enumerate();
        let Some((number, parts)) = met.map(|(at, parts)| (at, complete(parts))).find(|(_, it)| it.is_some())
        else {
            return false;
        };
        let (parts, way) = (parts.expect("just seen"), &row["ways"][number]);
        let caller = parts[0];
        if caller.place == Place::Token {
            assert_eq!(way["of_issuers"], true, "{row}");
            let token = self.tokens.iter().find(|token| *token.subject == caller.credential);
            return self.says(token.expect("a token"), row, asked, owner, region);
        }
        let Some(fitting) = way["consumers"][&caller.consumer].as_array() else { return false };
        let listed = |(fitting, one): (&Value, &&&Presented)| {
            let all = fitting.as_array().expect("credentials");
            all.iter().find(|fitting| fitting["credential"] == one.credential.as_str()).cloned()
        };
        let listed: Option<Vec<Value>> = fitting.iter().zip(&parts).map(listed).collect();
        listed.is_some_and(|listed| listed[0]["depends"] != true || condition(Some(caller)))
    }

    /// Whether a token says what an operation asks of tokens, by the words of `access`.
    fn says(&self, token: &Token, row: &Value, asked: &Asked, owner: &str, region: bool) -> bool {
        let claims = &token.claims;
        let has = |list: &Value, wanted: &str| match list {
            Value::String(text) => text.split(' ').any(|one| one == wanted),
            Value::Array(all) => all.iter().any(|one| one == wanted),
            _ => false,
        };
        let asks = row["asks"].as_array().expect("what it asks for");
        asks.iter().all(|ask| {
            let ask = ask.as_str().expect("words");
            match ask.split_once(' ').expect("two words") {
                ("scope", scope) => has(&claims["scope"], scope),
                ("role", role) => has(&claims["roles"], role),
                ("audience", audience) => has(&claims["aud"], audience),
                ("claim", _) => claims["level"] == "high",
                ("when", condition) => {
                    assert_eq!(Some(condition), asked.when);
                    match condition {
                        "caller.consumer == path.owner" => format!("lab/{}", token.subject) == owner,
                        "request.query.region == 'eu'" => region,
                        "'write' in caller.scopes" => has(&claims["scope"], "write"),
                        "caller.anonymous || caller.consumer.startsWith('c')" => false,
                        _ => claims["level"] == "high",
                    }
                }
                other => panic!("{other:?}"),
            }
        })
    }
}

#[test]
fn a_thousand_requests_agree_with_access() {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut world = World::new(&mut dice);
    let mut findings = Findings::default();
    let mut allowed = 0;
    for number in 0..REQUESTS {
        let (api, operation) = (dice.roll(APIS), dice.roll(OPERATIONS));
        let path = format!("/api{api}/op{operation}/{{owner}}");
        let row = world.rows.iter().find(|row| row["path"] == path.as_str()).expect("a row").clone();
        let presented = world.present(&mut dice, &world.asked[api][operation]);
        let owner = match presented.first() {
            Some(first) if dice.roll(2) == 0 && !first.consumer.contains('/') => first.consumer.clone(),
            _ => "c0".to_owned(),
        };
        let region = dice.roll(2) == 0;
        let query = if region { "?region=eu" } else { "" };
        let expected = world.lets_in(&row, &world.asked[api][operation], &presented, &owner, region);
        let status = world.send(&presented, format!("/api{api}/op{operation}/{owner}{query}"));
        allowed += usize::from(expected);
        let outcome = match (status == 200) == expected && [200, 401, 403].contains(&status) {
            true => Ok(()),
            false => Err(format!("access says {expected}, got {status}: {row:#}")),
        };
        findings.note(format!("{number}: {path} {owner} {query} {presented:?}"), outcome);
    }
    assert!(allowed > REQUESTS / 10 && allowed < REQUESTS * 9 / 10, "{allowed} were to be let in");
    findings.conclude(REQUESTS);
    drop(world.stage);
}

#[test]
fn one_question_has_one_answer() {
    let config = r#"version: 1
listeners: { public: { bind: 127.0.0.1:0 } }
issuers: { corp: { issuer: "https://id.example.com", jwks: keys.json, audiences: [orders] } }
backends: { b: { targets: ["http://127.0.0.1:9"] } }
consumers:
  shop: { apis: [orders], credentials: [{ id: k1, api_key: { sha256: "SHA", scopes: [write] } }] }
  other: { apis: [], credentials: [] }
apis:
  orders:
    base_path: /orders
    backend: b
    auth: { any_of: [{ jwt: corp }, { api_key: {} }] }
    operations:
      read: { match: "GET /{id}", auth: none }
      write: { match: "POST /", require: { scopes: [write] } }
      mine: { match: "GET /of/{owner}", require: { when: "caller.consumer == path.owner" } }
      admin: { match: "DELETE /{id}", require: { scopes: [admin], roles: [manager] } }
"#
    .replace("SHA", &digest(b"key").to_string())
    .replace("  other: { apis: [], credentials: [] }\n", "");
    let keys = key_set(&[&Signer::new("a")]).to_string();
    let ask = |arguments: &[&str]| {
        let builder = Builder::new(executable(), config.as_str()).file("keys.json", keys.as_str());
        let output = builder.run(&[&["access"], arguments].concat());
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (code, told) = ask(&["POST", "/orders/"]);
    assert_eq!((code, told.lines().count()), (Some(0), 1), "{told}");
    assert!(told.contains("shop (k1), callers by jwt:corp, [scope write]"), "{told}");
    let (_, told) = ask(&["GET", "/orders/of/shop"]);
    assert!(told.contains("shop (k1?), callers by jwt:corp, [when caller.consumer == path.owner]"), "{told}");
    let (_, told) = ask(&["DELETE", "/orders/7"]);
    assert!(
        told.contains("orders/admin             callers by jwt:corp, [scope admin, role manager]"),
        "{told}"
    );
    assert_eq!(ask(&["GET", "/nowhere"]).0, Some(1));
    assert_eq!(ask(&["--consumer", "nobody"]).0, Some(2));
    let (code, told) = ask(&["--consumer", "shop"]);
    assert_eq!((code, told.lines().count()), (Some(0), 4), "{told}");
    assert!(!told.contains("DELETE") && told.contains("protected-resource-metadata"), "{told}");
    let (_, told) = ask(&["--consumer", "corp/alice"]);
    assert!(told.contains("DELETE") && !told.contains("shop ("), "{told}");
}
