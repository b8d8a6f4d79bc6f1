//! What OpenTelemetry's variables say, where the configuration says nothing.
//!
//! Their names and meaning are the specification's (OpenTelemetry environment variables, OTLP exporter). A value that
//! cannot be used is refused by name: spans that silently go nowhere are worse than a gateway that says why it does not
//! start.

use std::time::Duration;

use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::Error;

use super::Settings;
use crate::config::Traces;
use crate::config::telemetry::header;
use crate::config::values::Url;
use crate::dns;

/// A variable that cannot be used, or a header of the configuration.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{name}: {what}")]
pub struct SettingsError {
    name: &'static str,
    what: String,
}

/// Where a collector takes traces.
const PATH: &str = "v1/traces";
const SERVICE: &str = "portcullis";
const HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";
const TRACES_HEADERS: &str = "OTEL_EXPORTER_OTLP_TRACES_HEADERS";

impl Settings {
    /// Those of the configuration, and of the environment where it says nothing; `None` exports nothing.
    ///
    /// # Errors
    /// Names the variable that cannot be used.
    pub fn read(
        configured: Option<&Traces>,
        env: &dyn Fn(&str) -> Option<String>,
        queue_spans: usize,
    ) -> Result<Option<Self>, SettingsError> {
        let env = |name: &str| env(name).filter(|value| !value.is_empty());
        let is_off = env("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"))
            || env("OTEL_TRACES_EXPORTER").is_some_and(|value| value == "none");
        let url = match configured {
            Some(traces) => appended(&traces.url, traces.url.path.len() <= 1),
            None if is_off => return Ok(None),
            None => match environment_url(&env)? {
                Some(url) => url,
                None => return Ok(None),
            },
        };
        let mut headers = Vec::new();
        match configured.filter(|traces| !traces.headers.is_empty()) {
            Some(traces) => {
                // All of them were judged when the configuration was loaded.
                headers.extend(
                    traces.headers.iter().filter_map(|(name, value)| header(name, value.expose()).ok()),
                );
            }
            None => {
                for variable in [TRACES_HEADERS, HEADERS] {
                    if let Some(text) = env(variable) {
                        for (name, value) in list(variable, &text)? {
                            let wrong =
                                |what| SettingsError { name: variable, what: format!("`{name}` {what}") };
                            headers.push(header(&name, &value).map_err(wrong)?);
                        }
                        break;
                    }
                }
            }
        }
        let (resource, timeout) = (resource(&env)?, timeout(&env)?);
        Ok(Some(Self { url, headers, resource, timeout, queue_spans, names: dns::Settings::default() }))
    }
}

/// The collector that the environment names.
fn environment_url(env: &dyn Fn(&str) -> Option<String>) -> Result<Option<Url>, SettingsError> {
    const TRACES: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
    const GENERAL: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
    let (variable, text, is_base) = match (env(TRACES), env(GENERAL)) {
        (Some(text), _) => (TRACES, text, false),
        (None, Some(text)) => (GENERAL, text, true),
        (None, None) => return Ok(None),
    };
    for name in ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"] {
        let Some(protocol) = env(name) else { continue };
        if protocol != "http/protobuf" {
            let what = "only `http/protobuf` is spoken; set it, or OTEL_TRACES_EXPORTER=none".to_owned();
            return Err(SettingsError { name, what });
        }
        break;
    }
    let url = Url::deserialize(text.as_str().into_deserializer())
        .map_err(|error: Error| SettingsError { name: variable, what: error.to_string() })?;
    Ok(Some(appended(&url, is_base)))
}

/// The URL that traces are posted to: at the usual path below a base.
fn appended(url: &Url, is_base: bool) -> Url {
    if !is_base {
        return url.clone();
    }
    let path = format!("{}/{PATH}", url.path.trim_end_matches('/'));
    Url { path: path.into(), ..url.clone() }
}

/// What is said of the process in every message: `service.name` first.
fn resource(env: &dyn Fn(&str) -> Option<String>) -> Result<Vec<(String, String)>, SettingsError> {
    const VARIABLE: &str = "OTEL_RESOURCE_ATTRIBUTES";
    let mut attributes = vec![
        ("service.name".to_owned(), SERVICE.to_owned()),
        ("service.version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
    ];
    let own = match env(VARIABLE) {
        Some(text) => list(VARIABLE, &text)?,
        None => Vec::new(),
    };
    let name = env("OTEL_SERVICE_NAME").map(|name| ("service.name".to_owned(), name));
    for (key, value) in own.into_iter().chain(name) {
        match attributes.iter_mut().find(|(known, _)| *known == key) {
            Some((_, known)) => *known = value,
            None => attributes.push((key, value)),
        }
    }
    Ok(attributes)
}

fn timeout(env: &dyn Fn(&str) -> Option<String>) -> Result<Duration, SettingsError> {
    const DEFAULT: Duration = Duration::from_secs(10);
    const MOST_MS: u64 = 60_000;
    for name in ["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"] {
        let Some(text) = env(name) else { continue };
        return match text.parse() {
            Ok(millis @ 1..=MOST_MS) => Ok(Duration::from_millis(millis)),
            _ => {
                let what = format!("expected milliseconds from 1 to {MOST_MS}, found `{text}`");
                Err(SettingsError { name, what })
            }
        };
    }
    Ok(DEFAULT)
}

/// `name=value,name=value` with percent escapes, as W3C Baggage spells it. SECURITY: a value is never quoted, for it may
/// be a credential.
fn list(name: &'static str, text: &str) -> Result<Vec<(String, String)>, SettingsError> {
    let wrong =
        || SettingsError { name, what: "expected `name=value`, with commas between several".to_owned() };
    text.split(',')
        .map(str::trim)
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=').ok_or_else(wrong)?;
            let key = decoded(key.trim()).filter(|key| !key.is_empty()).ok_or_else(wrong)?;
            Ok((key, decoded(value.trim()).ok_or_else(wrong)?))
        })
        .collect()
}

fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'%' {
            bytes.push(*byte);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        let digit = |digit: &u8| char::from(*digit).to_digit(16);
        let (high, low) = (digit(digits.first()?)?, digit(digits.last()?)?);
        bytes.push(u8::try_from((high << 4) | low).ok()?);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests;
