//! Where documents come from: a folder, or memory.
//!
//! A reference is a way to make the gateway read a file (`$ref: ../../etc/shadow`) or fetch an address
//! (`$ref: http://169.254.169.254/`). So the loader asks for documents by a path below the root document's folder that
//! it has built itself, and a [`Folder`] checks again where the file really is, once symbolic links are followed.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Gives documents by their path below the root document's folder, segments separated by `/`, without `.` and `..`.
pub trait Documents {
    /// Reads one.
    ///
    /// # Errors
    /// When there is none, when it may not be read, or when it has more bytes than that.
    fn read(&self, path: &str, bytes_max: usize) -> Result<Vec<u8>, Unreadable>;

    /// The path of a copy that is kept for an absolute name (`https://…`), which nobody fetches.
    fn kept(&self, _uri: &str) -> Option<String> {
        None
    }

    /// What messages call it.
    fn name(&self, path: &str) -> String {
        path.to_owned()
    }
}

/// Why a document was not read. The messages stand behind the document's name.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unreadable {
    /// There is none.
    #[error("does not exist")]
    Missing,
    /// Links lead it out of the root document's folder.
    #[error("lies outside of the root document's folder")]
    Outside,
    /// A folder, a device, a pipe.
    #[error("is not a file")]
    NotAFile,
    /// More bytes than the caller allowed.
    #[error("has more than the {0} bytes that may be read")]
    TooLarge(usize),
    /// The system says no.
    #[error("cannot be read: {0}")]
    Failed(io::ErrorKind),
}

impl From<io::Error> for Unreadable {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::Missing,
            kind => Self::Failed(kind),
        }
    }
}

/// The documents in the folder of a root document.
#[derive(Debug)]
pub struct Folder {
    /// As the operator named it, for messages.
    named: PathBuf,
    /// Invariant: canonical, without symbolic links.
    real: PathBuf,
    root: Box<str>,
}

impl Folder {
    /// The folder of a root document, which is named as the operator did.
    ///
    /// # Errors
    /// When there is no such folder.
    pub fn of(root: &Path) -> Result<Self, Unreadable> {
        let named = root.parent().unwrap_or(Path::new("")).to_path_buf();
        let real = if named.as_os_str().is_empty() { Path::new(".") } else { &named }.canonicalize()?;
        let root = root.file_name().and_then(|name| name.to_str()).ok_or(Unreadable::NotAFile)?;
        Ok(Self { named, real, root: root.into() })
    }

    /// What to load: the root document's path below the folder.
    pub fn root(&self) -> &str {
        &self.root
    }

    /// Where a document is, as the operator would name it: for messages, and to watch it.
    pub fn path(&self, path: &str) -> PathBuf {
        self.named.join(path)
    }

    /// SECURITY: the root was named by the operator and may be a link to anywhere; what the document names may not.
    fn real(&self, path: &str) -> Result<PathBuf, Unreadable> {
        let real = self.real.join(path).canonicalize()?;
        if *path != *self.root && !real.starts_with(&self.real) {
            return Err(Unreadable::Outside);
        }
        Ok(real)
    }
}

impl Documents for Folder {
    fn read(&self, path: &str, bytes_max: usize) -> Result<Vec<u8>, Unreadable> {
        let real = self.real(path)?;
        // Before opening: opening a pipe waits for its writer.
        if !real.metadata()?.is_file() {
            return Err(Unreadable::NotAFile);
        }
        let mut bytes = Vec::new();
        let most = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
        File::open(real)?.take(most).read_to_end(&mut bytes)?;
        if bytes.len() > bytes_max { Err(Unreadable::TooLarge(bytes_max)) } else { Ok(bytes) }
    }

    fn name(&self, path: &str) -> String {
        self.path(path).display().to_string()
    }
}

/// Documents in memory, by path.
impl Documents for BTreeMap<String, Vec<u8>> {
    fn read(&self, path: &str, bytes_max: usize) -> Result<Vec<u8>, Unreadable> {
        let bytes = self.get(path).ok_or(Unreadable::Missing)?;
        if bytes.len() > bytes_max { Err(Unreadable::TooLarge(bytes_max)) } else { Ok(bytes.clone()) }
    }
}
