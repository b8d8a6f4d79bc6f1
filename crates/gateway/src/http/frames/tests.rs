use super::{END_HEADERS, END_STREAM, Frame, Kind, PADDED, PREFACE, Scanner};

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

fn seen(scanner: &mut Scanner, pieces: &[&[u8]]) -> Vec<(Kind, u8, u32, usize, Vec<u8>)> {
    let mut seen = Vec::new();
    for piece in pieces {
        scanner.scan(piece, |frame: &Frame| {
            seen.push((frame.kind, frame.flags, frame.stream, frame.length, frame.peek.to_vec()));
        });
    }
    seen
}

#[test]
fn frames_are_found_wherever_the_bytes_are_cut() {
    let mut bytes = PREFACE.to_vec();
    bytes.extend(frame(4, 0, 0, &[7; 606]));
    bytes.extend(frame(1, END_HEADERS | END_STREAM, 0x8000_0001, &[0x82; 40]));
    bytes.extend(frame(0, PADDED, 3, &[2, b'x', 0, 0]));
    bytes.extend(frame(3, 0, 3, &[0, 0, 0, 8]));
    bytes.extend(frame(0xfa, 7, 0, b"whatever"));
    bytes.extend(frame(6, 0, 0, &[0; 8]));
    let expected = [
        (Kind::Settings, 0, 0, 606, vec![7; 600]),
        (Kind::Headers, END_HEADERS | END_STREAM, 1, 40, vec![0x82; 16]),
        (Kind::Data, PADDED, 3, 4, vec![2]),
        (Kind::Reset, 0, 3, 4, vec![0, 0, 0, 8]),
        (Kind::Other, 7, 0, 8, vec![]),
        (Kind::Ping, 0, 0, 8, vec![]),
    ];
    for cut in 0..=bytes.len() {
        let (first, second) = bytes.split_at(cut);
        assert_eq!(seen(&mut Scanner::of_client(), &[first, second]), expected, "cut at {cut}");
    }
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(seen(&mut Scanner::of_client(), &single), expected);
    assert_eq!(seen(&mut Scanner::of_server(), &[&bytes[PREFACE.len()..]]), expected);
}

#[test]
fn a_payload_that_is_shorter_than_what_is_looked_at_ends_its_frame() {
    let mut bytes = frame(3, 0, 1, &[1]);
    bytes.extend(frame(0, PADDED, 1, &[]));
    bytes.extend(frame(8, 0, 0, &[0, 0, 0, 1]));
    let kinds: Vec<_> = seen(&mut Scanner::of_server(), &[&bytes]).into_iter().map(|seen| seen.0).collect();
    assert_eq!(kinds, [Kind::Reset, Kind::Data, Kind::WindowUpdate]);
}

#[test]
fn a_block_is_within_until_its_last_byte() {
    let mut scanner = Scanner::of_server();
    let bytes = frame(1, END_HEADERS, 1, &[0x82; 30]);
    assert!(!scanner.is_within_block());
    let (last, most) = bytes.split_last().expect("bytes");
    scanner.scan(&most[..12], |_| {});
    assert!(scanner.is_within_block());
    scanner.scan(&most[12..], |_| {});
    assert!(scanner.is_within_block());
    scanner.scan(&[*last], |_| {});
    assert!(!scanner.is_within_block());
    scanner.scan(&frame(0, 0, 1, b"abc")[..10], |_| {});
    assert!(!scanner.is_within_block());
}
