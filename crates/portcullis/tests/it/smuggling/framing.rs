//! Which bytes belong to the body: Content-Length and Transfer-Encoding in every spelling (rows 1 to 3).

use super::Expect::{Either, Passes, Refused};
use super::{Case, HIDDEN, get, post, run};

/// Row 1: both framings at once.
#[test]
fn two_framings_are_refused() {
    let mut cases = Vec::new();
    let last = format!("0\r\n\r\n{HIDDEN}");
    let exact = last.len().to_string();
    for length in ["0", "5", "6", exact.as_str(), "9999", ""] {
        for coding in ["chunked", "Chunked", "identity", "gzip, chunked"] {
            let (length_line, coding_line) =
                (format!("Content-Length: {length}\r\n"), format!("Transfer-Encoding: {coding}\r\n"));
            let name = format!("length `{length}`, coding `{coding}`");
            cases.push(Case::new(&name, post(format!("{length_line}{coding_line}"), &last), Refused));
            let name = format!("coding `{coding}`, length `{length}`");
            cases.push(Case::new(&name, post(format!("{coding_line}{length_line}"), &last), Refused));
        }
    }
    let lines = "Content-Length: 5\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n";
    cases.push(Case::new("a coding between two lengths", post(lines, &last), Refused));
    let old = format!("POST /c HTTP/1.0\r\nHost: gw.test\r\nTransfer-Encoding: chunked\r\n\r\n{last}");
    cases.push(Case::new("a coding in HTTP/1.0", old, Refused));
    let lines = "Content-Length: 5\r\nTransfer-Encoding: chunked\r\nConnection: Content-Length\r\n";
    cases.push(Case::new("a length named by Connection", post(lines, &last), Refused));

    cases.push(Case::new("length alone", post("Content-Length: 5\r\n", "hello"), Passes(&["/c"])));
    cases.push(Case::new(
        "coding alone",
        post("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n"),
        Passes(&["/c"]),
    ));
    let second = "GET /second HTTP/1.1\r\nHost: gw.test\r\n\r\n";
    let both = [post("Content-Length: 5\r\n", "hello"), second.into()].concat();
    cases.push(Case::new("a second request behind a length", both, Passes(&["/c", "/second"])));
    let both = [post("Transfer-Encoding: chunked\r\n", "0\r\n\r\n"), second.into()].concat();
    cases.push(Case::new("a second request behind chunks", both, Passes(&["/c", "/second"])));
    let inner = format!("Content-Length: {}\r\n", HIDDEN.len());
    cases.push(Case::new("a request within a length", post(inner, HIDDEN), Passes(&["/c"])));
    run(&cases, 56);
}

/// Lines that a squinting reader takes for `Transfer-Encoding: chunked`, or that are no coding we speak.
const CODINGS: &[&[u8]] = &[
    b"Transfer-Encoding: chunked, chunked",
    b"Transfer-Encoding: chunked,identity",
    b"Transfer-Encoding: identity, chunked",
    b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding: chunked, gzip",
    b"Transfer-Encoding: identity",
    b"Transfer-Encoding: gzip",
    b"Transfer-Encoding: deflate",
    b"Transfer-Encoding: compress",
    b"Transfer-Encoding: br",
    b"Transfer-Encoding:",
    b"Transfer-Encoding: ,",
    b"Transfer-Encoding: chunked;",
    b"Transfer-Encoding: chunked;q=1",
    b"Transfer-Encoding: chunked; a=b",
    b"Transfer-Encoding: \"chunked\"",
    b"Transfer-Encoding: 'chunked'",
    b"Transfer-Encoding: \"chunked",
    b"Transfer-Encoding: \x0bchunked",
    b"Transfer-Encoding: chunked\x0b",
    b"Transfer-Encoding: chunked\x0c",
    b"Transfer-Encoding: chunked\0",
    b"Transfer-Encoding: \0chunked",
    b"Transfer-Encoding: chun\0ked",
    b"Transfer-Encoding: chunked\x1f",
    b"Transfer-Encoding: chunked\x7f",
    b"Transfer-Encoding: chunk",
    b"Transfer-Encoding: chunkedx",
    b"Transfer-Encoding: xchunked",
    b"Transfer-Encoding: x-chunked",
    b"Transfer-Encoding: chunked chunked",
    b"Transfer-Encoding: chun ked",
    b"Transfer-Encoding: chun\tked",
    b"Transfer-Encoding: chunked,",
    b"Transfer-Encoding: ,chunked",
    b"Transfer-Encoding: , chunked ,",
    b"Transfer-Encoding: \xa0chunked",
    b"Transfer-Encoding: chunked\xa0",
    b"Transfer-Encoding: \xc2\xa0chunked",
    b"Transfer-Encoding: chun\xe2\x84\xaaed",
    b"Transfer-Encoding: \xef\xbd\x83hunked",
    b"Transfer-Encoding: \xd1\x81hunked",
    b"Transfer-Encoding: \xefchunked",
    b"Transfer-Encoding: ch\xc3\xbcnked",
    b"Transfer-Encoding: chunked\r\n ",
    b"Transfer-Encoding:\r\n chunked",
    b"Transfer-Encoding:\r\n\tchunked",
    b"Transfer-Encoding: chunked\r\n x",
    b"Transfer-Encoding: identity\r\n chunked",
    b"Transfer-Encoding: chunked\n",
    b"Transfer-Encoding: chunked\r",
    b"Transfer-Encoding: \rchunked",
    b"Transfer-Encoding: \nchunked",
    b"X: x\nTransfer-Encoding: chunked",
    b"X: x\rTransfer-Encoding: chunked",
    b"X: x\n\rTransfer-Encoding: chunked",
    b"Transfer-Encoding : chunked",
    b"Transfer-Encoding\t: chunked",
    b"Transfer-Encoding\x0b: chunked",
    b"Transfer-Encoding\0: chunked",
    b"Transfer-Encoding\xa0: chunked",
    b" Transfer-Encoding: chunked",
    b"\tTransfer-Encoding: chunked",
    b"\x0bTransfer-Encoding: chunked",
    b"\0Transfer-Encoding: chunked",
    b"Transfer-Encoding:: chunked",
    b":Transfer-Encoding: chunked",
    b"Transfer-Encoding chunked",
    b"Transfer-Encoding= chunked",
    b"\"Transfer-Encoding\": chunked",
    b"Transfer Encoding: chunked",
    b"Transfer\xadEncoding: chunked",
    b"Transfer-Encod\xc4\xb1ng: chunked",
    b"Transfer-Encoding: chunked: chunked",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
    b"Transfer-Encoding:\r\nTransfer-Encoding: chunked",
    b"Transfer-Encoding: chunked\r\ntransfer-encoding: x",
    b"Transfer-Encoding: x\r\nTransfer-Encoding: chunked",
];

/// Row 2: every coding that is not exactly `chunked`, with and without a length.
#[test]
fn a_coding_is_exactly_chunked() {
    let mut cases = Vec::new();
    let body = format!("0\r\n\r\n{HIDDEN}");
    for line in CODINGS {
        let name = line.escape_ascii().to_string();
        cases.push(Case::new(&name, post([line, &b"\r\n"[..]].concat(), &body), Refused));
        let with = [line, &b"\r\nContent-Length: 5\r\n"[..]].concat();
        cases.push(Case::new(format!("{name}, then a length"), post(with, &body), Refused));
        let with = [b"Content-Length: 5\r\n", *line, b"\r\n"].concat();
        cases.push(Case::new(format!("a length, then {name}"), post(with, &body), Refused));
    }
    for line in [
        "Transfer-Encoding: chunked",
        "Transfer-Encoding: Chunked",
        "TRANSFER-ENCODING: CHUNKED",
        "transfer-encoding:chunked",
        "Transfer-Encoding: \t chunked \t ",
    ] {
        cases.push(Case::new(line, post(format!("{line}\r\n"), "2\r\nhi\r\n0\r\n\r\n"), Passes(&["/c"])));
    }
    // These are other fields with a close name: a reader that turns `_` into `-` must not see them.
    for line in ["Transfer_Encoding: chunked", "Transfer.Encoding: chunked"] {
        cases.push(Case::new(line, post(format!("{line}\r\nContent-Length: 2\r\n"), "hi"), Either("/c")));
    }
    run(&cases, 3 * 54 + 5);
}

/// Values of Content-Length that are no number, for a body of five bytes.
const LENGTHS: &[&[u8]] = &[
    b"+5",
    b"-5",
    b"-0",
    b"0x5",
    b"0X5",
    b"5,6",
    b"5, 6",
    b"5;5",
    b"5 5",
    b"5\t5",
    b"",
    b" ",
    b"\"5\"",
    b"'5'",
    b"5.0",
    b"5e0",
    b"5_0",
    b"five",
    b"5a",
    b"a5",
    b"5\x0b",
    b"5\x0c",
    b"\x0b5",
    b"5\0",
    b"\x005",
    b"5\x7f",
    b"\xa05",
    b"5\xa0",
    b"\xc2\xa05",
    b"\xef\xbc\x95",
    b"\xd9\xa5",
    b"18446744073709551621",
    b"36893488147419103237",
    b"99999999999999999999999999999999",
    b"5\r\n ",
    b"\r\n 5",
    b"5\r\n 0",
    b"5\r",
    b"\r5",
    b"5\n",
    b"\n5",
    b",5",
    b"5,",
    b", 5",
    b"5,,5",
    b"5:5",
    b"(5)",
    b"5;",
    b"00000000000000000000000000000000000018446744073709551621",
];

/// Row 3: a length is digits and nothing else, once.
#[test]
fn a_length_is_a_number() {
    let mut cases = Vec::new();
    let body = format!("hello{HIDDEN}");
    for value in LENGTHS {
        let line = [b"Content-Length: ", *value, b"\r\n"].concat();
        cases.push(Case::new(line.escape_ascii().to_string(), post(line, &body), Refused));
    }
    for (first, second) in
        [("5", "6"), ("6", "5"), ("5", "0"), ("0", "5"), ("5", ""), ("", "5"), ("5", "+5"), ("5", "05")]
    {
        let lines = format!("Content-Length: {first}\r\nContent-Length: {second}\r\n");
        cases.push(Case::new(format!("`{first}` and `{second}`"), post(lines, &body), Refused));
    }
    for name in [
        "Content-Length ",
        "Content-Length\t",
        " Content-Length",
        "\tContent-Length",
        "Content-Length\x0b",
        "Content-Length\0",
        "Content Length",
        "Content-Length:",
        "\"Content-Length\"",
        "Content-Len\u{131}gth",
        "Content-\r\nLength",
        "X: x\nContent-Length",
        "X: x\rContent-Length",
    ] {
        let line = format!("{name}: 5\r\n");
        cases.push(Case::new(line.escape_debug().to_string(), post(line, &body), Refused));
    }
    for lines in
        ["Content-Length: 5\r\nContent-Length: 5\r\n", "Content-Length: 5, 5\r\n", "Content-Length: 005\r\n"]
    {
        cases.push(Case::new(lines.escape_debug().to_string(), post(lines, "hello"), Either("/c")));
    }
    for line in ["Content-Length: 5\r\n", "content-length:5\r\n", "CONTENT-LENGTH: \t 5 \t\r\n"] {
        cases.push(Case::new(line.escape_debug().to_string(), post(line, "hello"), Passes(&["/c"])));
    }
    let most = post(format!("Content-Length: {}\r\n", u64::MAX), &body);
    cases.push(Case::new("a length of all bits", most, Refused));
    cases.push(Case::new("zero", post("Content-Length: 0\r\n", ""), Passes(&["/c"])));
    cases.push(Case::new("a POST without a length", post("", ""), Passes(&["/c"])));
    cases.push(Case::new("a length of zero on GET", get("Content-Length: 0\r\n"), Passes(&["/c"])));
    for line in ["Content_Length: 5\r\n", "Content.Length: 5\r\n"] {
        cases.push(Case::new(line.trim_end(), get(line), Either("/c")));
    }
    run(&cases, 80);
}
