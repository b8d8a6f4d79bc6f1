//! What can be reached from what: circles that never end, and lacks behind a root.

use std::collections::VecDeque;

use serde_json::Value;

use super::{Emitter, Lack, Silence, Written};
use crate::schema::SchemaId;

/// The finished document as a graph.
pub(crate) struct Reach {
    schemas: Vec<SchemaId>,
    edges: Vec<Box<[usize]>>,
    lacks: Vec<Vec<Lack>>,
    /// Whether a lack can be reached.
    is_lacking: Vec<bool>,
    /// Which bounds something that can be reached does not state.
    silence: Vec<Silence>,
}

impl Emitter<'_> {
    /// Takes schemas out that ask about a value by asking about it again: judging by them would not end.
    pub(super) fn cut_circles(&mut self) {
        for index in circles(&self.definitions) {
            let Some(written) = self.definitions.get_mut(index) else { continue };
            let schema = written.view.schema;
            written.value = Value::Bool(true);
            written.edges.clear();
            let why = "leads back to itself without going into the value";
            written.lacks.push(Lack { schema, keyword: "".into(), why: why.into() });
        }
    }
}

/// What stands on a circle of references about one value. Kahn's algorithm would also name what leads to a circle, so this
/// is Tarjan's, without recursion.
fn circles(definitions: &[Written]) -> Vec<usize> {
    const UNSEEN: usize = usize::MAX;
    let next = |at: usize, from: usize| -> Option<(usize, usize)> {
        let edges = &definitions.get(at)?.edges;
        let found = edges.iter().enumerate().skip(from).find(|(_, edge)| edge.is_in_place)?;
        Some((found.0.saturating_add(1), found.1.to))
    };
    let count = definitions.len();
    let (mut order, mut low) = (vec![UNSEEN; count], vec![UNSEEN; count]);
    let mut is_open = vec![false; count];
    let (mut stack, mut found, mut counter) = (Vec::new(), Vec::new(), 0_usize);
    for start in 0..count {
        if order.get(start) != Some(&UNSEEN) {
            continue;
        }
        // A node, and which of its edges comes next.
        let mut way = vec![(start, 0_usize)];
        enter(&mut order, &mut low, &mut is_open, &mut stack, start, &mut counter);
        while let Some((at, from)) = way.last().copied() {
            if let Some((then, to)) = next(at, from) {
                if let Some(last) = way.last_mut() {
                    last.1 = then;
                }
                if order.get(to) == Some(&UNSEEN) {
                    enter(&mut order, &mut low, &mut is_open, &mut stack, to, &mut counter);
                    way.push((to, 0));
                } else if is_open.get(to) == Some(&true) {
                    lower(&mut low, at, order.get(to).copied());
                }
                continue;
            }
            way.pop();
            if let Some((parent, _)) = way.last() {
                let own = low.get(at).copied();
                lower(&mut low, *parent, own);
            }
            if low.get(at) != order.get(at) {
                continue;
            }
            let from = stack.iter().rposition(|open| *open == at).unwrap_or_default();
            let members = stack.split_off(from);
            for member in &members {
                if let Some(open) = is_open.get_mut(*member) {
                    *open = false;
                }
            }
            let is_own = definitions
                .get(at)
                .is_some_and(|written| written.edges.iter().any(|edge| edge.is_in_place && edge.to == at));
            if members.len() > 1 || is_own {
                found.extend(members);
            }
        }
    }
    found
}

fn enter(
    order: &mut [usize],
    low: &mut [usize],
    is_open: &mut [bool],
    stack: &mut Vec<usize>,
    at: usize,
    counter: &mut usize,
) {
    if let (Some(order), Some(low), Some(open)) = (order.get_mut(at), low.get_mut(at), is_open.get_mut(at)) {
        (*order, *low, *open) = (*counter, *counter, true);
    }
    *counter = counter.saturating_add(1);
    stack.push(at);
}

fn lower(low: &mut [usize], at: usize, to: Option<usize>) {
    if let (Some(low), Some(to)) = (low.get_mut(at), to) {
        *low = (*low).min(to);
    }
}

impl Reach {
    pub(super) fn new(definitions: Vec<Written>) -> Self {
        let edges: Vec<Box<[usize]>> =
            definitions.iter().map(|written| written.edges.iter().map(|edge| edge.to).collect()).collect();
        let mut backward: Vec<Vec<usize>> = vec![Vec::new(); edges.len()];
        for (from, targets) in edges.iter().enumerate() {
            for to in targets {
                if let Some(list) = backward.get_mut(*to) {
                    list.push(from);
                }
            }
        }
        let schemas = definitions.iter().map(|written| written.view.schema).collect();
        let own: Vec<Silence> = definitions.iter().map(|written| written.silence).collect();
        let lacks: Vec<Vec<Lack>> = definitions.into_iter().map(|written| written.lacks).collect();
        let is_lacking = spread(&backward, |index| lacks.get(index).is_some_and(|lacks| !lacks.is_empty()));
        let mut silence = own.clone();
        for kind in [Silence::LENGTH, Silence::ITEMS, Silence::PROPERTIES] {
            let reached = spread(&backward, |index| own.get(index).is_some_and(|own| own.has(kind)));
            for (silence, _) in silence.iter_mut().zip(reached).filter(|(_, reached)| *reached) {
                *silence = silence.or(kind);
            }
        }
        Self { schemas, edges, lacks, is_lacking, silence }
    }

    /// The schema that stands at a place of the document.
    pub(crate) fn schema(&self, index: usize) -> Option<SchemaId> {
        self.schemas.get(index).copied()
    }

    /// Whether something behind a root is not enforced.
    pub(crate) fn is_lacking(&self, root: usize) -> bool {
        self.is_lacking.get(root).copied().unwrap_or(true)
    }

    /// Which bounds something behind a root does not state.
    pub(crate) fn silence(&self, root: usize) -> Silence {
        self.silence.get(root).copied().unwrap_or_default()
    }

    /// What behind a root is not enforced, at most so much of it.
    pub(crate) fn lacks(&self, root: usize, most: usize) -> Vec<&Lack> {
        const VISITS_MAX: usize = 10_000;
        let mut found = Vec::new();
        let mut seen = std::collections::HashSet::from([root]);
        let mut open = VecDeque::from([root]);
        while let Some(at) = open.pop_front() {
            if found.len() >= most || seen.len() > VISITS_MAX {
                break;
            }
            found.extend(self.lacks.get(at).into_iter().flatten());
            for to in self.edges.get(at).into_iter().flatten() {
                if self.is_lacking(*to) && seen.insert(*to) {
                    open.push_back(*to);
                }
            }
        }
        found.truncate(most);
        found
    }
}

/// Which nodes lead to one of those that `is_one` names.
fn spread(backward: &[Vec<usize>], is_one: impl Fn(usize) -> bool) -> Vec<bool> {
    let mut reached: Vec<bool> = (0..backward.len()).map(is_one).collect();
    let mut open: Vec<usize> =
        (0..backward.len()).filter(|index| reached.get(*index) == Some(&true)).collect();
    while let Some(at) = open.pop() {
        for from in backward.get(at).into_iter().flatten() {
            if let Some(reached) = reached.get_mut(*from).filter(|reached| !**reached) {
                *reached = true;
                open.push(*from);
            }
        }
    }
    reached
}
