//! What a token endpoint answers to us (RFC 6749 §5), in its one reading.
//!
//! # Limits
//! [`ANSWER_BYTES_MAX`] of an answer, [`TOKEN_BYTES_MAX`] of a token.

use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use portcullis_identity::json::{Limits, Object, Value, parse_object};

/// Most bytes of an answer.
pub const ANSWER_BYTES_MAX: usize = 64 << 10;
/// Most bytes of a token.
pub const TOKEN_BYTES_MAX: usize = 16 << 10;
/// How deeply an answer may be nested.
const DEPTH_MAX: usize = 8;
/// How long a token counts that does not say.
const LIFETIME: Duration = Duration::from_secs(60);
/// No token is believed to count for longer.
const LIFETIME_MAX: Duration = Duration::from_secs(86_400);

/// An answer with a token in it.
#[derive(Debug)]
pub struct Granted(Object);

/// Why there is no token.
#[derive(Debug)]
pub enum NotGranted {
    /// The server refuses, and says so by this code (RFC 6749 §5.2).
    Refused(String),
    /// Anything else.
    Failed(String),
}

impl Granted {
    /// Reads an answer.
    ///
    /// # Errors
    /// There is no token in it.
    pub fn read(answer: &Response<Bytes>) -> Result<Self, NotGranted> {
        let limits = Limits { bytes: ANSWER_BYTES_MAX, depth: DEPTH_MAX };
        let read = parse_object(answer.body(), limits);
        match (answer.status(), read) {
            (StatusCode::OK, Ok(members)) => Ok(Self(members)),
            (StatusCode::OK, Err(why)) => {
                Err(NotGranted::Failed(format!("the token endpoint's answer: {}", why.as_str())))
            }
            (
                status @ (StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN),
                Ok(members),
            ) => match members.get("error").and_then(Value::as_text).filter(|code| is_code(code)) {
                Some(code) => Err(NotGranted::Refused(code.to_owned())),
                None => Err(failed(status)),
            },
            (status, _) => Err(failed(status)),
        }
    }

    /// A member that is a text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_text)
    }

    /// The token, if it is one that a field may have (RFC 6750 §2.1).
    ///
    /// # Errors
    /// It is none.
    pub fn token(&self) -> Result<&str, String> {
        let token = self.text("access_token").filter(|token| is_token(token));
        token.ok_or_else(|| "the token endpoint gave no token".to_owned())
    }

    /// Whether it is good for whoever bears it.
    pub fn is_bearer(&self) -> bool {
        self.text("token_type").is_some_and(|kind| kind.eq_ignore_ascii_case("bearer"))
    }

    /// How long the token counts.
    ///
    /// # Errors
    /// It says so in no way that is one.
    pub fn lifetime(&self) -> Result<Duration, String> {
        let Some(value) = self.0.get("expires_in") else { return Ok(LIFETIME) };
        let seconds = value.as_number().and_then(|number| number.as_seconds());
        Ok(seconds.ok_or("`expires_in` is no time")?.min(LIFETIME_MAX))
    }
}

/// When a token that counts for `lifetime` is given up: what is on its way may arrive a little later.
pub fn used_for(lifetime: Duration) -> Duration {
    lifetime.saturating_sub(Duration::from_secs(1).min(lifetime.checked_div(10).unwrap_or_default()))
}

fn failed(status: StatusCode) -> NotGranted {
    NotGranted::Failed(format!("the token endpoint answered {}", status.as_u16()))
}

/// Whether a text can be an error code that is put into the log.
fn is_code(text: &str) -> bool {
    text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
}

/// RFC 6750 §2.1.
fn is_token(token: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    !token.is_empty() && token.len() <= TOKEN_BYTES_MAX && token.bytes().all(is_plain)
}
