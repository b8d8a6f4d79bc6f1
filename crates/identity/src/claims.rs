//! What a verified token or an introspection answer says, with the types it must have.
//!
//! A registered claim of the wrong type is a fault, not an absence: `"exp": "never"` is no token without an end.

use std::time::Duration;

use crate::json::{Object, Value};

/// Claims whose registered members have their types.
// Invariant: what the methods below look up was found to have its type when it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    members: Object,
    scopes: Box<[Box<str>]>,
    times: [Option<Duration>; 3],
}

/// A claim has a type it may not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrongType(
    /// Which claim.
    pub &'static str,
);

const TEXTS: [&str; 4] = ["iss", "sub", "jti", "client_id"];

impl Claims {
    /// Judges the types of registered claims (RFC 7519 §4.1, RFC 8693 §4.2, RFC 7800 §3.1).
    pub fn new(members: Object) -> Result<Self, WrongType> {
        for name in TEXTS {
            if members.get(name).is_some_and(|value| value.as_text().is_none()) {
                return Err(WrongType(name));
            }
        }
        if let Some(audience) = members.get("aud")
            && audience.as_text().is_none()
            && audience.as_texts().is_none()
        {
            return Err(WrongType("aud"));
        }
        let time = |name: &'static str| match members.get(name) {
            None => Ok(None),
            Some(value) => {
                let seconds = value.as_number().and_then(|number| number.as_seconds());
                seconds.map(Some).ok_or(WrongType(name))
            }
        };
        let times = [time("exp")?, time("nbf")?, time("iat")?];
        let scopes = read_scopes(&members)?;
        if let Some(confirmation) = members.get("cnf") {
            let confirmation = confirmation.as_object().ok_or(WrongType("cnf"))?;
            for name in ["jkt", "x5t#S256"] {
                if confirmation.get(name).is_some_and(|value| value.as_text().is_none()) {
                    return Err(WrongType("cnf"));
                }
            }
        }
        Ok(Self { members, scopes, times })
    }

    /// Who issued it.
    pub fn issuer(&self) -> Option<&str> {
        self.members.get("iss").and_then(Value::as_text)
    }

    /// Whom it is about.
    pub fn subject(&self) -> Option<&str> {
        self.members.get("sub").and_then(Value::as_text)
    }

    /// The client it was issued to.
    pub fn client(&self) -> Option<&str> {
        self.members.get("client_id").and_then(Value::as_text)
    }

    /// Its own name.
    pub fn id(&self) -> Option<&str> {
        self.members.get("jti").and_then(Value::as_text)
    }

    /// Whom it is for.
    pub fn audience(&self) -> impl Iterator<Item = &str> {
        let audience = self.members.get("aud");
        let one = audience.and_then(Value::as_text);
        let many = audience.and_then(Value::as_array).unwrap_or_default();
        one.into_iter().chain(many.iter().filter_map(Value::as_text))
    }

    /// What it may be used for: the words of `scope`, or its elements, else those of `scp`.
    pub fn scopes(&self) -> &[Box<str>] {
        &self.scopes
    }

    /// When it ends, since 1970.
    pub fn expires(&self) -> Option<Duration> {
        self.times.first().copied().flatten()
    }

    /// When it begins, since 1970.
    pub fn not_before(&self) -> Option<Duration> {
        self.times.get(1).copied().flatten()
    }

    /// When it was issued, since 1970.
    pub fn issued(&self) -> Option<Duration> {
        self.times.get(2).copied().flatten()
    }

    /// What a presenter must prove to hold (RFC 7800): `cnf`.
    pub fn confirmation(&self) -> Option<&Object> {
        self.members.get("cnf").and_then(Value::as_object)
    }

    /// The thumbprint of the key that a DPoP proof must be of (RFC 9449 §6.1).
    pub fn key_thumbprint(&self) -> Option<&str> {
        self.confirmation()?.get("jkt").and_then(Value::as_text)
    }

    /// The SHA-256 of the certificate that the presenter must use (RFC 8705 §3.1).
    pub fn certificate_thumbprint(&self) -> Option<&str> {
        self.confirmation()?.get("x5t#S256").and_then(Value::as_text)
    }

    /// The value at `path`: the name of a claim, or, when it begins with a slash, a JSON pointer (RFC 6901) such as
    /// `/realm_access/roles`.
    pub fn get(&self, path: &str) -> Option<&Value> {
        let Some(pointer) = path.strip_prefix('/') else { return self.members.get(path) };
        let mut steps = pointer.split('/');
        let mut value = self.members.get(&unescaped(steps.next()?))?;
        for step in steps {
            value = match value {
                Value::Object(object) => object.get(&unescaped(step))?,
                Value::Array(values) => values.get(position(step)?)?,
                _ => return None,
            };
        }
        Some(value)
    }

    /// The strings at `path`, when there is one string or an array of nothing else: roles, groups.
    pub fn texts(&self, path: &str) -> Option<Vec<&str>> {
        let value = self.get(path)?;
        match value.as_text() {
            Some(text) => Some(vec![text]),
            None => value.as_texts().map(Iterator::collect),
        }
    }

    /// All members.
    pub fn members(&self) -> &Object {
        &self.members
    }
}

fn read_scopes(members: &Object) -> Result<Box<[Box<str>]>, WrongType> {
    let read = |name: &'static str| match members.get(name) {
        None => Ok(None),
        Some(Value::Text(text)) => Ok(Some(words(text))),
        Some(value) => match value.as_texts() {
            Some(texts) => Ok(Some(texts.flat_map(str::split_ascii_whitespace).map(Into::into).collect())),
            None => Err(WrongType(name)),
        },
    };
    let (scope, scp) = (read("scope")?, read("scp")?);
    Ok(scope.or(scp).unwrap_or_default())
}

fn words(text: &str) -> Box<[Box<str>]> {
    text.split_ascii_whitespace().map(Into::into).collect()
}

fn unescaped(step: &str) -> String {
    step.replace("~1", "/").replace("~0", "~")
}

fn position(step: &str) -> Option<usize> {
    let is_plain = step == "0" || step.bytes().next().is_some_and(|first| matches!(first, b'1'..=b'9'));
    if is_plain { step.parse().ok() } else { None }
}

#[cfg(test)]
mod tests;
