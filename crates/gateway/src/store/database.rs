//! One connection to SQLite or PostgreSQL, and what is said over it.
//!
//! Both are told the same statements. A connection is used by one task, for one thing at a time, within a time: whatever
//! goes wrong with it ends it, and the next thing opens another. A pool would only hide which one is stuck.
//!
//! Every write begins with the store's own row: it counts the writes, and no other node writes until it is through. So
//! revisions become visible in their order, and who asks for what is newer misses nothing.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Once;
use std::time::Duration;

use futures_util::TryStreamExt;
use sqlx::any::{AnyConnectOptions, AnyRow, install_default_drivers};
use sqlx::{AnyConnection, ConnectOptions, Connection, Row};

use super::StoreError;
use super::copy::Origin;
use super::rows::{ConsumerRow, CredentialRow};
use crate::pipeline::request_id::random;
use crate::secret::Secret;

/// Time to connect, to write, and until the next row of a read.
pub(super) const PATIENCE: Duration = Duration::from_secs(3);
/// Time for everything a store holds.
pub(super) const LOAD_PATIENCE: Duration = Duration::from_secs(60);

/// What makes the tables, in order. A database that has seen some of them gets the rest.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_callers.sql"),
    include_str!("migrations/0002_secrets.sql"),
    include_str!("migrations/0003_session_ends.sql"),
];
/// Two nodes that start at once do not make the tables twice.
const LOCK: &str = "SELECT pg_advisory_xact_lock(7164736318)";

/// Where the store is.
#[derive(Debug, Clone)]
pub enum Place {
    /// A file of SQLite, made when the first consumer is.
    Sqlite(PathBuf),
    /// A PostgreSQL database, by its URL.
    Postgres(Secret),
}

/// An open database.
pub(super) struct Database {
    pub(super) connection: AnyConnection,
    is_postgres: bool,
}

/// What one look at a store sees.
#[derive(Debug)]
pub(super) struct Look {
    /// The store, and how many writes of operators it has seen.
    pub(super) origin: Origin,
    /// How many writes of secrets.
    pub(super) secrets: i64,
    /// How many of ends of sessions.
    pub(super) ends: i64,
    /// Its clock, since 1970.
    pub(super) time: Duration,
}

impl Place {
    /// Its kind, for people.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "sqlite",
            Self::Postgres(_) => "postgresql",
        }
    }

    /// Whether nobody has written to it yet.
    pub(super) fn is_untouched(&self) -> bool {
        matches!(self, Self::Sqlite(path) if !path.exists())
    }

    fn url(&self) -> String {
        match self {
            Self::Sqlite(path) => format!("sqlite://{}?mode=rwc", escaped(path)),
            Self::Postgres(url) => postgres_url(url.expose()),
        }
    }
}

/// A URL that says how the server proves itself: one that is not on this machine by its certificate, unless it says
/// otherwise. The client's own default would go on in cleartext with whoever refuses TLS.
fn postgres_url(url: &str) -> String {
    let authority = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = authority.split(['/', '?']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let is_here = host.is_empty()
        || ["localhost", "127.", "[::1]"].iter().any(|here| host.starts_with(here))
        || url.contains("host=/");
    if is_here || url.contains("sslmode=") || url.contains("ssl-mode=") {
        return url.to_owned();
    }
    format!("{url}{}sslmode=verify-full", if url.contains('?') { '&' } else { '?' })
}

fn escaped(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte);
    let escape =
        |byte: u8| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    path.as_os_str().as_bytes().iter().copied().map(escape).collect()
}

/// Does something with the database, within a time.
pub(super) async fn within<T>(
    time: Duration,
    work: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let late = || StoreError::Away(format!("no answer within {time:?}"));
    tokio::time::timeout(time, work).await.unwrap_or_else(|_| Err(late()))
}

impl Database {
    /// Connects, and makes the tables that are not there yet.
    pub(super) async fn open(place: &Place) -> Result<Self, StoreError> {
        static DRIVERS: Once = Once::new();
        DRIVERS.call_once(install_default_drivers);
        // What the error would quote has the password in it.
        let options = AnyConnectOptions::from_str(&place.url())
            .map_err(|_| StoreError::Away("its URL cannot be read".to_owned()))?
            .disable_statement_logging();
        let connection = AnyConnection::connect_with(&options).await?;
        let mut database = Self { connection, is_postgres: matches!(place, Place::Postgres(_)) };
        if database.is_postgres {
            database.run("SET statement_timeout = 60000").await?;
            database.run("SET idle_in_transaction_session_timeout = 10000").await?;
        }
        database.migrate().await?;
        Ok(database)
    }

    /// Says one thing that answers nothing.
    pub(super) async fn run(&mut self, statement: &'static str) -> Result<(), StoreError> {
        sqlx::raw_sql(statement).execute(&mut self.connection).await?;
        Ok(())
    }

    /// Begins to write: nobody else does until the end.
    pub(super) async fn begin(&mut self) -> Result<(), StoreError> {
        self.run(if self.is_postgres { "BEGIN" } else { "BEGIN IMMEDIATE" }).await
    }

    async fn migrate(&mut self) -> Result<(), StoreError> {
        if self.version().await? == MIGRATIONS.len() {
            return Ok(());
        }
        self.begin().await?;
        if self.is_postgres {
            self.run(LOCK).await?;
        }
        let seen = self.version().await?;
        if seen > MIGRATIONS.len() {
            return Err(StoreError::Away("it was made by a newer release".to_owned()));
        }
        for migration in MIGRATIONS.iter().skip(seen) {
            self.run(migration).await?;
        }
        if seen == 0 {
            let id = format!("{:016x}{:016x}", random(), random());
            let made = "INSERT INTO portcullis_store (one, id, version, revision) VALUES (1, $1, 0, 0)";
            sqlx::query(made).bind(id).execute(&mut self.connection).await?;
        }
        let version = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
        let noted = "UPDATE portcullis_store SET version = $1";
        sqlx::query(noted).bind(version).execute(&mut self.connection).await?;
        self.run("COMMIT").await
    }

    /// How many migrations it has seen.
    async fn version(&mut self) -> Result<usize, StoreError> {
        let tables = if self.is_postgres {
            "SELECT count(*) FROM pg_catalog.pg_tables WHERE tablename = 'portcullis_store' AND schemaname = current_schema()"
        } else {
            "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'portcullis_store'"
        };
        let tables: i64 = sqlx::query(tables).fetch_one(&mut self.connection).await?.try_get(0)?;
        if tables == 0 {
            return Ok(0);
        }
        let version = "SELECT version FROM portcullis_store";
        let version: i64 = sqlx::query(version).fetch_one(&mut self.connection).await?.try_get(0)?;
        Ok(usize::try_from(version).unwrap_or(usize::MAX))
    }

    /// Whose store it is, and how far it has come.
    pub(super) async fn look(&mut self) -> Result<Look, StoreError> {
        let statement = if self.is_postgres { LOOK_POSTGRES } else { LOOK_SQLITE };
        let row = sqlx::query(statement).fetch_one(&mut self.connection).await?;
        let seconds: i64 = row.try_get("now")?;
        Ok(Look {
            origin: Origin { store: row.try_get("id")?, revision: row.try_get("revision")? },
            secrets: row.try_get("secrets")?,
            ends: row.try_get("ends")?,
            time: Duration::from_secs(u64::try_from(seconds).unwrap_or_default()),
        })
    }

    /// Every consumer that was written to after `revision`, each handed to `take` once it is whole. One statement: all
    /// of one moment.
    pub(super) async fn changed_since(
        &mut self,
        revision: i64,
        mut take: impl FnMut(ConsumerRow),
    ) -> Result<(), StoreError> {
        let mut rows = sqlx::query(CHANGED).bind(revision).fetch(&mut self.connection);
        let mut current: Option<ConsumerRow> = None;
        while let Some(row) = within(PATIENCE, async { Ok(rows.try_next().await?) }).await? {
            let name: String = row.try_get("consumer")?;
            if current.as_ref().is_none_or(|current| current.name != name) {
                current.replace(consumer(name, &row)?).into_iter().for_each(&mut take);
            }
            if let (Some(current), Some(id)) = (&mut current, row.try_get::<Option<String>, _>("id")?) {
                current.credentials.push(credential(id, &row)?);
            }
        }
        current.into_iter().for_each(take);
        Ok(())
    }

    /// One consumer, deleted or not.
    pub(super) async fn consumer(&mut self, name: &str) -> Result<Option<ConsumerRow>, StoreError> {
        let rows = sqlx::query(ONE).bind(name).fetch_all(&mut self.connection).await?;
        let Some(first) = rows.first() else { return Ok(None) };
        let mut found = consumer(name.to_owned(), first)?;
        for row in &rows {
            if let Some(id) = row.try_get::<Option<String>, _>("id")? {
                found.credentials.push(credential(id, row)?);
            }
        }
        Ok(Some(found))
    }
}

macro_rules! look {
    ($now:literal) => {
        concat!("SELECT id, revision, secrets, ends, CAST(", $now, " AS BIGINT) AS now FROM portcullis_store")
    };
}

const LOOK_POSTGRES: &str = look!("floor(extract(epoch FROM clock_timestamp()))");
const LOOK_SQLITE: &str = look!("strftime('%s', 'now')");

macro_rules! selection {
    ($rest:literal) => {
        concat!(
            "SELECT c.name AS consumer, c.apis AS apis, c.created AS made, c.deleted AS deleted, c.revision AS revision, ",
            "k.id AS id, k.kind AS kind, k.name AS name, k.password AS password, k.scopes AS scopes, ",
            "k.addresses AS addresses, k.with_certificate AS with_certificate, k.not_before AS not_before, ",
            "k.expires AS expires, k.created AS created, k.used AS used, k.revoked AS revoked ",
            "FROM portcullis_consumers c LEFT JOIN portcullis_credentials k ON k.consumer = c.name ",
            $rest
        )
    };
}

const CHANGED: &str = selection!("WHERE c.revision > $1 ORDER BY c.name, k.created, k.id");
const ONE: &str = selection!("WHERE c.name = $1 ORDER BY k.created, k.id");

fn consumer(name: String, row: &AnyRow) -> Result<ConsumerRow, StoreError> {
    Ok(ConsumerRow {
        name,
        apis: row.try_get("apis")?,
        created: row.try_get("made")?,
        is_deleted: row.try_get::<Option<i64>, _>("deleted")?.is_some(),
        revision: row.try_get("revision")?,
        credentials: Vec::new(),
    })
}

fn credential(id: String, row: &AnyRow) -> Result<CredentialRow, StoreError> {
    Ok(CredentialRow {
        id,
        kind: row.try_get("kind")?,
        name: row.try_get("name")?,
        password: row.try_get("password")?,
        scopes: row.try_get("scopes")?,
        addresses: row.try_get("addresses")?,
        with_certificate: row.try_get("with_certificate")?,
        not_before: row.try_get("not_before")?,
        expires: row.try_get("expires")?,
        created: row.try_get("created")?,
        used: row.try_get("used")?,
        revoked: row.try_get("revoked")?,
    })
}

#[cfg(test)]
mod tests {
    use super::{Path, escaped, postgres_url};

    #[test]
    fn a_server_elsewhere_proves_itself_unless_the_url_says_otherwise() {
        let check = |url: &str, added: &str| assert_eq!(postgres_url(url), format!("{url}{added}"));
        check("postgres://u:p@db.example/x", "?sslmode=verify-full");
        check("postgres://u:p@db.example/x?application_name=gw", "&sslmode=verify-full");
        check("postgres://u:p@db.example/x?sslmode=require", "");
        check("postgres://u:p@127.0.0.1:5433/x", "");
        check("postgres://localhost/x", "");
        check("postgres:///x?host=/run/postgresql", "");
    }

    #[test]
    fn a_path_stands_in_a_url_whatever_it_has() {
        assert_eq!(escaped(Path::new("/a b/ü?.db")), "/a%20b/%C3%BC%3F.db");
    }
}
