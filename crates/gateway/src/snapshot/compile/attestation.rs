//! Attestation rules to the policies of operations that ask for them.

use std::sync::Arc;
use std::time::Duration;

use portcullis_identity::algorithm::Algorithm;
use portcullis_identity::base64::decode_standard;
use portcullis_identity::jwk::{Key, KeySet};
use portcullis_identity::jwt::{Kind, Rules};
use portcullis_identity::posture::BINDING_CLAIM;

use super::Compiler;
use crate::config::{Attestation as Rule, AttestationMode, Settings};
use crate::pipeline::Policy;
use crate::policies::attestation::{Attestation, Verifier};

/// How far the service's clock and ours may be apart.
const LEEWAY: Duration = Duration::from_secs(30);

impl Compiler<'_> {
    /// The attestation that `settings` ask for, if they do; `place` is where.
    ///
    /// # Errors
    /// Why there is none although they do.
    pub(super) fn attestation(
        &self,
        settings: &Settings,
        place: Arc<str>,
    ) -> Result<Option<Arc<dyn Policy>>, String> {
        let Some(name) = settings.attestation.as_deref().filter(|name| *name != "none") else {
            return Ok(None);
        };
        let Some(rule) = self.config.attestation.get(name) else {
            return Err(format!("asks for the attestation rule {name:?}, and there is none"));
        };
        Ok(Some(Arc::new(Attestation {
            field: rule.field.to_ascii_lowercase().into(),
            prefix: rule.prefix.as_deref().map(Into::into),
            verifier: self.verifier(rule)?,
            apps: rule.apps.iter().map(|app| app.as_str().into()).collect(),
            binding: rule.binding.iter().map(|field| field.to_ascii_lowercase().into()).collect(),
            binding_claim: rule.binding_claim.as_deref().unwrap_or(BINDING_CLAIM).into(),
            enforces: rule.mode == AttestationMode::Enforce,
            place,
        })))
    }

    fn verifier(&self, rule: &Rule) -> Result<Verifier, String> {
        if let Some(name) = &rule.issuer {
            let issuer = self.issuers.iter().find(|issuer| **issuer.name() == **name);
            return issuer
                .cloned()
                .map(Verifier::Issuer)
                .ok_or_else(|| format!("{name:?} is no issuer that works"));
        }
        let secret = match (&rule.secret, &rule.secret_base64) {
            (Some(secret), _) => secret.expose().as_bytes().to_vec(),
            (None, Some(secret)) => decode_standard(secret.expose().as_bytes()).unwrap_or_default(),
            (None, None) => Vec::new(),
        };
        let key = Key::secret(&secret).and_then(|key| key.limited_to(Some(Algorithm::HS256)));
        let keys = key.and_then(|key| KeySet::new(vec![key])).map_err(|why| why.to_string())?;
        let rules = Rules {
            issuer: rule.iss.as_deref().map(Into::into),
            audiences: None,
            algorithms: Algorithm::HS256.into(),
            kind: Kind::Plain,
            subject: false,
            leeway: LEEWAY,
        };
        Ok(Verifier::Secret(Arc::new(keys), Box::new(rules)))
    }
}
