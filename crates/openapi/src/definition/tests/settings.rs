//! `x-portcullis`: kept where it counts, reported where it does not.

use super::{check, load};

#[test]
fn settings_are_kept_at_root_tags_paths_operations_and_responses() {
    let definition = load(&[(
        "api.yaml",
        "openapi: 3.0.0
x-portcullis: { at: root }
tags: [{ name: t, x-portcullis: { at: tag } }]
paths:
  /a:
    x-portcullis: { at: path }
    get:
      x-portcullis: { at: operation }
      responses:
        200: { x-portcullis: { at: response } }
        4XX: { $ref: '#/components/responses/x' }
    put: { responses: { default: { $ref: '#/components/responses/x' } } }
components: { responses: { x: { x-portcullis: { at: shared } } } }
",
    )])
    .unwrap();
    assert!(definition.notices.is_empty(), "{:#?}", definition.notices);
    let at = |settings: &super::super::Settings| {
        format!("{} {}", settings.pointer, settings.node.get("at").unwrap().as_str().unwrap())
    };
    let of = |settings: &Option<_>| settings.as_deref().map(at).unwrap();
    assert_eq!(of(&definition.settings), "x-portcullis root");
    assert_eq!(of(&definition.tags[0].settings), "tags[0].x-portcullis tag");
    let [get, put] = &definition.operations[..] else { panic!("two operations") };
    assert_eq!(of(&get.path_settings), "paths./a.x-portcullis path");
    assert_eq!(of(&get.settings), "paths./a.get.x-portcullis operation");
    let responses: Vec<String> =
        get.response_settings.iter().map(|(status, settings)| format!("{status} {}", at(settings))).collect();
    assert_eq!(
        responses,
        [
            "200 paths./a.get.responses.200.x-portcullis response",
            "4XX components.responses.x.x-portcullis shared"
        ]
    );
    assert!(put.settings.is_none());
    // Shared settings are one in memory too.
    assert!(std::sync::Arc::ptr_eq(&get.response_settings[1].1, &put.response_settings[0].1));
}

#[test]
fn settings_that_have_no_effect_are_reported() {
    check(
        &[(
            "api.yaml",
            "openapi: 3.0.0
info: { x-portcullis: {} }
x-portculis: {}
paths:
  x-portcullis: {}
  /a:
    get:
      parameters: [{ name: a, in: query, x-portcullis: {}, example: { x-portcullis: {} } }]
      responses:
        200: { $ref: '#/components/responses/x', x-portcullis: {} }
    put: {}
  /b?: { get: { x-portcullis: {} } }
components: { responses: { x: {}, y: { x-portcullis: {} } } }
",
        )],
        &["PUT /a"],
        &[
            "warning: api.yaml:2:9: info.x-portcullis: has no effect here; hint: settings may stand at the root, in tags, \
             paths, operations and responses in use",
            "warning: api.yaml:3:1: x-portculis: is not known and has no effect; hint: did you mean `x-portcullis`?",
            "warning: api.yaml:5:3: paths.x-portcullis: has no effect here; hint: settings may stand at the root, in \
             tags, paths, operations and responses in use",
            "error: api.yaml:10:64: paths./a.get.responses.200.x-portcullis: has no effect beside `$ref`",
            "error: api.yaml:12:3: paths.\"/b?\": a query is not part of a path: requests are not told apart by it (at \
             byte 2); hint: mend the document, or write \
             `skip: [\"/b?\"]` below the API to publish it without this",
            "warning: api.yaml:13:40: components.responses.y.x-portcullis: has no effect here; hint: settings may stand at \
             the root, in tags, paths, operations and responses in use",
        ],
    );
}

#[test]
fn settings_on_both_sides_of_a_path_reference_refuse_the_path() {
    check(
        &[(
            "api.yaml",
            "openapi: 3.1.0\npaths:\n  /a: { $ref: '#/components/pathItems/a', x-portcullis: {} }\ncomponents:\n  \
             pathItems:\n    a: { get: {}, x-portcullis: {} }\n",
        )],
        &[],
        &[
            "error: api.yaml:6:8: components.pathItems.a: stands behind a reference that has `x-portcullis` beside it: \
             one of them would not count",
            "error: api.yaml:6:10: components.pathItems.a.get: is not published: a part it shares with other operations \
             cannot be used",
        ],
    );
}
