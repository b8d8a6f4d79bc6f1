//! Overlays: laid on before the document is read, and reported where they are written.

use super::documents;
use crate::definition::{Bounds, Definition, Loads, Refused};
use crate::overlay::Text;

const API: &str = "openapi: 3.1.0
info: { title: Shop, version: '1' }
paths:
  /items:
    get: { operationId: listItems }
    delete: { operationId: clear, x-portcullis: { bounds: { body: 1KiB } } }
";

fn load(files: &[(&str, &str)], overlay: &str) -> Result<Definition, Refused> {
    let overlays = [Text { name: "overlay.yaml", bytes: overlay.as_bytes(), must_match: false }];
    let loads = Loads { overlays: &overlays, ..Loads::default() };
    Definition::load_with(&documents(files), files[0].0, &Bounds::DEFAULT, &loads)
}

fn overlay(actions: &str) -> String {
    format!("overlay: 1.1.0\ninfo: {{ title: O, version: 1.0.0 }}\nactions:\n{actions}\n")
}

fn told(notices: &[crate::definition::Notice]) -> Vec<String> {
    notices.iter().map(ToString::to_string).collect()
}

#[test]
fn an_overlay_changes_what_is_published() {
    let text = overlay(
        "- { target: \"$.paths['/items'].delete\", remove: true }
- { target: $.paths, update: { /new: { $ref: 'parts.yaml#/new' } } }
- { target: \"$.paths['/items'].get\", update: { x-portcullis: { auth: none } } }",
    );
    let parts = "new: { post: { operationId: add } }";
    let definition = load(&[("api.yaml", API), ("parts.yaml", parts)], &text).unwrap();
    assert!(definition.notices.is_empty(), "{:#?}", definition.notices);
    assert_eq!(super::list(&definition), ["GET /items", "POST /new"]);
    let settings = definition.operations[0].settings.as_deref().unwrap();
    let place = (&**definition.files.name(settings.node.span.file), settings.node.span.line);
    assert_eq!(place, ("overlay.yaml", 6));
    assert!(settings.before.is_none());
    // The Overlay is no document of the definition's folder: whoever names it watches it.
    assert_eq!(definition.documents, ["api.yaml".into(), "parts.yaml".into()]);
}

#[test]
fn what_it_does_wrong_is_reported_at_its_place() {
    let text = overlay("- { target: $.paths, update: { 'items': { get: {} } } }");
    let definition = load(&[("api.yaml", API)], &text).unwrap();
    assert_eq!(
        told(&definition.notices),
        [
            "error: overlay.yaml:4:32: paths.items: a path template starts with `/` (at byte 0); hint: mend the document, or write `skip: [\"items\"]` below the API to publish it without this"
        ]
    );
    let refused = load(&[("api.yaml", API)], &overlay("- { target: $.info.title, update: [] }")).unwrap_err();
    assert_eq!(
        told(&refused.notices),
        [
            "error: overlay.yaml:4:35: actions[0].update: cannot merge a list into \"Shop\" at api.yaml:2; hint: an action before it can remove what stands there"
        ]
    );
    let definition = load(&[("api.yaml", API)], &overlay("- { target: $.none, remove: true }")).unwrap();
    assert_eq!(
        told(&definition.notices),
        ["warning: overlay.yaml:4:13: actions[0].target: finds nothing in the definition"]
    );
    assert_eq!(definition.operations.len(), 2);
}

#[test]
fn settings_remember_what_the_document_said() {
    let text = overlay("- { target: \"$.paths['/items'].delete['x-portcullis']\", remove: true }");
    let definition = load(&[("api.yaml", API)], &text).unwrap();
    assert!(definition.notices.is_empty(), "{:#?}", definition.notices);
    let settings = definition.operations[1].settings.as_deref().unwrap();
    assert!(settings.node.as_mapping().unwrap().is_empty());
    assert!(settings.before.as_ref().unwrap().get("bounds").is_some());
}
