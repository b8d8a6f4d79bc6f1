//! The merge rules of the Action Object.

use super::action::Sort;
use crate::jsonpath::Budget;
use crate::source::{Files, Finding, Mapping, Node, Pointer, Segment, Value};

/// One value merged into another.
pub(super) struct Merge<'a> {
    pub(super) files: &'a Files,
    pub(super) budget: &'a mut Budget,
    /// Where in the Overlay the merged value stands.
    pub(super) path: Pointer,
    pub(super) is_1_0: bool,
}

/// Why something cannot be merged; nothing when the budget is spent.
type Refused = Option<Finding>;

impl Merge<'_> {
    /// Merges into what a query led to: a list takes an item as well.
    pub(super) fn target(&mut self, target: &mut Node, update: &Node) -> Result<(), Refused> {
        let wrong = |merge: &Self, message: &str, hint: &str| {
            Err(Some(merge.files.finding(update.span, &merge.path, message).with_hint(hint)))
        };
        const NEWER: &str = "write `overlay: 1.1.0`, which says what comes of it";
        match (&mut target.value, Sort::of(update)) {
            (Value::Sequence(_), Sort::List) if self.is_1_0 => {
                wrong(self, "an Overlay 1.0 adds one item to a list, not a list", NEWER)
            }
            (Value::Sequence(items), Sort::Mapping | Sort::Primitive) => {
                self.spend(update.size().0)?;
                items.push(update.clone());
                Ok(())
            }
            (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_), _) if self.is_1_0 => {
                wrong(self, "an Overlay 1.0 changes mappings and lists, not plain values", NEWER)
            }
            _ => self.node(target, update),
        }
    }

    fn spend(&mut self, steps: usize) -> Result<(), Refused> {
        self.budget.spend(steps).map_err(|_| None)
    }

    /// Trees are at most as deep as they are read.
    fn node(&mut self, target: &mut Node, update: &Node) -> Result<(), Refused> {
        self.spend(1)?;
        let are_plain = Sort::of(target) == Sort::Primitive && Sort::of(update) == Sort::Primitive;
        match (&mut target.value, &update.value) {
            (Value::Mapping(target), Value::Mapping(update)) => self.mapping(target, update),
            (Value::Sequence(target), Value::Sequence(items)) => {
                self.spend(update.size().0)?;
                target.extend(items.iter().cloned());
                Ok(())
            }
            _ if are_plain => {
                *target = update.clone();
                Ok(())
            }
            _ => {
                let what = |node: &Node| match Sort::of(node) {
                    Sort::Primitive => node.describe(),
                    Sort::List => "a list".to_owned(),
                    Sort::Mapping => "a mapping".to_owned(),
                };
                let place = format!("{}:{}", self.files.name(target.span.file), target.span.line);
                let message = format!("cannot merge {} into {} at {place}", what(update), what(target));
                let finding = self.files.finding(update.span, &self.path, message);
                Err(Some(finding.with_hint("an action before it can remove what stands there")))
            }
        }
    }

    fn mapping(&mut self, target: &mut Mapping, update: &Mapping) -> Result<(), Refused> {
        let mut more = Vec::new();
        for (key, value) in update {
            match target.get_mut(&key.text) {
                None => {
                    self.spend(value.size().0)?;
                    more.push((key.clone(), value.clone()));
                }
                Some((span, existing)) => {
                    self.path.push(Segment::Key(key.text.clone()));
                    self.node(existing, value)?;
                    self.path.pop();
                    if Sort::of(value) == Sort::Primitive {
                        *span = key.span;
                    }
                }
            }
        }
        if !more.is_empty() {
            // The keys are put in order anew.
            self.spend(target.len())?;
            target.extend(more);
        }
        Ok(())
    }
}
