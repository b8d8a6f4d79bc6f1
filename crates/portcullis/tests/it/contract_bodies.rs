//! Bodies of every media type and content coding, judged by their contract: what passes arrives as it was judged.

use std::io::Write;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use portcullis_testkit::gateway::Builder;
use portcullis_testkit::{Message, Request, Response, Wire};

use crate::stage::{Findings, Stage, executable};

const DEFINITION: &str = r##"openapi: 3.1.0
info: { title: Bodies, version: "1" }
paths:
  /things:
    post:
      operationId: addThing
      requestBody:
        required: true
        content:
          application/json: { schema: { $ref: "#/components/schemas/Thing" } }
          application/x-www-form-urlencoded: { schema: { $ref: "#/components/schemas/Thing" } }
          text/plain: { schema: { type: string, maxLength: 10 } }
          application/octet-stream: { schema: { type: string, format: binary, maxLength: 100000 } }
          application/xml: { schema: { $ref: "#/components/schemas/Thing" } }
          multipart/form-data:
            schema:
              type: object
              required: [name]
              properties:
                name: { type: string, maxLength: 10 }
                thing: { $ref: "#/components/schemas/Thing" }
                file: { type: string, format: binary }
components:
  schemas:
    Thing: { type: object, required: [name], properties: { name: { type: string }, count: { type: integer } } }
"##;

pub(crate) fn stage(api: &str) -> Stage {
    Stage::built(|backend| {
        let config = format!(
            r#"version: 1
state: state
listeners: {{ public: {{ bind: 127.0.0.1:0, protocols: [http1, http2] }} }}
telemetry: {{ access_log: stdout }}
backends: {{ recorder: {{ targets: ["http://{backend}"] }} }}
apis:
  things: {{ backend: recorder, openapi: things.yaml, auth: none, bounds: {{ body: 1MiB, body_in_memory: 64KiB }}, {api} }}
  rest: {{ backend: recorder, base_path: /sentinel, auth: none, operations: {{ all: {{ match: "* /{{rest*}}" }} }} }}
"#
        );
        Builder::new(executable(), config).file("things.yaml", DEFINITION)
    })
}

/// `{"name":"tea"}`, then 4 MiB of spaces, by the reference encoder of brotli.
const BROTLI_TEA: &[u8] = &[
    0x8b, 0x06, 0x80, 0x7b, 0x22, 0x6e, 0x61, 0x6d, 0x65, 0x22, 0x3a, 0x22, 0x74, 0x65, 0x61, 0x22, 0x7d,
    0x03,
];
const BROTLI_BOMB: &[u8] =
    &[0x9b, 0xff, 0xff, 0x3f, 0xf8, 0x25, 0x40, 0xe2, 0xb1, 0x40, 0x20, 0xf7, 0xfe, 0x07];
const TEA: &[u8] = br#"{"name":"tea"}"#;

pub(crate) fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content).expect("memory");
    encoder.finish().expect("memory")
}

fn deflate(content: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content).expect("memory");
    encoder.finish().expect("memory")
}

/// A thing with more space around it than is kept in memory, which does not fold too well.
fn spaced() -> String {
    let next = |state: &u32| Some(state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
    let states = std::iter::successors(Some(7), next).take(90_000);
    let spaces: String = states.map(|state: u32| [" ", "\t", "\n", "\r"][(state >> 30) as usize]).collect();
    format!("{{\"name\":\"tea\"{spaces}}}")
}

fn post(content_type: &str, body: impl AsRef<[u8]>) -> Request {
    Request::post("/things", body).field("content-type", content_type)
}

fn coded(coding: &str, body: impl AsRef<[u8]>) -> Request {
    post("application/json", body).field("content-encoding", coding)
}

/// What a request must come to: the body that arrives and whether it is said to be coded, or a status and a code.
type Wanted<'b> = Result<(&'b [u8], bool), (u16, &'static str)>;

fn check(stage: &Stage, rows: &[(&str, Request, Wanted<'_>)]) {
    stage.say(rows, rows.len() * 2, judge);
}

fn judge(
    response: &Response,
    arrived: &[Message],
    _request: &Request,
    wanted: Wanted<'_>,
) -> Result<(), String> {
    match (wanted, arrived) {
        (Ok((body, is_coded)), [one]) => {
            let has_coding = !one.all("content-encoding").is_empty();
            if response.status == 200 && one.body == body && has_coding == is_coded {
                return Ok(());
            }
            let digest = one.all("content-digest").len();
            Err(format!(
                "{} with {} bytes, coded {has_coding}, digests {digest}",
                response.status,
                one.body.len()
            ))
        }
        (Err((status, code)), [])
            if response.status == status && response.problem().as_deref() == Some(code) =>
        {
            let names_codings = response.text("accept-encoding").is_some();
            if names_codings == (code == "content-coding-unsupported") {
                Ok(())
            } else {
                Err("accept-encoding".into())
            }
        }
        (_, arrived) => {
            Err(format!("{} {:?}, {} arrived", response.status, response.problem(), arrived.len()))
        }
    }
}

#[test]
fn coded_bodies_are_judged_decoded_and_go_on_so() {
    let stage = stage("");
    let large = format!("{{\"name\":\"{}\"}}", "0123456789".repeat(700));
    let spread: String = (0..30_000_u32).map(|n| format!("{:08x}", n.wrapping_mul(2_654_435_761))).collect();
    let spaced = spaced();
    let unsupported = Err((415, "content-coding-unsupported"));
    let malformed = Err((400, "content-coding-malformed"));
    let mut trailing = gzip(TEA);
    trailing.push(0);
    let rows: Vec<(&str, Request, Wanted<'_>)> = vec![
        ("as it is", post("application/json", TEA), Ok((TEA, false))),
        ("identity", coded("identity", TEA), Ok((TEA, true))),
        ("gzip", coded("gzip", gzip(TEA)), Ok((TEA, false))),
        ("its old name", coded("X-GZIP", gzip(TEA)), Ok((TEA, false))),
        ("deflate", coded("deflate", deflate(TEA)), Ok((TEA, false))),
        ("brotli", coded("br", BROTLI_TEA), Ok((TEA, false))),
        ("a text that folds well", coded("gzip", gzip(large.as_bytes())), Ok((large.as_bytes(), false))),
        ("more than lies in memory", coded("gzip", gzip(spaced.as_bytes())), Ok((spaced.as_bytes(), false))),
        ("not what the contract says", coded("gzip", gzip(b"{\"name\":1}")), Err((422, "contract-body"))),
        ("no JSON in it", coded("br", &BROTLI_TEA[..0]), Err((400, "body-missing"))),
        ("the coded bytes are no JSON", post("application/json", gzip(TEA)), Err((400, "body-malformed"))),
        ("another coding", coded("zstd", TEA), unsupported),
        ("two codings", coded("gzip, gzip", gzip(&gzip(TEA))), unsupported),
        ("two lines", coded("gzip", gzip(TEA)).field("content-encoding", "identity"), unsupported),
        ("not in its coding", coded("gzip", TEA), malformed),
        ("cut short", coded("gzip", &gzip(TEA)[..20]), malformed),
        ("something behind it", coded("gzip", trailing), malformed),
        ("two members", coded("gzip", [gzip(TEA), gzip(TEA)].concat()), malformed),
        ("a bomb of gzip", coded("gzip", gzip(&vec![b' '; 8 << 20])), Err((413, "body-too-large"))),
        ("a bomb of deflate", coded("deflate", deflate(&vec![b' '; 8 << 20])), Err((413, "body-too-large"))),
        ("a bomb of brotli", coded("br", BROTLI_BOMB), Err((413, "body-too-large"))),
        (
            "beyond its bound, slowly",
            coded("gzip", gzip(spread.repeat(5).as_bytes())),
            Err((413, "body-too-large")),
        ),
    ];
    check(&stage, &rows);
}

#[test]
fn what_a_digest_said_of_the_coded_form_goes_with_it() {
    let stage = stage("fields: any");
    let request = coded("gzip", gzip(TEA))
        .field("content-digest", "sha-256=:AAAA:")
        .field("repr-digest", "sha-256=:AAAA:");
    for wire in Wire::ALL {
        let mark = stage.backend.mark();
        assert_eq!(wire.send(stage.public(), &request).status, 200);
        let arrived = stage.arrived_since(mark).expect("one");
        assert_eq!(arrived.len(), 1);
        assert!(arrived[0].all("content-digest").is_empty() && arrived[0].all("repr-digest").is_empty());
        let length = arrived[0].all("content-length");
        assert!(length.is_empty() || length == [TEA.len().to_string().as_bytes()], "{length:?}");
    }
}

#[test]
fn a_backend_that_decodes_itself_gets_what_came() {
    let stage = stage("forward: encoded");
    let (good, wrong) = (gzip(TEA), gzip(b"{\"name\":1}"));
    let spaced = gzip(spaced().as_bytes());
    let rows: Vec<(&str, Request, Wanted<'_>)> = vec![
        ("gzip", coded("gzip", &good), Ok((&good, true))),
        ("more than lies in memory", coded("gzip", &spaced), Ok((&spaced, true))),
        ("brotli", coded("br", BROTLI_TEA), Ok((BROTLI_TEA, true))),
        ("not what the contract says", coded("gzip", &wrong), Err((422, "contract-body"))),
        ("cut short", coded("gzip", &good[..20]), Err((400, "content-coding-malformed"))),
        ("a bomb", coded("br", BROTLI_BOMB), Err((413, "body-too-large"))),
    ];
    check(&stage, &rows);
}

#[test]
fn where_requests_are_only_watched_what_is_coded_is_read_and_goes_on_as_it_came() {
    let stage = stage("contract: { mode: observe }");
    let (good, wrong) = (gzip(TEA), gzip(b"{\"name\":1}"));
    let (spaced, large) =
        (gzip(spaced().as_bytes()), gzip(spaced().replace("tea\"", "tea\",\"more\":1").as_bytes()));
    let unlike = Some("contract-body");
    let rows: Vec<(&str, &str, &[u8], Option<&str>)> = vec![
        ("gzip", "gzip", &good, None),
        ("brotli", "br", BROTLI_TEA, None),
        ("in no coding", "identity", TEA, None),
        ("more than lies in memory", "gzip", &spaced, None),
        ("not what the contract says", "gzip", &wrong, unlike),
        ("more than lies in memory, and not what the contract says", "gzip", &large, unlike),
        ("in no coding, and not what the contract says", "identity", b"{\"name\":1}", unlike),
        ("another coding", "zstd", TEA, Some("content-coding-unsupported")),
        ("cut short", "gzip", &good[..20], Some("content-coding-malformed")),
        ("a bomb", "br", BROTLI_BOMB, Some("body-too-large")),
    ];
    let mut findings = Findings::default();
    for wire in Wire::ALL {
        for (name, coding, body, observed) in &rows {
            let mark = stage.backend.mark();
            let answer = wire.send(stage.public(), &coded(coding, body));
            let arrived = stage.backend.since(mark);
            let is_as_sent = matches!(&arrived[..], [one] if one.body == *body && one.text("content-encoding").as_deref() == Some(coding));
            let id = answer.text("x-request-id").expect("an id");
            let record = stage.gateway.record(&id, |record| {
                record["request.id"] == id.as_str() && record["event.name"] == "portcullis.access"
            });
            let is_said = record["portcullis.observed"].as_str() == *observed;
            let is_good = answer.status == 200 && is_as_sent && is_said;
            findings.note(
                format!("{name} ({wire:?})"),
                if is_good { Ok(()) } else { Err(format!("{arrived:?} {record}")) },
            );
        }
    }
    findings.conclude(rows.len() * 2);
}

/// A backend that was sent a part of a message sees it break off, and never its end.
#[test]
fn a_body_that_goes_on_while_it_is_judged_ends_only_when_it_was() {
    let stage = stage("contract: { body: tee }");
    let good = parts(&[("name=name", b"tea"), ("name=file; filename=a", &[b'x'; 200_000])]);
    let wrong = parts(&[("name=file; filename=a", &[b'x'; 200_000]), ("name=name", b"much longer than ten")]);
    let multipart = "multipart/form-data; boundary=XX";
    let pieces = gzip(TEA);
    let mut findings = Findings::default();
    for wire in Wire::ALL {
        for (name, request, expected, body) in [
            ("parts", post(multipart, &good), 200, Some(&good[..])),
            ("JSON", post("application/json", TEA), 200, Some(TEA)),
            ("coded JSON", coded("gzip", &pieces), 200, Some(TEA)),
            ("wrong parts", post(multipart, &wrong), 422, None),
            ("parts cut short", post(multipart, &good[..good.len() - 9]), 400, None),
            ("wrong JSON", post("application/json", b"{\"name\":1}"), 422, None),
            ("malformed JSON", post("application/json", b"{\"name\":"), 400, None),
            ("cut code", coded("gzip", &pieces[..20]), 400, None),
            ("another type", post("image/png", b"x"), 415, None),
        ] {
            let mark = stage.backend.mark();
            let status = wire.send(stage.public(), &request).status;
            let arrived = stage.backend.since(mark);
            let whole: Vec<&[u8]> = arrived
                .iter()
                .filter(|message| message.is_complete)
                .map(|message| &message.body[..])
                .collect();
            let outcome = match (status == expected, body, &whole[..]) {
                (true, Some(body), [one]) if *one == body => Ok(()),
                (true, None, []) => Ok(()),
                _ => Err(format!("{status}, {} whole messages arrived", whole.len())),
            };
            findings.note(format!("{name} ({wire:?})"), outcome);
        }
    }
    findings.conclude(18);
}

fn parts(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (head, content) in parts {
        let head = head.replace('|', "\r\n");
        body.extend(format!("--XX\r\nContent-Disposition: form-data; {head}\r\n\r\n").bytes());
        body.extend_from_slice(content);
        body.extend(b"\r\n");
    }
    body.extend(b"--XX--\r\n");
    body
}

#[test]
fn every_declared_type_is_judged_and_no_other_passes() {
    const MULTIPART: &str = "multipart/form-data; boundary=XX";
    let stage = stage("");
    let wrong = Err((422, "contract-body"));
    let unsupported = Err((415, "unsupported-media-type"));
    let malformed = Err((400, "body-malformed"));
    let file: Vec<u8> = (0..300_000_u32).map(|at| at.to_le_bytes()[usize::from(at % 3 == 0)]).collect();
    let name: (&str, &[u8]) = ("name=name", b"tea");
    let upload = parts(&[name, ("name=file; filename=a.bin|Content-Type: application/octet-stream", &file)]);
    let small = parts(&[name, ("name=thing|Content-Type: application/json", TEA)]);
    let many = parts(&vec![name; 21]);
    let bytes = vec![0xFF; 100_000];
    let rows: Vec<(&str, Request, Wanted<'_>)> = vec![
        (
            "a form",
            post("application/x-www-form-urlencoded", "name=tea&count=2"),
            Ok((b"name=tea&count=2", false)),
        ),
        ("a wrong form", post("application/x-www-form-urlencoded", "count=2"), wrong),
        ("a field twice", post("application/x-www-form-urlencoded", "name=a&name=b"), wrong),
        ("a text", post("text/plain; charset=utf-8", "0123456789"), Ok((b"0123456789", false))),
        ("a long text", post("text/plain", "0123456789a"), wrong),
        ("a text in another charset", post("text/plain; charset=utf-16", "a"), unsupported),
        ("bytes", post("application/octet-stream", &bytes), Ok((&bytes, false))),
        ("too many bytes", post("application/octet-stream", vec![0; 100_001]), wrong),
        ("a type nobody reads", post("application/xml", "<Thing/>"), Err((501, "not-enforceable"))),
        ("a type nobody declared", post("image/png", "x"), unsupported),
        ("no type is that of bytes", Request::post("/things", b"x"), Ok((b"x", false))),
        (
            "two types",
            post("application/json", TEA).field("content-type", "text/plain"),
            Err((400, "malformed-request")),
        ),
        (
            "no body",
            Request::post("/things", b"").field("content-type", "text/plain"),
            Err((400, "body-missing")),
        ),
        ("parts", post(MULTIPART, &small), Ok((&small, false))),
        ("parts that lie in a file", post(MULTIPART, &upload), Ok((&upload, false))),
        ("a part is missing", post(MULTIPART, parts(&[("name=thing", TEA)])), wrong),
        ("an undeclared part", post(MULTIPART, parts(&[name, ("name=other", b"x")])), wrong),
        (
            "a part of another type",
            post(MULTIPART, parts(&[name, ("name=thing|Content-Type: text/xml", TEA)])),
            wrong,
        ),
        ("a part that is wrong", post(MULTIPART, parts(&[name, ("name=thing", b"{\"name\":1}")])), wrong),
        (
            "a part that is malformed",
            post(MULTIPART, parts(&[name, ("name=thing", b"{\"name\":\"a\",}")])),
            malformed,
        ),
        (
            "two names of one file",
            post(MULTIPART, parts(&[("name=name; filename=a; filename*=UTF-8''b", b"x")])),
            malformed,
        ),
        (
            "a path for a name",
            post(MULTIPART, parts(&[name, ("name=file; filename=\"../a\"", b"x")])),
            malformed,
        ),
        ("another boundary", post("multipart/form-data; boundary=YY", &small), malformed),
        ("no boundary", post("multipart/form-data", &small), unsupported),
        ("cut short", post(MULTIPART, &upload[..upload.len() - 9]), malformed),
        ("too many parts", post(MULTIPART, &many), Err((413, "body-too-complex"))),
    ];
    check(&stage, &rows);
}
