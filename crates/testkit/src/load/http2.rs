//! Requests over HTTP/2: streams beside each other, sent when they are due whatever the others do.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use super::Worker;
use crate::h2::{Client, Frame, code, kind, request_fields};
use crate::raw::End;
use crate::{Deadline, Response};

/// Streams on one connection at most; a request that finds no place waits for one.
const STREAMS_MAX: usize = 90;

/// A request under way.
struct Waiting {
    number: u64,
    due: Instant,
    silent_after: Deadline,
    response: Response,
}

/// One connection, and a new one when it ends.
struct Session {
    worker: Worker,
    client: Option<Client>,
    waiting: BTreeMap<u32, Waiting>,
    /// Requests that the server says it has not processed.
    again: VecDeque<(u64, Instant)>,
    /// Requests that came due while the connection was being left: RFC 9113 §6.8 allows no new stream there.
    later: VecDeque<(u64, Instant)>,
    is_leaving: bool,
}

pub(super) fn run(worker: Worker) {
    let (waiting, again, later) = (BTreeMap::new(), VecDeque::new(), VecDeque::new());
    let mut session = Session { worker, client: None, waiting, again, later, is_leaving: false };
    loop {
        let until = session.worker.next;
        while Instant::now() < until {
            session.read(until);
        }
        let Some(due) = session.worker.take_turn() else { break };
        // A connection that was told to end takes no new stream; the rest of it is awaited first.
        while session.is_leaving || session.waiting.len() >= STREAMS_MAX {
            session.read(Instant::now() + session.worker.every);
        }
        let number = session.worker.number();
        session.ask(number, due);
    }
    while !(session.waiting.is_empty() && session.again.is_empty() && session.later.is_empty()) {
        session.read(Instant::now() + session.worker.every);
    }
}

impl Session {
    fn ask(&mut self, number: u64, due: Instant) {
        if self.is_leaving {
            self.later.push_back((number, due));
            return;
        }
        if self.client.is_none() {
            self.client = self.worker.connect("h2").ok().map(|connection| {
                let mut client = Client::silent(connection);
                client.open(&[]);
                client
            });
        }
        let Some(client) = &mut self.client else { return };
        let plan = self.worker.plan();
        let request = plan.request(number);
        let mut fields = request_fields(&request);
        if plan.secure.is_some() {
            fields[1].1 = b"https".to_vec();
        }
        let stream = client.stream();
        client.fields(stream, &fields, request.body.is_empty());
        if !request.body.is_empty() {
            client.content(stream, &request.body, true);
        }
        let silent_after = Deadline::after(self.worker.plan().patience);
        self.waiting.insert(stream, Waiting { number, due, silent_after, response: Response::default() });
    }

    /// Reads what comes, until `until` at the latest. What must be asked again is, on the next connection.
    fn read(&mut self, until: Instant) {
        let patience = until.saturating_duration_since(Instant::now());
        match self.client.as_mut().map(|client| client.next(Deadline::after(patience))) {
            Some(Ok(frame)) => self.take(&frame),
            Some(Err(End::Silent)) => {}
            Some(Err(end)) => self.lose(&end),
            None if self.again.is_empty() && self.later.is_empty() => std::thread::sleep(patience),
            None => {}
        }
        self.give_up_late();
        if self.is_leaving && self.waiting.is_empty() {
            self.client = None;
            self.is_leaving = false;
        }
        if self.is_leaving {
            return;
        }
        while self.waiting.len() < STREAMS_MAX {
            if let Some((number, due)) = self.again.pop_front() {
                self.worker.tally().resent += 1;
                self.ask(number, due);
            } else if let Some((number, due)) = self.later.pop_front() {
                self.ask(number, due);
            } else {
                return;
            }
        }
    }

    fn take(&mut self, frame: &Frame) {
        match frame.kind {
            kind::GOAWAY => self.go_away(frame),
            kind::RST_STREAM => {
                let Some(waiting) = self.waiting.remove(&frame.stream) else { return };
                if frame.code() == Some(code::REFUSED_STREAM) && waiting.response.status == 0 {
                    self.again.push_back((waiting.number, waiting.due));
                } else {
                    let what = format!("{}: RST_STREAM {:?}", waiting.number, frame.code());
                    self.worker.tally().broken(&what);
                }
            }
            kind::HEADERS | kind::DATA => {
                let Some(client) = &mut self.client else { return };
                let Some(waiting) = self.waiting.get_mut(&frame.stream) else { return };
                let taken = client.take(frame, &mut waiting.response);
                if taken == Ok(false) {
                    return;
                }
                let Some(waiting) = self.waiting.remove(&frame.stream) else { return };
                match taken {
                    Ok(_) => self.worker.judge(waiting.number, waiting.due, &waiting.response),
                    Err(end) => self.worker.tally().broken(&format!("{}: {end:?}", waiting.number)),
                }
            }
            _ => {}
        }
    }

    /// No new streams here; those beyond the last one that the server will answer are asked again.
    fn go_away(&mut self, frame: &Frame) {
        if !self.is_leaving {
            self.is_leaving = true;
            self.worker.move_on();
        }
        let last = frame.payload.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes) & 0x7fff_ffff);
        let unprocessed = self.waiting.split_off(&(last + 1));
        self.again.extend(unprocessed.into_values().map(|waiting| (waiting.number, waiting.due)));
        if frame.code() != Some(code::NO_ERROR) {
            self.lose(&End::Nonsense(format!("GOAWAY with {:?}", frame.code())));
        }
    }

    /// The connection is gone.
    fn lose(&mut self, end: &End) {
        self.client = None;
        self.is_leaving = false;
        for (_, waiting) in std::mem::take(&mut self.waiting) {
            self.worker.tally().broken(&format!("{}: {end:?} on HTTP/2", waiting.number));
        }
    }

    fn give_up_late(&mut self) {
        let is_late = |waiting: &Waiting| waiting.silent_after.left().is_none();
        if !self.waiting.values().next().is_some_and(is_late) {
            return; // the oldest stream is the first
        }
        let (stream, waiting) = self.waiting.pop_first().expect("the one just seen");
        self.worker.tally().silent(&format!("{}: nothing in time on stream {stream}", waiting.number));
    }
}
