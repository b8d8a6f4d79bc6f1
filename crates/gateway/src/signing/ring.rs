//! Which key is used, which one is next, which ones are still published: told the time, and nothing else.
//!
//! One key is in use. One is next: published, and not used before every set that lacks it is too old to be kept. The past ones
//! are published until the last token they signed has ended.

use std::sync::Arc;
use std::time::Duration;

use portcullis_identity::algorithm::Algorithm;
use portcullis_identity::base64::{decode_url, encode_url};
use portcullis_identity::json::{Limits, Object, Value, parse_object};
use portcullis_identity::jwt::{NotSigned, SigningKey};

use super::LIFETIME_MAX;
use crate::clock::Instant;

/// Most keys of a set. Past ones beyond it are forgotten, the oldest first.
pub const KEYS_MAX: usize = 16;

/// Clocks of readers may be that much behind.
const SKEW: Duration = Duration::from_secs(60);

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
}

impl Schedule {
    /// How long a key is published before it is used: longer than any reader keeps a set that lacks it, its way to the reader
    /// included.
    fn lead(&self) -> Duration {
        let margin = self.max_age.checked_div(10).unwrap_or_default().saturating_add(Duration::from_secs(1));
        Duration::from_secs(self.max_age.saturating_add(margin).as_secs())
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

    /// Moves on what is due at `now`, in whole seconds, and says whether anything changed.
    ///
    /// # Errors
    /// A key cannot be made.
    pub fn advance(
        &mut self,
        schedule: &Schedule,
        now: Duration,
        monotonic: Instant,
    ) -> Result<bool, NotSigned> {
        let mut has_changed = self.clamp(schedule, now);
        let until_gone = LIFETIME_MAX.saturating_add(SKEW);
        let is_due = |entry: &Entry| match entry.stage {
            Stage::Next { used_from: at } | Stage::Past { gone_at: at } => {
                at <= now && entry.not_before.is_none_or(|at| at <= monotonic)
            }
            Stage::InUse { .. } => false,
        };
        let comes = |entry: &Entry| matches!(entry.stage, Stage::Next { .. });
        if self.keys.iter().any(|entry| comes(entry) && is_due(entry)) {
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
        has_changed |= self.keys.len() != before;
        let in_use = self.keys.iter().find_map(|entry| match entry.stage {
            Stage::InUse { since } => Some((since, entry.key.algorithm())),
            _ => None,
        });
        match in_use {
            None => {
                // Nothing is signed with a key that is next, as long as another can be; now none can.
                self.keys.retain(|entry| !comes(entry));
                self.add(schedule, Stage::InUse { since: now }, None)?;
                has_changed = true;
            }
            Some((since, algorithm)) => {
                let due = since.saturating_add(schedule.alone());
                let next = self.keys.iter().position(comes);
                if let Some(at) = next
                    && self.keys.get(at).is_some_and(|entry| entry.key.algorithm() != schedule.algorithm)
                {
                    self.keys.remove(at);
                    has_changed = true;
                }
                let has_next = self.keys.iter().any(comes);
                if !has_next && (algorithm != schedule.algorithm || due <= now) {
                    let used_from = now.saturating_add(schedule.lead());
                    self.add(schedule, Stage::Next { used_from }, monotonic.checked_add(schedule.lead()))?;
                    has_changed = true;
                }
            }
        }
        Ok(has_changed)
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

    /// Takes over what is kept: another process of this gateway may have moved on.
    pub fn adopt(&mut self, kept: &Self, now: Duration, monotonic: Instant) {
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
        let of = |entry: &Entry| (entry.key.kid().to_owned(), entry.stage);
        self.keys.len() != kept.keys.len() || !self.keys.iter().zip(&kept.keys).all(|(a, b)| of(a) == of(b))
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
                Stage::Past { gone_at } => Stage::Past {
                    gone_at: gone_at.min(now.saturating_add(LIFETIME_MAX).saturating_add(SKEW)),
                },
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

    /// The text that is kept, private parts included.
    pub fn to_text(&self) -> String {
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
        Object::new().with("version", 1_u64).with("keys", keys).to_string()
    }

    /// Reads back what was kept.
    ///
    /// # Errors
    /// It is nothing that was kept by us, or was damaged.
    pub fn from_text(text: &[u8]) -> Result<Self, Unreadable> {
        let limits = Limits { bytes: TEXT_BYTES_MAX, depth: 4 };
        let document = parse_object(text, limits).map_err(|_| Unreadable)?;
        let version = document.get("version").and_then(Value::as_number).and_then(|number| number.as_u64());
        if version != Some(1) {
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
        Ok(Self { keys })
    }
}

impl Entry {
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
