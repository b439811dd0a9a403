//! What the judge is fed when clocks jump, too much comes, or it had to begin again.

use super::*;
use crate::{
    domain::crash::{Crash, ReportKind},
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

fn report(store: &Store, keeper: &mut Keeper, id: &str, now: Time) -> Record {
    let crash = crash(id, now);
    let report = Report::whole(crash.clone(), ReportKind::Crash, None, &Packer::default()).expect("it packs");
    keep(store, keeper, report, now);
    Record::Crash(crash)
}

fn report_counted(store: &Store, keeper: &mut Keeper, id: &str, now: Time) {
    keep(store, keeper, Report::counted(crash(id, now), ReportKind::Crash), now);
}

fn keep(store: &Store, keeper: &mut Keeper, report: Report, now: Time) {
    let delivery = Delivery { service: "relay".into(), door: "api", reports: vec![report], ..Delivery::default() };
    let mut written = keeper.take(store, &[delivery], now);
    written.answers.pop().expect("an answer").expect("kept");
}

fn crash(id: &str, now: Time) -> Crash {
    let at = time::text(now);
    let line = format!(
        r#"{{"type":"crash","id":"{id}","at":"{at}","received_at":"{at}","service":"relay","environment":"production","release":"A","signature":"boom"}}"#
    );
    match Record::parse(&line) {
        Ok(Record::Crash(crash)) => crash,
        other => panic!("{line} is a crash, not {other:?}"),
    }
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
        let record = report(&store, &mut Keeper::new(Examples::all()), id, now);
        feed.behind = true;
        feed.look().expect("read");
        // The first look after a jump begins again; the next one feeds what came since.
        feed.behind = true;
        feed.look().expect("read");
        let mut fed = vec![record];
        feed.seen.drop_from(&mut fed);
        assert!(fed.is_empty(), "{id} was never fed to the judge");
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

#[test]
fn what_its_own_node_hands_over_is_not_read_again_unless_it_was_dropped() {
    let (_folder, store) = store();
    let now = noon();
    let mut feed = feed(&store, now);
    feed.start_again().expect("begun");
    let mut keeper = Keeper::new(Examples::new(0));
    let anew = |feed: &mut Feed| {
        let mut rows = feed.rows_read.clone();
        store.read::<_, Error>(|read| Ok(read.telemetry_anew(now, Time::MAX_UTC, &mut rows)?)).expect("read").len()
    };
    report_counted(&store, &mut keeper, "handed over", now);
    feed.judging.take(keeper.fold(&store, now).expect("folded").fresh);
    feed.look().expect("fed");
    assert_eq!((feed.seen.len(), anew(&mut feed)), (1, 0));
    report_counted(&store, &mut keeper, "not folded", now);
    assert_eq!(anew(&mut feed), 0);
    // More than may wait: all of it is read from where it is kept.
    let mut fresh = keeper.fold(&store, now).expect("folded").fresh;
    fresh.records = vec![fresh.records[0].clone(); WAITING + 1];
    feed.judging.take(fresh);
    assert_eq!(anew(&mut feed), 2, "the row has grown");
    feed.look().expect("fed");
    assert_eq!((feed.seen.len(), anew(&mut feed)), (2, 0));
}

#[test]
fn what_was_fed_long_ago_is_forgotten_by_its_arrival() {
    let crash = |id: &str, second: i64| {
        let received_at = noon() + time::seconds(second);
        Record::Crash(Crash { received_at, ..crash(id, noon()) })
    };
    let mut seen = Seen::default();
    ["a", "b"].iter().zip([0, 25]).for_each(|(id, second)| seen.note(&crash(id, second)));
    let left = |seen: &Seen| {
        let mut records = vec![crash("a", 30), crash("b", 25), crash("c", 30), crash("c", 31)];
        seen.drop_from(&mut records);
        records.iter().filter_map(|it| it.id().map(str::to_owned)).collect::<Vec<_>>()
    };
    assert_eq!(left(&seen), ["c"]);
    let mut other = vec![Record::Crash(self::crash("a", noon() + time::seconds(1)))];
    seen.drop_from(&mut other);
    assert_eq!(other.len(), 1, "the same id with another time is another report");
    seen.forget(noon() + time::seconds(5));
    assert_eq!(left(&seen), ["c"]);
    seen.forget(noon() + time::seconds(20));
    assert_eq!(left(&seen), ["a", "c"]);
    seen.clear();
    assert_eq!((left(&seen).len(), seen.len()), (3, 0));
}
