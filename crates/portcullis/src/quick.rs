//! `run --openapi`: a configuration made of a definition and a backend's URL.
//!
//! It is an ordinary configuration, written as text and read like any other, so that nothing works here that a file could
//! not say. The definition decides where its operations are published: at the path of its first server. A path in the
//! backend's URL stands in for that one (`--backend http://127.0.0.1:9000/v2`), as a document's server URL would.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use portcullis_gateway::config::definition::{
    Definition, Operation, ParameterPlace, ParameterValue, SchemeKind, Security,
};
use portcullis_gateway::config::instance::{self, Manner};
use portcullis_gateway::config::{self, ApiKeyAuth, Finding, Loaded};
use portcullis_gateway::oauth::form::escaped;
use serde_json::{Value, json};

use crate::args::{QuickAuth, QuickTerms};

/// What the command line says.
#[derive(Debug, Clone)]
pub(crate) struct Quick {
    /// The definition.
    pub(crate) openapi: PathBuf,
    /// Where requests go.
    pub(crate) backend: String,
    /// Where to listen.
    pub(crate) listen: SocketAddr,
    /// Where health and metrics are served, if anywhere.
    pub(crate) probes: Option<SocketAddr>,
    /// SHA-256 of the key that is good.
    pub(crate) key_sha256: Option<String>,
    /// Who may call, and what becomes of the definition.
    pub(crate) terms: QuickTerms,
}

/// The name messages give the made configuration.
const NAME: &str = "(run --openapi)";

impl Quick {
    /// The name of the API: the file's, as far as it can be one.
    pub(crate) fn api(&self) -> String {
        const CHARS_MAX: usize = 64;
        let stem = self.openapi.file_stem().map(|stem| stem.to_string_lossy()).unwrap_or_default();
        let name: String = stem
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || "_-.".contains(c) { c } else { '-' })
            .skip_while(|c| !c.is_ascii_alphanumeric())
            .take(CHARS_MAX)
            .collect();
        if name.is_empty() { "api".to_owned() } else { name }
    }

    /// Reads definition and configuration, and notes the files that were looked at.
    pub(crate) fn load(&self, files: &mut Vec<PathBuf>) -> Result<Loaded, Vec<Finding>> {
        load(NAME, &self.api(), |base| self.text(base), files)
    }

    /// The configuration. Strings are written as JSON, which YAML reads as they are.
    fn text(&self, base: &str) -> String {
        let has_path =
            self.backend.split_once("://").is_some_and(|(_, rest)| rest.trim_end_matches('/').contains('/'));
        let api = literal(&self.api());
        let QuickTerms { who, overlays, contract, skip } = &self.terms;
        let mut text = String::from("version: 1\nstate: none\n");
        if let Some(probes) = self.probes {
            let _ = writeln!(text, "admin: {{ probes: {} }}", json!(probes.to_string()));
        }
        let _ = writeln!(text, "listeners: {{ public: {{ bind: {} }} }}", json!(self.listen.to_string()));
        if let Some(sha256) = &self.key_sha256 {
            let _ = writeln!(
                text,
                "consumers: {{ caller: {{ apis: [{api}], credentials: [{{ id: k1, api_key: {{ sha256: {} }} }}] }} }}",
                json!(sha256)
            );
        }
        if let Some(issuer) = &who.issuer {
            let own = who.audiences.iter().map(|audience| literal(audience));
            let audiences: Vec<_> = if who.audiences.is_empty() { vec![api.clone()] } else { own.collect() };
            let (issuer, audiences) = (literal(issuer), json!(audiences));
            let _ = writeln!(text, "issuers: {{ issuer: {{ openid: {issuer}, audiences: {audiences} }} }}");
        }
        let _ = writeln!(text, "backends: {{ backend: {{ targets: [{}] }} }}", literal(&self.backend));
        let _ = writeln!(text, "apis:\n  {api}:\n    openapi: {}", literal(&self.openapi.to_string_lossy()));
        if !overlays.is_empty() {
            let overlays: Vec<_> = overlays.iter().map(|path| literal(&path.to_string_lossy())).collect();
            let _ = writeln!(text, "    overlays: {}", json!(overlays));
        }
        if !skip.is_empty() {
            let skip: Vec<_> = skip.iter().map(|key| literal(key)).collect();
            let _ = writeln!(text, "    skip: {}", json!(skip));
        }
        let _ = writeln!(text, "    base_path: {}\n    strip_base_path: {has_path}", literal(base));
        let _ = writeln!(text, "    backend: backend\n    auth: {}", who.auth.word());
        let _ = writeln!(text, "    contract: {}", contract.words());
        text
    }
}

/// Reads a made configuration whose API is published where its definition says.
pub(crate) fn load(
    name: &str,
    api: &str,
    text: impl Fn(&str) -> String,
    files: &mut Vec<PathBuf>,
) -> Result<Loaded, Vec<Finding>> {
    let read = |base: &str, files: &mut Vec<PathBuf>| {
        config::parse(name, &text(base), Path::new(""), &|_| None)?.with_definitions(files)
    };
    let loaded = read("/", files)?;
    // Only the definition knows where it wants to be published.
    let stated = loaded.definition(api).and_then(|it| it.definition().base_path());
    match stated.filter(|base| !base.is_empty()).map(str::to_owned) {
        Some(base) => read(&base, files),
        None => Ok(loaded),
    }
}

/// A text as the configuration writes it: as JSON, where `${` would be a reference.
pub(crate) fn literal(text: &str) -> Value {
    json!(text.replace("${", "$${"))
}

/// Where an operation asks for keys: one place of each scheme that has to be met; `None` where a key is not enough.
fn keys<'a>(
    definition: &'a Definition,
    operation: &'a Operation,
    auth: QuickAuth,
) -> Option<Vec<(ParameterPlace, &'a str)>> {
    match auth {
        QuickAuth::None => return Some(Vec::new()),
        QuickAuth::ApiKey => return Some(vec![(ParameterPlace::Header, ApiKeyAuth::HEADER)]),
        QuickAuth::Definition => {}
    }
    let place = |name: &str| match &definition.schemes.get(name)?.kind {
        SchemeKind::ApiKey { place, name } => Some((*place, &**name)),
        _ => None,
    };
    match &*operation.security {
        Security::Silent | Security::None { .. } => Some(Vec::new()),
        Security::AnyOf { requirements, .. } => requirements
            .iter()
            .find_map(|requirement| requirement.schemes.iter().map(|(name, _)| place(name)).collect()),
    }
}

/// Whether any operation asks for a key by its definition.
pub(crate) fn asks_for_keys(loaded: &Loaded, quick: &Quick) -> bool {
    let Some(definition) = loaded.definition(&quick.api()).map(|it| it.definition()) else { return false };
    let is_key = |name: &str| {
        definition.schemes.get(name).is_some_and(|scheme| matches!(scheme.kind, SchemeKind::ApiKey { .. }))
    };
    definition.operations.iter().any(|operation| match &*operation.security {
        Security::Silent | Security::None { .. } => false,
        Security::AnyOf { requirements, .. } => {
            requirements.iter().flat_map(|it| &it.schemes).any(|(name, _)| is_key(name))
        }
    })
}

/// A command that reaches one operation of an API, with the key where it asks for one: of those that can be reached so,
/// the GET that needs the least, else whatever there is.
pub(crate) fn curl(
    loaded: &Loaded,
    api: &str,
    auth: QuickAuth,
    at: SocketAddr,
    key: Option<&str>,
) -> Option<String> {
    let definition = loaded.definition(api)?.definition();
    let settings = loaded.config.apis.get(api)?;
    let needs = |operation: &&Operation| {
        let required = operation.parameters.iter().filter(|parameter| parameter.is_required).count();
        let is_barred = keys(definition, operation, auth).is_none();
        (is_barred, operation.method != http::Method::GET, operation.is_deprecated, required)
    };
    let operation = definition.operations.iter().min_by_key(needs)?;
    let mut command = String::from("curl -i");
    if operation.method != http::Method::GET {
        let _ = write!(command, " -X {}", operation.method);
    }
    let mut query = String::new();
    let mut add = |command: &mut String, place: ParameterPlace, name: &str, value: &str| {
        // As it can stand in quotes and in a query.
        let name = escaped(name);
        // Writing to a `String` does not fail.
        let _ = match place {
            ParameterPlace::Query => {
                write!(query, "{}{name}={value}", if query.is_empty() { '?' } else { '&' })
            }
            ParameterPlace::Header => write!(command, " -H '{name}: {value}'"),
            ParameterPlace::Cookie => write!(command, " -b '{name}={value}'"),
            ParameterPlace::Path | ParameterPlace::QueryString => Ok(()),
        };
    };
    for (place, name) in keys(definition, operation, auth).unwrap_or_default() {
        add(&mut command, place, name, key.unwrap_or_default());
    }
    for parameter in operation.parameters.iter().filter(|parameter| parameter.is_required) {
        let value = parameter_value(definition, operation, parameter.place, &parameter.name);
        add(&mut command, parameter.place, &parameter.name, &value);
    }
    if operation.body.as_ref().is_some_and(|body| body.is_required) {
        let _ = write!(command, " -H 'content-type: application/json' -d '{}'", body(definition, operation));
    }
    let value = |name: &str| parameter_value(definition, operation, ParameterPlace::Path, name);
    let path = operation.template.filled(value);
    let base = settings.base_path().trim_end_matches('/');
    let _ = write!(command, " 'http://{}{base}{path}{query}'", reachable(at));
    Some(command)
}

/// A value that a parameter takes, as it can stand in quotes and at its place: the one that its name lets expect, unless its
/// schema asks for another.
fn parameter_value(
    definition: &Definition,
    operation: &Operation,
    place: ParameterPlace,
    name: &str,
) -> String {
    let expected = example(name);
    let mut all = operation.parameters.iter();
    let parameter = all.find(|parameter| parameter.place == place && *parameter.name == *name);
    let Some(ParameterValue::Schema { schema, .. }) = parameter.map(|parameter| &parameter.value) else {
        return expected.to_owned();
    };
    // A list of one is written as that one, in most styles.
    let plain = [json!(expected), json!(1), json!([expected]), json!([1])];
    let value = instance::sample(&definition.schemas, *schema, &plain, Manner::Exemplary);
    let text = match value.as_ref().map(|value| value.get(0).unwrap_or(value)) {
        Some(Value::String(text)) => escaped(text),
        Some(value @ (Value::Number(_) | Value::Bool(_))) => value.to_string(),
        Some(Value::Null | Value::Array(_) | Value::Object(_)) | None => String::new(),
    };
    // Fields and cookies are not read as escaped, and a path has no segment of dots.
    let is_readable = match place {
        ParameterPlace::Header | ParameterPlace::Cookie => !text.contains('%'),
        ParameterPlace::Path => !text.bytes().all(|byte| byte == b'.'),
        ParameterPlace::Query | ParameterPlace::QueryString => true,
    };
    if text.is_empty() || !is_readable { expected.to_owned() } else { text }
}

/// A body of JSON that an operation takes, as it can stand in quotes.
fn body(definition: &Definition, operation: &Operation) -> String {
    let mut contents = operation.body.iter().flat_map(|body| body.content.iter());
    let json = contents.find(|media_type| media_type.range.eq_ignore_ascii_case("application/json"));
    let schema = json.and_then(|media_type| media_type.schema);
    let value =
        schema.and_then(|schema| instance::sample(&definition.schemas, schema, &[json!({})], Manner::Least));
    let text = value.map(|value| value.to_string().replace('\'', "\\u0027"));
    // What a terminal takes for more than text is not shown.
    text.filter(|text| text.bytes().all(|byte| matches!(byte, b' '..=b'~')))
        .unwrap_or_else(|| "{}".to_owned())
}

/// A value that a parameter of this name could have.
fn example(name: &str) -> &'static str {
    let name = name.to_ascii_lowercase();
    match () {
        () if name.contains("uuid") || name.contains("guid") => "00000000-0000-4000-8000-000000000001",
        () if name.contains("date") => "2026-01-01",
        () => "1",
    }
}

/// Where this machine reaches a listener that may listen everywhere.
fn reachable(at: SocketAddr) -> SocketAddr {
    let mut at = at;
    if at.ip().is_unspecified() {
        at.set_ip(match at.ip() {
            std::net::IpAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            std::net::IpAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    at
}

#[cfg(test)]
mod tests;
