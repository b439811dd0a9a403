//! Numbers and times as people read them in a picture, and how wide a text will be.

use crate::domain::Time;
use chrono::{Datelike, TimeDelta, Timelike};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// A whole number with commas between groups of three.
pub fn grouped(value: f64) -> String {
    if !value.is_finite() {
        return "0".to_owned();
    }
    let digits = format!("{:.0}", value.abs());
    let mut out = String::with_capacity(digits.len() + 4);
    if value <= -0.5 {
        out.push('−');
    }
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Two significant digits: an estimate does not carry more.
pub fn two_digits(value: f64) -> String {
    if !value.is_finite() || value <= 0.0 {
        return "0".to_owned();
    }
    let power = value.log10().floor() - 1.0;
    if power >= 0.0 {
        let unit = 10f64.powf(power);
        return grouped((value / unit).round() * unit);
    }
    let decimals = (-power).min(6.0) as usize;
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// A count in at most four letters: 999, 1.2k, 12k, 3M.
pub(super) fn short(count: u64) -> String {
    match count {
        0..=999 => count.to_string(),
        1_000..=9_949 => format!("{:.1}k", count as f64 / 1e3),
        9_950..=999_499 => format!("{:.0}k", count as f64 / 1e3),
        _ => format!("{:.0}M", count as f64 / 1e6),
    }
}

/// A share without needless decimals: 5, 2.5, 0.1.
pub(super) fn share(percent: f64) -> String {
    let text = format!("{percent:.1}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Hours and minutes, UTC.
pub(super) fn clock(time: Time) -> String {
    format!("{:02}:{:02}", time.hour(), time.minute())
}

/// Hours and minutes in a zone so many minutes east of UTC.
pub(super) fn local_clock(time: Time, offset_minutes: i32) -> String {
    clock(moved(time, offset_minutes))
}

fn moved(time: Time, offset_minutes: i32) -> Time {
    time.checked_add_signed(TimeDelta::minutes(i64::from(offset_minutes))).unwrap_or(time)
}

/// A zone so many minutes east of UTC: "UTC−8", "UTC+5:30".
pub(super) fn zone(offset_minutes: i32) -> String {
    let sign = if offset_minutes < 0 { '−' } else { '+' };
    let (hours, minutes) = (offset_minutes.abs() / 60, offset_minutes.abs() % 60);
    match (hours, minutes) {
        (0, 0) => "UTC".to_owned(),
        (_, 0) => format!("UTC{sign}{hours}"),
        (_, _) => format!("UTC{sign}{hours}:{minutes:02}"),
    }
}

/// A day and its month: "3 March".
pub(super) fn day(time: Time) -> String {
    format!("{} {}", time.day(), MONTHS[time.month0() as usize])
}

/// A day and the first letters of its month: "3 Mar".
pub(super) fn short_day(time: Time) -> String {
    format!("{} {}", time.day(), &MONTHS[time.month0() as usize][..3])
}

/// The days of a range, with the year: "3 March 2026", "2 to 3 Mar 2026", "28 Feb to 3 Mar 2026".
pub(super) fn days(from: Time, to: Time) -> String {
    // A range that ends at midnight does not show the day that begins there.
    let last = to.checked_sub_signed(TimeDelta::seconds(1)).unwrap_or(to).max(from);
    match (from.date_naive() == last.date_naive(), from.year() == last.year(), from.month() == last.month()) {
        (true, _, _) => format!("{} {}", day(from), from.year()),
        (false, true, true) => format!("{} to {} {}", from.day(), short_day(last), last.year()),
        (false, true, false) => format!("{} to {} {}", short_day(from), short_day(last), last.year()),
        (false, false, _) => {
            format!("{} {} to {} {}", short_day(from), from.year(), short_day(last), last.year())
        }
    }
}

/// A span of seconds: "15 minutes", "1 hour", "6 hours", "1 day".
pub(super) fn span(seconds: i64) -> String {
    let (count, unit) = match seconds {
        s if s % 86_400 == 0 => (s / 86_400, "day"),
        s if s % 3_600 == 0 => (s / 3_600, "hour"),
        s if s % 60 == 0 => (s / 60, "minute"),
        s => (s, "second"),
    };
    if count == 1 { format!("1 {unit}") } else { format!("{count} {unit}s") }
}

/// The same as an interval of repetition: "every 15 minutes", "every hour".
pub(super) fn every(seconds: i64) -> String {
    let words = span(seconds);
    match words.strip_prefix("1 ") {
        Some(unit) => format!("every {unit}"),
        None => format!("every {words}"),
    }
}

/// How wide a text is in px, by the widths of a common sans; a little more rather than a little less.
pub(super) fn width_of(text: &str, size: f64, bold: bool) -> f64 {
    let em: f64 = text
        .chars()
        .map(|letter| match letter {
            'i' | 'j' | 'l' | '\'' | '|' => 0.24,
            ' ' | '.' | ',' | ':' | ';' | 'f' | 't' | 'I' | '!' | '/' | '[' | ']' => 0.29,
            'r' | '(' | ')' | '-' => 0.34,
            'm' | 'M' | 'W' | '%' | '@' => 0.9,
            'w' | 'G' | 'O' | 'Q' | 'C' | 'D' | 'H' | 'N' | 'R' | 'U' => 0.75,
            'c' | 'k' | 's' | 'v' | 'x' | 'y' | 'z' => 0.51,
            'a'..='z' | '0'..='9' => 0.565,
            'A'..='Z' => 0.68,
            other if other.is_ascii() => 0.6,
            // Wide scripts take a full em.
            other if (other as u32) >= 0x1100 => 1.0,
            _ => 0.62,
        })
        .sum();
    em * size * if bold { 1.06 } else { 1.0 }
}

/// The text, or as much of it as fits with an ellipsis.
pub(super) fn fitted(text: &str, size: f64, bold: bool, room: f64) -> String {
    if width_of(text, size, bold) <= room {
        return text.to_owned();
    }
    let mut kept: Vec<char> = text.chars().collect();
    while let Some(_last) = kept.pop() {
        let candidate: String = kept.iter().collect::<String>() + "…";
        if width_of(&candidate, size, bold) <= room {
            return candidate;
        }
    }
    String::new()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::parse;

    #[test]
    fn an_estimate_carries_two_digits_and_a_count_all_of_them() {
        assert_eq!(two_digits(5731.0), "5,700");
        assert_eq!(two_digits(0.0123), "0.012");
        assert_eq!(two_digits(9.96), "10");
        assert_eq!(two_digits(f64::NAN), "0");
        assert_eq!(grouped(1_234_567.0), "1,234,567");
        assert_eq!(short(1_234), "1.2k");
        assert_eq!(short(1_000_000), "1M");
    }

    #[test]
    fn a_zone_may_have_minutes() {
        assert_eq!(zone(-480), "UTC−8");
        assert_eq!(zone(330), "UTC+5:30");
        assert_eq!(zone(0), "UTC");
    }

    #[test]
    fn a_range_that_ends_at_midnight_shows_one_day() {
        let (from, to) = (parse("2026-03-03T16:00:00Z").expect("valid"), parse("2026-03-04T00:00:00Z").expect("valid"));
        assert_eq!(days(from, to), "3 March 2026");
        assert_eq!(days(from, parse("2026-03-04T01:00:00Z").expect("valid")), "3 to 4 Mar 2026");
    }

    #[test]
    fn a_long_name_is_cut_where_the_room_ends() {
        let cut = fitted("2026.11.24-nightly+abcdef0123456789", 12.5, true, 100.0);
        assert!(cut.ends_with('…') && width_of(&cut, 12.5, true) <= 100.0, "{cut}");
        assert_eq!(fitted("B", 12.5, true, 100.0), "B");
    }
}
