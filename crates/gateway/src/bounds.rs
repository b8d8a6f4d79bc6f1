//! Placeholder.
/// p
#[derive(Debug, Clone)]
pub struct Bounds {
    /// p
    pub body: u64,
    /// p
    pub body_in_memory: u64,
}
