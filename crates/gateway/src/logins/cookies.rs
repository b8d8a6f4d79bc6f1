//! The gateway's own cookies: their names, and the lines that set them.
//!
//! All begin with [`PREFIX`]. `__Host-` has browsers keep them for exactly this host, over TLS alone (RFC 6265bis
//! §4.1.3.2): no neighbour under the same domain and nobody on the way can plant one. They are for the gateway: no backend
//! gets one, and none may set one.

use portcullis_http1::{Fields, Repeated};

use crate::http::parameters;

/// How every cookie of ours begins.
pub const PREFIX: &str = "__Host-portcullis-";
/// Characters of a name that tell one login under way from another.
pub const TAG_CHARS: usize = 16;

/// The name of the session cookie of the login called `name`.
pub fn session(name: &str) -> String {
    format!("{PREFIX}session-{name}")
}

/// The name of the cookie of one login under way.
pub fn under_way(name: &str, tag: &str) -> String {
    format!("{PREFIX}login-{name}-{tag}")
}

/// Whether a cookie is one of ours.
pub fn is_own(name: &[u8]) -> bool {
    name.starts_with(PREFIX.as_bytes())
}

/// The names of all cookies of logins under way at `name`, in the order in which they came.
pub fn all_under_way(fields: &Fields, name: &str) -> Vec<String> {
    let prefix = under_way(name, "");
    parameters::cookies(fields)
        .filter_map(|(own, _)| std::str::from_utf8(own).ok())
        .filter(|own| own.strip_prefix(&prefix).is_some_and(|tag| tag.len() == TAG_CHARS))
        .map(str::to_owned)
        .collect()
}

/// The value of the one cookie of this name.
///
/// # Errors
/// There is more than one.
pub fn only<'a>(fields: &'a Fields, name: &str) -> Result<Option<&'a [u8]>, Repeated> {
    let mut values = parameters::cookies(fields).filter(|(own, _)| *own == name.as_bytes());
    match (values.next(), values.next()) {
        (found, None) => Ok(found.map(|(_, value)| value)),
        (_, Some(_)) => Err(Repeated),
    }
}

/// A line that has a browser keep a cookie for so many seconds.
pub fn set(name: &str, value: &str, seconds: u64) -> String {
    format!("{name}={value}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={seconds}")
}

/// A line that has a browser forget a cookie.
pub fn forget(name: &str) -> String {
    set(name, "", 0)
}
