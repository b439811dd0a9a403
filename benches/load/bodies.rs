//! Envelopes as a crash client sends them: about 5 KB of JSON with a stack, tags and breadcrumbs, gzip on the wire, each with an
//! id of its own.

use flate2::{Compression, write::GzEncoder};
use std::{
    borrow::Cow,
    io::Write,
    time::{SystemTime, UNIX_EPOCH},
};

/// Signatures among the reports.
const SIGNATURES: u64 = 200;

/// How many of them crash in a second: about as many as are sent in one, since a client reports a crash as soon as it can.
const A_SECOND: u64 = 20_000;

/// When the packed ones crashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crashed {
    /// In the order in which they are sent, give or take a second: a storm that is reported while it lasts.
    InOrder,
    /// Some time in one minute, in no order: one that was over before its reports came.
    Scattered,
}

impl Crashed {
    /// The second, since 1970, the first having crashed at another.
    fn at(self, first: u64, number: u64, place: u64) -> u64 {
        let chance = mix(number);
        match self {
            Crashed::InOrder => first + place / A_SECOND + chance % 2,
            Crashed::Scattered => first - chance % 60,
        }
    }
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |it| it.as_secs())
}

/// Packed envelopes, one report each.
pub struct Bodies {
    /// None where each is packed when it is asked for.
    packed_bodies: Option<Vec<Vec<u8>>>,
    /// The mean length of the JSON, bytes.
    pub plain: usize,
    /// The mean length on the wire, bytes.
    pub packed: usize,
}

impl Bodies {
    /// Packs this many, on all processors. They crash from now on, or have just crashed.
    pub fn pack(many: usize, crashed: Crashed) -> Bodies {
        let threads = std::thread::available_parallelism().map_or(2, usize::from);
        let (run, begun) = (u64::from(std::process::id()) << 32, now());
        let parts = std::thread::scope(|scope| {
            let each = many.div_ceil(threads).max(1);
            let pack = |first: usize| {
                let places = first..many.min(first + each);
                move || {
                    let one = |place: usize| {
                        let number = run | place as u64;
                        pack_at(number, crashed.at(begun, number, place as u64))
                    };
                    places.map(one).collect::<Vec<_>>()
                }
            };
            let parts: Vec<_> = (0..many).step_by(each).map(|first| scope.spawn(pack(first))).collect();
            parts.into_iter().flat_map(|part| part.join().unwrap_or_default()).collect::<Vec<_>>()
        });
        let plain = parts.iter().map(|part| part.0).sum::<usize>() / parts.len().max(1);
        let packed = parts.iter().map(|part| part.1.len()).sum::<usize>() / parts.len().max(1);
        Bodies { packed_bodies: Some(parts.into_iter().map(|part| part.1).collect()), plain, packed }
    }

    /// As many as anybody asks for, each of which has just crashed.
    pub fn endless() -> Bodies {
        Bodies { packed_bodies: None, plain: 0, packed: 0 }
    }

    /// The body with that number; none when all were sent.
    pub fn get(&self, number: usize) -> Option<Cow<'_, [u8]>> {
        match &self.packed_bodies {
            Some(bodies) => bodies.get(number).map(|body| Cow::Borrowed(body.as_slice())),
            None => Some(Cow::Owned(pack_at((u64::from(std::process::id()) << 32) | number as u64, now()).1)),
        }
    }
}

fn pack_at(number: u64, crashed: u64) -> (usize, Vec<u8>) {
    let text = envelope(number, crashed);
    let mut gzip = GzEncoder::new(Vec::with_capacity(2048), Compression::fast());
    // Writing into memory does not fail.
    let packed = gzip.write_all(text.as_bytes()).and_then(|()| gzip.finish()).unwrap_or_default();
    (text.len(), packed)
}

/// SplitMix64 (Steele, Lea, Flood 2014), from the report's number.
fn mix(number: u64) -> u64 {
    let z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn envelope(number: u64, crashed: u64) -> String {
    let chance = mix(number);
    let signature = chance % SIGNATURES;
    let id = format!("{:016x}{:016x}", number, chance);
    let frames: Vec<String> = (0..18)
        .map(|depth| {
            let function = mix(signature * 64 + depth) % 5000;
            format!(
                r#"{{"function":"handle_{function:04}","module":"relay.connection.part_{part}","filename":"src/connection/part_{part}.rs","lineno":{line},"in_app":{own},"instruction_addr":"0x{address:012x}"}}"#,
                part = function % 97,
                line = function % 900 + 1,
                own = depth > 6,
                address = mix(function) & 0xffff_ffff_ffff
            )
        })
        .collect();
    let crumbs: Vec<String> = (0..8)
        .map(|at| {
            format!(
                r#"{{"timestamp":{crashed}.{at}25,"category":"connection","level":"info","message":"peer {:04x} sent {} bytes"}}"#,
                mix(chance + at) & 0xffff,
                mix(chance + at) % 4096
            )
        })
        .collect();
    let event = format!(
        r#"{{"event_id":"{id}","timestamp":{crashed}.5,"platform":"native","level":"fatal","release":"relay@{release}","environment":"production","server_name":"relay-{host:03}","tags":{{"cell":"eu-{cell}","clients_dropped":"{clients}","kernel":"6.1.0-18-amd64"}},"contexts":{{"os":{{"name":"Linux","version":"6.1.0"}},"device":{{"arch":"x86_64","memory_size":8589934592}}}},"breadcrumbs":{{"values":[{}]}},"exception":{{"values":[{{"type":"Fault{signature}","value":"frame of {} bytes","mechanism":{{"type":"signal","handled":false}},"stacktrace":{{"frames":[{}]}}}}]}}}}"#,
        crumbs.join(","),
        chance % 65_536,
        frames.join(","),
        release = 1 + chance % 3,
        host = chance % 240,
        cell = chance % 6,
        clients = chance % 90,
    );
    format!("{{\"event_id\":\"{id}\"}}\n{{\"type\":\"event\",\"length\":{}}}\n{event}\n", event.len())
}
