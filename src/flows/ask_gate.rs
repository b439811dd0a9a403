//! Asking the gate: may this push go on? What the judge says, and what people said, on the record.

use super::{Error, guard_push::Rules};
use crate::{
    domain::{
        Time,
        finding::{Decision, GateAnswer},
        push::PushState,
    },
    judge::Judge,
    secret,
    store::{
        Actor, Store,
        changes::Push,
        holds::{GateAsked, Hold},
    },
};
use serde_json::json;

/// The gate's answer now, without writing anything down. `next` is the share that is asked for, percent, where it is said.
pub fn answer(judge: &Judge, push: &Push, holds: &[Hold], rules: &Rules, next: Option<f64>, now: Time) -> GateAnswer {
    let id = &push.started.push;
    let mut answer = judge.gate(id, now, &rules.guard()).unwrap_or_else(|| GateAnswer {
        push: id.clone(),
        at: now,
        decision: Decision::Hold,
        reasons: vec!["Nothing has been read of this push yet; ask again in a few seconds.".into()],
    });
    let mut say = |decision: Decision, reason: String| {
        answer.decision = answer.decision.max(decision);
        answer.reasons.push(reason);
    };
    for hold in holds.iter().filter(|hold| hold.in_force_at(now)) {
        say(Decision::Hold, format!("Hold by {}, {} UTC: “{}”", hold.actor, hold.at.format("%H:%M"), hold.reason));
    }
    if let Some(bad) = &push.bad {
        say(Decision::Stop, format!("{} was marked as bad by {}: “{}”", push.started.release, bad.actor, bad.reason));
    }
    rules.unmet(push, next, now).into_iter().for_each(|rule| say(Decision::Hold, rule));
    match push.standing.state {
        PushState::Paused => say(Decision::Hold, "This push is paused; resume it first.".into()),
        PushState::Stopped => say(Decision::Stop, "This push was stopped.".into()),
        PushState::RolledBack => say(Decision::Stop, "This push was rolled back.".into()),
        PushState::UnderWay | PushState::Done => {}
    }
    answer
}

/// The push and the gate's answer now, without writing the question down: for who looks and does not ask.
pub fn look_at_gate(
    store: &Store,
    judge: &Judge,
    push: &str,
    next: Option<f64>,
    now: Time,
) -> Result<(Push, GateAnswer), Error> {
    let (known, holds, rules, ids) = store.read::<_, Error>(|read| {
        let known = read.push(push)?.ok_or_else(|| Error::no("push", push))?;
        let rules = Rules::of(read, &known)?;
        Ok((known, read.holds_of(push)?, rules, read.regression_keys()?))
    })?;
    let mut answer = answer(judge, &known, &holds, &rules, next, now);
    name_kept(judge, &ids, &mut answer);
    Ok((known, answer))
}

/// Names regressions in an answer by the ids that were kept, which pages and links know; the judge numbers what it found in its
/// own reading. `ids` are the lasting names with the ids.
pub(super) fn name_kept(judge: &Judge, ids: &[(String, String)], answer: &mut GateAnswer) {
    for reason in &mut answer.reasons {
        let kept = judge.key_of(reason).and_then(|key| ids.iter().find(|(kept, _)| kept == key));
        if let Some((_, id)) = kept {
            reason.clone_from(id);
        }
    }
}

/// Asks the gate for a push, and keeps the question with its answer. `next` is the share that it asks for, percent.
pub fn ask_gate(
    store: &Store,
    judge: &Judge,
    by: &Actor,
    who: &str,
    push: &str,
    next: Option<f64>,
    now: Time,
) -> Result<GateAnswer, Error> {
    let (known, answer) = look_at_gate(store, judge, push, next, now)?;
    let asked = GateAsked {
        push: push.to_owned(),
        at: now,
        actor: who.to_owned(),
        decision: answer.decision,
        reasons: answer.reasons.clone(),
    };
    store.write(|tx| {
        tx.keep_gate_answer(&secret::new_id(now), &known.started.service, &asked)?;
        tx.record(now, "gate.ask", by, format!("push:{push}"), json!({ "who": who, "answer": answer }))?;
        Ok::<_, Error>(())
    })?;
    Ok(answer)
}
