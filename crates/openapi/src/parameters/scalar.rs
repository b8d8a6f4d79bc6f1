//! One piece of text as the value it spells.

use crate::schema::{Type, Types};
use crate::value::{Builder, Number};

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
    // With fraction and exponent only where not just integers are meant.
    let fits = |number: Number<'_>| types.has(Type::Number) || number.is_written_as_integer();
    if types.has(Type::Integer) && Number::parse(text).is_some_and(fits) {
        out.push_number(text)?;
    } else {
        out.push_string(text)?;
    }
    Ok(())
}
