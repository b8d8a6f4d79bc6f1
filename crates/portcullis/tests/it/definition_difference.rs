//! `diff OLD NEW`: what a new definition breaks for callers of the old one, for people and for CI.

use portcullis_testkit::gateway::Builder;
use serde_json::Value;

use crate::stage::{executable, text};

const OLD: &str = r"openapi: 3.1.0
info: { title: Shop, version: '1' }
paths:
  /items:
    get:
      parameters: [{ name: limit, in: query, schema: { type: integer, maximum: 500 } }]
      responses: { '200': { description: all, content: { application/json: { schema: { type: array, items: { $ref: '#/components/schemas/Item' } } } } } }
    post:
      requestBody: { content: { application/json: { schema: { $ref: '#/components/schemas/Item' } } } }
      responses: { '201': { description: made } }
components:
  schemas:
    Item:
      type: object
      required: [name]
      properties: { name: { type: string }, price: { type: number }, code: { type: string, pattern: '^[a-c]+$' } }
";

fn diff(old: &str, new: &str, more: &[&str]) -> (Option<i32>, String) {
    let builder = Builder::without_config(executable()).file("old.yaml", old).file("new.yaml", new);
    let output = builder.run(&[&["diff", "old.yaml", "new.yaml"], more].concat());
    (output.status.code(), text(&output))
}

#[test]
fn what_breaks_callers_is_told_with_both_places_and_a_value() {
    let new = OLD.replace("maximum: 500", "maximum: 100");
    let (code, text) = diff(OLD, &new, &[]);
    assert_eq!(code, Some(1), "{text}");
    for line in [
        "breaking request-narrowed  GET /items  query parameter `limit`",
        "    `maximum` 500 becomes 100: values that were taken are refused",
        "    old.yaml:6:54 -> new.yaml:6:54",
        "1 breaking, 0 unknown, 0 safe",
    ] {
        assert!(text.lines().any(|found| found == line), "`{line}` is not in\n{text}");
    }
    let (code, text) = diff(OLD, &new, &["--json"]);
    assert_eq!(code, Some(1), "{text}");
    let told: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((&told["verdict"], &told["breaking"]), (&"breaking".into(), &1.into()));
    let witness = told["changes"][0]["witness"].as_i64().expect("a number");
    assert!((101..=500).contains(&witness), "{witness}");
    assert_eq!(told["changes"][0]["new"]["line"], 6);
}

#[test]
fn one_schema_two_directions() {
    // One may be left out of answers now, which is allowed in requests.
    let (code, text) = diff(OLD, &OLD.replace("required: [name]", "required: []"), &[]);
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.contains("breaking member-not-promised  GET /items  response 200 application/json  /*"),
        "{text}"
    );
    assert!(
        text.contains("safe     member-requirement  POST /items  request body application/json"),
        "{text}"
    );
    assert!(text.contains("for instance: {"), "{text}");
}

#[test]
fn nothing_and_what_is_unknown() {
    assert_eq!(diff(OLD, OLD, &["--strict"]), (Some(0), "0 breaking, 0 unknown, 0 safe\n".to_owned()));
    // In requests alone: more texts may match, and none is known that does not any more.
    let old = OLD.replace("items: { $ref: '#/components/schemas/Item' }", "items: { type: string }");
    let wider = old.replace("[a-c]", "[a-d]");
    let (code, text) = diff(&old, &wider, &[]);
    assert_eq!(code, Some(0), "{text}");
    assert!(
        text.contains("unknown  request-narrowed  POST /items  request body application/json  /code"),
        "{text}"
    );
    assert_eq!(diff(&old, &wider, &["--strict"]).0, Some(1));
    // A value shows that this one is breaking, whatever the algebra says.
    let (code, text) = diff(&old, &old.replace("[a-c]", "[b-c]"), &[]);
    assert_eq!(code, Some(1), "{text}");
}

#[test]
fn what_cannot_be_compared_is_no_answer() {
    for (old, new) in [(OLD, "openapi: 9.9.9\n"), ("nothing", OLD)] {
        let (code, text) = diff(old, new, &[]);
        assert_eq!(code, Some(2), "{text}");
    }
    let output = Builder::without_config(executable()).run(&["diff", "a.yaml", "b.yaml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("a.yaml"));
}

#[test]
fn overlays_lie_on_both_definitions() {
    let new = OLD.replace("maximum: 500", "maximum: 100");
    let overlay = "overlay: 1.1.0\ninfo: { title: O, version: '1' }\nactions:\n- { target: '$.paths[\"/items\"].get.parameters[0].schema', \
                   update: { maximum: 50 } }\n";
    let run = |words: &[&str]| {
        let builder = Builder::without_config(executable())
            .file("old.yaml", OLD)
            .file("new.yaml", new.as_str())
            .file("o.yaml", overlay)
            .file("torn.yaml", "overlay: [");
        let output = builder.run(&[&["diff"], words].concat());
        (output.status.code(), text(&output))
    };
    assert_eq!(run(&["old.yaml", "new.yaml"]).0, Some(1));
    let (code, said) = run(&["old.yaml", "new.yaml", "--overlay", "o.yaml"]);
    assert_eq!((code, said.as_str()), (Some(0), "0 breaking, 0 unknown, 0 safe\n"));
    for wrong in [
        &["old.yaml", "new.yaml", "--overlay", "none.yaml"][..],
        &["old.yaml", "new.yaml", "--overlay", "torn.yaml"],
        &["old.yaml", "--overlay", "o.yaml"],
    ] {
        let (code, said) = run(wrong);
        assert_eq!(code, Some(2), "{wrong:?}: {said}");
    }
}
