//! Authorizers: settings to specs, specs to those that run already, and to the policies of operations that ask for them.

use std::sync::Arc;
use std::time::Duration;

use super::Compiler;
use crate::authorizers::Authorizer;
use crate::authorizers::spec::{AuthorizerSpec, Speaks, Told};
use crate::config::values;
use crate::config::{Authorizer as Entry, ForwardedFields, OnError, Settings};
use crate::issuers::spec::SharedSecret;
use crate::pipeline::Policy;
use crate::policies::external_authorization::ExternalAuthorization;
use crate::resources::Resources;

/// How long a request waits for an answer: what users of the protocol know.
const TIMEOUT: Duration = Duration::from_millis(200);
/// Questions at once.
const CALLS: u32 = 256;

impl Compiler<'_> {
    /// Every authorizer, in order of the configuration.
    pub(super) fn authorizers(&mut self, resources: &mut Resources) -> Vec<Arc<Authorizer>> {
        let config = self.config;
        let mut authorizers = Vec::new();
        for (name, entry) in &config.authorizers {
            let Some(spec) = self.authorizer_spec(name, entry) else { continue };
            match resources.authorizer(spec) {
                Ok(authorizer) => authorizers.push(authorizer),
                Err(error) => self.wrong(&format!("authorizers.{name}"), error.to_string()),
            }
        }
        authorizers
    }

    fn authorizer_spec(&self, name: &str, entry: &Entry) -> Option<AuthorizerSpec> {
        let lower = |names: &[String]| -> Vec<Box<str>> {
            names.iter().map(|name| name.to_ascii_lowercase().into()).collect()
        };
        let context = entry.context.iter();
        Some(AuthorizerSpec {
            name: name.into(),
            speaks: if entry.http.is_some() { Speaks::Http } else { Speaks::Grpc },
            url: entry.url()?.clone(),
            ca: entry.ca.as_deref().map(Into::into),
            names: self.names(),
            timeout: entry.timeout.map_or(TIMEOUT, values::Duration::get),
            calls: entry.calls.unwrap_or(CALLS) as usize,
            lets_through: entry.on_error == OnError::Allow,
            told: match &entry.fields {
                None | Some(ForwardedFields::Declared) => Told::Named(Vec::new()),
                Some(ForwardedFields::Any) => Told::Any,
                Some(ForwardedFields::Named(names)) => Told::Named(lower(names)),
            },
            tells_credential: entry.credential,
            context: context
                .map(|(name, text)| (name.as_str().into(), SharedSecret::new(text.clone())))
                .collect(),
            to_backend: lower(&entry.to_backend),
            with_answer: lower(&entry.with_answer),
            to_client: lower(&entry.to_client),
        })
    }

    /// The policy of operations with these settings, if they ask for one; `place` is where.
    ///
    /// # Errors
    /// Why there is none although they do.
    pub(super) fn external_authorization(
        &self,
        settings: &Settings,
        place: Arc<str>,
    ) -> Result<Option<Arc<dyn Policy>>, String> {
        let Some(name) = settings.authorize.as_deref().filter(|name| *name != "none") else {
            return Ok(None);
        };
        let authorizer = self.authorizers.iter().find(|authorizer| *authorizer.spec().name == *name);
        let authorizer = authorizer.ok_or_else(|| format!("{name:?} is no authorizer that works"))?;
        Ok(Some(Arc::new(ExternalAuthorization::new(Arc::clone(authorizer), place))))
    }
}
