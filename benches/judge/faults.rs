//! What goes wrong between a crash and us: repeats, lateness, wrong clocks, silence. The crashes themselves are elsewhere.

use crate::{
    dice::Dice,
    fleet::ORDINARY,
    history::{Draw, cell_name},
    spec::Fault,
};
use pushback::domain::{
    Record,
    time::{self, Time},
};

/// Spoils the telemetry of a history as its scenario says.
pub fn spoil(draw: &mut Draw, crashes_a_day: f64, dice: &mut Dice) {
    for fault in &draw.spec.faults {
        match fault {
            Fault::Repeats(most) => repeats(&mut draw.records, *most, dice),
            Fault::Backfill { at, count, days } => {
                let count = (count * crashes_a_day / 1200.0).max(12.0) as usize;
                backfill(draw, *at, count, *days, dice);
            }
            Fault::Unheard { release, from, minutes } => {
                let from = draw.at(from + draw.plan.moved);
                let to = from + time::minutes(*minutes);
                draw.records.retain(|record| match record {
                    Record::Exposure(it) => it.release != *release || it.at < from || it.at >= to,
                    _ => true,
                });
            }
            Fault::Loop { release, from, minutes, every } => {
                crash_loop(draw, release, from + draw.plan.moved, *minutes, *every, dice);
            }
            Fault::Late(mean) => {
                for record in &mut draw.records {
                    if let Record::Crash(it) = record {
                        it.received_at += time::seconds((dice.waiting(*mean) * 60.0) as i64);
                    }
                }
            }
            Fault::Skew(most) => skew(&mut draw.records, *most),
            Fault::Mislabelled(minutes) => mislabel(draw, *minutes),
            Fault::Mute(release) => draw.records.retain(|record| match record {
                Record::Crash(it) => it.release.as_ref() != Some(release),
                _ => true,
            }),
        }
    }
}

/// The same report again, up to `most` times, within an hour.
fn repeats(records: &mut Vec<Record>, most: usize, dice: &mut Dice) {
    let mut again = Vec::new();
    for record in records.iter() {
        if let Record::Crash(it) = record {
            for _ in 0..dice.below(most + 1) {
                let mut copy = it.clone();
                copy.received_at += time::seconds(dice.below(3600) as i64);
                again.push(Record::Crash(copy));
            }
        }
    }
    records.append(&mut again);
}

/// Reports that lay somewhere come in all at once.
fn backfill(draw: &mut Draw, at: i64, count: usize, days: f64, dice: &mut Dice) {
    let arrives = draw.at(at + draw.plan.moved);
    for index in 0..count {
        let minute = (-dice.unit() * days * 1440.0) as i64;
        let cell = dice.below(draw.fleet.services[0].cells.len());
        let look = ORDINARY[dice.below(ORDINARY.len())].0;
        let host = format!("relay-{}-{:03}", cell_name(cell), dice.below(80));
        // The release that ran then: the one before every live push.
        draw.report(cell, 1, minute, look, &host, dice);
        if let Some(last) = draw.records.last_mut() {
            last.set_received_at(arrives + time::seconds(index as i64 % 90));
        }
    }
}

/// One machine crashes, starts, and crashes.
fn crash_loop(draw: &mut Draw, release: &str, from: i64, minutes: i64, every: i64, dice: &mut Dice) {
    let Some(number) = draw.fleet.services[0].releases.iter().position(|it| it == release) else { return };
    let cells = draw.fleet.services[0].cells.len();
    let most = |cell: &usize| draw.fleet.mix(0, draw.plan, *cell, from)[number];
    let cell = (0..cells).max_by(|a, b| most(a).total_cmp(&most(b))).unwrap_or(0);
    let host = draw.host(0, cell, number, from, dice);
    let look = ORDINARY[dice.below(ORDINARY.len())].0;
    for index in 0..minutes * 60 / every.max(1) {
        draw.report(cell, number, from + index * every / 60, look, &host, dice);
    }
}

/// A third of the hosts have clocks that are wrong by a fixed amount.
fn skew(records: &mut [Record], most: f64) {
    for record in records {
        if let Record::Crash(it) = record
            && let Some(host) = &it.host
        {
            let hash = host.bytes().fold(7_u64, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
            if hash % 3 == 0 {
                let part = ((hash >> 8) % 2001) as f64 / 1000.0 - 1.0;
                it.at += time::seconds((part * most * 60.0) as i64);
            }
        }
    }
}

/// New instances say for a while that they are the old release.
fn mislabel(draw: &mut Draw, minutes: i64) {
    for push in draw.plan.pushes.iter().filter(|push| !push.id.starts_with("past")) {
        let stretches: Vec<(Time, Time)> =
            push.steps.iter().map(|step| (draw.at(step.at), draw.at(step.at + minutes))).collect();
        let wrong = |at: Time| stretches.iter().any(|it| at >= it.0 && at < it.1);
        for record in &mut draw.records {
            match record {
                Record::Crash(it) if it.release.as_ref() == Some(&push.release) && wrong(it.at) => {
                    it.release = Some(push.previous.clone());
                }
                Record::Exposure(it) if it.release == push.release && wrong(it.at) => {
                    it.release.clone_from(&push.previous);
                }
                _ => {}
            }
        }
    }
}
