//! From the graph to one dispatch document of JSON Schema 2020-12, by which a value can be judged.
//!
//! A schema is written once for each way it is looked at ([`View`]), as one of the document's `$defs`; what stands within it
//! stands within that. So the document grows with what is used, and recursion is a reference. Keywords are consumed by taking
//! schemas apart exhaustively: a new one does not compile before it is written here or becomes a [`Lack`].
//!
//! # Readings
//! * **Closed objects.** Where a value's schema says nothing of further properties, those are refused that no part of its
//!   composition declares: at the outermost schema, never within the branches. A composition that declares no property at all
//!   describes a free map and stays open, as does a branch of `anyOf` or `oneOf` that says `type: object` and no more.
//!   A property, or items, that several parts describe are a composition in turn: closed to what these declare together.
//!   What `patternProperties` and `additionalProperties` describe each schema closes by itself.
//! * **Direction.** A `readOnly` property is refused in a request and required of none; a `writeOnly` one likewise in a
//!   response. It is one if it says so itself, or what it refers to, or a part of its `allOf`.
//! * **`not`, `if`, `contains`** ask a question about the value and do not describe it: they are neither closed nor directed.
//! * **`nullable`** allows null whatever stands beside it.
//! * **Discriminators** of 2.0 and 3.0 decide which branch holds; those of later versions change nothing.
//! * Formats that are not known annotate.
//!
//! # Limits
//! A composition of more than [`COMPOSITION_MAX`] schemas is a lack, as is one that leads back to itself without going into
//! the value: it would never end. Looking through compositions takes at most [`VISITS_MAX`] steps for a document.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use serde_json::{Map, Value, json};

use super::{SchemaId, Schemas};
use crate::engine::{Descriptions, PatternSupport, Patterns, name_pattern_support};

mod composition;
mod declared;
mod directed;
mod discriminator;
mod keywords;
mod numbered;
mod reach;
mod scope;
mod sharing;

use declared::{Declared, Link};
use directed::Directed;
use numbered::Numbered;
pub(crate) use reach::Reach;
use scope::Scopes;
use sharing::Shared;

/// The way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// From the caller to the backend.
    Request,
    /// From the backend to the caller.
    Response,
}

/// What a schema is looked at for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Lens {
    /// None where a schema asks a question.
    pub(crate) direction: Option<Direction>,
    /// What becomes of members that nothing declares.
    pub(crate) closing: Closing,
    /// Which of the emitter's bounds hold where a schema states none.
    pub(crate) bounds: u16,
}

/// What becomes of members that nothing declares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Closing {
    /// They are refused.
    Closed,
    /// They pass unless the document says otherwise.
    Open,
    /// They pass whatever the document says, as do all that could be taken away: for choosing branches.
    Loose,
}

/// Bounds written where a schema states none, because the reader of bodies is bound for the whole API by larger ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct DefaultBounds {
    pub(crate) max_length: Option<u64>,
    pub(crate) max_items: Option<u64>,
    pub(crate) max_properties: Option<u64>,
}

/// Something that the document cannot say, so that nothing enforces it.
#[derive(Clone, Debug)]
pub(crate) struct Lack {
    pub(crate) schema: SchemaId,
    pub(crate) keyword: Box<str>,
    pub(crate) why: Box<str>,
}

/// Kinds of bounds that a schema does not state, as a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Silence(u8);

/// The document while it is written.
#[derive(Debug)]
pub(crate) struct Emitter<'a> {
    schemas: &'a Schemas,
    directed: Directed,
    /// By their number in a [`Lens`]; the first are none.
    defaults: Vec<DefaultBounds>,
    views: HashMap<View, usize, RandomState>,
    /// Objects of which each member has a schema, as operations have parameters.
    objects: HashMap<Members, usize, RandomState>,
    definitions: Vec<Written>,
    queue: Vec<usize>,
    roots: Vec<usize>,
    /// PERF: compiling a pattern takes longer than anything else, so it is done once.
    patterns: Arc<Patterns>,
    name_patterns: HashMap<&'a str, PatternSupport, RandomState>,
    /// Sets of names by their number: those that no message of a direction may have.
    hidden: Numbered<Vec<&'a str>>,
    shared: Shared<'a>,
    /// What was written declares, and by which of it values are closed.
    declared: Vec<Declared<'a>>,
    closed: Vec<usize>,
    scopes: Scopes<'a>,
    visits: usize,
}

/// Members of an object, and what they are looked at for.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Members(Box<[(Box<str>, SchemaId)]>, Lens);

/// One of the `$defs`.
#[derive(Debug)]
struct Written {
    view: View,
    value: Value,
    edges: Vec<Edge>,
    lacks: Vec<Lack>,
    silence: Silence,
    /// What it declares.
    link: Option<Link>,
}

/// A reference from one of the `$defs` to another.
#[derive(Clone, Copy, Debug)]
struct Edge {
    to: usize,
    /// Whether both are about the same value.
    is_in_place: bool,
}

/// One way to look at a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct View {
    schema: SchemaId,
    lens: Lens,
    role: Role,
    /// Names that are refused by another part of the composition, so that this one does not require them.
    hidden: u32,
    /// What another part describes as well: it is closed where the whole is.
    shared: u32,
    /// Set where a branch builds on what chose it.
    is_chosen: bool,
    /// What dynamic references mean on the way here.
    scope: u32,
}

/// What a schema is to the value it is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Role {
    /// All of it: the outermost of a composition.
    Whole,
    /// A part of a composition.
    Part,
    /// One of several that may describe it, beside which nothing else declares properties.
    Alternative,
}

/// Where the writer stands.
#[derive(Clone, Copy)]
struct Context {
    definition: usize,
    lens: Lens,
    role: Role,
    hidden: u32,
    shared: u32,
    is_chosen: bool,
    scope: u32,
    is_in_place: bool,
}

impl Context {
    /// At the beginning of one of the `$defs`.
    fn of(definition: usize, view: View) -> Self {
        let View { schema: _, lens, role, hidden, shared, is_chosen, scope } = view;
        Self { definition, lens, role, hidden, shared, is_chosen, scope, is_in_place: true }
    }

    /// Whether something may be closed by what is written here: questions are among that, as `if` declares members.
    fn is_described(self) -> bool {
        self.lens.closing == Closing::Closed || self.lens.direction.is_none()
    }

    /// Without what is said elsewhere of the value.
    fn alone(self) -> Self {
        Self { hidden: 0, shared: 0, is_chosen: false, ..self }
    }
}

/// Most schemas of one composition.
const COMPOSITION_MAX: usize = 2048;
/// Most steps through compositions for one document.
const VISITS_MAX: usize = 10_000_000;
/// Chains of references are shortened as far as that.
const CHAIN_MAX: usize = 32;

/// The finished document.
pub(crate) struct Emitted {
    /// For [`crate::engine::Validators::compile`].
    pub(crate) document: Value,
    /// What can be reached from what.
    pub(crate) reach: Reach,
    /// Its patterns, compiled.
    pub(crate) patterns: Arc<Patterns>,
    /// What values are closed by.
    pub(crate) descriptions: Descriptions,
}

impl<'a> Emitter<'a> {
    pub(crate) fn new(schemas: &'a Schemas) -> Self {
        Self {
            schemas,
            directed: Directed::of(schemas),
            defaults: vec![DefaultBounds::default()],
            views: HashMap::default(),
            objects: HashMap::default(),
            definitions: Vec::new(),
            queue: Vec::new(),
            roots: Vec::new(),
            patterns: Arc::default(),
            name_patterns: HashMap::default(),
            hidden: Numbered::default(),
            shared: Shared::default(),
            declared: Vec::new(),
            closed: Vec::new(),
            scopes: Scopes::default(),
            visits: 0,
        }
    }

    /// The number of bounds, for a [`Lens`].
    pub(crate) fn number(&mut self, bounds: DefaultBounds) -> u16 {
        let known = self.defaults.iter().position(|known| *known == bounds);
        let at = known.unwrap_or_else(|| {
            self.defaults.push(bounds);
            self.defaults.len().saturating_sub(1)
        });
        u16::try_from(at).unwrap_or(u16::MAX)
    }

    /// Bounds by their number.
    // SECURITY: past the last number there are the first bounds that state something, never none.
    fn defaults(&self, lens: Lens) -> DefaultBounds {
        let own = self.defaults.get(usize::from(lens.bounds)).or_else(|| self.defaults.get(1));
        own.copied().unwrap_or_default()
    }

    /// Adds a schema by which whole values are judged; its name in the document.
    pub(crate) fn root(&mut self, schema: SchemaId, lens: Lens) -> usize {
        let scope = self.entered(schema, 0);
        let index = self.definition(View { role: Role::Whole, scope, ..View::alone(schema, lens) });
        self.roots.push(index);
        self.drain();
        index
    }

    /// Adds an object whose members are judged by schemas of their own; its name in the document.
    pub(crate) fn object(&mut self, members: &[(Box<str>, SchemaId)], lens: Lens) -> usize {
        // PERF: many operations have the same parameters.
        let known = Members(members.into(), lens);
        if let Some(index) = self.objects.get(&known) {
            return *index;
        }
        let schema = members.first().map_or(SchemaId(u32::MAX), |(_, schema)| *schema);
        let view = View::alone(schema, lens);
        let index = self.add(view);
        let context = Context { role: Role::Whole, is_in_place: false, ..Context::of(index, view) };
        let mut properties = Map::with_capacity(members.len());
        for (name, schema) in members {
            let written = if self.schemas.get(*schema).is_of_scalars() {
                self.inner(*schema, context)
            } else {
                reference(self.refer(*schema, context, false))
            };
            properties.insert(name.as_ref().to_owned(), written);
        }
        if let Some(written) = self.definitions.get_mut(index) {
            written.value = json!({ "type": "object", "properties": properties });
        }
        self.objects.insert(known, index);
        self.roots.push(index);
        self.drain();
        index
    }

    /// Puts the document together.
    pub(crate) fn finish(mut self) -> Emitted {
        self.cut_circles();
        let descriptions = self.describe();
        self.roots.sort_unstable();
        self.roots.dedup();
        let mut roots = Map::with_capacity(self.roots.len());
        for root in &self.roots {
            roots.insert(root.to_string(), reference(*root));
        }
        let mut definitions = Map::with_capacity(self.definitions.len());
        for (index, written) in self.definitions.iter_mut().enumerate() {
            definitions.insert(index.to_string(), std::mem::take(&mut written.value));
        }
        let mut document = Map::new();
        document.insert("properties".to_owned(), Value::Object(roots));
        document.insert("$defs".to_owned(), Value::Object(definitions));
        let reach = Reach::new(self.definitions);
        let (document, patterns) = (Value::Object(document), self.patterns);
        Emitted { document, reach, patterns, descriptions }
    }

    fn drain(&mut self) {
        while let Some(index) = self.queue.pop() {
            let Some(view) = self.definitions.get(index).map(|written| written.view) else { continue };
            let (value, link) = self.write(view.schema, Context::of(index, view));
            if let Some(written) = self.definitions.get_mut(index) {
                written.value = value;
                written.link = link;
            }
        }
    }

    /// The place of a view among the `$defs`.
    fn definition(&mut self, mut view: View) -> usize {
        // PERF: what says the same both ways is compiled once.
        view.lens.direction = self.directed.needed(view.schema, view.lens.direction);
        if let Some(index) = self.views.get(&view) {
            return *index;
        }
        let index = self.add(view);
        self.views.insert(view, index);
        self.queue.push(index);
        index
    }

    fn add(&mut self, view: View) -> usize {
        let index = self.definitions.len();
        self.definitions.push(Written::of(view));
        index
    }

    /// The place of a view that is referred to.
    fn refer(&mut self, schema: SchemaId, context: Context, is_chosen: bool) -> usize {
        let Context { lens, role, hidden, shared, scope, .. } = context;
        let mut schema = schema;
        let mut scope = self.entered(schema, scope);
        for _ in 0..CHAIN_MAX {
            match self.schemas.get(schema).only_reference() {
                Some(next) if !is_chosen => schema = next,
                _ => break,
            }
            scope = self.entered(schema, scope);
        }
        let to = self.definition(View { schema, lens, role, hidden, shared, is_chosen, scope });
        if let Some(written) = self.definitions.get_mut(context.definition) {
            written.edges.push(Edge { to, is_in_place: context.is_in_place });
        }
        to
    }

    fn lack(&mut self, context: Context, schema: SchemaId, keyword: &str, why: impl Into<Box<str>>) {
        if let Some(written) = self.definitions.get_mut(context.definition) {
            written.lacks.push(Lack { schema, keyword: keyword.into(), why: why.into() });
        }
    }

    fn silence(&mut self, context: Context, silence: Silence) {
        if let Some(written) = self.definitions.get_mut(context.definition) {
            written.silence = written.silence.or(silence);
        }
    }

    /// Whether a pattern for texts can be enforced.
    fn supports(&self, pattern: &str) -> bool {
        self.patterns.supports(pattern)
    }

    /// Whether a pattern for names can be enforced.
    fn supports_name(&mut self, pattern: &'a str) -> bool {
        let support = self.name_patterns.entry(pattern).or_insert_with(|| name_pattern_support(pattern));
        *support != PatternSupport::Unsupported
    }

    fn hidden_set(&mut self, mut names: Vec<&'a str>) -> u32 {
        names.sort_unstable();
        names.dedup();
        self.hidden.number(names)
    }

    fn hidden_names(&self, set: u32) -> &[&'a str] {
        self.hidden.get(set).map_or(&[], Vec::as_slice)
    }
}

fn reference(to: usize) -> Value {
    let mut value = Map::with_capacity(1);
    value.insert("$ref".to_owned(), Value::String(format!("#/$defs/{to}")));
    Value::Object(value)
}

impl View {
    /// Of a schema that stands beside nothing.
    fn alone(schema: SchemaId, lens: Lens) -> Self {
        Self { schema, lens, role: Role::Part, hidden: 0, shared: 0, is_chosen: false, scope: 0 }
    }
}

impl Written {
    fn of(view: View) -> Self {
        Self {
            view,
            value: Value::Bool(true),
            edges: Vec::new(),
            lacks: Vec::new(),
            silence: Silence::default(),
            link: None,
        }
    }
}

impl Silence {
    /// No bound on the length of texts.
    pub(crate) const LENGTH: Self = Self(1);
    /// No bound on the length of lists.
    pub(crate) const ITEMS: Self = Self(2);
    /// No bound on the members of objects.
    pub(crate) const PROPERTIES: Self = Self(4);

    #[must_use]
    pub(crate) fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}
