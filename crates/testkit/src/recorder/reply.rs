//! What the recorder answers: bytes, pauses and ends, in the order a test writes them down.

use std::time::Duration;

use super::request::shown;
use super::{Gate, Message};

/// A scripted answer.
#[derive(Debug, Clone)]
pub struct Reply {
    /// When it begins.
    pub moment: Moment,
    /// What happens, one after the other.
    pub steps: Vec<Step>,
}

/// When an answer begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// As soon as the head is there: an early answer.
    Head,
    /// When the message is whole.
    Whole,
}

/// One thing the recorder does.
#[derive(Debug, Clone)]
pub enum Step {
    /// Sends bytes.
    Send(Vec<u8>),
    /// Sends the same bytes many times.
    Repeat(Vec<u8>, usize),
    /// Sends 200 with the request's line as body.
    Echo,
    /// Does nothing for a while.
    Pause(Duration),
    /// Waits until the test opens a gate.
    Wait(Gate),
    /// Opens a gate at which the test waits.
    Open(Gate),
    /// Sends back whatever comes from now on.
    Tunnel,
    /// Closes the connection.
    Close,
    /// Breaks the connection off.
    Reset,
}

impl Reply {
    /// An answer without steps yet.
    pub fn new() -> Self {
        Self { moment: Moment::Whole, steps: Vec::new() }
    }

    /// Bytes as given.
    pub fn raw(bytes: impl AsRef<[u8]>) -> Self {
        Self::new().send(bytes)
    }

    /// A plain 200 with `body`.
    pub fn ok(body: impl AsRef<[u8]>) -> Self {
        Self::with("200 OK", "", body)
    }

    /// A plain response: `fields` are whole lines with their ends.
    pub fn with(status: &str, fields: &str, body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref();
        let head = format!("HTTP/1.1 {status}\r\n{fields}Content-Length: {}\r\n\r\n", body.len());
        Self::new().send(head).send(body)
    }

    /// The default: 200 and the request's line.
    pub fn echo(message: &Message) -> Self {
        Self::new().send(echo_bytes(message))
    }

    /// Begins as soon as the request's head is there.
    #[must_use]
    pub fn early(mut self) -> Self {
        self.moment = Moment::Head;
        self
    }

    /// Then sends bytes: in one write with those sent just before, so that they arrive together.
    #[must_use]
    pub fn send(mut self, bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref();
        match self.steps.last_mut() {
            Some(Step::Send(before)) => before.extend_from_slice(bytes),
            _ => self.steps.push(Step::Send(bytes.to_vec())),
        }
        self
    }

    /// Then waits until `gate` is open.
    #[must_use]
    pub fn wait(self, gate: &Gate) -> Self {
        self.then(Step::Wait(gate.clone()))
    }

    /// Then opens `gate`: a test that waits there knows that what comes before has been sent.
    #[must_use]
    pub fn open(self, gate: &Gate) -> Self {
        self.then(Step::Open(gate.clone()))
    }

    /// Then closes.
    #[must_use]
    pub fn close(self) -> Self {
        self.then(Step::Close)
    }

    /// Then does `step`.
    #[must_use]
    pub fn then(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }
}

impl Default for Reply {
    fn default() -> Self {
        Self::new()
    }
}

/// 200 with the request's line as body and its target as a field: an answer that cannot be taken for another's.
pub(super) fn echo_bytes(message: &Message) -> Vec<u8> {
    let (method, target) = (shown(&message.method), shown(&message.target));
    let body = format!("{method} {target}\n");
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Recorded: {target}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    if message.method == b"HEAD" { head.into_bytes() } else { (head + &body).into_bytes() }
}
