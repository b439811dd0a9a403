//! Plain counts: total crashes in bars, and crashes by cell in a grid with its numbers printed.

use super::{
    Class,
    frame::{Frame, Place},
    scale::count_ticks,
    series::{Basis, CellRow},
    svg::{Anchor, points},
    words::{clock, every, fitted, grouped, short, width_of},
};
use crate::domain::Time;
use chrono::SecondsFormat;

/// Total crashes by bucket, all releases; the pushed release's part lies on top.
pub(super) fn totals(frame: &mut Frame<'_>, place: Place) {
    let series = frame.series;
    let subs = [format!("{},", every(series.bucket)), "all releases".to_owned()];
    frame.name(place, "Total crashes", &subs);
    let drawn: Vec<usize> = (0..series.buckets.len()).filter(|i| series.buckets[*i].0 < series.until).collect();
    let bands: Vec<Option<f64>> = drawn
        .iter()
        .map(|i| {
            let (from, to) = series.buckets[*i];
            let mu = series.expected_between(from, to.min(series.until))?;
            super::scale::band(mu, 1.0).map(|(_, high)| high / 1000.0)
        })
        .collect();
    let most = drawn.iter().map(|i| series.totals[*i].0 as f64).fold(0.0, f64::max);
    let expected = bands.iter().flatten().copied().fold(0.0, f64::max);
    let ticks = count_ticks(most.max(expected.min(most.max(4.0) * 4.0)).max(4.0), place.height, 22.0);
    let top = ticks[ticks.len() - 1];
    let up = |value: f64| (value / top).clamp(0.0, 1.0) * place.height;
    let base = place.top + place.height;
    for (i, high) in drawn.iter().zip(&bands) {
        if let Some(high) = high {
            let (from, to) = series.buckets[*i];
            let (x0, x1) = (frame.scale.at(from), frame.scale.at(to.min(series.until)));
            frame.svg.rect(x0, base - up(*high), x1 - x0, up(*high), "band band-fleet");
        }
    }
    let words: Vec<(f64, String)> = ticks
        .iter()
        .map(|tick| (*tick, if *tick >= 100_000.0 { short(*tick as u64) } else { grouped(*tick) }))
        .collect();
    frame.value_ticks(place, &words, up);
    for i in drawn {
        let (from, to) = series.buckets[i];
        let (count, pushed) = series.totals[i];
        let (x0, x1) = (frame.scale.at(from), frame.scale.at(to.min(series.until)));
        let gap = if frame.narrow() { 1.0 } else { 2.0 };
        let linked = count > 0 && link(frame, from, to, None, (count, pushed));
        let old = up((count - pushed.min(count)) as f64);
        frame.svg.rect(x0 + 1.0, base - old, x1 - x0 - gap, old, "bar-harm");
        let all = up(count as f64);
        frame.svg.rect(x0 + 1.75, base - all + 0.75, x1 - x0 - gap - 1.5, all - old - 1.5, "bar-b");
        if linked {
            frame.svg.add("</a>");
        }
        frame.svg.reserve(x0, base - all, x1, base);
    }
    let ends: Vec<usize> =
        (0..frame.harms.len()).filter(|i| frame.harms[*i].ran_out() && frame.harms[*i].end_seen).collect();
    // Narrow pictures have room to say it once, at the last end.
    let skipped = if frame.narrow() { ends.len().saturating_sub(1) } else { 0 };
    for i in ends.into_iter().skip(skipped) {
        not_a_recovery(frame, place, i, &up);
    }
}

/// The words at an extinction: totals fall to zero, and that is not a recovery.
fn not_a_recovery(frame: &mut Frame<'_>, place: Place, i: usize, up: &impl Fn(f64) -> f64) {
    let series = frame.series;
    let base = place.top + place.height;
    let harm = &frame.harms[i];
    let (end, turn, victims) = (harm.end, harm.turn, harm.victims());
    if frame.narrow() {
        let right = frame.right();
        let beside = if frame.until - end > 70.0 || right - end > 70.0 { end + 4.0 } else { right };
        let anchor = if beside == right { Anchor::End } else { Anchor::Start };
        let rows: Vec<f64> = (0..4).map(|row| base - 18.0 - 12.0 * f64::from(row)).collect();
        let fits = |frame: &Frame<'_>, y: f64| {
            ["not a", "recovery"]
                .iter()
                .zip([y, y + 12.0])
                .all(|(words, y)| frame.svg.is_free(&frame.svg.extent(beside, y, words, "t-strong", anchor)))
        };
        // Above the bars where they leave no room beside the end; said in any case.
        let y = rows.iter().copied().find(|y| fits(frame, *y)).unwrap_or(base - 18.0);
        frame.svg.text(beside, y, "not a", "t-strong t-harm halo", anchor);
        frame.svg.text(beside, y + 12.0, "recovery", "t-strong t-harm halo", anchor);
        return;
    }
    let name = fitted(&victims, 12.0, false, 60.0);
    let says = [
        ("Not a recovery.".to_owned(), "t-strong t-harm halo"),
        (if name.is_empty() { "Victims ran out.".to_owned() } else { format!("{name} ran out.") }, "t-label halo"),
        ("Nothing was fixed.".to_owned(), "t-label halo"),
    ];
    // Beside the end; where that is taken, before it.
    let to_right = frame.svg_room(end + 9.0) > 104.0;
    for (row, (words, class)) in says.iter().enumerate() {
        let y = place.top + 40.0 + 14.0 * row as f64;
        let right = (end + 9.0, y, Anchor::Start);
        let left = (end - 9.0, y - 30.0, Anchor::End);
        let places = if to_right { [right, left] } else { [left, right] };
        frame.svg.text_where_free(&places, words, class);
    }
    if let Some(turn) = turn.filter(|turn| end - turn > 30.0) {
        let bars: Vec<(f64, f64)> = series
            .buckets
            .iter()
            .zip(&series.totals)
            .map(|((_, to), (count, _))| (frame.scale.at(*to), base - up(*count as f64) - 5.0))
            .filter(|(right, _)| *right > turn && *right < end + 30.0)
            .collect();
        if let Some((from, to)) = falling(&bars, turn + 4.0, end - 5.0, base - 8.0)
            && from > place.top + 14.0
        {
            let (x0, x1) = (turn + 4.0, end - 5.0);
            let shaft = points(&[(x0, from), (x1, to)]);
            // The barbs lie half a right angle either side of the shaft.
            let angle = (from - to).atan2(x0 - x1);
            let barb = |turn: f64| (x1 + 9.0 * (angle + turn).cos(), to + 9.0 * (angle + turn).sin());
            let head = points(&[barb(0.5), (x1, to), barb(-0.5)]);
            frame.svg.path(&(shaft + &head), "arrow");
        }
    }
    let places = [(end - 8.0, place.top + 10.0, Anchor::End), (end + 9.0, place.top + 12.0, Anchor::Start)];
    frame.svg.text_where_free(&places, "totals fall to zero", "t-strong t-harm halo");
}

/// The heights at both ends of an arrow that falls above these bars (right edge, height to keep above); none where it
/// would have to rise.
fn falling(bars: &[(f64, f64)], x0: f64, x1: f64, lowest: f64) -> Option<(f64, f64)> {
    let to = bars.iter().filter(|(right, _)| *right >= x1 - 1.0).map(|(_, y)| *y).fold(lowest, f64::min);
    let steepest = bars
        .iter()
        .filter(|(right, _)| *right < x1 - 1.0)
        .map(|(right, y)| (y - to) / (x1 - right))
        .fold(0.0, f64::min);
    let from = (to + steepest * (x1 - x0)).min(to - 14.0);
    (x1 > x0).then_some((from, to))
}

/// Opens a link to the crashes of a bucket, if the caller has a list of them; says whether it did.
fn link(frame: &mut Frame<'_>, from: f64, to: f64, cell: Option<&str>, counts: (u64, u64)) -> bool {
    let (count, pushed) = counts;
    let Some(list) = &frame.facts.crashes_href else { return false };
    let (from, to) = (frame.scale.time(from), frame.scale.time(to));
    let place = cell.map(|cell| format!(" in {cell}")).unwrap_or_default();
    let crashes = if count == 1 { "crash" } else { "crashes" };
    let mut title = format!("{} to {} UTC{place}: {} {crashes}", frame.when(from), clock(to), grouped(count as f64));
    if let (1.., Some(line)) = (pushed, frame.series.line(Class::Pushed)) {
        title += &format!(", {} of {}", grouped(pushed as f64), line.words());
    }
    let join = if list.contains('?') { '&' } else { '?' };
    let second = |at: Time| at.to_rfc3339_opts(SecondsFormat::Secs, true);
    let mut href = format!("{list}{join}from={}&to={}", second(from), second(to));
    if let Some(cell) = cell {
        href += "&cell=";
        href.extend(cell.bytes().map(encoded));
    }
    frame.svg.open_quiet_link(&href, &title);
    true
}

/// One byte of a query value.
fn encoded(byte: u8) -> String {
    if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
        char::from(byte).to_string()
    } else {
        format!("%{byte:02X}")
    }
}

/// Whose crashes the cells count: those of the victims, where one regression says who they are; else everybody's.
pub(super) fn subject(frame: &Frame<'_>) -> Vec<String> {
    subject_of(frame.harms.iter().map(|harm| harm.mark.victims.as_slice()), |name| {
        frame.series.line(Class::Replaced).is_some_and(|line| line.names.iter().any(|known| known == name))
    })
}

/// The victims that all regressions agree on, if they are releases that `known` knows.
pub(super) fn subject_of<'v>(victims: impl Iterator<Item = &'v [String]>, known: impl Fn(&str) -> bool) -> Vec<String> {
    let mut agreed: Option<&[String]> = None;
    for names in victims {
        if names.is_empty() || agreed.is_some_and(|before| before != names) {
            return Vec::new();
        }
        agreed = Some(names);
    }
    agreed.filter(|names| names.iter().all(|name| known(name))).map(<[String]>::to_vec).unwrap_or_default()
}

/// Crashes by cell and bucket: the count printed in each, hatched where nothing of the subject ran.
pub(super) fn cells(frame: &mut Frame<'_>, place: Place, rows: &[CellRow], subject: &[String]) {
    let series = frame.series;
    let narrow = frame.narrow();
    let pitch = place.height / rows.len().max(1) as f64;
    let whose = match subject {
        [] => String::new(),
        [one] => format!(" of {}", fitted(one, 11.5, false, 60.0)),
        [_, ..] => " of the victims".to_owned(),
    };
    let counted = |row: &CellRow, i: usize| series.buckets[i].0 < series.until && row.units[i] <= 1e-9;
    let empty = series.basis != Basis::Counts
        && rows.iter().any(|row| (0..row.units.len()).any(|i| counted(row, i) && row.counts[i] == 0));
    let left_words = match subject {
        [] => "hatched: nothing ran".to_owned(),
        [one] => format!("hatched: no {} left", fitted(one, 11.5, false, 40.0)),
        [_, ..] => "hatched: none left".to_owned(),
    };
    let long_names = rows.iter().any(|row| width_of(&row.name, 11.0, false) > 46.0);
    let mut subs = vec![format!("crashes{whose}"), every(series.bucket)];
    if narrow {
        subs = vec![if empty { format!("crashes{whose}; {left_words}") } else { format!("crashes{whose}") }];
    } else if empty {
        subs[1] += ";";
        subs.push(left_words);
    }
    if long_names {
        // Long names need the room; the bars above have told the bucket.
        subs.truncate(1);
    }
    frame.name(place, "Cells", &subs);
    let most = rows.iter().flat_map(|row| row.counts.iter().copied()).max().unwrap_or(0);
    let none = frame.fill("none");
    for (at, row) in rows.iter().enumerate() {
        let y = place.top + at as f64 * pitch;
        for (i, (from, to)) in series.buckets.iter().enumerate().filter(|(_, (from, _))| *from < series.until) {
            let (x0, x1) = (frame.scale.at(*from), frame.scale.at(to.min(series.until)));
            let (count, wide) = (row.counts[i], x1 - x0 - 1.0);
            if empty && counted(row, i) && count == 0 {
                frame.svg.rect_with(x0 + 0.5, y + 0.5, wide, pitch - 1.0, "heat-none", &none);
                continue;
            }
            let level = heat(count, most);
            let folded = row.name.ends_with(" other cells");
            let linked = count > 0 && link(frame, *from, *to, (!folded).then_some(row.name.as_str()), (count, 0));
            frame.svg.rect(x0 + 0.5, y + 0.5, wide, pitch - 1.0, &format!("heat heat-{level}"));
            let text = short(count);
            if count > 0 && !narrow && pitch >= 13.0 && width_of(&text, 11.0, true) < wide + 1.0 {
                let class = format!("t-heat on-{level}");
                frame.svg.text((x0 + x1) / 2.0, y + pitch / 2.0 + 4.0, &text, &class, Anchor::Middle);
            }
            if linked {
                frame.svg.add("</a>");
            }
        }
        if narrow {
            let name = fitted(&row.name, 9.5, true, 90.0);
            frame.svg.text(frame.left + 2.0, y + pitch / 2.0 + 3.5, &name, "t-cell", Anchor::Start);
        } else {
            cell_name(frame, &row.name, y + pitch / 2.0 + 4.0);
            frame.svg.text(
                frame.right() + 8.0,
                y + pitch / 2.0 + 4.0,
                &grouped(row.total as f64),
                "t-tick",
                Anchor::Start,
            );
        }
    }
}

/// A cell's name, cut to what the lane's own words leave free beside it.
fn cell_name(frame: &mut Frame<'_>, name: &str, y: f64) {
    let rooms = [frame.left - 10.0, 110.0, 90.0, 70.0, 55.0, 44.0, 34.0];
    for room in rooms {
        let cut = fitted(name, 11.0, false, room);
        if frame.svg.text_where_free(&[(frame.left - 6.0, y, Anchor::End)], &cut, "t-tick") {
            return;
        }
    }
}

/// The step of the heat scale: one to four where counts are small, else by the square root of the largest.
fn heat(count: u64, most: u64) -> u8 {
    match (count, most) {
        (0, _) => 0,
        (count, most) if most <= 8 => count.min(4) as u8,
        (count, most) => ((count as f64 / most as f64).sqrt() * 4.0).ceil().clamp(1.0, 4.0) as u8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heat_has_four_steps_above_none_for_small_and_for_large_counts() {
        assert_eq!([0, 1, 2, 3, 4, 8].map(|count| heat(count, 8)), [0, 1, 2, 3, 4, 4]);
        assert_eq!([0, 1, 60_000, 250_000, 1_000_000].map(|count| heat(count, 1_000_000)), [0, 1, 1, 2, 4]);
    }

    #[test]
    fn cells_count_everybody_where_regressions_name_different_victims() {
        let (a, b) = (vec!["A".to_owned()], vec!["B".to_owned()]);
        assert_eq!(subject_of([a.as_slice()].into_iter(), |_| true), ["A"]);
        assert!(subject_of([a.as_slice(), b.as_slice()].into_iter(), |_| true).is_empty());
        assert!(subject_of(std::iter::empty(), |_| true).is_empty());
        assert!(subject_of([a.as_slice()].into_iter(), |_| false).is_empty());
    }
}
