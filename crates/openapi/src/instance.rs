//! Values made from schemas: for answers of a mock, witnesses of a difference, and requests to try.
//!
//! A schema is of draft 2020-12, with references into its document's `$defs`. The same schema, seed and [`Manner`] give the
//! same value on every machine. What is made follows types, enumerations, bounds, members, items, formats, expressions,
//! `allOf`, one branch of `anyOf`, `oneOf` and `if`. `not`, `contains` of several kinds and the like are left to luck:
//! **nothing made here is a value of its schema until a validator has said so**, and whoever asks has it said.
//!
//! # Limits
//! [`Bounds`]: values, bytes of text and depth of what is made. A schema that refers to itself ends where a member may be
//! left out or another branch may be taken; one that never may is refused.
//!
//! # Threats
//! The schema is somebody else's text. Nothing here recurses deeper than [`Bounds::depth_max`] levels, and each step is
//! counted.

use std::fmt;

use serde_json::{Map, Value};

use crate::difference::algebra;
use crate::difference::slice::{self, Notes};
use crate::schema::{Direction, SchemaId, Schemas};
use crate::source::json_pointer;

mod merged;
mod numbers;
mod patterns;
mod random;
mod texts;

use merged::Merged;
use random::Random;

/// Which of the values of a schema is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Only what must be there, and short.
    Least,
    /// With all its members.
    Most,
    /// With some of its members.
    Some,
    /// As `Some`, at the ends of ranges and lengths.
    Edge,
    /// With all its members, and examples and defaults where the schema has them.
    Exemplary,
}

/// What making a value allows itself.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Most values of one value, each step toward one counted.
    pub steps_max: usize,
    /// Most bytes of text.
    pub text_bytes_max: usize,
    /// Deepest nesting.
    pub depth_max: usize,
    /// From this depth on nothing is made that may be left out.
    pub depth_full: usize,
}

impl Bounds {
    /// For an answer that somebody reads.
    pub const DEFAULT: Self =
        Self { steps_max: 20_000, text_bytes_max: 256 << 10, depth_max: 24, depth_full: 5 };
    /// For a value that shows a difference.
    pub const SMALL: Self = Self { steps_max: 2_000, text_bytes_max: 16 << 10, depth_max: 12, depth_full: 3 };
}

/// No value could be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmade {
    /// Where in the value, as a JSON Pointer.
    pub pointer: Box<str>,
    /// Why.
    pub why: Box<str>,
}

/// Makes a value of a schema whose references lead into `document`.
///
/// # Errors
/// When none can be made: the schema takes nothing, an expression is not one that texts can be made from, or a bound is
/// reached where nothing may be left out.
pub fn make(
    document: &Value,
    schema: &Value,
    seed: u64,
    manner: Manner,
    bounds: &Bounds,
) -> Result<Value, Unmade> {
    let mut maker = Maker {
        document,
        manner,
        bounds: *bounds,
        random: Random::new(seed),
        steps: bounds.steps_max,
        text_bytes: bounds.text_bytes_max,
        path: Vec::new(),
    };
    maker.value(&[schema], 0)
}

/// A value that a request may carry: the first of `plain` that the schema takes, else one that is made. None where none is
/// found soon, or the schema is a large one.
pub fn sample(schemas: &Schemas, id: SchemaId, plain: &[Value], manner: Manner) -> Option<Value> {
    /// Most schemas that one may reach.
    const SCHEMAS_MAX: usize = 100;
    /// Values that are made and tried.
    const DRAWS: u64 = 8;
    let schema = slice::of(schemas, id, Direction::Request, Notes::Written, SCHEMAS_MAX).ok()?;
    let takes = algebra::validator(&schema).ok()?;
    let mut made = (0..DRAWS).filter_map(|seed| make(&schema, &schema, seed, manner, &Bounds::SMALL).ok());
    let plain = plain.iter().find(|value| takes.is_valid(value)).cloned();
    plain.or_else(|| made.find(|value| takes.is_valid(value)))
}

/// Makes one value.
struct Maker<'a> {
    document: &'a Value,
    manner: Manner,
    bounds: Bounds,
    random: Random,
    steps: usize,
    text_bytes: usize,
    path: Vec<String>,
}

/// The kinds of values, in the order in which one is chosen.
const KINDS: [&str; 7] = ["object", "array", "string", "integer", "number", "boolean", "null"];

/// Items of an array that may have any number.
const ITEMS: u64 = 2;

impl<'a> Maker<'a> {
    /// A value that all of these schemas take.
    fn value(&mut self, schemas: &[&'a Value], depth: usize) -> Result<Value, Unmade> {
        self.steps = self.steps.checked_sub(1).ok_or_else(|| self.unmade("the value would be too large"))?;
        if depth > self.bounds.depth_max {
            return Err(self.unmade("the value would be nested too deeply"));
        }
        // Another branch of a union may end what this one does not.
        let first = self.random.clone();
        let mut failure = None;
        for attempt in 0..merged::ATTEMPTS {
            self.random = first.clone();
            let merged = match Merged::of(self.document, schemas, &mut self.random, attempt) {
                Ok(merged) => merged,
                Err(why) => return Err(self.unmade(why)),
            };
            let has_choice = merged.has_choice;
            match self.of_merged(&merged, depth) {
                Ok(value) => return Ok(value),
                Err(unmade) if !has_choice || self.steps == 0 => return Err(unmade),
                Err(unmade) => failure = Some(unmade),
            }
        }
        Err(failure.unwrap_or_else(|| self.unmade("no branch can be made")))
    }

    fn of_merged(&mut self, merged: &Merged<'a>, depth: usize) -> Result<Value, Unmade> {
        if merged.is_nothing {
            return Err(self.unmade("the schema takes nothing"));
        }
        if self.manner == Manner::Exemplary && !merged.examples.is_empty() {
            let index = self.random.below(merged.examples.len());
            if let Some(example) = merged.examples.get(index) {
                return self.spent((*example).clone());
            }
        }
        if let Some(values) = &merged.values {
            let fitting: Vec<&Value> =
                values.iter().copied().filter(|value| merged.takes_kind(value)).collect();
            let index = self.random.below(fitting.len());
            return match fitting.get(index) {
                Some(value) => self.spent((*value).clone()),
                None => Err(self.unmade("no value of the enumeration fits")),
            };
        }
        let is_named = |kind: &&str| match *kind {
            // A number may be one.
            "integer" => merged.allows_integers_only() && merged.allows("integer"),
            kind => merged.allows(kind),
        };
        let kinds: Vec<&str> = KINDS.into_iter().filter(is_named).collect();
        let Some(kind) = self.kind(&kinds, merged) else { return Err(self.unmade("no type fits")) };
        match kind {
            "object" => self.object(merged, depth),
            "array" => self.array(merged, depth),
            "string" => self.text(merged).map(Value::String),
            "integer" => self.number(merged, true),
            "number" => self.number(merged, false),
            "boolean" => Ok(self.random.flip().into()),
            _ => Ok(Value::Null),
        }
    }

    /// One of the kinds that are allowed: by what the schema speaks of where it does not say.
    fn kind<'k>(&mut self, kinds: &[&'k str], merged: &Merged<'_>) -> Option<&'k str> {
        if merged.is_untyped() {
            let spoken = merged.spoken_kind();
            return kinds.iter().find(|kind| **kind == spoken).copied();
        }
        match self.manner {
            // The one that tells most; null last.
            Manner::Most | Manner::Exemplary => kinds.first().copied(),
            Manner::Least | Manner::Some | Manner::Edge => kinds.get(self.random.below(kinds.len())).copied(),
        }
    }

    fn object(&mut self, merged: &Merged<'a>, depth: usize) -> Result<Value, Unmade> {
        let mut members = Map::new();
        let is_full = depth < self.bounds.depth_full;
        let least = merged.least("minProperties");
        for (name, schemas) in &merged.properties {
            let is_required = merged.required.contains(name);
            if !(is_required || is_full && self.takes_optional()) {
                continue;
            }
            match self.member(name, schemas, depth) {
                Ok(value) => drop(members.insert((*name).to_owned(), value)),
                Err(unmade) if is_required => return Err(unmade),
                // A member that cannot be made may be left out.
                Err(_) => {}
            }
        }
        for name in &merged.required {
            if !members.contains_key(*name) {
                let value = self.member(name, &merged.additional, depth)?;
                members.insert((*name).to_owned(), value);
            }
        }
        self.fill(merged, &mut members, least, depth)?;
        Ok(Value::Object(members))
    }

    fn member(&mut self, name: &str, schemas: &[&'a Value], depth: usize) -> Result<Value, Unmade> {
        self.path.push(json_pointer::escaped(name));
        let made = self.value(schemas, depth.saturating_add(1));
        self.path.pop();
        made
    }

    /// Adds members until there are as many as must be, or one where others may be.
    fn fill(
        &mut self,
        merged: &Merged<'a>,
        members: &mut Map<String, Value>,
        least: u64,
        depth: usize,
    ) -> Result<(), Unmade> {
        let has_room = |members: &Map<String, Value>| {
            merged.most("maxProperties").is_none_or(|most| count(members.len()) < most)
        };
        let is_map = merged.properties.is_empty() && merged.is_additional_described;
        if is_map && depth < self.bounds.depth_full && self.takes_optional() && has_room(members) {
            let name = self.random.word(5);
            if let Ok(value) = self.member(&name, &merged.additional, depth) {
                members.insert(name, value);
            }
        }
        while count(members.len()) < least {
            // First those that are declared and were left out.
            let left = merged.properties.iter().find(|(name, _)| !members.contains_key(**name));
            let (name, schemas) = match left {
                Some((name, schemas)) => ((*name).to_owned(), schemas.as_slice()),
                None if merged.is_closed => return Err(self.unmade("too few members are declared")),
                None => (self.random.word(6), merged.additional.as_slice()),
            };
            let value = self.member(&name, schemas, depth)?;
            members.insert(name, value);
        }
        Ok(())
    }

    fn array(&mut self, merged: &Merged<'a>, depth: usize) -> Result<Value, Unmade> {
        let (least, most) = (merged.least("minItems"), merged.most("maxItems"));
        let usual = if depth < self.bounds.depth_full { self.items() } else { 0 };
        let prefix = count(merged.prefix.len());
        let contained = u64::from(!merged.contains.is_empty());
        let wanted = least.max(usual).max(contained).max(prefix.min(most.unwrap_or(prefix)));
        let wanted = most.map_or(wanted, |most| wanted.min(most));
        let mut items: Vec<Value> = Vec::new();
        let mut tries = 0_u32;
        while count(items.len()) < wanted {
            let index = items.len();
            let mut schemas = merged.prefix.get(index).unwrap_or(&merged.items).clone();
            if index == merged.prefix.len().min(usize::try_from(wanted.saturating_sub(1)).unwrap_or(0)) {
                schemas.extend(merged.contains.iter().copied());
            }
            self.path.push(index.to_string());
            let made = self.value(&schemas, depth.saturating_add(1));
            self.path.pop();
            match made {
                Ok(value) if merged.is_unique && items.contains(&value) => {
                    tries = tries.saturating_add(1);
                    if tries > UNIQUE_TRIES_MAX {
                        break;
                    }
                }
                Ok(value) => items.push(value),
                Err(unmade) if count(items.len()) < least => return Err(unmade),
                Err(_) => break,
            }
        }
        if count(items.len()) < least {
            return Err(self.unmade("too few items differ"));
        }
        Ok(Value::Array(items))
    }

    fn number(&mut self, merged: &Merged<'_>, is_integer: bool) -> Result<Value, Unmade> {
        let range = numbers::Range::of(merged, is_integer);
        let made = range.pick(&mut self.random, self.manner);
        made.map(Value::Number).ok_or_else(|| self.unmade("no number lies in the range"))
    }

    fn text(&mut self, merged: &Merged<'_>) -> Result<String, Unmade> {
        let text = texts::make(merged, &mut self.random, self.manner, self.text_bytes);
        let text = text.map_err(|why| self.unmade(&why))?;
        self.text_bytes = self
            .text_bytes
            .checked_sub(text.len())
            .ok_or_else(|| self.unmade("the value would hold too much text"))?;
        Ok(text)
    }

    /// A value of the schema itself, counted.
    fn spent(&mut self, value: Value) -> Result<Value, Unmade> {
        let bytes = value.to_string().len();
        match self.text_bytes.checked_sub(bytes) {
            Some(left) => self.text_bytes = left,
            None => return Err(self.unmade("the value would hold too much text")),
        }
        Ok(value)
    }

    fn takes_optional(&mut self) -> bool {
        match self.manner {
            Manner::Least => false,
            Manner::Most | Manner::Exemplary => true,
            Manner::Some | Manner::Edge => self.random.flip(),
        }
    }

    fn items(&mut self) -> u64 {
        match self.manner {
            Manner::Least => 0,
            Manner::Most | Manner::Exemplary => ITEMS,
            Manner::Some | Manner::Edge => count(self.random.below(3)),
        }
    }

    fn unmade(&self, why: &str) -> Unmade {
        let pointer: String = self.path.iter().flat_map(|step| ["/", step]).collect();
        Unmade { pointer: pointer.into(), why: why.into() }
    }
}

/// How often an item is drawn anew because it stands there already.
const UNIQUE_TRIES_MAX: u32 = 32;

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

impl fmt::Display for Unmade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.pointer {
            "" => f.write_str(&self.why),
            pointer => write!(f, "at {pointer}: {}", self.why),
        }
    }
}

#[cfg(test)]
mod tests;
