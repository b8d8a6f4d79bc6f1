//! TLS as the server: which certificate, whose client certificates, which versions.
//!
//! The client's hello is read first; its server name chooses a certificate and, where a host says so, its own
//! rules for client certificates. Each set of rules has a rustls configuration of its own with its own ticket
//! keys, and rustls resumes a session only under the name it was made for: a session made where no client
//! certificate was asked for is never resumed where one is.
//!
//! What is chosen: the certificate that names the host exactly, else by wildcard, the first written of several. A
//! name that no certificate bears is refused (`access_denied`), so that nobody talks to the wrong host by accident;
//! a client that sends no name gets the first certificate. A request for a host outside the certificate of its
//! connection is answered 421 ([`Certificate::covers`]).
//!
//! Of the cipher suites both ends have, AES-128 is chosen before AES-256: it is as strong as the key exchanges (some 128
//! bits), and its handshakes hash with SHA-256, which processors do in hardware, where AES-256 takes SHA-384, a third
//! of what a resumed session costs. A client that names ChaCha20 first has no AES in hardware and gets it.
//!
//! TLS 1.2 and 1.3; early data is off (it can be replayed, RFC 8446 §8). Files are read with the configuration: a
//! change is a reload, and a pair that does not fit leaves the running one in place. A certificate that an authority gives
//! while we run is [`managed`]: its names are refused like strange ones until it is there.

pub mod managed;

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use foldhash::{HashMap, HashMapExt};
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{default_provider, sign::any_supported_type};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{
    Acceptor, ClientHello, NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier,
};
use rustls::sign::CertifiedKey;
use rustls::{CipherSuite, ProtocolVersion, RootCertStore, ServerConfig, version};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{ASN1Time, FromDer, X509Certificate};

use self::managed::Managed;
use super::held::Held;
use super::peer::TlsFacts;
use super::tickets;
use crate::config::{self, ClientCertificateMode, ClientCertificates, ListenerTls, TlsVersion};
use crate::secret::Secret;

/// What a listener needs to answer handshakes.
#[derive(Debug)]
pub struct ServerTls {
    general: Suited,
    by_host: HashMap<Box<str>, Suited>,
    certificates: Arc<Certificates>,
}

/// One set of rules, with whose order of cipher suites decides. Both have the same ticket keys.
#[derive(Debug)]
struct Suited {
    by_our_order: Arc<ServerConfig>,
    by_the_clients: Arc<ServerConfig>,
}

/// A certificate with its key and the names it bears.
#[derive(Debug)]
pub struct Certificate {
    key: Arc<CertifiedKey>,
    names: Vec<Box<str>>,
    begins: Duration,
    ends: Duration,
}

/// The certificates of a listener, in order of the configuration.
#[derive(Debug)]
struct Certificates(Vec<Entry>);

/// A certificate that is there, or one that comes and changes.
#[derive(Debug)]
enum Entry {
    Fixed(Arc<Certificate>),
    Managed(Arc<Managed>),
}

/// Something that cannot be used, and the key under `tls` it stands at.
#[derive(Debug)]
pub struct TlsError {
    /// Path below the listener's `tls`, such as `certificates[0].key`.
    pub at: String,
    /// What is wrong.
    pub what: String,
}

impl ServerTls {
    /// Reads certificates, keys, authorities and revocation lists. Where a certificate comes while we run, `managed` has
    /// it at its place.
    ///
    /// # Errors
    /// The first thing that cannot be used.
    pub fn new(
        settings: &ListenerTls,
        protocols: &[config::Protocol],
        managed: &[Option<Arc<Managed>>],
    ) -> Result<Self, TlsError> {
        let mut certificates = Vec::new();
        for (index, pair) in settings.certificates.iter().enumerate() {
            certificates.push(match managed.get(index) {
                Some(Some(managed)) => Entry::Managed(Arc::clone(managed)),
                Some(None) | None => Entry::Fixed(Arc::new(Certificate::read(pair, index)?)),
            });
        }
        if certificates.is_empty() {
            return Err(wrong("certificates", "at least one certificate is needed"));
        }
        let certificates = Arc::new(Certificates(certificates));
        let build = |client: Option<&ClientCertificates>, at: &str| {
            server_config(settings, protocols, client, &certificates, at)
        };
        let general = build(settings.client_certificates.as_ref(), "client_certificates")?;
        let mut by_host = HashMap::new();
        for (host, own) in &settings.hosts {
            let at = format!("hosts.{host}.client_certificates");
            by_host.insert(host.to_ascii_lowercase().into(), build(Some(&own.client_certificates), &at)?);
        }
        Ok(Self { general, by_host, certificates })
    }

    /// Shakes hands. Nothing comes of a handshake that only looked for the proof that a name is ours.
    ///
    /// # Errors
    /// What the client did or asked for does not do.
    pub async fn accept(&self, stream: TcpStream) -> std::io::Result<Option<(TlsStream<Held>, TlsFacts)>> {
        let hello = LazyConfigAcceptor::new(Acceptor::default(), Held::new(stream)).await?;
        if let Some(config) = self.certificates.proof(&hello.client_hello()) {
            let mut stream = Box::pin(hello.into_stream(config)).await?;
            stream.get_mut().0.release();
            stream.shutdown().await?;
            return Ok(None);
        }
        let name: Option<Arc<str>> =
            hello.client_hello().server_name().map(|name| name.to_ascii_lowercase().into());
        let config = name.as_deref().and_then(|name| self.of_host(name)).unwrap_or(&self.general);
        let config = Arc::clone(config.for_client(&hello.client_hello()));
        // Boxed: rustls' handshake state is large and gone once it is over.
        let mut stream = Box::pin(hello.into_stream(config)).await?;
        let version = match stream.get_ref().1.protocol_version() {
            Some(ProtocolVersion::TLSv1_2) => "1.2",
            _ => "1.3",
        };
        stream.get_mut().0.release();
        if version == "1.2" {
            // The client waits for the server's last message.
            stream.flush().await?;
        }
        let (_, session) = stream.get_ref();
        let facts = TlsFacts {
            version,
            certificate: self.certificates.find(name.as_deref()),
            server_name: name,
            client_certificates: session
                .peer_certificates()
                .map(|chain| chain.iter().map(|certificate| certificate.to_vec()).collect())
                .unwrap_or_default(),
            holder: OnceLock::new(),
            fingerprint: OnceLock::new(),
        };
        Ok(Some((stream, facts)))
    }

    /// Whether a client that shook hands under the name `under` was asked for what one for `host` is asked for. Several
    /// hosts may share a certificate, and only some of them ask for one of the client's.
    pub fn asks_alike(&self, under: Option<&str>, host: &str) -> bool {
        let rules = |name: Option<&str>| name.and_then(|name| self.of_host(name)).unwrap_or(&self.general);
        self.by_host.is_empty() || under == Some(host) || std::ptr::eq(rules(under), rules(Some(host)))
    }

    /// The rules for a host: of its exact name, else of the wildcard that covers it.
    fn of_host(&self, name: &str) -> Option<&Suited> {
        let wildcard = || self.by_host.get(["*.", name.split_once('.')?.1].concat().as_str());
        self.by_host.get(name).or_else(wildcard)
    }
}

impl Suited {
    fn new(config: ServerConfig) -> Self {
        let mut ours = config.clone();
        ours.ignore_client_order = true;
        Self { by_our_order: Arc::new(ours), by_the_clients: Arc::new(config) }
    }

    fn for_client(&self, hello: &ClientHello<'_>) -> &Arc<ServerConfig> {
        // What a client names before all suites may be GREASE (RFC 8701).
        let first = hello.cipher_suites().iter().find(|suite| !matches!(suite, CipherSuite::Unknown(_)));
        match first {
            Some(
                CipherSuite::TLS13_CHACHA20_POLY1305_SHA256
                | CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
                | CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
            ) => &self.by_the_clients,
            _ => &self.by_our_order,
        }
    }
}

impl Certificate {
    fn read(pair: &config::ServerCertificate, index: usize) -> Result<Self, TlsError> {
        let key = pair.key.as_ref().map_or("", Secret::expose);
        Self::from_pem(pair.cert.as_deref().unwrap_or_default(), key).map_err(|error| {
            let TlsError { at, what } = error;
            wrong(format!("certificates[{index}].{at}"), what)
        })
    }

    /// Reads a chain and its key. Where something is wrong is said as `cert` or `key`.
    ///
    /// # Errors
    /// Why they cannot be used together.
    pub fn from_pem(cert: &str, key: &str) -> Result<Self, TlsError> {
        let chain = certificates(cert, "cert")?;
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
            .map_err(|_| wrong("key", "this is no private key in PEM"))?;
        let key =
            any_supported_type(&key).map_err(|_| wrong("key", "this kind of private key cannot be used"))?;
        let Some(leaf) = chain.first() else { return Err(wrong("cert", "holds no certificate")) };
        let (names, begins, ends) =
            about(leaf).ok_or_else(|| wrong("cert", "the certificate cannot be read"))?;
        let key = CertifiedKey::new(chain, key);
        key.keys_match().map_err(|_| wrong("key", "the key does not belong to the certificate"))?;
        Ok(Self { key: Arc::new(key), names, begins, ends })
    }

    /// The names it bears, in lower case.
    pub fn names(&self) -> &[Box<str>] {
        &self.names
    }

    /// From when on it holds, since 1970.
    pub fn begins(&self) -> Duration {
        self.begins
    }

    /// Until when it holds, since 1970.
    pub fn ends(&self) -> Duration {
        self.ends
    }

    /// The chain, leaf first.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.key.cert
    }

    /// Whether the certificate bears `host`: a canonical name, or an address without brackets.
    pub fn covers(&self, host: &str) -> bool {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        self.names.iter().any(|name| **name == *host) || self.covers_by_wildcard(host)
    }

    /// RFC 6125 §6.4.3: the whole leftmost label, and only that.
    fn covers_by_wildcard(&self, host: &str) -> bool {
        by_wildcard(&self.names, host)
    }
}

impl Entry {
    /// The names it is chosen by.
    fn names(&self) -> &[Box<str>] {
        match self {
            Self::Fixed(certificate) => &certificate.names,
            Self::Managed(managed) => managed.names(),
        }
    }

    fn current(&self) -> Option<Arc<Certificate>> {
        match self {
            Self::Fixed(certificate) => Some(Arc::clone(certificate)),
            Self::Managed(managed) => managed.current(),
        }
    }
}

impl Certificates {
    fn find(&self, name: Option<&str>) -> Option<Arc<Certificate>> {
        let Some(name) = name else { return self.0.first()?.current() };
        let exact = |entry: &&Entry| entry.names().iter().any(|own| **own == *name);
        let entry = self.0.iter().find(exact);
        let entry = entry.or_else(|| self.0.iter().find(|entry| by_wildcard(entry.names(), name)))?;
        // One that was obtained for other names before may not bear this one.
        entry.current().filter(|certificate| certificate.covers(name))
    }

    /// What answers a handshake that looks for the proof that its name is ours.
    fn proof(&self, hello: &ClientHello<'_>) -> Option<Arc<ServerConfig>> {
        let mut managed = self.0.iter().filter_map(|entry| match entry {
            Entry::Managed(managed) => Some(managed),
            Entry::Fixed(_) => None,
        });
        let first = managed.next()?;
        if !managed::looks_for_proof(hello) {
            return None;
        }
        let name = hello.server_name()?.to_ascii_lowercase();
        std::iter::once(first).chain(managed).find_map(|managed| managed.handshake(&name))
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().map(str::to_ascii_lowercase);
        self.find(name.as_deref()).map(|certificate| Arc::clone(&certificate.key))
    }
}

fn by_wildcard(names: &[Box<str>], host: &str) -> bool {
    let Some((_, parent)) = host.split_once('.') else { return false };
    names.iter().any(|name| name.strip_prefix("*.") == Some(parent))
}

fn server_config(
    settings: &ListenerTls,
    protocols: &[config::Protocol],
    client: Option<&ClientCertificates>,
    certificates: &Arc<Certificates>,
    at: &str,
) -> Result<Suited, TlsError> {
    let versions: &[_] = match settings.min_version {
        TlsVersion::Tls12 => &[&version::TLS13, &version::TLS12],
        TlsVersion::Tls13 => &[&version::TLS13],
    };
    let builder = ServerConfig::builder_with_provider(Arc::new(provider()))
        .with_protocol_versions(versions)
        .map_err(|error| wrong("min_version", error.to_string()))?;
    let client = client.filter(|client| client.mode != ClientCertificateMode::Off);
    let knows_clients = client.is_some();
    let builder = match client.map(|client| (client, client.mode)) {
        None => builder.with_no_client_auth(),
        Some((client, mode)) => builder.with_client_cert_verifier(verifier(client, mode, at)?),
    };
    let mut config = builder.with_cert_resolver(Arc::clone(certificates) as Arc<dyn ResolvesServerCert>);
    // The server's order decides (RFC 7301 §3.2): HTTP/2 where both ends speak it.
    let spoken = [(config::Protocol::Http2, "h2"), (config::Protocol::Http1, "http/1.1")];
    let spoken = spoken.iter().filter(|(protocol, _)| protocols.contains(protocol));
    config.alpn_protocols = spoken.map(|(_, name)| name.as_bytes().to_vec()).collect();
    if knows_clients {
        // SECURITY: a resumed session brings its certificate along unjudged, expired or revoked as it may be since.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    } else {
        config.ticketer = tickets::ticketer().map_err(|error| wrong(at, error.to_string()))?;
    }
    config.max_early_data_size = 0;
    Ok(Suited::new(config))
}

/// The cryptography, with the cipher suites in our order.
fn provider() -> CryptoProvider {
    let mut provider = default_provider();
    provider.cipher_suites.sort_by_key(|suite| {
        let is_aes_128 = matches!(
            suite.suite(),
            CipherSuite::TLS13_AES_128_GCM_SHA256
                | CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
                | CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
        );
        !is_aes_128
    });
    provider
}

/// Who may vouch for clients, and which of their certificates were taken back.
fn verifier(
    client: &ClientCertificates,
    mode: ClientCertificateMode,
    at: &str,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let at_ca = format!("{at}.ca");
    let mut roots = RootCertStore::empty();
    for authority in certificates(client.ca.as_deref().unwrap_or_default(), &at_ca)? {
        roots.add(authority).map_err(|error| wrong(&*at_ca, error.to_string()))?;
    }
    let mut lists = Vec::new();
    for (index, pem) in client.crl.iter().enumerate() {
        let read: Result<Vec<_>, _> = CertificateRevocationListDer::pem_slice_iter(pem.as_bytes()).collect();
        match read {
            Ok(some) if !some.is_empty() => lists.extend(some),
            _ => return Err(wrong(format!("{at}.crl[{index}]"), "holds no revocation list in PEM")),
        }
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::new(default_provider()));
    let builder = match lists.is_empty() {
        true => builder,
        // An authority without a list of its own vouches as before; a list past its date counts for nothing.
        false => builder.with_crls(lists).allow_unknown_revocation_status().enforce_revocation_expiration(),
    };
    let builder = match mode {
        ClientCertificateMode::Require => builder,
        ClientCertificateMode::Request | ClientCertificateMode::Off => builder.allow_unauthenticated(),
    };
    builder.build().map_err(|error| wrong(at, error.to_string()))
}

fn certificates(pem: &str, at: &str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    match read {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        Ok(_) => Err(wrong(at, "holds no certificate in PEM")),
        Err(error) => Err(wrong(at, format!("this is no list of certificates in PEM: {error}"))),
    }
}

/// The names a certificate bears, in lower case, and when it begins and ends. The subject's common name counts for nothing
/// (RFC 9110 §4.3.4).
fn about(der: &CertificateDer<'_>) -> Option<(Vec<Box<str>>, Duration, Duration)> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let mut names: Vec<Box<str>> = Vec::new();
    if let Ok(Some(alternatives)) = certificate.subject_alternative_name() {
        for name in &alternatives.value.general_names {
            match name {
                GeneralName::DNSName(name) => names.push(name.to_ascii_lowercase().into()),
                GeneralName::IPAddress(bytes) => names.extend(address(bytes)),
                _ => {}
            }
        }
    }
    let since_1970 =
        |time: ASN1Time| Duration::from_secs(u64::try_from(time.timestamp()).unwrap_or_default());
    let validity = certificate.validity();
    Some((names, since_1970(validity.not_before), since_1970(validity.not_after)))
}

fn address(bytes: &[u8]) -> Option<Box<str>> {
    let v4 = <[u8; 4]>::try_from(bytes).map(|octets| std::net::Ipv4Addr::from(octets).to_string());
    let v6 = <[u8; 16]>::try_from(bytes).map(|octets| std::net::Ipv6Addr::from(octets).to_string());
    v4.or(v6).ok().map(Into::into)
}

fn wrong(at: impl Into<String>, what: impl Into<String>) -> TlsError {
    TlsError { at: at.into(), what: what.into() }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}
