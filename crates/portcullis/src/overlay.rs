//! Overlays that a verb is handed as files, beside a definition that no configuration names.

use std::fs;
use std::path::Path;

use anyhow::Context;
use portcullis_gateway::config::overlays::Text;

/// One of them.
pub(crate) struct Overlay {
    /// What messages call it.
    pub(crate) name: String,
    /// Its text.
    pub(crate) bytes: Vec<u8>,
}

/// Reads one.
pub(crate) fn read(path: &Path) -> anyhow::Result<Overlay> {
    let name = path.display().to_string();
    let bytes = fs::read(path).with_context(|| format!("{name} cannot be read"))?;
    Ok(Overlay { name, bytes })
}

impl Overlay {
    /// As definitions are loaded with it. An action that finds nothing is fine.
    pub(crate) fn text(&self) -> Text<'_> {
        Text { name: &self.name, bytes: &self.bytes, must_match: false }
    }
}
