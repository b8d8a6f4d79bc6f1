//! The counters of one operation, resolved once and then reached without a lookup.

use std::array;
use std::mem::offset_of;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::super::drift::{Drift, NameSeen, Seen, Side, Undeclared, Usage};
use super::super::histogram::{Histogram, Observed};
use super::super::record::{Counted, Decision};
use super::place;
use crate::clock;

/// Methods with a series of their own; any other counts as `_OTHER`, as OpenTelemetry has it.
const METHODS: [&str; 8] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "_OTHER"];

/// Statuses with a series of their own: those the IANA registry names and gateways meet. Any other counts as its
/// class (`2xx`), so that a backend cannot make series; `none` is an exchange that ended without a reply.
const STATUSES: [(u16, &str); 49] = [
    (200, "200"),
    (201, "201"),
    (202, "202"),
    (204, "204"),
    (206, "206"),
    (304, "304"),
    (400, "400"),
    (401, "401"),
    (403, "403"),
    (404, "404"),
    (405, "405"),
    (409, "409"),
    (422, "422"),
    (429, "429"),
    (500, "500"),
    (502, "502"),
    (503, "503"),
    (504, "504"),
    (101, "101"),
    (203, "203"),
    (205, "205"),
    (207, "207"),
    (300, "300"),
    (301, "301"),
    (302, "302"),
    (303, "303"),
    (307, "307"),
    (308, "308"),
    (402, "402"),
    (406, "406"),
    (408, "408"),
    (410, "410"),
    (411, "411"),
    (412, "412"),
    (413, "413"),
    (414, "414"),
    (415, "415"),
    (416, "416"),
    (417, "417"),
    (421, "421"),
    (423, "423"),
    (424, "424"),
    (425, "425"),
    (426, "426"),
    (428, "428"),
    (431, "431"),
    (451, "451"),
    (501, "501"),
    (505, "505"),
];
/// What stands for a status that has no series of its own, by its hundreds; first what has no status.
const CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

/// Handles to the counters of one operation.
#[derive(Debug, Clone, Default)]
pub struct OperationMetrics(Arc<Series>);

/// Names an operation's series.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) api: Box<str>,
    pub(super) operation: Box<str>,
    pub(super) template: Box<str>,
}

/// The counters themselves. Made small: a gateway may have ten thousand operations, of which most are idle.
// PERF: what nearly every exchange looks at and writes lies in one line, the second, from the outcomes but the last to the
// first bucket of the usual durations: of many operations the next one asked for is not in the cache. There is one of each
// for all cores: with 10,000 operations, a line for each core would be too much memory.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub(super) struct Series {
    pub(super) key: Key,
    observed: AtomicU64,
    /// By the ends of exchanges, the last of them first. Those that ended as usual are counted by their durations.
    outcomes: [AtomicU64; Decision::ENDS.len()],
    /// Milliseconds since 1970 when it was last used; 0 for never, as for `first`.
    last: AtomicU64,
    /// What ended here first, and for most operations all that ever ends.
    usual: OnceLock<End>,
    /// The durations of exchanges that ended so.
    usual_durations: Histogram,
    /// Those of the others, by method and status; of the usual ones, if the outcome was another.
    durations: [OnceLock<Box<ByStatus>>; METHODS.len()],
    first: AtomicU64,
    /// How often it was used in an exchange that did not end well.
    used_in_vain: AtomicU64,
    pub(super) usage: Usage,
    /// What became of answers that were judged; most operations judge none.
    answers: OnceLock<Box<[AtomicU64; AnswerOutcome::ALL.len()]>>,
    /// Whether callers are asked to use it no more.
    is_deprecated: AtomicBool,
    drift: Arc<Drift>,
}

/// How an exchange ended, by places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct End {
    method: u8,
    status: u8,
    outcome: u8,
}

/// The last of the outcomes ends the first line, and the first bucket the second.
const _: () =
    assert!(offset_of!(Series, outcomes) == 64 - 8 && offset_of!(Series, usual_durations) == 2 * 64 - 16);

#[derive(Debug)]
struct ByStatus([OnceLock<Box<Histogram>>; STATUSES.len() + CLASSES.len()]);

/// What became of an answer that was judged by its contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerOutcome {
    /// It is what its definition says.
    Conforms,
    /// It is not, and went as it was.
    Objected,
    /// Something was taken out of it.
    Stripped,
    /// Values of it were masked.
    Masked,
    /// Something else went in place of its content.
    Replaced,
    /// It did not go.
    Blocked,
    /// It went, and was not judged afterwards: it was too large, or others came first.
    Unjudged,
}

impl AnswerOutcome {
    /// Every outcome, in the order of the enum.
    pub const ALL: [Self; 7] = [
        Self::Conforms,
        Self::Objected,
        Self::Stripped,
        Self::Masked,
        Self::Replaced,
        Self::Blocked,
        Self::Unjudged,
    ];

    /// The word in labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Conforms => "conforms",
            Self::Objected => "objected",
            Self::Stripped => "stripped",
            Self::Masked => "masked",
            Self::Replaced => "replaced",
            Self::Blocked => "blocked",
            Self::Unjudged => "unjudged",
        }
    }
}

impl OperationMetrics {
    pub(super) fn of(series: Arc<Series>) -> Self {
        Self(series)
    }

    pub(super) fn series(&self) -> &Arc<Series> {
        &self.0
    }

    /// Says whether callers are asked to use it no more.
    pub fn deprecate(&self, is_deprecated: bool) {
        self.0.is_deprecated.store(is_deprecated, Ordering::Relaxed);
    }

    /// Whether callers are asked to use it no more.
    pub fn is_deprecated(&self) -> bool {
        self.0.is_deprecated()
    }

    /// Notes a name that passed, or would have, and is not declared. Never waits.
    pub fn undeclared(&self, side: Side, what: Undeclared, name: &str, wall: Duration) {
        self.0.usage.undeclared(&self.0.drift, side, what, name, wall);
    }

    /// Since when it is published, since 1970.
    pub fn begun(&self) -> Duration {
        self.0.usage.begun
    }

    /// How often and when it was used, if it was: its backend was asked, or the gateway answered for it.
    pub fn used(&self) -> Option<Seen> {
        self.0.seen()
    }

    /// The names that are not declared and were seen, and how many of them were forgotten.
    pub fn undeclared_names(&self) -> (Vec<NameSeen>, u64) {
        self.0.usage.names()
    }

    /// Counts an answer that was judged by its contract.
    pub fn answered(&self, outcome: AnswerOutcome) {
        let answers = self.0.answers.get_or_init(Box::default);
        if let Some(counter) = answers.get(place(&AnswerOutcome::ALL, &outcome)) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts an ended exchange.
    pub(super) fn record(&self, record: &Counted<'_>) {
        let went_well = matches!(record.decision, Decision::Allowed | Decision::Answered);
        if went_well || record.was_forwarded {
            self.0.used(record.wall, went_well);
        }
        if record.is_observed {
            self.0.observed.fetch_add(1, Ordering::Relaxed);
        }
        let end = End {
            method: method_place(record.method),
            status: status_place(record.status),
            outcome: record.decision as u8,
        };
        // PERF: its outcome goes without saying, which is one locked addition of three.
        if *self.0.usual.get_or_init(|| end) == end {
            return self.0.usual_durations.observe(record.took);
        }
        if let Some(counter) = self.0.outcomes.iter().rev().nth(usize::from(end.outcome)) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        let Some(by_status) = self.0.durations.get(usize::from(end.method)) else { return };
        if let Some(slot) = by_status.get_or_init(Box::default).0.get(usize::from(end.status)) {
            slot.get_or_init(Box::default).observe(record.took);
        }
    }
}

impl Series {
    pub(super) fn new(key: Key, drift: &Arc<Drift>) -> Self {
        // What has an end of its own cannot be taken apart.
        let mut series = Self::default();
        (series.key, series.drift) = (key, Arc::clone(drift));
        series.usage.begun = clock::wall();
        series
    }

    /// Notes that it was used.
    fn used(&self, wall: Duration, went_well: bool) {
        let now = clock::millis(wall).max(1);
        if self.last.load(Ordering::Relaxed) == 0 {
            let _ = self.first.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed);
        }
        self.last.store(now, Ordering::Relaxed);
        // PERF: those that end well are counted among the outcomes.
        if !went_well {
            self.used_in_vain.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How often and when it was used, if it was.
    pub(super) fn seen(&self) -> Option<Seen> {
        let at = |millis: &AtomicU64| Duration::from_millis(millis.load(Ordering::Relaxed));
        let (first, last) = (at(&self.first), at(&self.last));
        let good = [Decision::Allowed, Decision::Answered].map(Decision::as_str);
        let well = self.outcomes().filter(|(outcome, _)| good.contains(outcome)).map(|(_, count)| count);
        let count = well.fold(self.used_in_vain.load(Ordering::Relaxed), u64::wrapping_add);
        (!first.is_zero()).then_some(Seen { count, first, last })
    }

    /// How many exchanges ended in each way.
    pub(super) fn outcomes(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let usual = self.usual.get().map(|end| usize::from(end.outcome));
        let as_usual = self.usual_durations.read().count();
        Decision::ENDS.iter().zip(self.outcomes.iter().rev()).enumerate().map(
            move |(place, (outcome, count))| {
                let others = count.load(Ordering::Relaxed);
                let all = if usual == Some(place) { others.wrapping_add(as_usual) } else { others };
                (outcome.as_str(), all)
            },
        )
    }

    /// Whether callers are asked to use it no more.
    pub(super) fn is_deprecated(&self) -> bool {
        self.is_deprecated.load(Ordering::Relaxed)
    }

    /// How many exchanges a control that only observes would have ended.
    pub(super) fn observed(&self) -> u64 {
        self.observed.load(Ordering::Relaxed)
    }

    /// How many answers that were judged ended in each way; none where none was.
    pub(super) fn answers(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counters = self.answers.get().into_iter().flat_map(|answers| answers.iter());
        AnswerOutcome::ALL
            .iter()
            .zip(counters)
            .map(|(outcome, counter)| (outcome.as_str(), counter.load(Ordering::Relaxed)))
    }

    /// Method, status and durations of every series that was used.
    pub(super) fn durations(&self) -> impl Iterator<Item = (&'static str, &'static str, Observed)> {
        let usual = self.usual.get().map(|end| {
            let as_usual = self.usual_durations.read();
            let others = self.others(*end).map(Histogram::read);
            let all = others.map_or(as_usual, |others| as_usual.and(&others));
            ((usize::from(end.method), usize::from(end.status)), all)
        });
        let place = usual.map(|(place, _)| place);
        let slots =
            self.durations.iter().enumerate().filter_map(|(method, slot)| Some((method, slot.get()?)));
        let others = slots.flat_map(|(method, by_status)| {
            let used = by_status.0.iter().enumerate();
            used.filter_map(move |(status, slot)| Some(((method, status), slot.get()?.read())))
        });
        let all = usual.into_iter().chain(others.filter(move |(other, _)| Some(*other) != place));
        all.filter_map(|((method, status), all)| {
            Some((*METHODS.get(method)?, status_names().nth(status)?, all))
        })
    }

    /// The durations of exchanges with the method and status of `end` that are not the usual ones, if there were any.
    fn others(&self, end: End) -> Option<&Histogram> {
        let by_status = self.durations.get(usize::from(end.method))?.get()?;
        by_status.0.get(usize::from(end.status))?.get().map(|slot| &**slot)
    }
}

impl Drop for Series {
    fn drop(&mut self) {
        self.drift.give_back(self.usage.kept());
    }
}

impl Default for ByStatus {
    fn default() -> Self {
        Self(array::from_fn(|_| OnceLock::new()))
    }
}

/// Statuses and classes in the order of their places.
fn status_names() -> impl Iterator<Item = &'static str> {
    STATUSES.iter().map(|(_, name)| *name).chain(CLASSES)
}

fn method_place(method: Option<&str>) -> u8 {
    let other = METHODS.len().saturating_sub(1);
    let place = method.and_then(|wanted| METHODS.iter().position(|method| *method == wanted));
    u8::try_from(place.unwrap_or(other)).unwrap_or(u8::MAX)
}

fn status_place(status: Option<u16>) -> u8 {
    let status = status.unwrap_or_default();
    let place = STATUSES.iter().position(|(known, _)| *known == status).unwrap_or_else(|| {
        STATUSES.len().saturating_add(usize::from(status / 100).min(CLASSES.len().saturating_sub(1)))
    });
    u8::try_from(place).unwrap_or(u8::MAX)
}
