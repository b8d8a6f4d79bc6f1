//! `;` passes where a definition declares a parameter of style `matrix`, and nowhere else.
//!
//! One listener has an API whose definition declares some, one whose definition declares none, one without a definition that
//! takes everything, and the guarded one. Each refused path stands beside the one that passes.

use portcullis_testkit::gateway::Builder;
use portcullis_testkit::{Message, Request, Wire};

use super::{judge, spellings};
use crate::stage::{CONFIG, Findings, KEY, KEY_FIELD, Stage, executable};

const SHOP: &str = "openapi: 3.1.0
info: { title: t, version: '1' }
paths:
  /cars:
    get: { operationId: list, responses: {} }
  /cars/{color}:
    parameters: [{ in: path, name: color, required: true, style: matrix, schema: { type: string, pattern: '^[a-z]*$' } }]
    get: { operationId: one, responses: {} }
  /cars/{color}/parts/{part}:
    parameters:
      - { in: path, name: color, required: true, style: matrix, explode: true, schema: { type: array, items: { type: string } } }
      - { in: path, name: part, required: true, schema: { type: string } }
    get: { operationId: part, responses: {} }
  /vans{size}:
    parameters: [{ in: path, name: size, required: true, style: matrix, schema: { type: integer } }]
    get: { operationId: van, responses: {} }
  /{user}/keys:
    parameters: [{ in: path, name: user, required: true, style: matrix, schema: { type: string } }]
    get: { operationId: keysOf, responses: {} }
  /keys:
    get: { operationId: keys, responses: {} }
  /watched/{color}:
    parameters: [{ in: path, name: color, required: true, style: matrix, schema: { type: string } }]
    get: { operationId: watched, responses: {} }
  /open/{color}:
    parameters: [{ in: path, name: color, required: true, style: matrix, schema: { type: string } }]
    get: { operationId: unjudged, responses: {} }
";

const PLAIN: &str = "openapi: 3.1.0
info: { title: t, version: '1' }
paths:
  /cars/{color}:
    parameters: [{ in: path, name: color, required: true, schema: { type: string } }]
    get: { operationId: plainOne, responses: {} }
";

const APIS: &str = r#"  shop:
    base_path: /shop
    backend: recorder
    auth: none
    openapi: shop.yaml
    operations:
      keys: { auth: { api_key: {} } }
      watched: { contract: { mode: observe } }
      unjudged: { contract: { mode: off } }
  plain: { base_path: /plain, backend: recorder, auth: none, openapi: plain.yaml }
"#;

fn stage() -> Stage {
    let config = format!("{CONFIG}{APIS}").replace("apis: [secured]", "apis: [secured, shop]");
    Stage::built(|backend| {
        Builder::new(executable(), config.replace("BACKEND", backend))
            .file("shop.yaml", SHOP)
            .file("plain.yaml", PLAIN)
    })
}

#[test]
fn matrix_parameters_pass_where_they_are_declared_and_nowhere_else() {
    let stage = stage();
    for wire in Wire::ALL {
        let mut findings = Findings::default();
        for (path, expected) in [
            ("/shop/cars/;color=blue", Ok("one")),
            ("/shop/cars/;color=", Ok("one")),
            ("/shop/cars/;color=blue?", Ok("one")),
            ("/shop/cars/;color=a;color=b/parts/7", Ok("part")),
            ("/shop/cars/;color=%62lue/parts/7", Ok("part")),
            ("/shop/vans;size=7", Ok("van")),
            ("/shop/cars", Ok("list")),
            // Declared, and not as its schema or its style says.
            ("/shop/cars/;color=B", Err((400, "contract-parameter"))),
            ("/shop/cars/;colour=blue", Err((400, "contract-parameter"))),
            ("/shop/cars/;", Err((400, "contract-parameter"))),
            ("/shop/cars/;x", Err((400, "contract-parameter"))),
            ("/shop/cars/blue", Err((400, "contract-parameter"))),
            ("/shop/cars/;color=a;admin/parts/7", Err((400, "contract-parameter"))),
            ("/shop/vans;size=x", Err((400, "contract-parameter"))),
            // At another place of the same API.
            ("/shop/;color=blue", Err((400, "malformed-request"))),
            ("/shop/;x/cars", Err((400, "malformed-request"))),
            ("/shop/cars/;color=blue/", Err((400, "malformed-request"))),
            ("/shop/cars/;color=blue/parts/;color=blue", Err((400, "malformed-request"))),
            ("/shop/cars/;color=blue/;x/parts/7", Err((400, "malformed-request"))),
            ("/shop/cars/;color=blue/parts/7;x", Err((400, "contract-parameter"))),
            ("/shop/cars;color=blue", Err((404, "no-such-operation"))),
            ("/shop/vans/;size=7", Err((400, "malformed-request"))),
            ("/;x/shop/cars", Err((400, "malformed-request"))),
            // Spelled otherwise.
            ("/shop/cars/%3Bcolor=blue", Err((400, "malformed-request"))),
            ("/shop/cars/%20;color=blue", Err((400, "malformed-request"))),
            ("/shop/cars/..;color=blue", Err((400, "malformed-request"))),
            ("/shop/cars/.;color=blue", Err((400, "malformed-request"))),
            ("/shop/cars/;..", Err((400, "malformed-request"))),
            ("/shop/cars/;color=blue/../;color=blue", Err((400, "malformed-request"))),
            ("/shop/cars//;color=blue", Err((400, "malformed-request"))),
            ("/shop//cars/;color=blue", Err((400, "malformed-request"))),
            ("/shop/cars/;color=a%2Fb", Err((400, "malformed-request"))),
            // A way around what `keys` asks for, to a reader who cuts it off.
            ("/shop/;user=me/keys", Err((400, "malformed-request"))),
            ("/shop/keys", Err((401, "credential-missing"))),
            // Nobody would judge it.
            ("/shop/watched/;color=blue", Err((400, "malformed-request"))),
            ("/shop/open/;color=blue", Err((400, "malformed-request"))),
            ("/shop/watched/blue", Ok("watched")),
            // Where none is declared: by another definition, without one, before the guarded one.
            ("/plain/cars/;color=blue", Err((400, "malformed-request"))),
            ("/plain/cars/blue", Ok("plainOne")),
            ("/cars/;color=blue", Err((400, "malformed-request"))),
            ("/cars/blue", Ok("all")),
            ("/;color=blue/admin", Err((400, "malformed-request"))),
            ("/;color=blue", Err((400, "malformed-request"))),
            ("/admin/;color=blue", Err((400, "malformed-request"))),
            ("/nowhere/;color=blue", Err((400, "malformed-request"))),
        ] {
            findings.note(format!("{wire:?} {path}"), ask(&stage, *wire, path, expected));
        }
        findings.conclude(44);
    }
    stage.expect_plain_backend_traffic();
}

/// What passes arrives byte for byte in its canonical spelling, and its record names the operation.
fn ask(stage: &Stage, wire: Wire, path: &str, expected: Result<&str, (u16, &str)>) -> Result<(), String> {
    let mark = stage.backend.mark();
    let response = wire.send(stage.public(), &Request::get(path));
    let arrived: Vec<String> = stage.backend.since(mark).iter().map(Message::target).collect();
    let code = response.problem();
    let is_good = match expected {
        Ok(_) => response.status == 200 && arrived == [path.replace("%62", "b")],
        Err((status, problem)) => {
            response.status == status && code.as_deref() == Some(problem) && arrived.is_empty()
        }
    };
    if is_good { Ok(()) } else { Err(format!("{} {code:?}, arrived as {arrived:?}", response.status)) }
}

#[test]
fn what_methods_a_marked_path_has_is_not_told() {
    let stage = stage();
    for wire in Wire::ALL {
        for (method, path, status) in [
            ("POST", "/shop/cars/;color=blue", 400),
            ("OPTIONS", "/shop/cars/;color=blue", 400),
            ("HEAD", "/shop/cars/;color=blue", 200),
            ("POST", "/shop/cars/blue", 405),
        ] {
            let response = wire.send(stage.public(), &Request::new(method, path));
            assert_eq!(response.status, status, "{wire:?} {method} {path}: {response:?}");
        }
    }
}

/// Beside an API that takes them, no spelling of `/admin` arrives, with or without parameters of ours in the way.
#[test]
fn beside_declared_ones_no_spelling_of_admin_arrives() {
    let stage = stage();
    let mut findings = Findings::default();
    let mut count = 0;
    for (index, path) in spellings::all().into_iter().enumerate() {
        let before = [b"/shop/cars/;color=blue", &path[..]].concat();
        let within = [b"/shop/cars/;color=a", &path[..]].concat();
        for (at, path) in [path, before, within].into_iter().enumerate() {
            // Each over one of the wires: all over both takes twice as long and says the same.
            let wire = Wire::ALL[(index + at) % Wire::ALL.len()];
            let mark = stage.backend.mark();
            let outcome = wire.try_send(stage.public(), &Request::get(&path));
            let outcome = outcome
                .map_err(|failure| format!("no reply: {failure}"))
                .and_then(|response| judge(response.status, &stage.backend.since(mark)));
            findings.note(format!("{wire:?} {}", path.escape_ascii()), outcome);
            count += 1;
        }
    }
    findings.conclude(count);
}

#[test]
fn the_record_and_explain_say_what_became_of_it() {
    let stage = stage();
    let response = Wire::Http1.send(stage.public(), &Request::get("/shop/cars/;color=blue"));
    assert_eq!(response.status, 200, "{response:?}");
    let record = stage.gateway.record("its record", |one| one["url.path"] == "/shop/cars/;color=blue");
    assert_eq!(record["http.route"], "/shop/cars/{color}");
    let response = Wire::Http1.send(stage.public(), &Request::get("/plain/cars/;color=blue"));
    assert_eq!(response.status, 400, "{response:?}");
    let record = stage.gateway.record("its record", |one| one["url.path"] == "/plain/cars/;color=blue");
    assert_eq!(record["portcullis.cause"], "the path has an empty segment");
    let explain = |request: &str| {
        let said = stage.gateway.run(&executable(), &["explain", "--request", request]);
        String::from_utf8_lossy(&said.stdout).into_owned()
    };
    let said = explain("GET /shop/cars/;color=blue");
    assert!(said.contains("allowed") && said.contains("contract"), "{said}");
    let said = explain("GET /plain/cars/;color=blue");
    assert!(said.contains("refused with 400 malformed-request"), "{said}");
}

#[test]
fn a_listener_that_refuses_parameters_refuses_declared_ones() {
    let config =
        format!("{CONFIG}{APIS}").replace("[http1, http2] }", "[http1, http2], path_parameters: refuse }");
    let config = config.replace("apis: [secured]", "apis: [secured, shop]");
    let stage = Stage::built(|backend| {
        Builder::new(executable(), config.replace("BACKEND", backend))
            .file("shop.yaml", SHOP)
            .file("plain.yaml", PLAIN)
    });
    for wire in Wire::ALL {
        let response = wire.send(stage.public(), &Request::get("/shop/cars/;color=blue"));
        assert_eq!((response.status, response.problem().as_deref()), (400, Some("malformed-request")));
        let response = wire.send(stage.public(), &Request::get("/shop/keys").field(KEY_FIELD, KEY));
        assert_eq!(response.status, 200, "{response:?}");
    }
}
