//! Which key is used, which one is next, which ones are still published: told the time, and nothing else.
//!
//! One key is in use. One is next: published, and not used before every set that lacks it is too old to be kept. The past ones
//! are published until the last token they signed has ended.
//!
//! A ring that several nodes share goes the same way on each by the time alone; only a new key needs the others, and there the
//! lead covers how long it takes until all publish it ([`SPREAD`], and [`COMMIT`] for the writing). A node that hears nothing
//! may sign with its key for [`SILENCE_MAX`] more, so the others publish it for longer by that.

use std::sync::Arc;
use std::time::Duration;

use portcullis_identity::algorithm::Algorithm;
use portcullis_identity::base64::{decode_url, encode_url};
use portcullis_identity::json::{Limits, Object, Value, parse_object};
use portcullis_identity::jwt::{NotSigned, SigningKey};

use super::LIFETIME_MAX;
use crate::clock::Instant;
use crate::vault::SPREAD;

/// Most keys of a set. Past ones beyond it are forgotten, the oldest first.
pub const KEYS_MAX: usize = 16;

/// Clocks of readers may be that much behind.
const SKEW: Duration = Duration::from_secs(60);

/// How long it may take to write a new key where all nodes see it.
const COMMIT: Duration = Duration::from_secs(3);

/// How long a node that shares its keys signs without having heard whether they still count.
pub const SILENCE_MAX: Duration = Duration::from_secs(86_400);

/// Bytes of a set that is read back, which is far smaller.
pub(super) const TEXT_BYTES_MAX: usize = 256 * 1024;

/// When what happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// What new keys sign by.
    pub algorithm: Algorithm,
    /// How long a key is used.
    pub rotate: Duration,
    /// How long readers keep a set.
    pub max_age: Duration,
    /// Whether several nodes publish one set.
    pub is_shared: bool,
}

impl Schedule {
    /// How long a key is published before it is used: longer than any reader keeps a set that lacks it, its way to the reader
    /// included.
    fn lead(&self) -> Duration {
        let margin = self.max_age.checked_div(10).unwrap_or_default().saturating_add(Duration::from_secs(1));
        let spread = if self.is_shared { SPREAD.saturating_add(COMMIT) } else { Duration::ZERO };
        Duration::from_secs(self.max_age.saturating_add(margin).saturating_add(spread).as_secs())
    }

    /// How long after its last use a key is published.
    fn until_gone(&self) -> Duration {
        let silence = if self.is_shared { SILENCE_MAX } else { Duration::ZERO };
        LIFETIME_MAX.saturating_add(SKEW).saturating_add(silence)
    }

    /// How long after its first use a key is followed by the next one's publication.
    fn alone(&self) -> Duration {
        self.rotate.saturating_sub(self.lead())
    }
}

/// All keys that count.
#[derive(Debug, Clone, Default)]
pub struct Ring {
    // Invariant: at most one is in use and at most one is next.
    keys: Vec<Entry>,
    /// How often it was written down: nobody goes back to an earlier writing.
    writing: u64,
}

#[derive(Debug, Clone)]
struct Entry {
    key: Arc<SigningKey>,
    stage: Stage,
    /// When the stage ends on the monotonic clock, as seen when it began, or was read.
    not_before: Option<Instant>,
}

/// On the wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Next { used_from: Duration },
    InUse { since: Duration },
    Past { gone_at: Duration },
}

/// What is kept cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is no key set of ours")]
pub struct Unreadable;

impl Ring {
    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The key that signs.
    pub fn in_use(&self) -> Option<Arc<SigningKey>> {
        let entry = self.keys.iter().find(|entry| matches!(entry.stage, Stage::InUse { .. }))?;
        Some(Arc::clone(&entry.key))
    }

    /// The JWK set, of public parts alone: what is in use, next, and past.
    pub fn published(&self) -> String {
        let keys = self.keys.iter().map(|entry| Value::Object(entry.key.public_jwk())).collect();
        Object::new().with("keys", Value::Array(keys)).to_string()
    }

    /// Moves on what is due at `now`, in whole seconds, makes what is to be made, and says whether anything changed.
    ///
    /// # Errors
    /// A key cannot be made.
    pub fn advance(
        &mut self,
        schedule: &Schedule,
        now: Duration,
        monotonic: Instant,
    ) -> Result<bool, NotSigned> {
        let has_passed = self.pass(schedule, now, monotonic);
        Ok(self.grow(schedule, now, monotonic)? || has_passed)
    }

    /// Moves on what is due, as far as no other key is needed for that, and says whether anything changed.
    pub fn pass(&mut self, schedule: &Schedule, now: Duration, monotonic: Instant) -> bool {
        let mut has_changed = self.clamp(schedule, now);
        let until_gone = schedule.until_gone();
        let is_due = |entry: &Entry| match entry.stage {
            Stage::Next { used_from: at } | Stage::Past { gone_at: at } => {
                at <= now && entry.not_before.is_none_or(|at| at <= monotonic)
            }
            Stage::InUse { .. } => false,
        };
        if self.keys.iter().any(|entry| entry.is_next() && is_due(entry)) {
            for entry in &mut self.keys {
                match entry.stage {
                    Stage::Next { .. } => entry.begin(Stage::InUse { since: now }, None),
                    Stage::InUse { .. } => {
                        let end = monotonic.checked_add(until_gone);
                        entry.begin(Stage::Past { gone_at: now.saturating_add(until_gone) }, end);
                    }
                    Stage::Past { .. } => {}
                }
            }
            has_changed = true;
        }
        let before = self.keys.len();
        self.keys.retain(|entry| !(matches!(entry.stage, Stage::Past { .. }) && is_due(entry)));
        while self.keys.len() > KEYS_MAX {
            let Some(oldest) = self.keys.iter().position(|entry| matches!(entry.stage, Stage::Past { .. }))
            else {
                break;
            };
            self.keys.remove(oldest);
        }
        has_changed || self.keys.len() != before
    }

    /// Makes the key that is to be next, or the first one. Says whether anything changed.
    fn grow(&mut self, schedule: &Schedule, now: Duration, monotonic: Instant) -> Result<bool, NotSigned> {
        let mut has_changed = false;
        if self.in_use().is_none() {
            // Nothing is signed with a key that is next, as long as another can be; now none can.
            self.keys.retain(|entry| !entry.is_next());
            self.add(schedule, Stage::InUse { since: now }, None)?;
            return Ok(true);
        }
        // One that others may use in a moment stays: a key of the right algorithm comes after it.
        let is_unwanted = |entry: &Entry| {
            entry.is_next() && entry.key.algorithm() != schedule.algorithm && !schedule.is_shared
        };
        if let Some(at) = self.keys.iter().position(is_unwanted) {
            self.keys.remove(at);
            has_changed = true;
        }
        if self.wants_key(schedule, now) {
            let used_from = now.saturating_add(schedule.lead());
            self.add(schedule, Stage::Next { used_from }, monotonic.checked_add(schedule.lead()))?;
            has_changed = true;
        }
        Ok(has_changed)
    }

    /// Whether it is time for another key.
    pub fn wants_key(&self, schedule: &Schedule, now: Duration) -> bool {
        let Some((since, key)) = self.since().zip(self.in_use()) else { return true };
        let is_time = since.saturating_add(schedule.alone()) <= now;
        !self.keys.iter().any(Entry::is_next) && (is_time || key.algorithm() != schedule.algorithm)
    }

    /// How long nothing is due, as far as is known.
    pub fn due(&self, schedule: &Schedule, now: Duration, monotonic: Instant) -> Duration {
        let each = self.keys.iter().map(|entry| {
            let left = match entry.stage {
                Stage::Next { used_from: at } | Stage::Past { gone_at: at } => at.saturating_sub(now),
                Stage::InUse { since } => since.saturating_add(schedule.alone()).saturating_sub(now),
            };
            left.max(entry.not_before.map_or(Duration::ZERO, |at| at.saturating_duration_since(monotonic)))
        });
        each.filter(|left| !left.is_zero()).min().unwrap_or(schedule.max_age)
    }

    /// How long a key is used past its time already, for want of the next one.
    pub fn overdue(&self, schedule: &Schedule, now: Duration) -> Option<Duration> {
        if self.keys.iter().any(Entry::is_next) {
            return None;
        }
        let late = now.checked_sub(self.since()?.saturating_add(schedule.rotate))?;
        (!late.is_zero()).then_some(late)
    }

    /// Since when the key in use is used.
    pub fn since(&self) -> Option<Duration> {
        self.keys.iter().find_map(|entry| match entry.stage {
            Stage::InUse { since } => Some(since),
            Stage::Next { .. } | Stage::Past { .. } => None,
        })
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Takes over what is kept: another process of this gateway, or another node, may have moved on. What was written down
    /// before what is known here is an older disk, or a backup: nothing goes back to it.
    pub fn adopt(&mut self, kept: &Self, now: Duration, monotonic: Instant) {
        if kept.writing < self.writing {
            return;
        }
        self.writing = kept.writing;
        let own = std::mem::take(&mut self.keys);
        for kept in &kept.keys {
            let known = own.iter().find(|own| own.key.kid() == kept.key.kid() && own.stage == kept.stage);
            self.keys.push(known.cloned().unwrap_or_else(|| {
                let end = match kept.stage {
                    Stage::Next { used_from: at } | Stage::Past { gone_at: at } => {
                        monotonic.checked_add(at.saturating_sub(now).min(LIFETIME_MAX.saturating_mul(25)))
                    }
                    Stage::InUse { .. } => None,
                };
                Entry { not_before: end, ..kept.clone() }
            }));
        }
    }

    /// Whether what is kept, if anything, lacks something of it.
    pub fn is_newer_than(&self, kept: Option<&Self>) -> bool {
        let Some(kept) = kept else { return true };
        if self.is_later_than(kept) {
            return true;
        }
        let of = |entry: &Entry| (entry.key.kid().to_owned(), entry.stage);
        self.keys.len() != kept.keys.len() || !self.keys.iter().zip(&kept.keys).all(|(a, b)| of(a) == of(b))
    }

    /// Whether it was written down after `kept` was.
    pub fn is_later_than(&self, kept: &Self) -> bool {
        self.writing > kept.writing
    }

    /// What was planned when the clock said a later time is shortened to what it would be from now.
    fn clamp(&mut self, schedule: &Schedule, now: Duration) -> bool {
        let mut has_changed = false;
        for entry in &mut self.keys {
            let stage = match entry.stage {
                Stage::Next { used_from } => {
                    Stage::Next { used_from: used_from.min(now.saturating_add(schedule.lead())) }
                }
                Stage::InUse { since } => Stage::InUse { since: since.min(now) },
                Stage::Past { gone_at } => {
                    Stage::Past { gone_at: gone_at.min(now.saturating_add(schedule.until_gone())) }
                }
            };
            has_changed |= stage != entry.stage;
            entry.stage = stage;
        }
        has_changed
    }

    fn add(
        &mut self,
        schedule: &Schedule,
        stage: Stage,
        not_before: Option<Instant>,
    ) -> Result<(), NotSigned> {
        let key = Arc::new(SigningKey::generate(schedule.algorithm)?);
        self.keys.push(Entry { key, stage, not_before });
        Ok(())
    }

    /// The text that is kept, private parts included; each one says that it is later than the one before.
    pub fn to_text(&mut self) -> String {
        self.writing = self.writing.saturating_add(1);
        let each = self.keys.iter().filter_map(|entry| {
            let (stage, at) = match entry.stage {
                Stage::Next { used_from } => ("next", used_from),
                Stage::InUse { since } => ("in use", since),
                Stage::Past { gone_at } => ("past", gone_at),
            };
            let described =
                Object::new().with("kid", entry.key.kid()).with("alg", entry.key.algorithm().name());
            let described = described.with("stage", stage).with("at", at.as_secs());
            Some(Value::Object(described.with("pkcs8", encode_url(&entry.key.to_pkcs8()?))))
        });
        let keys = Value::Array(each.collect());
        Object::new().with("version", 1_u64).with("writing", self.writing).with("keys", keys).to_string()
    }

    /// Reads back what was kept.
    ///
    /// # Errors
    /// It is nothing that was kept by us, or was damaged.
    pub fn from_text(text: &[u8]) -> Result<Self, Unreadable> {
        let limits = Limits { bytes: TEXT_BYTES_MAX, depth: 4 };
        let document = parse_object(text, limits).map_err(|_| Unreadable)?;
        let number = |name| document.get(name).and_then(Value::as_number).and_then(|number| number.as_u64());
        if number("version") != Some(1) {
            return Err(Unreadable);
        }
        let each = document.get("keys").and_then(Value::as_array).ok_or(Unreadable)?;
        let keys: Vec<Entry> =
            each.iter().map(|value| entry(value).ok_or(Unreadable)).collect::<Result<_, _>>()?;
        let in_use = keys.iter().filter(|entry| matches!(entry.stage, Stage::InUse { .. })).count();
        let next = keys.iter().filter(|entry| matches!(entry.stage, Stage::Next { .. })).count();
        if in_use != 1 || next > 1 || keys.len() > KEYS_MAX.saturating_add(1) {
            return Err(Unreadable);
        }
        Ok(Self { keys, writing: number("writing").unwrap_or_default() })
    }
}

impl Entry {
    fn is_next(&self) -> bool {
        matches!(self.stage, Stage::Next { .. })
    }

    fn begin(&mut self, stage: Stage, not_before: Option<Instant>) {
        (self.stage, self.not_before) = (stage, not_before);
    }
}

fn entry(value: &Value) -> Option<Entry> {
    let object = value.as_object()?;
    let text = |name| object.get(name).and_then(Value::as_text);
    let algorithm = Algorithm::from_name(text("alg")?)?;
    let pkcs8 = decode_url(text("pkcs8")?.as_bytes())?;
    let key = SigningKey::from_pkcs8(&pkcs8, algorithm).ok()?.named(text("kid")).ok()?;
    let at = Duration::from_secs(object.get("at")?.as_number()?.as_u64()?);
    let stage = match text("stage")? {
        "next" => Stage::Next { used_from: at },
        "in use" => Stage::InUse { since: at },
        "past" => Stage::Past { gone_at: at },
        _ => return None,
    };
    Some(Entry { key: Arc::new(key), stage, not_before: None })
}
