//! Lets callers do something only where a condition on caller and request holds.
//!
//! What scopes cannot say: that the path's customer is the caller's, that a method is kept for some, that a token was
//! issued for this region. Written in CEL, which Envoy and Kubernetes use for the same: it has no loops and no side
//! effects. Comprehensions (`all`, `exists`, `map`, `filter`) are refused, so that evaluating costs no more than the
//! condition is long.
//!
//! # Example
//! ```yaml
//! require: { when: "caller.consumer == path.customer || 'support' in caller.scopes" }
//! ```
//!
//! # Names
//! - `caller.consumer`, `caller.credential`: texts, empty for an anonymous caller; `caller.scopes`: a list of texts;
//!   `caller.anonymous`: whether nobody is known.
//! - `claims.name`, `claims["name"]`: what the token of an issuer says, of the type that it has there.
//! - `posture.attested`: whether the app has shown that it is genuine, where the operation asks for an `attestation`;
//!   `posture.claims.name`: what its token says.
//! - `request.method`, `request.host`, `request.path`: texts, as the gateway reads them.
//! - `request.headers["name"]`, in lower case, and `request.query["name"]`: texts, by names that are written out. Whether one
//!   is there: `"name" in request.headers`.
//! - `path.name`: the parameter of the path's template, decoded once.
//! - `client.address`: the client's address, as far as trusted proxies can tell.
//!
//! # Order
//! Authorize, after scopes, before a byte of the body is read.
//!
//! # Limits
//! A condition is at most 1,024 bytes long, with 32 brackets and 8 `?`. Names, and types as far as they can be told, are judged when
//! the configuration loads.
//!
//! # Failure
//! 403 `condition-not-met`, also where the condition cannot be told: something is not there, or is of another type than it
//! is compared with by size. A header or parameter that the condition reads and that is there more than once, or is no
//! UTF-8, denies whatever else the condition says: which of two a backend reads is not to be known.
//!
//! # Threats
//! Names of headers, of parameters and all their values are the caller's to choose. A document with `x-portcullis` may carry
//! a condition: what is read is bounded before it is read.

mod capture;
mod check;

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

use cel::{Context as Scope, Env, Program, Value};
use http::StatusCode;
use portcullis_http1::Repeated;
use portcullis_identity::json;

use self::check::{Reads, Root};
use super::{Kind, Phase};
use crate::http::{Canonical, parameters};
use crate::observe::Decision;
use crate::pipeline::{Context, Identified, Policy, Posture, Proof, Prospect, Step};
use crate::problem::{Blame, ProblemKind, Severity};

/// Its line in the list of policies.
pub const KIND: Kind = Kind { name: "condition", phase: Phase::Authorize, problems: &[&CONDITION_NOT_MET] };

/// A condition that does not hold, or cannot be told.
pub const CONDITION_NOT_MET: ProblemKind = ProblemKind {
    code: "condition-not-met",
    status: StatusCode::FORBIDDEN,
    title: "The caller may not do this",
    blame: Blame::Client,
    severity: Some(Severity::Medium),
    about: "The caller is known, or allowed to be anonymous, and the condition that this operation asks for (`require.when`) does not hold for the request. The log has the reason.",
};

/// The language's own functions. Which of them a condition may call is judged when it is read.
static LANGUAGE: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

/// A condition, judged when the configuration was loaded.
pub struct Condition {
    program: Program,
    text: Box<str>,
    /// What it reads of a request; nothing else is made ready.
    reads: Reads,
}

/// Asks for a condition.
#[derive(Debug)]
pub struct When {
    condition: Condition,
    place: Arc<str>,
}

impl Condition {
    /// Reads a condition for requests to a path template, with its base path.
    ///
    /// # Errors
    /// Says what is wrong with it; may end in `; hint: …`.
    pub fn parse(text: &str, template: &str) -> Result<Self, String> {
        check::bounds(text)?;
        let program = Program::compile(text).map_err(|errors| {
            let text = errors.to_string();
            format!("is no condition in CEL: {}", text.lines().next().unwrap_or_default().trim())
        })?;
        let reads = check::judge(program.expression(), &capture::names(template))?;
        Ok(Self { program, text: text.into(), reads })
    }

    /// Whether it speaks of the app's posture.
    pub fn reads_posture(&self) -> bool {
        self.reads.roots.contains(&Root::Posture)
    }

    /// Whether it holds, if who calls says so alone.
    fn holds_for(&self, proof: Option<&Proof>) -> Option<bool> {
        let of_caller = |root: &Root| [Root::Caller, Root::Claims].contains(root);
        if !self.reads.roots.iter().all(of_caller) {
            return None;
        }
        let mut scope = Scope::with_env(Arc::clone(&LANGUAGE));
        for root in &self.reads.roots {
            let value = if *root == Root::Caller { caller(proof) } else { claims(proof) };
            scope.add_variable_from_value(root.as_str(), value);
        }
        Some(self.evaluate(&scope).unwrap_or(false))
    }

    /// Whether it holds.
    ///
    /// # Errors
    /// Says why that cannot be told.
    fn holds(&self, asked: &Asked<'_>) -> Result<bool, String> {
        let mut scope = Scope::with_env(Arc::clone(&LANGUAGE));
        for root in &self.reads.roots {
            let value = match root {
                Root::Caller => caller(asked.proof),
                Root::Claims => claims(asked.proof),
                Root::Posture => posture(asked.posture),
                Root::Request => request(asked.request, &self.reads)?,
                Root::Path => path(asked.template, asked.request.path()),
                Root::Client => map([("address", asked.client.to_string().into())]),
            };
            scope.add_variable_from_value(root.as_str(), value);
        }
        self.evaluate(&scope)
    }

    fn evaluate(&self, scope: &Scope<'_, '_>) -> Result<bool, String> {
        match self.program.execute(scope) {
            Ok(Value::Bool(holds)) => Ok(holds),
            Ok(_) => Err("it is neither true nor false".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// What a condition is asked about.
struct Asked<'a> {
    proof: Option<&'a Proof>,
    posture: &'a Posture,
    request: &'a Canonical,
    template: &'a str,
    client: IpAddr,
}

fn caller(proof: Option<&Proof>) -> Value {
    let text = |of: fn(&Proof) -> &str| Value::from(proof.map_or("", of));
    let scopes = proof.map_or(&[][..], |proof| &proof.scopes);
    let scopes: Vec<Value> = scopes.iter().map(|scope| Value::from(&**scope)).collect();
    map([
        ("consumer", text(|proof| &proof.consumer.name)),
        ("credential", text(|proof| &proof.credential)),
        ("scopes", Value::from(scopes)),
        ("anonymous", Value::Bool(proof.is_none())),
    ])
}

fn claims(proof: Option<&Proof>) -> Value {
    proof.and_then(|proof| proof.claims.as_deref()).map_or_else(|| map([]), |claims| object(claims.members()))
}

fn posture(posture: &Posture) -> Value {
    let claims = match posture {
        Posture::Attested(claims) => object(claims.members()),
        Posture::Unknown => map([]),
    };
    map([("attested", Value::Bool(matches!(posture, Posture::Attested(_)))), ("claims", claims)])
}

fn object(members: &json::Object) -> Value {
    Value::from(members.iter().map(|(name, value)| (name.to_owned(), said(value))).collect::<HashMap<_, _>>())
}

/// A value of a token.
fn said(value: &json::Value) -> Value {
    match value {
        json::Value::Null => Value::Null,
        json::Value::Bool(flag) => Value::Bool(*flag),
        json::Value::Number(number) => match (number.as_i64(), number.as_str().parse()) {
            (Some(whole), _) => Value::Int(whole),
            (None, Ok(other)) => Value::Float(other),
            (None, Err(_)) => Value::Null,
        },
        json::Value::Text(text) => Value::from(&**text),
        json::Value::Array(all) => Value::from(all.iter().map(said).collect::<Vec<Value>>()),
        json::Value::Object(members) => object(members),
    }
}

/// What a condition reads of the request.
///
/// # Errors
/// Something that it reads has no one reading.
fn request(request: &Canonical, reads: &Reads) -> Result<Value, String> {
    let mut headers = HashMap::new();
    for name in &reads.headers {
        let value = match request.fields().only(name) {
            Ok(None) => continue,
            Ok(Some(value)) => std::str::from_utf8(value),
            Err(Repeated) => return Err(format!("the field `{name}` is there more than once")),
        };
        let value = value.map_err(|_| format!("the field `{name}` is no UTF-8"))?;
        headers.insert(name.to_string(), Value::from(value));
    }
    let mut query = HashMap::new();
    for name in &reads.query {
        let all = parameters::of_query(request.query().unwrap_or_default());
        let mut all = all.filter(|(own, _)| **own == *name.as_bytes());
        let Some((_, value)) = all.next() else { continue };
        if all.next().is_some() {
            return Err(format!("the parameter `{name}` is there more than once"));
        }
        let value = std::str::from_utf8(&value).map_err(|_| format!("the parameter `{name}` is no UTF-8"))?;
        query.insert(name.to_string(), Value::from(value));
    }
    Ok(map([
        ("method", request.method().as_str().into()),
        ("host", request.host().into()),
        ("path", request.path().into()),
        ("headers", Value::from(headers)),
        ("query", Value::from(query)),
    ]))
}

fn path(template: &str, path: &str) -> Value {
    let found = capture::values(template, path).into_iter();
    Value::from(found.map(|(name, value)| (name.to_owned(), Value::from(value))).collect::<HashMap<_, _>>())
}

fn map<const N: usize>(pairs: [(&str, Value); N]) -> Value {
    Value::from(pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<HashMap<_, _>>())
}

impl When {
    /// Asks for `condition`; `place` is where the configuration says so.
    pub fn new(condition: Condition, place: Arc<str>) -> Self {
        Self { condition, place }
    }
}

impl Policy for When {
    fn name(&self) -> &'static str {
        KIND.name
    }

    fn asks(&self) -> Vec<String> {
        vec![format!("when {}", self.condition.text)]
    }

    fn prospect(&self, caller: Option<&Proof>) -> Prospect {
        match self.condition.holds_for(caller) {
            Some(true) => Prospect::Passes,
            Some(false) => Prospect::Fails,
            None => Prospect::Depends,
        }
    }

    fn authorize<'a>(&'a self, request: &'a Identified, cx: &'a mut Context) -> Step<'a, ()> {
        let asked = Asked {
            proof: request.caller().proof().map(|proof| &**proof),
            posture: request.posture(),
            request: request.request(),
            template: &request.operation().template,
            client: request.request().client(),
        };
        let why = match self.condition.holds(&asked) {
            Ok(true) => {
                cx.verdict(KIND.name, Decision::Allowed, Some(&self.place));
                return Step::pass();
            }
            Ok(false) => "it does not hold".to_owned(),
            Err(why) => why,
        };
        cx.verdict(KIND.name, Decision::Refused, Some(&self.place));
        let problem = CONDITION_NOT_MET.with("this caller may not do this");
        Step::refuse(problem.because(format_args!("the condition `{}`: {why}", self.condition.text)))
    }
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Condition").field(&self.text).finish()
    }
}

#[cfg(test)]
mod tests;
