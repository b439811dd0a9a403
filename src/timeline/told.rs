//! A small fleet simulated for tests: a push that kills the old release by contact, until none is left.
//!
//! The judge is not asked here: what it would say of this fleet is written down, as any caller would bring it.

use super::*;
use crate::domain::{
    Time,
    finding::{Ending, Kind, Known, Onset},
    step::Action,
    time::{minutes, parse},
};

/// Crashes per instance-hour that either release's past lets expect.
pub(super) const BASE: f64 = 0.012;
const CELLS: [(&str, f64); 6] =
    [("eu-1", 46.0), ("eu-2", 42.0), ("us-1", 40.0), ("us-2", 40.0), ("ap-1", 38.0), ("ap-2", 34.0)];
/// Percent, minute of the day, minutes that the ramp takes.
const STEPS: [(f64, i64, i64); 7] =
    [(1.0, 71, 3), (5.0, 119, 4), (10.0, 179, 6), (25.0, 249, 12), (50.0, 322, 22), (75.0, 350, 20), (100.0, 374, 34)];

/// A small generator of even numbers, so that every run is the same.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    /// A number from 0 to 1.
    pub(super) fn roll(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A Poisson count.
    pub(super) fn count(&mut self, mean: f64) -> u64 {
        let (limit, mut product, mut count) = ((-mean).exp(), self.roll(), 0);
        while product > limit {
            product *= self.roll();
            count += 1;
        }
        count
    }
}

pub(super) fn midnight() -> Time {
    parse("2026-03-03T00:00:00Z").expect("valid")
}

pub(super) fn at(minute: i64) -> Time {
    midnight() + minutes(minute)
}

fn share_of_b(cell: usize, minute: i64) -> f64 {
    let mut share: f64 = 0.0;
    for (percent, start, ramp) in STEPS {
        let lag = cell as f64 * ramp as f64 / 14.0;
        let length = (ramp as f64 * 9.0 / 14.0).max(1.0);
        let part = ((minute - start) as f64 - lag) / length;
        share += (percent / 100.0 - share) * part.clamp(0.0, 1.0);
    }
    share
}

/// The whole story between midnight and 08:00, read at 07:42. The regression ended as no A was left.
pub(super) fn story() -> Facts {
    let mut facts = Facts::blank(at(0), at(480), at(462));
    facts.ident = "told".into();
    facts.service = "relay".into();
    facts.environment = "production".into();
    facts.local_offset_minutes = -480;
    facts.crashes_href = Some("/crashes?service=relay".into());
    for (name, class) in [("B", Class::Pushed), ("A", Class::Replaced)] {
        let expected_per_hour = Some(BASE);
        facts.releases.push(Release { name: name.into(), class, expected_per_hour, expected_per_session: None });
    }
    let mut dice = Dice(11);
    let mut gone = 0;
    for minute in -40..480 {
        let mut left = 0.0;
        for (i, (cell, all)) in CELLS.iter().enumerate() {
            let b = (all * share_of_b(i, minute) - 1e-9).ceil().max(0.0);
            let a = all - b;
            left += a;
            let contact = 0.8 * b / all;
            for (release, run, rate) in [("A", a, BASE + contact), ("B", b, BASE)] {
                if run > 0.0 {
                    facts.exposures.push(Exposed {
                        release: release.into(),
                        cell: (*cell).into(),
                        at: at(minute),
                        seconds: 60.0,
                        instances: run,
                        sessions: None,
                    });
                }
                let count = dice.count(run * rate / 60.0);
                if count > 0 {
                    facts.crashes.push(CrashMark {
                        at: at(minute) + crate::domain::time::seconds(20),
                        release: Some(release.into()),
                        cell: (*cell).into(),
                        count,
                        clients: count * 50,
                    });
                }
            }
        }
        if left == 0.0 && gone == 0 {
            gone = minute;
        }
    }
    people(&mut facts, gone);
    facts
}

/// Another story: B itself crashes from its 10 % step on, is seen after twelve minutes and rolled back; read at 04:00.
pub(super) fn rolled_back() -> Facts {
    let mut facts = Facts::blank(at(0), at(300), at(240));
    facts.ident = "back".into();
    facts.service = "edge".into();
    facts.environment = "production".into();
    facts.crashes_href = Some("/crashes".into());
    for (name, class) in [("5.2.0", Class::Pushed), ("5.1.8", Class::Replaced)] {
        let expected_per_hour = Some(BASE);
        facts.releases.push(Release { name: name.into(), class, expected_per_hour, expected_per_session: None });
    }
    let mut dice = Dice(4);
    for minute in -40..300 {
        let b = match minute {
            60..100 => 2.0,
            100..130 => 20.0,
            _ => 0.0,
        };
        for (release, run, rate) in [("5.1.8", 200.0 - b, BASE), ("5.2.0", b, if minute >= 100 { 2.0 } else { BASE })] {
            let (release, cell) = (release.to_owned(), "eu-1".to_owned());
            if run > 0.0 {
                let (at, seconds) = (at(minute), 60.0);
                facts.exposures.push(Exposed {
                    release: release.clone(),
                    cell: cell.clone(),
                    at,
                    seconds,
                    instances: run,
                    sessions: None,
                });
            }
            let count = dice.count(run * rate / 60.0);
            facts.crashes.push(CrashMark { at: at(minute), release: Some(release), cell, count, clients: 0 });
        }
    }
    facts.pushes.push(PushLine {
        name: "edge-512".into(),
        release: "5.2.0".into(),
        previous: Some("5.1.8".into()),
        href: "/pushes/edge-512".into(),
    });
    for (minute, action, percent) in [
        (60, Action::Advance, 1.0),
        (100, Action::Advance, 10.0),
        (115, Action::Pause, 10.0),
        (130, Action::RollBack, 0.0),
    ] {
        facts.steps.push(StepMark {
            at: at(minute),
            action,
            percent: Some(percent),
            initials: "AR".into(),
            known: None,
            href: "#step".into(),
            title: format!("edge-512: {}", action.says()),
        });
    }
    facts.regressions.push(RegressionMark {
        id: "r5".into(),
        onset: Onset { at: at(100), earliest: at(97), latest: at(104) },
        detected_at: at(112),
        ended_at: Some(at(132)),
        ending: Some(Ending::RolledBack),
        kind: Kind::Itself,
        victims: vec!["5.2.0".into()],
        blamed: Some("push edge-512".into()),
        withdrawn: false,
        href: "/regressions/r5".into(),
    });
    facts
}

fn people(facts: &mut Facts, gone: i64) {
    facts.pushes.push(PushLine {
        name: "relay-118".into(),
        release: "B".into(),
        previous: Some("A".into()),
        href: "/pushes/relay-118".into(),
    });
    let known = [
        None,
        Some(Known::Undetected),
        Some(Known::Detected),
        Some(Known::Seen),
        Some(Known::Overrode),
        Some(Known::Overrode),
        Some(Known::Overrode),
    ];
    for ((percent, minute, _), known) in STEPS.into_iter().zip(known) {
        facts.steps.push(StepMark {
            at: at(minute),
            action: Action::Advance,
            percent: Some(percent),
            initials: "DA".into(),
            known,
            href: format!("#step-{percent}"),
            title: format!("relay-118 advanced to {percent} % by dana@example.com"),
        });
    }
    facts.gates.push(GateMark {
        at: at(422),
        answer: Answer::Refused,
        label: "close refused".into(),
        initials: "DA".into(),
        href: "#refused".into(),
        title: "close as done refused: r1 ended victims gone".into(),
    });
    facts.regressions.push(RegressionMark {
        id: "r1".into(),
        onset: Onset { at: at(120), earliest: at(98), latest: at(126) },
        detected_at: at(163),
        ended_at: Some(at(gone)),
        ending: Some(Ending::VictimsGone),
        kind: Kind::Collateral,
        victims: vec!["A".into()],
        blamed: Some("push relay-118".into()),
        withdrawn: false,
        href: "/regressions/r1".into(),
    });
    facts.holds.push(HoldMark {
        at: at(333),
        until: None,
        initials: "LE".into(),
        href: "#hold".into(),
        title: "hold by lee@example.com, in force".into(),
    });
    facts.notes.push(NoteMark {
        at: at(271),
        initials: "DA".into(),
        href: "#note".into(),
        title: "note by dana".into(),
    });
    for (minute, kind, label) in [
        (163, NoticeKind::Sent, "to 9"),
        (238, NoticeKind::Opened, "DA"),
        (327, NoticeKind::Opened, "LE"),
        (gone + 1, NoticeKind::Sent, "to 9"),
    ] {
        facts.notices.push(NoticeMark {
            at: at(minute),
            kind,
            label: label.into(),
            href: "#notice".into(),
            title: "r1 notice".into(),
        });
    }
    let steps = [(35, 1.0), (90, 10.0), (150, 50.0), (210, 100.0)].map(|(minute, percent)| NearbyStep {
        at: at(minute),
        percent: Some(percent),
        href: "#billing".into(),
        title: format!("billing-77 advanced to {percent} %"),
    });
    facts.nearby.push(NearbyPush { label: "billing-77, healthy".into(), steps: steps.to_vec() });
    let changes = [(84, 20.0), (280, 50.0)].map(|(minute, percent)| FlagMark {
        at: at(minute),
        percent: Some(percent),
        initials: "KI".into(),
        href: "#flag".into(),
        title: format!("flag blue-buttons to {percent} % by kim@example.com"),
    });
    facts.flags.push(FlagLine {
        name: "blue-buttons".into(),
        about: "flag, percent; no harm follows it".into(),
        percent_at_start: Some(0.0),
        changes: changes.to_vec(),
    });
}
