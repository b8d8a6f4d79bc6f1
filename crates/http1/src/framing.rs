//! How the body behind a head ends (RFC 9112 §6.3).
//!
//! Where the RFC lets a recipient repair (Transfer-Encoding beats Content-Length, equal lengths count once),
//! this refuses: the peer on the other side may have repaired differently, and that is request smuggling.
//! A [`Framing::Length`] is a number; whoever writes the message anew writes the number, not the text received.

use crate::{Fields, Refusal, Repeated, RequestHead, ResponseHead, Version, octets};

/// How a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is none.
    None,
    /// After so many bytes.
    Length(u64),
    /// With the last chunk and the trailer section.
    Chunked,
    /// When the connection closes; responses only.
    UntilClose,
}

/// How the body of a request ends. A body may come with any method.
///
/// # Errors
/// Transfer-Encoding beside Content-Length, in HTTP/1.0, repeated or anything but `chunked`; Content-Length
/// repeated or anything but digits that fit 64 bits.
pub fn request_framing(head: &RequestHead) -> Result<Framing, Refusal> {
    Ok(announced(&head.fields, head.version)?.unwrap_or(Framing::None))
}

/// How the body of a response to a `request_method` request ends.
///
/// HEAD and 304 have no body whatever they announce; what they announce must still be well-formed. 1xx and 204
/// may announce nothing but a length of zero, which some servers cannot help. What follows a 2xx to CONNECT is
/// no body but a tunnel.
///
/// # Errors
/// As for requests, and when a status that allows no body announces one.
pub fn response_framing(head: &ResponseHead, request_method: &[u8]) -> Result<Framing, Refusal> {
    let announced = announced(&head.fields, head.version)?;
    let bodiless = matches!(head.status, 100..=199 | 204);
    if bodiless {
        return match announced {
            None | Some(Framing::Length(0)) => Ok(Framing::None),
            Some(_) => Err(Refusal::BodyNotAllowed),
        };
    }
    let tunnel = request_method == b"CONNECT" && matches!(head.status, 200..=299);
    if tunnel || head.status == 304 || request_method == b"HEAD" {
        return Ok(Framing::None);
    }
    Ok(announced.unwrap_or(Framing::UntilClose))
}

/// What the fields say; nothing when they are silent.
// PERF: what has neither field is told by two bits.
#[inline]
fn announced(fields: &Fields, version: Version) -> Result<Option<Framing>, Refusal> {
    match fields.may_have("transfer-encoding") || fields.may_have("content-length") {
        false => Ok(None),
        true => judge_announced(fields, version),
    }
}

fn judge_announced(fields: &Fields, version: Version) -> Result<Option<Framing>, Refusal> {
    match (fields.only("transfer-encoding"), fields.only("content-length")) {
        (Ok(None), Ok(None)) => Ok(None),
        (Ok(None), Ok(Some(length))) => read_length(length).map(|length| Some(Framing::Length(length))),
        (Ok(None), Err(Repeated)) => Err(Refusal::ContentLengthRepeated),
        (Ok(Some(_)) | Err(Repeated), Ok(Some(_)) | Err(Repeated)) => {
            Err(Refusal::TransferEncodingAndContentLength)
        }
        (Err(Repeated), Ok(None)) => Err(Refusal::TransferEncodingRepeated),
        // RFC 9112 §6.1: such a message is to be treated as if its framing were faulty.
        (Ok(Some(_)), Ok(None)) if version == Version::Http10 => Err(Refusal::TransferEncodingInHttp10),
        (Ok(Some(codings)), Ok(None)) => check_codings(codings).map(|()| Some(Framing::Chunked)),
    }
}

/// Only `chunked`. A list that ends in `chunked` is understood but not supported (501, RFC 9112 §6.1); any other
/// leaves the end of the body unknown (400, §6.3).
fn check_codings(codings: &[u8]) -> Result<(), Refusal> {
    let is_chunked = |coding: &[u8]| coding.eq_ignore_ascii_case(b"chunked");
    if is_chunked(codings) {
        return Ok(());
    }
    let mut below = codings.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
    let last = below.next_back().unwrap_or_default();
    let is_known_shape =
        |coding: &[u8]| !coding.is_empty() && !is_chunked(coding) && octets::is_token(coding);
    if is_chunked(last) && below.all(is_known_shape) {
        return Err(Refusal::TransferCodingNotSupported);
    }
    Err(Refusal::TransferEncodingInvalid)
}

/// `1*DIGIT` that fits.
fn read_length(digits: &[u8]) -> Result<u64, Refusal> {
    if digits.is_empty() {
        return Err(Refusal::ContentLengthInvalid);
    }
    digits
        .iter()
        .try_fold(0u64, |length, &byte| match byte {
            b'0'..=b'9' => length.checked_mul(10)?.checked_add(u64::from(byte.wrapping_sub(b'0'))),
            _ => None,
        })
        .ok_or(Refusal::ContentLengthInvalid)
}

#[cfg(test)]
mod tests;
