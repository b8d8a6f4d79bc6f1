//! The text of a `$ref`: a file below the root document's folder, and a JSON Pointer into it.

use std::borrow::Cow;

/// A reference as written, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reference<'r> {
    /// The document's path below the root's folder.
    pub(super) document: Cow<'r, str>,
    /// A JSON Pointer (RFC 6901): empty, or beginning with `/`.
    pub(super) pointer: Cow<'r, str>,
    /// The same, percent-encoded as written.
    pub(super) fragment: &'r str,
}

/// Why a reference is not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    #[error("references to other hosts or absolute paths are not followed")]
    Absolute,
    #[error("leads out of the root document's folder")]
    Outside,
    #[error("is not a relative reference to a file")]
    Malformed,
    #[error("only a JSON Pointer may stand behind `#`, such as `#/components/parameters/id`")]
    Fragment,
}

impl Fault {
    pub(super) fn hint(self) -> &'static str {
        match self {
            Self::Absolute => {
                "keep a copy of the document beside this one and refer to it by its relative path"
            }
            Self::Outside => "move the document into the root document's folder",
            Self::Malformed => "write `file.yaml#/path/to/it`, with `/` between folders",
            Self::Fragment => "a JSON Pointer begins with `/`; write `~1` for a `/` within a key",
        }
    }
}

impl<'r> Reference<'r> {
    /// Reads a reference that stands in the document `base`, which may have a name of its own (3.2 `$self`).
    pub(super) fn parse(text: &'r str, base: &'r str, own_name: Option<&str>) -> Result<Self, Fault> {
        let (file, fragment) = text.split_once('#').unwrap_or((text, ""));
        let file = if Some(file) == own_name { "" } else { file };
        let pointer = decode(fragment).ok_or(Fault::Fragment)?;
        if !pointer.is_empty() && !pointer.starts_with('/') {
            return Err(Fault::Fragment);
        }
        let document = if file.is_empty() { Cow::Borrowed(base) } else { Cow::Owned(join(base, file)?) };
        Ok(Self { document, pointer, fragment })
    }
}

/// RFC 3986 §5.2, for relative paths only.
fn join(base: &str, file: &str) -> Result<String, Fault> {
    let is_scheme =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    if file.starts_with('/') || file.split_once(':').is_some_and(|(scheme, _)| is_scheme(scheme)) {
        return Err(Fault::Absolute);
    }
    let mut segments: Vec<Cow<'_, str>> = base.split('/').map(Cow::Borrowed).collect();
    segments.pop();
    for segment in file.split('/') {
        let segment = decode(segment).ok_or(Fault::Malformed)?;
        match &*segment {
            "." => {}
            ".." => {
                segments.pop().ok_or(Fault::Outside)?;
            }
            // SECURITY: an escaped separator would be one more folder for the system than for this check.
            text if text.is_empty() || text.contains(['/', '\\', '?']) || text.contains(char::is_control) => {
                return Err(Fault::Malformed);
            }
            _ => segments.push(segment),
        }
    }
    // `a/..` and `.` name a folder.
    if segments.is_empty() || file.ends_with("/.") || file.ends_with("/..") || file == "." || file == ".." {
        return Err(Fault::Malformed);
    }
    Ok(segments.join("/"))
}

/// Percent-decodes; nothing for a broken escape or for what is not UTF-8 then.
pub(super) fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text));
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let (high, low) = (digit(bytes.next()?)?, digit(bytes.next()?)?);
            decoded.push((high << 4) | low);
        } else {
            decoded.push(byte);
        }
    }
    String::from_utf8(decoded).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests;
