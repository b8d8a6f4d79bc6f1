//! One credential: what it is proven by, what it asks for beside, the proof it gives.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use portcullis_identity::jwk::Key;
use portcullis_identity::sha256::{Digest, digest};

use crate::http::Network;
use crate::http::peer::Peer;
use crate::pipeline::Proof;

/// How much later a use must be to be noted: a credential used by all cores is not written by all of them all the time.
const NOTED_AFTER_SECONDS: u64 = 30;

/// A credential.
pub struct Known {
    proof: Arc<Proof>,
    means: Means,
    bound: Bound,
    /// When it was last good, in seconds since 1970; 0: never since this process began.
    used: AtomicU64,
}

/// What a credential is proven by.
#[derive(Clone, PartialEq, Eq)]
pub enum Means {
    /// A key of this SHA-256.
    Key(Digest),
    /// A user's name and password.
    Password {
        /// The name.
        user: Box<str>,
        /// The password's hash, as a PHC string.
        hash: Box<str>,
    },
    /// A certificate with this subject alternative name.
    San(Box<str>),
    /// A certificate of this subject.
    Subject(Box<str>),
    /// A certificate with this SPIFFE id.
    Spiffe(Box<str>),
    /// A key that signs requests.
    Signer {
        /// Its id.
        keyid: Box<str>,
        /// The key.
        key: SignersKey,
    },
}

/// A key that verifies what a caller signs; told from others by its thumbprint.
#[derive(Debug, Clone)]
pub struct SignersKey(pub Arc<Key>);

impl PartialEq for SignersKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.thumbprint() == other.0.thumbprint() && self.0.algorithms().eq(other.0.algorithms())
    }
}

impl Eq for SignersKey {}

/// What a credential asks for beside being presented.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bound {
    /// When it begins to count, on the wall clock since 1970.
    pub not_before: Option<Duration>,
    /// Where it may be presented from; empty: anywhere.
    pub networks: Vec<Network>,
    /// SHA-256 of the client certificate it must be presented with.
    pub certificate: Option<Digest>,
}

/// Where and when a credential is presented.
#[derive(Debug, Clone, Copy)]
pub struct Scene<'a> {
    /// The client's address, as far as trusted proxies can tell.
    pub client: IpAddr,
    /// The connection it came over.
    pub peer: &'a Peer,
    /// The time, since 1970.
    pub now: Duration,
}

/// Why a credential proves nobody. For the log: callers are told one thing for all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unproven {
    /// Nobody holds it.
    Unknown,
    /// It has ended.
    Expired,
    /// It does not count yet.
    NotYet,
    /// It counts only from other addresses.
    Elsewhere,
    /// It counts only with its client certificate.
    WithoutCertificate,
}

impl Unproven {
    /// Words for the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Expired => "expired",
            Self::NotYet => "not valid yet",
            Self::Elsewhere => "presented from an address it is not bound to",
            Self::WithoutCertificate => "presented without the client certificate it is bound to",
        }
    }
}

impl Known {
    /// A credential that gives `proof`, whose fingerprint it sets.
    pub fn new(mut proof: Proof, means: Means, bound: Bound) -> Self {
        proof.fingerprint = Some(means.fingerprint());
        Self { proof: Arc::new(proof), means, bound, used: AtomicU64::new(0) }
    }

    /// The proof, if the credential counts here and now.
    ///
    /// # Errors
    /// Says why it does not.
    pub fn prove(&self, scene: &Scene<'_>) -> Result<Arc<Proof>, Unproven> {
        if self.proof.expires.is_some_and(|expires| expires <= scene.now) {
            return Err(Unproven::Expired);
        }
        self.bound.hold(scene)?;
        let now = scene.now.as_secs();
        // PERF: most requests only read.
        if now.saturating_sub(self.used.load(Ordering::Relaxed)) >= NOTED_AFTER_SECONDS {
            self.used.store(now, Ordering::Relaxed);
        }
        Ok(Arc::clone(&self.proof))
    }

    /// What it gives, judged by nobody.
    pub fn proof(&self) -> &Arc<Proof> {
        &self.proof
    }

    /// Its id within its consumer.
    pub fn id(&self) -> &str {
        &self.proof.credential
    }

    /// What it is proven by.
    pub fn means(&self) -> &Means {
        &self.means
    }

    /// The client certificate it must be presented with, by its digest.
    pub fn certificate(&self) -> Option<&Digest> {
        self.bound.certificate.as_ref()
    }

    /// What it asks for beside being presented.
    pub fn bound(&self) -> &Bound {
        &self.bound
    }

    /// The hash its password must have, as a PHC string.
    pub fn password_hash(&self) -> Option<&str> {
        match &self.means {
            Means::Password { hash, .. } => Some(hash),
            _ => None,
        }
    }

    /// The key that verifies its signatures.
    pub fn signing_key(&self) -> Option<&Key> {
        match &self.means {
            Means::Signer { key, .. } => Some(&key.0),
            _ => None,
        }
    }

    /// When it was last good, in seconds since 1970.
    pub fn used(&self) -> Option<u64> {
        Some(self.used.load(Ordering::Relaxed)).filter(|used| *used > 0)
    }

    /// Whether the other is this one, proven by the same.
    pub(super) fn is_same_as(&self, other: &Self) -> bool {
        self.id() == other.id() && self.means == other.means
    }

    /// Takes over when `before` was last good.
    pub(super) fn go_on_from(&self, before: &Self) {
        self.used.store(before.used.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}

impl Means {
    /// A digest of it: another for whatever else proves a caller.
    fn fingerprint(&self) -> Digest {
        let of = |kind: &str, text: &str| digest(format!("{kind}\0{text}").as_bytes());
        match self {
            Self::Key(digest) => *digest,
            Self::Password { user, hash } => of("password", &format!("{user}\0{hash}")),
            Self::San(name) => of("san", name),
            Self::Subject(name) => of("subject", name),
            Self::Spiffe(name) => of("spiffe", name),
            Self::Signer { keyid, key } => of("signer", &format!("{keyid}\0{}", key.0.thumbprint_text())),
        }
    }
}

impl Bound {
    fn hold(&self, scene: &Scene<'_>) -> Result<(), Unproven> {
        if self.not_before.is_some_and(|begin| begin > scene.now) {
            return Err(Unproven::NotYet);
        }
        if !self.networks.is_empty() && !self.networks.iter().any(|network| network.contains(scene.client)) {
            return Err(Unproven::Elsewhere);
        }
        if let Some(certificate) = &self.certificate
            && !scene.peer.presents(certificate)
        {
            return Err(Unproven::WithoutCertificate);
        }
        Ok(())
    }
}

impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { proof, means, bound, used: _ } = self;
        f.debug_struct("Known")
            .field("proof", proof)
            .field("means", means)
            .field("bound", bound)
            .finish_non_exhaustive()
    }
}

/// Says the kind alone: a password's hash is no secret, but nothing to print either.
impl fmt::Debug for Means {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Key(_) => "Key",
            Self::Password { .. } => "Password",
            Self::San(_) => "San",
            Self::Subject(_) => "Subject",
            Self::Spiffe(_) => "Spiffe",
            Self::Signer { .. } => "Signer",
        })
    }
}
