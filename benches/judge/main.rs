//! The benchmark of the judge: fleets with known harm, the judge and the rules that people use today on the same records,
//! one table. `README.md` beside this file says how to repeat every figure.

mod account;
mod check;
mod dice;
mod faults;
mod fleet;
mod history;
mod plan;
mod report;
mod rules;
mod runner;
mod scale;
mod score;
mod spec;
mod tally;
mod truth;

use report::Column;
use score::Score;
use spec::Scenario;
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

const HELP: &str = "\
Usage: cargo bench --bench judge -- [options]

  --seeds dev|report   which range of seeds: dev while building, report for figures that are told (default dev)
  --families LIST      family numbers, as 1,17,27-31 (default all)
  --level LIST         low, mid, high: 120, 1,200 and 4,800 crashes a day (default all three)
  --count N            seeds for each family and level (default 2)
  --threads N          (default 1)
  --only-judge         leave the other rules out
  --prefix             also cut each history at a chance place and check that the words up to there are the same
  --json FILE          write the report as JSON too
  --dump FOLDER        write every history as NDJSON with its truth beside it
  --tell               say what the judge said of each history, call by call, beside the truth
  --scale              how long long histories take and how much memory, in place of all else; with --dump, write them
  --check              hold the generator's claims against its records, and judge nothing
  --list               list the families
";

/// The levels of traffic, crashes a day.
const LEVELS: [(&str, f64); 3] = [("low", 120.0), ("mid", 1200.0), ("high", 4800.0)];
/// The first seed of each range. Nobody builds with the second: once its results were worked on, it moves on (`RESULTS.md`).
const RANGES: [(&str, u64); 2] = [("dev", 1), ("report", 10_000_001)];

/// What is asked for.
struct Request {
    range: (&'static str, u64),
    families: Vec<u32>,
    levels: Vec<(&'static str, f64)>,
    count: u64,
    threads: usize,
    rules: bool,
    prefix: bool,
    list: bool,
    tell: bool,
    check: bool,
    scale: bool,
    json: Option<PathBuf>,
    dump: Option<PathBuf>,
}

/// One history to be made.
struct Job<'a> {
    scenario: &'a Scenario,
    level: (&'static str, f64),
    seed: u64,
    replicate: usize,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.iter().any(|word| word == "--help") {
        print!("{HELP}");
        return ExitCode::SUCCESS;
    }
    match request(&words).and_then(|request| run(&request)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn request(words: &[String]) -> Result<Request, String> {
    let mut it = Request {
        range: RANGES[0],
        families: Vec::new(),
        levels: LEVELS.to_vec(),
        count: 2,
        threads: 1,
        rules: true,
        prefix: false,
        list: false,
        tell: false,
        check: false,
        scale: false,
        json: None,
        dump: None,
    };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().cloned().ok_or_else(|| format!("{word} needs a value"));
        let whole = |text: String| text.parse::<u64>().map_err(|_| format!("a number was expected, found {text}"));
        match word.as_str() {
            // Cargo says so to every benchmark.
            "--bench" => {}
            "--seeds" => {
                let name = value()?;
                let range = RANGES.iter().find(|range| range.0 == name);
                it.range = *range.ok_or_else(|| format!("dev or report was expected, found {name}"))?;
            }
            "--families" => {
                for part in value()?.split(',') {
                    let (low, high) = part.split_once('-').unwrap_or((part, part));
                    it.families.extend((whole(low.into())? as u32)..=(whole(high.into())? as u32));
                }
            }
            "--level" => {
                let names = value()?;
                it.levels = LEVELS.iter().copied().filter(|it| names.split(',').any(|name| name == it.0)).collect();
                if it.levels.is_empty() {
                    return Err(format!("low, mid or high was expected, found {names}"));
                }
            }
            "--count" => it.count = whole(value()?)?,
            "--threads" => it.threads = whole(value()?)?.max(1) as usize,
            "--only-judge" => it.rules = false,
            "--prefix" => it.prefix = true,
            "--list" => it.list = true,
            "--tell" => it.tell = true,
            "--check" => it.check = true,
            "--scale" => it.scale = true,
            "--json" => it.json = Some(value()?.into()),
            "--dump" => it.dump = Some(value()?.into()),
            other => return Err(format!("{other} is not known.\n\n{HELP}")),
        }
    }
    Ok(it)
}

/// Every family in the folder beside this file, in order of their numbers.
fn families(folder: &Path) -> Result<Vec<Scenario>, String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))? {
        let path = entry.map_err(|error| error.to_string())?.path();
        if path.extension().is_some_and(|it| it == "json") {
            let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
            let scenario = serde_json::from_str::<Scenario>(&text);
            found.push(scenario.map_err(|error| format!("{}: {error}", path.display()))?);
        }
    }
    found.sort_by_key(|it| it.family);
    Ok(found)
}

fn run(request: &Request) -> Result<(), String> {
    if request.scale {
        for long in &scale::LONG {
            match &request.dump {
                Some(folder) => long.write(folder).map_err(|error| format!("{}: {error}", folder.display()))?,
                None => println!("{}: {}", long.name, long.run()),
            }
        }
        return Ok(());
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/judge/families");
    let mut families = families(&folder)?;
    families.retain(|it| request.families.is_empty() || request.families.contains(&it.family));
    if request.list {
        families.iter().for_each(|it| println!("{:02}  {:<34}{}", it.family, it.name, it.says));
        return Ok(());
    }
    let mut jobs = Vec::new();
    for scenario in &families {
        for level in &request.levels {
            for replicate in 0..request.count {
                let seed = request.range.1 + replicate;
                jobs.push(Job { scenario, level: *level, seed, replicate: replicate as usize });
            }
        }
    }
    if request.check {
        return check(&jobs);
    }
    let names = if request.rules { rules::all().into_iter().map(|it| it.0).collect() } else { Vec::new() };
    let names: Vec<&str> = std::iter::once("judge").chain(names).collect();
    let done: Mutex<Vec<(usize, Vec<Score>)>> = Mutex::new(Vec::new());
    let failed: Mutex<Option<String>> = Mutex::new(None);
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..request.threads {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(job) = jobs.get(number) else { return };
                    if number % 200 == 199 {
                        eprintln!("{number} of {}", jobs.len());
                    }
                    match one(request, job) {
                        Ok(scores) => done.lock().unwrap_or_else(|it| it.into_inner()).push((number, scores)),
                        Err(error) => *failed.lock().unwrap_or_else(|it| it.into_inner()) = Some(error),
                    }
                }
            });
        }
    });
    if let Some(error) = failed.into_inner().unwrap_or_else(|it| it.into_inner()) {
        return Err(error);
    }
    let mut done = done.into_inner().unwrap_or_else(|it| it.into_inner());
    done.sort_by_key(|it| it.0);
    let mut columns: Vec<Column> =
        names.iter().map(|name| Column { name: (*name).to_owned(), scores: Vec::new() }).collect();
    for (_, scores) in done {
        columns.iter_mut().zip(scores).for_each(|(column, score)| column.scores.push(score));
    }
    let levels: Vec<&str> = request.levels.iter().map(|it| it.0).collect();
    let title = format!(
        "{} families, levels {}, {} {} seeds each from {}: {} histories, {} records",
        families.len(),
        levels.join(" "),
        request.count,
        request.range.0,
        request.range.1,
        jobs.len(),
        columns[0].scores.iter().map(|it| it.records).sum::<usize>()
    );
    println!("{}", report::text(&title, &families, &columns));
    if let Some(path) = &request.json {
        let text = report::json(&title, &families, &columns).to_string();
        std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}

/// Checks the generator itself.
fn check(jobs: &[Job]) -> Result<(), String> {
    let mut wrong = Vec::new();
    for job in jobs {
        let found = check::check(job.scenario, job.sown(), job.replicate, job.level.1);
        wrong.extend(
            found.into_iter().map(|it| format!("{:02} {} {}: {it}", job.scenario.family, job.level.0, job.seed)),
        );
    }
    println!("{} histories checked", jobs.len());
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

impl Job<'_> {
    /// The seed of the dice: the same number gives unlike fleets in unlike families and levels.
    fn sown(&self) -> u64 {
        self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)
            ^ (u64::from(self.scenario.family) << 40)
            ^ (self.level.1 as u64).wrapping_mul(0x0100_0000_01b3)
    }
}

/// One history, told by everybody.
fn one(request: &Request, job: &Job) -> Result<Vec<Score>, String> {
    let seed = job.sown();
    let history = history::draw(job.scenario, seed, job.replicate, job.level.1);
    if let Some(folder) = &request.dump {
        dump(folder, job, &history)?;
    }
    let mut accounts = vec![runner::judge(&history.records, &history.truth)];
    if request.rules {
        accounts.extend(rules::all().into_iter().map(|mut it| rules::run(it.1.as_mut(), &history.records)));
    }
    if request.prefix {
        let cut = history.records.len() / 2 + (seed as usize >> 7) % (history.records.len() / 2);
        accounts[0].misdated += u32::from(!runner::prefix_agrees(&history.records, cut));
    }
    if request.tell {
        let title = format!("family {:02} {} seed {}", job.scenario.family, job.level.0, job.seed);
        print!("{}", report::told(&title, &history.truth, &accounts[0]));
    }
    let scored = |account: &account::Account| Score {
        family: job.scenario.family,
        level: job.level.0.to_owned(),
        seed: job.seed,
        records: history.records.len(),
        ..score::score(&history.truth, account)
    };
    Ok(accounts.iter().map(scored).collect())
}

fn dump(folder: &Path, job: &Job, history: &history::History) -> Result<(), String> {
    let name = format!("{:02}-{}-{}", job.scenario.family, job.level.0, job.seed);
    let lines: String = history.records.iter().map(|record| record.to_line() + "\n").collect();
    let write = |ending: &str, text: String| {
        let path = folder.join(format!("{name}.{ending}"));
        std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
    };
    std::fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    write("ndjson", lines)?;
    write("truth.json", history.truth.to_json().to_string())
}
