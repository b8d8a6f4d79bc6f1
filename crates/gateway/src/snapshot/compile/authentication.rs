//! `auth` to an expression of authenticators.

use std::sync::Arc;

use portcullis_openapi::source::Pointer;

use super::Compiler;
use crate::callers::Directory;
use crate::config::{Api, Auth, ClientCertificateMode, ClientCertificates, Listener};
use crate::issuers::Issuer;
use crate::pipeline::Expression;
use crate::pipeline::authentication::{Authenticator, Part};
use crate::policies::api_key::ApiKey;
use crate::policies::basic::Basic;
use crate::policies::certificate::Certificate;
use crate::policies::jwt::Bearer;
use crate::policies::login::LoginSession;
use crate::policies::signature::Signature;

/// An OR of ANDs of authenticators.
pub(super) type Alternatives = Vec<Vec<Arc<dyn Authenticator>>>;

/// Alternatives that one `auth` may multiply out to.
pub(super) const ALTERNATIVES_MAX: usize = 64;

impl Compiler<'_> {
    /// What `auth` at `path` asks for; the same object as before where the same is asked for again.
    pub(super) fn shared_expression(
        &mut self,
        path: &Pointer,
        auth: &Auth,
        callers: &Arc<Directory>,
    ) -> Option<Arc<Expression>> {
        match &self.last.auth {
            Some((same, expression)) if same == auth => Some(Arc::clone(expression)),
            _ => {
                let expression = Arc::new(self.expression(path, auth, callers)?);
                self.last.auth = Some((auth.clone(), Arc::clone(&expression)));
                Some(expression)
            }
        }
    }

    /// What `auth` at `path` asks for.
    fn expression(&mut self, path: &Pointer, auth: &Auth, callers: &Arc<Directory>) -> Option<Expression> {
        if *auth == Auth::None {
            return Some(Expression::anonymous());
        }
        let bearers = self.bearers(auth);
        self.authenticators.clear();
        let alternatives = self.alternatives(path, auth, callers, &bearers)?;
        if alternatives.is_empty() || alternatives.iter().any(Vec::is_empty) {
            self.wrong_at(
                path,
                "an empty list lets nobody be proven; hint: `auth: none` must be written out",
            );
            return None;
        }
        let part = |one| Part::new(one, Vec::new());
        let alternatives = alternatives.into_iter().map(|all| all.into_iter().map(part).collect());
        Some(Expression::any_of(alternatives.collect()))
    }

    /// The issuers whose tokens stand at the one place there is for them.
    pub(super) fn bearers(&self, auth: &Auth) -> Vec<Arc<Issuer>> {
        let named = auth.each().into_iter().filter_map(|one| match one {
            Auth::Jwt(name) | Auth::Token(name) => Some(name),
            _ => None,
        });
        named
            .filter_map(|name| self.issuers.iter().find(|issuer| **issuer.name() == **name).cloned())
            .collect()
    }

    /// `auth` as an OR of ANDs; the tokens of `bearers` stand at one place.
    pub(super) fn alternatives(
        &mut self,
        path: &Pointer,
        auth: &Auth,
        callers: &Arc<Directory>,
        bearers: &[Arc<Issuer>],
    ) -> Option<Alternatives> {
        match auth {
            Auth::AnyOf(several) => {
                let several: Option<Vec<_>> =
                    several.iter().map(|one| self.alternatives(path, one, callers, bearers)).collect();
                Some(several?.into_iter().flatten().collect())
            }
            Auth::AllOf(several) => {
                let mut all: Alternatives = vec![Vec::new()];
                for one in several {
                    let more = self.alternatives(path, one, callers, bearers)?;
                    all = all
                        .iter()
                        .flat_map(|left| more.iter().map(|right| left.iter().chain(right).cloned().collect()))
                        .collect();
                    if all.len() > ALTERNATIVES_MAX {
                        self.wrong_at(path, "combines into too many alternatives");
                        return None;
                    }
                }
                Some(all)
            }
            one => {
                if let Some((_, same)) = self.authenticators.iter().find(|(own, _)| own == one) {
                    return Some(vec![vec![Arc::clone(same)]]);
                }
                let authenticator = self.authenticator(path, one, callers, bearers)?;
                self.authenticators.push((one.clone(), Arc::clone(&authenticator)));
                Some(vec![vec![authenticator]])
            }
        }
    }

    /// Who verifies one statement.
    fn authenticator(
        &mut self,
        path: &Pointer,
        auth: &Auth,
        callers: &Arc<Directory>,
        bearers: &[Arc<Issuer>],
    ) -> Option<Arc<dyn Authenticator>> {
        let callers = Arc::clone(callers);
        Some(match auth {
            Auth::ApiKey(settings) => Arc::new(ApiKey::new(settings, callers)),
            Auth::Signature(settings) => Arc::new(Signature::new(Arc::new(settings.rules()), callers)),
            Auth::Jwt(name) | Auth::Token(name) => {
                // What is wrong with one that was declared has been told.
                let issuer = self.issuers.iter().find(|issuer| **issuer.name() == **name)?;
                Arc::new(Bearer::new(Arc::clone(issuer), bearers))
            }
            Auth::Login(name) => {
                let login = self.logins.iter().find(|login| **login.name() == **name).cloned();
                if login.is_none() {
                    self.wrong_at(path, "names no issuer with `login`");
                }
                Arc::new(LoginSession::new(login?))
            }
            Auth::Certificate(_) => Arc::new(Certificate::new(callers)),
            Auth::Basic(_) => Arc::new(Basic::new(callers, Arc::clone(&self.passwords), self.nobody.clone())),
            Auth::None => {
                let what = "`none` stands alone: an alternative that asks nothing makes the others idle";
                self.wrong_at(path, what);
                return None;
            }
            Auth::Definition => {
                self.wrong_at(path, "`definition` stands alone, and no scheme is verified by it");
                return None;
            }
            // Never asked for: they are no single statement.
            Auth::AnyOf(_) | Auth::AllOf(_) => return None,
        })
    }

    /// Whether every listener of an API asks its clients for certificates, where `auth` looks at them.
    pub(super) fn asks_for_certificates(&mut self, at: &Pointer, api: &Api, auths: &[Auth]) {
        if !auths.iter().flat_map(Auth::each).any(|one| matches!(one, Auth::Certificate(_))) {
            return;
        }
        let published: Vec<(&String, &Listener)> = self
            .config
            .listeners
            .iter()
            .filter(|(name, _)| api.listen.as_ref().is_none_or(|listen| listen.contains(name)))
            .collect();
        for (name, listener) in published {
            let Some(silent) = does_not_ask(listener, api.hosts.as_deref()) else { continue };
            let what =
                format!("looks at client certificates, and listener `{name}` does not ask for them{silent}");
            // Said once of all operations that ask for the same.
            if !self.findings.iter().any(|finding| finding.message == what) {
                let hint = "write `tls: { client_certificates: { mode: request, ca: … } }` there";
                self.wrong_at(&at.key("auth"), format!("{what}; hint: {hint}"));
            }
        }
    }
}

/// Where a listener does not ask clients of these hosts for certificates, in words behind its name.
fn does_not_ask(listener: &Listener, hosts: Option<&[String]>) -> Option<String> {
    let asks = |client: Option<&ClientCertificates>| {
        client.is_some_and(|client| client.mode != ClientCertificateMode::Off)
    };
    let Some(tls) = &listener.tls else { return Some(", since it speaks no TLS".to_owned()) };
    let of_host = |host: &str| {
        let exact = tls.hosts.iter().find(|(name, _)| name.eq_ignore_ascii_case(host));
        let parent = host.split_once('.').map(|(_, parent)| format!("*.{parent}"));
        let covers = |name: &str| parent.as_ref().is_some_and(|parent| parent.eq_ignore_ascii_case(name));
        let own = exact.or_else(|| tls.hosts.iter().find(|(name, _)| covers(name)));
        own.map_or(tls.client_certificates.as_ref(), |(_, own)| Some(&own.client_certificates))
    };
    match hosts {
        None => (!asks(tls.client_certificates.as_ref())).then(String::new),
        Some(hosts) => {
            let silent = hosts.iter().find(|host| !asks(of_host(host)))?;
            Some(format!(" at `{silent}`"))
        }
    }
}
