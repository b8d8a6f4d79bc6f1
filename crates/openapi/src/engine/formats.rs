//! `format`: a known list is asserted, everything else annotates.
//!
//! A definition may name any format, and 289 are in use; one that is not known here refuses neither the definition
//! nor a value. `password` and `binary` say nothing of a string, `regex` would have us compile what a caller wrote,
//! and internationalised host names need tables we do not carry: those annotate too.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jsonschema::{Draft, Keyword, ValidationError, Validator};
use serde_json::json;

use crate::value::Number;

use super::instance::{At, Instance};

/// Formats of strings, by RFC 3339, 5321, 1123, 2673, 4291, 3986, 3987, 6570, 4122, 6901 and ISO 8601 as
/// JSON Schema 2020-12 §7.3 takes them.
const STRINGS: &[&str] = &[
    "date-time",
    "date",
    "time",
    "duration",
    "email",
    "hostname",
    "ipv4",
    "ipv6",
    "uri",
    "uri-reference",
    "iri",
    "iri-reference",
    "uri-template",
    "uuid",
    "json-pointer",
    "relative-json-pointer",
];

/// Formats of numbers: the least and the most, and whether only whole ones are meant.
const NUMBERS: &[(&str, &str, &str, bool)] = &[
    ("int8", "-128", "127", true),
    ("int16", "-32768", "32767", true),
    ("int32", "-2147483648", "2147483647", true),
    ("int64", "-9223372036854775808", "9223372036854775807", true),
    ("uint8", "0", "255", true),
    ("uint16", "0", "65535", true),
    ("uint32", "0", "4294967295", true),
    ("uint64", "0", "18446744073709551615", true),
    ("float", "-3.4028234663852886e38", "3.4028234663852886e38", false),
    ("double", "-1.7976931348623157e308", "1.7976931348623157e308", false),
];

/// Whether a format is asserted. A format of strings says nothing of other values, nor one of numbers.
pub fn is_asserted(format: &str) -> bool {
    Rule::of(format).is_some()
}

/// Formats that were compiled already.
#[derive(Default)]
pub(super) struct Formats {
    strings: Mutex<HashMap<&'static str, Option<Arc<Validator<Instance>>>>>,
}

impl Formats {
    /// The keyword; nothing if the format only annotates.
    pub(super) fn get(&self, format: &str) -> Option<Formatted> {
        Some(match Rule::of(format)? {
            Rule::Number(least, most, is_whole) => Formatted::Number(least, most, is_whole),
            Rule::Base64 => Formatted::Base64,
            Rule::String(name) => {
                let mut strings = self.strings.lock().unwrap_or_else(PoisonError::into_inner);
                let validator = strings.entry(name).or_insert_with(|| compile(name).map(Arc::new));
                Formatted::String(validator.clone()?)
            }
        })
    }
}

enum Rule {
    String(&'static str),
    Base64,
    Number(&'static str, &'static str, bool),
}

impl Rule {
    fn of(format: &str) -> Option<Self> {
        if format == "byte" {
            return Some(Self::Base64);
        }
        let number = NUMBERS.iter().find(|(name, ..)| *name == format);
        if let Some((_, least, most, is_whole)) = number {
            return Some(Self::Number(least, most, *is_whole));
        }
        STRINGS.iter().find(|name| **name == format).map(|name| Self::String(name))
    }
}

fn compile(format: &str) -> Option<Validator<Instance>> {
    jsonschema::options_for::<Instance>()
        .with_draft(Draft::Draft202012)
        .offline()
        .should_validate_formats(true)
        .build(&json!({ "format": format }))
        .ok()
}

/// The keyword.
pub(super) enum Formatted {
    String(Arc<Validator<Instance>>),
    Base64,
    Number(&'static str, &'static str, bool),
}

impl<'i> Keyword<'i, Instance> for Formatted {
    fn validate(&self, instance: At<'i>) -> Result<(), ValidationError<'i>> {
        if self.is_valid(instance) { Ok(()) } else { Err(ValidationError::custom("")) }
    }

    fn is_valid(&self, instance: At<'i>) -> bool {
        match self {
            Self::String(validator) => validator.is_valid(instance),
            Self::Base64 => instance.string().is_none_or(is_base64),
            Self::Number(least, most, is_whole) => instance.number().is_none_or(|number| {
                (!is_whole || number.is_integer())
                    && number.compare(&Number::read(least)).is_ge()
                    && number.compare(&Number::read(most)).is_le()
            }),
        }
    }
}

/// RFC 4648 §4, padded; the bits that padding leaves over are not looked at.
fn is_base64(text: &str) -> bool {
    let digits = text.trim_end_matches('=');
    let padding = text.len().saturating_sub(digits.len());
    text.len() & 3 == 0
        && padding <= 2
        && digits.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
}
