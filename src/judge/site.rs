//! What the judge keeps of one service in one environment: who ran where and for how long, and who crashed. No verdicts.

use super::{HOUR, MINUTE, Micros, beside::Beyond};
use std::collections::{BTreeMap, HashMap, HashSet};

/// The length of a bucket of exposure and crashes.
pub(crate) const BUCKET: Micros = 5 * MINUTE;
/// A crash report without a release.
pub(crate) const NOBODY: u16 = u16::MAX;
/// A host's further crashes with one signature within this time are one episode.
const EPISODE: Micros = 10 * MINUTE;
/// Hosts and signatures of which the last crash is kept, at most, before old ones are forgotten.
const HOSTS_KEPT: usize = 100_000;
/// Where exposure has not been heard of for this long, the last of it is taken to go on.
pub(crate) const STALE: Micros = 20 * MINUTE;

/// Names as small numbers.
#[derive(Debug, Default)]
pub(crate) struct Names {
    names: Vec<String>,
    numbers: HashMap<String, usize>,
}

impl Names {
    pub(crate) fn number(&mut self, name: &str) -> usize {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        self.names.push(name.to_owned());
        self.numbers.insert(name.to_owned(), self.names.len() - 1);
        self.names.len() - 1
    }

    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        self.numbers.get(name).copied()
    }

    pub(crate) fn name(&self, number: usize) -> &str {
        self.names.get(number).map_or("", String::as_str)
    }

    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }
}

/// One crash report without its texts, or in a storm several that are alike.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Event {
    pub(crate) at: Micros,
    /// How many it stands for.
    pub(crate) times: u32,
    pub(crate) signature: u32,
    /// Clients of all of them.
    pub(crate) clients: u32,
    pub(crate) release: u16,
    pub(crate) cell: u16,
    /// The release at the other end plus one; zero where unknown.
    pub(crate) peer: u16,
    /// Whether it counts as evidence: the first of its host's episode, and its host does not carry the signature alone.
    pub(crate) counts: bool,
}

impl Event {
    /// What tells it apart from others of its minute.
    fn kind(&self) -> (u32, u16, u16, u16, bool) {
        (self.signature, self.release, self.cell, self.peer, self.counts)
    }
}

/// How much of a release ran in a cell during a bucket.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ran {
    pub(crate) release: u16,
    pub(crate) cell: u16,
    /// Instance-hours.
    pub(crate) hours: f32,
    /// Client sessions; beside instances, hours of them.
    pub(crate) sessions: f32,
}

/// Five minutes of a service.
#[derive(Debug, Default)]
pub(crate) struct Bucket {
    pub(crate) ran: Vec<Ran>,
    pub(crate) events: Vec<Event>,
}

/// So many reports of five minutes are a storm.
const STORM: usize = 2_000;
/// After so many buckets nothing asks any more at which minute of one something happened: who is to blame was closed an hour before.
const OLD: i64 = 13 * HOUR / BUCKET;

impl Bucket {
    /// Makes those that are alike one, whatever their minute, where there are many.
    fn settle(&mut self, start: Micros) {
        if self.events.len() < STORM {
            return;
        }
        self.events.iter_mut().for_each(|it| it.at = start);
        self.events.sort_by_key(Event::kind);
        self.events.dedup_by(|next, kept| {
            let alike = next.kind() == kept.kind();
            if alike {
                kept.times = kept.times.saturating_add(next.times);
                kept.clients = kept.clients.saturating_add(next.clients);
            }
            alike
        });
        self.events.shrink_to_fit();
    }

    /// Puts a report in its place. In a storm, those of a minute that are alike become one: what it holds is then bounded by how many
    /// kinds there are, and no longer by how many crash.
    fn add(&mut self, event: Event) {
        if self.events.len() < STORM {
            let place = self.events.partition_point(|other| other.at <= event.at);
            return self.events.insert(place, event);
        }
        let event = Event { at: event.at.div_euclid(MINUTE) * MINUTE, ..event };
        let place = self.events.partition_point(|other| (other.at, other.kind()) < (event.at, event.kind()));
        match self.events.get_mut(place).filter(|other| other.at == event.at && other.kind() == event.kind()) {
            Some(other) => {
                other.times = other.times.saturating_add(1);
                other.clients = other.clients.saturating_add(event.clients);
            }
            None => self.events.insert(place, event),
        }
    }
}

/// What a rate of this service is a rate of. Never two of them in one rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Basis {
    /// Instance-hours.
    Instances,
    /// Thousands of client sessions.
    Sessions,
    /// Hours of the whole fleet, split by the shares of the pushes.
    Shares,
}

/// Crashes that a regression accounts for, left out of what is normal.
#[derive(Debug, Clone)]
pub(crate) struct Explained {
    pub(crate) case: usize,
    /// Empty: every signature below `known`.
    pub(crate) signatures: Vec<u32>,
    pub(crate) known: u32,
    pub(crate) from: Micros,
    /// `Micros::MAX` while it goes on.
    pub(crate) to: Micros,
    /// Whether it is short of an alarm, so that it is watched all the same.
    pub(crate) watched: bool,
}

impl Explained {
    pub(crate) fn covers(&self, signature: u32, at: Micros) -> bool {
        at >= self.from && at < self.to && self.has(signature)
    }

    pub(crate) fn has(&self, signature: u32) -> bool {
        if self.signatures.is_empty() { signature < self.known } else { self.signatures.contains(&signature) }
    }
}

/// One service in one environment.
#[derive(Debug, Default)]
pub(crate) struct Site {
    pub(crate) service: String,
    pub(crate) environment: String,
    pub(crate) cells: Names,
    pub(crate) releases: Names,
    pub(crate) signatures: Names,
    pub(crate) buckets: BTreeMap<i64, Bucket>,
    pub(crate) explained: Vec<Explained>,
    /// What goes on, is nobody's, and is to be expected beside the usual.
    pub(crate) beside: Vec<Beyond>,
    /// The last instant for which exposure is known.
    pub(crate) frontier: Option<Micros>,
    /// Per release, the first and the last instant at which it ran.
    pub(crate) lives: Vec<(Micros, Micros)>,
    /// Crashes that came in since the last look, by the latest of their times.
    pub(crate) unread: Option<Micros>,
    /// The instant up to which crashes were set against exposure at the last look.
    pub(crate) read_until: Micros,
    /// Crashes that came in since the last look, which may be late: what was made of their buckets is brought up to date by them.
    pub(crate) fresh: Vec<Event>,
    hosts: HashMap<u32, u32>,
    last_of_host: HashMap<(u32, u32), Micros>,
    /// How many of those are kept before old ones are looked for.
    hosts_kept: usize,
    carried: HashMap<u32, BTreeMap<i64, HashMap<u32, u32>>>,
    has_instances: bool,
    has_sessions: bool,
    /// Windows of exposure that were told lately, by hour.
    told: BTreeMap<i64, HashSet<u64>>,
    /// The newest bucket that anything crashed in.
    newest: i64,
}

impl Site {
    pub(crate) fn new(service: &str, environment: &str) -> Site {
        Site { service: service.to_owned(), environment: environment.to_owned(), ..Site::default() }
    }

    pub(crate) fn basis(&self) -> Basis {
        match (self.has_instances, self.has_sessions) {
            (true, _) => Basis::Instances,
            (false, true) => Basis::Sessions,
            (false, false) => Basis::Shares,
        }
    }

    fn release(&mut self, name: &str) -> u16 {
        let number = self.releases.number(name).min(usize::from(NOBODY) - 1);
        if self.lives.len() <= number {
            self.lives.resize(number + 1, (Micros::MAX, Micros::MIN));
        }
        number as u16
    }

    /// Names a release that may run later.
    pub(crate) fn name_release(&mut self, name: &str) -> u16 {
        self.release(name)
    }

    /// Takes a window of exposure in, spread over the buckets that it overlaps.
    pub(crate) fn ran(&mut self, release: &str, cell: &str, at: Micros, seconds: f64, instances: f64, sessions: f64) {
        let (release, cell) = (self.release(release), self.cells.number(cell).min(usize::from(NOBODY) - 1) as u16);
        // A window longer than a week is somebody's mistake; it would touch thousands of buckets.
        let span = ((seconds * 1e6) as Micros).clamp(1, 7 * 24 * HOUR);
        let end = at + span;
        if !self.is_first_told((release, cell, at, span, instances.to_bits(), sessions.to_bits())) {
            return;
        }
        self.has_instances |= instances > 0.0;
        self.has_sessions |= sessions > 0.0;
        self.frontier = Some(self.frontier.map_or(end, |frontier| frontier.max(end)));
        if instances > 0.0 || sessions > 0.0 {
            let life = &mut self.lives[usize::from(release)];
            *life = (life.0.min(at), life.1.max(end));
        }
        for index in at.div_euclid(BUCKET)..=(end - 1).div_euclid(BUCKET) {
            let overlap = (end.min((index + 1) * BUCKET) - at.max(index * BUCKET)) as f64;
            let hours = (instances * overlap / HOUR as f64) as f32;
            // Beside instances, sessions say how busy each one is: the same sessions in two half windows are not twice as
            // many. Where only sessions are known they are what is counted.
            let whole = if instances > 0.0 { HOUR } else { span };
            let carried = (sessions * overlap / whole as f64) as f32;
            let ran = &mut self.buckets.entry(index).or_default().ran;
            match ran.iter_mut().find(|ran| ran.release == release && ran.cell == cell) {
                Some(ran) => {
                    ran.hours += hours;
                    ran.sessions += carried;
                }
                None => ran.push(Ran { release, cell, hours, sessions: carried }),
            }
        }
    }

    /// Whether a window was not told before, in the same words: what is delivered twice did not run twice. Kept for eight days.
    fn is_first_told(&mut self, window: (u16, u16, Micros, Micros, u64, u64)) -> bool {
        const KEPT: i64 = 8 * 24;
        let (release, cell, at, span, instances, sessions) = window;
        let hour = at.div_euclid(HOUR);
        let parts = [u64::from(release) << 16 | u64::from(cell), at as u64, span as u64, instances, sessions];
        let mixed = parts.iter().fold(0xcbf2_9ce4_8422_2325_u64, |sum, part| {
            (sum ^ part).wrapping_mul(0x0100_0000_01b3).rotate_left(29).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        });
        let newest = self.told.last_key_value().map_or(hour, |it| *it.0);
        while self.told.first_key_value().is_some_and(|it| *it.0 < newest - KEPT) {
            self.told.pop_first();
        }
        self.told.entry(hour).or_default().insert(mixed)
    }

    /// Takes a crash report in. `host` is a number for the machine's name.
    #[allow(clippy::too_many_arguments)]
    pub(crate) fn crashed(
        &mut self,
        release: Option<&str>,
        cell: &str,
        host: Option<u32>,
        at: Micros,
        signature: &str,
        clients: u32,
        peer: Option<&str>,
    ) {
        let signature = self.signatures.number(signature) as u32;
        let release = release.map_or(NOBODY, |name| self.release(name));
        let cell = self.cells.number(cell).min(usize::from(NOBODY) - 1) as u16;
        let peer = peer.map_or(0, |name| self.release(name) + 1);
        let counts = self.counts(host, signature, at);
        let index = at.div_euclid(BUCKET);
        let event = Event { at, times: 1, signature, clients, release, cell, peer, counts };
        if self.newest < index {
            self.newest = index;
            for (number, bucket) in self.buckets.range_mut(index - 2 * OLD..index) {
                bucket.events.shrink_to_fit();
                if *number < index - OLD {
                    bucket.settle(number * BUCKET);
                }
            }
        }
        self.buckets.entry(index).or_default().add(event);
        self.unread = Some(self.unread.map_or(at, |unread| unread.max(at)));
        self.fresh.push(event);
    }

    /// Whether a crash is evidence of its own: the first of its host and signature after ten minutes without, and no host of a larger
    /// fleet may carry more than a third of what a signature has shown in two hours (a machine in a crash loop is not a release). Where
    /// there are next to no hosts, each speaks again every ten minutes, since nobody else would.
    fn counts(&mut self, host: Option<u32>, signature: u32, at: Micros) -> bool {
        let Some(host) = host else { return true };
        const FEW: usize = 3;
        *self.hosts.entry(host).or_default() += 1;
        if let Some(last) = self.last_of_host.get(&(host, signature)).copied()
            && (at - last).abs() < EPISODE
        {
            if self.hosts.len() > FEW {
                self.last_of_host.insert((host, signature), at.max(last));
            }
            return false;
        }
        self.last_of_host.insert((host, signature), at);
        if self.last_of_host.len() > self.hosts_kept.max(HOSTS_KEPT) {
            self.last_of_host.retain(|_, last| (at - *last).abs() < EPISODE);
            // Where most are of now, there is nothing to forget for a while.
            self.hosts_kept = 2 * self.last_of_host.len();
        }
        let window = at.div_euclid(2 * HOUR);
        let windows = self.carried.entry(signature).or_default();
        if windows.len() > 4 {
            windows.pop_first();
        }
        let carried = windows.entry(window).or_default();
        let all: u32 = carried.values().sum();
        let own = carried.entry(host).or_default();
        let counts = self.hosts.len() <= FEW || *own < 1 + all / 3;
        if counts {
            *own += 1;
        }
        counts
    }

    /// The instant up to which crashes are set against exposure. What was not reported yet is taken to go on as it was, as the pushes
    /// mean it to: waiting for it would cost minutes of harm.
    pub(crate) fn known_until(&self, now: Micros) -> Micros {
        now
    }

    /// Whether crashes of this signature at this time belong to a regression already.
    pub(crate) fn is_explained(&self, signature: u32, at: Micros) -> bool {
        self.explained.iter().any(|explained| explained.covers(signature, at))
    }

    /// Whether crashes of this signature at this time are watched: no regression that came to an alarm accounts for them.
    pub(crate) fn is_watched(&self, signature: u32, at: Micros) -> bool {
        !self.explained.iter().any(|it| !it.watched && it.covers(signature, at))
    }

    /// Whether the whole service was in a regression then, so that its exposure is left out of what is normal too.
    pub(crate) fn is_clouded(&self, at: Micros) -> bool {
        self.explained.iter().any(|it| it.signatures.is_empty() && at >= it.from && at < it.to)
    }

    /// The exposure of one line in the service's basis; shares are worked out elsewhere.
    pub(crate) fn amount(&self, ran: &Ran) -> f64 {
        match self.basis() {
            Basis::Instances => f64::from(ran.hours),
            Basis::Sessions => f64::from(ran.sessions) / 1000.0,
            Basis::Shares => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storm_is_held_by_its_kinds_and_minutes_and_no_crash_of_it_is_lost() {
        let mut site = Site::new("relay", "production");
        for number in 0..60_000_i64 {
            let at = number * BUCKET / 60_000;
            let (release, signature) = (["A", "B"][number as usize % 2], ["one", "two", "three"][number as usize % 3]);
            site.crashed(Some(release), "cell", None, at, signature, 2, None);
        }
        let events = &site.buckets[&0].events;
        assert!(events.len() < 2_100, "{} are held", events.len());
        assert_eq!(events.iter().map(|it| it.times).sum::<u32>(), 60_000);
        assert_eq!(events.iter().map(|it| it.clients).sum::<u32>(), 120_000);
        assert!(events.is_sorted_by_key(|it| it.at));
        let of_last_minute = events.iter().filter(|it| it.at >= 4 * MINUTE && it.release == 0).map(|it| it.times);
        assert_eq!(of_last_minute.sum::<u32>(), 6_000, "in its minute and under its release");
        // Long after, how many there were of each kind is all that is left of it.
        site.crashed(Some("A"), "cell", None, (OLD + 2) * BUCKET, "one", 2, None);
        let events = &site.buckets[&0].events;
        assert_eq!(events.iter().map(|it| (it.at, it.times)).collect::<Vec<_>>(), [(0, 10_000); 6]);
        assert_eq!(events.iter().map(|it| it.clients).sum::<u32>(), 120_000);
    }
    #[test]
    fn a_host_in_a_crash_loop_speaks_once_and_again_after_ten_quiet_minutes() {
        let spoken = |hosts: u32, minutes: &[i64]| {
            let mut site = Site::new("relay", "production");
            // Every host has crashed once, long before.
            for host in 0..hosts {
                site.crashed(Some("A"), "cell", Some(host), 0, "old", 0, None);
            }
            for minute in minutes {
                site.crashed(Some("A"), "cell", Some(0), 24 * HOUR + minute * MINUTE, "loop", 0, None);
            }
            let events = site.buckets.values().flat_map(|bucket| &bucket.events);
            events.filter(|it| it.counts && it.signature == 1).map(|it| it.times).sum::<u32>()
        };
        let hour: Vec<i64> = (0..60).step_by(2).collect();
        assert_eq!(spoken(100, &hour), 1, "an hour of a loop is one episode");
        let twice: Vec<i64> = (0..20).chain(100..120).collect();
        assert_eq!(spoken(100, &twice), 1, "and a host alone does not carry a signature");
        assert_eq!(spoken(2, &hour), 6, "where nobody else could speak, every ten minutes");
    }
}
