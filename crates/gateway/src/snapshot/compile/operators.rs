//! Who may operate the gateway over the network.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::Compiler;
use crate::callers::{Bound, Callers, Directory, Entry, Known, Means};
use crate::config::values::{Bind, Network as Written};
use crate::config::{OperatorCredential, Protocol};
use crate::http::Network;
use crate::http::tls::ServerTls;
use crate::operators::Operators;
use crate::pipeline::consumer::{Consumer, Grant, Proof};

impl Compiler<'_> {
    /// Those of `admin.operators`; `None` where the admin API is on a socket alone.
    pub(super) fn operators(&mut self) -> Option<Arc<Operators>> {
        let admin = &self.config.admin;
        let Some(Bind::Tcp(_)) = admin.bind else { return None };
        let entries = admin.operators.iter().map(|(name, operator)| {
            let consumer = Arc::new(Consumer { name: name.as_str().into(), apis: Grant::Named(Vec::new()) });
            let known = operator.credentials.iter().filter_map(|credential| known(&consumer, credential));
            Entry { consumer: Arc::clone(&consumer.name), credentials: known.collect() }
        });
        let (callers, taken) = Callers::of(entries.collect());
        let roles: HashMap<_, _> =
            admin.operators.iter().map(|(name, operator)| (name.as_str().into(), operator.role)).collect();
        let tls = admin.tls.as_ref().map(|tls| ServerTls::new(tls, &[Protocol::Http1], &[]));
        let tls = match tls.transpose() {
            Ok(tls) => tls,
            Err(error) => {
                self.wrong(&format!("admin.tls.{}", error.at), error.what);
                None
            }
        };
        for one in taken {
            let message =
                format!("what credential `{}` is proven by proves another one already", one.credential);
            self.wrong(&format!("admin.operators.{}.credentials", one.consumer), message);
        }
        let directory = Directory::new(callers, Arc::default());
        Some(Arc::new(Operators::new(directory, roles, tls, Arc::clone(&self.bounds))))
    }
}

/// One credential. One that proves nothing was found when the configuration was judged.
fn known(consumer: &Arc<Consumer>, credential: &OperatorCredential) -> Option<Known> {
    let networks = |written: &[Written]| {
        written.iter().filter_map(|network| Network::new(network.address, network.prefix).ok()).collect()
    };
    let (means, expires, bound) = match (&credential.token, &credential.certificate) {
        (Some(token), _) => {
            let bound = Bound {
                not_before: token.not_before.map(|begin| Duration::from_secs(begin.unix_seconds())),
                networks: networks(&token.addresses),
                certificate: None,
            };
            (Means::Key(token.sha256.0), token.expires, bound)
        }
        (None, Some(mapped)) => {
            let (kind, name) = mapped.names().next()?;
            let means = match kind {
                "san" => Means::San(name.into()),
                "subject" => Means::Subject(name.into()),
                _ => Means::Spiffe(name.into()),
            };
            (means, None, Bound { networks: networks(&mapped.addresses), ..Bound::default() })
        }
        (None, None) => return None,
    };
    let proof = Proof {
        consumer: Arc::clone(consumer),
        credential: credential.id.as_str().into(),
        scopes: Arc::default(),
        expires: expires.map(|end| Duration::from_secs(end.unix_seconds())),
        fingerprint: None,
        claims: None,
        issued: None,
    };
    Some(Known::new(proof, means, bound))
}
