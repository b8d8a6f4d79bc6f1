//! Consumers and their credentials.

use std::collections::{HashMap, HashSet};

use portcullis_openapi::source::Pointer;

use super::names::is_scope;
use super::{Judge, root};
use crate::config::caller::{Consumer, Credential};
use crate::config::values::Sha256;

pub(super) fn judge(judge: &mut Judge<'_>) {
    let config = judge.config;
    let mut digests: HashMap<Sha256, Pointer> = HashMap::new();
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
            one(judge, &path, credential, &mut digests);
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

fn one(
    judge: &mut Judge<'_>,
    path: &Pointer,
    credential: &Credential,
    digests: &mut HashMap<Sha256, Pointer>,
) {
    if credential.id.is_empty() || credential.id.len() > 128 || credential.id.contains(char::is_control) {
        judge.value(&path.key("id"), "is no name", "1 to 128 characters, none of them a control character");
    }
    match (&credential.api_key, &credential.certificate) {
        (Some(_), Some(_)) => judge.value(path, "is two credentials in one", "make it two entries"),
        (None, None) => judge.value(path, "proves nothing", "add `api_key: { sha256: … }`"),
        _ => {}
    }
    let Some(key) = &credential.api_key else { return };
    let path = path.key("api_key");
    match digests.get(&key.sha256) {
        Some(other) => {
            let message = format!("is the key of another credential at {}", judge.elsewhere(other));
            judge.value(&path.key("sha256"), message, "a key names one caller: make a new one");
        }
        None => {
            digests.insert(key.sha256, path.key("sha256"));
        }
    }
    scopes(judge, &path.key("scopes"), &key.scopes);
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
