//! Numbers in hexadecimal, spelt without a formatter and without a loop over digits: every exchange spells four.

/// Hexadecimal digits of a number, in lower case, the highest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digits<const N: usize>([u8; N]);

impl Digits<16> {
    /// All digits of `number`.
    #[inline]
    pub fn of(number: u64) -> Self {
        let [a, b, c, d, e, f, g, h] = eight(number >> 32);
        let [i, j, k, l, m, n, o, p] = eight(number);
        Self([a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p])
    }
}

impl<const N: usize> Digits<N> {
    /// So many of them from `from` on; zeros where there are none.
    // PERF: of a length known while compiling, so that they are put somewhere without a call.
    #[inline]
    #[must_use]
    pub fn part<const M: usize>(&self, from: usize) -> Digits<M> {
        let part = self.0.get(from..).and_then(<[u8]>::first_chunk);
        debug_assert!(part.is_some(), "there are not so many digits");
        Digits(*part.unwrap_or(&[b'0'; M]))
    }

    /// The digits.
    #[inline]
    pub fn as_bytes(&self) -> &[u8; N] {
        &self.0
    }
}

/// The eight digits of the lower half of `number`.
#[inline]
fn eight(number: u64) -> [u8; 8] {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    /// How much further than the character behind the nine the letters begin.
    const TO_LETTERS: u64 = (b'a' as u64).wrapping_sub(b'9' as u64).wrapping_sub(1);
    // Each step spreads its parts over twice the room, until each half byte has a byte of its own.
    let pairs = number & 0xffff_ffff;
    let pairs = (pairs | (pairs << 16)) & 0x0000_ffff_0000_ffff;
    let pairs = (pairs | (pairs << 8)) & 0x00ff_00ff_00ff_00ff;
    let halves = (pairs | (pairs << 4)) & 0x0f0f_0f0f_0f0f_0f0f;
    // One where the half byte is a letter; no byte carries into the next.
    let letters = (halves.wrapping_add(ONES.wrapping_mul(6)) >> 4) & ONES;
    let digits = halves.wrapping_add(ONES.wrapping_mul(b'0' as u64));
    digits.wrapping_add(letters.wrapping_mul(TO_LETTERS)).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::Digits;

    #[test]
    fn digits_are_those_of_the_formatter() {
        let numbers = (0..64).map(|bit| 0x9e37_79b9_7f4a_7c15_u64.rotate_left(bit) ^ (1 << bit));
        for number in numbers.chain([0, u64::MAX, 0x0123_4567_89ab_cdef]) {
            assert_eq!(Digits::of(number).as_bytes(), format!("{number:016x}").as_bytes(), "{number}");
        }
        assert_eq!(Digits::of(0x0123_4567_89ab_cdef).part::<4>(12).as_bytes(), b"cdef");
    }
}
