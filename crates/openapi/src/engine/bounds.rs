//! `minimum`, `maximum`, their exclusive forms and `multipleOf`, by decimals.

use jsonschema::{Keyword, ValidationError};
use serde_json::Value;

use crate::value::Number;

use super::instance::{At, Instance};

/// One bound of numbers.
pub(super) struct Bound {
    rule: Rule,
    limit: Box<str>,
    /// The same, where it is a whole number.
    whole: Option<i64>,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Rule {
    Minimum,
    Maximum,
    ExclusiveMinimum,
    ExclusiveMaximum,
    MultipleOf,
}

impl Rule {
    pub(super) const ALL: [(&'static str, Self); 5] = [
        ("minimum", Self::Minimum),
        ("maximum", Self::Maximum),
        ("exclusiveMinimum", Self::ExclusiveMinimum),
        ("exclusiveMaximum", Self::ExclusiveMaximum),
        ("multipleOf", Self::MultipleOf),
    ];
}

impl Bound {
    pub(super) fn new(rule: Rule, limit: &Value) -> Option<Self> {
        let limit: Box<str> = limit.as_number()?.to_string().into();
        let whole = Number::read(&limit).as_i64();
        Some(Self { rule, limit, whole })
    }

    pub(super) fn holds(&self, number: Number<'_>) -> bool {
        let limit = Number::read(&self.limit);
        let order = || {
            let quickly = self.whole.and_then(|whole| number.compare_whole(whole));
            quickly.unwrap_or_else(|| number.compare(&limit))
        };
        match self.rule {
            Rule::Minimum => order().is_ge(),
            Rule::Maximum => order().is_le(),
            Rule::ExclusiveMinimum => order().is_gt(),
            Rule::ExclusiveMaximum => order().is_lt(),
            Rule::MultipleOf => number.is_multiple_of(limit),
        }
    }
}

impl<'i> Keyword<'i, Instance> for Bound {
    fn validate(&self, instance: At<'i>) -> Result<(), ValidationError<'i>> {
        if self.is_valid(instance) { Ok(()) } else { Err(ValidationError::custom("")) }
    }

    fn is_valid(&self, instance: At<'i>) -> bool {
        instance.number().is_none_or(|number| self.holds(number))
    }
}
