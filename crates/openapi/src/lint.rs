//! How much of a definition protects: a score of a hundred points, what costs them, and Overlays that mend it.
//!
//! A definition is enforced as it is written, so what it leaves open stays open: a text without a longest length, an
//! object that takes any property, an operation that asks nobody who calls. Thirty points are for security, seventy for
//! how closely data are described. A rule keeps its points as far as the places it looks at are good: one of ten
//! strings without `maxLength` costs a tenth of what the rule is worth. So a large document is not worse than a small
//! one, and mending one place always shows.
//!
//! Identifiers are those of the OWASP rules for Spectral where the rule is one of theirs, so that whoever ran those
//! finds their findings again. The rules look at what operations use and not at what merely stands in the document.
//!
//! A fix is what a machine can say without knowing the API: bounds as wide as the gateway's own defaults, an object
//! closed where it lists its properties, a response that the gateway may send. What needs a person (which pattern, which
//! scheme) has none. Fixes reach the root document alone, as Overlays do.
//!
//! # Limits
//! Those of the definition: at most one finding for each rule and place.

use std::fmt;

use serde_json::Value;

use crate::definition::Definition;
use crate::source::{Pointer, Span};

mod fix;
mod operations;
mod rules;
mod schemas;

pub use fix::overlay;
pub use rules::{Area, RULES, Rule};

/// What the rules say of a definition.
#[derive(Debug)]
pub struct Report {
    /// What each rule makes of it, in the order of [`RULES`].
    pub outcomes: Vec<Outcome>,
    /// What costs points, the dearest rules first, then by place.
    pub findings: Vec<Finding>,
}

/// What one rule makes of a definition.
#[derive(Debug, Clone, Copy)]
pub struct Outcome {
    /// The rule.
    pub rule: &'static Rule,
    /// The places it looked at.
    pub places: usize,
    /// Those that are not as they should be.
    pub failing: usize,
}

/// One place that is not as it should be.
#[derive(Debug)]
pub struct Finding {
    /// What says so.
    pub rule: &'static Rule,
    /// Where it is written.
    pub span: Span,
    /// The way to it in its document.
    pub pointer: Pointer,
    /// What is wrong with it.
    pub message: String,
    /// The points it costs.
    pub cost: f64,
    /// What would mend it; empty where that is for a person to say.
    pub fix: Vec<Action>,
}

/// An action of an Overlay.
#[derive(Debug, Clone, PartialEq)]
pub struct Action {
    /// What it is about, as JSONPath.
    pub target: String,
    /// What is merged into it.
    pub update: Value,
}

/// Judges a definition.
pub fn lint(definition: &Definition) -> Report {
    let mut look = Look { definition, places: vec![(0, 0); RULES.len()], findings: Vec::new() };
    operations::look(&mut look);
    schemas::look(&mut look);
    look.finish()
}

impl Outcome {
    /// The points it gives, of those the rule is worth.
    pub fn points(&self) -> f64 {
        f64::from(self.rule.points) - self.lost()
    }

    /// The points it costs.
    pub fn lost(&self) -> f64 {
        share(self.rule, self.failing, self.places)
    }
}

impl Report {
    /// The points, of a hundred.
    pub fn score(&self) -> f64 {
        self.outcomes.iter().map(Outcome::points).sum()
    }

    /// The points of one area.
    pub fn area(&self, area: Area) -> f64 {
        self.outcomes.iter().filter(|outcome| outcome.rule.area == area).map(Outcome::points).sum()
    }
}

impl fmt::Display for Area {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Security => "security",
            Self::Data => "data",
        })
    }
}

fn share(rule: &Rule, part: usize, whole: usize) -> f64 {
    // A definition has fewer places than numbers that are exact.
    let exact = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    if whole == 0 { 0.0 } else { f64::from(rule.points) * exact(part) / exact(whole) }
}

/// A definition while it is looked at.
struct Look<'a> {
    definition: &'a Definition,
    /// Of each rule the places that were looked at, and those that fail.
    places: Vec<(usize, usize)>,
    findings: Vec<Finding>,
}

/// What is wrong with a place.
struct Fault {
    span: Span,
    pointer: Pointer,
    message: String,
    fix: Vec<Action>,
}

impl Look<'_> {
    /// Counts a place that a rule looks at, and notes what is wrong with it.
    fn judge(&mut self, rule: &'static Rule, fault: Option<Fault>) {
        let Some(index) = RULES.iter().position(|own| std::ptr::eq(*own, rule)) else { return };
        let Some((places, failing)) = self.places.get_mut(index) else { return };
        *places = places.saturating_add(1);
        if let Some(Fault { span, pointer, message, fix }) = fault {
            *failing = failing.saturating_add(1);
            // An Overlay does not reach other files.
            let fix = if self.definition.is_in_root(span) { fix } else { Vec::new() };
            self.findings.push(Finding { rule, span, pointer, message, cost: 0.0, fix });
        }
    }

    fn finish(self) -> Report {
        let Self { places, mut findings, .. } = self;
        let outcomes: Vec<Outcome> = RULES
            .iter()
            .zip(places)
            .map(|(rule, (places, failing))| Outcome { rule, places, failing })
            .collect();
        let of = |rule: &Rule| outcomes.iter().find(|outcome| std::ptr::eq(outcome.rule, rule));
        for finding in &mut findings {
            finding.cost = of(finding.rule).map_or(0.0, |outcome| share(outcome.rule, 1, outcome.places));
        }
        let lost = |rule: &Rule| of(rule).map_or(0.0, Outcome::lost);
        findings.sort_by(|one, other| {
            lost(other.rule)
                .total_cmp(&lost(one.rule))
                .then_with(|| one.rule.id.cmp(other.rule.id))
                .then_with(|| one.span.cmp(&other.span))
        });
        Report { outcomes, findings }
    }
}

#[cfg(test)]
mod tests;
