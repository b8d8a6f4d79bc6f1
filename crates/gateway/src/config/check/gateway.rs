//! The gateway itself: names, bounds, the admin listener, addresses.

use std::net::SocketAddr;

use portcullis_openapi::source::Pointer;

use super::names::{NAME_SHAPE, is_name};
use super::{Judge, root};
use crate::config::State;
use crate::config::bounds::OutOfRange;
use crate::config::telemetry::header;
use crate::config::values::Bind;

pub(super) fn judge(judge: &mut Judge<'_>) {
    names(judge);
    bounds(judge, &root().key("bounds"), &judge.config.bounds);
    if let Some(settings) = &judge.config.defaults.bounds {
        bounds(judge, &root().key("defaults").key("bounds"), settings);
    }
    admin(judge);
    collector(judge);
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

fn collector(judge: &mut Judge<'_>) {
    let path = root().key("telemetry").key("traces").key("headers");
    for (name, value) in judge.config.telemetry.traces.iter().flat_map(|traces| &traces.headers) {
        if let Err(what) = header(name, value.expose()) {
            judge.key(&path.key(name), what, "");
        }
    }
}

/// Two sockets cannot have one address.
fn addresses(judge: &mut Judge<'_>) {
    let mut taken: Vec<(Pointer, SocketAddr)> = Vec::new();
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
        let clash = taken.iter().find(|(_, other)| clashes(*address, *other));
        if let Some((other_path, _)) = clash {
            let message = format!("`{address}` is taken at {} already", judge.elsewhere(other_path));
            judge.value(&path, message, "");
        }
        taken.push((path, *address));
    }
}

fn clashes(one: SocketAddr, other: SocketAddr) -> bool {
    let (ip, other_ip) = (one.ip(), other.ip());
    let covers = |all: std::net::IpAddr, ip: std::net::IpAddr| {
        // `[::]` takes IPv4 too.
        all.is_unspecified() && (all.is_ipv6() || ip.is_ipv4())
    };
    one.port() != 0
        && one.port() == other.port()
        && (ip == other_ip || covers(ip, other_ip) || covers(other_ip, ip))
}
