//! What a stream stands on, and how it learns that this is gone.
//!
//! A request keeps the snapshot it began with; a stream may outlive many. It holds none of them, only a [`Lease`]: the
//! terms its operation was published on and the credentials that opened it. After each swap, whenever the store changes
//! who is known, and when a credential expires, the lease is held against the running snapshot. An edit that leaves both as they were leaves the stream
//! alone; another API in a consumer's grant, or a later end of a key, takes nothing away.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use super::{Live, Snapshot};
use crate::clock;
use crate::http::ending::{Ending, Lapse};
use crate::pipeline::operation::StreamTerms;
use crate::pipeline::{Context, Operation, Proof};

/// The wall clock may be set anew: a credential's end is looked at this often, whatever it says.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// What a stream stands on.
#[derive(Debug)]
pub struct Lease {
    terms: StreamTerms,
    api: Arc<str>,
    proofs: SmallVec<[Arc<Proof>; 1]>,
}

impl Lease {
    /// What an exchange of this operation stands on, if it may become a stream.
    pub fn of(operation: &Operation, cx: &Context) -> Option<Self> {
        let terms = *operation.terms.as_deref()?;
        Some(Self { terms, api: Arc::clone(&operation.api), proofs: cx.proofs().cloned().collect() })
    }

    /// Whether `snapshot` still grants it, and until when on the wall clock.
    fn holds(&self, snapshot: &Snapshot) -> Result<Option<Duration>, Lapse> {
        if !snapshot.stream_terms.contains(&self.terms) {
            return Err(Lapse::Operation);
        }
        let mut until: Option<Duration> = None;
        for proof in &self.proofs {
            let end = snapshot.callers.still_opens(proof, &self.api).ok_or(Lapse::Caller)?;
            until = match (until, end) {
                (Some(until), Some(end)) => Some(until.min(end)),
                (until, end) => until.or(end),
            };
        }
        match until {
            Some(until) if until <= clock::wall() => Err(Lapse::Caller),
            until => Ok(until),
        }
    }
}

impl Live {
    /// When a stream with this lease must end.
    pub fn ending(self: &Arc<Self>, lease: Lease) -> Ending {
        let live = Arc::clone(self);
        Ending::new(Box::pin(async move { live.lapse(&lease).await }))
    }

    async fn lapse(&self, lease: &Lease) -> (Lapse, Duration) {
        loop {
            let mut changed = pin!(self.changed.notified());
            // Before the look: a swap between the two is not missed.
            changed.as_mut().enable();
            let (held, grace) = {
                let snapshot = self.snapshot.load();
                (lease.holds(&snapshot), snapshot.bounds.stream_grace)
            };
            match held {
                Err(lapse) => return (lapse, grace),
                Ok(None) => changed.await,
                Ok(Some(until)) => {
                    let left = until.saturating_sub(clock::wall()).min(LOOK_AGAIN);
                    tokio::select! {
                        () = changed => {}
                        () = tokio::time::sleep(left) => {}
                    }
                }
            }
        }
    }
}
