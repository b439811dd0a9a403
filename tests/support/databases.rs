//! Throw-away databases: a SQLite file in a folder of its own, or a fresh database in the run's PostgreSQL cluster.

use super::{eventually, postgres::Cluster, server::PASSWORD};
use diesel::{Connection, QueryableByName, RunQueryDsl, SqliteConnection, sql_query, sql_types::Text};
use pushback::{
    flows::sign_in::hash_password,
    store::{Store, StoreError},
};
use std::sync::{
    OnceLock,
    atomic::{AtomicU32, Ordering},
};
use tempfile::TempDir;

/// The two engines that everything must work on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// The embedded one.
    Sqlite,
    /// A server.
    Postgres,
}

impl Engine {
    /// Both.
    pub const BOTH: [Engine; 2] = [Engine::Sqlite, Engine::Postgres];
}

/// A database of one test.
pub struct TestDatabase {
    /// Its URL, as an operator would write it.
    pub url: String,
    /// Which engine.
    pub engine: Engine,
    folder: TempDir,
}

impl TestDatabase {
    /// A new, empty database.
    pub fn new(engine: Engine) -> TestDatabase {
        TestDatabase::made(engine, "")
    }

    /// A database with the told story in it, where everybody has [`PASSWORD`]. The story is loaded and judged once per run
    /// and engine; this is a copy.
    pub fn told(engine: Engine) -> TestDatabase {
        static TOLD: [OnceLock<TestDatabase>; 2] = [OnceLock::new(), OnceLock::new()];
        let told = TOLD[engine as usize].get_or_init(|| {
            let database = TestDatabase::new(engine);
            load_story(&database.open());
            database
        });
        match engine {
            Engine::Sqlite => {
                let copy = TestDatabase::new(engine);
                let path = copy.url.trim_start_matches("sqlite:");
                told.batch(&format!("vacuum into '{path}'")).expect("the story is copied");
                copy
            }
            Engine::Postgres => {
                let name = told.url.rsplit('/').next().expect("a name");
                // Connections that were closed a moment ago may still be on their way out.
                TestDatabase::made(engine, &format!(" template {name}"))
            }
        }
    }

    fn made(engine: Engine, how: &str) -> TestDatabase {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let folder = TempDir::with_prefix("pushback-test-").expect("a temporary folder");
        let url = match engine {
            Engine::Sqlite => format!("sqlite:{}", folder.path().join("pushback.sqlite3").display()),
            Engine::Postgres => {
                let name = format!("t{}", NUMBER.fetch_add(1, Ordering::Relaxed));
                let statement = format!("create database {name}{how}");
                eventually(&statement, 20, || postgres_batch(&Cluster::get().url("postgres"), &statement).ok());
                Cluster::get().url(&name)
            }
        };
        TestDatabase { url, engine, folder }
    }

    /// Brings it forward by one migration, as a version of the program would have that knew no later one.
    pub fn migrate(&self, name: &str) {
        let folder = match self.engine {
            Engine::Sqlite => "sqlite",
            Engine::Postgres => "postgresql",
        };
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(folder).join(name);
        let up = std::fs::read_to_string(path.join("up.sql")).expect(name);
        let version: String = name.split('_').next().unwrap_or(name).replace('-', "");
        let ours = match self.engine {
            Engine::Sqlite => "pragma application_id = 1347769160;",
            Engine::Postgres => "",
        };
        self.batch(&format!(
            "{ours} create table if not exists __diesel_schema_migrations \
             (version varchar(50) primary key not null, run_on timestamp not null default current_timestamp); \
             {up}; insert into __diesel_schema_migrations (version) values ('{version}');"
        ))
        .expect(name);
    }

    /// A SQLite file that is there already.
    pub fn at(path: &std::path::Path) -> TestDatabase {
        let folder = TempDir::with_prefix("pushback-test-").expect("a temporary folder");
        TestDatabase { url: format!("sqlite:{}", path.display()), engine: Engine::Sqlite, folder }
    }

    /// The first database of a PostgreSQL cluster of one's own.
    pub fn on(cluster: &Cluster) -> TestDatabase {
        let folder = TempDir::with_prefix("pushback-test-").expect("a temporary folder");
        TestDatabase { url: cluster.url("postgres"), engine: Engine::Postgres, folder }
    }

    /// Opens it as the program does.
    pub fn open(&self) -> Store {
        Store::open(&self.url).expect("an empty database opens")
    }

    /// The folder that goes with it.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// A bare connection to the SQLite file.
    pub fn sqlite(&self) -> SqliteConnection {
        let path = self.url.strip_prefix("sqlite:").expect("a SQLite database");
        let mut connection = SqliteConnection::establish(path).expect("the file opens");
        diesel::connection::SimpleConnection::batch_execute(&mut connection, "pragma busy_timeout = 10000")
            .expect("a pragma");
        connection
    }

    /// What a statement with one column of text named `t` gives back, read behind the program's back.
    pub fn texts(&self, statement: &str) -> Vec<String> {
        match self.engine {
            Engine::Sqlite => sqlite_texts(&mut self.sqlite(), statement),
            Engine::Postgres => postgres_texts(&self.url, statement).expect(statement),
        }
    }

    /// Runs statements behind the program's back.
    pub fn batch(&self, statements: &str) -> Result<(), String> {
        match self.engine {
            Engine::Sqlite => diesel::connection::SimpleConnection::batch_execute(&mut self.sqlite(), statements)
                .map_err(|error| error.to_string()),
            Engine::Postgres => postgres_batch(&self.url, statements),
        }
    }
}

fn load_story(store: &Store) {
    pushback::demo::load(store).expect("the story loads");
    let hash = hash_password(PASSWORD, "").expect("a good password");
    let people = store.read::<_, StoreError>(|read| read.people()).expect("people");
    for person in people {
        store.keep::<_, StoreError>(|tx| tx.set_password(&person.id, &hash)).expect("a password is set");
    }
}

/// Runs a test of the store on both engines, each with an empty database.
pub fn on_both(test: impl Fn(&Store)) {
    for engine in Engine::BOTH {
        println!("on {engine:?}");
        let database = TestDatabase::new(engine);
        test(&database.open());
    }
}

fn with_postgres<T>(
    url: &str,
    body: impl AsyncFnOnce(tokio_postgres::Client) -> Result<T, tokio_postgres::Error>,
) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let result = runtime.block_on(async {
        let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
        let driving = tokio::spawn(connection);
        let result = body(client).await;
        driving.abort();
        result
    });
    result.map_err(|error| match error.as_db_error() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    })
}

fn postgres_batch(url: &str, statements: &str) -> Result<(), String> {
    with_postgres(url, async |client| client.batch_execute(statements).await)
}

fn postgres_texts(url: &str, statement: &str) -> Result<Vec<String>, String> {
    use tokio_postgres::SimpleQueryMessage;
    let messages = with_postgres(url, async |client| client.simple_query(statement).await)?;
    let rows = messages.into_iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row.get("t").unwrap_or("").to_owned()),
        _ => None,
    });
    Ok(rows.collect())
}

fn sqlite_texts(connection: &mut SqliteConnection, statement: &str) -> Vec<String> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        t: String,
    }
    let rows: Vec<Row> = sql_query(statement).load(connection).expect(statement);
    rows.into_iter().map(|row| row.t).collect()
}
