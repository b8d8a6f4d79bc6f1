//! Accepts connections and speaks their wire until they end.
//!
//! Each core has its own listening socket (`SO_REUSEPORT`) and serves what it accepts on its own runtime. Nothing
//! here knows what a request means: heads and bodies go to [`crate::exchange`], replies come back.

pub mod accept;
pub mod http1;
mod http1_body;
mod http1_reply;
