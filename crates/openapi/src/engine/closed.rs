//! Members that nothing declares, where it depends on the value which schemas hold for it.
//!
//! `unevaluatedProperties` would say the same of one value. It is not used, for two reasons: compiling it takes the engine
//! below longer than all the rest of a large definition, and it knows one level only, while a member that several schemas
//! declare together is closed to what they declare together. So who writes the dispatch document says beside it what each
//! schema of a composition declares ([`Description`]), and this keyword goes through those that hold.
//!
//! Which branch of a choice holds is asked of the engine, by the branch's own [`Key`]. All else of a composition is taken to
//! hold: where it does not, the value is refused by that.
//! # Limits
//! Steps of the value's meter: each schema looked at for a value is one, each member another, and what the branches take.
//! Verdicts on branches are kept while a value is judged, at most [`VERDICTS_MAX`], so that nested choices cost no power.
//! # Threats
//! The value is the caller's. This goes as deep as the value is, which its reader bounds.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock, Weak};

use jsonschema::{Keyword, ValidationError, Validator};
use smallvec::SmallVec;

use crate::contract::violations::VIOLATIONS_MAX;
use crate::value::{Kind, Pointer, Value};

use super::compile::{Key, KeyText};
use super::instance::{At, Instance, View};
use super::meter::Meter;
use super::patterns::Matching;

/// A keyword for dispatch documents: the number of the description by which objects are closed.
pub(crate) const CLOSED: &str = "x-portcullis-closed";

/// Most verdicts on branches that are kept for one value.
pub(super) const VERDICTS_MAX: usize = 4096;

/// What schemas declare, by their numbers.
pub(crate) type Descriptions = Vec<Option<Description>>;

/// What a schema declares of a value.
#[derive(Default)]
pub(crate) struct Description {
    /// Names of members. What else describes the values under them, where several schemas do so together.
    // Invariant: sorted by name.
    pub(crate) names: Box<[(Box<str>, Option<u32>)]>,
    /// Patterns for names.
    pub(crate) patterns: Box<[Matching]>,
    /// What describes items, where several schemas do so together.
    pub(crate) items: Option<u32>,
    /// Whether it says itself what becomes of other members.
    pub(crate) is_stated: bool,
    /// What holds with it.
    pub(crate) all: Box<[u32]>,
    /// What may hold: what tells, and what is declared then.
    pub(crate) choices: Box<[(Key, u32)]>,
    /// A member whose text says what holds.
    pub(crate) named: Option<Named>,
    /// What tells, what is declared if it holds, and what if not.
    pub(crate) condition: Option<Box<Condition>>,
    /// What holds where a member of that name is there.
    pub(crate) dependent: Box<[(Box<str>, u32)]>,
}

/// A member's name, and what holds by its text.
pub(crate) type Named = (Box<str>, BTreeMap<Box<str>, u32>);

/// `if`, and what is declared by its outcome.
pub(crate) struct Condition {
    pub(crate) key: Key,
    pub(crate) holds: SmallVec<[u32; 2]>,
    pub(crate) fails: Option<u32>,
}

/// All that keywords of one set of validators share.
#[derive(Default)]
pub(super) struct Closing {
    descriptions: Descriptions,
    /// What the keywords are a part of: it owns them.
    validator: OnceLock<Weak<Validator<Instance>>>,
}

impl Closing {
    pub(super) fn new(descriptions: Descriptions) -> Self {
        Self { descriptions, validator: OnceLock::new() }
    }

    /// Says who tells whether branches hold.
    pub(super) fn within(&self, validator: &Arc<Validator<Instance>>) {
        // Set once: by who made it.
        let _ = self.validator.set(Arc::downgrade(validator));
    }

    fn get(&self, number: u32) -> Option<&Description> {
        self.descriptions.get(usize::try_from(number).ok()?)?.as_ref()
    }
}

/// The keyword.
pub(super) struct Closed {
    closing: Arc<Closing>,
    number: u32,
}

impl Closed {
    pub(super) fn new(closing: Arc<Closing>, number: &serde_json::Value) -> Option<Self> {
        let number = u32::try_from(number.as_u64()?).ok()?;
        closing.get(number)?;
        Some(Self { closing, number })
    }

    /// Whether no member is undeclared. Where `found` has room the first of them are added.
    fn judge(&self, instance: At<'_>, found: &mut Vec<Pointer>) -> bool {
        let (At::Value(view, value), Some(validator)) =
            (instance, self.closing.validator.get().and_then(Weak::upgrade))
        else {
            // Only a member of a dispatch document is judged by this, and the validators live while they judge.
            return false;
        };
        let mut walk = Walk { closing: &self.closing, validator: &validator, meter: view.meter, found };
        let holding = walk.holding(&[self.number], value);
        holding.and_then(|holding| walk.within(&holding, value, &Pointer::new())) == Some(true)
    }
}

impl<'i> Keyword<'i, Instance> for Closed {
    fn validate(&self, instance: At<'i>) -> Result<(), ValidationError<'i>> {
        self.iter_errors(instance).next().map_or(Ok(()), Err)
    }

    fn is_valid(&self, instance: At<'i>) -> bool {
        self.judge(instance, &mut Vec::new())
    }

    fn iter_errors(&self, instance: At<'i>) -> Box<dyn Iterator<Item = ValidationError<'i>> + 'i> {
        let mut found = Vec::with_capacity(VIOLATIONS_MAX);
        if self.judge(instance, &mut found) {
            return Box::new(std::iter::empty());
        }
        if found.is_empty() {
            found.push(Pointer::new());
        }
        Box::new(found.into_iter().map(|pointer| ValidationError::custom(pointer.finish())))
    }
}

type Numbers = SmallVec<[u32; 8]>;

/// One judgement.
struct Walk<'w> {
    closing: &'w Closing,
    validator: &'w Validator<Instance>,
    meter: &'w Meter,
    /// As many as it has room for.
    found: &'w mut Vec<Pointer>,
}

impl Walk<'_> {
    /// Whether all members are declared by something that holds where those of `given` do. Nothing where that is enough.
    fn value(&mut self, given: &[u32], value: Value<'_>, way: &Pointer) -> Option<bool> {
        let holding = self.holding(given, value)?;
        // What describes no member at all describes a free map.
        let closing = self.closing;
        let is_of_members = |number: &u32| closing.get(*number).is_some_and(Description::is_of_members);
        if value.kind() == Kind::Object && !holding.iter().any(is_of_members) {
            return Some(true);
        }
        self.within(&holding, value, way)
    }

    fn within(&mut self, holding: &Numbers, value: Value<'_>, way: &Pointer) -> Option<bool> {
        match value.kind() {
            Kind::Object => self.object(holding, value, way),
            Kind::Array => self.array(holding, value, way),
            Kind::Null | Kind::Boolean | Kind::Number | Kind::String => Some(true),
        }
    }

    fn object(&mut self, holding: &Numbers, value: Value<'_>, way: &Pointer) -> Option<bool> {
        let closing = self.closing;
        let described = || holding.iter().filter_map(|number| closing.get(*number));
        let mut is_closed = true;
        for member in value.members() {
            let name = member.name();
            let mut is_declared = false;
            let mut inner = Numbers::new();
            for description in described() {
                if !self.meter.step() {
                    return None;
                }
                is_declared |= description.is_stated;
                match description.names.binary_search_by(|(own, _)| (**own).cmp(name)) {
                    Ok(at) => {
                        is_declared = true;
                        inner.extend(description.names.get(at).and_then(|(_, inner)| *inner));
                    }
                    Err(_) => is_declared |= description.patterns.iter().any(|one| one.is_match(name)),
                }
            }
            if is_declared && inner.is_empty() {
                continue;
            }
            let mut way = way.clone();
            if self.found.capacity() > 0 {
                way.name(name);
            }
            if is_declared {
                is_closed &= self.value(&inner, member.value(), &way)?;
                continue;
            }
            is_closed = false;
            if self.found.len() >= self.found.capacity() {
                return None;
            }
            self.found.push(way);
        }
        Some(is_closed)
    }

    fn array(&mut self, holding: &Numbers, value: Value<'_>, way: &Pointer) -> Option<bool> {
        let closing = self.closing;
        let described = holding.iter().filter_map(|number| closing.get(*number));
        let inner: Numbers = described.filter_map(|description| description.items).collect();
        if inner.is_empty() {
            return Some(true);
        }
        let mut is_closed = true;
        for (index, item) in value.items().enumerate() {
            let mut way = way.clone();
            if self.found.capacity() > 0 {
                way.index(index);
            }
            is_closed &= self.value(&inner, item, &way)?;
        }
        Some(is_closed)
    }

    /// All that holds for a value where those of `given` do.
    fn holding(&self, given: &[u32], value: Value<'_>) -> Option<Numbers> {
        let mut holding = Numbers::new();
        let mut waiting: Numbers = given.iter().copied().collect();
        while let Some(number) = waiting.pop() {
            if !self.meter.step() {
                return None;
            }
            if holding.contains(&number) {
                continue;
            }
            holding.push(number);
            let Some(description) = self.closing.get(number) else { continue };
            waiting.extend(description.all.iter().copied());
            for (key, branch) in &description.choices {
                if self.holds(*key, value) {
                    waiting.push(*branch);
                }
            }
            if let Some((property, named)) = &description.named {
                let name = value.get(property).and_then(|name| name.as_str());
                waiting.extend(name.and_then(|name| named.get(name)).copied());
            }
            if let Some(condition) = &description.condition {
                if self.holds(condition.key, value) {
                    waiting.extend(condition.holds.iter().copied());
                } else {
                    waiting.extend(condition.fails);
                }
            }
            let dependent = description.dependent.iter();
            waiting.extend(dependent.filter(|(name, _)| value.get(name).is_some()).map(|(_, one)| *one));
        }
        Some(holding)
    }

    fn holds(&self, key: Key, value: Value<'_>) -> bool {
        self.meter.verdict(key.0, value.id(), || {
            let text = KeyText::new(key);
            let view = View { value, key: text.as_str(), meter: self.meter };
            self.validator.is_valid(At::Around(&view))
        })
    }
}

impl Description {
    /// What the engine is asked.
    pub(crate) fn keys(&self) -> impl Iterator<Item = Key> {
        self.choices.iter().map(|(key, _)| *key).chain(self.condition.iter().map(|condition| condition.key))
    }

    fn is_of_members(&self) -> bool {
        self.is_stated || !self.names.is_empty() || !self.patterns.is_empty()
    }
}
