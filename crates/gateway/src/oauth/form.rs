//! Forms and queries, written: `application/x-www-form-urlencoded` (WHATWG URL §5.2), with every byte escaped that could be
//! read in two ways.

use std::fmt::Write;

/// `name=value` pairs, joined.
pub fn encode(pairs: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, value) in pairs {
        if !text.is_empty() {
            text.push('&');
        }
        escape(name, &mut text);
        text.push('=');
        escape(value, &mut text);
    }
    text
}

/// A URL with more in its query.
pub fn with_query(url: &str, pairs: &[(&str, &str)]) -> String {
    let separator = if url.contains('?') { '&' } else { '?' };
    format!("{url}{separator}{}", encode(pairs))
}

/// One value, escaped.
pub fn escaped(value: &str) -> String {
    let mut text = String::new();
    escape(value, &mut text);
    text
}

fn escape(value: &str, text: &mut String) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            // Writing to a `String` does not fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{encode, with_query};

    #[test]
    fn every_byte_that_has_a_meaning_is_escaped() {
        assert_eq!(encode(&[("a b", "c&d=e+%é")]), "a%20b=c%26d%3De%2B%25%C3%A9");
        assert_eq!(with_query("https://idp/x?y=1", &[("a", "/")]), "https://idp/x?y=1&a=%2F");
        assert_eq!(with_query("https://idp/x", &[("a", "~")]), "https://idp/x?a=~");
    }
}
