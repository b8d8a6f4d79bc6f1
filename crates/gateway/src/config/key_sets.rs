//! Key sets that issuers name as files: read with the configuration, watched, part of its hash.
//!
//! Public keys are no secrets: they are kept with a revision, so that it can be gone back to.

use std::path::PathBuf;
use std::sync::Arc;

use aws_lc_rs::digest;
use portcullis_openapi::source::{Finding, Pointer};

use super::Loaded;
use super::desk::Desk;
use super::load::hexadecimal;

/// Most bytes of a key set, in a file or fetched.
pub const KEY_SET_BYTES_MAX: usize = 512 << 10;

impl Loaded {
    /// The key set of an issuer whose `jwks` is a file, as it was read.
    pub fn key_set(&self, issuer: &str) -> Option<&Arc<[u8]>> {
        self.key_sets.get(issuer)
    }

    /// Reads every key set that is a file. What is in it is judged by whoever compiles it.
    pub(super) fn read_key_sets(&mut self, desk: Desk<'_>, files: &mut Vec<PathBuf>) -> Vec<Finding> {
        let named = self
            .config
            .issuers
            .iter()
            .filter_map(|(name, issuer)| Some((name.clone(), PathBuf::from(issuer.jwks_file()?))));
        let named: Vec<(String, PathBuf)> = named.collect();
        let mut findings = Vec::new();
        for (name, path) in named {
            if !files.contains(&path) {
                files.push(path.clone());
            }
            let what = match desk.read(&path, KEY_SET_BYTES_MAX) {
                Err(error) => format!("the file {} cannot be read: {error}", path.display()),
                Ok(bytes) if bytes.len() > KEY_SET_BYTES_MAX => {
                    format!("the file {} has more than {KEY_SET_BYTES_MAX} bytes", path.display())
                }
                Ok(bytes) => {
                    let mut hash = digest::Context::new(&digest::SHA256);
                    hash.update(self.hash.as_bytes());
                    hash.update(&bytes);
                    self.hash = hexadecimal(hash);
                    let bytes: Arc<[u8]> = bytes.into();
                    self.documents.insert(path, Arc::clone(&bytes));
                    self.key_sets.insert(name, bytes);
                    continue;
                }
            };
            findings.push(self.finding(&Pointer::new().key("issuers").key(&name).key("jwks"), what));
        }
        findings
    }
}
