//! Coded content: decoding ends within its bounds, and how reads cut it changes nothing; what was coded is what is decoded.

use std::io::Write;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use portcullis_openapi::coding::{Coding, Decoder, Fault, Limits};

const LIMITS: Limits = Limits { ratio: 20, ratio_free_bytes: 4096 };

/// Panics when `data` breaks a promise.
pub(crate) fn check(data: &[u8]) {
    for coding in [Coding::Gzip, Coding::Deflate, Coding::Brotli] {
        let whole = decode(coding, data, data.len().max(1), 1 << 16, LIMITS);
        for (piece, room) in [(1, 1024), (3, 7)] {
            let cut = decode(coding, data, piece, room, LIMITS);
            // When the ratio is looked at depends on the cut.
            if whole != Err(Fault::Ratio) && cut != Err(Fault::Ratio) {
                assert_eq!(cut.ok(), whole.clone().ok(), "{coding:?} in pieces of {piece}");
            }
        }
    }
    let plenty = Limits { ratio: u64::MAX, ..LIMITS };
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(data).expect("memory");
    let gzip = gzip.finish().expect("memory");
    assert_eq!(decode(Coding::Gzip, &gzip, 11, 64, plenty).as_deref(), Ok(data));
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
    zlib.write_all(data).expect("memory");
    let zlib = zlib.finish().expect("memory");
    assert_eq!(decode(Coding::Deflate, &zlib, 11, 64, plenty).as_deref(), Ok(data));
    let _ = Coding::read(data.split(|byte| *byte == b'\n'));
}

fn decode(coding: Coding, coded: &[u8], piece: usize, room: usize, limits: Limits) -> Result<Vec<u8>, Fault> {
    let mut decoder = Decoder::new(coding, limits);
    let (mut decoded, mut output) = (Vec::new(), vec![0; room]);
    for mut input in coded.chunks(piece) {
        loop {
            let progress = decoder.step(input, &mut output)?;
            decoded.extend_from_slice(&output[..progress.written]);
            input = &input[progress.taken..];
            let most = (coded.len() as u64).saturating_mul(limits.ratio).max(limits.ratio_free_bytes);
            assert!(decoded.len() as u64 <= most.saturating_add(room as u64), "more than its bound");
            if input.is_empty() && progress.written < room {
                break;
            }
        }
    }
    decoder.end().map(|()| decoded)
}
