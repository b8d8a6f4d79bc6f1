//! The admin API over the network: who asks, before anything else is looked at.
//!
//! Whoever presents nothing, or what does not hold, gets 401 whatever was asked for: a stranger learns no path. Who is known
//! and may not gets 403. Each is an incident. An address whose credentials failed too often within a minute is held back
//! as it is by the listeners, and by a count of its own; a token that holds passes all the same, for nobody guesses 256
//! bits.
//!
//! # Limits
//! [`CONNECTIONS_PER_ADDRESS_MAX`] connections of one address, so that one that is slow leaves places to others; an IPv6
//! client counts by its /64, since it may choose the rest. [`HANDSHAKE_TIMEOUT`] for TLS.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::request::Parts;
use portcullis_gateway::callers::Scene;
use portcullis_gateway::clock;
use portcullis_gateway::http::{Peer, TlsFacts};
use portcullis_gateway::observe::{Evidence, Incident, Observe};
use portcullis_gateway::operators::Stranger;
use portcullis_gateway::pipeline::attempts::{Attempts, Network, held_back};
use portcullis_gateway::pipeline::identified::{CREDENTIAL_INVALID, CREDENTIAL_MISSING};
use portcullis_gateway::problem::{Problem, Severity};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time;

use crate::caller::Caller;
use crate::control::Control;
use crate::reply::{self, Reply};

/// Connections of one address at once; one more is closed.
pub(crate) const CONNECTIONS_PER_ADDRESS_MAX: usize = 16;
/// Time for a handshake.
pub(crate) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// The listener's name in records.
const DOOR: &str = "admin";
/// What is asked for (RFC 6750 §3).
const CHALLENGE: &str = "Bearer realm=\"portcullis-admin\"";

/// A connection, of TLS or not.
pub(crate) trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

/// Shakes hands as the configuration of this moment says. `None`: there is nobody to speak with.
pub(crate) async fn greet(
    stream: TcpStream,
    from: SocketAddr,
    control: &dyn Control,
) -> Option<(Box<dyn Wire>, Arc<Peer>)> {
    let local = stream.local_addr().ok()?;
    let operators = control.operators()?;
    let peer = |tls: Option<TlsFacts>| {
        Arc::new(Peer {
            listener: DOOR.into(),
            address: from,
            local,
            tls: tls.map(Box::new),
            term: Arc::default(),
            way: Default::default(),
        })
    };
    match &operators.tls {
        None => Some((Box::new(stream), peer(None))),
        Some(tls) => {
            // What a client does wrong here is its own to notice.
            let shaken = time::timeout(HANDSHAKE_TIMEOUT, tls.accept(stream)).await.ok()?.ok()?;
            shaken.map(|(stream, facts)| (Box::new(stream) as Box<dyn Wire>, peer(Some(facts))))
        }
    }
}

/// Who asks: an operator, or the answer to whoever is none.
pub(crate) fn admit(
    parts: &Parts,
    peer: &Peer,
    control: &dyn Control,
    attempts: &Attempts,
) -> Result<Caller, Box<Reply>> {
    let Some(operators) = control.operators() else {
        return Err(Box::new(reply::problem(&missing())));
    };
    let scene = Scene { client: peer.ip(), peer, now: clock::wall() };
    let proven = token(parts).and_then(|token| operators.prove(token, &scene));
    let stranger = match proven {
        Ok(operator) => return Ok(Caller::of_network(&operator, peer.ip())),
        Err(stranger) => stranger,
    };
    let observe = control.observe();
    let problem = match stranger {
        Stranger::Silent => missing(),
        Stranger::Refused(reason) => {
            if let Some(left) = attempts.held(peer.ip(), &operators.bounds) {
                held_back(left)
            } else {
                let begins = attempts.failed(peer.ip(), &operators.bounds);
                observe.credential_failed(begins);
                let problem = CREDENTIAL_INVALID.with("the credential is not valid").because(reason);
                problem.field("www-authenticate", format!("{CHALLENGE}, error=\"invalid_token\""))
            }
        }
    };
    tell(&observe, &problem, peer.ip(), None, (parts.method.as_str(), parts.uri.path()));
    Err(Box::new(reply::problem(&problem)))
}

fn missing() -> Problem {
    CREDENTIAL_MISSING.with("an operator proves who it is").field("www-authenticate", CHALLENGE)
}

/// The token that is presented, if one is.
fn token(parts: &Parts) -> Result<Option<&[u8]>, Stranger> {
    let mut fields = parts.headers.get_all(AUTHORIZATION).iter();
    let (Some(field), None) = (fields.next(), fields.next()) else {
        let is_there = parts.headers.contains_key(AUTHORIZATION);
        return if is_there { Err(Stranger::Refused("several at once")) } else { Ok(None) };
    };
    let bytes = field.as_bytes();
    let (scheme, rest) = bytes.split_at_checked(7).ok_or(Stranger::Refused("no token"))?;
    if !scheme.eq_ignore_ascii_case(b"bearer ") {
        return Err(Stranger::Refused("of another scheme"));
    }
    Ok(Some(rest.trim_ascii_start()))
}

/// Tells of a refusal at this door, as every control's are told.
pub(crate) fn tell(
    observe: &Observe,
    problem: &Problem,
    from: IpAddr,
    who: Option<&str>,
    (method, path): (&str, &str),
) {
    let kind = problem.kind();
    let incident = Incident {
        listener: Some(DOOR),
        client: Some(from),
        peer: Some(from),
        consumer: who,
        control: Some(DOOR),
        cause: problem.cause(),
        evidence: Evidence::Request { method, path },
        ..Incident::own(clock::wall(), kind.code, kind.severity.unwrap_or(Severity::Low), "")
    };
    observe.incident(&incident);
}

/// Connections by address, of IPv6 by network.
#[derive(Debug, Default)]
pub(crate) struct Crowd(Mutex<HashMap<Network, usize>>);

/// A place in it, given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    crowd: Arc<Crowd>,
    network: Network,
}

impl Crowd {
    /// A place for one more of this address, if there is one.
    pub(crate) fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let network = Network::of(address);
        let mut open = self.open();
        let count = open.get(&network).copied().unwrap_or_default();
        if count >= CONNECTIONS_PER_ADDRESS_MAX {
            return None;
        }
        open.insert(network, count.saturating_add(1));
        drop(open);
        Some(Place { crowd: Arc::clone(self), network })
    }

    fn open(&self) -> MutexGuard<'_, HashMap<Network, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.crowd.open();
        match open.get_mut(&self.network) {
            Some(count) if *count > 1 => *count = count.saturating_sub(1),
            _ => drop(open.remove(&self.network)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{CONNECTIONS_PER_ADDRESS_MAX, Crowd};

    #[test]
    fn an_address_has_its_places_and_an_ipv6_client_those_of_its_network() {
        for (own, same, other) in [
            ("192.0.2.1", "::ffff:192.0.2.1", "192.0.2.2"),
            ("2001:db8::1", "2001:db8::ffff:1", "2001:db8:0:1::1"),
        ] {
            let crowd = Arc::new(Crowd::default());
            let enter = |address: &str| crowd.enter(address.parse().unwrap());
            let mut places: Vec<_> = (0..CONNECTIONS_PER_ADDRESS_MAX).map(|_| enter(own).unwrap()).collect();
            assert!(enter(same).is_none(), "{same} is {own}");
            assert!(enter(other).is_some(), "{other} is not {own}");
            places.pop();
            assert!(enter(same).is_some(), "{own} gave a place back");
        }
    }
}
