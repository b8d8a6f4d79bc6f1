//! Everyone who can be proven: keys, users and certificates, each with the proof it gives.
//!
//! A [`Directory`] asks two tables: the one compiled from the configuration, then the one that the store feeds. Both are
//! [`Callers`]. Looking somebody up takes no lock, allocates nothing and never waits: whatever becomes of the store, who
//! was known stays known.
//!
//! The credentials of one consumer are replaced together, and a change copies one of many small parts of a table (see
//! [`table`]), never the hundred thousand entries of the whole.
//!
//! Where a credential stands in a request is the authenticators' business. What else it asks for (a time, an address, a
//! client certificate) is judged here, once for all kinds of credential.

mod known;
mod table;

#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use foldhash::{HashMap, HashMapExt};
use portcullis_identity::sha256::Digest;

pub use self::known::{Bound, Known, Means, Scene, SignersKey, Unproven};
use self::table::{Draft, Table};
use crate::http::holder::Holder;
use crate::pipeline::Proof;

/// A table of callers.
#[derive(Debug, Default)]
pub struct Callers {
    by_key: Table<Digest, Arc<Known>>,
    by_user: Table<Box<str>, Arc<Known>>,
    by_san: Table<Box<str>, Arc<Known>>,
    by_subject: Table<Box<str>, Arc<Known>>,
    by_spiffe: Table<Box<str>, Arc<Known>>,
    by_signer: Table<Box<str>, Arc<Known>>,
    by_consumer: Table<Arc<str>, Arc<[Arc<Known>]>>,
    /// Held by whoever changes the table; nobody who looks somebody up does.
    changing: Mutex<()>,
}

/// What a certificate says of its holder, to look it up by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateName<'a> {
    /// One of its subject alternative names: a DNS name in lower case, a mail address, a URI or an IP address.
    San(&'a str),
    /// Its subject, as RFC 4514 spells it.
    Subject(&'a str),
    /// The one SPIFFE id it bears.
    Spiffe(&'a str),
}

/// All credentials of one consumer.
#[derive(Debug)]
pub struct Entry {
    /// The consumer's name.
    pub consumer: Arc<str>,
    /// Its credentials; none takes the consumer out.
    pub credentials: Vec<Known>,
}

/// A credential that was left out, because what it is proven by proves another one already.
#[derive(Debug, PartialEq, Eq)]
pub struct Taken {
    /// The consumer that was to have it.
    pub consumer: Arc<str>,
    /// The credential's id.
    pub credential: Arc<str>,
}

impl Callers {
    /// A table of these.
    pub fn of(entries: Vec<Entry>) -> (Self, Vec<Taken>) {
        let callers = Self::default();
        let taken = callers.replace(entries);
        (callers, taken)
    }

    /// Replaces all credentials of the consumers named. Says which credentials were left out.
    pub fn replace(&self, entries: Vec<Entry>) -> Vec<Taken> {
        // A panic while it was held leaves whole tables behind: they are swapped, not written into.
        let _turn = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut change = Change::of(self);
        let before: Vec<_> = entries.iter().map(|entry| change.remove(&entry.consumer)).collect();
        let mut taken = Vec::new();
        for (entry, before) in entries.into_iter().zip(before) {
            change.insert(entry, before.as_deref().unwrap_or_default(), &mut taken);
        }
        change.commit();
        taken
    }

    /// How many consumers have a credential here.
    pub fn consumers(&self) -> usize {
        self.by_consumer.len()
    }

    /// Looks at every credential, consumer by consumer, in no order.
    pub fn each(&self, mut look: impl FnMut(&Known)) {
        self.by_consumer.each(|known| known.iter().for_each(|known| look(known)));
    }

    /// Whether this proves somebody.
    fn has(&self, means: &Means) -> bool {
        match means {
            Means::Key(digest) => self.by_key.get(digest, |_| ()),
            Means::Password { user, .. } => self.by_user.get(user, |_| ()),
            Means::San(name) => self.by_san.get(name, |_| ()),
            Means::Subject(name) => self.by_subject.get(name, |_| ()),
            Means::Spiffe(name) => self.by_spiffe.get(name, |_| ()),
            Means::Signer { keyid, .. } => self.by_signer.get(keyid, |_| ()),
        }
        .is_some()
    }

    fn credential<T>(&self, consumer: &Arc<str>, id: &str, look: impl FnOnce(&Arc<Known>) -> T) -> Option<T> {
        let find = |all: &Arc<[Arc<Known>]>| all.iter().find(|known| known.id() == id).map(look);
        self.by_consumer.get(consumer, find).flatten()
    }

    /// The table that has what a certificate says, and that.
    fn by_certificate<'a>(&self, name: CertificateName<'a>) -> (&Table<Box<str>, Arc<Known>>, &'a str) {
        match name {
            CertificateName::San(san) => (&self.by_san, san),
            CertificateName::Subject(subject) => (&self.by_subject, subject),
            CertificateName::Spiffe(id) => (&self.by_spiffe, id),
        }
    }
}

/// A change of all tables of callers, put in place at its end.
struct Change<'a> {
    by_key: Draft<'a, Digest, Arc<Known>>,
    by_user: Draft<'a, Box<str>, Arc<Known>>,
    by_san: Draft<'a, Box<str>, Arc<Known>>,
    by_subject: Draft<'a, Box<str>, Arc<Known>>,
    by_spiffe: Draft<'a, Box<str>, Arc<Known>>,
    by_signer: Draft<'a, Box<str>, Arc<Known>>,
    by_consumer: Draft<'a, Arc<str>, Arc<[Arc<Known>]>>,
}

impl<'a> Change<'a> {
    fn of(callers: &'a Callers) -> Self {
        Self {
            by_key: callers.by_key.draft(),
            by_user: callers.by_user.draft(),
            by_san: callers.by_san.draft(),
            by_subject: callers.by_subject.draft(),
            by_spiffe: callers.by_spiffe.draft(),
            by_signer: callers.by_signer.draft(),
            by_consumer: callers.by_consumer.draft(),
        }
    }

    /// Takes a consumer out, with its credentials.
    fn remove(&mut self, consumer: &Arc<str>) -> Option<Arc<[Arc<Known>]>> {
        let credentials = self.by_consumer.remove(consumer)?;
        for known in credentials.iter() {
            let _ = match known.means() {
                Means::Key(digest) => self.by_key.remove(digest),
                Means::Password { user, .. } => self.by_user.remove(user),
                Means::San(name) => self.by_san.remove(name),
                Means::Subject(name) => self.by_subject.remove(name),
                Means::Spiffe(name) => self.by_spiffe.remove(name),
                Means::Signer { keyid, .. } => self.by_signer.remove(keyid),
            };
        }
        Some(credentials)
    }

    /// Puts a consumer in. What its credentials were used for before is not forgotten.
    fn insert(&mut self, entry: Entry, before: &[Arc<Known>], taken: &mut Vec<Taken>) {
        let mut kept: Vec<Arc<Known>> = Vec::with_capacity(entry.credentials.len());
        for known in entry.credentials {
            if let Some(same) = before.iter().find(|same| same.is_same_as(&known)) {
                known.go_on_from(same);
            }
            let known = Arc::new(known);
            let is_new = match known.means() {
                Means::Key(digest) => self.by_key.insert_new(*digest, &known),
                Means::Password { user, .. } => self.by_user.insert_new(user.clone(), &known),
                Means::San(name) => self.by_san.insert_new(name.clone(), &known),
                Means::Subject(name) => self.by_subject.insert_new(name.clone(), &known),
                Means::Spiffe(name) => self.by_spiffe.insert_new(name.clone(), &known),
                Means::Signer { keyid, .. } => self.by_signer.insert_new(keyid.clone(), &known),
            };
            if is_new {
                kept.push(known);
            } else {
                let (consumer, credential) = (Arc::clone(&entry.consumer), known.id().into());
                taken.push(Taken { consumer, credential });
            }
        }
        if !kept.is_empty() {
            self.by_consumer.insert(entry.consumer, kept.into());
        }
    }

    fn commit(self) {
        self.by_key.commit();
        self.by_user.commit();
        self.by_san.commit();
        self.by_subject.commit();
        self.by_spiffe.commit();
        self.by_signer.commit();
        self.by_consumer.commit();
    }
}

/// Of a certificate that holds, and whose holder is not known here.
pub const NOBODYS: &str = "nobody's";

/// What a holder is looked up by, the most telling first.
fn names(holder: &Holder) -> impl Iterator<Item = CertificateName<'_>> {
    let spiffe = holder.spiffe.as_deref().map(CertificateName::Spiffe);
    let sans = holder.sans.iter().map(|name| CertificateName::San(name));
    spiffe.into_iter().chain(sans).chain(holder.subject.as_deref().map(CertificateName::Subject))
}

/// The callers of the configuration, and those of the store.
#[derive(Debug, Default)]
pub struct Directory {
    file: Callers,
    /// Its keys.
    // PERF: `file` changes no more, so its keys are found without what it takes to read a table that may be swapped.
    file_keys: HashMap<Digest, Arc<Known>>,
    live: Arc<Callers>,
}

impl Directory {
    /// Asks `file` first, then `live`.
    pub fn new(file: Callers, live: Arc<Callers>) -> Self {
        let mut file_keys = HashMap::new();
        file.by_key.each(|known| {
            if let Means::Key(digest) = known.means() {
                file_keys.insert(*digest, Arc::clone(known));
            }
        });
        Self { file, file_keys, live }
    }

    /// Who holds the key of this digest.
    ///
    /// # Errors
    /// Says for the log why nobody is proven.
    pub fn by_key(&self, digest: &Digest, scene: &Scene<'_>) -> Result<Arc<Proof>, Unproven> {
        let prove = |known: &Arc<Known>| known.prove(scene);
        let found = self.file_keys.get(digest).map(prove);
        found.or_else(|| self.live.by_key.get(digest, prove)).unwrap_or(Err(Unproven::Unknown))
    }

    /// The credential of a user, whose password is not judged yet.
    pub fn by_user(&self, user: &str) -> Option<Arc<Known>> {
        let found = self.file.by_user.get(user, Arc::clone);
        found.or_else(|| self.live.by_user.get(user, Arc::clone))
    }

    /// The credential of who signs with the key of this id; no signature is judged yet.
    pub fn by_signer(&self, keyid: &str) -> Option<Arc<Known>> {
        let found = self.file.by_signer.get(keyid, Arc::clone);
        found.or_else(|| self.live.by_signer.get(keyid, Arc::clone))
    }

    /// Who is the holder of a certificate that bears this name; `None` when nobody is.
    pub fn by_certificate(
        &self,
        name: CertificateName<'_>,
        scene: &Scene<'_>,
    ) -> Option<Result<Arc<Proof>, Unproven>> {
        [&self.file, &self.live].into_iter().find_map(|callers| {
            let (table, name) = callers.by_certificate(name);
            table.get(name, |known: &Arc<Known>| known.prove(scene))
        })
    }

    /// Who is the holder of the certificate of the connection; `None` without one.
    ///
    /// # Errors
    /// Says for the log why it proves nobody.
    pub fn by_holder(&self, scene: &Scene<'_>) -> Result<Option<Arc<Proof>>, &'static str> {
        let Some(tls) = scene.peer.tls.as_ref().filter(|tls| !tls.client_certificates.is_empty()) else {
            return Ok(None);
        };
        let holder = tls.holder().ok_or("cannot be read")?;
        if scene.now < holder.begins || holder.ends <= scene.now {
            return Err("over since the handshake");
        }
        let mut proven: Option<Arc<Proof>> = None;
        for name in names(holder) {
            let Some(found) = self.by_certificate(name, scene) else { continue };
            let proof = found.map_err(|why| why.as_str())?;
            match &proven {
                Some(first) if first.consumer.name != proof.consumer.name => {
                    return Err("bears the names of two consumers");
                }
                Some(_) => {}
                None => proven = Some(proof),
            }
        }
        proven.map(Some).ok_or(NOBODYS)
    }

    /// Looks at every credential that can prove somebody, those of the configuration first, consumer by consumer, in no
    /// order.
    pub fn each(&self, mut look: impl FnMut(&Known)) {
        self.file.each(&mut look);
        self.live.each(|known| {
            // What proves somebody in the configuration proves nobody else.
            if !self.file.has(known.means()) {
                look(known);
            }
        });
    }

    /// Whether the credential that gave `proof` still opens `api`: the same credential, with the same scopes. With it the
    /// end of the credential, on the wall clock, if it has one. What an issuer vouched for stands on its own end alone.
    pub fn still_opens(&self, proof: &Proof, api: &str) -> Option<Option<Duration>> {
        let Some(fingerprint) = proof.fingerprint else { return Some(proof.expires) };
        [&self.file, &self.live].into_iter().find_map(|callers| {
            let now = callers
                .credential(&proof.consumer.name, &proof.credential, |known| Arc::clone(known.proof()));
            let now = now.filter(|now| {
                now.fingerprint == Some(fingerprint)
                    && now.scopes == proof.scopes
                    && now.consumer.apis.opens(api)
            })?;
            Some(now.expires)
        })
    }
}

/// A connection from 192.0.2.7, in cleartext.
#[cfg(test)]
pub(crate) fn peer_in_tests() -> crate::http::Peer {
    let local = ([127, 0, 0, 1], 80).into();
    crate::http::Peer { local, ..crate::http::Peer::sample(([192, 0, 2, 7], 40_000).into()) }
}
