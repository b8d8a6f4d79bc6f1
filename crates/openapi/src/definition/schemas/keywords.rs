//! One keyword at a time.

use super::super::loading::{Loading, Unusable};
use super::super::trail::At;
use super::values::{count, example, number, value};
use super::{Draft, Form, fault, is_known_dialect, kept, within};
use crate::schema::{CollectionFormat, Place, Property, SchemaId, Type, Types};
use crate::source::{Key, Node};

/// Keywords that a value may break.
pub(crate) const CONSTRAINING: &[&str] = &[
    "$ref",
    "$dynamicRef",
    "type",
    "format",
    "enum",
    "const",
    "multipleOf",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "minLength",
    "maxLength",
    "pattern",
    "items",
    "prefixItems",
    "additionalItems",
    "contains",
    "minContains",
    "maxContains",
    "minItems",
    "maxItems",
    "uniqueItems",
    "unevaluatedItems",
    "properties",
    "patternProperties",
    "additionalProperties",
    "propertyNames",
    "required",
    "dependencies",
    "dependentRequired",
    "dependentSchemas",
    "minProperties",
    "maxProperties",
    "unevaluatedProperties",
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "if",
    "then",
    "else",
    "discriminator",
    "readOnly",
    "writeOnly",
    "nullable",
];

/// Whether a keyword may be broken by a value.
pub(super) fn constrains(keyword: &str) -> bool {
    CONSTRAINING.contains(&keyword)
}

/// Reads one keyword; whether it is known.
pub(super) fn read<'t>(
    loading: &mut Loading<'t>,
    draft: &mut Draft<'_>,
    key: &Key,
    at: &At<'t, '_>,
) -> Result<bool, Unusable> {
    let of_parameter = draft.form == Form::Parameter;
    match &*key.text {
        // 2.0: these are of the parameter, not of its value.
        "required" | "name" | "in" | "allowEmptyValue" if of_parameter => {}
        "collectionFormat" if of_parameter => collection_format(loading, draft, at),
        "type" => types(loading, draft, at),
        "nullable" | "x-nullable" => {
            let is_known = draft.form == Form::Schema || &*key.text == "x-nullable";
            draft.schema.is_nullable |= flag(loading, draft, key, at) && is_known;
        }
        "readOnly" => draft.schema.is_read_only = flag(loading, draft, key, at),
        "writeOnly" => draft.schema.is_write_only = flag(loading, draft, key, at),
        "deprecated" => draft.schema.is_deprecated = at.node.as_bool().unwrap_or(false),
        "format" => draft.schema.format = word(loading, draft, key, at)?,
        "enum" => enumeration(loading, draft, at)?,
        "const" => match value(loading, at.node)? {
            Some(constant) => draft.schema.constant = Some(Box::new(constant)),
            None => inexact(loading, draft, key, at),
        },
        "$ref" | "$dynamicRef" | "$recursiveRef" | "$id" | "id" | "$anchor" | "$dynamicAnchor"
        | "$schema" | "$defs" | "definitions" | "$comment" | "$vocabulary" | "$recursiveAnchor" => {
            core(loading, draft, key, at);
        }
        "title" => draft.notes().title = kept(loading, at.node)?,
        "description" => draft.notes().description = kept(loading, at.node)?,
        "default" => {
            if let Some(default) = value(loading, at.node)? {
                draft.notes().default = Some(default);
            }
        }
        "example" => {
            let text = example(loading, at)?;
            draft.notes().examples.push(text);
        }
        "examples" => {
            for item in at.items().into_iter().flatten() {
                let text = example(loading, &item)?;
                draft.notes().examples.push(text);
            }
        }
        "x-data-class" => draft.schema.data_class = kept(loading, at.node)?,
        "externalDocs" | "xml" | "discriminator" => {}
        _ => {
            return Ok(numbers(loading, draft, key, at)
                || texts(loading, draft, key, at)?
                || lists(loading, draft, key, at)?
                || objects(loading, draft, key, at)?
                || logic(loading, draft, key, at)?);
        }
    }
    Ok(true)
}

/// What depends on several keywords.
pub(super) fn complete<'t>(
    loading: &mut Loading<'t>,
    draft: &mut Draft<'_>,
    at: &At<'t, '_>,
) -> Result<(), Unusable> {
    exclusive_flag(loading, draft, at, "exclusiveMinimum");
    exclusive_flag(loading, draft, at, "exclusiveMaximum");
    let is_list = at.node.get("items").is_some_and(|items| items.as_sequence().is_some());
    // It counts beside the list form of `items` only.
    if is_list && let Some(rest) = at.given("additionalItems") {
        draft.array().items = Some(below(loading, draft, "additionalItems", &rest)?);
    }
    Ok(())
}

/// Names and references. References are read by whoever knows the whole schema.
fn core(loading: &mut Loading<'_>, draft: &mut Draft<'_>, key: &Key, at: &At<'_, '_>) {
    match &*key.text {
        "$ref" if at.node.as_str().is_none() => {
            let what = format!("expected the text of a reference, found {}", at.node.describe());
            fault(loading, draft, at, "$ref", what);
        }
        "$schema" if !is_known_dialect(at.node) => {
            fault(
                loading,
                draft,
                at,
                "$schema",
                format!("is {}, which is not known here", at.node.describe()),
            );
        }
        "$recursiveRef" => {
            fault(loading, draft, at, "$recursiveRef", "is not enforced".into());
        }
        _ => {}
    }
}

fn types(loading: &mut Loading<'_>, draft: &mut Draft<'_>, at: &At<'_, '_>) {
    let of_parameter = draft.form == Form::Parameter;
    let mut types = Types::NONE;
    let mut names: Vec<&Node> = Vec::new();
    match at.node.as_sequence() {
        Some(items) => names.extend(items),
        None => names.push(at.node),
    }
    for name in names {
        match name.as_str() {
            // 2.0: the content of an uploaded file, or of a response.
            Some("file") if loading.is_2_0() => {
                types = types.with(Type::String);
                draft.schema.format = Some("binary".into());
            }
            Some(name) if Type::named(name).is_some() => {
                types = Type::named(name).map_or(types, |one| types.with(one));
            }
            _ if name.is_null() && !of_parameter => types = types.with(Type::Null),
            _ => {
                let what = format!("expected a type of JSON Schema, found {}", name.describe());
                return fault(loading, draft, at, "type", what);
            }
        }
    }
    if types.is_empty() {
        return fault(loading, draft, at, "type", "expected at least one type".into());
    }
    draft.schema.types = Some(types);
}

fn enumeration(loading: &mut Loading<'_>, draft: &mut Draft<'_>, at: &At<'_, '_>) -> Result<(), Unusable> {
    let Some(items) = at.node.as_sequence() else {
        let what = format!("expected a list of values, found {}", at.node.describe());
        fault(loading, draft, at, "enum", what);
        return Ok(());
    };
    let mut values = Vec::with_capacity(items.len());
    for item in items {
        loading.spend(0)?;
        match value(loading, item)? {
            Some(value) => values.push(value),
            None => {
                let what = "holds a number that cannot be compared exactly".to_owned();
                fault(loading, draft, at, "enum", what);
                return Ok(());
            }
        }
    }
    draft.schema.enumeration = Some(values.into());
    Ok(())
}

fn collection_format(loading: &mut Loading<'_>, draft: &mut Draft<'_>, at: &At<'_, '_>) {
    let format = match at.node.as_str() {
        Some("csv") => CollectionFormat::Csv,
        Some("ssv") => CollectionFormat::Ssv,
        Some("tsv") => CollectionFormat::Tsv,
        Some("pipes") => CollectionFormat::Pipes,
        Some("multi") => CollectionFormat::Multi,
        _ => {
            let what =
                format!("expected `csv`, `ssv`, `tsv`, `pipes` or `multi`, found {}", at.node.describe());
            return fault(loading, draft, at, "collectionFormat", what);
        }
    };
    draft.array().collection_format = Some(format);
}

fn numbers(loading: &mut Loading<'_>, draft: &mut Draft<'_>, key: &Key, at: &At<'_, '_>) -> bool {
    let is_multiple = match &*key.text {
        "multipleOf" => true,
        "minimum" | "maximum" => false,
        // The form of draft 4 is read when all keywords are known.
        "exclusiveMinimum" | "exclusiveMaximum" if at.node.as_bool().is_some() => return true,
        "exclusiveMinimum" | "exclusiveMaximum" => false,
        _ => return false,
    };
    let bound = at.node.as_number().and_then(number);
    let Some(bound) = bound.filter(|bound| !is_multiple || bound.as_f64().is_some_and(|bound| bound > 0.0))
    else {
        let expected = if is_multiple { "a number above zero" } else { "a number" };
        let what = format!("expected {expected} that can be compared, found {}", at.node.describe());
        fault(loading, draft, at, &key.text, what);
        return true;
    };
    let rules = draft.number();
    match &*key.text {
        "multipleOf" => rules.multiple_of = Some(bound),
        "minimum" => rules.minimum = Some(bound),
        "maximum" => rules.maximum = Some(bound),
        "exclusiveMinimum" => rules.exclusive_minimum = Some(bound),
        _ => rules.exclusive_maximum = Some(bound),
    }
    true
}

/// `exclusiveMinimum: true` makes `minimum` exclusive.
fn exclusive_flag(loading: &mut Loading<'_>, draft: &mut Draft<'_>, at: &At<'_, '_>, key: &str) {
    let Some(flag) = at.get(key).filter(|flag| flag.node.as_bool().is_some()) else { return };
    if flag.node.as_bool() != Some(true) {
        return;
    }
    let rules = draft.number();
    let (from, to) = if key == "exclusiveMinimum" {
        (&mut rules.minimum, &mut rules.exclusive_minimum)
    } else {
        (&mut rules.maximum, &mut rules.exclusive_maximum)
    };
    *to = from.take();
    if to.is_none() {
        let bound = if key == "exclusiveMinimum" { "minimum" } else { "maximum" };
        loading.warn(&flag, format!("means nothing without `{bound}`"));
    }
}

fn texts<'t>(
    loading: &mut Loading<'t>,
    draft: &mut Draft<'_>,
    key: &Key,
    at: &At<'t, '_>,
) -> Result<bool, Unusable> {
    match &*key.text {
        "minLength" | "maxLength" => {
            let Some(count) = counted(loading, draft, key, at) else { return Ok(true) };
            let rules = draft.text();
            *if &*key.text == "minLength" { &mut rules.min_length } else { &mut rules.max_length } =
                Some(count);
        }
        "pattern" => {
            draft.text().pattern = word(loading, draft, key, at)?;
        }
        "contentEncoding" => {
            draft.text().content_encoding = word(loading, draft, key, at)?;
        }
        "contentMediaType" => {
            draft.text().content_media_type = word(loading, draft, key, at)?;
        }
        "contentSchema" => {
            draft.text().content_schema = Some(below(loading, draft, "contentSchema", at)?);
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn lists<'t>(
    loading: &mut Loading<'t>,
    draft: &mut Draft<'_>,
    key: &Key,
    at: &At<'t, '_>,
) -> Result<bool, Unusable> {
    match &*key.text {
        "minItems" | "maxItems" | "minContains" | "maxContains" => {
            let Some(count) = counted(loading, draft, key, at) else { return Ok(true) };
            let rules = draft.array();
            *match &*key.text {
                "minItems" => &mut rules.min_items,
                "maxItems" => &mut rules.max_items,
                "minContains" => &mut rules.min_contains,
                _ => &mut rules.max_contains,
            } = Some(count);
        }
        "uniqueItems" => {
            draft.array().unique_items = flag(loading, draft, key, at);
        }
        // Up to draft 2019-09 a list stood for what 2020-12 calls `prefixItems`.
        "items" if at.node.as_sequence().is_some() => {
            draft.array().prefix_items = list(loading, draft, "items", at)?;
        }
        "prefixItems" => {
            draft.array().prefix_items = list(loading, draft, "prefixItems", at)?;
        }
        "additionalItems" => {}
        "items" => {
            draft.array().items = Some(below_as(loading, draft, "items", at, draft.form)?);
        }
        "contains" => {
            draft.array().contains = Some(below(loading, draft, "contains", at)?);
        }
        "unevaluatedItems" => {
            draft.array().unevaluated_items = Some(below(loading, draft, "unevaluatedItems", at)?);
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn objects<'t>(
    loading: &mut Loading<'t>,
    draft: &mut Draft<'_>,
    key: &Key,
    at: &At<'t, '_>,
) -> Result<bool, Unusable> {
    match &*key.text {
        "minProperties" | "maxProperties" => {
            let Some(count) = counted(loading, draft, key, at) else { return Ok(true) };
            let rules = draft.object();
            *if &*key.text == "minProperties" {
                &mut rules.min_properties
            } else {
                &mut rules.max_properties
            } = Some(count);
        }
        "properties" => {
            draft.object().properties = named(loading, draft, "properties", at)?;
        }
        "patternProperties" => {
            draft.object().pattern_properties = named(loading, draft, "patternProperties", at)?;
        }
        "additionalProperties" => {
            draft.object().additional_properties = Some(below(loading, draft, "additionalProperties", at)?);
        }
        "unevaluatedProperties" => {
            draft.object().unevaluated_properties = Some(below(loading, draft, "unevaluatedProperties", at)?);
        }
        "propertyNames" => {
            draft.object().property_names = Some(below(loading, draft, "propertyNames", at)?);
        }
        "required" => {
            let Some(names) = names(loading, at)? else {
                let what = format!("expected a list of names, found {}", at.node.describe());
                fault(loading, draft, at, "required", what);
                return Ok(true);
            };
            draft.object().required = names;
        }
        "dependentRequired" | "dependentSchemas" | "dependencies" => dependent(loading, draft, key, at)?,
        _ => return Ok(false),
    }
    Ok(true)
}

/// What the presence of a property asks for. Up to draft 7 one keyword held names and schemas.
fn dependent<'t>(
    loading: &mut Loading<'t>,
    draft: &mut Draft<'_>,
    key: &Key,
    at: &At<'t, '_>,
) -> Result<(), Unusable> {
    let keyword = match &*key.text {
        "dependentSchemas" => "dependentSchemas",
        "dependencies" => "dependencies",
        _ => "dependentRequired",
    };
    let Some(entries) = at.entries() else {
        let what = format!("expected a mapping by property, found {}", at.node.describe());
        fault(loading, draft, at, keyword, what);
        return Ok(());
    };
    for (key, child) in entries {
        loading.spend(key.text.len())?;
        if child.node.as_sequence().is_some() && keyword != "dependentSchemas" {
            if let Some(names) = names(loading, &child)? {
                let rules = draft.object();
                rules.dependent_required.push((key.text.clone(), names));
                continue;
            }
        } else if keyword != "dependentRequired" {
            let index = draft.schema.object().dependent_schemas.len();
            let schema = step(loading, draft, keyword, Some(index), &child, Form::Schema)?;
            let rules = draft.object();
            rules.dependent_schemas.push(Property { name: key.text.clone(), schema });
            continue;
        }
        let what = format!("expected a list of names, found {}", child.node.describe());
        fault(loading, draft, &child, keyword, what);
    }
    Ok(())
}

fn logic<'t>(
    loading: &mut Loading<'t>,
    draft: &mut Draft<'_>,
    key: &Key,
    at: &At<'t, '_>,
) -> Result<bool, Unusable> {
    match &*key.text {
        "allOf" => {
            draft.logic().all_of = list(loading, draft, "allOf", at)?;
        }
        "anyOf" => {
            draft.logic().any_of = list(loading, draft, "anyOf", at)?;
        }
        "oneOf" => {
            draft.logic().one_of = list(loading, draft, "oneOf", at)?;
        }
        "not" => {
            draft.logic().not = Some(below(loading, draft, "not", at)?);
        }
        "if" => {
            draft.logic().condition = Some(below(loading, draft, "if", at)?);
        }
        "then" => {
            draft.logic().then = Some(below(loading, draft, "then", at)?);
        }
        "else" => {
            draft.logic().otherwise = Some(below(loading, draft, "else", at)?);
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// A schema under a keyword.
fn below<'t>(
    loading: &mut Loading<'t>,
    draft: &Draft<'_>,
    keyword: &'static str,
    at: &At<'t, '_>,
) -> Result<SchemaId, Unusable> {
    below_as(loading, draft, keyword, at, Form::Schema)
}

fn below_as<'t>(
    loading: &mut Loading<'t>,
    draft: &Draft<'_>,
    keyword: &'static str,
    at: &At<'t, '_>,
    form: Form,
) -> Result<SchemaId, Unusable> {
    step(loading, draft, keyword, None, at, form)
}

fn step<'t>(
    loading: &mut Loading<'t>,
    draft: &Draft<'_>,
    keyword: &'static str,
    index: Option<usize>,
    at: &At<'t, '_>,
    form: Form,
) -> Result<SchemaId, Unusable> {
    let parent = draft.id;
    let index = index.and_then(|index| u32::try_from(index).ok());
    within(loading, at, || Place::Below { parent, keyword, index }, form)
}

/// Schemas in a list.
fn list<'t>(
    loading: &mut Loading<'t>,
    draft: &mut Draft<'_>,
    keyword: &'static str,
    at: &At<'t, '_>,
) -> Result<Vec<SchemaId>, Unusable> {
    let mut schemas = Vec::new();
    let Some(items) = at.items() else {
        let what = format!("expected a list of schemas, found {}", at.node.describe());
        fault(loading, draft, at, keyword, what);
        return Ok(schemas);
    };
    for (index, item) in items.enumerate() {
        schemas.push(step(loading, draft, keyword, Some(index), &item, Form::Schema)?);
    }
    Ok(schemas)
}

/// Schemas by name.
fn named<'t>(
    loading: &mut Loading<'t>,
    draft: &mut Draft<'_>,
    keyword: &'static str,
    at: &At<'t, '_>,
) -> Result<Vec<Property>, Unusable> {
    let Some(entries) = at.entries() else {
        let what = format!("expected a mapping of schemas by name, found {}", at.node.describe());
        fault(loading, draft, at, keyword, what);
        return Ok(Vec::new());
    };
    let mut schemas = Vec::with_capacity(at.node.as_mapping().map_or(0, crate::source::Mapping::len));
    for (index, (key, child)) in entries.enumerate() {
        loading.spend_bytes(key.text.len())?;
        let schema = step(loading, draft, keyword, Some(index), &child, Form::Schema)?;
        schemas.push(Property { name: key.text.clone(), schema });
    }
    Ok(schemas)
}

fn names(loading: &mut Loading<'_>, at: &At<'_, '_>) -> Result<Option<Vec<Box<str>>>, Unusable> {
    let Some(items) = at.node.as_sequence() else { return Ok(None) };
    let mut names = Vec::with_capacity(items.len());
    for item in items {
        let Some(name) = kept(loading, item)? else { return Ok(None) };
        names.push(name);
    }
    Ok(Some(names))
}

fn counted(loading: &mut Loading<'_>, draft: &mut Draft<'_>, key: &Key, at: &At<'_, '_>) -> Option<u64> {
    let found = count(at.node);
    if found.is_none() {
        let what = format!("expected a whole number from 0 on, found {}", at.node.describe());
        fault(loading, draft, at, &key.text, what);
    }
    found
}

fn flag(loading: &mut Loading<'_>, draft: &mut Draft<'_>, key: &Key, at: &At<'_, '_>) -> bool {
    let value = at.node.as_bool();
    if value.is_none() {
        let what = format!("expected `true` or `false`, found {}", at.node.describe());
        fault(loading, draft, at, &key.text, what);
    }
    value.unwrap_or(false)
}

/// A text that a keyword must have.
fn word(
    loading: &mut Loading<'_>,
    draft: &mut Draft<'_>,
    key: &Key,
    at: &At<'_, '_>,
) -> Result<Option<Box<str>>, Unusable> {
    let Some(text) = at.node.as_str() else {
        let what = format!("expected a text, found {}", at.node.describe());
        fault(loading, draft, at, &key.text, what);
        return Ok(None);
    };
    loading.spend_bytes(text.len())?;
    Ok(Some(text.into()))
}

fn inexact(loading: &mut Loading<'_>, draft: &mut Draft<'_>, key: &Key, at: &At<'_, '_>) {
    fault(loading, draft, at, &key.text, "holds a number that cannot be compared exactly".into());
}
