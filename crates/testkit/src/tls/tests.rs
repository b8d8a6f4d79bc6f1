use std::net::TcpListener;
use std::thread;

use rustls::server::WebPkiClientVerifier;
use rustls::{ServerConfig, ServerConnection};

use super::*;
use crate::Deadline;
use crate::certificates::{Authority, Validity};

/// Serves `connections` TLS clients that must show a certificate of `clients`, if it is given.
fn serve(pair: &Pair, clients: Option<&Authority>, connections: usize) -> SocketAddr {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_safe_default_protocol_versions().expect("versions");
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            let pem = authority.pem();
            roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).expect("PEM")).expect("an authority");
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().expect("a verifier"))
        }
    };
    let chain = vec![CertificateDer::from_pem_slice(pair.certificate.as_bytes()).expect("PEM")];
    let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).expect("a key");
    let mut config = builder.with_single_cert(chain, key).expect("a pair");
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for socket in listener.incoming().take(connections).flatten() {
            let connection = ServerConnection::new(Arc::clone(&config)).expect("a connection");
            let mut stream = StreamOwned::new(connection, socket);
            let mut asked = [0; 4];
            if stream.read_exact(&mut asked).is_ok() {
                drop(stream.write_all(b"pong"));
                stream.conn.send_close_notify();
                drop(stream.flush());
            }
        }
    });
    address
}

/// Connects and plays ping-pong; with TLS 1.3 a refused client certificate shows only then.
fn play(tls: &Tls, address: SocketAddr, name: &str) -> Result<Handshake, String> {
    let (mut client, handshake) = tls.connect(address, name).map_err(|error| error.to_string())?;
    client.send("ping");
    match client.bytes(4, Deadline::soon()) {
        Ok(bytes) if bytes == b"pong" => {}
        other => return Err(format!("{other:?}")),
    }
    client.closed(Deadline::soon())?;
    Ok(handshake)
}

#[test]
fn handshakes_say_what_was_agreed() {
    let authority = Authority::new("test");
    let address = serve(&authority.server(&["gw.test"]), None, 4);
    let tls = Tls::new(&authority.pem(), &Choices { protocols: &["h2", "http/1.1"], ..Choices::default() });
    let first = play(&tls, address, "gw.test").expect("a handshake");
    assert_eq!(
        (first.protocol.as_deref(), first.version, first.is_resumed),
        (Some(&b"http/1.1"[..]), "1.3", false)
    );
    assert!(play(&tls, address, "gw.test").expect("a handshake").is_resumed);
    let old = Tls::new(&authority.pem(), &Choices { old: true, ..Choices::default() });
    assert_eq!(play(&old, address, "gw.test").expect("a handshake").version, "1.2");
    assert!(play(&tls, address, "other.test").is_err());
}

#[test]
fn certificates_are_what_they_say() {
    let (authority, other) = (Authority::new("test"), Authority::new("test"));
    let trusting = Tls::new(&authority.pem(), &Choices::default());
    for validity in [Validity::Past, Validity::Future] {
        let address = serve(&authority.server_valid(&["gw.test"], validity), None, 1);
        assert!(play(&trusting, address, "gw.test").is_err(), "{validity:?}");
    }
    assert!(play(&trusting, serve(&other.server(&["gw.test"]), None, 1), "gw.test").is_err());

    let (ours, theirs) = (authority.client("spiffe://a.test/x"), other.client("spiffe://a.test/x"));
    let past = authority.client_valid("spiffe://a.test/x", Validity::Past);
    let server = authority.server(&["gw.test"]);
    for (client, accepted) in
        [(Some(&ours), true), (Some(&theirs), false), (Some(&past), false), (None, false)]
    {
        let address = serve(&server, Some(&authority), 1);
        let tls = Tls::new(&authority.pem(), &Choices { client, ..Choices::default() });
        assert_eq!(play(&tls, address, "gw.test").is_ok(), accepted, "{client:?}");
    }
    assert!(authority.revoke(&[ours.serial]).contains("X509 CRL") && ours.serial != past.serial);
}
