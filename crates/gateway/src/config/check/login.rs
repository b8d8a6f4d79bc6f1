//! Browser login: that there is somebody to log in at, and a way to prove ourselves there.

use portcullis_openapi::source::Pointer;

use super::gateway::keys;
use super::issuers::{cleartext, short, within};
use super::names::is_scope;
use super::{Judge, once_each};
use crate::config::issuer::Issuer;
use crate::config::login::Login;

/// The longest session there can be, in seconds.
const SESSION_MAX: u64 = 30 * 86_400;

/// Judges the login of one issuer.
pub(super) fn judge(judge: &mut Judge<'_>, path: &Pointer, issuer: &Issuer, login: &Login) {
    let at = path.key("login");
    if issuer.openid.is_none() {
        let hint = "users are led to where its discovery document says: write `openid: URL`";
        judge.key(&at, "needs the issuer's `openid`", hint);
    }
    if issuer.introspection.is_some() {
        judge.key(&at, "does not go with `introspection`", "write an issuer of its own for logins");
    }
    short(judge, &at.key("client_id"), &login.client_id);
    match (&login.client_secret, &login.private_key) {
        (None, None) => {
            let hint = "add `client_secret` or `private_key`";
            judge.key(&at, "has nothing to prove itself with at the issuer", hint);
        }
        (Some(_), Some(_)) => {
            judge.key(&at.key("private_key"), "stands beside a `client_secret`", "take one of them");
        }
        _ => {}
    }
    if login.private_key.is_none() && login.private_key_id.is_some() {
        judge.key(&at.key("private_key_id"), "names a key that is not there", "add `private_key`");
    }
    for (index, _) in login.scopes.iter().enumerate().filter(|(_, scope)| !is_scope(scope)) {
        judge.value(&at.key("scopes").index(index), "is no scope", "write each scope as an item of its own");
    }
    for (key, list) in [("scopes", Some(&login.scopes)), ("claims", login.claims.as_ref())] {
        once_each(judge, &at.key(key), list.map(Vec::as_slice).unwrap_or_default());
    }
    within(judge, &at.key("session"), login.session, 60, SESSION_MAX);
    keys(judge, &at.key("cookie_keys"), &login.cookie_keys);
    if let Some(after) = &login.after_logout {
        cleartext(judge, &at.key("after_logout"), after, issuer.cleartext);
    }
}
