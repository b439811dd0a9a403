//! Feeds a history to the judge record by record, as in production, and takes down what is said when it is said.

use crate::{
    account::{Account, Call, Word},
    truth::{MINUTE, Micros, Truth},
};
use pushback::{
    domain::{
        Record,
        finding::{Continuation, Decision, Regression},
        time,
    },
    judge::{Guard, Judge, Said, Settings},
};
use std::time::Instant;

/// What the judge says of a history.
pub fn judge(records: &[Record], truth: &Truth) -> Account {
    let began = Instant::now();
    let mut account = Account::default();
    let mut judge = Judge::new(Settings::default());
    let mut last = Micros::MIN;
    for record in records {
        let before = last;
        last = time::micros(record.received_at()).max(last);
        judge.observe(record);
        hear(&mut account, &mut judge, truth, before, last);
        if last.div_euclid(MINUTE) != before.div_euclid(MINUTE) {
            ask_gates(&mut account, &judge, truth, last);
        }
    }
    judge.pass(time::from_micros(last + MINUTE));
    hear(&mut account, &mut judge, truth, last, last + MINUTE);
    let findings = judge.findings();
    for regression in &findings.regressions {
        let Some(call) = account.calls.iter_mut().find(|call| call.id == regression.id) else {
            // Listed, but never said: that is a mistake of the judge's own book-keeping.
            account.misdated += 1;
            continue;
        };
        call.words.push(word(last, regression));
        let own = findings.continuations.iter().filter(|it| it.regression == regression.id);
        call.continuations = own.map(step).collect();
        call.signatures.clone_from(&regression.signatures);
    }
    account.answers = findings.gates.iter().map(|it| (it.push.clone(), it.decision)).collect();
    account.seconds = began.elapsed().as_secs_f64();
    account
}

/// Takes down what is new. It must be dated between the last arrival and this one.
fn hear(account: &mut Account, judge: &mut Judge, truth: &Truth, before: Micros, now: Micros) {
    let said = judge.said();
    if said.is_empty() {
        return;
    }
    for it in &said {
        let at = time::micros(it.at);
        account.misdated += u32::from(at > now || at < before || time::micros(it.regression.detected_at) > at);
        take(account, it);
        if let Some(call) = account.calls.iter_mut().find(|call| call.key == it.key)
            && let Some(paths) = judge.paths(&it.key, it.at)
        {
            let of = |path: &pushback::judge::PathCost| path.crashes.estimate;
            let ways = (at, of(&paths.going_on), of(&paths.freezing), of(&paths.rolling_back));
            call.ways.get_or_insert(ways);
        }
    }
    ask_gates(account, judge, truth, now);
}

/// Asks for every push that was ever blamed and not told to stop yet: as whoever waits at a gate does, again and again.
fn ask_gates(account: &mut Account, judge: &Judge, truth: &Truth, now: Micros) {
    for push in &truth.pushes {
        let mut words = account.calls.iter().flat_map(|call| &call.words);
        if !words.any(|word| word.blamed() == Some(push)) {
            continue;
        }
        let told = account.stops.iter().any(|it| it.0 == *push);
        let answer = if told { None } else { judge.gate(push, time::from_micros(now), &Guard::default()) };
        if answer.is_some_and(|it| it.decision == Decision::Stop) {
            account.stops.push((push.clone(), now));
        }
    }
}

fn take(account: &mut Account, said: &Said) {
    let number = account.calls.iter().position(|call| call.key == said.key).unwrap_or_else(|| {
        account.calls.push(Call {
            key: said.key.clone(),
            id: said.regression.id.clone(),
            service: said.regression.service.clone(),
            signatures: said.regression.signatures.clone(),
            words: Vec::new(),
            continuations: Vec::new(),
            ways: None,
        });
        account.calls.len() - 1
    });
    account.calls[number].words.push(word(time::micros(said.at), &said.regression));
}

fn word(at: Micros, it: &Regression) -> Word {
    let excess = &it.excess_crashes;
    Word {
        at,
        kind: Some(it.kind),
        suspects: it.suspects.iter().map(|it| (it.id.clone(), it.probability)).collect(),
        onset: Some((time::micros(it.onset.at), time::micros(it.onset.earliest), time::micros(it.onset.latest))),
        ended: it.ended_because,
        excess: Some((excess.estimate, excess.low, excess.high)),
        withdrawn: it.withdrawn.is_some(),
    }
}

fn step(it: &Continuation) -> (String, Micros) {
    (it.push.clone().or_else(|| it.change.clone()).unwrap_or_default(), time::micros(it.step_at))
}

/// Whether a history cut at an instant gives the same words up to it as the whole does.
pub fn prefix_agrees(records: &[Record], cut: usize) -> bool {
    let hear = |records: &[Record]| {
        let mut judge = Judge::new(Settings::default());
        let mut said = Vec::new();
        for record in records {
            judge.observe(record);
            said.extend(judge.said());
        }
        said
    };
    let (part, whole) = (hear(&records[..cut]), hear(records));
    // As text: a number that is none is not even equal to itself.
    let differs = part.iter().zip(&whole).any(|it| format!("{:?}", it.0) != format!("{:?}", it.1));
    whole.len() >= part.len() && !differs
}
