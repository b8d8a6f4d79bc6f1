//! What an authorizer says, as far as it may say it.

use bytes::Bytes;
use http::StatusCode;
use portcullis_http1::{Fields, is_token};

use super::SAID_BYTES_MAX;
use super::spec::AuthorizerSpec;
use crate::pipeline::Changes;

/// What comes of a question.
#[derive(Debug)]
pub enum Ruling {
    /// The request may go on, so changed.
    Allowed(Changes),
    /// It may not.
    Denied(Box<Denial>),
    /// Nobody has answered.
    Away(String),
    /// What was answered is not understood, or nobody could be asked.
    Unclear(String),
}

/// What a client is told whose request was refused.
#[derive(Debug)]
pub struct Denial {
    /// The status: a redirection, 400 to 499, or in gRPC to 599.
    pub status: StatusCode,
    /// The fields.
    pub fields: Fields,
    /// The content.
    pub body: Bytes,
}

/// Why an answer does not count.
pub type Unclear = String;

/// Fields that clients are told of a refusal, whatever is configured.
const ABOUT_A_REFUSAL: &[&str] = &["content-type", "location", "retry-after", "www-authenticate"];

/// Beginnings of names that say what content is: without them the body has another meaning.
const ABOUT_CONTENT: &[&str] = &["content-", "sec-websocket-"];

/// Names that one answer may take out.
const REMOVED_MAX: usize = 100;

/// Fields that an authorizer says, taken up one by one, and judged.
#[derive(Debug, Default)]
pub(super) struct Said {
    fields: Fields,
    bytes: usize,
}

impl Said {
    /// Takes a field up.
    pub(super) fn add(&mut self, name: &str, value: &[u8]) -> Result<(), Unclear> {
        self.bytes = self.bytes.saturating_add(name.len()).saturating_add(value.len());
        if self.bytes > SAID_BYTES_MAX {
            return Err(format!("it says more than {SAID_BYTES_MAX} bytes of fields"));
        }
        if !is_value(value) {
            return Err(format!("the value of `{name}` has characters that no field may have"));
        }
        self.fields.push(name, value);
        Ok(())
    }

    /// Whether something of this name was taken up.
    pub(super) fn has(&self, name: &str) -> bool {
        self.fields.has(name)
    }

    /// Forgets what was taken up under this name.
    pub(super) fn forget(&mut self, name: &str) {
        self.fields.remove(name);
    }

    pub(super) fn into_fields(self) -> Fields {
        self.fields
    }
}

impl AuthorizerSpec {
    /// Whether it may say a field of this name, in lower case, to a backend.
    pub(super) fn says_to_backend(&self, name: &str) -> bool {
        self.to_backend.iter().any(|own| **own == *name)
    }

    /// Whether it may add a field of this name, in lower case, to the backend's answer.
    pub(super) fn says_with_answer(&self, name: &str) -> bool {
        self.with_answer.iter().any(|own| **own == *name)
    }

    /// Whether it may say a field of this name, in lower case, to a client.
    pub(super) fn says_to_client(&self, name: &str) -> bool {
        ABOUT_A_REFUSAL.contains(&name) || self.to_client.iter().any(|own| **own == *name)
    }
}

/// The names that a request is to lose.
pub(super) fn removed<'a>(names: impl Iterator<Item = &'a str>) -> Result<Vec<Box<str>>, Unclear> {
    let mut removed: Vec<Box<str>> = Vec::new();
    for name in names {
        if removed.len() >= REMOVED_MAX {
            return Err(format!("it takes out more than {REMOVED_MAX} fields"));
        }
        let name = name.to_ascii_lowercase();
        let folded = name.replace(['_', '.'], "-");
        if name.is_empty()
            || !is_token(name.as_bytes())
            || ABOUT_CONTENT.iter().any(|start| folded.starts_with(start))
        {
            return Err("it takes out a field that cannot be taken out".to_owned());
        }
        removed.push(name.into());
    }
    Ok(removed)
}

/// The status of a refusal, if it can be one; `most` is the greatest.
pub(super) fn refusing(status: u64, most: u64) -> Result<StatusCode, Unclear> {
    let is_refusing = matches!(status, 301 | 302 | 303 | 307 | 308) || (400..=most).contains(&status);
    let status = u16::try_from(status).ok().filter(|_| is_refusing);
    status
        .and_then(|status| StatusCode::from_u16(status).ok())
        .ok_or_else(|| "its status neither lets pass nor refuses".to_owned())
}

/// Whether a value stays within its line (RFC 9110 §5.5), and begins and ends with something.
fn is_value(value: &[u8]) -> bool {
    let is_edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_whitespace);
    !is_edge(value.first())
        && !is_edge(value.last())
        && value.iter().all(|byte| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f))
}

#[cfg(test)]
mod tests {
    use super::{Said, refusing, removed};

    #[test]
    fn a_value_stays_within_its_line() {
        let mut said = Said::default();
        for good in ["", "a", "a b", "a\tb", "ä"] {
            assert_eq!(said.add("x-a", good.as_bytes()), Ok(()), "{good:?}");
        }
        for bad in ["a\r\nx: y", "a\n", " a", "a ", "\0", "a\u{7f}", "\t"] {
            assert!(said.add("x-a", bad.as_bytes()).is_err(), "{bad:?}");
        }
        assert_eq!(said.into_fields().all("x-a").count(), 5);
    }

    #[test]
    fn what_is_said_has_an_end() {
        let mut said = Said::default();
        let value = [b'a'; 4096];
        let taken = (0..10).take_while(|_| said.add("x-a", &value).is_ok()).count();
        assert_eq!(taken, 3);
    }

    #[test]
    fn content_keeps_what_it_is() {
        let names = |names: &[&'static str]| removed(names.iter().copied());
        assert_eq!(names(&["Authorization", "x-a"]), Ok(vec!["authorization".into(), "x-a".into()]));
        for bad in ["content-type", "Content_Encoding", ":path", "", "a b", "x\r\ny", "sec-websocket-key"] {
            assert!(names(&[bad]).is_err(), "{bad:?}");
        }
        assert!(removed(std::iter::repeat_n("a", 101)).is_err());
    }

    #[test]
    fn only_some_statuses_refuse() {
        for status in [301, 302, 303, 307, 308, 400, 401, 403, 429, 499] {
            assert!(refusing(status, 499).is_ok(), "{status}");
        }
        for status in [0, 100, 101, 199, 200, 204, 206, 300, 304, 399, 500, 600, 1000, u64::MAX] {
            assert!(refusing(status, 499).is_err(), "{status}");
        }
        assert!(refusing(503, 599).is_ok());
    }
}
