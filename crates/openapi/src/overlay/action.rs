//! One action carried out: what its query leads to is found first, then changed.

use std::collections::{HashMap, HashSet};

use super::merge::Merge;
use super::read::{Action, Change};
use crate::jsonpath::{Budget, Exhausted, Query};
use crate::source::{Files, Finding, Node, Pointer, Reading, Segment, Value};

/// A document while it is changed.
pub(super) struct Work<'a> {
    root: &'a mut Node,
    files: &'a Files,
    reading: &'a Reading,
    budget: &'a mut Budget,
    /// Values the document has, at most: what was taken out is not taken off.
    nodes: usize,
}

/// What a node can be merged with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    Mapping,
    List,
    Primitive,
}

impl Sort {
    pub(super) fn of(node: &Node) -> Self {
        match &node.value {
            Value::Mapping(_) => Self::Mapping,
            Value::Sequence(_) => Self::List,
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Self::Primitive,
        }
    }
}

impl<'a> Work<'a> {
    pub(super) fn new(
        root: &'a mut Node,
        files: &'a Files,
        reading: &'a Reading,
        budget: &'a mut Budget,
    ) -> Self {
        let nodes = root.size().0;
        Self { root, files, reading, budget, nodes }
    }

    /// Carries an action out; whether it found anything.
    pub(super) fn carry_out(&mut self, action: &Action) -> Result<bool, Finding> {
        let found = self.select(&action.target, action)?;
        if found.is_empty() {
            return Ok(false);
        }
        match &action.change {
            Change::Remove => self.remove(&found, action)?,
            Change::Update(update, place) => self.update(&found, update, action, &place.1)?,
            Change::Copy(from, (span, path)) => {
                let sources = self.select(from, action)?;
                let [source] = sources.as_slice() else {
                    let message =
                        format!("finds {} values in the definition; one can be copied", sources.len());
                    return Err(self.files.finding(*span, path, message));
                };
                let (nodes, _) = self.root.find(source).map_or((0, 0), Node::size);
                self.budget.spend(nodes).map_err(|spent| self.exhausted(spent, action))?;
                if let Some(mut source) = self.root.find(source).cloned() {
                    source.put_at(*span);
                    self.update(&found, &source, action, path)?;
                }
            }
        }
        Ok(true)
    }

    /// What a query leads to, each once.
    fn select(&mut self, query: &Query, action: &Action) -> Result<Vec<Pointer>, Finding> {
        let found = query.select(self.root, self.budget).map_err(|spent| self.exhausted(spent, action))?;
        let mut known = HashSet::new();
        Ok(found.into_iter().filter(|pointer| known.insert(pointer.clone())).collect())
    }

    fn exhausted(&self, spent: Exhausted, action: &Action) -> Finding {
        let finding = self.files.finding(action.span, &action.path, spent.to_string());
        finding.with_hint("name what is meant by its path, without `..` and filters")
    }

    fn remove(&mut self, found: &[Pointer], action: &Action) -> Result<(), Finding> {
        let mut by_parent: HashMap<Pointer, (HashSet<&str>, HashSet<usize>)> = HashMap::new();
        for pointer in found {
            let mut parent = pointer.clone();
            if parent.pop().is_none() {
                let message = "leads to the whole document, which cannot be removed";
                return Err(self.files.finding(action.span, &action.path, message));
            }
            let (keys, indexes) = by_parent.entry(parent).or_default();
            match pointer.segments().last() {
                Some(Segment::Key(key)) => _ = keys.insert(key),
                Some(Segment::Index(index)) => _ = indexes.insert(*index),
                None => {}
            }
        }
        // The deepest first: what stands above may be taken out as well.
        let mut parents: Vec<_> = by_parent.into_iter().collect();
        parents.sort_by_key(|(parent, _)| std::cmp::Reverse(parent.segments().len()));
        for (parent, (keys, indexes)) in parents {
            let length = match self.root.find_mut(&parent).map(|node| &mut node.value) {
                Some(Value::Mapping(mapping)) => {
                    mapping.retain(|key| !keys.contains(key));
                    mapping.len()
                }
                Some(Value::Sequence(items)) => {
                    let mut index = 0_usize;
                    items.retain(|_| {
                        let stays = !indexes.contains(&index);
                        index = index.saturating_add(1);
                        stays
                    });
                    items.len()
                }
                _ => 0,
            };
            self.budget.spend(length).map_err(|spent| self.exhausted(spent, action))?;
        }
        Ok(())
    }

    fn update(
        &mut self,
        found: &[Pointer],
        update: &Node,
        action: &Action,
        path: &Pointer,
    ) -> Result<(), Finding> {
        let mut sorts = found.iter().filter_map(|pointer| self.root.find(pointer)).map(Sort::of);
        let first = sorts.next();
        if sorts.any(|sort| Some(sort) != first) {
            let message = "finds mappings, lists and plain values together, which cannot be changed alike";
            return Err(self.files.finding(action.span, &action.path, message));
        }
        let (nodes, height) = update.size();
        for pointer in found {
            self.nodes = self.nodes.saturating_add(nodes);
            if self.nodes > self.reading.nodes_max {
                let message =
                    format!("makes the definition have more than {} values", self.reading.nodes_max);
                return Err(self.files.finding(action.span, &action.path, message));
            }
            // One more where an item is appended.
            let depth = pointer.segments().len().saturating_add(height).saturating_add(1);
            if depth > self.reading.depth_max {
                let message = format!("makes the definition nest more than {} deep", self.reading.depth_max);
                return Err(self.files.finding(action.span, &action.path, message));
            }
            let Some(target) = self.root.find_mut(pointer) else { continue };
            let mut merge =
                Merge { files: self.files, budget: self.budget, path: path.clone(), is_1_0: action.is_1_0 };
            match merge.target(target, update) {
                Ok(()) => {}
                Err(Some(finding)) => return Err(finding),
                Err(None) => return Err(self.exhausted(Exhausted, action)),
            }
        }
        Ok(())
    }
}
