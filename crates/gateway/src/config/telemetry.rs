//! What the gateway tells of itself: access records, incidents, traces.

use std::path::PathBuf;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Deserializer, Unexpected};

use super::values::{Percent, Url};

/// What the gateway tells of itself.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Telemetry {
    /// Where one JSON line for each request goes: `stdout`, `stderr`, `file:` and a path, or `off`. Default: `stdout`.
    pub access_log: Sink,
    /// Where one JSON line for each security incident goes; as `access_log`. Default: `stdout`.
    pub incidents: Sink,
    /// Where traces go: the URL of an OTLP/HTTP collector. Default: nowhere.
    pub traces: Option<Url>,
    /// Share of the traces begun here that are marked as sampled, for backends and collectors to record. Default: `1%`.
    pub sample: Option<Percent>,
    /// What becomes of `traceparent` from callers who are no trusted proxies. Default: `restart`.
    pub parents: TraceParents,
    /// Whether replies say in `Server-Timing` what their time was spent on. Default: no.
    pub server_timing: bool,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self {
            access_log: Sink::Stdout,
            incidents: Sink::Stdout,
            traces: None,
            sample: None,
            parents: TraceParents::Restart,
            server_timing: false,
        }
    }
}

/// What becomes of the trace that a caller names who is no trusted proxy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TraceParents {
    /// It is dropped, and a trace begins.
    #[default]
    Restart,
    /// A trace begins, and the caller's span is noted in the access record.
    Link,
    /// It goes on, as if a trusted proxy had named it.
    Continue,
}

/// Where records are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sink {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// Nowhere.
    Off,
    /// The end of this file.
    File(PathBuf),
}

impl<'de> Deserialize<'de> for Sink {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match (text.as_str(), text.strip_prefix("file:")) {
            ("stdout", _) => Ok(Self::Stdout),
            ("stderr", _) => Ok(Self::Stderr),
            ("off", _) => Ok(Self::Off),
            (_, Some(path)) if !path.is_empty() => Ok(Self::File(path.into())),
            _ => Err(serde::de::Error::invalid_value(
                Unexpected::Str(&text),
                &"`stdout`, `stderr`, `off` or `file:` and a path",
            )),
        }
    }
}

impl JsonSchema for Sink {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Sink".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Where records are written: `stdout`, `stderr`, `off` or `file:` and a path.",
            "type": "string",
            "pattern": "^(stdout|stderr|off|file:.+)$"
        })
    }
}
