//! What a connection knows of its other end: addresses and TLS facts.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};

use portcullis_http1::Lines;
use portcullis_identity::sha256::{Digest, digest};

use super::Scheme;
use super::canonical::Canonical;
use super::forwarded;
use super::holder::Holder;
use super::term::Term;
use super::tls::Certificate;

/// The connection a request came over. One per connection, shared by its requests.
#[derive(Debug)]
pub struct Peer {
    /// Name of the listener that accepted it.
    pub listener: Arc<str>,
    /// The sending address: of the socket, or from a PROXY protocol header of a trusted sender.
    pub address: SocketAddr,
    /// The address it reached.
    pub local: SocketAddr,
    /// TLS facts; `None` on cleartext.
    // Boxed: connections in cleartext keep no room for them.
    pub tls: Option<Box<TlsFacts>>,
    /// How long the connection may go on.
    pub term: Arc<Term>,
    /// What backends are told of it, once one was.
    pub way: Way,
}

/// What backends are told of the way of requests that came from the connection's other end and from nowhere else.
// PERF: spelt once a connection; it took 400 instructions a request.
#[derive(Debug, Default)]
pub struct Way(OnceLock<Lines>);

/// What the TLS handshake established.
#[derive(Debug, Default)]
pub struct TlsFacts {
    /// `1.2` or `1.3`.
    pub version: &'static str,
    /// The server name the client asked for, in lower case.
    pub server_name: Option<Arc<str>>,
    /// The certificate we presented.
    pub certificate: Option<Arc<Certificate>>,
    /// The client's certificate chain in DER, leaf first; empty without one.
    pub client_certificates: Vec<Vec<u8>>,
    /// What the first of them says of its holder, once somebody asked.
    pub holder: OnceLock<Option<Holder>>,
    /// The digest of the first of them, once somebody asked.
    pub fingerprint: OnceLock<Option<Digest>>,
}

impl TlsFacts {
    /// What the client's certificate says of its holder; `None` without one that can be read.
    pub fn holder(&self) -> Option<&Holder> {
        let read = || Holder::of(self.client_certificates.first()?);
        self.holder.get_or_init(read).as_ref()
    }

    /// The digest of the client's certificate in DER (RFC 8705 §3.1 `x5t#S256`); `None` without one.
    fn fingerprint(&self) -> Option<&Digest> {
        self.fingerprint.get_or_init(|| self.client_certificates.first().map(|der| digest(der))).as_ref()
    }
}

impl Peer {
    /// The address without its port.
    pub fn ip(&self) -> IpAddr {
        self.address.ip()
    }

    /// Whether the client presented the certificate of this digest.
    pub fn presents(&self, fingerprint: &Digest) -> bool {
        self.tls.as_deref().and_then(TlsFacts::fingerprint) == Some(fingerprint)
    }

    /// What a backend is told of the way of `request`, if it began at the connection's other end.
    pub fn way(&self, request: &Canonical) -> Option<&Lines> {
        let own = self.ip().to_canonical();
        let is_own = matches!(request.client_chain(), [address] if *address == own);
        let is_own = is_own && request.scheme() == self.scheme();
        is_own.then(|| self.way.0.get_or_init(|| forwarded::way(&[own], self.scheme())))
    }

    /// `https` over TLS, else `http`.
    pub fn scheme(&self) -> Scheme {
        if self.tls.is_some() { Scheme::Https } else { Scheme::Http }
    }
}

#[cfg(test)]
impl Peer {
    /// A connection in cleartext from `address` to the listener `public`.
    pub(crate) fn sample(address: SocketAddr) -> Self {
        Self {
            listener: "public".into(),
            address,
            local: address,
            tls: None,
            term: Arc::default(),
            way: Way::default(),
        }
    }
}
