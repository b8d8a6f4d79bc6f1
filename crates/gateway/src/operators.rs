//! Who may operate the gateway over the network, and what each may do.
//!
//! Compiled from `admin.operators` and swapped with the configuration, so that a token that was taken out counts no longer
//! with the next request. An operator is proven as a consumer is: by a token that is found by its SHA-256, or by the
//! client certificate of the connection. Presented together they must name the same operator. What they are let do is
//! the admin API's table to say.
//!
//! # Threats
//! Whoever has a token of the role `operator` decides what the gateway runs. A configuration that comes over the network
//! cannot change who operates it (see `portcullis` `service/changes.rs`).

use std::collections::HashMap;
use std::sync::Arc;

use portcullis_identity::api_key;
use portcullis_identity::sha256::digest;

use crate::bounds::Bounds;
use crate::callers::{Directory, NOBODYS, Scene};
use crate::config::Role;
use crate::http::tls::ServerTls;
use crate::pipeline::Proof;

/// Everyone who may, and how they are spoken with.
#[derive(Debug)]
pub struct Operators {
    /// TLS; `None` where the configuration says that this machine may do without.
    pub tls: Option<ServerTls>,
    /// How many failed credentials hold an address back.
    pub bounds: Arc<Bounds>,
    directory: Directory,
    roles: HashMap<Arc<str>, Role>,
}

/// An operator, proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// Who it is.
    pub name: Arc<str>,
    /// By which credential.
    pub credential: Arc<str>,
    /// What may be done.
    pub role: Role,
}

/// Why nobody is proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stranger {
    /// Nothing was presented.
    Silent,
    /// What was presented does not hold, for this reason: for the log alone.
    Refused(&'static str),
}

impl Operators {
    /// Those whose credentials are in `directory`, in which an operator stands as a consumer does.
    pub fn new(
        directory: Directory,
        roles: HashMap<Arc<str>, Role>,
        tls: Option<ServerTls>,
        bounds: Arc<Bounds>,
    ) -> Self {
        Self { tls, bounds, directory, roles }
    }

    /// Who presents `token`, or the certificate of its connection, or both.
    ///
    /// # Errors
    /// Says for the log why it is nobody.
    pub fn prove(&self, token: Option<&[u8]>, scene: &Scene<'_>) -> Result<Operator, Stranger> {
        let by_certificate = self.directory.by_holder(scene);
        let Some(token) = token else {
            let proof = by_certificate.map_err(Stranger::Refused)?.ok_or(Stranger::Silent)?;
            return self.operator(&proof);
        };
        if !api_key::is_operator_token(token) {
            return Err(Stranger::Refused("no token of ours"));
        }
        let proof = self.directory.by_key(&digest(token), scene);
        let proof = proof.map_err(|why| Stranger::Refused(why.as_str()))?;
        let operator = self.operator(&proof)?;
        match by_certificate {
            Ok(Some(other)) if other.consumer.name != operator.name => {
                Err(Stranger::Refused("token and certificate of different operators"))
            }
            // One that is nobody's contradicts nothing: an authority may vouch for more people than operators.
            Ok(_) | Err(NOBODYS) => Ok(operator),
            Err(why) => Err(Stranger::Refused(why)),
        }
    }

    fn operator(&self, proof: &Proof) -> Result<Operator, Stranger> {
        let name = Arc::clone(&proof.consumer.name);
        let role = self.roles.get(&name).copied().ok_or(Stranger::Refused("without a role"))?;
        Ok(Operator { name, credential: Arc::clone(&proof.credential), role })
    }
}

#[cfg(test)]
mod tests;
