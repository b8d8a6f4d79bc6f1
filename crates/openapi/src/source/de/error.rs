//! What went wrong while a tree was read, with its place once that is known.

use std::fmt;

use serde::de::{Expected, Unexpected};

use super::{Identity, Node, Pointer};
use crate::source::{Span, nearest};

/// What to do about a key without a value.
const NO_VALUE: &str = "write a value, or remove the key";

/// An error of [`super::read`]'s deserializer; hand-written `Deserialize` impls meet it as `D::Error`.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    place: Option<Place>,
    fault: Fault,
}

#[derive(Debug)]
pub(super) struct Fault {
    message: String,
    /// What stood there instead, apart from the message so that it can be withheld.
    found: Option<String>,
    pub(super) hint: Option<String>,
    /// The field that is missing, where that is the fault.
    missing: Option<&'static str>,
    /// Whether it would not have come up but for a node left out after an earlier error.
    pub(super) follows_from_left_out: bool,
}

#[derive(Debug)]
pub(super) struct Place {
    pub(super) span: Span,
    pub(super) path: Pointer,
    pub(super) node: Identity,
}

impl Place {
    pub(super) fn of(node: &Node, path: Pointer) -> Self {
        Self { span: node.span, path, node: Identity::of(node) }
    }
}

impl Fault {
    /// The message as it is shown.
    pub(super) fn shown(&self) -> String {
        match &self.found {
            Some(found) => format!("{}, found {found}", self.message),
            None => self.message.clone(),
        }
    }
}

impl Error {
    fn new(message: impl Into<String>, hint: Option<String>) -> Self {
        let fault =
            Fault { message: message.into(), found: None, hint, missing: None, follows_from_left_out: false };
        Self(Box::new(Inner { place: None, fault }))
    }

    /// Something else was expected than stands there.
    pub(super) fn wrong_type(node: &Node, expected: &str) -> Self {
        let hint = node.is_null().then(|| NO_VALUE.to_owned());
        Self::found(expected, node.describe(), hint)
    }

    pub(super) fn into_parts(self) -> (Option<Place>, Fault) {
        (self.0.place, self.0.fault)
    }

    /// Sets the place, unless a deeper node already did.
    pub(super) fn or_place(mut self, place: impl FnOnce() -> Place) -> Self {
        self.0.place.get_or_insert_with(place);
        self
    }

    /// Marks the error as a mere consequence if the missing field was left out.
    pub(super) fn excuse(&mut self, left_out: impl FnOnce(&str) -> bool) {
        if let (None, Some(field)) = (&self.0.place, self.0.fault.missing) {
            self.0.fault.follows_from_left_out = left_out(field);
        }
    }

    /// Withholds a text that may be secret, and everything that was derived from it.
    pub(super) fn hide(&mut self, text: &str) {
        let fault = &mut self.0.fault;
        fault.found = fault.found.as_ref().map(|_| "a value from outside the file".to_owned());
        fault.hint = None;
        if !text.is_empty() {
            fault.message = fault.message.replace(text, "…");
        }
    }

    fn found(expected: &str, found: impl Into<String>, hint: Option<String>) -> Self {
        let mut error = Self::new(format!("expected {expected}"), hint);
        error.0.fault.found = Some(found.into());
        error
    }
}

impl serde::de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        let text = message.to_string();
        match text.split_once("; hint: ") {
            Some((message, hint)) => Self::new(message, Some(hint.to_owned())),
            None => Self::new(text, None),
        }
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let expected = expected.to_string();
        let hint = match found {
            Unexpected::Unsigned(_) | Unexpected::Signed(_) | Unexpected::Float(_) | Unexpected::Bool(_)
                if expected == "a string" =>
            {
                Some("put it in quotes".to_owned())
            }
            Unexpected::Unit => Some(NO_VALUE.to_owned()),
            Unexpected::Str(_) if expected == "a sequence" => Some("put it in brackets".to_owned()),
            Unexpected::Str("yes" | "Yes" | "on" | "On") if expected == "a boolean" => {
                Some("write true".to_owned())
            }
            Unexpected::Str("no" | "No" | "off" | "Off") if expected == "a boolean" => {
                Some("write false".to_owned())
            }
            _ => None,
        };
        Self::found(worded(&expected), describe(found), hint)
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        // A type's own expectation may carry a hint behind it.
        let expected = expected.to_string();
        let (expected, hint) = match expected.split_once("; hint: ") {
            Some((expected, hint)) => (expected, Some(hint.to_owned())),
            None => (expected.as_str(), None),
        };
        Self::found(worded(expected), describe(found), hint)
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let hint = nearest(variant, expected.iter().copied()).map(|name| format!("did you mean `{name}`?"));
        let variant = crate::source::node::shorten(variant, 60);
        Self::found(&one_of(expected), format!("{variant:?}"), hint)
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let hint = match nearest(field, expected.iter().copied()) {
            Some(name) => format!("did you mean `{name}`?"),
            None if expected.is_empty() => "no keys are known here".to_owned(),
            None => format!("known keys are {}", listed(expected)),
        };
        Self::new("unknown key", Some(hint))
    }

    fn missing_field(field: &'static str) -> Self {
        let mut error = Self::new(format!("the key `{field}` is missing"), None);
        error.0.fault.missing = Some(field);
        error
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::new(format!("the key `{field}` stands here twice"), None)
    }
}

/// serde's words for what is expected, in ours.
fn worded(expected: &str) -> &str {
    match expected {
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "a map" => "a mapping",
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "usize" => "a whole number from 0",
        "i8" | "i16" | "i32" | "i64" => "a whole number",
        "f32" | "f64" => "a number",
        other => other,
    }
}

fn describe(found: Unexpected<'_>) -> String {
    match found {
        Unexpected::Bool(value) => format!("`{value}`"),
        Unexpected::Unsigned(number) => format!("the number {number}"),
        Unexpected::Signed(number) => format!("the number {number}"),
        Unexpected::Float(number) => format!("the number {number}"),
        Unexpected::Str(text) => format!("{:?}", crate::source::node::shorten(text, 60)),
        Unexpected::Unit | Unexpected::Option => "nothing".to_owned(),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map => "a mapping".to_owned(),
        other => other.to_string(),
    }
}

/// The choices, for a message.
pub(super) fn one_of(names: &[&str]) -> String {
    match names {
        [] => "nothing".to_owned(),
        [only] => format!("`{only}`"),
        [first, second] => format!("`{first}` or `{second}`"),
        [first, between @ .., last] => {
            let between: String = between.iter().map(|name| format!(", `{name}`")).collect();
            format!("`{first}`{between} or `{last}`")
        }
    }
}

fn listed(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.fault.shown())
    }
}

impl std::error::Error for Error {}
