//! Bodies that are no plain JSON: media types, forms, texts, bytes, multipart.

use super::compiled;
use crate::contract::{BodyFault, BodyNeeds, Contract, Violations};

/// A document whose one operation takes these media types.
fn taking(content: &str) -> Contract {
    let (_, contract) = compiled(&format!(
        "openapi: 3.1.0\ninfo: {{ title: t, version: '1' }}\npaths:\n  /a:\n    post:\n      requestBody:\n        \
         required: true\n        content:\n{content}\n      responses: {{}}\n"
    ));
    contract
}

/// What becomes of a body: the fault, or what is wrong with it as `pointer keyword`.
fn judged(contract: &Contract, content_type: &[&str], body: &[u8]) -> Result<Vec<String>, String> {
    let operation = contract.operation(0).expect("an operation");
    let mut lines = content_type.iter().map(|line| line.as_bytes());
    let chosen = operation.body().choose(&mut lines, true).map_err(named)?;
    let mut found = Violations::new();
    let outcome = operation.judge_body(chosen, body, &mut found).map_err(named);
    // As pieces it is the same.
    for piece in [1, 7, 1000] {
        let mut again = Violations::new();
        let mut judging = operation.begin_body(chosen).map_err(named)?;
        let outcome_again = body
            .chunks(piece)
            .try_for_each(|piece| operation.body_piece(&mut judging, piece))
            .and_then(|()| operation.end_body(judging, &mut again))
            .map_err(named);
        assert_eq!(outcome_again, outcome, "in pieces of {piece}");
        assert_eq!(again, found, "in pieces of {piece}");
    }
    outcome.map(|()| found.iter().map(|one| format!("{} {}", one.pointer, one.keyword)).collect())
}

fn named(fault: BodyFault) -> String {
    match fault {
        BodyFault::Missing => "missing".into(),
        BodyFault::Undeclared => "undeclared".into(),
        BodyFault::Type => "type".into(),
        BodyFault::NotEnforceable(range) => format!("gap {range}"),
        BodyFault::Malformed(fault) => format!("malformed {} {}", fault.pointer, fault.reason),
    }
}

fn good(contract: &Contract, content_type: &str, body: &str) {
    assert_eq!(judged(contract, &[content_type], body.as_bytes()), Ok(vec![]), "{content_type}: {body}");
}

fn wrong(contract: &Contract, content_type: &str, body: &str, expected: &[&str]) {
    let found = judged(contract, &[content_type], body.as_bytes());
    let expected = expected.iter().map(|one| (*one).to_owned()).collect();
    assert_eq!(found, Ok(expected), "{content_type}: {body}");
}

fn refused(contract: &Contract, content_type: &str, body: &str, expected: &str) {
    let found = judged(contract, &[content_type], body.as_bytes());
    assert_eq!(found, Err(expected.to_owned()), "{content_type}: {body}");
}

#[test]
fn the_most_specific_range_decides() {
    let contract = taking(
        "          '*/*': { schema: { type: object, required: [any] } }
          application/*: { schema: { type: object, required: [application] } }
          application/*+json: { schema: { type: object, required: [suffix] } }
          application/vnd.a+json: { schema: { type: object, required: [exactly] } }
          application/vnd.a+json; v=2: { schema: { type: object, required: [version] } }",
    );
    for (content_type, member) in [
        ("text/json", "any"),
        ("application/json", "application"),
        ("application/problem+json", "suffix"),
        ("Application/vnd.A+json; charset=UTF-8", "exactly"),
        ("application/vnd.a+json", "exactly"),
        ("application/vnd.a+json; v=3", "exactly"),
        ("application/vnd.a+json; v=2", "version"),
    ] {
        wrong(&contract, content_type, "{}", &[&format!("/{member} required")]);
    }
    for content_type in ["application/xml", "text/plain", "image/png", "multipart/form-data; boundary=x"] {
        refused(&contract, content_type, "{}", "type");
    }
}

#[test]
fn one_media_type_of_utf_8_is_asked_for() {
    let contract = taking("          application/json: { schema: { type: object } }");
    for lines in [
        &[][..],
        &[""],
        &["application/json", "application/json"],
        &["application/json, text/plain"],
        &["application/json; charset=utf-16"],
        &["application/json; charset=utf-8; charset=utf-8"],
        &["text/plain"],
        &["*/*"],
    ] {
        assert_eq!(judged(&contract, lines, b"{}"), Err("type".into()), "{lines:?}");
    }
    good(&contract, "application/json; charset=utf-8", "{}");
    let operation = contract.operation(0).unwrap();
    assert_eq!(operation.body().choose(&mut std::iter::empty(), false), Err(BodyFault::Missing));
    let (_, none) = compiled(
        "openapi: 3.1.0\ninfo: { title: t, version: '1' }\npaths: { /a: { post: { responses: {} } } }\n",
    );
    assert_eq!(judged(&none, &["application/json"], b"{}"), Err("undeclared".into()));
    assert!(none.operation(0).unwrap().body().choose(&mut std::iter::empty(), false).is_ok());
}

#[test]
fn bytes_are_judged_by_their_length() {
    let contract = taking(
        "          application/octet-stream: { schema: { type: string, format: binary, minLength: 2, maxLength: 4 } }
          image/*: {}
          application/pdf: { schema: { contentMediaType: application/pdf } }",
    );
    for content_type in [&["application/octet-stream"][..], &[]] {
        assert_eq!(judged(&contract, content_type, b"\xff\x00"), Ok(vec![]));
        assert_eq!(judged(&contract, content_type, b"1"), Ok(vec![" minLength".into()]));
        assert_eq!(judged(&contract, content_type, b"12345"), Ok(vec![" maxLength".into()]));
    }
    good(&contract, "image/png", "anything");
    good(&contract, "application/pdf", "anything");
    let operation = contract.operation(0).unwrap();
    assert_eq!(operation.body().needs(), BodyNeeds::Stream);
    let png = operation.body().choose(&mut [&b"image/png"[..]].into_iter(), true).unwrap();
    assert!(operation.judge_length(png, 1 << 40, &mut Violations::new()));
    let open = taking("          image/*: {}");
    assert_eq!(open.operation(0).unwrap().body().needs(), BodyNeeds::Nothing);
    let only_json = taking("          application/json: {}");
    assert_eq!(judged(&only_json, &[], b"{}"), Err("type".into()));
    refused(
        &only_json,
        "application/json",
        "{\"a\":1,\"a\":2}",
        "malformed /a a name stands twice in one object",
    );
}

#[test]
fn a_text_is_the_scalar_it_spells() {
    let contract = taking(
        "          text/plain: { schema: { type: integer, maximum: 5 } }
          text/csv: { schema: { type: string, maxLength: 3 } }",
    );
    good(&contract, "text/plain", "5");
    wrong(&contract, "text/plain; charset=utf-8", "6", &[" maximum"]);
    wrong(&contract, "text/plain", "x", &[" type"]);
    wrong(&contract, "text/csv", "a,bc", &[" maxLength"]);
    refused(&contract, "text/csv; charset=iso-8859-1", "a", "type");
    assert_eq!(judged(&contract, &["text/csv"], b"\xff"), Err("malformed  the text is not UTF-8".into()));
}

#[test]
fn a_type_that_nobody_reads_is_a_gap_and_its_neighbours_are_not() {
    let contract = taking(
        "          application/json: { schema: { type: object } }
          application/xml: { schema: { type: object } }
          multipart/related: { schema: { type: object } }
          application/x-ndjson: { itemSchema: { type: object } }
          application/protobuf: { schema: { type: object } }",
    );
    good(&contract, "application/json", "{}");
    for range in ["application/xml", "multipart/related", "application/protobuf"] {
        refused(&contract, range, "<a/>", &format!("gap {range}"));
    }
    let operation = contract.operation(0).unwrap();
    assert!(!operation.has_request_gap() && operation.gaps().len() >= 3, "{:?}", operation.gaps());
    let whole = taking("          application/xml: { schema: { type: object } }");
    assert!(whole.operation(0).unwrap().has_request_gap());
}

#[test]
fn a_form_is_an_object() {
    let contract = taking(
        "          application/x-www-form-urlencoded:
            schema: { type: object, required: [a], properties: { a: { type: integer }, b: { type: array, items: { type: string } } } }",
    );
    let form = "application/x-www-form-urlencoded";
    good(&contract, form, "a=1&b=x&b=y");
    good(&contract, "application/x-www-form-urlencoded; charset=UTF-8", "a=1");
    wrong(&contract, form, "b=x", &["/a required"]);
    wrong(&contract, form, "a=x", &["/a type"]);
    let found = judged(&contract, &[form], b"a=1&c=2").unwrap();
    assert!(found.len() == 1 && found[0].starts_with("/c "), "{found:?}");
    assert!(!judged(&contract, &[form], b"a=1&a=2").unwrap().is_empty());
    assert!(!judged(&contract, &[form], b"a=%ff").unwrap().is_empty());
}

/// A body of parts, each a head behind `form-data; ` and a content; `|` begins another field.
fn parts(parts: &[(&str, &str)]) -> String {
    let mut body = String::new();
    for (head, content) in parts {
        let head = head.replace('|', "\r\n");
        body.push_str(&format!("--XX\r\nContent-Disposition: form-data; {head}\r\n\r\n{content}\r\n"));
    }
    body + "--XX--\r\n"
}

const MULTIPART: &str = "multipart/form-data; boundary=XX";

fn uploading() -> Contract {
    taking(
        "          multipart/form-data:
            schema:
              type: object
              required: [title, file]
              properties:
                title: { type: string, maxLength: 5 }
                count: { type: integer }
                tags: { type: array, maxItems: 2, items: { type: string, enum: [a, b] } }
                meta: { type: object, properties: { n: { type: integer } } }
                metas: { type: array, items: { type: object, properties: { n: { type: integer } } } }
                file: { type: string, format: binary, minLength: 2, maxLength: 10 }
                files: { type: array, maxItems: 2, items: { type: string, format: binary } }
                icon: { anyOf: [{ type: string, contentMediaType: application/octet-stream }, { type: 'null' }] }
            encoding:
              file: { contentType: 'image/png, image/jpeg' }",
    )
}

#[test]
fn parts_are_properties() {
    let contract = uploading();
    assert_eq!(contract.operation(0).unwrap().gaps(), []);
    let title = ("name=title", "T");
    let file = ("name=file; filename=\"f.png\"|Content-Type: image/png", "\u{0}\u{1}\u{2}");
    good(&contract, MULTIPART, &parts(&[title, file]));
    good(&contract, "multipart/form-data; boundary=\"XX\"", &parts(&[title, file]));
    good(
        &contract,
        MULTIPART,
        &parts(&[
            ("name=tags", "a"),
            title,
            ("name=count", "12"),
            file,
            ("name=tags", "b"),
            ("name=meta|Content-Type: application/json", "{\"n\": 1}"),
            ("name=metas", "{\"n\": 1}"),
            ("name=metas; filename=m.json|Content-Type: application/json", "{}"),
            ("name=files; filename=a", ""),
            ("name=files; filename=b|Content-Type: text/plain", "x"),
            ("name=icon; filename=\"\"|Content-Type: application/octet-stream", ""),
        ]),
    );
    for (part, expected) in [
        (("name=count", "x"), "/count type"),
        (("name=title", "again"), "/title repeated"),
        (("name=meta", "{\"n\": \"x\"}"), "/meta/n type"),
        (("name=meta", "{\"m\": 1}"), "/meta/m additionalProperties"),
        (("name=meta|Content-Type: text/xml", "{}"), "/meta contentType"),
        (("name=count; filename=x", "1"), "/count file"),
        (("name=count|Content-Type: application/json", "1"), "/count contentType"),
        (("name=count|Content-Type: text/plain; charset=utf-16", "1"), "/count contentType"),
        (("name=count|Content-Type: nonsense", "1"), "/count contentType"),
        (("name=count|X-Own: 1", "1"), "/count headers"),
        (("name=tags", "c"), "/tags/0 enum"),
        (("name=other", "c"), "/other additionalProperties"),
        (("name=other; filename=x", "c"), "/other additionalProperties"),
    ] {
        wrong(&contract, MULTIPART, &parts(&[title, file, part]), &[expected]);
    }
    wrong(&contract, MULTIPART, &parts(&[title]), &["/file required"]);
    wrong(&contract, MULTIPART, &parts(&[file]), &["/title required"]);
    let long = ("name=file; filename=f|Content-Type: image/png", "12345678901");
    wrong(&contract, MULTIPART, &parts(&[title, long]), &["/file maxLength"]);
    let short = ("name=file; filename=f|Content-Type: image/png", "1");
    wrong(&contract, MULTIPART, &parts(&[title, short]), &["/file minLength"]);
    let gif = ("name=file; filename=f|Content-Type: image/gif", "123");
    wrong(&contract, MULTIPART, &parts(&[title, gif]), &["/file contentType", "/file required"]);
    let three = ("name=files; filename=f", "123");
    wrong(&contract, MULTIPART, &parts(&[title, file, three, three, three]), &["/files maxItems"]);
}

#[test]
fn fields_of_parts_are_judged_where_they_are_declared() {
    let contract = taking(
        "          multipart/form-data:
            schema: { type: object, required: [a], properties: { a: { type: string }, b: { type: array, items: { type: string } } } }
            encoding:
              a: { headers: { X-Rate: { required: true, schema: { type: integer, maximum: 9 } }, X-Tags: { schema: { type: array, items: { type: string, maxLength: 3 } } } } }
              b: { headers: { X-Own: { schema: { type: boolean } }, Content-Type: { schema: { enum: [none] } } } }",
    );
    assert_eq!(contract.operation(0).unwrap().gaps(), []);
    let a = ("name=a|X-Rate: 7|X-Tags: abc, d", "1");
    good(&contract, MULTIPART, &parts(&[a]));
    good(
        &contract,
        MULTIPART,
        &parts(&[("name=a|x-rate: 0", "1"), ("name=b|X-Own: true", "x"), ("name=b", "y")]),
    );
    for (sent, expected) in [
        (&[("name=a", "1")][..], "/a required"),
        (&[("name=a|X-Rate: many", "1")], "/a type"),
        (&[("name=a|X-Rate: 10", "1")], "/a maximum"),
        (&[("name=a|X-Rate: 1|X-Tags: abcd", "1")], "/a maxLength"),
        (&[a, ("name=b|X-Own: yes", "x")], "/b type"),
        (&[a, ("name=b|X-Own: true", "x"), ("name=b|X-Own: 1", "y")], "/b type"),
        (&[a, ("name=b|X-Rate: 1", "x")], "/b headers"),
    ] {
        let found = judged(&contract, &[MULTIPART], parts(sent).as_bytes()).unwrap();
        assert_eq!(found, [expected], "{sent:?}");
    }
}

#[test]
fn parts_of_a_mixed_body_are_properties_by_their_names() {
    let contract = taking(
        "          multipart/mixed:
            schema: { type: object, required: [meta], properties: { meta: { type: object, properties: { n: { type: integer } } }, file: { type: string, format: binary } } }",
    );
    assert_eq!(contract.operation(0).unwrap().gaps(), []);
    const MIXED: &str = "multipart/mixed; boundary=XX";
    let meta = ("name=meta|Content-Type: application/json", "{\"n\": 1}");
    good(&contract, MIXED, &parts(&[meta, ("name=file; filename=f", "x")]));
    wrong(&contract, MIXED, &parts(&[("name=file; filename=f", "x")]), &["/meta required"]);
    wrong(&contract, MIXED, &parts(&[("name=meta", "{\"n\": \"x\"}")]), &["/meta/n type"]);
    wrong(&contract, MIXED, &parts(&[meta, ("name=other", "x")]), &["/other additionalProperties"]);
    refused(&contract, MULTIPART, &parts(&[meta]), "type");
    let nameless = parts(&[meta]).replace("Content-Disposition: form-data; name=meta\r\n", "");
    assert!(judged(&contract, &[MIXED], nameless.as_bytes()).is_err(), "{nameless}");
    // By position there are no names to judge by.
    let contract = taking("          multipart/mixed: { schema: { type: array, items: { type: object } } }");
    refused(&contract, MIXED, &parts(&[meta]), "gap multipart/mixed");
}

#[test]
fn more_parts_that_may_not_be_there_than_are_told_are_said_to_be_more() {
    let contract =
        taking("          multipart/form-data: { schema: { type: object, additionalProperties: true } }");
    let operation = contract.operation(0).unwrap();
    let names: Vec<String> = (0..11).map(|at| format!("name=p{at}|X-Own: 1")).collect();
    for (count, is_more) in [(10, false), (11, true)] {
        let body: Vec<(&str, &str)> = names.iter().take(count).map(|name| (&**name, "x")).collect();
        let chosen = operation.body().choose(&mut [MULTIPART.as_bytes()].into_iter(), true).unwrap();
        let mut found = Violations::new();
        operation.judge_body(chosen, parts(&body).as_bytes(), &mut found).unwrap();
        assert_eq!((found.iter().count(), found.is_more()), (10, is_more), "{found:?}");
    }
}

#[test]
fn malformed_parts_never_crash_and_never_pass() {
    let contract = uploading();
    let title = ("name=title", "T");
    let file = ("name=file; filename=f|Content-Type: image/png", "123");
    let body = |part: (&str, &str)| parts(&[title, file, part]);
    refused(
        &contract,
        MULTIPART,
        &body(("name=meta", "{\"n\": 1, \"n\": 2}")),
        "malformed /meta/n a name stands twice in one object",
    );
    refused(
        &contract,
        MULTIPART,
        &body(("name=meta", "")),
        "malformed /meta the text ends where a value is expected",
    );
    let deep = judged(&contract, &[MULTIPART], body(("name=meta", &"[".repeat(100))).as_bytes());
    assert!(deep.is_err_and(|fault| fault.ends_with("nested too deep")));
    let latin: Vec<u8> =
        body(("name=count", "?")).bytes().map(|b| if b == b'?' { 0xFF } else { b }).collect();
    let found = judged(&contract, &[MULTIPART], &latin).unwrap();
    assert!(found.contains(&"/count encoding".to_owned()), "{found:?}");
    for (content_type, expected) in [
        ("multipart/form-data", "type"),
        ("multipart/form-data; boundary=", "type"),
        ("multipart/form-data; boundary=\"a b\"", "type"),
        ("multipart/form-data; boundary=YY", "malformed  the body does not begin with its boundary"),
        ("multipart/form-data; boundary=XX; boundary=YY", "type"),
        ("multipart/mixed; boundary=XX", "type"),
    ] {
        refused(&contract, content_type, &body(("name=count", "1")), expected);
    }
    refused(&contract, MULTIPART, "", "malformed  the body stops before its last boundary");
    let whole = body(("name=count", "1"));
    for end in 0..whole.len() {
        let cut = judged(&contract, &[MULTIPART], &whole.as_bytes()[..end]);
        let is_whole = end + 2 >= whole.len();
        assert_eq!(
            cut.is_ok_and(|found| found.is_empty()),
            is_whole && end != whole.len() - 1,
            "cut at {end}"
        );
    }
}

#[test]
fn bombs_of_parts_are_refused_at_their_bounds() {
    let contract = uploading();
    let many = vec![("name=tags", "a"); 21];
    refused(&contract, MULTIPART, &parts(&many), "malformed  too many parts, or too large heads of them");
    let long = "x".repeat(2 << 20);
    let found = judged(&contract, &[MULTIPART], parts(&[("name=meta", &long)]).as_bytes());
    assert_eq!(found, Err("malformed /meta too many bytes".into()));
}

#[test]
fn what_parts_cannot_tell_is_a_gap() {
    for (property, encoding) in [
        ("{ type: [object, string] }", ""),
        ("{ type: array, items: { type: array, items: { type: string } } }", ""),
        ("{ type: string, format: binary, pattern: a }", ""),
        ("{ type: array, items: { type: string } }", "{ style: pipeDelimited, explode: false }"),
        ("{ type: string }", "{ headers: { Content-Disposition: { schema: { type: string } } } }"),
        ("{ type: string }", "{ headers: { X-A: { schema: { type: array, items: { type: array } } } } }"),
        ("{ type: object }", "{ contentType: 'application/json, text/plain' }"),
    ] {
        let encoding = if encoding.is_empty() { "{}".to_owned() } else { format!("{{ p: {encoding} }}") };
        let contract = taking(&format!(
            "          multipart/form-data:\n            schema: {{ type: object, properties: {{ p: {property} }} }}\n            \
             encoding: {encoding}"
        ));
        assert!(contract.operation(0).unwrap().has_request_gap(), "{property} {encoding}");
        refused(&contract, MULTIPART, &parts(&[("name=p", "1")]), "gap multipart/form-data");
    }
}

#[test]
fn parts_of_3_0_have_no_styles() {
    // OpenAPI 3.0, Encoding Object: these SHALL be ignored outside of url-encoded forms.
    for encoding in ["style: pipeDelimited, explode: false", "allowReserved: true"] {
        let text = format!(
            "openapi: 3.0.3\ninfo: {{ title: t, version: '1' }}\npaths:\n  /a:\n    post:\n      requestBody:\n        content:\n          \
             multipart/form-data:\n            schema: {{ type: object, properties: {{ p: {{ type: array, items: {{ type: integer }} }} }} }}\n            \
             encoding: {{ p: {{ {encoding} }} }}\n      responses: {{}}\n"
        );
        let (_, contract) = compiled(&text);
        assert!(!contract.operation(0).unwrap().has_request_gap(), "{encoding}");
        let sent = parts(&[("name=p", "1"), ("name=p", "2")]);
        assert_eq!(judged(&contract, &[MULTIPART], sent.as_bytes()), Ok(Vec::new()), "{encoding}");
        let sent = parts(&[("name=p", "1"), ("name=p", "x")]);
        assert!(
            judged(&contract, &[MULTIPART], sent.as_bytes()).is_ok_and(|found| !found.is_empty()),
            "{encoding}"
        );
    }
}
