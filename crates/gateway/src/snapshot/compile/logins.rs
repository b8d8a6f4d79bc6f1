//! Logins: settings to specs, and what the gateway serves for them in the route tables of the APIs that ask for them.

use std::sync::Arc;
use std::time::Duration;

use portcullis_openapi::matcher::{MatcherBuilder, Methods};
use portcullis_openapi::source::Pointer;
use portcullis_openapi::template::Template;

use super::Compiler;
use crate::bounds::Bounds;
use crate::config::{Api, Auth, BackendCredentials, Login as Settings, values};
use crate::issuers::spec::SharedSecret;
use crate::logins::Login;
use crate::logins::spec::{ClientProof, LoginSpec};
use crate::pipeline::Operation;
use crate::policies::login::{Desk, FORM_BYTES_MAX, LoginDesk};
use crate::resources::Resources;

/// The longest time a session lasts.
const SESSION: Duration = Duration::from_secs(8 * 3_600);
/// What every session keeps of an ID token.
const ALWAYS_KEPT: [&str; 3] = ["iss", "sub", "sid"];

impl Compiler<'_> {
    /// Every login, in order of the configuration.
    pub(super) fn logins(&mut self, resources: &mut Resources) -> Vec<Arc<Login>> {
        let config = self.config;
        let mut logins = Vec::new();
        let exchanges = |own: &BackendCredentials| own.token_exchange.is_some();
        let keeps_token =
            config.backends.values().any(|backend| backend.credentials.as_ref().is_some_and(exchanges));
        for (name, settings) in &config.issuers {
            let Some(login) = &settings.login else { continue };
            let issuer = self.issuers.iter().find(|issuer| **issuer.name() == **name).cloned();
            let Some((issuer, spec)) =
                issuer.zip(spec(name, login, settings.consumer_claim.as_deref(), keeps_token))
            else {
                continue;
            };
            match resources.login(spec, &issuer) {
                Ok(login) => logins.push(login),
                Err(error) => self.wrong(&format!("issuers.{name}.login.private_key"), error.to_string()),
            }
        }
        logins
    }

    /// Takes note of the logins that an operation asks for.
    pub(super) fn note_logins(&mut self, auth: &Auth) {
        for one in auth.each() {
            if let Auth::Login(name) = one
                && let Some(login) = self.logins.iter().find(|login| **login.name() == **name)
                && !self.asked_logins.iter().any(|asked| Arc::ptr_eq(asked, login))
            {
                self.asked_logins.push(Arc::clone(login));
            }
        }
    }

    /// Publishes what the gateway serves for the logins that operations of an API ask for.
    pub(super) fn serve_logins(
        &mut self,
        api_name: &str,
        api: &Api,
        builder: &mut MatcherBuilder<Arc<Operation>>,
        operations: &mut Vec<Arc<Operation>>,
    ) {
        let at = Pointer::new().key("apis").key(api_name);
        let base = api.base_path().trim_end_matches('/');
        for login in std::mem::take(&mut self.asked_logins) {
            for desk in Desk::ALL {
                let path = desk.path(login.name());
                let template = match Template::parse(&format!("{base}{path}")) {
                    Ok(template) => template,
                    Err(error) => {
                        self.wrong_at(&at.key("base_path"), error.to_string());
                        continue;
                    }
                };
                let method = desk.method();
                let operation = self.served(api_name, base, &template, desk, &login);
                match builder.insert(Methods::One(method), template, Arc::clone(&operation)) {
                    Ok(()) => operations.push(operation),
                    Err(_) => self.wrong_at(
                        &at,
                        format!(
                            "declares {base}{path}, which is the gateway's own where `login` is asked for"
                        ),
                    ),
                }
            }
        }
    }

    /// One operation that the gateway serves itself. Whoever calls is judged by what it brings, and nothing goes on.
    fn served(
        &self,
        api: &str,
        base: &str,
        template: &Template,
        desk: Desk,
        login: &Arc<Login>,
    ) -> Arc<Operation> {
        let name = desk.path(login.name()).replace("/.", "");
        let place = self.place(&format!("issuers.{}.login", login.name()));
        let policy = Arc::new(LoginDesk::new(desk, Arc::clone(login)));
        let bounds =
            Bounds { body: FORM_BYTES_MAX, body_in_memory: FORM_BYTES_MAX, ..Bounds::clone(&self.bounds) };
        Arc::new(Operation {
            bounds: Arc::new(bounds),
            base_path: base.into(),
            ..self.ours(api, &name, template.as_str(), &desk.method(), policy, place)
        })
    }
}

/// `None`: there is no way to prove ourselves, which was found when the configuration was judged.
fn spec(name: &str, login: &Settings, consumer_claim: Option<&str>, keeps_token: bool) -> Option<LoginSpec> {
    let shared = |secret: &crate::secret::Secret| SharedSecret::new(secret.clone());
    let proof = match (&login.client_secret, &login.private_key) {
        (Some(secret), _) => ClientProof::Secret(shared(secret)),
        (None, Some(key)) => ClientProof::Key(shared(key), login.private_key_id.as_deref().map(Into::into)),
        (None, None) => return None,
    };
    let others = login.scopes.iter().filter(|scope| *scope != "openid");
    let scopes = std::iter::once("openid").chain(others.map(String::as_str)).map(Into::into).collect();
    // A pointer into a claim keeps the whole of it.
    let consumer = consumer_claim.unwrap_or("sub").trim_start_matches('/');
    let consumer = consumer.split('/').next().unwrap_or_default();
    let claims = login.claims.as_ref().map(|claims| {
        let named = claims.iter().map(String::as_str);
        ALWAYS_KEPT.into_iter().chain([consumer]).chain(named).map(Into::into).collect()
    });
    Some(LoginSpec {
        name: name.into(),
        client_id: login.client_id.as_str().into(),
        proof,
        scopes,
        session: login.session.map_or(SESSION, values::Duration::get),
        claims,
        cookie_keys: login.cookie_keys.iter().map(shared).collect(),
        keeps_token,
        pkce_unannounced: login.pkce_unannounced,
        after_logout: login.after_logout.as_ref().map(|url| url.to_string().into()),
    })
}
