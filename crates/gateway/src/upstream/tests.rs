//! Exchanges with scripted backends: threads with plain sockets that share no code with what they test.

mod answers;
mod bodies;
mod http2;
pub(in crate::upstream) mod rig;
mod tls;
mod waits;
