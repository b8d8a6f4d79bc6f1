//! What nodes share besides callers: secrets of our own, fed into the vault and changed for it.
//!
//! Each kind has a count of its own in the store's row, which every look reads: what has not changed is not read again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use sqlx::Row;

use super::StoreError;
use super::database::{Database, Look, PATIENCE, within};
use crate::clock::Instant;
use crate::vault::{TEXT_BYTES_MAX, Vault, Write};

/// Secrets that are read; more were not written by us.
const SECRETS_MAX: i64 = 1_000;

/// What this node knows of it.
#[derive(Debug, Default)]
pub(super) struct Shared {
    vault: Option<Arc<Vault>>,
    /// The store and its count of secrets that the vault has.
    at: Option<(String, i64)>,
}

impl Shared {
    pub(super) fn new(vault: Option<Arc<Vault>>) -> Self {
        Self { vault, at: None }
    }

    /// Takes in what is new, as a look that began at `asked` has seen it.
    pub(super) async fn take_in(
        &mut self,
        database: &mut Database,
        look: &Look,
        asked: Instant,
    ) -> Result<(), StoreError> {
        let Some(vault) = &self.vault else { return Ok(()) };
        let at = (look.origin.store.clone(), look.secrets);
        let sealed = if self.at.as_ref() == Some(&at) {
            None
        } else {
            Some(within(PATIENCE, secrets(database)).await?)
        };
        vault.fed(sealed, asked, look.time);
        self.at = Some(at);
        Ok(())
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
