//! `pattern`: by a linear engine where it can, by one that backtracks within a budget where it must.
//!
//! Patterns are ECMA-262's. Of 3,473 that stand in published definitions the linear engine takes 95.8 % (and, by
//! taking leading lookaheads apart, some that look harder), the backtracking one another 3.2 %: lookaround and
//! backreferences. What neither takes has to become a gap of the operation; an engine that would take the last
//! percent (`regress`) has no budget, and a match that cannot be stopped is worse than a refused operation.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jsonschema::error::ValidationErrorKind;
use jsonschema::{Draft, Keyword, PatternOptions, ValidationError, Validator};
use serde_json::json;

use super::instance::{At, Instance};

/// Memory of one compiled pattern, and of the states it makes as it goes.
const PATTERN_BYTES_MAX: usize = 10 * 1024 * 1024;
const STATES_BYTES_MAX: usize = 1024 * 1024;

/// How often one match may go back.
const BACKTRACKS_MAX: usize = 10_000;

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
        if matcher.is_linear { PatternSupport::Linear } else { PatternSupport::Backtracking }
    })
}

/// How a pattern for names (`patternProperties`) can be enforced: linearly or not at all.
pub fn name_pattern_support(pattern: &str) -> PatternSupport {
    if linear(pattern).is_some() { PatternSupport::Linear } else { PatternSupport::Unsupported }
}

pub(super) fn linear_options() -> PatternOptions<jsonschema::Regex> {
    PatternOptions::regex().size_limit(PATTERN_BYTES_MAX).dfa_size_limit(STATES_BYTES_MAX)
}

/// Patterns that were compiled already, by their text.
#[derive(Default)]
pub(super) struct Patterns {
    compiled: Mutex<HashMap<Box<str>, Option<Arc<Matcher>>>>,
}

impl Patterns {
    pub(super) fn get(&self, pattern: &str) -> Option<Matching> {
        let mut compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        let matcher = compiled.entry(pattern.into()).or_insert_with(|| compile(pattern).map(Arc::new));
        matcher.clone().map(Matching)
    }
}

struct Matcher {
    validator: Validator<Instance>,
    is_linear: bool,
}

fn compile(pattern: &str) -> Option<Matcher> {
    if let Some(validator) = linear(pattern) {
        return Some(Matcher { validator, is_linear: true });
    }
    let options = PatternOptions::fancy_regex()
        .backtrack_limit(BACKTRACKS_MAX)
        .size_limit(PATTERN_BYTES_MAX)
        .dfa_size_limit(STATES_BYTES_MAX);
    let validator = jsonschema::options_for::<Instance>()
        .with_draft(Draft::Draft202012)
        .offline()
        .with_pattern_options(options)
        .build(&json!({ "pattern": pattern }))
        .ok()?;
    Some(Matcher { validator, is_linear: false })
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
pub(super) struct Matching(Arc<Matcher>);

impl<'i> Keyword<'i, Instance> for Matching {
    fn validate(&self, instance: At<'i>) -> Result<(), ValidationError<'i>> {
        if self.is_valid(instance) { Ok(()) } else { Err(ValidationError::custom("")) }
    }

    fn is_valid(&self, instance: At<'i>) -> bool {
        if self.0.is_linear {
            return self.0.validator.is_valid(instance);
        }
        let (Some(text), Some(meter)) = (instance.string(), instance.meter()) else {
            return self.0.validator.is_valid(instance);
        };
        if !meter.backtrack(text.len()) {
            return false;
        }
        // As a text that is not metered: an error made here is none of the value's reasons.
        match self.0.validator.validate(At::Name(None, text)) {
            Ok(()) => true,
            Err(error) => {
                if !matches!(error.kind(), ValidationErrorKind::Pattern { .. }) {
                    // SECURITY: under `not` a match that was given up would count as a value that passes.
                    meter.break_pattern();
                }
                false
            }
        }
    }
}
