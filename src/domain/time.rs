//! Instants: UTC, to the microsecond. What "now" is belongs to `clock`, not here.

use chrono::{DateTime, NaiveDateTime, SecondsFormat, SubsecRound, TimeDelta, Utc};

/// An instant in UTC. Everything stored or compared is cut to microseconds.
pub type Time = DateTime<Utc>;

/// Cuts an instant to microseconds, the precision of the history file and of both databases.
pub fn to_micros(time: Time) -> Time {
    time.trunc_subsecs(6)
}

/// Reads RFC 3339 with a zone, any precision; what is finer than a microsecond is cut off.
pub fn parse(text: &str) -> Option<Time> {
    let time = DateTime::parse_from_rfc3339(text.trim()).ok()?;
    Some(to_micros(time.with_timezone(&Utc)))
}

/// Reads what crash clients send: RFC 3339 with or without a zone (no zone means UTC), up to nine decimals.
pub fn parse_lenient(text: &str) -> Option<Time> {
    if let Some(time) = parse(text) {
        return Some(time);
    }
    let text = text.trim().trim_end_matches('Z');
    ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"]
        .iter()
        .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())
        .map(|naive| to_micros(naive.and_utc()))
}

/// Seconds since 1970 with a fraction, as most crash clients send them. `None` where no such year exists.
pub fn from_seconds(seconds: f64) -> Option<Time> {
    if !seconds.is_finite() || seconds.abs() > 1e11 {
        return None;
    }
    DateTime::from_timestamp_micros((seconds * 1e6).round() as i64)
}

/// RFC 3339 in UTC with as many decimals as are needed: none, three or six.
pub fn text(time: Time) -> String {
    let form = match time.timestamp_subsec_micros() {
        0 => SecondsFormat::Secs,
        micros if micros % 1000 == 0 => SecondsFormat::Millis,
        _ => SecondsFormat::Micros,
    };
    time.to_rfc3339_opts(form, true)
}

/// Microseconds since 1970, as the databases keep an instant.
pub fn micros(time: Time) -> i64 {
    time.timestamp_micros()
}

/// The instant that many microseconds after 1970; the edges of time where a database holds nonsense.
pub fn from_micros(micros: i64) -> Time {
    DateTime::from_timestamp_micros(micros).unwrap_or(if micros < 0 { Time::MIN_UTC } else { Time::MAX_UTC })
}

/// The start of the minute that holds this instant.
pub fn minute(time: Time) -> Time {
    from_micros(micros(time).div_euclid(60_000_000) * 60_000_000)
}

/// A whole number of seconds as a span.
pub fn seconds(count: i64) -> TimeDelta {
    TimeDelta::seconds(count)
}

/// A whole number of minutes as a span.
pub fn minutes(count: i64) -> TimeDelta {
    TimeDelta::minutes(count)
}

/// For serde: an instant as RFC 3339 text.
pub mod as_text {
    use super::Time;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    /// Writes the instant as RFC 3339 in UTC.
    pub fn serialize<S: Serializer>(time: &Time, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::text(*time))
    }

    /// Reads RFC 3339 with a zone.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Time, D::Error> {
        let text = String::deserialize(deserializer)?;
        super::parse(&text).ok_or_else(|| D::Error::custom("a time in RFC 3339 with a zone was expected"))
    }
}

/// For serde: an instant that may be absent, as RFC 3339 text or null.
pub mod as_text_or_null {
    use super::Time;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    /// Writes the instant as RFC 3339 in UTC, or null.
    pub fn serialize<S: Serializer>(time: &Option<Time>, serializer: S) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => serializer.serialize_str(&super::text(*time)),
            None => serializer.serialize_none(),
        }
    }

    /// Reads RFC 3339 with a zone, or null.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Time>, D::Error> {
        Option::<String>::deserialize(deserializer)?
            .map(|text| {
                super::parse(&text).ok_or_else(|| D::Error::custom("a time in RFC 3339 with a zone was expected"))
            })
            .transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_with_the_decimals_it_needs() {
        for text_in in ["2026-03-03T01:14:05Z", "2026-03-03T01:14:05.646Z", "2026-03-03T01:14:05.646123Z"] {
            assert_eq!(text(parse(text_in).expect("valid")), text_in);
        }
        assert_eq!(text(parse("2026-03-03T02:14:05.6461239+01:00").expect("valid")), "2026-03-03T01:14:05.646123Z");
    }

    #[test]
    fn a_strict_time_needs_a_zone_and_a_lenient_one_does_not() {
        assert_eq!(parse("2026-03-03T01:14:05"), None);
        assert_eq!(
            parse_lenient("2026-03-03T01:14:05.123456789").map(text),
            Some("2026-03-03T01:14:05.123456Z".into())
        );
        assert_eq!(parse_lenient("yesterday"), None);
    }

    #[test]
    fn a_minute_begins_at_its_start_also_before_1970() {
        assert_eq!(text(minute(parse("1969-12-31T23:59:30Z").expect("valid"))), "1969-12-31T23:59:00Z");
    }
}
