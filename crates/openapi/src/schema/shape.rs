//! Which types a value may have, and its parts: what it takes to read a text as a value.
//!
//! A text says nothing of types: `5` is a number where the schema has one, else three characters and a digit. So before
//! parameters and forms are judged they are read as what their schema may be, through `$ref`, `allOf`, `oneOf`, `anyOf` and
//! `if`. A shape is that much of a schema and no more; whether the value holds is for the engine.
//!
//! Branches are not told apart: a shape allows what any of them allows. `allOf` and a reference narrow. A schema that names no
//! type has those of its `enum` or `const`, else those its keywords speak of (`minimum`: numbers), else every type, and then a
//! text is a text.
//!
//! # Limits
//! [`SHAPES_MAX`] shapes, [`STEPS_MAX`] schemas looked at and [`DEPTH_MAX`] schemas that speak of one value through each other;
//! beyond, the message is not read and says so ([`TooIntricate`]). Recursion in a schema is a circle of shapes.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use foldhash::fast::RandomState;
use serde_json::Value;

use super::{Reference, Schema, SchemaId, Schemas, Type, Types};

/// Most shapes of one message. Of 2,600 published documents no form has a tenth.
pub const SHAPES_MAX: usize = 10_000;
/// Most schemas looked at for one message.
pub const STEPS_MAX: usize = 100_000;
/// Longest way from a schema through others that speak of the same value.
pub const DEPTH_MAX: usize = 64;

/// Names one shape of a [`Shapes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ShapeId(u32);

/// The shapes of one message.
#[derive(Debug)]
pub struct Shapes(Vec<Shape>);

/// What a value may be.
#[derive(Debug, Default)]
pub struct Shape {
    /// Its types; [`Types::ANY`] where nothing is said.
    pub types: Types,
    prefix: Vec<ShapeId>,
    items: ShapeId,
    /// In the order of the document.
    names: Vec<(Box<str>, ShapeId)>,
    index: HashMap<Box<str>, ShapeId, RandomState>,
    /// What the document says of further members.
    pub further: Further,
}

/// What is said of members that are not named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Further {
    /// Nothing.
    #[default]
    Silent,
    /// There are none.
    Refused,
    /// They have a shape.
    Of(ShapeId),
}

impl Further {
    /// Their shape, as far as something is said of it.
    pub fn shape(self) -> Option<ShapeId> {
        match self {
            Self::Of(shape) => Some(shape),
            Self::Silent | Self::Refused => None,
        }
    }
}

/// A schema that takes more to be understood than its message is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the schema is too intricate to read texts by it")]
pub struct TooIntricate;

impl ShapeId {
    /// Anything: every table has it.
    pub const ANY: Self = Self(0);
}

impl Default for ShapeId {
    fn default() -> Self {
        Self::ANY
    }
}

impl Shapes {
    /// The shape of that name.
    pub fn get(&self, id: ShapeId) -> &Shape {
        static ANY: std::sync::LazyLock<Shape> = std::sync::LazyLock::new(Shape::any);
        let index = usize::try_from(id.0).unwrap_or(usize::MAX);
        self.0.get(index).unwrap_or_else(|| &ANY)
    }
}

impl Shape {
    fn any() -> Self {
        Self { types: Types::ANY, ..Self::default() }
    }

    /// Whether nothing is known of it.
    pub fn is_any(&self) -> bool {
        self.types == Types::ANY
    }

    /// Whether a list may be meant.
    pub fn is_array(&self) -> bool {
        self.types.has(Type::Array)
    }

    /// Whether an object may be meant.
    pub fn is_object(&self) -> bool {
        self.types.has(Type::Object)
    }

    /// Whether a text, a number or a boolean may be meant.
    pub fn is_scalar(&self) -> bool {
        !self.types.without(Type::Array).without(Type::Object).without(Type::Null).is_empty()
    }

    /// Whether nothing may stand for null: texts have no other value that is nothing.
    pub fn is_null_when_empty(&self) -> bool {
        self.types.has(Type::Null) && !self.types.has(Type::String)
    }

    /// The shape of an item.
    pub fn item(&self, at: usize) -> ShapeId {
        self.prefix.get(at).copied().unwrap_or(self.items)
    }

    /// The shapes its items may have.
    pub fn items(&self) -> impl Iterator<Item = ShapeId> {
        self.prefix.iter().copied().chain([self.items])
    }

    /// The shape of a member, as far as the document speaks of it.
    pub fn member(&self, name: &str) -> Option<ShapeId> {
        self.index.get(name).copied().or(self.further.shape())
    }

    /// The members that are named, in the order of the document.
    pub fn members(&self) -> &[(Box<str>, ShapeId)] {
        &self.names
    }
}

/// Makes the shapes of one message.
#[derive(Debug)]
pub struct ShapesBuilder<'s> {
    schemas: &'s Schemas,
    shapes: Vec<Shape>,
    known: HashMap<Said, ShapeId, RandomState>,
    /// What is named already and not yet made.
    open: Vec<(ShapeId, Said)>,
    steps: usize,
}

/// Schemas that speak of one value: all of them hold, or, where branches are among them, perhaps not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Said {
    by: BTreeSet<SchemaId>,
    is_union: bool,
}

/// What the schemas of one value say of its parts.
#[derive(Debug, Default)]
struct Parts {
    members: BTreeMap<Box<str>, (usize, Said)>,
    further: Option<Said>,
    is_closed: bool,
    prefix: Vec<Said>,
    items: Said,
}

impl<'s> ShapesBuilder<'s> {
    /// Begins with [`ShapeId::ANY`] alone.
    pub fn new(schemas: &'s Schemas) -> Self {
        let shapes = vec![Shape::any()];
        Self { schemas, shapes, known: HashMap::default(), open: Vec::new(), steps: 0 }
    }

    /// The name of the shape of a schema.
    ///
    /// # Errors
    /// Past a bound; nothing of it can be used then.
    pub fn add(&mut self, schema: SchemaId) -> Result<ShapeId, TooIntricate> {
        let id = self.name(Said { by: BTreeSet::from([schema]), is_union: false });
        while let Some((id, said)) = self.open.pop() {
            if self.shapes.len() > SHAPES_MAX {
                return Err(TooIntricate);
            }
            let shape = self.make(&said)?;
            if let Some(place) = self.shapes.get_mut(usize::try_from(id.0).unwrap_or(usize::MAX)) {
                *place = shape;
            }
        }
        Ok(id)
    }

    /// The types of a schema's values, and nothing of what stands in them.
    ///
    /// # Errors
    /// Past a bound.
    pub fn types_of(schemas: &'s Schemas, schema: SchemaId) -> Result<Types, TooIntricate> {
        Self::new(schemas).types(schema, DEPTH_MAX)
    }

    /// The shapes that were made.
    pub fn finish(self) -> Shapes {
        Shapes(self.shapes)
    }

    /// A shape that was made.
    pub fn get(&self, id: ShapeId) -> Option<&Shape> {
        self.shapes.get(usize::try_from(id.0).unwrap_or(usize::MAX))
    }

    fn name(&mut self, said: Said) -> ShapeId {
        if said.by.is_empty() {
            return ShapeId::ANY;
        }
        if let Some(known) = self.known.get(&said) {
            return *known;
        }
        let id = ShapeId(u32::try_from(self.shapes.len()).unwrap_or(u32::MAX));
        self.shapes.push(Shape::any());
        self.known.insert(said.clone(), id);
        self.open.push((id, said));
        id
    }

    fn make(&mut self, said: &Said) -> Result<Shape, TooIntricate> {
        let mut types = None;
        let mut parts = Parts::default();
        for schema in &said.by {
            let own = self.types(*schema, DEPTH_MAX)?;
            types = Some(match types {
                None => own,
                Some(before) if said.is_union => either(before, own),
                Some(before) => both(before, own),
            });
            self.parts(*schema, said.is_union, DEPTH_MAX, &mut parts)?;
        }
        let mut names: Vec<_> =
            parts.members.into_iter().map(|(name, (at, said))| (at, name, said)).collect();
        names.sort_by_key(|(at, ..)| *at);
        let names: Vec<(Box<str>, ShapeId)> =
            names.into_iter().map(|(_, name, said)| (name, self.name(said))).collect();
        let further = match parts.further {
            Some(said) => Further::Of(self.name(said)),
            None if parts.is_closed => Further::Refused,
            None => Further::Silent,
        };
        let prefix = parts.prefix.into_iter().map(|said| self.name(said)).collect();
        let items = self.name(parts.items);
        let index = names.iter().cloned().collect();
        Ok(Shape { types: types.unwrap_or(Types::ANY), prefix, items, names, index, further })
    }

    fn step(&mut self, depth: usize) -> Result<usize, TooIntricate> {
        self.steps = self.steps.saturating_add(1);
        if self.steps > STEPS_MAX {
            return Err(TooIntricate);
        }
        depth.checked_sub(1).ok_or(TooIntricate)
    }

    /// The types of the values a schema allows, as far as they can be told without a value.
    fn types(&mut self, id: SchemaId, depth: usize) -> Result<Types, TooIntricate> {
        let depth = self.step(depth)?;
        let schemas = self.schemas;
        let schema = schemas.get(id);
        let mut types = stated(schema);
        if let Some(target) = target(schema) {
            types = both(types, self.types(target, depth)?);
        }
        let logic = schema.logic();
        for branch in &logic.all_of {
            types = both(types, self.types(*branch, depth)?);
        }
        for branches in [&logic.any_of, &logic.one_of] {
            let mut allowed = None;
            for branch in branches {
                let own = self.types(*branch, depth)?;
                allowed = Some(allowed.map_or(own, |before| either(before, own)));
            }
            types = both(types, allowed.unwrap_or(Types::ANY));
        }
        if schema.is_nullable && types != Types::ANY {
            types = types.with(Type::Null);
        }
        Ok(types)
    }

    /// What a schema says of the parts of its values.
    fn parts(
        &mut self,
        id: SchemaId,
        is_branch: bool,
        depth: usize,
        into: &mut Parts,
    ) -> Result<(), TooIntricate> {
        let depth = self.step(depth)?;
        let schemas = self.schemas;
        let schema = schemas.get(id);
        self.own_parts(schema, is_branch, into);
        let logic = schema.logic();
        for schema in target(schema).iter().chain(&logic.all_of) {
            self.parts(*schema, is_branch, depth, into)?;
        }
        let perhaps = [logic.condition, logic.then, logic.otherwise];
        let branches = logic.any_of.iter().chain(&logic.one_of).chain(perhaps.iter().flatten());
        for schema in branches.chain(schema.object().dependent_schemas.iter().map(|named| &named.schema)) {
            self.parts(*schema, true, depth, into)?;
        }
        Ok(())
    }

    fn own_parts(&self, schema: &Schema, is_branch: bool, into: &mut Parts) {
        let object = schema.object();
        for property in &object.properties {
            let at = into.members.len();
            let (_, said) = into.members.entry(property.name.clone()).or_insert((at, Said::default()));
            said.add(property.schema, is_branch);
        }
        let further = [object.additional_properties, object.unevaluated_properties];
        let patterns = object.pattern_properties.iter().map(|property| property.schema);
        for schema in further.into_iter().flatten().chain(patterns) {
            if self.schemas.get(schema).always == Some(false) {
                into.is_closed = true;
            } else {
                // Which of the patterns a name meets is not asked here.
                let is_branch = is_branch || !object.pattern_properties.is_empty();
                into.further.get_or_insert_default().add(schema, is_branch);
            }
        }
        let array = schema.array();
        for (at, item) in array.prefix_items.iter().enumerate() {
            if into.prefix.len() <= at {
                into.prefix.push(Said::default());
            }
            if let Some(said) = into.prefix.get_mut(at) {
                said.add(*item, is_branch);
            }
        }
        for item in array.items.into_iter().chain(array.unevaluated_items) {
            into.items.add(item, is_branch);
        }
    }
}

impl Said {
    fn add(&mut self, schema: SchemaId, is_branch: bool) {
        self.by.insert(schema);
        self.is_union |= is_branch;
    }
}

fn target(schema: &Schema) -> Option<SchemaId> {
    match schema.reference {
        Some(Reference::To(target) | Reference::Dynamic { target, .. }) => Some(target),
        None => None,
    }
}

/// Of two statements that both hold. A contradiction is left to the engine, which then refuses every value.
fn both(one: Types, other: Types) -> Types {
    let types = one.and(other);
    if types.is_empty() { one } else { types }
}

/// Of two statements of which one holds. One that names no type says nothing about how to read a text.
fn either(one: Types, other: Types) -> Types {
    match (one == Types::ANY, other == Types::ANY) {
        (true, _) => other,
        (_, true) => one,
        (false, false) => one.or(other),
    }
}

/// What a schema says of types by itself.
fn stated(schema: &Schema) -> Types {
    if let Some(types) = schema.types {
        return if schema.is_nullable { types.with(Type::Null) } else { types };
    }
    let of_values = |values: &mut dyn Iterator<Item = &Value>| {
        values.fold(Types::NONE, |types, value| types.with(type_of(value)))
    };
    let mut types = match (&schema.constant, &schema.enumeration) {
        (Some(constant), _) => of_values(&mut [&**constant].into_iter()),
        (None, Some(values)) => of_values(&mut values.iter()),
        (None, None) => implied(schema),
    };
    if types.is_empty() {
        return Types::ANY;
    }
    if schema.is_nullable {
        types = types.with(Type::Null);
    }
    types
}

/// The types that the keywords of a schema speak of.
fn implied(schema: &Schema) -> Types {
    let format = schema.format.as_deref();
    let is_number = matches!(
        format,
        Some(
            "int8"
                | "int16"
                | "int32"
                | "int64"
                | "uint8"
                | "uint16"
                | "uint32"
                | "uint64"
                | "float"
                | "double"
        )
    );
    [
        (schema.number.is_some() || is_number, Type::Number),
        (schema.text.is_some() || format.is_some_and(|_| !is_number), Type::String),
        (schema.array.is_some(), Type::Array),
        (schema.object.is_some(), Type::Object),
    ]
    .into_iter()
    .filter(|(is_there, _)| *is_there)
    .fold(Types::NONE, |types, (_, one)| types.with(one))
}

fn type_of(value: &Value) -> Type {
    match value {
        Value::Null => Type::Null,
        Value::Bool(_) => Type::Boolean,
        Value::Number(number) if number.is_f64() => Type::Number,
        Value::Number(_) => Type::Integer,
        Value::String(_) => Type::String,
        Value::Array(_) => Type::Array,
        Value::Object(_) => Type::Object,
    }
}
