//! Rows of marks: regressions, steps, holds and notes, notices, pushes nearby. Every mark is a link with a title.

use super::{
    Answer, GateMark, NoticeKind, Show, StepMark,
    frame::{Frame, Place, notch},
    series::in_view,
    svg::{Anchor, Mark},
    words::{fitted, share, width_of},
};
use crate::domain::{
    Time,
    finding::{Decision, Ending, Kind, Known},
    step::Action,
};

/// Most rows of regressions, and most pushes nearby, that are drawn; the rest is said in words.
pub(super) const MOST_ROWS: usize = 4;

/// The row of each regression, so that bars and their labels keep out of each other's way.
pub(super) fn regression_rows(frame: &Frame<'_>) -> Vec<usize> {
    let mut ends: Vec<f64> = Vec::new();
    let mut rows = Vec::with_capacity(frame.harms.len());
    for harm in &frame.harms {
        let start = harm.earliest;
        let row = ends.iter().position(|end| end + 12.0 < start).unwrap_or(ends.len());
        if row == ends.len() {
            ends.push(0.0);
        }
        ends[row] = harm.end;
        rows.push(row);
    }
    rows
}

/// The bars of regressions, with the whisker of the onset's interval and the notch of detection.
pub(super) fn regressions(frame: &mut Frame<'_>, place: Place) {
    frame.name(place, "Regressions", &[]);
    let narrow = frame.narrow();
    let rows = regression_rows(frame);
    let hidden = rows.iter().filter(|row| **row >= MOST_ROWS).count();
    let (first, tall, pitch) = if narrow { (2.0, 16.0, 20.0) } else { (12.0, 22.0, 32.0) };
    for (i, row) in rows.iter().enumerate().filter(|(_, row)| **row < MOST_ROWS) {
        let y = place.top + first + *row as f64 * pitch;
        bar(frame, i, y, tall);
    }
    // All bars stand before any label looks for room.
    for (i, row) in rows.iter().enumerate().filter(|(_, row)| **row < MOST_ROWS) {
        if !narrow {
            let others = |i: usize| rows[i] == *row;
            let before = (0..i).filter(|other| others(*other)).map(|other| frame.harms[other].end).fold(0.0, f64::max);
            let after = (i + 1..rows.len()).find(|other| others(*other)).map(|other| frame.harms[other].earliest);
            let room = (before, after.unwrap_or(frame.width.px()));
            bar_labels(frame, i, place.top + first + *row as f64 * pitch + tall / 2.0 + 4.0, room);
        }
    }
    if hidden > 0 {
        let words = format!("and {hidden} more");
        let y = place.top + place.height - 4.0;
        frame.svg.text_where_free(&[(if narrow { frame.left } else { 0.0 }, y, Anchor::Start)], &words, "t-sub");
    }
    frame.under(place);
}

fn bar(frame: &mut Frame<'_>, i: usize, y: f64, tall: f64) {
    let hatch = frame.fill("hatch");
    let left = frame.left;
    let when = |time: Time| frame.when(time);
    let harm = &frame.harms[i];
    let (x0, x1) = (harm.onset, harm.end.max(harm.onset + 1.0));
    let onset = &harm.mark.onset;
    let victims = harm.victims();
    let mut title = format!(
        "Regression {}, {}{}: onset {} ({} to {}), detected {}",
        harm.mark.id,
        kind_words(harm.mark.kind),
        if victims.is_empty() { String::new() } else { format!(" harm to {victims}") },
        when(onset.at),
        when(onset.earliest),
        when(onset.latest),
        when(harm.mark.detected_at)
    );
    match (harm.ended, harm.mark.ended_at) {
        (Some(Ending::VictimsGone), Some(at)) => {
            title += &format!(", ended {} because no victim was left: not a recovery", when(at));
        }
        (Some(ending), Some(at)) => title += &format!(", ended {}: {}", when(at), ending.says()),
        (Some(_), None) | (None, Some(_) | None) => title += ", under way",
    }
    if let Some(blamed) = &harm.mark.blamed {
        title += &format!(". Blamed: {blamed}");
    }
    if harm.mark.withdrawn {
        title += ". Later withdrawn";
    }
    let svg = &mut frame.svg;
    svg.open_link(&harm.mark.href, "mark mark-regression", &title);
    svg.rect(x0, y, x1 - x0, tall, if harm.mark.withdrawn { "regression-withdrawn hit" } else { "regression-bar hit" });
    svg.add("</a>");
    if let Some(turn) = harm.turn {
        svg.rect_with(turn, y, x1 - turn, tall, "extinction", &hatch);
    }
    let middle = y + tall / 2.0;
    if harm.onset_seen {
        svg.line(harm.earliest, middle, harm.latest, middle, "whisker");
        for end in [harm.earliest, harm.latest] {
            svg.line(end, middle - 4.0, end, middle + 4.0, "whisker");
        }
        svg.reserve(harm.earliest, middle - 5.0, harm.latest, middle + 5.0);
        svg.line(x0, y - 3.0, x0, y + tall + 3.0, "onset");
    }
    if harm.detected >= left {
        svg.path(&notch(harm.detected, y - 5.0), "detected");
        svg.line(harm.detected, y, harm.detected, y + tall, "detected-line");
        svg.reserve(harm.detected - 2.0, y, harm.detected + 2.0, y + tall);
    }
    if harm.end_seen {
        svg.line(x1, y - 3.0, x1, y + tall + 3.0, "ended");
        svg.reserve(x1 - 2.0, y, x1 + 2.0, y + tall);
    }
    svg.reserve(x0 - 2.0, y, x0 + 2.0, y + tall);
}

/// Words beside and in a bar; `room` is what the bars before and after it in its row leave.
fn bar_labels(frame: &mut Frame<'_>, i: usize, y: f64, room: (f64, f64)) {
    let harm = &frame.harms[i];
    let when = |time: Time| frame.when(time);
    let (id, onset) = (harm.mark.id.clone(), &harm.mark.onset);
    let interval = format!(" onset {} ({} to {})", when(onset.at), when(onset.earliest), when(onset.latest));
    let share_then = frame.pushed_share(harm.mark.detected_at);
    let victims = harm.victims();
    let what = match (harm.mark.kind, victims.as_str()) {
        (kind, "") => kind_words(kind).to_owned(),
        (Kind::Collateral, victims) => format!("collateral harm to {victims}"),
        (Kind::Itself, victims) => format!("{victims} itself crashes"),
        (kind, victims) => format!("{}, {victims} crashes", kind_words(kind)),
    };
    let detected = when(harm.mark.detected_at);
    let ending = match (harm.ended, harm.mark.ended_at) {
        (Some(Ending::VictimsGone), Some(at)) => Some((format!("victims gone {}", when(at)), ", open risk")),
        (Some(ending), Some(at)) => Some((format!("{} {}", ending.says(), when(at)), "")),
        (Some(_), None) | (None, Some(_) | None) => None,
    };
    let withdrawn = if harm.mark.withdrawn { ", withdrawn" } else { "" };
    let (earliest, start, notched, end) = (harm.earliest, harm.onset, harm.detected.max(harm.latest), harm.end);
    let svg = &mut frame.svg;
    // The end first: it says most. The words inside the bar give way.
    let mut after_end = end + 8.0;
    if let Some((strong, rest)) = &ending {
        let wide = width_of(&format!("{strong}{rest}"), 12.0, true);
        let outside = (end + 8.0, y, Anchor::Start);
        let inside = (end - 8.0, y, Anchor::End);
        let places = match (end + 8.0 + wide < room.1, end - 8.0 - wide > notched + 8.0) {
            (true, true) => vec![outside, inside],
            (true, false) => vec![outside],
            (false, true) => vec![inside],
            (false, false) => Vec::new(),
        };
        if svg.split_where_free(&places, strong, rest, "t-label halo") {
            after_end += width_of(strong, 12.0, true) + width_of(rest, 12.0, true) + 12.0;
        }
    }
    let before = [(earliest - 6.0, y, Anchor::End)];
    let fits = |text: &str| earliest - 6.0 - width_of(text, 12.0, true) > room.0 + 4.0;
    let named = fits(&format!("{id}{interval}")) && svg.split_where_free(&before, &id, &interval, "t-label")
        || fits(&id) && svg.split_where_free(&before, &id, "", "t-label");
    let with_share = share_then.map(|share| format!(", {share}"));
    let mut texts = vec![
        format!("detected {detected}{}: {what}{withdrawn}", with_share.unwrap_or_default()),
        format!("detected {detected}: {what}{withdrawn}"),
        format!("{what}{withdrawn}"),
        format!("detected {detected}"),
    ];
    texts.dedup();
    let strong = if named { String::new() } else { format!("{id} ") };
    let inside = |text: &str| {
        let wide = width_of(&format!("{strong}{text}"), 12.0, !strong.is_empty());
        let mut places = Vec::new();
        for from in [notched + 9.0, start + 6.0] {
            if from + wide < end - 4.0 {
                places.push((from, y, Anchor::Start));
            }
        }
        if after_end + wide < room.1 {
            places.push((after_end, y, Anchor::Start));
        }
        places
    };
    if !texts.iter().any(|text| svg.split_where_free(&inside(text), &strong, text, "t-label halo")) && !named {
        svg.split_where_free(&inside(""), &id, "", "t-label halo");
    }
}

/// The kind of a regression for people.
fn kind_words(kind: Kind) -> &'static str {
    match kind {
        Kind::Itself => "the pushed release itself",
        Kind::Collateral => "collateral",
        Kind::Mixed => "mixed: both releases",
        Kind::Flag => "follows a flag",
        Kind::Rollback => "follows a rollback",
        Kind::Ambient => "ambient, no change explains it",
    }
}

/// The steps of this service's pushes, and what the gate said where no step followed at once.
pub(super) fn steps(frame: &mut Frame<'_>, place: Place, show: &Show) {
    let about = pushes_words(frame);
    let (narrow, facts) = (frame.narrow(), frame.facts);
    match facts.pushes.as_slice() {
        [one] if !narrow => {
            frame.name(place, "Steps", &[]);
            frame.svg.open_link(&one.href, "lane-link", &format!("push {} to {}", one.name, one.release));
            frame.subs(place, &about);
            frame.svg.add("</a>");
        }
        [] | [_, ..] => frame.name(place, "Steps", &about),
    }
    let size = frame.mark_size();
    let y = place.top + if frame.narrow() { 21.0 } else { 30.0 };
    let facts = frame.facts;
    let anything_known = !frame.harms.is_empty();
    let mut steps: Vec<&StepMark> = facts
        .steps
        .iter()
        .filter(|step| in_view(facts, &frame.scale, step.at))
        .filter(|step| if step.known.is_some() { show.continuations } else { show.steps })
        .collect();
    steps.sort_by_key(|step| step.at);
    let places: Vec<f64> = steps.iter().map(|step| frame.scale.x(step.at)).collect();
    for (step, x) in steps.iter().zip(&places) {
        let known = step.known.filter(|_| anything_known);
        let (symbol, class) = match known {
            Some(known) => (known_symbol(known), "mark-continuation"),
            None => (action_symbol(step.action), "mark-step"),
        };
        frame.svg.mark(&Mark { symbol, x: *x, y, size, class, href: &step.href, title: &step.title });
    }
    let gates: Vec<&GateMark> = facts
        .gates
        .iter()
        .filter(|gate| show.steps && in_view(facts, &frame.scale, gate.at))
        .filter(|gate| {
            let x = frame.scale.x(gate.at);
            gate.answer == Answer::Refused || places.iter().all(|step| (step - x).abs() > size)
        })
        .filter(|gate| gate.answer != Answer::Gate(Decision::Go))
        .collect();
    for gate in &gates {
        let (symbol, class) = match gate.answer {
            Answer::Refused => ("refused", "mark-refused"),
            Answer::Gate(Decision::Stop) => ("stop", "mark-refused"),
            Answer::Gate(Decision::Hold) => ("wait", "mark-step"),
            Answer::Gate(Decision::Go) => ("go", "mark-step"),
        };
        let x = frame.scale.x(gate.at);
        frame.svg.mark(&Mark { symbol, x, y, size: size - 2.0, class, href: &gate.href, title: &gate.title });
    }
    // Continuations speak first; then plain steps; then the gate.
    let mut order: Vec<usize> = (0..steps.len()).collect();
    order.sort_by_key(|i| steps[*i].known.is_none());
    for i in order {
        let level = step_words(steps[i], frame.narrow());
        step_labels(frame, places[i], y, &level, &steps[i].initials);
    }
    for gate in gates {
        let label = if frame.narrow() { String::new() } else { gate.label.clone() };
        let x = frame.scale.x(gate.at);
        step_labels(frame, x, y, &label, &gate.initials);
    }
    frame.under(place);
}

fn step_labels(frame: &mut Frame<'_>, x: f64, y: f64, above: &str, below: &str) {
    let narrow = frame.narrow();
    let half = frame.mark_size() / 2.0;
    let nudged = |line: f64| [0.0, -2.0, 2.0, -5.0, 5.0, -8.0, 8.0].map(|nudge| (x + nudge, line, Anchor::Middle));
    let line = y - half - if narrow { 2.5 } else { 5.0 };
    frame.svg.text_where_free(&nudged(line), above, "t-mark");
    if !narrow {
        frame.svg.text_where_free(&nudged(y + half + 12.0), &fitted(below, 10.5, true, 40.0), "t-who");
    }
}

fn step_words(step: &StepMark, narrow: bool) -> String {
    let percent = step.percent.filter(|percent| percent.is_finite());
    match (step.action, percent, narrow) {
        (Action::Advance | Action::Resume, Some(percent), true) => share(percent),
        (Action::Advance | Action::Resume, Some(percent), false) => format!("{} %", share(percent)),
        (Action::RollBack, Some(percent), false) if percent > 0.0 => format!("back to {} %", share(percent)),
        (Action::Advance, None, _) => String::new(),
        (action, _, true) => if action == Action::RollBack { "back" } else { "" }.to_owned(),
        (action, _, false) => action.says().to_owned(),
    }
}

fn pushes_words(frame: &Frame<'_>) -> Vec<String> {
    match frame.facts.pushes.as_slice() {
        [] => Vec::new(),
        [one] => {
            let room = frame.left - 22.0;
            let between = match &one.previous {
                Some(previous) => format!("{previous} to {}", one.release),
                None => format!("to {}", one.release),
            };
            let line = format!("push {}, {between}", one.name);
            if frame.narrow() || width_of(&line, 11.5, false) <= room {
                vec![line]
            } else {
                vec![format!("push {},", one.name), between]
            }
        }
        many => vec![format!("{} pushes", many.len())],
    }
}

fn known_symbol(known: Known) -> &'static str {
    match known {
        Known::Undetected => "undetected",
        Known::Detected => "detected",
        Known::Seen => "seen",
        Known::Overrode => "overrode",
    }
}

fn action_symbol(action: Action) -> &'static str {
    match action {
        Action::Advance | Action::Resume => "step",
        Action::Pause => "pause",
        Action::Stop => "halt",
        Action::RollBack => "back",
        Action::Complete => "done",
    }
}

/// Holds with the time they were in force, and notes.
pub(super) fn holds(frame: &mut Frame<'_>, place: Place, show: &Show) {
    let title = match (show.holds, show.notes) {
        (true, true) => "Holds and notes",
        (true, false) => "Holds",
        (false, _) => "Notes",
    };
    frame.name(place, title, &[]);
    let (size, y, facts) = (frame.mark_size() - 1.0, place.top + place.height / 2.0, frame.facts);
    let mut said: Vec<(f64, &str)> = Vec::new();
    let mut in_force = false;
    for hold in facts.holds.iter().filter(|hold| show.holds && hold.at <= facts.until()) {
        let lifted = hold.until.filter(|until| *until <= facts.until());
        let (from, to) = (frame.scale.x_within(hold.at), lifted.map_or(frame.until, |at| frame.scale.x_within(at)));
        let ended_before = lifted.is_some_and(|at| frame.scale.offset(at) < 0.0);
        if ended_before || frame.scale.offset(hold.at) > frame.scale.seconds() {
            continue;
        }
        frame.svg.line(from + size / 2.0 + 2.0, y, to.max(from + size / 2.0 + 2.0), y, "hold-line");
        match lifted {
            Some(_) => frame.svg.line(to, y - 5.0, to, y + 5.0, "hold-end"),
            None => in_force = true,
        }
        let mark = Mark { symbol: "hold", x: from, y, size, class: "mark-hold", href: &hold.href, title: &hold.title };
        frame.svg.mark(&mark);
        said.push((from, &hold.initials));
    }
    for note in facts.notes.iter().filter(|note| show.notes && in_view(facts, &frame.scale, note.at)) {
        let x = frame.scale.x(note.at);
        frame.svg.mark(&Mark { symbol: "note", x, y, size, class: "mark-note", href: &note.href, title: &note.title });
        said.push((x, &note.initials));
    }
    if !frame.narrow() {
        for (x, who) in said {
            frame.svg.text_where_free(&[(x - 13.0, y + 4.0, Anchor::End)], who, "t-who halo");
        }
        if in_force {
            frame.svg.text_where_free(&[(frame.until + 8.0, y + 4.0, Anchor::Start)], "in force", "t-label halo");
        }
    }
    frame.under(place);
}

/// Notices sent, and who opened what.
pub(super) fn notices(frame: &mut Frame<'_>, place: Place) {
    frame.name(place, "Notices", &["sent and opened".to_owned()]);
    let (size, y, facts) = (frame.mark_size() - 2.0, place.top + place.height / 2.0, frame.facts);
    let seen: Vec<_> = facts.notices.iter().filter(|notice| in_view(facts, &frame.scale, notice.at)).collect();
    for notice in &seen {
        let symbol = match notice.kind {
            NoticeKind::Sent => "notice",
            NoticeKind::Opened => "opened",
        };
        let x = frame.scale.x(notice.at);
        frame.svg.mark(&Mark { symbol, x, y, size, class: "mark-notice", href: &notice.href, title: &notice.title });
    }
    if !frame.narrow() {
        for notice in seen {
            let x = frame.scale.x(notice.at);
            let places = [(x + 11.0, y + 4.0, Anchor::Start), (x - 11.0, y + 4.0, Anchor::End)];
            frame.svg.text_where_free(&places, &fitted(&notice.label, 10.5, true, 60.0), "t-who");
        }
    }
    frame.under(place);
}

/// Pushes of other services: one row each, with open triangles.
pub(super) fn nearby(frame: &mut Frame<'_>, place: Place) {
    let facts = frame.facts;
    let (narrow, size) = (frame.narrow(), frame.mark_size() - 4.0);
    let drawn = facts.nearby.len().min(MOST_ROWS);
    let more = facts.nearby.len() - drawn;
    let pitch = place.height / drawn.max(1) as f64;
    match (narrow, facts.nearby.as_slice()) {
        (_, [one]) => frame.name(place, "Nearby push", std::slice::from_ref(&one.label)),
        (true, many) => {
            let labels: Vec<&str> = many.iter().take(drawn).map(|push| push.label.as_str()).collect();
            frame.name(place, "Nearby", &[labels.join("; ")]);
        }
        (false, many) => {
            let mut subs: Vec<String> = many.iter().take(drawn).map(|push| push.label.clone()).collect();
            if more > 0 {
                subs.push(format!("and {more} more"));
            }
            frame.name(place, "Nearby pushes", &subs);
        }
    }
    for (row, push) in facts.nearby.iter().take(drawn).enumerate() {
        let single = facts.nearby.len() == 1 || narrow;
        let y = if single { place.top + (row as f64 + 0.5) * pitch } else { place.top + 21.0 + 13.0 * row as f64 };
        let size = if single { size } else { size - 3.0 };
        let seen: Vec<_> = push.steps.iter().filter(|step| in_view(facts, &frame.scale, step.at)).collect();
        if let (Some(first), Some(last)) = (seen.first(), seen.last()) {
            let (from, to) = (frame.scale.x(first.at), frame.scale.x(last.at));
            frame.svg.line(from, y, to, y, "nearby-line");
        }
        for step in &seen {
            let x = frame.scale.x(step.at);
            let (href, title) = (&step.href, &step.title);
            frame.svg.mark(&Mark { symbol: "step-open", x, y, size, class: "mark-nearby", href, title });
        }
        for step in seen.iter().filter(|_| !narrow) {
            if let Some(percent) = step.percent {
                let x = frame.scale.x(step.at) + size / 2.0 + 3.0;
                let text = format!("{} %", share(percent));
                frame.svg.text_where_free(&[(x, y + 4.0, Anchor::Start)], &text, "t-who halo");
            }
        }
    }
}

impl Frame<'_> {
    /// The pushed release's share of running instances at an instant, in words: "B at 5.8 %".
    pub(super) fn pushed_share(&self, at: Time) -> Option<String> {
        use super::Class;
        let offset = self.scale.offset(at);
        let pushed = self.series.line(Class::Pushed)?;
        let all = self.series.running(&self.series.fleet, offset);
        let here = self.series.running(pushed, offset);
        let inside = offset >= 0.0 && offset <= self.series.until;
        (inside && all > 0.0 && pushed.names.len() == 1)
            .then(|| format!("{} at {} %", fitted(&pushed.names[0], 12.0, false, 90.0), share(here / all * 100.0)))
    }
}
