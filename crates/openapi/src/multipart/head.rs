//! The head of one part.

use super::What;
use super::disposition::Disposition;
use crate::media_type::is_token;

/// Most fields of the head of a part.
pub const PART_FIELDS_MAX: usize = 8;

/// What a part says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    disposition: Disposition,
    content_type: Option<Box<str>>,
    length: Option<u64>,
    others: Vec<Field>,
}

/// A field that is none of RFC 7578: only one that is declared may pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// In lower case.
    pub name: Box<str>,
    /// Without space around it.
    pub value: Box<str>,
}

impl Head {
    /// The name of what the part is a value of.
    pub fn name(&self) -> &str {
        &self.disposition.name
    }

    /// The name of its file, which makes it one.
    pub fn file_name(&self) -> Option<&str> {
        self.disposition.file_name.as_deref()
    }

    /// Its media type as written.
    pub fn content_type(&self) -> Option<&str> {
        self.content_type.as_deref()
    }

    /// How long it says it is; the parser holds it to that.
    pub fn length(&self) -> Option<u64> {
        self.length
    }

    /// Its other fields.
    pub fn others(&self) -> &[Field] {
        &self.others
    }

    pub(super) fn parse(lines: &[u8]) -> Result<Self, What> {
        let text = std::str::from_utf8(lines).map_err(|_| What::Head)?;
        let (mut disposition, mut content_type, mut length, mut encoding) = (None, None, None, None);
        let mut others: Vec<Field> = Vec::new();
        for (index, line) in text.split("\r\n").enumerate() {
            if index >= PART_FIELDS_MAX {
                return Err(What::HeadSize);
            }
            // A folded line begins with a space, which no name has. No control passes, a lone CR or LF among them.
            // SECURITY: a field `--boundary: ` would be a boundary to readers that look at line starts alone.
            let (name, value) = line.split_once(':').ok_or(What::Head)?;
            let value = value.trim_matches([' ', '\t']);
            if !is_token(name) || name.starts_with('-') || value.chars().any(|c| c.is_control() && c != '\t')
            {
                return Err(What::Head);
            }
            let name = name.to_ascii_lowercase();
            let known = match &*name {
                "content-disposition" => &mut disposition,
                "content-type" => &mut content_type,
                "content-length" => &mut length,
                "content-transfer-encoding" => &mut encoding,
                _ if others.iter().any(|other| *other.name == *name) => return Err(What::Head),
                _ => {
                    others.push(Field { name: name.into(), value: value.into() });
                    continue;
                }
            };
            if known.replace(value).is_some() {
                return Err(What::Head);
            }
        }
        // RFC 7578 §4.7: not to be used. These three change nothing.
        let changes_nothing =
            |value: &str| ["binary", "8bit", "7bit"].iter().any(|v| value.eq_ignore_ascii_case(v));
        if encoding.is_some_and(|encoding| !changes_nothing(encoding)) {
            return Err(What::TransferEncoding);
        }
        let disposition = Disposition::parse(disposition.ok_or(What::Disposition)?)?;
        Ok(Self {
            disposition,
            content_type: content_type.map(Into::into),
            length: length.map(count).transpose()?,
            others,
        })
    }
}

fn count(text: &str) -> Result<u64, What> {
    let is_count = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| is_count).ok_or(What::Head)
}
