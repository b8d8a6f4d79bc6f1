use super::*;
use crate::source::{Number, Value};

/// A tree in one line, as JSON.
fn shown(node: &Node) -> String {
    serde_json::to_string(node).unwrap()
}

struct Outcome {
    root: Node,
    files: Files,
    laid: Laid,
}

fn lay(document: &str, overlays: &[&str]) -> Outcome {
    lay_within(document, overlays, &Bounds::DEFAULT, &Reading::DEFINITION, false)
}

fn lay_within(
    document: &str,
    overlays: &[&str],
    bounds: &Bounds,
    reading: &Reading,
    must_match: bool,
) -> Outcome {
    let mut files = Files::new();
    let file = files.add("api.yaml");
    let mut root = source::parse(&files, file, document.as_bytes(), reading).unwrap();
    let name = |index: usize| ["one.yaml", "two.yaml"][index];
    let texts: Vec<Text<'_>> = overlays
        .iter()
        .enumerate()
        .map(|(index, text)| Text { name: name(index), bytes: text.as_bytes(), must_match })
        .collect();
    let laid = lay_on(&mut root, "api.yaml", &texts, &mut files, bounds, reading);
    Outcome { root, files, laid }
}

/// An Overlay 1.1 with these actions.
fn overlay(actions: &str) -> String {
    format!("overlay: 1.1.0\ninfo: {{ title: O, version: 1.0.0 }}\nactions:\n{actions}\n")
}

/// What becomes of a document, or why nothing does.
#[track_caller]
fn check(document: &str, actions: &str, expected: &str) {
    let outcome = lay(document, &[&overlay(actions)]);
    let found = match outcome.laid.errors.first() {
        None => shown(&outcome.root),
        Some(finding) => finding.to_string(),
    };
    assert_eq!(found, expected, "{actions}");
}

/// What is wrong with an Overlay.
#[track_caller]
fn complaints(text: &str) -> Vec<String> {
    lay("{}", &[text]).laid.errors.iter().map(ToString::to_string).collect()
}

#[test]
fn an_update_merges_mappings() {
    let document = "a: { x: 1, y: { z: [1], w: old } }";
    check(document, "- { target: $.a, update: { v: 2 } }", r#"{"a":{"x":1,"y":{"z":[1],"w":"old"},"v":2}}"#);
    check(document, "- { target: $.a, update: { x: 2 } }", r#"{"a":{"x":2,"y":{"z":[1],"w":"old"}}}"#);
    check(
        document,
        "- { target: $, update: { a: { y: { z: [2], w: new } } } }",
        r#"{"a":{"x":1,"y":{"z":[1,2],"w":"new"}}}"#,
    );
    check(
        document,
        "- { target: $.a.y.*, update: 1 }",
        "one.yaml:4:13: actions[0].target: finds mappings, lists and plain values together, which cannot be changed alike",
    );
    // A plain value takes the place of another, of whatever kind.
    check(
        document,
        "- { target: $, update: { a: { x: null } } }",
        r#"{"a":{"x":null,"y":{"z":[1],"w":"old"}}}"#,
    );
    let hint = "hint: an action before it can remove what stands there";
    for (update, said) in [
        (
            "{ a: { x: { b: 1 } } }",
            "4:38: actions[0].update.a.x: cannot merge a mapping into the number 1 at api.yaml:1",
        ),
        (
            "{ a: { x: [1] } }",
            "4:38: actions[0].update.a.x: cannot merge a list into the number 1 at api.yaml:1",
        ),
        (
            "{ a: { y: 1 } }",
            "4:38: actions[0].update.a.y: cannot merge the number 1 into a mapping at api.yaml:1",
        ),
        (
            "{ a: { y: [1] } }",
            "4:38: actions[0].update.a.y: cannot merge a list into a mapping at api.yaml:1",
        ),
        (
            "{ a: { y: { z: 1 } } }",
            "4:43: actions[0].update.a.y.z: cannot merge the number 1 into a list at api.yaml:1",
        ),
        ("{ a: }", "4:30: actions[0].update.a: cannot merge nothing into a mapping at api.yaml:1"),
        ("[1]", "4:28: actions[0].update: cannot merge a list into a mapping at api.yaml:1"),
    ] {
        check(
            document,
            &format!("- {{   target: $, update:   {update} }}"),
            &format!("one.yaml:{said}; {hint}"),
        );
    }
}

#[test]
fn an_update_adds_to_lists() {
    let document = "a: [1, 2]";
    check(document, "- { target: $.a, update: 3 }", r#"{"a":[1,2,3]}"#);
    check(document, "- { target: $.a, update: { b: 3 } }", r#"{"a":[1,2,{"b":3}]}"#);
    check(document, "- { target: $.a, update: [3, [4]] }", r#"{"a":[1,2,3,[4]]}"#);
    check(document, "- { target: '$.a[?@ > 1]', update: 3 }", r#"{"a":[1,3]}"#);
    check(document, "- { target: $.a.*, update: x }", r#"{"a":["x","x"]}"#);
}

#[test]
fn what_is_found_twice_is_changed_once() {
    check("a: [1]", "- { target: \"$['a','a']\", update: 2 }", r#"{"a":[1,2]}"#);
    check("a: [1, 2, 3]", "- { target: '$.a[0,0]', remove: true }", r#"{"a":[2,3]}"#);
}

#[test]
fn a_removal_takes_out_whatever_it_finds() {
    let document = "{ a: { b: 1, c: { b: 2 } }, l: [1, { b: 3 }, 2] }";
    check(document, "- { target: $..b, remove: true }", r#"{"a":{"c":{}},"l":[1,{},2]}"#);
    check(document, "- { target: '$.l[0,2]', remove: true }", r#"{"a":{"b":1,"c":{"b":2}},"l":[{"b":3}]}"#);
    check(document, "- { target: $..*, remove: true }", "{}");
    check(
        document,
        "- { target: '$.l[?@ == 1]', remove: true }",
        r#"{"a":{"b":1,"c":{"b":2}},"l":[{"b":3},2]}"#,
    );
    check(
        document,
        "- { target: $, remove: true }",
        "one.yaml:4:13: actions[0].target: leads to the whole document, which cannot be removed",
    );
    let many: Vec<String> = (0..40).map(|index| format!("k{index}: {{ v: {index} }}")).collect();
    let outcome = lay(
        &format!("{{ {} }}", many.join(", ")),
        &[&overlay("- { target: '$[?@.v > 1]', remove: true }\n- { target: $.k1, update: { v: 9 } }")],
    );
    assert_eq!(shown(&outcome.root), r#"{"k0":{"v":0},"k1":{"v":9}}"#);
}

#[test]
fn a_copy_merges_what_stands_elsewhere() {
    let document = "paths: { /items: { get: { tags: [a] } }, /some: { delete: {} } }";
    check(
        document,
        "- { target: \"$.paths['/some']\", copy: \"$.paths['/items']\" }",
        r#"{"paths":{"/items":{"get":{"tags":["a"]}},"/some":{"delete":{},"get":{"tags":["a"]}}}}"#,
    );
    // A rename, as the specification shows it.
    check(
        document,
        "- { target: $.paths, update: { /new: {} } }\n- { target: \"$.paths['/new']\", copy: \"$.paths['/items']\" }\n- { target: \"$.paths['/items']\", remove: true }",
        r#"{"paths":{"/some":{"delete":{}},"/new":{"get":{"tags":["a"]}}}}"#,
    );
    check(
        document,
        "- { target: \"$.paths['/some']\", copy: $.paths.* }",
        "one.yaml:4:39: actions[0].copy: finds 2 values in the definition; one can be copied",
    );
    check(
        document,
        "- { target: \"$.paths['/some']\", copy: $.none }",
        "one.yaml:4:39: actions[0].copy: finds 0 values in the definition; one can be copied",
    );
    let outcome =
        lay(document, &[&overlay("- { target: \"$.paths['/some']\", copy: \"$.paths['/items']\" }")]);
    let copied = outcome.root.at(&["paths", "/some", "get", "tags", "0"]).unwrap();
    assert_eq!(
        (&**outcome.files.name(copied.span.file), copied.span.line, copied.span.column),
        ("one.yaml", 4, 39)
    );
}

#[test]
fn actions_and_overlays_come_one_after_the_other() {
    let outcome = lay(
        "a: { b: 1 }",
        &[
            &overlay("- { target: $.a, remove: true }\n- { target: $, update: { a: { c: 2 } } }"),
            &overlay("- { target: $.a.c, update: 3 }"),
        ],
    );
    assert_eq!(shown(&outcome.root), r#"{"a":{"c":3}}"#);
    assert!(outcome.laid.warnings.is_empty(), "{:?}", outcome.laid.warnings);
}

#[test]
fn what_comes_in_keeps_its_place() {
    let actions = overlay("- target: $.a\n  update:\n    x: 9\n    new: { deep: [1] }");
    let outcome = lay("a: { x: 1, y: 2 }", &[&actions]);
    let place = |path: &[&str]| {
        let span = outcome.root.at(path).unwrap().span;
        format!("{}:{}:{}", outcome.files.name(span.file), span.line, span.column)
    };
    assert_eq!(place(&["a"]), "api.yaml:1:4");
    assert_eq!(place(&["a", "y"]), "api.yaml:1:15");
    assert_eq!(place(&["a", "x"]), "one.yaml:6:8");
    assert_eq!(place(&["a", "new", "deep", "0"]), "one.yaml:7:19");
    let (key, _) = outcome.root.at(&["a"]).unwrap().as_mapping().unwrap().entry("x").unwrap();
    assert_eq!(key.span.line, 6);
}

#[test]
fn an_action_that_finds_nothing_is_a_warning_unless_it_must() {
    let text = overlay("- { target: $.none, update: 1 }\n- { target: $, update: { a: 1 } }");
    let outcome = lay("{}", &[&text]);
    assert_eq!(shown(&outcome.root), r#"{"a":1}"#);
    assert!(outcome.laid.errors.is_empty());
    assert_eq!(
        outcome.laid.warnings[0].to_string(),
        "one.yaml:4:13: actions[0].target: finds nothing in the definition"
    );
    let outcome = lay_within("{}", &[&text], &Bounds::DEFAULT, &Reading::DEFINITION, true);
    assert_eq!(outcome.laid.errors.len(), 1);
}

#[test]
fn the_document_it_extends_is_compared() {
    let text = |extends: &str| {
        format!(
            "overlay: 1.0.0\ninfo: {{ title: O, version: 1 }}\nextends: {extends}\nactions: [{{ target: $, update: {{}} }}]"
        )
    };
    for (extends, is_told) in [
        ("api.yaml", false),
        ("./api.yaml", false),
        ("sub/../api.yaml", false),
        ("https://example.com/other.yaml", false),
        ("other.yaml", true),
        ("../api.yaml", true),
    ] {
        let warnings = lay("{}", &[&text(extends)]).laid.warnings;
        assert_eq!(!warnings.is_empty(), is_told, "{extends}: {warnings:?}");
    }
    let warning = lay("{}", &[&text("other.yaml")]).laid.warnings[0].to_string();
    assert_eq!(warning, "one.yaml:3:10: extends: is meant for `other.yaml` and laid on `api.yaml`");
}

#[test]
fn what_is_not_understood_does_not_load() {
    let whole = |rest: &str| format!("overlay: 1.1.0\ninfo: {{ title: O, version: 1 }}\n{rest}");
    for (text, said) in [
        ("{}".to_owned(), "1:1: is no Overlay: it has no `overlay`; hint: begin it with `overlay: 1.1.0`"),
        (
            "overlay: 1.2.0".to_owned(),
            "1:10: overlay: expected a known version, found \"1.2.0\"; hint: 1.0.x and 1.1.x are understood",
        ),
        (
            "overlay: 1.1.0\nactions: [{ target: $, remove: true }]".to_owned(),
            "1:1: info: is missing; hint: write `info: { title: …, version: 1.0.0 }`",
        ),
        (whole(""), "1:1: actions: expected a list of actions; hint: write at least one, with a `target`"),
        (
            whole("actions: []"),
            "3:10: actions: expected a list of actions; hint: write at least one, with a `target`",
        ),
        (
            whole("action: []\nactions: [{ target: $, update: {} }]"),
            "3:1: action: is not known here; hint: did you mean `actions`?",
        ),
        (
            whole("actions: [{ update: {} }]"),
            "3:11: actions[0].target: is missing; hint: write a JSONPath query, such as `$.paths.*.get`",
        ),
        (
            whole("actions: [{ target: paths, update: {} }]"),
            "3:21: actions[0].target: is no JSONPath query (RFC 9535): a query begins with `$` at character 1",
        ),
        (
            whole("actions: [{ target: $ }]"),
            "3:11: actions[0]: does nothing; hint: write `update`, `copy` or `remove: true`",
        ),
        (
            whole("actions: [{ target: $, remove: false }]"),
            "3:11: actions[0]: does nothing; hint: write `update`, `copy` or `remove: true`",
        ),
        (
            whole("actions: [{ target: $, remove: yes }]"),
            "3:32: actions[0].remove: expected `true` or `false`, found \"yes\"",
        ),
        (
            whole("actions: [{ target: $, update: {}, copy: $ }]"),
            "3:42: actions[0].copy: cannot stand beside `update`",
        ),
        (
            whole("actions: [{ target: $, delete: true, x-why: not }]"),
            "3:24: actions[0].delete: is not known here",
        ),
        (
            whole("actions: [{ target: 7, update: {} }]"),
            "3:21: actions[0].target: expected a JSONPath query, found the number 7",
        ),
    ] {
        let complaints = complaints(&text);
        assert_eq!(
            complaints.first().map(String::as_str),
            Some(format!("one.yaml:{said}").as_str()),
            "{text}"
        );
    }
    let outcome = lay("a: 1", &[&whole("actions: [{ target: $.a, update: 2, remove: true }]")]);
    assert_eq!(
        outcome.laid.warnings[0].to_string(),
        "one.yaml:3:34: actions[0]: has no effect beside `remove: true`"
    );
}

#[test]
fn a_hint_beyond_the_last_finding_is_left_out_with_its_finding() {
    let found = complaints(&overlay(&format!("{}- {{ description: no target }}", "- 1\n".repeat(100))));
    assert_eq!(found.len(), 100);
    assert_eq!(found.last().unwrap(), "one.yaml:103:3: actions[99]: expected an action, found the number 1");
}

#[test]
fn an_overlay_1_0_that_could_mean_two_things_does_not_load() {
    let text = |action: &str| {
        format!("overlay: 1.0.0\ninfo: {{ title: O, version: 1 }}\nactions:\n- {{ {action} }}")
    };
    let hint = "hint: write `overlay: 1.1.0`";
    for (action, said) in [
        (
            "target: $.l, update: [2]",
            format!(
                "4:26: actions[0].update: an Overlay 1.0 adds one item to a list, not a list; {hint}, which says what comes of it"
            ),
        ),
        (
            "target: $.p, update: 2",
            format!(
                "4:26: actions[0].update: an Overlay 1.0 changes mappings and lists, not plain values; {hint}, which says what comes of it"
            ),
        ),
        ("target: $.l, copy: $.p", format!("4:24: actions[0].copy: is not known in Overlay 1.0; {hint}")),
    ] {
        let outcome = lay("{ l: [1], p: 1 }", &[&text(action)]);
        assert_eq!(outcome.laid.errors[0].to_string(), format!("one.yaml:{said}"));
    }
    for (action, result) in [
        ("target: $.l, update: 2", r#"{"l":[1,2],"p":1}"#),
        ("target: $, update: { p: 2 }", r#"{"l":[1],"p":2}"#),
        ("target: $.p, remove: true", r#"{"l":[1]}"#),
    ] {
        assert_eq!(shown(&lay("{ l: [1], p: 1 }", &[&text(action)]).root), result);
    }
}

#[test]
fn growth_is_bounded_as_the_document_is() {
    let reading = Reading { nodes_max: 100, depth_max: 10, ..Reading::DEFINITION };
    let said = |document: &str, actions: &str, bounds: &Bounds| {
        let outcome = lay_within(document, &[&overlay(actions)], bounds, &reading, false);
        outcome.laid.errors.first().map(|finding| finding.message.clone()).unwrap_or_default()
    };
    let many = format!("[{}]", vec!["{}"; 30].join(","));
    let plenty = Bounds::DEFAULT;
    assert_eq!(
        said(&many, "- { target: '$[*]', update: { a: [1] } }", &plenty),
        "makes the definition have more than 100 values"
    );
    assert_eq!(said(&many, "- { target: '$[*]', update: { a: 1 } }", &plenty), "");
    // What is copied into itself grows deeper each time.
    let copies = "- { target: $.a, copy: $ }\n".repeat(12);
    assert_eq!(said("a: {}", &copies, &plenty), "makes the definition nest more than 10 deep");
    let poor = Bounds { budget: Budget { steps: 20, found_max: 10 }, ..plenty };
    assert_eq!(
        said(&many, "- { target: $..x, remove: true }", &poor),
        "the query looks at more of the document than it may"
    );
    let few = Bounds { actions_max: 1, ..plenty };
    assert_eq!(
        said("{}", "- { target: $, update: {} }\n- { target: $, update: {} }", &few),
        "are more than 1"
    );
}

#[test]
fn what_settings_said_before_is_kept() {
    let document = "x-portcullis: { a: 1 }
tags: [{ name: one, x-portcullis: { t: 1 } }, { name: two, x-portcullis: { t: 2 } }]
paths: { /a: { x-portcullis: { p: 1 }, get: { x-portcullis: { o: 1 } }, put: { x-portcullis: { o: 2 } } } }";
    let actions = overlay(
        "- { target: '$.tags[0]', remove: true }
- { target: \"$.paths['/a']['x-portcullis']\", update: { p: 2 } }
- { target: \"$.paths['/a'].get['x-portcullis']\", remove: true }
- { target: \"$.paths['/a']\", update: { post: { x-portcullis: { o: 3 } } } }
- { target: \"$.tags[0]['x-portcullis']\", update: { t: 3 } }",
    );
    let outcome = lay(document, &[&actions]);
    assert!(outcome.laid.errors.is_empty(), "{:?}", outcome.laid.errors);
    let before: Vec<String> =
        outcome.laid.before.iter().map(|(at, node)| format!("{at} {}", shown(node))).collect();
    assert_eq!(
        before,
        [
            r#"tags[0].x-portcullis {"t":2}"#,
            r#"paths./a.x-portcullis {"p":1}"#,
            r#"paths./a.get.x-portcullis {"o":1}"#
        ]
    );
    assert_eq!(shown(outcome.root.at(&["paths", "/a", "get"]).unwrap()), r#"{"x-portcullis":{}}"#);
    // An operation that is taken out and put in anew is the same operation.
    let actions = overlay(
        "- { target: \"$.paths['/a'].put\", remove: true }\n- { target: \"$.paths['/a']\", update: { put: {} } }",
    );
    assert_eq!(lay(document, &[&actions]).laid.before.len(), 1);
}

#[test]
fn numbers_stay_as_they_were_written() {
    let outcome = lay("{}", &[&overlay("- { target: $, update: { a: 1.10 } }")]);
    assert_eq!(outcome.root.get("a").unwrap().value, Value::Number(Number::new("1.10")));
}

/// The compliant sets of the specification's repository, which are never committed.
#[test]
#[ignore = "needs compliant-sets of OAI/Overlay-Specification; `./test.sh corpora` runs this where PORTCULLIS_OVERLAY_SETS names the folder"]
fn the_sets_of_the_specification_hold() {
    let folder =
        std::env::var("PORTCULLIS_OVERLAY_SETS").expect("PORTCULLIS_OVERLAY_SETS names compliant-sets");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let folder = entry.unwrap().path();
        let read = |name: &str| std::fs::read_to_string(folder.join(name));
        let Ok(overlay) = read("overlay.yaml") else { continue };
        let documents: Vec<String> = ["openapi.yaml", "arazzo.yaml", "asyncapi.yaml"]
            .iter()
            .filter_map(|name| read(name).ok())
            .collect();
        let outcome = lay(&documents[0], &[&overlay]);
        assert!(outcome.laid.errors.is_empty(), "{}: {:?}", folder.display(), outcome.laid.errors);
        let expected = lay(&read("output.yaml").unwrap(), &[]).root;
        let sorted = |node: &Node| serde_json::to_value(node).unwrap();
        assert_eq!(sorted(&outcome.root), sorted(&expected), "{}", folder.display());
        count += 1;
    }
    assert!(count >= 8, "{count} sets");
}
