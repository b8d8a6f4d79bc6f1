//! `auth` and `require`: that somebody was named, and that the expression can be met.

use portcullis_openapi::source::Pointer;

use super::Judge;
use super::names::is_field_name;
use crate::config::Auth;

/// Fields that frame or route a message, or carry something else.
const NOT_FOR_KEYS: &[&str] = &[
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "cookie",
    "te",
    "trailer",
    "upgrade",
    "content-type",
    "expect",
];

/// What to paste where nothing is said about who may call.
pub(super) const PASTE: &str = "paste `auth: { any_of: [{ api_key: {} }] }` to ask for a consumer's key, or `auth: none` to let anybody in";

/// Judges one `auth`.
pub(super) fn judge(judge: &mut Judge<'_>, path: &Pointer, auth: &Auth) {
    expression(judge, path, auth, true);
}

fn expression(judge: &mut Judge<'_>, path: &Pointer, auth: &Auth, alone: bool) {
    match auth {
        Auth::None | Auth::Definition => {
            if !alone {
                let word = if *auth == Auth::None { "none" } else { "definition" };
                let hint = "an alternative that is always met would make the others meaningless";
                judge.value(path, format!("`{word}` stands alone, not among others"), hint);
            }
        }
        Auth::AnyOf(several) => each(judge, &path.key("any_of"), several),
        Auth::AllOf(several) => each(judge, &path.key("all_of"), several),
        Auth::ApiKey(key) => {
            let path = path.key("api_key");
            if let Some(header) = &key.header {
                let path = path.key("header");
                if !is_field_name(header) {
                    judge.value(&path, format!("{header:?} is no field name"), "");
                } else if NOT_FOR_KEYS.iter().any(|name| name.eq_ignore_ascii_case(header)) {
                    judge.value(&path, format!("`{header}` carries something else"), "write `x-api-key`");
                }
            }
            if key.query.as_ref().is_some_and(|name| name.is_empty() || name.contains(char::is_control)) {
                judge.value(&path.key("query"), "is no name of a parameter", "write it without escapes");
            }
            // A cookie's name is a token, as a field's is (RFC 6265 §4.1.1).
            if let Some(cookie) = key.cookie.as_ref().filter(|cookie| !is_field_name(cookie)) {
                judge.value(&path.key("cookie"), format!("{cookie:?} is no name of a cookie"), "");
            }
        }
        Auth::Certificate(_) => {}
        Auth::Jwt(issuer) => {
            let config = judge.config;
            judge.reference(&path.key("jwt"), "issuer", issuer, &config.issuers);
        }
    }
}

fn each(judge: &mut Judge<'_>, path: &Pointer, several: &[Auth]) {
    if several.is_empty() {
        judge.value(path, "names nothing", "");
    }
    for (index, auth) in several.iter().enumerate() {
        let path = path.index(index);
        if several.iter().take(index).any(|before| before == auth) {
            judge.value(&path, "stands here twice", "");
        }
        expression(judge, &path, auth, false);
    }
}
