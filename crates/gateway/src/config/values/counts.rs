//! Numbers and amounts with a range of their own.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Unexpected, Visitor};

use super::Written;
use super::amounts::Bytes;

/// A whole number from 1 to `MOST`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Count<const MOST: u32>(u32);

impl<const MOST: u32> Count<MOST> {
    /// The number.
    pub fn get(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

/// Bytes of a text: from 1 to 64MiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct StringBytes(usize);

impl StringBytes {
    /// The most.
    const MOST: usize = 64 << 20;

    /// How many.
    pub fn get(self) -> usize {
        self.0
    }
}

impl Written for StringBytes {
    const NAME: &'static str = "StringBytes";
    const EXPECTED: &'static str = "an amount of bytes such as 8KiB, from 1 to 64MiB";
    const PATTERN: &'static str = Bytes::PATTERN;

    fn read(text: &str) -> Result<Self, String> {
        Self::of(Bytes::read(text)?)
    }

    fn read_number(number: u64) -> Result<Self, String> {
        Self::of(Bytes::read_number(number)?)
    }
}

impl StringBytes {
    fn of(bytes: Bytes) -> Result<Self, String> {
        let within = usize::try_from(bytes.get()).ok().filter(|bytes| (1..=Self::MOST).contains(bytes));
        within.map(Self).ok_or_else(String::new)
    }
}

impl<'de, const MOST: u32> Deserialize<'de> for Count<MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number<const MOST: u32>;
        impl<const MOST: u32> Visitor<'_> for Number<MOST> {
            type Value = Count<MOST>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a whole number from 1 to {MOST}")
            }

            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Count<MOST>, E> {
                let within = u32::try_from(number).ok().filter(|number| (1..=MOST).contains(number));
                within.map(Count).ok_or_else(|| E::invalid_value(Unexpected::Unsigned(number), &self))
            }
        }
        deserializer.deserialize_any(Number)
    }
}

impl<const MOST: u32> JsonSchema for Count<MOST> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("CountTo{MOST}").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": 1, "maximum": MOST })
    }
}
