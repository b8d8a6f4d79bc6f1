//! Lets a caller prove who it is with a user's name and password (RFC 7617).
//!
//! For clients that can do nothing better. The password's hash (argon2id) is computed on a bounded pool
//! ([`passwords`](crate::passwords)), and what was right is remembered for a while. Prefer keys: a password is short
//! enough to be guessed, and each guess costs the gateway more than whoever guesses.
//!
//! # Example
//! ```yaml
//! auth: { basic: {} }
//! ```
//!
//! # Order
//! Authenticate, after routing and screening. Only `Authorization` with the scheme `Basic` is looked at; another scheme
//! is nothing there.
//!
//! # Limits
//! Name and password are at most 512 bytes each. `bounds.passwords_waiting`, `bounds.passwords_remembered`.
//!
//! # Failure
//! Nothing there: the next alternative of `any_of`, else 401 `credential-missing`. No base 64, no UTF-8, control characters,
//! an unknown user, a wrong password, a user who has ended: 401 `credential-invalid`, after the same time for the last three.
//! No room to hash one more: 503 `passwords-busy`.
//!
//! # Threats
//! Guessing: `bounds.credential_failures`, by address. While an address is held back its right passwords are refused as
//! wrong ones are, remembered or not.

use std::borrow::Cow;
use std::sync::Arc;

use http::StatusCode;
use portcullis_http1::Fields;
use portcullis_identity::base64;

use super::{Kind, Phase};
use crate::callers::{Directory, Known, Scene};
use crate::http::Canonical;
use crate::passwords::{Nobody, Passwords};
use crate::pipeline::attempts::CREDENTIAL_ATTEMPTS_EXCEEDED;
use crate::pipeline::identified::{API_NOT_GRANTED, CREDENTIAL_INVALID, CREDENTIAL_MISSING};
use crate::pipeline::{Authenticator, Context, Glance, Presented, Routed, Step};
use crate::problem::{Blame, Problem, ProblemKind};
use crate::workers::Busy;

/// Its line in the list of policies.
pub const KIND: Kind = Kind {
    name: "basic",
    phase: Phase::Authenticate,
    problems: &[
        &CREDENTIAL_MISSING,
        &CREDENTIAL_INVALID,
        &API_NOT_GRANTED,
        &CREDENTIAL_ATTEMPTS_EXCEEDED,
        &PASSWORDS_BUSY,
    ],
};

/// No room or no time to find out whether a password is right.
pub const PASSWORDS_BUSY: ProblemKind = ProblemKind {
    code: "passwords-busy",
    status: StatusCode::SERVICE_UNAVAILABLE,
    title: "Too many passwords are being checked",
    blame: Blame::Gateway,
    severity: None,
    about: "So many passwords wait for their hash to be computed that this one would come too late (`bounds.passwords_waiting`). Nothing is said of the password. Try again later.",
};

/// The longest name and the longest password that are looked at.
const PART_BYTES_MAX: usize = 512;

/// Proves callers by name and password.
#[derive(Debug)]
pub struct Basic {
    callers: Arc<Directory>,
    passwords: Arc<Passwords>,
    nobody: Nobody,
}

/// A name and a password as presented.
#[derive(Debug, PartialEq, Eq)]
struct Pair {
    user: String,
    password: Vec<u8>,
}

impl Basic {
    /// Looks users up in `callers`.
    pub fn new(callers: Arc<Directory>, passwords: Arc<Passwords>, nobody: Nobody) -> Self {
        Self { callers, passwords, nobody }
    }

    async fn decide(&self, pair: Pair, request: &Routed<'_>, cx: &Context) -> Result<Presented, Busy> {
        let known = self.callers.by_user(&pair.user);
        let Pair { user, password } = pair;
        let bounds = &request.operation().bounds;
        let is_right = match known.as_ref().and_then(|known| known.password_hash()) {
            None => {
                self.passwords.verify(password, self.nobody.hash(), bounds).await?;
                false
            }
            Some(hash) => {
                let mark = self.passwords.mark(hash, &user, &password);
                let was_right = self.passwords.was_right(mark);
                if !was_right && self.passwords.verify(password, hash.into(), bounds).await? {
                    self.passwords.note_right(mark, bounds);
                    true
                } else {
                    was_right
                }
            }
        };
        Ok(self.judge(known.as_deref(), is_right, request, cx))
    }

    fn judge(&self, known: Option<&Known>, is_right: bool, request: &Routed, cx: &Context) -> Presented {
        let Some(known) = known else { return refused("no such user") };
        if !is_right {
            return refused("wrong password");
        }
        let scene = Scene { client: request.request().client(), peer: &cx.peer, now: cx.wall() };
        match known.prove(&scene) {
            Ok(proof) => Presented::Proven(proof),
            Err(why) => refused(why.as_str()),
        }
    }
}

/// What `Authorization` presents by this scheme; nothing under any other.
fn presented(fields: &Fields) -> Result<Option<Pair>, &'static str> {
    // One at most: more are no canonical request.
    let Some(value) = fields.first("authorization") else { return Ok(None) };
    let end = value.iter().position(|byte| *byte == b' ').unwrap_or(value.len());
    let (scheme, rest) = value.split_at_checked(end).unwrap_or_default();
    if !scheme.eq_ignore_ascii_case(b"basic") {
        return Ok(None);
    }
    let decoded = base64::decode_standard(rest.trim_ascii()).ok_or("no base 64")?;
    let text = String::from_utf8(decoded).map_err(|_| "not in UTF-8")?;
    // RFC 7617 §2: the first colon ends the name; control characters stand in neither.
    let (user, password) = text.split_once(':').ok_or("no colon")?;
    if user.len() > PART_BYTES_MAX || password.len() > PART_BYTES_MAX {
        return Err("longer than any name or password");
    }
    if text.contains(char::is_control) {
        return Err("has a control character");
    }
    Ok(Some(Pair { user: user.to_owned(), password: password.as_bytes().to_vec() }))
}

fn refused(reason: &'static str) -> Presented {
    let problem = CREDENTIAL_INVALID.with("the credential is not valid");
    Presented::refused(problem.because(format_args!("basic: {reason}")))
}

fn busy(Busy: Busy) -> Problem {
    PASSWORDS_BUSY.with("too many passwords are being checked; try again").field("retry-after", "1")
}

impl Authenticator for Basic {
    fn name(&self) -> &'static str {
        KIND.name
    }

    fn authenticate<'a>(&'a self, request: &'a Routed, cx: &'a mut Context) -> Step<'a, Presented> {
        match presented(request.request().fields()) {
            Ok(None) => Step::done(Presented::Absent),
            Err(reason) => Step::done(refused(reason)),
            Ok(Some(pair)) => Step::Later(Box::pin(async move {
                Ok(self.decide(pair, request, cx).await.unwrap_or_else(|full| Presented::refused(busy(full))))
            })),
        }
    }

    fn glance(&self, request: &Routed, _cx: &Context) -> Glance {
        match presented(request.request().fields()) {
            Ok(None) => Glance::Absent,
            Ok(Some(_)) | Err(_) => Glance::Unknown,
        }
    }

    fn challenge(&self, _request: &Routed) -> Cow<'_, str> {
        Cow::Borrowed("Basic realm=\"portcullis\", charset=\"UTF-8\"")
    }

    fn strip(&self, request: &mut Canonical) {
        let is_ours =
            |value: &[u8]| value.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"basic"));
        request.fields_mut().retain(|field| !(field.is("authorization") && is_ours(field.value)));
    }
}

#[cfg(test)]
mod tests {
    use portcullis_http1::Fields;

    use super::{Pair, presented};

    fn check(value: Option<&str>, expected: Result<Option<(&str, &str)>, &str>) {
        let mut fields = Fields::new();
        value.into_iter().for_each(|value| fields.push("Authorization", value));
        let expected = expected.map(|pair| {
            pair.map(|(user, password)| Pair { user: user.to_owned(), password: password.into() })
        });
        assert_eq!(presented(&fields), expected, "{value:?}");
    }

    #[test]
    fn a_name_and_a_password_are_read_as_rfc_7617_says() {
        check(None, Ok(None));
        check(Some("Bearer abc"), Ok(None));
        check(Some("Basicx YTpi"), Ok(None));
        check(Some("Basic YTpi"), Ok(Some(("a", "b"))));
        check(Some("bAsIc  YTpi"), Ok(Some(("a", "b"))));
        check(Some("Basic QWxhZGRpbjpvcGVuOnNlc2FtZQ=="), Ok(Some(("Aladdin", "open:sesame"))));
        check(Some("Basic dGVzdDoxMjPCow=="), Ok(Some(("test", "123\u{a3}"))));
        check(Some("Basic Og=="), Ok(Some(("", ""))));
        for (value, why) in [
            ("Basic", "no colon"),
            ("Basic YTp=", "no base 64"),
            ("Basic YTpi,", "no base 64"),
            ("Basic YWI=", "no colon"),
            ("Basic YTr/", "not in UTF-8"),
            ("Basic YToACg==", "has a control character"),
        ] {
            check(Some(value), Err(why));
        }
    }
}
