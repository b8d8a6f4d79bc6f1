//! Schemas as the graph holds them.

use serde_json::json;

use super::super::{ParameterValue, Status, Style};
use super::{Definition, load, sound};
use crate::schema::{Reference, Schema, SchemaId, Type};

/// The schema of the JSON body of the first operation.
fn body(definition: &Definition) -> SchemaId {
    let body = definition.operations[0].body.as_ref().unwrap();
    body.content[0].schema.unwrap()
}

fn of_version(version: &str, schema: &str, components: &str) -> String {
    format!(
        "openapi: {version}\ninfo: {{ title: t, version: '1' }}\npaths:\n  /a:\n    post:\n      \
         requestBody: {{ content: {{ application/json: {{ schema: {schema} }} }} }}\n      \
         responses: {{}}\ncomponents: {{ schemas: {{ {components} }} }}\n"
    )
}

/// Reads one schema and shows it to a judge.
fn read(version: &str, schema: &str, judge: impl FnOnce(&Schema)) {
    let definition = sound(&of_version(version, schema, ""));
    judge(definition.schemas.get(body(&definition)));
}

/// The warnings about a schema, and the keywords nothing enforces.
#[track_caller]
fn faults(version: &str, schema: &str, warnings: &[&str], keywords: &[&str]) {
    let definition = load(&[("api.yaml", &of_version(version, schema, ""))]).unwrap();
    let found: Vec<String> = definition.notices.iter().map(ToString::to_string).collect();
    assert_eq!(found, warnings);
    let schema = definition.schemas.get(body(&definition));
    let found: Vec<&str> = schema.faults.iter().map(|fault| &*fault.keyword).collect();
    assert_eq!(found, keywords);
}

#[test]
fn a_recursive_schema_is_one_node() {
    let definition = sound(&of_version(
        "3.0.3",
        "{ $ref: '#/components/schemas/tree' }",
        "tree: { type: object, properties: { kids: { type: array, items: { $ref: '#/components/schemas/tree' } } } }",
    ));
    let schemas = &definition.schemas;
    let Some(Reference::To(tree)) = schemas.get(body(&definition)).reference else { panic!("a reference") };
    let kids = schemas.get(tree).object().properties[0].schema;
    let item = schemas.get(kids).array().items.unwrap();
    assert_eq!(schemas.get(item).reference, Some(Reference::To(tree)));
    assert_eq!(schemas.resolve(item), tree);
    assert_eq!(schemas.len(), 4);
    assert_eq!(schemas.pointer(item).to_string(), "components.schemas.tree.properties.kids.items");
}

#[test]
fn bounds_of_draft_4_become_those_of_2020_12() {
    let text = "{ minimum: 1, exclusiveMinimum: true, maximum: 2, exclusiveMaximum: false }";
    read("3.0.0", text, |schema| {
        let rules = schema.number();
        assert_eq!((rules.minimum.as_ref(), rules.maximum.as_ref()), (None, Some(&2.into())));
        assert_eq!(
            (rules.exclusive_minimum.as_ref(), rules.exclusive_maximum.as_ref()),
            (Some(&1.into()), None)
        );
    });
    read("3.1.0", "{ exclusiveMinimum: 1 }", |schema| {
        assert_eq!(schema.number().exclusive_minimum, Some(1.into()));
    });
}

#[test]
fn lists_of_types_boolean_schemas_and_lists_without_items_are_read() {
    read("3.1.0", "{ type: [string, 'null', array] }", |schema| {
        let types: Vec<Type> = schema.types.unwrap().iter().collect();
        assert_eq!(types, [Type::Null, Type::String, Type::Array]);
        assert_eq!(schema.array().items, None);
    });
    read("3.1.0", "false", |schema| assert_eq!(schema.always, Some(false)));
}

#[test]
fn what_stands_beside_a_reference_counts_by_version() {
    let schema = "{ $ref: '#/components/schemas/a', maxLength: 3, nullable: true, description: d }";
    let definition = load(&[("api.yaml", &of_version("3.0.0", schema, "a: { type: string }"))]).unwrap();
    let found: Vec<String> = definition.notices.iter().map(ToString::to_string).collect();
    assert_eq!(
        found,
        [
            "warning: api.yaml:6:95: paths./a.post.requestBody.content.application/json.schema.maxLength: has no \
          effect beside `$ref` in OpenAPI 3.0; hint: put both below `allOf`"
        ]
    );
    let schema = definition.schemas.get(body(&definition));
    assert!(schema.is_nullable && schema.text().max_length.is_none());
    let text = of_version("3.1.0", "{ $ref: '#/components/schemas/a', maxLength: 3 }", "a: { type: string }");
    let definition = sound(&text);
    let schema = definition.schemas.get(body(&definition));
    assert!(schema.reference.is_some());
    assert_eq!(schema.text().max_length, Some(3));
}

#[test]
fn what_is_not_understood_is_kept_as_a_fault() {
    faults(
        "3.0.0",
        "{ maxLength: -1, format: nobody-knows, x-other: 1 }",
        &[
            "warning: api.yaml:6:74: paths./a.post.requestBody.content.application/json.schema.maxLength: expected a \
           whole number from 0 on, found the number -1",
        ],
        &["maxLength"],
    );
    faults(
        "3.0.0",
        "{ maxlenght: 4, flavour: 1 }",
        &[
            "warning: api.yaml:6:63: paths./a.post.requestBody.content.application/json.schema.maxlenght: is no \
           keyword of a schema: it constrains nothing; hint: did you mean `maxLength`?",
        ],
        &[],
    );
    faults(
        "3.0.0",
        "{ $ref: '#/nowhere' }",
        &[
            "warning: api.yaml:6:69: paths./a.post.requestBody.content.application/json.schema.$ref: `#/nowhere` \
           leads to nothing",
        ],
        &["$ref"],
    );
}

#[test]
fn numbers_that_would_change_are_not_compared() {
    for number in ["123456789012345678901234567891", "0.1000000000000000055511151231257827"] {
        let warning = format!(
            "warning: api.yaml:6:72: paths./a.post.requestBody.content.application/json.schema.maximum: expected a \
             number that can be compared, found the number {number}"
        );
        faults("3.0.0", &format!("{{ maximum: {number} }}"), &[&warning], &["maximum"]);
    }
    // What JavaScript writes for the least and the largest integer.
    read("3.0.0", "{ minimum: -9223372036854776000, maximum: 18446744073709552000 }", |schema| {
        let number = schema.number();
        let written = |limit: &Option<serde_json::Number>| limit.as_ref().unwrap().to_string();
        assert_eq!(written(&number.minimum), "-9.223372036854776e+18");
        assert_eq!(written(&number.maximum), "1.8446744073709552e+19");
    });
    read("3.0.0", "{ enum: [9223372036854775807, 1.5, null, { a: [x] }] }", |schema| {
        let expected = [json!(9_223_372_036_854_775_807_i64), json!(1.5), json!(null), json!({ "a": ["x"] })];
        assert_eq!(schema.enumeration.as_deref().unwrap(), expected);
    });
}

#[test]
fn discriminators_know_names_and_mappings() {
    let text = of_version(
        "3.0.0",
        "{ $ref: '#/components/schemas/pet' }",
        "pet: { type: object, discriminator: { propertyName: kind, mapping: { hound: dog } } }, \
         dog: { allOf: [{ $ref: '#/components/schemas/pet' }] }, \
         pug: { allOf: [{ $ref: '#/components/schemas/dog' }] }, \
         ant: { type: object }",
    );
    let definition = sound(&text);
    let pet = definition.schemas.get(definition.schemas.resolve(body(&definition)));
    let discriminator = pet.discriminator.as_ref().unwrap();
    assert!(discriminator.is_binding);
    let names: Vec<&str> = discriminator.names.iter().map(|named| &*named.name).collect();
    assert_eq!(names, ["pet", "dog", "pug"]);
    assert_eq!(discriminator.mapping[0].schema, discriminator.names[1].schema);
    let dog = definition.schemas.pointer(discriminator.names[1].schema);
    assert_eq!(dog.to_string(), "components.schemas.dog");
}

#[test]
fn parameters_and_forms_of_2_0_are_schemas_with_styles() {
    let definition = sound(
        "swagger: '2.0'\ninfo: { title: t, version: '1' }\nconsumes: [application/json]\npaths:\n  /a:\n    post:\n      \
         parameters:\n        - { name: ids, in: query, required: true, type: array, collectionFormat: pipes, items: { \
         type: integer } }\n        - { name: n, in: formData, type: integer, minimum: 1, required: true }\n        - { \
         name: l, in: formData, type: array, items: { type: string }, collectionFormat: multi }\n        - { name: f, \
         in: formData, type: file }\n      responses: { 200: { description: d, schema: { type: string } } }\n",
    );
    let operation = &definition.operations[0];
    let ParameterValue::Schema { schema, style, explode, .. } = operation.parameters[0].value else {
        panic!("a schema")
    };
    assert_eq!((style, explode), (Style::PipeDelimited, false));
    assert!(definition.schemas.get(schema).types.unwrap().has(Type::Array));
    let form = &operation.body.as_ref().unwrap().content[0];
    assert_eq!(&*form.range, "multipart/form-data");
    let schema = definition.schemas.get(form.schema.unwrap());
    let names: Vec<&str> = schema.object().properties.iter().map(|property| &*property.name).collect();
    assert_eq!(names, ["n", "l", "f"]);
    assert_eq!(schema.object().required, ["n".into()]);
    assert_eq!((form.encoding[0].style, form.encoding[0].explode), (Some(Style::Form), Some(true)));
    let file = definition.schemas.get(schema.object().properties[2].schema);
    assert_eq!(file.format.as_deref(), Some("binary"));
    assert_eq!(operation.responses[0].status, Status::Code(200));
    assert_eq!(&*operation.responses[0].content[0].range, "application/json");
}

#[test]
fn a_long_chain_of_references_needs_no_stack() {
    let mut components = String::new();
    for at in 0..20_000 {
        let next = at + 1;
        components +=
            &format!("s{at}: {{ properties: {{ a: {{ $ref: '#/components/schemas/s{next}' }} }} }}, ");
    }
    components += "s20000: { type: string }";
    let definition = sound(&of_version("3.0.0", "{ $ref: '#/components/schemas/s0' }", &components));
    assert_eq!(definition.schemas.len(), 40_002);
}
