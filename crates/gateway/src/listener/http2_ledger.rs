//! What one HTTP/2 client may send that costs us work and carries no request, and how much of it came.
//!
//! The codec answers PING and SETTINGS, keeps windows and priorities, and forgets reset streams for as long as a
//! client likes: with `h2` 0.4.20 one connection of such frames keeps a core busy for ever. So every kind is
//! counted within a window of ten seconds. What an honest client must send grows with what we send it, and it is
//! given that much more: WINDOW_UPDATEs for the data it was sent, resets for streams that were served.
//!
//! Rules of RFC 9113 that the codec does not keep, or ends the connection for with another code, are kept here too,
//! because frames are seen here: SETTINGS comes first (§3.4), a frame has the size of its kind (§4.2), a window has
//! an end (§6.5.2), and no pseudo-header field stands in trailers (§8.1).
//!
//! # Limits
//! `h2_resets` for resets by the client; as many again for what it makes us refuse: resets that it provokes
//! (MadeYouReset, CVE-2025-8671) and heads (a small block that unfolds to many fields, CVE-2026-49975).
//! `h2_control_frames` for each other kind; `h2_continuations` of one head.

use std::time::Duration;

use h2::Reason;

use crate::bounds::Bounds;
use crate::clock::{self, Instant};
use crate::http::frames::{ACK, END_HEADERS, END_STREAM, Frame, Kind, PADDED, WITH_PRIORITY};

/// How long frames are counted together.
const WINDOW: Duration = Duration::from_secs(10);

/// WINDOW_UPDATEs a DATA frame of ours may be answered with: one for the stream and one for the connection, and
/// as many again for each KiB in it, for clients that read in small steps.
const UPDATES_PER_PIECE: u32 = 2;

/// PINGs a DATA frame of ours may be answered with; gRPC clients measure the path with them.
const PINGS_PER_PIECE: u32 = 1;

/// Why a connection must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Excess {
    Resets,
    Faults,
    Pings,
    Settings,
    Priorities,
    WindowUpdates,
    EmptyData,
    Continuations,
    Others,
    SlowHead,
    SettingsMissing,
    FrameSize,
    WindowSize,
    PseudoInTrailers,
}

/// The bounds on them.
#[derive(Clone, Copy, Debug)]
struct Limits {
    resets: u32,
    control: u32,
    continuations: u32,
}

/// How many came in this window, and how many more were earned.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    seen: u32,
    earned: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Tallies {
    resets: Tally,
    faults: Tally,
    pings: Tally,
    settings: Tally,
    priorities: Tally,
    window_updates: Tally,
    empty_data: Tally,
    others: Tally,
}

/// The count of one connection's frames.
#[derive(Debug)]
pub(super) struct Ledger {
    limits: Limits,
    tallies: Tallies,
    window_ends: Instant,
    begun: bool,
    last_stream: u32,
    continuations: u32,
    heads: u32,
    requests: u32,
    head_open: bool,
    excess: Option<Excess>,
}

impl Ledger {
    pub(super) fn new(bounds: &Bounds) -> Self {
        let limits = Limits {
            resets: bounds.h2_resets,
            control: bounds.h2_control_frames,
            continuations: bounds.h2_continuations,
        };
        Self {
            limits,
            tallies: Tallies::default(),
            window_ends: clock::now(),
            begun: false,
            last_stream: 0,
            continuations: 0,
            heads: 0,
            requests: 0,
            head_open: false,
            excess: None,
        }
    }

    /// Begins a new window when the last one is over. To be called before frames are counted.
    pub(super) fn tick(&mut self) {
        let now = clock::now();
        if now >= self.window_ends {
            self.tallies = Tallies::default();
            self.window_ends = now.checked_add(WINDOW).unwrap_or(now);
        }
    }

    /// What the client did too much of.
    pub(super) fn excess(&self) -> Option<Excess> {
        self.excess
    }

    /// Whether the last fragment of a head is still to come.
    pub(super) fn is_head_open(&self) -> bool {
        self.head_open
    }

    /// How many requests have begun.
    pub(super) fn requests(&self) -> u32 {
        self.requests
    }

    /// How many heads have begun, those of trailers too.
    pub(super) fn heads(&self) -> u32 {
        self.heads
    }

    /// Counts heads that were refused, or that the codec never passed on.
    pub(super) fn blame(&mut self, heads: u32) {
        for _ in 0..heads {
            self.count(Excess::Faults);
        }
    }

    /// Counts a frame of the client.
    pub(super) fn received(&mut self, frame: &Frame) {
        if !self.begun {
            self.begun = true;
            if frame.kind != Kind::Settings || frame.has(ACK) {
                self.trip(Excess::SettingsMissing);
            }
        }
        if !frame.has_size_of_kind() {
            self.trip(Excess::FrameSize);
        }
        match frame.kind {
            Kind::Data if frame.is_idle() => self.count(Excess::EmptyData),
            Kind::Data => {}
            Kind::Headers => self.head(frame),
            Kind::Continuation => {
                self.head_open = !frame.has(END_HEADERS);
                self.continuations = self.continuations.saturating_add(1);
                if self.continuations > self.limits.continuations {
                    self.trip(Excess::Continuations);
                }
            }
            Kind::Priority => self.count(Excess::Priorities),
            Kind::Reset => self.count(Excess::Resets),
            Kind::Settings => {
                self.count(Excess::Settings);
                if frame.sets_endless_window() {
                    self.trip(Excess::WindowSize);
                }
            }
            Kind::Ping => self.count(Excess::Pings),
            Kind::WindowUpdate => self.count(Excess::WindowUpdates),
            Kind::GoAway | Kind::Other => self.count(Excess::Others),
        }
    }

    /// Counts a frame of ours, and what the client may send because of it.
    pub(super) fn sent(&mut self, frame: &Frame) {
        let Tallies { pings, window_updates, .. } = &mut self.tallies;
        match frame.kind {
            Kind::Data => {
                let pieces = u32::try_from(frame.length >> 10).unwrap_or(u32::MAX).saturating_add(1);
                window_updates.earn(pieces.saturating_mul(UPDATES_PER_PIECE));
                pings.earn(PINGS_PER_PIECE);
            }
            Kind::Reset if frame.is_provoked() => self.count(Excess::Faults),
            _ => {}
        }
        if matches!(frame.kind, Kind::Data | Kind::Headers) && frame.has(END_STREAM) {
            self.tallies.resets.earn(1);
        }
    }

    fn head(&mut self, frame: &Frame) {
        self.head_open = !frame.has(END_HEADERS);
        self.heads = self.heads.wrapping_add(1);
        self.continuations = 0;
        if frame.stream > self.last_stream {
            self.last_stream = frame.stream;
            self.requests = self.requests.wrapping_add(1);
        } else if begins_with_pseudo(frame.block()) {
            self.trip(Excess::PseudoInTrailers);
        }
    }

    fn count(&mut self, what: Excess) {
        let Limits { resets, control, .. } = self.limits;
        let tallies = &mut self.tallies;
        let (tally, limit) = match what {
            Excess::Resets => (&mut tallies.resets, resets),
            Excess::Faults => (&mut tallies.faults, resets),
            Excess::Pings => (&mut tallies.pings, control),
            Excess::Settings => (&mut tallies.settings, control),
            Excess::Priorities => (&mut tallies.priorities, control),
            Excess::WindowUpdates => (&mut tallies.window_updates, control),
            Excess::EmptyData => (&mut tallies.empty_data, control),
            Excess::Others => (&mut tallies.others, control),
            Excess::Continuations
            | Excess::SlowHead
            | Excess::SettingsMissing
            | Excess::FrameSize
            | Excess::WindowSize
            | Excess::PseudoInTrailers => return,
        };
        tally.seen = tally.seen.saturating_add(1);
        if tally.seen > limit.saturating_add(tally.earned) {
            self.trip(what);
        }
    }

    /// Remembers the first excess.
    pub(super) fn trip(&mut self, what: Excess) {
        self.excess.get_or_insert(what);
    }
}

impl Tally {
    fn earn(&mut self, more: u32) {
        self.earned = self.earned.saturating_add(more);
    }
}

impl Frame {
    /// A DATA frame that neither carries content nor ends its stream.
    fn is_idle(&self) -> bool {
        // RFC 9113 §6.1: the pad length, then content, then padding.
        let padding = if self.has(PADDED) {
            self.peek.first().map_or(0, |pad| usize::from(*pad).saturating_add(1))
        } else {
            0
        };
        self.length <= padding && !self.has(END_STREAM)
    }

    /// Whether its length is one that its kind may have (RFC 9113 §4.2). Longer than any frame may be, the codec
    /// refuses.
    fn has_size_of_kind(&self) -> bool {
        let padding = if self.has(PADDED) { 1 } else { 0 };
        let priority = if self.has(WITH_PRIORITY) { 5 } else { 0_usize };
        match self.kind {
            Kind::Data => self.length >= padding,
            Kind::Headers => self.length >= priority.saturating_add(padding),
            Kind::Priority => self.length == 5,
            Kind::Reset | Kind::WindowUpdate => self.length == 4,
            Kind::Settings if self.has(ACK) => self.length == 0,
            Kind::Settings => self.length.is_multiple_of(6),
            Kind::Ping => self.length == 8,
            Kind::GoAway => self.length >= 8,
            Kind::Continuation | Kind::Other => true,
        }
    }

    /// Whether SETTINGS ask for windows beyond 2^31-1 bytes (RFC 9113 §6.5.2).
    fn sets_endless_window(&self) -> bool {
        const INITIAL_WINDOW_SIZE: [u8; 2] = [0, 4];
        self.peek.chunks_exact(6).any(|value| match value {
            [i0, i1, first, ..] => [*i0, *i1] == INITIAL_WINDOW_SIZE && *first >= 0x80,
            _ => false,
        })
    }

    /// A reset of ours that the client is to blame for: neither the polite end of an upload that nobody wants
    /// (NO_ERROR, RFC 9113 §8.1), nor an answer that broke off behind us, nor a stream beyond `h2_streams`, which is
    /// counted as a head that was not passed on.
    fn is_provoked(&self) -> bool {
        let code = <[u8; 4]>::try_from(&*self.peek).map(u32::from_be_bytes).map(Reason::from);
        !matches!(code, Ok(Reason::NO_ERROR | Reason::INTERNAL_ERROR | Reason::REFUSED_STREAM))
    }

    /// The beginning of the field block of a HEADERS frame.
    fn block(&self) -> &[u8] {
        let padding = if self.has(PADDED) { 1 } else { 0 };
        let priority = if self.has(WITH_PRIORITY) { 5 } else { 0_usize };
        self.peek.get(priority.saturating_add(padding)..).unwrap_or_default()
    }
}

/// Entries of the static table whose names begin with a colon (RFC 7541 appendix A).
const PSEUDO_ENTRIES: std::ops::RangeInclusive<u8> = 1..=14;

/// Whether the first field of a block is a pseudo-header field, as far as that can be told without the dynamic
/// table. Any later one, the codec refuses.
fn begins_with_pseudo(mut block: &[u8]) -> bool {
    loop {
        let Some((first, rest)) = block.split_first() else { return false };
        let index = match first {
            0x80.. => first & 0x7f,
            0x40..=0x7f => first & 0x3f,
            // A change of the table's size, before the first field (RFC 7541 §4.2).
            0x20..=0x3f => {
                let more = rest.iter().take_while(|byte| **byte & 0x80 != 0).count();
                let skip = if first & 0x1f == 0x1f { more.saturating_add(1) } else { 0 };
                block = rest.get(skip..).unwrap_or_default();
                continue;
            }
            0x00..=0x1f => first & 0x0f,
        };
        if index > 0 || *first >= 0x80 {
            return PSEUDO_ENTRIES.contains(&index);
        }
        return match rest {
            // A colon in the code of RFC 7541 appendix B: seven bits, 1011100.
            [length, name, ..] if length & 0x80 != 0 => name & 0xfe == 0xb8,
            [_, name, ..] => *name == b':',
            _ => false,
        };
    }
}

impl Excess {
    /// The code the client is told.
    pub(super) fn reason(self) -> Reason {
        match self {
            Self::SettingsMissing | Self::PseudoInTrailers => Reason::PROTOCOL_ERROR,
            Self::FrameSize => Reason::FRAME_SIZE_ERROR,
            Self::WindowSize => Reason::FLOW_CONTROL_ERROR,
            Self::Resets
            | Self::Faults
            | Self::Pings
            | Self::Settings
            | Self::Priorities
            | Self::WindowUpdates
            | Self::EmptyData
            | Self::Continuations
            | Self::Others
            | Self::SlowHead => Reason::ENHANCE_YOUR_CALM,
        }
    }

    /// What the log is told.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Resets => "too many streams were reset",
            Self::Faults => "too many messages had to be refused",
            Self::Pings => "too many PING frames",
            Self::Settings => "too many SETTINGS frames",
            Self::Priorities => "too many PRIORITY frames",
            Self::WindowUpdates => "too many WINDOW_UPDATE frames",
            Self::EmptyData => "too many empty DATA frames",
            Self::Continuations => "too many CONTINUATION frames",
            Self::Others => "too many frames of other kinds",
            Self::SlowHead => "a head came too slowly",
            Self::SettingsMissing => "the first frame was not SETTINGS",
            Self::FrameSize => "a frame has not the size of its kind",
            Self::WindowSize => "a window without end",
            Self::PseudoInTrailers => "a pseudo-header field in trailers",
        }
    }
}

#[cfg(test)]
mod tests;
