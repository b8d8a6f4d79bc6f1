//! A connection for each request: TLS 1.3 with X25519, which every server has, AES-128-GCM, which every server is to
//! prefer, and a session that is new or resumed.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{
    CipherSuite, ClientConfig, ClientConnection, HandshakeKind, RootCertStore, StreamOwned, version,
};

use super::{Exchange, Figures};

/// How long a server may say nothing.
const PATIENCE: Duration = Duration::from_secs(5);

/// Handshakes on `threads` threads for as long as `time`. A session that is resumed and should not be is wrong, and so
/// is one that is not and should be.
pub(super) fn run(
    address: SocketAddr,
    time: Duration,
    threads: usize,
    certificates: &str,
    resume: bool,
    exchange: &Exchange,
) -> Figures {
    let (numbers, roots) = (AtomicU64::new(0), roots(certificates));
    let began = Instant::now();
    let work = || {
        let client = Client { address, config: config(&roots, resume), exchange, numbers: &numbers };
        client.repeat(began + time, resume)
    };
    let each: Vec<Figures> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().expect("a thread")).collect()
    });
    let took = began.elapsed();
    each.into_iter().fold(Figures { took, ..Figures::default() }, |all, one| Figures {
        answered: all.answered + one.answered,
        wrong: all.wrong + one.wrong,
        resumed: all.resumed + one.resumed,
        ..all
    })
}

/// Whom a file of certificates says to trust.
pub(super) fn roots(certificates: &str) -> Arc<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(certificates).expect("certificates") {
        roots.add(certificate.expect("a certificate")).expect("an authority");
    }
    Arc::new(roots)
}

/// TLS 1.3 with X25519, with sessions that are resumed or none.
pub(super) fn config(roots: &Arc<RootCertStore>, resume: bool) -> Arc<ClientConfig> {
    let provider =
        CryptoProvider { kx_groups: vec![aws_lc_rs::kx_group::X25519], ..aws_lc_rs::default_provider() };
    let builder = ClientConfig::builder_with_provider(Arc::new(provider));
    let builder = builder.with_protocol_versions(&[&version::TLS13]).expect("versions");
    let mut config = builder.with_root_certificates(Arc::clone(roots)).with_no_client_auth();
    if !resume {
        config.resumption = Resumption::disabled();
    }
    Arc::new(config)
}

struct Client<'a> {
    address: SocketAddr,
    config: Arc<ClientConfig>,
    exchange: &'a Exchange,
    numbers: &'a AtomicU64,
}

impl Client<'_> {
    fn repeat(&self, end: Instant, resume: bool) -> Figures {
        let mut figures = Figures::default();
        while Instant::now() < end {
            let kind = self.once();
            // The first session of each thread is new in any case: it brings the first ticket.
            let is_first = figures.answered == 0;
            figures.answered += 1;
            match kind {
                Ok(HandshakeKind::Resumed) if resume => figures.resumed += 1,
                Ok(HandshakeKind::Full) if !resume || is_first => {}
                Ok(_) => figures.wrong += 1,
                Err(error) => {
                    figures.wrong += 1;
                    assert!(figures.wrong < 1000, "a thousand failures, the last one: {error}");
                }
            }
        }
        figures
    }

    /// One connection with one request: opened, answered, closed by the server.
    fn once(&self) -> io::Result<HandshakeKind> {
        let socket = TcpStream::connect(self.address)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let name = ServerName::try_from("localhost").expect("a name");
        let connection = ClientConnection::new(Arc::clone(&self.config), name).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(connection, socket);
        let mut head = String::new();
        self.exchange.request(self.numbers.fetch_add(1, Ordering::Relaxed), &mut head);
        stream.write_all(head.as_bytes())?;
        let mut answer = Vec::with_capacity(4096);
        // Not every server says that it closes; what counts is that the answer is whole.
        if let Err(error) = stream.read_to_end(&mut answer)
            && error.kind() != io::ErrorKind::UnexpectedEof
            && error.kind() != io::ErrorKind::ConnectionReset
        {
            return Err(error);
        }
        match self.exchange.judge(&answer) {
            Ok(Some(length)) if length == answer.len() => {}
            Ok(_) => return Err(io::Error::other("half an answer, or more than one")),
            Err(why) => return Err(io::Error::other(why)),
        }
        let suite = stream.conn.negotiated_cipher_suite().map(|suite| suite.suite());
        if suite != Some(CipherSuite::TLS13_AES_128_GCM_SHA256) {
            return Err(io::Error::other(format!("another cipher suite: {suite:?}")));
        }
        stream.conn.handshake_kind().ok_or_else(|| io::Error::other("no handshake"))
    }
}
