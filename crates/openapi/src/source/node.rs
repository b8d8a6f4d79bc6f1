//! The tree: nodes, mappings that keep their order, numbers as they were written.

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{Pointer, Segment, Shift, Span, json_pointer};

/// A value and where it was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The value.
    pub value: Value,
    /// Where it begins. What an alias stands for keeps the place of its anchor.
    pub span: Span,
    /// Set when the text was put together from outside the document and may be secret.
    interpolated: bool,
}

/// What a node holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Nothing: `null`, `~`, or a key without a value.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, as it was written.
    Number(Number),
    /// A text.
    String(Box<str>),
    /// A list.
    Sequence(Vec<Node>),
    /// Keys and values, in the order they were written.
    Mapping(Mapping),
}

/// A key and where it was written. Keys are texts: YAML's `200:` is the key `200`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The text.
    pub text: Box<str>,
    /// Where it begins.
    pub span: Span,
}

/// Entries in the order they were written, each key once.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Mapping {
    entries: Vec<(Key, Node)>,
    // Invariant: empty up to `LINEAR_MAX` entries, else the positions of `entries` sorted by key.
    order: Box<[u32]>,
}

/// A number as it was written, so that nothing is lost before somebody asks for a type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Number {
    text: Box<str>,
}

/// Up to here looking through all keys beats a binary search.
const LINEAR_MAX: usize = 16;

impl Node {
    /// A node.
    pub fn new(value: Value, span: Span) -> Self {
        Self { value, span, interpolated: false }
    }

    /// A text that was put together from outside the document: messages must not show it.
    pub fn from_outside(text: impl Into<Box<str>>, span: Span) -> Self {
        Self { value: Value::String(text.into()), span, interpolated: true }
    }

    /// Whether its text came from outside the document and must not be shown.
    pub fn is_from_outside(&self) -> bool {
        self.interpolated
    }

    /// The same tree with its places among the files of a set that adopted this one's.
    #[must_use]
    pub fn shifted(mut self, shift: Shift) -> Self {
        self.span = self.span.shifted(shift);
        match &mut self.value {
            Value::Sequence(items) => {
                *items = std::mem::take(items).into_iter().map(|item| item.shifted(shift)).collect();
            }
            Value::Mapping(mapping) => {
                for (key, node) in &mut mapping.entries {
                    key.span = key.span.shifted(shift);
                    let value = std::mem::replace(&mut node.value, Value::Null);
                    *node = Self { value, ..*node }.shifted(shift);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
        self
    }

    /// The value under a key; nothing for what is no mapping.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.as_mapping()?.get(key)
    }

    /// The value under a path of keys, or of numbers where it leads through sequences.
    pub fn at(&self, path: &[&str]) -> Option<&Node> {
        path.iter().try_fold(self, |node, step| match &node.value {
            Value::Sequence(items) => items.get(step.parse::<usize>().ok()?),
            Value::Mapping(mapping) => mapping.get(step),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
        })
    }

    /// The node a path leads to.
    pub fn find(&self, pointer: &Pointer) -> Option<&Node> {
        pointer.segments().iter().try_fold(self, |node, segment| match (segment, &node.value) {
            (Segment::Key(key), Value::Mapping(mapping)) => mapping.get(key),
            (Segment::Index(index), Value::Sequence(items)) => items.get(*index),
            _ => None,
        })
    }

    /// The node a path leads to, to be changed in place.
    pub(crate) fn find_mut(&mut self, pointer: &Pointer) -> Option<&mut Node> {
        pointer.segments().iter().try_fold(self, |node, segment| match (segment, &mut node.value) {
            (Segment::Key(key), Value::Mapping(mapping)) => Some(mapping.get_mut(key)?.1),
            (Segment::Index(index), Value::Sequence(items)) => items.get_mut(*index),
            _ => None,
        })
    }

    /// How many values it is made of, itself included, and how many levels stand below it.
    pub(crate) fn size(&self) -> (usize, usize) {
        let below = |(nodes, height): (usize, usize), child: &Self| {
            let (more, deep) = child.size();
            (more.saturating_add(nodes), deep.saturating_add(1).max(height))
        };
        match &self.value {
            Value::Sequence(items) => items.iter().fold((1, 0), below),
            Value::Mapping(mapping) => mapping.iter().map(|(_, node)| node).fold((1, 0), below),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => (1, 0),
        }
    }

    /// Puts all of the tree at one place.
    pub(crate) fn put_at(&mut self, span: Span) {
        self.span = span;
        match &mut self.value {
            Value::Sequence(items) => items.iter_mut().for_each(|item| item.put_at(span)),
            Value::Mapping(mapping) => {
                for (key, node) in &mut mapping.entries {
                    key.span = span;
                    node.put_at(span);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    /// The node a JSON Pointer (RFC 6901) leads to: empty, or `/` before every step.
    pub fn json_pointer(&self, pointer: &str) -> Option<&Node> {
        if pointer.is_empty() {
            return Some(self);
        }
        pointer.strip_prefix('/')?.split('/').try_fold(self, |node, step| {
            if step.contains('~') {
                node.at(&[json_pointer::unescaped(step).as_str()])
            } else {
                node.at(&[step])
            }
        })
    }

    /// Its text, if it is a string.
    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// Whether it is `true` or `false`.
    pub fn as_bool(&self) -> Option<bool> {
        match &self.value {
            Value::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// Its number.
    pub fn as_number(&self) -> Option<&Number> {
        match &self.value {
            Value::Number(number) => Some(number),
            _ => None,
        }
    }

    /// Its items, if it is a list.
    pub fn as_sequence(&self) -> Option<&[Node]> {
        match &self.value {
            Value::Sequence(items) => Some(items),
            _ => None,
        }
    }

    /// Its entries, if it is a mapping.
    pub fn as_mapping(&self) -> Option<&Mapping> {
        match &self.value {
            Value::Mapping(mapping) => Some(mapping),
            _ => None,
        }
    }

    /// Whether there is no value.
    pub fn is_null(&self) -> bool {
        matches!(self.value, Value::Null)
    }

    /// What it is, for messages: `a list`, `the number 5`.
    pub fn describe(&self) -> String {
        const SHOWN_CHARS_MAX: usize = 60;
        match &self.value {
            Value::Null => "nothing".into(),
            Value::Bool(value) => format!("`{value}`"),
            Value::Number(number) => format!("the number {}", shorten(number.as_str(), SHOWN_CHARS_MAX)),
            Value::String(_) if self.interpolated => "a value from outside the file".into(),
            Value::String(text) => format!("{:?}", shorten(text, SHOWN_CHARS_MAX)),
            Value::Sequence(_) => "a list".into(),
            Value::Mapping(_) => "a mapping".into(),
        }
    }
}

/// At most that many characters, with an ellipsis where something was cut.
pub(super) fn shorten(text: &str, chars_max: usize) -> String {
    let mut chars = text.chars();
    let mut short: String = chars.by_ref().take(chars_max).collect();
    if chars.next().is_some() {
        short.push('…');
    }
    short
}

impl Mapping {
    /// Of entries whose keys differ; of two with one key the first stays and `twice` hears of the other.
    pub fn new(entries: Vec<(Key, Node)>, mut twice: impl FnMut(&Key, &Key)) -> Self {
        let mut mapping = Self { entries, order: Box::default() };
        mapping.sort();
        let mut dropped: Vec<usize> = Vec::new();
        if mapping.order.is_empty() {
            for (index, (key, _)) in mapping.entries.iter().enumerate().skip(1) {
                let before = mapping.entries.iter().take(index);
                if let Some((first, _)) = before.into_iter().find(|(first, _)| first.text == key.text) {
                    twice(first, key);
                    dropped.push(index);
                }
            }
        } else {
            // The sort is stable: of equal keys the first written comes first.
            let mut first: Option<&Key> = None;
            for index in mapping.order.iter().filter_map(|index| usize::try_from(*index).ok()) {
                let Some((key, _)) = mapping.entries.get(index) else { continue };
                match first {
                    Some(first) if first.text == key.text => {
                        twice(first, key);
                        dropped.push(index);
                    }
                    _ => first = Some(key),
                }
            }
        }
        if !dropped.is_empty() {
            dropped.sort_unstable();
            let mut index = 0_usize;
            mapping.entries.retain(|_| {
                let keep = dropped.binary_search(&index).is_err();
                index = index.saturating_add(1);
                keep
            });
            mapping.sort();
        }
        mapping
    }

    /// The value under a key.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|(_, node)| node)
    }

    /// The key as it was written, and its value.
    pub fn entry(&self, key: &str) -> Option<&(Key, Node)> {
        self.entries.get(self.position(key)?)
    }

    /// A key and its value, to be changed in place. The key's text must stay.
    pub(crate) fn get_mut(&mut self, key: &str) -> Option<(&mut Span, &mut Node)> {
        let index = self.position(key)?;
        self.entries.get_mut(index).map(|(key, node)| (&mut key.span, node))
    }

    /// The place of a key among the entries.
    fn position(&self, key: &str) -> Option<usize> {
        if self.order.is_empty() {
            return self.entries.iter().position(|(candidate, _)| &*candidate.text == key);
        }
        let text = |index: u32| self.by_order(index).map_or("", |(key, _)| &key.text);
        let found = self.order.binary_search_by(|index| text(*index).cmp(key)).ok()?;
        usize::try_from(*self.order.get(found)?).ok()
    }

    /// Adds entries behind the others; of a key that is known already the entry there stays.
    pub(crate) fn extend(&mut self, more: Vec<(Key, Node)>) {
        if !more.is_empty() {
            let mut entries = std::mem::take(&mut self.entries);
            entries.extend(more);
            *self = Self::new(entries, |_, _| ());
        }
    }

    /// Takes out what does not fit.
    pub(crate) fn retain(&mut self, mut fits: impl FnMut(&str) -> bool) {
        self.entries.retain(|(key, _)| fits(&key.text));
        self.sort();
    }

    fn by_order(&self, index: u32) -> Option<&(Key, Node)> {
        self.entries.get(usize::try_from(index).ok()?)
    }

    /// Entries in the order they were written.
    pub fn iter(&self) -> std::slice::Iter<'_, (Key, Node)> {
        self.entries.iter()
    }

    /// The values, to be changed in place, with their keys.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&Key, &mut Node)> {
        self.entries.iter_mut().map(|(key, node)| (&*key, node))
    }

    /// The keys in the order they were written.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|(key, _)| &*key.text)
    }

    /// The entries, to be put together anew.
    pub fn into_entries(self) -> Vec<(Key, Node)> {
        self.entries
    }

    /// How many entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn sort(&mut self) {
        self.order = Box::default();
        if self.entries.len() > LINEAR_MAX {
            let mut order: Vec<u32> = (0..self.entries.len()).filter_map(|i| u32::try_from(i).ok()).collect();
            order.sort_by_key(|index| self.by_order(*index).map(|(key, _)| &*key.text));
            self.order = order.into_boxed_slice();
        }
    }
}

impl<'a> IntoIterator for &'a Mapping {
    type Item = &'a (Key, Node);
    type IntoIter = std::slice::Iter<'a, (Key, Node)>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl Number {
    /// Of a text that a parser took for a number.
    pub(crate) fn new(text: &str) -> Self {
        Self { text: text.into() }
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// As an unsigned integer, when it was written as an integer and fits.
    pub fn as_u64(&self) -> Option<u64> {
        u64::try_from(self.integer()?).ok()
    }

    /// As a signed integer, when it was written as an integer and fits.
    pub fn as_i64(&self) -> Option<i64> {
        i64::try_from(self.integer()?).ok()
    }

    /// As a floating-point number, when it is finite.
    pub fn as_f64(&self) -> Option<f64> {
        match self.integer() {
            // Rounds: that is what asking for this type means.
            #[expect(clippy::cast_precision_loss, reason = "the nearest representable number is asked for")]
            Some(integer) => Some(integer as f64),
            None => self.text.parse::<f64>().ok().filter(|number| number.is_finite()),
        }
    }

    /// As an integer, when it was written as one.
    pub(crate) fn integer(&self) -> Option<i128> {
        if let Some(digits) = self.text.strip_prefix("0x") {
            return i128::from_str_radix(digits, 16).ok();
        }
        if let Some(digits) = self.text.strip_prefix("0o") {
            return i128::from_str_radix(digits, 8).ok();
        }
        self.text.parse().ok()
    }
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.value {
            Value::Null => serializer.serialize_unit(),
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::Number(number) => number.serialize(serializer),
            Value::String(text) => serializer.serialize_str(text),
            Value::Sequence(items) => serializer.collect_seq(items),
            Value::Mapping(mapping) => {
                let mut map = serializer.serialize_map(Some(mapping.len()))?;
                for (key, node) in mapping {
                    map.serialize_entry(&key.text, node)?;
                }
                map.end()
            }
        }
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Some(number) = self.as_u64() {
            return serializer.serialize_u64(number);
        }
        if let Some(number) = self.as_i64() {
            return serializer.serialize_i64(number);
        }
        match self.as_f64() {
            Some(number) => serializer.serialize_f64(number),
            None => serializer.serialize_unit(),
        }
    }
}
