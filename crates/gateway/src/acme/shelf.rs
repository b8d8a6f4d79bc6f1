//! Where accounts and certificates are kept: a file each, for our user alone, replaced whole.
//!
//! A certificate and its key stand in one file, so that they are never another's. Who orders holds a lock on the folder: two
//! processes are there at once while one takes over from the other, and authorities count orders.

use std::fs::{DirBuilder, File, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use portcullis_identity::algorithm::Algorithm;
use portcullis_identity::base64::{decode_standard, encode_standard};
use portcullis_identity::json::{Limits, Object, Value, parse_object};
use portcullis_identity::jwt::SigningKey;
use portcullis_identity::sha256::digest;

use super::Spec;
use crate::files;
use crate::secret::Secret;

/// Most bytes of a file.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Where all of it lies within the state directory.
const FOLDER: &str = "acme";

/// Where what belongs to one certificate is kept.
#[derive(Debug, Clone)]
pub(super) struct Shelf {
    folder: PathBuf,
    account: PathBuf,
    certificate: PathBuf,
    source: String,
}

/// A chain and its key, in PEM.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) chain: String,
    pub(super) key: Secret,
}

impl Shelf {
    /// That of `spec`, in the state directory `state`. What was had for other names or from elsewhere is not found there.
    pub(super) fn of(state: &Path, spec: &Spec) -> Self {
        let folder = state.join(FOLDER);
        let account = digest(format!("{} {:?}", spec.directory, spec.email).as_bytes()).to_string();
        let mut names = spec.names.clone();
        names.sort_unstable();
        let source = digest(format!("{} {names:?} {:?}", spec.directory, spec.key).as_bytes()).to_string();
        let first = spec.names.first().map_or("unnamed", |name| name);
        let short = |digest: &str| digest.get(..16).unwrap_or_default().to_owned();
        Self {
            account: folder.join(format!("account-{}.json", short(&account))),
            certificate: folder.join(format!("{first}-{}.json", short(&source))),
            folder,
            source,
        }
    }

    /// The right to order; `None` while another process has it.
    pub(super) fn lock(&self) -> io::Result<Option<File>> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let lock = files::lock_in(&self.folder)?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(lock)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// The account's key: the kept one, or a new one that is kept from now on. Only who holds the lock may ask.
    pub(super) fn account(&self) -> Result<SigningKey, String> {
        let failed = |error: io::Error| format!("{}: {error}", self.account.display());
        if let Some(document) = read(&self.account).map_err(failed)? {
            let key = document.and_then(|document| {
                let der = decode_standard(document.get("key")?.as_text()?.as_bytes())?;
                SigningKey::from_pkcs8(&der, Algorithm::ES256).ok()
            });
            if let Some(key) = key {
                return Ok(key);
            }
            lay_aside(&self.account).map_err(failed)?;
        }
        let key = SigningKey::generate(Algorithm::ES256).map_err(|_| "no key can be made")?;
        let der = key.to_pkcs8().ok_or("no key can be made")?;
        let document = Object::new().with("key", encode_standard(&der));
        write(&self.account, &document).map_err(failed)?;
        Ok(key)
    }

    /// The certificate that is kept, if there is one.
    pub(super) fn read(&self) -> io::Result<Option<Kept>> {
        let Some(document) = read(&self.certificate)? else { return Ok(None) };
        let kept = document.and_then(|document| {
            let text = |name: &str| document.get(name).and_then(Value::as_text);
            let is_ours = text("source") == Some(&self.source);
            let (chain, key) = (text("chain")?.to_owned(), Secret::new(text("key")?));
            is_ours.then_some(Kept { chain, key })
        });
        match kept {
            Some(kept) => Ok(Some(kept)),
            None => {
                lay_aside(&self.certificate)?;
                Ok(None)
            }
        }
    }

    /// Keeps a certificate in place of what was there.
    pub(super) fn keep(&self, kept: &Kept) -> io::Result<()> {
        let document = Object::new().with("source", &*self.source).with("chain", &*kept.chain);
        write(&self.certificate, &document.with("key", kept.key.expose()))
    }
}

/// What a file says; `None` in it, if that is nothing of ours.
fn read(path: &Path) -> io::Result<Option<Option<Object>>> {
    let Some(text) = files::read(path, FILE_BYTES_MAX)? else { return Ok(None) };
    let limits = Limits { bytes: text.len(), depth: 4 };
    Ok(Some(parse_object(&text, limits).ok()))
}

fn write(path: &Path, document: &Object) -> io::Result<()> {
    files::replace(path, |out| out.write_all(document.to_string().as_bytes()))
}

/// Lays aside what is nothing of ours, and says so.
fn lay_aside(path: &Path) -> io::Result<()> {
    let aside = files::lay_aside(path)?;
    let (file, aside) = (path.display(), aside.display());
    tracing::error!(%file, %aside, "what was kept of certificates cannot be read and was laid aside");
    Ok(())
}
