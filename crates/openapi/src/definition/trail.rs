//! A node on the way from its document's root, without allocating for the way.

use super::reference::decode;
use crate::source::{Key, Node, Pointer, Segment, json_pointer};

/// The steps from a document's root, linked from the last to the first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trail<'p> {
    parent: Option<&'p Self>,
    step: Step<'p>,
}

#[derive(Clone, Copy, Debug)]
enum Step<'p> {
    Root,
    /// The fragment of a reference: a JSON Pointer from the root, percent-encoded.
    Fragment(&'p str),
    /// A name below a place known to the reader.
    Declared(&'static [&'static str], &'p str),
    Key(&'p str),
    Index(usize),
}

/// A node and the way to it.
#[derive(Clone, Copy, Debug)]
pub(super) struct At<'t, 'p> {
    pub(super) node: &'t Node,
    trail: Trail<'p>,
}

impl<'t, 'p> At<'t, 'p> {
    pub(super) fn root(node: &'t Node) -> Self {
        Self { node, trail: Trail { parent: None, step: Step::Root } }
    }

    /// Where the fragment of a reference has led.
    pub(super) fn referred(node: &'t Node, fragment: &'p str) -> Self {
        Self { node, trail: Trail { parent: None, step: Step::Fragment(fragment) } }
    }

    /// What is declared under a name.
    pub(super) fn declared(node: &'t Node, place: &'static [&'static str], name: &'p str) -> Self {
        Self { node, trail: Trail { parent: None, step: Step::Declared(place, name) } }
    }

    /// The value under a key, unless there is none.
    pub(super) fn get<'s>(&'s self, key: &'s str) -> Option<At<'t, 's>> {
        Some(self.child(key, self.node.get(key)?))
    }

    /// The value under a key, unless there is none or nothing is written there.
    pub(super) fn given<'s>(&'s self, key: &'s str) -> Option<At<'t, 's>> {
        self.get(key).filter(|at| !at.node.is_null())
    }

    /// A value of this mapping.
    pub(super) fn child<'s>(&'s self, key: &'s str, node: &'t Node) -> At<'t, 's> {
        At { node, trail: Trail { parent: Some(&self.trail), step: Step::Key(key) } }
    }

    /// The items, if this is a list.
    pub(super) fn items<'s>(&'s self) -> Option<impl Iterator<Item = At<'t, 's>>> {
        let items = self.node.as_sequence()?.iter().enumerate();
        let trail = |index| Trail { parent: Some(&self.trail), step: Step::Index(index) };
        Some(items.map(move |(index, node)| At { node, trail: trail(index) }))
    }

    /// The entries with their keys, if this is a mapping.
    pub(super) fn entries<'s>(&'s self) -> Option<impl Iterator<Item = (&'t Key, At<'t, 's>)>>
    where
        't: 's,
    {
        let entries = self.node.as_mapping()?.iter();
        Some(entries.map(move |(key, node)| (key, self.child(&key.text, node))))
    }

    /// The way as messages show it.
    pub(super) fn pointer(&self) -> Pointer {
        let mut steps = Vec::new();
        let mut trail = Some(&self.trail);
        while let Some(Trail { parent, step }) = trail {
            match step {
                Step::Root => {}
                Step::Fragment(fragment) => steps.extend(keys(fragment).into_iter().rev().map(Segment::Key)),
                Step::Declared(place, name) => {
                    steps.push(Segment::Key((*name).into()));
                    steps.extend(place.iter().rev().map(|step| Segment::Key((*step).into())));
                }
                Step::Key(key) => steps.push(Segment::Key((*key).into())),
                Step::Index(index) => steps.push(Segment::Index(*index)),
            }
            trail = *parent;
        }
        let mut pointer = Pointer::new();
        steps.into_iter().rev().for_each(|step| pointer.push(step));
        pointer
    }

    /// Tells nodes apart while their documents are in memory.
    pub(super) fn identity(&self) -> usize {
        std::ptr::from_ref(self.node).addr()
    }
}

fn keys(fragment: &str) -> Vec<Box<str>> {
    let pointer = decode(fragment).unwrap_or_default();
    pointer.split('/').skip(1).map(|key| json_pointer::unescaped(key).into()).collect()
}
