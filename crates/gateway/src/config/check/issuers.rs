//! Issuers: that each says where its keys come from, once, and nothing that would not apply.

use portcullis_openapi::source::Pointer;

use super::credentials::client_certificate;
use super::listeners::pem;
use super::login;
use super::{Judge, once_each, only_one, root};
use crate::config::issuer::{Introspection, Issuer, SplitToken};
use crate::config::values::{Duration, Url};
use crate::secret::Secret;

/// Algorithms of public keys.
const PUBLIC: &[&str] =
    &["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"];
/// Algorithms of a shared secret, and the least bytes of one (RFC 7518 §3.2).
const SHARED: &[(&str, usize)] = &[("HS256", 32), ("HS384", 48), ("HS512", 64)];

/// Most seconds that two clocks are let be apart.
const LEEWAY_MAX: u64 = 60;
/// Audiences of one issuer.
const AUDIENCES_MAX: usize = 100;

pub(super) fn judge(judge: &mut Judge<'_>) {
    for (name, issuer) in &judge.config.issuers {
        let path = root().key("issuers").key(name);
        source(judge, &path, issuer);
        algorithms(judge, &path, issuer);
        audiences(judge, &path, issuer);
        times(judge, &path, issuer);
        if let Some(login) = &issuer.login {
            login::judge(judge, &path, issuer, login);
        }
        if let Some(introspection) = &issuer.introspection {
            self::introspection(judge, &path, issuer, introspection);
        }
        if let Some(split) = &issuer.split_token {
            split_token(judge, &path, issuer, split);
        }
        if issuer.dpop_nonce && issuer.dpop.is_none() {
            let hint = "add `dpop: required` or `dpop: accepted`";
            judge.key(&path.key("dpop_nonce"), "asks for more of proofs that nobody is told of", hint);
        }
        if let Some(ca) = &issuer.ca {
            pem(judge, &path.key("ca"), ca);
        }
        for (key, text) in [("typ", &issuer.typ), ("consumer_claim", &issuer.consumer_claim)] {
            if let Some(text) = text {
                short(judge, &path.key(key), text);
            }
        }
    }
}

/// A text that is sent or compared, and is there.
pub(super) fn short(judge: &mut Judge<'_>, path: &Pointer, text: &str) {
    if text.is_empty() || text.len() > 256 {
        judge.value(path, "is empty or longer than 256 characters", "");
    }
}

/// Where keys come from: one place.
fn source(judge: &mut Judge<'_>, path: &Pointer, issuer: &Issuer) {
    let keys: Vec<&str> = [
        ("openid", issuer.openid.is_some()),
        ("jwks", issuer.jwks.is_some()),
        ("secret", issuer.secret.is_some()),
    ]
    .into_iter()
    .filter_map(|(key, is_there)| is_there.then_some(key))
    .collect();
    match (keys.as_slice(), &issuer.introspection) {
        ([], None) => {
            let hint = "add `openid: URL`, or `issuer: NAME` with `jwks: FILE-OR-URL`";
            judge.key(path, "says nothing of how its tokens are verified", hint);
        }
        ([first, second, ..], _) => {
            let message = format!("has both `{first}` and `{second}`");
            judge.key(&path.key(second), message, "keys come from one place");
        }
        _ => {}
    }
    match (&issuer.openid, &issuer.issuer) {
        (Some(_), Some(_)) => {
            judge.key(&path.key("issuer"), "is what `openid` says already", "take it out");
        }
        (None, None) if !keys.is_empty() => {
            let hint = "add `issuer:` as its tokens say it in `iss`";
            judge.key(path, "does not say the issuer's name", hint);
        }
        _ => {}
    }
    if issuer.issuer.as_ref().is_some_and(|name| name.is_empty() || name.len() > 1024) {
        judge.value(&path.key("issuer"), "is empty or longer than 1024 characters", "");
    }
    if let Some(openid) = &issuer.openid {
        discovery(judge, &path.key("openid"), openid, issuer.cleartext);
    }
    if let Some(jwks) = issuer.jwks_url() {
        match jwks.parse::<Url>() {
            Ok(url) => cleartext(judge, &path.key("jwks"), &url, issuer.cleartext),
            Err(hint) => judge.value(&path.key("jwks"), format!("{jwks:?} is no URL"), hint),
        }
    }
}

/// The issuer identifier of OpenID Connect Discovery §3: a URL without query and fragment.
fn discovery(judge: &mut Judge<'_>, path: &Pointer, openid: &str, may_be_clear: bool) {
    match openid.parse::<Url>() {
        Err(hint) => judge.value(path, format!("{openid:?} is no URL"), hint),
        Ok(_) if openid.contains('?') => judge.value(path, "an issuer's URL has no query", ""),
        Ok(_) if openid.contains("/.well-known/") => {
            let hint = "write the issuer's URL; where its document is follows from that";
            judge.value(path, "is the URL of a document", hint);
        }
        Ok(url) => cleartext(judge, path, &url, may_be_clear),
    }
}

/// Keys and secrets that travel in cleartext are anybody's.
pub(super) fn cleartext(judge: &mut Judge<'_>, path: &Pointer, url: &Url, may_be_clear: bool) {
    if !url.https && !url.is_loopback() && !may_be_clear {
        let hint = "write `https`; `cleartext: true` at the issuer if nobody else is on the way";
        judge.value(path, "is plain http beyond this machine", hint);
    }
}

fn algorithms(judge: &mut Judge<'_>, path: &Pointer, issuer: &Issuer) {
    let at = path.key("algorithms");
    let shared = |name: &str| SHARED.iter().find(|(shared, _)| *shared == name);
    for (index, name) in issuer.algorithms.iter().flatten().enumerate() {
        let path = at.index(index);
        match (PUBLIC.contains(&name.as_str()), shared(name), &issuer.secret) {
            (true, _, Some(_)) => judge.value(&path, format!("`{name}` has no use for a secret"), ""),
            (true, _, None) | (_, Some(_), Some(_)) => {}
            (_, Some(_), None) => {
                judge.value(&path, format!("`{name}` needs `secret`, and there is none"), "");
            }
            (false, None, _) => {
                let hint = format!("known are {} and HS256, HS384, HS512 with `secret`", PUBLIC.join(", "));
                judge.value(&path, format!("{name:?} is no algorithm that is verified"), hint);
            }
        }
    }
    let named: &[String] = issuer.algorithms.as_deref().unwrap_or_default();
    once_each(judge, &at, named);
    if issuer.algorithms.as_ref().is_some_and(Vec::is_empty) {
        judge.value(&at, "names none, and so no token could pass", "leave it out for those of the keys");
    }
    if let Some(secret) = &issuer.secret {
        let least = named.iter().filter_map(|name| shared(name)).map(|(_, least)| *least).max();
        long_enough(judge, &path.key("secret"), secret, least.unwrap_or(32));
    }
}

fn long_enough(judge: &mut Judge<'_>, path: &Pointer, secret: &Secret, least: usize) {
    if secret.expose().len() < least {
        let hint = "`openssl rand -hex 32` makes one";
        judge.value(path, format!("is shorter than {least} bytes, the size of the hash"), hint);
    }
}

fn audiences(judge: &mut Judge<'_>, path: &Pointer, issuer: &Issuer) {
    let at = path.key("audiences");
    if issuer.audiences.is_empty() && issuer.introspection.is_none() && issuer.login.is_none() {
        let hint = "add `audiences: [NAME]`: a token that is meant for another service must not open ours";
        judge.key(path, "names no audience", hint);
    }
    if issuer.audiences.len() > AUDIENCES_MAX {
        judge.value(&at, format!("has more than {AUDIENCES_MAX}"), "");
    }
    for (index, audience) in issuer.audiences.iter().enumerate() {
        if audience.is_empty() || audience == "*" {
            judge.value(&at.index(index), format!("{audience:?} is no audience"), "");
        }
    }
    once_each(judge, &at, &issuer.audiences);
}

fn times(judge: &mut Judge<'_>, path: &Pointer, issuer: &Issuer) {
    let rows: [(&str, Option<Duration>, u64, u64); 5] = [
        ("leeway", issuer.leeway, 0, LEEWAY_MAX),
        ("refresh", issuer.refresh, 1, 86_400),
        ("cool_down", issuer.cool_down, 1, 3_600),
        ("keep", issuer.keep, 1, 30 * 86_400),
        ("timeout", issuer.timeout, 1, 60),
    ];
    for (key, value, least, most) in rows {
        within(judge, &path.key(key), value, least, most);
    }
    let is_fetched = issuer.openid.is_some() || issuer.jwks_url().is_some();
    let idle = [("refresh", issuer.refresh), ("cool_down", issuer.cool_down), ("keep", issuer.keep)];
    for (key, _) in idle.iter().filter(|(_, value)| value.is_some() && !is_fetched) {
        judge.key(&path.key(key), "is about keys that are fetched, and none are", "take it out");
    }
}

pub(super) fn within(judge: &mut Judge<'_>, path: &Pointer, value: Option<Duration>, least: u64, most: u64) {
    let range = std::time::Duration::from_secs(least)..=std::time::Duration::from_secs(most);
    if value.is_some_and(|value| !range.contains(&value.get())) {
        judge.value(path, "is out of range", format!("from {least}s to {most}s"));
    }
}

fn introspection(judge: &mut Judge<'_>, path: &Pointer, issuer: &Issuer, introspection: &Introspection) {
    let at = path.key("introspection");
    cleartext(judge, &at.key("url"), &introspection.url, issuer.cleartext);
    let has_keys = issuer.openid.is_some() || issuer.jwks.is_some();
    let is_signed = introspection.signed || introspection.as_jwt;
    only_one(judge, &at, &[("signed", introspection.signed), ("as_jwt", introspection.as_jwt)], "");
    if is_signed && !has_keys {
        let key = if introspection.signed { "signed" } else { "as_jwt" };
        let hint = "add the issuer's `openid`, or `issuer` and `jwks`";
        judge.key(&at.key(key), "needs keys to verify answers by", hint);
    }
    let ways = [
        ("client_secret", introspection.client_secret.is_some()),
        ("client_certificate", introspection.client_certificate.is_some()),
    ];
    match (only_one(judge, &at, &ways, ""), &introspection.client_certificate) {
        (0, _) => {
            let hint = "write `client_secret: \"${env:NAME}\"` or `client_certificate`";
            judge.key(&at, "does not say how the asker proves itself", hint);
        }
        (1, Some(certificate)) => {
            let at = at.key("client_certificate");
            client_certificate(judge, &at, certificate, &introspection.url);
        }
        _ => {}
    }
    if has_keys && !is_signed {
        let key = if issuer.openid.is_some() { "openid" } else { "jwks" };
        let hint =
            "tokens are not verified by keys here: take it out, or add `signed: true` or `as_jwt: true`";
        judge.key(&path.key(key), "does nothing beside `introspection`", hint);
    }
    for (key, is_there) in [
        ("secret", issuer.secret.is_some()),
        ("typ", issuer.typ.is_some()),
        ("algorithms", issuer.algorithms.is_some() && !is_signed),
    ] {
        if is_there {
            judge.key(&path.key(key), "does nothing beside `introspection`", "take it out");
        }
    }
    short(judge, &at.key("client_id"), &introspection.client_id);
    within(judge, &at.key("cache"), introspection.cache, 0, 3_600);
    within(judge, &at.key("cache_inactive"), introspection.cache_inactive, 0, 3_600);
}

/// Tokens of which clients hold a part alone.
fn split_token(judge: &mut Judge<'_>, path: &Pointer, issuer: &Issuer, split: &SplitToken) {
    let at = path.key("split_token");
    cleartext(judge, &at.key("url"), &split.url, issuer.cleartext);
    if !split.url.path.ends_with(['/', '=', '-', ':']) {
        let hint = "what is asked for is put behind it as it is: end it in `/`";
        judge.value(&at.key("url"), "would run into the name of what is asked for", hint);
    }
    if issuer.openid.is_none() && issuer.jwks.is_none() {
        let hint = "add the issuer's `openid`, or `issuer` and `jwks`";
        judge.key(&at, "needs keys to verify tokens by", hint);
    }
    for (key, is_there) in
        [("introspection", issuer.introspection.is_some()), ("login", issuer.login.is_some())]
    {
        if is_there {
            judge.key(
                &at,
                format!("does not go with `{key}`"),
                "write an issuer of its own for split tokens",
            );
        }
    }
    let ways =
        [("bearer", split.bearer.is_some()), ("client_certificate", split.client_certificate.is_some())];
    only_one(judge, &at, &ways, "");
    if let Some(bearer) = &split.bearer
        && (bearer.expose().is_empty() || !bearer.expose().bytes().all(|byte| byte.is_ascii_graphic()))
    {
        judge.value(&at.key("bearer"), "cannot be sent", "visible ASCII characters without spaces");
    }
    if let Some(certificate) = &split.client_certificate {
        client_certificate(judge, &at.key("client_certificate"), certificate, &split.url);
    }
    within(judge, &at.key("cache"), split.cache, 0, 3_600);
    within(judge, &at.key("cache_inactive"), split.cache_inactive, 0, 3_600);
}
