//! Numbered messages over a WebSocket, and their echoes in order.

use std::collections::VecDeque;
use std::time::Instant;

use super::Worker;
use super::backend::ws;
use crate::Deadline;
use crate::raw::{Client, End};

/// The key and its acceptance that RFC 6455 §1.3 gives as an example.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// One connection, and a new one when it ends.
struct Session {
    worker: Worker,
    client: Option<Client>,
    /// Messages whose echo has not come, oldest first.
    waiting: VecDeque<(u64, Instant)>,
}

pub(super) fn run(worker: Worker) {
    let mut session = Session { worker, client: None, waiting: VecDeque::new() };
    loop {
        let until = session.worker.next;
        while Instant::now() < until {
            session.read(until);
        }
        let Some(due) = session.worker.take_turn() else { break };
        let number = session.worker.number();
        session.say(number, due);
    }
    let deadline = Deadline::after(session.worker.plan().patience);
    while !session.waiting.is_empty() && deadline.left().is_some() {
        session.read(Instant::now() + session.worker.every);
    }
    let missing = session.waiting.len() as u64;
    if missing > 0 {
        session.worker.tally().cut(missing, "messages without an echo at the end");
    }
    if let Some(client) = &mut session.client {
        client.send(ws::frame(ws::CLOSE, &1000_u16.to_be_bytes(), true));
        while client.more(Deadline::after(session.worker.plan().patience)).is_ok() {}
    }
}

impl Session {
    fn say(&mut self, number: u64, due: Instant) {
        if self.client.is_none() {
            self.client = self.open();
        }
        let Some(client) = &mut self.client else { return };
        client.send(ws::frame(ws::TEXT, number.to_string().as_bytes(), true));
        self.waiting.push_back((number, due));
        self.worker.tally().sent += 1;
    }

    fn open(&mut self) -> Option<Client> {
        let mut client = self.worker.connect("http/1.1").ok()?;
        let plan = self.worker.plan();
        let fields = plan.fields.iter().map(|(name, value)| format!("{name}: {value}\r\n"));
        client.send(format!(
            "GET {}/socket HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n{}\r\n",
            plan.path,
            plan.authority,
            fields.collect::<String>(),
        ));
        let response = client.response("GET", Deadline::after(plan.patience));
        let mut tally = self.worker.tally();
        match response {
            Ok(response)
                if response.status == 101
                    && response.text("sec-websocket-accept").as_deref() == Some(ACCEPT) =>
            {
                drop(tally);
                return Some(client);
            }
            Ok(response) => tally.wrong(response.status, &format!("a WebSocket got {response:?}")),
            Err(failure) => tally.broken(&format!("a WebSocket got {failure}")),
        }
        drop(tally);
        self.worker.at += 1;
        None
    }

    /// Reads what comes, until `until` at the latest.
    fn read(&mut self, until: Instant) {
        let patience = until.saturating_duration_since(Instant::now());
        let Some(client) = &mut self.client else {
            std::thread::sleep(patience);
            return;
        };
        if let Some((opcode, payload)) = ws::take(client.buffer()) {
            return self.take(opcode, &payload);
        }
        match client.more(Deadline::after(patience)) {
            Ok(()) | Err(End::Silent) => {}
            Err(end) => {
                let is_between = client.buffer().is_empty();
                self.client = None;
                let waiting = std::mem::take(&mut self.waiting).len() as u64;
                let lost = if is_between { waiting } else { waiting.max(1) };
                if lost > 0 {
                    let what = format!("{lost} messages: {end:?} without a close frame");
                    self.worker.tally().cut(lost, &what);
                }
            }
        }
    }

    fn take(&mut self, opcode: u8, payload: &[u8]) {
        match opcode {
            ws::TEXT => {
                let expected = self.waiting.pop_front();
                let mut tally = self.worker.tally();
                match expected {
                    Some((number, _)) if payload == number.to_string().as_bytes() => tally.echoed += 1,
                    other => tally.cut(1, &format!("`{}` for {other:?}", payload.escape_ascii())),
                }
            }
            ws::CLOSE => self.leave(payload),
            _ => {}
        }
    }

    /// Answers a close frame, and says what has no echo yet on another connection.
    fn leave(&mut self, payload: &[u8]) {
        if let Some(mut client) = self.client.take() {
            client.send(ws::frame(ws::CLOSE, payload, true));
            // The server closes first (RFC 6455 §7.1.1).
            drop(client.closed(Deadline::after(self.worker.plan().patience)));
        }
        let status = payload.first_chunk().map_or(1005, |bytes| u16::from_be_bytes(*bytes));
        let crossed = std::mem::take(&mut self.waiting);
        let mut tally = self.worker.tally();
        *tally.closes.entry(status).or_default() += 1;
        tally.crossed += crossed.len() as u64;
        tally.sent -= crossed.len() as u64;
        drop(tally);
        self.worker.move_on();
        for (number, due) in crossed {
            self.say(number, due);
        }
    }
}
