//! Accepts connections and speaks their wire until they end.
//!
//! Each core has its own listening socket (`SO_REUSEPORT`) and serves what it accepts on its own runtime. Nothing
//! here knows what a request means: heads and bodies go to [`crate::exchange`], replies come back.

pub mod accept;
pub mod cores;
pub mod http1;
mod http1_body;
mod http1_reply;
pub mod http2;
mod http2_body;
mod http2_frames;
mod http2_head;
mod http2_ledger;
mod http2_stream;
pub mod opening;
mod pace;
mod proxy_protocol;
pub mod sockets;

#[cfg(test)]
mod scene;
#[cfg(test)]
mod tests;
