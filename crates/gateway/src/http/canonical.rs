//! Placeholder.
use http::Method;
use portcullis_http1::Fields;
/// p
#[derive(Debug)]
pub struct Canonical {
    m: Method,
    f: Fields,
    c: std::net::IpAddr,
}
/// p
#[derive(Debug)]
pub struct Malformed;
impl Canonical {
    /// p
    pub fn method(&self) -> &Method {
        &self.m
    }
    /// p
    pub fn host(&self) -> &str {
        ""
    }
    /// p
    pub fn path(&self) -> &str {
        ""
    }
    /// p
    pub fn fields(&self) -> &Fields {
        &self.f
    }
    /// p
    pub fn client(&self) -> std::net::IpAddr {
        self.c
    }
}
