//! Sets what was said of one history against what really happened in it. Sums over histories are in `tally`.

use crate::{
    account::{Account, Call, Word},
    truth::{MINUTE, Micros, True, Truth},
};
use pushback::domain::finding::{Decision, Ending, Kind};
use serde::Serialize;

/// A call this long after the harm ended is no detection of it.
const GRACE: Micros = 120 * MINUTE;
/// The share of the fleet before which collateral harm is to be flagged.
const EARLY: f64 = 0.1;

/// How one harm was told.
#[derive(Debug, Clone, Serialize)]
pub struct Told {
    /// Its true kind.
    pub kind: String,
    /// Whether several changes were in flight.
    pub overlap: bool,
    /// Whether it is too faint to be held against anybody.
    pub faint: bool,
    /// Crashes that it brought.
    pub crashes: usize,
    /// Expected log-likelihood.
    pub nats: f64,
    /// Whether it was said at all.
    pub found: bool,
    /// The kind said first and last.
    pub kinds: Option<(String, String)>,
    /// Whether the kind was right first, and last.
    pub kind_right: Option<(bool, bool)>,
    /// Whether the kind said first was that of the harm that had arrived by then.
    pub kind_of_arrived: Option<bool>,
    /// Whether the right change, or rightly none, was blamed first, and last.
    pub blame_right: Option<(bool, bool)>,
    /// Whether a wrong change was blamed at any time in words on this harm.
    pub wrong_blame: bool,
    /// Minutes from the true onset to the said one, signed, and whether the interval holds it.
    pub onset: Option<(f64, bool)>,
    /// Minutes from the onset until it was said with the right answer.
    pub delay: Option<f64>,
    /// Crashes that harm had brought by then.
    pub excess: Option<f64>,
    /// Of harm by a push: crashes that it had brought when a gate first told that push to stop; none where none did while it went on.
    pub stop: Option<f64>,
    /// Whether it is harm by a push, that a gate can stop.
    pub by_push: bool,
    /// The share of the fleet that the change had reached by then.
    pub share: Option<f64>,
    /// Of collateral harm with eight crashes by a share of 10 %: whether it was said before.
    pub early: Option<bool>,
    /// Steps that continued it: true ones, those of them that were said.
    pub continuations: (usize, usize),
    /// The true ending and the one said; `on` where it goes on.
    pub ending: Option<(String, String)>,
    /// Whether victims that ran out were called a recovery at any time.
    pub called_recovery: bool,
    /// Relative error of the crashes beyond expectation, and whether the interval holds the truth.
    pub cost: Option<(f64, bool)>,
    /// Whether the cheapest of the three ways on was named as such.
    pub way_right: Option<bool>,
}

/// How one history was told by one rule.
#[derive(Debug, Clone, Serialize)]
pub struct Score {
    /// The family.
    pub family: u32,
    /// The traffic level.
    pub level: String,
    /// The seed.
    pub seed: u64,
    /// How people ended it.
    pub end: String,
    /// Its harms.
    pub harms: Vec<Told>,
    /// Calls that belong to no harm.
    pub false_calls: usize,
    /// Further calls on a harm that was said already.
    pub repeats: usize,
    /// Steps said to continue something that did not.
    pub false_continuations: usize,
    /// Whether nothing happened for which anybody could be blamed.
    pub healthy: bool,
    /// Pushes that did nothing.
    pub innocents: usize,
    /// Of them, those blamed at any time.
    pub blamed: Vec<String>,
    /// Of them, those told to stop at any time.
    pub stopped: Vec<String>,
    /// Flag changes that did nothing and were blamed.
    pub flags_blamed: Vec<String>,
    /// Steps of innocent pushes in healthy histories: told go, hold, stop.
    pub answers: (usize, usize, usize),
    /// Words that were misdated.
    pub misdated: u32,
    /// Seconds.
    pub seconds: f64,
    /// Records.
    pub records: usize,
}

/// Scores one account.
pub fn score(truth: &Truth, account: &Account) -> Score {
    let homes: Vec<Option<usize>> = account.calls.iter().map(|call| home(truth, call)).collect();
    let mut repeats = 0;
    let mut harms = Vec::new();
    let mut true_steps: Vec<&(String, Micros)> = Vec::new();
    for (number, harm) in truth.harms.iter().enumerate() {
        let own = account.calls.iter().zip(&homes).filter(|it| *it.1 == Some(number));
        let calls: Vec<&Call> = own.map(|it| it.0).collect();
        repeats += calls.len().saturating_sub(1);
        true_steps.extend(&harm.continuations);
        let mut told = told(truth, harm, &calls);
        let stop = account.stops.iter().filter(|it| harm.is_guilty(&it.0)).map(|it| it.1).min();
        told.by_push = truth.pushes.iter().any(|push| harm.is_guilty(push));
        told.stop = stop.filter(|at| harm.end.is_none_or(|end| *at <= end.0)).map(|at| harm.crashes_until(at) as f64);
        harms.push(told);
    }
    let tolerated = |call: &Call| {
        truth.tolerates_ambient
            && call.words.iter().all(|word| word.kind == Some(Kind::Ambient) && word.blamed().is_none())
    };
    let false_calls = account.calls.iter().zip(&homes).filter(|it| it.1.is_none() && !tolerated(it.0)).count();
    let said_steps = account.calls.iter().flat_map(|call| &call.continuations);
    let guilty = |id: &str| truth.harms.iter().any(|harm| harm.is_guilty(id));
    let blamed = |id: &str| account.calls.iter().any(|call| call.words.iter().any(|it| it.blamed() == Some(id)));
    let innocent: Vec<&String> = truth.changes.iter().map(|it| &it.0).filter(|id| !guilty(id)).collect();
    let (pushes, flags): (Vec<&String>, Vec<&String>) = innocent.into_iter().partition(|id| truth.pushes.contains(id));
    let healthy = truth.harms.is_empty();
    let answers = |decision: Decision| {
        account.answers.iter().filter(|it| healthy && it.1 == decision && pushes.contains(&&it.0)).count()
    };
    Score {
        family: 0,
        level: String::new(),
        seed: 0,
        end: format!("{:?}", truth.end),
        false_calls,
        repeats,
        false_continuations: said_steps.filter(|step| !true_steps.contains(step)).count(),
        healthy,
        innocents: pushes.len(),
        blamed: pushes.iter().filter(|id| blamed(id)).map(|id| (*id).clone()).collect(),
        stopped: account.stops.iter().filter(|it| pushes.contains(&&it.0)).map(|it| it.0.clone()).collect(),
        flags_blamed: flags.iter().filter(|id| blamed(id)).map(|id| (*id).clone()).collect(),
        answers: (answers(Decision::Go), answers(Decision::Hold), answers(Decision::Stop)),
        misdated: account.misdated,
        seconds: account.seconds,
        records: 0,
        harms,
    }
}

/// The harm that a call is about: of several, the one whose cause it names, else the one whose signatures it names, else the
/// latest.
fn home(truth: &Truth, call: &Call) -> Option<usize> {
    let last = call.words.last()?;
    let fits = truth.harms.iter().enumerate().filter(|it| belongs(it.1, call));
    let fit = |harm: &True| (is_right(harm, last), !harm.signatures.is_empty(), harm.onset);
    fits.max_by_key(|it| fit(it.1)).map(|it| it.0)
}

/// Whether a call is about a harm: there, while it went on, and not about other signatures.
fn belongs(harm: &True, call: &Call) -> bool {
    let Some(first) = call.words.first() else { return false };
    let until = harm.end.map_or(Micros::MAX, |end| end.0 + GRACE);
    let alike = harm.signatures.is_empty()
        || call.signatures.is_empty()
        || call.signatures.iter().any(|it| harm.signatures.contains(it));
    harm.services.contains(&call.service) && first.at >= harm.onset && first.at <= until && alike
}

fn is_right(harm: &True, word: &Word) -> bool {
    if harm.like.len() > 1 {
        // Nobody can tell which: together they must be named, and nobody else blamed.
        let sum: f64 = word.suspects.iter().filter(|it| harm.is_guilty(&it.0)).map(|it| it.1).sum();
        return sum >= 0.5 && word.blamed().is_none_or(|id| harm.is_guilty(id));
    }
    match (&harm.change, word.blamed()) {
        (Some(_), Some(blamed)) => harm.is_guilty(blamed),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    }
}

fn told(truth: &Truth, harm: &True, calls: &[&Call]) -> Told {
    let mut told = Told {
        kind: harm.kind.word().to_owned(),
        overlap: harm.overlap,
        faint: harm.faint,
        crashes: harm.crashes.len(),
        nats: (harm.nats * 10.0).round() / 10.0,
        found: !calls.is_empty(),
        kinds: None,
        kind_right: None,
        kind_of_arrived: None,
        blame_right: None,
        wrong_blame: false,
        onset: None,
        delay: None,
        excess: None,
        stop: None,
        by_push: false,
        share: None,
        early: None,
        continuations: (harm.continuations.len(), 0),
        ending: None,
        called_recovery: false,
        cost: None,
        way_right: None,
    };
    told.early = early(truth, harm, calls);
    // The call that says most of it: the one with the largest last excess, the first where none says.
    let weight = |call: &Call| call.words.last().and_then(|it| it.excess).map_or(0.0, |it| it.0);
    let Some(main) = calls.iter().rev().max_by(|a, b| weight(a).total_cmp(&weight(b))) else { return told };
    let (Some(first), Some(last)) = (calls[0].words.first(), main.words.last()) else { return told };
    let words = || calls.iter().flat_map(|call| &call.words);
    let kind = |word: &Word| word.kind.map_or("none", Kind::word).to_owned();
    told.kinds = Some((kind(first), kind(last)));
    told.kind_right = Some((first.kind == Some(harm.kind), last.kind == Some(harm.kind)));
    told.kind_of_arrived = Some(first.kind == Some(harm.kind) || first.kind == Some(harm.kind_until(first.at)));
    told.blame_right = Some((is_right(harm, first), is_right(harm, last)));
    told.wrong_blame = words().any(|word| word.blamed().is_some_and(|id| !harm.is_guilty(id)));
    told.onset = last
        .onset
        .map(|(at, low, high)| ((at - harm.onset) as f64 / MINUTE as f64, low <= harm.onset && harm.onset <= high));
    if let Some(at) = words().filter(|word| is_right(harm, word)).map(|word| word.at).min() {
        told.delay = Some((at - harm.onset) as f64 / MINUTE as f64);
        told.excess = Some(harm.crashes_until(at) as f64);
        let minute = ((at - truth.start) / MINUTE).max(0) as usize;
        told.share = harm.shares.get(minute.min(harm.shares.len().saturating_sub(1))).copied();
    }
    told.continuations.1 =
        harm.continuations.iter().filter(|step| calls.iter().any(|call| call.continuations.contains(step))).count();
    let says_cost = last.excess.is_some();
    if says_cost {
        let real = match harm.end {
            Some(end) if end.1.is_none() => "on",
            Some(end) => end.1.map_or("on", Ending::word),
            None => "on",
        };
        told.ending = Some((real.to_owned(), last.ended.map_or("on", Ending::word).to_owned()));
        let gone = harm.end.is_some_and(|end| end.1 == Some(Ending::VictimsGone));
        let recovered = [Ending::Fixed, Ending::Subsided, Ending::RolledBack, Ending::Stopped];
        told.called_recovery = gone && words().any(|word| word.ended.is_some_and(|it| recovered.contains(&it)));
    }
    let kept = calls.iter().filter_map(|call| call.words.last()).filter(|word| !word.withdrawn);
    if says_cost {
        // All that was said of it together, so that a harm told in two parts is not called half.
        let sums = kept
            .filter_map(|word| word.excess)
            .fold((0.0, 0.0, 0.0), |sum, it| (sum.0 + it.0, sum.1 + it.1, sum.2 + it.2));
        let real = harm.crashes.len() as f64;
        told.cost = Some(((sums.0 - real).abs() / real, sums.1 <= real && real <= sums.2));
    }
    if let (Some(ways), Some(said)) = (harm.ways, main.ways) {
        let cheapest = |back: f64, hold: f64, forward: f64| {
            let ways = [back, hold, forward];
            (0..3).min_by(|a, b| ways[*a].total_cmp(&ways[*b]))
        };
        told.way_right = Some(cheapest(ways.back, ways.hold, ways.forward) == cheapest(said.3, said.2, said.1));
    }
    told
}

/// When collateral harm's change had reached a tenth of the fleet, and how many of its crashes had arrived by then.
pub fn tenth(truth: &Truth, harm: &True) -> Option<(Micros, usize)> {
    if harm.kind != Kind::Collateral {
        return None;
    }
    let minute = harm.shares.iter().position(|share| *share >= EARLY)? as i64;
    let at = truth.start + minute * MINUTE;
    Some((at, harm.crashes.iter().filter(|it| it.received_at <= at).count()))
}

/// Whether collateral harm was said before the change had reached a tenth of the fleet, where it could be.
fn early(truth: &Truth, harm: &True, calls: &[&Call]) -> Option<bool> {
    let (at, arrived) = tenth(truth, harm)?;
    (arrived >= crate::truth::LEAST_CRASHES).then(|| calls.iter().any(|call| call.words[0].at <= at))
}
