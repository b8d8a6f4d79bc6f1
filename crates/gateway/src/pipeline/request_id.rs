//! Names one exchange, in the reply, toward the backend, in the record and in `explain`.
//!
//! A UUID of version 7 (RFC 9562 §5.7): sorts by time, and says nothing of the client. The random part comes
//! from a per-thread generator seeded by the system; ids are names, not secrets, and nothing trusts them.

use std::cell::Cell;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use portcullis_http1::{Digits, Form};

use crate::clock;

/// The id of one exchange: 36 characters of text.
// PERF: spelt once, as the line that both heads have of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RequestId(Form<52>);

impl RequestId {
    /// A new id, at wall-clock time `wall`.
    pub fn new(wall: Duration) -> Self {
        let millis = clock::millis(wall);
        Self::spell((millis << 16) | 0x7000 | (random() & 0xfff), (0b10 << 62) | (random() >> 2))
    }

    /// The id as a value of a field.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.value()
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// The id as a field line.
    pub fn line(&self) -> &Form<52> {
        &self.0
    }

    fn spell(high: u64, low: u64) -> Self {
        const LINE: Form<52> = Form::new(b"x-request-id: 00000000-0000-0000-0000-000000000000\r\n");
        let (high, low) = (Digits::of(high), Digits::of(low));
        let mut line = LINE;
        line.write(14, high.part::<8>(0));
        line.write(23, high.part::<4>(8));
        line.write(28, high.part::<4>(12));
        line.write(33, low.part::<4>(0));
        line.write(38, low.part::<12>(4));
        Self(line)
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
        assert_eq!((id.line().name(), id.line().value()), (&b"x-request-id"[..], id.as_bytes()));
        let text = id.as_str();
        assert!(text.starts_with("01234567-89ab-7"), "{text}");
        assert!(matches!(text.as_bytes()[19], b'8' | b'9' | b'a' | b'b'), "{text}");
        assert_ne!(text, RequestId::new(Duration::from_millis(0x0123_4567_89ab)).as_str());
    }
}
