//! Shapes of names: what may stand in labels, records and messages.

use std::fmt::Write;

/// Longest name of anything.
const NAME_CHARS_MAX: usize = 64;

/// What a name must look like, for a hint.
pub(super) const NAME_SHAPE: &str = "a name has letters, digits, `_`, `-` and `.`, begins with a letter or digit, and \
                                     has at most 64 characters";

/// Whether a text can name a listener, API, consumer and the like: it goes into labels and records.
pub(crate) fn is_name(text: &str) -> bool {
    text.len() <= NAME_CHARS_MAX
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
}

/// Whether a text can name a credential or an operation: it goes into records.
pub(crate) fn is_id(text: &str) -> bool {
    !text.is_empty() && text.len() <= 128 && !text.contains(char::is_control)
}

/// Whether a text can name a user: a colon ends it (RFC 7617).
pub(crate) fn is_user(text: &str) -> bool {
    !text.is_empty() && !text.contains(':') && !text.contains(char::is_control)
}

/// Whether a text can name a field (RFC 9110 §5.1).
pub(crate) fn is_field_name(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// Whether a text is one scope (RFC 6749 §3.3).
pub(crate) fn is_scope(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5B | 0x5D..=0x7E))
}

/// Whether a text holds PEM blocks (RFC 7468).
pub(super) fn is_pem(text: &str) -> bool {
    text.contains("-----BEGIN ") && text.contains("-----END ")
}

/// What is wrong with a host an API or certificate setting names, as a hint.
pub(super) fn host_fault(host: &str) -> Option<String> {
    let labels = host.strip_prefix("*.").unwrap_or(host);
    if host == "*" {
        return Some("leave `hosts` out to answer to every host that no other API claims".to_owned());
    }
    if labels.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Some(format!("write `{}`", host.to_ascii_lowercase()));
    }
    if labels.starts_with('[') || labels.parse::<std::net::IpAddr>().is_ok() {
        let bare = labels.trim_start_matches('[').trim_end_matches(']');
        let is_address = bare.parse::<std::net::IpAddr>().is_ok();
        return (!is_address || host.starts_with("*.")).then(|| "an address stands alone".to_owned());
    }
    if let Some((name, port)) = labels.rsplit_once(':')
        && port.bytes().all(|byte| byte.is_ascii_digit())
    {
        return Some(format!("leave the port out: `{name}`"));
    }
    if labels.contains("//") || labels.contains('/') {
        return Some("write the host name alone, without scheme and path".to_owned());
    }
    if labels.contains('*') {
        return Some("`*` stands for the first label alone: `*.example.com`".to_owned());
    }
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if labels.len() > 253 || !labels.split('.').all(is_label) {
        return Some("a host name such as `api.example.com`; other scripts in their `xn--` form".to_owned());
    }
    None
}

/// What is wrong with a base path, as a hint.
pub(super) fn base_path_fault(path: &str) -> Option<String> {
    if path == "/" {
        return None;
    }
    if !path.starts_with('/') {
        return Some(format!("write `/{path}`"));
    }
    if path.ends_with('/') {
        return Some(format!("write `{}`", path.trim_end_matches('/')));
    }
    for segment in path.split('/').skip(1) {
        match segment {
            "" => return Some("two slashes in a row are no path".to_owned()),
            "." | ".." => return Some(format!("`{segment}` is no segment")),
            _ => {}
        }
        // RFC 3986 §3.3 without escapes, which could be spelled in two ways, and without `;`.
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._~!$&'()*+,=:@".contains(c);
        if let Some(strange) = segment.chars().find(|c| !is_plain(*c)) {
            let mut hint = String::from("a base path has plain segments only: ");
            let _ = write!(hint, "`{}` is none of them", strange.escape_default());
            return Some(hint);
        }
    }
    None
}
