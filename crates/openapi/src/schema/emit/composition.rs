//! What schemas about one value say together: which properties they declare, which of them are hidden, which bounds they
//! state.

use std::collections::HashSet;

use foldhash::fast::RandomState;
use serde_json::Value;
use smallvec::SmallVec;

use super::super::{Reference, Schema, SchemaId, Schemas, Type, Types};
use super::keywords::Keywords;
use super::{COMPOSITION_MAX, Closing, Context, Direction, Emitter, Silence, VISITS_MAX};
use crate::engine::CLOSED;

/// A schema and all others that it asks about the same value.
#[derive(Debug)]
pub(super) struct Composition {
    /// The first is the schema itself. Second, whether it holds for every value that the first allows.
    members: SmallVec<[(SchemaId, bool); 4]>,
    is_complete: bool,
    /// The only branch that objects can take, where nothing beside it declares properties: it closes itself.
    sole: Option<SchemaId>,
}

/// Whether a schema itself says what becomes of members that it does not declare.
pub(super) fn is_stated(schema: &Schema) -> bool {
    let object = schema.object();
    object.additional_properties.is_some() || object.unevaluated_properties.is_some()
}

impl Composition {
    /// A schema that stands alone.
    pub(super) fn of_one(id: SchemaId) -> Self {
        Self { members: SmallVec::from_slice(&[(id, true)]), is_complete: true, sole: None }
    }

    /// No schema yet.
    pub(super) fn of_none() -> Self {
        Self { members: SmallVec::new(), is_complete: true, sole: None }
    }

    /// With those of another; `seen` are all that were joined before.
    pub(super) fn join(&mut self, other: Self, seen: &mut HashSet<SchemaId, RandomState>) {
        for member in other.members {
            if seen.insert(member.0) {
                self.members.push(member);
            }
        }
        self.is_complete &= other.is_complete;
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    /// A schema with all that it asks about its value, and how many steps that took.
    pub(super) fn gather(
        schemas: &Schemas,
        id: SchemaId,
        is_chosen: bool,
        visits_max: usize,
    ) -> (Self, usize) {
        let mut composition = Self::of_one(id);
        let schema = schemas.get(id);
        if schema.logic.is_none()
            && schema.reference.is_none()
            && schema.discriminator.is_none()
            && schema.object().dependent_schemas.is_empty()
        {
            return (composition, 1);
        }
        let mut seen: HashSet<SchemaId, RandomState> = HashSet::default();
        seen.insert(id);
        let mut next = 0_usize;
        while let Some((member, is_certain)) = composition.members.get(next).copied() {
            next = next.saturating_add(1);
            if composition.members.len() > COMPOSITION_MAX || next > visits_max {
                composition.is_complete = false;
                break;
            }
            in_place(schemas, member, is_chosen && member == id, id, &mut |other, certain| {
                if seen.insert(other) {
                    composition.members.push((other, is_certain && certain));
                }
            });
        }
        (composition, next)
    }

    /// Whether any member, or any that holds for certain, declares properties.
    pub(super) fn declares(&self, schemas: &Schemas, only_certain: bool) -> bool {
        self.members.iter().any(|(id, is_certain)| {
            let object = schemas.get(*id).object();
            (*is_certain || !only_certain)
                && (!object.properties.is_empty() || !object.pattern_properties.is_empty())
        })
    }

    /// Whether some branch closes itself.
    pub(super) fn has_sole(&self) -> bool {
        self.sole.is_some()
    }

    /// Whether a branch closes itself.
    pub(super) fn is_sole(&self, branch: SchemaId) -> bool {
        self.sole == Some(branch)
    }

    /// The types that all members which hold for certain allow.
    pub(super) fn types(&self, schemas: &Schemas) -> Types {
        let stated = self.certain().filter_map(|member| schemas.get(member).types);
        stated.fold(Types::ANY, Types::and)
    }

    fn certain(&self) -> impl Iterator<Item = SchemaId> {
        self.members.iter().filter(|(_, is_certain)| *is_certain).map(|(id, _)| *id)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = SchemaId> {
        self.members.iter().map(|(id, _)| *id)
    }

    fn is_certain(&self) -> bool {
        self.members.iter().all(|(_, is_certain)| *is_certain)
    }
}

impl<'a> Emitter<'a> {
    /// All that a schema asks about its value.
    pub(super) fn composition(&mut self, id: SchemaId, context: Context) -> Composition {
        let left = VISITS_MAX.saturating_sub(self.visits);
        let (composition, visits) = Composition::gather(self.schemas, id, context.is_chosen, left);
        self.visits = self.visits.saturating_add(visits);
        if !composition.is_complete {
            self.lack(context, id, "", "too many schemas are asked about one value");
        }
        composition
    }

    /// Finds the only branch that objects can take.
    ///
    /// PERF: such a branch (`anyOf: [{ type: string }, { $ref: … }]`) is closed as a schema by itself, once for all who refer
    /// to it, and without gathering what was evaluated.
    pub(super) fn find_sole(&mut self, id: SchemaId, composition: &mut Composition, context: Context) {
        let schema = self.schemas.get(id);
        let logic = schema.logic();
        let is_simple = logic.condition.is_none()
            && schema.discriminator.is_none()
            && schema.object().dependent_schemas.is_empty()
            && !is_stated(schema)
            && !(logic.any_of.is_empty() && logic.one_of.is_empty());
        if !is_simple || context.lens.closing != Closing::Closed || self.declares(composition, true) {
            return;
        }
        let mut sole = None;
        for branch in logic.any_of.iter().chain(&logic.one_of) {
            let types =
                self.composition(*branch, Context { is_chosen: false, ..context }).types(self.schemas);
            if types.has(Type::Object) && sole.replace(*branch).is_some() {
                return;
            }
        }
        composition.sole = sole;
    }

    pub(super) fn declares(&self, composition: &Composition, only_certain: bool) -> bool {
        composition.declares(self.schemas, only_certain)
    }

    /// Refuses what no member declares; `own` is where it says what the schema itself does.
    pub(super) fn close(
        &mut self,
        keywords: &mut Keywords,
        id: SchemaId,
        composition: &Composition,
        context: Context,
        own: Option<usize>,
    ) {
        let is_shared = context.shared != 0;
        let is_free = !self.declares(composition, false);
        let is_open = is_free || is_stated(self.schemas.get(id));
        if context.lens.closing != Closing::Closed
            || composition.sole.is_some()
            || (is_open && !is_shared)
            || self.patterns_are_lacking(composition)
        {
            return;
        }
        let others = || composition.all().skip(1).map(|other| self.schemas.get(other).object());
        // PERF: names known beforehand are looked up; else they are gathered again for every value.
        let is_plain = !is_shared
            && composition.is_certain()
            && others().all(|object| {
                object.additional_properties.is_none()
                    && object.unevaluated_properties.is_none()
                    && object.pattern_properties.is_empty()
            });
        if let Some(own) = own.filter(|_| !is_plain) {
            // Only what is shared within is closed then.
            self.declared.get_mut(own).into_iter().for_each(|own| own.is_stated |= is_free);
            keywords.insert(CLOSED.to_owned(), Value::from(own));
            self.closed.push(own);
            return;
        }
        let names: Vec<&'a str> =
            others().flat_map(|object| object.properties.iter().map(|property| &*property.name)).collect();
        let known = keywords.entry("properties").or_insert_with(|| Value::Object(Keywords::new()));
        if let Some(known) = known.as_object_mut() {
            for name in names {
                if !known.contains_key(name) {
                    known.insert(name.to_owned(), Value::Bool(true));
                }
            }
        }
        keywords.insert("additionalProperties".to_owned(), Value::Bool(false));
    }

    /// A free map among alternatives: whatever it has is meant.
    pub(super) fn open(&mut self, keywords: &mut Keywords, id: SchemaId, composition: &Composition) -> bool {
        let schema = self.schemas.get(id);
        let is_object = schema.types.is_some_and(|types| types.has(Type::Object));
        let is_free = is_object
            && !is_stated(schema)
            && schema.object().required.is_empty()
            && !self.declares(composition, false);
        if is_free {
            keywords.insert("additionalProperties".to_owned(), Value::Bool(true));
        }
        is_free
    }

    fn patterns_are_lacking(&self, composition: &Composition) -> bool {
        composition.all().any(|id| {
            let patterns = &self.schemas.get(id).object().pattern_properties;
            let lacking = |name: &str| {
                self.name_patterns
                    .get(name)
                    .is_some_and(|support| *support == crate::engine::PatternSupport::Unsupported)
            };
            patterns.iter().any(|property| lacking(&property.name))
        })
    }

    /// Bounds where no member states any.
    pub(super) fn bounds(&mut self, keywords: &mut Keywords, composition: &Composition, context: Context) {
        let types = composition.types(self.schemas);
        let is_finite = |schema: &Schema| schema.enumeration.is_some() || schema.constant.is_some();
        if composition.certain().any(|member| is_finite(self.schemas.get(member))) {
            return;
        }
        let states =
            |rule: fn(&Schema) -> bool| composition.all().any(|member| rule(self.schemas.get(member)));
        let mut silence = Silence::default();
        let defaults = self.defaults(context.lens);
        for (one, kind, keyword, bound, states) in [
            (
                Type::String,
                Silence::LENGTH,
                "maxLength",
                defaults.max_length,
                states(|schema| schema.text().max_length.is_some()),
            ),
            (
                Type::Array,
                Silence::ITEMS,
                "maxItems",
                defaults.max_items,
                states(|schema| schema.array().max_items.is_some()),
            ),
            (
                Type::Object,
                Silence::PROPERTIES,
                "maxProperties",
                defaults.max_properties,
                states(|schema| schema.object().max_properties.is_some()),
            ),
        ] {
            // Names of a closed object are as many as are declared.
            let is_closed = one == Type::Object
                && (keywords.get("additionalProperties") == Some(&Value::Bool(false))
                    || keywords.get("unevaluatedProperties") == Some(&Value::Bool(false))
                    || (keywords.contains_key(CLOSED) && !self.takes_any_name(composition)));
            if !types.has(one) || states || is_closed {
                continue;
            }
            silence = silence.or(kind);
            if let Some(bound) = bound {
                keywords.insert(keyword.to_owned(), Value::Number(bound.into()));
            }
        }
        self.silence(context, silence);
    }

    /// Whether an object may have names that nothing declares, although something within it is closed.
    fn takes_any_name(&self, composition: &Composition) -> bool {
        let refuses = |id: SchemaId| self.schemas.get(id).always == Some(false);
        let takes = |member| {
            let object = self.schemas.get(member).object();
            let others = [object.additional_properties, object.unevaluated_properties];
            others.into_iter().flatten().any(|others| !refuses(others))
        };
        !self.declares(composition, false) || composition.all().any(takes)
    }

    /// Whether a property may not be in a message of that direction.
    pub(super) fn is_hidden(&mut self, id: SchemaId, direction: Direction) -> bool {
        const DEPTH_MAX: usize = 32;
        self.hides(id, direction, DEPTH_MAX)
    }

    fn hides(&mut self, id: SchemaId, direction: Direction, deeper: usize) -> bool {
        self.visits = self.visits.saturating_add(1);
        let schema = self.schemas.get(id);
        let is_stated = match direction {
            Direction::Request => schema.is_read_only,
            Direction::Response => schema.is_write_only,
        };
        let Some(deeper) = deeper.checked_sub(1).filter(|_| self.visits <= VISITS_MAX) else {
            return is_stated;
        };
        if is_stated {
            return true;
        }
        if let Some(Reference::To(target)) = schema.reference
            && self.hides(target, direction, deeper)
        {
            return true;
        }
        let logic = schema.logic();
        logic.all_of.iter().any(|part| self.hides(*part, direction, deeper))
            || [&logic.any_of, &logic.one_of].iter().any(|list| {
                !list.is_empty() && list.iter().all(|branch| self.hides(*branch, direction, deeper))
            })
    }

    /// Adds what a composition hides to what is hidden here.
    pub(super) fn hide(&mut self, composition: &Composition, context: Context) -> Context {
        let names = self.hidden_in(composition, context);
        if names.is_empty() {
            return context;
        }
        let mut all = self.hidden_names(context.hidden).to_vec();
        all.extend(names);
        Context { hidden: self.hidden_set(all), ..context }
    }

    fn hidden_in(&mut self, composition: &Composition, context: Context) -> Vec<&'a str> {
        let Some(direction) = context.lens.direction else { return Vec::new() };
        let mut names = Vec::new();
        for member in composition.all() {
            for property in &self.schemas.get(member).object().properties {
                if self.is_hidden(property.schema, direction) {
                    names.push(&*property.name);
                }
            }
        }
        names
    }

    /// Of what is hidden here, what another schema requires without knowing that.
    pub(super) fn hidden_for(&mut self, id: SchemaId, context: Context) -> u32 {
        if context.hidden == 0 {
            return 0;
        }
        let composition = self.composition(id, Context { is_chosen: false, ..context });
        let own = self.hidden_in(&composition, context);
        let mut asked: HashSet<&str, RandomState> = HashSet::default();
        for member in composition.all() {
            let object = self.schemas.get(member).object();
            asked.extend(object.required.iter().map(|name| &**name));
            let dependent = object.dependent_required.iter().flat_map(|(_, names)| names);
            asked.extend(dependent.map(|name| &**name));
        }
        let names = self.hidden_names(context.hidden).iter().copied();
        let names: Vec<&'a str> = names.filter(|name| asked.contains(name) && !own.contains(name)).collect();
        self.hidden_set(names)
    }
}

/// Tells the schemas that one asks about the same value, and whether each holds whenever it does.
fn in_place(
    schemas: &Schemas,
    id: SchemaId,
    is_chosen: bool,
    first: SchemaId,
    tell: &mut dyn FnMut(SchemaId, bool),
) {
    let schema = schemas.get(id);
    match &schema.reference {
        Some(Reference::To(target) | Reference::Dynamic { target, .. }) => tell(*target, true),
        None => {}
    }
    let logic = schema.logic();
    logic.all_of.iter().for_each(|other| tell(*other, true));
    if let Some(discriminator) = &schema.discriminator
        && discriminator.is_binding
        && !is_chosen
        && (first == id || !discriminator.names(first))
    {
        discriminator.candidates().for_each(|(_, other)| tell(other, false));
    }
    logic.any_of.iter().chain(&logic.one_of).for_each(|other| tell(*other, false));
    [logic.condition, logic.then, logic.otherwise].into_iter().flatten().for_each(|other| tell(other, false));
    schema.object().dependent_schemas.iter().for_each(|property| tell(property.schema, false));
}
