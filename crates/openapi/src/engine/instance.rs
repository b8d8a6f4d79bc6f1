//! The tape as `jsonschema` sees it, each access metered.

use std::borrow::Cow;
use std::iter;
use std::ops::ControlFlow;

use jsonschema::JsonType;
use jsonschema::json::{Array, Json, JsonNumber, Node, NodeIdentity, Object};

use crate::value::{Items, Kind, Members, Name, Number, Value};

use super::meter::Meter;
use super::unique;

/// The representation.
pub(super) struct Instance;

/// One value that is judged: the only member, named `key`, of an object that is nowhere.
pub(super) struct View<'v> {
    pub(super) value: Value<'v>,
    pub(super) key: &'v str,
    pub(super) meter: &'v Meter,
}

#[derive(Clone, Copy)]
pub(super) enum At<'v> {
    /// The object around the value.
    Around(&'v View<'v>),
    Value(&'v View<'v>, Value<'v>),
    /// The name of a member, as a string.
    Name(Option<&'v View<'v>>, &'v str),
}

impl Json for Instance {
    type Node<'a> = At<'a>;
    type PreparedKey = Name;
    type StringBuffer = ();

    const KEYS_PER_LOOKUP: usize = 4;
    const ACYCLIC: bool = true;

    fn prepare_key(key: &str) -> Name {
        Name::new(key)
    }

    fn with_string_node<T>(_: &mut (), string: &str, f: impl FnOnce(At<'_>) -> T) -> T {
        f(At::Name(None, string))
    }
}

impl<'v> At<'v> {
    pub(super) fn meter(&self) -> Option<&'v Meter> {
        match self {
            Self::Around(view) | Self::Value(view, _) | Self::Name(Some(view), _) => Some(view.meter),
            Self::Name(None, _) => None,
        }
    }

    /// Whether it may still be looked at.
    fn step(&self) -> bool {
        self.meter().is_none_or(Meter::step)
    }

    pub(super) fn string(&self) -> Option<&'v str> {
        if !self.step() {
            return None;
        }
        match self {
            Self::Around(_) => None,
            Self::Value(_, value) => value.as_str(),
            Self::Name(_, name) => Some(name),
        }
    }

    pub(super) fn number(&self) -> Option<Number<'v>> {
        match self {
            Self::Value(_, value) if self.step() => value.as_number(),
            _ => None,
        }
    }
}

impl<'v> Node<'v, Instance> for At<'v> {
    type Object = Container<'v>;
    type Array = Container<'v>;
    type Number = Decimal<'v>;

    fn as_object(&self) -> Option<Container<'v>> {
        if !self.step() {
            return None;
        }
        match self {
            Self::Around(view) => Some(Container(view, None)),
            Self::Value(view, value) if value.kind() == Kind::Object => Some(Container(view, Some(*value))),
            Self::Value(..) | Self::Name(..) => None,
        }
    }

    fn as_array(&self) -> Option<Container<'v>> {
        match self {
            Self::Value(view, value) if self.step() && value.kind() == Kind::Array => {
                Some(Container(view, Some(*value)))
            }
            _ => None,
        }
    }

    fn as_string(&self) -> Option<Cow<'v, str>> {
        self.string().map(Cow::Borrowed)
    }

    fn as_number(&self) -> Option<Decimal<'v>> {
        self.number().map(Decimal)
    }

    fn as_boolean(&self) -> Option<bool> {
        match self {
            Self::Value(_, value) => value.as_bool(),
            _ => None,
        }
    }

    fn is_null(&self) -> bool {
        self.json_type() == JsonType::Null
    }

    fn is_number(&self) -> bool {
        self.json_type() == JsonType::Number
    }

    fn json_type(&self) -> JsonType {
        self.step();
        match self {
            Self::Around(_) => JsonType::Object,
            Self::Name(..) => JsonType::String,
            Self::Value(_, value) => match value.kind() {
                Kind::Null => JsonType::Null,
                Kind::Boolean => JsonType::Boolean,
                Kind::Number => JsonType::Number,
                Kind::String => JsonType::String,
                Kind::Array => JsonType::Array,
                Kind::Object => JsonType::Object,
            },
        }
    }

    fn string_length(&self) -> Option<u64> {
        self.string().map(characters)
    }

    /// A character is one to four bytes, which mostly decides.
    fn string_length_within(&self, min: u64, max: u64) -> Option<bool> {
        let text = self.string()?;
        let most = u64::try_from(text.len()).unwrap_or(u64::MAX);
        let least = most.div_ceil(4);
        if most < min || least > max {
            return Some(false);
        }
        Some((least >= min && most <= max) || (min..=max).contains(&characters(text)))
    }

    fn equals_value(&self, expected: &serde_json::Value) -> bool {
        match self {
            Self::Around(_) => false,
            Self::Name(_, name) => expected.as_str() == Some(name),
            Self::Value(view, value) => equal(view, *value, expected),
        }
    }

    /// No value ever: only whether the meter was spent when it was asked for, which makes the reason that asks void.
    fn to_value(&self) -> Cow<'v, serde_json::Value> {
        let is_void = self.meter().is_some_and(|meter| {
            meter.reason();
            meter.is_spent()
        });
        Cow::Owned(serde_json::Value::Bool(is_void))
    }

    fn identity(&self) -> Option<NodeIdentity> {
        match self {
            Self::Around(view) => Some(NodeIdentity::tagged(address(view), u32::MAX)),
            Self::Value(view, value) => Some(NodeIdentity::tagged(address(view), value.id())),
            Self::Name(..) => None,
        }
    }
}

fn address(view: &View<'_>) -> usize {
    std::ptr::from_ref(view).addr()
}

fn characters(text: &str) -> u64 {
    u64::try_from(text.chars().count()).unwrap_or(u64::MAX)
}

/// Whether a value is what `const` or `enum` says. No deeper than that is.
fn equal(view: &View<'_>, value: Value<'_>, expected: &serde_json::Value) -> bool {
    if !view.meter.step() {
        return false;
    }
    match expected {
        serde_json::Value::Null => value.is_null(),
        serde_json::Value::Bool(expected) => value.as_bool() == Some(*expected),
        serde_json::Value::String(expected) => value.as_str() == Some(expected),
        serde_json::Value::Number(expected) => {
            value.as_number().is_some_and(|number| number == Number::read(&expected.to_string()))
        }
        serde_json::Value::Array(expected) => {
            value.kind() == Kind::Array
                && value.len() == expected.len()
                && value.items().zip(expected).all(|(item, expected)| equal(view, item, expected))
        }
        serde_json::Value::Object(expected) => {
            value.kind() == Kind::Object
                && value.len() == expected.len()
                && expected.iter().all(|(name, expected)| {
                    value.get(name).is_some_and(|member| equal(view, member, expected))
                })
        }
    }
}

/// An array or object; without a value, the one around the value.
#[derive(Clone, Copy)]
pub(super) struct Container<'v>(&'v View<'v>, Option<Value<'v>>);

impl<'v> Object<'v, Instance> for Container<'v> {
    type Node = At<'v>;
    type MemberName = &'v str;
    type MembersIter = MemberNodes<'v>;

    fn len(&self) -> usize {
        self.1.map_or(1, |value| value.len())
    }

    fn get(&self, key: &Name) -> Option<At<'v>> {
        let Self(view, value) = self;
        if !view.meter.step() {
            return None;
        }
        match value {
            None => (key.as_str() == view.key).then_some(At::Value(view, view.value)),
            Some(value) => value.member(key).map(|member| At::Value(view, member)),
        }
    }

    fn members(&self) -> MemberNodes<'v> {
        let members = match self.1 {
            None => Around::Only,
            Some(value) => Around::Members(value.members()),
        };
        MemberNodes(self.0, members)
    }

    fn try_for_each_name_node<B>(
        &self,
        _: &mut (),
        mut f: impl FnMut(At<'_>) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        self.members().try_for_each(|(name, _)| f(At::Name(Some(self.0), name)))
    }
}

impl<'v> Array<'v, Instance> for Container<'v> {
    type Node = At<'v>;
    type ElementsIter = Elements<'v>;

    fn len(&self) -> usize {
        self.1.map_or(0, |value| value.len())
    }

    fn elements(&self) -> Elements<'v> {
        Elements(self.0, self.1.map(|value| value.items()))
    }

    fn is_unique(&self) -> bool {
        self.1.is_none_or(|value| unique::is_unique(value, self.0.meter))
    }
}

pub(super) struct MemberNodes<'v>(&'v View<'v>, Around<'v>);

enum Around<'v> {
    Only,
    Members(Members<'v>),
    None,
}

impl<'v> Iterator for MemberNodes<'v> {
    type Item = (&'v str, At<'v>);

    fn next(&mut self) -> Option<Self::Item> {
        let Self(view, members) = self;
        if !view.meter.step() {
            return None;
        }
        match members {
            Around::Members(members) => {
                members.next().map(|member| (member.name(), At::Value(view, member.value())))
            }
            Around::Only => {
                *members = Around::None;
                Some((view.key, At::Value(view, view.value)))
            }
            Around::None => None,
        }
    }
}

pub(super) struct Elements<'v>(&'v View<'v>, Option<Items<'v>>);

impl<'v> Iterator for Elements<'v> {
    type Item = At<'v>;

    fn next(&mut self) -> Option<Self::Item> {
        let Self(view, items) = self;
        if !view.meter.step() {
            return None;
        }
        items.as_mut()?.next().map(|item| At::Value(view, item))
    }
}

impl iter::FusedIterator for MemberNodes<'_> {}

/// A number: its integers and doubles are given only where they are the very number.
pub(super) struct Decimal<'v>(Number<'v>);

impl JsonNumber for Decimal<'_> {
    fn as_u64(&self) -> Option<u64> {
        self.0.as_u64()
    }

    fn as_i64(&self) -> Option<i64> {
        self.0.as_i64()
    }

    fn as_f64(&self) -> Option<f64> {
        self.0.as_f64_exact()
    }

    fn as_str(&self) -> Cow<'_, str> {
        Cow::Borrowed(self.0.as_str())
    }

    /// Not asked for where anything is decided: `const` and `enum` compare by [`equal`] or by the three above.
    fn to_number(&self) -> Cow<'_, serde_json::Number> {
        let number = self
            .0
            .as_u64()
            .map(serde_json::Number::from)
            .or_else(|| self.0.as_i64().map(serde_json::Number::from))
            .or_else(|| serde_json::Number::from_f64(self.0.as_f64_near()));
        Cow::Owned(number.unwrap_or_else(|| serde_json::Number::from(0)))
    }

    fn is_integer(&self) -> bool {
        self.0.is_integer()
    }

    fn is_written_as_integer(&self) -> bool {
        self.0.is_written_as_integer()
    }
}
