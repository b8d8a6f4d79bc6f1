//! Where keys are kept: one file, for our user alone, replaced whole.
//!
//! Two processes of one gateway may be there at once while one takes over from the other: whoever changes the set holds a
//! lock from reading to writing.

use std::fs::DirBuilder;
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use super::ring::{Ring, TEXT_BYTES_MAX};
use crate::files;

/// The folder of the keys.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
}

impl Folder {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Shows what is kept to `change`, and keeps what that gives.
    pub(super) fn change(
        &self,
        change: impl FnOnce(Option<&Ring>) -> Result<Option<String>, &'static str>,
    ) -> Result<(), String> {
        let failed = |what: &str, error: io::Error| format!("{}: {what}: {error}", self.path.display());
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.path)
            .map_err(|error| failed("cannot be made", error))?;
        let lock = files::lock_in(&self.path).map_err(|error| failed("cannot be locked", error))?;
        lock.lock().map_err(|error| failed("cannot be locked", error))?;
        let kept = self.read().map_err(|error| failed("cannot be read", error))?;
        if let Some(text) = change(kept.as_ref()).map_err(str::to_owned)? {
            self.write(&text).map_err(|error| failed("cannot be written", error))?;
        }
        Ok(())
    }

    /// What is kept, if anything. What cannot be read is laid aside.
    fn read(&self) -> io::Result<Option<Ring>> {
        let path = self.path.join("keys.json");
        let Some(text) = files::read(&path, TEXT_BYTES_MAX as u64)? else { return Ok(None) };
        match Ring::from_text(&text) {
            Ok(ring) => Ok(Some(ring)),
            Err(error) => {
                let aside = files::lay_aside(&path)?;
                let (file, aside) = (path.display(), aside.display());
                tracing::error!(%file, %aside, %error, "the keys that tokens are signed with were laid aside");
                Ok(None)
            }
        }
    }

    fn write(&self, text: &str) -> io::Result<()> {
        files::replace(&self.path.join("keys.json"), |out| out.write_all(text.as_bytes()))
    }
}
