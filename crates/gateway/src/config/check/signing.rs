//! Keys of our own, and where they are published.

use std::time::Duration;

use super::names::{base_path_fault, host_fault};
use super::{Judge, once_each, root};
use crate::config::BackendCredentials;

/// Readers that keep a set for longer keep a lost key for longer, too.
const MAX_AGE_MAX: Duration = Duration::from_secs(86_400);

/// A key is used for longer than this at no time.
const ROTATE_MAX: Duration = Duration::from_secs(366 * 86_400);

/// Longest name of an issuer.
const ISSUER_BYTES_MAX: usize = 256;

pub(super) fn judge(judge: &mut Judge<'_>) {
    let path = root().key("signing");
    let signing = &judge.config.signing;
    let is_plain = signing.issuer.bytes().all(|byte| byte.is_ascii_graphic());
    if signing.issuer.is_empty() || !is_plain || signing.issuer.len() > ISSUER_BYTES_MAX {
        let what = format!("{:?} is no issuer", signing.issuer);
        judge.value(&path.key("issuer"), what, "write a URL such as `https://gateway.example.com`");
    }
    let least = signing.max_age().saturating_mul(3).max(Duration::from_secs(5));
    if signing.rotate.get() < least || signing.rotate.get() > ROTATE_MAX {
        let what = format!("{} is out of range", signing.rotate);
        judge.value(&path.key("rotate"), what, "at least three times `jwks.max_age`, at most 366d");
    }
    let Some(jwks) = &signing.jwks else { return };
    let path = path.key("jwks");
    if jwks.max_age.get() < Duration::from_secs(1) || jwks.max_age.get() > MAX_AGE_MAX {
        judge.value(&path.key("max_age"), format!("{} is out of range", jwks.max_age), "from 1s to 1d");
    }
    if jwks.path == "/" || base_path_fault(&jwks.path).is_some() {
        let hint = base_path_fault(&jwks.path).unwrap_or_default();
        judge.value(&path.key("path"), format!("{:?} is no path of a key set", jwks.path), hint);
    }
    let config = judge.config;
    for (index, name) in jwks.listen.iter().flatten().enumerate() {
        judge.reference(&path.key("listen").index(index), "listener", name, &config.listeners);
    }
    for (key, names) in [("listen", &jwks.listen), ("hosts", &jwks.hosts)] {
        let Some(names) = names else { continue };
        if names.is_empty() {
            judge.value(&path.key(key), "names nothing", "leave it out for the default");
        }
        once_each(judge, &path.key(key), names);
    }
    for (index, host) in jwks.hosts.iter().flatten().enumerate() {
        if let Some(hint) = host_fault(host) {
            judge.value(&path.key("hosts").index(index), format!("{host:?} is no host name"), hint);
        }
    }
    for (name, api) in &config.apis {
        let is_same_host = match (&api.hosts, &jwks.hosts) {
            (None, None) => true,
            (Some(api), Some(own)) => api.iter().any(|host| own.contains(host)),
            _ => false,
        };
        if is_same_host && api.base_path().trim_end_matches('/') == jwks.path {
            let what = format!("is the base path of the API `{name}`");
            judge.value(&path.key("path"), what, "");
        }
    }
}

/// Tokens that nobody can verify.
pub(super) fn remarks(judge: &mut Judge<'_>) {
    let config = judge.config;
    if config.signing.jwks.is_some() {
        return;
    }
    for (name, backend) in &config.backends {
        if let Some((_, at)) = backend.credentials.as_ref().and_then(BackendCredentials::mint) {
            let path = root().key("backends").key(name).key("credentials");
            let path = at.iter().fold(path, |path, key| path.key(key));
            let hint = "write `signing: { jwks: { listen: [LISTENER] } }`";
            judge.key(&path, "signs tokens, and the keys to verify them with are published nowhere", hint);
        }
    }
}
