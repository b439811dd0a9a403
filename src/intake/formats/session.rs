//! Session counts: how much of a release was in use, by the minute. The denominator that crash counts alone never give.
//!
//! A session that crashed is no crash record here: the event that comes beside it is. How many did is kept in `extra`.

use super::arrival::{self, Arrival};
use super::fields::{object, text, text_under, truth, under, whole};
use crate::domain::exposure::Exposure;
use crate::domain::record::LONGEST_NAME;
use crate::domain::service::{DEFAULT_CELL, DEFAULT_ENVIRONMENT};
use crate::domain::{Time, time};
use crate::intake::json::{Fields, Value};
use crate::intake::{Door, Tally, scrub};
use serde_json::{Map, json};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// Buckets read of one item.
const MOST_BUCKETS: usize = 100;
/// The most sessions that one bucket may count.
const MOST_SESSIONS: i64 = 1_000_000_000;

/// The counts of a bucket, and what each is called in `extra`; sessions that ended well are not named there.
const COUNTS: [(&str, Option<&str>); 6] = [
    ("exited", None),
    ("ok", None),
    ("errored", Some("sessions_errored")),
    ("crashed", Some("sessions_crashed")),
    ("abnormal", Some("sessions_abnormal")),
    ("unhandled", Some("sessions_unhandled")),
];

/// Reads one session's update. Only the first of a session counts: later ones repeat it.
pub fn update(session: &Fields, arrival: &Arrival, door: &Door, windows: &mut Windows, tally: &mut Tally) {
    if truth(under(session, &["init"])) != Some(true) {
        return;
    }
    let errors = whole(under(session, &["errors"])).unwrap_or(0);
    let status = text_under(session, "status").unwrap_or_default();
    let known = COUNTS.iter().find(|(word, _)| *word == status).map_or("ok", |(word, _)| word);
    let status = if matches!(known, "ok" | "exited") && errors > 0 { "errored" } else { known };
    let bucket = Fields::new(vec![
        ("started".into(), under(session, &["started", "timestamp"]).clone()),
        (status.into(), Value::Number(1.into())),
    ]);
    windows.add(object(under(session, &["attrs"])), &bucket, arrival, door, tally);
}

/// Reads counts that the client gathered itself.
pub fn aggregate(item: &Fields, arrival: &Arrival, door: &Door, windows: &mut Windows, tally: &mut Tally) {
    let attributes = object(under(item, &["attrs", "attributes"]));
    let Value::Array(buckets) = under(item, &["aggregates"]) else { return };
    for bucket in buckets.iter().take(MOST_BUCKETS) {
        windows.add(attributes, object(bucket), arrival, door, tally);
    }
    let beyond: i64 =
        buckets.iter().skip(MOST_BUCKETS).map(|bucket| total(object(bucket))).fold(0, i64::saturating_add);
    tally.add("session", "too_many_buckets", beyond.unsigned_abs());
}

fn count(bucket: &Fields, word: &str) -> i64 {
    whole(under(bucket, &[word])).unwrap_or(0).clamp(0, MOST_SESSIONS)
}

fn total(bucket: &Fields) -> i64 {
    COUNTS.iter().map(|(word, _)| count(bucket, word)).sum()
}

/// Windows of exposure, those of equal place and minute added up.
#[derive(Debug, Default)]
pub struct Windows(BTreeMap<(Time, String, String, String), Exposure>);

impl Windows {
    /// The windows in order of time, release, environment and cell.
    pub fn into_exposures(self) -> Vec<Exposure> {
        self.0.into_values().collect()
    }

    fn add(&mut self, attributes: &Fields, bucket: &Fields, arrival: &Arrival, door: &Door, tally: &mut Tally) {
        let sessions = total(bucket);
        if sessions == 0 {
            return;
        }
        let name = |name: &str| {
            let text = text(under(attributes, &[name])).map(|it| scrub::clean(&it, LONGEST_NAME / 4));
            text.filter(|it| !it.is_empty())
        };
        let Some(release) = name("release") else {
            tally.add("session", "no_release", sessions.unsigned_abs());
            return;
        };
        let (started, mut extra) = arrival.place(arrival::read(under(bucket, &["started"])));
        for (word, called) in COUNTS {
            if let Some(called) = called
                && count(bucket, word) > 0
            {
                extra.insert(called.into(), json!(count(bucket, word)));
            }
        }
        let window = Exposure {
            service: door.service.to_owned(),
            environment: name("environment").unwrap_or_else(|| DEFAULT_ENVIRONMENT.to_owned()),
            release,
            cell: name(&door.names.cell).unwrap_or_else(|| DEFAULT_CELL.to_owned()),
            at: time::minute(started),
            received_at: door.received_at,
            seconds: 60.0,
            instances: 0.0,
            sessions: Some(sessions as f64),
            flags: Map::new(),
            extra,
        };
        self.merge(window);
    }

    fn merge(&mut self, window: Exposure) {
        let place = (window.at, window.release.clone(), window.environment.clone(), window.cell.clone());
        let kept = match self.0.entry(place) {
            Entry::Vacant(free) => {
                free.insert(window);
                return;
            }
            Entry::Occupied(kept) => kept.into_mut(),
        };
        kept.sessions = Some(kept.sessions.unwrap_or(0.0) + window.sessions.unwrap_or(0.0));
        for (name, value) in window.extra {
            let sum = match (kept.extra.get(&name).and_then(serde_json::Value::as_i64), value.as_i64()) {
                (Some(there), Some(more)) if name.starts_with("sessions_") => json!(there.saturating_add(more)),
                _ => value,
            };
            kept.extra.insert(name, sum);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intake::TagNames;
    use serde_json::Value as Json;

    fn read(items: &[(&str, Json)]) -> (Vec<Exposure>, Vec<(String, String, u64)>) {
        let received_at = time::parse("2026-11-23T08:00:00Z").expect("valid");
        let names = TagNames::default();
        let door = Door { service: "web", names: &names, received_at, reads_on: &|_| true };
        let arrival = Arrival { received_at, sent_at: Some(received_at), kept: false };
        let (mut windows, mut tally) = (Windows::default(), Tally::default());
        for (kind, item) in items {
            let item = &Value::from(item.clone());
            match *kind {
                "session" => update(object(item), &arrival, &door, &mut windows, &mut tally),
                _ => aggregate(object(item), &arrival, &door, &mut windows, &mut tally),
            }
        }
        let outcomes = tally.outcomes().into_iter().map(|it| (it.category, it.reason, it.quantity)).collect();
        (windows.into_exposures(), outcomes)
    }

    fn session(init: bool, status: &str) -> (&'static str, Json) {
        let attributes = json!({"release": "web@1.0.0", "environment": "production"});
        (
            "session",
            json!({"sid": "7c7b6585-f901-4351-bf8d-02711b721929", "init": init, "started": "2026-11-23T07:48:31.2Z", "status": status, "errors": 0, "attrs": attributes}),
        )
    }

    #[test]
    fn a_bucket_is_a_window_of_a_minute_with_the_sum_of_all_counts() {
        let item = json!({"attrs": {"environment": "staging", "release": "web@1.2.3+77"}, "aggregates": [{"started": "2026-11-23T07:48:00.000000Z", "exited": 2, "crashed": 1, "errored": 4, "did": null}]});
        let (windows, _) = read(&[("sessions", item)]);
        assert_eq!(windows.len(), 1);
        let window = &windows[0];
        assert_eq!((window.sessions, window.instances, window.seconds), (Some(7.0), 0.0, 60.0));
        assert_eq!(
            (window.release.as_str(), window.environment.as_str(), window.cell.as_str()),
            ("web@1.2.3+77", "staging", "default")
        );
        assert_eq!(time::text(window.at), "2026-11-23T07:48:00Z");
        assert_eq!(Json::Object(window.extra.clone()), json!({"sessions_errored": 4, "sessions_crashed": 1}));
    }

    #[test]
    fn a_session_counts_once_however_often_it_is_updated() {
        let (windows, _) =
            read(&[session(true, "ok"), session(false, "ok"), session(false, "unhandled"), session(false, "crashed")]);
        assert_eq!(windows.len(), 1);
        assert_eq!(windows[0].sessions, Some(1.0));
        assert!(windows[0].extra.is_empty());
        assert!(read(&[session(false, "crashed")]).0.is_empty());
    }

    #[test]
    fn a_session_may_begin_by_crashing() {
        let (windows, _) = read(&[session(true, "crashed")]);
        assert_eq!(windows[0].extra["sessions_crashed"], 1);
    }

    #[test]
    fn equal_windows_are_added_up_and_others_are_not() {
        let mut elsewhere = session(true, "exited");
        elsewhere.1["attrs"]["release"] = json!("web@2.0.0");
        let (windows, _) = read(&[session(true, "crashed"), session(true, "crashed"), session(true, "ok"), elsewhere]);
        assert_eq!(windows.iter().map(|it| it.sessions).collect::<Vec<_>>(), [Some(3.0), Some(1.0)]);
        assert_eq!(windows[0].extra["sessions_crashed"], 2);
    }

    #[test]
    fn sessions_without_a_release_are_counted_as_lost() {
        let item =
            json!({"attrs": {"release": null}, "aggregates": [{"started": null, "exited": 5}, {"exited": -3}, null]});
        let (windows, outcomes) = read(&[("sessions", item)]);
        assert!(windows.is_empty());
        assert_eq!(outcomes, [("session".into(), "no_release".into(), 5)]);
    }

    #[test]
    fn buckets_past_the_limit_are_counted_as_lost() {
        let buckets: Vec<Json> =
            (0..MOST_BUCKETS + 3).map(|_| json!({"started": "2026-11-23T07:48:00Z", "exited": 2})).collect();
        let (windows, outcomes) = read(&[("sessions", json!({"attrs": {"release": "a"}, "aggregates": buckets}))]);
        assert_eq!(windows[0].sessions, Some(200.0));
        assert_eq!(outcomes, [("session".into(), "too_many_buckets".into(), 6)]);
    }
}
