//! Requests over HTTP/1.1.

use std::time::Instant;

use super::Worker;
use crate::Deadline;
use crate::raw::{Client, End};

/// One connection, kept for as long as the server keeps it.
pub(super) fn kept(mut worker: Worker) {
    let mut connection = None;
    while let Some(due) = worker.turn() {
        connection = ask(&mut worker, due, connection);
    }
}

/// A connection for each request.
pub(super) fn fresh(mut worker: Worker) {
    while let Some(due) = worker.turn() {
        drop(ask(&mut worker, due, None));
    }
}

/// One request; gives the connection back if it may carry another.
fn ask(worker: &mut Worker, due: Instant, mut kept: Option<Client>) -> Option<Client> {
    let number = worker.number();
    let request = worker.plan().request(number);
    let deadline = Deadline::after(worker.plan().patience);
    loop {
        let was_used = kept.is_some();
        let mut client = match kept.take() {
            Some(client) => client,
            None => worker.connect("http/1.1").ok()?,
        };
        client.send(request.http1());
        match begun(&mut client, deadline) {
            Ok(()) => {}
            Err(End::Closed | End::Reset) if was_used && worker.plan().may_repeat() => {
                worker.tally().resent += 1;
                continue;
            }
            Err(End::Silent) => {
                worker.tally().silent(&format!("{number}: nothing in time"));
                return None;
            }
            Err(end) => {
                worker.tally().broken(&format!("{number}: {end:?} before an answer"));
                return None;
            }
        }
        return match client.response(&request.method, deadline) {
            Ok(response) => {
                worker.judge(number, due, &response);
                let ends = response.text("connection").is_some_and(|value| value.contains("close"));
                if ends {
                    worker.move_on();
                }
                (!ends).then_some(client)
            }
            Err(failure) if failure.end == End::Silent => {
                worker.tally().silent(&format!("{number}: {failure}"));
                None
            }
            Err(failure) => {
                worker.tally().broken(&format!("{number}: {failure}"));
                None
            }
        };
    }
}

/// Waits for the first byte of an answer.
fn begun(client: &mut Client, deadline: Deadline) -> Result<(), End> {
    if client.buffer().is_empty() { client.more(deadline) } else { Ok(()) }
}
