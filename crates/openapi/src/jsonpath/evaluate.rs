//! A query asked of a tree: depth first, which gives the RFC's order without keeping the nodes of every step.

use std::cmp::Ordering;
use std::ops::ControlFlow;

use super::{
    Budget, Comparable, Comparison, Literal, Logical, Matches, Part, Path, Pattern, Selector, Step, Stop,
    pattern,
};
use crate::source::{Mapping, Node, Number, Pointer, Segment, Value};

type Flow = ControlFlow<Stop>;

/// What a pattern from the document costs to compile, in steps.
const COMPILING: usize = 10_000;
/// Bytes of a text that cost one step to match.
const BYTES_OF_A_STEP: usize = 64;

/// The way to a node as a path.
pub(super) fn pointer(path: &[Step<'_>]) -> Pointer {
    let mut pointer = Pointer::new();
    for step in path {
        pointer.push(match step {
            Step::Key(key) => Segment::Key((*key).into()),
            Step::Index(index) => Segment::Index(*index),
        });
    }
    pointer
}

/// Queries asked of one tree.
pub(super) struct Evaluation<'a, 'b> {
    root: &'a Node,
    budget: &'b mut Budget,
}

/// The value of one side of a comparison.
enum Operand<'a> {
    Nothing,
    Null,
    Bool(bool),
    Number(&'a Number),
    Count(usize),
    Text(&'a str),
    List(&'a [Node]),
    Mapping(&'a Mapping),
}

/// What hears of each node that is found, and of the way to it.
type Visit<'v, 'a> = &'v mut dyn FnMut(&'a Node, &[Step<'a>]) -> Flow;

impl<'a, 'b> Evaluation<'a, 'b> {
    pub(super) fn new(root: &'a Node, budget: &'b mut Budget) -> Self {
        Self { root, budget }
    }

    fn spend(&mut self, steps: usize) -> Flow {
        match self.budget.spend(steps) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(Stop::Exhausted),
        }
    }

    /// Tells `visit` of every node that `parts` lead to from `node`.
    pub(super) fn each(
        &mut self,
        node: &'a Node,
        parts: &[Part],
        path: &mut Vec<Step<'a>>,
        visit: Visit<'_, 'a>,
    ) -> Flow {
        self.spend(1)?;
        let Some((part, rest)) = parts.split_first() else { return visit(node, path) };
        for selector in &part.selectors {
            self.selected(node, selector, rest, path, visit)?;
        }
        if !part.descendant {
            return ControlFlow::Continue(());
        }
        // Trees are at most as deep as they are read.
        self.children(node, path, &mut |this, child, path| this.each(child, parts, path, visit))
    }

    fn children(
        &mut self,
        node: &'a Node,
        path: &mut Vec<Step<'a>>,
        then: &mut dyn FnMut(&mut Self, &'a Node, &mut Vec<Step<'a>>) -> Flow,
    ) -> Flow {
        match &node.value {
            Value::Mapping(mapping) => {
                for (key, child) in mapping {
                    path.push(Step::Key(&key.text));
                    then(self, child, path)?;
                    path.pop();
                }
            }
            Value::Sequence(items) => {
                for (index, child) in items.iter().enumerate() {
                    path.push(Step::Index(index));
                    then(self, child, path)?;
                    path.pop();
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
        ControlFlow::Continue(())
    }

    fn selected(
        &mut self,
        node: &'a Node,
        selector: &Selector,
        rest: &[Part],
        path: &mut Vec<Step<'a>>,
        visit: Visit<'_, 'a>,
    ) -> Flow {
        match selector {
            Selector::Name(name) => {
                let Some((key, child)) = node.as_mapping().and_then(|mapping| mapping.entry(name)) else {
                    return ControlFlow::Continue(());
                };
                path.push(Step::Key(&key.text));
                self.each(child, rest, path, visit)?;
                path.pop();
                ControlFlow::Continue(())
            }
            Selector::Wildcard => {
                self.children(node, path, &mut |this, child, path| this.each(child, rest, path, visit))
            }
            Selector::Index(index) => {
                let items = node.as_sequence().unwrap_or_default();
                match position(*index, items.len()) {
                    Some(index) => self.item(items, index, rest, path, visit),
                    None => ControlFlow::Continue(()),
                }
            }
            Selector::Slice { start, end, step } => {
                let items = node.as_sequence().unwrap_or_default();
                for index in slice(*start, *end, *step, items.len()) {
                    self.item(items, index, rest, path, visit)?;
                }
                ControlFlow::Continue(())
            }
            Selector::Filter(filter) => self.children(node, path, &mut |this, child, path| {
                this.spend(1)?;
                if this.holds(filter, child)? {
                    this.each(child, rest, path, visit)
                } else {
                    ControlFlow::Continue(())
                }
            }),
        }
    }

    fn item(
        &mut self,
        items: &'a [Node],
        index: usize,
        rest: &[Part],
        path: &mut Vec<Step<'a>>,
        visit: Visit<'_, 'a>,
    ) -> Flow {
        let Some(item) = items.get(index) else { return ControlFlow::Continue(()) };
        path.push(Step::Index(index));
        self.each(item, rest, path, visit)?;
        path.pop();
        ControlFlow::Continue(())
    }

    /// Whether an expression holds for a node.
    fn holds(&mut self, logical: &Logical, node: &'a Node) -> ControlFlow<Stop, bool> {
        match logical {
            Logical::Or(several) => {
                for one in several {
                    if self.holds(one, node)? {
                        return ControlFlow::Continue(true);
                    }
                }
                ControlFlow::Continue(false)
            }
            Logical::And(several) => {
                for one in several {
                    if !self.holds(one, node)? {
                        return ControlFlow::Continue(false);
                    }
                }
                ControlFlow::Continue(true)
            }
            Logical::Not(inner) => ControlFlow::Continue(!self.holds(inner, node)?),
            Logical::Exists(path) => {
                let (first, _) = self.led_to(path, node, 1)?;
                ControlFlow::Continue(first.is_some())
            }
            Logical::Compare(left, comparison, right) => {
                let (left, right) = (self.value(left, node)?, self.value(right, node)?);
                self.compare(&left, *comparison, &right)
            }
            Logical::Matches(matches) => self.matches(matches, node),
        }
    }

    /// The first node a path leads to and how many there are, counted up to `enough`.
    fn led_to(
        &mut self,
        path: &Path,
        node: &'a Node,
        enough: usize,
    ) -> ControlFlow<Stop, (Option<&'a Node>, usize)> {
        let from = if path.from_root { self.root } else { node };
        let (mut first, mut count) = (None, 0_usize);
        let mut visit = |found: &'a Node, _: &[Step<'a>]| {
            first.get_or_insert(found);
            count = count.saturating_add(1);
            if count >= enough { ControlFlow::Break(Stop::Enough) } else { ControlFlow::Continue(()) }
        };
        match self.each(from, &path.parts, &mut Vec::new(), &mut visit) {
            ControlFlow::Break(Stop::Exhausted) => ControlFlow::Break(Stop::Exhausted),
            ControlFlow::Break(Stop::Enough) | ControlFlow::Continue(()) => {
                ControlFlow::Continue((first, count))
            }
        }
    }

    fn value<'q>(&mut self, comparable: &'q Comparable, node: &'a Node) -> ControlFlow<Stop, Operand<'q>>
    where
        'a: 'q,
    {
        ControlFlow::Continue(match comparable {
            Comparable::Literal(Literal::Null) => Operand::Null,
            Comparable::Literal(Literal::Bool(value)) => Operand::Bool(*value),
            Comparable::Literal(Literal::Number(number)) => Operand::Number(number),
            Comparable::Literal(Literal::Text(text)) => Operand::Text(text),
            Comparable::Singular(path) => self.led_to(path, node, 1)?.0.map_or(Operand::Nothing, Operand::of),
            Comparable::Value(path) => match self.led_to(path, node, 2)? {
                (Some(only), 1) => Operand::of(only),
                _ => Operand::Nothing,
            },
            Comparable::Count(path) => Operand::Count(self.led_to(path, node, usize::MAX)?.1),
            Comparable::Length(of) => match self.value(of, node)? {
                Operand::Text(text) => {
                    self.spend(text.len() / BYTES_OF_A_STEP)?;
                    Operand::Count(text.chars().count())
                }
                Operand::List(items) => Operand::Count(items.len()),
                Operand::Mapping(mapping) => Operand::Count(mapping.len()),
                _ => Operand::Nothing,
            },
        })
    }

    fn matches(&mut self, matches: &Matches, node: &'a Node) -> ControlFlow<Stop, bool> {
        let Operand::Text(text) = self.value(&matches.text, node)? else {
            return ControlFlow::Continue(false);
        };
        self.spend(text.len() / BYTES_OF_A_STEP)?;
        ControlFlow::Continue(match &matches.pattern {
            Pattern::Written(pattern) => pattern.is_match(text),
            Pattern::None => false,
            Pattern::Found(found) => {
                let Operand::Text(written) = self.value(found, node)? else {
                    return ControlFlow::Continue(false);
                };
                self.spend(COMPILING)?;
                pattern::compile(written, matches.whole).is_some_and(|pattern| pattern.is_match(text))
            }
        })
    }

    /// RFC 9535 §2.3.5.2.2.
    fn compare(
        &mut self,
        left: &Operand<'_>,
        comparison: Comparison,
        right: &Operand<'_>,
    ) -> ControlFlow<Stop, bool> {
        let less = |ordering: Option<Ordering>| ordering == Some(Ordering::Less);
        ControlFlow::Continue(match comparison {
            Comparison::Equal => self.equal(left, right)?,
            Comparison::NotEqual => !self.equal(left, right)?,
            Comparison::Less => less(left.order(right)),
            Comparison::Greater => less(right.order(left)),
            Comparison::LessOrEqual => less(left.order(right)) || self.equal(left, right)?,
            Comparison::GreaterOrEqual => less(right.order(left)) || self.equal(left, right)?,
        })
    }

    fn equal(&mut self, left: &Operand<'_>, right: &Operand<'_>) -> ControlFlow<Stop, bool> {
        self.spend(1)?;
        ControlFlow::Continue(match (left, right) {
            (Operand::Nothing, Operand::Nothing) | (Operand::Null, Operand::Null) => true,
            (Operand::Bool(left), Operand::Bool(right)) => left == right,
            (Operand::Text(left), Operand::Text(right)) => left == right,
            (Operand::List(left), Operand::List(right)) => {
                if left.len() != right.len() {
                    return ControlFlow::Continue(false);
                }
                for (left, right) in left.iter().zip(*right) {
                    if !self.equal(&Operand::of(left), &Operand::of(right))? {
                        return ControlFlow::Continue(false);
                    }
                }
                true
            }
            (Operand::Mapping(left), Operand::Mapping(right)) => {
                if left.len() != right.len() {
                    return ControlFlow::Continue(false);
                }
                for (key, left) in *left {
                    let Some(right) = right.get(&key.text) else { return ControlFlow::Continue(false) };
                    if !self.equal(&Operand::of(left), &Operand::of(right))? {
                        return ControlFlow::Continue(false);
                    }
                }
                true
            }
            _ => left.is_number() && left.order(right) == Some(Ordering::Equal),
        })
    }
}

impl<'a> Operand<'a> {
    fn of(node: &'a Node) -> Self {
        match &node.value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Number(number) => Self::Number(number),
            Value::String(text) => Self::Text(text),
            Value::Sequence(items) => Self::List(items),
            Value::Mapping(mapping) => Self::Mapping(mapping),
        }
    }

    fn is_number(&self) -> bool {
        matches!(self, Self::Number(_) | Self::Count(_))
    }

    /// Numbers and texts have an order.
    fn order(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Text(one), Self::Text(other)) => Some(one.cmp(other)),
            _ => match (self.integer(), other.integer()) {
                (Some(one), Some(other)) => Some(one.cmp(&other)),
                _ => self.float()?.partial_cmp(&other.float()?),
            },
        }
    }

    fn integer(&self) -> Option<i128> {
        match self {
            Self::Number(number) => number.integer(),
            Self::Count(count) => i128::try_from(*count).ok(),
            _ => None,
        }
    }

    fn float(&self) -> Option<f64> {
        match self {
            Self::Number(number) => number.as_f64(),
            Self::Count(count) => u32::try_from(*count).ok().map(f64::from),
            _ => None,
        }
    }
}

/// An index, which counts from the end where it is negative.
fn position(index: i64, length: usize) -> Option<usize> {
    let length = i64::try_from(length).ok()?;
    let index = if index < 0 { length.checked_add(index)? } else { index };
    usize::try_from(index).ok()
}

/// RFC 9535 §2.3.4.2.2.
fn slice(start: Option<i64>, end: Option<i64>, step: i64, length: usize) -> Vec<usize> {
    let length = i64::try_from(length).unwrap_or(i64::MAX);
    let normal = |index: i64| if index < 0 { length.saturating_add(index) } else { index };
    let mut indexes = Vec::new();
    if step > 0 {
        let mut at = normal(start.unwrap_or(0)).clamp(0, length);
        let end = normal(end.unwrap_or(length)).clamp(0, length);
        while at < end {
            indexes.extend(usize::try_from(at));
            at = at.saturating_add(step);
        }
    } else if step < 0 {
        let last = length.saturating_sub(1);
        let mut at = start.map_or(last, |start| normal(start).clamp(-1, last));
        let end = end.map_or(-1, |end| normal(end).clamp(-1, last));
        while at > end {
            indexes.extend(usize::try_from(at));
            at = at.saturating_add(step);
        }
    }
    indexes
}
