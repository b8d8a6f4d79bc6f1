//! Gives each backend what it understands of who is calling, and nothing that the caller presented.
//!
//! A backend that is handed the caller's own key or token can use it elsewhere, and must know every issuer and every
//! way to prove oneself. So the gateway translates: what a caller proved itself with ends here, and the backend gets a
//! user and password, a key, a token of ours, or fields that say who calls, as it understands. What the gateway says of the
//! caller nobody else can have said: fields of the same names are taken out first, in every spelling that backends
//! confuse, in the head and in trailers.
//!
//! An anonymous caller (`auth: none`) has nothing to translate. What speaks of the caller is left out then; what is the
//! gateway's own (a user, a key, a text) is sent all the same.
//!
//! # Example
//! ```yaml
//! credentials:
//!   basic: { user: gateway, password: "${env:ORDERS_PASSWORD}" }
//!   fields:
//!     x-tenant: acme
//!     x-consumer: { from: consumer }
//! ```
//!
//! # Order
//! Transform, behind every other policy: what it writes nothing changes any more.
//!
//! # Limits
//! A value made of what is known of the caller has at most 4,096 bytes.
//!
//! # Failure
//! 503 `backend-credential-unavailable`, and the request does not go: something that is asked for is not known of this
//! caller or cannot be had, or its value has characters that no field may have. Where an authorization server exchanges the caller's
//! token and refuses: 401 `credential-invalid` if it says that the token does not hold, else 403 `backend-credential-refused`. The log has
//! the reason, never the value.
//!
//! # Threats
//! Callers control what stands in their own claims, so a value is judged before it becomes a field: visible ASCII
//! characters and spaces between them. An item of a list with a comma in it is refused, for it could pass for two.

pub mod account;
pub mod exchange;
pub mod key_set;
pub mod mint;

use std::borrow::Cow;
use std::sync::Arc;

use http::StatusCode;
use portcullis_identity::json::Value;

use super::jwt::challenge;
use super::{Kind, Phase};
use crate::config::{Absent, CallerFact};
use crate::observe::Decision;
use crate::pipeline::handover::Handover;
use crate::pipeline::identified::CREDENTIAL_INVALID;
use crate::pipeline::{Answered, Carries, Context, Identified, Policy, Proof, Step, Stop};
use crate::problem::{Blame, Problem, ProblemKind, Severity};
use crate::secret::Secret;
use account::Account;
use exchange::{Exchange, NotExchanged};
use mint::Mint;

/// Its line in the list of policies.
pub const KIND: Kind = Kind {
    name: "backend_credentials",
    phase: Phase::Transform,
    problems: &[&BACKEND_CREDENTIAL_UNAVAILABLE, &BACKEND_CREDENTIAL_REFUSED, &CREDENTIAL_INVALID],
};

/// No credential for the backend can be had.
pub const BACKEND_CREDENTIAL_UNAVAILABLE: ProblemKind = ProblemKind {
    code: "backend-credential-unavailable",
    status: StatusCode::SERVICE_UNAVAILABLE,
    title: "The credential for the backend cannot be made",
    blame: Blame::Gateway,
    severity: None,
    about: "What the backend is to be told of the caller (`backends.*.credentials`) cannot be made or had, so the request did not \
            go. The log has the reason.",
};

/// The caller may have no credential for the backend.
pub const BACKEND_CREDENTIAL_REFUSED: ProblemKind = ProblemKind {
    code: "backend-credential-refused",
    status: StatusCode::FORBIDDEN,
    title: "The issuer gives this caller no credential for the backend",
    blame: Blame::Client,
    severity: Some(Severity::Medium),
    about: "The caller is known, and the authorization server that exchanges its token for the backend's does not let it have one. \
            The log has the server's reason.",
};

/// Bytes of a value that is made of what is known of the caller.
const VALUE_BYTES_MAX: usize = 4096;

/// Puts one backend's credentials into requests.
#[derive(Debug)]
pub struct BackendCredentials {
    handover: Arc<Handover>,
    says: Vec<Says>,
    place: Arc<str>,
}

/// One field that is said to the backend.
#[derive(Debug)]
pub struct Says {
    /// Its name.
    pub name: Box<str>,
    /// What it is made of.
    pub what: What,
}

/// What a field is made of.
#[derive(Debug)]
pub enum What {
    /// This text, whoever calls.
    Text(Secret),
    /// What is known of the caller.
    Of(CallerFact, Absent),
    /// A token of our own about the caller.
    Minted(Box<Mint>),
    /// The access token of the gateway's own account.
    Account(Arc<Account>),
    /// What the caller's token is exchanged for.
    Exchanged(Arc<Exchange>),
    /// What the issuer answered about the caller's token, with this in front; else what is minted, if anything is.
    Phantom(&'static str, Option<Box<Mint>>),
}

/// Why a field cannot be made.
type Lacking = &'static str;

impl BackendCredentials {
    /// Says `says`; the caller's own credential goes on where `passes_credential`. `place` is where the configuration
    /// says so.
    pub fn new(says: Vec<Says>, passes_credential: bool, place: Arc<str>) -> Self {
        let own = says.iter().map(|says| says.name.to_ascii_lowercase().into()).collect();
        let handover = Arc::new(Handover { passes_credential, own });
        Self { handover, says, place }
    }

    /// What it asks of every request.
    pub fn handover(&self) -> &Arc<Handover> {
        &self.handover
    }

    /// What of an issuer's every caller must come with, and the setting that says so.
    pub fn needs(&self) -> Option<(Carries, &'static str)> {
        self.says.iter().find_map(|says| match says.what {
            What::Exchanged(_) => Some((Carries::Token, "token_exchange")),
            What::Phantom(_, None) => Some((Carries::Jwt, "phantom_token")),
            _ => None,
        })
    }

    /// Writes every field; `token` is what somebody was asked for.
    fn say(&self, request: &mut Identified, token: Option<&str>) -> Result<(), Stop> {
        let proof = request.caller().proof().cloned();
        let fields = request.request_mut().fields_mut();
        self.handover.clean(fields);
        for Says { name, what } in &self.says {
            let minted;
            let value: Result<Cow<'_, str>, Lacking> = match (what, &proof, token) {
                (What::Text(text), ..) => Ok(text.expose().into()),
                (What::Account(_), ..) | (What::Exchanged(_), Some(_), _) => {
                    token.map(Cow::Borrowed).ok_or("there is no token")
                }
                (What::Of(..) | What::Minted(_) | What::Exchanged(_) | What::Phantom(..), None, _) => {
                    continue;
                }
                (What::Phantom(prefix, _), Some(_), Some(jwt)) => Ok(format!("{prefix}{jwt}").into()),
                (What::Phantom(_, None), Some(_), None) => Err("the issuer gave no JWT about this caller"),
                (What::Minted(mint) | What::Phantom(_, Some(mint)), Some(proof), _) => {
                    minted = mint.value(proof);
                    minted.as_deref().map(Cow::Borrowed).map_err(|why| *why)
                }
                (What::Of(fact, absent), Some(proof), _) => match (fact_of(proof, fact), absent) {
                    (Ok(None), Absent::LeaveOut) => continue,
                    (Ok(None), Absent::Refuse) => Err("it is not known of this caller"),
                    (Ok(Some(value)), _) => Ok(value.into()),
                    (Err(why), _) => Err(why),
                },
            };
            match value {
                Ok(value) => fields.push(&**name, &*value),
                Err(why) => return Err(unavailable(format_args!("the field {name}: {why}")).into()),
            }
        }
        Ok(())
    }

    /// Says what the caller's token is exchanged for.
    fn exchange<'a>(
        &'a self,
        exchange: &'a Exchange,
        request: &'a mut Identified,
        cx: &'a mut Context,
    ) -> Step<'a, ()> {
        if request.caller().proof().is_none() {
            return Step::Now(self.say(request, None));
        }
        let Some((proof, issued)) = cx.proofs().find_map(|proof| Some((proof, proof.issued.as_ref()?)))
        else {
            return Step::refuse(unavailable("this caller has no token that could be exchanged"));
        };
        let until = [proof.expires, issued.until].into_iter().flatten().min();
        match exchange.at_hand(issued) {
            Some(Ok(token)) => Step::Now(self.say(request, Some(&token))),
            Some(Err(why)) => Step::refuse(not_exchanged(why, request)),
            None => Step::Later(Box::pin(async move {
                match exchange.value(issued, until).await {
                    Ok(token) => self.say(request, Some(&token)),
                    Err(why) => Err(not_exchanged(why, request).into()),
                }
            })),
        }
    }
}

impl Policy for BackendCredentials {
    fn name(&self) -> &'static str {
        KIND.name
    }

    fn transform_request<'a>(&'a self, request: &'a mut Identified, cx: &'a mut Context) -> Step<'a, ()> {
        cx.verdict(KIND.name, Decision::Allowed, Some(&self.place));
        match self.says.iter().map(|says| &says.what).find(|what| what.is_asked_for()) {
            Some(What::Account(account)) => match account.at_hand() {
                Some(token) => Step::Now(self.say(request, Some(&token))),
                None => Step::Later(Box::pin(async move {
                    let token = account.value().await.map_err(unavailable)?;
                    self.say(request, Some(&token))
                })),
            },
            Some(What::Exchanged(exchange)) => self.exchange(exchange, request, cx),
            Some(What::Phantom(..)) => {
                let signed = cx.proofs().find_map(|proof| proof.issued.as_ref()?.signed.as_ref());
                Step::Now(self.say(request, signed.map(Secret::expose)))
            }
            _ => Step::Now(self.say(request, None)),
        }
    }

    fn inspect_response<'a>(&'a self, answer: &'a mut Answered, cx: &'a mut Context) -> Step<'a, ()> {
        if answer.status() != StatusCode::UNAUTHORIZED {
            return Step::pass();
        }
        for what in self.says.iter().map(|says| &says.what) {
            match what {
                What::Account(account) => account.suspect(),
                What::Exchanged(exchange) => {
                    let issued = cx.proofs().find_map(|proof| proof.issued.as_ref());
                    issued.iter().for_each(|issued| exchange.suspect(&issued.digest));
                }
                What::Text(_) | What::Of(..) | What::Minted(_) | What::Phantom(..) => {}
            }
        }
        Step::pass()
    }
}

impl What {
    /// Whether it is what somebody was asked for.
    fn is_asked_for(&self) -> bool {
        matches!(self, Self::Account(_) | Self::Exchanged(_) | Self::Phantom(..))
    }
}

/// What there is instead of a token for the backend. The caller is told of its own credential what it is always told.
fn not_exchanged(why: NotExchanged, request: &Identified) -> Problem {
    match why {
        NotExchanged::Invalid(why) => {
            let challenge = challenge(request.request(), request.operation(), "invalid_token", "");
            let problem = CREDENTIAL_INVALID.with("the credential is not valid").because(why);
            problem.field("www-authenticate", challenge)
        }
        NotExchanged::Forbidden(why) => BACKEND_CREDENTIAL_REFUSED
            .with("the issuer gives this caller no credential for the backend")
            .because(why),
        NotExchanged::Unavailable(why) => unavailable(why),
    }
}

/// The problem, with its reason for the log.
fn unavailable(why: impl std::fmt::Display) -> Problem {
    BACKEND_CREDENTIAL_UNAVAILABLE.with("the credential for the backend cannot be made").because(why)
}

/// What is known of a caller, as the value of a field.
fn fact_of(proof: &Proof, fact: &CallerFact) -> Result<Option<String>, Lacking> {
    let value = match fact {
        CallerFact::Consumer => proof.consumer.name.to_string(),
        CallerFact::Credential => proof.credential.to_string(),
        CallerFact::Scopes if proof.scopes.is_empty() => return Ok(None),
        CallerFact::Scopes => proof.scopes.join(" "),
        CallerFact::Claim(path) => match proof.claims.as_deref().and_then(|claims| claims.get(path)) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::Array(items)) if items.is_empty() => return Ok(None),
            Some(value) => text_of(value)?,
        },
    };
    safe(value).map(Some)
}

/// A claim as the value of a field.
fn text_of(value: &Value) -> Result<String, Lacking> {
    match value {
        Value::Text(text) => Ok(text.to_string()),
        Value::Number(number) => Ok(number.as_str().to_owned()),
        Value::Bool(is_true) => Ok(is_true.to_string()),
        Value::Array(items) => {
            let mut texts = Vec::with_capacity(items.len());
            for item in items {
                match item {
                    Value::Array(_) | Value::Object(_) | Value::Null => return Err("its value is no text"),
                    item => texts.push(text_of(item)?),
                }
            }
            // SECURITY: one item must not pass for two.
            if texts.iter().any(|text| text.is_empty() || text.contains([',', ' '])) {
                return Err("an item of its value could pass for two");
            }
            Ok(texts.join(","))
        }
        Value::Object(_) | Value::Null => Err("its value is no text"),
    }
}

/// A value that a field may have, or the reason why not.
fn safe(value: String) -> Result<String, Lacking> {
    let is_edge = |byte: Option<&u8>| byte.is_none_or(|byte| *byte == b' ');
    let bytes = value.as_bytes();
    if bytes.len() > VALUE_BYTES_MAX {
        return Err("its value is too long");
    }
    if is_edge(bytes.first())
        || is_edge(bytes.last())
        || !bytes.iter().all(|byte| *byte == b' ' || byte.is_ascii_graphic())
    {
        return Err("its value has characters that no field may have");
    }
    Ok(value)
}

#[cfg(test)]
mod tests;
