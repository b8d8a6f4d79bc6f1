//! How what runs is changed: by its file, by an operator's candidate, and back again.
//!
//! Every change goes one way: read, compile, bind, swap; one at a time, whoever asks. A failure at any point leaves what
//! runs as it was and is told in the log, the metric, the status, `/readyz` and the answer to whoever asked.
//!
//! A change with a time to confirm goes back by itself: whoever locked himself out need not come back in. While it waits,
//! no other change is taken, so that there is one thing to go back to. It is kept only once it is confirmed.

use std::path::Path;
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use portcullis_admin::{ConfigFailure, ConfigStatus, Reach};
use portcullis_gateway::clock::{self, Instant};
use portcullis_gateway::config::{self, Admin, Desk, Documents, Loaded};
use serde_json::{Value, json};

use super::{Service, Source, refused_error, settings, standing, tell_coverage};
use crate::{difference, output};

/// A configuration that can be read again without its files.
#[derive(Debug, Clone)]
pub(super) struct Past {
    hash: String,
    documents: Documents,
}

/// What runs, what ran before, and whether that comes back.
#[derive(Debug)]
pub(super) struct Course {
    running: Past,
    before: Option<Past>,
    waits: Option<Instant>,
    /// Who may operate the gateway now.
    admin: Admin,
    /// An edit of the file was turned away while something waited.
    missed: bool,
}

const WAITING: &str =
    "a configuration waits to be confirmed; `portcullis confirm` or `portcullis rollback` comes first";
const ADMIN_ELSEWHERE: &str =
    "admin: who may operate the gateway is changed in its own file or on its socket, not over the network";
const NO_FILE: &str = "this gateway does not run by a configuration file";

impl Past {
    fn of(loaded: &Loaded) -> Self {
        Self { hash: loaded.hash.clone(), documents: loaded.documents.clone() }
    }

    fn load(&self, root: &Path) -> Result<Loaded, String> {
        config::load_from(root, Desk::Only(&self.documents), &mut Vec::new())
            .map_err(|found| output::findings(&found).to_string())
    }
}

impl Course {
    /// The first configuration runs.
    pub(super) fn begin(loaded: &Loaded) -> Self {
        Self {
            running: Past::of(loaded),
            before: None,
            waits: None,
            admin: loaded.config.admin.clone(),
            missed: false,
        }
    }
}

impl Service {
    /// Reads the configuration again and applies it. Gives its hash.
    pub(super) fn read_again(&self) -> Result<String, String> {
        self.change(None, Reach::Here, || self.read())
    }

    /// Applies a candidate, or the file anew. Gives its hash.
    pub(super) fn apply_candidate(
        &self,
        candidate: Option<Vec<u8>>,
        confirm: Option<Duration>,
        reach: Reach,
    ) -> Result<String, String> {
        // The file itself can be edited here alone.
        let reach = if candidate.is_some() { reach } else { Reach::Here };
        self.change(confirm, reach, || match candidate {
            Some(text) => self.read_candidate(&text),
            None => self.read(),
        })
    }

    /// Keeps what waits to be confirmed. Gives its hash.
    pub(super) fn confirm_change(&self) -> Result<String, String> {
        let _turn = self.turn();
        let mut course = self.course();
        course.waits.take().ok_or("nothing waits to be confirmed")?;
        let running = course.running.clone();
        if std::mem::take(&mut course.missed) {
            self.changed.notify_one();
        }
        drop(course);
        self.status_mut().confirm_by = None;
        self.keep(&running);
        self.waiting.notify_one();
        tracing::info!(revision = running.hash, "configuration confirmed");
        Ok(running.hash)
    }

    /// Goes back to what ran before, or to a kept configuration. Gives its hash.
    pub(super) fn roll_back(&self, hash: Option<&str>, reach: Reach) -> Result<String, String> {
        let _turn = self.turn();
        let outcome = self.back(hash, reach);
        match &outcome {
            Ok(hash) => tracing::warn!(revision = hash, "configuration rolled back"),
            Err(reason) => self.turned_away(reason),
        }
        self.waiting.notify_one();
        outcome
    }

    /// What a candidate, or the file, would change.
    pub(super) fn difference(&self, candidate: Option<&[u8]>) -> Result<Value, String> {
        let Source::File(root) = &self.source else { return Err(NO_FILE.to_owned()) };
        let wanted = match candidate {
            Some(text) => self.read_candidate(text)?,
            None => config::load(root).map_err(|found| output::findings(&found).to_string())?,
        };
        let running = self.course().running.clone();
        Ok(difference::between(&running.load(root)?, &wanted))
    }

    /// What is kept, the newest first.
    pub(super) fn kept(&self) -> Value {
        let running = self.course().running.hash.clone();
        let kept = self.revisions.iter().flat_map(|revisions| revisions.all());
        kept.map(|it| json!({ "number": it.number, "hash": it.hash, "since": it.since, "running": it.hash == running }))
            .collect()
    }

    /// Waits until what waits to be confirmed has waited too long.
    pub(super) async fn overdue(&self) {
        loop {
            let due = self.course().waits;
            match due {
                None => self.waiting.notified().await,
                Some(due) => tokio::select! {
                    () = tokio::time::sleep_until(due) => return,
                    () = self.waiting.notified() => {}
                },
            }
        }
    }

    /// Goes back, because nobody confirmed.
    pub(super) fn not_confirmed(&self) {
        let _turn = self.turn();
        // Somebody may have, just now.
        if self.course().waits.is_none_or(|due| due > clock::now()) {
            return;
        }
        let hash = self.course().running.hash.clone();
        match self.back(None, Reach::Here) {
            Ok(before) => {
                self.turned_away(&format!("{hash} was not confirmed in time; {before} is in force again"))
            }
            Err(reason) => {
                self.course().waits = None;
                self.status_mut().confirm_by = None;
                self.turned_away(&format!(
                    "{hash} was not confirmed in time, and there is no way back: {reason}"
                ));
            }
        }
    }

    /// Keeps what runs, if it is not kept yet.
    pub(super) fn keep_running(&self) {
        let running = self.course().running.clone();
        self.keep(&running);
    }

    /// Notes that a configuration was read and refused.
    pub(super) fn turned_away(&self, reason: &str) {
        self.observe.config_rejected(clock::wall());
        self.status_mut().last_failure = Some(ConfigFailure { at: clock::wall(), reason: reason.to_owned() });
        // Last: whoever reads it finds the rest told as well.
        tracing::error!(reason, "configuration not reloaded; the running one stays");
    }

    fn change(
        &self,
        confirm: Option<Duration>,
        reach: Reach,
        load: impl FnOnce() -> Result<Loaded, String>,
    ) -> Result<String, String> {
        let _turn = self.turn();
        self.manager.reloading();
        let outcome = self.change_in_turn(confirm, reach, load);
        if let Err(reason) = &outcome {
            self.turned_away(reason);
        }
        self.manager.ready(&self.in_a_word());
        outcome
    }

    /// What runs, and what was last refused, in one line.
    pub(super) fn in_a_word(&self) -> String {
        let status = self.status_mut();
        let running = status.hash.as_deref().unwrap_or_default();
        match &status.last_failure {
            Some(failure) => format!("serving by {running}; the last reload was refused: {}", failure.reason),
            None => format!("serving by {running}"),
        }
    }

    /// Whether nothing waits to be confirmed.
    pub(super) fn nothing_waits(&self) -> Result<(), String> {
        if self.course().waits.is_some() { Err(WAITING.to_owned()) } else { Ok(()) }
    }

    fn change_in_turn(
        &self,
        confirm: Option<Duration>,
        reach: Reach,
        load: impl FnOnce() -> Result<Loaded, String>,
    ) -> Result<String, String> {
        self.is_settled()?;
        {
            let mut course = self.course();
            if course.waits.is_some() {
                course.missed = true;
                return Err(WAITING.to_owned());
            }
        }
        if confirm.is_some() && !matches!(self.source, Source::File(_)) {
            return Err(NO_FILE.to_owned());
        }
        let loaded = load()?;
        self.take(&loaded, reach)?;
        // The same again is no change to go back from.
        let confirm = confirm.filter(|_| self.course().running.hash != loaded.hash);
        let waits = confirm.and_then(|time| clock::now().checked_add(time));
        {
            let mut course = self.course();
            let before = std::mem::replace(&mut course.running, Past::of(&loaded));
            if before.hash != loaded.hash {
                course.before = Some(before);
            }
            course.waits = waits;
        }
        *self.status_mut() = ConfigStatus {
            hash: Some(loaded.hash.clone()),
            applied: Some(clock::wall()),
            confirm_by: confirm.map(|time| clock::wall().saturating_add(time)),
            last_failure: None,
        };
        match waits {
            Some(_) => self.waiting.notify_one(),
            None => self.keep_running(),
        }
        tracing::info!(revision = loaded.hash, "configuration reloaded");
        Ok(loaded.hash)
    }

    /// Puts an earlier configuration in force.
    fn back(&self, hash: Option<&str>, reach: Reach) -> Result<String, String> {
        self.is_settled()?;
        let Source::File(root) = &self.source else { return Err(NO_FILE.to_owned()) };
        let (running, before) = {
            let course = self.course();
            (course.running.hash.clone(), course.before.clone())
        };
        let kept = |wanted: &dyn Fn(&str) -> bool| {
            let mut all = self.revisions.iter().flat_map(|revisions| revisions.all());
            all.find(|revision| wanted(&revision.hash))
                .map(|it| Past { hash: it.hash, documents: it.documents })
        };
        let past = match hash {
            Some(hash) => {
                kept(&|kept| kept.starts_with(hash)).ok_or("no configuration with that hash is kept")?
            }
            None => before
                .or_else(|| kept(&|kept| kept != running))
                .ok_or("nothing ran before, and nothing else is kept")?,
        };
        let loaded = past.load(root)?;
        self.take(&loaded, reach)?;
        {
            let mut course = self.course();
            course.before = Some(std::mem::replace(&mut course.running, past));
            (course.waits, course.missed) = (None, false);
        }
        *self.status_mut() = ConfigStatus {
            hash: Some(loaded.hash.clone()),
            applied: Some(clock::wall()),
            confirm_by: None,
            last_failure: None,
        };
        self.keep_running();
        Ok(loaded.hash)
    }

    /// Compiles and swaps.
    fn take(&self, loaded: &Loaded, reach: Reach) -> Result<(), String> {
        // SECURITY: an operator could make another role of its own, or bring a token back that was taken out.
        if reach == Reach::Afar && !loaded.config.admin.lets_in_as(&self.course().admin) {
            return Err(ADMIN_ELSEWHERE.to_owned());
        }
        let wanted = standing(&loaded.config, &self.source, self.state_dir.as_deref())
            .map_err(|error| error.to_string())?;
        let contradictions = self.standing.contradictions(loaded, &wanted);
        if !contradictions.is_empty() {
            return Err(output::findings(&contradictions).to_string());
        }
        let settings = settings(&loaded.config).map_err(|error| error.to_string())?;
        let outputs = self.observe.prepare(&settings).map_err(|error| error.to_string())?;
        self.gateway.apply(loaded).map_err(|refused| refused_error(&refused).to_string())?;
        self.observe.adopt(outputs);
        self.course().admin = loaded.config.admin.clone();
        self.observe.config_applied(&loaded.hash, clock::wall());
        tell_coverage(&self.gateway.live().snapshot().coverage);
        Ok(())
    }

    /// A text in place of the configuration file's own.
    fn read_candidate(&self, text: &[u8]) -> Result<Loaded, String> {
        let Source::File(root) = &self.source else { return Err(NO_FILE.to_owned()) };
        let documents = Documents::from([(root.clone(), text.into())]);
        config::load_from(root, Desk::Over(&documents), &mut Vec::new())
            .map_err(|found| output::findings(&found).to_string())
    }

    fn keep(&self, past: &Past) {
        let (Some(revisions), Source::File(root)) = (&self.revisions, &self.source) else { return };
        if let Err(error) = revisions.keep(&past.hash, &past.documents, root) {
            let reason = format!("{error:#}");
            tracing::warn!(
                reason,
                "the configuration in force is not kept; a start from last good will not know it"
            );
        }
    }

    pub(super) fn turn(&self) -> MutexGuard<'_, ()> {
        self.reloading.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn course(&self) -> MutexGuard<'_, Course> {
        self.course.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn status_mut(&self) -> MutexGuard<'_, ConfigStatus> {
        self.config.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
