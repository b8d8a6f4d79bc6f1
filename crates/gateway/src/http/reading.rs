//! The path as a generous backend might read it, to ask where that would lead.
//!
//! [`super::path`] refuses what could become a dot segment or a separator. What remains can still name another
//! operation to a reader who decodes, folds look-alike letters, cuts `;parameters` or trims: `/admin;x`,
//! `/%61dmin` in full-width letters, `/admin%20`. A catch-all operation would take it under its literal name and
//! a servlet container would serve `/admin`. So routing asks twice when a path has such characters: both readings
//! must lead to the same operation, or the request is refused. Letters of another case are another path (RFC 3986
//! §6.2.2.1); a backend that disagrees must be given its own rule.
//!
//! A listener that is lenient on slashes lets pass what has one more reading, [`merged`]. There the operator has said that
//! backends read the path as it stands, so a reading that leads to nothing published is fine: `/projects/a%2Fb` is a
//! project. One that leads to another operation is refused all the same.

use portcullis_openapi::matcher::Span;
use unicode_normalization::UnicodeNormalization;

use super::path::{escaped, is_invisible};

/// The generous reading of a canonical path; `None` when it is the path itself, as it almost always is.
pub fn generous(path: &str) -> Option<String> {
    generous_beside(path, &[])
}

/// The same of a reader who knows what is declared: segments in which one of `places` stands are what they are.
pub fn generous_beside(path: &str, places: &[Span]) -> Option<String> {
    // PERF: a path without escapes and parameters has one reading.
    if !path.bytes().any(|byte| matches!(byte, b'%' | b';')) {
        return None;
    }
    let mut read = String::with_capacity(path.len());
    let mut start = 0_usize;
    for segment in path.strip_prefix('/').unwrap_or(path).split('/') {
        read.push('/');
        let begins = start.saturating_add(1);
        start = begins.saturating_add(segment.len());
        if places.iter().any(|place| (begins..start).contains(&place.start)) {
            read.push_str(segment);
            continue;
        }
        let decoded = decode(segment);
        let text = String::from_utf8_lossy(&decoded);
        let folded: String = text.chars().filter(|c| !is_invisible(*c)).nfkc().collect();
        let name = folded.split([';', '?', '#']).next().unwrap_or_default();
        encode(name.trim(), &mut read);
    }
    (read != path).then_some(read)
}

/// The path as a backend reads it for which an escaped slash separates and several slashes are one; `None` when it is
/// the path itself, as it always is unless the listener is lenient there.
pub fn merged(path: &str) -> Option<String> {
    if !path.contains("%2F") && !path.contains("//") {
        return None;
    }
    let mut read = String::with_capacity(path.len());
    for segment in path.split('/').flat_map(|segment| segment.split("%2F")).filter(|one| !one.is_empty()) {
        read.push('/');
        read.push_str(segment);
    }
    if path.ends_with('/') || read.is_empty() {
        read.push('/');
    }
    Some(read)
}

fn decode(segment: &str) -> Vec<u8> {
    let mut bytes = segment.bytes();
    let mut decoded = Vec::with_capacity(segment.len());
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => decoded.extend(escaped(bytes.next(), bytes.next())),
            _ => decoded.push(byte),
        }
    }
    decoded
}

/// Spells a segment as the canonical form does.
fn encode(name: &str, out: &mut String) {
    for byte in name.bytes() {
        match byte {
            b'!' | b'$' | b'&'..=b'.' | b'0'..=b':' | b'=' | b'@'..=b'Z' | b'_' | b'a'..=b'z' | b'~' => {
                out.push(char::from(byte));
            }
            _ => {
                use std::fmt::Write;
                // Writing to a string cannot fail.
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
}

#[cfg(test)]
mod tests;
