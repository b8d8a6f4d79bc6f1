use super::*;
use crate::{Bounds, HeadDecoder};

fn request(version: &str, lines: &str) -> Result<Framing, Refusal> {
    let text = format!("POST / HTTP/{version}\r\n{lines}\r\n");
    let (head, _) = HeadDecoder::default().request(text.as_bytes(), &Bounds::default()).unwrap().unwrap();
    request_framing(&head)
}

fn response(method: &str, status: u16, lines: &str) -> Result<Framing, Refusal> {
    let text = format!("HTTP/1.1 {status} x\r\n{lines}\r\n");
    let (head, _) = HeadDecoder::default().response(text.as_bytes(), &Bounds::default()).unwrap().unwrap();
    response_framing(&head, method.as_bytes())
}

#[test]
fn a_request_without_framing_fields_has_no_body() {
    assert_eq!(request("1.1", ""), Ok(Framing::None));
    assert_eq!(request("1.0", "Host: x\r\nX-Content-Length: 5\r\n"), Ok(Framing::None));
}

#[test]
fn transfer_encoding_beside_content_length_is_refused() {
    for lines in [
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "content-length: 0\r\nTRANSFER-ENCODING: x\r\n",
        "Transfer-Encoding:\r\nContent-Length:\r\n",
    ] {
        assert_eq!(request("1.1", lines), Err(Refusal::TransferEncodingAndContentLength), "{lines}");
        assert_eq!(response("GET", 200, lines), Err(Refusal::TransferEncodingAndContentLength), "{lines}");
        assert_eq!(response("HEAD", 200, lines), Err(Refusal::TransferEncodingAndContentLength), "{lines}");
    }
}

#[test]
fn transfer_encoding_is_exactly_chunked() {
    for value in ["chunked", "Chunked", "CHUNKED", "\t chunked \t"] {
        assert_eq!(
            request("1.1", &format!("Transfer-Encoding:{value}\r\n")),
            Ok(Framing::Chunked),
            "{value}"
        );
    }
    for value in [
        "",
        "xchunked",
        "chunkedx",
        "chunked,",
        ",chunked",
        "chunked, chunked",
        "chunked, identity",
        "identity",
        "gzip",
        "\"chunked\"",
        "chunked;q=1",
        "chunk ed",
        "gzip;x, chunked",
        "chunked, gzip, chunked",
        "chunked\u{a0}",
        "gzip,, chunked",
        "\u{212a}",
        "chun\u{212a}ed",
    ] {
        let outcome = request("1.1", &format!("Transfer-Encoding: {value}\r\n"));
        assert_eq!(outcome, Err(Refusal::TransferEncodingInvalid), "{value}");
    }
    for value in ["gzip, chunked", "gzip,deflate\t, Chunked", "identity, chunked"] {
        let outcome = request("1.1", &format!("Transfer-Encoding: {value}\r\n"));
        assert_eq!(outcome, Err(Refusal::TransferCodingNotSupported), "{value}");
    }
    let twice = "Transfer-Encoding: chunked\r\na: b\r\ntransfer-encoding: chunked\r\n";
    assert_eq!(request("1.1", twice), Err(Refusal::TransferEncodingRepeated));
    assert_eq!(request("1.0", "Transfer-Encoding: chunked\r\n"), Err(Refusal::TransferEncodingInHttp10));
}

#[test]
fn content_length_is_one_number_of_digits() {
    for (value, length) in [("0", 0), ("5", 5), ("007", 7), ("18446744073709551615", u64::MAX), (" 5\t", 5)] {
        assert_eq!(
            request("1.1", &format!("Content-Length:{value}\r\n")),
            Ok(Framing::Length(length)),
            "{value}"
        );
        assert_eq!(
            request("1.0", &format!("Content-Length:{value}\r\n")),
            Ok(Framing::Length(length)),
            "{value}"
        );
    }
    for value in [
        "",
        "+5",
        "-5",
        "0x5",
        "5,5",
        "5, 5",
        "5 5",
        "5.0",
        "1e3",
        "5a",
        "18446744073709551616",
        "99999999999999999999999",
        "\u{a0}5",
        "\u{665}",
        "five",
    ] {
        let outcome = request("1.1", &format!("Content-Length: {value}\r\n"));
        assert_eq!(outcome, Err(Refusal::ContentLengthInvalid), "{value}");
    }
    for lines in
        ["Content-Length: 5\r\nContent-Length: 5\r\n", "Content-Length: 5\r\na: b\r\ncontent-length: 6\r\n"]
    {
        assert_eq!(request("1.1", lines), Err(Refusal::ContentLengthRepeated));
        assert_eq!(response("GET", 200, lines), Err(Refusal::ContentLengthRepeated));
    }
}

#[test]
fn a_response_that_has_no_body_announces_none() {
    for status in [100, 101, 103, 199, 204] {
        assert_eq!(response("GET", status, ""), Ok(Framing::None));
        assert_eq!(response("GET", status, "Content-Length: 0\r\n"), Ok(Framing::None));
        for lines in ["Content-Length: 1\r\n", "Transfer-Encoding: chunked\r\n"] {
            assert_eq!(response("GET", status, lines), Err(Refusal::BodyNotAllowed), "{status} {lines}");
            assert_eq!(response("HEAD", status, lines), Err(Refusal::BodyNotAllowed), "{status} {lines}");
        }
    }
}

#[test]
fn a_response_to_head_and_a_304_may_announce_what_they_do_not_send() {
    for (method, status) in [("HEAD", 200), ("GET", 304)] {
        for lines in ["", "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n"] {
            assert_eq!(response(method, status, lines), Ok(Framing::None));
        }
        assert_eq!(response(method, status, "Content-Length: x\r\n"), Err(Refusal::ContentLengthInvalid));
        assert_eq!(
            response(method, status, "Transfer-Encoding: gzip\r\n"),
            Err(Refusal::TransferEncodingInvalid)
        );
    }
    // Methods are case-sensitive: this is another one.
    assert_eq!(response("head", 200, "Content-Length: 5\r\n"), Ok(Framing::Length(5)));
}

#[test]
fn other_responses_end_as_announced_or_by_closing() {
    assert_eq!(response("GET", 200, "Content-Length: 5\r\n"), Ok(Framing::Length(5)));
    assert_eq!(response("GET", 205, "Content-Length: 0\r\n"), Ok(Framing::Length(0)));
    assert_eq!(response("GET", 500, "Transfer-Encoding: chunked\r\n"), Ok(Framing::Chunked));
    assert_eq!(response("GET", 200, ""), Ok(Framing::UntilClose));
    assert_eq!(response("CONNECT", 200, "Content-Length: 5\r\n"), Ok(Framing::None));
    assert_eq!(response("CONNECT", 407, "Content-Length: 5\r\n"), Ok(Framing::Length(5)));
}
