//! Placeholder.
/// p
#[derive(Debug)]
pub struct Canonical;
/// p
#[derive(Debug)]
pub struct Malformed;
