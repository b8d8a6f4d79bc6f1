//! Time spans, amounts of bytes, rates, quotas, shares.

use std::fmt;
use std::time;

use super::Written;
use crate::bounds::BoundValue;

/// A time span: a whole number and `ms`, `s`, `m`, `h` or `d`, such as `500ms` or `30d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duration(time::Duration);

/// An amount of bytes: a whole number, or one with `KiB`, `MiB`, `GiB` or `TiB`, such as `64KiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(u64);

/// So many per second, minute, hour or day, such as `100/min`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub count: u64,
    /// In which time.
    pub per: time::Duration,
}

/// So many per calendar period, such as `1000000/month`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// How many.
    pub count: u64,
    /// In which period.
    pub per: Period,
}

/// A calendar period, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// From full hour to full hour.
    Hour,
    /// From midnight to midnight.
    Day,
    /// From Monday to Monday.
    Week,
    /// From the first of a month to that of the next.
    Month,
    /// From the first of January to that of the next year.
    Year,
}

/// A share, such as `1%` or `0.5%`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Percent(f64);

/// Splits `64KiB` into the number and the unit.
fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    Some((number.parse().ok()?, unit))
}

impl Written for Duration {
    const NAME: &'static str = "Duration";
    const EXPECTED: &'static str = "a duration such as 500ms";
    const PATTERN: &'static str = "[0-9]+(ms|s|m|h|d)";

    fn read(text: &str) -> Result<Self, String> {
        let (number, unit) = number_and_unit(text).ok_or_else(String::new)?;
        let millis = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "" => return Err(format!("add a unit: `{number}s`")),
            "min" => return Err(format!("write `{number}m`")),
            "sec" => return Err(format!("write `{number}s`")),
            _ => return Err("units are ms, s, m, h and d".to_owned()),
        };
        let millis = number.checked_mul(millis).ok_or("it is too long")?;
        Ok(Self(time::Duration::from_millis(millis)))
    }

    fn read_number(number: u64) -> Result<Self, String> {
        Err(format!("add a unit: `{number}s`"))
    }
}

impl Duration {
    /// As the standard library's.
    pub fn get(self) -> time::Duration {
        self.0
    }
}

impl From<time::Duration> for Duration {
    fn from(duration: time::Duration) -> Self {
        Self(duration)
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        BoundValue::Time(self.0).fmt(f)
    }
}

impl Written for Bytes {
    const NAME: &'static str = "Bytes";
    const EXPECTED: &'static str = "an amount of bytes such as 64KiB";
    const PATTERN: &'static str = "[0-9]+(KiB|MiB|GiB|TiB)?";

    fn read(text: &str) -> Result<Self, String> {
        let (number, unit) = number_and_unit(text).ok_or_else(String::new)?;
        let bytes: u64 = match unit {
            "" | "B" => 1,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            "TiB" => 1 << 40,
            _ => {
                let letter = unit.chars().next().filter(char::is_ascii_alphabetic);
                return Err(match letter.map(|letter| letter.to_ascii_uppercase()) {
                    Some(letter @ ('K' | 'M' | 'G' | 'T')) => format!("write `{number}{letter}iB`"),
                    _ => "units are KiB, MiB, GiB and TiB".to_owned(),
                });
            }
        };
        number.checked_mul(bytes).map(Self).ok_or_else(|| "it is too much".to_owned())
    }

    fn read_number(number: u64) -> Result<Self, String> {
        Ok(Self(number))
    }
}

impl Bytes {
    /// The number of bytes.
    pub fn get(self) -> u64 {
        self.0
    }
}

impl From<u64> for Bytes {
    fn from(bytes: u64) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        BoundValue::Size(self.0).fmt(f)
    }
}

/// Splits `100/min` into the count, which is never 0, and the word.
fn count_per(text: &str) -> Result<(u64, &str), String> {
    let (count, per) = text.split_once('/').ok_or_else(String::new)?;
    let count = count.trim().parse::<u64>().map_err(|_| String::new())?;
    if count == 0 {
        return Err("0 would refuse everything".to_owned());
    }
    Ok((count, per.trim()))
}

impl Written for Rate {
    const NAME: &'static str = "Rate";
    const EXPECTED: &'static str = "a rate such as 100/min";
    const PATTERN: &'static str = "[1-9][0-9]*/(s|min|h|day)";

    fn read(text: &str) -> Result<Self, String> {
        let (count, per) = count_per(text)?;
        let seconds = match per {
            "s" => 1,
            "min" => 60,
            "h" => 3_600,
            "day" => 86_400,
            _ => return Err("rates are per s, min, h or day".to_owned()),
        };
        Ok(Self { count, per: time::Duration::from_secs(seconds) })
    }
}

impl Written for Quota {
    const NAME: &'static str = "Quota";
    const EXPECTED: &'static str = "a quota such as 1000000/month";
    const PATTERN: &'static str = "[1-9][0-9]*/(hour|day|week|month|year)";

    fn read(text: &str) -> Result<Self, String> {
        let (count, per) = count_per(text)?;
        let per = match per {
            "hour" => Period::Hour,
            "day" => Period::Day,
            "week" => Period::Week,
            "month" => Period::Month,
            "year" => Period::Year,
            _ => return Err("quotas are per hour, day, week, month or year".to_owned()),
        };
        Ok(Self { count, per })
    }
}

impl Written for Percent {
    const NAME: &'static str = "Percent";
    const EXPECTED: &'static str = "a share such as 1%";
    const PATTERN: &'static str = r"[0-9]+(\.[0-9]+)?%";

    fn read(text: &str) -> Result<Self, String> {
        let number = text.strip_suffix('%').ok_or("write the percent sign")?;
        if !number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
            return Err(String::new());
        }
        match number.parse::<f64>() {
            Ok(percent) if percent <= 100.0 => Ok(Self(percent / 100.0)),
            Ok(_) => Err("100% is everything".to_owned()),
            Err(_) => Err(String::new()),
        }
    }
}

impl Percent {
    /// `percent` of a hundred.
    pub const fn of_hundred(percent: u8) -> Self {
        Self(percent as f64 / 100.0)
    }

    /// The share in hundredths of a percent.
    pub fn hundredths(self) -> u32 {
        (self.0 * 10_000.0).round() as u32
    }

    /// The share, from 0 to 1.
    pub fn fraction(self) -> f64 {
        self.0
    }
}
