//! Every bound of the data plane: name, default, range and what it protects, in one table.
//!
//! The table below is the only definition. It makes the [`Bounds`] that the running gateway reads, the
//! `bounds:` settings of the configuration (`config::BoundsSettings`), the rows that `portcullis bounds` prints
//! and the reference page. Each bound is finite; a setting outside its range does not load.

use std::fmt;
use std::time::Duration;

/// Hands the table to the macro `$define`. Rows: doc comment, `name: kind = default, least..=most`.
///
/// `gateway` rows hold for a connection or the process; `operation` rows may also stand at an API or operation.
macro_rules! each_bound {
    ($define:ident) => {
        $define! {
            gateway {
                /// Bytes of a request's head: its first line and all its fields. Protects memory and parsing time
                /// before anything is known of the caller. Beyond it: 431.
                head: size = 64 << 10, 1 << 10..=1 << 20;
                /// Bytes of any one line of a head. Beyond it: 414 for the request line, else 431.
                line: size = 16 << 10, 256..=1 << 20;
                /// Fields of a request's head. Protects against many small fields and hash flooding behind us.
                /// Beyond it: 431.
                fields: count = 100, 8..=10_000;
                /// Bytes of a chunk's line: its size and extensions. Beyond it: 400.
                chunk_line: size = 4 << 10, 16..=64 << 10;
                /// Bytes by which chunk extensions may outweigh the data of a body. Protects against many bytes
                /// for a body that looks tiny. Beyond it: 400.
                chunk_overhead: size = 16 << 10, 1 << 10..=1 << 20;
                /// Bytes of the trailer section of a body. Beyond it: 400.
                trailers: size = 16 << 10, 256..=1 << 20;
                /// Fields of the trailer section of a body. Beyond it: 400.
                trailer_fields: count = 64, 1..=10_000;
                /// Bytes of request and response bodies held in memory by the whole process at once. Beyond it:
                /// a body goes to a file in the state directory, or 503 without one.
                bodies_in_memory: size = 64 << 20, 1 << 20..=1 << 40;
                /// Bytes of bodies held in files by the whole process at once. Protects the disk. Beyond it: 503.
                bodies_in_files: size = 4 << 30, 0..=1 << 50;
                /// Connections one listener holds, unless it says otherwise itself. Beyond it: new ones are
                /// closed at once.
                connections: count = 20_000, 1..=10_000_000;
                /// Requests under way in the whole process at once, streams and WebSockets included. Protects memory: one
                /// holds some 12 KiB while its backend is asked. Beyond it: 503.
                requests: count = 20_000, 1..=10_000_000;
                /// Times a request may have passed a gateway of our name already, as its `Via` says. Protects against
                /// backends that lead back to the gateway. Beyond it: 508.
                hops: count = 8, 1..=100;
                /// Time for the PROXY header and the TLS handshake together. Beyond it: closed.
                handshake: time = 10, 1..=300;
                /// Time for the whole head of a request, from its first byte. Protects against slow senders of
                /// heads. Beyond it: 408.
                head_timeout: time = 10, 1..=300;
                /// Time a client may take none of the bytes waiting for it. Protects against slow readers. Beyond
                /// it: closed.
                write_idle: time = 30, 1..=3_600;
                /// Time a connection may stay without a request. Beyond it: closed.
                keep_alive: time = 60, 1..=3_600;
                /// Requests served on one connection. Spreads long-lived clients over cores and nodes. Beyond it:
                /// closed after the answer.
                requests_per_connection: count = 10_000, 1..=1_000_000_000;
                /// Streams one HTTP/2 connection has open at once. Beyond it: the stream is refused.
                h2_streams: count = 100, 1..=10_000;
                /// Bytes of the decoded field list of an HTTP/2 message. Protects against small compressed heads
                /// that unfold. Beyond it: 431.
                h2_header_list: size = 64 << 10, 1 << 10..=1 << 20;
                /// Bytes one HTTP/2 stream may send ahead of being read.
                h2_stream_window: size = 256 << 10, 64 << 10..=16 << 20;
                /// Bytes one HTTP/2 connection may send ahead of being read.
                h2_connection_window: size = 1 << 20, 64 << 10..=64 << 20;
                /// Resets of streams by one HTTP/2 client within ten seconds, and as many messages of it that had to
                /// be refused. Protects against rapid reset, also in reverse. Beyond it: ENHANCE_YOUR_CALM.
                h2_resets: count = 200, 10..=100_000;
                /// PING, SETTINGS, PRIORITY, WINDOW_UPDATE and empty frames of one HTTP/2 client within ten
                /// seconds, each kind counted for itself. Beyond it: ENHANCE_YOUR_CALM.
                h2_control_frames: count = 1_000, 100..=1_000_000;
                /// CONTINUATION frames of one HTTP/2 head. Beyond it: ENHANCE_YOUR_CALM.
                h2_continuations: count = 16, 1..=1_000;
                /// Time a stream (WebSocket, events, gRPC) may go on after its ground was taken away: by a change of its
                /// operation, its `auth` or the credential that opened it, or by that credential's end. A WebSocket is told
                /// at once, by a close frame. Beyond it: cut off.
                stream_grace: time = 30, 0..=86_400;
                /// Time for what is under way when the gateway stops, a listener goes, or what it asks of those who
                /// connect changes. Beyond it: cut off, and recorded as aborted.
                drain: time = 30, 0..=86_400;
                /// Time from the moment a gateway that stops says so on `/readyz` until it closes its listeners, so
                /// that balancers send new clients elsewhere first. A second signal cuts it short.
                drain_notice: time = 0, 0..=3_600;
                /// Bytes of a response's head from a backend. Beyond it: 502.
                response_head: size = 64 << 10, 1 << 10..=1 << 20;
                /// Fields of a response's head from a backend. Beyond it: 502.
                response_fields: count = 200, 8..=10_000;
                /// Interim responses (1xx) before one final response. Beyond it: 502.
                response_interim: count = 8, 0..=1_000;
                /// Unused connections kept open to one target, over all cores. Beyond it: the oldest is closed.
                pool: count = 1_024, 0..=1_000_000;
                /// Time an unused connection to a target is kept. Beyond it: closed.
                pool_idle: time = 30, 1..=3_600;
                /// Least time an answer of DNS is believed, whatever its TTL. Protects name servers.
                dns_ttl_min: time = 1, 1..=3_600;
                /// Most time an answer of DNS is believed, whatever its TTL. Protects against an answer that never
                /// ends.
                dns_ttl_max: time = 300, 1..=86_400;
                /// Credentials of one client address that fail within a minute; an IPv6 client counts by its /64. Protects
                /// against guessing, and against what checking costs. Beyond it: 429 until the minute is over, and no
                /// credential of the address is checked, but those known to be good that nobody guesses.
                credential_failures: count = 20, 1..=1_000_000_000;
                /// Client addresses whose failed credentials are counted at once. Beyond it: those with the fewest failures
                /// are forgotten.
                credential_failure_addresses: count = 65_536, 256..=10_000_000;
                /// Passwords that wait for their hash to be computed, in the whole process. Protects processors and memory: a
                /// hash takes some 20 ms and 20 MiB. Beyond it: 503.
                passwords_waiting: count = 64, 0..=1_000_000;
                /// Passwords that were right and are not hashed again for five minutes, by a keyed hash of them. Beyond it: the
                /// one that was right longest ago is forgotten.
                passwords_remembered: count = 4_096, 0..=1_000_000;
                /// Bodies above 16 KiB that wait to be looked into, in the whole process, for two seconds at most. Protects
                /// processors and memory. Beyond it: 503.
                inspections_waiting: count = 256, 0..=1_000_000;
                /// Answers above 16 KiB, or in a content coding, that have gone and wait to be looked at for the record
                /// (`contract.response: log`), in the whole process. Protects processors and memory. Beyond it: not looked at, and
                /// the record says so.
                answers_waiting: count = 64, 0..=1_000_000;
                /// Proofs of possession (DPoP) that are remembered for as long as they could be presented again, twice at most:
                /// 32 bytes each. Beyond it: 503, for nobody can say whether a proof is new.
                proofs_remembered: count = 500_000, 1_000..=50_000_000;
                /// Signed requests that are remembered for as long as they could come again, twice at most: 32 bytes each.
                /// Beyond it: 503, for nobody can say whether one is new.
                signatures_remembered: count = 500_000, 1_000..=50_000_000;
                /// Login sessions that ended before their time, of all nodes that share a store: some 150 bytes each. Beyond it: a
                /// logout is refused; one that another node tells of ends every session that had begun by then.
                session_ends: count = 100_000, 1_000..=10_000_000;
                /// States of logins under way, and names of logout tokens, that were brought already and are remembered for ten
                /// minutes, for each issuer, twice at most: 16 bytes each. Beyond it: the older half is forgotten.
                login_states: count = 32_768, 1_000..=10_000_000;
                /// Renewals of login sessions that are under way, or just over and remembered for a minute. Beyond it: no session is
                /// renewed.
                session_renewals: count = 10_000, 100..=1_000_000;
                /// Bytes of records waiting to be written to one output. Protects memory when a disk is full or a
                /// reader slow. Beyond it: records are dropped and counted; no request waits.
                log_queue: size = 16 << 20, 64 << 10..=1 << 30;
                /// Exchanges whose spans wait for the trace collector. Protects memory when it is slow or away. Beyond it:
                /// spans are dropped and counted; no request waits.
                trace_queue: count = 2_048, 16..=1_000_000;
            }
            operation {
                /// Bytes of a request body. Beyond it: 413.
                body: size = 10 << 20, 0..=1 << 50;
                /// Bytes of one body kept in memory where a control needs it whole. Beyond it: it goes to a file in
                /// the state directory.
                body_in_memory: size = 1 << 20, 0..=1 << 30;
                /// Bytes that a byte of a compressed request body may become, on average and beyond the first 64 KiB, where a
                /// control looks into it. Protects against bodies that unfold. Beyond it: 413.
                body_ratio: count = 100, 1..=100_000;
                /// Bytes of an answer that is judged whole (`contract.response`), its coding undone. Beyond it: 502 under `strip`
                /// and `block`; `log` does not look at it.
                response_body: size = 1 << 20, 1 << 10..=1 << 30;
                /// Time a request body may bring no byte. Beyond it: 408.
                body_idle: time = 30, 1..=3_600;
                /// Bytes per second a request body brings at least, on average, once it has been waited for longer
                /// than `body_idle` in all. Protects against bodies that trickle. Beyond it: 408.
                body_rate: size = 256, 0..=1 << 30;
                /// Time a stream (WebSocket, events, gRPC) may stay without a byte in either direction. Beyond it:
                /// ended.
                stream_idle: time = 600, 1..=86_400;
            }
        }
    };
}
pub(crate) use each_bound;

/// One row of the table.
#[derive(Debug, Clone)]
pub struct BoundRow {
    /// Its key under `bounds:`.
    pub key: &'static str,
    /// Its default.
    pub default: BoundValue,
    /// The least it can be set to.
    pub least: BoundValue,
    /// The most it can be set to.
    pub most: BoundValue,
    /// `bytes`, `count` or `time`.
    pub unit: &'static str,
    /// Whether an API or an operation may set it too.
    pub per_operation: bool,
    /// What it bounds, what that protects, and what happens beyond it.
    pub protects: &'static str,
}

/// A value of a bound; its `Display` is how the configuration writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum BoundValue {
    /// Bytes.
    Size(u64),
    /// A count.
    Count(u32),
    /// A time.
    Time(Duration),
}

impl fmt::Display for BoundValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Size(bytes) => {
                let (unit, name) =
                    largest_unit(*bytes, &[(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")]);
                write!(f, "{}{name}", bytes.checked_div(unit).unwrap_or_default())
            }
            Self::Count(count) => write!(f, "{count}"),
            Self::Time(time) => match u64::try_from(time.as_millis()) {
                Ok(millis) => {
                    let units =
                        &[(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s"), (1, "ms")];
                    let (unit, name) = if millis == 0 { (1_000, "s") } else { largest_unit(millis, units) };
                    write!(f, "{}{name}", millis.checked_div(unit).unwrap_or_default())
                }
                Err(_) => write!(f, "{}s", time.as_secs()),
            },
        }
    }
}

/// The largest unit that divides a value; one of it when there is none.
fn largest_unit(value: u64, units: &[(u64, &'static str)]) -> (u64, &'static str) {
    let fits = |(unit, _): &&(u64, &str)| value != 0 && value.checked_rem(*unit) == Some(0);
    units.iter().find(fits).copied().unwrap_or((1, ""))
}

/// The type a kind of row has in [`Bounds`].
macro_rules! bound_type {
    (size) => {
        u64
    };
    (count) => {
        u32
    };
    (time) => {
        Duration
    };
}

/// A value of a kind of row.
macro_rules! bound_value {
    (size $value:expr) => {
        BoundValue::Size($value)
    };
    (count $value:expr) => {
        BoundValue::Count($value)
    };
    (time $value:expr) => {
        BoundValue::Time(Duration::from_secs($value))
    };
}

/// The plain value of a kind of row.
macro_rules! bound_default {
    (size $value:expr) => {
        $value
    };
    (count $value:expr) => {
        $value
    };
    (time $value:expr) => {
        Duration::from_secs($value)
    };
}

/// A value in force, of a kind of row.
macro_rules! bound_of {
    (size $value:expr) => {
        BoundValue::Size($value)
    };
    (count $value:expr) => {
        BoundValue::Count($value)
    };
    (time $value:expr) => {
        BoundValue::Time($value)
    };
}

/// The word for a kind of row.
macro_rules! bound_unit {
    (size) => {
        "bytes"
    };
    (count) => {
        "count"
    };
    (time) => {
        "time"
    };
}

macro_rules! define_bounds {
    (
        gateway { $($(#[doc = $about:literal])* $name:ident: $kind:ident = $default:expr, $range:expr;)* }
        operation { $($(#[doc = $about_op:literal])* $name_op:ident: $kind_op:ident = $default_op:expr, $range_op:expr;)* }
    ) => {
        /// The bounds in force. `Bounds::default()` has the documented defaults.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct Bounds {
            $($(#[doc = $about])* pub $name: bound_type!($kind),)*
            $($(#[doc = $about_op])* pub $name_op: bound_type!($kind_op),)*
        }

        impl Default for Bounds {
            fn default() -> Self {
                Self {
                    $($name: bound_default!($kind $default),)*
                    $($name_op: bound_default!($kind_op $default_op),)*
                }
            }
        }

        impl Bounds {
            /// Every bound, in the order of the reference page.
            pub fn table() -> Vec<BoundRow> {
                vec![
                    $(BoundRow {
                        key: stringify!($name),
                        default: bound_value!($kind $default),
                        least: bound_value!($kind *($range).start()),
                        most: bound_value!($kind *($range).end()),
                        unit: bound_unit!($kind),
                        per_operation: false,
                        protects: concat!($($about, "\n",)*).trim_ascii(),
                    },)*
                    $(BoundRow {
                        key: stringify!($name_op),
                        default: bound_value!($kind_op $default_op),
                        least: bound_value!($kind_op *($range_op).start()),
                        most: bound_value!($kind_op *($range_op).end()),
                        unit: bound_unit!($kind_op),
                        per_operation: true,
                        protects: concat!($($about_op, "\n",)*).trim_ascii(),
                    },)*
                ]
            }

            /// The value in force under a key of the table.
            pub fn value(&self, key: &str) -> Option<BoundValue> {
                match key {
                    $(stringify!($name) => Some(bound_of!($kind self.$name)),)*
                    $(stringify!($name_op) => Some(bound_of!($kind_op self.$name_op)),)*
                    _ => None,
                }
            }
        }
    };
}
each_bound!(define_bounds);

impl Bounds {
    /// What the codec keeps to while it reads a request's head.
    pub fn head_framing(&self) -> portcullis_http1::Bounds {
        portcullis_http1::Bounds {
            head_bytes: narrow(self.head),
            line_bytes: narrow(self.line),
            fields: narrow(self.fields.into()),
        }
    }

    /// What the codec keeps to while it reads a body.
    pub fn body_framing(&self) -> portcullis_http1::BodyBounds {
        portcullis_http1::BodyBounds {
            chunk_line_bytes: narrow(self.chunk_line),
            overhead_bytes: narrow(self.chunk_overhead),
            trailer_bytes: narrow(self.trailers),
            trailers: narrow(self.trailer_fields.into()),
        }
    }
}

fn narrow(bound: u64) -> usize {
    usize::try_from(bound).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::{BoundValue, Bounds, Duration};

    #[test]
    fn every_default_is_within_its_range_and_explained() {
        let bounds = Bounds::default();
        for row in Bounds::table() {
            assert!(row.least <= row.default && row.default <= row.most, "{}", row.key);
            assert_eq!(bounds.value(row.key), Some(row.default), "{}", row.key);
            assert!(row.protects.ends_with('.'), "{}", row.key);
        }
        assert_eq!(bounds.head_framing(), portcullis_http1::Bounds::default());
        assert_eq!(bounds.body_framing(), portcullis_http1::BodyBounds::default());
        assert_eq!(bounds.value("nothing"), None);
        assert_eq!((bounds.head, bounds.fields, bounds.drain), (65_536, 100, Duration::from_secs(30)));
    }

    #[test]
    fn values_show_as_they_are_written() {
        for (value, shown) in [
            (BoundValue::Size(0), "0"),
            (BoundValue::Size(1000), "1000"),
            (BoundValue::Size(65_536), "64KiB"),
            (BoundValue::Size(10 << 20), "10MiB"),
            (BoundValue::Count(100), "100"),
            (BoundValue::Time(Duration::ZERO), "0s"),
            (BoundValue::Time(Duration::from_millis(1500)), "1500ms"),
            (BoundValue::Time(Duration::from_secs(90)), "90s"),
            (BoundValue::Time(Duration::from_secs(120)), "2m"),
            (BoundValue::Time(Duration::from_secs(86_400)), "1d"),
        ] {
            assert_eq!(value.to_string(), shown);
        }
    }
}
