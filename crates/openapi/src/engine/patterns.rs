//! `pattern`: by a linear engine where it can, by one that backtracks within a budget where it must.
//!
//! Patterns are ECMA-262's, those of its Annex B among them. Of 3,529 that stand in published definitions the linear
//! engine takes 96.4 % and the backtracking one 3.1 %: lookaround and backreferences. What neither takes, mostly
//! because it is written for an engine of another language, has to become a gap of the operation. An engine that
//! would take it (`regress`) has no budget, and a match that cannot be stopped is worse than an operation that is
//! refused.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use jsonschema::error::ValidationErrorKind;
use jsonschema::{Draft, Keyword, PatternOptions, ValidationError, Validator};
use serde_json::json;

use super::ecma;
use super::instance::{At, Instance};

/// Memory of one compiled pattern, and of the states it makes as it goes.
const PATTERN_BYTES_MAX: usize = 10 * 1024 * 1024;
const STATES_BYTES_MAX: usize = 1024 * 1024;

/// How often a match may go back: most do so hardly ever, and a few of a value may do so often.
/// PERF: going back once is some 300 ns.
const BACKTRACKS_MAX: usize = 100;
const BACKTRACKS_OF_HARD_MAX: usize = 10_000;

/// How a pattern can be enforced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatternSupport {
    /// In time linear in the text.
    Linear,
    /// By backtracking, within a budget.
    Backtracking,
    /// Not at all.
    Unsupported,
}

/// How `pattern` can be enforced.
pub fn pattern_support(pattern: &str) -> PatternSupport {
    compile(pattern).map_or(PatternSupport::Unsupported, |matcher| {
        if matcher.hard.is_none() { PatternSupport::Linear } else { PatternSupport::Backtracking }
    })
}

/// How a pattern for names (`patternProperties`) can be enforced: linearly or not at all.
pub fn name_pattern_support(pattern: &str) -> PatternSupport {
    let is_linear = ecma::boundaries_spelt(pattern).is_none() && linear(pattern).is_some();
    if is_linear { PatternSupport::Linear } else { PatternSupport::Unsupported }
}

pub(super) fn linear_options() -> PatternOptions<jsonschema::Regex> {
    PatternOptions::regex().size_limit(PATTERN_BYTES_MAX).dfa_size_limit(STATES_BYTES_MAX)
}

/// Patterns that were compiled already, by their text.
#[derive(Default)]
pub(crate) struct Patterns {
    compiled: Mutex<HashMap<Box<str>, Option<Arc<Matcher>>>>,
}

impl fmt::Debug for Patterns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Patterns").finish_non_exhaustive()
    }
}

impl Patterns {
    /// Whether a pattern can be enforced, see [`pattern_support`]. What was compiled for the answer is kept.
    pub(crate) fn supports(&self, pattern: &str) -> bool {
        self.get(pattern).is_some()
    }

    /// A pattern for names of members.
    pub(crate) fn matching(&self, pattern: &str) -> Option<Matching> {
        self.get(pattern)
    }

    pub(super) fn get(&self, pattern: &str) -> Option<Matching> {
        let mut compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        let matcher = compiled.entry(pattern.into()).or_insert_with(|| compile(pattern).map(Arc::new));
        matcher.clone().map(Matching)
    }
}

pub(crate) struct Matcher {
    validator: Validator<Instance>,
    /// With a larger budget, for what the first could not finish. A linear pattern needs none.
    hard: Option<Validator<Instance>>,
    /// For text beyond ASCII, where that makes a difference.
    beyond_ascii: Option<Box<Matcher>>,
}

impl Matcher {
    fn for_text(&self, text: &str) -> &Self {
        match &self.beyond_ascii {
            Some(beyond) if !text.is_ascii() => beyond,
            _ => self,
        }
    }
}

fn compile(pattern: &str) -> Option<Matcher> {
    let beyond_ascii = match ecma::boundaries_spelt(pattern) {
        Some(spelt) => Some(Box::new(compile_read(&spelt)?)),
        None => None,
    };
    Some(Matcher { beyond_ascii, ..compile_read(pattern)? })
}

fn compile_read(pattern: &str) -> Option<Matcher> {
    compile_proper(pattern).or_else(|| compile_proper(&ecma::mended(pattern)?))
}

fn compile_proper(pattern: &str) -> Option<Matcher> {
    if let Some(validator) = linear(pattern) {
        return Some(Matcher { validator, hard: None, beyond_ascii: None });
    }
    let validator = backtracking(pattern, BACKTRACKS_MAX)?;
    let hard = Some(backtracking(pattern, BACKTRACKS_OF_HARD_MAX)?);
    Some(Matcher { validator, hard, beyond_ascii: None })
}

fn backtracking(pattern: &str, backtracks_max: usize) -> Option<Validator<Instance>> {
    let options = PatternOptions::fancy_regex()
        .backtrack_limit(backtracks_max)
        .size_limit(PATTERN_BYTES_MAX)
        .dfa_size_limit(STATES_BYTES_MAX);
    jsonschema::options_for::<Instance>()
        .with_draft(Draft::Draft202012)
        .offline()
        .with_pattern_options(options)
        .build(&json!({ "pattern": pattern }))
        .ok()
}

fn linear(pattern: &str) -> Option<Validator<Instance>> {
    jsonschema::options_for::<Instance>()
        .with_draft(Draft::Draft202012)
        .offline()
        .with_pattern_options(linear_options())
        .build(&json!({ "pattern": pattern }))
        .ok()
}

/// The keyword.
pub(crate) struct Matching(Arc<Matcher>);

impl Matching {
    /// Whether a name matches; patterns for names are linear, see [`name_pattern_support`].
    pub(super) fn is_match(&self, name: &str) -> bool {
        self.0.for_text(name).validator.is_valid(At::Name(None, name))
    }
}

impl<'i> Keyword<'i, Instance> for Matching {
    fn validate(&self, instance: At<'i>) -> Result<(), ValidationError<'i>> {
        if self.is_valid(instance) { Ok(()) } else { Err(ValidationError::custom("")) }
    }

    fn is_valid(&self, instance: At<'i>) -> bool {
        let Some(text) = instance.string() else { return true };
        let matcher = self.0.for_text(text);
        let (Some(hard), Some(meter)) = (&matcher.hard, instance.meter()) else {
            return matcher.validator.is_valid(At::Name(None, text));
        };
        let found = matches(&matcher.validator, text);
        if let Some(found) = found.filter(|_| meter.backtrack(text.len())) {
            return found;
        }
        let found = if meter.backtrack_hard() { matches(hard, text) } else { None };
        // SECURITY: under `not` a match that was given up would count as a value that passes.
        found.unwrap_or_else(|| {
            meter.break_pattern();
            false
        })
    }
}

/// Whether the text matches; nothing if that takes more than the budget. The text is not metered, so that an error
/// made here is none of the value's reasons.
fn matches(validator: &Validator<Instance>, text: &str) -> Option<bool> {
    match validator.validate(At::Name(None, text)) {
        Ok(()) => Some(true),
        Err(error) => matches!(error.kind(), ValidationErrorKind::Pattern { .. }).then_some(false),
    }
}
