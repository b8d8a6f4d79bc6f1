//! `Content-Disposition` of a part (RFC 7578 §4.2): `form-data`, a name, for files a file name, and nothing else.
//!
//! SECURITY: of `filename="a"; filename*=UTF-8''b` one reader takes the first and one the second; in `"a\"b"` the
//! backslash is an escape to some and a byte of the name to others. What two readers would take for two names is refused.

use super::What;
use crate::media_type::{is_token, skip_space};

/// Most bytes of a name, and of a file name: the longest that file systems take.
const NAME_BYTES_MAX: usize = 255;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Disposition {
    pub(super) name: Box<str>,
    pub(super) file_name: Option<Box<str>>,
}

impl Disposition {
    pub(super) fn parse(value: &str) -> Result<Self, What> {
        let (kind, mut rest) = value.split_at(value.find([';', ' ', '\t']).unwrap_or(value.len()));
        if !kind.eq_ignore_ascii_case("form-data") {
            return Err(What::Disposition);
        }
        let (mut name, mut file_name) = (None, None);
        loop {
            rest = skip_space(rest);
            if rest.is_empty() {
                break;
            }
            rest = skip_space(rest.strip_prefix(';').ok_or(What::Disposition)?);
            let (key, behind) = rest.split_once('=').ok_or(What::Disposition)?;
            let (value, behind) = value_of(behind).ok_or(What::Disposition)?;
            let known = match () {
                () if key.eq_ignore_ascii_case("name") => &mut name,
                () if key.eq_ignore_ascii_case("filename") => &mut file_name,
                () => return Err(What::Disposition),
            };
            if known.replace(value).is_some() {
                return Err(What::Disposition);
            }
            rest = behind;
        }
        let name = name.filter(|name| is_name(name)).ok_or(What::Disposition)?;
        if file_name.is_some_and(|file_name| !is_file_name(file_name)) {
            return Err(What::FileName);
        }
        Ok(Self { name: name.into(), file_name: file_name.map(Into::into) })
    }
}

/// A token, or text in quotes without any escape; and what stands behind it.
fn value_of(text: &str) -> Option<(&str, &str)> {
    match text.strip_prefix('"') {
        Some(quoted) => quoted.split_once('"').filter(|(value, _)| !value.contains('\\')),
        None => {
            let (token, rest) = text.split_at(text.find([';', ' ', '\t']).unwrap_or(text.len()));
            is_token(token).then_some((token, rest))
        }
    }
}

fn is_name(name: &str) -> bool {
    // RFC 7578 §4.6: a part of this name changes what the text of the others means.
    !name.is_empty() && name.len() <= NAME_BYTES_MAX && name != "_charset_"
}

/// An empty one is what a browser sends where no file was chosen.
fn is_file_name(name: &str) -> bool {
    let encodes = |hex: &str| name.to_ascii_lowercase().contains(hex);
    name.len() <= NAME_BYTES_MAX
        && name != "."
        && name != ".."
        && !name.contains(['/', '\\'])
        && !["%2f", "%5c", "%00"].into_iter().any(encodes)
}
