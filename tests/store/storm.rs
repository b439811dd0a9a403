//! What pictures are drawn from: every crash by itself, and in a storm counts by the minute or the hour.

use super::{
    minute, read,
    reports::{crash, take, whole},
};
use crate::support::{Engine, TestDatabase};
use pushback::{domain::time, flows::take_telemetry::Keeper, store::keeping::Examples};

#[test]
fn a_few_crashes_are_told_one_by_one_and_a_storm_by_the_minute_with_none_left_out() {
    for engine in Engine::BOTH {
        let database = TestDatabase::new(engine);
        let store = database.open();
        let mut keeper = Keeper::new(Examples::new(2));
        let some = [("a", 1, "S"), ("b", 1, "S"), ("c", 2, "S"), ("d", 3, "T")];
        take(&mut keeper, &store, some.iter().map(|it| whole(crash(it.0, minute(it.1), it.2))).collect());
        let counts = |from| read(&store, |read| read.crash_counts("relay", "production", from, minute(59)));
        let of =
            |name: &str| read(&store, |read| read.crash_counts_of("relay", "production", name, minute(0), minute(59)));
        let examples = || read(&store, |read| read.crash_examples("relay", "production", minute(0), minute(59)));

        let calm = counts(minute(0));
        assert_eq!(
            calm.iter().map(|it| (it.at, it.crashes, it.clients)).collect::<Vec<_>>(),
            [(minute(1), 1, 2), (minute(1), 1, 2), (minute(2), 1, 2), (minute(3), 1, 2)]
        );
        assert!(calm.iter().all(|it| it.signature.is_some() && it.received_at.is_some()));
        assert_eq!(of("S").len(), 3);
        assert_eq!(examples().len(), 4, "those that were only counted too");

        let in_minute = time::micros(minute(2));
        database
            .batch(&format!(
                "update crash_minute set crashes = crashes + 30000, clients = clients + 60000 where minute = {in_minute}; \
                 update crash_ten_minutes set crashes = crashes + 30000, clients = clients + 60000; \
                 update signature_hour set crashes = crashes + 30000 \
                 where signature in (select number from signature where title = 'S')"
            ))
            .expect("a storm");
        let storm = counts(minute(0));
        assert_eq!(
            storm.iter().map(|it| (it.at, it.crashes, it.clients)).collect::<Vec<_>>(),
            [(minute(1), 2, 4), (minute(2), 30_001, 60_002), (minute(3), 1, 2)]
        );
        assert!(storm.iter().all(|it| it.release.as_deref() == Some("A") && it.cell.as_deref() == Some("eu-1")));
        let later = counts(minute(1) + time::seconds(30));
        assert_eq!(later.len(), 2, "a minute that began before the range is none of its");
        let by = |from, minutes| {
            read(&store, |read| read.crash_counts_by("relay", "production", (from, minute(59)), minutes))
                .iter()
                .map(|it| (it.at, it.crashes, it.clients, it.release.clone(), it.cell.clone()))
                .collect::<Vec<_>>()
        };
        let here = (Some("A".to_owned()), Some("eu-1".to_owned()));
        let told = |minute, crashes, clients| (minute, crashes, clients, here.0.clone(), here.1.clone());
        assert_eq!(by(minute(0), 2), [told(minute(0), 2, 4), told(minute(2), 30_002, 60_004)]);
        assert_eq!(by(minute(0), 30), [told(minute(0), 30_004, 60_008)]);
        let totals =
            |from, minutes| read(&store, |read| read.crash_totals("relay", "production", (from, minute(59)), minutes));
        assert_eq!(totals(minute(0), 1), [(minute(1), 2), (minute(2), 30_001), (minute(3), 1)]);
        assert_eq!(totals(minute(0), 2), [(minute(0), 2), (minute(2), 30_002)]);
        assert_eq!(totals(minute(3), 2), [(minute(3), 1)], "told where the range begins");
        let cut = minute(1) + time::seconds(30);
        assert_eq!(
            by(cut, 2),
            [told(minute(2), 30_002, 60_004)],
            "a minute that began before the range is none of its"
        );
        assert_eq!(by(minute(1), 30), [told(minute(1), 30_004, 60_008)], "told at the range's beginning");
        assert_eq!(by(minute(0), 1).len(), 3);
        let s = of("S");
        assert_eq!((s.len(), s[0].at, s[0].crashes, s[0].cell.clone()), (1, minute(0), 30_003, None));
        assert_eq!(of("unknown"), []);
        let touched = read(&store, |read| read.crash_counts_of("relay", "production", "S", minute(2), minute(4)));
        assert_eq!(touched, s, "an hour that the range only touches counts");
        let shown: Vec<String> = examples().into_iter().map(|it| it.id).collect();
        assert_eq!(shown, ["a", "b", "d"], "what can be opened");
    }
}
