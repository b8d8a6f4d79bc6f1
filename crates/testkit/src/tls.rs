//! TLS for the raw client: what a test wants to choose, and nothing checked that it did not ask for.

#[cfg(test)]
mod tests;

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, ProtocolVersion, RootCertStore, SignatureScheme,
    StreamOwned,
};

pub use rustls::CipherSuite;

use crate::certificates::Pair;
use crate::raw::{self, Client};

/// How a client speaks TLS.
#[derive(Debug, Clone)]
pub struct Tls {
    config: Arc<ClientConfig>,
}

/// What a handshake came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handshake {
    /// The protocol chosen by ALPN.
    pub protocol: Option<Vec<u8>>,
    /// `1.2` or `1.3`.
    pub version: &'static str,
    /// The cipher suite chosen.
    pub suite: Option<CipherSuite>,
    /// Whether an earlier session was resumed.
    pub is_resumed: bool,
    /// Whether the server had said before that it takes early data.
    pub takes_early_data: bool,
    /// The server's certificate, as DER.
    pub certificate: Option<Vec<u8>>,
}

/// Choices for [`Tls::new`].
#[derive(Debug, Clone, Default)]
pub struct Choices<'a> {
    /// Protocols offered, first choice first: `h2`, `http/1.1`.
    pub protocols: &'a [&'a str],
    /// The client's own certificate.
    pub client: Option<&'a Pair>,
    /// Only TLS 1.2.
    pub old: bool,
    /// Cipher suites offered, first choice first; empty: all, in the order of rustls.
    pub suites: &'a [CipherSuite],
}

impl Tls {
    /// A client that trusts the authorities in `pem`. Sessions are remembered between its connections.
    ///
    /// # Panics
    /// When `pem` or the client's certificate cannot be read.
    pub fn new(pem: &str, choices: &Choices<'_>) -> Self {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            roots.add(certificate.expect("a certificate")).expect("an authority");
        }
        let versions: &[&rustls::SupportedProtocolVersion] =
            if choices.old { &[&rustls::version::TLS12] } else { rustls::ALL_VERSIONS };
        let mut provider = rustls::crypto::aws_lc_rs::default_provider();
        if !choices.suites.is_empty() {
            let place = |suite| choices.suites.iter().position(|each| *each == suite);
            provider.cipher_suites.retain(|suite| place(suite.suite()).is_some());
            provider.cipher_suites.sort_by_key(|suite| place(suite.suite()));
        }
        let builder = ClientConfig::builder_with_provider(Arc::new(provider));
        let builder =
            builder.with_protocol_versions(versions).expect("versions").with_root_certificates(roots);
        let mut config = match choices.client {
            None => builder.with_no_client_auth(),
            Some(pair) => {
                let chain = CertificateDer::pem_slice_iter(pair.certificate.as_bytes());
                let chain = chain.collect::<Result<Vec<_>, _>>().expect("a chain");
                let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).expect("a key");
                builder.with_client_auth_cert(chain, key).expect("a pair")
            }
        };
        config.alpn_protocols = choices.protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        config.resumption = Resumption::in_memory_sessions(16);
        config.enable_early_data = true;
        Self { config: Arc::new(config) }
    }

    /// A client that takes whatever certificate it is shown, and sees what that is.
    ///
    /// # Panics
    /// When the library refuses.
    pub fn trusting_anybody(protocols: &[&str]) -> Self {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder =
            builder.expect("versions").dangerous().with_custom_certificate_verifier(Arc::new(Anybody));
        let mut config = builder.with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        Self { config: Arc::new(config) }
    }

    /// Connects to `address` and asks for `name`.
    ///
    /// # Errors
    /// Why the handshake failed.
    pub fn connect(&self, address: SocketAddr, name: &str) -> io::Result<(Client, Handshake)> {
        self.connect_behind(address, b"", name)
    }

    /// Connects to `address`, says `prefix` in cleartext, and asks for `name`.
    ///
    /// # Errors
    /// Why the handshake failed.
    pub fn connect_behind(
        &self,
        address: SocketAddr,
        prefix: &[u8],
        name: &str,
    ) -> io::Result<(Client, Handshake)> {
        let mut socket = TcpStream::connect_timeout(&address, crate::deadline::SOON)?;
        socket.write_all(prefix)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(crate::deadline::SOON))?;
        let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
        let connection = ClientConnection::new(Arc::clone(&self.config), name).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(connection, socket);
        let takes_early_data = stream.conn.early_data().is_some();
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        let handshake = Handshake {
            protocol: stream.conn.alpn_protocol().map(<[u8]>::to_vec),
            version: if stream.conn.protocol_version() == Some(ProtocolVersion::TLSv1_2) {
                "1.2"
            } else {
                "1.3"
            },
            suite: stream.conn.negotiated_cipher_suite().map(|suite| suite.suite()),
            takes_early_data,
            is_resumed: stream.conn.handshake_kind() == Some(rustls::HandshakeKind::Resumed),
            certificate: stream.conn.peer_certificates().and_then(|chain| Some(chain.first()?.to_vec())),
        };
        Ok((Client::over(TlsStream(stream)), handshake))
    }
}

/// Believes everybody.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256, SignatureScheme::RSA_PSS_SHA256]
    }
}

struct TlsStream(StreamOwned<ClientConnection, TcpStream>);

impl Read for TlsStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for TlsStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl raw::Stream for TlsStream {
    fn set_patience(&mut self, patience: Duration) {
        self.0.sock.set_read_timeout(Some(patience)).expect("a socket");
    }

    fn finish(&mut self) {
        self.0.conn.send_close_notify();
        drop(self.0.flush());
        drop(self.0.sock.shutdown(Shutdown::Write));
    }

    fn reset(&mut self) {
        raw::reset(&self.0.sock);
    }
}
