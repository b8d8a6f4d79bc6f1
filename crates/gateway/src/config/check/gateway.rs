//! The gateway itself: names, bounds, addresses.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use portcullis_openapi::source::Pointer;

use super::names::{NAME_SHAPE, is_name};
use super::{Judge, root};
use crate::config::bounds::OutOfRange;
use crate::config::telemetry::{NOTICE_MAX, header};
use crate::config::values::Bind;
use crate::config::{Backend, Config, Issuer};
use crate::secret::Secret;

/// Bytes of a secret by which something is encrypted.
const KEY_BYTES_MIN: usize = 32;
/// Secrets of that kind at once.
const KEYS_MAX: usize = 8;

pub(super) fn judge(judge: &mut Judge<'_>) {
    names(judge);
    bounds(judge, &root().key("bounds"), &judge.config.bounds);
    if let Some(settings) = &judge.config.defaults.bounds {
        bounds(judge, &root().key("defaults").key("bounds"), settings);
    }
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

/// SECURITY: the URL has a password in it: findings do not quote it.
fn stores(judge: &mut Judge<'_>) {
    let Some(stores) = &judge.config.stores else { return };
    let path = root().key("stores").key("encryption_keys");
    keys(judge, &path, &stores.encryption_keys);
    let Some(durable) = &stores.durable else {
        if !stores.encryption_keys.is_empty() {
            judge.key(&path, "encrypts nothing without `durable`", "add `durable`, or leave it out");
        }
        return;
    };
    if stores.encryption_keys.is_empty()
        && let Some(what) = own_keys(judge.config)
    {
        let hint = "add `encryption_keys: [\"${env:STORE_KEY}\"]`; `openssl rand -hex 32` makes one";
        let message = format!("is for several nodes, and the keys of {what} would be each node's own");
        judge.key(&root().key("stores").key("durable"), message, hint);
    }
    if !["postgres://", "postgresql://"].iter().any(|scheme| durable.expose().starts_with(scheme)) {
        let path = root().key("stores").key("durable");
        judge.value(&path, "is no URL of PostgreSQL", "write `postgres://user:password@host/database`");
    }
}

/// What has keys that the gateway makes itself, if anything.
fn own_keys(config: &Config) -> Option<String> {
    let mints = |(name, backend): (&String, &Backend)| {
        let (_, at) = backend.credentials.as_ref()?.mint()?;
        Some(format!("`backends.{name}.credentials.{}`", at.join(".")))
    };
    let seals = |(name, issuer): (&String, &Issuer)| {
        let login = issuer.login.as_ref()?;
        login.cookie_keys.is_empty().then(|| format!("`issuers.{name}.login`"))
    };
    let published = || config.signing.jwks.is_some().then(|| "`signing`".to_owned());
    let minted = config.backends.iter().find_map(mints);
    minted.or_else(published).or_else(|| config.issuers.iter().find_map(seals))
}

/// Secrets by which something is encrypted: the first encrypts, all of them decrypt.
pub(super) fn keys(judge: &mut Judge<'_>, path: &Pointer, secrets: &[Secret]) {
    for (index, secret) in secrets.iter().enumerate() {
        if secret.expose().len() < KEY_BYTES_MIN {
            let message = format!("is shorter than {KEY_BYTES_MIN} bytes");
            judge.value(&path.index(index), message, "`openssl rand -hex 32` makes one");
        }
    }
    if secrets.len() > KEYS_MAX {
        judge.value(path, format!("has more than {KEYS_MAX}"), "");
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
