//! Names one exchange, in the reply, toward the backend, in the record and in `explain`.
//!
//! A UUID of version 7 (RFC 9562 §5.7): sorts by time, and says nothing of the client. The random part comes
//! from a per-thread generator seeded by the system; ids are names, not secrets, and nothing trusts them.

use std::cell::Cell;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use crate::clock;
use crate::http::hex;

/// The id of one exchange: 36 characters of text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RequestId([u8; 36]);

impl RequestId {
    /// A new id, at wall-clock time `wall`.
    pub fn new(wall: Duration) -> Self {
        let millis = clock::millis(wall);
        Self::spell((millis << 16) | 0x7000 | (random() & 0xfff), (0b10 << 62) | (random() >> 2))
    }

    /// The id as a value of a field.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    fn spell(high: u64, low: u64) -> Self {
        let (high, low) = (hex::digits(high), hex::digits(low));
        let mut text = [b'-'; 36];
        text[..8].copy_from_slice(&high[..8]);
        text[9..13].copy_from_slice(&high[8..12]);
        text[14..18].copy_from_slice(&high[12..]);
        text[19..23].copy_from_slice(&low[..4]);
        text[24..].copy_from_slice(&low[4..]);
        Self(text)
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// SplitMix64, one state per thread.
pub(crate) fn random() -> u64 {
    thread_local! { static STATE: Cell<u64> = Cell::new(RandomState::new().hash_one(0_u8)); }
    STATE.with(|state| {
        let next = state.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        state.set(next);
        let mut mixed = next;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::RequestId;

    #[test]
    fn an_id_is_a_uuid_of_version_7_with_its_time_in_front() {
        assert_eq!(
            RequestId::spell(0x0123_4567_89ab_7cde, 0x8f01_2345_6789_abcd).as_str(),
            "01234567-89ab-7cde-8f01-23456789abcd"
        );
        let id = RequestId::new(Duration::from_millis(0x0123_4567_89ab));
        let text = id.as_str();
        assert!(text.starts_with("01234567-89ab-7"), "{text}");
        assert!(matches!(text.as_bytes()[19], b'8' | b'9' | b'a' | b'b'), "{text}");
        assert_ne!(text, RequestId::new(Duration::from_millis(0x0123_4567_89ab)).as_str());
    }
}
