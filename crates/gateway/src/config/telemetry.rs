//! What the gateway tells of itself: access records, incidents, traces.

use std::path::PathBuf;

use http::{HeaderName, HeaderValue};
use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Deserializer, Unexpected};

use super::values::{Duration, Percent, Url, text_or_mapping};
use crate::secret::Secret;

/// Most times at which an incident tells of an end.
pub(crate) const NOTICE_MAX: usize = 10;
const DAY: std::time::Duration = std::time::Duration::from_secs(86_400);

/// What the gateway tells of itself.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Telemetry {
    /// Where one JSON line for each request goes: `stdout`, `stderr`, `file:` and a path, or `off`. Default: `stdout`.
    pub access_log: Sink,
    /// Where one JSON line for each security incident goes; as `access_log`. Default: `stdout`.
    pub incidents: Sink,
    /// Where spans of sampled traces go: the URL of an OTLP/HTTP collector such as `http://127.0.0.1:4318`, or a mapping
    /// with `url` and `headers`. A URL without a path is that of the collector, and `/v1/traces` is put behind it. Default:
    /// `$OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`, else `$OTEL_EXPORTER_OTLP_ENDPOINT`, else nowhere.
    pub traces: Option<Traces>,
    /// Share of the traces begun here that are marked as sampled, for backends and collectors to record. Default: `1%`.
    pub sample: Option<Percent>,
    /// What becomes of `traceparent` from callers who are no trusted proxies. Default: `restart`.
    pub parents: TraceParents,
    /// How long before a certificate or a revocation list ends an incident tells of it, once for each time; one more tells
    /// when it has ended. A time longer than half of what it lives counts for nothing. Default: `[21d, 7d, 1d]`.
    pub certificate_notice: Vec<Duration>,
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
            certificate_notice: [21, 7, 1].map(|days| DAY.saturating_mul(days).into()).to_vec(),
            server_timing: false,
        }
    }
}

/// A collector of traces.
#[derive(Debug, Clone)]
pub struct Traces {
    /// Where it is.
    pub url: Url,
    /// What it is told besides.
    pub headers: IndexMap<String, Secret>,
}

/// A header as whoever calls a collector may add it.
///
/// # Errors
/// What is wrong, and never the value: it may be a key.
pub fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), &'static str> {
    const OURS: [&str; 6] =
        ["host", "connection", "content-length", "content-type", "transfer-encoding", "user-agent"];
    let name: HeaderName = name.parse().map_err(|_| "is no name of a header")?;
    if OURS.contains(&name.as_str()) {
        return Err("is said by the gateway itself");
    }
    let mut value: HeaderValue = value.parse().map_err(|_| "its value is no value of a header")?;
    value.set_sensitive(true);
    Ok((name, value))
}

/// The long form of a collector.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TracesSettings {
    /// Where it is, such as `https://collector.example:4318`.
    url: Url,
    /// Headers of each message to it, such as a key it asks for. Default: `$OTEL_EXPORTER_OTLP_TRACES_HEADERS`, else
    /// `$OTEL_EXPORTER_OTLP_HEADERS`, else none.
    #[serde(default)]
    headers: IndexMap<String, Secret>,
}

impl From<TracesSettings> for Traces {
    fn from(settings: TracesSettings) -> Self {
        Self { url: settings.url, headers: settings.headers }
    }
}

impl<'de> Deserialize<'de> for Traces {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use super::values::Written;
        text_or_mapping::<D, Self, TracesSettings>(
            deserializer,
            "a URL such as http://127.0.0.1:4318, or a mapping with `url` and `headers`",
            |text| Url::read(text).map(|url| Self { url, headers: IndexMap::new() }),
        )
    }
}

impl JsonSchema for Traces {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Traces".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let text = generator.subschema_for::<Url>();
        let mapping = TracesSettings::json_schema(generator);
        json_schema!({ "description": "A collector of traces.", "oneOf": [text, mapping] })
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
