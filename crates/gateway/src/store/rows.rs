//! What the store holds, as rows, and the callers they become.
//!
//! A row is believed in nothing: whoever can write to the database, or a disk that lost a bit, must not open what nobody
//! meant to open. A row that cannot be read, or says what this release does not know, is left out with its reason; a
//! consumer whose own row is such has no credentials at all.

use std::sync::Arc;
use std::time::Duration;

use portcullis_identity::sha256::Digest;
use serde::{Deserialize, Serialize};

use crate::callers::{Bound, Entry, Known, Means};
use crate::config::values::Argon2;
use crate::config::{is_id, is_name, is_scope};
use crate::http::Network;
use crate::pipeline::consumer::{Consumer, Grant, Proof};

/// Credentials a consumer may have: they are replaced together.
pub(super) const CREDENTIALS_MAX: usize = 1_000;

/// A consumer with all its credentials.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConsumerRow {
    /// Its name.
    pub(super) name: String,
    /// The APIs it may call, as the column has them.
    pub(super) apis: String,
    /// When it was made.
    pub(super) created: i64,
    /// Whether it was deleted.
    pub(super) is_deleted: bool,
    /// The last write to it.
    pub(super) revision: i64,
    /// Its credentials.
    pub(super) credentials: Vec<CredentialRow>,
}

/// A credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CredentialRow {
    /// Its id within the consumer.
    pub(super) id: String,
    /// `api_key`, `basic`, `san`, `subject` or `spiffe`.
    pub(super) kind: String,
    /// What it is found by.
    pub(super) name: String,
    /// A password's hash.
    pub(super) password: Option<String>,
    /// Its scopes, as the column has them.
    pub(super) scopes: String,
    /// Where it may come from, as the column has it.
    pub(super) addresses: String,
    /// The client certificate it is bound to.
    pub(super) with_certificate: Option<String>,
    /// When it begins.
    pub(super) not_before: Option<i64>,
    /// When it ends.
    pub(super) expires: Option<i64>,
    /// When it was made.
    pub(super) created: i64,
    /// When it was last used.
    pub(super) used: Option<i64>,
    /// When it was revoked.
    pub(super) revoked: Option<i64>,
}

/// A row that is left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RefusedRow {
    /// The consumer's name.
    pub consumer: String,
    /// The credential's id; none when the consumer's own row is meant.
    pub credential: Option<String>,
    /// What is wrong with it.
    pub reason: String,
}

impl ConsumerRow {
    /// The callers it makes, and what was left out.
    pub(super) fn entry(&self) -> (Entry, Vec<RefusedRow>) {
        let name: Arc<str> = self.name.as_str().into();
        let refused = |credential: Option<&str>, reason: &str| RefusedRow {
            consumer: self.name.clone(),
            credential: credential.map(str::to_owned),
            reason: reason.to_owned(),
        };
        let none = Entry { consumer: Arc::clone(&name), credentials: Vec::new() };
        if self.is_deleted {
            return (none, Vec::new());
        }
        let consumer = match self.consumer(&name) {
            Ok(consumer) => Arc::new(consumer),
            Err(reason) => return (none, vec![refused(None, reason)]),
        };
        let mut left_out = Vec::new();
        let mut credentials = Vec::with_capacity(self.credentials.len());
        for row in self.credentials.iter().filter(|row| row.revoked.is_none()) {
            match row.known(&consumer) {
                Ok(known) => credentials.push(known),
                Err(reason) => left_out.push(refused(Some(&row.id), reason)),
            }
        }
        (Entry { consumer: name, credentials }, left_out)
    }

    fn consumer(&self, name: &Arc<str>) -> Result<Consumer, &'static str> {
        if !is_name(name) {
            return Err("its name is no name");
        }
        if self.credentials.len() > CREDENTIALS_MAX {
            return Err("it has too many credentials");
        }
        Ok(Consumer {
            name: Arc::clone(name),
            apis: grant(&list(&self.apis).ok_or("its `apis` are no list")?)?,
        })
    }
}

impl CredentialRow {
    fn known(&self, consumer: &Arc<Consumer>) -> Result<Known, &'static str> {
        if !is_id(&self.id) {
            return Err("its id is no name");
        }
        let scopes = list(&self.scopes).ok_or("its scopes are no list")?;
        if !scopes.iter().all(|scope| is_scope(scope)) {
            return Err("a scope is none");
        }
        let proof = Proof {
            consumer: Arc::clone(consumer),
            credential: self.id.as_str().into(),
            scopes: scopes.into_iter().map(String::into_boxed_str).collect(),
            expires: self.expires.map(time).transpose()?,
            fingerprint: None,
            claims: None,
            issued: None,
        };
        let networks = list(&self.addresses).ok_or("its addresses are no list")?;
        let networks: Result<Vec<Network>, _> = networks.iter().map(|network| network.parse()).collect();
        let certificate = match &self.with_certificate {
            None => None,
            Some(text) => Some(Digest::from_hex(text).ok_or("its certificate is no digest")?),
        };
        let bound = Bound {
            not_before: self.not_before.map(time).transpose()?,
            networks: networks.map_err(|_| "an address is none")?,
            certificate,
        };
        Ok(Known::new(proof, self.means()?, bound))
    }

    fn means(&self) -> Result<Means, &'static str> {
        let name = || Box::from(self.name.as_str());
        if self.name.is_empty() || self.name.contains(char::is_control) {
            return Err("it is found by nothing");
        }
        match (self.kind.as_str(), &self.password) {
            ("api_key", None) => Digest::from_hex(&self.name).map(Means::Key).ok_or("its key is no digest"),
            ("basic", Some(hash)) => {
                let hash =
                    Argon2::parse(hash).map_err(|_| "its password is no hash of argon2id, or a weak one")?;
                Ok(Means::Password { user: name(), hash: hash.as_str().into() })
            }
            ("san", None) => Ok(Means::San(name())),
            ("subject", None) => Ok(Means::Subject(name())),
            ("spiffe", None) if self.name.starts_with("spiffe://") => Ok(Means::Spiffe(name())),
            _ => Err("it is of a kind that is not known"),
        }
    }
}

/// A grant of these APIs.
pub(super) fn grant(apis: &[String]) -> Result<Grant, &'static str> {
    match apis {
        [] => Err("it names no API"),
        [all] if all == "*" => Ok(Grant::All),
        _ if !apis.iter().all(|api| is_name(api)) => Err("an API's name is none"),
        _ => Ok(Grant::Named(apis.iter().map(|api| api.as_str().into()).collect())),
    }
}

/// A list as a column has it.
pub(super) fn list(text: &str) -> Option<Vec<String>> {
    serde_json::from_str(text).ok()
}

fn time(seconds: i64) -> Result<Duration, &'static str> {
    u64::try_from(seconds).map(Duration::from_secs).map_err(|_| "a time is none")
}

#[cfg(test)]
pub(super) mod tests;
