//! Where an exchange stands in a distributed trace (W3C Trace Context, level 1).
//!
//! Every exchange is one span. It is told to the backend as `traceparent`, and stands in the access record, so that what
//! the backend recorded is found by it. Nothing here allocates: two numbers, spelt on the stack when a head is written.
//!
//! A `traceparent` is believed when a trusted proxy says it: the trace goes on, and so does its `tracestate`. Anybody
//! else's could join his requests to the traces of others, and could have each of them recorded at our cost. Such a one
//! is dropped, and a trace of our own begins; or it is noted beside our own ([`Parents::Link`]); or the operator believes
//! everybody ([`Parents::Continue`]).
//!
//! # Limits
//! One `traceparent` of 55 bytes; [`STATE_BYTES_MAX`] of `tracestate` in all (§3.3.1.5): more is dropped as a whole.

use portcullis_http1::{Digits, Fields, Form};

/// Most bytes of `tracestate` that go on.
pub const STATE_BYTES_MAX: usize = 512;

/// What becomes of the `traceparent` of callers who are no trusted proxies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Parents {
    /// It is dropped; the exchange begins a trace.
    #[default]
    Restart,
    /// The exchange begins a trace, and the caller's span is noted beside it.
    Link,
    /// It is believed.
    Continue,
}

/// How traces are begun and joined.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tracing {
    /// What becomes of strangers' spans.
    pub parents: Parents,
    /// Of the new traces, those whose number is below it are marked as sampled.
    pub sample_below: u64,
}

/// The line of `traceparent`.
pub type Traceparent = Form<70>;

/// A span: of which trace, and which one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The trace; never zero.
    pub trace: u128,
    /// The span; never zero.
    pub span: u64,
}

/// Where one exchange stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trace {
    /// Its own span.
    pub own: Span,
    /// The span it is part of, in the same trace.
    pub parent: Option<u64>,
    /// The span of the caller, in another trace.
    pub link: Option<Span>,
    /// Whether whoever sees it is asked to record it.
    pub sampled: bool,
    /// Whether the request's `tracestate` goes on.
    pub keeps_state: bool,
}

impl Trace {
    /// A trace that begins here, by random numbers. It is not marked until [`Self::join`].
    pub fn begin(mut random: impl FnMut() -> u64) -> Self {
        let trace = (u128::from(random()) << 64) | u128::from(random());
        // The chance that either is zero is none; §3.2.2 forbids it all the same.
        let own = Span { trace: trace.max(1), span: random().max(1) };
        Self { own, parent: None, link: None, sampled: false, keeps_state: false }
    }

    /// Joins the trace that `fields` name, as far as `rules` let it.
    pub fn join(&mut self, fields: &Fields, is_trusted: bool, rules: &Tracing) {
        // The number's lower half is as random as the upper, and no part of it decides anything else.
        let fresh = u64::try_from(self.own.trace & u128::from(u64::MAX)).unwrap_or_default();
        self.sampled = fresh < rules.sample_below;
        let Ok(Some(value)) = fields.only("traceparent") else { return };
        let Some((parent, sampled)) = read(value) else { return };
        match rules.parents {
            _ if is_trusted => {}
            Parents::Continue => {}
            Parents::Link => {
                self.link = Some(parent);
                return;
            }
            Parents::Restart => return,
        }
        self.own.trace = parent.trace;
        self.parent = Some(parent.span);
        self.sampled = sampled;
        let state = fields.all("tracestate").fold(0_usize, |sum, value| sum.saturating_add(value.len()));
        self.keeps_state = state <= STATE_BYTES_MAX;
    }

    /// The `traceparent` that a backend is to see, whose parent is to be `span`.
    pub fn traceparent(&self, span: u64) -> Traceparent {
        const LINE: Traceparent =
            Form::new(b"traceparent: 00-00000000000000000000000000000000-0000000000000000-00\r\n");
        let mut line = LINE;
        let (high, low) = self.own.trace_digits();
        line.write(16, high);
        line.write(32, low);
        line.write(49, Digits::of(span));
        line.write(66, Digits::of(u64::from(self.sampled)).part::<2>(14));
        line
    }
}

impl Span {
    /// The trace in hexadecimal.
    pub fn trace_id(&self) -> [u8; 32] {
        let (high, low) = self.trace_digits();
        let mut text = [0; 32];
        text[..16].copy_from_slice(high.as_bytes());
        text[16..].copy_from_slice(low.as_bytes());
        text
    }

    /// The span in hexadecimal.
    pub fn span_id(&self) -> [u8; 16] {
        *Digits::of(self.span).as_bytes()
    }

    /// The upper and the lower half of the trace.
    #[inline]
    fn trace_digits(&self) -> (Digits<16>, Digits<16>) {
        (Digits::of((self.trace >> 64) as u64), Digits::of(self.trace as u64))
    }
}

/// Reads `traceparent` (§3.2): of version 00 exactly, of a later one as far as it is known, of 255 nothing.
fn read(value: &[u8]) -> Option<(Span, bool)> {
    let (known, rest) = value.split_at_checked(55)?;
    let number = |from: usize, to: usize| {
        let digits = known.get(from..to)?;
        digits.iter().try_fold(0_u128, |number, digit| {
            let value = match digit {
                b'0'..=b'9' => digit.wrapping_sub(b'0'),
                b'a'..=b'f' => digit.wrapping_sub(b'W'),
                _ => return None,
            };
            Some((number << 4) | u128::from(value))
        })
    };
    let hyphens = [2_usize, 35, 52].into_iter().all(|at| known.get(at) == Some(&b'-'));
    let (version, trace, span, flags) = (number(0, 2)?, number(3, 35)?, number(36, 52)?, number(53, 55)?);
    let is_whole = if version == 0 { rest.is_empty() } else { rest.first().is_none_or(|byte| *byte == b'-') };
    let span = u64::try_from(span).ok()?;
    (hyphens && version != 0xff && is_whole && trace != 0 && span != 0)
        .then_some((Span { trace, span }, flags & 1 == 1))
}

#[cfg(test)]
mod tests;
