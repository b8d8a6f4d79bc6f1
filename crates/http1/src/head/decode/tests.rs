use super::*;

type Parts = (Vec<u8>, Vec<u8>, Version, Vec<(Vec<u8>, Vec<u8>)>);

fn request(text: impl AsRef<[u8]>) -> Result<Option<Parts>, Refusal> {
    bounded(text, &Bounds::default())
}

/// Decodes at once, in the memory of another head, and one byte at a time, which must agree.
fn bounded(text: impl AsRef<[u8]>, bounds: &Bounds) -> Result<Option<Parts>, Refusal> {
    let text = text.as_ref();
    let at_once = HeadDecoder::default().request(text, bounds).map(|head| head.map(parts));
    let mut decoder = HeadDecoder::default();
    let mut dripped = Ok(None);
    for end in 0..=text.len() {
        dripped = decoder.request(&text[..end], bounds).map(|head| head.map(parts));
        if dripped != Ok(None) {
            break;
        }
    }
    assert_eq!(at_once, dripped, "{}", text.escape_ascii());
    let mut used = Fields::new();
    used.push("content-length", "17");
    let reused = HeadDecoder::reusing(used).request(text, bounds).map(|head| head.map(parts));
    assert_eq!(at_once, reused, "{}", text.escape_ascii());
    at_once
}

fn parts((head, _): (RequestHead, usize)) -> Parts {
    let fields = head.fields.iter().map(|field| (field.name.to_vec(), field.value.to_vec())).collect();
    (head.method().to_vec(), head.target().to_vec(), head.version, fields)
}

fn response(text: impl AsRef<[u8]>) -> Result<Option<(Version, u16, Vec<u8>)>, Refusal> {
    let text = text.as_ref();
    let parts = |(head, _): (ResponseHead, usize)| (head.version, head.status, head.reason().to_vec());
    let bounds = Bounds::default();
    let at_once = HeadDecoder::default().response(text, &bounds).map(|head| head.map(parts));
    let mut decoder = HeadDecoder::default();
    let mut dripped = Ok(None);
    for end in 0..=text.len() {
        dripped = decoder.response(&text[..end], &bounds).map(|head| head.map(parts));
        if dripped != Ok(None) {
            break;
        }
    }
    assert_eq!(at_once, dripped, "{}", text.escape_ascii());
    at_once
}

#[track_caller]
fn passes(text: impl AsRef<[u8]>) {
    let outcome = request(&text);
    assert!(matches!(outcome, Ok(Some(_))), "{}: {outcome:?}", text.as_ref().escape_ascii());
}

#[track_caller]
fn refused(text: impl AsRef<[u8]>, refusal: Refusal) {
    assert_eq!(request(&text), Err(refusal), "{}", text.as_ref().escape_ascii());
}

/// A request whose only field line is `line`.
fn with_line(line: impl AsRef<[u8]>) -> Vec<u8> {
    [b"GET / HTTP/1.1\r\n", line.as_ref(), b"\r\n\r\n"].concat()
}

#[test]
fn a_head_is_read_with_line_fields_and_length() {
    let text =
        b"POST /a?b=c HTTP/1.1\r\nHost: example.com\r\nX-Empty:\r\nX-Two: \t a  b\t \r\nx-two:c\r\n\r\nbody";
    let (head, taken) = HeadDecoder::default().request(text, &Bounds::default()).unwrap().unwrap();
    assert_eq!(&text[taken..], b"body");
    assert_eq!(head.line(), b"POST /a?b=c HTTP/1.1");
    assert_eq!((head.method(), head.target()), (&b"POST"[..], &b"/a?b=c"[..]));
    let fields: Vec<_> = head.fields.iter().map(|field| (field.name, field.value)).collect();
    assert_eq!(
        fields,
        [(&b"Host"[..], &b"example.com"[..]), (b"X-Empty", b""), (b"X-Two", b"a  b"), (b"x-two", b"c"),]
    );
}

#[test]
fn a_pipelined_head_follows_without_a_reset() {
    let text = b"GET /1 HTTP/1.1\r\na: b\r\n\r\nGET /2 HTTP/1.0\r\n\r\n";
    let mut decoder = HeadDecoder::default();
    let (first, taken) = decoder.request(text, &Bounds::default()).unwrap().unwrap();
    let (second, rest) = decoder.request(&text[taken..], &Bounds::default()).unwrap().unwrap();
    assert_eq!((first.target(), second.target()), (&b"/1"[..], &b"/2"[..]));
    assert_eq!(second.version, Version::Http10);
    assert!(second.fields.is_empty());
    assert_eq!(taken + rest, text.len());
}

#[test]
fn a_reset_decoder_forgets_a_half_read_head() {
    let mut decoder = HeadDecoder::default();
    assert!(decoder.request(b"GET / HTTP/1.1\r\na: b\r\nc", &Bounds::default()).unwrap().is_none());
    decoder.reset();
    let (head, _) = decoder.request(b"GET / HTTP/1.1\r\n\r\n", &Bounds::default()).unwrap().unwrap();
    assert!(head.fields.is_empty());
}

#[test]
fn a_refused_head_stays_refused() {
    let mut decoder = HeadDecoder::default();
    for more in ["GET / HTTP/1.1\r\na b", "GET / HTTP/1.1\r\na b: c\r\n\r\n"] {
        let outcome = decoder.request(more.as_bytes(), &Bounds::default()).map(|_| ());
        assert_eq!(outcome, Err(Refusal::FieldNameSpace));
    }
}

#[test]
fn one_empty_line_before_the_request_line_passes_two_do_not() {
    passes("\r\nGET / HTTP/1.1\r\n\r\n");
    let (head, taken) = HeadDecoder::default()
        .request(b"\r\nGET / HTTP/1.1\r\na: b\r\n\r\n", &Bounds::default())
        .unwrap()
        .unwrap();
    assert_eq!((head.line(), taken), (&b"GET / HTTP/1.1"[..], 26));
    assert_eq!(head.fields.first("a"), Some(&b"b"[..]));
    refused("\r\n\r\nGET / HTTP/1.1\r\n\r\n", Refusal::EmptyLines);
    refused("\nGET / HTTP/1.1\r\n\r\n", Refusal::BareLineFeed);
    refused("\r\n\nGET / HTTP/1.1\r\n\r\n", Refusal::BareLineFeed);
    refused("\rGET / HTTP/1.1\r\n\r\n", Refusal::BareCarriageReturn);
}

#[test]
fn a_method_is_a_token() {
    for method in ["GET", "get", "M-SEARCH", "!#$%&'*+-.^_`|~09", "TRACE"] {
        passes(format!("{method} / HTTP/1.1\r\n\r\n"));
    }
    for method in ["", "G(T", "G\tT", "GET:", "G\u{e9}T", "\"GET\"", "\0GET"] {
        refused(format!("{method} / HTTP/1.1\r\n\r\n"), Refusal::MethodInvalid);
    }
    refused("\x16\x03\x01", Refusal::MethodInvalid);
    refused("GET\r\n", Refusal::MethodInvalid);
    refused("GET\n", Refusal::BareLineFeed);
}

#[test]
fn exactly_one_space_stands_between_the_parts() {
    passes("GET / HTTP/1.1\r\n\r\n");
    refused("GET  / HTTP/1.1\r\n\r\n", Refusal::RequestLineInvalid);
    refused("GET /  HTTP/1.1\r\n\r\n", Refusal::RequestLineInvalid);
    refused("GET / a HTTP/1.1\r\n\r\n", Refusal::RequestLineInvalid);
    refused("GET / HTTP/1.1 \r\n\r\n", Refusal::RequestLineInvalid);
    refused("GET\t/ HTTP/1.1\r\n\r\n", Refusal::MethodInvalid);
    refused("GET /\tHTTP/1.1\r\n\r\n", Refusal::TargetInvalid);
    refused(" GET / HTTP/1.1\r\n\r\n", Refusal::MethodInvalid);
    refused("GET /\r\n\r\n", Refusal::RequestLineInvalid);
    refused("GET /\n\r\n", Refusal::BareLineFeed);
}

#[test]
fn a_target_is_visible_ascii_without_fragment() {
    for target in ["/", "/a;b=c?d=[e]&f=%23", "/\"<>\\^`{|}", "//x", "/?"] {
        passes(format!("GET {target} HTTP/1.1\r\n\r\n"));
    }
    for target in ["/#", "/a#b", "/\u{e9}", "/a\0", "/a\x7f", "/\x1b[0m", "/a\x0bb"] {
        refused(format!("GET {target} HTTP/1.1\r\n\r\n"), Refusal::TargetInvalid);
    }
    refused(b"GET /\xff HTTP/1.1\r\n\r\n", Refusal::TargetInvalid);
}

#[test]
fn the_form_of_a_target_goes_with_its_method() {
    for line in [
        "OPTIONS *",
        "OPTIONS /",
        "GET http://example.com/a?b",
        "GET HTTPS://example.com",
        "GET git+ssh://x",
        "CONNECT example.com:443",
        "CONNECT [::1]:443",
    ] {
        passes(format!("{line} HTTP/1.1\r\n\r\n"));
    }
    for line in [
        "GET *",
        "OPTIONS *a",
        "GET example.com:443",
        "GET example.com",
        "GET a/b",
        "GET ?a",
        "GET http:/example.com",
        "GET http://",
        "GET http:///a",
        "GET http://?a",
        "GET 1http://example.com/",
        "GET ://example.com/",
        "GET urn:example:a",
        "connect example.com:443",
        "CONNECT /",
        "CONNECT example.com",
        "CONNECT example.com:",
        "CONNECT :443",
        "CONNECT example.com:44a",
        "CONNECT user@example.com:443",
        "CONNECT http://example.com:443",
    ] {
        refused(format!("{line} HTTP/1.1\r\n\r\n"), Refusal::TargetForm);
    }
}

#[test]
fn only_http_1_0_and_1_1_are_spoken() {
    passes("GET / HTTP/1.0\r\n\r\n");
    passes("GET / HTTP/1.1\r\n\r\n");
    for version in ["HTTP/1.2", "HTTP/2.0", "HTTP/2", "HTTP/0.9", "HTTP/3.0", "HTTP/1.9"] {
        refused(format!("GET / {version}\r\n\r\n"), Refusal::VersionNotSupported);
    }
    for version in [
        "http/1.1",
        "Http/1.1",
        "HTTP/1.10",
        "HTTP/1.01",
        "HTTP/01.1",
        "HTTP/1,1",
        "HTTP/1.",
        "HTTP/1",
        "HTTP/",
        "HTTP/1.a",
        "HTTPS/1.1",
        "HTTP /1.1",
        "HTTP/1.1;",
        "HTTP/1.1\t",
        "",
    ] {
        let refusal =
            if version == "HTTP/01.1" { Refusal::VersionNotSupported } else { Refusal::RequestLineInvalid };
        refused(format!("GET / {version}\r\n\r\n"), refusal);
    }
}

#[test]
fn lines_end_with_carriage_return_and_line_feed() {
    refused("GET / HTTP/1.1\n\r\n", Refusal::BareLineFeed);
    refused("GET / HTTP/1.1\r\r\n", Refusal::BareCarriageReturn);
    refused("GET / HTTP/1.1\ra: b\r\n\r\n", Refusal::BareCarriageReturn);
    refused("GET / HTTP/1.1\r\n\n", Refusal::BareLineFeed);
    refused("GET / HTTP/1.1\r\n\rx", Refusal::BareCarriageReturn);
    refused(with_line("a: b\nc: d"), Refusal::BareLineFeed);
    refused(with_line("a: b\rc: d"), Refusal::BareCarriageReturn);
    refused(with_line("a: b\r"), Refusal::BareCarriageReturn);
    refused(with_line("a\n: b"), Refusal::BareLineFeed);
    refused(with_line("a:\n b"), Refusal::BareLineFeed);
    refused(with_line("a: b\r\n\nc: d"), Refusal::BareLineFeed);
    passes(with_line("a: b\r\nc: d"));
}

#[test]
fn a_field_name_is_a_token_directly_before_its_colon() {
    passes(with_line("!#$%&'*+-.^_`|~09aZ: v"));
    for line in ["Host : x", "Host\t: x", "Ho st: x", "Transfer-Encoding : chunked"] {
        refused(with_line(line), Refusal::FieldNameSpace);
    }
    for line in ["H(st: x", "Ho\0st: x", "Ho\u{e9}st: x", "\"Host\": x", "Host\x0b: x", "Ho/st: x"] {
        refused(with_line(line), Refusal::FieldNameInvalid);
    }
    refused(with_line(": x"), Refusal::FieldNameEmpty);
    refused(with_line(":"), Refusal::FieldNameEmpty);
    refused(with_line("no-colon"), Refusal::FieldWithoutColon);
    passes(with_line("no-value:"));
    passes(with_line("a::"));
}

#[test]
fn lines_are_not_folded() {
    refused(with_line("a: b\r\n c"), Refusal::LineFolding);
    refused(with_line("a: b\r\n\tc"), Refusal::LineFolding);
    refused(with_line("a: b\r\n \r\nc: d"), Refusal::LineFolding);
    // RFC 9112 §2.2: white space before the first field line.
    refused(with_line(" a: b"), Refusal::LineFolding);
    passes(with_line("a: b  c"));
}

#[test]
fn a_field_value_has_no_control_but_tab() {
    let value = |value: &[u8]| with_line([b"a: x", value, b"y"].concat());
    for byte in (0..=255).filter(|byte| !matches!(byte, b'\r' | b'\n')) {
        match byte {
            0..=8 | 0x0b..=0x1f | 0x7f => refused(value(&[byte]), Refusal::FieldValueControl),
            _ => passes(value(&[byte])),
        }
    }
}

#[test]
fn the_first_bad_byte_is_refused_without_the_rest() {
    for (text, refusal) in [
        ("GET /\x01", Refusal::TargetInvalid),
        ("GET / X", Refusal::RequestLineInvalid),
        ("GET / HTTP/2", Refusal::VersionNotSupported),
        ("GET / HTTP/1.1\r\na ", Refusal::FieldNameSpace),
        ("GET / HTTP/1.1\r\na: \0", Refusal::FieldValueControl),
        ("GET / HTTP/1.1\r\n ", Refusal::LineFolding),
        ("GET / HTTP/1.1\r\na: b\n", Refusal::BareLineFeed),
    ] {
        refused(text, refusal);
        assert_eq!(request(&text.as_bytes()[..text.len() - 1]), Ok(None), "{text:?}");
    }
}

#[test]
fn every_bound_passes_at_its_value_and_refuses_one_above() {
    let bounds = Bounds { head_bytes: 100, line_bytes: 30, fields: 3 };
    let check = |text: String| bounded(text.as_bytes(), &bounds).map(|head| head.is_some());

    let request_line = |length: usize| format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(length - 14));
    assert_eq!(check(request_line(30)), Ok(true));
    assert_eq!(check(request_line(31)), Err(Refusal::RequestLineTooLong));
    assert_eq!(check(request_line(99)), Err(Refusal::RequestLineTooLong));
    assert_eq!(check("A".repeat(30)), Ok(false));
    assert_eq!(check("A".repeat(31)), Err(Refusal::RequestLineTooLong));

    let field = |name: usize, value: usize| {
        format!("GET / HTTP/1.1\r\n{}:{}\r\n\r\n", "n".repeat(name), "v".repeat(value))
    };
    assert_eq!(check(field(1, 28)), Ok(true));
    assert_eq!(check(field(1, 29)), Err(Refusal::FieldLineTooLong));
    assert_eq!(check(field(29, 0)), Ok(true));
    assert_eq!(check(field(30, 0)), Err(Refusal::FieldLineTooLong));
    assert_eq!(check(field(31, 0)), Err(Refusal::FieldLineTooLong));

    let fields = |count: usize| format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(count));
    assert_eq!(check(fields(3)), Ok(true));
    assert_eq!(check(fields(4)), Err(Refusal::TooManyFields));

    let line = "n:34567890123456789012345678\r\n";
    let head = |length: usize| format!("GET / HTTP/1.1\r\n{line}{line}m:{}\r\n\r\n", "v".repeat(length - 82));
    assert_eq!(head(100).len(), 100);
    assert_eq!(check(head(100)), Ok(true));
    assert_eq!(check(head(101)), Err(Refusal::HeadTooLarge));
    assert_eq!(check(head(100).chars().take(99).collect()), Ok(false));
    assert_eq!(check(head(101).chars().take(100).collect()), Err(Refusal::HeadTooLarge));
}

#[test]
fn a_dripping_head_is_never_read_twice() {
    let text = [&b"GET / HTTP/1.1\r\na: "[..], &vec![b'v'; 60_000]].concat();
    let bounds = Bounds { line_bytes: 65_536, ..Bounds::default() };
    let mut decoder = HeadDecoder::default();
    for end in 0..=text.len() {
        assert!(decoder.request(&text[..end], &bounds).unwrap().is_none());
        assert!(end < 19 || decoder.section.reached() == end);
    }
}

#[test]
fn a_status_line_is_read() {
    let read = |line: &str| response(format!("{line}\r\na: b\r\n\r\n")).map(Option::unwrap);
    assert_eq!(read("HTTP/1.1 200 OK"), Ok((Version::Http11, 200, b"OK".to_vec())));
    assert_eq!(read("HTTP/1.0 404 Not Found"), Ok((Version::Http10, 404, b"Not Found".to_vec())));
    assert_eq!(read("HTTP/1.1 599 "), Ok((Version::Http11, 599, Vec::new())));
    assert_eq!(read("HTTP/1.1 100"), Ok((Version::Http11, 100, Vec::new())));
    assert_eq!(read("HTTP/1.1 200  a\tb\u{e9}"), Ok((Version::Http11, 200, " a\tb\u{e9}".into())));
}

#[test]
fn a_status_line_that_is_none_is_refused() {
    for (line, refusal) in [
        ("HTTP/1.1 099 x", Refusal::StatusOutOfRange),
        ("HTTP/1.1 600 x", Refusal::StatusOutOfRange),
        ("HTTP/1.1 999 x", Refusal::StatusOutOfRange),
        ("HTTP/1.1 20 x", Refusal::StatusLineInvalid),
        ("HTTP/1.1 2000 x", Refusal::StatusLineInvalid),
        ("HTTP/1.1 2x0 x", Refusal::StatusLineInvalid),
        ("HTTP/1.1  200 x", Refusal::StatusLineInvalid),
        ("HTTP/1.1\t200 x", Refusal::StatusLineInvalid),
        ("HTTP/1.1 200\tx", Refusal::StatusLineInvalid),
        ("HTTP/1.1 +20 x", Refusal::StatusLineInvalid),
        ("HTTP/1.1", Refusal::StatusLineInvalid),
        ("HTTP/2 200", Refusal::VersionNotSupported),
        ("HTTP/1.2 200 OK", Refusal::VersionNotSupported),
        ("http/1.1 200 OK", Refusal::StatusLineInvalid),
        ("ICY 200 OK", Refusal::StatusLineInvalid),
        ("", Refusal::StatusLineInvalid),
        ("\r\nHTTP/1.1 200 OK", Refusal::StatusLineInvalid),
        (" HTTP/1.1 200 OK", Refusal::StatusLineInvalid),
        ("HTTP/1.1 200 O\0K", Refusal::FieldValueControl),
        ("HTTP/1.1 200 OK\n", Refusal::BareLineFeed),
        ("HTTP/1.1 200\n", Refusal::BareLineFeed),
        ("HTTP/1.1 200 O\rK", Refusal::BareCarriageReturn),
    ] {
        assert_eq!(response(format!("{line}\r\na: b\r\n\r\n")), Err(refusal), "{line:?}");
    }
    let long = format!("HTTP/1.1 200 {}\r\n\r\n", "x".repeat(16_384 - 13));
    assert!(response(&long).is_ok());
    assert_eq!(response(long.replace("xx", "xxx")), Err(Refusal::StatusLineTooLong));
}

#[test]
fn a_head_from_another_wire_reads_like_one_from_this() {
    let mut head = RequestHead::synthesize(b"GET", b"/x?y", "HTTP/2");
    head.fields.push("host", "example.com");
    assert_eq!(head.line(), b"GET /x?y HTTP/2");
    assert_eq!((head.method(), head.target()), (&b"GET"[..], &b"/x?y"[..]));
    assert_eq!(head.fields.len(), 1);
    let mut head = ResponseHead::synthesize(204);
    head.fields.push("a", "b");
    assert_eq!((head.status, head.reason(), head.fields.first("a")), (204, &b""[..], Some(&b"b"[..])));
}

/// A whole line is read in one go, one that drips in byte by byte; `bounded` compares the two.
#[test]
fn any_byte_anywhere_is_read_alike_at_once_and_in_drips() {
    for text in
        [&b"GET /a?b HTTP/1.1\r\nHo-st: a b\r\nB:\tc \r\n\r\n"[..], b"HTTP/1.1 200 OK\r\nA-b: cd\r\n\r\n"]
    {
        for (place, byte) in (0..text.len()).flat_map(|place| (0..=255u8).map(move |byte| (place, byte))) {
            let mut changed = text.to_vec();
            changed[place] = byte;
            let _ = (request(&changed), response(&changed));
            let short = Bounds { head_bytes: 40, line_bytes: 12, fields: 1 };
            let _ = bounded(&changed, &short);
        }
    }
}
