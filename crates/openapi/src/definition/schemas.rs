//! Reads schemas into the graph.
//!
//! Each node of a document becomes one schema, however often it is referred to: identity decides, as with parameters. What a
//! reference leads to is queued, not read on the spot, so that a chain of a hundred thousand references needs no stack; what
//! stands within a schema is as deep as a document may be.
//!
//! # Readings
//! * Every keyword of JSON Schema counts in every version, in the form it has there: who writes `patternProperties` in a 3.0
//!   document means it. Only forms that contradict each other follow the version.
//! * 2.0, 3.0: what stands beside `$ref` does not count, but for `nullable: true`, which only adds null; what would have
//!   constrained is warned about. `nullable` allows null whatever `type`, `enum` or `allOf` say beside it.
//! * A keyword without a value (`items:`) is not there.
//! * A dialect that is not known (`$schema`, `jsonSchemaDialect`) is a fault: what its keywords mean is not known either.
//! * Unknown keywords annotate. One that is nearly a known one is warned about.
//!
//! # Failure
//! What cannot be understood is a [`Fault`] of its schema and a warning. It refuses no operation here: only a request that
//! cannot be judged makes one unusable, and that is for the contract to say.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::library::ResourceId;
use super::loading::{Loading, Unusable, text_of};
use super::trail::At;
use super::{Dialect, Severity};
use crate::schema::{
    ArrayRules, CollectionFormat, Fault, LogicRules, Notes, NumberRules, ObjectRules, Place, Reference,
    Schema, SchemaId, Schemas, TextRules, Type,
};
use crate::source::{Finding, Key, Node, nearest};

mod discriminator;
mod keywords;
mod values;

#[cfg(test)]
pub(crate) use keywords::CONSTRAINING as CONSTRAINING_KEYWORDS;
pub(super) use values::example;

/// The graph while it is read.
#[derive(Default)]
pub(super) struct Graph<'t> {
    schemas: Vec<Schema>,
    by_node: HashMap<usize, SchemaId, RandomState>,
    /// Reserved, but not read yet.
    queue: Vec<(SchemaId, At<'t, 't>)>,
    /// Examples by their nodes.
    examples: HashMap<usize, Arc<str>, RandomState>,
    /// Resources with dynamic anchors, and their numbers in the graph.
    resources: HashMap<ResourceId, u32, RandomState>,
    anchors: Vec<Vec<(Box<str>, SchemaId)>>,
    /// Schemas that build on another, by the node of that one; made when a discriminator first asks.
    heirs: Option<discriminator::Heirs<'t>>,
}

/// What kind of text a schema is written in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A schema.
    Schema,
    /// 2.0: a parameter, a header or their items, where some keys mean something else.
    Parameter,
}

/// A schema, and where it stands while it is read.
pub(super) struct Draft<'s> {
    pub(super) id: SchemaId,
    pub(super) form: Form,
    pub(super) schema: &'s mut Schema,
}

/// The rules of a schema by what they are about, made when first needed.
impl Draft<'_> {
    fn number(&mut self) -> &mut NumberRules {
        self.schema.number.get_or_insert_default()
    }

    fn text(&mut self) -> &mut TextRules {
        self.schema.text.get_or_insert_default()
    }

    fn array(&mut self) -> &mut ArrayRules {
        self.schema.array.get_or_insert_default()
    }

    fn object(&mut self) -> &mut ObjectRules {
        self.schema.object.get_or_insert_default()
    }

    fn logic(&mut self) -> &mut LogicRules {
        self.schema.logic.get_or_insert_default()
    }

    fn notes(&mut self) -> &mut Notes {
        self.schema.notes.get_or_insert_default()
    }
}

impl Graph<'_> {
    /// How the items of a list are told apart in a text, where 2.0 says so.
    pub(super) fn collection_format(&self, id: SchemaId) -> Option<CollectionFormat> {
        self.schemas.get(id.index())?.array().collection_format
    }

    /// Whether lists are among what a schema allows.
    pub(super) fn is_list(&self, id: SchemaId) -> bool {
        let types = self.schemas.get(id.index()).and_then(|schema| schema.types);
        types.is_some_and(|types| types.has(Type::Array))
    }

    /// The finished graph.
    pub(super) fn finish(&mut self) -> Schemas {
        Schemas::new(std::mem::take(&mut self.schemas), std::mem::take(&mut self.anchors))
    }
}

/// Reads the schema at a node with all it refers to.
pub(super) fn read<'t>(loading: &mut Loading<'t>, at: &At<'t, '_>, form: Form) -> Result<SchemaId, Unusable> {
    let id = within(loading, at, || Place::Root(at.pointer()), form)?;
    drain(loading)?;
    let root = loading.root;
    if let Some(stated) = root.given("jsonSchemaDialect").filter(|_| loading.dialect >= Dialect::V3_1)
        && !is_known_dialect(stated.node)
        && let Some(schema) = loading.graph.schemas.get_mut(id.index())
        && schema.faults.is_empty()
    {
        let what = format!("is {}, which is not known here", stated.node.describe()).into();
        schema.faults.push(Fault { span: stated.node.span, keyword: "jsonSchemaDialect".into(), what });
    }
    Ok(id)
}

/// Whether schemas of a dialect are read as they are meant.
fn is_known_dialect(node: &Node) -> bool {
    const KNOWN: &[&str] = &[
        "https://spec.openapis.org/oas/3.1/dialect/",
        "https://spec.openapis.org/oas/3.2/dialect/",
        "https://json-schema.org/draft/2020-12/schema",
        "https://json-schema.org/draft/2019-09/schema",
        "http://json-schema.org/draft-07/schema",
        "http://json-schema.org/draft-06/schema",
        "http://json-schema.org/draft-04/schema",
    ];
    node.as_str().is_some_and(|text| KNOWN.iter().any(|known| text.starts_with(known)))
}

/// Adds a schema that stands in no document as such: the form of 2.0.
pub(super) fn add(loading: &mut Loading<'_>, schema: Schema) -> Result<SchemaId, Unusable> {
    loading.spend(0)?;
    let id = SchemaId::new(loading.graph.schemas.len());
    loading.graph.schemas.push(schema);
    Ok(id)
}

fn drain(loading: &mut Loading<'_>) -> Result<(), Unusable> {
    while let Some((id, at)) = loading.graph.queue.pop() {
        fill(loading, id, &at, Place::Root(at.pointer()), Form::Schema)?;
    }
    Ok(())
}

/// Reads a schema that stands within another, or at the beginning.
fn within<'t>(
    loading: &mut Loading<'t>,
    at: &At<'t, '_>,
    place: impl FnOnce() -> Place,
    form: Form,
) -> Result<SchemaId, Unusable> {
    if let Some(id) = loading.graph.by_node.get(&at.identity()) {
        return Ok(*id);
    }
    let id = reserve(loading, at)?;
    fill(loading, id, at, place(), form)?;
    Ok(id)
}

/// The name of a schema that is read later.
fn later<'t>(loading: &mut Loading<'t>, at: At<'t, 't>) -> Result<SchemaId, Unusable> {
    if let Some(id) = loading.graph.by_node.get(&at.identity()) {
        return Ok(*id);
    }
    let id = reserve(loading, &at)?;
    loading.graph.queue.push((id, at));
    Ok(id)
}

fn reserve(loading: &mut Loading<'_>, at: &At<'_, '_>) -> Result<SchemaId, Unusable> {
    loading.spend(0)?;
    let id = SchemaId::new(loading.graph.schemas.len());
    loading.graph.schemas.push(Schema::EMPTY);
    loading.graph.by_node.insert(at.identity(), id);
    Ok(id)
}

fn fill<'t>(
    loading: &mut Loading<'t>,
    id: SchemaId,
    at: &At<'t, '_>,
    place: Place,
    form: Form,
) -> Result<(), Unusable> {
    let mut schema = Schema { span: at.node.span, place, ..Schema::EMPTY };
    schema.resource = resource(loading, at)?;
    let mut draft = Draft { id, form, schema: &mut schema };
    let is_reference = at.node.get("$ref").is_some_and(|text| text.as_str().is_some());
    if let Some(always) = at.node.as_bool() {
        draft.schema.always = Some(always);
    } else if at.node.as_mapping().is_none() {
        let what = format!("expected a schema, found {}", at.node.describe());
        fault(loading, &mut draft, at, "", what);
    } else if is_reference && hides_siblings(loading) {
        reference(loading, &mut draft, at)?;
        siblings(loading, &mut draft, at)?;
    } else {
        for (key, child) in at.entries().into_iter().flatten() {
            if child.node.is_null() && !matches!(&*key.text, "default" | "const" | "example") {
                continue;
            }
            if !keywords::read(loading, &mut draft, key, &child)? {
                unknown(loading, key, &child);
            }
        }
        if is_reference {
            reference(loading, &mut draft, at)?;
        }
        dynamic_reference(loading, &mut draft, at)?;
        keywords::complete(loading, &mut draft, at)?;
        discriminator::read(loading, &mut draft, at)?;
    }
    if let Some(slot) = loading.graph.schemas.get_mut(id.index()) {
        *slot = schema;
    }
    Ok(())
}

/// The number of the resource that a schema belongs to, where dynamic references look for names in it; else 0.
fn resource(loading: &mut Loading<'_>, at: &At<'_, '_>) -> Result<u32, Unusable> {
    let Some(resource) = loading.dynamic(at.node) else { return Ok(0) };
    if let Some(known) = loading.graph.resources.get(&resource) {
        return Ok(*known);
    }
    let number = u32::try_from(loading.graph.anchors.len()).unwrap_or(u32::MAX).saturating_add(1);
    loading.graph.resources.insert(resource, number);
    loading.graph.anchors.push(Vec::new());
    let mut named = Vec::new();
    for (name, target) in loading.dynamic_anchors(resource) {
        loading.spend(name.len())?;
        named.push((Box::from(name), later(loading, target)?));
    }
    if let Some(anchors) = loading.graph.anchors.last_mut() {
        *anchors = named;
    }
    Ok(number)
}

fn hides_siblings(loading: &Loading<'_>) -> bool {
    loading.dialect < Dialect::V3_1
}

/// Where a reference leads.
fn reference<'t>(loading: &mut Loading<'t>, draft: &mut Draft<'_>, at: &At<'t, '_>) -> Result<(), Unusable> {
    let bytes = at.node.get("$ref").and_then(Node::as_str).map_or(0, str::len);
    loading.spend(bytes)?;
    match loading.target(at) {
        Ok(Some(target)) => draft.schema.reference = Some(Reference::To(later(loading, target)?)),
        Ok(None) => {}
        Err(finding) => fault_of(loading, draft, at.node, "$ref", finding),
    }
    Ok(())
}

/// Where a dynamic reference leads when nothing outside has the same anchor.
fn dynamic_reference<'t>(
    loading: &mut Loading<'t>,
    draft: &mut Draft<'_>,
    at: &At<'t, '_>,
) -> Result<(), Unusable> {
    let Some(stated) = at.given("$dynamicRef") else { return Ok(()) };
    let node: &'t Node = stated.node;
    let Some(text) = node.as_str() else {
        let what = format!("expected the text of a reference, found {}", node.describe());
        fault(loading, draft, &stated, "$dynamicRef", what);
        return Ok(());
    };
    loading.spend(text.len())?;
    if draft.schema.reference.is_some() {
        let what = "is not enforced beside `$ref`".to_owned();
        fault(loading, draft, &stated, "$dynamicRef", what);
        return Ok(());
    }
    let found = match loading.referred_from(at.node, &stated, text) {
        Ok(found) => found,
        Err(finding) => {
            fault_of(loading, draft, node, "$dynamicRef", finding);
            return Ok(());
        }
    };
    let anchor = text.split_once('#').map_or("", |(_, fragment)| fragment);
    // JSON Schema 2020-12 "Core" §8.2.3.2: only a target that has such an anchor itself is looked for further out.
    let is_dynamic = found.node.get("$dynamicAnchor").and_then(Node::as_str) == Some(anchor);
    let target = later(loading, found)?;
    draft.schema.reference = Some(if is_dynamic {
        Reference::Dynamic { anchor: anchor.into(), target }
    } else {
        Reference::To(target)
    });
    Ok(())
}

/// What stands beside a reference that hides it.
fn siblings(loading: &mut Loading<'_>, draft: &mut Draft<'_>, at: &At<'_, '_>) -> Result<(), Unusable> {
    for (key, child) in at.entries().into_iter().flatten() {
        match &*key.text {
            "nullable" | "x-nullable" if child.node.as_bool() == Some(true) => {
                draft.schema.is_nullable = true
            }
            "$ref" => {}
            text if keywords::constrains(text) => {
                loading.spend(text.len())?;
                let message = format!("has no effect beside `$ref` in OpenAPI {}", loading.dialect);
                let finding = loading.finding_at(key.span, &child, message);
                let hint = "put both below `allOf`";
                loading.note(Severity::Warning, finding.with_hint(hint));
            }
            _ => {}
        }
    }
    Ok(())
}

/// A keyword that nobody knows annotates. One that is nearly known was hardly meant to.
fn unknown(loading: &mut Loading<'_>, key: &Key, at: &At<'_, '_>) {
    const TEXT_BYTES_MAX: usize = 32;
    if key.text.starts_with("x-") || key.text.len() > TEXT_BYTES_MAX {
        return;
    }
    if let Some(near) = nearest(&key.text, keywords::CONSTRAINING.iter().copied()) {
        let finding = loading.finding_at(key.span, at, "is no keyword of a schema: it constrains nothing");
        loading.note(Severity::Warning, finding.with_hint(format!("did you mean `{near}`?")));
    }
}

/// Notes that a keyword is not understood.
fn fault(loading: &mut Loading<'_>, draft: &mut Draft<'_>, at: &At<'_, '_>, keyword: &str, what: String) {
    let finding = loading.finding_at(at.node.span, at, what);
    fault_of(loading, draft, at.node, keyword, finding);
}

fn fault_of(loading: &mut Loading<'_>, draft: &mut Draft<'_>, node: &Node, keyword: &str, finding: Finding) {
    const FAULTS_MAX: usize = 16;
    if draft.schema.faults.len() < FAULTS_MAX {
        let what = finding.message.as_str().into();
        draft.schema.faults.push(Fault { span: node.span, keyword: keyword.into(), what });
    }
    loading.note(Severity::Warning, finding);
}

/// A text that is kept, if it is one.
fn kept(loading: &mut Loading<'_>, node: &Node) -> Result<Option<Box<str>>, Unusable> {
    let text = text_of(node);
    loading.spend_bytes(text.as_ref().map_or(0, |text| text.len()))?;
    Ok(text)
}
