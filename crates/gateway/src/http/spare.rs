//! Memory that connections need only while something is said on them, kept by their core for the next one that speaks.
//!
//! A waiting connection holds no buffer. Without this each request would ask the allocator for two of several KiB and
//! give them back, and would find them cold.
//!
//! # Limits
//! [`KEPT_MAX`] buffers of each kind on each core, none larger than [`KEPT_BYTES_MAX`]; memory of [`HEADS_MAX`] heads, none larger
//! than [`Fields::into_spare`] keeps, and of as many readings, none larger than [`TEXT_BYTES_MAX`].

use std::cell::RefCell;
use std::thread::LocalKey;

use bytes::BytesMut;
use portcullis_http1::Fields;

/// Buffers kept of each kind.
const KEPT_MAX: usize = 16;

/// Heads of which the memory is kept. Each request that waits for its backend has one.
const HEADS_MAX: usize = 64;

/// The largest memory of a reading that is kept.
pub const TEXT_BYTES_MAX: usize = 4 * 1024;

/// The largest that is kept.
pub const KEPT_BYTES_MAX: usize = 16 * 1024;

/// The smallest read buffer that is worth keeping.
const READ_BYTES_MIN: usize = 8 * 1024;

thread_local! {
    static READ: RefCell<Vec<BytesMut>> = const { RefCell::new(Vec::new()) };
    static WRITE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
    static HEADS: RefCell<Vec<Fields>> = const { RefCell::new(Vec::new()) };
    static TEXTS: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// An empty buffer to read into.
pub fn read() -> BytesMut {
    READ.with_borrow_mut(Vec::pop).unwrap_or_default()
}

/// Takes back a buffer in which nothing is left.
pub fn give_read(mut buffer: BytesMut) {
    // A part of it may still be on its way to somebody as the piece of a body.
    if buffer.is_empty() && buffer.try_reclaim(READ_BYTES_MIN) && buffer.capacity() <= KEPT_BYTES_MAX {
        READ.with_borrow_mut(|kept| keep(kept, buffer, KEPT_MAX));
    }
}

/// An empty buffer to write from.
pub fn write() -> Vec<u8> {
    WRITE.with_borrow_mut(Vec::pop).unwrap_or_default()
}

/// Takes back a buffer of which everything was written.
pub fn give_write(buffer: Vec<u8>) {
    give_bytes(&WRITE, buffer, KEPT_BYTES_MAX, KEPT_MAX);
}

/// Memory of a head that is done with, for the next one.
pub fn head() -> Fields {
    HEADS.with_borrow_mut(Vec::pop).unwrap_or_default()
}

/// Takes back the memory of a head, unless it is as large as only rare ones are.
pub fn give_head(fields: Fields) {
    HEADS.with_borrow_mut(|kept| keep(kept, fields.into_spare(), HEADS_MAX));
}

/// Empty memory for what a head says.
pub fn text() -> Vec<u8> {
    TEXTS.with_borrow_mut(Vec::pop).unwrap_or_default()
}

/// Takes back memory of what a head said.
pub fn give_text(text: Vec<u8>) {
    give_bytes(&TEXTS, text, TEXT_BYTES_MAX, HEADS_MAX);
}

/// Takes back memory of bytes, of no more than `bytes_max`, as one of `most`.
fn give_bytes(
    kept: &'static LocalKey<RefCell<Vec<Vec<u8>>>>,
    mut bytes: Vec<u8>,
    bytes_max: usize,
    most: usize,
) {
    bytes.clear();
    if (1..=bytes_max).contains(&bytes.capacity()) {
        kept.with_borrow_mut(|kept| keep(kept, bytes, most));
    }
}

fn keep<T>(kept: &mut Vec<T>, buffer: T, most: usize) {
    if kept.len() < most {
        kept.push(buffer);
    }
}

#[cfg(test)]
mod tests {
    use bytes::{Buf, BytesMut};

    use super::{
        KEPT_BYTES_MAX, KEPT_MAX, READ, TEXT_BYTES_MAX, give_read, give_text, give_write, read, text, write,
    };

    #[test]
    fn what_was_used_is_kept_and_what_is_shared_or_large_is_not() {
        let mut buffer = BytesMut::with_capacity(8 * 1024);
        buffer.extend_from_slice(b"abc");
        buffer.advance(3);
        let place = buffer.as_ptr() as usize;
        give_read(buffer);
        let mut buffer = read();
        assert_eq!((buffer.len(), buffer.as_ptr() as usize), (0, place - 3));
        assert!(buffer.capacity() >= 8 * 1024);

        buffer.extend_from_slice(b"abc");
        let piece = buffer.split().freeze();
        give_read(buffer);
        assert_eq!(read().capacity(), 0, "a piece of it is still in use");
        drop(piece);
        give_read(BytesMut::with_capacity(4 * KEPT_BYTES_MAX));
        assert_eq!(read().capacity(), 0, "too large");

        give_write(b"left over".to_vec());
        assert!(write().is_empty());
        assert_eq!(write().capacity(), 0);
        give_text(b"left over".to_vec());
        give_text(Vec::with_capacity(2 * TEXT_BYTES_MAX));
        let (first, second) = (text(), text());
        assert!(first.is_empty() && first.capacity() >= 9, "what was kept is empty");
        assert_eq!(second.capacity(), 0, "too large");
        (0..2 * KEPT_MAX).for_each(|_| give_read(BytesMut::with_capacity(8 * 1024)));
        assert_eq!(READ.with_borrow(Vec::len), KEPT_MAX);
    }
}
