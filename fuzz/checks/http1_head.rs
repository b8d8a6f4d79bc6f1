//! Heads: cut into reads in any way they are the same head; `httparse` reads what passes the same way; written
//! and read again they are the same.

use bytes::BytesMut;
use portcullis_http1::{
    BodyBounds, BodyDecoder, Bounds, Event, Fields, HeadDecoder, HeadWriter, Refusal, Version,
    request_framing, response_framing,
};

const SMALL: Bounds = Bounds { head_bytes: 96, line_bytes: 40, fields: 3 };

/// What a head says, apart from its buffer.
#[derive(Clone, Debug, PartialEq)]
struct Reading {
    version: Version,
    /// Method and target, or status and reason.
    first: (Vec<u8>, Vec<u8>),
    fields: Fields,
    taken: usize,
}

type Read = fn(&mut HeadDecoder, &[u8], &Bounds) -> Result<Option<Reading>, Refusal>;

/// Panics when `data` breaks a promise.
pub(crate) fn check(data: &[u8]) {
    for read in [request as Read, response as Read] {
        let reading = in_any_reads(read, data, &Bounds::default());
        // Tighter bounds refuse more and read nothing differently.
        if let Ok(Some(small)) = in_any_reads(read, data, &SMALL) {
            assert!(small.taken <= SMALL.head_bytes && small.fields.len() <= SMALL.fields);
            assert_eq!(reading, Ok(Some(small)));
        }
    }
    if let Ok(Some(reading)) = in_reads_of(request, data, usize::MAX, &Bounds::default()) {
        httparse_reads_request(data, &reading);
        request_survives_rewriting(&reading);
    }
    if let Ok(Some(reading)) = in_reads_of(response, data, usize::MAX, &Bounds::default()) {
        httparse_reads_response(data, &reading);
        response_survives_rewriting(&reading);
    }
    body_is_read_to_some_end(data);
}

fn request(decoder: &mut HeadDecoder, buf: &[u8], bounds: &Bounds) -> Result<Option<Reading>, Refusal> {
    Ok(decoder.request(buf, bounds)?.map(|(head, taken)| Reading {
        version: head.version,
        first: (head.method().to_vec(), head.target().to_vec()),
        fields: head.fields,
        taken,
    }))
}

fn response(decoder: &mut HeadDecoder, buf: &[u8], bounds: &Bounds) -> Result<Option<Reading>, Refusal> {
    Ok(decoder.response(buf, bounds)?.map(|(head, taken)| Reading {
        version: head.version,
        first: (head.status.to_string().into_bytes(), head.reason().to_vec()),
        fields: head.fields,
        taken,
    }))
}

fn in_any_reads(read: Read, data: &[u8], bounds: &Bounds) -> Result<Option<Reading>, Refusal> {
    let at_once = in_reads_of(read, data, usize::MAX, bounds);
    for step in [1, 2, 5] {
        assert_eq!(in_reads_of(read, data, step, bounds), at_once, "in reads of {step}");
    }
    at_once
}

fn in_reads_of(read: Read, data: &[u8], step: usize, bounds: &Bounds) -> Result<Option<Reading>, Refusal> {
    let mut decoder = HeadDecoder::default();
    let mut end = 0;
    loop {
        end = data.len().min(step.saturating_add(end));
        match read(&mut decoder, &data[..end], bounds) {
            Ok(None) if end < data.len() => {}
            outcome => return outcome,
        }
    }
}

fn httparse_reads_request(data: &[u8], ours: &Reading) {
    let mut lines = [httparse::EMPTY_HEADER; 100];
    let mut theirs = httparse::Request::new(&mut lines);
    assert_eq!(theirs.parse(data), Ok(httparse::Status::Complete(ours.taken)));
    assert_eq!(theirs.method.map(str::as_bytes), Some(&ours.first.0[..]));
    assert_eq!(theirs.path.map(str::as_bytes), Some(&ours.first.1[..]));
    assert_eq!(theirs.version, Some(minor(ours.version)));
    same_fields(theirs.headers, &ours.fields);
}

fn httparse_reads_response(data: &[u8], ours: &Reading) {
    let mut lines = [httparse::EMPTY_HEADER; 100];
    let mut theirs = httparse::Response::new(&mut lines);
    assert_eq!(theirs.parse(data), Ok(httparse::Status::Complete(ours.taken)));
    assert_eq!(theirs.code.map(|code| code.to_string().into_bytes()), Some(ours.first.0.clone()));
    // It gives no reason phrase back that is not ASCII.
    if ours.first.1.is_ascii() {
        assert_eq!(theirs.reason.map(str::as_bytes), Some(&ours.first.1[..]));
    }
    assert_eq!(theirs.version, Some(minor(ours.version)));
    same_fields(theirs.headers, &ours.fields);
}

fn same_fields(theirs: &[httparse::Header<'_>], ours: &Fields) {
    let theirs: Vec<_> = theirs.iter().map(|line| (line.name.as_bytes(), line.value)).collect();
    let ours: Vec<_> = ours.iter().map(|line| (line.name, line.value)).collect();
    assert_eq!(theirs, ours);
}

fn minor(version: Version) -> u8 {
    match version {
        Version::Http10 => 0,
        Version::Http11 => 1,
    }
}

fn request_survives_rewriting(reading: &Reading) {
    let mut out = Vec::new();
    HeadWriter::request(&mut out, &reading.first.0, &reading.first.1).fields(&reading.fields).end();
    let expected = Reading { version: Version::Http11, taken: out.len(), ..reading.clone() };
    assert_eq!(in_reads_of(request, &out, usize::MAX, &roomy()), Ok(Some(expected)));
}

fn response_survives_rewriting(reading: &Reading) {
    // An empty reason is filled in; any other stays.
    if reading.first.1.is_empty() {
        return;
    }
    let status = reading.first.0.iter().fold(0, |status, digit| status * 10 + u16::from(digit - b'0'));
    let mut out = Vec::new();
    HeadWriter::response(&mut out, status, &reading.first.1).fields(&reading.fields).end();
    let expected = Reading { version: Version::Http11, taken: out.len(), ..reading.clone() };
    assert_eq!(in_reads_of(response, &out, usize::MAX, &roomy()), Ok(Some(expected)));
}

/// Written anew, a line gains a space behind its colon.
fn roomy() -> Bounds {
    Bounds { head_bytes: usize::MAX, line_bytes: usize::MAX, fields: usize::MAX }
}

/// Whatever the head says of the body, the bytes behind it are read to an end, a refusal or their last.
fn body_is_read_to_some_end(data: &[u8]) {
    let bounds = Bounds::default();
    let mut framings = Vec::new();
    if let Ok(Some((head, taken))) = HeadDecoder::default().request(data, &bounds) {
        framings.push((request_framing(&head), taken));
    }
    if let Ok(Some((head, taken))) = HeadDecoder::default().response(data, &bounds) {
        framings.push((response_framing(&head, b"GET"), taken));
        framings.push((response_framing(&head, b"HEAD"), taken));
    }
    for (framing, taken) in framings {
        let Ok(framing) = framing else { continue };
        let mut decoder = BodyDecoder::new(framing, &BodyBounds::default());
        let mut buf = BytesMut::from(&data[taken..]);
        while let Ok(Event::Data(_) | Event::Trailers(_)) = decoder.decode(&mut buf) {}
        assert_eq!(decoder.is_done(), decoder.decode(&mut buf) == Ok(Event::End));
    }
}
