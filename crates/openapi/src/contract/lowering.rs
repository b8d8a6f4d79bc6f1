//! Lowers what a definition declares: to a schema of the dispatch document, or to a gap.
//!
//! Whoever compiles a part of an operation gets this and has no other way to a [`Key`]. Schemas lower themselves: what of them
//! is not enforced is found behind each key when all are lowered, so that no caller can forget it.

use std::collections::HashSet;
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::coverage::{Coverage, DefaultBound, GAPS_MAX, Gap, OperationCoverage, Side};
use super::{Options, Undeclared};
use crate::definition::Definition;
use crate::engine::{Key, Uncompiled, Validators};
use crate::schema::emit::{Closing, DefaultBounds, Emitted, Emitter, Lack, Lens, Silence};
use crate::schema::{Direction, SchemaId, Schemas};
use crate::source::{Finding, Pointer, Span};
use crate::value::Limits;

/// Most bytes of a text, where a definition states a bound beyond all reason.
const STRING_MAX: usize = 64 << 20;
/// Most items or members, likewise.
const ENTRIES_MAX: usize = 1_000_000;

/// The lowering of a definition, one operation at a time.
#[derive(Debug)]
pub struct Lowering<'a> {
    definition: &'a Definition,
    options: &'a Options,
    requests: Limits,
    responses: Limits,
    emitter: Emitter<'a>,
    operations: Vec<Own>,
    is_closed: bool,
    media_type: Option<Box<str>>,
}

/// What one operation was lowered to.
#[derive(Debug, Default)]
struct Own {
    gaps: Vec<Gap>,
    is_more: bool,
    roots: Vec<Root>,
}

#[derive(Debug)]
struct Root {
    index: usize,
    side: Side,
    media_type: Option<Box<str>>,
}

/// A definition that was lowered.
pub(super) struct Lowered<'a> {
    definition: &'a Definition,
    requests: Limits,
    operations: Vec<Own>,
    emitted: Emitted,
}

impl<'a> Lowering<'a> {
    /// Begins to lower a definition.
    pub(super) fn new(definition: &'a Definition, options: &'a Options) -> Self {
        let (requests, responses) = (options.requests.clone(), options.responses.clone());
        let stated = Stated::of(&definition.schemas);
        let (requests, bounds) = stated.widen(requests);
        let (responses, _) = stated.widen(responses);
        Self {
            definition,
            options,
            requests,
            responses,
            emitter: Emitter::new(&definition.schemas, bounds),
            operations: Vec::new(),
            is_closed: true,
            media_type: None,
        }
    }

    /// Begins the next operation.
    pub(super) fn begin(&mut self, index: usize) {
        let undeclared = self.options.operations.get(&index).map(|own| own.undeclared).unwrap_or_default();
        self.is_closed = undeclared == Undeclared::Refuse;
        self.operations.push(Own::default());
    }

    /// Ends an operation.
    pub(super) fn end(&mut self) {
        self.media_type = None;
    }

    /// The schemas of the definition.
    pub fn schemas(&self) -> &'a Schemas {
        &self.definition.schemas
    }

    /// The definition.
    pub fn definition(&self) -> &'a Definition {
        self.definition
    }

    /// The bounds that requests are read within.
    pub fn limits(&self) -> &Limits {
        &self.requests
    }

    /// The bounds that responses are read within.
    pub fn response_limits(&self) -> &Limits {
        &self.responses
    }

    /// Whether members that are not declared are refused in this operation.
    pub fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Says which media type what follows is about, or that it is about all of the message.
    pub fn about(&mut self, media_type: Option<&str>) {
        self.media_type = media_type.map(Into::into);
    }

    /// What values are judged by that have a schema.
    pub fn root(&mut self, schema: SchemaId, direction: Direction) -> Key {
        let lens = self.lens(direction);
        let index = self.emitter.root(schema, lens);
        self.rooted(index, direction)
    }

    /// What a response is judged by to learn which branches it means: what could be stripped from it is allowed. `oneOf` is
    /// read as `anyOf`, objects are open, and rules about names and counts of members are left out.
    pub fn loose(&mut self, schema: SchemaId) -> Key {
        let lens = Lens { direction: Some(Direction::Response), closing: Closing::Loose };
        let index = self.emitter.root(schema, lens);
        key(index)
    }

    /// What an object is judged by whose members have these schemas. Nothing is said of others, nor of missing ones.
    pub fn object(&mut self, members: &[(Box<str>, SchemaId)], direction: Direction) -> Key {
        let lens = self.lens(direction);
        let index = self.emitter.object(members, lens);
        self.rooted(index, direction)
    }

    /// Notes that something is not enforced.
    pub fn gap(
        &mut self,
        side: Side,
        span: Span,
        pointer: Pointer,
        what: impl Into<Box<str>>,
        why: impl Into<Box<str>>,
    ) {
        let media_type = self.media_type.clone();
        let gap = Gap { side, span, pointer, what: what.into(), why: why.into(), media_type };
        if let Some(own) = self.operations.last_mut() {
            own.push(gap);
        }
    }

    fn lens(&self, direction: Direction) -> Lens {
        let closing = if self.is_closed { Closing::Closed } else { Closing::Open };
        Lens { direction: Some(direction), closing }
    }

    fn rooted(&mut self, index: usize, direction: Direction) -> Key {
        let side = match direction {
            Direction::Request => Side::Request,
            Direction::Response => Side::Response,
        };
        let media_type = self.media_type.clone();
        if let Some(own) = self.operations.last_mut() {
            own.roots.push(Root { index, side, media_type });
        }
        key(index)
    }

    /// Ends the lowering.
    pub(super) fn finish(self) -> Lowered<'a> {
        Lowered {
            definition: self.definition,
            requests: self.requests,
            operations: self.operations,
            emitted: self.emitter.finish(),
        }
    }
}

fn key(index: usize) -> Key {
    // One beyond has no schema, so nothing passes by it.
    Key(u32::try_from(index).unwrap_or(u32::MAX))
}

impl Own {
    fn push(&mut self, gap: Gap) {
        if self.gaps.contains(&gap) {
            return;
        }
        if self.gaps.len() < GAPS_MAX {
            self.gaps.push(gap);
        } else {
            self.is_more = true;
        }
    }
}

impl Lowered<'_> {
    /// Compiles the dispatch document.
    pub(super) fn validators(&mut self) -> Result<Validators, Vec<Finding>> {
        let patterns = Arc::clone(&self.emitted.patterns);
        let descriptions = std::mem::take(&mut self.emitted.descriptions);
        Validators::compile_with(&self.emitted.document, patterns, descriptions)
            .map_err(|error| vec![self.finding(&error)])
    }

    fn finding(&self, error: &Uncompiled) -> Finding {
        let mut steps = error.pointer.split('/').skip_while(|step| *step != "$defs").skip(1);
        let schema = steps.next().and_then(|index| self.emitted.reach.schema(index.parse().ok()?));
        let (span, pointer) = match schema {
            Some(schema) => {
                let schemas = &self.definition.schemas;
                (schemas.get(schema).span, schemas.pointer(schema))
            }
            None => (Span::NOWHERE, Pointer::new()),
        };
        let message = format!("the schema cannot be compiled: {}", error.message);
        self.definition.files.finding(span, pointer, message)
    }

    /// What is enforced of each operation.
    pub(super) fn coverage(&self) -> Coverage {
        let operations = self.definition.operations.iter().zip(&self.operations).map(|(operation, own)| {
            let (gaps, is_more) = self.gaps(own);
            OperationCoverage {
                method: operation.method.clone(),
                template: operation.template.as_str().into(),
                id: operation.id.clone(),
                span: operation.span,
                gaps,
                is_more,
            }
        });
        Coverage { operations: operations.collect(), defaults: self.defaults() }
    }

    fn gaps(&self, own: &Own) -> (Arc<[Gap]>, bool) {
        let mut all = Own { gaps: own.gaps.clone(), is_more: own.is_more, roots: Vec::new() };
        let mut seen: HashSet<(usize, Side, Option<&str>), RandomState> = HashSet::default();
        for root in &own.roots {
            let media_type = root.media_type.as_deref();
            if !self.emitted.reach.is_lacking(root.index) || !seen.insert((root.index, root.side, media_type))
            {
                continue;
            }
            for lack in self.emitted.reach.lacks(root.index, GAPS_MAX.saturating_add(1)) {
                all.push(self.gap(root, lack));
            }
        }
        // Those of requests come first: of what is not listed none decides.
        all.gaps.sort_by_key(|gap| gap.side);
        (all.gaps.into(), all.is_more)
    }

    fn gap(&self, root: &Root, lack: &Lack) -> Gap {
        let schemas = &self.definition.schemas;
        Gap {
            side: root.side,
            span: schemas.get(lack.schema).span,
            pointer: schemas.pointer(lack.schema),
            what: if lack.keyword.is_empty() { "schema".into() } else { lack.keyword.clone() },
            why: lack.why.clone(),
            media_type: root.media_type.clone(),
        }
    }

    fn defaults(&self) -> Vec<DefaultBound> {
        let silent = |kind: Silence| {
            let is_silent =
                |root: &Root| root.side == Side::Request && self.emitted.reach.silence(root.index).has(kind);
            self.operations.iter().filter(|own| own.roots.iter().any(is_silent)).count()
        };
        let limits = &self.requests;
        let bounds = self.emitted.defaults;
        let stated = |what, kind, bound: Option<u64>, most: usize| DefaultBound {
            what,
            most: bound.unwrap_or_else(|| count(most)),
            operations: Some(silent(kind)),
        };
        vec![
            stated("bytes of a text", Silence::LENGTH, bounds.max_length, limits.string),
            stated("items of a list", Silence::ITEMS, bounds.max_items, limits.array),
            stated("members of an object", Silence::PROPERTIES, bounds.max_properties, limits.members),
            DefaultBound { what: "nesting", most: count(limits.depth), operations: None },
            DefaultBound { what: "digits of a number", most: count(limits.number_digits), operations: None },
            DefaultBound { what: "values of a body", most: count(limits.values), operations: None },
        ]
    }
}

/// The largest bounds that a document states.
#[derive(Default)]
struct Stated {
    length: u64,
    items: u64,
    properties: u64,
}

impl Stated {
    fn of(schemas: &Schemas) -> Self {
        let mut stated = Self::default();
        for (_, schema) in schemas.iter() {
            stated.length = stated.length.max(schema.text().max_length.unwrap_or_default());
            stated.items = stated.items.max(schema.array().max_items.unwrap_or_default());
            stated.properties = stated.properties.max(schema.object().max_properties.unwrap_or_default());
        }
        stated
    }

    /// Limits for a reader that lets pass what the document allows; then schemas that state no bound get one.
    fn widen(&self, limits: Limits) -> (Limits, DefaultBounds) {
        // JSON Schema counts characters, of up to four bytes; readers count bytes.
        let (string, max_length) = widened(limits.string, self.length.saturating_mul(4), STRING_MAX);
        let (array, max_items) = widened(limits.array, self.items, ENTRIES_MAX);
        let (members, max_properties) = widened(limits.members, self.properties, ENTRIES_MAX);
        let values = limits.values.max(array).max(members);
        (
            Limits { string, array, members, values, ..limits },
            DefaultBounds { max_length, max_items, max_properties },
        )
    }
}

fn widened(own: usize, stated: u64, most: usize) -> (usize, Option<u64>) {
    let stated = usize::try_from(stated).unwrap_or(usize::MAX).min(most);
    if stated <= own { (own, None) } else { (stated, Some(count(own))) }
}

fn count(most: usize) -> u64 {
    u64::try_from(most).unwrap_or(u64::MAX)
}
