//! How long a long history takes. Run with `--ignored` and optimisation.

use super::{
    fleet::{Dice, Fleet, share_of},
    story,
};
use crate::{domain::Record, judge::replay};
use std::time::Instant;

#[test]
#[ignore = "minutes without optimisation"]
fn three_million_lines_of_exposure_and_many_crashes_are_judged_within_a_minute() {
    let mut records = Vec::new();
    for number in 0..20 {
        let steps = [(8000, 0.05), (8060, 0.2), (8200, 0.6), (8400, 1.0)];
        let fleet =
            Fleet { service: format!("service-{number}"), minutes: 9 * 1440, base: 0.2, window: 1, ..Fleet::default() };
        let mut dice = Dice::new(number);
        let share = |minute: i64| share_of(&steps, minute);
        records.extend(fleet.run(
            &mut dice,
            &|minute, _| vec![("A", 1.0 - share(minute)), ("B", share(minute))],
            &|it| (if it.release == "B" && number % 3 == 0 { 3.0 } else { 1.0 }, vec![]),
        ));
        records.extend(fleet.push(&format!("push-{number}"), "B", "A", &steps));
    }
    let crashes = records.iter().filter(|it| matches!(it, Record::Crash(_))).count();
    let lines = records.len();
    let start = Instant::now();
    let findings = replay(records);
    println!(
        "took {:?} for {lines} lines, {crashes} crashes, {} regressions",
        start.elapsed(),
        findings.regressions.len()
    );
    assert!(start.elapsed().as_secs() < 60);
    let told = story::told(1);
    let lines = told.len();
    let start = Instant::now();
    replay(told);
    println!("took {:?} for the told story, {lines} lines", start.elapsed());
}
