//! Field names that the canonical request knows, and what each means to it: one table, one look-up per field.
//!
//! Names are compared without case and with `_` and `.` taken for `-`, because CGI, WSGI, Rack and PHP make one
//! variable of all three. The table is computed while compiling: a hash of length and four characters finds at
//! most a few candidates, and most fields of a request find none. No allocation, no set-up at start.

use smallvec::SmallVec;

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
    /// Goes on; records say the first.
    Agent,
    /// Goes on.
    Standard,
    /// Says what only a gateway may say; gone. See `claims`.
    Claim,
}

/// What is known of a field called `name`, whatever its case and punctuation.
pub(super) fn kind(name: &[u8]) -> Option<Kind> {
    look_up(name).0
}

/// What is known of a field called `name`, and whether the name has a character that some take for a hyphen.
#[inline]
pub(super) fn look_up(name: &[u8]) -> (Option<Kind>, bool) {
    let key = Key::of(name);
    if !key.may_have_alias_character(name) {
        return (find(name, key), false);
    }
    look_up_folded(name)
}

#[cold]
fn look_up_folded(name: &[u8]) -> (Option<Kind>, bool) {
    let folded: SmallVec<[u8; 64]> = name.iter().map(|b| fold(*b)).collect();
    (find(&folded, Key::of(&folded)), name.iter().any(|b| is_alias_character(*b)))
}

/// Whether a backend may read both names as one.
pub(super) fn are_aliases(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| fold(*a) == fold(*b))
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
    (Kind::Agent, &["user-agent"]),
    (
        Kind::Standard,
        &[
            "accept",
            "accept-encoding", // Found sooner than by its prefix, and in most requests.
            "accept-language",
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
    key: Key,
    kind: Kind,
    is_prefix: bool,
}

// Several times the number of entries, so that a look-up for an unknown name mostly ends at once.
const SLOTS: usize = 1024;
// Characters that a prefix is found by; none is shorter.
const PREFIX_BYTES_MIN: usize = 4;
const EMPTY: u16 = u16::MAX;

static ENTRIES: [Entry; count()] = flatten();
static EXACT: [u16; SLOTS] = place(false);
static PREFIXES: [u16; SLOTS] = place(true);
/// By the length of a name: the first letters of names that may end, a bit for each letter. The last is for all that are
/// longer.
static ENDING: [u32; 32] = ending();

// PERF: by words of eight characters, a browser's fifteen fields take 350 ns to canonicalise; by characters, 630.
#[inline]
fn find(name: &[u8], key: Key) -> Option<Kind> {
    let is = |entry: &Entry| {
        entry.key.first == key.first
            && entry.key.last == key.last
            && entry.name.len() == name.len()
            && (name.len() <= 16 || name.eq_ignore_ascii_case(entry.name))
    };
    probe(&EXACT, key.slot(name.len()), is).or_else(|| find_prefix(name, key))
}

fn find_prefix(name: &[u8], key: Key) -> Option<Kind> {
    let starts = |entry: &Entry| {
        entry.key.four() == key.four()
            && name.get(..entry.name.len()).is_some_and(|start| start.eq_ignore_ascii_case(entry.name))
    };
    probe(&PREFIXES, key.prefix_slot(), starts)
}

/// Whether a field called `name` may frame a message or be of its connection. Whoever is told no needs not look it up.
#[inline]
pub(super) fn may_end(name: &[u8]) -> bool {
    let first = name.first().map_or(0, |first| 1_u32 << (first & 31));
    ENDING.get(name.len()).or(ENDING.last()).is_some_and(|letters| letters & first != 0)
}

#[inline]
fn probe(table: &[u16; SLOTS], slot: usize, is_it: impl Fn(&Entry) -> bool) -> Option<Kind> {
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

const fn is_alias_character(b: u8) -> bool {
    matches!(b, b'_' | b'.')
}

const fn fold(b: u8) -> u8 {
    if is_alias_character(b) { b'-' } else { b.to_ascii_lowercase() }
}

/// The first and the last eight characters of a name, without case. With the length they are the whole name up to
/// 16 characters. Setting bit 5 makes small letters of capitals; it makes no letter, digit or hyphen of any other
/// character that a token may have (RFC 9110 §5.6.2).
#[derive(Clone, Copy)]
struct Key {
    first: u64,
    last: u64,
}

impl Key {
    const fn of(name: &[u8]) -> Self {
        const CASE: u64 = 0x2020_2020_2020_2020;
        let (first, last) = match (name, name.first_chunk(), name.last_chunk()) {
            (_, Some(first), Some(last)) => (u64::from_le_bytes(*first), u64::from_le_bytes(*last)),
            ([a, b, c, d, ..], ..) => (u32::from_le_bytes([*a, *b, *c, *d]) as u64 | Self::tail(name), 0),
            ([a, b, c], ..) => (u64::from_le_bytes([*a, *b, *c, 0, 0, 0, 0, 0]), 0),
            ([a, b], ..) => (u64::from_le_bytes([*a, *b, 0, 0, 0, 0, 0, 0]), 0),
            ([a], ..) => (*a as u64, 0),
            ([], ..) => (0, 0),
        };
        Self { first: first | CASE, last: last | CASE }
    }

    /// The last four of four to seven characters, in the upper half.
    const fn tail(name: &[u8]) -> u64 {
        match name.last_chunk() {
            Some(last) => (u32::from_le_bytes(*last) as u64) << 32,
            None => 0,
        }
    }

    const fn four(self) -> u64 {
        self.first & 0xffff_ffff
    }

    const fn slot(self, len: usize) -> usize {
        scatter(self.first ^ self.last.rotate_left(29) ^ len as u64)
    }

    const fn prefix_slot(self) -> usize {
        scatter(self.four())
    }

    /// Whether `name`, of which this is the key, may have a character that some backends take for a hyphen. It has none
    /// if this says so; a name that is no token may have none all the same.
    #[inline]
    fn may_have_alias_character(self, name: &[u8]) -> bool {
        let ends = alias_characters(self.first) | alias_characters(self.last);
        ends != 0 || (name.len() > 16 && name.iter().any(|b| is_alias_character(*b)))
    }
}

/// Not zero if one of eight characters, of which bit 5 is set, is `_` or `.`, or is beyond ASCII.
// PERF: no sum and no difference of ASCII carries into the next byte, so that five operations find both.
const fn alias_characters(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = ONES << 7;
    let underscores = (word & !HIGHS).wrapping_add(ONES);
    let unlike_stop = (word & !HIGHS) ^ ONES.wrapping_mul(b'.' as u64);
    (underscores | HIGHS.wrapping_sub(unlike_stop) | word) & HIGHS
}

const fn scatter(packed: u64) -> usize {
    (packed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as usize % SLOTS
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
    let mut entries = [Entry { name: b"", key: Key::of(b""), kind: Kind::Claim, is_prefix: false }; count()];
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
        Some((b'*', name)) if name.len() >= PREFIX_BYTES_MIN => {
            Entry { name, key: Key::of(name), kind, is_prefix: true }
        }
        Some((b'*', _)) => panic!("a prefix is too short to be found"),
        _ => Entry { name, key: Key::of(name), kind, is_prefix: false },
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
            let key = entry.key;
            let mut slot = if prefixes { key.prefix_slot() } else { key.slot(entry.name.len()) };
            while table[slot] != EMPTY {
                slot = (slot + 1) % SLOTS;
            }
            table[slot] = i as u16;
        }
        i += 1;
    }
    table
}

#[expect(clippy::arithmetic_side_effects, clippy::indexing_slicing, reason = "evaluated while compiling")]
const fn ending() -> [u32; 32] {
    let entries: [Entry; count()] = flatten();
    let mut table = [0; 32];
    let mut i = 0;
    while i < entries.len() {
        let Entry { name, kind, is_prefix, .. } = entries[i];
        if matches!(kind, Kind::Connection | Kind::Upgrade | Kind::Te | Kind::Hop | Kind::Framing) {
            let mut len = name.len();
            while len < table.len() && (len == name.len() || is_prefix) {
                table[len] |= 1 << (name[0] & 31);
                len += 1;
            }
            assert!(name.len() < table.len(), "a name is too long for the table");
        }
        i += 1;
    }
    table
}

#[cfg(test)]
mod tests;
