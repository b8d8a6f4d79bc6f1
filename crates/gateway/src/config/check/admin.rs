//! How operators reach the gateway: an API that changes it is open to nobody by omission.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;

use portcullis_openapi::source::Pointer;

use super::names::{NAME_SHAPE, is_id, is_name};
use super::{Judge, callers, listeners, root};
use crate::config::operators::{Operator, OperatorCertificate, OperatorCredential};
use crate::config::values::Bind;
use crate::config::{ClientCertificateMode, State};

/// Most operators, and most credentials of one.
const OPERATORS_MAX: usize = 1_000;

pub(super) fn judge(judge: &mut Judge<'_>) {
    let admin = &judge.config.admin;
    let path = root().key("admin");
    match &admin.bind {
        Some(Bind::Tcp(address)) => on_the_network(judge, &path, *address),
        Some(Bind::Unix(socket)) => {
            if judge.config.state == Some(State::None) && socket.is_relative() {
                let hint = "write an absolute path, or give the gateway a state directory";
                judge.value(&path.key("bind"), "is relative to the state directory, and there is none", hint);
            }
            on_a_socket(judge, &path);
        }
        None => on_a_socket(judge, &path),
    }
    if let Some(Bind::Unix(_)) = &admin.probes {
        judge.value(&path.key("probes"), "probes listen on an IP address and port", "write 127.0.0.1:9901");
    }
}

/// What would silently do nothing.
fn on_a_socket(judge: &mut Judge<'_>, path: &Pointer) {
    let admin = &judge.config.admin;
    let hint =
        "write `bind: 127.0.0.1:9443`, or take it out: on the socket the file's permissions say who may";
    for (key, is_there) in [
        ("tls", admin.tls.is_some()),
        ("cleartext", admin.cleartext),
        ("operators", !admin.operators.is_empty()),
    ] {
        if is_there {
            judge.key(&path.key(key), "has no effect: the admin API listens on no address", hint);
        }
    }
}

fn on_the_network(judge: &mut Judge<'_>, path: &Pointer, address: SocketAddr) {
    let admin = &judge.config.admin;
    let is_here = address.ip().to_canonical().is_loopback();
    match (&admin.tls, admin.cleartext) {
        (Some(tls), false) => {
            for (index, certificate) in tls.certificates.iter().enumerate() {
                if certificate.acme.is_some() {
                    let at = path.key("tls").key("certificates").index(index).key("acme");
                    let hint = "give it `cert` and `key`, such as those a listener has";
                    judge.value(&at, "is for listeners: who operates the gateway does not wait for it", hint);
                }
            }
            listeners::tls(judge, &path.key("tls"), tls);
        }
        (Some(_), true) => {
            judge.value(&path.key("cleartext"), "contradicts `admin.tls`", "take one of them out");
        }
        (None, true) if is_here => {}
        (None, true) => {
            let hint =
                "add `tls: { certificates: [{ cert: \"${file:admin.crt}\", key: \"${file:admin.key}\" }] }`";
            judge.value(&path.key("cleartext"), "tokens would cross the network in cleartext", hint);
        }
        (None, false) => {
            let hint = if is_here {
                "add `tls: { certificates: […] }`, or write `cleartext: true` for this machine alone"
            } else {
                "add `tls: { certificates: [{ cert: \"${file:admin.crt}\", key: \"${file:admin.key}\" }] }`"
            };
            judge.value(&path.key("bind"), "the admin API on an address needs TLS", hint);
        }
    }
    if admin.operators.is_empty() {
        let hint =
            "`portcullis operators new alice --role viewer` makes a token and prints the block to paste";
        judge.value(
            &path.key("bind"),
            "the admin API on an address needs `operators`: nobody may use it",
            hint,
        );
    }
    operators(judge, &path.key("operators"));
}

fn operators(judge: &mut Judge<'_>, path: &Pointer) {
    let config = judge.config;
    if config.admin.operators.len() > OPERATORS_MAX {
        judge.key(path, "names too many operators", format!("at most {OPERATORS_MAX}"));
    }
    let mut proofs = HashMap::new();
    for (name, operator) in config.admin.operators.iter().take(OPERATORS_MAX) {
        let path = path.key(name);
        if !is_name(name) {
            judge.key(&path, "is no name", NAME_SHAPE);
        }
        one(judge, &path, operator, &mut proofs);
    }
}

fn one(judge: &mut Judge<'_>, path: &Pointer, operator: &Operator, proofs: &mut HashMap<String, Pointer>) {
    let path = path.key("credentials");
    if operator.credentials.is_empty() {
        judge.value(&path, "names no credential", "`portcullis operators new` makes a token");
    }
    if operator.credentials.len() > OPERATORS_MAX {
        judge.value(&path, "names too many credentials", format!("at most {OPERATORS_MAX}"));
    }
    let mut ids = HashSet::new();
    for (index, credential) in operator.credentials.iter().enumerate().take(OPERATORS_MAX) {
        let path = path.index(index);
        if !is_id(&credential.id) {
            judge.value(
                &path.key("id"),
                "is no name",
                "1 to 128 characters, none of them a control character",
            );
        }
        if !ids.insert(&credential.id) {
            judge.value(&path.key("id"), format!("{:?} names two credentials", credential.id), "");
        }
        let Some((at, proof)) = means(judge, &path, credential) else { continue };
        match proofs.get(&proof) {
            Some(other) => {
                let message = format!("proves another one already, at {}", judge.elsewhere(other));
                judge.value(&at, message, "a credential stands for one operator");
            }
            None => {
                proofs.insert(proof, at);
            }
        }
    }
}

/// What a credential is proven by, and where that stands.
fn means(
    judge: &mut Judge<'_>,
    path: &Pointer,
    credential: &OperatorCredential,
) -> Option<(Pointer, String)> {
    match (&credential.token, &credential.certificate) {
        (Some(token), None) => {
            let path = path.key("token");
            if let (Some(begin), Some(end)) = (token.not_before, token.expires)
                && begin.unix_seconds() >= end.unix_seconds()
            {
                judge.value(&path, "ends before it begins", "");
            }
            Some((path.key("sha256"), format!("token {}", token.sha256.0)))
        }
        (None, Some(mapped)) => certificate(judge, &path.key("certificate"), mapped),
        (Some(_), Some(_)) => {
            judge.value(path, "is two credentials in one", "make it two entries");
            None
        }
        (None, None) => {
            judge.value(path, "proves nothing", "add `token: { sha256: … }`");
            None
        }
    }
}

fn certificate(
    judge: &mut Judge<'_>,
    path: &Pointer,
    mapped: &OperatorCertificate,
) -> Option<(Pointer, String)> {
    let asks = judge.config.admin.tls.as_ref().and_then(|tls| tls.client_certificates.as_ref());
    if asks.is_none_or(|asks| asks.mode == ClientCertificateMode::Off) {
        let hint =
            "add `client_certificates: { mode: request, ca: \"${file:operators-ca.pem}\" }` to `admin.tls`";
        judge.value(path, "is never presented: nobody is asked for a certificate", hint);
    }
    let (kind, name) = callers::holder(judge, path, mapped.names(), "spiffe://example.com/alice")?;
    Some((path.key(kind), format!("{kind} {name}")))
}
