//! The admin socket: a file that only its owner may open.
//!
//! The socket is bound under a name of its own, closed to others, and then renamed into place: there is no moment
//! in which somebody else could connect. What stands in its place already is asked first: a socket that answers
//! belongs to a running gateway, and anything that is no socket to somebody else; only what nobody answers on is
//! replaced.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// Longest path of a socket: what the kernel's structure holds, less its closing zero.
const PATH_BYTES_MAX: usize = 107;

/// The file of a bound admin socket. Dropping it removes the file, if it still is this one.
#[derive(Debug)]
pub(crate) struct Socket {
    path: PathBuf,
    /// Device and inode of the file; none when it belongs to another process.
    identity: Option<(u64, u64)>,
}

impl Socket {
    /// Binds at `path`.
    pub(crate) fn bind(path: &Path) -> io::Result<(Self, UnixListener)> {
        make_room(path)?;
        let mut draft = path.as_os_str().to_owned();
        draft.push(format!(".{}", std::process::id()));
        let draft = PathBuf::from(draft);
        if draft.as_os_str().len() > PATH_BYTES_MAX {
            let what =
                format!("the path is too long: a socket's may have about {} bytes", PATH_BYTES_MAX - 11);
            return Err(io::Error::new(io::ErrorKind::InvalidFilename, what));
        }
        // Ours by its name: left behind by a process of the same number.
        if draft.exists() {
            fs::remove_file(&draft)?;
        }
        let listener = UnixListener::bind(&draft)?;
        let placed = fs::set_permissions(&draft, Permissions::from_mode(0o600))
            .and_then(|()| fs::rename(&draft, path))
            .and_then(|()| path.metadata());
        match placed {
            Ok(found) => {
                let identity = Some((found.dev(), found.ino()));
                Ok((Self { path: path.to_owned(), identity }, listener))
            }
            Err(error) => {
                // The first error is the one to tell.
                let _ = fs::remove_file(&draft);
                Err(error)
            }
        }
    }

    /// The file of a socket that was bound by another process, and is still that one's.
    pub(crate) fn of_another(path: &Path) -> Self {
        Self { path: path.to_owned(), identity: None }
    }

    /// From now on the file is this process's, whoever made it.
    pub(crate) fn make_own(&mut self) {
        self.identity = self.path.symlink_metadata().ok().map(|found| (found.dev(), found.ino()));
    }

    /// Leaves the file to another process.
    pub(crate) fn give_up(&mut self) {
        self.identity = None;
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let is_ours =
            self.path.symlink_metadata().is_ok_and(|found| Some((found.dev(), found.ino())) == self.identity);
        if is_ours {
            // Whoever comes next replaces a file that nobody answers on.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Looks at what stands in the way, if anything does.
fn make_room(path: &Path) -> io::Result<()> {
    match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(found) if !found.file_type().is_socket() => {
            let what = "something that is no socket stands there; move it away";
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, what));
        }
        Ok(_) => {}
    }
    match UnixStream::connect(path) {
        Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound) => {
            Ok(())
        }
        Ok(_) => Err(io::Error::new(io::ErrorKind::AddrInUse, "another gateway answers there")),
        Err(error) => Err(error),
    }
}
