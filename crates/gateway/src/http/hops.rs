//! How far a request has come, and how far it may go.
//!
//! Each gateway adds itself to `Via` (RFC 9110 §7.6.3). A backend that leads back to its gateway makes a request go in
//! circles, each round with connections of its own; whoever finds its own name in `Via` too often ends that. Several
//! gateways in a row are no circle, so once is not too often: `bounds.hops`.

use http::Method;
use portcullis_http1::Fields;

use super::connection::list;
use super::{Canonical, Malformed};

/// The name a gateway gives itself in `Via`.
pub const PSEUDONYM: &str = "portcullis";

/// How many gateways of our name a request has passed.
pub fn passed(fields: &Fields) -> usize {
    if !fields.has("via") {
        return 0;
    }
    // Protocol, name, and perhaps a comment.
    let name = |entry: &'_ [u8]| {
        let mut words = entry.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        words.nth(1).is_some_and(|name| name.eq_ignore_ascii_case(PSEUDONYM.as_bytes()))
    };
    list(fields, "via").filter(|entry| name(entry)).count()
}

/// Counts this hop against the `Max-Forwards` of an OPTIONS request (RFC 9110 §7.6.2; TRACE never passes, and for any
/// other method it means nothing). Says whether the request may go on.
pub fn spend(request: &mut Canonical) -> Result<bool, Malformed> {
    const NAME: &str = "max-forwards";
    if *request.method() != Method::OPTIONS {
        return Ok(true);
    }
    let Some(value) = request.fields().first(NAME) else { return Ok(true) };
    let left = std::str::from_utf8(value).ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
    let left: u32 = left.and_then(|text| text.parse().ok()).ok_or(Malformed::MaxForwards)?;
    let Some(left) = left.checked_sub(1) else { return Ok(false) };
    request.fields_mut().set(NAME, left.to_string());
    Ok(true)
}
