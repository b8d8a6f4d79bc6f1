//! Backends, their targets and TLS toward them.

use std::net::IpAddr;

use portcullis_openapi::source::Pointer;

use super::listeners::pem;
use super::names::host_fault;
use super::{Judge, credentials, repeated, root};
use crate::bounds::Bounds;
use crate::config::backend::{Backend, BackendTls, Breaker, Concurrency, Eject, Health};
use crate::config::values::Duration;

/// Largest weight of a target.
const WEIGHT_MAX: u16 = 1_000;

/// Most repetitions of one request: beyond it a client has long given up.
const RETRIES_MAX: u8 = 10;

/// Largest count of a backend's requests.
const COUNT_MAX: u32 = 1_000_000;
/// Name servers that are asked one after the other.
const NAME_SERVERS_MAX: usize = 3;

/// Most targets of a backend: each is looked at to choose one.
const TARGETS_MAX: usize = 1_000;

pub(super) fn judge(judge: &mut Judge<'_>) {
    dns(judge);
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
        if let Some(health) = &backend.health {
            self::health(judge, &path.key("health"), health);
        }
        if let Some(source) = backend.source {
            self::source(judge, &path.key("source"), backend, source.0);
        }
        if let Some(tls) = &backend.tls {
            self::tls(judge, &path.key("tls"), backend, tls);
        }
        if let Some(settings) = &backend.credentials {
            credentials::judge(judge, &path.key("credentials"), settings);
        }
    }
}

fn dns(judge: &mut Judge<'_>) {
    const LONGEST: std::time::Duration = std::time::Duration::from_secs(60);
    let (path, dns) = (root().key("dns"), &judge.config.dns);
    if dns.timeout.get().is_zero() || dns.timeout.get() > LONGEST {
        judge.value(&path.key("timeout"), format!("{} is out of range", dns.timeout), "from 1ms to 60s");
    }
    if dns.servers.len() > NAME_SERVERS_MAX {
        let what = format!("{} servers are too many", dns.servers.len());
        judge.value(&path.key("servers"), what, format!("at most {NAME_SERVERS_MAX}"));
    }
    let (least, most) = (judge.config.bounds.dns_ttl_min, judge.config.bounds.dns_ttl_max);
    let bounds = judge.config.bounds.over(&Bounds::default());
    if (least.is_some() || most.is_some()) && bounds.dns_ttl_min > bounds.dns_ttl_max {
        let key = if most.is_some() { "dns_ttl_max" } else { "dns_ttl_min" };
        judge.value(&root().key("bounds").key(key), "`dns_ttl_max` is less than `dns_ttl_min`", "");
    }
}

fn targets(judge: &mut Judge<'_>, path: &Pointer, backend: &Backend) {
    if backend.targets.is_empty() {
        judge.value(path, "names no target", "");
    }
    if backend.targets.len() > TARGETS_MAX {
        let what = format!("{} targets are too many", backend.targets.len());
        judge.value(path, what, format!("at most {TARGETS_MAX}"));
        return;
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
    }
    for index in repeated(backend.targets.iter().map(|target| &target.url)) {
        judge.value(&path.index(index), "is a target already", "give the other a `weight`");
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

fn health(judge: &mut Judge<'_>, path: &Pointer, health: &Health) {
    const LONGEST: std::time::Duration = std::time::Duration::from_secs(3_600);
    const SHORTEST: std::time::Duration = std::time::Duration::from_millis(100);
    let is_path = health.path.starts_with('/') && health.path.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_path || health.path.contains('#') {
        let what = format!("{:?} is no path", health.path);
        judge.value(&path.key("path"), what, "write what a request line would say, such as `/healthz`");
    }
    if health.interval.get() < SHORTEST || health.interval.get() > LONGEST {
        judge.value(
            &path.key("interval"),
            format!("{} is out of range", health.interval),
            "from 100ms to 1h",
        );
    }
    if health.timeout.get().is_zero() || health.timeout.get() > LONGEST {
        judge.value(&path.key("timeout"), format!("{} is out of range", health.timeout), "from 1ms to 1h");
    }
    for (key, count) in [("healthy", health.healthy), ("unhealthy", health.unhealthy)] {
        if !(1..=100).contains(&count) {
            judge.value(&path.key(key), format!("{count} is out of range"), "from 1 to 100");
        }
    }
    for (index, status) in health.status.iter().enumerate() {
        if !(200..=599).contains(status) {
            let path = path.key("status").index(index);
            judge.value(&path, format!("{status} is no status of an answer"), "from 200 to 599");
        }
    }
}

/// A socket bound to an address of one family reaches none of the other.
fn source(judge: &mut Judge<'_>, path: &Pointer, backend: &Backend, source: IpAddr) {
    let family = |address: IpAddr| if address.is_ipv4() { "IPv4" } else { "IPv6" };
    if source.is_multicast() {
        judge.value(path, format!("{source} is no address of one machine"), "");
    }
    for target in &backend.targets {
        if let Ok(address) = target.url.host.parse::<IpAddr>()
            && address.is_ipv4() != source.is_ipv4()
        {
            let what = format!(
                "{source} is {}, and the target {} is {}",
                family(source),
                target.url,
                family(address)
            );
            judge.value(path, what, "give targets of the other family a backend of their own");
        }
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
