//! What both wires meet in: a head, a body that is pulled, a reply.
//!
//! HTTP/1.1 and HTTP/2 are told apart below this module and nowhere above it. A head keeps what rules need
//! (request line, order, spelling and duplicates of fields); a body is asked for its next piece only when the
//! last one has been passed on, which is all the back-pressure there is.

pub mod authority;
pub mod body;
pub mod canonical;
pub mod claims;
mod connection;
pub mod date;
pub mod deadline;
pub mod ending;
pub mod forwarded;
pub mod frames;
pub mod held;
pub mod holder;
pub mod hops;
pub mod interim;
pub mod io;
pub mod long_read;
mod malformed;
mod names;
pub mod network;
mod octets;
pub mod parameters;
pub mod path;
pub mod peer;
pub mod reading;
pub mod reply;
pub mod response;
pub mod spare;
mod target;
pub mod term;
mod tickets;
pub mod tls;
mod told;
pub mod trace;
pub mod trailers;
pub mod tunnel;
pub mod websocket;

pub use body::{Body, BodyError, Frame, Size, Source};
pub use canonical::{Canonical, Rules, Upgrade};
pub use malformed::Malformed;
pub use network::Network;
pub use peer::{Peer, TlsFacts, Way};
pub use reply::Reply;

use std::fmt;

use portcullis_http1::RequestHead;

/// How a client spoke to the gateway, or to the trusted proxy before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// In cleartext.
    Http,
    /// Over TLS.
    Https,
}

impl Scheme {
    /// As it stands before `://`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port that a URI without one means (RFC 9110 §4.2).
    pub fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A request head as a wire delivered it: framed, bounded, and not yet judged.
#[derive(Debug)]
pub struct Head {
    /// Request line and fields. For HTTP/2 the line is synthesised and `:authority` stands as `host`.
    pub request: RequestHead,
    /// The wire it came over.
    pub wire: Wire,
    /// What the framing says of the body's length.
    pub size: Size,
}

/// The version of HTTP a message came over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
    /// HTTP/2.
    Http2,
}

impl Wire {
    /// The version as access records and `network.protocol.version` name it.
    pub fn version(self) -> &'static str {
        match self {
            Self::Http10 => "1.0",
            Self::Http11 => "1.1",
            Self::Http2 => "2",
        }
    }
}
