//! What each step could have shown: the smallest harm that the time at it could have brought to light.

use super::facts::Facts;
use crate::web::Frame;

/// One step, ready to print.
pub struct Power {
    /// When it was taken, UTC.
    pub when: String,
    /// The share that it went to.
    pub to: String,
    /// How long it ran.
    pub ran: String,
    /// The smallest harm to the release itself, in words.
    pub own: String,
    /// The smallest harm to those beside it, in words.
    pub beside: String,
    /// Whether it was no test: only harm of fifty times or more, or none at all, could have shown to either.
    pub blind: bool,
}

/// From this ratio on a step has tested nothing to speak of.
const BLIND: f64 = 50.0;

/// Every step that raised the share, in order.
pub fn powers(facts: &Facts, frame: &Frame) -> Vec<Power> {
    let of = |it: &crate::judge::StepPower| {
        let step = facts.steps.iter().find(|step| step.at == it.at);
        let minutes = (it.until - it.at).num_minutes();
        Power {
            when: frame.when(it.at),
            to: step.and_then(|step| step.percent).map_or_else(|| "–".into(), |percent| format!("{percent} %")),
            ran: if minutes < 120 { format!("{minutes} min") } else { format!("{} h", minutes / 60) },
            own: words(it.own),
            beside: words(it.beside),
            blind: [it.own, it.beside].iter().all(|ratio| ratio.is_none_or(|ratio| ratio >= BLIND)),
        }
    };
    facts.power.iter().map(of).collect()
}

fn words(ratio: Option<f64>) -> String {
    match ratio {
        None => "nothing".into(),
        Some(ratio) if ratio < 10.0 => format!("{ratio:.1} × the usual"),
        Some(ratio) => format!("{ratio:.0} × the usual"),
    }
}
