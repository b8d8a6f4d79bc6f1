//! TLS toward backends: who may vouch for them, which name they must bear, what we present.
//!
//! A backend is always authenticated; there is no setting to skip it. Session tickets are kept per backend, so
//! a new connection to a known target costs no second exchange of certificates. Early data is never sent: it
//! can be replayed (RFC 8446 §8).

use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, crypto};

use super::spec::TlsSpec;
use crate::fetch::system_authorities;

/// What a handshake with one target needs.
#[derive(Clone, Debug)]
pub(super) struct Tls {
    pub(super) configs: Configs,
    pub(super) name: ServerName<'static>,
}

/// What all handshakes with a backend share, by the versions of HTTP they offer (RFC 7301).
#[derive(Clone, Debug)]
pub(super) struct Configs {
    pub(super) http1: Arc<ClientConfig>,
    pub(super) http2: Arc<ClientConfig>,
    pub(super) either: Arc<ClientConfig>,
}

/// Why no handshake could ever succeed.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// `ca` holds something that is no certificate.
    #[error("`tls.ca` is not a list of certificates in PEM: {0}")]
    Authorities(String),
    /// `ca` holds nothing.
    #[error("`tls.ca` holds no certificate")]
    NoAuthority,
    /// The system trusts nobody.
    #[error("the system has no trusted authorities; name them in `tls.ca`")]
    NoSystemAuthority,
    /// The cryptography at hand speaks no version of TLS that is allowed.
    #[error("no version of TLS can be spoken: {0}")]
    Versions(String),
    /// The chain or the key of the client certificate cannot be used.
    #[error("`tls.client_certificate`: {0}")]
    ClientCertificate(String),
    /// The name is no name that a certificate can bear.
    #[error("`{0}` is no name that a certificate can bear; set `tls.server_name`")]
    ServerName(String),
}

const HTTP1: &[u8] = b"http/1.1";

const HTTP2: &[u8] = b"h2";

/// What all handshakes with a backend share.
pub(super) fn configs(spec: &TlsSpec) -> Result<Configs, TlsError> {
    let config = config(spec)?;
    let offering = |versions: &[&[u8]]| {
        let mut config = config.clone();
        config.alpn_protocols = versions.iter().map(|version| version.to_vec()).collect();
        Arc::new(config)
    };
    Ok(Configs { http1: offering(&[HTTP1]), http2: offering(&[HTTP2]), either: offering(&[HTTP2, HTTP1]) })
}

fn config(spec: &TlsSpec) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError::Versions(error.to_string()))?
        .with_root_certificates(authorities(spec.ca.as_deref())?);
    Ok(match &spec.client {
        None => builder.with_no_client_auth(),
        Some(client) => {
            let chain = certificates(&client.chain).map_err(TlsError::ClientCertificate)?;
            let key = PrivateKeyDer::from_pem_slice(client.key.expose().as_bytes())
                .map_err(|_| TlsError::ClientCertificate("`key` is no private key in PEM".to_owned()))?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|error| TlsError::ClientCertificate(error.to_string()))?
        }
    })
}

/// The name the certificate of `host` must bear, sent as SNI unless it is an address.
pub(super) fn server_name(spec: &TlsSpec, host: &str) -> Result<ServerName<'static>, TlsError> {
    let name = spec.server_name.as_deref().unwrap_or(host);
    ServerName::try_from(name.to_owned()).map_err(|_| TlsError::ServerName(name.to_owned()))
}

fn authorities(pem: Option<&str>) -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    match pem {
        Some(pem) => {
            for certificate in certificates(pem).map_err(TlsError::Authorities)? {
                store.add(certificate).map_err(|error| TlsError::Authorities(error.to_string()))?;
            }
            if store.is_empty() {
                return Err(TlsError::NoAuthority);
            }
        }
        None => {
            store = system_authorities();
            if store.is_empty() {
                return Err(TlsError::NoSystemAuthority);
            }
        }
    }
    Ok(store)
}

fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| "not a certificate in PEM".to_owned())
}
