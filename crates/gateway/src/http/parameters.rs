//! Parameters of a query and cookies: read by name, and taken out without touching their neighbours.
//!
//! Both are texts within one text, and readers differ on how to take them apart. Here a query is a form
//! (WHATWG URL §5.1: pieces between `&`, names and values percent-encoded, `+` for a space), a `Cookie` field is pieces
//! between `;` (RFC 6265 §5.4), nothing decoded. Whoever reads a credential must see every piece of its name, in any
//! spelling, or another reader could take another one for it; whoever removes it must remove them all.

use std::borrow::Cow;

use portcullis_http1::Fields;
use portcullis_identity::form::decoded;

/// Each parameter of a query, name and value decoded, in order.
pub fn of_query(query: &str) -> impl Iterator<Item = (Cow<'_, [u8]>, Cow<'_, [u8]>)> {
    query.split('&').filter(|piece| !piece.is_empty()).map(|piece| {
        let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
        (decoded(name), decoded(value))
    })
}

/// A query without every parameter of this name; the others stand as they stood. `None` when nothing is left.
pub fn query_without(query: &str, name: &str) -> Option<String> {
    let is_other = |piece: &&str| {
        let own = piece.split_once('=').map_or(*piece, |(own, _)| own);
        piece.is_empty() || *decoded(own) != *name.as_bytes()
    };
    let kept = query.split('&').filter(is_other).collect::<Vec<_>>().join("&");
    (!kept.is_empty()).then_some(kept)
}

/// Each cookie of a message, name and value as they stand, in order.
pub fn cookies(fields: &Fields) -> impl Iterator<Item = (&[u8], &[u8])> {
    fields.all("cookie").flat_map(|value| value.split(|byte| *byte == b';')).filter_map(cookie)
}

/// Takes every cookie of this name out of a message; the others stand as they stood.
pub fn remove_cookie(fields: &mut Fields, name: &str) {
    remove_cookies(fields, |own| own == name.as_bytes());
}

/// Takes every cookie out of a message whose name `is_one`; the others stand as they stood.
pub fn remove_cookies(fields: &mut Fields, is_one: impl Fn(&[u8]) -> bool) {
    let is_other = |piece: &&[u8]| cookie(piece).is_none_or(|(own, _)| !is_one(own));
    if !cookies(fields).any(|(own, _)| is_one(own)) {
        return;
    }
    fields.rewrite("cookie", |value| {
        let kept: Vec<&[u8]> = value.split(|byte| *byte == b';').filter(is_other).collect();
        let kept = kept.join(&b';');
        let kept = kept.trim_ascii();
        (!kept.is_empty()).then(|| kept.to_vec())
    });
}

fn cookie(piece: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = piece.iter().position(|byte| *byte == b'=')?;
    let (name, value) = piece.split_at_checked(at)?;
    Some((name.trim_ascii(), value.get(1..)?.trim_ascii()))
}

#[cfg(test)]
mod tests {
    use portcullis_http1::Fields;

    use super::{cookies, of_query, query_without, remove_cookie};

    #[test]
    fn a_parameter_is_found_in_every_spelling() {
        let names = |query| of_query(query).filter(|(name, _)| **name == *b"key").count();
        for (query, count) in [
            ("", 0),
            ("key", 1),
            ("key=", 1),
            ("a=key", 0),
            ("Key=1", 0),
            ("key=1&key=2", 2),
            ("k%65y=1&&%6bey", 2),
            ("key=1;key=2", 1),
            ("key%=1&%key", 0),
        ] {
            assert_eq!(names(query), count, "{query}");
        }
        let values: Vec<_> = of_query("key=a%2Bb+c%zz=d").map(|(_, value)| value.into_owned()).collect();
        assert_eq!(values, [b"a+b c%zz=d".to_vec()]);
    }

    #[test]
    fn what_is_left_of_a_query_stands_as_it_stood() {
        for (query, left) in [
            ("key=1", None),
            ("a=1&key=2&b=%41", Some("a=1&b=%41")),
            ("k%65y=1&a", Some("a")),
            ("a&&b=1&key", Some("a&&b=1")),
            ("a=1", Some("a=1")),
        ] {
            assert_eq!(query_without(query, "key").as_deref(), left, "{query}");
        }
    }

    #[test]
    fn what_is_left_of_the_cookies_stands_as_it_stood() {
        for (lines, left) in [
            (&["key=1"][..], &[][..]),
            (&["a=1; key=2; b=3"], &["a=1; b=3"]),
            (&["key=1; a=\"x y\"", "b=2"], &["a=\"x y\"", "b=2"]),
            (&["a=1;key =2", "key=3"], &["a=1"]),
            (&["Key=1; akey=2; keys=3; key"], &["Key=1; akey=2; keys=3; key"]),
        ] {
            let mut fields = Fields::new();
            for line in lines {
                fields.push("Cookie", line);
            }
            fields.push("accept", "*/*");
            remove_cookie(&mut fields, "key");
            let all: Vec<_> = fields.all("cookie").map(|v| String::from_utf8_lossy(v).into_owned()).collect();
            assert_eq!(all, left, "{lines:?}");
            assert!(cookies(&fields).all(|(name, _)| name != b"key"));
            assert_eq!(fields.iter().next_back().map(|field| field.name), Some(&b"accept"[..]));
        }
    }
}
