//! The world: instances by release, cell and minute, what crashes usually, and what harm adds. Expectations only; crashes
//! are drawn from them in `history`. Nothing here knows how the judge thinks.

use crate::{
    dice::Dice,
    plan::Plan,
    spec::{Effect, Look, On, Scenario, Shape},
};
use pushback::domain::step::Action;

/// The ordinary signatures and their parts of all crashes.
pub const ORDINARY: [(&str, f64); 6] = [
    ("SIGABRT | out_of_memory | arena_grow", 0.40),
    ("Timeout | upstream_read | pool_wait", 0.25),
    ("panic | index | session_table", 0.15),
    ("SIGSEGV | tls_close | conn_drop", 0.10),
    ("panic | utf8 | header_parse", 0.06),
    ("SIGBUS | mmap_read | cache_lookup", 0.04),
];

/// One service's unchanging side.
#[derive(Debug, Clone)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// Instances of each cell.
    pub cells: Vec<f64>,
    /// Crashes of each cell against the mean.
    pub cell_rates: Vec<f64>,
    /// Usual crashes by instance-minute at mean traffic.
    pub rate: f64,
    /// The releases that may run, oldest first.
    pub releases: Vec<String>,
    /// Whether it is declared to talk to `relay`.
    pub talks_to_relay: bool,
    /// Whether only sessions are known.
    pub sessions_only: bool,
    /// Whether cells are not known.
    pub cells_unknown: bool,
    /// Traffic by instance against the mean, by minute.
    pub load: Vec<f64>,
    /// Crashes by session against the mean, by minute.
    pub quality: Vec<f64>,
    /// Instances against the usual number, by minute.
    pub scale: Vec<f64>,
}

/// The world of one history.
#[derive(Debug, Clone)]
pub struct Fleet {
    /// `relay` first.
    pub services: Vec<Service>,
    /// The first minute, negative.
    pub first: i64,
    /// The minute after the last.
    pub last: i64,
    /// The full size of each effect in this replicate.
    sizes: Vec<f64>,
    /// What each effect's crashes look like.
    pub looks: Vec<Option<String>>,
    clock: Vec<f64>,
}

impl Fleet {
    /// A fleet for a scenario at so many crashes a day.
    pub fn new(spec: &Scenario, crashes_a_day: f64, dice: &mut Dice) -> Fleet {
        let world = &spec.world;
        let first = -(world.history_days * 1440.0) as i64;
        let last = (world.live_hours * 60.0) as i64;
        let mut fleet = Fleet {
            services: Vec::new(),
            first,
            last,
            sizes: spec.effects.iter().map(|effect| effect.size * (0.2 * dice.normal()).exp()).collect(),
            looks: Vec::new(),
            clock: Vec::new(),
        };
        let mut old = None;
        for (index, effect) in spec.effects.iter().enumerate() {
            let new = match effect.signature {
                Look::New => true,
                Look::Old | Look::All => false,
                Look::Either => dice.happens(0.5),
            };
            // Effects of one harm look alike.
            let ordinary = *old.get_or_insert_with(|| dice.below(ORDINARY.len()));
            fleet.looks.push(match effect.signature {
                Look::All => None,
                _ if new => Some(format!("SIGSEGV | frame_decode_{} | conn_read", spec.effects[index].harm)),
                _ => Some(ORDINARY[ordinary].0.to_owned()),
            });
            if let Some(twin) = (0..index).find(|twin| spec.effects[*twin].harm == effect.harm)
                && effect.signature == Look::Either
            {
                fleet.looks[index] = fleet.looks[twin].clone();
            }
        }
        let phase = dice.between(0.0, 1440.0);
        let hourly_phase = dice.between(0.0, 1440.0);
        let mut add = |name: &str, instances: f64, cells: usize, rate: f64, like: Option<&crate::spec::Service>| {
            let weights: Vec<f64> = (0..cells).map(|_| (0.2 * dice.normal()).exp()).collect();
            let all: f64 = weights.iter().sum();
            let cells: Vec<f64> = weights.iter().map(|weight| (instances * weight / all).round().max(1.0)).collect();
            let mut cell_rates: Vec<f64> = cells.iter().map(|_| (0.1 * dice.normal()).exp()).collect();
            if let Some(rate) = cell_rates.first_mut() {
                *rate *= world.odd_cell;
            }
            let mut releases = Vec::new();
            let pushes = spec.pushes.iter().filter(|push| push.service == name);
            if name == "relay" {
                releases.extend(["A0".to_owned(), "A".to_owned()]);
            }
            for release in pushes.flat_map(|push| [&push.previous, &push.release]) {
                if !releases.contains(release) {
                    releases.push(release.clone());
                }
            }
            if releases.is_empty() {
                releases.push("1.0".to_owned());
            }
            releases.push("fixed".to_owned());
            let mut service = Service {
                name: name.to_owned(),
                rate: crashes_a_day * rate / 1440.0 / cells.iter().sum::<f64>(),
                cells,
                cell_rates,
                releases,
                talks_to_relay: like.is_some_and(|it| it.talks_to_relay),
                sessions_only: like.map_or(world.sessions_only, |it| it.sessions_only),
                cells_unknown: like.is_some_and(|it| it.cells_unknown),
                load: Vec::new(),
                quality: Vec::new(),
                scale: Vec::new(),
            };
            let mut drift = 0.0;
            for minute in first..last {
                if minute.rem_euclid(5) == 0 {
                    // Autoregressive, with a memory of three hours.
                    let keep = (-5.0_f64 / 180.0).exp();
                    drift = drift * keep + world.drift * (1.0 - keep * keep).sqrt() * dice.normal();
                }
                weather(spec, &mut service, minute, phase, hourly_phase, drift);
            }
            fleet.services.push(service);
        };
        add("relay", world.instances, world.cells, world.rate, None);
        for service in &spec.services {
            add(&service.name, service.instances, service.cells, service.rate, Some(service));
        }
        fleet.clock = (0..last).map(|minute| (minute.rem_euclid(1440)) as f64 / 60.0).collect();
        fleet
    }

    /// The place of a minute in a vector over all minutes.
    pub fn place(&self, minute: i64) -> usize {
        (minute - self.first) as usize
    }

    /// What runs where in one minute, by release; the first release has what no push took.
    pub fn mix(&self, service: usize, plan: &Plan, cell: usize, minute: i64) -> Vec<f64> {
        let it = &self.services[service];
        let instances = it.cells[cell] * it.scale[self.place(minute)];
        let mut mix = vec![0.0; it.releases.len()];
        mix[0] = instances;
        for push in plan.pushes.iter().filter(|push| push.service == service) {
            let Some(number) = it.releases.iter().position(|release| *release == push.release) else { continue };
            let mut share = push.share(cell, minute);
            if share * instances < 0.5 {
                share = 0.0;
            }
            mix.iter_mut().for_each(|it| *it *= 1.0 - share);
            mix[number] += share * instances;
        }
        mix
    }

    /// Everything that runs in the live part, and the harm that is to be expected of it.
    pub fn course(&self, spec: &Scenario, plan: &Plan) -> Course {
        let mixes: Vec<Vec<Vec<f64>>> = (0..self.services.len())
            .map(|service| {
                let cells = self.services[service].cells.len();
                (0..self.last)
                    .flat_map(|minute| (0..cells).map(move |cell| (minute, cell)))
                    .map(|(minute, cell)| self.mix(service, plan, cell, minute))
                    .collect()
            })
            .collect();
        let mut course = Course { mixes, harms: Vec::new() };
        for (number, effect) in spec.effects.iter().enumerate() {
            let harm = self.harm(spec, plan, &course, number, effect);
            course.harms.push(harm);
        }
        course
    }

    /// The place of a service.
    pub fn service(&self, name: &str) -> usize {
        self.services.iter().position(|service| service.name == name).unwrap_or(0)
    }

    /// Crashes that one effect adds, by minute, cell and release.
    fn harm(&self, _spec: &Scenario, plan: &Plan, course: &Course, number: usize, effect: &Effect) -> Vec<f64> {
        let victim = self.service(&effect.service);
        let service = &self.services[victim];
        let (cells, width) = (service.cells.len(), service.releases.len());
        let doses = self.doses(plan, course, effect, victim);
        let strength = strength(effect, &doses, cells, plan, self.last);
        let from = effect.from.as_ref().map_or(0, |when| plan.minute(when));
        let to = effect.minutes.map_or(self.last, |minutes| from + minutes);
        let first = doses.iter().position(|dose| *dose > 0.0).map_or(self.last, |place| (place / cells) as i64);
        let begins = from.max(if effect.dose.is_some() { first + effect.delay } else { effect.delay });
        let mut harm = vec![0.0; self.last as usize * cells * width];
        for minute in begins.max(0)..to.min(self.last) {
            let hour = self.clock[minute as usize];
            if effect.hours.is_some_and(|hours| hour < hours.0 as f64 || hour >= hours.1 as f64) {
                continue;
            }
            for cell in 0..cells {
                if effect.cells.as_ref().is_some_and(|only| !only.contains(&cell)) {
                    continue;
                }
                let z = strength[minute as usize * cells + cell];
                if z <= 0.0 {
                    continue;
                }
                let mix = &course.mixes[victim][minute as usize * cells + cell];
                for (release, ran) in mix.iter().enumerate() {
                    let hit = match &effect.on {
                        On::All => true,
                        On::Release(name) => service.releases[release] == *name,
                        On::Others(name) => service.releases[release] != *name,
                    };
                    if hit && *ran > 0.0 {
                        let usual = service.rate * service.cell_rates[cell] * service.load[self.place(minute)];
                        harm[(minute as usize * cells + cell) * width + release] = self.sizes[number] * usual * ran * z;
                    }
                }
            }
        }
        harm
    }

    /// The share of an effect's change by minute and cell of the victim.
    fn doses(&self, plan: &Plan, course: &Course, effect: &Effect, victim: usize) -> Vec<f64> {
        let cells = self.services[victim].cells.len();
        let mut doses = vec![0.0; self.last as usize * cells];
        let Some(dose) = &effect.dose else { return doses };
        if let Some(flag) = plan.flag_of(dose) {
            for minute in 0..self.last {
                let share = plan.flag_share(flag, minute);
                doses[minute as usize * cells..(minute as usize + 1) * cells].fill(share);
            }
        } else if let Some(push) = plan.push(dose) {
            let own = push.service == victim;
            let release = self.services[push.service].releases.iter().position(|it| *it == push.release).unwrap_or(0);
            for minute in 0..self.last as usize {
                for cell in 0..cells {
                    doses[minute * cells + cell] = if own {
                        let mix = &course.mixes[victim][minute * cells + cell];
                        mix[release] / mix.iter().sum::<f64>().max(1e-9)
                    } else {
                        course.share(self, push.service, release, minute)
                    };
                }
            }
        }
        doses
    }
}

/// Traffic, crashes by session and instances of one minute.
fn weather(spec: &Scenario, service: &mut Service, minute: i64, phase: f64, hourly_phase: f64, drift: f64) {
    let world = &spec.world;
    let clock = if world.clock_change && minute >= 0 { minute + 60 } else { minute };
    let turn = |phase: f64| ((clock as f64 + phase) / 1440.0 * std::f64::consts::TAU).sin();
    let day = (world.weekday + minute.div_euclid(1440)).rem_euclid(7);
    let (weekend, weekend_rate) = if day >= 5 { (world.weekend, world.weekend_rate) } else { (1.0, 1.0) };
    let factor = |stretch: &Option<crate::spec::Stretch>| {
        stretch.as_ref().filter(|it| minute >= it.from && minute < it.from + it.minutes).map_or(1.0, |it| it.factor)
    };
    let scale = factor(&world.scaling);
    let own = service.name == "relay";
    let surge = if own { factor(&world.surge) } else { 1.0 };
    service.load.push((1.0 + world.daily * turn(phase)) * weekend * surge / if own { scale } else { 1.0 });
    service.quality.push((1.0 + world.hourly * turn(hourly_phase)) * weekend_rate * drift.exp());
    service.scale.push(if own { scale } else { 1.0 });
}

/// How far an effect's harm is unfolded, 0 to 1, by minute and cell.
fn strength(effect: &Effect, doses: &[f64], cells: usize, plan: &Plan, last: i64) -> Vec<f64> {
    let all = |minute: usize| doses[minute * cells..(minute + 1) * cells].iter().sum::<f64>() / cells as f64;
    let back =
        effect.dose.as_deref().and_then(|id| plan.push(id)).and_then(|push| {
            push.steps.iter().find(|step| step.action == Action::RollBack).map(|step| step.at as usize)
        });
    let mut strength = vec![0.0; doses.len()];
    let (mut ever, mut stock, mut queue) = (false, 0.0_f64, 0.0);
    let mut highest = vec![0.0_f64; cells];
    for minute in 0..last as usize {
        let of_all = all(minute);
        ever |= of_all > 0.0;
        for cell in 0..cells {
            let dose = doses[minute * cells + cell];
            highest[cell] = highest[cell].max(dose);
            strength[minute * cells + cell] = match effect.shape {
                Shape::Share => dose,
                Shape::Present => f64::from(u8::from(dose > 0.0)),
                Shape::ShareOfAll => of_all,
                Shape::PresentAnywhere => f64::from(u8::from(of_all > 0.0)),
                Shape::Ever => f64::from(u8::from(ever)),
                Shape::Accumulating(_) => stock.min(1.0),
                Shape::Saturating(half) => dose / (dose + half) * (1.0 + half),
                Shape::Threshold(above) => f64::from(u8::from(of_all > above)),
                Shape::Queue(_) => queue,
                Shape::Aged(minutes) => {
                    let then = (minute as i64 - minutes).max(0) as usize;
                    let old = if minute as i64 >= minutes { doses[then * cells + cell] } else { 0.0 };
                    // The part of the release that has run for so long.
                    if dose > 0.0 { (old / dose).min(1.0) } else { 0.0 }
                }
                Shape::Returning => match back {
                    Some(back) if minute >= back => highest[cell],
                    _ => 0.0,
                },
                Shape::Always => 1.0,
            };
        }
        match effect.shape {
            Shape::Accumulating(hours) => stock += of_all / (hours * 60.0),
            Shape::Queue(minutes) => queue += (of_all - queue) / minutes,
            _ => {}
        }
    }
    strength
}

/// What ran in the live part and what harm was to be expected.
#[derive(Debug, Clone)]
pub struct Course {
    /// By service; minute and cell; release.
    pub mixes: Vec<Vec<Vec<f64>>>,
    /// By effect; minute, cell and release of the victim's service.
    pub harms: Vec<Vec<f64>>,
}

impl Course {
    /// The share of a service's whole fleet that runs a release.
    pub fn share(&self, fleet: &Fleet, service: usize, release: usize, minute: usize) -> f64 {
        let cells = fleet.services[service].cells.len();
        let mixes = &self.mixes[service][minute * cells..(minute + 1) * cells];
        let all: f64 = mixes.iter().flatten().sum();
        mixes.iter().map(|mix| mix[release]).sum::<f64>() / all.max(1e-9)
    }

    /// Expected crashes of one harm in each minute.
    pub fn by_minute(&self, spec: &Scenario, harm: usize, last: i64) -> Vec<f64> {
        let mut sums = vec![0.0; last as usize];
        for (effect, values) in spec.effects.iter().zip(&self.harms).filter(|it| it.0.harm == harm) {
            debug_assert_eq!(effect.harm, harm);
            let width = values.len() / last as usize;
            for (minute, sum) in sums.iter_mut().enumerate() {
                *sum += values[minute * width..(minute + 1) * width].iter().sum::<f64>();
            }
        }
        sums
    }
}
