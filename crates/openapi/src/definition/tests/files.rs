//! References, in memory and on disk.

use std::path::Path;

use super::super::{Bounds, Definition, Folder};
use super::{check, describe_all, load};

#[test]
fn parts_may_stand_in_other_files() {
    let definition = load(&[
        (
            "api.yaml",
            "openapi: 3.0.0
paths:
  /a/{id}: { $ref: paths/a.yaml }
  /b: { $ref: 'paths/all.json#/~1b' }
",
        ),
        (
            "paths/a.yaml",
            "parameters: [{ $ref: '../shared.yaml#/parameters/id' }]
get: { responses: { 200: { $ref: '../shared.yaml#/ok' } } }
",
        ),
        ("paths/all.json", r##"{ "/b": { "get": { "requestBody": { "$ref": "#/body" } } }, "body": { "content": { "a/b": {} } } }"##),
        ("shared.yaml", "parameters: { id: { $ref: '#/id' } }\nid: { in: path, name: id }\nok: { content: { text/event-stream: {} } }\n"),
    ])
    .unwrap();
    assert_eq!(describe_all(&definition), ["GET /a/{id} Path:id! Events", "GET /b body=a/b"]);
    assert_eq!(
        definition.documents,
        ["api.yaml".into(), "paths/a.yaml".into(), "shared.yaml".into(), "paths/all.json".into()]
            as [Box<str>; 4]
    );
    let get = &definition.operations[0];
    assert_eq!(&**definition.files.name(get.span.file), "paths/a.yaml");
    assert_eq!((get.span.line, get.pointer.to_string().as_str()), (2, "get"));
}

#[test]
fn a_path_item_may_have_operations_beside_its_reference() {
    check(
        &[(
            "api.yaml",
            "openapi: 3.1.0\npaths:\n  /a:\n    $ref: '#/components/pathItems/a'\n    get: {}\n    delete: {}\ncomponents:\n  \
                 pathItems:\n    a: { get: {}, put: {} }\n",
        )],
        &["GET /a", "DELETE /a", "PUT /a"],
        &["error: api.yaml:9:10: components.pathItems.a.get: is declared beside a reference and behind it"],
    );
}

#[test]
fn references_that_lead_nowhere_refuse_what_needs_them() {
    check(
        &[
            (
                "api.yaml",
                "openapi: 3.0.0
paths:
  /a: { $ref: '#/x-a', get: {} }
  /b: { $ref: missing.yaml }
  /c: { $ref: broken.yaml#/a }
  /d: { $ref: 'http://example.com/d.yaml' }
  /e: { $ref: ../d.yaml }
  /f: { $ref: 5 }
  /g: { get: { parameters: [{ $ref: '#/components/parameters/self' }] } }
  /h: { get: { parameters: [{ $ref: '#/components/parameters/self' }] } }
  /i: { $ref: '#/components/none' }
  /j: { get: {} }
x-a: { $ref: '#/x-b' }
x-b: { $ref: '#/x-a' }
components: { parameters: { self: { $ref: '#/components/parameters/self' } } }
",
            ),
            ("broken.yaml", "a: {\n"),
        ],
        &["GET /j"],
        &[
            "error: api.yaml:3:7: paths./a: the reference leads to itself, or through too many others",
            "error: api.yaml:4:15: paths./b.$ref: `missing.yaml` does not exist",
            "error: api.yaml:5:15: paths./c.$ref: `broken.yaml` cannot be used",
            "error: api.yaml:6:15: paths./d.$ref: `http://example.com/d.yaml`: references to other hosts or absolute paths \
             are not followed; hint: keep a copy of the document beside this one and refer to it by its relative path",
            "error: api.yaml:7:15: paths./e.$ref: `../d.yaml`: leads out of the root document's folder; hint: move the \
             document into the root document's folder",
            "error: api.yaml:8:15: paths./f.$ref: expected the text of a reference, found the number 5",
            "error: api.yaml:9:29: paths./g.get.parameters[0]: the reference leads to itself, or through too many others",
            "error: api.yaml:10:29: paths./h.get.parameters[0]: the reference leads to itself, or through too many others",
            "error: api.yaml:11:15: paths./i.$ref: `#/components/none` leads to nothing",
            "error: broken.yaml:2:1: not YAML: while parsing a node, did not find expected node content",
        ],
    );
}

#[test]
fn a_folder_gives_what_is_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("secret.yaml", "get: {}\n");
    write(
        "specs/api.yaml",
        "openapi: 3.0.0
paths:
  /a: { $ref: sub/a.yaml }
  /b: { $ref: link.yaml }
  /c: { $ref: linked/secret.yaml }
  /d: { $ref: inside.yaml }
  /e: { $ref: sub }
  /f: { $ref: none.yaml }
",
    );
    write("specs/sub/a.yaml", "get: {}\n");
    let link = |original: &str, link: &str| {
        std::os::unix::fs::symlink(original, folder.path().join(link)).unwrap();
    };
    link("../secret.yaml", "specs/link.yaml");
    link("..", "specs/linked");
    link("sub/a.yaml", "specs/inside.yaml");
    let load = |root: &Path| {
        let folder = Folder::of(root).unwrap();
        Definition::load(&folder, folder.root(), &Bounds::DEFAULT).unwrap()
    };
    let definition = load(&folder.path().join("specs/api.yaml"));
    assert_eq!(super::list(&definition), ["GET /a", "GET /d"]);
    let messages: Vec<&str> =
        definition.notices.iter().map(|notice| notice.finding.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "`link.yaml` lies outside of the root document's folder",
            "`linked/secret.yaml` lies outside of the root document's folder",
            "`sub` is not a file",
            "`none.yaml` does not exist",
        ]
    );
    assert!(definition.notices[0].finding.file.ends_with("specs/api.yaml"));
    // The root itself may be a link: the operator named it.
    write("mounted/keep", "");
    link("../specs/api.yaml", "mounted/api.yaml");
    let definition = load(&folder.path().join("mounted/api.yaml"));
    assert_eq!(definition.operations.len(), 0);
    assert_eq!(definition.notices.len(), 6);
    assert!(Folder::of(&folder.path().join("none/api.yaml")).is_err());
    let missing = Folder::of(&folder.path().join("none.yaml")).unwrap();
    let refused = Definition::load(&missing, missing.root(), &Bounds::DEFAULT).unwrap_err();
    assert!(refused.notices[0].to_string().ends_with("none.yaml: does not exist"), "{:?}", refused.notices);
}
