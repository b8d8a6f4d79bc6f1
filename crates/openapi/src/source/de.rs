//! Typed reading of a tree with serde, such that every complaint knows its place.
//!
//! serde's own errors have no position: they are caught on their way up, at the innermost node that was being
//! read, and get that node's place and path. Reading goes on after an error with the offending node left out,
//! so that one run reports everything that is wrong.
//!
//! Types read through here follow three rules: no `flatten` and no `untagged` (both read through a buffer that
//! loses places: write a `Deserialize` by hand), unknown fields denied, and a message of their own may end in
//! `; hint: …`. A key without a value is never taken for an absent key: it is an error for an `Option` as well.

use std::cell::RefCell;
use std::collections::HashSet;

use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess};
use serde::de::{SeqAccess, VariantAccess, Visitor};

use super::{Files, Finding, Key, Mapping, Node, Number, Pointer, Segment, Value, nearest};

mod error;

pub use error::Error;

/// Reading stops there: whoever has a hundred mistakes has one.
const FINDINGS_MAX: usize = 100;

/// Reads a tree as a `T`.
///
/// # Errors
/// Returns everything that does not fit, in the order it was met.
pub fn read<T: DeserializeOwned>(files: &Files, root: &Node) -> Result<T, Vec<Finding>> {
    let left_out = RefCell::new(HashSet::new());
    let mut findings = Vec::new();
    loop {
        let context = Context { left_out: &left_out };
        let reader = Reader { node: root, trail: &Trail::Root, context };
        let error = match T::deserialize(reader) {
            Ok(value) if findings.is_empty() => return Ok(value),
            Ok(_) => return Err(findings),
            Err(error) => error,
        };
        let (place, fault) = error.into_parts();
        let place = place.unwrap_or_else(|| error::Place::of(root, Pointer::new()));
        if !fault.follows_from_left_out {
            let finding = files.finding(place.span, &place.path, fault.shown()).with_hint_if(fault.hint);
            if !findings.contains(&finding) {
                findings.push(finding);
            }
        }
        // Without progress there is no next error.
        let at_root = place.node == Identity::of(root);
        if at_root || findings.len() >= FINDINGS_MAX || !left_out.borrow_mut().insert(place.node) {
            return Err(findings);
        }
    }
}

/// A node by its address: the tree stands still while it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Identity(*const Node);

impl Identity {
    fn of(node: &Node) -> Self {
        Self(std::ptr::from_ref(node))
    }
}

#[derive(Clone, Copy)]
struct Context<'a> {
    left_out: &'a RefCell<HashSet<Identity>>,
}

impl Context<'_> {
    fn leaves_out(&self, node: &Node) -> bool {
        self.left_out.borrow().contains(&Identity::of(node))
    }
}

/// The way from the root to a node, kept on the stack while reading.
enum Trail<'a> {
    Root,
    Key(&'a Trail<'a>, &'a str),
    Index(&'a Trail<'a>, usize),
}

impl Trail<'_> {
    fn pointer(&self) -> Pointer {
        let mut pointer = Pointer::new();
        let mut step = self;
        loop {
            step = match step {
                Trail::Root => break,
                Trail::Key(parent, key) => {
                    pointer.push(Segment::Key((*key).into()));
                    parent
                }
                Trail::Index(parent, index) => {
                    pointer.push(Segment::Index(*index));
                    parent
                }
            };
        }
        pointer.reverse();
        pointer
    }
}

/// Reads one node.
#[derive(Clone, Copy)]
struct Reader<'t, 'de> {
    node: &'de Node,
    trail: &'t Trail<'t>,
    context: Context<'t>,
}

impl<'de> Reader<'_, 'de> {
    /// Gives an error that has no place yet the place of this node.
    fn placed<T>(&self, result: Result<T, Error>) -> Result<T, Error> {
        result.map_err(|error| {
            let mut error = error.or_place(|| error::Place::of(self.node, self.trail.pointer()));
            if let (true, Some(text)) = (self.node.is_from_outside(), self.node.as_str()) {
                error.hide(text);
            }
            error
        })
    }

    fn any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.node.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Number(number) => visit_number(number, visitor),
            Value::String(text) => visitor.visit_borrowed_str(text),
            Value::Sequence(items) => {
                visitor.visit_seq(Items { items: items.iter().enumerate(), parent: self })
            }
            Value::Mapping(mapping) => self.mapping(mapping, visitor),
        }
    }

    fn mapping<V: Visitor<'de>>(self, mapping: &'de Mapping, visitor: V) -> Result<V::Value, Error> {
        let result = visitor.visit_map(Entries { entries: mapping.iter(), value: None, parent: self });
        result.map_err(|mut error| {
            // A field is missing only because it was left out after an error of its own, or misspelt.
            error.excuse(|field| {
                let meant = |key: &str| key == field || nearest(key, [field]).is_some();
                mapping.iter().any(|(key, node)| self.context.leaves_out(node) && meant(&key.text))
            });
            error
        })
    }

    /// A text from outside the document may stand for what it reads as: `"${env:WEIGHT}"`.
    fn scalar<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.node.as_str() {
            Some("true") if self.node.is_from_outside() => visitor.visit_bool(true),
            Some("false") if self.node.is_from_outside() => visitor.visit_bool(false),
            Some(text) if self.node.is_from_outside() && is_decimal(text) => {
                visit_number(&Number::new(text), visitor)
            }
            _ => self.any(visitor),
        }
    }
}

fn is_decimal(text: &str) -> bool {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    unsigned.starts_with(|c: char| c.is_ascii_digit()) && unsigned.parse::<f64>().is_ok()
}

fn visit_number<'de, V: Visitor<'de>>(number: &Number, visitor: V) -> Result<V::Value, Error> {
    if let Some(number) = number.as_u64() {
        return visitor.visit_u64(number);
    }
    if let Some(number) = number.as_i64() {
        return visitor.visit_i64(number);
    }
    match number.as_f64() {
        Some(number) => visitor.visit_f64(number),
        None => Err(serde::de::Error::custom(format_args!("the number {} is too large", number.as_str()))),
    }
}

macro_rules! read_scalars {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            self.placed(self.scalar(visitor))
        }
    )*};
}

macro_rules! read_anything {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            self.placed(self.any(visitor))
        }
    )*};
}

impl<'de> Deserializer<'de> for Reader<'_, 'de> {
    type Error = Error;

    read_scalars! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
        deserialize_f32 deserialize_f64
    }

    read_anything! {
        deserialize_any deserialize_char deserialize_str deserialize_string deserialize_bytes
        deserialize_byte_buf deserialize_seq deserialize_map deserialize_identifier deserialize_unit
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.placed(visitor.visit_some(self))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.placed(visitor.visit_unit())
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.placed(self.any(visitor))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.placed(visitor.visit_newtype_struct(self))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, Error> {
        self.placed(self.any(visitor))
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.placed(self.any(visitor))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        // A list is no struct here, although serde would take one.
        self.placed(match &self.node.value {
            Value::Mapping(mapping) => self.mapping(mapping, visitor),
            _ => Err(Error::wrong_type(self.node, "a mapping")),
        })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.placed(match &self.node.value {
            Value::String(_) => visitor.visit_enum(Choice { key: None, parent: self }),
            // A word that looks like a number: `min_version: 1.3`.
            Value::Number(number) if variants.contains(&number.as_str()) => {
                visitor.visit_enum(Choice { key: None, parent: self })
            }
            Value::Mapping(mapping) if mapping.len() == 1 => match mapping.iter().next() {
                Some((key, node)) => visitor.visit_enum(Choice { key: Some((key, node)), parent: self }),
                None => Err(Error::wrong_type(self.node, &error::one_of(variants))),
            },
            _ => Err(Error::wrong_type(self.node, &error::one_of(variants))),
        })
    }
}

/// The items of a list.
struct Items<'t, 'de> {
    items: std::iter::Enumerate<std::slice::Iter<'de, Node>>,
    parent: Reader<'t, 'de>,
}

impl<'de> SeqAccess<'de> for Items<'_, 'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        let context = self.parent.context;
        let Some((index, node)) = self.items.find(|(_, node)| !context.leaves_out(node)) else {
            return Ok(None);
        };
        let trail = Trail::Index(self.parent.trail, index);
        let reader = Reader { node, trail: &trail, context };
        reader.placed(seed.deserialize(reader)).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

/// The entries of a mapping.
struct Entries<'t, 'de> {
    entries: std::slice::Iter<'de, (Key, Node)>,
    value: Option<(&'de Key, &'de Node)>,
    parent: Reader<'t, 'de>,
}

impl<'de> MapAccess<'de> for Entries<'_, 'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let context = self.parent.context;
        let Some((key, node)) = self.entries.find(|(_, node)| !context.leaves_out(node)) else {
            return Ok(None);
        };
        self.value = Some((key, node));
        read_key(seed, key, node, self.parent.trail).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let Some((key, node)) = self.value.take() else {
            return Err(serde::de::Error::custom("a value was asked for before its key"));
        };
        let trail = Trail::Key(self.parent.trail, &key.text);
        let reader = Reader { node, trail: &trail, context: self.parent.context };
        reader.placed(seed.deserialize(reader))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.entries.len())
    }
}

/// Reads a key; what is wrong with it is placed at the key itself.
fn read_key<'de, K: DeserializeSeed<'de>>(
    seed: K,
    key: &'de Key,
    node: &Node,
    trail: &Trail<'_>,
) -> Result<K::Value, Error> {
    let text: serde::de::value::BorrowedStrDeserializer<'de, Error> =
        serde::de::value::BorrowedStrDeserializer::new(&key.text);
    seed.deserialize(text).map_err(|error| {
        error.or_place(|| {
            let mut place = error::Place::of(node, Trail::Key(trail, &key.text).pointer());
            place.span = key.span;
            place
        })
    })
}

/// One of several: a word, or a mapping of one key.
struct Choice<'t, 'de> {
    key: Option<(&'de Key, &'de Node)>,
    parent: Reader<'t, 'de>,
}

impl<'de> EnumAccess<'de> for Choice<'_, 'de> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Error> {
        let variant = match self.key {
            Some((key, node)) => read_key(seed, key, node, self.parent.trail)?,
            None => seed.deserialize(self.word().into_deserializer())?,
        };
        Ok((variant, self))
    }
}

impl<'de> Choice<'_, 'de> {
    /// The choice where it is written as a plain word.
    fn word(&self) -> &'de str {
        match &self.parent.node.value {
            Value::String(text) => text,
            Value::Number(number) => number.as_str(),
            _ => "",
        }
    }

    /// Hands the value under the key to `read`.
    fn within<T>(self, read: impl FnOnce(Reader<'_, 'de>) -> Result<T, Error>) -> Result<T, Error> {
        let Some((key, node)) = self.key else {
            let word = self.parent.node.describe();
            return Err(serde::de::Error::custom(format_args!(
                "{word} needs settings, found none; hint: write it as a key with its settings below"
            )));
        };
        let trail = Trail::Key(self.parent.trail, &key.text);
        let reader = Reader { node, trail: &trail, context: self.parent.context };
        reader.placed(read(reader))
    }
}

impl<'de> VariantAccess<'de> for Choice<'_, 'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        match self.key {
            None => Ok(()),
            Some((key, _)) => Err(serde::de::Error::custom(format_args!(
                "{:?} takes no settings; hint: write it as a plain word",
                key.text
            ))),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        self.within(|reader| seed.deserialize(reader))
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Error> {
        self.within(|reader| reader.deserialize_tuple(len, visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.within(|reader| reader.deserialize_struct("", fields, visitor))
    }
}

#[cfg(test)]
mod tests;
