//! Consumers and credentials that are kept in a database: SQLite in the state directory, or PostgreSQL.
//!
//! No request waits for it. One task on a thread of its own holds one connection; it feeds the table of callers that
//! requests look into, with what was written since it last asked, once a second and right after each write of this
//! node. So a change holds here at once, and on every other node within five seconds.
//!
//! # Failure
//! Stopped, silent, full, read-only: who was known stays known, and operators are told that their wish was not done.
//! A node that starts while the store is away serves by its last good copy (`copy`), and says so. When the store answers
//! again all of it is read: nothing of the copy outlives that. A store of another identity, or one that has gone back
//! (a backup), is read as a whole, too.
//!
//! # Limits
//! `QUEUE_MAX` wishes of operators wait, for `ANSWER_PATIENCE` at most; what a database does has a time (`database`).
//!
//! # Threats
//! Whoever can write to the database decides who is let in; the grants of a row are checked like a configuration's, and a
//! row that is not understood opens nothing (`rows`). Keys are kept as digests, passwords as hashes by argon2id.

mod copy;
mod database;
mod password;
mod rows;
mod shared;
mod writes;

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use tokio::sync::{Notify, mpsc, oneshot};

use self::copy::{Copy, Origin};
pub use self::database::Place;
use self::database::{Database, LOAD_PATIENCE, PATIENCE, within};
use self::rows::ConsumerRow;
pub use self::rows::RefusedRow;
use self::shared::Shared;
pub use self::writes::{Command, NewConsumer, NewCredential, NewEnd, NewKind, OVERLAP_MAX};
use crate::callers::{Callers, Entry};
use crate::chores::Chores;
use crate::clock;
use crate::observe::StoreMetrics;
use crate::pipeline::request_id::random;
use crate::session_ends::SessionEnds;
use crate::vault::{Vault, Write};

/// How often the store is asked for what is new.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// Longest pause before a store that is away is tried again.
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// How long a start waits until the store has been read; callers are strangers until then.
const FIRST_ANSWER: Duration = Duration::from_secs(10);
/// Likewise, where the last good copy is there to begin with.
const FIRST_ANSWER_BESIDE_A_COPY: Duration = Duration::from_secs(2);
/// How often uses of credentials are written down.
const NOTE_EVERY: Duration = Duration::from_secs(30);
/// Uses that are written at once; the others wait for the next time.
const NOTES_MAX: usize = 1_000;
/// Wishes of operators that wait.
const QUEUE_MAX: usize = 32;
/// Longest time an operator waits.
const ANSWER_PATIENCE: Duration = Duration::from_secs(15);
/// Refused rows that are told of one by one.
const TOLD_MAX: usize = 20;

/// Why a wish was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The store does not answer, or takes nothing.
    #[error("the store is away: {0}")]
    Away(String),
    /// It is at odds with what is there.
    #[error("{0}")]
    Conflict(String),
    /// What it is about is not there.
    #[error("{0}")]
    Missing(String),
    /// It makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// Too many others wait.
    #[error("too many others wait for the store")]
    Busy,
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(told) if told.is_unique_violation() => {
                Self::Conflict("another credential is proven by the same".to_owned())
            }
            _ => Self::Away(error.to_string()),
        }
    }
}

/// How the store is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StoreFacts {
    /// `sqlite` or `postgresql`.
    pub kind: &'static str,
    /// Where it stands.
    pub state: StoreState,
    /// Why it is away.
    pub reason: Option<String>,
    /// The revision that counts here.
    pub revision: Option<i64>,
    /// Whether what counts here is the last good copy.
    pub from_copy: bool,
    /// Consumers that can be proven.
    pub consumers: usize,
    /// Rows that were left out.
    pub refused: usize,
    /// The first of them.
    pub refused_rows: Vec<RefusedRow>,
    /// When it last answered, in seconds since 1970.
    pub answered: Option<u64>,
}

/// Where a store stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StoreState {
    /// It was not asked yet.
    Starting,
    /// Nobody has written to it.
    Unused,
    /// It answers.
    Ready,
    /// It does not.
    Away,
}

/// What a store feeds with what it holds.
#[derive(Debug, Default)]
pub struct Fed {
    /// Those who call.
    pub callers: Arc<Callers>,
    /// Secrets that all nodes share.
    pub vault: Option<Arc<Vault>>,
    /// Sessions that ended, of all nodes.
    pub ends: Option<Arc<SessionEnds>>,
}

/// A handle to the running store.
#[derive(Debug, Clone)]
pub struct Store {
    asks: mpsc::Sender<Ask>,
    facts: Arc<Mutex<StoreFacts>>,
    /// Ends the thread when the last handle goes.
    _thread: Chores,
}

/// A wish, who has it, and where to answer.
#[derive(Debug)]
struct Ask {
    command: Command,
    who: String,
    answer: oneshot::Sender<Result<Value, StoreError>>,
}

impl Store {
    /// Begins to feed what is to be fed, callers at once by the last good copy in `state`. `changed` is told of every change
    /// of theirs.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(
        place: Place,
        state: Option<PathBuf>,
        fed: Fed,
        changed: Arc<Notify>,
    ) -> std::io::Result<Self> {
        let Fed { callers, vault, ends } = fed;
        let facts = Arc::new(Mutex::new(StoreFacts {
            kind: place.kind(),
            state: StoreState::Starting,
            reason: None,
            revision: None,
            from_copy: false,
            consumers: 0,
            refused: 0,
            refused_rows: Vec::new(),
            answered: None,
        }));
        let (asks, inbox) = mpsc::channel(QUEUE_MAX);
        let writes = vault.as_ref().and_then(|vault| vault.inbox());
        let mut keeper = Keeper {
            place,
            copy: state.map(|state| Copy::of(&state)),
            callers,
            shared: Shared::new(vault, ends),
            changed,
            facts: Arc::clone(&facts),
            database: None,
            at: None,
            names: HashSet::new(),
            refused: HashMap::new(),
            noted: HashMap::new(),
            failures: 0,
            first: None,
        };
        // Before anything is served: who was known is known.
        keeper.begin_by_copy();
        let patience = if facts_of(&facts).from_copy { FIRST_ANSWER_BESIDE_A_COPY } else { FIRST_ANSWER };
        let (first, answered) = std::sync::mpsc::sync_channel(1);
        keeper.first = Some(first);
        let thread = Chores::start_as("store")?;
        thread.spawn(keeper.run(inbox, writes));
        // Told by the first look, whatever came of it.
        let _ = answered.recv_timeout(patience);
        Ok(Self { asks, facts, _thread: thread })
    }

    /// How it is.
    pub fn facts(&self) -> StoreFacts {
        facts_of(&self.facts)
    }

    /// Has something done, in the name of `who`.
    ///
    /// # Errors
    /// Says why it was not done, or that nobody knows: then it may have been.
    pub async fn ask(&self, command: Command, who: &str) -> Result<Value, StoreError> {
        let (answer, answered) = oneshot::channel();
        let ask = Ask { command, who: who.to_owned(), answer };
        self.asks.try_send(ask).map_err(|_| StoreError::Busy)?;
        let gone = || StoreError::Away("it gave no answer in time".to_owned());
        match tokio::time::timeout(ANSWER_PATIENCE, answered).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) | Err(_) => Err(gone()),
        }
    }
}

/// When a session has ended here that the store is to be told of.
async fn news(ends: Option<&SessionEnds>) {
    match ends {
        Some(ends) => ends.news().notified().await,
        None => std::future::pending().await,
    }
}

/// The next change of a shared secret, if there is a vault.
async fn next(writes: &mut Option<mpsc::Receiver<Write>>) -> Option<Write> {
    match writes {
        Some(writes) => writes.recv().await,
        None => std::future::pending().await,
    }
}

fn facts_of(facts: &Mutex<StoreFacts>) -> StoreFacts {
    facts.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

impl StoreFacts {
    /// The numbers among them.
    pub fn metrics(&self) -> StoreMetrics {
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        StoreMetrics {
            kind: self.kind,
            is_up: matches!(self.state, StoreState::Ready | StoreState::Unused),
            revision: self.revision.and_then(|revision| u64::try_from(revision).ok()),
            consumers: number(self.consumers),
            rows_refused: number(self.refused),
        }
    }
}

/// The task that holds the connection.
struct Keeper {
    place: Place,
    copy: Option<Copy>,
    callers: Arc<Callers>,
    shared: Shared,
    changed: Arc<Notify>,
    facts: Arc<Mutex<StoreFacts>>,
    database: Option<Database>,
    /// What counts here, as of when; none before the store has answered.
    at: Option<Origin>,
    /// Every consumer that was read.
    names: HashSet<Arc<str>>,
    refused: HashMap<String, Vec<RefusedRow>>,
    /// When the uses that were written down had been.
    noted: HashMap<(Arc<str>, Arc<str>), u64>,
    failures: u32,
    /// Told once, when the store was first looked at.
    first: Option<SyncSender<()>>,
}

impl Keeper {
    async fn run(mut self, mut inbox: mpsc::Receiver<Ask>, mut writes: Option<mpsc::Receiver<Write>>) {
        let mut note_at = clock::now().checked_add(NOTE_EVERY);
        loop {
            let outcome = self.refresh().await;
            self.told(&outcome);
            if let Some(first) = self.first.take() {
                // Whoever waited may have lost patience.
                let _ = first.try_send(());
            }
            if note_at.is_some_and(|at| at <= clock::now()) {
                note_at = clock::now().checked_add(NOTE_EVERY);
                self.note_uses().await;
            }
            let ends = self.shared.ends();
            tokio::select! {
                () = tokio::time::sleep(self.pause()) => {}
                ask = inbox.recv() => match ask {
                    Some(ask) => self.answer(ask).await,
                    None => return,
                },
                Some(write) = next(&mut writes) => self.write(write).await,
                // A store that is away is asked again in its time.
                () = news(ends.as_deref()), if self.failures == 0 => {}
            }
        }
    }

    /// Changes a shared secret.
    async fn write(&mut self, write: Write) {
        let written = shared::write(self.opened(true).await, write).await;
        self.drop_if_away(&written.outcome);
        if written.outcome.is_ok() {
            // It is known here before whoever asked reads that it was done.
            let refreshed = self.refresh().await;
            self.told(&refreshed);
        }
        written.tell();
    }

    /// How long until the store is asked again. Nodes that lost it together do not come back together.
    fn pause(&self) -> Duration {
        if self.failures == 0 {
            return ASK_EVERY;
        }
        let doubled = Duration::from_millis(100).saturating_mul(1 << self.failures.min(5)).min(PAUSE_MAX);
        // Half of it, and a share of the other half.
        #[expect(clippy::cast_possible_truncation, reason = "as good a number as the whole")]
        let share = f64::from(random() as u32) / f64::from(u32::MAX);
        doubled.mul_f64(0.5).saturating_add(doubled.mul_f64(0.5 * share))
    }

    async fn answer(&mut self, ask: Ask) {
        if ask.answer.is_closed() {
            return; // nobody waits any more: it is not done behind their back
        }
        let Ask { command, who, answer } = ask;
        let outcome = match self.opened(command.is_write()).await {
            Ok(Some(database)) => within(PATIENCE, writes::run(database, &command, &who)).await,
            // There is nothing in a store that nobody has written to.
            Ok(None) => match &command {
                Command::List { .. } | Command::Audit { .. } => Ok(Value::Array(Vec::new())),
                Command::Show(name) => {
                    Err(StoreError::Missing(format!("there is no consumer `{name}` in the store")))
                }
                _ => Err(StoreError::Away("it cannot be made".to_owned())),
            },
            Err(error) => Err(error),
        };
        self.drop_if_away(&outcome);
        if command.is_write() && outcome.is_ok() {
            // It holds here before whoever asked reads that it was done.
            let refreshed = self.refresh().await;
            self.told(&refreshed);
        }
        // Whoever asked may have gone.
        let _ = answer.send(outcome);
    }

    /// The database, opened if it is not; none where nobody has written yet, and nobody does now.
    async fn opened(&mut self, is_write: bool) -> Result<Option<&mut Database>, StoreError> {
        if self.database.is_none() {
            if self.place.is_untouched() && !is_write {
                return Ok(None);
            }
            self.database = Some(within(PATIENCE, Database::open(&self.place)).await?);
        }
        Ok(self.database.as_mut())
    }

    /// A connection that something went wrong with is used no more.
    fn drop_if_away<T>(&mut self, outcome: &Result<T, StoreError>) {
        if matches!(outcome, Err(StoreError::Away(_))) {
            self.database = None;
        }
    }

    /// Takes in what is new. Says whether there is a store.
    async fn refresh(&mut self) -> Result<bool, StoreError> {
        let outcome = self.take_in().await;
        self.drop_if_away(&outcome);
        outcome
    }

    async fn take_in(&mut self) -> Result<bool, StoreError> {
        let at = self.at.clone();
        self.opened(false).await?;
        let Some(database) = self.database.as_mut() else { return Ok(false) };
        let asked = clock::now();
        let look = within(PATIENCE, database.look()).await?;
        self.shared.take_in(database, &look, asked).await?;
        let origin = look.origin;
        if at.as_ref() == Some(&origin) {
            return Ok(true);
        }
        let is_later = |at: &Origin| at.store == origin.store && at.revision < origin.revision;
        let since = at.as_ref().filter(|at| is_later(at)).map(|at| at.revision);
        let mut rows = Vec::new();
        within(LOAD_PATIENCE, database.changed_since(since.unwrap_or(i64::MIN), |row| rows.push(row)))
            .await?;
        let is_kept = self.keep_copy(&rows, since.is_none(), &origin);
        self.adopt(rows, since.is_none());
        // A copy that has grown too long is written anew from all there is.
        self.at = is_kept.then_some(origin);
        Ok(true)
    }

    /// Lets the rows count; when they are `all` there are, nothing else.
    fn adopt(&mut self, rows: Vec<ConsumerRow>, all: bool) {
        let mut entries = Vec::with_capacity(rows.len());
        if all {
            let kept: HashSet<&str> = rows.iter().map(|row| row.name.as_str()).collect();
            let gone = self.names.iter().filter(|name| !kept.contains(&***name)).cloned();
            entries.extend(gone.map(|consumer| Entry { consumer, credentials: Vec::new() }));
            self.names.clear();
            self.refused.clear();
        }
        for row in rows {
            let (entry, mut left_out) = row.entry();
            self.refused.remove(&row.name);
            left_out.truncate(TOLD_MAX);
            if !left_out.is_empty() {
                self.refused.insert(row.name.clone(), left_out);
            }
            if row.is_deleted {
                self.names.remove(&entry.consumer);
            } else {
                self.names.insert(Arc::clone(&entry.consumer));
            }
            entries.push(entry);
        }
        for taken in self.callers.replace(entries) {
            let row = RefusedRow {
                consumer: taken.consumer.to_string(),
                credential: Some(taken.credential.to_string()),
                reason: "another credential is proven by the same".to_owned(),
            };
            self.refused.entry(row.consumer.clone()).or_default().push(row);
        }
        for row in self.refused.values().flatten().take(TOLD_MAX) {
            let (consumer, credential) =
                (row.consumer.as_str(), row.credential.as_deref().unwrap_or_default());
            tracing::warn!(
                consumer,
                credential,
                reason = row.reason.as_str(),
                "a row of the store is left out"
            );
        }
        self.changed.notify_waiters();
    }

    fn begin_by_copy(&mut self) {
        let Some(copy) = &mut self.copy else { return };
        match copy.read() {
            Ok(contents) => {
                if contents.torn > 0 {
                    tracing::warn!(
                        lines = contents.torn,
                        "lines of the last good copy of the store are left out"
                    );
                }
                if !contents.consumers.is_empty() {
                    self.adopt(contents.consumers, true);
                    let revision = contents.origin.map(|origin| origin.revision);
                    self.with_facts(|facts| {
                        facts.from_copy = true;
                        facts.revision = revision;
                    });
                }
            }
            Err(error) => tracing::warn!(%error, "the last good copy of the store cannot be read"),
        }
        self.count();
    }

    /// Writes what has changed into the last good copy. Says whether that is as it should be.
    fn keep_copy(&mut self, rows: &[ConsumerRow], all: bool, origin: &Origin) -> bool {
        let Some(copy) = &mut self.copy else { return true };
        let kept = if all {
            copy.replace(rows, origin).map(|()| false)
        } else {
            copy.append(rows, origin, self.names.len())
        };
        let is_too_long = kept.inspect_err(|error| {
            tracing::warn!(%error, "the last good copy of the store is not kept");
        });
        !is_too_long.unwrap_or(false)
    }

    /// Writes down when credentials were last used. No revision: nothing changes for anybody.
    async fn note_uses(&mut self) {
        let mut used = Vec::new();
        let noted = &self.noted;
        self.callers.each(|known| {
            let proof = known.proof();
            if let Some(at) = known.used().filter(|_| used.len() < NOTES_MAX) {
                let key = (Arc::clone(&proof.consumer.name), Arc::clone(&proof.credential));
                if noted.get(&key).is_none_or(|before| *before < at) {
                    used.push((key, at));
                }
            }
        });
        let (Some(database), false) = (self.database.as_mut(), used.is_empty()) else { return };
        let written = within(PATIENCE, async {
            database.begin().await?;
            for ((consumer, id), at) in &used {
                let statement = "UPDATE portcullis_credentials SET used = $1 WHERE consumer = $2 AND id = $3 \
                                 AND (used IS NULL OR used < $1)";
                let query = sqlx::query(statement).bind(i64::try_from(*at).unwrap_or(i64::MAX));
                query.bind(&**consumer).bind(&**id).execute(&mut database.connection).await?;
            }
            database.run("COMMIT").await
        });
        let written = written.await;
        self.drop_if_away(&written);
        if written.is_ok() {
            self.noted.extend(used);
        }
    }

    /// Notes what came of asking the store.
    fn told(&mut self, outcome: &Result<bool, StoreError>) {
        if let Err(error) = outcome {
            self.shared.away(&error.to_string());
        }
        let (state, reason) = match outcome {
            Ok(true) => (StoreState::Ready, None),
            Ok(false) => (StoreState::Unused, None),
            Err(error) => (StoreState::Away, Some(error.to_string())),
        };
        self.failures = if reason.is_some() { self.failures.saturating_add(1) } else { 0 };
        let revision = self.at.as_ref().map(|at| at.revision);
        let before = self.with_facts(|facts| {
            let before = facts.state;
            facts.state = state;
            facts.reason.clone_from(&reason);
            if reason.is_none() {
                facts.answered = Some(clock::wall().as_secs());
                facts.revision = revision;
                facts.from_copy = false;
            }
            before
        });
        self.count();
        match (before, state) {
            (StoreState::Away, StoreState::Away) => {}
            (_, StoreState::Away) => {
                let from_copy = self.at.is_none();
                let reason = reason.unwrap_or_default();
                tracing::warn!(reason, from_copy, "the store is away; who was known stays known");
            }
            (StoreState::Away, _) => tracing::info!(revision, "the store is back"),
            _ => {}
        }
    }

    fn count(&self) {
        let refused = self.refused.values().map(Vec::len).sum();
        let rows: Vec<RefusedRow> = self.refused.values().flatten().take(TOLD_MAX).cloned().collect();
        let consumers = self.names.len();
        self.with_facts(|facts| {
            facts.refused = refused;
            facts.refused_rows = rows;
            facts.consumers = consumers;
        });
    }

    fn with_facts<T>(&self, act: impl FnOnce(&mut StoreFacts) -> T) -> T {
        act(&mut self.facts.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests;
