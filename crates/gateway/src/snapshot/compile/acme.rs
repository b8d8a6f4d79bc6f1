//! Certificates that authorities give: settings to specs, and specs to those that are there already.

use std::sync::Arc;
use std::time::Duration;

use foldhash::HashMap;

use super::Compiler;
use crate::acme::{ExternalAccount, Spec};
use crate::config::{Acme as Settings, AcmeChallenge, ListenerTls, values};
use crate::http::tls::managed::Managed;
use crate::resources::Resources;
use crate::snapshot::Listening;

/// How long one call to an authority may take.
const TIMEOUT: Duration = Duration::from_secs(10);

impl Compiler<'_> {
    /// What stands in for each certificate of a listener that comes while we run.
    pub(super) fn managed(
        &mut self,
        listener: &str,
        tls: &ListenerTls,
        resources: &mut Resources,
    ) -> Vec<Option<Arc<Managed>>> {
        let mut managed = Vec::new();
        for (index, certificate) in tls.certificates.iter().enumerate() {
            let at = format!("listeners.{listener}.tls.certificates[{index}].acme");
            let acme = certificate.acme.as_ref().map(|settings| resources.acme(self.acme_spec(settings)));
            managed.push(match acme {
                None => None,
                Some(Ok(acme)) => {
                    let own = Arc::clone(acme.managed());
                    if !self.acme.iter().any(|(_, known)| Arc::ptr_eq(known, &acme)) {
                        self.acme.push((at.into(), acme));
                    }
                    Some(own)
                }
                Some(Err(error)) => {
                    self.wrong(&format!("{at}.directory"), error.to_string());
                    // Nothing runs with it; what else is wrong is still found.
                    Some(Arc::new(Managed::new(Vec::new())))
                }
            });
        }
        managed
    }

    fn acme_spec(&self, settings: &Settings) -> Spec {
        Spec {
            directory: settings.directory.clone(),
            names: settings.names.iter().map(|name| name.as_str().into()).collect(),
            email: settings.email.as_deref().map(Into::into),
            challenge: settings.challenge,
            key: settings.key,
            external: settings
                .external_account
                .as_ref()
                .map(|account| ExternalAccount { id: account.id.as_str().into(), key: account.key.clone() }),
            authorities: settings.ca.as_deref().map(Into::into),
            resolve: self.names(),
            timeout: settings.timeout.map_or(TIMEOUT, values::Duration::get),
        }
    }

    /// Has every listener in cleartext answer for the names that are proven so.
    pub(super) fn proofs(&self, listening: &mut HashMap<Arc<str>, Listening>) {
        let all = self.acme.iter().map(|(_, acme)| acme);
        let in_cleartext = all.filter(|acme| acme.spec().challenge == AcmeChallenge::Http01);
        let proofs: Arc<[Arc<Managed>]> = in_cleartext.map(|acme| Arc::clone(acme.managed())).collect();
        if proofs.is_empty() {
            return;
        }
        for one in listening.values_mut().filter(|one| one.opening.tls.is_none()) {
            one.proofs = Some(Arc::clone(&proofs));
        }
    }
}
