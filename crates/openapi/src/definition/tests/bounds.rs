//! What one document may cost, whatever it says.

use super::super::{Bounds, Definition};
use super::documents;

fn refused(text: &str, bounds: &Bounds) -> Vec<String> {
    let refused = Definition::load(&documents(&[("api.yaml", text)]), "api.yaml", bounds).unwrap_err();
    refused.notices.iter().map(ToString::to_string).collect()
}

#[test]
fn shared_parts_are_counted_as_often_as_they_are_used() {
    let parameters: String = (0..1000).map(|at| format!("{{ in: query, name: p{at} }},")).collect();
    let paths: String = (0..100).map(|at| format!("  /a{at}: {{ $ref: '#/x-shared' }}\n")).collect();
    let text = format!(
        "openapi: 3.0.0\npaths:\n{paths}x-shared: {{ parameters: [{parameters}], get: {{}}, put: {{}} }}\n"
    );
    let load = |bounds: &Bounds| Definition::load(&documents(&[("api.yaml", &text)]), "api.yaml", bounds);
    let definition = load(&Bounds::DEFAULT).unwrap();
    assert_eq!(definition.operations.len(), 200);
    let [first, .., last] = &definition.operations[..] else { panic!("200") };
    assert!(std::sync::Arc::ptr_eq(&first.parameters[7], &last.parameters[7]));
    let notices = refused(&text, &Bounds { parts_max: 50_000, ..Bounds::DEFAULT });
    assert!(notices.contains(&"error: api.yaml:1:1: uses more than 50000 parts".to_owned()), "{notices:?}");
    let notices = refused(&text, &Bounds { operations_max: 100, ..Bounds::DEFAULT });
    assert!(notices.contains(&"error: api.yaml:1:1: has more than 100 operations".to_owned()), "{notices:?}");
}

#[test]
fn long_texts_are_parts_too() {
    let id = "x".repeat(100_000);
    let paths: String = (0..100).map(|at| format!("  /a{at}: {{ $ref: '#/x-shared' }}\n")).collect();
    let text = format!("openapi: 3.0.0\npaths:\n{paths}x-shared: {{ get: {{ operationId: {id} }} }}\n");
    let notices = refused(&text, &Bounds { parts_max: 100_000, ..Bounds::DEFAULT });
    assert!(notices.contains(&"error: api.yaml:1:1: uses more than 100000 parts".to_owned()), "{notices:?}");
}

#[test]
fn errors_are_bounded_and_warnings_left_out() {
    let paths: String = (0..100).map(|at| format!("  a{at}: {{}}\n  /b{at}:\n")).collect();
    let text = format!("openapi: 3.0.0\npaths:\n{paths}");
    let bounds = Bounds { notices_max: 10, ..Bounds::DEFAULT };
    let notices = refused(&text, &bounds);
    assert!(notices.contains(&"error: api.yaml:1:1: has more than 10 errors".to_owned()), "{notices:?}");
    let paths: String = (0..100).map(|at| format!("  /b{at}:\n")).collect();
    let text = format!("openapi: 3.0.0\npaths:\n{paths}");
    let definition = Definition::load(&documents(&[("api.yaml", &text)]), "api.yaml", &bounds).unwrap();
    assert_eq!(definition.notices.len(), 11);
    assert_eq!(
        definition.notices[0].to_string(),
        "warning: api.yaml:1:1: has more than 10 warnings; the others are left out"
    );
}

#[test]
fn long_keys_are_cut_in_findings() {
    let key = "k".repeat(100_000);
    let text = format!("openapi: 3.0.0\npaths:\n  /a:\n    ? {key}\n    : []\n");
    let definition =
        Definition::load(&documents(&[("api.yaml", &text)]), "api.yaml", &Bounds::DEFAULT).unwrap();
    assert!(definition.notices[0].finding.path.len() < 2000);
}

#[test]
fn files_and_bytes_are_bounded() {
    let texts: Vec<(String, String)> = (0..10)
        .map(|at| (format!("f{at}.yaml"), format!("$ref: f{}.yaml\n", at + 1)))
        .chain([("api.yaml".to_owned(), "openapi: 3.0.0\npaths: { /a: { $ref: f0.yaml } }\n".to_owned())])
        .chain([("f10.yaml".to_owned(), "get: {}\n".to_owned())])
        .collect();
    let texts: Vec<(&str, &str)> = texts.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let load = |bounds| Definition::load(&documents(&texts), "api.yaml", &bounds).unwrap();
    assert_eq!(load(Bounds::DEFAULT).operations.len(), 1);
    for (bounds, expected) in [
        (Bounds { files_max: 5, ..Bounds::DEFAULT }, "`f4.yaml` is one file too many"),
        (
            Bounds { bytes_max: 100, ..Bounds::DEFAULT },
            "`f3.yaml` has more than the 10 bytes that may be read",
        ),
        (
            Bounds { chain_max: 5, ..Bounds::DEFAULT },
            "the reference leads to itself, or through too many others",
        ),
    ] {
        let definition = load(bounds);
        assert_eq!(definition.operations.len(), 0);
        assert_eq!(definition.notices[0].finding.message, expected);
    }
}
