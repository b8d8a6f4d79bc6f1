//! A certificate that comes while the gateway runs, and the proofs that its names are ours.
//!
//! Whoever obtains it puts it here; handshakes take the one of their moment. An authority that wants to see that a name leads
//! to us looks either at a handshake that asks for `acme-tls/1` and nothing else (RFC 8737), or at one path in cleartext
//! (RFC 8555 §8.3). Either proof is for one name and there only while its [`Proving`] is held.
//!
//! # Threats
//! Anybody may ask for a proof; it says what the authority gave us and nothing else. A connection that asked for one is closed
//! after its handshake: no request comes over it.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::{default_provider, sign::any_supported_type};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::Certificate;

/// The protocol of a handshake that looks for a proof, and the only one it offers (RFC 8737 §3).
const PROTOCOL: &[u8] = b"acme-tls/1";
/// Where a proof lies in cleartext.
const PLACE: &str = "/.well-known/acme-challenge/";

/// One certificate, as it is at this moment, for names that do not change.
#[derive(Debug)]
pub struct Managed {
    names: Vec<Box<str>>,
    current: ArcSwapOption<Certificate>,
    proof: ArcSwapOption<Proof>,
}

/// What is shown to whoever looks whether `name` leads to us.
#[derive(Debug)]
struct Proof {
    name: Box<str>,
    shown: Shown,
}

#[derive(Debug)]
enum Shown {
    Handshake(Arc<ServerConfig>),
    Answer { path: Box<str>, content: Bytes },
}

/// A proof is shown until this is dropped.
#[derive(Debug)]
#[must_use]
pub struct Proving(Arc<Managed>);

/// The one certificate of a handshake that is a proof.
#[derive(Debug)]
struct Only(Arc<CertifiedKey>);

impl Managed {
    /// None yet, for these names.
    pub fn new(names: Vec<Box<str>>) -> Self {
        Self { names, current: ArcSwapOption::empty(), proof: ArcSwapOption::empty() }
    }

    /// The names it is for.
    pub fn names(&self) -> &[Box<str>] {
        &self.names
    }

    /// The certificate of this moment.
    pub fn current(&self) -> Option<Arc<Certificate>> {
        self.current.load_full()
    }

    /// Handshakes take this one from now on; whoever is connected stays so.
    pub fn put(&self, certificate: Arc<Certificate>) {
        self.current.store(Some(certificate));
    }

    /// Shows `chain` to whoever asks for a proof of `name` by a handshake.
    ///
    /// # Errors
    /// The certificate or the key cannot be used.
    pub fn prove_by_handshake(
        self: &Arc<Self>,
        name: &str,
        chain: CertificateDer<'static>,
        key: &PrivateKeyDer<'static>,
    ) -> Result<Proving, rustls::Error> {
        let key = CertifiedKey::new(vec![chain], any_supported_type(key)?);
        let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()));
        let builder = builder.with_safe_default_protocol_versions()?.with_no_client_auth();
        let mut config = builder.with_cert_resolver(Arc::new(Only(Arc::new(key))));
        config.alpn_protocols = vec![PROTOCOL.to_vec()];
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(self.show(name, Shown::Handshake(Arc::new(config))))
    }

    /// Answers `content` to whoever asks for the proof `token` of `name` in cleartext.
    pub fn prove_by_answer(self: &Arc<Self>, name: &str, token: &str, content: String) -> Proving {
        let path = format!("{PLACE}{token}").into();
        self.show(name, Shown::Answer { path, content: content.into() })
    }

    fn show(self: &Arc<Self>, name: &str, shown: Shown) -> Proving {
        self.proof.store(Some(Arc::new(Proof { name: name.into(), shown })));
        Proving(Arc::clone(self))
    }

    /// What answers a handshake that asks for the proof of `name`, if there is one.
    pub(super) fn handshake(&self, name: &str) -> Option<Arc<ServerConfig>> {
        let proof = self.proof.load();
        match proof.as_ref().filter(|proof| *proof.name == *name).map(|proof| &proof.shown) {
            Some(Shown::Handshake(config)) => Some(Arc::clone(config)),
            Some(Shown::Answer { .. }) | None => None,
        }
    }

    /// What answers a request for exactly this path of this host, if that is the proof.
    pub fn answer(&self, host: &str, path: &str) -> Option<Bytes> {
        let proof = self.proof.load();
        match proof.as_ref().filter(|proof| *proof.name == *host).map(|proof| &proof.shown) {
            Some(Shown::Answer { path: own, content }) if **own == *path => Some(content.clone()),
            Some(Shown::Answer { .. } | Shown::Handshake(_)) | None => None,
        }
    }
}

impl Drop for Proving {
    fn drop(&mut self) {
        self.0.proof.store(None);
    }
}

impl ResolvesServerCert for Only {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

/// Whether a handshake looks for a proof: it offers that protocol and no other.
pub(super) fn looks_for_proof(hello: &ClientHello<'_>) -> bool {
    let mut protocols = hello.alpn().into_iter().flatten();
    protocols.next() == Some(PROTOCOL) && protocols.next().is_none()
}
