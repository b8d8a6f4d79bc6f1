//! Placeholder.
use std::time::Duration;
/// p
#[derive(Debug, Clone)]
pub struct Bounds {
    /// p
    pub body: u64,
    /// p
    pub body_in_memory: u64,
    /// p
    pub body_idle: Duration,
    /// p
    pub body_rate: u64,
    /// p
    pub write_idle: Duration,
    /// p
    pub keep_alive: Duration,
    /// p
    pub head_timeout: Duration,
    /// p
    pub requests_per_connection: u32,
}
impl Bounds {
    /// p
    pub fn head_framing(&self) -> portcullis_http1::Bounds {
        portcullis_http1::Bounds::default()
    }
    /// p
    pub fn body_framing(&self) -> portcullis_http1::BodyBounds {
        portcullis_http1::BodyBounds::default()
    }
}
