//! Absolute names: what a relative reference means beside one (RFC 3986 §5.2).

/// Where a document stands that has no name of its own: its path below the root document's folder.
pub(super) const FOLDER: &str = "folder:/";

/// The absolute form of a reference without its fragment.
pub(super) fn resolve(base: &str, reference: &str) -> String {
    if scheme(reference).is_some() {
        return reference.to_owned();
    }
    let Some(base_scheme) = scheme(base) else { return reference.to_owned() };
    let rest = base.get(base_scheme.len().saturating_add(1)..).unwrap_or_default();
    if reference.starts_with("//") {
        return format!("{base_scheme}:{reference}");
    }
    let (authority, path) = match rest.strip_prefix("//") {
        Some(rest) => {
            let end = rest.find('/').unwrap_or(rest.len());
            (rest.get(..end).map(|authority| format!("//{authority}")).unwrap_or_default(), rest.get(end..))
        }
        None => (String::new(), Some(rest)),
    };
    let path = path.unwrap_or_default();
    let path = path.split('?').next().unwrap_or_default();
    let joined = if reference.is_empty() {
        path.to_owned()
    } else if reference.starts_with('/') {
        merged("", reference)
    } else {
        let folder = path.rfind('/').and_then(|end| path.get(..end)).unwrap_or_default();
        merged(folder, reference)
    };
    format!("{base_scheme}:{authority}{joined}")
}

/// A path below a folder, without dots.
fn merged(folder: &str, path: &str) -> String {
    let mut segments: Vec<&str> = folder.split('/').filter(|segment| !segment.is_empty()).collect();
    for segment in path.trim_start_matches('/').split('/') {
        match segment {
            "." => {}
            ".." => {
                segments.pop();
            }
            other => segments.push(other),
        }
    }
    format!("/{}", segments.join("/"))
}

fn scheme(text: &str) -> Option<&str> {
    let (scheme, _) = text.split_once(':')?;
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    is_scheme.then_some(scheme)
}

#[cfg(test)]
mod tests {
    use super::resolve;

    #[test]
    fn references_are_relative_to_the_last_folder() {
        for (base, reference, expected) in [
            ("folder:/a/b.yaml", "c.yaml", "folder:/a/c.yaml"),
            ("folder:/a/b.yaml", "../c.yaml", "folder:/c.yaml"),
            ("http://x.example/a/b", "c", "http://x.example/a/c"),
            ("http://x.example/a/b/", "c", "http://x.example/a/b/c"),
            ("http://x.example/a/b", "/c", "http://x.example/c"),
            ("http://x.example", "c", "http://x.example/c"),
            ("http://x.example/a", "urn:b", "urn:b"),
            ("http://x.example/a", "//y.example/b", "http://y.example/b"),
            ("urn:uuid:1", "", "urn:uuid:1"),
        ] {
            assert_eq!(resolve(base, reference), expected, "{base} {reference}");
        }
    }
}
