//! What operators ask of the store.
//!
//! Each write is one transaction and one line of the audit log. Secrets are made here and leave once, in the answer.

use std::time::Duration;

use portcullis_identity::api_key::ApiKey;
use serde::Deserialize;
use serde_json::{Value, json};
use sqlx::Row;

use super::StoreError;
use super::database::Database;
use super::password;
use super::rows::{CREDENTIALS_MAX, ConsumerRow, CredentialRow, grant, list};
use crate::clock;
use crate::config::values::{Expiry, Instant, Network as NetworkText, Sha256};
use crate::config::{is_name, is_scope, is_user};
use crate::observe::timestamp;

/// Most rows of one answer.
const ROWS_MAX: i64 = 1_000;
/// Longest time two keys count beside each other when one takes the other's place.
pub const OVERLAP_MAX: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// A question or a wish.
#[derive(Debug, Clone)]
pub enum Command {
    /// The consumers after this name, in order.
    List {
        /// The last one that is known already.
        after: String,
    },
    /// One consumer.
    Show(String),
    /// Makes a consumer, or gives it another grant.
    Put {
        /// Its name.
        name: String,
        /// The APIs it may call.
        grant: NewConsumer,
        /// Whether one that is there already stays as it is.
        must_be_new: bool,
    },
    /// Deletes a consumer and all its credentials.
    Delete(String),
    /// Adds a credential.
    Add(String, NewCredential),
    /// Makes a key that takes another's place.
    Rotate {
        /// The consumer.
        consumer: String,
        /// The key's id.
        id: String,
        /// How long the old one goes on.
        overlap: Duration,
    },
    /// Ends a credential at a time.
    Expire(String, String, NewEnd),
    /// Ends a credential now.
    Revoke(String, String),
    /// The writes before this revision, the last one first.
    Audit {
        /// The last one that is known already.
        before: Option<i64>,
    },
}

/// What a consumer may call.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewConsumer {
    /// Names of APIs, or `*` alone.
    pub apis: Vec<String>,
}

/// When a credential ends.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewEnd {
    /// The last day, or the instant.
    pub expires: Expiry,
}

/// A credential to be made.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewCredential {
    /// Its kind.
    pub kind: NewKind,
    /// Its id; one is made up without.
    pub id: Option<String>,
    /// The user, the subject alternative name, the subject or the SPIFFE id.
    pub name: Option<String>,
    /// A user's password.
    pub password: Option<String>,
    /// What it may be used for.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// Where it may be presented from.
    #[serde(default)]
    pub addresses: Vec<NetworkText>,
    /// SHA-256 of the client certificate it must be presented with.
    pub with_certificate: Option<Sha256>,
    /// When it begins.
    pub not_before: Option<Instant>,
    /// When it ends.
    pub expires: Option<Expiry>,
}

/// Kinds of credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NewKind {
    /// A key, which is made.
    ApiKey,
    /// A user with a password.
    Basic,
    /// A certificate by a subject alternative name.
    San,
    /// A certificate by its subject.
    Subject,
    /// A certificate by its SPIFFE id.
    Spiffe,
}

impl NewKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::ApiKey => "api_key",
            Self::Basic => "basic",
            Self::San => "san",
            Self::Subject => "subject",
            Self::Spiffe => "spiffe",
        }
    }
}

impl Command {
    /// Whether it changes something.
    pub fn is_write(&self) -> bool {
        !matches!(self, Self::List { .. } | Self::Show(_) | Self::Audit { .. })
    }
}

/// One write under way.
struct Writing<'a> {
    database: &'a mut Database,
    who: &'a str,
    now: i64,
    revision: i64,
}

/// What a write did, for the audit log.
struct Done<'a> {
    action: &'static str,
    consumer: &'a str,
    credential: Option<&'a str>,
    before: Option<i64>,
    was: Option<Value>,
    became: Option<Value>,
}

/// Does what is asked.
pub(super) async fn run(database: &mut Database, command: &Command, who: &str) -> Result<Value, StoreError> {
    match command {
        Command::List { after } => consumers(database, after).await,
        Command::Show(name) => Ok(existing(database, name).await?.shown()),
        Command::Audit { before } => audit(database, *before).await,
        Command::Put { .. }
        | Command::Delete(_)
        | Command::Add(..)
        | Command::Rotate { .. }
        | Command::Expire(..)
        | Command::Revoke(..) => {
            database.begin().await?;
            match write(database, command, who).await {
                Ok(answer) => database.run("COMMIT").await.map(|()| answer),
                Err(StoreError::Away(reason)) => Err(StoreError::Away(reason)),
                Err(refused) => database.run("ROLLBACK").await.and(Err(refused)),
            }
        }
    }
}

async fn write(database: &mut Database, command: &Command, who: &str) -> Result<Value, StoreError> {
    let next = "UPDATE portcullis_store SET revision = revision + 1 RETURNING revision";
    let revision = sqlx::query(next).fetch_one(&mut database.connection).await?.try_get(0)?;
    let now = i64::try_from(clock::wall().as_secs()).unwrap_or(i64::MAX);
    let mut writing = Writing { database, who, now, revision };
    match command {
        Command::Put { name, grant, must_be_new } => writing.put(name, grant, *must_be_new).await,
        Command::Delete(name) => writing.delete(name).await,
        Command::Add(consumer, new) => writing.add(consumer, new).await,
        Command::Rotate { consumer, id, overlap } => writing.rotate(consumer, id, *overlap).await,
        Command::Expire(consumer, id, end) => {
            let at = i64::try_from(end.expires.unix_seconds()).unwrap_or(i64::MAX);
            writing.end("credential.expire", consumer, id, Some(at)).await
        }
        Command::Revoke(consumer, id) => writing.end("credential.revoke", consumer, id, None).await,
        Command::List { .. } | Command::Show(_) | Command::Audit { .. } => Ok(Value::Null),
    }
}

impl Writing<'_> {
    async fn put(&mut self, name: &str, new: &NewConsumer, must_be_new: bool) -> Result<Value, StoreError> {
        if !is_name(name) {
            return Err(StoreError::Invalid(
                "a consumer's name has letters, digits, `_`, `-` and `.`".to_owned(),
            ));
        }
        grant(&new.apis).map_err(|reason| StoreError::Invalid(reason.to_owned()))?;
        let before = self.database.consumer(name).await?;
        if must_be_new && before.as_ref().is_some_and(|before| !before.is_deleted) {
            return Err(StoreError::Conflict(format!("there is a consumer `{name}` already")));
        }
        let statement = "INSERT INTO portcullis_consumers (name, apis, created, deleted, revision) VALUES ($1, $2, $3, NULL, $4) \
                         ON CONFLICT (name) DO UPDATE SET apis = excluded.apis, deleted = NULL, revision = excluded.revision";
        let query = sqlx::query(statement).bind(name).bind(json!(new.apis).to_string());
        query.bind(self.now).bind(self.revision).execute(&mut self.database.connection).await?;
        let after = existing(self.database, name).await?.shown();
        let before = before.filter(|before| !before.is_deleted);
        let action = if before.is_some() { "consumer.change" } else { "consumer.create" };
        let done = Done {
            action,
            consumer: name,
            credential: None,
            before: before.as_ref().map(|before| before.revision),
            was: before.as_ref().map(|before| json!({ "apis": list(&before.apis) })),
            became: Some(json!({ "apis": new.apis })),
        };
        self.note(done).await?;
        Ok(after)
    }

    async fn delete(&mut self, name: &str) -> Result<Value, StoreError> {
        let before = existing(self.database, name).await?;
        let gone = "DELETE FROM portcullis_credentials WHERE consumer = $1";
        sqlx::query(gone).bind(name).execute(&mut self.database.connection).await?;
        let gone = "UPDATE portcullis_consumers SET deleted = $1, revision = $2 WHERE name = $3";
        let query = sqlx::query(gone).bind(self.now).bind(self.revision).bind(name);
        query.execute(&mut self.database.connection).await?;
        let done = Done {
            action: "consumer.delete",
            consumer: name,
            credential: None,
            before: Some(before.revision),
            was: Some(before.shown()),
            became: None,
        };
        self.note(done).await?;
        Ok(json!({ "deleted": name, "revision": self.revision }))
    }

    async fn add(&mut self, consumer: &str, new: &NewCredential) -> Result<Value, StoreError> {
        let before = existing(self.database, consumer).await?;
        let (row, key) = self.made(&before, new)?;
        self.insert(&before, &row, "credential.create").await?;
        Ok(revealed(consumer, &row, key.as_ref()))
    }

    async fn rotate(&mut self, consumer: &str, id: &str, overlap: Duration) -> Result<Value, StoreError> {
        let before = existing(self.database, consumer).await?;
        let old = before.credential(id)?;
        if old.kind != "api_key" {
            return Err(StoreError::Invalid("only keys are rotated: make another credential".to_owned()));
        }
        if old.revoked.is_some() || old.expires.is_some_and(|end| end <= self.now) {
            return Err(StoreError::Conflict("that key has ended already: make a new one".to_owned()));
        }
        if overlap > OVERLAP_MAX {
            return Err(StoreError::Invalid("both count for 90 days at most".to_owned()));
        }
        let key = key()?;
        let id = before.free_id(id);
        let name = key.digest().to_string();
        let row = CredentialRow { id, name, created: self.now, used: None, not_before: None, ..old.clone() };
        self.insert(&before, &row, "credential.rotate").await?;
        let end = self.now.saturating_add(i64::try_from(overlap.as_secs()).unwrap_or(i64::MAX));
        let end = old.expires.map_or(end, |before| before.min(end));
        let statement = "UPDATE portcullis_credentials SET expires = $1 WHERE consumer = $2 AND id = $3";
        let query = sqlx::query(statement).bind(end).bind(consumer).bind(&old.id);
        query.execute(&mut self.database.connection).await?;
        let mut answer = revealed(consumer, &row, Some(&key));
        if let Some(answer) = answer.as_object_mut() {
            answer.insert("replaces".to_owned(), json!({ "id": old.id, "expires": shown_time(Some(end)) }));
        }
        Ok(answer)
    }

    /// Ends a credential, at a time or now.
    async fn end(
        &mut self,
        action: &'static str,
        consumer: &str,
        id: &str,
        at: Option<i64>,
    ) -> Result<Value, StoreError> {
        let before = existing(self.database, consumer).await?;
        let old = before.credential(id)?;
        let mut new = old.clone();
        match at {
            Some(at) => new.expires = Some(at),
            None => new.revoked = old.revoked.or(Some(self.now)),
        }
        let statement =
            "UPDATE portcullis_credentials SET expires = $1, revoked = $2 WHERE consumer = $3 AND id = $4";
        let query = sqlx::query(statement).bind(new.expires).bind(new.revoked).bind(consumer).bind(id);
        query.execute(&mut self.database.connection).await?;
        self.touch(consumer).await?;
        let done = Done {
            action,
            consumer,
            credential: Some(id),
            before: Some(before.revision),
            was: Some(old.shown()),
            became: Some(new.shown()),
        };
        self.note(done).await?;
        Ok(new.shown())
    }

    /// The row of a new credential, and its key.
    fn made(
        &self,
        consumer: &ConsumerRow,
        new: &NewCredential,
    ) -> Result<(CredentialRow, Option<ApiKey>), StoreError> {
        let invalid = |reason: &str| StoreError::Invalid(reason.to_owned());
        if !new.scopes.iter().all(|scope| is_scope(scope)) {
            return Err(invalid(
                "a scope has visible ASCII characters without spaces, quotes and backslashes",
            ));
        }
        let id = match &new.id {
            Some(id) if !is_name(id) => return Err(invalid("an id has letters, digits, `_`, `-` and `.`")),
            Some(id) => id.clone(),
            None => consumer.free_id(new.kind.as_str()),
        };
        let (mut key_made, mut hash) = (None, None);
        let name = match (new.kind, &new.name, &new.password) {
            (NewKind::ApiKey, None, None) => {
                let key = key()?;
                let name = key.digest().to_string();
                key_made = Some(key);
                name
            }
            (NewKind::Basic, Some(user), Some(password)) => {
                if !is_user(user) {
                    return Err(invalid("a user's name has no colon and no control character"));
                }
                hash = Some(password::hash(password).map_err(StoreError::Invalid)?);
                user.clone()
            }
            (NewKind::San | NewKind::Subject | NewKind::Spiffe, Some(name), None) => name.clone(),
            (NewKind::ApiKey, ..) => {
                return Err(invalid("a key is made here: it takes no name and no password"));
            }
            (NewKind::Basic, ..) => return Err(invalid("a user has a `name` and a `password`")),
            (NewKind::San | NewKind::Subject | NewKind::Spiffe, ..) => {
                return Err(invalid("a certificate has a `name`, and no password"));
            }
        };
        let seconds = |seconds: u64| i64::try_from(seconds).unwrap_or(i64::MAX);
        let row = CredentialRow {
            id,
            kind: new.kind.as_str().to_owned(),
            name,
            password: hash,
            scopes: json!(new.scopes).to_string(),
            addresses: json!(new.addresses.iter().map(ToString::to_string).collect::<Vec<_>>()).to_string(),
            with_certificate: new.with_certificate.map(|digest| digest.0.to_string()),
            not_before: new.not_before.map(|begin| seconds(begin.unix_seconds())),
            expires: new.expires.map(|end| seconds(end.unix_seconds())),
            created: self.now,
            used: None,
            revoked: None,
        };
        if row.not_before.zip(row.expires).is_some_and(|(begin, end)| begin >= end) {
            return Err(invalid("it ends before it begins"));
        }
        Ok((row, key_made))
    }

    async fn insert(
        &mut self,
        consumer: &ConsumerRow,
        row: &CredentialRow,
        action: &'static str,
    ) -> Result<(), StoreError> {
        if consumer.credentials.len() >= CREDENTIALS_MAX {
            return Err(StoreError::Conflict(format!(
                "a consumer has at most {CREDENTIALS_MAX} credentials"
            )));
        }
        if consumer.credentials.iter().any(|other| other.id == row.id) {
            return Err(StoreError::Conflict(format!("`{}` is a credential of it already", row.id)));
        }
        let statement = "INSERT INTO portcullis_credentials (consumer, id, kind, name, password, scopes, addresses, \
                         with_certificate, not_before, expires, created) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
        let query = sqlx::query(statement).bind(&consumer.name).bind(&row.id).bind(&row.kind).bind(&row.name);
        let query =
            query.bind(&row.password).bind(&row.scopes).bind(&row.addresses).bind(&row.with_certificate);
        let query = query.bind(row.not_before).bind(row.expires).bind(row.created);
        query.execute(&mut self.database.connection).await?;
        self.touch(&consumer.name).await?;
        let done = Done {
            action,
            consumer: &consumer.name,
            credential: Some(&row.id),
            before: Some(consumer.revision),
            was: None,
            became: Some(row.shown()),
        };
        self.note(done).await
    }

    /// Says that a consumer has changed.
    async fn touch(&mut self, consumer: &str) -> Result<(), StoreError> {
        let statement = "UPDATE portcullis_consumers SET revision = $1 WHERE name = $2";
        let query = sqlx::query(statement).bind(self.revision).bind(consumer);
        query.execute(&mut self.database.connection).await?;
        Ok(())
    }

    async fn note(&mut self, done: Done<'_>) -> Result<(), StoreError> {
        let statement = "INSERT INTO portcullis_audit (revision, at, who, action, consumer, credential, revision_before, was, became) \
                         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
        let text = |value: Option<Value>| value.map(|value| value.to_string());
        let query =
            sqlx::query(statement).bind(self.revision).bind(self.now).bind(self.who).bind(done.action);
        let query = query.bind(done.consumer).bind(done.credential).bind(done.before);
        let query = query.bind(text(done.was)).bind(text(done.became));
        query.execute(&mut self.database.connection).await?;
        Ok(())
    }
}

fn key() -> Result<ApiKey, StoreError> {
    ApiKey::generate().map_err(|_| StoreError::Away("the system gave no randomness".to_owned()))
}

/// A credential as it is answered once: with its key.
fn revealed(consumer: &str, row: &CredentialRow, key: Option<&ApiKey>) -> Value {
    let mut answer = row.shown();
    if let Some(answer) = answer.as_object_mut() {
        answer.insert("consumer".to_owned(), consumer.into());
        if let Some(key) = key {
            answer.insert("key".to_owned(), key.reveal().into());
        }
    }
    answer
}

async fn existing(database: &mut Database, name: &str) -> Result<ConsumerRow, StoreError> {
    let found = database.consumer(name).await?.filter(|found| !found.is_deleted);
    found.ok_or_else(|| StoreError::Missing(format!("there is no consumer `{name}` in the store")))
}

async fn consumers(database: &mut Database, after: &str) -> Result<Value, StoreError> {
    let statement = "SELECT name, apis, created, revision, (SELECT count(*) FROM portcullis_credentials k \
                     WHERE k.consumer = c.name AND k.revoked IS NULL) AS credentials \
                     FROM portcullis_consumers c WHERE deleted IS NULL AND name > $1 ORDER BY name LIMIT $2";
    let rows = sqlx::query(statement).bind(after).bind(ROWS_MAX).fetch_all(&mut database.connection).await?;
    let mut shown = Vec::with_capacity(rows.len());
    for row in rows {
        shown.push(json!({
            "name": row.try_get::<String, _>("name")?,
            "apis": list(&row.try_get::<String, _>("apis")?),
            "created": shown_time(Some(row.try_get("created")?)),
            "revision": row.try_get::<i64, _>("revision")?,
            "credentials": row.try_get::<i64, _>("credentials")?,
        }));
    }
    Ok(json!(shown))
}

async fn audit(database: &mut Database, before: Option<i64>) -> Result<Value, StoreError> {
    let statement = "SELECT revision, at, who, action, consumer, credential, revision_before, was, became \
                     FROM portcullis_audit WHERE revision < $1 ORDER BY revision DESC LIMIT 100";
    let query = sqlx::query(statement).bind(before.unwrap_or(i64::MAX));
    let rows = query.fetch_all(&mut database.connection).await?;
    let mut shown = Vec::with_capacity(rows.len());
    for row in rows {
        let object = |name: &str| -> Result<Option<Value>, StoreError> {
            let text: Option<String> = row.try_get(name)?;
            Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
        };
        shown.push(json!({
            "revision": row.try_get::<i64, _>("revision")?,
            "revision_before": row.try_get::<Option<i64>, _>("revision_before")?,
            "at": shown_time(Some(row.try_get("at")?)),
            "who": row.try_get::<String, _>("who")?,
            "action": row.try_get::<String, _>("action")?,
            "consumer": row.try_get::<String, _>("consumer")?,
            "credential": row.try_get::<Option<String>, _>("credential")?,
            "was": object("was")?,
            "became": object("became")?,
        }));
    }
    Ok(json!(shown))
}

impl ConsumerRow {
    /// What an operator sees of it.
    fn shown(&self) -> Value {
        json!({
            "name": self.name,
            "apis": list(&self.apis),
            "created": shown_time(Some(self.created)),
            "revision": self.revision,
            "credentials": self.credentials.iter().map(CredentialRow::shown).collect::<Vec<_>>(),
        })
    }

    fn credential(&self, id: &str) -> Result<&CredentialRow, StoreError> {
        let missing = || StoreError::Missing(format!("`{}` has no credential `{id}`", self.name));
        self.credentials.iter().find(|row| row.id == id).ok_or_else(missing)
    }

    /// An id that begins so and is not taken.
    fn free_id(&self, stem: &str) -> String {
        let stem = stem
            .rsplit_once('.')
            .filter(|(_, end)| end.parse::<u32>().is_ok())
            .map_or(stem, |(stem, _)| stem);
        let is_taken = |id: &str| self.credentials.iter().any(|row| row.id == id);
        let ids = (1_u32..).map(|number| format!("{stem}.{number}"));
        ids.into_iter().find(|id| !is_taken(id)).unwrap_or_default()
    }
}

impl CredentialRow {
    /// What an operator sees of it: nothing to prove it with.
    fn shown(&self) -> Value {
        let mut shown = json!({
            "id": self.id,
            "kind": self.kind,
            "scopes": list(&self.scopes),
            "addresses": list(&self.addresses),
            "with_certificate": self.with_certificate,
            "created": shown_time(Some(self.created)),
            "not_before": shown_time(self.not_before),
            "expires": shown_time(self.expires),
            "last_used": shown_time(self.used),
            "revoked": shown_time(self.revoked),
        });
        let what = if self.kind == "api_key" { "sha256" } else { "name" };
        if let Some(shown) = shown.as_object_mut() {
            shown.insert(what.to_owned(), self.name.as_str().into());
        }
        shown
    }
}

fn shown_time(seconds: Option<i64>) -> Option<String> {
    seconds
        .and_then(|seconds| u64::try_from(seconds).ok())
        .map(|time| timestamp::format(Duration::from_secs(time)))
}
