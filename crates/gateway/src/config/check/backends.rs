//! Backends, their targets and TLS toward them.

use portcullis_openapi::source::Pointer;

use super::listeners::pem;
use super::names::host_fault;
use super::{Judge, root};
use crate::config::backend::{Backend, BackendTls, Breaker, Concurrency, Eject};
use crate::config::values::Duration;

/// Largest weight of a target.
const WEIGHT_MAX: u16 = 1_000;

/// Most repetitions of one request: beyond it a client has long given up.
const RETRIES_MAX: u8 = 10;

/// Largest count of a backend's requests.
const COUNT_MAX: u32 = 1_000_000;

pub(super) fn judge(judge: &mut Judge<'_>) {
    for (name, backend) in &judge.config.backends {
        let path = root().key("backends").key(name);
        targets(judge, &path.key("targets"), backend);
        timeouts(judge, &path.key("timeout"), backend);
        eject(judge, &path.key("eject"), &backend.eject);
        if backend.retries.max > RETRIES_MAX {
            let what = format!("{} is out of range", backend.retries.max);
            judge.value(&path.key("retries").key("max"), what, format!("from 0 to {RETRIES_MAX}"));
        }
        if let Some(breaker) = &backend.breaker {
            self::breaker(judge, &path.key("breaker"), breaker);
        }
        if let Some(concurrency) = &backend.concurrency {
            self::concurrency(judge, &path.key("concurrency"), concurrency);
        }
        if let Some(tls) = &backend.tls {
            self::tls(judge, &path.key("tls"), backend, tls);
        }
    }
}

fn targets(judge: &mut Judge<'_>, path: &Pointer, backend: &Backend) {
    if backend.targets.is_empty() {
        judge.value(path, "names no target", "");
    }
    for (index, target) in backend.targets.iter().enumerate() {
        let path = path.index(index);
        if target.weight == 0 || target.weight > WEIGHT_MAX {
            let hint = format!("from 1 to {WEIGHT_MAX}; take a target out to send it nothing");
            judge.value(&path.key("weight"), format!("{} is out of range", target.weight), hint);
        }
        if target.url.path.contains('?') {
            judge.value(&path, "a target's URL has no query", "");
        }
        if backend.targets.iter().take(index).any(|before| before.url == target.url) {
            judge.value(&path, "is a target already", "give the other a `weight`");
        }
    }
}

fn timeouts(judge: &mut Judge<'_>, path: &Pointer, backend: &Backend) {
    const LONGEST: std::time::Duration = std::time::Duration::from_secs(86_400 * 7);
    let timeout = &backend.timeout;
    let each: [(&str, Duration); 4] = [
        ("connect", timeout.connect),
        ("response", timeout.response),
        ("idle", timeout.idle),
        ("total", timeout.total),
    ];
    for (key, duration) in each {
        if duration.get().is_zero() || duration.get() > LONGEST {
            judge.value(&path.key(key), format!("{duration} is out of range"), "from 1ms to 7d");
        }
    }
}

fn eject(judge: &mut Judge<'_>, path: &Pointer, eject: &Eject) {
    const LONGEST: std::time::Duration = std::time::Duration::from_secs(86_400);
    for (key, duration) in [("time", eject.time), ("time_max", eject.time_max)] {
        if duration.get().is_zero() || duration.get() > LONGEST {
            judge.value(&path.key(key), format!("{duration} is out of range"), "from 1ms to 1d");
        }
    }
    if eject.slow_start.get() > LONGEST {
        let what = format!("{} is out of range", eject.slow_start);
        judge.value(&path.key("slow_start"), what, "from 0s to 1d");
    }
    if eject.time > eject.time_max {
        let what = format!("{} is less than `time`", eject.time_max);
        judge.value(&path.key("time_max"), what, "a target is left out for `time` at first");
    }
}

fn breaker(judge: &mut Judge<'_>, path: &Pointer, breaker: &Breaker) {
    const LONGEST: std::time::Duration = std::time::Duration::from_secs(3_600);
    if breaker.failures.hundredths() == 0 {
        judge.value(&path.key("failures"), "a share of nothing is always reached", "from 0.01% to 100%");
    }
    if breaker.time.get().is_zero() || breaker.time.get() > LONGEST {
        judge.value(&path.key("time"), format!("{} is out of range", breaker.time), "from 1ms to 1h");
    }
    if breaker.requests == 0 || breaker.requests > COUNT_MAX {
        let what = format!("{} is out of range", breaker.requests);
        judge.value(&path.key("requests"), what, format!("from 1 to {COUNT_MAX}"));
    }
}

fn concurrency(judge: &mut Judge<'_>, path: &Pointer, concurrency: &Concurrency) {
    const LONGEST: std::time::Duration = std::time::Duration::from_secs(300);
    if concurrency.max == 0 || concurrency.max > COUNT_MAX {
        let what = format!("{} is out of range", concurrency.max);
        judge.value(&path.key("max"), what, format!("from 1 to {COUNT_MAX}"));
    }
    if concurrency.queue > COUNT_MAX {
        let what = format!("{} is out of range", concurrency.queue);
        judge.value(&path.key("queue"), what, format!("from 0 to {COUNT_MAX}"));
    }
    if concurrency.wait.get() > LONGEST {
        judge.value(&path.key("wait"), format!("{} is out of range", concurrency.wait), "from 0s to 5m");
    }
}

fn tls(judge: &mut Judge<'_>, path: &Pointer, backend: &Backend, tls: &BackendTls) {
    if !backend.targets.iter().any(|target| target.url.https) {
        judge.value(path, "applies to nothing: no target is `https`", "write the targets as `https://…`");
    }
    if let Some(ca) = &tls.ca {
        pem(judge, &path.key("ca"), ca);
    }
    if let Some(name) = &tls.server_name {
        let hint = if name.starts_with("*.") { Some(String::new()) } else { host_fault(name) };
        if let Some(hint) = hint {
            judge.value(&path.key("server_name"), format!("{name:?} is no server name"), hint);
        }
    }
    if let Some(certificate) = &tls.client_certificate {
        let path = path.key("client_certificate");
        pem(judge, &path.key("cert"), &certificate.cert);
        pem(judge, &path.key("key"), certificate.key.expose());
    }
}
