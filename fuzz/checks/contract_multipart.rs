//! Multipart bodies: how reads cut a body changes nothing; what passes, a naive reader of the grammar takes apart the same.

use portcullis_openapi::multipart::{Head, Limits, Parser, Sink, Stopped, What};

#[derive(Default, Debug, PartialEq, Eq)]
struct Told(Vec<(Head, Vec<u8>)>);

impl Sink for Told {
    type Stop = ();

    fn part(&mut self, head: Head) -> Result<(), ()> {
        self.0.push((head, Vec::new()));
        Ok(())
    }

    fn content(&mut self, piece: &[u8]) -> Result<(), ()> {
        self.0.last_mut().expect("a part").1.extend_from_slice(piece);
        Ok(())
    }

    fn end(&mut self) -> Result<(), ()> {
        Ok(())
    }
}

/// Panics when `data` breaks a promise. The boundary is `XX`.
pub(crate) fn check(data: &[u8]) {
    let limits = Limits { parts: 5, head_bytes: 256 };
    let whole = read(data, data.len().max(1), limits);
    for piece in [1, 2, 5, 64] {
        assert_eq!(read(data, piece, limits), whole, "in pieces of {piece}");
    }
    if let Ok(told) = whole {
        assert!(told.0.len() <= limits.parts);
        let naive = naive(data);
        let told: Vec<_> = told.0.iter().map(|(_, content)| &content[..]).collect();
        assert_eq!(naive.as_deref(), Some(&told[..]));
    }
    let text = String::from_utf8_lossy(data);
    let _ = Parser::new(&text, limits);
}

fn read(data: &[u8], piece: usize, limits: Limits) -> Result<Told, What> {
    let mut told = Told::default();
    let mut parser = Parser::new("XX", limits).expect("a boundary");
    for piece in data.chunks(piece) {
        parser.push(piece, &mut told).map_err(|stopped| match stopped {
            Stopped::Fault(fault) => fault.what,
            Stopped::Sink(()) => unreachable!("it never has enough"),
        })?;
    }
    parser.finish().map_err(|fault| fault.what)?;
    Ok(told)
}

/// The contents, by splitting at boundaries.
fn naive(data: &[u8]) -> Option<Vec<&[u8]>> {
    let mut contents = Vec::new();
    let mut rest = data.strip_prefix(b"--XX")?;
    loop {
        if rest == b"--" || rest == b"--\r\n" {
            return Some(contents);
        }
        rest = rest.strip_prefix(b"\r\n")?;
        let end = position(rest, b"\r\n--XX")?;
        let part = &rest[..end];
        // The line end before the boundary may be the one behind the head: then there is no content.
        let head = position(part, b"\r\n\r\n")?;
        contents.push(&part[head + 4..]);
        rest = &rest[end + 6..];
    }
}

fn position(text: &[u8], needle: &[u8]) -> Option<usize> {
    text.windows(needle.len()).position(|window| window == needle)
}
