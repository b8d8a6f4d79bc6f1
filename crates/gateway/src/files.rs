//! Files of ours that are put in place whole.
//!
//! Whatever the moment of a crash, and whoever else writes the same file meanwhile (two processes do while one takes over
//! from the other), what has the file's name is one whole writing of it. What a crash leaves beside it ends in
//! [`UNFINISHED`], never in the file's own name.
//!
//! # Failure
//! A full or read-only disk fails the writing, and the file stands as it stood.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::clock;

/// How the name of a file ends that is not in place yet.
pub const UNFINISHED: &str = ".unfinished";

/// Puts a new file at `path`, readable by our user alone: `write` fills it, it goes down to the disk, and takes its name in
/// one step. A folder that is not there is made.
///
/// # Errors
/// What the disk or `write` says; nothing has changed then.
pub fn replace<T>(path: &Path, write: impl FnOnce(&mut BufWriter<&File>) -> io::Result<T>) -> io::Result<T> {
    let folder = path.parent().unwrap_or(Path::new(""));
    // A relative name without a folder stands in the current one.
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    fs::create_dir_all(folder)?;
    // Readable by our user alone from its first moment: that is how such files are made.
    let new = tempfile::Builder::new().suffix(UNFINISHED).tempfile_in(folder)?;
    let mut out = BufWriter::new(new.as_file());
    let value = write(&mut out)?;
    out.flush()?;
    drop(out);
    new.as_file().sync_all()?;
    new.persist(path).map_err(|error| error.error)?;
    // The name is on the disk once its folder is.
    File::open(folder)?.sync_all()?;
    Ok(value)
}

/// The first `bytes_max` bytes of the file at `path`; `None` if there is no such file.
///
/// # Errors
/// What the disk says.
pub fn read(path: &Path, bytes_max: u64) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    match File::open(path) {
        Ok(file) => file.take(bytes_max).read_to_end(&mut bytes)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(Some(bytes))
}

/// Gives the file at `path`, which cannot be read as what it should be, another name beside its own, so that whoever looks
/// after the machine can see it. Says which.
///
/// # Errors
/// What the disk says; the file stands as it stood then.
pub fn lay_aside(path: &Path) -> io::Result<PathBuf> {
    let mut aside = path.as_os_str().to_owned();
    aside.push(format!(".unreadable-{}", clock::wall().as_secs()));
    let aside = PathBuf::from(aside);
    fs::rename(path, &aside)?;
    Ok(aside)
}

/// The file of a folder that is there to be locked: never written, for our user alone. It is not locked yet.
///
/// # Errors
/// What the disk says: the folder must be there.
pub fn lock_in(folder: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600).open(folder.join("lock"))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::{self, Write};
    use std::os::unix::fs::PermissionsExt;

    use super::replace;

    #[test]
    fn a_file_is_replaced_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("made/at/first");
        assert_eq!(replace(&path, |out| out.write_all(b"one").map(|()| 1)).unwrap(), 1);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        replace(&path, |out| out.write_all(b"two")).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let failed = replace(&path, |out| {
            out.write_all(b"thr")?;
            Err::<(), _>(io::Error::other("no more"))
        });
        assert!(failed.is_err());
        assert_eq!(fs::read(&path).unwrap(), b"two");
        let beside = fs::read_dir(path.parent().unwrap()).unwrap().count();
        assert_eq!(beside, 1, "what failed leaves nothing behind");
    }
}
