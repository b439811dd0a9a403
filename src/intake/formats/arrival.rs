//! When something happened, from what the sender's clock said and when it reached us.

use crate::domain::time::{self, Time};
use crate::intake::json::Value;
use chrono::{Datelike, TimeDelta};
use serde_json::{Map, json};

/// A sender whose clock is ahead by more than this is corrected: it cannot have sent before it happened.
const AHEAD: TimeDelta = TimeDelta::seconds(60);
/// A sender whose clock seems behind by more than this is corrected. Less may as well be a request that waited.
const BEHIND: TimeDelta = TimeDelta::minutes(55);
/// Reports older than this are marked.
const OLD: TimeDelta = TimeDelta::days(30);

/// Both ends' times for one request.
#[derive(Debug, Clone, Copy)]
pub struct Arrival {
    /// When the request reached us, by our clock.
    pub received_at: Time,
    /// When it was sent, by the sender's clock.
    pub sent_at: Option<Time>,
    /// Whether the sender may have kept it for long after writing `sent_at`, as native clients do until the next start.
    /// Then a `sent_at` in the past says nothing about its clock.
    pub kept: bool,
}

impl Arrival {
    /// When it happened by our clock, and what was changed or is remarkable, for the record's `extra`:
    /// `clock_drift_s` (seconds added), `claimed_at` (the time as sent, where it was not believed), `older_than_30_days`.
    pub fn place(&self, claimed: Option<Time>) -> (Time, Map<String, serde_json::Value>) {
        let mut remarks = Map::new();
        let Some(claimed) = claimed.or(self.sent_at) else { return (self.received_at, remarks) };
        let mut at = claimed;
        if let Some(drift) = self.drift()
            && let Some(corrected) = at.checked_add_signed(drift)
        {
            at = corrected;
            remarks.insert("clock_drift_s".into(), json!(drift.num_seconds()));
        }
        let latest = self.received_at + AHEAD;
        if at > latest || at.year() < 2000 {
            at = if at > latest { latest } else { self.received_at };
            remarks.insert("claimed_at".into(), json!(time::text(claimed)));
        }
        if at < self.received_at - OLD {
            remarks.insert("older_than_30_days".into(), json!(true));
        }
        (time::to_micros(at), remarks)
    }

    /// What must be added to the sender's times, where its clock is clearly wrong.
    fn drift(&self) -> Option<TimeDelta> {
        let drift = self.received_at.signed_duration_since(self.sent_at?);
        let wrong = drift < -AHEAD || (drift > BEHIND && !self.kept);
        wrong.then_some(drift)
    }
}

/// Reads an instant in any form that clients send: seconds or milliseconds since 1970 as number or text, or RFC 3339 with or
/// without zone.
pub fn read(value: &Value) -> Option<Time> {
    match value {
        Value::Number(number) => number.as_f64().and_then(from_number),
        Value::String(text) => {
            time::parse_lenient(text).or_else(|| text.trim().parse::<f64>().ok().and_then(from_number))
        }
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) | Value::Unread(_) => None,
    }
}

/// Seconds up to the year 5138, above that milliseconds.
fn from_number(number: f64) -> Option<Time> {
    if number.abs() > 1e11 { time::from_seconds(number / 1000.0) } else { time::from_seconds(number) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intake::json::json;

    fn at(text: &str) -> Time {
        time::parse(text).expect(text)
    }

    fn arrival(sent_at: Option<&str>) -> Arrival {
        Arrival { received_at: at("2026-11-23T12:00:00Z"), sent_at: sent_at.map(at), kept: false }
    }

    #[test]
    fn every_form_of_a_time_is_read() {
        let forms = [
            json!(1795420580.438892),
            json!("1795420580.438892"),
            json!("2026-11-23T07:56:20.438892Z"),
            json!("2026-11-23T07:56:20.438892999Z"),
            json!("2026-11-23T08:56:20.438892+01:00"),
            json!("2026-11-23T07:56:20.438892"),
            json!("2026-11-23 07:56:20.438892"),
        ];
        for form in forms {
            assert_eq!(read(&form).map(time::text).as_deref(), Some("2026-11-23T07:56:20.438892Z"), "{form}");
        }
        assert_eq!(read(&json!(1795420580)).map(time::text).as_deref(), Some("2026-11-23T07:56:20Z"));
        assert_eq!(read(&json!(1795420580438_u64)).map(time::text).as_deref(), Some("2026-11-23T07:56:20.438Z"));
        for nonsense in [json!(null), json!("soon"), json!(1e300), json!([]), json!("NaN")] {
            assert_eq!(read(&nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn a_clock_that_is_an_hour_wrong_is_corrected_either_way() {
        let (ahead, remarks) = arrival(Some("2026-11-23T13:00:00Z")).place(Some(at("2026-11-23T12:59:00Z")));
        assert_eq!(
            (time::text(ahead).as_str(), &remarks["clock_drift_s"]),
            ("2026-11-23T11:59:00Z", &serde_json::json!(-3600))
        );
        let (behind, _) = arrival(Some("2026-11-23T11:00:00Z")).place(Some(at("2026-11-23T10:59:00Z")));
        assert_eq!(time::text(behind), "2026-11-23T11:59:00Z");
    }

    #[test]
    fn a_request_that_waited_a_while_is_not_a_wrong_clock() {
        let (placed, remarks) = arrival(Some("2026-11-23T11:30:00Z")).place(Some(at("2026-11-23T11:29:00Z")));
        assert_eq!((time::text(placed).as_str(), remarks.len()), ("2026-11-23T11:29:00Z", 0));
    }

    #[test]
    fn a_report_kept_until_the_next_start_stays_when_it_happened() {
        let kept = Arrival { kept: true, ..arrival(Some("2026-11-22T12:00:01Z")) };
        assert_eq!(time::text(kept.place(Some(at("2026-11-22T12:00:00Z"))).0), "2026-11-22T12:00:00Z");
    }

    #[test]
    fn the_future_ends_a_minute_after_arrival_and_the_claim_is_kept() {
        let (placed, remarks) = arrival(None).place(Some(at("2026-11-25T00:00:00Z")));
        assert_eq!(time::text(placed), "2026-11-23T12:01:00Z");
        assert_eq!(remarks["claimed_at"], "2026-11-25T00:00:00Z");
    }

    #[test]
    fn an_old_report_is_marked_and_a_senseless_one_is_placed_at_arrival() {
        assert_eq!(arrival(None).place(Some(at("2026-10-01T00:00:00Z"))).1["older_than_30_days"], true);
        assert_eq!(time::text(arrival(None).place(Some(at("1970-01-01T00:00:07Z"))).0), "2026-11-23T12:00:00Z");
        assert_eq!(time::text(arrival(None).place(None).0), "2026-11-23T12:00:00Z");
    }
}
