//! Consumers and their keys.

use std::sync::Arc;
use std::time::Duration;

use portcullis_identity::api_key::Digest;

use super::Compiler;
use crate::config::Consumer as ConsumerConfig;
use crate::pipeline::consumer::{Consumer, Grant, Proof};
use crate::policies::api_key::Keys;

impl Compiler<'_> {
    /// The table of every API key in the configuration.
    pub(super) fn keys(&mut self) -> Arc<Keys> {
        let mut keys = Keys::default();
        for (name, settings) in &self.config.consumers {
            let consumer = Arc::new(Consumer { name: name.as_str().into(), apis: grant(settings) });
            for (at, credential) in settings.credentials.iter().enumerate() {
                let Some(key) = &credential.api_key else { continue };
                let path = format!("consumers.{name}.credentials[{at}].api_key.sha256");
                let proof = Proof {
                    consumer: Arc::clone(&consumer),
                    credential: credential.id.as_str().into(),
                    scopes: key.scopes.iter().map(|scope| scope.as_str().into()).collect(),
                    expires: key.expires.map(|expires| Duration::from_secs(expires.unix_seconds())),
                };
                if keys.add(Digest::from(key.sha256.0), proof).is_err() {
                    self.wrong(&path, "this key belongs to another credential already");
                }
            }
        }
        Arc::new(keys)
    }
}

fn grant(settings: &ConsumerConfig) -> Grant {
    if settings.apis.iter().any(|api| api == "*") {
        return Grant::All;
    }
    Grant::Named(settings.apis.iter().map(|api| api.as_str().into()).collect())
}
