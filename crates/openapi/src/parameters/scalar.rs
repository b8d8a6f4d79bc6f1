//! One piece of text as the value it spells.

use crate::schema::{Type, Types};
use crate::value::Builder;

use super::Wrong;

/// Writes `text` as the narrowest of the types that its spelling fits, else as a text; see [`super`].
pub fn put(text: &str, types: Types, out: &mut Builder) -> Result<(), Wrong> {
    if types == Types::ANY {
        return Ok(out.push_string(text)?);
    }
    match text {
        "true" if types.has(Type::Boolean) => return Ok(out.push_bool(true)?),
        "false" if types.has(Type::Boolean) => return Ok(out.push_bool(false)?),
        "" | "null" if types.has(Type::Null) && !types.has(Type::String) => return Ok(out.push_null()?),
        _ => {}
    }
    let is_number = types.has(Type::Integer) && is_number(text.as_bytes(), types.has(Type::Number));
    if is_number {
        out.push_number(text)?;
    } else {
        out.push_string(text)?;
    }
    Ok(())
}

/// Whether a text is a number of JSON (RFC 8259 §6), with fraction and exponent where `is_any`.
fn is_number(text: &[u8], is_any: bool) -> bool {
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let (whole, rest) = digits(text);
    if whole.is_empty() || (whole.len() > 1 && whole.first() == Some(&b'0')) {
        return false;
    }
    if rest.is_empty() || !is_any {
        return rest.is_empty();
    }
    let rest = match rest.strip_prefix(b".").map(digits) {
        Some((b"", _)) => return false,
        Some((_, rest)) => rest,
        None => rest,
    };
    let Some((b'e' | b'E', exponent)) = rest.split_first() else { return rest.is_empty() };
    let exponent = exponent.strip_prefix(b"-").or(exponent.strip_prefix(b"+")).unwrap_or(exponent);
    let (power, rest) = digits(exponent);
    !power.is_empty() && rest.is_empty()
}

fn digits(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or_default()
}
