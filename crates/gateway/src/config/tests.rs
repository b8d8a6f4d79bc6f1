//! Runs `cases/*.test`: a document, `----`, and `ok` or the findings it must get.
//!
//! A line `==== name` begins another file beside the document. `UPDATE=1` writes what was found.

use std::fs;
use std::path::Path;

use super::*;
use crate::bounds::Bounds;

const PEM: &str = "-----BEGIN THING-----\nAAAA\n-----END THING-----\n";

fn environment(name: &str) -> Option<String> {
    match name {
        "PORT" => Some("8080".into()),
        "WORD" => Some("hunter2".into()),
        "WEIGHT" => Some("2".into()),
        "TOKEN" => Some("0123456789abcdef0123456789abcdef".into()),
        "KEY" => Some(PEM.replace("AAAA", "c2VjcmV0")),
        "PEM" => Some(PEM.into()),
        "EMPTY" => Some(String::new()),
        _ => None,
    }
}

/// Loads a document with the files that stand beside it.
fn found(case: &str) -> Result<Loaded, String> {
    let folder = tempfile::tempdir().unwrap();
    let mut parts = case.split("==== ");
    let document = parts.next().unwrap();
    for part in parts {
        let (name, text) = part.split_once('\n').unwrap();
        fs::write(folder.path().join(name.trim()), text).unwrap();
    }
    parse("portcullis.yaml", document, folder.path(), &environment).map_err(|findings| {
        let lines = findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        lines.replace(&format!("{}/", folder.path().display()), "")
    })
}

#[test]
fn cases_get_their_findings() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config/cases");
    let mut cases: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(cases.len() >= 60, "{} cases", cases.len());
    let mut wrong = Vec::new();
    for path in cases {
        let text = fs::read_to_string(&path).unwrap();
        let (case, expected) = text.split_once("----\n").unwrap_or((&text, ""));
        let outcome = found(case).map_or_else(|findings| findings, |_| "ok".to_owned());
        if outcome.trim() == expected.trim() {
            continue;
        }
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&path, format!("{case}----\n{}\n", outcome.trim())).unwrap();
        }
        wrong.push(format!("{}\nexpected:\n{expected}\nfound:\n{outcome}\n", path.display()));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

const GOOD: &str = r#"
version: 1
state: state
telemetry: { access_log: "file:access.log", incidents: off }
bounds: { body: 5MiB, drain: 1m }
listeners:
  public:
    bind: 0.0.0.0:${env:PORT}
    tls:
      certificates: [{ cert: "${file:tls/a.crt}", key: "${env:PEM}" }]
consumers:
  partner: { apis: [orders], credentials: [{ id: k1, api_key: { sha256: "00000000000000000000000000000000000000000000000000000000000000ff", scopes: [a], expires: 2027-06-30 } }] }
backends:
  orders: { targets: [http://10.0.0.5:8080, { url: "https://[::1]:8443/v1", weight: "${env:WEIGHT}" }] }
defaults: { auth: api_key, bounds: { body: 1MiB } }
apis:
  orders:
    base_path: /orders
    backend: orders
    require: { scopes: [read] }
    bounds: { body_idle: 5s }
    operations:
      get: { match: "GET /{id}" }
      rest: { match: "* /{rest*}", auth: none, require: { scopes: [] }, bounds: { body: 2MiB } }
  pets:
    base_path: /pets
    openapi: pets.yaml
    backend: orders
"#;

fn good() -> (tempfile::TempDir, Loaded) {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("tls")).unwrap();
    fs::write(folder.path().join("tls/a.crt"), PEM).unwrap();
    fs::write(folder.path().join("portcullis.yaml"), GOOD).unwrap();
    let loaded = parse("portcullis.yaml", GOOD, folder.path(), &environment).unwrap();
    (folder, loaded)
}

#[test]
fn a_good_configuration_is_read_whole() {
    let (folder, loaded) = good();
    let config = &loaded.config;
    assert_eq!(config.state, Some(State::Directory(folder.path().join("state"))));
    assert_eq!(config.telemetry.access_log, Sink::File(folder.path().join("access.log")));
    assert_eq!(config.telemetry.incidents, Sink::Off);
    assert_eq!(config.listeners["public"].bind.to_string(), "0.0.0.0:8080");
    assert_eq!(config.listeners["public"].protocols(), [Protocol::Http2, Protocol::Http1]);
    let target = &config.backends["orders"].targets[1];
    assert_eq!((target.weight, target.url.to_string().as_str()), (2, "https://[::1]:8443/v1"));
    let key = config.consumers["partner"].credentials[0].api_key.as_ref().unwrap();
    assert_eq!(key.sha256.0.as_bytes()[31], 255);
    assert_eq!(key.expires.unwrap().unix_seconds(), 1_814_400_000);
    let bounds = config.bounds.over(&Bounds::default());
    assert_eq!((bounds.body, bounds.drain.as_secs(), bounds.fields), (5 << 20, 60, 100));
    assert_eq!(config.apis["pets"].openapi.as_deref(), folder.path().join("pets.yaml").to_str());
    assert_eq!(loaded.files, [folder.path().join("tls/a.crt"), folder.path().join("pets.yaml")]);
    assert_eq!(loaded.hash.len(), 64);
}

#[test]
fn settings_merge_from_the_general_to_the_specific() {
    let (_folder, loaded) = good();
    let effective = loaded.effective("orders", &[Layer::Entry("get")]).unwrap();
    assert_eq!(effective.settings.auth, Some(Auth::ApiKey(ApiKeyAuth::default())));
    assert_eq!(effective.settings.require.as_ref().unwrap().scopes, ["read"]);
    let bounds = effective.settings.bounds.as_ref().unwrap();
    assert_eq!((bounds.body.unwrap().get(), bounds.body_idle.unwrap().get().as_secs()), (1 << 20, 5));
    let line = |path: &str| effective.place(path).map(|place| place.to_string());
    assert_eq!(line("auth").as_deref(), Some("portcullis.yaml:15"));
    assert_eq!(line("bounds.body_idle").as_deref(), Some("portcullis.yaml:21"));
    assert_eq!(line("stream"), None);

    let effective = loaded.effective("orders", &[Layer::Entry("rest")]).unwrap();
    assert_eq!(effective.settings.auth, Some(Auth::None));
    assert_eq!(effective.settings.bounds.as_ref().unwrap().body.unwrap().get(), 2 << 20);
    assert_eq!(effective.place("auth").unwrap().line, 24);
}

#[test]
fn places_are_found_by_path() {
    let (_folder, loaded) = good();
    for (path, line) in [
        ("apis.orders.backend", Some(19)),
        ("listeners.public.tls.certificates[0].cert", Some(10)),
        ("consumers.partner.apis[0]", Some(12)),
        ("apis.orders.operations.get.match", Some(23)),
        ("apis.nowhere", None),
    ] {
        assert_eq!(loaded.place(path).map(|place| place.line), line, "{path}");
    }
    let path = "apis.orders.operations.get.auth".parse().unwrap();
    let finding = loaded.finding(&path, "is odd");
    assert_eq!(finding.to_string(), "portcullis.yaml:23:7: apis.orders.operations.get.auth: is odd");
}

#[test]
fn the_hash_follows_the_documents_and_not_the_secrets() {
    let hash = |text: &str, port: &'static str| {
        let env = move |name: &str| if name == "PORT" { Some(port.into()) } else { environment(name) };
        parse("c", text, Path::new(""), &env).unwrap().hash
    };
    let text = "version: 1\nlisteners: { a: { bind: \"127.0.0.1:${env:PORT}\" } }\n";
    assert_eq!(hash(text, "1"), hash(text, "2"));
    assert_ne!(hash(text, "1"), hash(&format!("{text}\n"), "1"));
}

#[test]
fn secrets_are_not_shown() {
    let text = "version: 1\nlisteners: { a: { bind: 127.0.0.1:1, tls: { certificates: [{ cert: \"${env:PEM}\", key: \"${env:KEY}\" }] } } }\n";
    let loaded = parse("c", text, Path::new(""), &environment).unwrap();
    let shown = format!("{:?}", loaded.config);
    assert!(!shown.contains("c2VjcmV0"), "{shown}");
}

#[test]
fn a_missing_file_is_named() {
    let findings = load(Path::new("no/such/file.yaml")).unwrap_err();
    let shown = findings[0].to_string();
    assert!(shown.starts_with("no/such/file.yaml: cannot be read: "), "{shown}");
}

#[test]
fn the_schema_knows_every_key_and_explains_it() {
    fn every(schema: &serde_json::Value, path: &str, unexplained: &mut Vec<String>) {
        if let Some(properties) = schema["properties"].as_object() {
            for (key, property) in properties {
                if property["description"].as_str().is_none_or(str::is_empty) {
                    unexplained.push(format!("{path}.{key}"));
                }
                every(property, &format!("{path}.{key}"), unexplained);
            }
        }
    }
    let schema = json_schema();
    let mut unexplained = Vec::new();
    every(&schema, "", &mut unexplained);
    for (name, definition) in schema["$defs"].as_object().unwrap() {
        every(definition, name, &mut unexplained);
    }
    assert!(unexplained.is_empty(), "{unexplained:?}");
    assert_eq!(schema["properties"]["apis"]["additionalProperties"]["$ref"], "#/$defs/Api");
    assert_eq!(schema["required"], serde_json::json!(["version"]));
}
