//! What every drawing must keep to, over a told story and over services of all kinds.

use super::{
    series::Series,
    service::compose,
    svg::Covered,
    told::{BASE, Dice, at, rolled_back, story},
    *,
};
use crate::domain::{
    finding::{Ending, Kind, Known, Onset},
    step::Action,
    time::minutes,
};

const WIDTHS: [Width; 3] = [Width::Wide, Width::Report, Width::Narrow];

/// Texts that cover each other, as pairs.
fn overlaps(facts: &Facts, width: Width) -> Vec<(String, String)> {
    let svg = compose(facts, &Series::new(facts), width, &Show::EVERYTHING);
    let texts: Vec<&Covered> = svg.covered.iter().filter(|covered| !covered.text.trim().is_empty()).collect();
    let mut found = Vec::new();
    for (i, one) in texts.iter().enumerate() {
        for other in &texts[i + 1..] {
            // Half a px is the rounding of what letters measure.
            let across = one.x0 + 0.5 < other.x1 && other.x0 + 0.5 < one.x1;
            let down = one.y0 + 0.5 < other.y1 && other.y0 + 0.5 < one.y1;
            if across && down {
                found.push((one.text.clone(), other.text.clone()));
            }
        }
        if one.x0 < -0.5 || one.x1 > width.px() + 0.5 {
            found.push((one.text.clone(), "edge of the picture".into()));
        }
    }
    found
}

/// Asserts what holds for any facts.
fn assert_sound(facts: &Facts, what: &str) {
    for width in WIDTHS {
        let drawn = service(facts, width, &Show::EVERYTHING);
        assert!(!drawn.contains("NaN") && !drawn.contains("inf\""), "{what}");
        assert!(!drawn.contains("style=") && !drawn.contains("<script"), "{what}");
        assert_eq!(drawn.matches("<a ").count(), drawn.matches("</a>").count(), "{what}");
        assert_eq!(
            drawn.matches("<a ").count(),
            drawn.matches("><title>").count() - drawn.matches("<g><title>").count()
        );
        let found = overlaps(facts, width);
        assert!(found.is_empty(), "{what}, {width:?}: {found:?}");
    }
}

/// A service of any size: so many releases and cells over so many minutes.
fn service_of(releases: usize, cells: usize, length: i64, seed: u64) -> Facts {
    let mut dice = Dice(seed);
    let mut facts = Facts::blank(at(0), at(length), at(length * 9 / 10));
    facts.ident = format!("any-{seed}");
    facts.service = "any".into();
    facts.local_offset_minutes = 330;
    let classes = [Class::Replaced, Class::Pushed, Class::Third, Class::Other];
    for i in 0..releases {
        facts.releases.push(Release {
            name: format!("2026.3.{i}-release-candidate+{seed}"),
            class: classes[i.min(3)],
            expected_per_hour: (i % 3 != 2).then_some(BASE),
            expected_per_session: Some(0.001),
        });
    }
    let window = (length / 240).max(1);
    for minute in (-40..length).step_by(window as usize) {
        for release in &facts.releases {
            for cell in 0..cells {
                facts.exposures.push(Exposed {
                    release: release.name.clone(),
                    cell: format!("cell-{cell:02}"),
                    at: at(minute),
                    seconds: window as f64 * 60.0,
                    instances: (dice.roll() * 9.0).floor(),
                    sessions: Some(100.0),
                });
                let count = dice.count(0.05);
                if count > 0 {
                    facts.crashes.push(CrashMark {
                        at: at(minute),
                        release: Some(release.name.clone()),
                        cell: format!("cell-{cell:02}"),
                        count,
                        clients: 0,
                    });
                }
            }
        }
    }
    facts
}

fn crowd(facts: &mut Facts, length: i64, seed: u64) {
    let mut dice = Dice(seed);
    let mut time = || at((dice.roll() * length as f64) as i64);
    for i in 0..60 {
        facts.steps.push(StepMark {
            at: time(),
            action: Action::ALL[i % 6],
            percent: (i % 6 < 2).then_some(i as f64 * 1.7),
            initials: "WW".into(),
            known: Known::ALL.get(i % 5).copied(),
            href: "#s".into(),
            title: "a step".into(),
        });
        facts.gates.push(GateMark {
            at: time(),
            answer: [Answer::Refused, Answer::Gate(crate::domain::finding::Decision::Stop)][i % 2],
            label: "close refused".into(),
            initials: "DA".into(),
            href: "#g".into(),
            title: "the gate".into(),
        });
        let (href, title) = ("#n".to_owned(), "notice".to_owned());
        facts.notices.push(NoticeMark { at: time(), kind: NoticeKind::Sent, label: "to 120".into(), href, title });
    }
    for i in 0..9 {
        let onset = time();
        facts.regressions.push(RegressionMark {
            id: format!("r{i}"),
            onset: Onset { at: onset, earliest: onset - minutes(9), latest: onset + minutes(4) },
            detected_at: onset + minutes(6),
            ended_at: (i % 3 > 0).then(|| onset + minutes(length / 8)),
            ending: (i % 3 > 0).then_some(if i % 3 == 1 { Ending::VictimsGone } else { Ending::RolledBack }),
            kind: Kind::ALL[i % 6],
            victims: facts.releases.first().map(|release| release.name.clone()).into_iter().collect(),
            blamed: None,
            withdrawn: i == 4,
            href: "#r".into(),
        });
        let (href, title) = ("#h".to_owned(), "hold".to_owned());
        let until = (i % 2 == 0).then(|| onset + minutes(length / 9));
        facts.holds.push(HoldMark { at: onset, until, initials: "LE".into(), href, title });
        facts.nearby.push(NearbyPush {
            label: format!("push-{i}, of some other service"),
            steps: vec![NearbyStep { at: time(), percent: Some(5.0), href: "#b".into(), title: "near".into() }],
        });
        facts.flags.push(FlagLine {
            name: format!("a-flag-with-quite-a-long-name-{i}"),
            about: String::new(),
            percent_at_start: None,
            changes: vec![FlagMark {
                at: time(),
                percent: Some(f64::from(i as u8) * 12.0),
                initials: "KI".into(),
                href: "#f".into(),
                title: "flag".into(),
            }],
        });
    }
}

#[test]
fn the_told_story_says_what_happened_at_every_width() {
    let facts = story();
    assert_sound(&facts, "the story");
    let wide = service(&facts, Width::Wide, &Show::EVERYTHING);
    for words in [
        "collateral harm to A",
        "victims gone",
        "Not a recovery.",
        "A ran out.",
        "Nothing was fixed.",
        "#i-extinct",
        "looks mended",
        "crashes per surviving A climb",
        "few B yet:",
        "expected band",
        "close refused",
        "in force",
        "hatched: no A left",
        "totals fall to zero",
    ] {
        assert!(wide.contains(words), "{words} is missing");
    }
    let narrow = service(&facts, Width::Narrow, &Show::EVERYTHING);
    assert!(narrow.contains(">not a<") && narrow.contains("no A left") && narrow.contains("#i-extinct"));
}

#[test]
fn a_rollback_is_an_end_and_no_extinction() {
    let facts = rolled_back();
    assert_sound(&facts, "rolled back");
    let wide = service(&facts, Width::Wide, &Show::EVERYTHING);
    assert!(wide.contains("rolled back 02:12") && wide.contains("#i-back") && wide.contains("#i-pause"));
    for words in ["i-extinct", "recovery", "mended", "ran out", "climb", "extinction"] {
        assert!(!wide.contains(words), "{words} in a rollback");
    }
}

#[test]
fn labels_of_steps_keep_apart_at_every_width() {
    let mut facts = story();
    // Two more steps a minute apart, as a nervous hand takes them.
    for minute in [323, 324] {
        let step = StepMark { at: at(minute), ..facts.steps[4].clone() };
        facts.steps.push(step);
    }
    for width in WIDTHS {
        assert_eq!(overlaps(&facts, width), []);
        let steps_only = Show { steps: true, continuations: true, ..Show::MEASURED };
        let svg = compose(&facts, &Series::new(&facts), width, &steps_only);
        let labels = |text: &str| svg.covered.iter().filter(|covered| covered.text == text).count();
        let level = |percent: &str| {
            if width.is_narrow() {
                svg.covered.iter().filter(|covered| covered.text == percent && covered.y1 < 140.0).count()
            } else {
                labels(&format!("{percent} %"))
            }
        };
        assert!(["1", "5", "10", "25", "100"].iter().all(|percent| level(percent) == 1), "{width:?}");
    }
}

#[test]
fn nothing_later_than_the_instant_read_is_drawn() {
    let mut facts = story();
    facts.known_at = Some(at(178));
    assert_sound(&facts, "as known then");
    let drawn = service(&facts, Width::Wide, &Show::EVERYTHING);
    assert!(drawn.contains("known at 02:58; nothing later is shown"));
    assert_eq!(drawn.matches("class=\"mark mark-continuation\"").count(), 1);
    for words in ["victims gone", "recovery", "i-extinct", "refused", "mended", "climb", "i-hold", "left", "gone"] {
        assert!(!drawn.contains(words), "{words} knows the end");
    }
    facts.known_at = Some(at(150));
    let before = service(&facts, Width::Wide, &Show::EVERYTHING);
    assert!(!before.contains("regression") && !before.contains("mark-continuation"));
    facts.known_at = Some(at(-600));
    assert_sound(&facts, "before anything");
}

#[test]
fn any_service_and_any_range_can_be_drawn() {
    for (seed, (releases, cells, length)) in
        [(1, 1, 30), (2, 3, 180), (3, 6, 480), (5, 12, 1800), (9, 40, 7 * 1440), (4, 2, 30 * 1440), (2, 70, 600)]
            .into_iter()
            .enumerate()
    {
        let mut facts = service_of(releases, cells, length, seed as u64 + 1);
        assert_sound(&facts, &format!("{releases} releases, {cells} cells, {length} minutes"));
        crowd(&mut facts, length, seed as u64 + 1);
        assert_sound(&facts, &format!("crowded: {releases} releases, {cells} cells, {length} minutes"));
    }
}

#[test]
fn cells_beyond_forty_are_folded_and_said() {
    let drawn = service(&service_of(1, 70, 600, 3), Width::Wide, &Show::EVERYTHING);
    assert!(drawn.contains("31 other cells"));
}

#[test]
fn a_service_with_sessions_only_is_rated_by_sessions() {
    let mut facts = service_of(2, 2, 480, 5);
    facts.exposures.iter_mut().for_each(|window| window.instances = 0.0);
    assert_sound(&facts, "sessions only");
    let drawn = service(&facts, Width::Wide, &Show::EVERYTHING);
    assert!(drawn.contains("per 1,000 sessions") && drawn.contains("sessions a minute"));
}

#[test]
fn a_service_without_exposure_has_counts_and_says_so() {
    let mut facts = service_of(2, 2, 480, 5);
    facts.exposures.clear();
    assert_sound(&facts, "no exposure");
    let drawn = service(&facts, Width::Wide, &Show::EVERYTHING);
    assert!(drawn.contains("counts and no rates") && !drawn.contains("class=\"line line-a\""));
}

#[test]
fn an_empty_range_says_that_nothing_was_recorded() {
    let facts = Facts::blank(at(0), at(0), at(0));
    assert_sound(&facts, "nothing");
    assert!(
        service(&facts, Width::Narrow, &Show { totals: false, ..Show::EVERYTHING }).contains("Nothing was recorded")
    );
}

#[test]
fn a_million_crashes_are_counted_and_fit() {
    let mut facts = service_of(2, 3, 480, 9);
    facts.crashes.iter_mut().for_each(|crash| crash.count *= 40_000);
    assert_sound(&facts, "a million");
}

#[test]
fn too_little_exposure_is_said_in_words_and_not_drawn() {
    let mut facts = story();
    facts.exposures.retain(|window| window.release == "A" || window.at < at(74));
    let drawn = service(&facts, Width::Wide, &Show::EVERYTHING);
    assert!(drawn.contains("not enough data: too little of it ran for a rate"));
    assert!(!drawn.contains("class=\"line line-b\""));
}

#[test]
fn names_from_outside_stay_text_and_links_cannot_run() {
    let mut facts = story();
    facts.service = "\"><script>alert(1)</script>".into();
    facts.flags[0].name = "<img src=x>".into();
    facts.flags[0].changes[0].href = "javascript:alert(1)".into();
    for window in &mut facts.exposures {
        window.cell = window.cell.replace("eu-1", "<i>&eu");
    }
    for width in WIDTHS {
        let drawn = service(&facts, width, &Show::EVERYTHING);
        assert!(!drawn.contains("<script") && !drawn.contains("<img") && !drawn.contains("<i>"));
        assert!(!drawn.contains("javascript:"));
    }
}

#[test]
fn what_is_not_asked_for_leaves_no_lane() {
    let drawn = service(&story(), Width::Wide, &Show::MEASURED);
    assert!(!drawn.contains(">Steps<") && !drawn.contains("i-flag") && drawn.contains(">Population<"));
    let continuations = Show { steps: false, ..Show::EVERYTHING };
    let drawn = service(&story(), Width::Wide, &continuations);
    assert!(!drawn.contains("mark-step") && drawn.contains("mark-continuation"));
}

/// Writes pictures for the eye where a folder is named, wrapped in pages with the style sheet and the sprite.
#[test]
fn pictures_for_the_eye_are_written_where_a_folder_is_named() {
    let Ok(folder) = std::env::var("PUSHBACK_PICTURES") else { return };
    let root = env!("CARGO_MANIFEST_DIR");
    let read = |path: &str| std::fs::read_to_string(format!("{root}/{path}")).expect("the file is part of the project");
    let (style, sprite) = (read("static/style.css"), read("templates/macros/sprite.html"));
    let page = |name: &str, body: String| {
        for theme in ["light", "dark"] {
            let text = format!(
                "<!doctype html><html lang=en data-theme={theme}><meta charset=utf-8><meta name=viewport content='width=device-width'>\
                 <style>{style}</style><body>{sprite}<main>{body}</main>"
            );
            std::fs::write(format!("{folder}/{name}-{theme}.html"), text).expect("the named folder can be written");
        }
    };
    let both = |facts: &Facts| {
        format!(
            "<div class=wide>{}</div>{}",
            service(facts, Width::Wide, &Show::EVERYTHING),
            service(facts, Width::Narrow, &Show::EVERYTHING)
        )
    };
    let facts = story();
    let strip = Overview {
        from: at(-18 * 60),
        to: at(720),
        until: facts.now,
        shown_from: facts.from,
        shown_to: facts.to,
        crashes: facts.crashes.iter().map(|crash| (crash.at, crash.count)).collect(),
        ambient: vec![(at(-580), at(-538), "upstream DNS outage: ambient, no change explains it".into())],
    };
    let story_page = format!(
        "<div class=wide>{}</div>{}{}",
        overview(&strip, Width::Wide),
        overview(&strip, Width::Narrow),
        both(&facts)
    );
    page("story", story_page);
    let mut known = story();
    known.known_at = Some(at(178));
    page("known", both(&known));
    page("report", service(&facts, Width::Report, &Show::REPORT));
    let mut big = service_of(4, 12, 1800, 4);
    crowd(&mut big, 1800, 4);
    page("crowd", both(&big));
    page("month", both(&service_of(3, 5, 30 * 1440, 6)));
    let mut counts = service_of(2, 2, 480, 5);
    counts.exposures.clear();
    page("counts", both(&counts));
    let mut sessions = service_of(1, 1, 30, 5);
    sessions.exposures.iter_mut().for_each(|window| window.instances = 0.0);
    page("sessions", both(&sessions));
    page("back", both(&rolled_back()));
    page("small", small_pictures(&facts));
}

fn small_pictures(facts: &Facts) -> String {
    let row = |name: &str, about: &str, kind, cost, words: &str| PathRow {
        name: name.into(),
        about: about.into(),
        kind,
        cost,
        words: words.into(),
    };
    let cost = |estimate, low, high| Some(crate::domain::finding::Estimate { estimate, low, high });
    let rows = [
        row("Roll back to A", "same pace, backwards", PathKind::Ends, cost(1.2, 0.1, 2.0), ""),
        row("Go on to 100 %", "until no A is left", PathKind::GoesOn, cost(58.0, 28.0, 100.0), ""),
        row("Freeze for 8 hours", "both releases stay", PathKind::GoesOn, cost(92.0, 44.0, 160.0), ""),
        row(
            "Turn the flag off",
            "no flag: not possible",
            PathKind::Ends,
            None,
            "It would have been 0 further crashes.",
        ),
    ];
    let rates: Vec<Option<f64>> = (0..30).map(|i| (i > 4).then(|| 10.0 + f64::from(i * i) / 4.0)).collect();
    let flat: Vec<Option<f64>> = (0..30).map(|i| Some(8.0 + f64::from(i % 5))).collect();
    let tracks = [
        track(&[1.0, 5.0, 10.0, 25.0, 50.0, 75.0, 100.0], 100.0, Standing::Stop),
        track(&[1.0, 5.0, 25.0, 100.0], 5.0, Standing::Quiet),
        track(&[], 37.5, Standing::Quiet),
        track(&[1.0, 2.0, 3.0, 4.0, 5.0, 10.0, 20.0, 30.0, 40.0, 50.0, 100.0], 20.0, Standing::Quiet),
    ];
    let sparks = [spark(&rates, Some((4.0, 30.0)), Class::Replaced), spark(&flat, Some((2.0, 17.0)), Class::Pushed)];
    let intervals = [interval(109.0, 87.0, 134.0, 160.0), interval(13.0, 7.0, 22.0, 160.0), chance(0.88)];
    let flag = |width| flag_history(&facts.flags[0], facts.from, facts.to, facts.now, width);
    format!(
        "{}<p>{}<p>{}<p>{}{}{}{}",
        tracks.join("<p>"),
        sparks.join(" "),
        intervals.join(" "),
        paths(&rows, Width::Wide),
        paths(&rows, Width::Narrow),
        flag(Width::Wide),
        flag(Width::Narrow)
    )
}
