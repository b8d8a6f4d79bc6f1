//! Numbers as text, compared exactly.
//!
//! JSON numbers are decimals; a double is not. `0.10000000000000001` is more than `0.1`, and
//! `18446744073709551617` is no `18446744073709551616`, though each pair is one double. Everything here goes by the
//! decimal that stands in the text: never is a number within bounds because rounding moved it there.
//! Read by [`super::parse`], a number has a bounded count of digits and lies where doubles do, so what is done
//! digit by digit is bounded too.

use std::cmp::Ordering;
use std::fmt::{self, Write};

use super::fault::Reason;
use super::scan;

/// With no more digits than these and no exponent, a number is no further from one than a double can be.
const DIGITS_IN_RANGE: usize = 300;

/// With no more significant digits than these, a double near one gives the same decimal back.
const DIGITS_OF_DOUBLE: usize = 15;

/// A JSON number. Two are equal if their decimals are.
#[derive(Debug, Clone, Copy)]
pub struct Number<'t> {
    text: &'t str,
}

/// How long the number at the beginning of `text` is, if it has no more digits than these and lies where doubles do.
/// An error has the offset of the byte to blame.
pub(super) fn measure(text: &str, digits_max: usize) -> Result<usize, (Reason, usize)> {
    let scanned = scan::number(text.as_bytes())?;
    if scanned.digits > digits_max {
        return Err((Reason::NumberDigits, 0));
    }
    if scanned.has_exponent || scanned.digits > DIGITS_IN_RANGE {
        check_range(text.get(..scanned.len).unwrap_or_default()).map_err(|reason| (reason, 0))?;
    }
    Ok(scanned.len)
}

/// Parsers disagree about what a double cannot hold: infinity, zero, an error. None of them is right for all.
fn check_range(text: &str) -> Result<(), Reason> {
    let double: f64 = text.parse().map_err(|_| Reason::Range)?;
    if !double.is_finite() || (double == 0.0 && !Decimal::read(text).is_zero()) {
        return Err(Reason::Range);
    }
    Ok(())
}

impl<'t> Number<'t> {
    /// Text that is by the grammar, all of it.
    pub(crate) fn parse(text: &'t str) -> Option<Self> {
        scan::number(text.as_bytes()).ok().filter(|scanned| scanned.len == text.len()).map(|_| Self { text })
    }

    /// Text that is known to be by the grammar.
    pub(crate) fn read(text: &'t str) -> Self {
        Self { text }
    }

    /// As it was written.
    pub fn as_str(&self) -> &'t str {
        self.text
    }

    /// Whether it is a whole number, however written: `1`, `1.0` and `1e2` are.
    pub fn is_integer(&self) -> bool {
        self.is_written_as_integer() || Decimal::read(self.text).is_integer()
    }

    /// Whether it has neither a fraction nor an exponent.
    pub fn is_written_as_integer(&self) -> bool {
        !self.text.bytes().any(|byte| matches!(byte, b'.' | b'e' | b'E'))
    }

    /// As an integer, however written, if it is one that fits.
    pub fn as_u64(&self) -> Option<u64> {
        if self.is_written_as_integer() {
            return if self.text == "-0" { Some(0) } else { self.text.parse().ok() };
        }
        u64::try_from(Decimal::read(self.text).as_i128()?).ok()
    }

    /// As an integer, however written, if it is one that fits.
    pub fn as_i64(&self) -> Option<i64> {
        if self.is_written_as_integer() {
            return self.text.parse().ok();
        }
        i64::try_from(Decimal::read(self.text).as_i128()?).ok()
    }

    /// As a double, if that is the same decimal: if the double's shortest text means this very number.
    pub fn as_f64_exact(&self) -> Option<f64> {
        let double: f64 = self.text.parse().ok()?;
        if !double.is_finite() {
            return None;
        }
        let decimal = Decimal::read(self.text);
        if self.text.len() <= DIGITS_OF_DOUBLE {
            return Some(double);
        }
        let mut shortest = Buffer::default();
        write!(shortest, "{double:e}").ok()?;
        (Decimal::read(shortest.as_str()) == decimal).then_some(double)
    }

    /// The double nearest to it; for ranges, not for comparing.
    pub fn as_f64_near(&self) -> f64 {
        self.text.parse().unwrap_or(f64::NAN)
    }

    /// Whether it is this many times `divisor`, exactly. Nothing is a multiple of 0.
    pub fn is_multiple_of(&self, divisor: Number<'_>) -> bool {
        Decimal::read(self.text).is_multiple_of(&Decimal::read(divisor.text))
    }

    /// The digits that matter, and where the point stands: equal for equal numbers, and for no others.
    pub(crate) fn canonical(&self) -> impl Iterator<Item = u8> + use<'t> {
        let decimal = Decimal::read(self.text);
        let sign = if decimal.is_negative { b'-' } else { b'+' };
        std::iter::once(sign).chain(decimal.scale.to_le_bytes()).chain(decimal.digits())
    }
}

impl PartialEq for Number<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.compare(other).is_eq()
    }
}

impl Eq for Number<'_> {}

impl Number<'_> {
    /// Which is more, it or a whole number; `None` where that takes reading it as a decimal.
    // PERF: nearly all numbers and bounds are short, and are compared without being taken apart.
    pub(crate) fn compare_whole(&self, other: i64) -> Option<Ordering> {
        /// Whatever has no more digits fits.
        const DIGITS_MAX: usize = 18;
        let (is_negative, magnitude) = match self.text.as_bytes() {
            [b'-', magnitude @ ..] => (true, magnitude),
            magnitude => (false, magnitude),
        };
        if magnitude.len() > DIGITS_MAX {
            return None;
        }
        let mut whole = 0_i64;
        let mut rest = magnitude.iter();
        let mut has_fraction = false;
        for byte in rest.by_ref() {
            match byte {
                b'0'..=b'9' => {
                    whole = whole.wrapping_mul(10).wrapping_add(i64::from(byte.wrapping_sub(b'0')));
                }
                b'.' => {
                    has_fraction = true;
                    break;
                }
                _ => return None,
            }
        }
        let mut is_beyond = false;
        if has_fraction {
            for byte in rest {
                match byte {
                    b'0' => {}
                    b'1'..=b'9' => is_beyond = true,
                    _ => return None,
                }
            }
        }
        let other = if is_negative { other.checked_neg()? } else { other };
        // Whatever stands behind the point is less than one.
        let order = whole.cmp(&other).then(if is_beyond { Ordering::Greater } else { Ordering::Equal });
        Some(if is_negative { order.reverse() } else { order })
    }

    /// Which is more, as decimals.
    pub fn compare(&self, other: &Number<'_>) -> Ordering {
        if let (Ok(a), Ok(b)) = (self.text.parse::<i64>(), other.text.parse::<i64>()) {
            return a.cmp(&b);
        }
        Decimal::read(self.text).compare(&Decimal::read(other.text))
    }
}

/// A decimal: `0.d₁d₂d₃… × 10^scale`, its first and last digit not 0.
#[derive(Debug, Clone, Copy)]
struct Decimal<'t> {
    is_negative: bool,
    /// From the first significant digit to the last; a point may stand between. Empty for zero.
    significant: &'t str,
    scale: i64,
}

impl<'t> Decimal<'t> {
    fn read(text: &'t str) -> Self {
        let is_negative = text.starts_with('-');
        let text = text.strip_prefix('-').unwrap_or(text);
        let (mantissa, exponent) = match text.find(['e', 'E']) {
            Some(at) => (
                text.get(..at).unwrap_or_default(),
                exponent(text.get(at.saturating_add(1)..).unwrap_or_default()),
            ),
            None => (text, 0),
        };
        let is_significant = |byte: u8| matches!(byte, b'1'..=b'9');
        let Some(first) = mantissa.bytes().position(is_significant) else {
            return Self { is_negative: false, significant: "", scale: 0 };
        };
        let last = mantissa.bytes().rposition(is_significant).unwrap_or(first);
        let point = mantissa.find('.').unwrap_or(mantissa.len());
        // Digits between the first that counts and the point; less than none if it stands behind the point.
        let whole = to_i64(point).saturating_sub(to_i64(first)).saturating_add(i64::from(first > point));
        Self {
            is_negative,
            significant: mantissa.get(first..=last).unwrap_or_default(),
            scale: whole.saturating_add(exponent),
        }
    }

    fn is_zero(&self) -> bool {
        self.significant.is_empty()
    }

    fn digits(&self) -> impl Iterator<Item = u8> + use<'t> {
        self.significant.bytes().filter(u8::is_ascii_digit)
    }

    /// The power of ten that the last digit counts.
    fn unit(&self) -> i64 {
        self.scale.saturating_sub(to_i64(self.digits().count()))
    }

    fn is_integer(&self) -> bool {
        self.is_zero() || self.unit() >= 0
    }

    fn as_i128(&self) -> Option<i128> {
        if !self.is_integer() {
            return None;
        }
        let mut value = 0_i128;
        for digit in self.digits() {
            value = value.checked_mul(10)?.checked_add(i128::from(digit.wrapping_sub(b'0')))?;
        }
        let zeros = if self.is_zero() { 0 } else { u32::try_from(self.unit()).ok()? };
        value = value.checked_mul(10_i128.checked_pow(zeros)?)?;
        Some(if self.is_negative { value.wrapping_neg() } else { value })
    }

    fn compare(&self, other: &Decimal<'_>) -> Ordering {
        let sign = |decimal: &Decimal<'_>| match (decimal.is_zero(), decimal.is_negative) {
            (true, _) => 0_i8,
            (false, false) => 1,
            (false, true) => -1,
        };
        sign(self).cmp(&sign(other)).then_with(|| {
            let magnitude = self.scale.cmp(&other.scale).then_with(|| self.digits().cmp(other.digits()));
            if self.is_negative { magnitude.reverse() } else { magnitude }
        })
    }

    /// Long division, a digit at a time. A divisor beyond 128 bits divides only what is known to be alike.
    fn is_multiple_of(&self, divisor: &Decimal<'_>) -> bool {
        if self.is_zero() || divisor.is_zero() {
            return self.is_zero() && !divisor.is_zero();
        }
        // The last digit is not 0: what the divisor's unit is above divides by ten, and this does not.
        let zeros = self.unit().saturating_sub(divisor.unit());
        let Ok(zeros) = usize::try_from(zeros) else { return false };
        let by = divisor.digits().try_fold(0_u64, |by, digit| {
            by.checked_mul(10)?.checked_add(u64::from(digit.wrapping_sub(b'0')))
        });
        let Some(by) = by.map(u128::from).filter(|by| *by > 0) else {
            return self.compare(divisor).is_eq();
        };
        let digits = self.digits().map(|digit| u128::from(digit.wrapping_sub(b'0')));
        let rest = digits.chain(std::iter::repeat_n(0, zeros)).fold(0_u128, |rest, digit| {
            rest.wrapping_mul(10).wrapping_add(digit).checked_rem(by).unwrap_or_default()
        });
        rest == 0
    }
}

impl PartialEq for Decimal<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.compare(other).is_eq()
    }
}

/// Beyond a few digits an exponent is as good as endless.
fn exponent(text: &str) -> i64 {
    let is_negative = text.starts_with('-');
    let digits = text.trim_start_matches(['+', '-']);
    let value = digits
        .bytes()
        .fold(0_i64, |value, digit| {
            value.saturating_mul(10).saturating_add(i64::from(digit.wrapping_sub(b'0')))
        })
        .min(1_000_000_000);
    if is_negative { value.saturating_neg() } else { value }
}

fn to_i64(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Room for the shortest text of a double.
#[derive(Default)]
struct Buffer {
    bytes: [u8; 32],
    len: usize,
}

impl Buffer {
    fn as_str(&self) -> &str {
        self.bytes.get(..self.len).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
    }
}

impl Write for Buffer {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.len.saturating_add(text.len());
        let room = self.bytes.get_mut(self.len..end).ok_or(fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}
