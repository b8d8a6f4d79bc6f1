//! Certificates in the texts of a configuration.

use std::sync::Arc;
use std::time::Duration;

use portcullis_identity::sha256::digest;
use portcullis_openapi::source::{Node, Pointer, Segment, Value};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::revocation_list::CertificateRevocationList;

use super::{Certificate, Role};
use crate::http::holder::{self, Holder};

/// What every text in PEM has.
const MARK: &str = "-----BEGIN ";

/// Every certificate and revocation list that a configuration names.
pub fn in_configuration(tree: &Node) -> Vec<Certificate> {
    let mut found = Vec::new();
    walk(tree, &mut Pointer::new(), &mut found);
    found
}

fn walk(node: &Node, path: &mut Pointer, found: &mut Vec<Certificate>) {
    match &node.value {
        Value::Mapping(mapping) => {
            for (key, node) in mapping {
                path.push(Segment::Key(key.text.clone()));
                walk(node, path, found);
                path.pop();
            }
        }
        Value::Sequence(items) => {
            for (index, item) in items.iter().enumerate() {
                path.push(Segment::Index(index));
                walk(item, path, found);
                path.pop();
            }
        }
        Value::String(text) if text.contains(MARK) => {
            if let Some(role) = role(path) {
                found.extend(read(text, role, &path.to_string().into()));
            }
        }
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// What a certificate at `path` is for; `None` for a private key, beside which its certificate may stand.
fn role(path: &Pointer) -> Option<Role> {
    let segments = path.segments();
    let key = |segment: &Segment| match segment {
        Segment::Key(key) => Some(key.to_string()),
        Segment::Index(_) => None,
    };
    let mut upwards = segments.iter().rev().filter_map(key);
    let last = upwards.next()?;
    let is_ours = matches!(segments.first().and_then(key).as_deref(), Some("listeners" | "admin"));
    // An authority that certificates are ordered from is a server that we call. Its `ca` stands directly below `acme`;
    // further up the same word may be a listener's name.
    let is_acme = upwards.next().as_deref() == Some("acme");
    Some(match (last.as_str(), is_ours) {
        ("key" | "public_key", _) => return None,
        ("ca", true) if !is_acme => Role::ClientAuthority,
        ("ca", _) => Role::ServerAuthority,
        (_, true) => Role::Server,
        (_, false) => Role::Client,
    })
}

/// The certificates and revocation lists of a text. One that cannot be read is nothing that could be used either.
pub(super) fn read(pem: &str, role: Role, place: &Arc<str>) -> Vec<Certificate> {
    let certificates = CertificateDer::pem_slice_iter(pem.as_bytes()).filter_map(Result::ok);
    let mut found: Vec<Certificate> =
        certificates.filter_map(|der| certificate(&der, role, Arc::clone(place))).collect();
    let lists = CertificateRevocationListDer::pem_slice_iter(pem.as_bytes()).filter_map(Result::ok);
    found.extend(lists.filter_map(|der| list(&der, Arc::clone(place))));
    for (position, one) in found.iter_mut().enumerate() {
        one.position = position;
    }
    found
}

fn certificate(der: &[u8], role: Role, place: Arc<str>) -> Option<Certificate> {
    let (_, parsed) = X509Certificate::from_der(der).ok()?;
    let names = Holder::of(der).map(|holder| holder.sans.iter().map(ToString::to_string).collect());
    Some(Certificate {
        role,
        place,
        position: 0,
        subject: holder::spelled(parsed.subject()),
        names: names.unwrap_or_default(),
        issuer: holder::spelled(parsed.issuer()),
        serial: Some(parsed.raw_serial_as_string()),
        sha256: digest(der),
        consumer: None,
        credential: None,
        begins: Some(seconds(parsed.validity().not_before.timestamp())),
        ends: Some(seconds(parsed.validity().not_after.timestamp())),
    })
}

fn list(der: &[u8], place: Arc<str>) -> Option<Certificate> {
    let (_, parsed) = CertificateRevocationList::from_der(der).ok()?;
    Some(Certificate {
        role: Role::RevocationList,
        place,
        position: 0,
        subject: None,
        names: Vec::new(),
        issuer: holder::spelled(parsed.issuer()),
        serial: None,
        sha256: digest(der),
        consumer: None,
        credential: None,
        begins: Some(seconds(parsed.last_update().timestamp())),
        ends: parsed.next_update().map(|next| seconds(next.timestamp())),
    })
}

fn seconds(time: i64) -> Duration {
    Duration::from_secs(u64::try_from(time).unwrap_or_default())
}
