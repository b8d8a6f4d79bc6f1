//! What nodes share besides callers: secrets of our own, fed into the vault and changed for it, and sessions that ended.
//!
//! Each kind has a count of its own in the store's row, which every look reads: what has not changed is not read again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use sqlx::Row;

use super::StoreError;
use super::database::{Database, Look, PATIENCE, within};
use crate::clock::Instant;
use crate::session_ends::{End, SessionEnds};
use crate::vault::{TEXT_BYTES_MAX, Vault, Write};

/// Secrets that are read; more were not written by us.
const SECRETS_MAX: i64 = 1_000;

/// Ends of sessions that are read or written at once.
const ENDS_AT_ONCE: usize = 200;

/// What this node knows of it.
#[derive(Debug, Default)]
pub(super) struct Shared {
    vault: Option<Arc<Vault>>,
    ends: Option<Arc<SessionEnds>>,
    /// The store and its counts of secrets and ends that are known here.
    at: Option<(String, i64, i64)>,
}

impl Shared {
    pub(super) fn new(vault: Option<Arc<Vault>>, ends: Option<Arc<SessionEnds>>) -> Self {
        Self { vault, ends, at: None }
    }

    /// Takes in what is new, as a look that began at `asked` has seen it.
    pub(super) async fn take_in(
        &mut self,
        database: &mut Database,
        look: &Look,
        asked: Instant,
    ) -> Result<(), StoreError> {
        let known = self.at.as_ref().filter(|(store, ..)| *store == look.origin.store);
        let known = known.map(|(_, secrets, ends)| (*secrets, *ends));
        if let Some(vault) = &self.vault {
            let is_known = known.is_some_and(|(secrets, _)| secrets == look.secrets);
            let sealed = if is_known { None } else { Some(within(PATIENCE, secrets(database)).await?) };
            vault.fed(sealed, asked, look.time);
        }
        if let Some(ends) = &self.ends {
            // A count that has gone back is that of a backup.
            let since = known.map(|(_, ends)| ends).filter(|ends| *ends <= look.ends);
            if since.is_none() && self.at.is_some() {
                ends.tell_all();
            }
            if since != Some(look.ends) {
                hear(database, ends, since.unwrap_or(-1)).await?;
            }
            if within(PATIENCE, tell(database, ends, look.time)).await? {
                // There is more.
                ends.news().notify_one();
            }
        }
        self.at = Some((look.origin.store.clone(), look.secrets, look.ends));
        Ok(())
    }

    /// When there is something to be told.
    pub(super) fn ends(&self) -> Option<Arc<SessionEnds>> {
        self.ends.clone()
    }

    /// Notes that the store does not answer.
    pub(super) fn away(&self, reason: &str) {
        if let Some(vault) = &self.vault {
            vault.away(reason);
        }
    }
}

async fn secrets(database: &mut Database) -> Result<HashMap<Box<str>, Arc<str>>, StoreError> {
    let statement = "SELECT name, sealed FROM portcullis_secrets WHERE length(sealed) <= $1 LIMIT $2";
    let most = i64::try_from(TEXT_BYTES_MAX).unwrap_or(i64::MAX);
    let query = sqlx::query(statement).bind(most).bind(SECRETS_MAX);
    let rows = query.fetch_all(&mut database.connection).await?;
    let row = |row: &sqlx::any::AnyRow| {
        Ok((row.try_get::<String, _>("name")?.into(), row.try_get::<String, _>("sealed")?.into()))
    };
    rows.iter().map(row).collect()
}

/// Takes in every end that was written after `since`.
async fn hear(database: &mut Database, ends: &SessionEnds, since: i64) -> Result<(), StoreError> {
    let statement = "SELECT name, begun_until, counts_until, revision FROM portcullis_session_ends \
                     WHERE revision > $1 OR (revision = $1 AND name > $2) ORDER BY revision, name LIMIT $3";
    let most = i64::try_from(ENDS_AT_ONCE).unwrap_or(i64::MAX);
    let (mut revision, mut after) = (since, String::from(LAST));
    loop {
        let query = sqlx::query(statement).bind(revision).bind(&after).bind(most);
        let rows = within(PATIENCE, async { Ok(query.fetch_all(&mut database.connection).await?) }).await?;
        let mut told = Vec::with_capacity(rows.len());
        for row in &rows {
            (revision, after) = (row.try_get("revision")?, row.try_get("name")?);
            let end = End {
                begun_until: seconds(row.try_get("begun_until")?),
                counts_until: seconds(row.try_get("counts_until")?),
            };
            told.push((after.as_str().into(), end));
        }
        ends.learn(told);
        if rows.len() < ENDS_AT_ONCE {
            return Ok(());
        }
    }
}

/// Tells the store some of what it does not have yet. Says whether there is more.
async fn tell(database: &mut Database, ends: &SessionEnds, now: Duration) -> Result<bool, StoreError> {
    let untold = ends.untold(ENDS_AT_ONCE);
    if untold.is_empty() {
        return Ok(false);
    }
    database.begin().await?;
    let next = "UPDATE portcullis_store SET ends = ends + 1 RETURNING ends";
    let revision: i64 = sqlx::query(next).fetch_one(&mut database.connection).await?.try_get(0)?;
    let number = |seconds: u64| i64::try_from(seconds).unwrap_or(i64::MAX);
    for (name, end) in &untold {
        let query = sqlx::query(TELL).bind(&**name).bind(number(end.begun_until));
        let query = query.bind(number(end.counts_until)).bind(revision);
        query.execute(&mut database.connection).await?;
    }
    let over = "DELETE FROM portcullis_session_ends WHERE counts_until < $1";
    sqlx::query(over).bind(number(now.as_secs())).execute(&mut database.connection).await?;
    database.run("COMMIT").await?;
    ends.told(&untold);
    Ok(untold.len() == ENDS_AT_ONCE)
}

/// Of two ends of one name, that of more sessions counts, and for longer.
const TELL: &str = "INSERT INTO portcullis_session_ends AS kept (name, begun_until, counts_until, revision) \
    VALUES ($1, $2, $3, $4) ON CONFLICT (name) DO UPDATE SET revision = excluded.revision, \
    begun_until = CASE WHEN excluded.begun_until > kept.begun_until THEN excluded.begun_until ELSE kept.begun_until END, \
    counts_until = CASE WHEN excluded.counts_until > kept.counts_until THEN excluded.counts_until ELSE kept.counts_until END";

/// A name after every other.
const LAST: &str = "\u{10ffff}";

fn seconds(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

/// Changes one secret. Whether it was done is not known when the store goes away meanwhile.
pub(super) async fn change(
    database: &mut Database,
    name: &str,
    change: impl FnOnce(Option<&str>, Duration) -> Result<Option<String>, String>,
) -> Result<(), StoreError> {
    database.begin().await?;
    // The store's own row first, as every write: nobody else changes anything until the end.
    let next = "UPDATE portcullis_store SET secrets = secrets + 1";
    sqlx::query(next).execute(&mut database.connection).await?;
    let look = database.look().await?;
    let kept = "SELECT sealed FROM portcullis_secrets WHERE name = $1";
    let kept = sqlx::query(kept).bind(name).fetch_optional(&mut database.connection).await?;
    let kept: Option<String> = kept.map(|row| row.try_get(0)).transpose()?;
    let text = match change(kept.as_deref(), look.time) {
        Ok(Some(text)) => text,
        Ok(None) => return database.run("ROLLBACK").await,
        Err(reason) => return database.run("ROLLBACK").await.and(Err(StoreError::Invalid(reason))),
    };
    let statement = "INSERT INTO portcullis_secrets (name, sealed) VALUES ($1, $2) \
                     ON CONFLICT (name) DO UPDATE SET sealed = excluded.sealed";
    sqlx::query(statement).bind(name).bind(text).execute(&mut database.connection).await?;
    database.run("COMMIT").await
}

/// Does one write for the vault, and says what came of it.
pub(super) async fn write(database: Result<Option<&mut Database>, StoreError>, write: Write) -> Written {
    let Write { name, change: own, answer } = write;
    let outcome = match database {
        Ok(Some(database)) => within(PATIENCE, change(database, &name, own)).await,
        Ok(None) => Err(StoreError::Away("it cannot be made".to_owned())),
        Err(error) => Err(error),
    };
    Written { outcome, answer }
}

/// What came of a write, and who is to be told once it holds here.
pub(super) struct Written {
    pub(super) outcome: Result<(), StoreError>,
    answer: std::sync::mpsc::SyncSender<Result<(), String>>,
}

impl Written {
    pub(super) fn tell(self) {
        // Whoever asked may have lost patience.
        let _ = self.answer.try_send(self.outcome.map_err(|error| error.to_string()));
    }
}
