//! `mock`: operations that are answered from their definition, as a verb and inside a live API, over both wires.

use portcullis_testkit::gateway::Builder;
use portcullis_testkit::{Gateway, Recorder, Request, Response, Wire};

use crate::stage::{KEY, KEY_FIELD, executable, text};

const PETS: &str = r##"openapi: 3.1.0
info: { title: Pets, version: "1" }
servers: [{ url: https://pets.example/v3 }]
paths:
  /pets/{petId}:
    parameters: [{ name: petId, in: path, required: true, schema: { type: integer } }]
    get:
      operationId: getPet
      responses:
        "200":
          description: one
          headers: { X-Count: { schema: { type: integer, minimum: 1 } } }
          content:
            text/plain: { schema: { type: string, enum: [Rex] } }
            application/json:
              schema: { $ref: "#/components/schemas/Pet" }
              examples: { cat: { value: { id: 1, name: Tom } }, dog: { value: { id: 2, name: Rex } } }
        "404": { description: none, content: { application/problem+json: { schema: { type: object, required: [title], properties: { title: { type: string, default: No such pet } } } } } }
    delete: { operationId: deletePet, responses: { "204": { description: gone } } }
  /pets:
    get: { operationId: listPets, responses: { "200": { description: all, content: { application/json: { schema: { type: array, minItems: 1, items: { $ref: "#/components/schemas/Pet" } } } } } } }
    post: { operationId: addPet, requestBody: { content: { application/json: {} } }, responses: { "201": { description: made, content: { application/json: { schema: { type: string, pattern: "^(?=a)a" } } } } } }
components:
  schemas:
    Pet: { type: object, required: [id, name], properties: { id: { type: integer, minimum: 1 }, name: { type: string, minLength: 1 }, born: { type: string, format: date } } }
"##;

fn verb(arguments: &[&str]) -> Gateway {
    let builder = Builder::without_config(executable()).verb("mock").file("pets.yaml", PETS);
    let first = ["--openapi", "pets.yaml", "--listen", "127.0.0.1:0"];
    first.iter().chain(arguments).fold(builder, |builder, argument| builder.argument(*argument)).start()
}

fn get(gateway: &Gateway, wire: Wire, path: &str, fields: &[(&str, &str)]) -> Response {
    let request = fields.iter().fold(Request::get(path), |request, (name, value)| request.field(name, value));
    wire.send(gateway.address("public"), &request)
}

#[test]
fn a_definition_is_served_without_a_backend() {
    let gateway = verb(&[]);
    let command =
        gateway.stdout().expect("a command", |line| line.starts_with("curl ").then(|| line.to_owned()));
    assert!(command.ends_with("/v3/pets'"), "{command}");
    for &wire in Wire::ALL {
        let response = get(&gateway, wire, "/v3/pets/7", &[]);
        assert_eq!((response.status, response.json()["name"].as_str()), (200, Some("Tom")), "{response:?}");
        assert_eq!(response.text("content-type").as_deref(), Some("application/json"));
        assert!(response.text("x-count").is_some_and(|count| count.parse::<u64>().is_ok()));

        let wished = get(&gateway, wire, "/v3/pets/7", &[("prefer", "example=dog")]);
        assert_eq!(wished.json()["name"], "Rex");
        assert_eq!(wished.text("preference-applied").as_deref(), Some("example=dog"));
        let missing = get(&gateway, wire, "/v3/pets/7", &[("prefer", "code=404")]);
        assert_eq!((missing.status, missing.json()["title"].as_str()), (404, Some("No such pet")));
        assert_eq!(missing.text("content-type").as_deref(), Some("application/problem+json"));
        let text = get(&gateway, wire, "/v3/pets/7", &[("accept", "text/*")]);
        assert_eq!(
            (text.body.as_slice(), text.text("content-type").as_deref()),
            (&b"Rex"[..], Some("text/plain"))
        );

        let gone = wire.send(gateway.address("public"), &Request::new("DELETE", "/v3/pets/7"));
        assert_eq!((gone.status, gone.body.len()), (204, 0));
        let head = wire.send(gateway.address("public"), &Request::new("HEAD", "/v3/pets/7"));
        assert_eq!((head.status, head.body.len()), (200, 0));
        assert_eq!(get(&gateway, wire, "/v3/other", &[]).status, 404);
        // Requests are judged as ever.
        assert_eq!(get(&gateway, wire, "/v3/pets/none", &[]).status, 400);
        assert_eq!(get(&gateway, wire, "/v3/pets?undeclared=1", &[]).status, 400);
    }
}

#[test]
fn what_is_made_is_the_same_for_the_same_request_and_seed() {
    let dynamic = [("prefer", "dynamic=true")];
    let (one, same, other) = (verb(&["--seed", "5"]), verb(&["--seed", "5"]), verb(&["--seed", "6"]));
    let bodies =
        |path: &str| [&one, &same, &other].map(|gateway| get(gateway, Wire::Http1, path, &dynamic).body);
    let [first, again, changed] = bodies("/v3/pets");
    assert_eq!(first, again);
    assert_ne!(first, changed);
    assert_ne!(
        get(&one, Wire::Http2, "/v3/pets/1", &dynamic).body,
        get(&one, Wire::Http2, "/v3/pets/2", &dynamic).body
    );
    let pets = get(&one, Wire::Http2, "/v3/pets", &[]).json();
    assert!(
        pets.as_array()
            .is_some_and(|pets| !pets.is_empty() && pets.iter().all(|pet| pet["id"].as_i64() >= Some(1))),
        "{pets}"
    );
}

#[test]
fn what_is_not_there_is_a_problem() {
    let gateway = verb(&[]);
    for &wire in Wire::ALL {
        for (path, field, status, code) in [
            ("/v3/pets/7", ("prefer", "code=500"), 404, "mock-not-defined"),
            ("/v3/pets/7", ("prefer", "example=cow"), 404, "mock-not-defined"),
            ("/v3/pets/7", ("accept", "application/xml"), 406, "mock-not-acceptable"),
        ] {
            let response = get(&gateway, wire, path, &[field]);
            assert_eq!(response.verdict(), (status, Some(code.to_owned())), "{field:?}: {response:?}");
        }
        let request = Request::post("/v3/pets", "{}").field("content-type", "application/json");
        let response = wire.send(gateway.address("public"), &request);
        assert_eq!(response.verdict(), (501, Some("mock-not-made".to_owned())), "{response:?}");
    }
}

const LIVE: &str = r#"version: 1
state: none
listeners: { public: { bind: 127.0.0.1:0, protocols: [http1, http2] } }
consumers:
  tester:
    apis: [pets]
    credentials:
      - { id: k1, api_key: { sha256: "87cbebfeebc05f7c54ac9336c4b4bbec831227a641951a4bde7edd56020f8590" } }
backends: { recorder: { targets: ["http://BACKEND"] } }
apis:
  pets:
    openapi: pets.yaml
    base_path: /pets-api
    backend: recorder
    auth: { api_key: {} }
    operations: { getPet: { mock: { seed: 3 } } }
"#;

#[test]
fn one_operation_of_a_live_api_is_virtual_and_asks_who_calls_all_the_same() {
    let backend = Recorder::start();
    let config = LIVE.replace("BACKEND", &backend.address().to_string());
    let gateway = Builder::new(executable(), config).file("pets.yaml", PETS).start();
    for &wire in Wire::ALL {
        let refused = get(&gateway, wire, "/pets-api/pets/7", &[]);
        assert_eq!(refused.status, 401, "{refused:?}");
        let key = (KEY_FIELD, KEY);
        let answered = get(&gateway, wire, "/pets-api/pets/7", &[key]);
        assert_eq!((answered.status, answered.json()["name"].as_str()), (200, Some("Tom")));
        assert!(backend.messages().is_empty(), "the backend was asked");
    }
    // Its neighbours go to the backend.
    for &wire in Wire::ALL {
        let before = backend.messages().len();
        assert_eq!(get(&gateway, wire, "/pets-api/pets", &[(KEY_FIELD, KEY)]).status, 200);
        assert_eq!(backend.messages().len(), before + 1);
    }
}

#[test]
fn what_a_definition_says_of_mocks_does_not_count() {
    let pets = PETS.replace("operationId: listPets,", "operationId: listPets, x-portcullis: { mock: true },");
    let output = Builder::new(executable(), LIVE).file("pets.yaml", pets).run(&["check"]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("answers in place of the backend"), "{told}");
}

#[test]
fn an_operation_that_is_not_answered_here_needs_a_backend() {
    let config = LIVE.replace("    backend: recorder\n", "");
    let output = Builder::new(executable(), config.as_str()).file("pets.yaml", PETS).run(&["check"]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("is not answered by `mock`, and its API names no backend"), "{told}");
    let whole = config.replace("operations: { getPet: { mock: { seed: 3 } } }", "mock: true");
    let output = Builder::new(executable(), whole).file("pets.yaml", PETS).run(&["check"]);
    let told = text(&output);
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(told.contains("the response 201 cannot be made"), "{told}");
    let inline =
        config.replace("operations: {", "mock: true\n    operations: { own: { match: \"GET /own\" },");
    let output = Builder::new(executable(), inline).file("pets.yaml", PETS).run(&["check"]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("is in no definition that `mock` could answer from"), "{told}");
}

#[test]
fn overlays_change_what_is_mocked() {
    let overlay = "overlay: 1.1.0\ninfo: { title: O, version: '1' }\nactions:\n- { target: '$.paths[\"/pets/{petId}\"].delete', remove: true }\n\
                   - { target: $.paths, update: { /health: { get: { operationId: health, responses: { '204': { description: well } } } } } }\n";
    let gateway =
        Builder::without_config(executable()).verb("mock").file("pets.yaml", PETS).file("o.yaml", overlay);
    let words = ["--openapi", "pets.yaml", "--listen", "127.0.0.1:0", "--overlay", "o.yaml"];
    let gateway = words.iter().fold(gateway, |builder, word| builder.argument(*word)).start();
    for &wire in Wire::ALL {
        assert_eq!(get(&gateway, wire, "/v3/health", &[]).status, 204);
        assert_eq!(get(&gateway, wire, "/v3/pets/7", &[]).status, 200);
        let gone = wire.send(gateway.address("public"), &Request::new("DELETE", "/v3/pets/7"));
        assert_eq!(gone.status, 405, "{gone:?}");
    }
}
