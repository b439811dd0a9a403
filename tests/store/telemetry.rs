//! Crash reports with their signatures, and exposure.

use super::{keep, minute, read, record};
use crate::support::on_both;
use pushback::{
    domain::{
        Record, Time,
        crash::{Crash, ReportKind},
        exposure::Exposure,
        time,
    },
    store::{Store, changes::Kept, reports::Report},
};

fn crash(id: &str, at: Time, signature: &str) -> Crash {
    let line = format!(
        r#"{{"type":"crash","id":"{id}","at":"{}","service":"relay","release":"A","cell":"eu-1","host":"eu-1-010","signature":"{signature}","clients_dropped":57,"peer_release":"B","uptime_s":12.5,"flags":{{"wire-v2":true}},"exception":{{"type":"SIGSEGV","value":"at 0x0","frames":[{{"function":"frame_decode","line":7}}]}},"kernel":"6.1"}}"#,
        time::text(at)
    );
    match record(&line) {
        Record::Crash(it) => it,
        other => panic!("{other:?}"),
    }
}

fn exposure(release: &str, at: Time, sessions: &str) -> Exposure {
    let line = format!(
        r#"{{"type":"exposure","service":"relay","release":"{release}","cell":"eu-1","at":"{}","seconds":60,"instances":28{sessions}}}"#,
        time::text(at)
    );
    match record(&line) {
        Record::Exposure(it) => it,
        other => panic!("{other:?}"),
    }
}

fn crashed(store: &Store, it: &Crash) -> Kept {
    keep(store, |tx| {
        tx.ensure_service("relay", "key", minute(0))?;
        tx.keep_crash(it, ReportKind::Crash, None)
    })
}

#[test]
fn a_report_comes_back_whole_with_what_else_was_said() {
    on_both(|store| {
        let it = crash("c1", minute(5), "S");
        let detail = r#"{"breadcrumbs":["a\nb"],"os":"Debian"}"#;
        keep(store, |tx| tx.keep_crash(&it, ReportKind::Crash, Some(detail)));
        let found = read(store, |read| read.crash("relay", "c1")).expect("kept");
        assert_eq!((found.crash, found.kind, found.detail.as_deref()), (it, ReportKind::Crash, Some(detail)));
        assert_eq!(read(store, |read| read.crash("relay", "c2")), None);
        assert_eq!(read(store, |read| read.crash("edge", "c1")), None);
    });
}

#[test]
fn a_report_that_comes_twice_counts_once_and_a_stranger_under_its_id_not_at_all() {
    on_both(|store| {
        let it = crash("c1", minute(5), "S");
        assert_eq!(crashed(store, &it), Kept::New);
        assert_eq!(crashed(store, &Crash { received_at: minute(9), ..it.clone() }), Kept::Repeat);
        assert_eq!(crashed(store, &Crash { host: Some("other".into()), ..it.clone() }), Kept::Different);
        let signature = read(store, |read| read.signature("relay", "S")).expect("grouped");
        assert_eq!((signature.crashes, signature.handled, signature.clients), (1, 0, 57));
        assert_eq!(read(store, |read| read.crash("relay", "c1")).map(|found| found.crash), Some(it));
    });
}

#[test]
fn a_signature_knows_its_first_and_last_report_in_whatever_order_they_come() {
    on_both(|store| {
        for (id, at) in [("c2", 20), ("c1", 10), ("c3", 30)] {
            crashed(store, &crash(id, minute(at), "S"));
        }
        keep(store, |tx| tx.keep_crash(&crash("h1", minute(25), "S"), ReportKind::Handled, None));
        keep(store, |tx| tx.keep_crash(&crash("m1", minute(26), "S"), ReportKind::Message, None));
        let found = read(store, |read| read.signature("relay", "S")).expect("grouped");
        assert_eq!((found.first_at, found.last_at, found.last_id.as_str()), (minute(10), minute(30), "c3"));
        assert_eq!((found.crashes, found.handled, found.clients), (3, 2, 5 * 57));
        let reports = read(store, |read| read.reports_of("relay", "S", 3));
        let ids: Vec<(&str, ReportKind)> = reports.iter().map(|it| (it.id.as_str(), it.kind)).collect();
        assert_eq!(ids, [("c3", ReportKind::Crash), ("m1", ReportKind::Message), ("h1", ReportKind::Handled)]);
    });
}

#[test]
fn signatures_are_listed_latest_first_and_page_on() {
    on_both(|store| {
        for (number, signature) in ["S1", "S2", "S3"].into_iter().enumerate() {
            crashed(store, &crash(signature, minute(number as i64), signature));
        }
        let titles = |service, before, limit| {
            let found = read(store, |read| read.signatures(service, before, limit));
            found.into_iter().map(|it| it.signature).collect::<Vec<_>>()
        };
        assert_eq!(titles(None, None, 2), ["S3", "S2"]);
        assert_eq!(titles(Some("relay"), Some(minute(1)), 9), ["S1"]);
        assert_eq!(titles(Some("edge"), None, 9), Vec::<String>::new());
        assert_eq!(read(store, |read| read.signature("relay", "S9")), None);
    });
}

#[test]
fn only_crashes_of_that_place_and_time_are_counted() {
    on_both(|store| {
        crashed(store, &crash("c1", minute(1), "S"));
        crashed(store, &crash("c2", minute(2), "S"));
        crashed(store, &Crash { environment: "staging".into(), ..crash("c3", minute(2), "S") });
        keep(store, |tx| tx.keep_crash(&crash("h1", minute(2), "S"), ReportKind::Handled, None));
        let marks = read(store, |read| read.crashes_between("relay", "production", minute(2), minute(9)));
        assert_eq!(marks.len(), 1);
        let mark = &marks[0];
        assert_eq!((mark.id.as_str(), mark.at, mark.release.as_deref()), ("c2", minute(2), Some("A")));
        assert_eq!(
            (mark.cell.as_str(), mark.host.as_deref(), mark.clients_dropped),
            ("eu-1", Some("eu-1-010"), Some(57))
        );
        assert_eq!(read(store, |read| read.environments("relay")), ["production", "staging"]);
        assert_eq!(read(store, |read| read.environments("edge")), Vec::<String>::new());
    });
}

#[test]
fn a_window_of_exposure_is_kept_once_and_comes_back_with_its_flags() {
    on_both(|store| {
        let it = exposure("A", minute(1), r#","sessions":1602,"flags":{"wire-v2":"on"},"zone":"b""#);
        assert_eq!(keep(store, |tx| tx.keep_exposure(&it)), Kept::New);
        assert_eq!(keep(store, |tx| tx.keep_exposure(&it)), Kept::Repeat);
        let plain = exposure("B", minute(1), "");
        assert_eq!(keep(store, |tx| tx.keep_exposure(&plain)), Kept::New);
        let mut found = read(store, |read| read.exposures_between("relay", "production", minute(0), minute(1)));
        found.sort_by(|one, other| one.release.cmp(&other.release));
        assert_eq!(found, [it, plain]);
        assert_eq!(read(store, |read| read.exposures_between("relay", "production", minute(2), minute(9))), []);
        assert_eq!(read(store, |read| read.exposures_between("relay", "staging", minute(0), minute(9))), []);
    });
}

#[test]
fn silence_and_the_last_word_are_known() {
    on_both(|store| {
        assert!(!read(store, |read| read.has_telemetry()));
        assert_eq!(read(store, |read| read.last_heard("relay", "production")), None);
        keep(store, |tx| tx.keep_exposure(&exposure("A", minute(3), "")));
        assert_eq!(read(store, |read| read.last_heard("relay", "production")), Some(minute(3)));
        crashed(store, &crash("c1", minute(8), "S"));
        assert_eq!(read(store, |read| read.last_heard("relay", "production")), Some(minute(8)));
        assert!(read(store, |read| read.has_telemetry()));
    });
}

#[test]
fn a_place_of_which_only_handled_errors_were_heard_is_known_too() {
    on_both(|store| {
        for (environment, at) in [("lab", 3), ("canary", 5)] {
            let it = Crash { environment: environment.into(), ..crash(environment, minute(at), "S") };
            keep(store, |tx| tx.keep_crash(&it, ReportKind::Handled, None));
        }
        assert_eq!(read(store, |read| read.environments("relay")), ["canary", "lab"]);
        assert_eq!(read(store, |read| read.last_heard("relay", "lab")), Some(minute(3)));
        let minutes = read(store, |read| read.crash_minutes("relay", "lab", minute(0), minute(9)));
        assert_eq!(minutes.iter().map(|it| (it.crashes, it.clients)).collect::<Vec<_>>(), [(0, 0)]);
    });
}

#[test]
fn the_judge_is_fed_what_arrived_since_and_no_handled_errors() {
    on_both(|store| {
        let late = Crash { received_at: minute(50), ..crash("c1", minute(1), "S") };
        crashed(store, &late);
        crashed(store, &crash("c2", minute(2), "S"));
        keep(store, |tx| tx.keep_crash(&crash("h1", minute(60), "S"), ReportKind::Handled, None));
        let window = exposure("A", minute(55), "");
        keep(store, |tx| tx.keep_exposure(&window));
        let mut found = read(store, |read| read.telemetry_received(minute(50), Time::MAX_UTC));
        Record::sort_by_arrival(&mut found);
        let judged = Report::counted(late.clone(), ReportKind::Crash).judged();
        assert_eq!(found, [Record::Crash(judged), Record::Exposure(window)]);
        assert_eq!(read(store, |read| read.telemetry_received(minute(51), minute(55))), []);
        let all = read(store, |read| read.everything_received(minute(0), Time::MAX_UTC));
        assert!(
            all.len() == 3 && all.contains(&Record::Crash(late)),
            "everything that was said is still there: {all:?}"
        );
    });
}
