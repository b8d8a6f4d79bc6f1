//! The gateway itself: names, bounds, the admin listener, addresses.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use portcullis_openapi::source::Pointer;

use super::names::{NAME_SHAPE, is_name};
use super::{Judge, root};
use crate::config::State;
use crate::config::bounds::OutOfRange;
use crate::config::telemetry::{NOTICE_MAX, header};
use crate::config::values::Bind;

pub(super) fn judge(judge: &mut Judge<'_>) {
    names(judge);
    bounds(judge, &root().key("bounds"), &judge.config.bounds);
    if let Some(settings) = &judge.config.defaults.bounds {
        bounds(judge, &root().key("defaults").key("bounds"), settings);
    }
    admin(judge);
    stores(judge);
    collector(judge);
    certificate_notice(judge);
    addresses(judge);
}

/// Names end up in labels, records and paths.
fn names(judge: &mut Judge<'_>) {
    for kind in ["listeners", "issuers", "consumers", "plans", "backends", "scanners", "apis"] {
        let Some(mapping) = judge.tree.get(kind).and_then(|node| node.as_mapping()) else { continue };
        for name in mapping.keys().filter(|name| !is_name(name)) {
            judge.key(&root().key(kind).key(name), "is no name", NAME_SHAPE);
        }
    }
}

pub(super) fn bounds(judge: &mut Judge<'_>, path: &Pointer, settings: &impl OutOfRange) {
    for (key, message) in settings.out_of_range() {
        let (message, hint) = message.split_once("; hint: ").unwrap_or((&message, ""));
        judge.value(&path.key(key), message, hint);
    }
}

fn admin(judge: &mut Judge<'_>) {
    let admin = &judge.config.admin;
    let path = root().key("admin");
    if let Some(Bind::Tcp(_)) = &admin.bind {
        let hint = "listen on `unix:admin.sock`: who may open it is said by its file mode";
        judge.value(&path.key("bind"), "the admin API on TCP is not built yet, so it does not load", hint);
    }
    if let (Some(Bind::Unix(socket)), Some(State::None)) = (&admin.bind, &judge.config.state)
        && socket.is_relative()
    {
        let hint = "write an absolute path, or give the gateway a state directory";
        judge.value(&path.key("bind"), "is relative to the state directory, and there is none", hint);
    }
    if let Some(Bind::Unix(_)) = &admin.probes {
        judge.value(&path.key("probes"), "probes listen on an IP address and port", "write 127.0.0.1:9901");
    }
}

/// SECURITY: the URL has a password in it: findings do not quote it.
fn stores(judge: &mut Judge<'_>) {
    let Some(durable) = judge.config.stores.as_ref().and_then(|stores| stores.durable.as_ref()) else {
        return;
    };
    if !["postgres://", "postgresql://"].iter().any(|scheme| durable.expose().starts_with(scheme)) {
        let path = root().key("stores").key("durable");
        judge.value(&path, "is no URL of PostgreSQL", "write `postgres://user:password@host/database`");
    }
}

fn collector(judge: &mut Judge<'_>) {
    let path = root().key("telemetry").key("traces").key("headers");
    for (name, value) in judge.config.telemetry.traces.iter().flat_map(|traces| &traces.headers) {
        if let Err(what) = header(name, value.expose()) {
            judge.key(&path.key(name), what, "");
        }
    }
}

fn certificate_notice(judge: &mut Judge<'_>) {
    let path = root().key("telemetry").key("certificate_notice");
    let notice = &judge.config.telemetry.certificate_notice;
    if notice.len() > NOTICE_MAX {
        judge.value(&path, "are too many times", format!("at most {NOTICE_MAX}"));
    }
    for (index, time) in notice.iter().enumerate().take(NOTICE_MAX) {
        let path = path.index(index);
        if notice.iter().take(index).any(|before| before == time) {
            judge.value(&path, "stands here twice", "");
        }
        if time.get().is_zero() {
            judge.value(&path, "is no time before the end", "an end that has come is told of in any case");
        }
    }
}

/// Two sockets cannot have one address.
fn addresses(judge: &mut Judge<'_>) {
    let mut taken: HashMap<u16, Taken> = HashMap::new();
    let admin = root().key("admin");
    let listeners = judge.config.listeners.iter();
    let binds = listeners
        .map(|(name, listener)| (root().key("listeners").key(name).key("bind"), Some(&listener.bind)));
    let own = [
        (admin.key("bind"), judge.config.admin.bind.as_ref()),
        (admin.key("probes"), judge.config.admin.probes.as_ref()),
    ];
    for (path, bind) in binds.chain(own) {
        let Some(Bind::Tcp(address)) = bind else { continue };
        if address.port() == 0 {
            continue;
        }
        let taken = taken.entry(address.port()).or_default();
        if let Some(other) = taken.clash(address.ip()) {
            let message = format!("`{address}` is taken at {} already", judge.elsewhere(other));
            judge.value(&path, message, "");
        }
        taken.take(address.ip(), path);
    }
}

/// The addresses that are taken at one port.
#[derive(Default)]
struct Taken {
    by_address: HashMap<IpAddr, Pointer>,
    first: Option<Pointer>,
    first_v4: Option<Pointer>,
}

impl Taken {
    /// Who has this address, or one that covers it or that it covers.
    fn clash(&self, ip: IpAddr) -> Option<&Pointer> {
        let own = self.by_address.get(&ip);
        // `[::]` takes IPv4 too.
        let covering = || self.by_address.get(&IpAddr::V6(Ipv6Addr::UNSPECIFIED));
        let covering_v4 = || self.by_address.get(&IpAddr::V4(Ipv4Addr::UNSPECIFIED)).filter(|_| ip.is_ipv4());
        let covered = || match ip {
            IpAddr::V6(v6) if v6.is_unspecified() => self.first.as_ref(),
            IpAddr::V4(v4) if v4.is_unspecified() => self.first_v4.as_ref(),
            IpAddr::V4(_) | IpAddr::V6(_) => None,
        };
        own.or_else(covered).or_else(covering).or_else(covering_v4)
    }

    fn take(&mut self, ip: IpAddr, path: Pointer) {
        self.first.get_or_insert_with(|| path.clone());
        if ip.is_ipv4() {
            self.first_v4.get_or_insert_with(|| path.clone());
        }
        self.by_address.entry(ip).or_insert(path);
    }
}
