//! The affixed segments of one node: which of `{name}:cancel`, `v{major}.{minor}`, `{id}.json` fit a segment.
//!
//! A parameter takes as little as it can, from the left, so that `{a}.{b}` splits `x.y.z` into `x` and `y.z`. That
//! reading finds a split whenever there is one.

use std::cmp::Ordering;
use std::collections::HashMap;

use foldhash::fast::RandomState;
use memchr::memmem;
use smallvec::SmallVec;

use super::{Span, Spans, index};
use crate::template::Affix;

/// The affixed segments of one node with the children they lead to.
#[derive(Debug, Default)]
pub(super) struct Affixes {
    /// The most concrete first.
    affixes: Box<[(Affix, u32)]>,
    /// Ranks by first and last text. Custom verbs come by the hundred at one node (`{name}:cancel`, `{name}:undo`, …).
    by_prefix: ByText<ByText<SmallVec<[u32; 2]>>>,
}

/// Up to here all are candidates: reading through them is quicker than a table.
const LINEAR_MAX: usize = 6;

/// Positions in [`Affixes`].
pub(super) type Ranks = SmallVec<[u32; 8]>;

impl Affixes {
    pub(super) fn new(mut affixes: Vec<(Affix, u32)>) -> Self {
        affixes.sort_by(|(left, _), (right, _)| order(left, right));
        let mut by_prefix = ByText::<ByText<SmallVec<[u32; 2]>>>::default();
        for (rank, (affix, _)) in (0..).zip(&affixes) {
            by_prefix.entry(&affix.prefix).entry(&affix.suffix).push(rank);
        }
        Self { affixes: affixes.into_boxed_slice(), by_prefix }
    }

    /// The ranks that may fit a segment, the most concrete first.
    pub(super) fn candidates(&self, segment: &str) -> Ranks {
        if self.affixes.len() <= LINEAR_MAX {
            return (0..).take(self.affixes.len()).collect();
        }
        let mut ranks = Ranks::new();
        for by_suffix in self.by_prefix.at_start(segment) {
            by_suffix.at_end(segment).for_each(|found| ranks.extend_from_slice(found));
        }
        ranks.sort_unstable();
        ranks
    }

    /// Fits one candidate to the segment that starts at `start` of the path. On success its parameters' spans are
    /// appended and the child is returned.
    pub(super) fn fit(&self, rank: u32, segment: &str, start: usize, spans: &mut Spans) -> Option<u32> {
        let (affix, child) = self.affixes.get(index(rank))?;
        fit(affix, segment, start, spans).then_some(*child)
    }

    /// The greatest sum of `weight` over the children that one segment can lead to.
    pub(super) fn heaviest(&self, weight: impl Fn(u32) -> usize) -> usize {
        let of_rank = |rank: &u32| self.affixes.get(index(*rank)).map_or(0, |(_, child)| weight(*child));
        let of_ranks = |ranks: &SmallVec<[u32; 2]>| ranks.iter().map(of_rank).fold(0, usize::saturating_add);
        self.by_prefix.heaviest(|by_suffix| by_suffix.heaviest(of_ranks))
    }
}

/// More text is more concrete; then fewer parameters; the rest only makes the order total. A segment pattern whose
/// matches are a part of another's always comes first.
fn order(left: &Affix, right: &Affix) -> Ordering {
    let text = right.text_bytes().cmp(&left.text_bytes());
    text.then_with(|| left.between.len().cmp(&right.between.len())).then_with(|| left.cmp(right))
}

fn fit(affix: &Affix, segment: &str, start: usize, spans: &mut Spans) -> bool {
    let Some(last) = segment.len().checked_sub(affix.suffix.len()) else { return false };
    if !segment.starts_with(&*affix.prefix) || !segment.ends_with(&*affix.suffix) {
        return false;
    }
    if !affix.suffix.is_empty() && is_within_escape(segment, last) {
        return false;
    }
    let kept = spans.len();
    let mut from = affix.prefix.len();
    for text in &affix.between {
        let Some(at) = find(segment, from, last, text) else {
            spans.truncate(kept);
            return false;
        };
        spans.push(Span { start: start.saturating_add(from), end: start.saturating_add(at) });
        from = at.saturating_add(text.len());
    }
    if from >= last {
        spans.truncate(kept);
        return false;
    }
    spans.push(Span { start: start.saturating_add(from), end: start.saturating_add(last) });
    true
}

/// Where `text` first stands between `from` and `last` with at least one byte before it.
fn find(segment: &str, from: usize, last: usize, text: &str) -> Option<usize> {
    let mut at = from.checked_add(1)?;
    loop {
        let window = segment.as_bytes().get(at..last)?;
        at = at.checked_add(memmem::find(window, text.as_bytes())?)?;
        if !is_within_escape(segment, at) {
            return Some(at);
        }
        at = at.checked_add(1)?;
    }
}

/// Whether an offset cuts a `%2C` in two: the `2` of it is not the text `2`.
fn is_within_escape(segment: &str, at: usize) -> bool {
    let bytes = segment.as_bytes();
    (1..=2).any(|back| at.checked_sub(back).and_then(|at| bytes.get(at)) == Some(&b'%'))
}

/// A table by text that asks for the text at one end of a segment: one lookup for each length that occurs.
#[derive(Debug)]
struct ByText<V> {
    lengths: Vec<usize>,
    values: HashMap<Box<str>, V, RandomState>,
}

impl<V: Default> ByText<V> {
    fn entry(&mut self, text: &str) -> &mut V {
        if !self.lengths.contains(&text.len()) {
            self.lengths.push(text.len());
        }
        self.values.entry(text.into()).or_default()
    }
}

impl<V> ByText<V> {
    fn at_start(&self, segment: &str) -> impl Iterator<Item = &V> {
        self.lengths.iter().filter_map(|&length| self.values.get(segment.get(..length)?))
    }

    fn at_end(&self, segment: &str) -> impl Iterator<Item = &V> {
        let texts =
            self.lengths.iter().filter_map(|&length| segment.get(segment.len().checked_sub(length)?..));
        texts.filter_map(|text| self.values.get(text))
    }

    /// One text of each length fits a segment at most.
    fn heaviest(&self, weight: impl Fn(&V) -> usize) -> usize {
        let of_length = |length: &usize| {
            let same = self.values.iter().filter(|(text, _)| text.len() == *length);
            same.map(|(_, value)| weight(value)).max().unwrap_or(0)
        };
        self.lengths.iter().map(of_length).fold(0, usize::saturating_add)
    }
}

impl<V> Default for ByText<V> {
    fn default() -> Self {
        Self { lengths: Vec::new(), values: HashMap::default() }
    }
}
