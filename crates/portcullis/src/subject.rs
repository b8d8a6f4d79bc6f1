//! What an inspecting command looks at: a configuration file, or what `run --openapi` would make of a definition.

use std::net::{Ipv4Addr, SocketAddr};

use portcullis_gateway::config::{self, Loaded};

use crate::args::{QuickAuth, Subject};
use crate::output::findings;
use crate::quick::Quick;

/// Stands for the key that `run` makes: only its hash is in a configuration, and nothing is served here.
const NO_KEY: &str = "0000000000000000000000000000000000000000000000000000000000000000";

impl Subject {
    /// Reads it.
    pub(crate) fn load(&self) -> anyhow::Result<Loaded> {
        let loaded = match &self.openapi {
            None => config::load(&self.config.config),
            Some(openapi) => Quick {
                openapi: openapi.clone(),
                backend: self.backend.clone(),
                listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
                probes: None,
                key_sha256: (self.terms.who.auth != QuickAuth::None).then(|| NO_KEY.to_owned()),
                terms: self.terms.clone(),
            }
            .load(&mut Vec::new()),
        };
        loaded.map_err(|found| findings(&found))
    }

    /// The file's name, for messages.
    pub(crate) fn name(&self) -> String {
        self.openapi.as_ref().unwrap_or(&self.config.config).display().to_string()
    }
}
