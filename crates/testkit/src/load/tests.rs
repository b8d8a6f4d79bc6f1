use std::time::Duration;

use super::backend::ws;
use super::{Backend, Plan};
use crate::exchange::all;
use crate::h2::server::Server;
use crate::{Deadline, Recorder, Reply};

#[test]
fn every_answer_is_checked() {
    let backend = Backend::start();
    let load = Plan::to([backend.address()]).kept(200, 2).fresh(50, 1).sockets(50, 2).start();
    load.more_good(100, Deadline::soon());
    let tally = load.stop();
    assert_eq!((tally.failed(), tally.resent, tally.crossed), (0, 0, 0), "{tally}");
    assert!(tally.good > 0 && tally.echoed > 0, "{tally}");
    assert_eq!(tally.sent, tally.echoed, "{tally}");
    assert_eq!(backend.requests(), tally.good);
    assert_eq!(backend.messages(), tally.echoed);
    assert_eq!((backend.repeated(), backend.cut()), (0, 0));
}

#[test]
fn answers_have_the_size_that_was_asked_for() {
    let backend = Backend::start();
    let load = Plan::to([backend.address()]).kept(100, 1).bytes(4_000).post().start();
    load.more_good(10, Deadline::soon());
    let tally = load.stop();
    assert_eq!(tally.failed(), 0, "{tally}");
}

#[test]
fn what_is_wrong_is_told_apart() {
    let wrong = Recorder::start();
    wrong.on("/", Reply::with("503 Service Unavailable", "", ""));
    let mistaken = Recorder::start();
    let broken = Recorder::start();
    broken.on("/", Reply::raw("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n1").close());
    let silent = Recorder::start();
    silent.on("/", Reply::new());
    for (backend, which) in [(&wrong, 0), (&mistaken, 1), (&broken, 2), (&silent, 3)] {
        let plan = Plan::to([backend.address()]).patience(Duration::from_millis(300));
        let load = plan.kept(100, 1).start();
        Deadline::soon().poll("a failure", || (load.tally().failed() > 0).then_some(()));
        let tally = load.stop();
        let counts = [tally.wrong.values().sum::<u64>(), tally.mistaken, tally.broken, tally.silent];
        let only = counts.iter().enumerate().all(|(at, count)| (*count > 0) == (at == which));
        assert!(only && tally.good == 0, "{which}: {tally}");
    }
    let gone = Recorder::start().address();
    let load = Plan::to([gone]).kept(100, 1).start();
    Deadline::soon().poll("a refusal", || (load.tally().refused > 0).then_some(()));
}

#[test]
fn an_idle_connection_that_was_closed_is_no_failure() {
    let backend = Recorder::start();
    backend.on("/load/0", Reply::ok("0").close());
    backend.on("/load/1", Reply::ok("1"));
    let load = Plan::to([backend.address()]).kept(20, 1).start();
    load.more_good(2, Deadline::soon());
    let tally = load.tally();
    assert_eq!((tally.resent, tally.broken), (1, 0), "{tally}");
}

/// Answers each request on HTTP/2 with its number; says GOAWAY after ten, and has not processed the eleventh.
fn http2() -> Server {
    Server::start(|_, mut connection| {
        if connection.open(&[]).is_err() {
            return;
        }
        for count in 1.. {
            let Ok((stream, fields, _)) = connection.request(Deadline::soon()) else { return };
            if count == 11 {
                connection.go_away(stream - 2, 0);
                return connection.linger();
            }
            let path = String::from_utf8_lossy(all(&fields, ":path")[0]).into_owned();
            connection.answer(stream, path.trim_start_matches("/load/").as_bytes());
        }
    })
}

#[test]
fn streams_that_were_not_processed_are_asked_again() {
    let server = http2();
    let load = Plan::to([server.address()]).http2(200, 1).start();
    load.more_good(35, Deadline::soon());
    let tally = load.stop();
    assert_eq!(tally.failed(), 0, "{tally}");
    assert!(tally.resent >= 3 && tally.moved >= 3, "{tally}");
}

#[test]
fn the_acceptance_of_a_handshake_is_that_of_the_standard() {
    assert_eq!(ws::acceptance("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}
