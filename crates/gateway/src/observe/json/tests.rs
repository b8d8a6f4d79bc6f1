use std::time::Duration;

use serde_json::Value;

use super::{Line, VALUE_BYTES_MAX, escape};
use crate::observe::names::{self, Stream};

fn check(value: &[u8], expected: &str) {
    let mut out = Vec::new();
    escape(&mut out, value, 32);
    assert_eq!(String::from_utf8(out).unwrap(), expected, "for {value:?}");
}

#[test]
fn what_could_break_a_line_or_drive_a_terminal_is_escaped() {
    check(b"plain text", "plain text");
    check(b"a\"b\\c", "a\\\"b\\\\c");
    check(b"a\r\nb\tc\0", "a\\u000d\\u000ab\\u0009c\\u0000");
    check(b"\x1b[2J", "\\u001b[2J");
    check(b"\x7f", "\\u007f");
    check("\u{9b}2J".as_bytes(), "\\u009b2J");
    check("a\u{2028}b\u{2029}".as_bytes(), "a\\u2028b\\u2029");
    check("user\u{202e}nimda".as_bytes(), "user\\u202enimda");
    check("zero\u{200b}width\u{feff}".as_bytes(), "zero\\u200bwidth\\ufeff");
    check("Grüße 👋".as_bytes(), "Grüße 👋");
}

#[test]
fn bytes_that_are_no_text_stay_readable() {
    check(b"caf\xe9", "caf\\\\xe9");
    check(b"\xff\xfe!", "\\\\xff\\\\xfe!");
    check(b"\xc0\xaf", "\\\\xc0\\\\xaf");
    check(b"\xed\xa0\x80", "\\\\xed\\\\xa0\\\\x80");
}

#[test]
fn long_values_are_cut_at_a_character() {
    check(&[b'a'; 32], &"a".repeat(32));
    check(&[b'a'; 33], &("a".repeat(32) + "…"));
    check(("a".repeat(31) + "ü").as_bytes(), &("a".repeat(31) + "…"));
    check(("a".repeat(30) + "👋").as_bytes(), &("a".repeat(30) + "…"));
}

#[test]
fn any_bytes_make_one_line_that_parses() {
    // Every byte beside every other, without a random source.
    let all: Vec<u8> = (0..=255_u8).flat_map(|a| (0..=255_u8).flat_map(move |b| [a, b])).collect();
    for chunk in all.chunks(97) {
        let mut out = Vec::new();
        let mut line = Line::begin(&mut out, Duration::ZERO, "INFO", Stream::Access);
        line.cut(names::PATH, chunk, VALUE_BYTES_MAX);
        line.cut(names::EVIDENCE, chunk, 13);
        line.end();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.matches('\n').count(), 1, "{text:?}");
        assert!(text.trim_end_matches('\n').chars().all(|c| !c.is_control()), "{text:?}");
        serde_json::from_str::<Value>(&text).unwrap();
    }
}

#[test]
fn a_path_of_a_megabyte_makes_a_short_line() {
    for byte in [b'a', b'\n', 0xff] {
        let mut out = Vec::new();
        let mut line = Line::begin(&mut out, Duration::ZERO, "INFO", Stream::Access);
        line.cut(names::PATH, &vec![byte; 1 << 20], VALUE_BYTES_MAX);
        line.end();
        assert!(out.len() < 6 * VALUE_BYTES_MAX + 128, "{} bytes", out.len());
    }
}

#[test]
fn durations_keep_three_decimals() {
    let mut out = Vec::new();
    let mut line = Line::begin(&mut out, Duration::ZERO, "INFO", Stream::Access);
    line.millis(names::DURATION, Duration::from_nanos(1_002_003_999));
    line.millis(names::OVERHEAD, Duration::from_micros(7));
    line.end();
    let text = String::from_utf8(out).unwrap();
    assert!(
        text.ends_with(",\"portcullis.duration_ms\":1002.003,\"portcullis.overhead_ms\":0.007}\n"),
        "{text}"
    );
}

#[test]
fn addresses_are_spelt_as_everywhere() {
    let check = |address: &str| {
        let mut out = Vec::new();
        let mut line = Line::begin(&mut out, Duration::ZERO, "INFO", Stream::Access);
        line.address(names::CLIENT_ADDRESS, address.parse().unwrap());
        line.end();
        let text = String::from_utf8(out).unwrap();
        assert!(text.ends_with(&format!(",\"client.address\":\"{address}\"}}\n")), "{text}");
    };
    for address in ["0.0.0.0", "192.0.2.255", "::1", "2001:db8::7", "::ffff:192.0.2.1"] {
        check(address);
    }
}
