//! The story is the file, the file is a history, and it tells what it is meant to tell.

use super::{reports::march, *};
use crate::domain::{Time, crash::Crash, time};
use std::collections::{BTreeMap, BTreeSet};

fn crashes(records: &[Record]) -> Vec<&Crash> {
    records
        .iter()
        .filter_map(|record| match record {
            Record::Crash(crash) => Some(crash),
            _ => None,
        })
        .collect()
}

fn by_contact(records: &[Record]) -> usize {
    crashes(records).iter().filter(|crash| crash.signature == reports::CONTACT).count()
}

#[test]
fn the_file_is_what_the_program_writes() {
    let written = write(generate());
    if std::env::var_os("PUSHBACK_WRITE_STORY").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/story/told.ndjson");
        std::fs::write(path, &written).expect("the story can be written");
        return;
    }
    assert!(written == TOLD, "told.ndjson is stale: PUSHBACK_WRITE_STORY=1 cargo test --lib story::");
}

#[test]
fn every_line_is_read_back_as_the_record_that_wrote_it() {
    let records = generate();
    assert_eq!(records.len(), TOLD.lines().count());
    for (record, line) in records.iter().zip(TOLD.lines()) {
        assert_eq!(&Record::parse(line).expect(line), record, "{line}");
    }
}

#[test]
fn the_file_is_small_and_in_order_of_arrival() {
    assert!(TOLD.len() < 2_500_000 && TOLD.lines().count() < 20_000, "{} bytes", TOLD.len());
    let arrivals: Vec<Time> = generate().iter().map(Record::received_at).collect();
    assert!(arrivals.is_sorted());
}

#[test]
fn ids_of_crash_reports_are_unique() {
    let records = generate();
    let ids: BTreeSet<&str> = crashes(&records).iter().map(|crash| crash.id.as_str()).collect();
    assert_eq!(ids.len(), crashes(&records).len());
}

#[test]
fn only_a_dies_by_contact_and_only_while_b_runs() {
    let records = generate();
    for crash in crashes(&records).into_iter().filter(|crash| crash.signature == reports::CONTACT) {
        assert_eq!(crash.release.as_deref(), Some("A"));
        assert!(crash.at > march(3, 1, 11) && crash.at < march(3, 6, 48), "{}", crash.at);
        assert!(!crash.signature_given && crash.exception.is_some());
    }
}

#[test]
fn b_dies_no_more_often_than_a_did_before() {
    let records = generate();
    let (mut hours, mut deaths) = (0.0, 0);
    for record in &records {
        match record {
            Record::Exposure(it) if it.release == "B" => hours += it.instance_hours(),
            Record::Crash(it) if it.release.as_deref() == Some("B") => deaths += 1,
            _ => {}
        }
    }
    let expected = hours * 0.012;
    assert!((f64::from(deaths) - expected).abs() <= 2.5 * expected.sqrt(), "{deaths} against {expected}");
}

#[test]
fn the_excess_is_what_was_told() {
    let contact = by_contact(&generate());
    assert!((100..=130).contains(&contact), "{contact}");
}

/// Deaths by contact, and deaths of relay before the push began that were not for want of DNS.
fn size(records: &[Record]) -> (f64, f64) {
    let ordinary = crashes(records)
        .iter()
        .filter(|crash| crash.service == "relay" && crash.at < march(3, 0, 48))
        .filter(|crash| crash.signature != reports::UNRESOLVED)
        .count();
    (by_contact(records) as f64, ordinary as f64)
}

#[test]
fn the_seed_is_the_first_with_a_typical_run() {
    let (contact, ordinary) = (relay::implied_by_contact(), 240.0 * 0.012 * 18.8);
    let is_typical = |seed| {
        let (by_contact, before) = size(&tell(seed));
        println!("seed {seed}: {by_contact} by contact of {contact:.1}, {before} before the push of {ordinary:.1}");
        (by_contact - contact).abs() <= contact / 10.0 && (before - ordinary).abs() <= ordinary / 10.0
    };
    assert_eq!((1..=SEED).find(|seed| is_typical(*seed)), Some(SEED));
}

#[test]
fn about_a_third_of_the_crashes_by_contact_know_their_peer() {
    let records = generate();
    let known = crashes(&records).iter().filter(|crash| crash.peer_release.as_deref() == Some("B")).count();
    let share = known as f64 / by_contact(&records) as f64;
    assert!((0.2..0.5).contains(&share), "{share}");
}

#[test]
fn sync_64_harmed_itself_only_and_only_while_it_ran() {
    let records = generate();
    let (of_s64, others): (Vec<&Crash>, Vec<&Crash>) =
        crashes(&records).into_iter().partition(|crash| crash.release.as_deref() == Some("s64"));
    assert!((3..=9).contains(&of_s64.len()), "{}", of_s64.len());
    for crash in of_s64 {
        assert_eq!(crash.signature, "panic | merge_clock | apply_change");
        assert!(crash.at >= march(2, 18, 50) && crash.at < march(2, 19, 20), "{}", crash.at);
        assert!(["sync-001", "sync-002"].contains(&crash.host.as_deref().unwrap_or("")), "{:?}", crash.host);
    }
    assert!(others.iter().all(|crash| !crash.signature.contains("merge_clock")));
}

/// Run with `--nocapture` to read the story at a glance.
#[test]
fn the_story_at_a_glance() {
    let records = generate();
    let mut table: BTreeMap<(String, String, Time), [usize; 2]> = BTreeMap::new();
    for crash in crashes(&records) {
        let hour = time::from_micros(time::micros(crash.at) / 3_600_000_000 * 3_600_000_000);
        let release = crash.release.clone().unwrap_or_default();
        let cell = table.entry((crash.service.clone(), release, hour)).or_default();
        cell[0] += 1;
        cell[1] += usize::from(crash.signature == reports::CONTACT);
    }
    println!("seed {SEED}, {} lines, {} bytes", TOLD.lines().count(), TOLD.len());
    for ((service, release, hour), [all, contact]) in &table {
        println!("{service:8} {release:5} {} {all:3} crashes, {contact:3} by contact", time::text(*hour));
    }
    assert!(!table.is_empty());
}
