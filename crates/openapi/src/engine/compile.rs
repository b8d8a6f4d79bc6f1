//! From a dispatch document to validators, and judging by them.

use std::fmt;
use std::sync::Arc;

use jsonschema::{Draft, Keyword, Registry, RegistryBuilder, ValidationError, Validator};
use serde_json::{Value as Document, json};

use crate::contract::violations::{Place, VIOLATIONS_MAX, Violations};
use crate::value::Value;

use super::bounds::{Bound, Rule};
use super::closed::{CLOSED, Closed, Closing, Descriptions};
use super::formats::Formats;
use super::instance::{At, Instance, View};
use super::meter::{Meter, STEPS_FOR_REASONS};
use super::patterns::{self, Patterns};
use super::{COMPLEXITY, FORBIDDEN, reasons};

/// The dispatch document's name below.
///
/// PERF: what has a name is taken as it is, while a document that is given is checked against the metaschema first. Ours
/// are written from types, which has been that check.
const DOCUMENT: &str = "json-schema:///dispatch";

/// One schema that values are judged by. Its decimal digits are its name in the dispatch document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub u32);

/// Why a dispatch document does not compile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} at {pointer}")]
pub struct Uncompiled {
    /// Where in the dispatch document, as a JSON Pointer.
    pub pointer: Box<str>,
    /// What.
    pub message: Box<str>,
}

/// The schemas of one API, compiled.
pub struct Validators {
    validator: Arc<Validator<Instance>>,
    // Invariant: sorted.
    keys: Box<[u32]>,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Validators {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Validators").field("keys", &self.keys.len()).finish_non_exhaustive()
    }
}

impl Validators {
    /// Compiles a dispatch document: `{"properties": {"0": schema, "1": schema, …}, "$defs": …}`, by 2020-12.
    pub fn compile(document: &Document) -> Result<Self, Uncompiled> {
        Self::compile_with(document, Arc::new(Patterns::default()), Descriptions::new())
    }

    /// The same, with patterns that were compiled when it was asked whether they can be, and what closes values.
    pub(crate) fn compile_with(
        document: &Document,
        compiled: Arc<Patterns>,
        descriptions: Descriptions,
    ) -> Result<Self, Uncompiled> {
        let registry = Registry::new().draft(Draft::Draft202012).add(DOCUMENT, document);
        let registry = registry
            .and_then(RegistryBuilder::prepare)
            .map_err(|error| Uncompiled { pointer: Box::default(), message: error.to_string().into() })?;
        let closing = Arc::new(Closing::new(descriptions));
        let within = Arc::clone(&closing);
        let mut options = jsonschema::options_for::<Instance>()
            .with_draft(Draft::Draft202012)
            .offline()
            .should_validate_formats(false)
            .with_pattern_options(patterns::linear_options())
            .with_keyword(FORBIDDEN, |_, said, _| {
                let keyword = said.as_str().unwrap_or(FORBIDDEN).into();
                Ok(Box::new(Forbidden(keyword)) as BoxedKeyword)
            })
            .with_keyword(CLOSED, move |_, number, _| {
                let closed = Closed::new(Arc::clone(&closing), number);
                Ok(Box::new(closed.ok_or_else(|| malformed("expected a description"))?) as BoxedKeyword)
            });
        for (name, rule) in Rule::ALL {
            options = options.with_keyword(name, move |_, limit, _| {
                let bound = Bound::new(rule, limit).ok_or_else(|| malformed("expected a number"))?;
                Ok(Box::new(bound) as BoxedKeyword)
            });
        }
        let formats = Arc::new(Formats::default());
        let validator = options
            .with_keyword("pattern", move |_, pattern, _| {
                let pattern = pattern.as_str().ok_or_else(|| malformed("expected a pattern"))?;
                let matching =
                    compiled.get(pattern).ok_or_else(|| malformed("the pattern is not supported"))?;
                Ok(Box::new(matching) as BoxedKeyword)
            })
            .with_keyword("format", move |_, format, _| {
                let known = format.as_str().and_then(|format| formats.get(format));
                Ok(known.map_or_else(
                    || Box::new(Annotation) as BoxedKeyword,
                    |formatted| Box::new(formatted) as BoxedKeyword,
                ))
            })
            .with_registry(&registry)
            .build(&json!({ "$ref": DOCUMENT }))
            .map_err(|error| Uncompiled {
                pointer: error.instance_path().as_str().into(),
                message: error.to_string().into(),
            })?;
        let validator = Arc::new(validator);
        within.within(&validator);
        Ok(Self { validator, keys: keys(document) })
    }

    /// Judges a value that stands at `place`. What does not hold is added to `found`, below that place.
    pub fn judge(&self, key: Key, value: Value<'_>, place: Place, found: &mut Violations) {
        self.judge_each(key, value, &mut |pointer, keyword| found.push(place.clone(), pointer, keyword));
    }

    /// Whether a value is what its schema says; [`Self::judge`] says why not.
    pub fn is_valid(&self, key: Key, value: Value<'_>) -> bool {
        let text = KeyText::new(key);
        let meter = Meter::judging(value.tape_len());
        self.verdict(key, &View { value, key: text.as_str(), meter: &meter }) == Verdict::Valid
    }

    /// How many steps judging a value took.
    #[cfg(test)]
    pub(super) fn steps(&self, key: Key, value: Value<'_>) -> u64 {
        let text = KeyText::new(key);
        let meter = Meter::judging(value.tape_len());
        let view = View { value, key: text.as_str(), meter: &meter };
        let before = view.meter.left();
        self.verdict(key, &view);
        before.saturating_sub(view.meter.left())
    }

    /// Judges a value, and tells the JSON Pointer and the keyword of each thing that does not hold.
    pub fn judge_each(&self, key: Key, value: Value<'_>, found: &mut dyn FnMut(&str, &str)) {
        let text = KeyText::new(key);
        let key_text = text.as_str();
        let meter = Meter::judging(value.tape_len());
        match self.verdict(key, &View { value, key: key_text, meter: &meter }) {
            Verdict::Valid => {}
            Verdict::Unknown => found("", "schema"),
            Verdict::Complex => found("", COMPLEXITY),
            Verdict::Unmatched => found("", "pattern"),
            Verdict::Invalid => {
                let meter = Meter::new(STEPS_FOR_REASONS);
                self.tell(&View { value, key: key_text, meter: &meter }, found);
            }
        }
    }

    fn verdict(&self, key: Key, view: &View<'_>) -> Verdict {
        // SECURITY: a property that the document does not have would take any value.
        if self.keys.binary_search(&key.0).is_err() {
            return Verdict::Unknown;
        }
        let is_valid = self.validator.is_valid(At::Around(view));
        if view.meter.is_pattern_broken() {
            Verdict::Unmatched
        } else if view.meter.is_spent() {
            Verdict::Complex
        } else if is_valid {
            Verdict::Valid
        } else {
            Verdict::Invalid
        }
    }

    fn tell(&self, view: &View<'_>, found: &mut dyn FnMut(&str, &str)) {
        let mut is_told = false;
        // Where a branch does not hold, what it declares counts as unevaluated: told only if nothing else is wrong.
        let mut unevaluated = Vec::new();
        for error in self.validator.iter_errors(At::Around(view)) {
            // Made after the meter was spent: not a reason, but what an empty value would have been refused for.
            if error.instance().as_bool() == Some(true) {
                continue;
            }
            if reasons::is_unevaluated(&error) {
                if unevaluated.len() < VIOLATIONS_MAX {
                    unevaluated.push(error);
                }
                continue;
            }
            is_told = true;
            reasons::tell(&error, found);
        }
        if !is_told {
            is_told = !unevaluated.is_empty();
            unevaluated.iter().for_each(|error| reasons::tell(error, found));
        }
        if !is_told {
            found("", "schema");
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Valid,
    Invalid,
    /// No such key.
    Unknown,
    /// Too many steps.
    Complex,
    /// A match was given up.
    Unmatched,
}

type BoxedKeyword = Box<dyn for<'i> Keyword<'i, Instance>>;

fn malformed(message: &str) -> ValidationError<'static> {
    ValidationError::schema(message)
}

fn keys(document: &Document) -> Box<[u32]> {
    let properties = document.get("properties").and_then(Document::as_object);
    let mut keys: Vec<u32> =
        properties.into_iter().flat_map(|map| map.keys()).filter_map(|name| name.parse().ok()).collect();
    keys.sort_unstable();
    keys.into_boxed_slice()
}

struct Forbidden(Box<str>);

impl<'i> Keyword<'i, Instance> for Forbidden {
    fn validate(&self, _: At<'i>) -> Result<(), ValidationError<'i>> {
        Err(ValidationError::custom(self.0.as_ref()))
    }

    fn is_valid(&self, _: At<'i>) -> bool {
        false
    }
}

struct Annotation;

impl<'i> Keyword<'i, Instance> for Annotation {
    fn validate(&self, _: At<'i>) -> Result<(), ValidationError<'i>> {
        Ok(())
    }

    fn is_valid(&self, _: At<'i>) -> bool {
        true
    }
}

/// A key as text, without allocating.
pub(super) struct KeyText {
    bytes: [u8; 10],
    start: usize,
}

impl KeyText {
    pub(super) fn new(key: Key) -> Self {
        let mut text = Self { bytes: [b'0'; 10], start: 10 };
        let mut rest = key.0;
        for (at, byte) in text.bytes.iter_mut().enumerate().rev() {
            *byte = b'0'.wrapping_add(u8::try_from(rest % 10).unwrap_or_default());
            rest /= 10;
            text.start = at;
            if rest == 0 {
                break;
            }
        }
        text
    }

    pub(super) fn as_str(&self) -> &str {
        self.bytes.get(self.start..).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
    }
}
