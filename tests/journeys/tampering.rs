//! Whoever changes the record behind the program's back is found out by the program.

use crate::support::{
    Engine, TestDatabase,
    program::{run, run_well},
};

fn verify(database: &TestDatabase) -> (bool, String) {
    let output = run(&["ledger", "verify", "--database", &database.url], "");
    (output.status.success(), String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[test]
fn the_ledger_is_whole_until_somebody_touches_it() {
    for engine in Engine::BOTH {
        let database = TestDatabase::new(engine);
        let (good, said) = verify(&database);
        assert!(good && said.starts_with("0 entries"), "{said}");
        for service in ["relay", "edge", "chat", "sync"] {
            run_well(&["admin", "service", "add", service, "--database", &database.url], "");
        }
        let (good, said) = verify(&database);
        assert!(good && said.starts_with("4 entries, root ") && said.ends_with("Nothing was changed."), "{said}");

        let ways = [
            (
                "update ledger_entry set kind = 'service.remove' where seq = 1",
                "update ledger_entry set kind = 'service.create' where seq = 1",
            ),
            (
                "update ledger_entry set payload = '{\"service\":\"evil\"}' where seq = 1",
                "update ledger_entry set payload = '{\"service\":\"edge\"}' where seq = 1",
            ),
            (
                "update ledger_entry set at = at - 3600000000 where seq = 3",
                "update ledger_entry set at = at + 3600000000 where seq = 3",
            ),
            ("update ledger_head set size = size - 1", "update ledger_head set size = size + 1"),
        ];
        for (harm, undo) in ways {
            database.batch(harm).expect(harm);
            let (good, said) = verify(&database);
            assert!(!good && said.starts_with("TAMPERED: "), "{engine:?}, {harm}: {said}");
            database.batch(undo).expect(undo);
            let (good, said) = verify(&database);
            assert!(good, "{engine:?}, {undo}: {said}");
        }
        // The youngest entry cut off leaves the rest whole in itself; the head knows better.
        database.batch("delete from ledger_entry where seq = 3").expect("cut");
        let (good, said) = verify(&database);
        assert!(!good && said.starts_with("TAMPERED: "), "{said}");
    }
}
