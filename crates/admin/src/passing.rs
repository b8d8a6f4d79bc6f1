//! Words and open sockets between two gateways of one machine, over a Unix connection.
//!
//! A word is a JSON value behind its length. Sockets follow a word that says how many (`SCM_RIGHTS`, unix(7)), in parcels of
//! [`PARCEL`], each with one byte: whoever reads more than that byte without a place for sockets would lose them, so
//! words are read to their last byte and no further.
//!
//! # Limits
//! [`WORD_BYTES_MAX`] of a word, [`SOCKETS_MAX`] sockets; a deadline for the conversation.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use portcullis_gateway::clock::{self, Instant};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Bytes of a word.
const WORD_BYTES_MAX: u32 = 4 << 20;

/// Sockets that are passed in all.
pub(crate) const SOCKETS_MAX: usize = 16_384;

/// Sockets in one parcel; the kernel takes 253.
const PARCEL: usize = 64;

/// Room for the sockets of a parcel.
const PARCEL_BYTES: usize = rustix::cmsg_space!(ScmRights(PARCEL));

/// One end of a conversation.
#[derive(Debug)]
pub(crate) struct Line {
    stream: UnixStream,
    until: Instant,
}

impl Line {
    /// A conversation that takes at most `patience`.
    pub(crate) fn new(stream: UnixStream, patience: Duration) -> io::Result<Self> {
        stream.set_nonblocking(false)?;
        let until = clock::now().checked_add(patience).ok_or(io::ErrorKind::InvalidInput)?;
        Ok(Self { stream, until })
    }

    /// From now on there is at most `patience` left.
    pub(crate) fn limit(&mut self, patience: Duration) {
        self.until = clock::now().checked_add(patience).map_or(self.until, |until| until.min(self.until));
    }

    /// Says a word.
    pub(crate) fn say(&mut self, word: &impl Serialize) -> io::Result<()> {
        let word = serde_json::to_vec(word)?;
        let length = u32::try_from(word.len()).ok().filter(|length| *length <= WORD_BYTES_MAX);
        let length = length.ok_or_else(|| broken("a word is too long"))?;
        self.stream.set_write_timeout(Some(self.left()?))?;
        self.stream.write_all(&[&length.to_be_bytes(), word.as_slice()].concat()).map_err(late)
    }

    /// Hears the next word.
    pub(crate) fn hear<T: DeserializeOwned>(&mut self) -> io::Result<T> {
        let mut length = [0; 4];
        self.read(&mut length)?;
        let length = u32::from_be_bytes(length);
        if length > WORD_BYTES_MAX {
            return Err(broken("a word is too long"));
        }
        let mut word = vec![0; length as usize];
        self.read(&mut word)?;
        serde_json::from_slice(&word).map_err(|_| broken("a word is not understood"))
    }

    /// Passes sockets on; they stay open here.
    pub(crate) fn pass(&mut self, sockets: &[BorrowedFd<'_>]) -> io::Result<()> {
        for parcel in sockets.chunks(PARCEL) {
            self.stream.set_write_timeout(Some(self.left()?))?;
            let mut room = [MaybeUninit::uninit(); PARCEL_BYTES];
            let mut ancillary = SendAncillaryBuffer::new(&mut room);
            if !ancillary.push(SendAncillaryMessage::ScmRights(parcel)) {
                return Err(broken("a parcel is too large"));
            }
            sendmsg(&self.stream, &[IoSlice::new(b"+")], &mut ancillary, SendFlags::NOSIGNAL)
                .map_err(|error| late(error.into()))?;
        }
        Ok(())
    }

    /// Takes `count` sockets. They are closed in whatever this process executes.
    pub(crate) fn take(&mut self, count: usize) -> io::Result<Vec<OwnedFd>> {
        if count > SOCKETS_MAX {
            return Err(broken("too many sockets"));
        }
        let mut sockets = Vec::with_capacity(count);
        while sockets.len() < count {
            self.stream.set_read_timeout(Some(self.left()?))?;
            let mut room = [MaybeUninit::uninit(); PARCEL_BYTES];
            let mut ancillary = RecvAncillaryBuffer::new(&mut room);
            let mut byte = [0];
            let heard = recvmsg(
                &self.stream,
                &mut [IoSliceMut::new(&mut byte)],
                &mut ancillary,
                RecvFlags::CMSG_CLOEXEC,
            )
            .map_err(|error| late(error.into()))?;
            let before = sockets.len();
            for message in ancillary.drain() {
                if let RecvAncillaryMessage::ScmRights(parcel) = message {
                    sockets.extend(parcel);
                }
            }
            if heard.bytes == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if heard.flags.contains(ReturnFlags::CTRUNC) || sockets.len() == before {
                return Err(broken("sockets were lost on the way: too few descriptors? raise `nofile`"));
            }
        }
        if sockets.len() == count { Ok(sockets) } else { Err(broken("more sockets than were announced")) }
    }

    /// The process at the other end, as the kernel knows it.
    pub(crate) fn peer(&self) -> Option<u32> {
        let peer = rustix::net::sockopt::socket_peercred(&self.stream).ok()?;
        u32::try_from(peer.pid.as_raw_nonzero().get()).ok()
    }

    fn read(&mut self, mut room: &mut [u8]) -> io::Result<()> {
        while !room.is_empty() {
            self.stream.set_read_timeout(Some(self.left()?))?;
            match self.stream.read(room) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => room = room.get_mut(read..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(late(error)),
            }
        }
        Ok(())
    }

    /// What is left of the time; none is an error.
    fn left(&self) -> io::Result<Duration> {
        let left = self.until.saturating_duration_since(clock::now());
        if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
    }
}

/// A socket whose time is up says that it would block.
fn late(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::WouldBlock { io::ErrorKind::TimedOut.into() } else { error }
}

fn broken(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
