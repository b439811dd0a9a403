//! Harm that comes from another service's push: its fleet and its cells are not those of the victim.

use super::{
    families::{NEW, PUSH, fleet, pushed, rate, steps},
    fleet::{Dice, Fleet, heard},
};
use crate::domain::{Record, finding::Kind, percent::Percent};

/// Edge is pushed one cell after the other, every forty minutes.
fn reached(minute: i64) -> usize {
    ((minute - PUSH - 20).div_euclid(40) + 1).clamp(0, 6) as usize
}

#[test]
fn another_service_s_push_is_known_by_its_share_of_all_its_fleet() {
    let mut told = 0;
    for seed in 1..=4 {
        // Every cell of relay suffers alike by how much of edge is new, while relay's own push goes on and does nothing.
        let mut records = pushed(&fleet(0.05), seed, &steps(), &|it| {
            let share = reached(it.minute) as f64 / 6.0;
            (1.0, vec![(NEW, 0.6 * share * rate())])
        });
        let edge = Fleet { service: "edge".into(), ..fleet(0.01) };
        let shares =
            |minute: i64, cell: usize| if cell < reached(minute) { vec![("e2", 1.0)] } else { vec![("e1", 1.0)] };
        records.extend(edge.run(&mut Dice::new(seed + 1000), &shares, &|_| (1.0, vec![])));
        let laid: Vec<(i64, f64)> = (1..=6).map(|it| (PUSH - 20 + 40 * it, it as f64 / 6.0)).collect();
        for mut record in edge.push("edge-9", "e2", "e1", &laid) {
            if let Record::PushStep(step) = &mut record {
                let done = laid.iter().position(|it| step.at < edge.at(it.0 + 40)).unwrap_or(5) + 1;
                step.cells = (0..6)
                    .filter_map(|cell| Some((edge.cell(cell), Percent::new(if cell < done { 100.0 } else { 0.0 })?)))
                    .collect();
            }
            records.push(record);
        }
        records.push(fleet(0.05).declared(&["edge"]));
        let (judge, said) = heard(&mut records);
        let last = said.into_iter().rfind(|it| it.regression.service == "relay").expect("said");
        let blamed = last.regression.blamed().map(|it| it.id.as_str());
        assert_eq!((last.regression.kind, blamed), (Kind::Collateral, Some("edge-9")), "seed {seed}");
        let evidence = judge.evidence(&last.key).expect("open to the arithmetic");
        told += u32::from(evidence.fits[0].shape == "by its share of all cells");
    }
    assert!(told >= 3, "{told} of 4 by its share of all");
}
