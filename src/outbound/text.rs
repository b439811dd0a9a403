//! Findings as plain text, for a terminal.

use crate::domain::{
    finding::{Estimate, Findings, SuspectKind},
    time,
};
use std::fmt::Write;

/// Everything that was found, for a person to read.
pub fn findings(findings: &Findings) -> String {
    let mut out = String::new();
    if findings.regressions.is_empty() {
        out.push_str("No regression was found.\n");
    }
    for it in &findings.regressions {
        let victims: Vec<&str> = it.victims.iter().map(|victim| victim.release.as_str()).collect();
        let mut say = |line: String| {
            out.push_str(&line);
            out.push('\n');
        };
        say(format!("{} {} {}, {}: victim {}", it.id, it.service, it.environment, it.kind.word(), victims.join(", ")));
        say(format!("  signatures   {}", it.signatures.join("; ")));
        say(format!(
            "  onset        {} ({} to {})",
            time::text(it.onset.at),
            time::text(it.onset.earliest),
            time::text(it.onset.latest)
        ));
        say(format!("  detected     {}", time::text(it.detected_at)));
        for suspect in &it.suspects {
            let kind = match suspect.kind {
                SuspectKind::Push => "push",
                SuspectKind::FlagChange => "flag change",
            };
            say(format!("  suspect      {kind} {} {:.2}: {}", suspect.id, suspect.probability, suspect.why));
        }
        say(format!("  rate ratio   {}", range(&it.rate_ratio)));
        say(format!(
            "  excess       {} crashes, {} clients dropped",
            range(&it.excess_crashes),
            range(&it.clients_dropped)
        ));
        match (it.ended_at, it.ended_because) {
            (Some(at), Some(because)) => say(format!("  ended        {} {}", time::text(at), because.says())),
            _ => say("  ended        not yet".into()),
        }
        if let Some(withdrawn) = &it.withdrawn {
            say(format!("  withdrawn    {} {}", time::text(withdrawn.at), withdrawn.why));
        }
        for step in findings.continuations.iter().filter(|step| step.regression == it.id) {
            let percent = step.percent.map_or(String::new(), |percent| format!(" to {percent} %"));
            let subject = step.push.as_deref().or(step.change.as_deref()).unwrap_or_default();
            say(format!(
                "  continued    {} {subject} {}{percent} by {}: {}, then {} more crashes",
                time::text(step.step_at),
                step.action,
                step.actor,
                step.known.word(),
                range(&step.excess_crashes)
            ));
        }
        out.push('\n');
    }
    for gate in &findings.gates {
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "gate {} {}: {} {}",
            time::text(gate.at),
            gate.push,
            gate.decision.word(),
            gate.reasons.join("; ")
        );
    }
    out
}

fn range(it: &Estimate) -> String {
    format!("{} ({} to {})", it.estimate, it.low, it.high)
}
