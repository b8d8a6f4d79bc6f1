//! Consumers and their credentials.

use std::sync::Arc;
use std::time::Duration;

use super::Compiler;
use crate::callers::{Bound, Callers, Directory, Entry, Known, Means, SignersKey};
use crate::config::{Consumer as ConsumerConfig, Credential, Terms};
use crate::http::Network;
use crate::pipeline::consumer::{Consumer, Grant, Proof};
use crate::resources::Resources;

impl Compiler<'_> {
    /// Everyone who can be proven: those of the configuration, and those of the store.
    pub(super) fn callers(&mut self, resources: &Resources) -> Arc<Directory> {
        let entries = self.config.consumers.iter().map(|(name, settings)| {
            let consumer = Arc::new(Consumer { name: name.as_str().into(), apis: grant(settings) });
            let known = settings.credentials.iter().filter_map(|credential| known(&consumer, credential));
            Entry { consumer: Arc::clone(&consumer.name), credentials: known.collect() }
        });
        let (file, taken) = Callers::of(entries.collect());
        for one in taken {
            let message =
                format!("what credential `{}` is proven by proves another one already", one.credential);
            self.wrong(&format!("consumers.{}.credentials", one.consumer), message);
        }
        Arc::new(Directory::new(file, Arc::clone(&resources.callers)))
    }
}

fn grant(settings: &ConsumerConfig) -> Grant {
    if settings.apis.iter().any(|api| api == "*") {
        return Grant::All;
    }
    Grant::Named(settings.apis.iter().map(|api| api.as_str().into()).collect())
}

/// One credential. One that proves nothing was found when the configuration was judged.
fn known(consumer: &Arc<Consumer>, credential: &Credential) -> Option<Known> {
    let Terms { scopes, expires, not_before, addresses, with_certificate } = credential.terms();
    let proof = Proof {
        consumer: Arc::clone(consumer),
        credential: credential.id.as_str().into(),
        scopes: scopes.iter().map(|scope| scope.as_str().into()).collect(),
        expires: expires.map(|end| Duration::from_secs(end.unix_seconds())),
        fingerprint: None,
        claims: None,
        issued: None,
    };
    let networks = addresses.iter().filter_map(|network| Network::new(network.address, network.prefix).ok());
    let bound = Bound {
        not_before: not_before.map(|begin| Duration::from_secs(begin.unix_seconds())),
        networks: networks.collect(),
        certificate: with_certificate.map(|digest| digest.0),
    };
    Some(Known::new(proof, means(credential)?, bound))
}

fn means(credential: &Credential) -> Option<Means> {
    if let Some(key) = &credential.api_key {
        return Some(Means::Key(key.sha256.0));
    }
    if let Some(basic) = &credential.basic {
        let (user, hash) = (basic.user.as_str().into(), basic.password.as_str().into());
        return Some(Means::Password { user, hash });
    }
    if let Some(signature) = &credential.signature {
        let key = SignersKey(Arc::new(signature.key().ok()?));
        return Some(Means::Signer { keyid: signature.keyid.as_str().into(), key });
    }
    let certificate = credential.certificate.as_ref()?;
    match (&certificate.san, &certificate.subject, &certificate.spiffe) {
        (Some(san), _, _) => Some(Means::San(san.as_str().into())),
        (_, Some(subject), _) => Some(Means::Subject(subject.as_str().into())),
        (_, _, Some(id)) => Some(Means::Spiffe(id.as_str().into())),
        (None, None, None) => None,
    }
}
