//! Lowers what a definition declares: to a schema of the dispatch document, or to a gap.
//!
//! Whoever compiles a part of an operation gets this and has no other way to a [`Key`]. Schemas lower themselves: what of them
//! is not enforced is found behind each key when all are lowered, so that no caller can forget it.

use std::collections::{BTreeMap, HashSet};
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
    stated: Stated,
    /// The bounds that hold in some operation, each once.
    held: Vec<Held>,
    /// Which of them hold in the present one.
    present: usize,
    emitter: Emitter<'a>,
    operations: Vec<Own>,
    is_closed: bool,
    media_type: Option<Box<str>>,
}

/// Bounds that hold in operations.
#[derive(Debug)]
struct Held {
    /// As they were asked for.
    asked: (Limits, Limits),
    /// What readers keep to: they let pass what the document allows.
    requests: Arc<Limits>,
    responses: Arc<Limits>,
    /// What schemas that state none get, in either direction, and its number.
    // PERF: most schemas say the same in both directions and are compiled once.
    defaults: DefaultBounds,
    number: u16,
}

/// What one operation was lowered to.
#[derive(Debug, Default)]
struct Own {
    held: usize,
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
    held: Vec<Held>,
    operations: Vec<Own>,
    emitted: Emitted,
}

impl<'a> Lowering<'a> {
    /// Begins to lower a definition.
    pub(super) fn new(definition: &'a Definition, options: &'a Options) -> Self {
        let mut lowering = Self {
            definition,
            options,
            stated: Stated::of(&definition.schemas),
            held: Vec::new(),
            present: 0,
            emitter: Emitter::new(&definition.schemas),
            operations: Vec::new(),
            is_closed: true,
            media_type: None,
        };
        lowering.hold(options.requests.clone(), options.responses.clone());
        lowering
    }

    /// Lets bounds hold from here on.
    fn hold(&mut self, requests: Limits, responses: Limits) {
        let asked = (requests, responses);
        if let Some(known) = self.held.iter().position(|held| held.asked == asked) {
            self.present = known;
            return;
        }
        let (requests, defaults) = self.stated.widen(asked.0.clone());
        let (responses, _) = self.stated.widen(asked.1.clone());
        self.present = self.held.len();
        self.held.push(Held {
            asked,
            requests: Arc::new(requests),
            responses: Arc::new(responses),
            defaults,
            number: self.emitter.number(defaults),
        });
    }

    /// Begins the next operation.
    pub(super) fn begin(&mut self, index: usize) {
        let own = self.options.operations.get(&index);
        let undeclared = own.map(|own| own.undeclared).unwrap_or_default();
        self.is_closed = undeclared == Undeclared::Refuse;
        let (requests, responses) = own.and_then(|own| own.limits.as_ref()).map_or_else(
            || (self.options.requests.clone(), self.options.responses.clone()),
            |(requests, responses)| (requests.clone(), responses.clone()),
        );
        self.hold(requests, responses);
        self.operations.push(Own { held: self.present, ..Own::default() });
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

    /// The bounds that requests of this operation are read within, and its responses.
    pub fn limits(&self) -> (Arc<Limits>, Arc<Limits>) {
        let held = self.held.get(self.present);
        held.map(|held| (Arc::clone(&held.requests), Arc::clone(&held.responses))).unwrap_or_default()
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
        let lens = Lens { direction: Some(Direction::Response), closing: Closing::Loose, bounds: 0 };
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
        let bounds = self.held.get(self.present).map_or(0, |held| held.number);
        Lens { direction: Some(direction), closing, bounds }
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
            held: self.held,
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
        let mut all = Own { gaps: own.gaps.clone(), is_more: own.is_more, ..Own::default() };
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

    /// The bounds that hold where the document states none: one row for each, or one for each value that it has.
    fn defaults(&self) -> Vec<DefaultBound> {
        type Bound = fn(&Held) -> u64;
        let rows: [(&'static str, Option<Silence>, Bound); 6] = [
            ("bytes of a text", Some(Silence::LENGTH), |held| {
                held.defaults.max_length.unwrap_or_else(|| count(held.requests.string))
            }),
            ("items of a list", Some(Silence::ITEMS), |held| {
                held.defaults.max_items.unwrap_or_else(|| count(held.requests.array))
            }),
            ("members of an object", Some(Silence::PROPERTIES), |held| {
                held.defaults.max_properties.unwrap_or_else(|| count(held.requests.members))
            }),
            ("nesting", None, |held| count(held.requests.depth)),
            ("digits of a number", None, |held| count(held.requests.number_digits)),
            ("values of a body", None, |held| count(held.requests.values)),
        ];
        let mut defaults = Vec::new();
        for (what, silence, bound) in rows {
            let mut values: BTreeMap<u64, usize> = BTreeMap::new();
            for own in &self.operations {
                let Some(held) = self.held.get(own.held) else { continue };
                let operations = values.entry(bound(held)).or_default();
                if silence.is_none_or(|kind| self.is_silent(own, kind)) {
                    *operations = operations.saturating_add(1);
                }
            }
            let is_one = values.len() == 1;
            defaults.extend(values.into_iter().map(|(most, operations)| DefaultBound {
                what,
                most,
                operations: (silence.is_some() || !is_one).then_some(operations),
            }));
        }
        defaults
    }

    /// Whether something of an operation's requests relies on a bound that the document does not state.
    fn is_silent(&self, own: &Own, kind: Silence) -> bool {
        let is_silent =
            |root: &Root| root.side == Side::Request && self.emitted.reach.silence(root.index).has(kind);
        own.roots.iter().any(is_silent)
    }
}

/// The largest bounds that a document states.
#[derive(Debug, Default)]
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
        let entries = |stated: u64| usize::try_from(stated).unwrap_or(usize::MAX).min(ENTRIES_MAX);
        let values = limits.values.max(entries(self.items)).max(entries(self.properties));
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
