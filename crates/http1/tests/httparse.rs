//! Head by head against `httparse`: what this codec takes, the most used parser of the field reads the same way,
//! and where the two part, it is this one that refuses.

use portcullis_http1::{Bounds, Fields, HeadDecoder, Refusal};

/// Heads both take.
const BOTH: &[&str] = &[
    "GET / HTTP/1.1\r\n\r\n",
    "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "M-SEARCH / HTTP/1.0\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET http://example.com/a?b HTTP/1.1\r\nHost: example.com\r\n\r\n",
    "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n",
    "GET /\"<>\\^`{|}~!$&'()*+,;=:@%zz HTTP/1.1\r\n\r\n",
    "POST /a HTTP/1.1\r\nA:\r\nB: \r\nC:c\r\nD: \t d  d \t\r\nE: \u{e9}\u{20ac}\r\n\r\nbody",
    "GET / HTTP/1.1\r\n!#$%&'*+-.^_`|~0: tokens\r\n\r\n",
    "GET / HTTP/1.1\r\nA: a\tb\r\na: a:b\r\nA: a\r\n\r\n",
];

/// Heads `httparse` takes and this codec refuses.
const OURS_REFUSES: &[(&str, Refusal)] = &[
    ("\r\n\r\nGET / HTTP/1.1\r\n\r\n", Refusal::EmptyLines),
    ("\nGET / HTTP/1.1\r\n\r\n", Refusal::BareLineFeed),
    ("GET / HTTP/1.1\n\n", Refusal::BareLineFeed),
    ("GET / HTTP/1.1\r\nA: b\nC: d\r\n\r\n", Refusal::BareLineFeed),
    ("GET / HTTP/1.1\r\nA: b\r\n\n", Refusal::BareLineFeed),
    ("GET /a#b HTTP/1.1\r\n\r\n", Refusal::TargetInvalid),
    ("GET /\u{e9} HTTP/1.1\r\n\r\n", Refusal::TargetInvalid),
    ("GET * HTTP/1.1\r\n\r\n", Refusal::TargetForm),
    ("M-SEARCH * HTTP/1.1\r\n\r\n", Refusal::TargetForm),
    ("GET example.com HTTP/1.1\r\n\r\n", Refusal::TargetForm),
];

/// Heads both refuse.
const NEITHER: &[(&str, Refusal)] = &[
    (" GET / HTTP/1.1\r\n\r\n", Refusal::MethodInvalid),
    ("GET  / HTTP/1.1\r\n\r\n", Refusal::RequestLineInvalid),
    ("GET /a b HTTP/1.1\r\n\r\n", Refusal::RequestLineInvalid),
    ("GET\t/ HTTP/1.1\r\n\r\n", Refusal::MethodInvalid),
    ("G\0T / HTTP/1.1\r\n\r\n", Refusal::MethodInvalid),
    ("GET / HTTP/1.2\r\n\r\n", Refusal::VersionNotSupported),
    ("GET / HTTP/2.0\r\n\r\n", Refusal::VersionNotSupported),
    ("GET / HTTP/1.10\r\n\r\n", Refusal::RequestLineInvalid),
    ("GET / http/1.1\r\n\r\n", Refusal::RequestLineInvalid),
    ("GET /\r\n\r\n", Refusal::RequestLineInvalid),
    ("GET / HTTP/1.1\r\nA : b\r\n\r\n", Refusal::FieldNameSpace),
    ("GET / HTTP/1.1\r\n: b\r\n\r\n", Refusal::FieldNameEmpty),
    ("GET / HTTP/1.1\r\nA\r\n\r\n", Refusal::FieldWithoutColon),
    ("GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", Refusal::LineFolding),
    ("GET / HTTP/1.1\r\nA: b\0\r\n\r\n", Refusal::FieldValueControl),
    ("GET / HTTP/1.1\r\nA: b\x7f\r\n\r\n", Refusal::FieldValueControl),
    ("GET / HTTP/1.1\r\nA: b\rC: d\r\n\r\n", Refusal::BareCarriageReturn),
    ("GET / HTTP/1.1\r\nA: b\r\r\n\r\n", Refusal::BareCarriageReturn),
];

#[test]
fn what_passes_is_read_alike() {
    for text in BOTH {
        let (head, taken) =
            HeadDecoder::default().request(text.as_bytes(), &Bounds::default()).unwrap().unwrap();
        let mut lines = [httparse::EMPTY_HEADER; 100];
        let mut theirs = httparse::Request::new(&mut lines);
        assert_eq!(theirs.parse(text.as_bytes()), Ok(httparse::Status::Complete(taken)), "{text:?}");
        assert_eq!(theirs.method.map(str::as_bytes), Some(head.method()), "{text:?}");
        assert_eq!(theirs.path.map(str::as_bytes), Some(head.target()), "{text:?}");
        let mut fields = Fields::new();
        theirs.headers.iter().for_each(|line| fields.push(line.name, line.value));
        assert_eq!(fields, head.fields, "{text:?}");
    }
}

#[test]
fn where_the_two_part_this_one_refuses() {
    for &(text, refusal) in OURS_REFUSES {
        assert!(theirs_takes(text), "{text:?}");
        assert_eq!(ours_refuses(text), Some(refusal), "{text:?}");
    }
}

#[test]
fn what_the_other_refuses_is_refused() {
    for &(text, refusal) in NEITHER {
        assert!(!theirs_takes(text), "{text:?}");
        assert_eq!(ours_refuses(text), Some(refusal), "{text:?}");
    }
}

fn theirs_takes(text: &str) -> bool {
    let mut lines = [httparse::EMPTY_HEADER; 100];
    httparse::Request::new(&mut lines).parse(text.as_bytes()).is_ok_and(|status| status.is_complete())
}

fn ours_refuses(text: &str) -> Option<Refusal> {
    HeadDecoder::default().request(text.as_bytes(), &Bounds::default()).err()
}
