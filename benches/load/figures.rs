//! What a round found, and what the disk did meanwhile.

use crate::senders::Sent;
use std::{
    fs::File,
    io::Write,
    path::Path,
    time::{Duration, Instant},
};

/// One round of one server.
pub struct Round {
    /// What the senders saw.
    pub sent: Sent,
    /// Processor time of the server, and of its database where that is a process of its own.
    pub cpu: Duration,
    /// The most memory that the server ever had, MiB.
    pub peak: f64,
    /// The median fdatasync just before, µs.
    pub fsync: f64,
}

impl Round {
    /// Requests that were answered with 2xx, a second.
    pub fn accepted_a_second(&self) -> f64 {
        self.sent.accepted as f64 / self.sent.lasted.as_secs_f64()
    }

    /// Processor time for each request that was answered, µs.
    pub fn cpu_each(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / (self.sent.accepted + self.sent.refused).max(1) as f64
    }

    /// The round as a row of the table.
    pub fn line(&self, name: &str) -> String {
        let wait = |part: f64| self.sent.percentile(part).as_secs_f64() * 1e3;
        format!(
            "{name:<10}{:>10.0}{:>12.1}{:>10.1}{:>10.1}{:>10}{:>12.1}{:>12.0}",
            self.accepted_a_second(),
            self.cpu_each(),
            wait(0.5),
            wait(0.99),
            self.sent.refused,
            self.peak,
            self.fsync
        )
    }
}

/// How long the disk takes to make a block durable.
pub struct Disk {
    /// The median, µs.
    pub median_micros: f64,
}

impl Disk {
    /// 200 writes of 4 KiB, each followed by fdatasync.
    pub fn measure(folder: &Path) -> Result<Disk, String> {
        let run = || -> std::io::Result<Vec<f64>> {
            let mut file = File::create(folder.join("fdatasync"))?;
            let mut found = Vec::with_capacity(200);
            for _ in 0..200 {
                file.write_all(&[7; 4096])?;
                let began = Instant::now();
                file.sync_data()?;
                found.push(began.elapsed().as_secs_f64() * 1e6);
            }
            Ok(found)
        };
        let found = run().map_err(|error| format!("{}: {error}", folder.display()))?;
        Ok(Disk { median_micros: median(&found) })
    }
}

/// The middle value; the upper one of two.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

/// From the least to the most, in words.
pub fn spread(values: &[f64]) -> String {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    format!("{least:.2} to {most:.2}")
}
