//! A server in this process, on a port of its own and with a database that is thrown away.

use super::{Client, Engine, TestDatabase, at};
use pushback::{
    clock::Clock,
    config::{Config, Kept},
    demo,
    domain::access::Role,
    flows::administer,
    serve::Application,
    store::{Actor, Store, people::Person},
};
use std::{net::SocketAddr, sync::mpsc, thread::JoinHandle};

/// The password of everybody in tests.
pub const PASSWORD: &str = "correct horse battery staple";

/// A running server with its database.
pub struct TestApp {
    /// Where it is reached.
    pub base: String,
    /// Its database, to look behind the pages.
    pub store: Store,
    /// Where that is, for statements behind the program's back.
    pub database: TestDatabase,
    handle: actix_web::dev::ServerHandle,
    thread: Option<JoinHandle<()>>,
}

impl TestApp {
    /// An empty installation.
    pub fn start(engine: Engine) -> TestApp {
        let database = TestDatabase::new(engine);
        let store = database.open();
        TestApp::serve(database, store, Clock::system(), false)
    }

    /// The told story, at its end. Whoever comes from this machine is signed in.
    pub fn demo(engine: Engine) -> TestApp {
        TestApp::story(engine, true)
    }

    /// The told story, at its end, where one has to sign in. Everybody has [`PASSWORD`].
    pub fn told(engine: Engine) -> TestApp {
        TestApp::story(engine, false)
    }

    fn story(engine: Engine, demo: bool) -> TestApp {
        let database = TestDatabase::told(engine);
        let store = database.open();
        TestApp::serve(database, store, Clock::starting_at(at(demo::NOW)), demo)
    }

    fn serve(database: TestDatabase, store: Store, clock: Clock, demo: bool) -> TestApp {
        let config = Config {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            database: database.url.clone(),
            base_url: None,
            kept: Kept::default(),
            demo,
        };
        let (ready, started) = mpsc::channel();
        let kept = store.clone();
        let thread = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let application = Application::build(&config, kept, clock).expect("the server starts");
                ready.send((application.address, application.handle())).expect("the test waits");
                application.run().await.expect("the server runs");
            });
        });
        let (address, handle) = started.recv().expect("the server starts");
        TestApp { base: format!("http://{address}"), store, database, handle, thread: Some(thread) }
    }

    /// Somebody who has just come.
    pub fn client(&self) -> Client {
        Client::new(&self.base)
    }

    /// Adds somebody with a role and [`PASSWORD`].
    pub fn add_person(&self, email: &str, role: Role) -> Person {
        let now = Clock::system().now();
        administer::add_person(
            &self.store,
            &Actor::console(),
            administer::NewPerson { email, name: None, team: None, role, password: Some(PASSWORD) },
            now,
        )
        .expect("somebody is added")
    }

    /// Somebody of that role, signed in.
    pub fn signed_in(&self, role: Role) -> Client {
        let email = format!("{}@example.com", role.word());
        self.add_person(&email, role);
        let client = self.client();
        client.sign_in(&email, PASSWORD);
        client
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        drop(self.handle.stop(false));
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
            && !std::thread::panicking()
        {
            panic!("the server ended badly");
        }
    }
}
