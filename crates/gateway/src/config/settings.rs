//! What may stand in `defaults`, at an API and at an operation alike, and how the three become one.
//!
//! The shared keys are listed once, in [`with_settings`]: serde's `flatten` would lose the places of mistakes.
//! Settings are merged as trees, before they are read as types, so that every value keeps the place it was
//! written at and `explain` can name it: mappings merge key by key, everything else replaces. `auth` is one
//! statement and replaces as a whole; `limits` add, and one of the same `name` replaces.

use indexmap::IndexMap;
use portcullis_openapi::source::{Files, Finding, Key, Mapping, Node, Value, de};
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};

mod loosening;

pub use loosening::loosened;

/// Declares a struct with fields of its own and all shared settings.
macro_rules! with_settings {
    ($(#[$meta:meta])* pub struct $name:ident { $($own:tt)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Default, serde::Deserialize, schemars::JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $($own)*
            /// Who may call: `none`, `api_key`, `definition`, or a mapping such as `{ api_key: {} }`,
            /// `{ any_of: […] }`, `{ all_of: […] }`. Every operation needs one, of its own or inherited; `none` must
            /// be written out. Replaces what it inherits as a whole.
            pub auth: Option<$crate::config::Auth>,
            /// What a known caller must hold to be let in. Beyond `auth`, which says who may call.
            pub require: Option<$crate::config::Require>,
            /// How often and how much a caller may call. Adds to what it inherits; one of the same `name` replaces.
            pub limits: Option<Vec<$crate::config::Limit>>,
            /// Whether requests and responses must follow the API's definition. What has one is judged by it unless this says
            /// otherwise.
            pub contract: Option<$crate::config::Contract>,
            /// Attack rules on requests and responses.
            pub waf: Option<$crate::config::Waf>,
            /// Virus scan of bodies.
            pub antivirus: Option<$crate::config::Antivirus>,
            /// Which other origins' browser pages may call (CORS).
            pub cors: Option<$crate::config::Cors>,
            /// Name of the rule under `attestation` by which an app shows that it is genuine; `none` for none.
            pub attestation: Option<String>,
            /// Name of the authorizer under `authorizers` that decides whether a request may go on, after `auth` and `require`;
            /// `none` for none.
            pub authorize: Option<String>,
            /// The kind of long-lived exchange it may become: `sse`, `websocket` or `grpc`. Such an operation has no
            /// total time and ends after `bounds.stream_idle` without a byte. Default: none.
            pub stream: Option<$crate::config::Stream>,
            /// Which request fields pass to the backend: `any` but those by which gateways speak to backends;
            /// `declared`: only standard end-to-end fields and declared parameters; a list: those and the listed
            /// ones. Default: `declared` with a definition, else `any`.
            pub fields: Option<$crate::config::ForwardedFields>,
            /// Which form of a body a backend gets when a control looked into a compressed one: `decoded`, what was
            /// judged, or `encoded`, as it came. Default: `decoded`.
            pub forward: Option<$crate::config::Forward>,
            /// Whether it is answered from its definition, by examples and values made from schemas, in place of its backend: `true`,
            /// `false`, or `{ seed: 7 }` for other values. Counts only from the configuration. Default: `false`.
            pub mock: Option<$crate::config::Mock>,
            /// Bounds that differ from the gateway's own.
            pub bounds: Option<$crate::config::OperationBoundsSettings>,
        }
    };
}
pub(super) use with_settings;

with_settings! {
    /// What an API has when it says nothing itself.
    pub struct Settings {}
}

/// What a known caller must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Require {
    /// Scopes the credential must carry, all of them. Else: 403.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// A condition in CEL on `caller`, `claims`, `request`, `path` and `client`, such as `caller.consumer == path.customer`. One that
    /// does not hold, or cannot be told: 403.
    pub when: Option<String>,
    /// Audiences of which the token must name one, beyond those of its issuer. Else: 403.
    #[serde(default)]
    pub audiences: Vec<String>,
    /// Roles the token must give, all of them. Else: 403.
    #[serde(default)]
    pub roles: Vec<String>,
    /// Claim that holds the roles: a name, or a JSON pointer such as `/realm_access/roles`. Default: `roles`.
    pub roles_claim: Option<String>,
    /// What claims of the token must say, all of it; by names of claims, or JSON pointers such as `/address/country`. Else:
    /// 403.
    #[serde(default)]
    pub claims: IndexMap<String, ClaimRule>,
}

/// What one claim must say. Exactly one key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClaimRule {
    /// It is exactly this: a text, a whole number, or true or false.
    pub equals: Option<ClaimValue>,
    /// It is a list in which this text stands.
    pub contains: Option<String>,
}

/// A value that a claim may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimValue {
    /// A text.
    Text(String),
    /// A whole number.
    Number(i64),
    /// True or false.
    Flag(bool),
}

impl Require {
    /// Whether it asks for nothing of who is known; a condition may be asked of anonymous callers, too.
    pub fn is_empty(&self) -> bool {
        let Self { scopes, audiences, roles, roles_claim: _, claims, when: _ } = self;
        scopes.is_empty() && audiences.is_empty() && roles.is_empty() && claims.is_empty()
    }
}

impl<'de> Deserialize<'de> for ClaimValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Value;
        impl Visitor<'_> for Value {
            type Value = ClaimValue;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a text, a whole number, true or false")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<ClaimValue, E> {
                Ok(ClaimValue::Text(text.to_owned()))
            }

            fn visit_bool<E: serde::de::Error>(self, flag: bool) -> Result<ClaimValue, E> {
                Ok(ClaimValue::Flag(flag))
            }

            fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<ClaimValue, E> {
                Ok(ClaimValue::Number(number))
            }

            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<ClaimValue, E> {
                let fits = i64::try_from(number);
                fits.map(ClaimValue::Number)
                    .map_err(|_| E::invalid_value(serde::de::Unexpected::Unsigned(number), &self))
            }
        }
        deserializer.deserialize_any(Value)
    }
}

impl JsonSchema for ClaimValue {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ClaimValue".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": ["string", "integer", "boolean"] })
    }
}

/// The kind of long-lived exchange an operation may become.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// Server-sent events.
    Sse,
    /// WebSocket.
    Websocket,
    /// gRPC.
    Grpc,
}

/// Which form of a compressed body goes to the backend after a control looked into it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Forward {
    /// What was judged: `Content-Encoding` is gone.
    #[default]
    Decoded,
    /// As it came.
    Encoded,
}

/// Which request fields pass to the backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ForwardedFields {
    /// All but those by which gateways speak to backends.
    Any,
    /// Standard end-to-end fields and declared parameters.
    Declared,
    /// Those, and the named ones.
    Named(Vec<String>),
}

impl<'de> Deserialize<'de> for ForwardedFields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Choice;
        impl<'de> Visitor<'de> for Choice {
            type Value = ForwardedFields;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("`any`, `declared` or a list of field names")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<ForwardedFields, E> {
                match text {
                    "any" => Ok(ForwardedFields::Any),
                    "declared" => Ok(ForwardedFields::Declared),
                    _ => Err(E::invalid_value(serde::de::Unexpected::Str(text), &self)),
                }
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<ForwardedFields, A::Error> {
                let mut names = Vec::new();
                while let Some(name) = list.next_element::<String>()? {
                    names.push(name);
                }
                Ok(ForwardedFields::Named(names))
            }
        }
        deserializer.deserialize_any(Choice)
    }
}

impl JsonSchema for ForwardedFields {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ForwardedFields".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "oneOf": [
                { "enum": ["any", "declared"] },
                { "type": "array", "items": { "type": "string" } }
            ]
        })
    }
}

/// The shared keys; what else stands at an API or operation is its own.
pub(super) const KEYS: &[&str] = &[
    "auth",
    "require",
    "limits",
    "contract",
    "waf",
    "antivirus",
    "cors",
    "attestation",
    "authorize",
    "stream",
    "fields",
    "forward",
    "mock",
    "bounds",
];

/// Lays settings over more general ones. Other keys than settings are left out; every value keeps its place.
pub fn lay(general: Option<Node>, layer: &Node) -> Node {
    let Value::Mapping(mapping) = &layer.value else { return general.unwrap_or_else(nothing) };
    let own = mapping.iter().filter(|(key, _)| KEYS.contains(&&*key.text)).cloned().collect();
    let own = Node::new(Value::Mapping(Mapping::new(own, |_, _| ())), layer.span);
    match general {
        None => own,
        Some(general) => over(general, own, "", 0),
    }
}

/// Settings that say nothing.
pub fn nothing() -> Node {
    Node::new(Value::Mapping(Mapping::default()), portcullis_openapi::source::Span::default())
}

/// Reads merged settings.
///
/// # Errors
/// Returns what does not fit, at the places it was written.
pub fn read(files: &Files, merged: &Node) -> Result<Settings, Vec<Finding>> {
    de::read(files, merged)
}

/// One node over another; `depth` is 0 for the settings themselves, 1 for the value under one of their keys.
fn over(general: Node, specific: Node, key: &str, depth: usize) -> Node {
    let atomic = depth == 1 && key == "auth";
    let adds = depth == 1 && key == "limits";
    let span = specific.span;
    match (general.value, specific.value) {
        (Value::Mapping(general), Value::Mapping(specific)) if !atomic => {
            Node::new(Value::Mapping(over_mapping(general, specific, depth)), span)
        }
        (Value::Sequence(general), Value::Sequence(specific)) if adds => {
            Node::new(Value::Sequence(over_limits(general, specific)), span)
        }
        // Only texts come from outside the file, and what is merged here has been read already.
        (_, specific) => Node::new(specific, span),
    }
}

fn over_mapping(general: Mapping, specific: Mapping, depth: usize) -> Mapping {
    let mut specific: Vec<Option<(Key, Node)>> = specific.into_entries().into_iter().map(Some).collect();
    let mut entries = Vec::new();
    for (key, node) in general.into_entries() {
        let same =
            specific.iter_mut().find(|entry| entry.as_ref().is_some_and(|(own, _)| own.text == key.text));
        match same.and_then(Option::take) {
            Some((own, node_own)) => {
                let node = over(node, node_own, &own.text, depth.saturating_add(1));
                entries.push((own, node));
            }
            None => entries.push((key, node)),
        }
    }
    entries.extend(specific.into_iter().flatten());
    Mapping::new(entries, |_, _| ())
}

/// Limits add up; one of the same name takes the place of the general one.
fn over_limits(mut general: Vec<Node>, specific: Vec<Node>) -> Vec<Node> {
    for limit in specific {
        let name = limit.get("name").and_then(Node::as_str).map(str::to_owned);
        let same = general
            .iter_mut()
            .find(|own| name.is_some() && own.get("name").and_then(Node::as_str) == name.as_deref());
        match same {
            Some(own) => *own = limit,
            None => general.push(limit),
        }
    }
    general
}

#[cfg(test)]
mod tests;
