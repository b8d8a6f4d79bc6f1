//! The small languages of values: `500ms`, `64KiB`, `100/min`, `1%`, dates, addresses, networks, URLs.
//!
//! Each is a type that cannot be wrong, read from its text in one place. A value that does not read is refused
//! with an example of one that does.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, MapAccess, Unexpected, Visitor};

use crate::secret::Secret;

mod addresses;
mod amounts;
mod counts;
mod digest;
mod expiry;
mod password;

pub use addresses::{Address, Bind, NameServer, Network, Url};
pub use amounts::{Bytes, Duration, Percent, Period, Quota, Rate};
pub use counts::{Count, StringBytes};
pub use digest::Sha256;
pub use expiry::{Expiry, Instant};
pub use password::Argon2;

/// A value that is written as a text of its own.
pub(super) trait Written: Sized {
    /// Its name in the JSON Schema.
    const NAME: &'static str;
    /// What was expected, with an example.
    const EXPECTED: &'static str;
    /// A regular expression that its texts match (ECMA 262), anchored by whoever uses it.
    const PATTERN: &'static str;

    /// Reads the text; an error is a hint, or empty.
    fn read(text: &str) -> Result<Self, String>;

    /// Reads a plain number, where that is a way to write it; an error is a hint, or empty.
    fn read_number(_number: u64) -> Result<Self, String> {
        Err(String::new())
    }
}

/// Reads a [`Written`] from whatever stands there.
struct Text<T>(std::marker::PhantomData<T>);

impl<T: Written> Visitor<'_> for Text<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        T::read(text).map_err(|hint| refused(Unexpected::Str(text), T::EXPECTED, &hint))
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<T, E> {
        T::read_number(number).map_err(|hint| refused(Unexpected::Unsigned(number), T::EXPECTED, &hint))
    }
}

/// The error for a value that does not read.
fn refused<E: serde::de::Error>(found: Unexpected<'_>, expected: &str, hint: &str) -> E {
    let separator = if hint.is_empty() { "" } else { "; hint: " };
    E::invalid_value(found, &format!("{expected}{separator}{hint}").as_str())
}

macro_rules! written {
    ($($name:ident)*) => {$(
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(Text(std::marker::PhantomData))
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                Self::NAME.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                // What is put in from outside is judged when the configuration is loaded.
                let pattern = format!(r"^({}|.*\$\{{(env|file):.*)$", Self::PATTERN);
                let description = format!("{}{}.", Self::EXPECTED.get(..1).unwrap_or_default().to_uppercase(), Self::EXPECTED.get(1..).unwrap_or_default());
                if Self::read_number(1).is_ok() {
                    json_schema!({ "type": ["string", "integer"], "pattern": pattern, "minimum": 0, "description": description })
                } else {
                    json_schema!({ "type": "string", "pattern": pattern, "description": description })
                }
            }
        }
    )*};
}

written! { Duration Bytes Rate Quota Percent Expiry Instant Argon2 Address Bind Network NameServer Url Sha256 StringBytes }

/// Reads a secret; whatever else stands there is not shown, since it may be one that lacks its quotes.
struct SecretText;

impl Visitor<'_> for SecretText {
    type Value = Secret;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Secret, E> {
        if text.is_empty() {
            return Err(E::custom("expected a secret, found an empty string"));
        }
        Ok(Secret::new(text))
    }

    fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<Secret, E> {
        Err(E::custom("expected a string, found true or false; hint: put it in quotes"))
    }

    fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<Secret, E> {
        Err(E::custom("expected a string, found a number; hint: put it in quotes"))
    }

    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<Secret, E> {
        self.visit_u64(0)
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<Secret, E> {
        self.visit_u64(0)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_string(SecretText)
    }
}

impl JsonSchema for Secret {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "description": "A secret: best written as ${file:path} or ${env:NAME}." })
    }
}

/// Reads a value that is written as a text or, with more to say, as a mapping.
pub(super) fn text_or_mapping<'de, D, T, M>(
    deserializer: D,
    expected: &'static str,
    from_text: fn(&str) -> Result<T, String>,
) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    M: Deserialize<'de> + Into<T>,
{
    deserializer.deserialize_any(TextOrMapping {
        expected,
        from_text,
        mapping: std::marker::PhantomData::<M>,
    })
}

struct TextOrMapping<T, M> {
    expected: &'static str,
    from_text: fn(&str) -> Result<T, String>,
    mapping: std::marker::PhantomData<M>,
}

impl<'de, T, M: Deserialize<'de> + Into<T>> Visitor<'de> for TextOrMapping<T, M> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        (self.from_text)(text).map_err(|hint| refused(Unexpected::Str(text), self.expected, &hint))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        M::deserialize(serde::de::value::MapAccessDeserializer::new(map)).map(Into::into)
    }
}

#[cfg(test)]
mod tests;
