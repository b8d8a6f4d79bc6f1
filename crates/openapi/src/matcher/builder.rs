//! Collects templates, refuses two that match alike, and bounds what a search may cost.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use http::Method;

use super::affixes::Affixes;
use super::children::Children;
use super::{Matcher, Methods, index};
use crate::template::{Affix, Segment, Template};

/// A place in the tree.
///
/// PERF: one line of memory, the unlikely parts boxed: with 10,000 operations a search is a chain of cache misses.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(super) struct Node {
    pub(super) literals: Literals,
    pub(super) affixes: Option<Box<Affixes>>,
    pub(super) parameter: Option<u32>,
    /// The templates that end here.
    pub(super) end: Option<Leaf>,
    /// The templates that end here with `{rest*}`.
    pub(super) rest: Option<Box<Leaf>>,
}

const _: () = assert!(size_of::<Node>() == 64);

impl Node {
    /// How many nodes a search can visit from here at most. A segment leads to one literal child, to those affixed
    /// ones that can fit together, and to the parameter.
    fn steps(&self, of: impl Fn(u32) -> usize) -> usize {
        let literal = match &self.literals {
            Literals::None => 0,
            Literals::One(_, child) => of(*child),
            Literals::Many(children) => children.values().map(&of).max().unwrap_or(0),
        };
        let affixed = self.affixes.as_ref().map_or(0, |affixes| affixes.heaviest(&of));
        let parameter = self.parameter.map_or(0, &of);
        [1, literal, affixed, parameter].into_iter().fold(0, usize::saturating_add)
    }
}

/// Children by literal text.
#[derive(Debug, Default)]
pub(super) enum Literals {
    #[default]
    None,
    One(Box<str>, u32),
    Many(Box<Children>),
}

impl Literals {
    fn new(literals: HashMap<Box<str>, u32, RandomState>) -> Self {
        if literals.len() > 1 {
            return Self::Many(Box::new(Children::new(literals.into_iter())));
        }
        literals.into_iter().next().map_or(Self::None, |(text, child)| Self::One(text, child))
    }

    pub(super) fn get(&self, segment: &str) -> Option<u32> {
        match self {
            Self::None => None,
            Self::One(text, child) => (**text == *segment).then_some(*child),
            Self::Many(children) => children.get(segment),
        }
    }
}

/// The operations of all templates of one shape, as indices of entries.
#[derive(Debug)]
pub(super) enum Leaf {
    /// The only one, of one of [`Methods::ANY`].
    // PERF: most leaves are this, and stand in their node.
    One(&'static Method, u32),
    /// The only one, of any method.
    Any(u32),
    /// Several, or of a method that is none of those.
    Many(Box<Declared>),
}

/// The operations of all templates of one shape, by their methods.
#[derive(Debug, Default)]
pub(super) struct Declared {
    pub(super) explicit: Vec<(Method, u32)>,
    pub(super) any: Option<u32>,
}

impl Leaf {
    fn new(declared: Declared) -> Self {
        match (declared.explicit.as_slice(), declared.any) {
            ([(method, entry)], None) => {
                if let Some(usual) = Methods::ANY.iter().find(|usual| *usual == method) {
                    return Self::One(usual, *entry);
                }
            }
            ([], Some(entry)) => return Self::Any(entry),
            _ => {}
        }
        Self::Many(Box::new(declared))
    }
}

impl Declared {
    fn insert(&mut self, methods: &Methods, entry: u32) -> Result<(), Clash> {
        let existing = match methods {
            Methods::Any => self.any,
            Methods::One(method) => {
                self.explicit.iter().find(|(known, _)| known == method).map(|(_, entry)| *entry)
            }
        };
        if let Some(existing) = existing {
            return Err(Clash { existing: index(existing) });
        }
        match methods {
            Methods::Any => self.any = Some(entry),
            Methods::One(method) => self.explicit.push((method.clone(), entry)),
        }
        Ok(())
    }
}

/// An operation that matches exactly what an earlier one does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the same method and path are declared twice")]
pub struct Clash {
    /// Which insertion the earlier one was, counted from 0 over those that succeeded.
    pub existing: usize,
}

/// Templates that cross each other so often that a search could become slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the path templates overlap too much: one request could take {steps} steps, more than {}",
    MatcherBuilder::<()>::STEPS_MAX
)]
pub struct TooAmbiguous {
    /// An upper bound of the steps of one search.
    pub steps: usize,
}

/// Collects operations for a [`Matcher`].
#[derive(Debug)]
pub struct MatcherBuilder<T> {
    nodes: Vec<Growing>,
    /// By node, and whether they end there greedily.
    leaves: HashMap<(u32, bool), Declared, RandomState>,
    entries: Vec<(Methods, Template)>,
    values: Vec<T>,
}

/// A node while templates are added.
#[derive(Debug, Default)]
struct Growing {
    literals: HashMap<Box<str>, u32, RandomState>,
    affixes: HashMap<Affix, u32, RandomState>,
    parameter: Option<u32>,
}

impl Growing {
    fn finish(self) -> Node {
        let affixes =
            (!self.affixes.is_empty()).then(|| Box::new(Affixes::new(self.affixes.into_iter().collect())));
        Node {
            literals: Literals::new(self.literals),
            affixes,
            parameter: self.parameter,
            end: None,
            rest: None,
        }
    }
}

impl<T> Default for MatcherBuilder<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> MatcherBuilder<T> {
    /// The most nodes one search may visit. Published documents need 42 at most.
    pub const STEPS_MAX: usize = 1024;

    /// Begins with no operation.
    pub fn new() -> Self {
        Self {
            nodes: vec![Growing::default()],
            leaves: HashMap::default(),
            entries: Vec::new(),
            values: Vec::new(),
        }
    }

    /// How many operations were inserted: the index of the next.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none was inserted.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Adds an operation. Templates of one shape share a place: they may differ in the names of their parameters, and
    /// must differ in the method.
    ///
    /// # Errors
    /// When an earlier operation has the same methods and a template of the same shape. Nothing is added then.
    pub fn insert(&mut self, methods: Methods, template: Template, value: T) -> Result<(), Clash> {
        let entry = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        self.leaf(template.segments()).insert(&methods, entry)?;
        self.entries.push((methods, template));
        self.values.push(value);
        Ok(())
    }

    /// The leaf of a shape; makes the way to it.
    fn leaf(&mut self, segments: &[Segment]) -> &mut Declared {
        let mut at = 0;
        let mut greedy = false;
        for segment in segments {
            let next = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
            let Some(node) = self.nodes.get_mut(index(at)) else { break };
            at = match segment {
                Segment::Literal(text) => *node.literals.entry(text.clone()).or_insert(next),
                Segment::Affixed(affix) => *node.affixes.entry(affix.clone()).or_insert(next),
                Segment::Parameter => *node.parameter.get_or_insert(next),
                Segment::Rest => {
                    greedy = true;
                    at
                }
            };
            if at == next {
                self.nodes.push(Growing::default());
            }
        }
        self.leaves.entry((at, greedy)).or_default()
    }

    /// Ends the collection.
    ///
    /// # Errors
    /// When the templates cross so much that a search could visit more than [`MatcherBuilder::STEPS_MAX`] nodes.
    pub fn build(self) -> Result<Matcher<T>, TooAmbiguous> {
        let mut nodes: Box<[Node]> = self.nodes.into_iter().map(Growing::finish).collect();
        for ((at, greedy), leaf) in self.leaves {
            if let Some(node) = nodes.get_mut(index(at)) {
                let leaf = Leaf::new(leaf);
                if greedy { node.rest = Some(Box::new(leaf)) } else { node.end = Some(leaf) }
            }
        }
        let steps = steps(&nodes);
        if steps > Self::STEPS_MAX {
            return Err(TooAmbiguous { steps });
        }
        Ok(Matcher { nodes, steps, values: self.values.into(), entries: self.entries.into() })
    }
}

/// How many nodes one search can visit at most.
fn steps(nodes: &[Node]) -> usize {
    let mut steps = vec![0_usize; nodes.len()];
    // Children have higher indices than their parents, so going backwards meets them first.
    for (place, node) in nodes.iter().enumerate().rev() {
        let total = node.steps(|child| steps.get(index(child)).copied().unwrap_or(0));
        if let Some(steps) = steps.get_mut(place) {
            *steps = total;
        }
    }
    steps.first().copied().unwrap_or(0)
}
