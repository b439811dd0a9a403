//! What the judge is fed when clocks jump, too much comes, or it had to begin again.

use super::*;
use crate::{
    domain::crash::ReportKind,
    flows::take_telemetry::{Delivery, Keeper},
    judge::Guard,
    store::{keeping::Examples, packing::Packer, reports::Report},
};

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(&format!("sqlite:{}", folder.path().join("x.sqlite3").display())).expect("opens");
    (folder, store)
}

fn noon() -> Time {
    time::parse("2026-03-03T12:00:00Z").expect("a time")
}

/// Whoever feeds a judge, and has not begun.
fn feed(store: &Store, now: Time) -> Feed {
    let judging =
        Judging { judge: Arc::new(RwLock::new(Judge::of_a_store(Settings::default()))), signal: Arc::default() };
    Feed::new(store.clone(), Clock::starting_at(now), judging)
}

fn report(store: &Store, keeper: &mut Keeper, id: &str, now: Time) {
    let at = time::text(now);
    let line = format!(
        r#"{{"type":"crash","id":"{id}","at":"{at}","received_at":"{at}","service":"relay","environment":"production","release":"A","signature":"boom"}}"#
    );
    let Ok(Record::Crash(crash)) = Record::parse(&line) else { panic!("{line} is a crash") };
    let report = Report::whole(crash, ReportKind::Crash, None, &Packer::default()).expect("it packs");
    let delivery = Delivery { service: "relay".into(), door: "api", reports: vec![report], ..Delivery::default() };
    let mut written = keeper.take(store, &[delivery], now);
    written.answers.pop().expect("an answer").expect("kept");
}

#[test]
fn a_clock_that_jumps_back_an_hour_or_forward_a_day_hides_no_report_from_the_judge() {
    let (_folder, store) = store();
    let begun = noon();
    let mut feed = feed(&store, begun);
    feed.start_again().expect("begun");
    for (id, minutes) in [("first", 0), ("back", -60), ("later", -59), ("forward", 24 * 60), ("back-again", 1)] {
        let now = begun + time::minutes(minutes);
        feed.clock = Clock::starting_at(now);
        report(&store, &mut Keeper::new(Examples::all()), id, now);
        feed.behind = true;
        feed.look().expect("read");
        // The first look after a jump begins again; the next one feeds what came since.
        feed.behind = true;
        feed.look().expect("read");
        let fed = feed.seen.values().any(|arrived| *arrived == now);
        assert!(fed, "{id} was never fed to the judge");
    }
}

#[test]
fn what_was_dropped_since_too_much_came_is_read_from_the_database_also_where_its_row_was_read_before() {
    let (_folder, store) = store();
    let now = noon();
    let mut feed = feed(&store, now);
    feed.start_again().expect("begun");
    let mut keeper = Keeper::new(Examples::new(0));
    for fed in 1..4 {
        report(&store, &mut keeper, &format!("crash-{fed}"), now);
        feed.judging.signal().dropped = true;
        feed.look().expect("read");
        assert_eq!((feed.seen.len(), feed.behind), (fed, false));
    }
}

#[test]
fn a_look_reads_everything_again_where_that_has_not_come_to_its_end() {
    let (_folder, store) = store();
    let now = noon();
    let mut feed = feed(&store, now);
    let ghost = r#"{"type":"push_started","push":"ghost","at":"2026-03-03T12:00:00Z","service":"relay","environment":"production","release":"B","actor":"dana@example.com"}"#;
    feed.judging.judge.write().expect("nobody panicked").observe(&Record::parse(ghost).expect("a push"));
    feed.look().expect("read");
    let known = feed.judging.read().gate("ghost", now, &Guard::default()).is_some();
    assert!(!known && !feed.again, "another judge has read all there is");
}
