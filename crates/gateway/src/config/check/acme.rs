//! Certificates by ACME: that one can be had at all for what is asked.

use std::collections::HashSet;

use portcullis_identity::base64::decode_url;
use portcullis_openapi::source::Pointer;

use super::issuers::{short, within};
use super::listeners::pem;
use super::names::host_fault;
use super::{Judge, once_each};
use crate::config::State;
use crate::config::acme::{Acme, AcmeChallenge};
use crate::config::listener::{ListenerTls, ServerCertificate};

/// Names of one certificate; authorities allow no more.
const NAMES_MAX: usize = 100;
/// Bytes of a secret of an account, at the least (RFC 7518 §3.2).
const ACCOUNT_KEY_BYTES_MIN: usize = 32;

/// Judges one certificate of a listener: two files, or an authority that gives it.
pub(super) fn certificate(judge: &mut Judge<'_>, path: &Pointer, certificate: &ServerCertificate) {
    match (&certificate.cert, &certificate.key, &certificate.acme) {
        (Some(cert), Some(key), None) => {
            pem(judge, &path.key("cert"), cert);
            pem(judge, &path.key("key"), key.expose());
        }
        (None, None, Some(acme)) => self::acme(judge, &path.key("acme"), acme),
        (cert, _, Some(_)) => {
            let key = if cert.is_some() { "cert" } else { "key" };
            judge.key(&path.key(key), "stands beside `acme`, which makes its own", "take one of them");
        }
        (Some(_), None, None) => judge.key(path, "has no `key`", "add `key: \"${file:path}\"`"),
        (None, _, None) => {
            let hint = "add `cert: \"${file:path}\"` and `key`, or `acme`";
            judge.key(path, "has no `cert`", hint);
        }
    }
}

/// Names that several certificates of a listener would be ordered for: only the first would ever be shown.
pub(super) fn each_name_once(judge: &mut Judge<'_>, path: &Pointer, tls: &ListenerTls) {
    let mut seen = HashSet::new();
    for (index, certificate) in tls.certificates.iter().enumerate() {
        let Some(acme) = &certificate.acme else { continue };
        let own: HashSet<&str> = acme.names.iter().map(String::as_str).collect();
        if let Some(name) = acme.names.iter().find(|name| seen.contains(name.as_str())) {
            let at = path.index(index).key("acme").key("names");
            judge.key(&at, format!("{name:?} is in another certificate of this listener"), "");
        }
        seen.extend(own);
    }
}

fn acme(judge: &mut Judge<'_>, path: &Pointer, acme: &Acme) {
    if judge.config.state == Some(State::None) {
        let hint = "without one each start would order anew, until the authority gives none any more";
        judge.key(path, "needs a state directory", hint);
    }
    if !acme.directory.https {
        judge.value(&path.key("directory"), "is plain http", "an authority is asked over `https` alone");
    }
    if !acme.terms_agreed {
        let hint = "read the terms that the directory names, then write `true`";
        judge.value(&path.key("terms_agreed"), "nothing is ordered from whose terms are not agreed to", hint);
    }
    names(judge, &path.key("names"), acme);
    if let Some(email) = &acme.email {
        self::email(judge, &path.key("email"), email);
    }
    let has_cleartext = judge.config.listeners.values().any(|listener| listener.tls.is_none());
    if acme.challenge == AcmeChallenge::Http01 && !has_cleartext {
        let hint = "add one at port 80, or take `tls-alpn-01`";
        judge.value(
            &path.key("challenge"),
            "is answered by listeners without `tls`, and there is none",
            hint,
        );
    }
    if let Some(account) = &acme.external_account {
        let at = path.key("external_account");
        short(judge, &at.key("id"), &account.id);
        match decode_url(account.key.expose().as_bytes()) {
            Some(key) if key.len() >= ACCOUNT_KEY_BYTES_MIN => {}
            Some(_) => {
                judge.value(&at.key("key"), format!("is shorter than {ACCOUNT_KEY_BYTES_MIN} bytes"), "");
            }
            None => judge.value(&at.key("key"), "is not in base64url", "write it as the authority gave it"),
        }
    }
    if let Some(ca) = &acme.ca {
        pem(judge, &path.key("ca"), ca);
    }
    within(judge, &path.key("timeout"), acme.timeout, 1, 60);
}

fn names(judge: &mut Judge<'_>, path: &Pointer, acme: &Acme) {
    if acme.names.is_empty() {
        judge.value(path, "names no host", "");
    }
    if acme.names.len() > NAMES_MAX {
        judge.value(path, format!("has more than {NAMES_MAX}"), "write several certificates");
    }
    once_each(judge, path, &acme.names);
    for (index, name) in acme.names.iter().enumerate() {
        let path = path.index(index);
        if name.starts_with("*.") {
            let hint =
                "it asks for a proof in DNS; write the names themselves, or take a certificate from files";
            judge.value(&path, format!("{name:?} cannot be had"), hint);
        } else if name.parse::<std::net::IpAddr>().is_ok() || name.starts_with('[') {
            judge.value(&path, format!("{name:?} is an address"), "write host names");
        } else if let Some(hint) = host_fault(name) {
            judge.value(&path, format!("{name:?} is no host name"), hint);
        } else if !name.contains('.') || name.ends_with(".localhost") {
            judge.value(&path, format!("{name:?} is known here alone"), "an authority looks names up in DNS");
        }
    }
}

/// What can stand in `mailto:` without being more than one address (RFC 8555 §7.3).
fn email(judge: &mut Judge<'_>, path: &Pointer, email: &str) {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "@.!#$&'*+-/=^_`{|}~".contains(c);
    let has_two_ends =
        email.split_once('@').is_some_and(|(user, host)| !user.is_empty() && host_fault(host).is_none());
    if email.len() > 254 || !email.chars().all(is_plain) || !has_two_ends {
        judge.value(path, format!("{email:?} is no address"), "such as `ops@example.com`");
    }
}
