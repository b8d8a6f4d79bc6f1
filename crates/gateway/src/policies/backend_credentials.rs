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
//! caller, or its value has characters that no field may have. The log has the reason, never the value.
//!
//! # Threats
//! Callers control what stands in their own claims, so a value is judged before it becomes a field: visible ASCII
//! characters and spaces between them. An item of a list with a comma in it is refused, for it could pass for two.

pub mod account;
pub mod key_set;
pub mod mint;

use std::sync::Arc;

use http::StatusCode;
use portcullis_identity::json::Value;

use super::{Kind, Phase};
use crate::config::{Absent, CallerFact};
use crate::observe::Decision;
use crate::pipeline::handover::Handover;
use crate::pipeline::{Answered, Context, Identified, Policy, Proof, Step, Stop};
use crate::problem::{Blame, Problem, ProblemKind};
use crate::secret::Secret;
use account::Account;
use mint::Mint;

/// Its line in the list of policies.
pub const KIND: Kind = Kind {
    name: "backend_credentials",
    phase: Phase::Transform,
    problems: &[&BACKEND_CREDENTIAL_UNAVAILABLE],
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

    /// The account whose token it says, if it says one.
    fn account(&self) -> Option<&Arc<Account>> {
        self.says.iter().find_map(|says| match &says.what {
            What::Account(account) => Some(account),
            _ => None,
        })
    }

    /// Writes every field; `token` is the account's.
    fn say(&self, request: &mut Identified, token: Option<&str>) -> Result<(), Stop> {
        let proof = request.caller().proof().cloned();
        let fields = request.request_mut().fields_mut();
        self.handover.clean(fields);
        for Says { name, what } in &self.says {
            let value = match (what, &proof) {
                (What::Text(text), _) => {
                    fields.push(&**name, text.expose());
                    continue;
                }
                (What::Account(_), _) => match token {
                    Some(token) => {
                        fields.push(&**name, token);
                        continue;
                    }
                    None => Err("there is no token"),
                },
                (What::Of(..) | What::Minted(_), None) => continue,
                (What::Minted(mint), Some(proof)) => match mint.value(proof) {
                    Ok(value) => {
                        fields.push(&**name, value.as_bytes());
                        continue;
                    }
                    Err(why) => Err(why),
                },
                (What::Of(fact, absent), Some(proof)) => match (fact_of(proof, fact), absent) {
                    (Ok(None), Absent::LeaveOut) => continue,
                    (Ok(None), Absent::Refuse) => Err("it is not known of this caller"),
                    (Ok(Some(value)), _) => Ok(value),
                    (Err(why), _) => Err(why),
                },
            };
            match value {
                Ok(value) => fields.push(&**name, value),
                Err(why) => return Err(unavailable(format_args!("the field {name}: {why}")).into()),
            }
        }
        Ok(())
    }
}

impl Policy for BackendCredentials {
    fn name(&self) -> &'static str {
        KIND.name
    }

    fn transform_request<'a>(&'a self, request: &'a mut Identified, cx: &'a mut Context) -> Step<'a, ()> {
        cx.verdict(KIND.name, Decision::Allowed, Some(&self.place));
        let Some(account) = self.account() else { return Step::Now(self.say(request, None)) };
        if let Some(token) = account.at_hand() {
            return Step::Now(self.say(request, Some(&token)));
        }
        Step::Later(Box::pin(async move {
            let token = account.value().await.map_err(unavailable)?;
            self.say(request, Some(&token))
        }))
    }

    fn inspect_response<'a>(&'a self, answer: &'a mut Answered, _cx: &'a mut Context) -> Step<'a, ()> {
        if answer.status() == StatusCode::UNAUTHORIZED
            && let Some(account) = self.account()
        {
            account.suspect();
        }
        Step::pass()
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
