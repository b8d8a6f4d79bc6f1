//! A request that nobody sent, judged as if it had come: by the code that judges requests, up to where a backend would be
//! asked.
//!
//! Issuers are asked for their keys, and about a token where that is how it is judged, as the gateway would. Nothing is used up:
//! the session of a login is judged as it is and not renewed, and what the gateway itself answers for a login (the callback, a
//! logout) ends where a backend would be asked. What this
//! process cannot know is what another one remembers: proofs and nonces that were used there, addresses that are held back.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use portcullis_http1::RequestHead;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::{Refused, look};
use crate::chores::Chores;
use crate::config::Loaded;
use crate::exchange;
use crate::http::peer::Way;
use crate::http::{Body, Head, Peer, Size, TlsFacts, Wire};
use crate::observe::{Kept, Observe};
use crate::pipeline::attempts::Attempts;
use crate::pipeline::context::Ground;
use crate::pipeline::room::Room;
use crate::snapshot::Live;
use crate::workers::{Background, Workers};

/// How long the keys of issuers are waited for.
const ISSUERS_PATIENCE: Duration = Duration::from_secs(5);
const ASK_EVERY: Duration = Duration::from_millis(20);

/// A request that nobody sent.
#[derive(Debug)]
pub struct Rehearsal {
    /// Its head.
    pub head: RequestHead,
    /// Its body; an empty one is none.
    pub body: Bytes,
    /// The listener it would come over; `None`: the first.
    pub listener: Option<String>,
    /// The address it would come from.
    pub client: IpAddr,
    /// The client's certificate in DER, as if a handshake had verified it.
    pub certificate: Option<Vec<u8>>,
}

/// The first certificate of a text in PEM, in DER.
pub fn certificate(pem: &[u8]) -> Option<Vec<u8>> {
    CertificateDer::from_pem_slice(pem).ok().map(|certificate| certificate.to_vec())
}

/// What would become of a request by a configuration. Nothing is served, and no backend is asked.
///
/// # Errors
/// As [`look`].
pub async fn rehearse(
    loaded: &Loaded,
    state: Option<&Path>,
    rehearsal: Rehearsal,
) -> Result<Option<Kept>, Refused> {
    let snapshot = look(loaded, state)?;
    let Rehearsal { head, body, listener, client, certificate } = rehearsal;
    let listener = listener.or_else(|| loaded.config.listeners.keys().next().cloned()).unwrap_or_default();
    let settings = loaded.config.listeners.get(&listener);
    let tls = settings.and_then(|settings| settings.tls.as_ref()).map(|_| {
        Box::new(TlsFacts {
            version: "1.3",
            server_name: server_name(&head),
            client_certificates: certificate.into_iter().collect(),
            ..TlsFacts::default()
        })
    });
    let address = SocketAddr::new(client, 0);
    let peer = Peer {
        listener: listener.into(),
        address,
        local: address,
        tls,
        term: Arc::default(),
        way: Way::default(),
    };
    let ground = Arc::new(Ground {
        observe: Observe::default(),
        memory: Room::new(snapshot.bounds.bodies_in_memory),
        files: Room::new(0),
        requests: Room::new(1),
        attempts: Attempts::default(),
        inspections: Workers::of_all_cores(),
        looks: Background::of_few(),
        spool: None,
    });
    let chores = Chores::start().map_err(|error: io::Error| Refused::System(error))?;
    snapshot.begin_issuers(&chores, &ground, None);
    let live = Arc::new(Live::new(snapshot, ground));
    // One whose keys do not come is told of by what becomes of the request.
    let _ = tokio::time::timeout(ISSUERS_PATIENCE, keys(&live)).await;
    let size = if body.is_empty() { Size::None } else { Size::Exactly(body.len() as u64) };
    let body = if body.is_empty() { Body::Empty } else { Body::from_bytes(body) };
    let head = Head { request: head, wire: Wire::Http11, size };
    Ok(exchange::rehearse(head, body, &live, &Arc::new(peer)).await)
}

/// The name a client asks for at the handshake: that of the host, without its port.
fn server_name(head: &RequestHead) -> Option<Arc<str>> {
    let host = std::str::from_utf8(head.fields.only("host").ok()??).ok()?;
    let name = host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
    Some(name.map_or(host, |(name, _)| name).to_ascii_lowercase().into())
}

/// Until every issuer has keys.
async fn keys(live: &Live) {
    while live.snapshot().issuer_facts().iter().any(|facts| facts.keys == Some(0) && facts.failure.is_none())
    {
        tokio::time::sleep(ASK_EVERY).await;
    }
}
