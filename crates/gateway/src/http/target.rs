//! The request target: its form, and the query (RFC 9112 §3.2).
//!
//! Origin-form, absolute-form and, for OPTIONS, asterisk-form. Authority-form belongs to CONNECT, which never
//! passes. A fragment is never sent by a client that follows RFC 9110 §7.1; HAProxy CVE-2023-45539 is what
//! happens when one part of a system cuts it and another does not.

use http::Method;

use super::{Malformed, Wire, path::escaped};

/// A request target, taken apart but not yet judged in its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target<'a> {
    /// Scheme and authority of an absolute-form target.
    pub(super) absolute: Option<Absolute<'a>>,
    /// From the first slash to the query; `*` in asterisk-form.
    pub(super) path: &'a [u8],
    /// What follows the first question mark.
    pub(super) query: Option<&'a [u8]>,
}

/// What an absolute-form target says besides path and query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Absolute<'a> {
    pub(super) scheme: &'static str,
    pub(super) authority: &'a [u8],
}

impl<'a> Target<'a> {
    pub(super) fn parse(target: &'a [u8], method: &Method, wire: Wire) -> Result<Self, Malformed> {
        if target.first() == Some(&b'/') {
            let (path, query) = split_query(target);
            return Ok(Self { absolute: None, path, query });
        }
        if target == b"*" && *method == Method::OPTIONS {
            return Ok(Self { absolute: None, path: b"*", query: None });
        }
        // RFC 9113 §8.3.1: `:path` is never absolute.
        if wire == Wire::Http2 {
            return Err(Malformed::TargetForm);
        }
        let (scheme, rest) = split_scheme(target)?;
        let end = rest.iter().position(|b| matches!(b, b'/' | b'?' | b'#')).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at_checked(end).unwrap_or_default();
        let absolute = Some(Absolute { scheme, authority });
        let (path, query) = split_query(rest);
        Ok(match (path, query) {
            // RFC 9112 §3.2.4: OPTIONS of a URI without path and query is OPTIONS of the server.
            (b"", None) if *method == Method::OPTIONS => Self { absolute, path: b"*", query },
            (b"", _) => Self { absolute, path: b"/", query },
            _ => Self { absolute, path, query },
        })
    }
}

/// Judges a query. It is kept byte for byte: what its escapes mean is for those who read parameters.
///
/// All visible ASCII passes, brackets and braces included, because browsers send them. With `stray_percent` a
/// percent sign may stand without two digits; readers take it literally, drop it, or fail.
pub(super) fn judge_query(query: &[u8], stray_percent: bool) -> Result<(), Malformed> {
    if !portcullis_http1::is_target(query) {
        let is_visible = query.iter().all(u8::is_ascii_graphic);
        return Err(if is_visible { Malformed::TargetFragment } else { Malformed::QueryCharacter });
    }
    if !stray_percent && query.contains(&b'%') {
        let mut bytes = query.iter().copied();
        while let Some(byte) = bytes.next() {
            if byte == b'%' && escaped(bytes.next(), bytes.next()).is_none() {
                return Err(Malformed::QueryEscape);
            }
        }
    }
    Ok(())
}

fn split_query(target: &[u8]) -> (&[u8], Option<&[u8]>) {
    match target.iter().position(|b| *b == b'?') {
        None => (target, None),
        Some(at) => {
            let (path, rest) = target.split_at_checked(at).unwrap_or_default();
            (path, rest.get(1..))
        }
    }
}

// RFC 3986 §3.1: schemes have no case. Only the schemes of the gateway itself.
fn split_scheme(target: &[u8]) -> Result<(&'static str, &[u8]), Malformed> {
    for (scheme, prefix) in [("http", &b"http://"[..]), ("https", b"https://")] {
        if let Some((start, rest)) = target.split_at_checked(prefix.len())
            && start.eq_ignore_ascii_case(prefix)
        {
            return Ok((scheme, rest));
        }
    }
    Err(Malformed::TargetForm)
}

#[cfg(test)]
mod tests;
