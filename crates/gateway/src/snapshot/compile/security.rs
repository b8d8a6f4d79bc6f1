//! `auth: definition`: what the document's `security` asks for, through verifiers for its schemes.
//!
//! The document says which schemes have to be met together, and which of several such sets; with each scheme the scopes
//! that its credential must carry. What a scheme means here is `schemes` in the configuration; where that says nothing,
//! what the document says is enough for keys, `basic` and certificates, and for tokens where one issuer alone can be
//! meant. Nothing is made up: a scheme without a verifier, and an operation without a word on security, do not load.

use std::sync::Arc;

use portcullis_openapi::definition::{self, ParameterPlace, Requirement, SchemeKind, Security};
use portcullis_openapi::source::{Pointer, Span};

use super::authentication::{ALTERNATIVES_MAX, Alternatives};
use super::{Compiler, parted};
use crate::callers::Directory;
use crate::config::{
    Api, ApiDefinition, ApiKeyAuth, Auth, BasicAuth, CertificateAuth, Config, Issuer, never_together,
};
use crate::pipeline::Expression;
use crate::pipeline::authentication::{Alternative, Part};

/// Requirements without their places: what two operations ask for alike.
pub(super) type Asked = Vec<Vec<(Box<str>, Vec<Box<str>>)>>;

/// Where an operation of a definition asks for its callers' credentials.
#[derive(Clone, Copy)]
pub(super) struct Secured<'a> {
    /// The API's name and settings.
    pub(super) api: (&'a str, &'a Api),
    /// Its definition.
    pub(super) own: &'a ApiDefinition,
    /// The operation.
    pub(super) operation: &'a definition::Operation,
}

/// Why `security` makes no expression.
pub(super) enum Unsecured {
    /// The document says nothing.
    Silent,
    /// What it says was found wrong, and told.
    Wrong,
}

impl Secured<'_> {
    /// What is asked for, if the document says something.
    fn asked(&self) -> Option<Asked> {
        match &*self.operation.security {
            Security::Silent => None,
            Security::None { .. } => Some(Vec::new()),
            Security::AnyOf { requirements, .. } => {
                Some(requirements.iter().map(|requirement| requirement.schemes.clone()).collect())
            }
        }
    }

    /// Where the document says it.
    pub(super) fn span(&self) -> Option<Span> {
        match &*self.operation.security {
            Security::Silent => None,
            Security::None { span } | Security::AnyOf { span, .. } => Some(self.own.span(*span)),
        }
    }

    /// The verifiers that it names, for whoever judges them.
    pub(super) fn verifiers(&self, config: &Config) -> Vec<Auth> {
        let asked = self.asked().unwrap_or_default();
        let schemes = asked.iter().flatten();
        schemes.filter_map(|(name, _)| self.verifier(name, config).ok()).collect()
    }

    /// What is asked for, in words that differ when something else is.
    pub(super) fn terms(&self, verifiers: &[Auth]) -> String {
        format!("{:?} {verifiers:?}", self.asked())
    }

    /// Who verifies a scheme; an error may end in `; hint: …`.
    fn verifier(&self, name: &str, config: &Config) -> Result<Auth, String> {
        if let Some(auth) = self.api.1.schemes.as_ref().and_then(|schemes| schemes.get(name)) {
            return Ok(auth.clone());
        }
        let known = &self.own.definition().schemes;
        let Some(scheme) = known.get(name) else {
            return Err(format!("asks for the scheme `{name}`, which the document does not declare"));
        };
        let paste = |verifier: &str| {
            format!(
                "asks for the scheme `{name}`, and nothing says who verifies it; hint: below `{}:` paste `schemes: {{ {}: {verifier} }}`",
                self.api.0,
                serde_json::Value::from(name),
            )
        };
        let token = || match config.issuers.is_empty() {
            true => {
                paste("{ jwt: ISSUER }")
                    + " and declare `ISSUER` under `issuers`; or `run --openapi` with `--issuer URL`"
            }
            false => paste("{ jwt: ISSUER }"),
        };
        match &scheme.kind {
            SchemeKind::ApiKey { place, name } => key(*place, name).ok_or_else(|| paste("{ api_key: {} }")),
            SchemeKind::Http { scheme, .. } if **scheme == *"basic" => Ok(Auth::Basic(BasicAuth::default())),
            SchemeKind::MutualTls => Ok(Auth::Certificate(CertificateAuth::default())),
            SchemeKind::Http { scheme, .. } if **scheme != *"bearer" => Err(paste("VERIFIER")),
            SchemeKind::Http { .. } | SchemeKind::OAuth2 { .. } => only(config, |_| true).ok_or_else(token),
            SchemeKind::OpenIdConnect { url } => only(config, |issuer| is_at(issuer, url)).ok_or_else(token),
        }
    }
}

/// The tokens of the only issuer there is, if it is the one that can be meant.
fn only(config: &Config, is_meant: impl Fn(&Issuer) -> bool) -> Option<Auth> {
    let mut issuers = config.issuers.iter();
    let (Some((name, issuer)), None) = (issuers.next(), issuers.next()) else { return None };
    let verifier = if issuer.is_asked() { Auth::Token } else { Auth::Jwt };
    is_meant(issuer).then(|| verifier(name.clone()))
}

/// Whether an issuer's configuration is where a document says; one that is not discovered may be anywhere.
fn is_at(issuer: &Issuer, url: &str) -> bool {
    const WELL_KNOWN: &str = "/.well-known/openid-configuration";
    let plain = |url: &str| url.strip_suffix(WELL_KNOWN).unwrap_or(url).trim_end_matches('/').to_owned();
    issuer.openid.as_ref().is_none_or(|own| plain(own) == plain(url))
}

fn key(place: ParameterPlace, name: &str) -> Option<Auth> {
    let name = Some(name.to_owned());
    let auth = match place {
        ParameterPlace::Header => ApiKeyAuth { header: name, ..ApiKeyAuth::default() },
        ParameterPlace::Query => ApiKeyAuth { query: name, ..ApiKeyAuth::default() },
        ParameterPlace::Cookie => ApiKeyAuth { cookie: name, ..ApiKeyAuth::default() },
        ParameterPlace::Path | ParameterPlace::QueryString => return None,
    };
    Some(Auth::ApiKey(auth))
}

impl Compiler<'_> {
    /// What an operation's `security` asks for; the same object as before where the same is asked for again.
    pub(super) fn secured_expression(
        &mut self,
        secured: Secured<'_>,
        callers: &Arc<Directory>,
    ) -> Result<Arc<Expression>, Unsecured> {
        let asked = secured.asked().ok_or(Unsecured::Silent)?;
        if let Some((api, same, expression)) = &self.last.security
            && **api == *secured.api.0
            && *same == asked
        {
            return Ok(Arc::clone(expression));
        }
        let expression = match &*secured.operation.security {
            Security::Silent => return Err(Unsecured::Silent),
            Security::None { .. } => Expression::anonymous(),
            Security::AnyOf { requirements, span } => {
                self.any_of(secured, requirements, *span, callers).ok_or(Unsecured::Wrong)?
            }
        };
        let expression = Arc::new(expression);
        self.last.security = Some((secured.api.0.into(), asked, Arc::clone(&expression)));
        Ok(expression)
    }

    fn any_of(
        &mut self,
        secured: Secured<'_>,
        requirements: &[Requirement],
        span: Span,
        callers: &Arc<Directory>,
    ) -> Option<Expression> {
        if requirements.iter().all(|requirement| requirement.schemes.is_empty()) {
            return Some(Expression::anonymous());
        }
        self.authenticators.clear();
        let mut all: Vec<Alternative> = Vec::new();
        for requirement in requirements {
            if requirement.schemes.is_empty() {
                let what = "welcomes anonymous callers beside others, so that a credential would be asked for optionally; \
                            hint: take `{}` out of `security`";
                self.wrong_security(secured, requirement.span, what);
                return None;
            }
            all.extend(self.all_of(secured, requirement, callers)?);
            if all.len() > ALTERNATIVES_MAX {
                self.wrong_security(secured, span, "combines into too many alternatives");
                return None;
            }
        }
        Some(Expression::any_of(all))
    }

    /// One requirement: all its schemes, each with its scopes, multiplied out where a verifier has alternatives.
    fn all_of(
        &mut self,
        secured: Secured<'_>,
        requirement: &Requirement,
        callers: &Arc<Directory>,
    ) -> Option<Vec<Alternative>> {
        let bearers = self.bearers(&Auth::AnyOf(secured.verifiers(self.config)));
        let several =
            requirement.schemes.iter().filter_map(|(name, _)| secured.verifier(name, self.config).ok());
        if let Some((what, hint)) = never_together(&several.collect::<Vec<_>>()) {
            self.wrong_security(secured, requirement.span, &format!("{what}; hint: {hint}"));
            return None;
        }
        let mut all: Vec<Alternative> = vec![Vec::new()];
        for (name, scopes) in &requirement.schemes {
            let auth = secured.verifier(name, self.config);
            let auth = auth.map_err(|what| self.wrong_security(secured, requirement.span, &what)).ok()?;
            let at = Pointer::new().key("apis").key(secured.api.0).key("schemes").key(name);
            let verifiers: Alternatives = self.alternatives(&at, &auth, callers, &bearers)?;
            if verifiers.is_empty() || verifiers.iter().any(Vec::is_empty) {
                self.wrong_at(&at, "an empty list lets nobody be proven");
                return None;
            }
            let part = |own: &Arc<_>| Part::new(Arc::clone(own), scopes.clone());
            all = all
                .iter()
                .flat_map(|left| {
                    verifiers.iter().map(|parts| left.iter().cloned().chain(parts.iter().map(part)).collect())
                })
                .take(ALTERNATIVES_MAX.saturating_add(1))
                .collect();
        }
        Some(all)
    }

    /// Notes what is wrong with a `security`; a message may end in `; hint: …`. The same of many operations is said once.
    fn wrong_security(&mut self, secured: Secured<'_>, span: Span, message: &str) {
        let (what, hint) = parted(message);
        let finding = self.loaded.finding_at(secured.own.span(span), &secured.operation.pointer, what);
        let is_new =
            !self.findings.iter().any(|own| own.line == finding.line && own.message == finding.message);
        if is_new {
            self.findings.push(finding.with_hint_if(hint));
        }
    }

    /// What of `schemes` nothing asks for would silently not apply.
    pub(super) fn unused_schemes(
        &mut self,
        at: &Pointer,
        api: &Api,
        own: Option<&ApiDefinition>,
        is_asked: bool,
    ) {
        let Some(schemes) = &api.schemes else { return };
        if !is_asked {
            let what = "verify schemes of the definition, and no operation has `auth: definition`";
            return self.wrong_at(&at.key("schemes"), format!("{what}; hint: write it, or take them out"));
        }
        for name in schemes.keys() {
            if own.is_some_and(|own| !own.definition().schemes.contains_key(name.as_str())) {
                self.wrong_at(&at.key("schemes").key(name), "the definition declares no scheme of this name");
            }
        }
    }
}
