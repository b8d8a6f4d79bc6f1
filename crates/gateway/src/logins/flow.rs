//! The authorization code flow (OpenID Connect Core 1.0 §3.1, RFC 6749 §4.1, RFC 7636, RFC 9207), from the first redirect
//! to the session.
//!
//! A login under way is one cookie, sealed, that only the browser has which began it: the state, the nonce, the PKCE
//! verifier, the redirect URI and where the user wanted to go. Its name is made of the state, so that logins in several
//! tabs do not disturb each other. The answer of the provider counts only with it, in time, and once.
//!
//! # Limits
//! A login takes at most [`LASTS`]; a browser has [`UNDER_WAY_MAX`] of them, the oldest goes first; a place to go back to
//! has [`TARGET_BYTES_MAX`], else its query is left out, or it is the API's first page: all cookies together must fit into one line of
//! a head. A code has [`CODE_BYTES_MAX`].

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use portcullis_http1::Fields;
use portcullis_identity::base64::encode_url;
use portcullis_identity::json::{self, Limits, Object, Value};

use super::session::Session;
use super::tokens::{Expected, is_same};
use super::{Failed, Login, cookies};
use crate::http::parameters;
use crate::oauth::form;
use crate::secret::random_bytes;

/// How long a login may take.
pub const LASTS: Duration = Duration::from_secs(600);
/// Logins one browser has under way.
pub const UNDER_WAY_MAX: usize = 5;
/// Bytes of a place to go back to.
pub const TARGET_BYTES_MAX: usize = 600;
/// Bytes of a code.
pub const CODE_BYTES_MAX: usize = 4 << 10;
/// Bytes of any other parameter that a provider answers with.
const PARAMETER_BYTES_MAX: usize = 1 << 10;
/// What a login under way may be, unsealed.
const LIMITS: Limits = Limits { bytes: 8 << 10, depth: 2 };

/// Where a browser is sent, and the cookies that go with it.
#[derive(Debug)]
pub struct Sent {
    /// Where.
    pub location: String,
    /// Lines of `Set-Cookie`.
    pub cookies: Vec<String>,
}

/// A login under way, as its browser keeps it.
struct UnderWay {
    state: Box<str>,
    nonce: Box<str>,
    verifier: Box<str>,
    redirect_uri: Box<str>,
    target: Box<str>,
    begun: Duration,
}

/// What a provider answers with.
#[derive(Default)]
struct Answer {
    state: Option<String>,
    code: Option<String>,
    issuer: Option<String>,
    has_failed: bool,
}

impl Login {
    /// Sends a browser to the provider. It comes back to `redirect_uri`, and then goes to `target`, a path of the same
    /// origin. `fields` are those of its request.
    ///
    /// # Errors
    /// There is nothing to be sent to.
    pub fn send_away(
        &self,
        redirect_uri: &str,
        target: &str,
        fields: &Fields,
        now: Duration,
    ) -> Result<Sent, Failed> {
        let ready = self.ready().map_err(Failed::Unavailable)?;
        let no_random = || Failed::Unavailable("the system gives no random bytes".to_owned());
        let text =
            || random_bytes::<32>().map(|bytes| encode_url(&bytes).into_boxed_str()).ok_or_else(no_random);
        let begun = UnderWay {
            state: text()?,
            nonce: text()?,
            verifier: text()?,
            redirect_uri: redirect_uri.into(),
            target: target.into(),
            begun: now,
        };
        let seals = self.seals().ok_or_else(no_random)?;
        let sealed = seals
            .seal(&self.purpose("login"), begun.to_text().as_bytes(), now)
            .map_err(|why| Failed::Unavailable(format!("a login cannot begin: {why}")))?;
        let name = cookies::under_way(&self.spec.name, &tag(&begun.state));
        let others = cookies::all_under_way(fields, &self.spec.name);
        // Browsers send the oldest first (RFC 6265 §5.4).
        let too_many = others.len().saturating_add(1).saturating_sub(UNDER_WAY_MAX);
        let mut lines: Vec<String> = others.iter().take(too_many).map(|name| cookies::forget(name)).collect();
        lines.push(cookies::set(&name, &sealed, LASTS.as_secs()));
        let scope = self.spec.scopes.join(" ");
        let challenge = encode_url(digest(&SHA256, begun.verifier.as_bytes()).as_ref());
        let location = form::with_query(
            &ready.provider.authorization.to_string(),
            &[
                ("response_type", "code"),
                ("client_id", &self.spec.client_id),
                ("redirect_uri", redirect_uri),
                ("scope", &scope),
                ("state", &begun.state),
                ("nonce", &begun.nonce),
                ("code_challenge", &challenge),
                ("code_challenge_method", "S256"),
            ],
        );
        Ok(Sent { location, cookies: lines })
    }

    /// Takes a browser back that a provider has sent to `redirect_uri` with `query`: it gets a session, and goes where it
    /// wanted to.
    ///
    /// # Errors
    /// Says why it gets none; in front stand lines of `Set-Cookie` that go with the answer.
    pub async fn take_back(
        &self,
        redirect_uri: &str,
        query: &str,
        fields: &Fields,
        now: Duration,
    ) -> Result<Sent, (Vec<String>, Failed)> {
        let mut cookies = Vec::new();
        match self.came_back(redirect_uri, query, fields, now, &mut cookies).await {
            Ok((session, location)) => match self.cookie_of(&session, now) {
                Ok(line) => {
                    cookies.push(line);
                    Ok(Sent { location, cookies })
                }
                Err(failed) => Err((cookies, failed)),
            },
            Err(failed) => Err((cookies, failed)),
        }
    }

    async fn came_back(
        &self,
        redirect_uri: &str,
        query: &str,
        fields: &Fields,
        now: Duration,
        lines: &mut Vec<String>,
    ) -> Result<(Session, String), Failed> {
        let answer = Answer::read(query).map_err(refused)?;
        let state = answer.state.as_deref().ok_or_else(|| refused("no state came back"))?;
        let begun = self.begun_by(state, fields, lines)?;
        if !is_same(&begun.redirect_uri, redirect_uri) {
            return Err(refused("the login began for another redirect URI"));
        }
        let age = now.checked_sub(begun.begun).unwrap_or(LASTS);
        if age >= LASTS {
            return Err(refused("the login took too long"));
        }
        let ready = self.ready().map_err(Failed::Unavailable)?;
        // SECURITY: before the code goes anywhere: it may be of a provider that passed itself off as this one (RFC 9207).
        match &answer.issuer {
            Some(issuer) if **issuer == *ready.provider.issuer => {}
            Some(_) => return Err(refused("the answer is of another issuer")),
            None if ready.provider.names_itself => {
                return Err(refused("the answer does not name its issuer"));
            }
            None => {}
        }
        if !self.shared.used.first(state) {
            return Err(refused("the state came back before"));
        }
        if answer.has_failed {
            return Err(refused("the provider did not let the user in"));
        }
        let code = answer.code.as_deref().ok_or_else(|| refused("no code came back"))?;
        let granted = self
            .ask(
                &ready,
                &[
                    ("grant_type", "authorization_code"),
                    ("code", code),
                    ("redirect_uri", &begun.redirect_uri),
                    ("code_verifier", &begun.verifier),
                ],
            )
            .await?;
        let expected = Expected { nonce: Some(&begun.nonce), subject: None };
        let claims = self.identify(&granted, &expected).await?;
        if self.issuer.consumer_of(&claims).is_none() {
            return Err(refused("the claim that names the consumer is missing or no name"));
        }
        let session = Session::begin(&self.spec, &granted, &claims, now)
            .ok_or_else(|| Failed::Unavailable("a session cannot begin".to_owned()))?;
        Ok((session, begun.location()))
    }

    /// The login under way in this browser that `state` is of. Its cookie goes, whatever comes of it.
    fn begun_by(&self, state: &str, fields: &Fields, lines: &mut Vec<String>) -> Result<UnderWay, Failed> {
        let name = cookies::under_way(&self.spec.name, &tag(state));
        let cookie = cookies::only(fields, &name).map_err(|_| refused("two logins have one name"))?;
        let cookie = cookie.ok_or_else(|| refused("this browser began no such login"))?;
        lines.push(cookies::forget(&name));
        let text = self.seals().and_then(|seals| seals.open(&self.purpose("login"), cookie));
        let begun = text.and_then(|text| UnderWay::of_text(&text));
        let begun = begun.ok_or_else(|| refused("the login's cookie is not of ours"))?;
        if is_same(&begun.state, state) { Ok(begun) } else { Err(refused("the state is of another login")) }
    }
}

impl UnderWay {
    fn to_text(&self) -> String {
        Object::new()
            .with("s", &*self.state)
            .with("n", &*self.nonce)
            .with("v", &*self.verifier)
            .with("r", &*self.redirect_uri)
            .with("t", &*self.target)
            .with("b", self.begun.as_secs())
            .to_string()
    }

    fn of_text(text: &[u8]) -> Option<Self> {
        let members = json::parse_object(text, LIMITS).ok()?;
        let text = |name| members.get(name).and_then(Value::as_text).map(Into::into);
        Some(Self {
            state: text("s")?,
            nonce: text("n")?,
            verifier: text("v")?,
            redirect_uri: text("r")?,
            target: text("t")?,
            begun: Duration::from_secs(members.get("b")?.as_number()?.as_u64()?),
        })
    }

    /// Where the user wanted to go, at the origin it came back to. Whole, since a path that begins with two slashes would be
    /// another origin.
    fn location(&self) -> String {
        let behind = self.redirect_uri.find("://").map_or(0, |at| at.saturating_add(3));
        let origin_end = self.redirect_uri.get(behind..).and_then(|rest| rest.find('/'));
        let origin = self.redirect_uri.get(..behind.saturating_add(origin_end.unwrap_or(0)));
        format!("{}{}", origin.unwrap_or_default(), self.target)
    }
}

impl Answer {
    /// Each parameter once and short, or none of it counts.
    fn read(query: &str) -> Result<Self, &'static str> {
        let mut answer = Self::default();
        for (name, value) in parameters::of_query(query) {
            let (place, most) = match &*name {
                b"state" => (&mut answer.state, PARAMETER_BYTES_MAX),
                b"code" => (&mut answer.code, CODE_BYTES_MAX),
                b"iss" => (&mut answer.issuer, PARAMETER_BYTES_MAX),
                b"error" => {
                    answer.has_failed = true;
                    continue;
                }
                _ => continue,
            };
            let value = String::from_utf8(value.into_owned()).map_err(|_| "a parameter is no text")?;
            if value.is_empty() || value.len() > most {
                return Err("a parameter is empty or too long");
            }
            if place.replace(value).is_some() {
                return Err("a parameter came twice");
            }
        }
        Ok(answer)
    }
}

/// What of a cookie's name tells one login under way from another.
fn tag(state: &str) -> String {
    let mut tag = encode_url(digest(&SHA256, state.as_bytes()).as_ref());
    tag.truncate(cookies::TAG_CHARS);
    tag
}

fn refused(why: &str) -> Failed {
    Failed::Refused(why.to_owned())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Answer, UnderWay};

    #[test]
    fn a_place_to_go_back_to_is_of_the_origin_it_came_back_to() {
        for target in ["/app/page?x=https://evil.test", "//evil.test/", "/\\evil.test", "/"] {
            let begun = UnderWay {
                state: "s".into(),
                nonce: "n".into(),
                verifier: "v".into(),
                redirect_uri: "https://app.test:8443/app/.login/corp/callback".into(),
                target: target.into(),
                begun: Duration::from_secs(1),
            };
            let begun = UnderWay::of_text(begun.to_text().as_bytes()).expect("the same");
            assert_eq!(begun.location(), format!("https://app.test:8443{target}"));
        }
    }

    #[test]
    fn each_parameter_of_an_answer_comes_once() {
        let answer =
            Answer::read("state=a%2Bb&code=c+d&iss=https%3A%2F%2Fidp&session_state=x&x").expect("an answer");
        assert_eq!(answer.state.as_deref(), Some("a+b"));
        assert_eq!(answer.code.as_deref(), Some("c d"));
        assert_eq!(answer.issuer.as_deref(), Some("https://idp"));
        let long = format!("state=a&code={}", "x".repeat(5_000));
        for wrong in ["state=a&st%61te=a", "code=a&code=b", "iss=&code=a", "state=%ff", long.as_str()] {
            assert!(Answer::read(wrong).is_err(), "{wrong}");
        }
        assert!(Answer::read("error=x&state=a").is_ok_and(|answer| answer.has_failed));
    }
}
