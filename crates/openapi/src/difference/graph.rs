//! The pairs of schemas that two definitions lead to, what was found at each, and which lead to which.
//!
//! A pair is looked at once, however many operations share it, and what was found there is told once, at the shortest way
//! from an operation, with the others that share it. Nothing here recurses: a graph of schemas may be as deep as a document.
//!
//! # Limits
//! As many pairs as there were steps ([`super::Limits::steps_max`]); [`VISITS_MAX`] for asking what is reached from where.

use std::collections::{HashMap, HashSet, VecDeque};

use super::{Change, Subject, Verdict};
use crate::schema::{Direction, SchemaId};

/// Sender, receiver, and who they are.
pub(super) type Pair = (SchemaId, SchemaId, Direction);

/// Most pairs that are passed, counted again each time, to find out what is reached from where.
pub(super) const VISITS_MAX: usize = 20_000_000;

/// Most operations that are named beside the first one that shares a finding.
const NAMED_MAX: usize = 20;

/// A pair, and whether it stands in a composition, where members may be declared elsewhere.
pub(super) type Key = (Pair, bool);

#[derive(Debug, Default)]
pub(super) struct Graph {
    ids: HashMap<Key, usize>,
    nodes: Vec<Node>,
    roots: Vec<(Subject, usize)>,
    /// How many of the nodes were looked at: they are in the order in which they were met.
    looked_at: usize,
    visits: usize,
}

#[derive(Debug)]
struct Node {
    key: Key,
    sight: Sight,
    /// Whether nothing found here or below counts as proven to break.
    is_weak: bool,
}

/// What was seen at a pair.
#[derive(Debug, Default)]
pub(super) struct Sight {
    /// What was found, with pointers from here and of no operation yet.
    pub(super) found: Vec<Change>,
    /// The way to others, as a pointer from here.
    pub(super) edges: Vec<(Box<str>, Key)>,
    /// The branches of a composition were taken side by side: what is found in them is not the last word.
    pub(super) composition: Option<Composition>,
}

/// What is known of a composition whose branches differ.
#[derive(Clone, Debug)]
pub(super) struct Composition {
    pub(super) is_choice: bool,
    pub(super) changed: String,
}

/// What becomes of what was found in the branches of a composition.
pub(super) enum Outcome {
    /// It stands.
    Stands,
    /// It stands, but not as proven to break.
    Weak,
    /// This stands in its place.
    Instead(Vec<Change>),
}

impl Graph {
    pub(super) fn root(&mut self, subject: Subject, key: Key) {
        let node = self.id(key);
        self.roots.push((subject, node));
    }

    fn id(&mut self, key: Key) -> usize {
        let next = self.nodes.len();
        let id = *self.ids.entry(key).or_insert(next);
        if id == next {
            self.nodes.push(Node { key, sight: Sight::default(), is_weak: false });
        }
        id
    }

    /// The next pair that is to be looked at: those nearest to operations come first.
    pub(super) fn next(&self) -> Option<Key> {
        self.nodes.get(self.looked_at).map(|node| node.key)
    }

    /// What was seen at the [next](Self::next) one.
    pub(super) fn saw(&mut self, sight: Sight) {
        for (_, key) in &sight.edges {
            self.id(*key);
        }
        if let Some(node) = self.nodes.get_mut(self.looked_at) {
            node.sight = sight;
        }
        self.looked_at = self.looked_at.saturating_add(1);
    }

    /// Compositions that lead to something that is not safe, those farthest from operations first.
    pub(super) fn compositions(&self) -> Vec<(usize, Key, Composition)> {
        let grave = self.grave();
        let all = self.nodes.iter().enumerate().rev().filter(|(id, _)| grave.contains(id));
        all.filter_map(|(id, node)| Some((id, node.key, node.sight.composition.clone()?))).collect()
    }

    /// Pairs that lead to something that is not safe or was not looked at, found from there backwards.
    fn grave(&self) -> HashSet<usize> {
        let mut above: HashMap<usize, Vec<usize>> = HashMap::new();
        let mut waiting = Vec::new();
        for (id, node) in self.nodes.iter().enumerate() {
            if id >= self.looked_at || node.sight.found.iter().any(|change| change.verdict != Verdict::Safe) {
                waiting.push(id);
            }
            for next in node.sight.edges.iter().filter_map(|(_, key)| self.ids.get(key)) {
                above.entry(*next).or_default().push(id);
            }
        }
        let mut grave = HashSet::new();
        while let Some(id) = waiting.pop() {
            if grave.insert(id) {
                waiting.extend(above.remove(&id).unwrap_or_default());
            }
        }
        grave
    }

    pub(super) fn settle(&mut self, id: usize, outcome: Outcome) {
        let Some(node) = self.nodes.get_mut(id) else { return };
        match outcome {
            Outcome::Stands => {}
            Outcome::Weak => node.is_weak = true,
            Outcome::Instead(found) => node.sight = Sight { found, ..Sight::default() },
        }
    }

    /// The gravest of what is found at a pair and all it leads to; not safe where that is not known. Where it is enough to
    /// know that not all is safe, the first that is not ends it.
    pub(super) fn gravest(&mut self, id: usize, is_safe_asked: bool) -> Verdict {
        let mut gravest = Verdict::Safe;
        let mut met = HashSet::new();
        let mut waiting = vec![id];
        while let Some(id) = waiting.pop() {
            if !met.insert(id) {
                continue;
            }
            if is_safe_asked && gravest != Verdict::Safe {
                return gravest;
            }
            self.visits = self.visits.saturating_add(1);
            let Some(node) = self.nodes.get(id).filter(|_| id < self.looked_at) else {
                gravest = gravest.min(Verdict::Unknown);
                continue;
            };
            if self.visits > VISITS_MAX {
                return gravest.min(Verdict::Unknown);
            }
            let found = node.sight.found.iter().map(|change| change.verdict).min();
            gravest = match found {
                Some(Verdict::Breaking) if !node.is_weak => return Verdict::Breaking,
                Some(Verdict::Breaking | Verdict::Unknown) => gravest.min(Verdict::Unknown),
                Some(Verdict::Safe) | None => gravest,
            };
            waiting.extend(node.sight.edges.iter().filter_map(|(_, key)| self.ids.get(key)));
        }
        gravest
    }

    /// How many pairs were not looked at.
    pub(super) fn left(&self) -> usize {
        self.nodes.len().saturating_sub(self.looked_at)
    }

    /// What was found, each once.
    pub(super) fn tell(mut self) -> Vec<Change> {
        let visits = self.visited();
        let shared = self.shared();
        let mut told = Vec::new();
        for (at, visit) in visits.iter().enumerate() {
            let Some(node) = self.nodes.get(visit.node) else { continue };
            if node.sight.found.is_empty() {
                continue;
            }
            let Some((subject, _)) = self.roots.get(visit.root) else { continue };
            let way = self.way(&visits, at);
            let others = shared.get(&visit.node);
            let named = others.into_iter().flat_map(|it| &it.named).filter_map(|root| self.roots.get(*root));
            let named = named.map(|(other, _)| &other.operation).filter(|other| **other != subject.operation);
            let also: Vec<Box<str>> = named.take(NAMED_MAX).cloned().collect();
            let known = also.len().saturating_add(1);
            let also_left_out = others.map_or(0, |it| it.count.saturating_sub(known));
            for change in &node.sight.found {
                let mut change = change.clone();
                if visit.is_weak && change.verdict == Verdict::Breaking {
                    (change.verdict, change.lost, change.witness) = (Verdict::Unknown, None, None);
                }
                change.operation.clone_from(&subject.operation);
                change.part.clone_from(&subject.part);
                change.pointer = format!("{way}{}", change.pointer).into();
                (change.also, change.also_left_out) = (also.clone(), also_left_out);
                told.push(change);
            }
        }
        told
    }

    /// Each pair once, by the shortest way; those behind a weak one only where no other way leads to them.
    fn visited(&self) -> Vec<Visit> {
        let mut visits: Vec<Visit> = Vec::new();
        let mut met = vec![false; self.nodes.len()];
        let roots = self.roots.iter().enumerate();
        let mut strong: VecDeque<Visit> = roots
            .map(|(root, (_, node))| Visit { node: *node, root, from: None, edge: 0, is_weak: false })
            .collect();
        let mut weak = VecDeque::new();
        while let Some(mut visit) = strong.pop_front().or_else(|| weak.pop_front()) {
            if met.get(visit.node).copied().unwrap_or(true) {
                continue;
            }
            met.get_mut(visit.node).into_iter().for_each(|met| *met = true);
            let Some(node) = self.nodes.get(visit.node) else { continue };
            visit.is_weak |= node.is_weak;
            let (at, root, is_weak) = (visits.len(), visit.root, visit.is_weak);
            for (edge, (_, key)) in node.sight.edges.iter().enumerate() {
                if let Some(next) = self.ids.get(key) {
                    let next = Visit { node: *next, root, from: Some(at), edge, is_weak };
                    if is_weak { weak.push_back(next) } else { strong.push_back(next) }
                }
            }
            visits.push(visit);
        }
        visits
    }

    /// The pointer that leads to a visit.
    fn way(&self, visits: &[Visit], at: usize) -> String {
        let mut steps = Vec::new();
        let mut visit = visits.get(at);
        while let Some((from, edge)) = visit.and_then(|visit| Some((visit.from?, visit.edge))) {
            visit = visits.get(from);
            let edges = visit.and_then(|visit| self.nodes.get(visit.node)).map(|node| &node.sight.edges);
            steps.extend(edges.and_then(|edges| edges.get(edge)).map(|(step, _)| &**step));
        }
        steps.into_iter().rev().collect()
    }

    /// The operations that lead to what was found, by pair. After [`VISITS_MAX`] some are missing.
    fn shared(&mut self) -> HashMap<usize, Shared> {
        let mut shared: HashMap<usize, Shared> = HashMap::new();
        // Which root passed a pair last: one operation is counted once.
        let mut passed: Vec<Option<&str>> = vec![None; self.nodes.len()];
        for (root, (subject, node)) in self.roots.iter().enumerate() {
            let operation = &*subject.operation;
            let mut waiting = vec![*node];
            while let Some(id) = waiting.pop() {
                let Some(last) = passed.get_mut(id).filter(|last| **last != Some(operation)) else {
                    continue;
                };
                *last = Some(operation);
                self.visits = self.visits.saturating_add(1);
                if self.visits > VISITS_MAX {
                    return shared;
                }
                let Some(node) = self.nodes.get(id) else { continue };
                if !node.sight.found.is_empty() {
                    let shared = shared.entry(id).or_default();
                    shared.count = shared.count.saturating_add(1);
                    if shared.named.len() <= NAMED_MAX {
                        shared.named.push(root);
                    }
                }
                waiting.extend(node.sight.edges.iter().filter_map(|(_, key)| self.ids.get(key)));
            }
        }
        shared
    }
}

#[derive(Debug, Default)]
struct Shared {
    /// The first of the roots, one an operation.
    named: Vec<usize>,
    /// How many operations.
    count: usize,
}

struct Visit {
    node: usize,
    root: usize,
    from: Option<usize>,
    edge: usize,
    is_weak: bool,
}

/// Puts together what was found at the same places for the same reason, and keeps so many, the gravest. What is left out is
/// counted in one more.
pub(super) fn merged(mut changes: Vec<Change>, findings_max: usize) -> Vec<Change> {
    changes.sort_by(|one, other| one.key().cmp(&other.key()));
    let mut kept: Vec<Change> = Vec::new();
    let mut known: HashMap<_, usize> = HashMap::new();
    for change in changes {
        // The gravest comes first: what is proven where nothing else may take a value is not told again as unknown.
        let key = (change.rule, change.why.clone(), change.old.clone(), change.new.clone());
        let has_place = change.old.is_some() || change.new.is_some();
        match known.get(&key).filter(|_| has_place).and_then(|at| kept.get_mut(*at)) {
            Some(first) => first.share(change),
            None => {
                known.insert(key, kept.len());
                kept.push(change);
            }
        }
    }
    if kept.len() > findings_max {
        let left_out = kept.split_off(findings_max);
        let count = |verdict| left_out.iter().filter(|change| change.verdict == verdict).count();
        let why = format!(
            "more findings than {findings_max}: left out are {} breaking, {} unknown, {} safe",
            count(Verdict::Breaking),
            count(Verdict::Unknown),
            count(Verdict::Safe)
        );
        let verdict = super::verdict(&left_out);
        kept.push(Change::of_all(verdict, "findings-left-out", why));
    }
    kept
}

impl Change {
    /// Notes that another one is the same.
    fn share(&mut self, other: Self) {
        let is_alone = other.also.is_empty();
        self.also_left_out = self.also_left_out.max(other.also_left_out);
        for operation in std::iter::once(other.operation).chain(other.also) {
            if operation == self.operation || self.also.contains(&operation) {
                continue;
            }
            if self.also.len() < NAMED_MAX {
                self.also.push(operation);
            } else if is_alone {
                self.also_left_out = self.also_left_out.saturating_add(1);
            }
        }
    }

    /// Of the whole comparison.
    pub(super) fn of_all(verdict: Verdict, rule: &'static str, why: String) -> Self {
        Self {
            verdict,
            rule,
            operation: "".into(),
            part: "".into(),
            pointer: "".into(),
            why: why.into(),
            also: Vec::new(),
            also_left_out: 0,
            old: None,
            new: None,
            lost: None,
            witness: None,
        }
    }
}
