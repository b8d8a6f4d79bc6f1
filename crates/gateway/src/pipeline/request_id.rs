//! Names one exchange, in the reply, toward the backend, in the record and in `explain`.
//!
//! A UUID of version 7 (RFC 9562 §5.7): sorts by time, and says nothing of the client. The random part comes
//! from a per-thread generator seeded by the system; ids are names, not secrets, and nothing trusts them.

use std::cell::Cell;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// The id of one exchange: 36 characters of text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RequestId([u8; 36]);

impl RequestId {
    /// A new id, at wall-clock time `wall`.
    pub fn new(wall: Duration) -> Self {
        let millis = u128::from(u64::try_from(wall.as_millis()).unwrap_or(u64::MAX)) & 0xffff_ffff_ffff;
        let (high, low) = (u128::from(random() & 0xfff), u128::from(random() >> 2));
        Self::spell((millis << 80) | (0x7 << 76) | (high << 64) | (0b10 << 62) | low)
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    fn spell(number: u128) -> Self {
        let mut text = [b'-'; 36];
        let mut shift = 128_u32;
        for (at, place) in text.iter_mut().enumerate() {
            if !matches!(at, 8 | 13 | 18 | 23) {
                shift = shift.saturating_sub(4);
                let digit = number.checked_shr(shift).unwrap_or_default() & 0xf;
                *place = char::from_digit(u32::try_from(digit).unwrap_or_default(), 16)
                    .and_then(|c| u8::try_from(c).ok())
                    .unwrap_or(b'0');
            }
        }
        Self(text)
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// SplitMix64, one state per thread.
fn random() -> u64 {
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
