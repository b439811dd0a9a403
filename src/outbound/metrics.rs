//! What operators watch, in the text form of Prometheus: counts and times of this process. Labels are words of this program
//! only, so that no stranger can make new ones.

use std::{
    collections::BTreeMap,
    fmt::Write,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Seconds up to which commits and requests are told apart.
const SECONDS: [f64; 14] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Deliveries up to which batches are told apart.
const SIZES: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];
/// Reasons that are kept apart; more than this program has.
const MOST_REASONS: usize = 500;

/// How often something lay below each bound.
#[derive(Debug, Clone)]
struct Histogram {
    bounds: &'static [f64],
    counts: Vec<u64>,
    sum: f64,
    all: u64,
}

impl Histogram {
    fn new(bounds: &'static [f64]) -> Histogram {
        Histogram { bounds, counts: vec![0; bounds.len()], sum: 0.0, all: 0 }
    }

    fn note(&mut self, value: f64) {
        self.sum += value;
        self.all += 1;
        for (count, bound) in self.counts.iter_mut().zip(self.bounds) {
            *count += u64::from(value <= *bound);
        }
    }

    fn write(&self, text: &mut String, name: &str, labels: &str) {
        let comma = if labels.is_empty() { "" } else { "," };
        for (count, bound) in self.counts.iter().zip(self.bounds) {
            line(text, &format!("{name}_bucket{{{labels}{comma}le=\"{bound}\"}}"), *count as f64);
        }
        line(text, &format!("{name}_bucket{{{labels}{comma}le=\"+Inf\"}}"), self.all as f64);
        let braces = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
        line(text, &format!("{name}_sum{braces}"), self.sum);
        line(text, &format!("{name}_count{braces}"), self.all as f64);
    }
}

/// What an answer was to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Asked {
    /// A page or a form.
    Page,
    /// The JSON API.
    Api,
    /// A crash door.
    Door,
    /// Anything else: static files, health.
    Other,
}

impl Asked {
    fn word(self) -> &'static str {
        match self {
            Asked::Page => "page",
            Asked::Api => "api",
            Asked::Door => "door",
            Asked::Other => "other",
        }
    }
}

/// Counters of this process.
#[derive(Debug)]
pub struct Metrics(Mutex<Counters>);

#[derive(Debug)]
struct Counters {
    batches: Histogram,
    commits: Histogram,
    failed: u64,
    outcomes: BTreeMap<(String, String), u64>,
    answers: BTreeMap<(Asked, u16), Histogram>,
}

/// What is measured at the moment of asking.
#[derive(Debug, Clone, Copy)]
pub struct Gauges {
    /// Deliveries that wait to be written, and how many may.
    pub queue: (usize, usize),
    /// Reports that are kept and not counted yet.
    pub to_fold: usize,
    /// How far the judge is behind what was committed, seconds.
    pub judge_lag: f64,
    /// Whether the judge has read the history.
    pub judge_ready: bool,
    /// Whether this node keeps what the judge says.
    pub judge_keeps: bool,
    /// When this process began, seconds since 1970.
    pub started: f64,
    /// The database's condition, one word.
    pub database: &'static str,
}

impl Default for Metrics {
    fn default() -> Metrics {
        Metrics(Mutex::new(Counters {
            batches: Histogram::new(&SIZES),
            commits: Histogram::new(&SECONDS),
            failed: 0,
            outcomes: BTreeMap::new(),
            answers: BTreeMap::new(),
        }))
    }
}

impl Metrics {
    fn lock(&self) -> MutexGuard<'_, Counters> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A batch of so many deliveries was written in so long; `failed` of them were not kept.
    pub fn written(&self, deliveries: usize, took: Duration, failed: usize) {
        let mut counters = self.lock();
        counters.batches.note(deliveries as f64);
        counters.commits.note(took.as_secs_f64());
        counters.failed += failed as u64;
    }

    /// What became of reports that came through a door.
    pub fn became(&self, door: &str, reason: &str, reports: i64) {
        let mut counters = self.lock();
        let full = counters.outcomes.len() >= MOST_REASONS;
        let key = (door.to_owned(), reason.to_owned());
        if !full || counters.outcomes.contains_key(&key) {
            *counters.outcomes.entry(key).or_insert(0) += u64::try_from(reports).unwrap_or(0);
        }
    }

    /// A request was answered.
    pub fn answered(&self, asked: Asked, status: u16, took: Duration) {
        let mut counters = self.lock();
        let answers = counters.answers.entry((asked, status / 100)).or_insert_with(|| Histogram::new(&SECONDS));
        answers.note(took.as_secs_f64());
    }

    /// Everything, as text.
    pub fn text(&self, gauges: &Gauges) -> String {
        let counters = self.lock();
        let mut text = String::with_capacity(16 * 1024);
        let (waiting, room) = gauges.queue;
        one(&mut text, "pushback_telemetry_queue", "gauge", "Deliveries that wait to be written.", waiting as f64);
        one(&mut text, "pushback_telemetry_queue_capacity", "gauge", "Deliveries that may wait.", room as f64);
        let about = "Reports that are kept, and counted in a moment.";
        one(&mut text, "pushback_telemetry_uncounted", "gauge", about, gauges.to_fold as f64);
        head(&mut text, "pushback_telemetry_batch_deliveries", "histogram", "Deliveries that shared one commit.");
        counters.batches.write(&mut text, "pushback_telemetry_batch_deliveries", "");
        head(
            &mut text,
            "pushback_telemetry_commit_seconds",
            "histogram",
            "How long writing and committing a batch took.",
        );
        counters.commits.write(&mut text, "pushback_telemetry_commit_seconds", "");
        let about = "Deliveries that the database did not keep.";
        one(&mut text, "pushback_telemetry_failed_total", "counter", about, counters.failed as f64);
        let about = "What became of what came through each door: reports, windows of exposure, refused requests.";
        head(&mut text, "pushback_outcomes_total", "counter", about);
        for ((door, reason), count) in &counters.outcomes {
            line(
                &mut text,
                &format!("pushback_outcomes_total{{door=\"{door}\",reason=\"{}\"}}", safe(reason)),
                *count as f64,
            );
        }
        head(&mut text, "pushback_http_seconds", "histogram", "How long answering took, by what was asked and status.");
        for ((asked, class), histogram) in &counters.answers {
            let labels = format!("asked=\"{}\",status=\"{class}xx\"", asked.word());
            histogram.write(&mut text, "pushback_http_seconds", &labels);
        }
        drop(counters);
        let about = "How long the oldest record that the judge has not seen has been waiting.";
        one(&mut text, "pushback_judge_lag_seconds", "gauge", about, gauges.judge_lag);
        let ready = f64::from(u8::from(gauges.judge_ready));
        one(&mut text, "pushback_judge_ready", "gauge", "Whether the judge has read the history.", ready);
        let about = "Whether this node keeps what the judge says: one of all that share a database.";
        one(&mut text, "pushback_judge_keeps", "gauge", about, f64::from(u8::from(gauges.judge_keeps)));
        let about = "1 beside the word for what the database can be asked now.";
        head(&mut text, "pushback_database_condition", "gauge", about);
        line(&mut text, &format!("pushback_database_condition{{condition=\"{}\"}}", gauges.database), 1.0);
        one(
            &mut text,
            "process_start_time_seconds",
            "gauge",
            "When this process began, seconds since 1970.",
            gauges.started,
        );
        if let Some(bytes) = resident() {
            one(&mut text, "process_resident_memory_bytes", "gauge", "Memory that this process occupies.", bytes);
        }
        if let Some(open) = descriptors() {
            one(&mut text, "process_open_fds", "gauge", "Open descriptors.", open);
        }
        head(&mut text, "pushback_build_info", "gauge", "The version.");
        line(&mut text, &format!("pushback_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION")), 1.0);
        text
    }
}

fn one(text: &mut String, name: &str, kind: &str, about: &str, value: f64) {
    head(text, name, kind, about);
    line(text, name, value);
}

fn head(text: &mut String, name: &str, kind: &str, about: &str) {
    // Writing into memory does not fail.
    let _ = writeln!(text, "# HELP {name} {about}\n# TYPE {name} {kind}");
}

fn line(text: &mut String, name: &str, value: f64) {
    let _ = writeln!(text, "{name} {value}");
}

/// A label's value without what would end it.
fn safe(reason: &str) -> String {
    reason.chars().filter(|it| !matches!(it, '"' | '\\' | '\n')).collect()
}

/// Linux tells a process its memory in pages of 4 KiB at least; `status` tells kilobytes.
fn resident() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse::<f64>().ok().map(|kilobytes| kilobytes * 1024.0)
}

fn descriptors() -> Option<f64> {
    Some(std::fs::read_dir("/proc/self/fd").ok()?.count() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_noted_is_told_in_the_text_form() {
        let metrics = Metrics::default();
        metrics.written(3, Duration::from_millis(2), 1);
        metrics.written(300, Duration::from_secs(20), 0);
        metrics.became("envelope", "crash", 7);
        metrics.became("envelope", "crash", 2);
        metrics.became("api", "odd \"words\"\n", 1);
        metrics.answered(Asked::Door, 429, Duration::from_millis(30));
        let gauges = Gauges {
            queue: (4, 1024),
            to_fold: 37,
            judge_lag: 0.25,
            judge_ready: true,
            judge_keeps: false,
            started: 1.5e9,
            database: "sound",
        };
        let text = metrics.text(&gauges);
        for expected in [
            "pushback_telemetry_queue 4\n",
            "pushback_telemetry_uncounted 37\n",
            "pushback_telemetry_queue_capacity 1024\n",
            "pushback_telemetry_batch_deliveries_bucket{le=\"2\"} 0\n",
            "pushback_telemetry_batch_deliveries_bucket{le=\"4\"} 1\n",
            "pushback_telemetry_batch_deliveries_bucket{le=\"+Inf\"} 2\n",
            "pushback_telemetry_batch_deliveries_sum 303\n",
            "pushback_telemetry_commit_seconds_bucket{le=\"0.0025\"} 1\n",
            "pushback_telemetry_failed_total 1\n",
            "pushback_outcomes_total{door=\"envelope\",reason=\"crash\"} 9\n",
            "pushback_outcomes_total{door=\"api\",reason=\"odd words\"} 1\n",
            "pushback_http_seconds_bucket{asked=\"door\",status=\"4xx\",le=\"0.05\"} 1\n",
            "pushback_judge_lag_seconds 0.25\n",
            "pushback_judge_ready 1\n",
            "pushback_judge_keeps 0\n",
            "pushback_database_condition{condition=\"sound\"} 1\n",
            "process_start_time_seconds 1500000000\n",
            "process_resident_memory_bytes ",
            "process_open_fds ",
        ] {
            assert!(text.contains(expected), "{expected} is not in\n{text}");
        }
        let described: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
        assert!(described.len() > 10);
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let name = line.split(['{', ' ']).next().unwrap_or_default();
            let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
            assert!(described.iter().any(|it| it.split(' ').next() == Some(base)), "{name} has no TYPE");
            assert!(line.rsplit(' ').next().is_some_and(|value| value.parse::<f64>().is_ok()), "{line}");
        }
    }

    #[test]
    fn a_flood_of_reasons_does_not_grow_without_end() {
        let metrics = Metrics::default();
        (0..2 * MOST_REASONS).for_each(|number| metrics.became("api", &format!("r{number}"), 1));
        assert_eq!(metrics.lock().outcomes.len(), MOST_REASONS);
    }
}
