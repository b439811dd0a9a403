//! Putting a server together and running it. The same for the program and for tests.

use crate::{
    clock::Clock,
    config::Config,
    flows, secret,
    store::Store,
    web::{self, App},
    workers::{commit_telemetry::Telemetry, judge_live::Judging, look_after_store::LookingAfter},
};
use actix_web::{HttpServer, dev::Server, web::Data};
use std::{io, net::SocketAddr, sync::Arc, thread::JoinHandle, time::Duration};

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
        let listener = std::net::TcpListener::bind(config.listen).map_err(|error| {
            io::Error::new(error.kind(), format!("{} cannot be listened on: {error}", config.listen))
        })?;
        let address = listener.local_addr()?;
        let looking_after = LookingAfter::start(store.clone(), clock)?;
        let (judging, judge) = waiting(|| Judging::start(store.clone(), clock))?;
        let wake = judging.clone();
        let (telemetry, writer) = Telemetry::start(store.clone(), clock, move || wake.wake())?;
        let base_url = config.base_url.clone().unwrap_or_else(|| format!("http://{address}"));
        let app = Data::from(Arc::new(App::new(store, clock, telemetry, judging.clone(), base_url, config.demo)));
        let shared = app.clone();
        let server = HttpServer::new(move || web::application(shared.clone()))
            .tcp_nodelay(true)
            .client_request_timeout(Duration::from_secs(10))
            .shutdown_timeout(8)
            .workers(std::thread::available_parallelism().map_or(2, usize::from).clamp(2, 8))
            .listen(listener)?
            .run();
        Ok(Application { server, address, app, workers: Workers { judging, judge, writer, looking_after } })
    }

    /// Serves until told to stop (SIGTERM, SIGINT), lets requests under way finish, commits what was taken, and ends.
    pub async fn run(self) -> io::Result<()> {
        let Application { server, app, workers, .. } = self;
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
