//! Has a certificate ordered when it is time, and says how that goes.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::Semaphore;

use super::shelf::{Kept, Shelf};
use super::{APART_MAX, APART_MIN, Acme, Failure, ORDER_MAX, SKEW, keys, order};
use crate::certificates::Certificates;
use crate::clock;
use crate::http::tls::Certificate;
use crate::observe::{Incident, Observe, timestamp};
use crate::problem::Severity;

/// The kind of its incidents.
const KIND: &str = "certificate-not-renewed";
/// How often it is looked what time it is, at the least: the wall clock may be set.
const LOOK_AGAIN: Duration = Duration::from_secs(30);
/// How long another process that orders is left alone.
const BUSY: Duration = Duration::from_secs(5);
/// Failures in a row that are an incident.
const FAILURES_MAX: u32 = 3;

/// Who is told of it.
pub(super) struct Told {
    pub(super) certificates: Arc<Certificates>,
    pub(super) observe: Observe,
}

/// What an attempt came to: a certificate and its chain in PEM, if anything.
enum Outcome {
    Ordered(Certificate, String),
    /// Another process had ordered it meanwhile.
    Found(Certificate, String),
    /// Another process orders something.
    Busy,
}

/// Ends when nobody holds the certificate any more.
pub(super) async fn keep(acme: Weak<Acme>, orders: Arc<Semaphore>, told: Told) {
    loop {
        // Not held while nothing is to be done, so that one that nobody else holds ends.
        let Some(held) = acme.upgrade() else { return };
        held.watch_end();
        let due = held.due();
        drop(held);
        if !due.is_zero() {
            tokio::time::sleep(due.min(LOOK_AGAIN)).await;
            continue;
        }
        let Ok(_permit) = orders.acquire().await else { return };
        let Some(held) = acme.upgrade() else { return };
        if held.due().is_zero() {
            held.attempt(&told).await;
        }
    }
}

impl Acme {
    async fn attempt(&self, told: &Told) {
        let obtained = tokio::time::timeout(ORDER_MAX, self.obtain()).await;
        let obtained = obtained.unwrap_or_else(|_| Err(Failure::away("the order takes too long")));
        let names = self.spoken_names();
        match obtained {
            Ok(Outcome::Busy) => self.progress().until = clock::now().checked_add(BUSY),
            Ok(Outcome::Found(certificate, chain)) => {
                let expires = timestamp::format(certificate.ends());
                tracing::info!(names, expires, "another process has obtained a certificate");
                self.serve(certificate, &chain, told);
            }
            Ok(Outcome::Ordered(certificate, chain)) => {
                let expires = timestamp::format(certificate.ends());
                tracing::info!(names, expires, "a certificate was obtained");
                let lifetime = certificate.ends().saturating_sub(certificate.begins());
                let apart = lifetime.checked_div(50).unwrap_or_default().clamp(APART_MIN, APART_MAX);
                self.serve(certificate, &chain, told);
                let mut progress = self.progress();
                progress.good = progress.good.saturating_add(1);
                // Whatever an authority, or a clock, makes of its end: orders are counted.
                progress.until = clock::now().checked_add(apart);
            }
            Err(failure) => self.failed(&failure, &told.observe),
        }
    }

    fn serve(&self, certificate: Certificate, chain: &str, told: &Told) {
        self.adopt(certificate, chain);
        let place = Arc::clone(&self.progress().place);
        if self.is_wanted() {
            told.certificates.obtained(&place, chain);
        }
    }

    /// A new certificate, kept for the next start.
    async fn obtain(&self) -> Result<Outcome, Failure> {
        let Some(shelf) = &self.shelf else {
            return Err(Failure::refused("there is no state directory to keep it in"));
        };
        // Held until the end. What cannot be written to shows here, before anything is ordered.
        let Some(_lock) = off(shelf, |shelf| shelf.lock().map_err(unkept)).await? else {
            return Ok(Outcome::Busy);
        };
        if let Some(found) = self.found(shelf).await? {
            return Ok(found);
        }
        let account = off(shelf, |shelf| shelf.account().map_err(unkept)).await?;
        let spec = self.spec.clone();
        let wanted = off(&spec, |spec| keys::wanted(&spec)).await?;
        let chain = order::run(&spec, &self.managed, &self.remote, &account, &wanted.request).await?;
        let kept = Kept { chain, key: wanted.key };
        let certificate = self.judge(&kept).map_err(Failure::refused)?;
        let now = clock::wall();
        if certificate.ends() <= now || certificate.begins() > now.saturating_add(SKEW) {
            return Err(Failure::refused("the certificate does not hold now"));
        }
        let chain = kept.chain.clone();
        if let Err(failure) = off(shelf, move |shelf| shelf.keep(&kept).map_err(unkept)).await {
            // It was ordered and is good: it serves until the next start.
            let (names, reason) = (self.spoken_names(), failure.why);
            tracing::error!(names, %reason, "a certificate is not kept: the next start orders another one");
        }
        Ok(Outcome::Ordered(certificate, chain))
    }

    /// What is kept, if it lasts longer than what we have.
    async fn found(&self, shelf: &Shelf) -> Result<Option<Outcome>, Failure> {
        let Some(kept) = off(shelf, |shelf| shelf.read().map_err(unkept)).await? else { return Ok(None) };
        let has = self.progress().renew.and_then(|_| self.managed.current()).map(|current| current.ends());
        let newer = self.judge(&kept).ok().filter(|found| has.is_none_or(|has| found.ends() > has));
        Ok(newer.map(|certificate| Outcome::Found(certificate, kept.chain)))
    }

    fn failed(&self, failure: &Failure, observe: &Observe) {
        let in_a_row = {
            let mut progress = self.progress();
            progress.failed = progress.failed.saturating_add(1);
            progress.in_a_row = progress.in_a_row.saturating_add(1);
            progress.failure = Some(failure.why.clone());
            progress.until = clock::now().checked_add(failure.pause(progress.in_a_row));
            progress.in_a_row
        };
        let (names, reason) = (self.spoken_names(), &failure.why);
        tracing::warn!(names, %reason, failures = in_a_row, "a certificate cannot be obtained");
        let severity = match self.left() {
            // What is there goes on for a while.
            Some((left, lifetime)) if left > lifetime.checked_div(6).unwrap_or_default() => Severity::Medium,
            Some(_) | None => Severity::High,
        };
        let is_grave = in_a_row >= FAILURES_MAX || (severity == Severity::High && self.left().is_some());
        if is_grave && self.progress().told.replace(severity) != Some(severity) {
            let cause = format!("{names}: {reason}");
            observe.incident(&Incident::own(clock::wall(), KIND, severity, &cause));
        }
    }

    /// How long the certificate of this moment holds, and how long it does in all.
    fn left(&self) -> Option<(Duration, Duration)> {
        let certificate = self.managed.current()?;
        let lifetime = certificate.ends().saturating_sub(certificate.begins());
        Some((certificate.ends().saturating_sub(clock::wall()), lifetime))
    }

    /// Says once that what is served has ended. Whoever watches ends makes an incident of it.
    fn watch_end(&self) {
        let is_over = self.left().is_some_and(|(left, _)| left.is_zero());
        if is_over && !std::mem::replace(&mut self.progress().has_told_end, true) {
            let names = self.spoken_names();
            tracing::error!(names, "a certificate that has expired is served; another one is not there yet");
        }
    }
}

fn unkept(error: impl std::fmt::Display) -> String {
    format!("it cannot be kept: {error}")
}

/// Does what may take its time, such as asking the disk, on another thread.
async fn off<S, T>(with: &S, act: impl FnOnce(S) -> Result<T, String> + Send + 'static) -> Result<T, Failure>
where
    S: Clone + Send + 'static,
    T: Send + 'static,
{
    let with = with.clone();
    let done = tokio::task::spawn_blocking(move || act(with)).await;
    done.unwrap_or_else(|error| Err(error.to_string())).map_err(Failure::away)
}
