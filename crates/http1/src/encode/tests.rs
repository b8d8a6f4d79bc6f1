use super::*;
use crate::{Bounds, HeadDecoder};

fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(&mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn a_request_is_written_line_by_line() {
    let mut fields = Fields::new();
    fields.push("Host", "example.com");
    fields.push("x-Empty", "");
    let text = written(|out| {
        HeadWriter::request(out, b"POST", b"/a?b")
            .fields(&fields)
            .field("via", b"1.1 gateway")
            .framing(Framing::Length(u64::MAX))
            .end();
    });
    let expected = "POST /a?b HTTP/1.1\r\nHost: example.com\r\nx-Empty: \r\nvia: 1.1 gateway\r\n\
                    content-length: 18446744073709551615\r\n\r\n";
    assert_eq!(text, expected);
}

#[test]
fn a_response_is_written_with_its_reason_or_the_usual_one() {
    let line = |status, reason: &[u8]| written(|out| HeadWriter::response(out, status, reason).end());
    assert_eq!(line(200, b""), "HTTP/1.1 200 OK\r\n\r\n");
    assert_eq!(line(200, b"Fine"), "HTTP/1.1 200 Fine\r\n\r\n");
    assert_eq!(line(429, b""), "HTTP/1.1 429 Too Many Requests\r\n\r\n");
    assert_eq!(line(299, b""), "HTTP/1.1 299 \r\n\r\n");
    assert_eq!(line(42, b""), "HTTP/1.1 500 Internal Server Error\r\n\r\n");
    assert_eq!(line(1000, b""), "HTTP/1.1 500 Internal Server Error\r\n\r\n");
    for (framing, expected) in [
        (Framing::None, ""),
        (Framing::UntilClose, ""),
        (Framing::Chunked, "transfer-encoding: chunked\r\n"),
        (Framing::Length(0), "content-length: 0\r\n"),
        (Framing::Length(1234), "content-length: 1234\r\n"),
    ] {
        let text = written(|out| HeadWriter::response(out, 200, b"").framing(framing).end());
        assert_eq!(text, format!("HTTP/1.1 200 OK\r\n{expected}\r\n"));
    }
}

#[test]
fn a_decoded_line_with_another_value_is_written_with_that() {
    let came = b"GET / HTTP/1.1\r\nHost: a\r\nCookie: a=1; key=secret\r\nX-Two: 2\r\n\r\n";
    let (mut head, _) = HeadDecoder::default().request(came, &Bounds::default()).unwrap().unwrap();
    head.fields.rewrite("cookie", |_| Some(b"a=1".to_vec()));
    let text = written(|out| HeadWriter::request(out, b"GET", b"/").fields(&head.fields).end());
    assert_eq!(text, "GET / HTTP/1.1\r\nHost: a\r\nCookie: a=1\r\nX-Two: 2\r\n\r\n");
}

#[test]
fn decoded_lines_are_written_as_they_were_and_pushed_ones_are_judged() {
    let came = b"GET / HTTP/1.1\r\nHost: a\r\nX-One: 1\r\nX-Two:2\r\nX-Three: \t3 \r\nX-Four: a\tb\r\nX-Five: \r\n\r\n";
    let (mut head, _) = HeadDecoder::default().request(came, &Bounds::default()).unwrap().unwrap();
    head.fields.push("X-Six", "6\r\nX-Evil: 7");
    head.fields.set("X-One", "one");
    let text = written(|out| {
        HeadWriter::request(out, b"GET", b"/").fields_if(&head.fields, |field| !field.is("x-four")).end();
    });
    let expected = "GET / HTTP/1.1\r\nHost: a\r\nX-Two: 2\r\nX-Three: 3\r\nX-Five: \r\n\
                    X-Six: 6  X-Evil: 7\r\nX-One: one\r\n\r\n";
    assert_eq!(text, expected);
    head.fields.clear();
    head.fields.push("a: b\r\nc", "d");
    assert_eq!(
        written(|out| HeadWriter::response(out, 200, b"").fields(&head.fields).end()),
        "HTTP/1.1 200 OK\r\na__b__c: d\r\n\r\n"
    );
}

#[test]
fn nothing_written_can_add_a_line() {
    let text = written(|out| {
        HeadWriter::request(out, b"GET /evil HTTP/1.1\r\n\r\n", b"/ HTTP/1.1\r\nX: y\r\n\r\n#\0")
            .field("a\r\nb: c\r\n\r\nd", "e\r\nf: g\r\n\r\n\0\x7fh\ti")
            .field("", "nameless")
            .field("colon:", "v")
            .end();
    });
    let expected = "GET__evil_HTTP_1.1____ /%20HTTP/1.1%0D%0AX:%20y%0D%0A%0D%0A%23%00 HTTP/1.1\r\n\
                    a__b__c____d: e  f: g      h\ti\r\ncolon_: v\r\n\r\n";
    assert_eq!(text, expected);
    let text = written(|out| HeadWriter::request(out, b"", b"").end());
    assert_eq!(text, "_ / HTTP/1.1\r\n\r\n");
    let text = written(|out| HeadWriter::response(out, 200, b"O\r\nK: \0").end());
    assert_eq!(text, "HTTP/1.1 200 O  K:  \r\n\r\n");
}

#[test]
fn every_byte_everywhere_still_makes_one_head_of_two_lines() {
    for byte in 0..=255u8 {
        let junk = [b'x', byte, byte, b'y'];
        let mut out = Vec::new();
        let target = [&b"/"[..], &junk].concat();
        HeadWriter::request(&mut out, &junk, &target).field(junk, junk).end();
        let (head, taken) = HeadDecoder::default().request(&out, &Bounds::default()).unwrap().unwrap();
        assert_eq!((taken, head.fields.len()), (out.len(), 1), "{byte:#x}");
        let mut out = Vec::new();
        HeadWriter::response(&mut out, 200, &junk).field(junk, junk).end();
        let (head, taken) = HeadDecoder::default().response(&out, &Bounds::default()).unwrap().unwrap();
        assert_eq!((taken, head.fields.len()), (out.len(), 1), "{byte:#x}");
    }
}

#[test]
fn chunks_are_written_with_their_length_and_the_body_ends_once() {
    for (length, expected) in
        [(1, "1\r\n"), (16, "10\r\n"), (0xabcdef, "abcdef\r\n"), (usize::MAX, "ffffffffffffffff\r\n")]
    {
        assert_eq!(written(|out| chunk_head(out, length)), expected);
    }
    assert_eq!(written(|out| write_last_chunk(out, None)), "0\r\n\r\n");
    let mut trailers = Fields::new();
    assert_eq!(written(|out| write_last_chunk(out, Some(&trailers))), "0\r\n\r\n");
    trailers.push("grpc-status", "0\r\n\r\nHTTP/1.1 200");
    assert_eq!(
        written(|out| write_last_chunk(out, Some(&trailers))),
        "0\r\ngrpc-status: 0    HTTP/1.1 200\r\n\r\n"
    );
}
