//! Numbers that look drawn and are the same every time: SplitMix64, by a seed.

/// Where the next number comes from.
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    /// By a seed.
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(0x0123_4567_89AB_CDEF))
    }

    /// The next number.
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// One below `end`; 0 where there is none.
    pub(super) fn below(&mut self, end: usize) -> usize {
        let drawn = self.next();
        let end = u64::try_from(end).unwrap_or(u64::MAX);
        drawn.checked_rem(end).and_then(|index| usize::try_from(index).ok()).unwrap_or(0)
    }

    /// One from `least` to `most`.
    pub(super) fn within(&mut self, least: usize, most: usize) -> usize {
        let width = most.saturating_sub(least).saturating_add(1);
        least.saturating_add(self.below(width))
    }

    /// True as often as not.
    pub(super) fn flip(&mut self) -> bool {
        self.next() & 1 == 1
    }

    /// A word of lower-case letters that can be read.
    pub(super) fn word(&mut self, length: usize) -> String {
        const CONSONANTS: &[u8] = b"bdfgklmnprstv";
        const VOWELS: &[u8] = b"aeiou";
        (0..length)
            .map(|index| {
                let letters = if index & 1 == 0 { CONSONANTS } else { VOWELS };
                letters.get(self.below(letters.len())).copied().map_or('a', char::from)
            })
            .collect()
    }

    /// Hexadecimal digits in lower case.
    pub(super) fn hex(&mut self, digits: usize) -> String {
        const DIGITS: &[u8] = b"0123456789abcdef";
        (0..digits).filter_map(|_| DIGITS.get(self.below(16)).copied().map(char::from)).collect()
    }
}
