//! Backends behind TLS: whom we believe, what we present, and where a TLS stream really ends.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use bytes::Bytes;
use http::{Method, StatusCode};
use portcullis_http1::Framing;
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use super::rig::{PATIENCE, Rig, backend, drain, read_head, say, spec};
use crate::http::{Body, BodyError};
use crate::problem::Problem;
use crate::secret::Secret;
use crate::upstream::failure::{BACKEND_UNTRUSTED, Failure};
use crate::upstream::http2::{self, Opened};
use crate::upstream::spec::{BackendSpec, ClientCertificate, Protocol};
use crate::upstream::{Backend, BackendError, TlsError};

type Stream = StreamOwned<ServerConnection, TcpStream>;

/// An authority of our own.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// Certificate and key for `name`, in PEM.
    fn certify(&self, name: &str, purpose: ExtendedKeyUsagePurpose) -> (String, String) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
        params.extended_key_usages = vec![purpose];
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        (certificate.pem(), key.serialize_pem())
    }

    /// A server known as `backend.test`, which asks its clients for certificates of this authority if it `asks`.
    fn server(&self, asks: bool) -> Arc<ServerConfig> {
        let (certificate, key) = self.certify("backend.test", ExtendedKeyUsagePurpose::ServerAuth);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("versions");
        let builder = if asks {
            let mut roots = RootCertStore::empty();
            roots.add(der(&self.pem)).expect("a root");
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().expect("a verifier"))
        } else {
            builder.with_no_client_auth()
        };
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("a key");
        Arc::new(builder.with_single_cert(vec![der(&certificate)], key).expect("a server"))
    }
}

fn der(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate")
}

fn secure(server: Arc<ServerConfig>, serve: impl Fn(Stream) + Send + Sync + 'static) -> u16 {
    backend(move |_, stream| {
        let connection = ServerConnection::new(Arc::clone(&server)).expect("a session");
        serve(StreamOwned::new(connection, stream));
    })
}

/// Answers every request with the server name that was asked for.
fn naming(server: Arc<ServerConfig>) -> u16 {
    secure(server, |mut stream| {
        while read_head(&mut stream).is_some() {
            let name = stream.conn.server_name().unwrap_or("none").to_owned();
            say(&mut stream, &format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{name}", name.len()));
        }
    })
}

fn trusting(authority: &Authority) -> impl Fn(&mut BackendSpec) {
    let pem = authority.pem.clone();
    move |spec| {
        spec.targets[0].is_tls = true;
        spec.tls.ca = Some(pem.clone());
        spec.tls.server_name = Some("backend.test".to_owned());
    }
}

#[tokio::test]
async fn a_backend_of_a_known_authority_is_reached_by_name_and_kept() {
    let authority = Authority::new();
    let mut rig = Rig::with(naming(authority.server(false)), trusting(&authority));
    for _ in 0..3 {
        let incoming = rig.get().await.expect("an answer");
        assert_eq!(drain(incoming.body).await.expect("a body"), b"backend.test");
        assert_eq!(rig.kept(), 1);
    }
}

#[tokio::test]
async fn a_backend_that_cannot_prove_its_name_is_not_asked() {
    let (authority, other) = (Authority::new(), Authority::new());
    let port = naming(authority.server(false));
    let wrong_name = |spec: &mut BackendSpec| {
        trusting(&authority)(spec);
        spec.tls.server_name = Some("elsewhere.test".to_owned());
    };
    let by_address = |spec: &mut BackendSpec| {
        trusting(&authority)(spec);
        spec.tls.server_name = None;
    };
    for mut rig in
        [Rig::with(port, trusting(&other)), Rig::with(port, wrong_name), Rig::with(port, by_address)]
    {
        let failure = rig.get().await.expect_err("untrusted");
        assert!(matches!(failure, Failure::Untrusted(_)), "{failure:?}");
        assert_eq!(Problem::from(failure).kind().status, StatusCode::BAD_GATEWAY);
    }
}

#[tokio::test]
async fn a_backend_without_tls_is_not_asked() {
    let authority = Authority::new();
    let port = backend(|_, mut stream| {
        say(&mut stream, "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
        read_head(&mut stream);
    });
    let failure = Rig::with(port, trusting(&authority)).get().await.expect_err("untrusted");
    assert!(matches!(failure, Failure::Untrusted(_)), "{failure:?}");
}

#[tokio::test]
async fn our_certificate_is_presented_when_asked_for() {
    let authority = Authority::new();
    let port = naming(authority.server(true));
    let (chain, key) = authority.certify("gateway.test", ExtendedKeyUsagePurpose::ClientAuth);
    let mut rig = Rig::with(port, |spec| {
        trusting(&authority)(spec);
        spec.tls.client = Some(ClientCertificate { chain: chain.clone(), key: Secret::new(key.as_str()) });
    });
    assert_eq!(rig.get().await.expect("an answer").head.status, 200);

    let failure = Rig::with(port, trusting(&authority)).get().await.expect_err("no certificate");
    assert_eq!(Problem::from(failure).kind().code, BACKEND_UNTRUSTED.code);
}

#[tokio::test]
async fn an_answer_without_length_ends_only_with_a_proper_close() {
    let authority = Authority::new();
    for is_proper in [true, false] {
        let port = secure(authority.server(false), move |mut stream| {
            read_head(&mut stream);
            say(&mut stream, "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nall of it?");
            if is_proper {
                stream.conn.send_close_notify();
                let _ = stream.flush();
            }
        });
        let mut rig = Rig::with(port, trusting(&authority));
        let body = rig.get().await.expect("an answer").body;
        match (drain(body).await, is_proper) {
            (Ok(all), true) => assert_eq!(all, b"all of it?"),
            (Err((before, error)), false) => {
                assert_eq!(before, b"all of it?");
                assert!(matches!(error, BodyError::Closed), "{error:?}");
            }
            (outcome, _) => panic!("proper: {is_proper}, {outcome:?}"),
        }
    }
}

#[tokio::test]
async fn a_long_body_goes_up_whole() {
    const BYTES: usize = 4 * 1024 * 1024;
    let authority = Authority::new();
    let (report, reported) = sync_channel(1);
    let port = secure(authority.server(false), move |mut stream| {
        read_head(&mut stream);
        let mut body = vec![0; BYTES];
        let read = stream.read_exact(&mut body).is_ok() && body.iter().all(|byte| *byte == b'z');
        let _ = report.send(read);
        say(&mut stream, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        read_head(&mut stream);
    });
    let mut rig = Rig::with(port, trusting(&authority));
    let body = Body::from_bytes(Bytes::from(vec![b'z'; BYTES]));
    let incoming = rig.send(Method::PUT, Framing::Length(BYTES as u64), body).await.expect("an answer");
    assert_eq!(incoming.head.status, 200);
    assert!(reported.recv_timeout(PATIENCE).expect("a report"));
    assert_eq!(rig.kept(), 1);
}

#[test]
fn settings_that_could_never_work_are_refused_at_once() {
    let refused = |change: &dyn Fn(&mut BackendSpec)| {
        let mut spec = spec(443);
        spec.targets[0].is_tls = true;
        change(&mut spec);
        match Backend::new(spec, 1) {
            Err(BackendError::Tls(error)) => error,
            other => panic!("{other:?}"),
        }
    };
    let authority = Authority::new();
    let (chain, key) = authority.certify("gateway.test", ExtendedKeyUsagePurpose::ClientAuth);
    assert!(matches!(refused(&|spec| spec.tls.ca = Some("no PEM".to_owned())), TlsError::NoAuthority));
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(matches!(refused(&|spec| spec.tls.ca = Some(broken.to_owned())), TlsError::Authorities(_)));
    let wrong_key = |spec: &mut BackendSpec| {
        let (_, other) = authority.certify("other.test", ExtendedKeyUsagePurpose::ClientAuth);
        spec.tls.ca = Some(authority.pem.clone());
        spec.tls.client = Some(ClientCertificate { chain: chain.clone(), key: Secret::new(other) });
    };
    assert!(matches!(refused(&wrong_key), TlsError::ClientCertificate(_)));
    let no_chain = |spec: &mut BackendSpec| {
        spec.tls.ca = Some(authority.pem.clone());
        spec.tls.client = Some(ClientCertificate { chain: String::new(), key: Secret::new(key.as_str()) });
    };
    assert!(matches!(refused(&no_chain), TlsError::ClientCertificate(_)));
    let no_name = |spec: &mut BackendSpec| {
        spec.tls.ca = Some(authority.pem.clone());
        spec.tls.server_name = Some("not a name".to_owned());
    };
    assert!(matches!(refused(&no_name), TlsError::ServerName(_)));
}

#[test]
fn equal_settings_are_an_equal_spec() {
    let client = |key: &str| ClientCertificate { chain: "c".to_owned(), key: Secret::new(key) };
    assert_eq!(client("k"), client("k"));
    assert_ne!(client("k"), client("l"));
    assert!(!format!("{:?}", client("hunter2")).contains("hunter2"));
}

#[tokio::test]
async fn what_the_handshake_agrees_on_is_spoken() {
    let authority = Authority::new();
    for (protocol, versions, is_http2) in [
        (Protocol::Auto, &[&b"h2"[..], b"http/1.1"][..], Some(true)),
        (Protocol::Auto, &[b"http/1.1"], Some(false)),
        (Protocol::Auto, &[], Some(false)),
        (Protocol::Http2, &[b"h2"], Some(true)),
        (Protocol::Http2, &[], None),
        (Protocol::Http2, &[b"http/1.1"], None),
    ] {
        let mut server = ServerConfig::clone(&authority.server(false));
        server.alpn_protocols = versions.iter().map(|version| version.to_vec()).collect();
        let port = naming(Arc::new(server));
        let mut spec = spec(port);
        trusting(&authority)(&mut spec);
        spec.protocol = protocol;
        let backend = Backend::new(spec, 1).expect("a backend");
        let target = backend.target().expect("a target");
        let opened = match http2::open(target, PATIENCE).await {
            Ok(Opened::Http2(_)) => Some(true),
            Ok(Opened::Http1(_)) => Some(false),
            Err(_) => None,
        };
        assert_eq!(opened, is_http2, "{protocol:?} {versions:?}");
        if let Some(is_http2) = is_http2 {
            assert_eq!(target.is_known_http1(), !is_http2, "{protocol:?} {versions:?}");
        }
    }
}
