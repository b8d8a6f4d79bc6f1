use std::time::Duration;

use serde_json::{Map, Value};

use super::write;
use crate::http::trace::{Span, Trace};
use crate::observe::names::{FIELDS, Stream};
use crate::observe::record::{Decision, Record};
use crate::observe::sample;

fn line(record: &Record<'_>) -> String {
    let mut out = Vec::new();
    write(&mut out, record);
    String::from_utf8(out).unwrap()
}

fn object(record: &Record<'_>) -> Map<String, Value> {
    serde_json::from_str(&line(record)).unwrap()
}

#[test]
fn the_record_of_an_allowed_exchange_reads_so() {
    let (peer, verdicts) = (sample::peer(), sample::verdicts());
    let expected = concat!(
        r#"{"timestamp":"2023-11-14T22:13:20.007Z","severity_text":"INFO","event.name":"portcullis.access","#,
        r#""request.id":"01900000-0000-7000-8000-000000000001","trace_id":"0af7651916cd43dd8448eb211c80319c","#,
        r#""span_id":"b7ad6b7169203331","portcullis.listener":"public","#,
        r#""client.address":"203.0.113.9","network.peer.address":"192.0.2.7","network.protocol.version":"1.1","#,
        r#""tls.protocol.version":"1.3","http.request.method":"POST","url.scheme":"https","#,
        r#""server.address":"api.example.com","url.path":"/orders/42","http.route":"/orders/{id}","#,
        r#""http.response.status_code":201,"http.request.body.size":17,"http.response.body.size":1024,"#,
        r#""user_agent.original":"curl/8.5.0","portcullis.api":"orders","portcullis.operation":"createOrder","#,
        r#""portcullis.consumer":"partner","portcullis.credential":"k1","portcullis.decision":"allowed","#,
        r#""portcullis.upstream.address":"http://10.0.0.5:8080","portcullis.upstream.duration_ms":9.001,"#,
        r#""portcullis.overhead_ms":0.087,"portcullis.duration_ms":12.345,"portcullis.config_hash":"5f2d"}"#,
        "\n"
    );
    assert_eq!(line(&sample::allowed(&peer, &verdicts)), expected);
}

#[test]
fn a_refusal_names_the_control_the_problem_and_the_cause() {
    let (peer, verdicts) = (sample::peer(), sample::refusal(&sample::KEY_UNKNOWN));
    let record = object(&sample::ended(&peer, &sample::KEY_UNKNOWN, &verdicts));
    let check = |name: &str, value: &str| assert_eq!(record[name], value, "{name}");
    check("severity_text", "WARN");
    check("portcullis.decision", "refused");
    check("portcullis.control", "key-unknown");
    check("portcullis.flag", "client");
    check("error.type", "key-unknown");
    check("portcullis.cause", "what the log is told");
}

#[test]
fn what_never_became_a_request_has_a_record_too() {
    let (peer, verdicts) = (sample::peer(), sample::refusal(&sample::MALFORMED));
    let record = object(&sample::unread(&peer, b"GET /?token=secret HTTP/1.1", &verdicts));
    assert_eq!(record["http.response.status_code"], 400);
    assert!(!record.contains_key("url.path") && !record.contains_key("http.request.method"));
    assert!(!line(&sample::unread(&peer, b"GET /?token=secret HTTP/1.1", &verdicts)).contains("secret"));
}

#[test]
fn hostile_values_stay_inside_their_field() {
    let (peer, verdicts) = (sample::peer(), sample::verdicts());
    let hostile = "\r\n{\"portcullis.decision\":\"allowed\"}\u{1b}[2J\"\\";
    let mut record = sample::allowed(&peer, &verdicts);
    record.decision = Decision::Refused;
    record.path = Some(hostile);
    record.user_agent = Some(hostile);
    record.host = Some(hostile);
    let text = line(&record);
    assert_eq!(text.matches('\n').count(), 1);
    assert!(!text.contains('\r') && !text.contains('\u{1b}'));
    let parsed = object(&record);
    assert_eq!(parsed["url.path"], hostile);
    assert_eq!(parsed["user_agent.original"], hostile);
    assert_eq!(parsed["portcullis.decision"], "refused");
}

#[test]
fn records_carry_the_listed_fields_in_the_listed_order() {
    let (peer, verdicts) = (sample::peer(), sample::verdicts());
    let refusal = sample::refusal(&sample::KEY_UNKNOWN);
    let mut record = sample::ended(&peer, &sample::KEY_UNKNOWN, &refusal);
    let whole = sample::allowed(&peer, &verdicts);
    (record.backend, record.overhead, record.resends) = (whole.backend, whole.overhead, 1);
    record.authorizer = Some(("policy", Duration::from_millis(3)));
    record.observed = Some((&sample::KEY_UNKNOWN, Some("what the log is told")));
    record.unseen = Some("busy");
    let trace = Trace { parent: Some(7), link: Some(Span { trace: 8, span: 9 }), ..sample::TRACE };
    record.trace = &trace;
    let parsed = object(&record);
    let written: Vec<&str> = parsed.keys().map(String::as_str).collect();
    let listed: Vec<&str> = FIELDS
        .iter()
        .filter(|field| field.streams.contains(&Stream::Access))
        .map(|field| field.name)
        .collect();
    assert_eq!(written, listed);
}
