//! Overlays of a definition, as an API names them.

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::Deserializer;

use super::values::text_or_mapping;

/// An Overlay that is laid on a definition: the file, or `{ file: …, must_match: true }`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlay {
    /// The file.
    pub file: String,
    /// Whether each of its actions has to find something.
    pub must_match: bool,
}

/// An Overlay that is laid on a definition.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct OverlaySettings {
    /// The file, relative to this one.
    file: String,
    /// Whether an action that finds nothing in the definition is an error, and not a warning. Default: `false`.
    #[serde(default)]
    must_match: bool,
}

impl From<OverlaySettings> for Overlay {
    fn from(settings: OverlaySettings) -> Self {
        Self { file: settings.file, must_match: settings.must_match }
    }
}

impl<'de> Deserialize<'de> for Overlay {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text_or_mapping::<D, Self, OverlaySettings>(
            deserializer,
            "a file such as shop.overlay.yaml, or a mapping with `file` and `must_match`",
            |text| Ok(Self { file: text.to_owned(), must_match: false }),
        )
    }
}

impl JsonSchema for Overlay {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Overlay".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let mapping = OverlaySettings::json_schema(generator);
        schemars::json_schema!({
            "description": "An Overlay that is laid on a definition.",
            "oneOf": [{ "type": "string" }, mapping]
        })
    }
}
