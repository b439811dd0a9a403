//! What a service asks of its own pushes before they may go on. How harm is judged is elsewhere; here are the rules that people set.

use super::{
    Time,
    pair::{Pair, PairVerdict},
    time,
};
use chrono::{Datelike, Timelike, Weekday};
use serde::{Deserialize, Serialize};

/// The rules of one service. What nobody set asks for nothing, but that a fivefold harm be ruled out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// How long every step must run before the next, minutes; a push's own plan may ask for more.
    pub bake_minutes: Option<f64>,
    /// By how many percentage points one step may raise the share.
    pub largest_step: Option<f64>,
    /// When pushes may go on.
    pub hours: Option<Hours>,
    /// Whether somebody must have tested the release beside the one it replaces before step one.
    pub needs_pair_test: bool,
    /// The ratio of crash rates that must be ruled out, for everybody whom the push may harm, before the gate says go.
    pub rule_out: f64,
    /// Whether "it cannot be told yet" is good enough.
    pub accept_unknown: bool,
}

impl Default for Policy {
    fn default() -> Policy {
        Policy {
            bake_minutes: None,
            largest_step: None,
            hours: None,
            needs_pair_test: false,
            rule_out: 5.0,
            accept_unknown: false,
        }
    }
}

/// Days of the week and a stretch of the day, UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hours {
    /// The days, as in `mon`.
    pub days: Vec<Day>,
    /// The first minute of the day, as in `08:00`.
    pub from: Minute,
    /// The minute at which it is over, as in `16:30`.
    pub until: Minute,
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

impl Day {
    /// All of them, Monday first.
    pub const ALL: [Day; 7] = [Day::Mon, Day::Tue, Day::Wed, Day::Thu, Day::Fri, Day::Sat, Day::Sun];

    /// The word in the JSON.
    pub fn word(self) -> &'static str {
        match self {
            Day::Mon => "mon",
            Day::Tue => "tue",
            Day::Wed => "wed",
            Day::Thu => "thu",
            Day::Fri => "fri",
            Day::Sat => "sat",
            Day::Sun => "sun",
        }
    }

    fn of(weekday: Weekday) -> Day {
        Day::ALL[weekday.num_days_from_monday() as usize]
    }
}

/// A minute of the day, 0 to 1440, written as `HH:MM`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Minute(u32);

impl TryFrom<String> for Minute {
    type Error = String;

    fn try_from(text: String) -> Result<Minute, String> {
        let parts = text.split_once(':').and_then(|(hour, minute)| {
            let two = |part: &str| (part.len() == 2).then(|| part.parse::<u32>().ok())?;
            Some((two(hour)?, two(minute)?))
        });
        match parts {
            Some((hour, minute)) if minute < 60 && (hour < 24 || (hour == 24 && minute == 0)) => {
                Ok(Minute(hour * 60 + minute))
            }
            _ => Err(format!("a time of day was expected, as in 08:30, found \"{text}\"")),
        }
    }
}

impl From<Minute> for String {
    fn from(minute: Minute) -> String {
        format!("{:02}:{:02}", minute.0 / 60, minute.0 % 60)
    }
}

/// What is known of a push that asks to go on.
#[derive(Debug, Clone, PartialEq)]
pub struct Asking<'a> {
    /// Now.
    pub now: Time,
    /// The share that it stands at, percent.
    pub percent: f64,
    /// Since when.
    pub since: Option<Time>,
    /// The share that it asks for, percent, where it is known.
    pub next: Option<f64>,
    /// How long its own plan lets the present stage run, minutes.
    pub planned_minutes: Option<f64>,
    /// The release that it brings.
    pub release: &'a str,
    /// The release that it replaces, and what is known of the two beside each other.
    pub pair: Option<(&'a str, Pair)>,
}

impl Policy {
    /// Reads what somebody set; every mistake in a sentence.
    pub fn parse(text: &str) -> Result<Policy, Vec<String>> {
        let read = |text: &str| -> Result<Policy, serde_json::Error> {
            // An object first: a list would fill the fields in their order.
            serde_json::from_value(serde_json::from_str::<serde_json::Map<_, _>>(text)?.into())
        };
        let policy = read(text).map_err(|error| vec![format!("policy: {error}.")])?;
        let mut wrong = Vec::new();
        if policy.bake_minutes.is_some_and(|it| !(0.0..=43_200.0).contains(&it)) {
            wrong.push("bake_minutes: 0 to 43,200 minutes (30 days) were expected.".into());
        }
        if policy.largest_step.is_some_and(|it| !(it > 0.0 && it <= 100.0)) {
            wrong.push("largest_step: more than 0 and at most 100 percentage points were expected.".into());
        }
        if !(1.5..=1000.0).contains(&policy.rule_out) {
            wrong.push("rule_out: a ratio from 1.5 to 1,000 was expected; 5 is usual.".into());
        }
        if let Some(hours) = &policy.hours {
            if hours.days.is_empty() {
                wrong.push("hours.days: at least one day was expected, or pushes could never go on.".into());
            }
            if hours.from >= hours.until {
                wrong.push("hours: from must come before until, both UTC.".into());
            }
        }
        if wrong.is_empty() { Ok(policy) } else { Err(wrong) }
    }

    /// The rules in sentences, as a reader wants them.
    pub fn says(&self) -> Vec<String> {
        let mut all = Vec::new();
        all.extend(self.bake_minutes.map(|it| format!("Every step runs {} minutes before the next.", figure(it))));
        all.extend(self.largest_step.map(|it| format!("One step raises the share by at most {} points.", figure(it))));
        all.extend(self.hours.as_ref().map(|hours| format!("Pushes go on {} only.", hours.says())));
        if self.needs_pair_test {
            all.push("Before step one, somebody has tested the release beside the one that it replaces.".into());
        }
        all.push(if self.accept_unknown {
            "What cannot be told yet is good enough.".into()
        } else {
            let ratio = figure(self.rule_out);
            format!("Harm of {ratio} times the usual crash rate is ruled out for everybody whom the push may harm.")
        });
        all.push("Releases that are known to harm each other are not brought together.".into());
        all
    }

    /// The rules that are not met, each in a sentence that says what now.
    pub fn unmet(&self, it: &Asking<'_>) -> Vec<String> {
        let mut unmet = Vec::new();
        unmet.extend(self.bakes(it));
        if let (Some(largest), Some(next)) = (self.largest_step, it.next)
            && next - it.percent > largest + 1e-9
        {
            unmet.push(format!(
                "From {} % to {} % is more than this service lets one step raise: {} points. Go to {} % first.",
                figure(it.percent),
                figure(next),
                figure(largest),
                figure(it.percent + largest)
            ));
        }
        if let Some(hours) = self.hours.as_ref().filter(|hours| !hours.hold(it.now)) {
            unmet.push(format!(
                "This service is pushed {} only. It is {} UTC.",
                hours.says(),
                it.now.format("%a %H:%M")
            ));
        }
        unmet.extend(self.pair(it));
        unmet
    }

    fn bakes(&self, it: &Asking<'_>) -> Option<String> {
        let minutes = it.planned_minutes.unwrap_or(0.0).max(self.bake_minutes.unwrap_or(0.0));
        let until = it.since? + time::seconds((minutes * 60.0) as i64);
        if it.percent <= 0.0 || until <= it.now {
            return None;
        }
        let left = (until - it.now).num_seconds().div_euclid(60) + 1;
        let left = if left == 1 { "1 minute".to_owned() } else { format!("{left} minutes") };
        Some(format!("This step bakes until {} UTC. {left} left.", until.format("%H:%M")))
    }

    fn pair(&self, it: &Asking<'_>) -> Option<String> {
        let (previous, pair) = it.pair.as_ref()?;
        let both = format!("{} beside {previous}", it.release);
        match pair.verdict {
            PairVerdict::Lethal | PairVerdict::Harmful => {
                Some(format!("{both} is known to be {}: {}.", pair.verdict.words(), pair.says.trim_end_matches('.')))
            }
            PairVerdict::Untested if self.needs_pair_test && it.percent <= 0.0 => Some(format!(
                "Nobody has tested {both}, and this service asks for that before step one. Report the test: POST /api/v1/pairs."
            )),
            PairVerdict::Untested | PairVerdict::NoHarmSeen => None,
        }
    }
}

impl Hours {
    /// Whether pushes may go on at an instant.
    pub fn hold(&self, at: Time) -> bool {
        let minute = Minute(at.hour() * 60 + at.minute());
        self.days.contains(&Day::of(at.weekday())) && self.from <= minute && minute < self.until
    }

    fn says(&self) -> String {
        let days: Vec<&str> = Day::ALL.into_iter().filter(|day| self.days.contains(day)).map(Day::word).collect();
        let (from, until) = (String::from(self.from), String::from(self.until));
        format!("{}, {from} to {until} UTC", days.join(" "))
    }
}

/// A percentage without needless digits.
fn figure(value: f64) -> String {
    let rounded = (value * 10.0).round() / 10.0;
    format!("{rounded}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Time {
        time::parse(text).expect("a time")
    }

    fn asking() -> Asking<'static> {
        Asking {
            now: at("2026-03-03T14:00:00Z"),
            percent: 5.0,
            since: Some(at("2026-03-03T13:30:00Z")),
            next: Some(25.0),
            planned_minutes: None,
            release: "B",
            pair: Some(("A", Pair { verdict: PairVerdict::Untested, says: String::new() })),
        }
    }

    fn policy(text: &str) -> Policy {
        Policy::parse(text).expect(text)
    }

    #[test]
    fn without_rules_nothing_is_asked_for() {
        assert_eq!(policy("{}").unmet(&asking()), Vec::<String>::new());
        assert_eq!(policy("{}").rule_out, 5.0);
    }

    #[test]
    fn a_step_bakes_as_long_as_the_plan_or_the_service_asks_whichever_is_longer() {
        let says = |minutes: f64, planned: Option<f64>| {
            let policy = Policy { bake_minutes: Some(minutes), ..Policy::default() };
            policy.unmet(&Asking { planned_minutes: planned, ..asking() })
        };
        assert_eq!(says(45.0, None), ["This step bakes until 14:15 UTC. 16 minutes left."]);
        assert_eq!(says(45.0, Some(60.0)), ["This step bakes until 14:30 UTC. 31 minutes left."]);
        assert_eq!(says(30.0, Some(20.0)), Vec::<String>::new());
        let nothing_exposed = Asking { percent: 0.0, planned_minutes: Some(60.0), ..asking() };
        assert_eq!(Policy::default().unmet(&nothing_exposed), Vec::<String>::new());
    }

    #[test]
    fn a_step_that_is_too_large_is_told_the_largest_one() {
        let policy = policy(r#"{"largest_step":10}"#);
        assert!(policy.unmet(&asking())[0].ends_with("Go to 15 % first."), "{:?}", policy.unmet(&asking()));
        assert_eq!(policy.unmet(&Asking { next: Some(15.0), ..asking() }), Vec::<String>::new());
        assert_eq!(policy.unmet(&Asking { next: None, ..asking() }), Vec::<String>::new());
    }

    #[test]
    fn outside_its_hours_a_service_is_not_pushed() {
        let policy = policy(r#"{"hours":{"days":["mon","tue"],"from":"08:00","until":"14:00"}}"#);
        assert_eq!(
            policy.unmet(&asking()),
            ["This service is pushed mon tue, 08:00 to 14:00 UTC only. It is Tue 14:00 UTC."]
        );
        let earlier = Asking { now: at("2026-03-03T13:59:59Z"), ..asking() };
        assert_eq!(policy.unmet(&earlier), Vec::<String>::new());
        let wednesday = Asking { now: at("2026-03-04T10:00:00Z"), ..asking() };
        assert_eq!(policy.unmet(&wednesday).len(), 1);
    }

    #[test]
    fn a_bad_pair_is_always_held_and_an_untested_one_where_tests_are_asked_for() {
        let with = |verdict: PairVerdict, percent: f64| Asking {
            percent,
            since: None,
            pair: Some(("A", Pair { verdict, says: "r2 ran out of victims.".into() })),
            ..asking()
        };
        let lenient = Policy::default();
        assert_eq!(
            lenient.unmet(&with(PairVerdict::Lethal, 5.0)),
            ["B beside A is known to be lethal: r2 ran out of victims."]
        );
        assert_eq!(lenient.unmet(&with(PairVerdict::Untested, 0.0)), Vec::<String>::new());
        let strict = policy(r#"{"needs_pair_test":true}"#);
        assert!(strict.unmet(&with(PairVerdict::Untested, 0.0))[0].contains("before step one"));
        assert_eq!(strict.unmet(&with(PairVerdict::Untested, 5.0)), Vec::<String>::new());
        assert_eq!(strict.unmet(&with(PairVerdict::NoHarmSeen, 0.0)), Vec::<String>::new());
    }

    #[test]
    fn every_mistake_is_named_with_what_was_expected() {
        let wrong = |text: &str| Policy::parse(text).expect_err(text).join(" ");
        assert!(wrong(r#"{"largest_step":0,"rule_out":1}"#).contains("largest_step"));
        assert!(wrong(r#"{"largest_step":0,"rule_out":1}"#).contains("rule_out"));
        assert!(wrong(r#"{"hours":{"days":[],"from":"10:00","until":"09:00"}}"#).contains("from must come before"));
        assert!(wrong(r#"{"hours":{"days":["mon"],"from":"25:00","until":"09:00"}}"#).contains("08:30"));
        assert!(wrong(r#"{"bake":5}"#).contains("bake"));
        assert!(wrong("[]").starts_with("policy: "));
    }

    #[test]
    fn what_is_set_is_read_again_as_it_was() {
        let text = r#"{"bake_minutes":30.0,"largest_step":25.0,"hours":{"days":["mon","fri"],"from":"08:00","until":"24:00"},"needs_pair_test":true,"rule_out":3.0,"accept_unknown":true}"#;
        assert_eq!(serde_json::to_string(&policy(text)).expect("JSON"), text);
    }
}
