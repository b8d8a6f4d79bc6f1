//! `auth` to an expression of authenticators.

use std::sync::Arc;

use portcullis_openapi::source::Pointer;

use super::Compiler;
use crate::callers::Directory;
use crate::config::Auth;
use crate::issuers::Issuer;
use crate::pipeline::Expression;
use crate::pipeline::authentication::Authenticator;
use crate::policies::api_key::ApiKey;
use crate::policies::jwt::Bearer;

/// An OR of ANDs of authenticators.
type Alternatives = Vec<Vec<Arc<dyn Authenticator>>>;

/// Alternatives that one `auth` may multiply out to.
const ALTERNATIVES_MAX: usize = 64;

impl Compiler<'_> {
    /// What `auth` at `path` asks for; the same object as before where the same is asked for again.
    pub(super) fn shared_expression(
        &mut self,
        path: &Pointer,
        auth: &Auth,
        callers: &Arc<Directory>,
    ) -> Option<Arc<Expression>> {
        match &self.last_auth {
            Some((same, expression)) if same == auth => Some(Arc::clone(expression)),
            _ => {
                let expression = Arc::new(self.expression(path, auth, callers)?);
                self.last_auth = Some((auth.clone(), Arc::clone(&expression)));
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
        let alternatives = self.alternatives(path, auth, callers, &bearers)?;
        if alternatives.is_empty() || alternatives.iter().any(Vec::is_empty) {
            self.wrong_at(
                path,
                "an empty list lets nobody be proven; hint: `auth: none` must be written out",
            );
            return None;
        }
        Some(Expression::AnyOf(alternatives))
    }

    /// The issuers whose tokens stand at the one place there is for them.
    fn bearers(&self, auth: &Auth) -> Vec<Arc<Issuer>> {
        let named = auth.each().into_iter().filter_map(|one| match one {
            Auth::Jwt(name) | Auth::Token(name) => Some(name),
            _ => None,
        });
        named
            .filter_map(|name| self.issuers.iter().find(|issuer| **issuer.name() == **name).cloned())
            .collect()
    }

    /// `auth` as an OR of ANDs; the tokens of `bearers` stand at one place.
    fn alternatives(
        &mut self,
        path: &Pointer,
        auth: &Auth,
        callers: &Arc<Directory>,
        bearers: &[Arc<Issuer>],
    ) -> Option<Alternatives> {
        match auth {
            Auth::ApiKey(settings) => {
                let authenticator: Arc<dyn Authenticator> =
                    Arc::new(ApiKey::new(settings, Arc::clone(callers)));
                Some(vec![vec![authenticator]])
            }
            Auth::Jwt(name) | Auth::Token(name) => {
                let issuer = self.issuers.iter().find(|issuer| **issuer.name() == **name).cloned();
                // What is wrong with one that was declared has been told.
                let issuer = issuer?;
                let authenticator: Arc<dyn Authenticator> = Arc::new(Bearer::new(issuer, bearers));
                Some(vec![vec![authenticator]])
            }
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
            Auth::None => {
                self.wrong_at(
                    path,
                    "`none` stands alone: an alternative that asks nothing makes the others idle",
                );
                None
            }
            Auth::Definition | Auth::Certificate(_) => {
                self.wrong_at(path, "this way to prove a caller is not built yet");
                None
            }
        }
    }
}
