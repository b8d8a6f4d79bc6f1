//! Brotli (RFC 7932), within a window that senders of requests use.

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};

use super::{Fault, Progress, Turn};

/// The largest window, as a power of two: 4 MiB, which is what encoders use unless told otherwise. The largest there is
/// would be 16 MiB of memory for each body that a client begins to send.
pub const BROTLI_WINDOW_BITS_MAX: u32 = 22;

/// What the decoder holds besides its window: tables of prefix codes.
const TABLES_BYTES: usize = 64 << 10;

pub(super) struct Brotli {
    state: BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>,
    /// The first byte was seen, and so the window's size.
    is_begun: bool,
}

impl Default for Brotli {
    fn default() -> Self {
        let alloc = StandardAlloc::default;
        Self { state: BrotliState::new_strict(alloc(), alloc(), alloc()), is_begun: false }
    }
}

impl Brotli {
    pub(super) fn step(&mut self, input: &[u8], output: &mut [u8]) -> Turn {
        if let (false, Some(first)) = (self.is_begun, input.first()) {
            self.is_begun = true;
            // RFC 7932 §9.1: 1 and three bits that are not zero are 17 and their number.
            let bits = u32::from(*first >> 1 & 7);
            if first & 1 == 1 && bits > BROTLI_WINDOW_BITS_MAX.saturating_sub(17) {
                return Err(Fault::Window);
            }
        }
        let (mut in_left, mut in_at) = (input.len(), 0);
        let (mut out_left, mut out_at, mut total) = (output.len(), 0, 0);
        let result = BrotliDecompressStream(
            &mut in_left,
            &mut in_at,
            input,
            &mut out_left,
            &mut out_at,
            output,
            &mut total,
            &mut self.state,
        );
        let progress = Progress { taken: in_at, written: out_at };
        match result {
            BrotliResult::ResultSuccess => Ok((progress, true)),
            BrotliResult::NeedsMoreInput | BrotliResult::NeedsMoreOutput => Ok((progress, false)),
            BrotliResult::ResultFailure => Err(Fault::Malformed),
        }
    }

    /// The ring it decodes into grows with what it holds; what it has not written to is no memory yet.
    pub(super) fn memory(&self, written: u64) -> usize {
        let window = 1_usize << BROTLI_WINDOW_BITS_MAX;
        TABLES_BYTES.saturating_add(usize::try_from(written).unwrap_or(window).min(window))
    }
}
