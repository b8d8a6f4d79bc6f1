//! Answers that are none, or that break off: 502 if nothing was said yet, else an abort, and never anything whole.

use portcullis_testkit::h2::server::Connection;
use portcullis_testkit::h2::{code, flag, hpack, kind};
use portcullis_testkit::{Deadline, Request, Wire};

use super::{gateway, looks_cut, public, scripted};
use crate::stage::Findings;

type Lines = &'static [(&'static str, &'static str)];
type Script = fn(&mut Connection, u32);

/// Heads that end their stream. Each has one fault beside an answer that would pass.
const HEADS: &[(&str, Lines)] = &[
    ("a connection's option", &[(":status", "200"), ("connection", "close")]),
    ("keep-alive", &[(":status", "200"), ("keep-alive", "timeout=5")]),
    ("proxy-connection", &[(":status", "200"), ("proxy-connection", "close")]),
    ("a coding", &[(":status", "200"), ("transfer-encoding", "chunked")]),
    ("an upgrade", &[(":status", "200"), ("upgrade", "h2c")]),
    ("a name in upper case", &[(":status", "200"), ("X-A", "b")]),
    ("no status", &[("x-a", "b")]),
    ("two statuses", &[(":status", "200"), (":status", "200")]),
    ("a status behind a field", &[("x-a", "b"), (":status", "200")]),
    ("a pseudo-field of nobody", &[(":status", "200"), (":other", "x")]),
    ("a status of two digits", &[(":status", "20")]),
    ("a status of four digits", &[(":status", "2000")]),
    ("a status with a blank", &[(":status", "200 ")]),
    ("a status with its phrase", &[(":status", "200 OK")]),
    ("a status that is no number", &[(":status", "abc")]),
    ("a status below 100", &[(":status", "099")]),
    ("a status of 0", &[(":status", "000")]),
    ("a status above 599", &[(":status", "600")]),
    ("an empty status", &[(":status", "")]),
    ("101", &[(":status", "101")]),
    ("an interim answer that ends", &[(":status", "103")]),
    ("an empty name", &[(":status", "200"), ("", "x")]),
    ("a blank in a name", &[(":status", "200"), ("x a", "b")]),
    ("a colon in a name", &[(":status", "200"), ("a:b", "c")]),
    ("a line end in a name", &[(":status", "200"), ("x\r\ny", "b")]),
    ("NUL in a value", &[(":status", "200"), ("x-a", "a\0b")]),
    ("CR in a value", &[(":status", "200"), ("x-a", "a\rb")]),
    ("LF in a value", &[(":status", "200"), ("x-a", "a\nset-cookie: b=c")]),
    ("a blank before a value", &[(":status", "200"), ("x-a", " b")]),
    ("a blank behind a value", &[(":status", "200"), ("x-a", "b\t")]),
    ("a length without content", &[(":status", "200"), ("content-length", "5")]),
    ("two lengths", &[(":status", "200"), ("content-length", "0"), ("content-length", "5")]),
    ("a length with a sign", &[(":status", "200"), ("content-length", "+0")]),
    ("a length of two numbers", &[(":status", "200"), ("content-length", "0, 0")]),
    ("a length in hexadecimal", &[(":status", "200"), ("content-length", "0x0")]),
    ("a length past 64 bits", &[(":status", "200"), ("content-length", "18446744073709551616")]),
    ("an empty length", &[(":status", "200"), ("content-length", "")]),
];

/// What is refused above, but for its fault.
const PLAIN: &[(&str, Lines)] = &[
    // Malformed (RFC 9113 §8.3); the codec drops it, and the client must not see it.
    ("a pseudo-field of requests", &[(":status", "200"), (":path", "/")]),
    ("a field", &[(":status", "200"), ("x-a", "b")]),
    ("a length", &[(":status", "200"), ("content-length", "0")]),
    ("a status of its own", &[(":status", "299"), ("server", "x")]),
    ("an empty value", &[(":status", "404"), ("x-a", "")]),
    ("a value beyond ASCII", &[(":status", "500"), ("x-a", "caf\u{e9}")]),
    ("a blank in a value", &[(":status", "200"), ("x-a", "a b\tc")]),
];

/// Frames that come in place of an answer.
const FRAMES: &[(&str, Script)] = &[
    ("an empty head", |c, stream| {
        c.wire.frame(kind::HEADERS, flag::END_HEADERS | flag::END_STREAM, stream, [])
    }),
    ("content before its head", |c, stream| c.wire.frame(kind::DATA, flag::END_STREAM, stream, b"x")),
    ("a stream of the server's own", |c, _| c.head(2, "200", &[], true)),
    ("a stream nobody began", |c, stream| c.head(stream + 20, "200", &[], true)),
    ("a push", |c, stream| {
        let block = hpack::encode(&vec![(b":method".to_vec(), b"GET".to_vec())]);
        c.wire.frame(kind::PUSH_PROMISE, flag::END_HEADERS, stream, [&[0, 0, 0, 2], &block[..]].concat());
    }),
    ("an index of nothing", |c, stream| {
        c.wire.frame(kind::HEADERS, flag::END_HEADERS | flag::END_STREAM, stream, [0xff, 0xff, 0xff, 0x0f]);
    }),
    ("an endless number", |c, stream| {
        c.wire.frame(kind::HEADERS, flag::END_HEADERS | flag::END_STREAM, stream, [0xff; 64]);
    }),
    ("a table beyond what was allowed", |c, stream| {
        c.wire.frame(
            kind::HEADERS,
            flag::END_HEADERS | flag::END_STREAM,
            stream,
            [0x3f, 0xff, 0xff, 0x7f, 0x88],
        );
    }),
    ("half a field", |c, stream| {
        c.wire.frame(kind::HEADERS, flag::END_HEADERS | flag::END_STREAM, stream, [0x00, 0x05, b'x']);
    }),
    ("padding longer than its frame", |c, stream| {
        c.wire.frame(kind::HEADERS, flag::END_HEADERS | flag::END_STREAM | flag::PADDED, stream, [9, 0x88]);
    }),
    ("content of no stream", |c, _| c.wire.frame(kind::DATA, 0, 0, b"x")),
    ("a frame beyond its size", |c, stream| {
        c.wire.frame(kind::HEADERS, flag::END_HEADERS, stream, [0x88; 20_000])
    }),
    ("content within a head", |c, stream| {
        c.wire.frame(kind::HEADERS, 0, stream, [0x88]);
        c.wire.frame(kind::DATA, flag::END_STREAM, stream, b"x");
    }),
    ("the rest of no head", |c, stream| c.wire.frame(kind::CONTINUATION, flag::END_HEADERS, stream, [0x88])),
    ("settings of half an entry", |c, _| c.wire.frame(kind::SETTINGS, 0, 0, [0; 5])),
    ("a window beyond 31 bits", |c, _| c.wire.frame(kind::SETTINGS, 0, 0, [0, 4, 0xff, 0xff, 0xff, 0xff])),
    ("settings of a stream", |c, stream| c.wire.frame(kind::SETTINGS, 0, stream, [])),
    ("a window wider by nothing", |c, _| c.wire.frame(kind::WINDOW_UPDATE, 0, 0, [0; 4])),
    ("a window that overflows", |c, _| c.wire.frame(kind::WINDOW_UPDATE, 0, 0, [0x7f, 0xff, 0xff, 0xff])),
    ("a ping of seven bytes", |c, _| c.wire.frame(kind::PING, 0, 0, [0; 7])),
    ("the reset of no stream", |c, _| c.wire.frame(kind::RST_STREAM, 0, 0, [0; 4])),
    ("a reset", |c, stream| c.reset_stream(stream, code::PROTOCOL_ERROR)),
    ("a reset without a fault", |c, stream| c.reset_stream(stream, code::NO_ERROR)),
    ("a demand for HTTP/1.1", |c, stream| c.reset_stream(stream, code::HTTP_1_1_REQUIRED)),
    ("leaving with a fault", |c, _| c.go_away(0, code::PROTOCOL_ERROR)),
    ("HTTP/1.1", |c, _| c.wire.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")),
    ("interim answers without end", |c, stream| {
        (0..100).for_each(|_| c.head(stream, "103", &[("link", "</a>")], false));
    }),
];

/// An answer that begins well, and what breaks it.
const CUTS: &[(&str, Lines, Script)] = &[
    ("a reset", &[], |c, stream| c.reset_stream(stream, code::INTERNAL_ERROR)),
    ("a reset without a fault", &[], |c, stream| c.reset_stream(stream, code::NO_ERROR)),
    ("a cancellation", &[], |c, stream| c.reset_stream(stream, code::CANCEL)),
    ("a refusal that comes too late", &[], |c, stream| c.reset_stream(stream, code::REFUSED_STREAM)),
    ("an end before its length", &[("content-length", "10")], |c, stream| {
        c.wire.frame(kind::DATA, flag::END_STREAM, stream, []);
    }),
    ("a reset behind its length", &[("content-length", "5")], |c, stream| {
        c.reset_stream(stream, code::NO_ERROR)
    }),
    ("nothing behind its length", &[("content-length", "5")], |_, _| {}),
    ("more than its length", &[("content-length", "5")], |c, stream| c.content(stream, b"more", true)),
    ("a second head", &[], |c, stream| c.head(stream, "200", &[], false)),
    ("trailers that do not end", &[], |c, stream| {
        c.wire.fields(stream, &vec![(b"x-a".to_vec(), b"b".to_vec())], false);
        c.wire.frame(kind::DATA, flag::END_STREAM, stream, b"x");
    }),
    ("trailers of the connection", &[], |c, stream| {
        c.wire.fields(stream, &vec![(b"connection".to_vec(), b"close".to_vec())], true);
    }),
    ("a broken block of trailers", &[], |c, stream| {
        c.wire.frame(kind::HEADERS, flag::END_HEADERS | flag::END_STREAM, stream, [0xff, 0xff, 0xff, 0x0f]);
    }),
    ("content of no stream", &[], |c, _| c.wire.frame(kind::DATA, 0, 0, b"x")),
    ("leaving with a fault", &[], |c, stream| {
        c.go_away(stream, code::INTERNAL_ERROR);
        c.wire.frame(kind::DATA, 0, 0, b"x");
    }),
    ("silence", &[], |_, _| {}),
];

fn number(path: &str) -> usize {
    path.rsplit('/').next().and_then(|number| number.parse().ok()).expect("a number")
}

#[test]
fn an_answer_that_is_none_is_a_bad_gateway() {
    let server = scripted(|connection, stream, path| match path.split('/').nth(1) {
        Some("head") => {
            let fields =
                HEADS[number(path)].1.iter().map(|(n, v)| (n.as_bytes().to_vec(), v.as_bytes().to_vec()));
            connection.wire.fields(stream, &fields.collect(), true);
        }
        Some("plain") => {
            let fields =
                PLAIN[number(path)].1.iter().map(|(n, v)| (n.as_bytes().to_vec(), v.as_bytes().to_vec()));
            connection.wire.fields(stream, &fields.collect(), true);
        }
        _ => FRAMES[number(path)].1(connection, stream),
    });
    let gateway = gateway(&server);
    let mut findings = Findings::default();
    let names = [("head", HEADS.iter().map(|case| case.0).collect::<Vec<_>>())];
    let names = names.into_iter().chain([("frames", FRAMES.iter().map(|case| case.0).collect())]);
    for (kind, name, number) in
        names.flat_map(|(kind, names)| names.into_iter().enumerate().map(move |(n, name)| (kind, name, n)))
    {
        for wire in Wire::ALL {
            let outcome = wire.try_send(public(&gateway), &Request::get(format!("/{kind}/{number}")));
            let judged = match outcome {
                Ok(response) if response.status == 502 && response.problem().is_some() => Ok(()),
                other => Err(format!("{other:?}")),
            };
            findings.note(format!("{wire:?}: {name}"), judged);
            let after = wire.send(public(&gateway), &Request::get("/after"));
            assert_eq!(
                (after.status, after.body.as_slice()),
                (200, &b"after"[..]),
                "{wire:?}: behind {name}"
            );
        }
    }
    for (number, (name, fields)) in PLAIN.iter().enumerate() {
        for wire in Wire::ALL {
            let response = wire.send(public(&gateway), &Request::get(format!("/plain/{number}")));
            let leaked = response.fields.iter().any(|(name, _)| name.starts_with(b":"));
            let right = response.status.to_string() == fields[0].1 && !leaked;
            findings
                .note(format!("{wire:?}: {name}"), if right { Ok(()) } else { Err(format!("{response:?}")) });
        }
    }
    findings.conclude((HEADS.len() + FRAMES.len() + PLAIN.len()) * 2);
}

#[test]
fn an_answer_that_breaks_off_never_looks_whole() {
    let server = scripted(|connection, stream, path| {
        let (_, fields, cut) = &CUTS[number(path)];
        connection.head(stream, "200", fields, false);
        connection.content(stream, b"hello", false);
        cut(connection, stream);
    });
    // Side by side, for some of them take as long as a backend may be silent.
    let outcomes: Vec<(Wire, Vec<_>)> = std::thread::scope(|scope| {
        let server = &server;
        let ask = |wire: Wire| {
            let gateway = gateway(server);
            let ask = |number| {
                let outcome = wire.try_send(public(&gateway), &Request::get(format!("/cut/{number}")));
                let after = wire.send(public(&gateway), &Request::get("/after"));
                assert_eq!((after.status, after.body.as_slice()), (200, &b"after"[..]), "{wire:?}");
                looks_cut(outcome)
            };
            (wire, (0..CUTS.len()).map(ask).collect())
        };
        let asking: Vec<_> = Wire::ALL.iter().map(|wire| scope.spawn(move || ask(*wire))).collect();
        asking.into_iter().map(|thread| thread.join().expect("outcomes")).collect()
    });
    let mut findings = Findings::default();
    for (wire, outcomes) in outcomes {
        for ((name, ..), outcome) in CUTS.iter().zip(outcomes) {
            findings.note(format!("{wire:?}: {name}"), outcome);
        }
    }
    findings.conclude(CUTS.len() * 2);
}

#[test]
fn a_lost_connection_cuts_its_answers() {
    for is_reset in [false, true] {
        for half in ["", "hello"] {
            let server = portcullis_testkit::h2::server::Server::start(move |_, mut connection| {
                if connection.open(&[]).is_err() {
                    return;
                }
                let Ok((stream, ..)) = connection.request(Deadline::soon()) else { return };
                if !half.is_empty() {
                    connection.head(stream, "200", &[("content-length", "10")], false);
                    connection.content(stream, half.as_bytes(), false);
                }
                if is_reset {
                    connection.reset();
                }
            });
            let gateway = gateway(&server);
            for wire in Wire::ALL {
                let outcome = wire.try_send(public(&gateway), &Request::get("/"));
                looks_cut(outcome)
                    .unwrap_or_else(|why| panic!("{wire:?}, reset {is_reset}, `{half}`: {why}"));
            }
        }
    }
}
