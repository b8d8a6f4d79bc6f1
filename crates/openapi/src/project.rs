//! Strips an answer to what its schema declares, and masks what is classified: by writing it anew from its tape.
//!
//! Which branch of a choice is meant is decided first, on the whole value and by the engine: whoever strips while
//! validating takes away what tells the branches apart. Then the members that no schema at their place declares are left
//! out, at every depth, and those that only requests may have (`writeOnly`). What stays is copied from the very bytes that
//! were read: numbers and strings are not spelt anew.
//!
//! What is written is no verdict. Whoever lets it go judges it again, by the schema as it is; where the branch was not to be
//! told, or what is missing cannot be stripped into place, that one says no. So a wrong choice here can cost an answer, and
//! never lets a field through.
//!
//! # Limits
//! As deep as the tape ([`crate::value::Limits::depth`]), [`SCHEMAS_MAX`] schemas at one place, [`COST_MAX`] in all, and
//! [`NAMES_MAX`] names of what was left out.
//!
//! # Failure
//! [`TooMuch`]: what it would cost is beyond the bounds. Nothing of the answer may go then.
//!
//! # Threats
//! The backend writes the value, the definition's author the schemas: neither may make this go on for ever, or let pass
//! what is not declared.

mod plan;

use smallvec::SmallVec;

use crate::schema::{Discriminator, Schema, SchemaId, Schemas};
use crate::value::{Kind, Pointer, Value};

pub use plan::Plan;

/// Schemas that hold for one value at once.
pub const SCHEMAS_MAX: usize = 256;
/// What one projection may cost: a schema at a value is one, asking the engine one for each 32 bytes of the value.
pub const COST_MAX: u64 = 8_000_000;
/// Names of what was left out that are told.
pub const NAMES_MAX: usize = 16;

/// What becomes of an answer.
pub struct Projection<'p> {
    /// The schemas of the API.
    pub schemas: &'p Schemas,
    /// What is known of them.
    pub plan: &'p Plan,
    /// Whether a value may be what a schema means, whatever else stands in it: asked of branches.
    pub may_be: &'p dyn Fn(SchemaId, Value<'_>) -> bool,
    /// Whether members that are not declared, or are `writeOnly`, are left out.
    pub strips: bool,
    /// The classes (`x-data-class`) of which values are masked.
    pub masked: &'p [Box<str>],
    /// Whether a text is one that nobody outside should read; it is written as [`REMOVED`].
    pub is_removed: Option<&'p dyn Fn(&str) -> bool>,
}

/// What stands for a text that was removed.
pub const REMOVED: &str = "[removed]";
/// What stands for a text that is masked.
pub const MASKED: &str = "***";

/// An answer written anew.
#[derive(Debug, Default)]
pub struct Projected {
    /// The JSON.
    pub json: Vec<u8>,
    /// How many members were left out.
    pub dropped: usize,
    /// JSON Pointers to the first of them.
    pub names: Vec<Box<str>>,
    /// How many values were masked.
    pub masked: usize,
    /// How many texts were removed.
    pub removed: usize,
}

/// It would cost more than it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("projecting the answer costs more than it may")]
pub struct TooMuch;

/// The schemas that hold for one value.
type Holding = SmallVec<[SchemaId; 8]>;

impl Projected {
    /// Whether the answer says something else than before.
    pub fn is_changed(&self) -> bool {
        self.dropped > 0 || self.masked > 0 || self.removed > 0
    }
}

impl Projection<'_> {
    /// Writes `value`, which is to be what the schema `root` means.
    ///
    /// # Errors
    /// It would cost too much.
    pub fn project(&self, root: SchemaId, value: Value<'_>) -> Result<Projected, TooMuch> {
        let out =
            Projected { json: Vec::with_capacity(value.raw().map_or(0, str::len)), ..Projected::default() };
        let mut run = Run { projection: self, out, left: COST_MAX };
        let holding = run.holding([root], value)?;
        run.value(&holding, value, &Way::Root)?;
        Ok(run.out)
    }
}

/// The way to a value. Made into text only where something is told of it.
enum Way<'w> {
    Root,
    Member(&'w Way<'w>, &'w str),
    Item(&'w Way<'w>, usize),
}

struct Run<'r> {
    projection: &'r Projection<'r>,
    out: Projected,
    left: u64,
}

impl Run<'_> {
    fn spend(&mut self, cost: u64) -> Result<(), TooMuch> {
        self.left = self.left.checked_sub(cost).ok_or(TooMuch)?;
        Ok(())
    }

    /// Every schema that holds for `value` where those of `given` do: behind references, in compositions, in the
    /// branches that are meant.
    fn holding(
        &mut self,
        given: impl IntoIterator<Item = SchemaId>,
        value: Value<'_>,
    ) -> Result<Holding, TooMuch> {
        let mut holding = Holding::new();
        let mut waiting: Holding = given.into_iter().collect();
        while let Some(id) = waiting.pop() {
            self.spend(1)?;
            if holding.contains(&id) {
                continue;
            }
            if holding.len() >= SCHEMAS_MAX {
                return Err(TooMuch);
            }
            holding.push(id);
            let schema = self.projection.schemas.get(id);
            waiting.extend(schema.reference.as_ref().map(plan::target));
            let logic = schema.logic();
            waiting.extend(logic.all_of.iter().copied());
            let discriminator =
                schema.discriminator.as_deref().filter(|discriminator| discriminator.is_binding);
            let named = discriminator.and_then(|discriminator| named(discriminator, value));
            waiting.extend(named);
            for branches in [&logic.any_of, &logic.one_of] {
                // Where the value names its branch no other can be meant.
                let is_other = |branch: &SchemaId| {
                    named.is_some()
                        && discriminator.is_some_and(|it| has(it, self.projection.schemas.resolve(*branch)))
                };
                let open: Holding = branches.iter().copied().filter(|branch| !is_other(branch)).collect();
                self.choose(&open, value, &mut waiting)?;
            }
            if let Some(condition) = logic.condition {
                let holds = self.may_be(condition, value)?;
                waiting.extend(if holds { logic.then } else { logic.otherwise });
                waiting.extend(holds.then_some(condition));
            }
            let dependent = &schema.object().dependent_schemas;
            waiting
                .extend(dependent.iter().filter(|one| value.get(&one.name).is_some()).map(|one| one.schema));
        }
        Ok(holding)
    }

    /// The branches that may be meant.
    fn choose(
        &mut self,
        branches: &[SchemaId],
        value: Value<'_>,
        chosen: &mut Holding,
    ) -> Result<(), TooMuch> {
        let kind = value.kind();
        let mut fitting: Holding =
            branches.iter().copied().filter(|branch| self.projection.plan.takes(*branch, kind)).collect();
        // Nobody else can be meant, so nobody is asked: `null` beside one more schema, above all.
        if fitting.len() > 1 {
            let mut meant = Holding::new();
            for branch in fitting {
                if self.may_be(branch, value)? {
                    meant.push(branch);
                }
            }
            fitting = meant;
        }
        chosen.extend(fitting);
        Ok(())
    }

    fn may_be(&mut self, schema: SchemaId, value: Value<'_>) -> Result<bool, TooMuch> {
        let bytes = value.raw().map_or(0, str::len) as u64;
        self.spend((bytes / 32).saturating_add(1))?;
        Ok((self.projection.may_be)(schema, value))
    }

    fn value(&mut self, holding: &Holding, value: Value<'_>, way: &Way<'_>) -> Result<(), TooMuch> {
        let schemas = self.projection.schemas;
        let class = |id: &SchemaId| schemas.get(*id).data_class.as_ref();
        if holding.iter().filter_map(class).any(|class| self.projection.masked.contains(class)) {
            return self.mask(value);
        }
        match value.kind() {
            Kind::Object => self.object(holding, value, way),
            Kind::Array => self.array(holding, value, way),
            Kind::String => {
                let is_removed = self.projection.is_removed;
                if is_removed.zip(value.as_str()).is_some_and(|(is_removed, text)| is_removed(text)) {
                    self.out.removed = self.out.removed.saturating_add(1);
                    self.quoted(REMOVED);
                    return Ok(());
                }
                self.copy(value)
            }
            Kind::Null | Kind::Boolean | Kind::Number => self.copy(value),
        }
    }

    /// A value of the same kind that says nothing.
    fn mask(&mut self, value: Value<'_>) -> Result<(), TooMuch> {
        match value.kind() {
            // That there is none is no secret, and nothing else can stand for it.
            Kind::Null => return self.copy(value),
            Kind::Boolean => self.out.json.extend_from_slice(b"false"),
            Kind::Number => self.out.json.push(b'0'),
            Kind::String => self.quoted(MASKED),
            Kind::Array => self.out.json.extend_from_slice(b"[]"),
            Kind::Object => self.out.json.extend_from_slice(b"{}"),
        }
        self.out.masked = self.out.masked.saturating_add(1);
        Ok(())
    }

    fn quoted(&mut self, text: &str) {
        self.out.json.push(b'"');
        self.out.json.extend_from_slice(text.as_bytes());
        self.out.json.push(b'"');
    }

    /// The very bytes that were read. A value that was not read has none, and does not come here.
    fn copy(&mut self, value: Value<'_>) -> Result<(), TooMuch> {
        let raw = value.raw().ok_or(TooMuch)?;
        self.out.json.extend_from_slice(raw.as_bytes());
        Ok(())
    }

    fn array(&mut self, holding: &Holding, value: Value<'_>, way: &Way<'_>) -> Result<(), TooMuch> {
        let schemas = self.projection.schemas;
        self.out.json.push(b'[');
        for (index, item) in value.items().enumerate() {
            if index > 0 {
                self.out.json.push(b',');
            }
            let rules = holding.iter().map(|id| schemas.get(*id).array());
            let of_item = rules.filter_map(|rules| {
                rules.prefix_items.get(index).copied().or(rules.items).or(rules.unevaluated_items)
            });
            let given: Holding = of_item.collect();
            let holding = self.holding(given, item)?;
            self.value(&holding, item, &Way::Item(way, index))?;
        }
        self.out.json.push(b']');
        Ok(())
    }

    fn object(&mut self, holding: &Holding, value: Value<'_>, way: &Way<'_>) -> Result<(), TooMuch> {
        // What nobody says a member of is anything, and stays so.
        let is_free = !holding.iter().any(|id| is_described(self.projection.schemas.get(*id)));
        let mut is_first = true;
        self.out.json.push(b'{');
        for member in value.members() {
            let name = member.name();
            let way = Way::Member(way, name);
            let given = if is_free { Some(Holding::new()) } else { self.declared(holding, name)? };
            let inner = given.map(|given| self.holding(given, member.value())).transpose()?;
            let stays =
                inner.filter(|inner| !inner.iter().any(|id| self.projection.schemas.get(*id).is_write_only));
            let inner = match stays {
                Some(inner) => inner,
                None if self.projection.strips => {
                    self.dropped(&way);
                    continue;
                }
                None => Holding::new(),
            };
            if !std::mem::take(&mut is_first) {
                self.out.json.push(b',');
            }
            let raw = member.raw_name().ok_or(TooMuch)?;
            self.out.json.extend_from_slice(raw.as_bytes());
            self.out.json.push(b':');
            self.value(&inner, member.value(), &way)?;
        }
        self.out.json.push(b'}');
        Ok(())
    }

    /// What is declared of the member `name` where `holding` holds; `None` where nothing is, or it is forbidden.
    fn declared(&mut self, holding: &Holding, name: &str) -> Result<Option<Holding>, TooMuch> {
        let mut found = Holding::new();
        let (mut is_declared, mut is_forbidden) = (false, false);
        for id in holding {
            self.spend(1)?;
            let schema = self.projection.schemas.get(*id);
            let rules = schema.object();
            let before = found.len();
            found.extend(self.projection.plan.named(*id, rules, name));
            if found.len() > before {
                is_declared = true;
                continue;
            }
            let rest = rules.additional_properties.or(rules.unevaluated_properties);
            match rest.map(|rest| (rest, self.projection.schemas.get(rest).always)) {
                // It is for this schema's other parts to say, where they do: `unevaluatedProperties`.
                Some((_, Some(false))) => is_forbidden |= rules.additional_properties.is_some(),
                Some((rest, _)) => {
                    is_declared = true;
                    found.push(rest);
                }
                None => {}
            }
        }
        // `false` as a property's schema declares that there is no such property.
        is_forbidden |= found.iter().any(|id| self.projection.schemas.get(*id).always == Some(false));
        Ok((is_declared && !is_forbidden).then_some(found))
    }

    fn dropped(&mut self, way: &Way<'_>) {
        self.out.dropped = self.out.dropped.saturating_add(1);
        if self.out.names.len() < NAMES_MAX {
            let mut pointer = Pointer::new();
            way.write(&mut pointer);
            self.out.names.push(pointer.finish());
        }
    }
}

impl Way<'_> {
    // As deep as the tape, which is bounded.
    fn write(&self, pointer: &mut Pointer) {
        match self {
            Self::Root => {}
            Self::Member(before, name) => {
                before.write(pointer);
                pointer.name(name);
            }
            Self::Item(before, index) => {
                before.write(pointer);
                pointer.index(*index);
            }
        }
    }
}

/// The schema that a value names.
fn named(discriminator: &Discriminator, value: Value<'_>) -> Option<SchemaId> {
    let name = value.get(&discriminator.property)?.as_str()?;
    let all = discriminator.mapping.iter().chain(&discriminator.names);
    all.into_iter().find(|known| *known.name == *name).map(|known| known.schema)
}

/// Whether a schema is one of those that can be named.
fn has(discriminator: &Discriminator, schema: SchemaId) -> bool {
    discriminator.mapping.iter().chain(&discriminator.names).any(|known| known.schema == schema)
}

/// Whether a schema says anything of the members of an object.
fn is_described(schema: &Schema) -> bool {
    let rules = schema.object();
    !rules.properties.is_empty()
        || !rules.pattern_properties.is_empty()
        || rules.additional_properties.is_some()
        || rules.unevaluated_properties.is_some()
}
