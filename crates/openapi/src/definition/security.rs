//! Security schemes, and what operations require of them.
//!
//! Nothing is decided here: silence, a written-out none and a requirement are told apart, and whoever authenticates
//! takes it from there. A requirement that cannot be read refuses its operations; it never becomes silence, for then
//! an operation would fall back to what the document asks of the others.

use std::collections::BTreeMap;

use super::loading::{Loading, Unusable, text_of};
use super::trail::At;
use super::{Dialect, ParameterPlace};
use crate::source::Span;

/// What an operation asks its callers for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Security {
    /// Neither the operation nor the document says anything.
    Silent,
    /// `security: []`: written out that nothing is asked for.
    None {
        /// Where it is written.
        span: Span,
    },
    /// One of these has to be met.
    AnyOf {
        /// The alternatives, in their order.
        requirements: Vec<Requirement>,
        /// Where they are written.
        span: Span,
    },
}

/// Schemes that have to be met together, each with the scopes or roles asked for. Without any: an anonymous caller is
/// welcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// Names of schemes, with scopes. A name need not be among [`super::Definition::schemes`].
    pub schemes: Vec<(Box<str>, Vec<Box<str>>)>,
    /// Where it is written.
    pub span: Span,
}

/// A security scheme.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scheme {
    /// Its kind.
    pub kind: SchemeKind,
    /// Where it is declared.
    pub span: Span,
}

/// The kinds of security schemes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SchemeKind {
    /// A secret in a parameter.
    ApiKey {
        /// Header, query or cookie.
        place: ParameterPlace,
        /// The parameter's name.
        name: Box<str>,
    },
    /// A scheme of the `Authorization` field, in lower case: `basic`, `bearer`, …
    Http {
        /// The scheme.
        scheme: Box<str>,
        /// A word on the form of bearer tokens, such as `JWT`.
        bearer_format: Option<Box<str>>,
    },
    /// OAuth 2.
    OAuth2 {
        /// The ways to get a token.
        flows: Vec<Flow>,
        /// Where the server's metadata is (3.2).
        metadata_url: Option<Box<str>>,
    },
    /// OpenID Connect.
    OpenIdConnect {
        /// Where the provider's configuration is.
        url: Box<str>,
    },
    /// A client certificate.
    MutualTls,
}

/// A way to get a token from an OAuth 2 server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    /// As 3.x calls it: `implicit`, `password`, `clientCredentials`, `authorizationCode`, `deviceAuthorization`.
    pub kind: Box<str>,
    /// The authorization endpoint.
    pub authorization_url: Option<Box<str>>,
    /// The token endpoint.
    pub token_url: Option<Box<str>>,
    /// The scopes it gives.
    pub scopes: Vec<Box<str>>,
}

/// Reads the schemes of the document. One that cannot be read is left out with a warning: requirements that name it
/// keep the name, and nothing can meet it.
pub(super) fn schemes(loading: &mut Loading<'_>) -> BTreeMap<Box<str>, Scheme> {
    let root = loading.root;
    let mut schemes = BTreeMap::new();
    let components = root.get("components");
    let list = match loading.dialect {
        Dialect::V2_0 => root.given("securityDefinitions"),
        Dialect::V3_0 | Dialect::V3_1 | Dialect::V3_2 => {
            components.as_ref().and_then(|components| components.given("securitySchemes"))
        }
    };
    let Some(list) = list else { return schemes };
    let Some(entries) = list.entries() else {
        loading.warn(&list, format!("expected security schemes by name, found {}", list.node.describe()));
        return schemes;
    };
    for (key, at) in entries {
        if loading.is_spent() {
            break;
        }
        let Ok(at) = loading.follow(at) else { continue };
        match kind(&at) {
            Ok(kind) => {
                schemes.insert(key.text.clone(), Scheme { kind, span: at.node.span });
            }
            Err(missing) => {
                let message = format!("no known security scheme: {missing}; nothing can meet it");
                loading.warn(&at, message);
            }
        }
    }
    schemes
}

fn kind(at: &At<'_, '_>) -> Result<SchemeKind, &'static str> {
    let text = |key: &str| at.node.get(key).and_then(text_of);
    let kind = text("type").unwrap_or_default();
    match &*kind {
        "apiKey" => {
            let place = match text("in").as_deref() {
                Some("header") => ParameterPlace::Header,
                Some("query") => ParameterPlace::Query,
                Some("cookie") => ParameterPlace::Cookie,
                Some(_) | None => return Err("an API key needs `in: header`, `query` or `cookie`"),
            };
            let name = text("name").filter(|name| !name.is_empty()).ok_or("an API key needs a `name`")?;
            Ok(SchemeKind::ApiKey { place, name })
        }
        "basic" => Ok(SchemeKind::Http { scheme: "basic".into(), bearer_format: None }),
        "http" => {
            let scheme =
                text("scheme").filter(|scheme| !scheme.is_empty()).ok_or("`http` needs a `scheme`")?;
            let scheme = scheme.to_ascii_lowercase().into_boxed_str();
            Ok(SchemeKind::Http { scheme, bearer_format: text("bearerFormat") })
        }
        "oauth2" => Ok(SchemeKind::OAuth2 { flows: flows(at), metadata_url: text("oauth2MetadataUrl") }),
        "openIdConnect" => {
            let url = text("openIdConnectUrl").ok_or("`openIdConnect` needs an `openIdConnectUrl`")?;
            Ok(SchemeKind::OpenIdConnect { url })
        }
        "mutualTLS" => Ok(SchemeKind::MutualTls),
        _ => Err("its `type` is not known"),
    }
}

fn flows(at: &At<'_, '_>) -> Vec<Flow> {
    let flow = |kind: &str, at: &At<'_, '_>| {
        let text = |key: &str| at.node.get(key).and_then(text_of);
        let scopes = at.node.get("scopes").and_then(|scopes| scopes.as_mapping());
        Flow {
            kind: kind.into(),
            authorization_url: text("authorizationUrl"),
            token_url: text("tokenUrl"),
            scopes: scopes.map(|scopes| scopes.keys().map(Box::from).collect()).unwrap_or_default(),
        }
    };
    // 2.0 has one flow, written in the scheme itself and under other names.
    if let Some(kind) = at.node.get("flow").and_then(text_of) {
        let kind = match &*kind {
            "application" => "clientCredentials",
            "accessCode" => "authorizationCode",
            other => other,
        };
        return vec![flow(kind, at)];
    }
    let Some(flows) = at.get("flows") else { return Vec::new() };
    let flows = flows.entries().into_iter().flatten();
    flows.filter(|(key, _)| !key.text.starts_with("x-")).map(|(key, at)| flow(&key.text, &at)).collect()
}

/// Reads a `security` list.
pub(super) fn read<'t>(loading: &mut Loading<'t>, at: &At<'t, '_>) -> Result<Security, Unusable> {
    let span = at.node.span;
    let Some(items) = at.items() else {
        loading.error(at, format!("expected a list of security requirements, found {}", at.node.describe()));
        return Err(Unusable);
    };
    let mut requirements = Vec::new();
    for item in items {
        loading.spend(0)?;
        requirements.push(requirement(loading, &item)?);
    }
    if requirements.is_empty() {
        Ok(Security::None { span })
    } else {
        Ok(Security::AnyOf { requirements, span })
    }
}

fn requirement<'t>(loading: &mut Loading<'t>, at: &At<'t, '_>) -> Result<Requirement, Unusable> {
    let Some(entries) = at.entries() else {
        loading.error(at, format!("expected schemes by name, found {}", at.node.describe()));
        return Err(Unusable);
    };
    let mut schemes = Vec::new();
    for (key, at) in entries {
        loading.spend(key.text.len())?;
        let Some(scopes) = loading.texts(at.node)? else {
            loading.error(&at, format!("expected a list of scopes, found {}", at.node.describe()));
            return Err(Unusable);
        };
        if loading.schemes.insert(key.text.clone()) {
            let message = format!("the security scheme `{}` is not declared: nothing can meet it", key.text);
            let finding = loading.finding_at(key.span, &at, message);
            loading.note(super::Severity::Warning, finding);
        }
        schemes.push((key.text.clone(), scopes));
    }
    Ok(Requirement { schemes, span: at.node.span })
}
