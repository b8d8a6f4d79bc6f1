//! Wall-clock time as text: RFC 3339 in UTC with milliseconds.

use std::time::Duration;

use super::json::digits;

/// Writes `wall`, the time since 1970.
pub(super) fn write(out: &mut Vec<u8>, wall: Duration) {
    let (year, month, day) = civil(wall.as_secs() / 86_400);
    let of_day = wall.as_secs() % 86_400;
    digits::<4>(out, year);
    out.push(b'-');
    digits::<2>(out, month);
    out.push(b'-');
    digits::<2>(out, day);
    out.push(b'T');
    digits::<2>(out, of_day / 3600);
    out.push(b':');
    digits::<2>(out, of_day / 60 % 60);
    out.push(b':');
    digits::<2>(out, of_day % 60);
    out.push(b'.');
    digits::<3>(out, wall.subsec_millis().into());
    out.push(b'Z');
}

/// `wall` as text.
pub fn format(wall: Duration) -> String {
    let mut out = Vec::with_capacity(24);
    write(&mut out, wall);
    String::from_utf8(out).unwrap_or_default()
}

/// Year, month and day of a day since 1970.
///
/// Years are counted from March, so that the leap day is the last of its year; 146,097 days make 400 of them.
#[expect(clippy::arithmetic_side_effects, reason = "days of a 64-bit count of seconds: far from any edge")]
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468; // from 1 March of year 0 to 1970
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::format;
    use std::time::Duration;

    #[test]
    fn known_days_are_spelt_right() {
        let check = |seconds: u64, expected: &str| {
            assert_eq!(format(Duration::from_secs(seconds)), expected);
        };
        check(0, "1970-01-01T00:00:00.000Z");
        check(951_782_400, "2000-02-29T00:00:00.000Z");
        check(951_868_799, "2000-02-29T23:59:59.000Z");
        check(1_709_164_800, "2024-02-29T00:00:00.000Z");
        check(1_767_225_599, "2025-12-31T23:59:59.000Z");
        check(4_107_542_400, "2100-03-01T00:00:00.000Z");
        assert_eq!(format(Duration::from_millis(1_700_000_000_007)), "2023-11-14T22:13:20.007Z");
    }
}
