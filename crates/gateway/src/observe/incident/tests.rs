use serde_json::{Map, Value};

use super::{EVIDENCE_BYTES_MAX, Incident, redact};
use crate::observe::names::{FIELDS, Stream};
use crate::observe::record::Record;
use crate::observe::sample;

fn object(record: &Record<'_>) -> Map<String, Value> {
    let mut out = Vec::new();
    Incident::of(record).unwrap().write(&mut out);
    serde_json::from_slice(&out).unwrap()
}

#[test]
fn redaction_shows_what_was_asked_and_no_value() {
    let check = |line: &str, expected: &str| {
        assert_eq!(String::from_utf8(redact(line.as_bytes())).unwrap(), expected, "for {line:?}");
    };
    check("GET /orders/../admin HTTP/1.1", "GET /orders/../admin HTTP/1.1");
    check("GET /a?token=secret HTTP/1.1", "GET /a?[redacted]");
    check("GET /a#access_token=secret HTTP/1.1", "GET /a#[redacted]");
    check("GET /a;session=secret/b HTTP/1.1", "GET /a;session=[redacted]");
    check("GET /v1/books:cancel HTTP/1.1", "GET /v1/books:cancel HTTP/1.1");
    check("GET http://user:pass@host/a HTTP/1.1", "GET http://[redacted]@host/a HTTP/1.1");
    check("GET http://user:p@ss@host/a HTTP/1.1", "GET http://[redacted]@host/a HTTP/1.1");
    check("CONNECT user:pass@host:443 HTTP/1.1", "CONNECT [redacted]@host:443 HTTP/1.1");
    check("GET /users/@me HTTP/1.1", "GET /users/@me HTTP/1.1");
    check("Authorization: Bearer secret", "Authorization:[redacted]");
    check("  Authorization:Bearer secret", "Authorization:[redacted]");
    check("x Cookie: secret", "x Cookie:[redacted]");
    check("{\"password\":\"secret\"}", "{\"[redacted]");
    check("user=a&password=secret", "user=[redacted]");
    check("", "");
}

#[test]
fn evidence_is_cut_and_escaped() {
    let (peer, verdicts) = (sample::peer(), sample::refusal(&sample::MALFORMED));
    let long = [b"GET /".as_slice(), &[b'a'; 5_000]].concat();
    let evidence = &object(&sample::unread(&peer, &long, &verdicts))["portcullis.incident.evidence"];
    assert_eq!(evidence.as_str().unwrap().chars().count(), EVIDENCE_BYTES_MAX + 1);
    let raw = object(&sample::unread(&peer, b"G\xe9T\t/\x1b[2J", &verdicts));
    assert_eq!(raw["portcullis.incident.evidence"], "G\\xe9T\t/\u{1b}[2J");
}

#[test]
fn a_canonical_request_shows_method_and_path() {
    let (peer, verdicts) = (sample::peer(), sample::refusal(&sample::KEY_UNKNOWN));
    let incident = object(&sample::ended(&peer, &sample::KEY_UNKNOWN, &verdicts));
    assert_eq!(incident["portcullis.incident.evidence"], "POST /orders/42");
    assert_eq!(incident["portcullis.incident.kind"], "key-unknown");
    assert_eq!(incident["portcullis.incident.severity"], "medium");
    assert_eq!(incident["severity_text"], "WARN");
}

#[test]
fn a_problem_without_severity_is_no_incident() {
    let (peer, verdicts) = (sample::peer(), sample::verdicts());
    assert!(Incident::of(&sample::ended(&peer, &sample::TIMEOUT, &verdicts)).is_none());
    assert!(Incident::of(&sample::allowed(&peer, &verdicts)).is_none());
}

#[test]
fn incidents_carry_the_listed_fields_in_the_listed_order() {
    let (peer, verdicts) = (sample::peer(), sample::refusal(&sample::KEY_UNKNOWN));
    let parsed = object(&sample::ended(&peer, &sample::KEY_UNKNOWN, &verdicts));
    let written: Vec<&str> = parsed.keys().map(String::as_str).collect();
    let listed: Vec<&str> = FIELDS
        .iter()
        .filter(|field| field.streams.contains(&Stream::Incidents))
        .map(|field| field.name)
        .collect();
    assert_eq!(written, listed);
}
