//! How backends read a path, all of them at once: the oracle.
//!
//! It shares nothing with the gateway's judgement. From the bytes that arrived it makes everything that one
//! known reader or a chain of them would make, and looks for `/admin` among the results.

use std::collections::BTreeSet;

/// Readings looked at for one path; chains of readers repeat themselves long before.
const READINGS_MAX: usize = 2_000;

/// Whether any reader of `target` may find itself at `/admin`.
pub(super) fn leads_to_admin(target: &[u8]) -> bool {
    all(target).iter().any(|path| first_segment(path) == b"admin")
}

/// Everything that chains of readers make of `target`.
fn all(target: &[u8]) -> BTreeSet<Vec<u8>> {
    let path = target.split(|byte| *byte == b'?').next().unwrap_or_default();
    let mut found = BTreeSet::from([path.to_vec()]);
    let mut waiting = vec![path.to_vec()];
    while let Some(path) = waiting.pop() {
        for reader in READERS {
            let read = reader(&path);
            if found.len() < READINGS_MAX && found.insert(read.clone()) {
                waiting.push(read);
            }
        }
    }
    found
}

/// What one reader makes of a path.
type Reader = fn(&[u8]) -> Vec<u8>;

const READERS: &[Reader] = &[
    percent_decoded,
    overlong_decoded,
    folded,
    without_parameters,
    slashes_turned,
    without_empty,
    dots_resolved,
    cut_at_nul,
    cut_at_query,
    trimmed,
    without_invisible,
];

fn first_segment(path: &[u8]) -> Vec<u8> {
    let resolved = dots_resolved(&without_empty(path));
    resolved.split(|byte| *byte == b'/').find(|segment| !segment.is_empty()).unwrap_or_default().to_vec()
}

/// `%XX`, and `%uXXXX` as IIS has it.
fn percent_decoded(path: &[u8]) -> Vec<u8> {
    let hex = |digits: Option<&[u8]>| {
        let digits =
            std::str::from_utf8(digits?).ok().filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()))?;
        u32::from_str_radix(digits, 16).ok()
    };
    let mut out = Vec::new();
    let mut at = 0;
    while at < path.len() {
        let rest = &path[at..];
        if let Some(value) = hex(rest.get(1..3)).filter(|_| rest[0] == b'%') {
            out.push(u8::try_from(value).expect("two digits"));
            at += 3;
        } else if let Some(value) = hex(rest.get(2..6)).filter(|_| matches!(rest, [b'%', b'u' | b'U', ..])) {
            out.extend(char::from_u32(value).unwrap_or('?').to_string().bytes());
            at += 6;
        } else {
            out.push(rest[0]);
            at += 1;
        }
    }
    out
}

/// UTF-8 in more bytes than needed, as decoders without the check read it.
fn overlong_decoded(path: &[u8]) -> Vec<u8> {
    let low = |byte: u8| byte & 0x3f;
    let mut out = Vec::new();
    let mut rest = path;
    while let Some(first) = rest.first() {
        let (byte, used) = match rest {
            [0xc0 | 0xc1, second, ..] => (((first & 1) << 6) | low(*second), 2),
            [0xe0, second @ 0x80..=0x81, third, ..] => (((second & 1) << 6) | low(*third), 3),
            [0xf0, 0x80, third @ 0x80..=0x81, fourth, ..] => (((third & 1) << 6) | low(*fourth), 4),
            _ => (*first, 1),
        };
        out.push(byte);
        rest = &rest[used..];
    }
    out
}

/// Letters and signs that Unicode calls compatible with ASCII.
fn folded(path: &[u8]) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(path) else { return path.to_vec() };
    let mut out = String::new();
    for letter in text.chars() {
        let code = u32::from(letter);
        match letter {
            '\u{ff01}'..='\u{ff5e}' => out.extend(char::from_u32(code - 0xff01 + 0x21)),
            '\u{2024}' | '\u{fe52}' => out.push('.'),
            '\u{2025}' => out.push_str(".."),
            '\u{2026}' => out.push_str("..."),
            '\u{fe68}' => out.push('\\'),
            '\u{2100}' => out.push_str("a/c"),
            '\u{2105}' => out.push_str("c/o"),
            '\u{24d0}'..='\u{24e9}' => out.extend(char::from_u32(code - 0x24d0 + 0x61)),
            '\u{1d41a}'..='\u{1d433}' => out.extend(char::from_u32(code - 0x1d41a + 0x61)),
            '\u{2071}' | '\u{2170}' => out.push('i'),
            '\u{207f}' => out.push('n'),
            '\u{217e}' => out.push('d'),
            '\u{217f}' => out.push('m'),
            '\u{00aa}' => out.push('a'),
            _ => out.push(letter),
        }
    }
    out.into_bytes()
}

/// Servlet containers cut `;…` off each segment.
fn without_parameters(path: &[u8]) -> Vec<u8> {
    let segments = path.split(|byte| *byte == b'/');
    let cut = segments.map(|segment| segment.split(|byte| *byte == b';').next().unwrap_or_default());
    cut.collect::<Vec<_>>().join(&b'/')
}

fn slashes_turned(path: &[u8]) -> Vec<u8> {
    path.iter().map(|byte| if *byte == b'\\' { b'/' } else { *byte }).collect()
}

fn without_empty(path: &[u8]) -> Vec<u8> {
    let kept: Vec<&[u8]> = path.split(|byte| *byte == b'/').filter(|segment| !segment.is_empty()).collect();
    [b"/", &kept.join(&b'/')[..]].concat()
}

fn dots_resolved(path: &[u8]) -> Vec<u8> {
    let mut kept: Vec<&[u8]> = Vec::new();
    for segment in path.split(|byte| *byte == b'/').skip(1) {
        match segment {
            b"." => {}
            b".." => drop(kept.pop()),
            _ => kept.push(segment),
        }
    }
    [b"/", &kept.join(&b'/')[..]].concat()
}

fn cut_at_nul(path: &[u8]) -> Vec<u8> {
    path.split(|byte| *byte == 0).next().unwrap_or_default().to_vec()
}

/// Who decodes before splitting takes `%3f` and `%23` for the path's end.
fn cut_at_query(path: &[u8]) -> Vec<u8> {
    path.split(|byte| matches!(byte, b'?' | b'#')).next().unwrap_or_default().to_vec()
}

/// White space around a segment.
fn trimmed(path: &[u8]) -> Vec<u8> {
    let segments = path.split(|byte| *byte == b'/').map(<[u8]>::trim_ascii);
    segments.collect::<Vec<_>>().join(&b'/')
}

/// Characters nobody sees, and control characters.
fn without_invisible(path: &[u8]) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(path) else { return path.to_vec() };
    let seen = |c: &char| {
        !c.is_control() && !matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}')
    };
    text.chars().filter(seen).collect::<String>().into_bytes()
}

#[test]
fn the_oracle_sees_through_every_spelling() {
    let blind: Vec<String> = super::spellings::all()
        .iter()
        .filter(|path| !leads_to_admin(path))
        .map(|path| path.escape_ascii().to_string())
        .collect();
    assert!(blind.is_empty(), "{blind:?}");
    for plain in ["/", "/open/admin", "/administrator", "/caf%C3%A9", "/a;v=1/b", "/...", "/x?/../admin"] {
        assert!(!leads_to_admin(plain.as_bytes()), "{plain}");
    }
}
