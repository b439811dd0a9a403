//! The one sentence that says what a regression is, for banners, lists and notices. No times are formatted here and
//! nothing is looked up: callers bring how an instant is written and what the blamed change brings.

use super::{
    Time,
    finding::{Ending, Kind, Regression},
};

/// The change that is blamed, as far as the sentence needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Blamed {
    /// A push.
    Push {
        /// The service that is pushed.
        service: String,
        /// The release that it brings.
        release: String,
    },
    /// A flag change.
    Flag {
        /// The flag.
        flag: String,
    },
}

/// What a regression is, in one sentence or two: who crashes, beside what, and how it ended. Uses no word that knows more
/// than the regression as it is given; `when` writes an instant.
pub fn sentence(it: &Regression, blamed: Option<&Blamed>, when: &dyn Fn(Time) -> String) -> String {
    if let Some(withdrawn) = &it.withdrawn {
        let why = withdrawn.why.trim_end_matches('.');
        return format!("Said and later withdrawn at {}: {why}.", when(withdrawn.at));
    }
    let elsewhere = matches!(blamed, Some(Blamed::Push { service, .. }) if *service != it.service);
    let victims = victims(it, elsewhere);
    let mut said = harm(it, &victims, blamed);
    if let (Some(at), Some(because)) = (it.ended_at, it.ended_because) {
        said.push(' ');
        said.push_str(&end(because, &when(at), &victims));
    }
    said
}

/// The releases that crash, as people list them; the service where no release is named.
pub fn victims(it: &Regression, with_service: bool) -> String {
    let names: Vec<&str> = it.victims.iter().map(|victim| victim.release.as_str()).collect();
    let list = match names.as_slice() {
        [] => return it.service.clone(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    };
    if with_service { format!("{} {list}", it.service) } else { list }
}

fn harm(it: &Regression, victims: &str, blamed: Option<&Blamed>) -> String {
    let many = it.victims.len() > 1;
    // What still holds stays in the present: an extinct victim would crash again if it came back.
    let past = !matches!(it.ended_because, None | Some(Ending::VictimsGone));
    let crash = match (past, many) {
        (true, _) => "crashed",
        (false, true) => "crash",
        (false, false) => "crashes",
    };
    let its = if many { "their" } else { "its" };
    let (is, explains) = if past { ("was", "explained") } else { ("is", "explains") };
    let unsettled =
        format!("{victims} {crash} more than {its} past {explains}. Which change brought it is not settled.");
    match (it.kind, blamed) {
        (Kind::Ambient, _) => format!("{victims} {crash} more than {its} past {explains}; no change explains it."),
        (_, None) => unsettled,
        (_, Some(Blamed::Flag { flag })) => format!("{victims} {crash} since flag {flag} was changed."),
        (Kind::Collateral | Kind::Flag, Some(Blamed::Push { service, release })) => {
            let other = if *service == it.service { release.clone() } else { format!("{service} {release}") };
            if it.ended_because.is_none() {
                format!("{victims} {crash} more than {its} past {explains}, and more where {other} {is}.")
            } else {
                format!("{victims} {crash} when {other} {is} near.")
            }
        }
        (Kind::Itself, Some(Blamed::Push { release, .. })) => {
            let crash = if past { "crashed" } else { "crashes" };
            format!("{release} itself {crash} more than the releases before it.")
        }
        (Kind::Mixed, Some(Blamed::Push { release, .. })) => {
            let (itself, others) = if past { ("crashed", "crashed") } else { ("crashes", "crash") };
            format!("{release} itself {itself}, and others {others} when it {is} near.")
        }
        (Kind::Rollback, Some(Blamed::Push { release, .. })) => {
            format!("{victims} {crash} since the rollback to {release}.")
        }
    }
}

fn end(because: Ending, at: &str, victims: &str) -> String {
    match because {
        Ending::RolledBack => format!("It ended at {at}, when the push was taken back."),
        Ending::Stopped => format!("It ended at {at}, when the push was stopped."),
        Ending::FlagReverted => format!("It ended at {at}, when the flag was turned back."),
        Ending::Fixed => format!("The rate fell at {at} while {victims} still ran: fixed."),
        Ending::VictimsGone => {
            format!("The crashes stopped at {at} because no {victims} was left, not because anything was fixed.")
        }
        Ending::Subsided => format!("It subsided by itself at {at}."),
    }
}

/// What a kind of regression means, in one sentence.
pub fn kind_means(kind: Kind) -> &'static str {
    match kind {
        Kind::Itself => "The release being pushed crashes.",
        Kind::Collateral => {
            "Other releases, or another service, crash because of the push; the pushed release looks well."
        }
        Kind::Mixed => "The release being pushed crashes, and others crash because of it.",
        Kind::Flag => "The crashes follow a flag change.",
        Kind::Rollback => "The crashes began with a rollback.",
        Kind::Ambient => "No push and no flag change explains it.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        finding::{Estimate, Onset, Victim, Withdrawn},
        time,
    };

    fn regression(kind: Kind, ended: Option<Ending>) -> Regression {
        let at = time::parse("2026-03-03T01:00:00Z").expect("valid");
        Regression {
            id: "r1".into(),
            service: "relay".into(),
            environment: "production".into(),
            signatures: vec![],
            victims: vec![Victim { release: "A".into() }],
            kind,
            onset: Onset { at, earliest: at, latest: at },
            detected_at: at,
            suspects: vec![],
            rate_ratio: Estimate::default(),
            excess_crashes: Estimate::default(),
            clients_dropped: Estimate::default(),
            ended_at: ended.map(|_| at),
            ended_because: ended,
            withdrawn: None,
        }
    }

    fn of(it: &Regression, service: &str) -> String {
        let blamed = Blamed::Push { service: service.into(), release: "B".into() };
        sentence(it, Some(&blamed), &|at| at.format("%H:%M").to_string())
    }

    #[test]
    fn extinction_is_never_told_as_a_recovery() {
        let said = of(&regression(Kind::Collateral, Some(Ending::VictimsGone)), "relay");
        assert_eq!(
            said,
            "A crashes when B is near. The crashes stopped at 01:00 because no A was left, not because anything was fixed."
        );
    }

    #[test]
    fn while_it_goes_on_no_word_knows_the_end() {
        for kind in Kind::ALL {
            let said = of(&regression(kind, None), "relay");
            for word in ["stopped", "ended", "left", "subsided", "fixed"] {
                assert!(!said.contains(word), "{said}");
            }
        }
    }

    #[test]
    fn harm_to_another_service_names_both_services() {
        let said = of(&regression(Kind::Collateral, None), "edge");
        assert_eq!(said, "relay A crashes more than its past explains, and more where edge B is.");
    }

    #[test]
    fn what_was_withdrawn_says_so_first() {
        let mut it = regression(Kind::Itself, None);
        it.withdrawn = Some(Withdrawn { at: it.detected_at, why: "one host only".into() });
        assert_eq!(of(&it, "relay"), "Said and later withdrawn at 01:00: one host only.");
    }
}
