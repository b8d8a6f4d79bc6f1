//! Numbers in hexadecimal, spelt without a formatter and without a loop over digits: every exchange spells four.

/// The sixteen digits of `number`, in lower case.
pub fn digits(number: u64) -> [u8; 16] {
    let low = eight(number);
    let mut text = [0; 16];
    text[..8].copy_from_slice(&eight(number >> 32));
    text[8..].copy_from_slice(&low);
    text
}

/// The eight digits of the lower half of `number`.
fn eight(number: u64) -> [u8; 8] {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    // Each step spreads its parts over twice the room, until each half byte has a byte of its own.
    let pairs = number & 0xffff_ffff;
    let pairs = (pairs | (pairs << 16)) & 0x0000_ffff_0000_ffff;
    let pairs = (pairs | (pairs << 8)) & 0x00ff_00ff_00ff_00ff;
    let halves = (pairs | (pairs << 4)) & 0x0f0f_0f0f_0f0f_0f0f;
    // One where the half byte is a letter; no byte carries into the next.
    let letters = (halves.wrapping_add(ONES.wrapping_mul(6)) >> 4) & ONES;
    let digits = halves.wrapping_add(ONES.wrapping_mul(u64::from(b'0')));
    digits.wrapping_add(letters.wrapping_mul(u64::from(b'a' - b'9' - 1))).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::digits;

    #[test]
    fn digits_are_those_of_the_formatter() {
        let numbers = (0..64).map(|bit| 0x9e37_79b9_7f4a_7c15_u64.rotate_left(bit) ^ (1 << bit));
        for number in numbers.chain([0, u64::MAX, 0x0123_4567_89ab_cdef]) {
            assert_eq!(digits(number), format!("{number:016x}").as_bytes(), "{number}");
        }
    }
}
