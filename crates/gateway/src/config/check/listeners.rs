//! Listeners and their TLS.

use portcullis_openapi::source::Pointer;

use super::names::{host_fault, is_pem};
use super::{Judge, acme, root};
use crate::bounds::{BoundValue, Bounds};
use crate::config::listener::{
    ClientCertificateMode, ClientCertificates, Leniency, Listener, ListenerTls, Protocol,
};
use crate::config::values::Bind;

const PEM_HINT: &str = "write `\"${file:path}\"` to take it from a file";

/// Most listeners: each has a socket on every core.
const LISTENERS_MAX: usize = 1_000;

pub(super) fn judge(judge: &mut Judge<'_>) {
    let count = judge.config.listeners.len();
    if count > LISTENERS_MAX {
        let path = root().key("listeners");
        judge.key(&path, format!("{count} listeners are too many"), format!("at most {LISTENERS_MAX}"));
    }
    for (name, listener) in &judge.config.listeners {
        one(judge, &root().key("listeners").key(name), listener);
    }
}

fn one(judge: &mut Judge<'_>, path: &Pointer, listener: &Listener) {
    if let Bind::Unix(_) = listener.bind {
        judge.value(&path.key("bind"), "a listener has an IP address and a port", "write 127.0.0.1:8080");
    }
    if let Some(protocols) = &listener.protocols {
        let path = path.key("protocols");
        if protocols.is_empty() {
            judge.value(&path, "names no protocol", "leave it out for the default");
        }
        for (index, protocol) in protocols.iter().enumerate() {
            if protocols.iter().take(index).any(|before| before == protocol) {
                judge.value(&path.index(index), "stands here twice", "");
            }
        }
    }
    if listener.forwarded.is_some() && listener.trusted_proxies.is_empty() {
        let hint = "add `trusted_proxies: [10.0.0.0/8]`, or take it out";
        judge.value(&path.key("forwarded"), "is read from nobody: no proxy is trusted", hint);
    }
    lenient(judge, &path.key("lenient"), listener);
    if let Some(connections) = listener.connections {
        let row = Bounds::table().into_iter().find(|row| row.key == "connections");
        if let Some(row) = row.filter(|row| {
            BoundValue::Count(connections) < row.least || BoundValue::Count(connections) > row.most
        }) {
            let hint = format!("from {} to {}", row.least, row.most);
            judge.value(&path.key("connections"), format!("{connections} is out of range"), hint);
        }
    }
    if let Some(tls) = &listener.tls {
        self::tls(judge, &path.key("tls"), tls);
    }
}

fn lenient(judge: &mut Judge<'_>, path: &Pointer, listener: &Listener) {
    for (index, leniency) in listener.lenient.iter().enumerate() {
        let path = path.index(index);
        if listener.lenient.iter().take(index).any(|before| before == leniency) {
            judge.value(&path, "stands here twice", "");
        }
        let is_idle = *leniency == Leniency::Http10WithoutHost
            && (listener.tls.is_some() || !listener.protocols().contains(&Protocol::Http1));
        if is_idle {
            let hint = "over TLS a request's host is judged against the certificate";
            judge.value(&path, "has no effect but on a cleartext listener that speaks `http1`", hint);
        }
    }
}

/// What loosens a protection, for whoever reads the configuration.
pub(super) fn remarks(judge: &mut Judge<'_>) {
    for (name, listener) in &judge.config.listeners {
        let path = root().key("listeners").key(name).key("lenient");
        for (index, leniency) in listener.lenient.iter().enumerate() {
            judge.value(&path.index(index), leniency.loosens(), "");
        }
    }
}

/// Judges the TLS of whatever listens.
pub(super) fn tls(judge: &mut Judge<'_>, path: &Pointer, tls: &ListenerTls) {
    if tls.certificates.is_empty() {
        judge.value(&path.key("certificates"), "names no certificate", "");
    }
    for (index, certificate) in tls.certificates.iter().enumerate() {
        acme::certificate(judge, &path.key("certificates").index(index), certificate);
    }
    acme::each_name_once(judge, &path.key("certificates"), tls);
    if let Some(settings) = &tls.client_certificates {
        client_certificates(judge, &path.key("client_certificates"), settings);
    }
    for (host, settings) in &tls.hosts {
        let path = path.key("hosts").key(host);
        if let Some(hint) = host_fault(host) {
            let hint = if host == "*" {
                "what holds for every host stands at the listener".to_owned()
            } else {
                hint
            };
            judge.key(&path, format!("{host:?} is no host name"), hint);
        }
        client_certificates(judge, &path.key("client_certificates"), &settings.client_certificates);
    }
}

fn client_certificates(judge: &mut Judge<'_>, path: &Pointer, settings: &ClientCertificates) {
    match (settings.mode, &settings.ca) {
        (ClientCertificateMode::Request | ClientCertificateMode::Require, None) => {
            let hint = "add `ca: \"${file:clients-ca.pem}\"`";
            judge.key(path, "names no authority whose clients are accepted", hint);
        }
        (_, Some(ca)) => pem(judge, &path.key("ca"), ca),
        (ClientCertificateMode::Off, None) => {}
    }
    for (index, list) in settings.crl.iter().enumerate() {
        pem(judge, &path.key("crl").index(index), list);
    }
}

/// Judges a text that must be PEM, without ever showing it.
pub(super) fn pem(judge: &mut Judge<'_>, path: &Pointer, text: &str) {
    if !is_pem(text) {
        judge.value(path, "is not PEM", PEM_HINT);
    }
}
