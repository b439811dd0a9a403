//! How quick the pages of the told story are, one reader at a time and several at once.

use crate::{
    senders::{Sent, read_answer},
    servers::Server,
};
use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};
use tokio::{io::AsyncWriteExt, net::TcpStream};

/// How long a server may take until it is ready.
const READY_WITHIN: Duration = Duration::from_secs(600);

const PAGES: [&str; 6] =
    ["/", "/services/relay/production", "/pushes/relay-118", "/regressions", "/continued", "/signatures"];

/// Serves the demo and reads its pages.
pub fn told_story(program: &Path, seconds: u64) -> Result<(), String> {
    let mut command = Command::new(program);
    command.args(["demo", "--listen", "127.0.0.1:0"]).env("PUSHBACK_LOG", "warn");
    let server = Server::start(&mut command, String::new(), false)?;
    println!("the told story, memory at rest: {:.1} MiB", server.memory()?.1);
    println!("{:<34}{:>8}{:>10}{:>10}{:>10}{:>14}", "page", "readers", "p50 ms", "p99 ms", "pages/s", "CPU ms/page");
    for page in PAGES {
        for readers in [1, 16] {
            let before = server.cpu()?;
            let sent = read(&server, page, None, (readers, Duration::ZERO), Duration::from_secs(seconds.min(3)))?;
            let cpu = server.cpu()? - before;
            if sent.refused > 0 {
                return Err(format!("{page}: {} answers were no page", sent.refused));
            }
            println!(
                "{page:<34}{readers:>8}{:>10.2}{:>10.2}{:>10.0}{:>14.2}",
                sent.percentile(0.5).as_secs_f64() * 1e3,
                sent.percentile(0.99).as_secs_f64() * 1e3,
                sent.accepted as f64 / sent.lasted.as_secs_f64(),
                cpu.as_secs_f64() * 1e3 / sent.accepted.max(1) as f64
            );
        }
    }
    println!("the most memory meanwhile: {:.1} MiB", server.memory()?.0);
    server.stop()
}

/// Waits until a server says that it is ready: until its judge has read what a database holds.
pub fn wait_until_ready(server: &Server) -> Result<(), String> {
    let began = Instant::now();
    while read(server, "/readyz", None, (1, Duration::ZERO), Duration::from_millis(1))?.refused > 0 {
        if began.elapsed() > READY_WITHIN {
            return Err(format!("{} was not ready after {} s", server.address, READY_WITHIN.as_secs()));
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    Ok(())
}

/// Reads a page again and again, from several readers at once, each of whom looks at it for a while, with a session's cookie
/// where there is one.
pub fn read(
    server: &Server,
    page: &str,
    cookie: Option<&str>,
    (readers, looks): (usize, Duration),
    length: Duration,
) -> Result<Sent, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|it| it.to_string())?;
    let cookie = cookie.map(|it| format!("Cookie: {it}\r\n")).unwrap_or_default();
    let request = format!("GET {page} HTTP/1.1\r\nHost: {}\r\nAccept-Encoding: gzip\r\n{cookie}\r\n", server.address);
    let address = server.address;
    runtime.block_on(async {
        let began = Instant::now();
        let until = began + length;
        let reader = |_| {
            let request = request.clone();
            tokio::spawn(async move {
                let (mut sent, mut answer) = (Sent::default(), Vec::new());
                let mut stream = TcpStream::connect(address).await?;
                while Instant::now() < until {
                    let began = Instant::now();
                    stream.write_all(request.as_bytes()).await?;
                    let status = read_answer(&mut stream, &mut answer).await?;
                    sent.note(status, began.elapsed());
                    tokio::time::sleep(looks).await;
                }
                Ok::<Sent, std::io::Error>(sent)
            })
        };
        let running: Vec<_> = (0..readers).map(reader).collect();
        let mut all = Sent::default();
        for task in running {
            all.add(task.await.map_err(|error| error.to_string())?.map_err(|error| format!("{page}: {error}"))?);
        }
        Ok(all.after(began.elapsed()))
    })
}
