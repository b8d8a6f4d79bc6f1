//! Names that schemas give themselves, from 3.1 on.

use super::super::{Bounds, Definition};
use super::documents;
use crate::schema::Reference;

fn load(schema: &str, components: &str) -> Definition {
    let text = format!(
        "openapi: 3.1.0\ninfo: {{ title: t, version: '1' }}\npaths: {{ /a: {{ post: {{ requestBody: {{ content: {{ application/json: \
         {{ schema: {schema} }} }} }} }} }} }}\ncomponents: {{ schemas: {{ {components} }} }}\n"
    );
    Definition::load(&documents(&[("api.yaml", &text)]), "api.yaml", &Bounds::DEFAULT).unwrap()
}

#[track_caller]
fn leads_to(schema: &str, components: &str, pointer: &str) {
    let definition = load(schema, components);
    assert!(definition.notices.is_empty(), "{:?}", definition.notices);
    let body = definition.operations[0].body.as_ref().unwrap().content[0].schema.unwrap();
    let target = match &definition.schemas.get(body).reference {
        Some(Reference::To(target) | Reference::Dynamic { target, .. }) => *target,
        None => panic!("no reference"),
    };
    assert_eq!(definition.schemas.pointer(target).to_string(), pointer);
}

#[test]
fn a_reference_may_name_what_is_read_already() {
    let components = "a: { $id: 'https://x.example/a', $defs: { b: { $anchor: here, type: string } } }, c: { $anchor: top }, e: { enum: [{ \
                      $anchor: none }] }";
    leads_to("{ $ref: 'https://x.example/a' }", components, "components.schemas.a");
    leads_to("{ $ref: 'https://x.example/a#here' }", components, "components.schemas.a.$defs.b");
    leads_to("{ $ref: '#top' }", components, "components.schemas.c");
    for unknown in ["https://x.example/b", "#here", "#none"] {
        let definition = load(&format!("{{ $ref: '{unknown}' }}"), components);
        assert_eq!(definition.notices.len(), 1, "{unknown}");
    }
}

#[test]
fn a_pointer_begins_at_the_schema_with_the_name() {
    let components = "a: { $id: 'https://x.example/a', properties: { p: { $ref: '#/$defs/b' } }, $defs: { b: { type: string } } }";
    let definition = load("{ $ref: '#/components/schemas/a' }", components);
    assert!(definition.notices.is_empty(), "{:?}", definition.notices);
}
