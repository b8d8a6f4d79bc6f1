//! Reads heads out of a growing buffer.
//!
//! The buffer always begins with the same bytes from one call to the next, until a head came out of it or the
//! decoder was reset. The decoder remembers how far it read; a head that drips in costs linear time, and what
//! can be refused is refused at its first bad byte (a TLS hello at its very first). A complete head is copied
//! once, whole, and its parts are spans of the copy: two allocations. Borrowing from the connection's buffer
//! lost: an exchange outlives the read that brought it.

use super::{Bounds, RequestHead, ResponseHead, Version};
use crate::{
    Fields, Refusal, Span,
    octets::{
        controls_in, end_of, from_first, others_than_letters_in, others_than_target_in, target_run, text_run,
        token_run,
    },
    section::Section,
};

/// `HTTP/1.1`, or as long.
const VERSION_BYTES: usize = 8;

/// Room behind a head's text, so that a field its owner adds grows nothing.
const SPARE_BYTES: usize = 64;

/// Reads one head after the other; remembers how far it read an incomplete one.
#[derive(Clone, Debug, Default)]
pub struct HeadDecoder {
    phase: Phase,
    /// Where the first line begins: behind the one empty line that may precede a request.
    start: usize,
    /// The next byte to look at.
    at: usize,
    method: Span,
    target: Span,
    line: Span,
    reason: Span,
    version: Version,
    status: u16,
    section: Section,
    /// Memory for the text of the head.
    text: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default)]
enum Phase {
    #[default]
    Start,
    Method,
    Target,
    Version,
    Reason,
    Fields,
}

impl HeadDecoder {
    /// A decoder of which the next head stands in the memory of `fields`, which are forgotten.
    pub fn reusing(fields: Fields) -> Self {
        let (text, section) = Section::reusing(fields);
        Self { section, text, ..Self::default() }
    }

    /// Forgets a half-read head, so that the next call begins anew.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    /// The request head at the beginning of `buf` and how many bytes it takes, one empty line before it
    /// included (RFC 9112 §2.2); nothing while bytes are missing. Afterwards it is ready for the next head.
    ///
    /// # Errors
    /// The first reason found to refuse the head; the connection cannot be used further.
    pub fn request(&mut self, buf: &[u8], bounds: &Bounds) -> Result<Option<(RequestHead, usize)>, Refusal> {
        let window = buf.get(..bounds.head_bytes).unwrap_or(buf);
        let ready = matches!(self.phase, Phase::Fields)
            || self.whole_request_line(window, bounds)
            || self.request_line(window, bounds)?;
        let Some((fields, end)) = self.fields(ready, window, bounds)? else { return Ok(None) };
        let head = RequestHead {
            fields,
            version: self.version,
            line: self.line,
            method: self.method,
            target: self.target,
        };
        self.begin_anew();
        Ok(Some((head, end)))
    }

    /// The response head at the beginning of `buf` and how many bytes it takes; nothing while bytes are
    /// missing. A status line without the space before an empty reason is taken, for many a server forgets
    /// it and there is only one way to read it.
    ///
    /// # Errors
    /// The first reason found to refuse the head; the connection cannot be used further.
    pub fn response(
        &mut self,
        buf: &[u8],
        bounds: &Bounds,
    ) -> Result<Option<(ResponseHead, usize)>, Refusal> {
        let window = buf.get(..bounds.head_bytes).unwrap_or(buf);
        let ready = matches!(self.phase, Phase::Fields)
            || self.whole_status_line(window, bounds)
            || self.status_line(window, bounds)?;
        let Some((fields, end)) = self.fields(ready, window, bounds)? else { return Ok(None) };
        let head = ResponseHead { fields, version: self.version, status: self.status, reason: self.reason };
        self.begin_anew();
        Ok(Some((head, end)))
    }

    fn fields(
        &mut self,
        ready: bool,
        window: &[u8],
        bounds: &Bounds,
    ) -> Result<Option<(Fields, usize)>, Refusal> {
        let end = match ready {
            true => self.section.advance(window, bounds.line_bytes, bounds.fields)?,
            false => None,
        };
        match end {
            Some(end) => {
                let mut text = std::mem::take(&mut self.text);
                text.reserve(end.saturating_add(SPARE_BYTES));
                text.extend_from_slice(window.get(..end).unwrap_or_default());
                Ok(Some((self.section.take(text), end)))
            }
            // The window is full and the head goes on.
            None if window.len() >= bounds.head_bytes => Err(Refusal::HeadTooLarge),
            None => Ok(None),
        }
    }

    /// Is ready for the next head, behind a whole one.
    // PERF: what else is here, the next first line replaces before anybody looks at it; text and lines were taken out.
    #[inline]
    fn begin_anew(&mut self) {
        self.phase = Phase::Start;
        self.start = 0;
    }

    /// Reads the request line if all of it is there and it is as most are; whether it was.
    // PERF: a third of the instructions that `request_line` takes.
    fn whole_request_line(&mut self, window: &[u8], bounds: &Bounds) -> bool {
        let Phase::Start = self.phase else { return false };
        let Some((method, target, line)) = request_line(window) else { return false };
        if line > bounds.line_bytes {
            return false;
        }
        self.method = Span::new(0, method);
        self.target = Span::new(method.saturating_add(1), target);
        self.version = Version::Http11;
        self.start = 0;
        self.first_line_ends(line);
        true
    }

    /// Reads the status line if all of it is there and it is as most are; whether it was.
    fn whole_status_line(&mut self, window: &[u8], bounds: &Bounds) -> bool {
        let Phase::Start = self.phase else { return false };
        let Some((status, reason)) = status_line(window) else { return false };
        let from = VERSION_BYTES.saturating_add(5);
        let end = from.saturating_add(reason);
        if end > bounds.line_bytes {
            return false;
        }
        self.version = Version::Http11;
        self.status = status;
        self.reason = Span::new(from, reason);
        self.first_line_ends(end);
        true
    }

    /// Reads the request line; whether it is complete.
    fn request_line(&mut self, window: &[u8], bounds: &Bounds) -> Result<bool, Refusal> {
        loop {
            let go_on = match self.phase {
                Phase::Start => self.empty_line(window)?,
                Phase::Method => self.method(window, bounds)?,
                Phase::Target => self.target(window, bounds)?,
                Phase::Version => self.request_version(window, bounds)?,
                Phase::Reason | Phase::Fields => return Ok(true),
            };
            if !go_on {
                return Ok(false);
            }
        }
    }

    fn empty_line(&mut self, window: &[u8]) -> Result<bool, Refusal> {
        self.start = match window {
            [] | [b'\r'] => return Ok(false),
            [b'\r', b'\n', ..] => 2,
            [b'\r', ..] => return Err(Refusal::BareCarriageReturn),
            [_, ..] => 0,
        };
        self.at = self.start;
        self.phase = Phase::Method;
        Ok(true)
    }

    fn method(&mut self, window: &[u8], bounds: &Bounds) -> Result<bool, Refusal> {
        let end = end_of(token_run, window, self.at);
        self.check_line(end, bounds)?;
        self.at = end;
        match window.get(end) {
            None => Ok(false),
            Some(b' ') if end > self.start => {
                self.method = Span::new(self.start, end.saturating_sub(self.start));
                self.at = end.saturating_add(1);
                self.phase = Phase::Target;
                Ok(true)
            }
            Some(b'\r') if end == self.start => Err(Refusal::EmptyLines),
            Some(b'\n') => Err(Refusal::BareLineFeed),
            Some(_) => Err(Refusal::MethodInvalid),
        }
    }

    fn target(&mut self, window: &[u8], bounds: &Bounds) -> Result<bool, Refusal> {
        let end = end_of(target_run, window, self.at);
        self.check_line(end, bounds)?;
        self.at = end;
        let from = self.start.saturating_add(self.method.len()).saturating_add(1);
        match window.get(end) {
            None => Ok(false),
            Some(b' ') if end > from => {
                let method = window.get(self.start..from.saturating_sub(1)).unwrap_or_default();
                check_form(method, window.get(from..end).unwrap_or_default())?;
                self.target = Span::new(from, end.saturating_sub(from));
                self.at = end.saturating_add(1);
                self.phase = Phase::Version;
                Ok(true)
            }
            // Two spaces, or HTTP/0.9.
            Some(b' ' | b'\r') => Err(Refusal::RequestLineInvalid),
            Some(b'\n') => Err(Refusal::BareLineFeed),
            Some(_) => Err(Refusal::TargetInvalid),
        }
    }

    fn request_version(&mut self, window: &[u8], bounds: &Bounds) -> Result<bool, Refusal> {
        let end = self.at.saturating_add(VERSION_BYTES);
        self.check_line(end, bounds)?;
        let rest = window.get(self.at..).unwrap_or_default();
        let Some(version) = read_version(rest, Refusal::RequestLineInvalid)? else { return Ok(false) };
        match rest.get(VERSION_BYTES..).unwrap_or_default() {
            [] | [b'\r'] => return Ok(false),
            [b'\r', b'\n', ..] => {}
            [b'\r', ..] => return Err(Refusal::BareCarriageReturn),
            [b'\n', ..] => return Err(Refusal::BareLineFeed),
            [_, ..] => return Err(Refusal::RequestLineInvalid),
        }
        self.version = version;
        self.first_line_ends(end);
        Ok(true)
    }

    /// Reads the status line; whether it is complete.
    fn status_line(&mut self, window: &[u8], bounds: &Bounds) -> Result<bool, Refusal> {
        if !matches!(self.phase, Phase::Reason) {
            let Some(version) = read_version(window, Refusal::StatusLineInvalid)? else { return Ok(false) };
            let Some(status) = read_status(window.get(VERSION_BYTES..).unwrap_or_default())? else {
                return Ok(false);
            };
            self.version = version;
            self.status = status;
            self.at = VERSION_BYTES.saturating_add(4);
            self.phase = Phase::Reason;
        }
        let from = VERSION_BYTES.saturating_add(4);
        if !matches!(window.get(from), None | Some(b' ' | b'\r' | b'\n')) {
            return Err(Refusal::StatusLineInvalid);
        }
        let end = end_of(text_run, window, self.at);
        if end > bounds.line_bytes {
            return Err(Refusal::StatusLineTooLong);
        }
        self.at = end;
        match window.get(end..).unwrap_or_default() {
            [] | [b'\r'] => return Ok(false),
            [b'\r', b'\n', ..] => {}
            [b'\r', ..] => return Err(Refusal::BareCarriageReturn),
            [b'\n', ..] => return Err(Refusal::BareLineFeed),
            [_, ..] => return Err(Refusal::FieldValueControl),
        }
        let from = from.saturating_add(1).min(end);
        self.reason = Span::new(from, end.saturating_sub(from));
        self.first_line_ends(end);
        Ok(true)
    }

    fn first_line_ends(&mut self, end: usize) {
        self.line = Span::new(self.start, end.saturating_sub(self.start));
        self.section.start_at(end.saturating_add(2));
        self.phase = Phase::Fields;
    }

    fn check_line(&self, end: usize, bounds: &Bounds) -> Result<(), Refusal> {
        match end.saturating_sub(self.start) > bounds.line_bytes {
            true => Err(Refusal::RequestLineTooLong),
            false => Ok(()),
        }
    }
}

/// Lengths of method and target, and of a whole line that needs no further look: a method of letters, a target that
/// begins with a slash, HTTP/1.1.
// Invariant: takes no line that `HeadDecoder::request_line` would not take, and reads it as that does.
#[inline]
fn request_line(window: &[u8]) -> Option<(usize, usize, usize)> {
    let at_space = from_first(window, window, others_than_letters_in)?;
    let target = at_space.strip_prefix(b" ")?;
    let at_version = from_first(window, target, others_than_target_in)?;
    let after = at_version.strip_prefix(b" HTTP/1.1\r\n")?;
    // No difference here is below zero: each is a part of the one before it.
    let method = window.get(..window.len().wrapping_sub(at_space.len()))?;
    let line = window.len().wrapping_sub(after.len()).wrapping_sub(2);
    let is_plain = !method.is_empty() && method != b"CONNECT" && target.first() == Some(&b'/');
    is_plain.then(|| (method.len(), target.len().wrapping_sub(at_version.len()), line))
}

/// The status, and the length of the reason, of a whole line that needs no further look.
// Invariant: as for `request_line`.
#[inline]
fn status_line(window: &[u8]) -> Option<(u16, usize)> {
    let [hundreds @ b'1'..=b'5', tens @ b'0'..=b'9', ones @ b'0'..=b'9', b' ', reason @ ..] =
        window.strip_prefix(b"HTTP/1.1 ")?
    else {
        return None;
    };
    let at_end = from_first(window, reason, controls_in)?;
    let digit = |byte: &u8| u16::from(byte.wrapping_sub(b'0'));
    let status = digit(hundreds).wrapping_mul(100).wrapping_add(digit(tens).wrapping_mul(10));
    let is_whole = at_end.starts_with(b"\r\n");
    is_whole.then(|| (status.wrapping_add(digit(ones)), reason.len().wrapping_sub(at_end.len())))
}

/// The version at the beginning of `bytes`, judged as far as it is there.
fn read_version(bytes: &[u8], otherwise: Refusal) -> Result<Option<Version>, Refusal> {
    if let Some(b"HTTP/1.1") = bytes.get(..VERSION_BYTES) {
        return Ok(Some(Version::Http11));
    }
    for (place, byte) in bytes.iter().take(VERSION_BYTES).enumerate() {
        match (place, byte) {
            (0, b'H') | (1 | 2, b'T') | (3, b'P') | (4, b'/') | (5, b'1') | (6, b'.') => {}
            (5, b'0'..=b'9') => return Err(Refusal::VersionNotSupported),
            (7, b'0') => return Ok(Some(Version::Http10)),
            (7, b'2'..=b'9') => return Err(Refusal::VersionNotSupported),
            (_, b'\n') => return Err(Refusal::BareLineFeed),
            _ => return Err(otherwise),
        }
    }
    Ok(None)
}

/// The status behind its space, judged as far as it is there.
fn read_status(bytes: &[u8]) -> Result<Option<u16>, Refusal> {
    let mut status = 0u16;
    for (place, &byte) in bytes.iter().take(4).enumerate() {
        match (place, byte) {
            (0, b' ') => {}
            (1, b'0' | b'6'..=b'9') => return Err(Refusal::StatusOutOfRange),
            (1.., b'0'..=b'9') => {
                status = status.wrapping_mul(10).wrapping_add(u16::from(byte.wrapping_sub(b'0')));
            }
            (_, b'\n') => return Err(Refusal::BareLineFeed),
            _ => return Err(Refusal::StatusLineInvalid),
        }
    }
    Ok((bytes.len() >= 4).then_some(status))
}

/// Whether the form of `target` goes with `method` (RFC 9112 §3.2).
fn check_form(method: &[u8], target: &[u8]) -> Result<(), Refusal> {
    let fits = match (method, target) {
        (b"CONNECT", _) => is_authority_form(target),
        (_, [b'/', ..]) => true,
        (_, b"*") => method == b"OPTIONS",
        _ => is_absolute_form(target),
    };
    if fits { Ok(()) } else { Err(Refusal::TargetForm) }
}

/// `scheme "://" something`. What else has a scheme (`urn:x`) names nothing a gateway could forward, and reads
/// like an authority.
fn is_absolute_form(target: &[u8]) -> bool {
    let Some(scheme) = target.iter().position(|&byte| byte == b':') else { return false };
    let (scheme, rest) = target.split_at_checked(scheme).unwrap_or_default();
    scheme.first().is_some_and(u8::is_ascii_alphabetic)
        && scheme.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
        && rest.strip_prefix(b"://").is_some_and(|rest| !matches!(rest, [] | [b'/' | b'?', ..]))
}

/// `host ":" port`, without user information.
fn is_authority_form(target: &[u8]) -> bool {
    let Some(colon) = target.iter().rposition(|&byte| byte == b':') else { return false };
    let (host, port) = target.split_at_checked(colon).unwrap_or_default();
    let port = port.strip_prefix(b":").unwrap_or_default();
    !host.is_empty()
        && host.iter().all(|byte| !matches!(byte, b'/' | b'?' | b'@'))
        && !port.is_empty()
        && port.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests;
