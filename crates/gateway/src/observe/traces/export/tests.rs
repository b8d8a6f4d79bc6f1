use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode, header};

use super::{Outcome, PAUSE_MAX, RETRY_AFTER_MAX, judge, random_share};
use crate::protobuf::Message;

fn answer(status: u16, retry_after: Option<&str>, body: impl Into<Bytes>) -> Response<Bytes> {
    let mut answer = Response::new(body.into());
    *answer.status_mut() = StatusCode::from_u16(status).expect("a status");
    if let Some(text) = retry_after {
        answer.headers_mut().insert(header::RETRY_AFTER, text.parse().expect("a value"));
    }
    answer
}

#[test]
fn a_taken_batch_may_have_rejected_spans() {
    let mut partial = Message::default();
    partial.message(1, |partial| {
        partial.number(1, 3);
        partial.bytes(2, "too old");
        partial.number(9, 7);
    });
    for (body, expected) in [(Vec::new(), (0, "")), (partial.into_bytes(), (3, "too old"))] {
        match judge(&answer(200, None, body)) {
            Outcome::Taken { rejected, message } => assert_eq!((rejected, message.as_str()), expected),
            Outcome::Refused(why) | Outcome::Later(why, _) => panic!("{why}"),
        }
    }
}

#[test]
fn what_is_asked_again_and_when() {
    for status in [429, 502, 503, 504] {
        for (text, expected) in [
            (None, Duration::ZERO),
            (Some("7"), Duration::from_secs(7)),
            (Some("-7"), Duration::ZERO),
            (Some("soon"), Duration::ZERO),
            (Some("Thu, 01 Jan 1970 00:00:10 GMT"), Duration::ZERO),
            (Some("Fri, 31 Dec 9999 23:59:59 GMT"), RETRY_AFTER_MAX),
            (Some("99999999999"), RETRY_AFTER_MAX),
        ] {
            let outcome = judge(&answer(status, text, ""));
            assert!(matches!(outcome, Outcome::Later(_, pause) if pause == expected), "{status} {text:?}");
        }
    }
    for (status, body) in
        [(200, "<html>"), (200, "{}"), (302, ""), (400, ""), (401, ""), (404, ""), (500, "")]
    {
        assert!(matches!(judge(&answer(status, None, body)), Outcome::Refused(_)), "{status} {body}");
    }
}

#[test]
fn pauses_differ_and_have_an_end() {
    let pauses: Vec<Duration> = (0..100).map(|_| random_share(PAUSE_MAX)).collect();
    assert!(pauses.iter().all(|pause| *pause <= PAUSE_MAX));
    assert!(pauses.iter().any(|pause| *pause != pauses[0]));
}
