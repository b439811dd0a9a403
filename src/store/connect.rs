//! Connections: which engine a URL names, how a connection is opened, and what is checked before it is used.

use super::{
    StoreError,
    condition::{Health, Listener},
};
use diesel::migration::MigrationSource;
use diesel::{
    Connection, RunQueryDsl, SqliteConnection,
    connection::SimpleConnection,
    r2d2, sql_query,
    sql_types::{BigInt, Text},
};
use diesel_async::{
    AsyncPgConnection,
    async_connection_wrapper::{AsyncConnectionWrapper, BlockOn},
};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use std::{
    cell::RefCell,
    future::Future,
    path::{Path, PathBuf},
    sync::Arc,
};

const SQLITE_MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
const POSTGRESQL_MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/postgresql");

/// Marks a SQLite file as ours: "PUSH".
const APPLICATION_ID: i64 = 0x5055_5348;

/// The oldest SQLite without the WAL-reset race that could corrupt a database with two writers.
const OLDEST_SQLITE: (u32, u32, u32) = (3, 51, 3);

/// A connection to one of the two engines. There are a handful of them, so that their difference in size costs nothing.
#[allow(clippy::large_enum_variant)]
pub enum Db {
    /// The embedded engine.
    Sqlite(SqliteConnection),
    /// A server.
    Postgres(PgConnection),
}

/// A blocking connection to PostgreSQL in pure Rust.
pub type PgConnection = AsyncConnectionWrapper<AsyncPgConnection, OwnRuntime>;

/// Which engine, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Backend {
    /// A file.
    Sqlite(PathBuf),
    /// A URL `postgres://…`.
    Postgres(String),
}

impl Backend {
    /// Reads a database URL: `sqlite:PATH`, `sqlite://PATH` or `postgres://…`. A scheme that is not known is refused.
    pub fn parse(url: &str) -> Result<Backend, StoreError> {
        if let Some(path) = url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:")) {
            return match path {
                "" => Err(StoreError::Unusable(
                    "a path is expected after sqlite:, as in sqlite:./data/pushback.sqlite3".into(),
                )),
                path => Ok(Backend::Sqlite(PathBuf::from(path))),
            };
        }
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Ok(Backend::Postgres(url.to_owned()));
        }
        Err(StoreError::Unusable(format!(
            "the database URL must begin with sqlite: or postgres://, found {}",
            redact(url)
        )))
    }

    /// Opens a connection. `writes` is false for readers, which cannot change anything on SQLite.
    pub(super) fn connect(&self, writes: bool) -> Result<Db, StoreError> {
        match self {
            Backend::Sqlite(path) => connect_sqlite(path, writes).map(Db::Sqlite),
            Backend::Postgres(url) => connect_postgres(url).map(Db::Postgres),
        }
    }
}

/// A database URL without its password, for messages and logs.
pub fn redact(url: &str) -> String {
    match (url.find("://"), url.rfind('@')) {
        (Some(scheme), Some(at)) if at > scheme => format!("{}://…{}", &url[..scheme], &url[at..]),
        _ => url.to_owned(),
    }
}

#[derive(diesel::QueryableByName)]
pub(super) struct TextRow {
    #[diesel(sql_type = Text)]
    pub(super) value: String,
}

#[derive(diesel::QueryableByName)]
pub(super) struct NumberRow {
    #[diesel(sql_type = BigInt)]
    pub(super) value: i64,
}

fn pragma(connection: &mut SqliteConnection, name: &str) -> Result<i64, StoreError> {
    let row: NumberRow = sql_query(format!("select {name} as value from pragma_{name}")).get_result(connection)?;
    Ok(row.value)
}

/// Opens a file that must be ours as it is: no pragma that changes it, and nothing made where nothing is.
pub(super) fn open_copy(path: &Path) -> Result<SqliteConnection, StoreError> {
    let unusable = |error: &dyn std::fmt::Display| {
        StoreError::Unusable(format!("{} cannot be read as a database of Pushback: {error}", path.display()))
    };
    if !path.is_file() {
        return Err(unusable(&"there is no such file"));
    }
    let mut connection = SqliteConnection::establish(&path.to_string_lossy()).map_err(|error| unusable(&error))?;
    connection
        .batch_execute("pragma busy_timeout = 5000; pragma trusted_schema = off;")
        .map_err(|error| unusable(&error))?;
    let owner = pragma(&mut connection, "application_id").map_err(|error| unusable(&error))?;
    if owner != APPLICATION_ID {
        return Err(unusable(&"it belongs to another program"));
    }
    Ok(connection)
}

fn connect_sqlite(path: &Path, writes: bool) -> Result<SqliteConnection, StoreError> {
    let mut connection = SqliteConnection::establish(&path.to_string_lossy())
        .map_err(|error| StoreError::Unusable(format!("{} cannot be opened: {error}", path.display())))?;
    let foreign = |error: diesel::result::Error| match error.to_string() {
        text if text.contains("not a database") => StoreError::Unusable(format!(
            "{} is not an SQLite database. Name another file with --database, or move this one away",
            path.display()
        )),
        text => StoreError::Unusable(format!("{} cannot be used: {text}", path.display())),
    };
    connection.batch_execute("pragma busy_timeout = 5000;").map_err(foreign)?;
    let version: TextRow = sql_query("select sqlite_version() as value").get_result(&mut connection)?;
    let mut numbers = version.value.split('.').map(|part| part.parse().unwrap_or(0));
    let found = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if found < OLDEST_SQLITE {
        return Err(StoreError::Unusable(format!(
            "SQLite {} can corrupt a database; 3.51.3 or newer is needed",
            version.value
        )));
    }
    let owner = pragma(&mut connection, "application_id")?;
    let tables: NumberRow =
        sql_query("select count(*) as value from sqlite_master").get_result(&mut connection).map_err(foreign)?;
    match owner {
        APPLICATION_ID => {}
        0 if tables.value == 0 => {
            connection.batch_execute(&format!("pragma application_id = {APPLICATION_ID};")).map_err(foreign)?;
        }
        _ => {
            return Err(StoreError::Unusable(format!(
                "{} belongs to another program. Name another file with --database",
                path.display()
            )));
        }
    }
    // Whoever commits copies the log into the file only where it has grown large: a worker does that beside the commits, since
    // the file's fsync can take a second.
    connection
        .batch_execute(
            "pragma journal_mode = wal; pragma synchronous = full; pragma foreign_keys = on; pragma trusted_schema = off;
             pragma cell_size_check = on; pragma secure_delete = fast; pragma mmap_size = 0; pragma temp_store = memory; pragma wal_autocheckpoint = 8000;
             pragma journal_size_limit = 67108864;",
        )
        .map_err(foreign)?;
    if !writes {
        connection.batch_execute("pragma query_only = on;").map_err(foreign)?;
    }
    // Read back: a pragma that is misspelt or refused says nothing.
    for (name, wanted) in [("synchronous", 2), ("foreign_keys", 1), ("query_only", i64::from(!writes))] {
        if pragma(&mut connection, name)? != wanted {
            return Err(StoreError::Unusable(format!(
                "{}: pragma {name} could not be set to {wanted}",
                path.display()
            )));
        }
    }
    Ok(connection)
}

fn connect_postgres(url: &str) -> Result<PgConnection, StoreError> {
    let unusable =
        |error: &dyn std::fmt::Display| StoreError::Unusable(format!("{} cannot be reached: {error}", redact(url)));
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| unusable(&error))?;
    let runtime = Arc::new(runtime);
    let config: tokio_postgres::Config = url.parse().map_err(|error| unusable(&error))?;
    let connection = runtime
        .block_on(async {
            let connect = async {
                let (client, connection) = config.connect(tls()?).await.map_err(|error| full_text(&error))?;
                AsyncPgConnection::try_from_client_and_connection(client, connection)
                    .await
                    .map_err(|error| error.to_string())
            };
            match tokio::time::timeout(std::time::Duration::from_secs(5), connect).await {
                Ok(connected) => connected,
                Err(_) => Err("no answer in 5 seconds".to_owned()),
            }
        })
        .map_err(|error| unusable(&error))?;
    HANDED_OVER.with(|slot| slot.replace(Some(runtime)));
    let mut connection = PgConnection::from(connection);
    connection.batch_execute(
        // Whoever turned synchronous commits off did not have this program in mind: it answers only what is durable.
        "set timezone = 'UTC'; set statement_timeout = '30s'; set lock_timeout = '10s'; \
         select set_config('synchronous_commit', 'on', false) where current_setting('synchronous_commit') = 'off';",
    )?;
    Ok(connection)
}

fn full_text(error: &tokio_postgres::Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

fn tls() -> Result<tokio_postgres_rustls::MakeRustlsConnect, String> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let config = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(tokio_postgres_rustls::MakeRustlsConnect::new(config))
}

thread_local! {
    // `AsyncConnectionWrapper` asks for a runtime without saying for whom; the connection that is being wrapped must keep
    // the one that drives it.
    static HANDED_OVER: RefCell<Option<Arc<tokio::runtime::Runtime>>> = const { RefCell::new(None) };
}

/// The runtime that drives one PostgreSQL connection.
pub struct OwnRuntime(Arc<tokio::runtime::Runtime>);

impl BlockOn for OwnRuntime {
    fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.0.block_on(future)
    }

    fn get_runtime() -> OwnRuntime {
        OwnRuntime(
            HANDED_OVER
                .with(RefCell::take)
                .expect("connect_postgres hands a runtime over before it wraps a connection"),
        )
    }
}

/// The versions of the schema that a database has been through and this program does not know, and those that it knows
/// and the database has not seen.
fn strange_and_pending(db: &mut Db) -> Result<(Vec<String>, Vec<String>), StoreError> {
    fn known<B: diesel::backend::Backend>(source: EmbeddedMigrations) -> Result<Vec<String>, StoreError> {
        let migrations = MigrationSource::<B>::migrations(&source)
            .map_err(|error| StoreError::Other(format!("the program's own migrations cannot be read: {error}")))?;
        Ok(migrations.iter().map(|it| it.name().version().to_string()).collect())
    }
    let known = match db {
        Db::Sqlite(_) => known::<diesel::sqlite::Sqlite>(SQLITE_MIGRATIONS)?,
        Db::Postgres(_) => known::<diesel::pg::Pg>(POSTGRESQL_MIGRATIONS)?,
    };
    let there = "select cast(count(*) as bigint) as value from";
    let table = match db {
        Db::Sqlite(_) => format!("{there} sqlite_master where name = '__diesel_schema_migrations'"),
        Db::Postgres(_) => {
            format!("{there} pg_class where relname = '__diesel_schema_migrations' and pg_table_is_visible(oid)")
        }
    };
    let tables: NumberRow = super::on_each!(db, c => sql_query(table).get_result(c))?;
    let applied: Vec<TextRow> = if tables.value == 0 {
        Vec::new()
    } else {
        let versions = "select cast(version as text) as value from __diesel_schema_migrations";
        super::on_each!(db, c => sql_query(versions).load(c))?
    };
    let strange = applied.iter().filter(|it| !known.contains(&it.value)).map(|it| it.value.clone()).collect();
    let pending = known.into_iter().filter(|it| applied.iter().all(|applied| applied.value != *it)).collect();
    Ok((strange, pending))
}

/// Refuses a database whose schema is newer than this program.
pub(super) fn refuse_newer(db: &mut Db, name: &str) -> Result<Vec<String>, StoreError> {
    let (strange, pending) = strange_and_pending(db)?;
    match strange.iter().max() {
        None => Ok(pending),
        Some(version) => Err(StoreError::Unusable(format!(
            "{name} was brought to schema {version} by a newer version of Pushback, which this one does not know. Start \
             that version or a newer one, or restore a copy from before"
        ))),
    }
}

/// Brings the database to the newest schema; a SQLite file that is not new is copied first. A database that is newer than
/// this program is refused.
pub(super) fn migrate(backend: &Backend, db: &mut Db) -> Result<(), StoreError> {
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| {
        StoreError::Unusable(format!("the database could not be brought to this version's schema: {error}"))
    };
    let (name, file) = match backend {
        Backend::Sqlite(path) => (path.display().to_string(), Some(path)),
        Backend::Postgres(url) => (redact(url), None),
    };
    let pending = refuse_newer(db, &name)?;
    let is_new = match db {
        Db::Sqlite(c) => {
            let tables: NumberRow = sql_query("select count(*) as value from sqlite_master").get_result(c)?;
            tables.value == 0
        }
        Db::Postgres(_) => false,
    };
    if let (Some(file), Some(version), false) = (file, pending.iter().max(), is_new) {
        super::copies::copy_before(file, version)?;
    }
    match db {
        Db::Sqlite(c) => {
            c.run_pending_migrations(SQLITE_MIGRATIONS).map_err(failed)?;
        }
        Db::Postgres(c) => {
            c.run_pending_migrations(POSTGRESQL_MIGRATIONS).map_err(failed)?;
            let setting = |c: &mut PgConnection, name: &str| -> Result<String, StoreError> {
                let row: TextRow = sql_query(format!("select current_setting('{name}') as value")).get_result(c)?;
                Ok(row.value)
            };
            refuse_loss(&setting(c, "fsync")?, &setting(c, "full_page_writes")?)?;
            let usual: TextRow =
                sql_query("select coalesce(reset_val, '') as value from pg_settings where name = 'synchronous_commit'")
                    .get_result(c)?;
            if usual.value == "off" {
                tracing::warn!(
                    "this PostgreSQL answers commits before they are durable (synchronous_commit = off); every connection of this \
                     program turns it on for itself"
                );
            }
        }
    }
    Ok(())
}

/// Reads the whole of a SQLite file for broken pages.
pub(super) fn quick_check(db: &mut Db) -> Result<(), StoreError> {
    let Db::Sqlite(c) = db else { return Ok(()) };
    let said: Vec<TextRow> = sql_query("select quick_check as value from pragma_quick_check limit 1").load(c)?;
    match said.iter().find(|said| said.value != "ok") {
        None => Ok(()),
        Some(said) => Err(StoreError::Corrupt(format!("{}. Restore a backup with pushback restore", said.value))),
    }
}

/// Copies the write-ahead log into the file as far as nobody reads it, beside whoever writes.
pub(super) fn copy_log(db: &mut Db) -> Result<(), StoreError> {
    let Db::Sqlite(c) = db else { return Ok(()) };
    Ok(c.batch_execute("pragma busy_timeout = 0; pragma wal_checkpoint(passive);")?)
}

/// Empties the write-ahead log into the file, without waiting for anybody. Whether it is empty now.
pub(super) fn empty_log(db: &mut Db) -> Result<bool, StoreError> {
    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = BigInt)]
        busy: i64,
    }
    let Db::Sqlite(c) = db else { return Ok(true) };
    // Most of the work beside the writer, who then waits for the rest only.
    c.batch_execute("pragma busy_timeout = 0; pragma wal_checkpoint(passive);")?;
    let done: Row = sql_query("pragma wal_checkpoint(truncate)").get_result(c)?;
    Ok(done.busy == 0)
}

/// Refuses a PostgreSQL that may lose what it said is committed, or the whole cluster, when its machine fails.
fn refuse_loss(fsync: &str, full_page_writes: &str) -> Result<(), StoreError> {
    for (name, value) in [("fsync", fsync), ("full_page_writes", full_page_writes)] {
        if value == "off" {
            return Err(StoreError::Unusable(format!(
                "this PostgreSQL runs with {name} = off: what it acknowledged can be lost when its machine fails. Set {name} = on \
                 in postgresql.conf and reload it, then start again"
            )));
        }
    }
    Ok(())
}

/// Makes pooled connections.
#[derive(Debug)]
pub(super) struct Manager {
    pub(super) backend: Backend,
    pub(super) writes: bool,
    pub(super) health: Arc<Health>,
    pub(super) generation: u64,
}

impl r2d2::ManageConnection for Manager {
    type Connection = Db;
    type Error = StoreError;

    fn connect(&self) -> Result<Db, StoreError> {
        let mut db = self.backend.connect(self.writes)?;
        // A server looks after its own disk.
        if let Db::Sqlite(c) = &mut db {
            c.set_instrumentation(Listener { health: self.health.clone(), generation: self.generation });
        }
        Ok(db)
    }

    fn is_valid(&self, db: &mut Db) -> Result<(), StoreError> {
        match db {
            Db::Sqlite(_) => Ok(()),
            Db::Postgres(c) => Ok(c.batch_execute("select 1")?),
        }
    }

    fn has_broken(&self, db: &mut Db) -> bool {
        use diesel::connection::{TransactionManager, TransactionManagerStatus};
        fn broken<C: Connection>(connection: &mut C) -> bool
        where
            C::TransactionManager: TransactionManager<C>,
        {
            std::thread::panicking() || C::TransactionManager::is_broken_transaction_manager(connection)
        }
        let _: Option<TransactionManagerStatus> = None;
        match db {
            Db::Sqlite(c) => broken(c),
            Db::Postgres(c) => broken(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_postgresql_that_may_lose_what_it_acknowledged_is_refused_with_the_setting() {
        assert!(refuse_loss("on", "on").is_ok());
        for (fsync, pages, named) in [("off", "on", "fsync = on"), ("on", "off", "full_page_writes = on")] {
            let error = refuse_loss(fsync, pages).expect_err("refused").to_string();
            assert!(error.contains(named), "{error}");
        }
    }

    #[test]
    fn an_unknown_scheme_is_refused_and_a_password_never_shown() {
        assert_eq!(Backend::parse("sqlite:./x.sqlite3").expect("valid"), Backend::Sqlite("./x.sqlite3".into()));
        assert!(Backend::parse("sqlite:").is_err());
        let error = Backend::parse("mysql://root:hunter2@db/x").expect_err("unknown").to_string();
        assert!(error.contains("mysql://…@db/x") && !error.contains("hunter2"), "{error}");
    }
}
