use super::*;

#[derive(Debug, PartialEq)]
struct Body {
    data: Vec<u8>,
    trailers: Option<String>,
    rest: Vec<u8>,
    end: Result<(), Refusal>,
}

/// Decodes `text` in reads of `step` bytes, then closes the connection if the body is not complete.
fn run(framing: Framing, bounds: &BodyBounds, text: &[u8], step: usize) -> Body {
    let mut decoder = BodyDecoder::new(framing, bounds);
    let mut body = Body { data: Vec::new(), trailers: None, rest: Vec::new(), end: Ok(()) };
    let mut buf = BytesMut::new();
    let mut reads = text.chunks(step);
    loop {
        match decoder.decode(&mut buf) {
            Ok(Event::More) => match reads.next() {
                Some(read) => buf.extend_from_slice(read),
                None => {
                    body.end = decoder.finish().map(|event| assert_eq!(event, Event::End));
                    assert_eq!(decoder.is_done(), body.end.is_ok());
                    break;
                }
            },
            Ok(Event::Data(piece)) => {
                assert!(!piece.is_empty());
                body.data.extend_from_slice(&piece);
            }
            Ok(Event::Trailers(fields)) => body.trailers = Some(format!("{fields:?}")),
            Ok(Event::End) => {
                assert!(decoder.is_done());
                break;
            }
            Err(refusal) => {
                assert_eq!(
                    decoder.decode(&mut BytesMut::from(&b"0\r\n\r\n"[..])),
                    Err(refusal),
                    "stays refused"
                );
                assert_eq!(decoder.finish(), Err(refusal), "stays refused");
                body.end = Err(refusal);
                break;
            }
        }
    }
    body.rest = buf.to_vec();
    reads.for_each(|read| body.rest.extend_from_slice(read));
    body
}

fn framed(framing: Framing, bounds: &BodyBounds, text: &[u8]) -> Body {
    let at_once = run(framing, bounds, text, usize::MAX);
    for step in [1, 2, 3, 7] {
        let dripped = run(framing, bounds, text, step);
        match at_once.end {
            Ok(()) => assert_eq!(dripped, at_once, "{} by {step}", text.escape_ascii()),
            Err(_) => assert_eq!(dripped.end, at_once.end, "{} by {step}", text.escape_ascii()),
        }
        assert_eq!(dripped.data, at_once.data);
    }
    at_once
}

fn chunked(text: impl AsRef<[u8]>) -> Body {
    framed(Framing::Chunked, &BodyBounds::default(), text.as_ref())
}

#[track_caller]
fn passes(text: impl AsRef<[u8]>, data: &str) {
    let body = chunked(&text);
    assert_eq!(body.end, Ok(()), "{}", text.as_ref().escape_ascii());
    assert_eq!(body.data, data.as_bytes());
}

#[track_caller]
fn refused(text: impl AsRef<[u8]>, refusal: Refusal) {
    assert_eq!(chunked(&text).end, Err(refusal), "{}", text.as_ref().escape_ascii());
}

#[test]
fn a_body_of_known_length_ends_there() {
    let body = framed(Framing::Length(5), &BodyBounds::default(), b"helloGET");
    assert_eq!((&body.data[..], &body.rest[..], body.end), (&b"hello"[..], &b"GET"[..], Ok(())));
    let body = framed(Framing::Length(5), &BodyBounds::default(), b"hell");
    assert_eq!(body.end, Err(Refusal::Truncated));
    for framing in [Framing::None, Framing::Length(0)] {
        assert!(BodyDecoder::new(framing, &BodyBounds::default()).is_done());
        assert_eq!(framed(framing, &BodyBounds::default(), b"GET").rest, b"GET");
    }
}

#[test]
fn a_body_of_known_length_is_done_with_its_last_piece() {
    let mut decoder = BodyDecoder::new(Framing::Length(2), &BodyBounds::default());
    assert_eq!(decoder.decode(&mut BytesMut::from(&b"a"[..])), Ok(Event::Data(Bytes::from_static(b"a"))));
    assert!(!decoder.is_done());
    assert_eq!(decoder.decode(&mut BytesMut::from(&b"b"[..])), Ok(Event::Data(Bytes::from_static(b"b"))));
    assert!(decoder.is_done());
}

#[test]
fn pieces_are_handed_out_without_copying() {
    let mut buf = BytesMut::from(&b"3\r\nabc\r\n4\r\ndefg\r\n"[..]);
    let start = buf.as_ptr() as usize;
    let mut decoder = BodyDecoder::new(Framing::Chunked, &BodyBounds::default());
    for offset in [3, 11] {
        let Ok(Event::Data(piece)) = decoder.decode(&mut buf) else { panic!("expected data") };
        assert_eq!(piece.as_ptr() as usize, start + offset);
    }
}

#[test]
fn a_body_until_close_ends_by_closing() {
    let body = framed(Framing::UntilClose, &BodyBounds::default(), b"anything\r\n0\r\n\r\n");
    assert_eq!((body.data.len(), body.end), (15, Ok(())));
    assert_eq!(framed(Framing::UntilClose, &BodyBounds::default(), b"").end, Ok(()));
}

#[test]
fn chunks_are_joined_and_what_follows_is_left() {
    let body = chunked("5\r\nhello\r\n1\r\n \r\nA\r\n0123456789\r\n0\r\n\r\nGET / HTTP/1.1");
    assert_eq!(body.data, b"hello 0123456789");
    assert_eq!(body.trailers, None);
    assert_eq!(body.rest, b"GET / HTTP/1.1");
    passes("0\r\n\r\n", "");
    passes("000\r\n\r\n", "");
}

#[test]
fn a_chunk_size_is_hexadecimal_of_at_most_sixteen_digits() {
    passes("a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", "01234567890123456789");
    passes("0000000000000001\r\nx\r\n0000000000000000\r\n\r\n", "x");
    refused("00000000000000001\r\nx\r\n0\r\n\r\n", Refusal::ChunkSizeTooLong);
    refused("00000000000000000\r\n\r\n", Refusal::ChunkSizeTooLong);
    refused("10000000000000005\r\nhello\r\n", Refusal::ChunkSizeTooLong);
    for line in
        ["", "+5", "-5", "0x5", "5h", "g", " 5", "\t5", "5\0", "5_0", ";a", "5,5", "\u{665}", "5\x0b", "5\""]
    {
        refused(format!("{line}\r\nhello\r\n0\r\n\r\n"), Refusal::ChunkSizeInvalid);
    }
    // As large as it may be: nothing overflows, the body is merely never complete.
    let body = chunked("ffffffffffffffff\r\nhello");
    assert_eq!((&body.data[..], body.end), (&b"hello"[..], Err(Refusal::Truncated)));
}

#[test]
fn chunk_lines_and_data_end_with_carriage_return_and_line_feed() {
    refused("5\nhello\r\n0\r\n\r\n", Refusal::BareLineFeed);
    refused("5\rhello\r\n0\r\n\r\n", Refusal::BareCarriageReturn);
    refused("5\r\r\nhello\r\n", Refusal::BareCarriageReturn);
    refused("5\r\nhello\n0\r\n\r\n", Refusal::BareLineFeed);
    refused("5\r\nhello\r0\r\n\r\n", Refusal::BareCarriageReturn);
    refused("5\r\nhello0\r\n\r\n", Refusal::ChunkEndMissing);
    refused("5\r\nhello!\r\n0\r\n\r\n", Refusal::ChunkEndMissing);
    refused("6\r\nhello\r\n0\r\n\r\n", Refusal::BareLineFeed);
    refused("5\r\nhello\r\n\r\n0\r\n\r\n", Refusal::ChunkSizeInvalid);
    refused("0\r\n\n", Refusal::BareLineFeed);
    refused("0\n\r\n", Refusal::BareLineFeed);
    refused("0\r\n\rx", Refusal::BareCarriageReturn);
}

#[test]
fn chunk_extensions_pass_by_their_grammar_only() {
    let with = |extension: &str| format!("5{extension}\r\nhello\r\n0{extension}\r\n\r\n");
    for extension in [
        ";a",
        ";a=b",
        ";a=b;c",
        " ;a",
        "\t; a = b ; c=\"d\"",
        ";a=\"\"",
        ";a=\"b \\\" \\\\ ; \u{e9}\t\"",
        ";a=\"b\" ;c",
        ";!#$%&'*+-.^_`|~=1",
        ";a ;b",
        ";a=\"b=c\"",
    ] {
        passes(with(extension), "hello");
    }
    for extension in [
        ";",
        ";;",
        ";a;",
        ";=b",
        ";a=",
        ";a=;",
        ";a==b",
        ";a=b=c",
        ";a b",
        ";a=b c",
        ";a=\"b",
        ";a=\"b\"c",
        ";a=\"\0\"",
        ";a=\"\\\0\"",
        ";a\0",
        ";a=\u{e9}",
        ";\u{e9}",
        ";a=\"b\\",
        " ",
        "\t",
        ";a ",
        ";a=b ",
        ";a=\"b\" ",
        " a",
        "; ",
        ";a= ",
        ";a=\"b\"\"c\"",
        ";a=b,c",
        ";(",
        ";a=\"\x7f\"",
    ] {
        refused(with(extension), Refusal::ChunkExtensionInvalid);
    }
    // What hides a line feed hides a second reading (TERM.EXT).
    refused(with(";a\n"), Refusal::BareLineFeed);
    refused(with(";a=\"\n\""), Refusal::BareLineFeed);
    refused(with(";a=\"\\\n\""), Refusal::BareLineFeed);
    refused(with(";a\rb"), Refusal::BareCarriageReturn);
    refused(with(";a=\"\r\n\""), Refusal::ChunkExtensionInvalid);
}

#[test]
fn a_chunk_line_and_all_of_them_together_are_bounded() {
    let extension = |length: usize| format!(";{}", "a".repeat(length));
    passes(format!("0{}\r\n\r\n", extension(4096 - 4)), "");
    refused(format!("0{}\r\n\r\n", extension(4096 - 3)), Refusal::ChunkLineTooLong);

    // Small data behind long lines: refused once 16 KiB are not paid for.
    let miserly = format!("1{}\r\nx\r\n", extension(1000));
    refused(miserly.repeat(17), Refusal::ChunkOverhead);
    passes(format!("{}0\r\n\r\n", miserly.repeat(16)), &"x".repeat(16));
    // The same lines before as much data go on for ever, and so do small chunks without extensions.
    let honest = format!("400{}\r\n{}\r\n", extension(1000), "x".repeat(1024));
    passes(format!("{}0\r\n\r\n", honest.repeat(40)), &"x".repeat(40 * 1024));
    passes(format!("{}0\r\n\r\n", "1\r\nx\r\n".repeat(20_000)), &"x".repeat(20_000));
}

#[test]
fn trailers_follow_the_rules_of_fields() {
    let body = chunked("1\r\nx\r\n0\r\nA: b\r\na:\tc \r\n\r\nGET");
    assert_eq!(body.trailers.as_deref(), Some("[A: b, a: c]"));
    assert_eq!((body.end, &body.rest[..]), (Ok(()), &b"GET"[..]));
    for (line, refusal) in [
        ("a : b", Refusal::FieldNameSpace),
        (" a: b", Refusal::LineFolding),
        ("a: b\r\n c", Refusal::LineFolding),
        (": b", Refusal::FieldNameEmpty),
        ("ab", Refusal::FieldWithoutColon),
        ("a: \0", Refusal::FieldValueControl),
        ("a: b\nc: d", Refusal::BareLineFeed),
        ("a: b\rc: d", Refusal::BareCarriageReturn),
        ("GET / HTTP/1.1", Refusal::FieldNameSpace),
    ] {
        refused(format!("0\r\n{line}\r\n\r\n"), refusal);
    }
}

#[test]
fn trailers_are_bounded() {
    let bounds = BodyBounds { trailer_bytes: 50, trailers: 3, ..BodyBounds::default() };
    let check = |text: String| framed(Framing::Chunked, &bounds, text.as_bytes()).end;
    assert_eq!(check(format!("0\r\n{}\r\n", "a: b\r\n".repeat(3))), Ok(()));
    assert_eq!(check(format!("0\r\n{}\r\n", "a: b\r\n".repeat(4))), Err(Refusal::TooManyTrailers));
    assert_eq!(check(format!("0\r\na:{}\r\n\r\n", "b".repeat(44))), Ok(()));
    assert_eq!(check(format!("0\r\na:{}\r\n\r\n", "b".repeat(45))), Err(Refusal::TrailersTooLarge));
}

#[test]
fn a_body_cut_short_is_no_body() {
    let whole = "5;a=\"b\"\r\nhello\r\n0\r\na: b\r\n\r\n";
    for end in 0..whole.len() {
        refused(&whole.as_bytes()[..end], Refusal::Truncated);
    }
    passes(whole, "hello");
    let mut decoder = BodyDecoder::new(Framing::Length(5), &BodyBounds::default());
    assert_eq!(decoder.finish(), Err(Refusal::Truncated));
    assert_eq!(decoder.decode(&mut BytesMut::from(&b"hello"[..])), Err(Refusal::Truncated), "stays refused");
}
