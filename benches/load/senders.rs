//! Connections that send one request after another and wait for each answer: a closed loop, HTTP/1.1 kept alive.

use crate::{bodies::Bodies, servers::Server};
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// How a round is driven.
pub struct Plan {
    /// Connections at once.
    pub connections: usize,
    /// How long.
    pub length: Duration,
    /// How often each connection sends, whether or not it is late: waits count from when a request was due. None for as soon as
    /// the answer before is there.
    pub every: Option<Duration>,
}

/// What the senders saw.
#[derive(Default)]
pub struct Sent {
    /// Answers 2xx.
    pub accepted: usize,
    /// Other answers.
    pub refused: usize,
    /// From the first request to the last answer.
    pub lasted: Duration,
    waits: Vec<Duration>,
    refusals: Vec<Duration>,
}

impl Sent {
    /// Counts an answer.
    pub fn note(&mut self, status: u16, wait: Duration) {
        self.waits.push(wait);
        if (200..300).contains(&status) {
            self.accepted += 1;
        } else {
            self.refused += 1;
            self.refusals.push(wait);
        }
    }

    /// Adds what another connection saw.
    pub fn add(&mut self, other: Sent) {
        self.accepted += other.accepted;
        self.refused += other.refused;
        self.waits.extend(other.waits);
        self.refusals.extend(other.refusals);
    }

    /// The same, if anything was answered with 2xx.
    pub fn some(self, whose: &str) -> Result<Sent, String> {
        if self.accepted > 0 { Ok(self) } else { Err(format!("{whose} took nothing; {} were refused", self.refused)) }
    }

    /// The same, once all have ended.
    pub fn after(mut self, lasted: Duration) -> Sent {
        self.lasted = lasted;
        self.waits.sort_unstable();
        self.refusals.sort_unstable();
        self
    }

    /// The wait for a refusal that this part of all refusals stays below; none where nothing was refused.
    pub fn refusal_percentile(&self, part: f64) -> Option<Duration> {
        let at = ((self.refusals.len() as f64 * part) as usize).min(self.refusals.len().saturating_sub(1));
        self.refusals.get(at).copied()
    }

    /// The wait for an answer that this part of all answers stays below.
    pub fn percentile(&self, part: f64) -> Duration {
        let at = ((self.waits.len() as f64 * part) as usize).min(self.waits.len().saturating_sub(1));
        self.waits.get(at).copied().unwrap_or_default()
    }
}

/// Sends bodies from that number on, until the time is up or none is left.
pub fn send(server: &Server, plan: &Plan, bodies: &Arc<Bodies>, next: &Arc<AtomicUsize>) -> Result<Sent, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|it| it.to_string())?;
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/x-sentry-envelope\r\nContent-Encoding: gzip\r\nContent-Length: ",
        server.path, server.address
    );
    let head: Arc<[u8]> = head.into_bytes().into();
    runtime.block_on(async {
        let began = Instant::now();
        let until = began + plan.length;
        let line = |number: usize| {
            let line = Line { address: server.address, head: head.clone(), bodies: bodies.clone(), next: next.clone() };
            // Each begins at another time.
            let first = plan.every.map(|every| (every, began + every.mul_f64(number as f64 / plan.connections as f64)));
            tokio::spawn(line.run(until, first))
        };
        let running: Vec<_> = (0..plan.connections).map(line).collect();
        let mut all = Sent::default();
        for task in running {
            all.add(task.await.map_err(|error| error.to_string())??);
        }
        Ok(all.after(began.elapsed()))
    })
}

/// One connection.
struct Line {
    address: SocketAddr,
    head: Arc<[u8]>,
    bodies: Arc<Bodies>,
    next: Arc<AtomicUsize>,
}

impl Line {
    async fn run(self, until: Instant, mut paced: Option<(Duration, Instant)>) -> Result<Sent, String> {
        let failed = |error: std::io::Error| format!("{}: {error}", self.address);
        let mut stream = TcpStream::connect(self.address).await.map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        let (mut sent, mut out, mut answer) = (Sent::default(), Vec::with_capacity(4096), Vec::with_capacity(4096));
        while Instant::now() < until {
            let Some(body) = self.bodies.get(self.next.fetch_add(1, Ordering::Relaxed)) else { break };
            out.clear();
            out.extend_from_slice(&self.head);
            out.extend_from_slice(body.len().to_string().as_bytes());
            out.extend_from_slice(b"\r\n\r\n");
            out.extend_from_slice(&body);
            let mut began = Instant::now();
            if let Some((every, due)) = &mut paced {
                tokio::time::sleep_until((*due).into()).await;
                began = *due;
                *due += *every;
            }
            // A server that refuses before it has read the body ends the connection; whoever sends makes a new one.
            let status = match exchange(&mut stream, &out, &mut answer).await {
                Ok(status) => status,
                Err(_) => {
                    stream = TcpStream::connect(self.address).await.map_err(failed)?;
                    stream.set_nodelay(true).map_err(failed)?;
                    exchange(&mut stream, &out, &mut answer).await.map_err(failed)?
                }
            };
            sent.note(status, began.elapsed());
        }
        Ok(sent)
    }
}

/// Sends a request and reads its answer.
async fn exchange(stream: &mut TcpStream, request: &[u8], answer: &mut Vec<u8>) -> std::io::Result<u16> {
    stream.write_all(request).await?;
    read_answer(stream, answer).await
}

/// Reads one answer to its end and gives back its status.
pub async fn read_answer(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> std::io::Result<u16> {
    let broken = |what: &str| std::io::Error::other(format!("an answer {what}"));
    bytes.clear();
    loop {
        if stream.read_buf(bytes).await? == 0 {
            return Err(broken("ended before it was whole"));
        }
        let Some(head) = bytes.windows(4).position(|it| it == b"\r\n\r\n") else { continue };
        let text = std::str::from_utf8(&bytes[..head]).map_err(|_| broken("has a head that is no text"))?;
        let status = text.get(9..12).and_then(|it| it.parse().ok()).ok_or_else(|| broken("has no status"))?;
        let length = text.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
        });
        let whole = match length {
            Some(length) => bytes.len() >= head + 4 + length,
            None => bytes.ends_with(b"0\r\n\r\n"),
        };
        if whole {
            return Ok(status);
        }
    }
}
