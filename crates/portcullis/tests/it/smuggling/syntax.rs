//! Lines and characters: how lines end, what stands in names and values, and how a head may be laid out
//! (rows 6 and 7).

use super::Expect::{Either, Passes, Refused};
use super::{Case, HIDDEN, get, run};

/// Row 6: lines end with CR LF and nothing else.
#[test]
fn lines_end_with_cr_lf() {
    let mut cases = Vec::new();
    for (name, bytes) in [
        ("LF everywhere", "GET /c HTTP/1.1\nHost: gw.test\n\n"),
        ("LF behind the request line", "GET /c HTTP/1.1\nHost: gw.test\r\n\r\n"),
        ("LF behind a field", "GET /c HTTP/1.1\r\nHost: gw.test\nX: y\r\n\r\n"),
        ("LF at the end", "GET /c HTTP/1.1\r\nHost: gw.test\r\n\n"),
        ("CR behind the request line", "GET /c HTTP/1.1\rHost: gw.test\r\n\r\n"),
        ("CR behind a field", "GET /c HTTP/1.1\r\nHost: gw.test\rX: y\r\n\r\n"),
        ("CR within a value", "GET /c HTTP/1.1\r\nHost: gw.test\r\nX: y\rz\r\n\r\n"),
        ("CR before a value", "GET /c HTTP/1.1\r\nHost: gw.test\r\nX:\ry\r\n\r\n"),
        ("CR within a name", "GET /c HTTP/1.1\r\nHost: gw.test\r\nX\rY: z\r\n\r\n"),
        ("CR CR LF behind the request line", "GET /c HTTP/1.1\r\r\nHost: gw.test\r\n\r\n"),
        ("CR CR LF behind a field", "GET /c HTTP/1.1\r\nHost: gw.test\r\r\n\r\n"),
        ("CR CR LF at the end", "GET /c HTTP/1.1\r\nHost: gw.test\r\n\r\r\n"),
        ("LF CR", "GET /c HTTP/1.1\n\rHost: gw.test\n\r\n\r"),
        ("CR alone at the end", "GET /c HTTP/1.1\r\nHost: gw.test\r\n\r\rX"),
        ("LF before the request line", "\nGET /c HTTP/1.1\r\nHost: gw.test\r\n\r\n"),
        ("CR before the request line", "\rGET /c HTTP/1.1\r\nHost: gw.test\r\n\r\n"),
        ("a blank before the request line", " GET /c HTTP/1.1\r\nHost: gw.test\r\n\r\n"),
        ("an empty line of blanks before the request line", " \r\nGET /c HTTP/1.1\r\nHost: gw.test\r\n\r\n"),
        ("a hidden length", "GET /c HTTP/1.1\r\nHost: gw.test\r\nX: y\nContent-Length: 45\r\n\r\n"),
        ("a hidden coding", "GET /c HTTP/1.1\r\nHost: gw.test\r\nX: y\nTransfer-Encoding: chunked\r\n\r\n"),
        ("a hidden host", "GET /c HTTP/1.1\r\nHost: gw.test\r\nX: y\nHost: evil.test\r\n\r\n"),
        (
            "a hidden end",
            "GET /c HTTP/1.1\r\nHost: gw.test\r\nX: y\n\nGET /smuggled HTTP/1.1\r\nHost: gw.test\r\n\r\n",
        ),
    ] {
        cases.push(Case::new(name, bytes, Refused));
        cases.push(Case::new(format!("{name}, and a request behind"), format!("{bytes}{HIDDEN}"), Refused));
    }
    let plain = "GET /c HTTP/1.1\r\nHost: gw.test\r\n\r\n";
    cases.push(Case::new("a plain request", plain, Passes(&["/c"])));
    // RFC 9112 §2.2: a server should ignore at least one empty line before the request line.
    cases.push(Case::new("one empty line before", format!("\r\n{plain}"), Passes(&["/c"])));
    cases.push(Case::new("one empty line between", format!("{plain}\r\n{plain}"), Passes(&["/c", "/c"])));
    cases.push(Case::new("two empty lines before", format!("\r\n\r\n{plain}"), Either("/c")));
    cases.push(Case::new("1,000 empty lines before", format!("{}{plain}", "\r\n".repeat(1000)), Refused));
    run(&cases, 49);
}

/// Row 7: a field line is a token, a colon and a value, on one line.
#[test]
fn a_field_line_is_one_line() {
    let mut cases = Vec::new();
    for (name, lines) in [
        ("a fold with a blank", "X: a\r\n b\r\n"),
        ("a fold with a tab", "X: a\r\n\tb\r\n"),
        ("a fold of nothing", "X: a\r\n \r\n"),
        ("a fold of an empty value", "X:\r\n a\r\n"),
        ("a fold that hides a length", "X: a\r\n Content-Length: 45\r\n"),
        ("a blank before the colon", "X : a\r\n"),
        ("a tab before the colon", "X\t: a\r\n"),
        ("a blank before the colon of Host", "Host : evil.test\r\n"),
        ("a blank before the colon of a key", "X-API-Key : k\r\n"),
        ("an empty name", ": a\r\n"),
        ("an empty name and value", ":\r\n"),
        ("no colon", "X\r\n"),
        ("no colon but an equals sign", "X=a\r\n"),
        ("a name in quotes", "\"X\": a\r\n"),
        ("a name of two words", "X Y: a\r\n"),
        ("a name with a comma", "X,Y: a\r\n"),
    ] {
        cases.push(Case::new(name, get(lines), Refused));
        cases.push(Case::new(
            format!("{name}, last of three"),
            get(format!("A: b\r\nC: d\r\n{lines}")),
            Refused,
        ));
    }
    for fold in [" X: a\r\n", "\tX: a\r\n", " Host: gw.test\r\n", " \r\n"] {
        let bytes = format!("GET /c HTTP/1.1\r\n{fold}Host: gw.test\r\n\r\n");
        cases.push(Case::new(format!("a fold below the request line: {fold:?}"), bytes, Refused));
    }
    for (name, lines) in [
        ("no blank behind the colon", "X:a\r\n"),
        ("blanks around a value", "X: \t a \t \r\n"),
        ("an empty value", "X:\r\n"),
        ("a value of blanks", "X:  \t\r\n"),
        ("a value with colons", "X: a:b: c\r\n"),
        ("a value with blanks within", "X: a b\tc\r\n"),
        ("the same name twice", "X: a\r\nx: b\r\n"),
    ] {
        cases.push(Case::new(name, get(lines), Passes(&["/c"])));
    }
    run(&cases, 43);
}

/// Rows 6 and 7: every byte in a name, and every byte in a value, is taken or refused by the grammar.
#[test]
fn every_byte_has_its_place() {
    let mut cases = Vec::new();
    for byte in 0..=255_u8 {
        let is_token = byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        let expect = match byte {
            b':' => Passes(&["/c"]),
            b'_' | b'.' => Either("/c"), // a backend may read `Xa_b` as `Xa-b`
            _ if is_token => Passes(&["/c"]),
            _ => Refused,
        };
        let line = [b"Xa", &[byte][..], b"b: v\r\n"].concat();
        cases.push(Case::new(format!("{byte:#04x} within a name"), get(line), expect));
        if byte != b':' && !is_token {
            let line = [&[byte][..], b"Xab: v\r\n"].concat();
            cases.push(Case::new(format!("{byte:#04x} before a name"), get(line), Refused));
            let line = [b"Xab", &[byte][..], b": v\r\n"].concat();
            cases.push(Case::new(format!("{byte:#04x} behind a name"), get(line), Refused));
        }
        // RFC 9110 §5.5: visible characters, blanks, tabs and obs-text; nothing else.
        let expect = if byte == b'\t' || (byte >= b' ' && byte != 0x7f) { Passes(&["/c"]) } else { Refused };
        let line = [b"Xab: v", &[byte][..], b"w\r\n"].concat();
        cases.push(Case::new(format!("{byte:#04x} within a value"), get(line), expect));
    }
    run(&cases, 512 + 2 * 178);
}

/// Heads beyond their bounds are refused before they are held.
#[test]
fn heads_have_bounds() {
    let mut cases = Vec::new();
    cases.push(Case::new("a value of 256 KiB", get(format!("X: {}\r\n", "a".repeat(256 * 1024))), Refused));
    cases.push(Case::new("a name of 64 KiB", get(format!("{}: b\r\n", "X".repeat(64 * 1024))), Refused));
    cases.push(Case::new("2,000 fields", get("X: y\r\n".repeat(2000)), Refused));
    cases.push(Case::new("101 fields and Host", get("X: y\r\n".repeat(101)), Refused));
    let endless = format!("GET /c HTTP/1.1\r\nHost: gw.test\r\nX: {}", "a".repeat(1024 * 1024));
    cases.push(Case::new("a line without an end", endless, Refused));
    cases.push(Case::new("90 fields", get("X: y\r\n".repeat(90)), Passes(&["/c"])));
    cases.push(Case::new(
        "a value of 8 KiB",
        get(format!("X: {}\r\n", "a".repeat(8 * 1024))),
        Passes(&["/c"]),
    ));
    run(&cases, 7);
}
