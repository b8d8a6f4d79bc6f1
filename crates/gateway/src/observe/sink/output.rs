//! Where lines end up: standard output, standard error, a file.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::PathBuf;

/// An output, named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::observe) enum Target {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// A file that is appended to.
    File(PathBuf),
}

/// An output, open.
pub(in crate::observe) trait Output: Send {
    /// Writes some of `bytes`, and says how many.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;
    /// Opens it anew. Says whether something stands in it already.
    fn reopen(&mut self) -> io::Result<bool>;
}

impl Target {
    /// Opens the output.
    pub(in crate::observe) fn open(&self) -> io::Result<Box<dyn Output>> {
        // A duplicate of the descriptor leaves out the buffer and the lock that `std::io::stdout` puts before it.
        let standard = |fd: io::Result<std::os::fd::OwnedFd>| -> io::Result<Box<dyn Output>> {
            Ok(Box::new(Standard(File::from(fd?))))
        };
        match self {
            Self::Stdout => standard(io::stdout().as_fd().try_clone_to_owned()),
            Self::Stderr => standard(io::stderr().as_fd().try_clone_to_owned()),
            Self::File(path) => Ok(Box::new(Appended { file: append(path)?, path: path.clone() })),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdout => f.write_str("stdout"),
            Self::Stderr => f.write_str("stderr"),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

#[derive(Debug)]
struct Standard(File);

impl Output for Standard {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn reopen(&mut self) -> io::Result<bool> {
        Ok(true)
    }
}

#[derive(Debug)]
struct Appended {
    file: File,
    path: PathBuf,
}

impl Output for Appended {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn reopen(&mut self) -> io::Result<bool> {
        self.file = append(&self.path)?;
        Ok(self.file.metadata()?.len() > 0)
    }
}

/// Opens a file at its end. Records name people's addresses: others than owner and group may not read them.
fn append(path: &PathBuf) -> io::Result<File> {
    // Opening a pipe without a reader would wait for one.
    if path.metadata().is_ok_and(|found| found.file_type().is_fifo()) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "is a pipe: write to stdout and redirect it",
        ));
    }
    OpenOptions::new().append(true).create(true).mode(0o640).open(path)
}
