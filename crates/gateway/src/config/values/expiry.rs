//! Points in time by the calendar.

use super::Written;

/// A point in time: a day such as `2027-06-30` (its end, in UTC) or an instant such as `2027-06-30T12:00:00Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Expiry {
    unix_seconds: u64,
}

impl Written for Expiry {
    const NAME: &'static str = "Expiry";
    const EXPECTED: &'static str = "a date such as 2027-06-30 or 2027-06-30T12:00:00Z";
    const PATTERN: &'static str = "[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}:[0-9]{2}Z)?";

    fn read(text: &str) -> Result<Self, String> {
        // The day as a whole is still good.
        Ok(Self { unix_seconds: read(text, 86_400)? })
    }
}

/// A point in time: a day such as `2027-06-30` (its beginning, in UTC) or an instant such as `2027-06-30T12:00:00Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant {
    unix_seconds: u64,
}

impl Written for Instant {
    const NAME: &'static str = "Instant";
    const EXPECTED: &'static str = Expiry::EXPECTED;
    const PATTERN: &'static str = Expiry::PATTERN;

    fn read(text: &str) -> Result<Self, String> {
        Ok(Self { unix_seconds: read(text, 0)? })
    }
}

impl Instant {
    /// Seconds since 1970 from which on it has come.
    pub fn unix_seconds(self) -> u64 {
        self.unix_seconds
    }
}

impl Expiry {
    /// Seconds since 1970 from which on it is past.
    pub fn unix_seconds(self) -> u64 {
        self.unix_seconds
    }
}

/// Seconds since 1970 of an instant, or of so many seconds into a day.
fn read(text: &str, into_the_day: u64) -> Result<u64, String> {
    let (day, clock) = match text.split_once('T') {
        Some((day, clock)) => (day, Some(clock.strip_suffix('Z').ok_or("times are in UTC and end in Z")?)),
        None => (text, None),
    };
    let days = days_since_1970(day).ok_or_else(String::new)?;
    let seconds = match clock {
        None => into_the_day,
        Some(clock) => {
            let [hour, minute, second] = fields(clock, ':', [2, 2, 2]).ok_or_else(String::new)?;
            if hour > 23 || minute > 59 || second > 59 {
                return Err("there is no such time of day".to_owned());
            }
            hour.saturating_mul(3_600).saturating_add(minute.saturating_mul(60)).saturating_add(second)
        }
    };
    Ok(days.saturating_mul(86_400).saturating_add(seconds))
}

/// Decimal fields of exact widths between separators.
fn fields<const N: usize>(text: &str, separator: char, widths: [usize; N]) -> Option<[u64; N]> {
    let mut values = [0; N];
    let mut parts = text.split(separator);
    for (value, width) in values.iter_mut().zip(widths) {
        let part = parts.next()?;
        if part.len() != width || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        *value = part.parse().ok()?;
    }
    parts.next().is_none().then_some(values)
}

/// Days from 1970-01-01 to a date of the Gregorian calendar, from 1970 on.
fn days_since_1970(date: &str) -> Option<u64> {
    let [year, month, day] = fields(date, '-', [4, 2, 2])?;
    let is_leap =
        |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let february = if is_leap(year) { 29 } else { 28 };
    let months = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let before = usize::try_from(month.checked_sub(1)?).ok()?;
    if year < 1970 || day == 0 || day > *months.get(before)? {
        return None;
    }
    let years: u64 = (1970..year).map(|year| if is_leap(year) { 366 } else { 365 }).sum();
    let months: u64 = months.iter().take(before).sum();
    years.checked_add(months)?.checked_add(day)?.checked_sub(1)
}
