//! Field names that the canonical request knows, and what each means to it: one table, one look-up per field.
//!
//! Names are compared without case and with `_` and `.` taken for `-`, because CGI, WSGI, Rack and PHP make one
//! variable of all three. The table is computed while compiling: a hash of length and four characters finds at
//! most a few candidates, and most fields of a request find none. No allocation, no set-up at start.

use super::claims::CLAIMS;

/// What a known field means to the canonical request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The host of the request; read, then written anew.
    Host,
    /// Options of the connection; read, then gone.
    Connection,
    /// A wish to switch protocols; read, then gone.
    Upgrade,
    /// Transfer codings and trailers the sender takes; read, then gone.
    Te,
    /// An expectation; read, then gone.
    Expect,
    /// Frames the message; judged by the wire and written anew.
    Framing,
    /// Belongs to this connection; gone.
    Hop,
    /// Goes on, and may stand only once: readers differ on which of two counts.
    Single,
    /// Goes on.
    Standard,
    /// Says what only a gateway may say; gone. See `claims`.
    Claim,
}

/// What is known of a field called `name`, whatever its case and punctuation.
pub(super) fn kind(name: &[u8]) -> Option<Kind> {
    exact(name).or_else(|| by_prefix(name))
}

/// Whether a backend may read both names as one.
pub(super) fn are_aliases(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| fold(*a) == fold(*b))
}

/// Whether `name` has a character that some backends take for a hyphen.
pub(super) fn has_alias_character(name: &[u8]) -> bool {
    name.iter().fold(false, |found, b| found | matches!(b, b'_' | b'.'))
}

// The registered request and response fields that go from end to end (IANA HTTP Field Name Registry), and some
// in universal use. They may not be named by Connection, and their aliases are dropped. Claims stand in `CLAIMS`.
const NAMES: &[(Kind, &[&str])] = &[
    (Kind::Host, &["host"]),
    (Kind::Connection, &["connection"]),
    (Kind::Upgrade, &["upgrade"]),
    (Kind::Te, &["te"]),
    (Kind::Expect, &["expect"]),
    (Kind::Framing, &["content-length", "transfer-encoding"]),
    (Kind::Hop, &["keep-alive", "trailer", "http2-settings", "proxy-*"]),
    (
        Kind::Single,
        &[
            "authorization",
            "content-type",
            "content-range",
            "origin",
            "range",
            "if-range",
            "if-modified-since",
            "if-unmodified-since",
            "max-forwards",
            "access-control-request-method",
            "sec-websocket-key",
            "sec-websocket-version",
            "dpop",
            "x-api-key",
        ],
    ),
    (
        Kind::Standard,
        &[
            "accept",
            "accept-*",
            "access-control-*",
            "age",
            "allow",
            "alt-svc",
            "apikey",
            "authentication-info",
            "baggage",
            "cache-control",
            "capsule-protocol",
            "cdn-cache-control",
            "cdn-loop",
            "clear-site-data",
            "content-*",
            "cookie",
            "cookie2",
            "cross-origin-*",
            "date",
            "dav",
            "delta-base",
            "depth",
            "destination",
            "digest",
            "dnt",
            "early-data",
            "etag",
            "expires",
            "from",
            "grpc-*",
            "idempotency-key",
            "if",
            "if-match",
            "if-none-match",
            "im",
            "last-event-id",
            "last-modified",
            "link",
            "location",
            "lock-token",
            "mime-version",
            "negotiate",
            "overwrite",
            "position",
            "pragma",
            "prefer",
            "preference-applied",
            "priority",
            "ratelimit",
            "ratelimit-policy",
            "referer",
            "referrer-policy",
            "repr-digest",
            "retry-after",
            "save-data",
            "sec-*",
            "server",
            "server-timing",
            "set-cookie",
            "set-cookie2",
            "signature",
            "signature-input",
            "slug",
            "soapaction",
            "status",
            "strict-transport-security",
            "timeout",
            "timing-allow-origin",
            "traceparent",
            "tracestate",
            "upgrade-insecure-requests",
            "user-agent",
            "vary",
            "via",
            "want-*",
            "warning",
            "www-authenticate",
            "x-access-token",
            "x-auth-token",
            "x-content-type-options",
            "x-correlation-id",
            "x-csrf-token",
            "x-frame-options",
            "x-idempotency-key",
            "x-request-id",
            "x-requested-with",
            "x-robots-tag",
            "x-xsrf-token",
            "x-xss-protection",
        ],
    ),
];

#[derive(Clone, Copy)]
struct Entry {
    /// Lower case, with hyphens; of a prefix without its star.
    name: &'static [u8],
    kind: Kind,
    is_prefix: bool,
}

// Several times the number of entries, so that a look-up for an unknown name mostly ends at once.
const SLOTS: usize = 1024;
// Characters that a prefix is found by; none is shorter.
const KEY: usize = 4;
const EMPTY: u16 = u16::MAX;

static ENTRIES: [Entry; count()] = flatten();
static EXACT: [u16; SLOTS] = place(false);
static PREFIXES: [u16; SLOTS] = place(true);

fn exact(name: &[u8]) -> Option<Kind> {
    find(&EXACT, slot_of_name(name), |entry| are_aliases(name, entry.name))
}

fn by_prefix(name: &[u8]) -> Option<Kind> {
    let starts =
        |entry: &Entry| name.get(..entry.name.len()).is_some_and(|start| are_aliases(start, entry.name));
    find(&PREFIXES, slot_of_prefix(name), starts)
}

fn find(table: &[u16; SLOTS], slot: usize, is_it: impl Fn(&Entry) -> bool) -> Option<Kind> {
    let mut slot = slot;
    // The table is never full, so that an empty slot ends every search.
    while let Some(entry) = table.get(slot).and_then(|at| ENTRIES.get(usize::from(*at))) {
        if is_it(entry) {
            return Some(entry.kind);
        }
        slot = slot.wrapping_add(1) % SLOTS;
    }
    None
}

const fn fold(b: u8) -> u8 {
    match b {
        b'_' | b'.' => b'-',
        _ => b.to_ascii_lowercase(),
    }
}

// Length, the first, two inner and the last character tell nearly all names apart.
const fn slot_of_name(name: &[u8]) -> usize {
    let len = name.len();
    let mut hash = len as u32;
    hash = mix(hash, character(name, 0));
    hash = mix(hash, character(name, len / 3));
    hash = mix(hash, character(name, len / 2));
    hash = mix(hash, character(name, len.wrapping_sub(2)));
    hash = mix(hash, character(name, len.wrapping_sub(1)));
    (hash >> 16) as usize % SLOTS
}

const fn slot_of_prefix(name: &[u8]) -> usize {
    let mut hash = 0;
    let mut i = 0;
    while i < KEY {
        hash = mix(hash, character(name, i));
        i = i.wrapping_add(1);
    }
    (hash >> 16) as usize % SLOTS
}

const fn mix(hash: u32, b: u8) -> u32 {
    (hash ^ b as u32).wrapping_mul(0x9e37_79b1)
}

const fn character(name: &[u8], at: usize) -> u8 {
    match name.split_at_checked(at) {
        Some((_, [b, ..])) => fold(*b),
        _ => 0,
    }
}

// From here on: evaluated while compiling only. A mistake is a compile error, not a panic.

#[expect(clippy::arithmetic_side_effects, clippy::indexing_slicing, reason = "evaluated while compiling")]
const fn count() -> usize {
    let (mut total, mut i) = (0, 0);
    while i < CLAIMS.len() {
        total += CLAIMS[i].fields.len();
        i += 1;
    }
    i = 0;
    while i < NAMES.len() {
        total += NAMES[i].1.len();
        i += 1;
    }
    total
}

#[expect(clippy::arithmetic_side_effects, clippy::indexing_slicing, reason = "evaluated while compiling")]
const fn flatten() -> [Entry; count()] {
    let mut entries = [Entry { name: b"", kind: Kind::Claim, is_prefix: false }; count()];
    let (mut total, mut i) = (0, 0);
    while i < CLAIMS.len() + NAMES.len() {
        let (kind, names) = if i < CLAIMS.len() {
            (Kind::Claim, CLAIMS[i].fields)
        } else {
            (NAMES[i - CLAIMS.len()].0, NAMES[i - CLAIMS.len()].1)
        };
        let mut j = 0;
        while j < names.len() {
            entries[total] = entry(names[j].as_bytes(), kind);
            total += 1;
            j += 1;
        }
        i += 1;
    }
    entries
}

#[expect(clippy::panic, reason = "evaluated while compiling")]
const fn entry(name: &'static [u8], kind: Kind) -> Entry {
    match name.split_last() {
        Some((b'*', name)) if name.len() >= KEY => Entry { name, kind, is_prefix: true },
        Some((b'*', _)) => panic!("a prefix is too short to be found"),
        _ => Entry { name, kind, is_prefix: false },
    }
}

#[expect(clippy::arithmetic_side_effects, clippy::indexing_slicing, reason = "evaluated while compiling")]
const fn place(prefixes: bool) -> [u16; SLOTS] {
    let entries: [Entry; count()] = flatten();
    assert!(entries.len() * 2 < SLOTS, "the table is too full: raise SLOTS");
    let mut table = [EMPTY; SLOTS];
    let mut i = 0;
    while i < entries.len() {
        let entry = entries[i];
        if entry.is_prefix == prefixes {
            let mut slot = if prefixes { slot_of_prefix(entry.name) } else { slot_of_name(entry.name) };
            while table[slot] != EMPTY {
                slot = (slot + 1) % SLOTS;
            }
            table[slot] = i as u16;
        }
        i += 1;
    }
    table
}

#[cfg(test)]
mod tests;
