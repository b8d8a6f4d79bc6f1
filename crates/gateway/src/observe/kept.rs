//! The last exchanges, as `explain` shows them.
//!
//! Two rings for each of a few shards: one for what was refused or failed, one for what went well. A thread
//! writes to the shard of its own; a lock that a reader holds is not waited for. Slots are written over in place,
//! so that keeping costs copies and no allocation once a ring has gone round.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::record::{Counted, Decision, Record};
use super::sink::{SHARDS_MAX, home, lock};
use super::timestamp;

/// Exchanges kept that were refused, failed or broke off.
pub const REFUSED_KEPT: usize = 2_048;
/// Exchanges kept that went well.
pub const ALLOWED_KEPT: usize = 512;
/// Least time between two that went well and are kept, per shard: under load they would fill the ring in
/// milliseconds, and copying each would be paid by all.
pub const ALLOWED_EVERY: Duration = Duration::from_millis(1);
/// Longest text kept of a value, in bytes.
const TEXT_BYTES_MAX: usize = 512;

/// One ended exchange.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Kept {
    /// Request id.
    pub id: String,
    /// When it began, since 1970.
    #[serde(rename = "time", serialize_with = "as_time")]
    pub wall: Duration,
    /// How long it took, in milliseconds.
    #[serde(rename = "duration_ms", serialize_with = "as_millis")]
    pub took: Duration,
    /// The client's address.
    pub client: IpAddr,
    /// Method.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub method: String,
    /// Host.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub host: String,
    /// Path, without its query.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// API.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub api: String,
    /// Operation.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub operation: String,
    /// Consumer.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub consumer: String,
    /// Id of the credential.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub credential: String,
    /// How it ended.
    pub decision: Decision,
    /// Status sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Code of the problem.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<&'static str>,
    /// Code of the problem by which a control that only observes would have ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed: Option<&'static str>,
    /// What the caller was told.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// What the caller was not told.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cause: String,
    /// The target that was asked.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub backend: String,
    /// How often it was sent again, or to another target.
    pub resends: u32,
    /// Hash of the configuration it was judged by.
    pub config_hash: String,
    /// What each control decided, in order, and where the configuration says so.
    pub verdicts: Vec<KeptVerdict>,
}

/// What one control decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeptVerdict {
    /// The control.
    pub control: &'static str,
    /// What it decided.
    pub decision: Decision,
    /// `file:line path` of the setting that decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Arc<str>>,
}

/// The rings.
#[derive(Debug)]
pub(super) struct Rings {
    shards: Box<[Shard]>,
}

#[derive(Debug)]
struct Shard {
    /// Nanoseconds since 1970 when one that went well was last kept.
    // PERF: outside the lock: of a thousand such exchanges all but a few are not kept.
    last_allowed: AtomicU64,
    kept: Mutex<KeptHere>,
}

#[derive(Debug)]
struct KeptHere {
    refused: Ring,
    allowed: Ring,
}

#[derive(Debug)]
struct Ring {
    slots: Vec<Kept>,
    next: usize,
    len_max: usize,
}

impl Default for Rings {
    fn default() -> Self {
        let count = thread::available_parallelism().map_or(1, usize::from).clamp(1, SHARDS_MAX);
        let share = |kept: usize| Ring { slots: Vec::new(), next: 0, len_max: kept.div_ceil(count) };
        let shard = |_| {
            let kept = KeptHere { refused: share(REFUSED_KEPT), allowed: share(ALLOWED_KEPT) };
            Shard { last_allowed: AtomicU64::new(0), kept: Mutex::new(kept) }
        };
        Self { shards: (0..count).map(shard).collect() }
    }
}

impl Rings {
    /// Whether there is cause to keep it.
    pub(super) fn wants(&self, counted: &Counted<'_>) -> bool {
        self.shards.get(home(self.shards.len())).is_some_and(|shard| {
            !went_well(counted.decision, counted.is_observed) || shard.is_due(nanos(counted.wall))
        })
    }

    /// Keeps an exchange, if there is cause and no reader in the way.
    pub(super) fn keep(&self, record: &Record<'_>) {
        let Some(shard) = self.shards.get(home(self.shards.len())) else { return };
        let went_well = went_well(record.decision, record.observed.is_some());
        if went_well {
            let now = nanos(record.wall);
            if !shard.is_due(now) {
                return;
            }
            shard.last_allowed.store(now, Ordering::Relaxed);
        }
        let Ok(mut kept) = shard.kept.try_lock() else { return };
        let ring = if went_well { &mut kept.allowed } else { &mut kept.refused };
        ring.put(record);
    }

    /// The exchange of that id.
    pub(super) fn find(&self, id: &str) -> Option<Kept> {
        self.shards.iter().find_map(|shard| {
            let shard = lock(&shard.kept);
            shard.all().find(|kept| kept.id == id).cloned()
        })
    }

    /// The latest `count`, the last one first.
    pub(super) fn recent(&self, count: usize) -> Vec<Kept> {
        let mut all: Vec<Kept> = Vec::new();
        for shard in &self.shards {
            all.extend(lock(&shard.kept).all().cloned());
        }
        all.sort_by(|a, b| b.wall.cmp(&a.wall).then_with(|| b.id.cmp(&a.id)));
        all.truncate(count);
        all
    }
}

impl Shard {
    /// Whether one that went well may be kept again.
    fn is_due(&self, now: u64) -> bool {
        // The wall clock may go backwards; then the ring fills a little faster.
        let since = now.abs_diff(self.last_allowed.load(Ordering::Relaxed));
        Duration::from_nanos(since) >= ALLOWED_EVERY
    }
}

fn went_well(decision: Decision, is_observed: bool) -> bool {
    matches!(decision, Decision::Allowed | Decision::Answered) && !is_observed
}

fn nanos(wall: Duration) -> u64 {
    u64::try_from(wall.as_nanos()).unwrap_or(u64::MAX)
}

impl KeptHere {
    fn all(&self) -> impl Iterator<Item = &Kept> {
        self.refused.slots.iter().chain(&self.allowed.slots)
    }
}

impl Ring {
    fn put(&mut self, record: &Record<'_>) {
        if let Some(slot) = self.slots.get_mut(self.next) {
            slot.write_over(record);
        } else {
            let mut slot = Kept::empty(record.client);
            slot.write_over(record);
            self.slots.push(slot);
        }
        self.next = self.next.saturating_add(1);
        if self.next >= self.len_max {
            self.next = 0;
        }
    }
}

impl Kept {
    fn empty(client: IpAddr) -> Self {
        Self {
            id: String::new(),
            wall: Duration::ZERO,
            took: Duration::ZERO,
            client,
            method: String::new(),
            host: String::new(),
            path: String::new(),
            api: String::new(),
            operation: String::new(),
            consumer: String::new(),
            credential: String::new(),
            decision: Decision::Allowed,
            status: None,
            problem: None,
            observed: None,
            detail: String::new(),
            cause: String::new(),
            backend: String::new(),
            resends: 0,
            config_hash: String::new(),
            verdicts: Vec::new(),
        }
    }

    fn write_over(&mut self, record: &Record<'_>) {
        set(&mut self.id, Some(record.id()));
        self.wall = record.wall;
        self.took = record.took;
        self.client = record.client;
        set(&mut self.method, record.method);
        set(&mut self.host, record.host);
        set(&mut self.path, record.path);
        set(&mut self.api, record.api.map(|api| &**api));
        set(&mut self.operation, record.operation.map(|name| &**name));
        set(&mut self.consumer, record.consumer);
        set(&mut self.credential, record.credential);
        self.decision = record.decision;
        self.status = record.status;
        self.problem = record.problem.map(|kind| kind.code);
        set(&mut self.detail, record.detail);
        self.observed = record.observed.map(|(kind, _)| kind.code);
        set(&mut self.cause, record.cause.or(record.observed.and_then(|(_, cause)| cause)));
        set(&mut self.backend, record.backend.map(|(target, _)| target));
        self.resends = record.resends;
        set(&mut self.config_hash, Some(record.revision));
        self.verdicts.clear();
        self.verdicts.extend(record.verdicts.iter().map(|verdict| KeptVerdict {
            control: verdict.control,
            decision: verdict.decision,
            place: record.place_of(verdict).cloned(),
        }));
    }
}

/// Writes `value` over `slot`, cut at a character's end.
fn set(slot: &mut String, value: Option<&str>) {
    slot.clear();
    let value = value.unwrap_or_default();
    slot.push_str(value.get(..value.floor_char_boundary(TEXT_BYTES_MAX)).unwrap_or_default());
}

fn as_time<S: Serializer>(wall: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&timestamp::format(*wall))
}

fn as_millis<S: Serializer>(took: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(took.as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests;
