//! The path of a request in one spelling, or a refusal.
//!
//! Gateways and backends disagree on paths in a dozen ways: who decodes, how often, who folds look-alikes, who
//! cuts `;parameters`, who removes dot segments and empty ones. A rule that holds for one reading and is asked
//! about another is bypassed (Envoy CVE-2019-9901, Kong CVE-2021-27306, APISIX CVE-2021-43557, OPA-Envoy
//! CVE-2026-26205). So nothing is resolved here: a path in which a segment *could become* a dot segment, a
//! separator or nothing, under any of these readings, is refused, and what passes means the same to all of them.
//!
//! Readings judged, per segment: as sent; percent-decoded; decoded again; folded by Unicode NFKC with invisible
//! characters taken out; without what follows `;`, and, for dot segments, `?` or `#`; without white space around.
//!
//! What passes is written in one form (RFC 3986 §6.2.2): escaped unreserved characters are decoded, other escapes
//! are in upper case, the few characters that browsers send raw against the RFC (`[ ] | ^`) are escaped. The
//! canonical form is its own canonical form.
//!
//! One reading is left to routing: a segment that is nothing but parameters (`/cars/;color=blue`), which vanishes where they
//! are cut off. Such a path passes here marked, [`Spelling::has_bare_parameters`], so that routing refuses it unless the
//! operation it leads to declares a parameter of style `matrix` at that very place (`route::matrix`).
//!
//! Strict is not deaf: `/.well-known/x`, `/a%20b`, `/100%25`, `/caf%C3%A9`, `/a;v=1/b`, `/a:b@c`, a slash at the
//! end all pass. [`PathRules`] names what an operator may allow besides.
//!
//! # Threats
//! Every byte is the attacker's. Fuzz target: `path`.

use smallvec::SmallVec;
use unicode_normalization::UnicodeNormalization;

use super::{Malformed, octets};

/// What may pass although readers of paths disagree on it. All off by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PathRules {
    /// Lets empty segments pass within and at the end of the path (`/a//b`, `/a//`, `/a/;x`). Two slashes at the
    /// beginning are refused all the same: they begin an authority for some readers.
    pub empty_segments: bool,
    /// Lets an escaped slash pass within a segment (`/projects/group%2Fname`), still escaped: it separates nothing here.
    /// What stands on either side of it is judged as a segment. A backslash is refused all the same, and so is a slash
    /// in any other spelling.
    pub encoded_slashes: bool,
    /// Lets escapes pass that are no UTF-8 (`/caf%E9`). Overlong encodings are refused all the same.
    pub not_utf8: bool,
    /// Refuses `;` and what follows it in a segment. Off, `/admin;x` is a segment of its own here and may be
    /// `/admin` to a servlet container: turn it on where such a backend stands behind a catch-all operation.
    pub refuse_parameters: bool,
}

/// What a canonical path looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spelling {
    /// Without escapes, parameters, empty segments and what begins with a dot: nobody can read it in another way.
    pub is_plain: bool,
    /// Some segment begins with `;` where no leniency lets empty segments pass: refused, unless it is declared to be written so.
    pub has_bare_parameters: bool,
}

impl Spelling {
    /// That of a plain path.
    pub const PLAIN: Self = Self { is_plain: true, has_bare_parameters: false };
}

/// Appends the canonical form of `path` to `out`, and says what it looks like. Nothing is promised of `out` after a refusal.
///
/// `path` begins with a slash and ends before the query; anything else is refused.
pub fn canonicalize(path: &[u8], rules: PathRules, out: &mut Vec<u8>) -> Result<Spelling, Malformed> {
    let Some(rest) = path.strip_prefix(b"/") else {
        return Err(Malformed::TargetForm);
    };
    if is_plain(path) {
        out.extend_from_slice(path);
        return Ok(Spelling::PLAIN);
    }
    let mut segments = rest.split(|b| *b == b'/').peekable();
    let mut leading = true;
    let mut has_bare_parameters = false;
    let mut decoded = SmallVec::<[u8; 128]>::new();
    while let Some(segment) = segments.next() {
        out.push(b'/');
        if segment.is_empty() {
            if segments.peek().is_some() && (leading || !rules.empty_segments) {
                return Err(Malformed::PathEmptySegment);
            }
        } else {
            decoded.clear();
            rewrite(segment, rules, out, &mut decoded)?;
            match is_bare(segment, &decoded, rules) {
                true => judge_bare(&decoded, rules)?,
                false => judge_pieces(&decoded, rules)?,
            }
            has_bare_parameters |= is_bare(segment, &decoded, rules);
        }
        leading = false;
    }
    Ok(Spelling { is_plain: false, has_bare_parameters })
}

/// Whether a segment is nothing but parameters. One whose `;` is escaped is none, nor is one with an escaped slash: what
/// stands behind that is a segment to somebody.
fn is_bare(segment: &[u8], decoded: &[u8], rules: PathRules) -> bool {
    segment.first() == Some(&b';') && !rules.empty_segments && !decoded.contains(&b'/')
}

/// Judges a segment that is nothing but parameters: as any other, but for the nothing before them. None of them may be a dot
/// segment, either, to a reader for whom `;` separates.
fn judge_bare(decoded: &[u8], rules: PathRules) -> Result<(), Malformed> {
    for parameter in decoded.split(|byte| *byte == b';').filter(|parameter| !parameter.is_empty()) {
        judge_pieces(parameter, PathRules { empty_segments: true, ..rules })?;
    }
    judge_pieces(decoded, PathRules { empty_segments: true, ..rules })
}

// PERF: most paths are plain: no escape, no parameter, no segment that is empty or begins with a dot. They cost two passes
// without a branch for each byte, a third of one pass with branches.
fn is_plain(path: &[u8]) -> bool {
    let pairs = path.iter().zip(path.get(1..).unwrap_or_default());
    let has_odd = pairs.fold(false, |has_odd, (before, byte)| {
        has_odd | ((*before == b'/') & ((*byte == b'/') | (*byte == b'.')))
    });
    !has_odd && octets::are(path, octets::PLAIN)
}

fn is_path_character(byte: u8) -> bool {
    octets::is(byte, octets::PATH)
}

// RFC 3986 §2.3.
fn is_unreserved(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~')
}

/// Writes one segment in its canonical spelling and collects what it decodes to.
fn rewrite(
    segment: &[u8],
    rules: PathRules,
    out: &mut Vec<u8>,
    decoded: &mut SmallVec<[u8; 128]>,
) -> Result<(), Malformed> {
    let mut bytes = segment.iter().copied();
    while let Some(byte) = bytes.next() {
        let byte = match byte {
            b'%' => {
                let value = escaped(bytes.next(), bytes.next()).ok_or(Malformed::PathEscape)?;
                match value {
                    b'/' if rules.encoded_slashes => push_escape(value, out),
                    b'/' | b'\\' => return Err(Malformed::PathSeparator),
                    0..=0x1f | 0x7f => return Err(Malformed::PathControl),
                    _ if is_unreserved(value) => out.push(value),
                    _ => push_escape(value, out),
                }
                value
            }
            b'[' | b']' | b'|' | b'^' => {
                push_escape(byte, out);
                byte
            }
            b'\\' => return Err(Malformed::PathSeparator),
            b'#' => return Err(Malformed::TargetFragment),
            _ if is_path_character(byte) => {
                out.push(byte);
                byte
            }
            _ => return Err(Malformed::PathCharacter),
        };
        decoded.push(byte);
    }
    Ok(())
}

/// Judges what stands between the escaped slashes of a segment, each piece as a segment of its own; without
/// [`PathRules::encoded_slashes`] there is one piece.
fn judge_pieces(decoded: &[u8], rules: PathRules) -> Result<(), Malformed> {
    if hides_escape(decoded) {
        return Err(Malformed::PathEncodedTwice);
    }
    let mut pieces = decoded.split(|byte| *byte == b'/').peekable();
    while let Some(piece) = pieces.next() {
        if piece.is_empty() && (pieces.peek().is_some() || decoded.ends_with(b"/")) {
            return Err(Malformed::PathEmptySegment);
        }
        judge(piece, rules)?;
    }
    Ok(())
}

/// Judges what a segment decodes to, under every reading that a backend may have of it.
fn judge(decoded: &[u8], rules: PathRules) -> Result<(), Malformed> {
    if rules.refuse_parameters && decoded.contains(&b';') {
        return Err(Malformed::PathParameter);
    }
    let folded: String = match std::str::from_utf8(decoded) {
        Ok(text) if text.is_ascii() => return judge_folded(text, rules),
        Ok(text) => fold(text)?,
        Err(_) if !rules.not_utf8 || is_overlong(decoded) => return Err(Malformed::PathNotUtf8),
        Err(_) => fold(&String::from_utf8_lossy(decoded))?,
    };
    if hides_escape(folded.as_bytes()) {
        return Err(Malformed::PathEncodedTwice);
    }
    judge_folded(&folded, rules)
}

fn judge_folded(text: &str, rules: PathRules) -> Result<(), Malformed> {
    if text.contains(['/', '\\']) {
        return Err(Malformed::PathSeparator);
    }
    if text.contains(char::is_control) {
        return Err(Malformed::PathControl);
    }
    for piece in text.split(is_separator_somewhere) {
        let name = piece.split([';', '?', '#']).next().unwrap_or_default();
        if name.contains(is_dot) && name.chars().all(|c| is_dot(c) || c.is_whitespace()) {
            return Err(Malformed::PathDotSegment);
        }
    }
    let name = text.split(';').next().unwrap_or_default();
    if !rules.empty_segments && name.chars().all(char::is_whitespace) {
        return Err(Malformed::PathEmptySegment);
    }
    Ok(())
}

/// Compatibility-folds `text` as a backend might before it looks at it.
fn fold(text: &str) -> Result<String, Malformed> {
    if text.contains(is_separator_look_alike) {
        return Err(Malformed::PathSeparator);
    }
    Ok(text.chars().filter(|c| !is_invisible(*c)).nfkc().collect())
}

// SECURITY: decoding once more must change nothing. IIS reads `%uXXXX` besides.
fn hides_escape(text: &[u8]) -> bool {
    let mut rest = text;
    while let Some(at) = rest.iter().position(|b| *b == b'%') {
        rest = rest.get(at.saturating_add(1)..).unwrap_or_default();
        match rest {
            [a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => return true,
            [b'u' | b'U', a, b, c, d, ..] if [a, b, c, d].iter().all(|h| h.is_ascii_hexdigit()) => {
                return true;
            }
            _ => {}
        }
    }
    false
}

// RFC 3629 §3: lenient decoders read these as characters that have a shorter encoding, such as `C0 AE` as a dot.
fn is_overlong(bytes: &[u8]) -> bool {
    bytes.contains(&0xc0)
        || bytes.contains(&0xc1)
        || bytes.windows(2).any(|pair| match pair {
            [0xe0, second] => *second < 0xa0,
            [0xf0, second] => *second < 0x90,
            [0xf8 | 0xfc, _] => true,
            _ => false,
        })
}

// Slashes of other blocks that fonts draw and code pages convert as slashes. NFKC makes separators of U+FF0F,
// U+FF3C, U+FE68, U+2100 and more by itself; U+2044 stands in the folded form of `½`, hence before folding.
fn is_separator_look_alike(c: char) -> bool {
    matches!(c, '\u{2044}' | '\u{2215}' | '\u{2216}' | '\u{2571}' | '\u{2572}' | '\u{27cb}' | '\u{27cd}')
        || matches!(
            c,
            '\u{29f5}' | '\u{29f8}' | '\u{29f9}' | '\u{3033}' | '\u{ff0f}' | '\u{ff3c}' | '\u{fe68}'
        )
}

// The yen and won signs are backslashes under the Japanese and Korean code pages of Windows: harmless in a price,
// not between dots.
fn is_separator_somewhere(c: char) -> bool {
    matches!(c, '\u{a5}' | '\u{20a9}')
}

// After NFKC, which makes full stops of U+FF0E, U+FE52, U+2024 to U+2026. The ideographic one is a dot to IDNA.
fn is_dot(c: char) -> bool {
    matches!(c, '.' | '\u{3002}')
}

// Characters that some file systems and filters take out of names (git CVE-2014-9390).
pub(super) fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// The byte that two hexadecimal digits stand for.
pub(crate) fn escaped(high: Option<u8>, low: Option<u8>) -> Option<u8> {
    let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
    let value = digit(high)?.checked_mul(16)?.checked_add(digit(low)?)?;
    u8::try_from(value).ok()
}

fn push_escape(byte: u8, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble & 0xf)).copied().unwrap_or(b'0');
    out.extend_from_slice(&[b'%', digit(byte >> 4), digit(byte)]);
}

#[cfg(test)]
mod tests;
