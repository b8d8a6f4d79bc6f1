//! The schemas of a definition as one graph, whatever version of OpenAPI they were written in.
//!
//! A schema stands once in an arena and others name it by its [`SchemaId`], so that a document in which everything refers to
//! everything costs what it has, and recursion is nothing special. Keywords mean what JSON Schema 2020-12 says, once read:
//! the reader turns `nullable`, boolean exclusive bounds, `type: file`, lists under `items`, `dependencies` and
//! `collectionFormat` into what stands here.
//!
//! What could not be understood is kept as a [`Fault`] of its schema, and who lowers the graph has to deal with it: nothing
//! is dropped on the way. Unknown keywords and formats annotate, as JSON Schema has it.
//!
//! # Limits
//! Those of [`crate::definition::Bounds`]: a schema and each 64 bytes of its texts is a part of the document.

use std::sync::Arc;

use serde_json::{Number, Value};

use crate::source::{Pointer, Segment, Span};

pub(crate) mod emit;
pub mod shape;
mod type_set;

pub use emit::Direction;
pub use type_set::{Type, Types};

/// Names one schema of a [`Schemas`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SchemaId(u32);

/// All schemas of a definition that something refers to.
#[derive(Debug, Default)]
pub struct Schemas {
    schemas: Vec<Schema>,
    /// The dynamic anchors of each resource that has some.
    anchors: Vec<Vec<(Box<str>, SchemaId)>>,
}

/// One schema. A request or response is judged by all of its keywords together.
#[derive(Debug, Clone)]
pub struct Schema {
    /// Where it is written.
    pub span: Span,
    /// The way to it.
    pub(crate) place: Place,
    /// Which of the resources with dynamic anchors it belongs to, counted from 1; 0 for none.
    pub(crate) resource: u32,
    /// `true` or `false`, standing for a schema: everything, or nothing.
    pub always: Option<bool>,
    /// `$ref` or `$dynamicRef`. Before 3.1 nothing else counts beside it but `nullable`.
    pub reference: Option<Reference>,
    /// `type`.
    pub types: Option<Types>,
    /// `nullable` of 3.0, `x-nullable` of 2.0: null is allowed whatever else stands here.
    pub is_nullable: bool,
    /// `format`, as written.
    pub format: Option<Box<str>>,
    /// `enum`.
    pub enumeration: Option<Box<[Value]>>,
    /// `const`.
    pub constant: Option<Box<Value>>,
    /// What is asked of numbers.
    pub number: Option<Box<NumberRules>>,
    /// What is asked of texts.
    pub text: Option<Box<TextRules>>,
    /// What is asked of lists.
    pub array: Option<Box<ArrayRules>>,
    /// What is asked of objects.
    pub object: Option<Box<ObjectRules>>,
    /// Other schemas about the same value.
    pub logic: Option<Box<LogicRules>>,
    /// `discriminator`.
    pub discriminator: Option<Box<Discriminator>>,
    /// `readOnly`: stands in responses only.
    pub is_read_only: bool,
    /// `writeOnly`: stands in requests only.
    pub is_write_only: bool,
    /// `deprecated`.
    pub is_deprecated: bool,
    /// What constrains nothing.
    pub notes: Option<Box<Notes>>,
    /// `x-data-class`, as written.
    pub data_class: Option<Box<str>>,
    /// What is written here and could not be understood.
    pub faults: Vec<Fault>,
}

/// The schema that another stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// `$ref`.
    To(SchemaId),
    /// `$dynamicRef`: the outermost schema on the way here that has this dynamic anchor, else the target.
    Dynamic {
        /// The name of the anchor.
        anchor: Box<str>,
        /// What it leads to where no other has the anchor.
        target: SchemaId,
    },
}

/// Keywords about numbers.
#[derive(Debug, Clone, Default)]
pub struct NumberRules {
    /// `multipleOf`, above zero.
    pub multiple_of: Option<Number>,
    /// `minimum`.
    pub minimum: Option<Number>,
    /// `maximum`.
    pub maximum: Option<Number>,
    /// `exclusiveMinimum`.
    pub exclusive_minimum: Option<Number>,
    /// `exclusiveMaximum`.
    pub exclusive_maximum: Option<Number>,
}

/// Keywords about texts.
#[derive(Debug, Clone, Default)]
pub struct TextRules {
    /// `minLength`.
    pub min_length: Option<u64>,
    /// `maxLength`.
    pub max_length: Option<u64>,
    /// `pattern`, of ECMA-262.
    pub pattern: Option<Box<str>>,
    /// `contentEncoding`: annotates.
    pub content_encoding: Option<Box<str>>,
    /// `contentMediaType`: annotates.
    pub content_media_type: Option<Box<str>>,
    /// `contentSchema`: annotates.
    pub content_schema: Option<SchemaId>,
}

/// Keywords about lists.
#[derive(Debug, Clone, Default)]
pub struct ArrayRules {
    /// `items`: of those behind [`ArrayRules::prefix_items`].
    pub items: Option<SchemaId>,
    /// `prefixItems`, or the list form of `items` in older drafts.
    pub prefix_items: Vec<SchemaId>,
    /// `contains`.
    pub contains: Option<SchemaId>,
    /// `minContains`.
    pub min_contains: Option<u64>,
    /// `maxContains`.
    pub max_contains: Option<u64>,
    /// `minItems`.
    pub min_items: Option<u64>,
    /// `maxItems`.
    pub max_items: Option<u64>,
    /// `uniqueItems`.
    pub unique_items: bool,
    /// `unevaluatedItems`.
    pub unevaluated_items: Option<SchemaId>,
    /// 2.0: how the items are told apart in a text.
    pub collection_format: Option<CollectionFormat>,
}

/// Keywords about objects.
#[derive(Debug, Clone, Default)]
pub struct ObjectRules {
    /// `properties`, in the order of the document.
    pub properties: Vec<Property>,
    /// `patternProperties`: the patterns stand as names.
    pub pattern_properties: Vec<Property>,
    /// `additionalProperties`.
    pub additional_properties: Option<SchemaId>,
    /// `propertyNames`.
    pub property_names: Option<SchemaId>,
    /// `required`.
    pub required: Vec<Box<str>>,
    /// `dependentRequired`: a name and those it asks for.
    pub dependent_required: Vec<(Box<str>, Vec<Box<str>>)>,
    /// `dependentSchemas`.
    pub dependent_schemas: Vec<Property>,
    /// `minProperties`.
    pub min_properties: Option<u64>,
    /// `maxProperties`.
    pub max_properties: Option<u64>,
    /// `unevaluatedProperties`.
    pub unevaluated_properties: Option<SchemaId>,
}

/// A name and what holds for the value under it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Property {
    /// The name.
    pub name: Box<str>,
    /// What holds for the value.
    pub schema: SchemaId,
}

/// Keywords that ask other schemas about the same value.
#[derive(Debug, Clone, Default)]
pub struct LogicRules {
    /// `allOf`.
    pub all_of: Vec<SchemaId>,
    /// `anyOf`.
    pub any_of: Vec<SchemaId>,
    /// `oneOf`.
    pub one_of: Vec<SchemaId>,
    /// `not`.
    pub not: Option<SchemaId>,
    /// `if`.
    pub condition: Option<SchemaId>,
    /// `then`.
    pub then: Option<SchemaId>,
    /// `else`.
    pub otherwise: Option<SchemaId>,
}

/// `discriminator`: a property that tells which schema is meant.
#[derive(Debug, Clone)]
pub struct Discriminator {
    /// The property.
    pub property: Box<str>,
    /// Values of the property and what they stand for, as far as the document says.
    pub mapping: Vec<Property>,
    /// Names of schemas by which a value may name them without a mapping: the last segment of a reference.
    pub names: Vec<Property>,
    /// 3.2: what holds when the property is missing or names nothing.
    pub default_mapping: Option<SchemaId>,
    /// Whether the property's value decides (2.0, 3.0) or only helps (3.1 and later).
    pub is_binding: bool,
}

/// Keywords that constrain nothing.
#[derive(Debug, Clone, Default)]
pub struct Notes {
    /// `title`.
    pub title: Option<Box<str>>,
    /// `description`.
    pub description: Option<Box<str>>,
    /// `default`.
    pub default: Option<Value>,
    /// `example` and `examples`, each as JSON text.
    pub examples: Vec<Arc<str>>,
}

/// How a text holds several values in 2.0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CollectionFormat {
    /// Commas.
    Csv,
    /// Blanks.
    Ssv,
    /// Tabs.
    Tsv,
    /// Bars.
    Pipes,
    /// The parameter once for each.
    Multi,
}

/// Something of a schema that was not understood, so nothing enforces it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where.
    pub span: Span,
    /// The keyword, or nothing where the schema as a whole is meant.
    pub keyword: Box<str>,
    /// What is wrong with it.
    pub what: Box<str>,
}

/// The way to a schema, kept short: documents have a hundred thousand of them.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    /// From the root of its document.
    Root(Pointer),
    /// From another schema, through a keyword and, where that has several, the position below it.
    Below { parent: SchemaId, keyword: &'static str, index: Option<u32> },
}

impl SchemaId {
    pub(crate) fn new(index: usize) -> Self {
        Self(u32::try_from(index).unwrap_or(u32::MAX))
    }

    /// Its place in the arena: counted from zero without gaps, so that tables beside the graph are lists.
    pub fn index(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl Schemas {
    pub(crate) fn new(schemas: Vec<Schema>, anchors: Vec<Vec<(Box<str>, SchemaId)>>) -> Self {
        Self { schemas, anchors }
    }

    /// The dynamic anchors of the resource that a schema belongs to.
    pub(crate) fn anchors(&self, id: SchemaId) -> &[(Box<str>, SchemaId)] {
        let number = usize::try_from(self.get(id).resource).unwrap_or_default();
        number.checked_sub(1).and_then(|index| self.anchors.get(index)).map_or(&[], Vec::as_slice)
    }

    /// Whether any resource has dynamic anchors.
    pub(crate) fn has_anchors(&self) -> bool {
        !self.anchors.is_empty()
    }

    /// The schema of that name.
    pub fn get(&self, id: SchemaId) -> &Schema {
        // An id of another graph is a fault of ours; it stands for a schema that no value meets.
        static NONE: Schema = Schema::always(Some(false));
        self.schemas.get(id.index()).unwrap_or(&NONE)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.schemas.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.schemas.is_empty()
    }

    /// All of them with their names.
    pub fn iter(&self) -> impl Iterator<Item = (SchemaId, &Schema)> {
        self.schemas.iter().enumerate().map(|(index, schema)| (SchemaId::new(index), schema))
    }

    /// Follows `$ref` until something else is found; the last of a chain that does not end.
    pub fn resolve(&self, id: SchemaId) -> SchemaId {
        const CHAIN_MAX: usize = 32;
        let mut last = id;
        for _ in 0..CHAIN_MAX {
            match self.get(last).reference {
                Some(Reference::To(next)) => last = next,
                Some(Reference::Dynamic { .. }) | None => break,
            }
        }
        last
    }

    /// The way to a schema in its document, as messages show it.
    pub fn pointer(&self, id: SchemaId) -> Pointer {
        let mut steps = Vec::new();
        let mut at = id;
        // A way is as deep as a document may be.
        while steps.len() < 1000 {
            match &self.get(at).place {
                Place::Root(pointer) => {
                    let mut whole = pointer.clone();
                    steps.into_iter().rev().for_each(|step| whole.push(step));
                    return whole;
                }
                Place::Below { parent, keyword, index } => {
                    steps.extend(index.map(|index| self.step(*parent, keyword, index)));
                    steps.push(Segment::Key((*keyword).into()));
                    at = *parent;
                }
            }
        }
        Pointer::new()
    }

    fn step(&self, parent: SchemaId, keyword: &str, index: u32) -> Segment {
        let object = self.get(parent).object();
        let named = match keyword {
            "properties" => &object.properties,
            "patternProperties" => &object.pattern_properties,
            "dependentSchemas" | "dependencies" => &object.dependent_schemas,
            _ => &Vec::new(),
        };
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        named.get(index).map_or(Segment::Index(index), |property| Segment::Key(property.name.clone()))
    }
}

impl Schema {
    /// One that says nothing.
    pub(crate) const EMPTY: Self = Self::always(None);

    const fn always(always: Option<bool>) -> Self {
        Self {
            span: Span::NOWHERE,
            place: Place::Below { parent: SchemaId(u32::MAX), keyword: "", index: None },
            resource: 0,
            always,
            reference: None,
            types: None,
            is_nullable: false,
            format: None,
            enumeration: None,
            constant: None,
            number: None,
            text: None,
            array: None,
            object: None,
            logic: None,
            discriminator: None,
            is_read_only: false,
            is_write_only: false,
            is_deprecated: false,
            notes: None,
            data_class: None,
            faults: Vec::new(),
        }
    }

    /// Tells the schemas that describe a value with this one, or what stands in it: all but those that only ask a question.
    pub(crate) fn below(&self, tell: &mut dyn FnMut(SchemaId)) {
        let (object, array, logic) = (self.object(), self.array(), self.logic());
        for named in [&object.properties, &object.pattern_properties, &object.dependent_schemas] {
            named.iter().for_each(|one| tell(one.schema));
        }
        for list in [&array.prefix_items, &logic.all_of, &logic.any_of, &logic.one_of] {
            list.iter().for_each(|one| tell(*one));
        }
        if let Some(discriminator) = self.discriminator.as_deref().filter(|it| it.is_binding) {
            let candidates = discriminator.mapping.iter().chain(&discriminator.names);
            candidates.for_each(|candidate| tell(candidate.schema));
        }
        let target = match &self.reference {
            Some(Reference::To(target) | Reference::Dynamic { target, .. }) => Some(*target),
            None => None,
        };
        let one = [
            target,
            object.additional_properties,
            object.unevaluated_properties,
            array.items,
            array.unevaluated_items,
            logic.condition,
            logic.then,
            logic.otherwise,
        ];
        one.into_iter().flatten().for_each(tell);
    }

    /// Whether it says a little of scalars and nothing else, so that it may stand wherever it is used.
    pub(crate) fn is_of_scalars(&self) -> bool {
        const VALUES_MAX: usize = 8;
        self.reference.is_none()
            && self.object.is_none()
            && self.array.is_none()
            && self.logic.is_none()
            && self.discriminator.is_none()
            && self.constant.is_none()
            && self.enumeration.as_ref().is_none_or(|values| values.len() <= VALUES_MAX)
    }

    /// What it refers to, where it says nothing else of a value.
    pub(crate) fn only_reference(&self) -> Option<SchemaId> {
        let Some(Reference::To(target)) = self.reference else { return None };
        let is_silent = self.always.is_none()
            && self.types.is_none()
            && !self.is_nullable
            && self.format.is_none()
            && self.enumeration.is_none()
            && self.constant.is_none()
            && self.number.is_none()
            && self.text.is_none()
            && self.array.is_none()
            && self.object.is_none()
            && self.logic.is_none()
            && self.discriminator.is_none()
            && self.faults.is_empty();
        is_silent.then_some(target)
    }

    /// What is asked of numbers; nothing where nothing is written.
    pub fn number(&self) -> &NumberRules {
        static NONE: NumberRules = NumberRules {
            multiple_of: None,
            minimum: None,
            maximum: None,
            exclusive_minimum: None,
            exclusive_maximum: None,
        };
        self.number.as_deref().unwrap_or(&NONE)
    }

    /// What is asked of texts; nothing where nothing is written.
    pub fn text(&self) -> &TextRules {
        static NONE: TextRules = TextRules {
            min_length: None,
            max_length: None,
            pattern: None,
            content_encoding: None,
            content_media_type: None,
            content_schema: None,
        };
        self.text.as_deref().unwrap_or(&NONE)
    }

    /// What is asked of lists; nothing where nothing is written.
    pub fn array(&self) -> &ArrayRules {
        static NONE: ArrayRules = ArrayRules {
            items: None,
            prefix_items: Vec::new(),
            contains: None,
            min_contains: None,
            max_contains: None,
            min_items: None,
            max_items: None,
            unique_items: false,
            unevaluated_items: None,
            collection_format: None,
        };
        self.array.as_deref().unwrap_or(&NONE)
    }

    /// What is asked of objects; nothing where nothing is written.
    pub fn object(&self) -> &ObjectRules {
        static NONE: ObjectRules = ObjectRules {
            properties: Vec::new(),
            pattern_properties: Vec::new(),
            additional_properties: None,
            property_names: None,
            required: Vec::new(),
            dependent_required: Vec::new(),
            dependent_schemas: Vec::new(),
            min_properties: None,
            max_properties: None,
            unevaluated_properties: None,
        };
        self.object.as_deref().unwrap_or(&NONE)
    }

    /// The other schemas about the same value.
    pub fn logic(&self) -> &LogicRules {
        static NONE: LogicRules = LogicRules {
            all_of: Vec::new(),
            any_of: Vec::new(),
            one_of: Vec::new(),
            not: None,
            condition: None,
            then: None,
            otherwise: None,
        };
        self.logic.as_deref().unwrap_or(&NONE)
    }

    /// What constrains nothing.
    pub fn notes(&self) -> &Notes {
        static NONE: Notes = Notes { title: None, description: None, default: None, examples: Vec::new() };
        self.notes.as_deref().unwrap_or(&NONE)
    }
}
