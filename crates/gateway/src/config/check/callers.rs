//! Consumers and their credentials.

use std::collections::{HashMap, HashSet};

use portcullis_openapi::source::Pointer;

use super::names::{is_id, is_scope, is_user};
use super::{Judge, root};
use crate::config::caller::{CertificateCredential, Consumer, Credential};
use crate::config::values::Sha256;

/// What proves a caller: another credential may not be proven by the same.
#[derive(PartialEq, Eq, Hash)]
enum Proof {
    Key(Sha256),
    User(String),
    Certificate(&'static str, String),
    Signer(String),
}

pub(super) fn judge(judge: &mut Judge<'_>) {
    let config = judge.config;
    let mut proofs: HashMap<Proof, Pointer> = HashMap::new();
    for (name, consumer) in &config.consumers {
        let path = root().key("consumers").key(name);
        grants(judge, &path, consumer);
        if let Some(plan) = &consumer.plan {
            judge.reference(&path.key("plan"), "plan", plan, &config.plans);
        }
        let mut ids = HashSet::new();
        for (index, credential) in consumer.credentials.iter().enumerate() {
            let path = path.key("credentials").index(index);
            if !ids.insert(&credential.id) {
                judge.value(&path.key("id"), format!("{:?} names two credentials", credential.id), "");
            }
            one(judge, &path, credential, &mut proofs);
        }
    }
}

fn grants(judge: &mut Judge<'_>, path: &Pointer, consumer: &Consumer) {
    let config = judge.config;
    let path = path.key("apis");
    if consumer.apis.is_empty() {
        judge.value(&path, "names no API", "name them, or write `[\"*\"]` for all");
    }
    let mut before = HashSet::new();
    for (index, name) in consumer.apis.iter().enumerate() {
        let path = path.index(index);
        if !before.insert(name) {
            judge.value(&path, format!("{name:?} stands here twice"), "");
        } else if name == "*" {
            if consumer.apis.len() > 1 {
                judge.value(&path, "`*` already names every API", "let it stand alone");
            }
        } else {
            judge.reference(&path, "API", name, &config.apis);
        }
    }
}

fn one(judge: &mut Judge<'_>, path: &Pointer, credential: &Credential, proofs: &mut HashMap<Proof, Pointer>) {
    if !is_id(&credential.id) {
        judge.value(&path.key("id"), "is no name", "1 to 128 characters, none of them a control character");
    }
    let kinds = [
        credential.api_key.is_some(),
        credential.basic.is_some(),
        credential.certificate.is_some(),
        credential.signature.is_some(),
    ];
    match kinds.iter().filter(|is_there| **is_there).count() {
        0 => judge.value(path, "proves nothing", "add `api_key: { sha256: … }`"),
        1 => {}
        _ => judge.value(path, "is two credentials in one", "make it two entries"),
    }
    if let Some(key) = &credential.api_key {
        let path = path.key("api_key");
        let (at, hint) = (path.key("sha256"), "a key names one caller: make a new one");
        once(judge, &at, "key", hint, proofs, Proof::Key(key.sha256));
        scopes(judge, &path.key("scopes"), &key.scopes);
    }
    if let Some(basic) = &credential.basic {
        let path = path.key("basic");
        if !is_user(&basic.user) {
            judge.value(&path.key("user"), "is no name of a user", "a colon ends it (RFC 7617)");
        }
        let hint = "a name stands for one caller";
        once(judge, &path.key("user"), "user", hint, proofs, Proof::User(basic.user.clone()));
        scopes(judge, &path.key("scopes"), &basic.scopes);
    }
    if let Some(signature) = &credential.signature {
        let path = path.key("signature");
        if signature.keyid.is_empty() || signature.keyid.len() > 512 || !signature.keyid.is_ascii() {
            judge.value(&path.key("keyid"), "is no id of a key", "1 to 512 characters of ASCII");
        }
        if let Err(why) = signature.key() {
            judge.value(&path, why, "");
        }
        let hint = "an id names one key";
        once(judge, &path.key("keyid"), "key id", hint, proofs, Proof::Signer(signature.keyid.clone()));
        scopes(judge, &path.key("scopes"), &signature.scopes);
    }
    if let Some(mapped) = &credential.certificate {
        certificate(judge, &path.key("certificate"), mapped, proofs);
    }
    let terms = credential.terms();
    if let (Some(begin), Some(end)) = (terms.not_before, terms.expires)
        && begin.unix_seconds() >= end.unix_seconds()
    {
        judge.value(path, "ends before it begins", "");
    }
}

fn certificate(
    judge: &mut Judge<'_>,
    path: &Pointer,
    mapped: &CertificateCredential,
    proofs: &mut HashMap<Proof, Pointer>,
) {
    let names = [("san", &mapped.san), ("subject", &mapped.subject), ("spiffe", &mapped.spiffe)];
    let names = names.into_iter().filter_map(|(kind, name)| Some((kind, name.as_deref()?)));
    if let Some((kind, name)) = holder(judge, path, names, "spiffe://example.com/partner") {
        let hint = "a certificate names one caller";
        once(judge, &path.key(kind), "name", hint, proofs, Proof::Certificate(kind, name.to_owned()));
    }
    scopes(judge, &path.key("scopes"), &mapped.scopes);
}

/// Judges what an entry under `path` says of a certificate's holder, by the key that says it: once. `example` is a SPIFFE
/// id to show.
pub(super) fn holder<'n>(
    judge: &mut Judge<'_>,
    path: &Pointer,
    mut names: impl Iterator<Item = (&'static str, &'n str)>,
    example: &str,
) -> Option<(&'static str, &'n str)> {
    let (kind, name) = match (names.next(), names.next()) {
        (Some(found), None) => found,
        (None, _) => {
            judge.value(path, "names no holder", "add one of `san`, `subject`, `spiffe`");
            return None;
        }
        (Some(_), Some(_)) => {
            judge.value(path, "names its holder twice", "make it two entries");
            return None;
        }
    };
    if name.is_empty() || name.contains(char::is_control) {
        judge.value(&path.key(kind), "is no name", "");
    }
    if kind == "spiffe" && !name.starts_with("spiffe://") {
        judge.value(&path.key(kind), "is no SPIFFE id", format!("such as `{example}`"));
    }
    Some((kind, name))
}

/// Notes what a credential is proven by, which no other may be.
fn once(
    judge: &mut Judge<'_>,
    path: &Pointer,
    what: &str,
    hint: &str,
    proofs: &mut HashMap<Proof, Pointer>,
    proof: Proof,
) {
    match proofs.get(&proof) {
        Some(other) => {
            let message = format!("is the {what} of another credential at {}", judge.elsewhere(other));
            judge.value(path, message, hint);
        }
        None => {
            proofs.insert(proof, path.clone());
        }
    }
}

/// Judges a list of scopes.
pub(super) fn scopes(judge: &mut Judge<'_>, path: &Pointer, scopes: &[String]) {
    for (index, scope) in scopes.iter().enumerate() {
        if !is_scope(scope) {
            let hint = "a scope has visible ASCII characters without spaces, quotes and backslashes";
            judge.value(&path.index(index), format!("{scope:?} is no scope"), hint);
        }
    }
}
