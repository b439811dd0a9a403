//! Putting a server together and running it. The same for the program and for tests.

use crate::{
    clock::Clock,
    config::Config,
    flows, secret,
    store::Store,
    web::{self, App},
    workers::{commit_telemetry::Telemetry, judge_live::Judging, look_after_store::LookingAfter},
};
use actix_web::{
    HttpServer,
    dev::{Server, ServerHandle},
    web::Data,
};
use std::{
    future::{Future, poll_fn},
    io,
    net::{SocketAddr, TcpListener},
    sync::{Arc, Weak},
    task::Poll,
    thread::JoinHandle,
    time::Duration,
};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Why a server could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database.
    #[error(transparent)]
    Flow(#[from] flows::Error),
    /// The network or a thread.
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl From<crate::store::StoreError> for StartError {
    fn from(error: crate::store::StoreError) -> StartError {
        StartError::Flow(error.into())
    }
}

/// How long a server waits with its first answer for the judge to read the history.
const READ_BY: Duration = Duration::from_secs(10);
/// How long a server may take to end.
const END_BY: Duration = Duration::from_millis(9_500);
/// So many connections may wait to be accepted, or as many as the kernel allows. In a storm hundreds come at once, and one that finds no
/// room is tried again by its sender's kernel after a second.
const UNACCEPTED: i32 = 4_096;

/// A server that is bound and ready to run.
pub struct Application {
    server: Server,
    /// Where it listens.
    pub address: SocketAddr,
    /// What its handlers share.
    pub app: Data<App>,
    workers: Workers,
}

struct Workers {
    judging: Judging,
    judge: JoinHandle<()>,
    writer: JoinHandle<()>,
    looking_after: LookingAfter,
}

impl Application {
    /// Binds the address, starts the workers, and reads the history for the judge.
    pub fn build(config: &Config, store: Store, clock: Clock) -> Result<Application, StartError> {
        let listener = listen(config.listen)?;
        let address = listener.local_addr()?;
        let looking_after = LookingAfter::start(store.clone(), clock)?;
        let (judging, judge) = waiting(|| Judging::start(store.clone(), clock))?;
        // A short history is read before anybody asks; while a long one is read, gates say hold.
        if !waiting(|| judging.wait(READ_BY)) {
            tracing::warn!("the history is still being read; until then every gate says hold");
        }
        let wake = judging.clone();
        let (telemetry, writer) =
            waiting(|| Telemetry::start(store.clone(), clock, config.kept, move |fresh| wake.take(fresh)))?;
        let base_url = config.base_url.clone().unwrap_or_else(|| format!("http://{address}"));
        let app = Data::from(Arc::new(App::new(store, clock, telemetry, judging.clone(), base_url, config.demo)));
        let shared = app.clone();
        let server = HttpServer::new(move || web::application(shared.clone()))
            .tcp_nodelay(true)
            .client_request_timeout(Duration::from_secs(10))
            .shutdown_timeout(6)
            .workers(std::thread::available_parallelism().map_or(2, usize::from).clamp(2, 8))
            .disable_signals()
            .listen(listener)?
            .run();
        Ok(Application { server, address, app, workers: Workers { judging, judge, writer, looking_after } })
    }

    /// Serves until told to stop (SIGTERM, SIGINT), lets requests under way finish, commits what was taken, and ends, within
    /// ten seconds. Told a second time, it ends at once.
    pub async fn run(self) -> io::Result<()> {
        let Application { server, app, workers, .. } = self;
        actix_web::rt::spawn(mind_signals(server.handle(), Arc::downgrade(&app.clone().into_inner()))?);
        let served = server.await;
        // The writer ends when nobody can put anything any more, after it has committed what waits.
        drop(app);
        let ended = tokio::task::spawn_blocking(move || {
            let written = workers.writer.join().is_ok();
            workers.judging.stop();
            let judged = workers.judge.join().is_ok();
            drop(workers.looking_after);
            written && judged
        })
        .await
        .unwrap_or(false);
        if !ended {
            tracing::error!("a worker ended badly");
        }
        served
    }

    /// A handle that stops the server from elsewhere.
    pub fn handle(&self) -> actix_web::dev::ServerHandle {
        self.server.handle()
    }
}

/// Waits for a signal, stops the server, and sees that it ends.
fn mind_signals(server: ServerHandle, app: Weak<App>) -> io::Result<impl Future<Output = ()>> {
    let (mut term, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        signalled(&mut term, &mut interrupt).await;
        tracing::info!("told to stop: what is under way is finished, and what was taken is committed");
        if let Some(app) = app.upgrade() {
            app.stop();
        }
        let ending = std::thread::Builder::new().name("see-the-end".into()).spawn(move || {
            std::thread::sleep(END_BY);
            tracing::error!(
                "not everything came to an end in time; what was acknowledged is committed, the rest is not"
            );
            std::process::exit(1);
        });
        if let Err(error) = ending {
            tracing::warn!(%error, "nobody sees that this ends in time");
        }
        // Not awaited: a second signal must be heard meanwhile.
        drop(actix_web::rt::spawn(server.stop(true)));
        signalled(&mut term, &mut interrupt).await;
        tracing::warn!("told to stop a second time: ending now");
        std::process::exit(130);
    })
}

/// Waits for either signal.
async fn signalled(one: &mut Signal, other: &mut Signal) {
    poll_fn(|context| match (one.poll_recv(context), other.poll_recv(context)) {
        (Poll::Pending, Poll::Pending) => Poll::Pending,
        _ => Poll::Ready(()),
    })
    .await;
}

/// Binds an address, with room for a burst of connections.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)
        .map_err(|error| io::Error::new(error.kind(), format!("{address} cannot be listened on: {error}")))?;
    // The standard library makes room for 128.
    rustix::net::listen(&listener, UNACCEPTED)?;
    Ok(listener)
}

/// Runs something that waits for the database where requests are driven, which must not wait: in a thread of its own.
fn waiting<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| scope.spawn(work).join()).unwrap_or_else(|panicked| std::panic::resume_unwind(panicked))
}

/// A new one-time link for the first administrator, where nobody can sign in yet; links given out before end.
pub fn first_link(app: &App) -> Result<Option<String>, flows::Error> {
    let now = app.clock.now();
    let link = secret::new_secret("welcome");
    let invited = waiting(|| {
        if app.store.read::<_, flows::Error>(|read| Ok(read.has_administrator()?))? {
            return Ok(false);
        }
        flows::sign_in::invite(&app.store, None, &link, now)?;
        Ok::<_, flows::Error>(true)
    })?;
    Ok(invited.then(|| format!("{}/welcome/{link}", app.base_url)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpStream;

    #[test]
    fn a_burst_of_connections_is_taken_in_before_anybody_accepts_them() {
        let listener = listen("127.0.0.1:0".parse().expect("an address")).expect("listens");
        let address = listener.local_addr().expect("bound");
        let patience = Duration::from_millis(500);
        let connected: io::Result<Vec<_>> = (0..512).map(|_| TcpStream::connect_timeout(&address, patience)).collect();
        assert!(connected.is_ok(), "{connected:?}");
    }
}
