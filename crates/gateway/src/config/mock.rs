//! `mock`: whether an operation is answered from its definition.

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

/// Whether an operation is answered from its definition, and by which seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mock {
    /// Whether it is.
    pub is_on: bool,
    /// What made values are made from. Default: 0.
    pub seed: u64,
}

impl<'de> Deserialize<'de> for Mock {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Details {
            #[serde(default)]
            seed: u64,
        }
        struct Choice;
        impl<'de> Visitor<'de> for Choice {
            type Value = Mock;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("true, false or a mapping such as `{ seed: 7 }`")
            }

            fn visit_bool<E: serde::de::Error>(self, is_on: bool) -> Result<Mock, E> {
                Ok(Mock { is_on, seed: 0 })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Mock, A::Error> {
                let details = Details::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
                Ok(Mock { is_on: true, seed: details.seed })
            }
        }
        deserializer.deserialize_any(Choice)
    }
}

impl JsonSchema for Mock {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Mock".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "oneOf": [
                { "type": "boolean" },
                {
                    "type": "object",
                    "properties": { "seed": { "type": "integer", "minimum": 0, "description": "What made values are made from. Default: `0`." } },
                    "additionalProperties": false
                }
            ]
        })
    }
}
