use std::io::Write;

use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use flate2::{Compression, GzBuilder};

use super::{Coding, Decoder, Fault, Limits};

/// `hello, hello, hello, hello` by the reference encoder, with a window of 4 MiB.
const BROTLI: &[u8] = &[
    0x1b, 0x19, 0x00, 0xf8, 0x8d, 0x94, 0x6e, 0xde, 0x44, 0x09, 0x52, 0x86, 0x96, 0x6c, 0x2c, 0x6f, 0x31,
    0x4f, 0x24, 0xb0, 0xe3, 0x00,
];

/// 8 MiB of zeros, likewise.
const BROTLI_BOMB: &[u8] =
    &[0x9b, 0xff, 0xff, 0x7f, 0xf8, 0x27, 0x00, 0xe2, 0xb1, 0x40, 0x20, 0xf7, 0xfe, 0x0f];

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn zlib(content: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// Decodes `coded` in pieces of `piece` bytes into room of `room` bytes.
fn decode(coding: Coding, coded: &[u8], piece: usize, room: usize) -> Result<Vec<u8>, Fault> {
    let mut decoder = Decoder::new(coding, Limits::default());
    let (mut decoded, mut output) = (Vec::new(), vec![0; room]);
    for mut input in coded.chunks(piece) {
        loop {
            let progress = decoder.step(input, &mut output)?;
            decoded.extend_from_slice(&output[..progress.written]);
            input = &input[progress.taken..];
            if input.is_empty() && progress.written < room {
                break;
            }
        }
    }
    decoder.end().map(|()| decoded)
}

fn check(coding: Coding, coded: &[u8], expected: Result<&[u8], Fault>) {
    for (piece, room) in [(coded.len().max(1), 1 << 16), (1, 1), (1, 1 << 16), (7, 3)] {
        let decoded = decode(coding, coded, piece, room);
        assert_eq!(decoded.as_deref().map_err(|fault| *fault), expected, "{coding:?} {piece} {room}");
    }
}

#[test]
fn one_coding_is_named_or_none() {
    let read = |lines: &[&'static str]| Coding::read(lines.iter().map(|line| line.as_bytes()));
    assert_eq!(read(&[]), Ok(None));
    assert_eq!(read(&["identity"]), Ok(None));
    assert_eq!(read(&["gzip"]), Ok(Some(Coding::Gzip)));
    assert_eq!(read(&["X-GZip"]), Ok(Some(Coding::Gzip)));
    assert_eq!(read(&[" deflate "]), Ok(Some(Coding::Deflate)));
    assert_eq!(read(&["br"]), Ok(Some(Coding::Brotli)));
    for lines in [
        &[""][..],
        &["zstd"],
        &["compress"],
        &["gzip, gzip"],
        &["gzip,"],
        &["identity, gzip"],
        &["gzip", "identity"],
        &["identity", "gzip"],
        &["gzip;q=1"],
        &["*"],
    ] {
        assert!(read(lines).is_err(), "{lines:?}");
    }
}

#[test]
fn what_was_coded_is_what_is_decoded_however_it_comes() {
    let text: Vec<u8> = (0..3000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    for content in [&b""[..], b"x", b"{\"name\": \"value\"}", &text] {
        check(Coding::Gzip, &gzip(content), Ok(content));
        check(Coding::Deflate, &zlib(content), Ok(content));
    }
    check(Coding::Brotli, BROTLI, Ok(b"hello, hello, hello, hello"));
    check(Coding::Brotli, &[0x06], Ok(b""));
    let mut named = GzBuilder::new()
        .filename("a.txt")
        .comment("c")
        .extra(&b"ab12"[..])
        .write(Vec::new(), Compression::fast());
    named.write_all(b"named").unwrap();
    check(Coding::Gzip, &named.finish().unwrap(), Ok(b"named"));
}

#[test]
fn what_stops_early_or_goes_on_is_refused() {
    let rows = [
        (Coding::Gzip, gzip(b"content")),
        (Coding::Deflate, zlib(b"content")),
        (Coding::Brotli, BROTLI.to_vec()),
    ];
    for (coding, whole) in &rows {
        for end in 0..whole.len() {
            let cut = decode(*coding, &whole[..end], 5, 64);
            assert!(matches!(cut, Err(Fault::Truncated)), "{coding:?} cut at {end}: {cut:?}");
        }
        let mut longer = whole.clone();
        longer.push(0);
        check(*coding, &longer, Err(Fault::Trailing));
    }
    let mut members = gzip(b"one");
    members.extend(gzip(b"two"));
    check(Coding::Gzip, &members, Err(Fault::Trailing));
}

#[test]
fn what_is_not_in_its_coding_is_refused() {
    let mut raw = DeflateEncoder::new(Vec::new(), Compression::fast());
    raw.write_all(b"without a frame").unwrap();
    let raw = raw.finish().unwrap();
    check(Coding::Deflate, &raw, Err(Fault::Malformed));
    for (coding, content) in [
        (Coding::Gzip, &b"{\"a\": 1}"[..]),
        (Coding::Deflate, b"{\"a\": 1}"),
        (Coding::Gzip, &zlib(b"content")),
        (Coding::Deflate, &gzip(b"content")),
        (Coding::Gzip, &[0x1F, 0x8B, 7, 0, 0, 0, 0, 0, 0, 0]),
        (Coding::Gzip, &[0x1F, 0x8B, 8, 0x20, 0, 0, 0, 0, 0, 0]),
        (Coding::Brotli, &[0xFF; 64]),
        (Coding::Brotli, &[0x11, 0x16, 0, 0, 0, 0]),
    ] {
        let fault = decode(coding, content, 64, 64).unwrap_err();
        assert!(matches!(fault, Fault::Malformed | Fault::Window), "{coding:?} {content:?} {fault:?}");
    }
    for at in [8_usize, 5, 1] {
        let mut flipped = gzip(b"some content that is summed");
        let end = flipped.len() - at;
        flipped[end] ^= 1;
        assert_eq!(decode(Coding::Gzip, &flipped, 64, 64), Err(Fault::Malformed), "sum or length at {at}");
    }
    let mut header = vec![0x1F, 0x8B, 8, 0x08, 0, 0, 0, 0, 0, 0];
    header.resize(2000, b'n');
    check(Coding::Gzip, &header, Err(Fault::Malformed));
}

#[test]
fn a_bomb_is_refused_before_it_is_decoded() {
    let zeros = vec![0; 8 << 20];
    let mut most = 0;
    let bombs = [
        (Coding::Gzip, gzip(&zeros)),
        (Coding::Deflate, zlib(&zeros)),
        (Coding::Brotli, BROTLI_BOMB.to_vec()),
    ];
    for (coding, bomb) in bombs {
        let mut decoder = Decoder::new(coding, Limits::default());
        let (mut output, mut input, mut decoded) = (vec![0; 4096], &bomb[..], 0);
        let fault = loop {
            match decoder.step(input, &mut output) {
                Ok(progress) => {
                    decoded += progress.written;
                    input = &input[progress.taken..];
                }
                Err(fault) => break fault,
            }
        };
        assert_eq!(fault, Fault::Ratio);
        most = most.max(decoded);
    }
    assert!(most <= 1 << 20, "{most} bytes were decoded of 8 MiB");
}

#[test]
fn a_window_that_no_sender_needs_is_refused() {
    // Windows of 2^23 and 2^24.
    for first in [0x0D, 0x0F] {
        assert_eq!(decode(Coding::Brotli, &[first, 0, 0, 0], 4, 64), Err(Fault::Window));
    }
    let mut decoder = Decoder::new(Coding::Brotli, Limits::default());
    assert!(decoder.memory() <= 64 << 10);
    assert!(decoder.step(BROTLI, &mut [0; 64]).is_ok() && decoder.memory() < 128 << 10);
}
