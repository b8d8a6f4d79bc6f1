//! Paths: what passes is its own canonical form and decodes to what was sent; no reading of a segment, decoded,
//! folded and cut as often as one likes, is a dot segment, holds a separator or vanishes. Only what begins with `;` may vanish
//! where it is cut off, and then the path is marked.

use portcullis_gateway::http::path::{PathRules, canonicalize};
use unicode_normalization::UnicodeNormalization;

/// Panics when `data` breaks a promise.
pub(crate) fn check(data: &[u8]) {
    let strict = canonical(data, PathRules::default());
    for rules in [
        PathRules::default(),
        PathRules { empty_segments: true, ..PathRules::default() },
        PathRules { not_utf8: true, ..PathRules::default() },
        PathRules { encoded_slashes: true, ..PathRules::default() },
        PathRules { empty_segments: true, encoded_slashes: true, not_utf8: true, refuse_parameters: true },
    ] {
        let Some((path, is_marked)) = canonical(data, rules) else {
            // A leniency refuses nothing that passes without it, unmarked.
            assert!(strict.as_ref().is_none_or(|(_, is_marked)| *is_marked) || rules.refuse_parameters);
            continue;
        };
        assert!(strict.as_ref().is_none_or(|(strict, _)| *strict == path), "two canonical forms");
        let again = canonical(path.as_bytes(), rules);
        assert_eq!(again.as_ref(), Some(&(path.clone(), is_marked)), "not its own canonical form");
        assert_eq!(
            is_marked,
            path.contains("/;") && !rules.empty_segments,
            "marked for nothing, or not marked"
        );
        assert_eq!(decoded(path.as_bytes()), decoded(data), "not what was sent");
        assert!(
            path.starts_with('/') && path.bytes().all(|b| b.is_ascii_graphic() && b != b'?' && b != b'#')
        );
        assert!(!path.starts_with("//"));
        for (at, segment) in path.split('/').enumerate().skip(1) {
            let is_last = at == path.matches('/').count();
            assert!(!segment.is_empty() || is_last || rules.empty_segments, "an empty segment");
            assert!(!(rules.refuse_parameters && segment.contains(';')), "parameters");
            // What stands between escaped slashes is judged as a segment.
            for piece in segment.split("%2F") {
                assert!(!piece.is_empty() || segment.is_empty(), "an empty piece");
                holds_no_other_path(piece, rules, is_marked && piece.starts_with(';'));
            }
        }
    }
}

/// The canonical form, and whether it is marked.
fn canonical(path: &[u8], rules: PathRules) -> Option<(String, bool)> {
    let mut out = Vec::new();
    let spelling = canonicalize(path, rules, &mut out).ok()?;
    Some((String::from_utf8(out).expect("a canonical path is text"), spelling.has_bare_parameters))
}

/// Reads a segment as the least careful of backends would, over and over.
fn holds_no_other_path(segment: &str, rules: PathRules, may_vanish: bool) {
    let mut readings = vec![segment.as_bytes().to_vec()];
    for _ in 0..3 {
        for reading in readings.clone() {
            readings.push(decoded(&reading));
            readings.push(String::from_utf8_lossy(&reading).nfkc().collect::<String>().into_bytes());
        }
        readings.sort();
        readings.dedup();
    }
    for reading in readings {
        let shown = reading.escape_ascii();
        assert!(!reading.iter().any(|b| matches!(b, b'/' | b'\\' | 0..=0x1f | 0x7f)), "{shown}");
        let end = reading.iter().position(|b| *b == b';').unwrap_or(reading.len());
        for name in [&reading[..], &reading[..end]] {
            assert!(!matches!(name.trim_ascii(), b"." | b".."), "{shown}");
            let is_nothing = name.is_empty() && !segment.is_empty();
            assert!(!is_nothing || rules.empty_segments || may_vanish, "{shown}");
        }
    }
}

/// Percent-decoded once; what is no escape stands for itself.
fn decoded(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let [first, after @ ..] = rest {
        let value = match rest {
            [b'%', high, low, ..] => std::str::from_utf8(&[*high, *low])
                .ok()
                .filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))
                .and_then(|digits| u8::from_str_radix(digits, 16).ok()),
            _ => None,
        };
        match value {
            Some(value) => {
                out.push(value);
                rest = &rest[3..];
            }
            None => {
                out.push(*first);
                rest = after;
            }
        }
    }
    out
}
