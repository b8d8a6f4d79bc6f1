//! `minimum`, `maximum`, their exclusive forms and `multipleOf`, by decimals.

use jsonschema::{Keyword, ValidationError};
use serde_json::Value;

use crate::value::Number;

use super::instance::{At, Instance};

/// One bound of numbers.
pub(super) struct Bound {
    rule: Rule,
    limit: Box<str>,
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
        limit.as_number().map(|limit| Self { rule, limit: limit.to_string().into() })
    }

    pub(super) fn holds(&self, number: Number<'_>) -> bool {
        let limit = Number::read(&self.limit);
        match self.rule {
            Rule::Minimum => number.compare(&limit).is_ge(),
            Rule::Maximum => number.compare(&limit).is_le(),
            Rule::ExclusiveMinimum => number.compare(&limit).is_gt(),
            Rule::ExclusiveMaximum => number.compare(&limit).is_lt(),
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
