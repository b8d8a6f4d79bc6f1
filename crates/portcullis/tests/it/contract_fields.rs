//! Declared fields of answers and of parts of bodies, judged as header parameters are, over both wires.

use portcullis_testkit::gateway::Builder;
use portcullis_testkit::recorder::Reply;
use portcullis_testkit::{Request, Response, Wire};

use crate::stage::{Findings, Stage, executable};

const SHOP: &str = r"openapi: 3.1.0
info: { title: Shop, version: '1' }
paths:
  /log/{case}: { $ref: '#/components/pathItems/case' }
  /strip/{case}: { $ref: '#/components/pathItems/case' }
  /block/{case}: { $ref: '#/components/pathItems/case' }
  /upload:
    post:
      operationId: upload
      requestBody:
        required: true
        content:
          multipart/form-data:
            schema: { type: object, required: [file], properties: { file: { type: string, format: binary }, note: { type: string } } }
            encoding: { file: { headers: { X-Rate: { required: true, schema: { type: integer, maximum: 9 } } } } }
          multipart/mixed:
            schema: { type: object, required: [note], properties: { note: { type: string }, meta: { type: object, properties: { n: { type: integer } } } } }
          multipart/related: { schema: { type: object } }
      responses: {}
components:
  pathItems:
    case:
      parameters: [{ name: case, in: path, required: true, schema: { type: string } }]
      get:
        responses:
          '200':
            description: one
            headers:
              X-Left: { required: true, schema: { type: integer, minimum: 0 } }
              X-Tags: { schema: { type: array, items: { type: string, maxLength: 3 } } }
              X-Info: { content: { application/json: { schema: { type: object, properties: { a: { type: integer } } } } } }
              Content-Type: { schema: { enum: [none] } }
            content: { application/json: { schema: { type: object, properties: { a: { type: integer } } } } }
          '404': { description: none, headers: { X-Left: { required: true, schema: { type: integer } } }, content: { text/plain: {} } }
";

const CONFIG: &str = r#"version: 1
state: state
admin: { probes: 127.0.0.1:0 }
listeners: { public: { bind: 127.0.0.1:0, protocols: [http1, http2] } }
telemetry: { access_log: stdout, incidents: stdout }
backends: { recorder: { targets: ["http://BACKEND"] } }
apis:
  shop:
    openapi: shop.yaml
    backend: recorder
    auth: none
    operations:
      /log/{case}: { contract: { response: log } }
      /strip/{case}: { contract: { response: strip } }
      /block/{case}: { contract: { response: block } }
"#;

fn stage() -> Stage {
    Stage::built(|backend| {
        Builder::new(executable(), CONFIG.replace("BACKEND", backend)).file("shop.yaml", SHOP)
    })
}

/// What an answer has become: its status, and those of these fields that are left.
fn left(response: &Response) -> (u16, Vec<String>) {
    let names = ["x-left", "x-tags", "x-info", "x-free"];
    (
        response.status,
        names.into_iter().filter(|name| response.text(name).is_some()).map(str::to_owned).collect(),
    )
}

#[test]
fn fields_of_answers_are_what_is_declared() {
    let stage = stage();
    let mut findings = Findings::default();
    // The fields of an answer; what `strip` leaves, and whether `block` lets it out.
    for (index, (status, fields, stripped, passes)) in [
        ("200 OK", "X-Left: 7\r\n", Ok("x-left"), true),
        ("200 OK", "X-Left: 7\r\nX-Tags: a, b\r\nX-Tags: abc\r\n", Ok("x-left x-tags"), true),
        ("200 OK", "X-Left: 7\r\nX-Info: {\"a\":1}\r\n", Ok("x-left x-info"), true),
        ("200 OK", "X-Left: 7\r\nX-Free: whatever\r\n", Ok("x-left x-free"), true),
        ("200 OK", "X-Left: 7\r\nX-Tags: a,abcd\r\n", Ok("x-left"), false),
        ("200 OK", "X-Left: 7\r\nX-Info: {\"a\":1\r\n", Ok("x-left"), false),
        ("200 OK", "X-Left: 7\r\nX-Info: {\"a\":\"x\"}\r\nX-Tags: abcd\r\n", Ok("x-left"), false),
        ("200 OK", "X-Left: many\r\n", Err(502), false),
        ("200 OK", "X-Left: -1\r\n", Err(502), false),
        ("200 OK", "X-Left: 1\r\nX-Left: 2\r\n", Err(502), false),
        ("200 OK", "", Err(502), false),
        ("404 Not Found", "X-Left: 7\r\n", Ok("x-left"), true),
        // An error keeps its status under `strip`, and a problem stands in for the rest.
        ("404 Not Found", "", Err(404), false),
    ]
    .into_iter()
    .enumerate()
    {
        let code: u16 = status[..3].parse().expect("a status");
        let (kind, body) =
            if code == 200 { ("application/json", "{\"a\":1}") } else { ("text/plain", "none") };
        for wire in Wire::ALL {
            for mode in ["log", "strip", "block"] {
                let target = format!("/{mode}/{index}");
                stage
                    .backend
                    .on(&target, Reply::with(status, &format!("Content-Type: {kind}\r\n{fields}"), body));
                let response = wire.send(stage.public(), &Request::get(&target));
                let all: Vec<String> = left(&response).1;
                let is_good = match (mode, passes, stripped) {
                    ("log", ..) | (_, true, _) => response.status == code && response.body == body.as_bytes(),
                    ("strip", _, Ok(names)) => response.status == code && all.join(" ") == names,
                    ("strip", _, Err(status)) => {
                        response.status == status && response.body != body.as_bytes()
                    }
                    _ => response.status == 502 && response.problem().as_deref() == Some("response-contract"),
                };
                let outcome = if is_good { Ok(()) } else { Err(format!("{response:?}")) };
                findings.note(format!("{wire:?} {mode} {status} {fields:?}"), outcome);
            }
        }
    }
    findings.conclude(13 * 6);
}

#[test]
fn what_is_wrong_with_fields_is_told_and_no_value_of_them() {
    let stage = stage();
    for (mode, decision) in [("log", "portcullis.observed.cause"), ("block", "portcullis.cause")] {
        let target = format!("/{mode}/told");
        let fields = "Content-Type: application/json\r\nX-Left: 7\r\nX-Tags: s3cret\r\n";
        stage.backend.on(&target, Reply::with("200 OK", fields, "{}"));
        let response = Wire::Http2.send(stage.public(), &Request::get(&target));
        let id = response.text("x-request-id").expect("an id");
        let record = stage.gateway.record("its record", |record| {
            record["request.id"] == id.as_str() && record["event.name"] == "portcullis.access"
        });
        assert_eq!(record[decision], "header x-tags at /0: maxLength", "{record}");
        assert!(!record.to_string().contains("s3cret"), "{record}");
    }
}

fn parts(parts: &[(&str, &str)]) -> String {
    let part = |(head, content): &(&str, &str)| {
        format!("--XX\r\nContent-Disposition: form-data; {}\r\n\r\n{content}\r\n", head.replace('|', "\r\n"))
    };
    parts.iter().map(part).collect::<String>() + "--XX--\r\n"
}

#[test]
fn fields_of_parts_and_parts_of_mixed_bodies_are_judged() {
    let stage = stage();
    let mut findings = Findings::default();
    for (kind, body, status) in [
        ("form-data", parts(&[("name=file; filename=f|X-Rate: 7", "x")]), 200),
        ("form-data", parts(&[("name=file; filename=f|X-Rate: 7", "x"), ("name=note", "n")]), 200),
        ("form-data", parts(&[("name=file; filename=f|X-Rate: 10", "x")]), 422),
        ("form-data", parts(&[("name=file; filename=f|X-Rate: many", "x")]), 422),
        ("form-data", parts(&[("name=file; filename=f", "x")]), 422),
        ("form-data", parts(&[("name=file; filename=f|X-Rate: 7|X-Own: 1", "x")]), 422),
        ("form-data", parts(&[("name=file; filename=f|X-Rate: 7|X-Rate: 7", "x")]), 400),
        ("form-data", parts(&[("name=file; filename=f|X-Rate: 7", "x"), ("name=note|X-Rate: 7", "n")]), 422),
        ("mixed", parts(&[("name=note", "n")]), 200),
        (
            "mixed",
            parts(&[("name=note", "n"), ("name=meta|Content-Type: application/json", "{\"n\":1}")]),
            200,
        ),
        (
            "mixed",
            parts(&[("name=note", "n"), ("name=meta|Content-Type: application/json", "{\"n\":\"x\"}")]),
            422,
        ),
        ("mixed", parts(&[("name=meta", "{}")]), 422),
        ("mixed", "--XX\r\nContent-Type: text/plain\r\n\r\nn\r\n--XX--\r\n".to_owned(), 400),
        ("related", parts(&[("name=note", "n")]), 501),
    ] {
        for wire in Wire::ALL {
            let mark = stage.backend.mark();
            let request = Request::post("/upload", &body)
                .field("content-type", format!("multipart/{kind}; boundary=XX"));
            let response = wire.send(stage.public(), &request);
            let arrived = stage.backend.since(mark);
            let is_good = response.status == status
                && match &*arrived {
                    [one] => status == 200 && one.body == body.as_bytes(),
                    [] => status != 200,
                    _ => false,
                };
            let outcome = if is_good { Ok(()) } else { Err(format!("not {status}: {response:?}")) };
            findings.note(format!("{wire:?} {kind} {body:?}"), outcome);
        }
    }
    findings.conclude(28);
}
