//! Parameters of a path by its template: `/orders/{id}.json` and `/files/{rest*}`.
//!
//! The matcher has decided that path and template fit; what is read here is only which part stands for which name. A
//! segment with more than one parameter says nothing of them: where one ends and the next begins is the matcher's business.

use crate::http::path::escaped;

/// The names that [`values`] can find.
pub(super) fn names(template: &str) -> Vec<&str> {
    template.split('/').filter_map(piece).map(|(_, name, _)| name).collect()
}

/// Name and value of each parameter, decoded once. One that is no UTF-8 is left out.
pub(super) fn values<'t>(template: &'t str, path: &str) -> Vec<(&'t str, String)> {
    let mut found = Vec::new();
    let mut rest = Some(path.strip_prefix('/').unwrap_or(path));
    for own in template.strip_prefix('/').unwrap_or(template).split('/') {
        let Some(left) = rest else { break };
        let Some((before, name, after)) = piece(own) else {
            rest = left.split_once('/').map(|(_, rest)| rest);
            continue;
        };
        let (segment, behind) = match left.split_once('/') {
            Some((segment, behind)) if !own.ends_with("*}") => (segment, Some(behind)),
            _ => (left, None),
        };
        rest = behind;
        let value = segment.strip_prefix(before).and_then(|value| value.strip_suffix(after));
        found.extend(value.and_then(decoded).map(|value| (name, value)));
    }
    found
}

/// What stands before a segment's one parameter, its name, and what stands after.
fn piece(segment: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = segment.split_once('{')?;
    let (name, after) = rest.split_once('}')?;
    (!after.contains('{')).then_some((before, name.trim_end_matches('*'), after))
}

fn decoded(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            out.push(escaped(bytes.next(), bytes.next())?);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::{names, values};

    #[test]
    fn each_name_stands_for_its_part() {
        for (template, path, expected) in [
            ("/orders", "/orders", &[][..]),
            ("/orders/{id}", "/orders/7", &[("id", "7")]),
            ("/a/{x}/b/{y}", "/a/1%2F2/b/%C3%A4", &[("x", "1/2"), ("y", "ä")]),
            ("/a/{x}.json", "/a/1.json", &[("x", "1")]),
            ("/a/v{x}/b", "/a/v2/b", &[("x", "2")]),
            ("/a/{rest*}", "/a/b/c", &[("rest", "b/c")]),
            ("/a/{rest*}", "/a", &[]),
            ("/a/{rest*}", "/a/", &[("rest", "")]),
            ("/a/{x}-{y}/{z}", "/a/1-2/3", &[("z", "3")]),
            ("/a/{x}", "/a/%ff", &[]),
        ] {
            let found = values(template, path);
            let found: Vec<(&str, &str)> =
                found.iter().map(|(name, value)| (*name, value.as_str())).collect();
            assert_eq!(found, expected, "{template} {path}");
        }
        assert_eq!(names("/a/{x}-{y}/{z}.json/{rest*}"), ["z", "rest"]);
    }
}
