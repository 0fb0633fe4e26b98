//! Times as people write them; UTC where they do not say otherwise.

use std::time::{SystemTime, UNIX_EPOCH};

const DAY_MS: i64 = 86_400_000;

/// The wall clock, in ms since 1970.
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Reads a point in time, in ms since 1970:
/// `@1700000000000` (ms), `15m` (that long ago; s, m, h, d), `2026-01-31`, `2026-01-31T12:00`, `2026-01-31T12:00:00.123Z`,
/// `2026-01-31T12:00:00+02:00`.
pub fn parse_point(text: &str, now_ms: i64) -> Option<i64> {
    if let Some(ms) = text.strip_prefix('@') {
        return ms.parse().ok().filter(|ms| *ms >= 0);
    }
    if let Some(ago_ms) = parse_duration_ms(text) {
        return Some(now_ms.saturating_sub(ago_ms));
    }
    parse_date_time(text)
}

/// Reads a duration with its unit: `500ms`, `30s`, `15m`, `2h`, `7d`.
pub fn parse_duration_ms(text: &str) -> Option<i64> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => DAY_MS,
        _ => return None,
    };
    number.parse::<i64>().ok()?.checked_mul(unit_ms)
}

fn parse_date_time(text: &str) -> Option<i64> {
    let (date, time) = match text.split_once(['T', ' ']) {
        Some((date, time)) => (date, time),
        None => (text, "00:00"),
    };
    let mut parts = date.splitn(3, '-');
    let year: i64 = digits(parts.next()?, 4)?;
    let month = digits(parts.next()?, 2)?;
    let day = digits(parts.next()?, 2)?;
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let month_days = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=month_days).contains(&day) {
        return None;
    }
    let (time, zone_ms) = split_zone(time)?;
    let (time, fraction) = time.split_once('.').unwrap_or((time, ""));
    let mut parts = time.split(':');
    let hour = digits(parts.next()?, 2)?;
    let minute = digits(parts.next()?, 2)?;
    let second = parts.next().map_or(Some(0), |second| digits(second, 2))?;
    if parts.next().is_some() || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    if !fraction.chars().all(|c| c.is_ascii_digit()) {
        return None;
    }
    let ms: i64 = format!("{fraction:0<3}")[..3].parse().ok()?;
    Some(
        days_from_civil(year, month, day) * DAY_MS + (hour * 3600 + minute * 60 + second) * 1000 + ms
            - zone_ms,
    )
}

fn digits(text: &str, count: usize) -> Option<i64> {
    (text.len() == count && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

fn split_zone(time: &str) -> Option<(&str, i64)> {
    if let Some(time) = time.strip_suffix(['Z', 'z']) {
        return Some((time, 0));
    }
    let Some(at) = time.find(['+', '-']) else {
        return Some((time, 0));
    };
    let (time, zone) = time.split_at(at);
    let (hours, minutes) = zone[1..].split_once(':')?;
    let ms = (digits(hours, 2)? * 60 + digits(minutes, 2)?) * 60_000;
    Some((time, if zone.starts_with('-') { -ms } else { ms }))
}

/// Days since 1970-01-01 in the Gregorian calendar. Years begin in March here, so that the leap day is the last one.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_read() {
        let now = 1_700_000_000_000;
        let check =
            |text: &str, expected: Option<i64>| assert_eq!(parse_point(text, now), expected, "{text}");
        check("@42", Some(42));
        check("@-1", None);
        check("15m", Some(now - 900_000));
        check("2h", Some(now - 7_200_000));
        check("250ms", Some(now - 250));
        check("1970-01-01", Some(0));
        check("2023-11-14T22:13:20Z", Some(now));
        check("2023-11-14 22:13:20.123", Some(now + 123));
        check("2023-11-14T22:13:20.1234567Z", Some(now + 123));
        check("2023-11-15T00:13:20+02:00", Some(now));
        check("2023-11-14T17:13:20-05:00", Some(now));
        check("2024-02-29", Some(1_709_164_800_000));
        check("2023-02-29", None);
        check("2023-13-01", None);
        check("2023-11-14T25:00", None);
        check("2023-11-14T22:13:20.é", None);
        check("yesterday", None);
        check("12", None);
        check("", None);
    }
}
