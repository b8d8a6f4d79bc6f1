//! Asks an issuer about a token (RFC 7662), which may sign its answer (RFC 9701), or answer with the token itself as a JWT.
//!
//! One call for all who present the same token at the same time, and its answer for a while ([`answers`](crate::answers)).
//! Calls go over connections that are kept open, are proven by `client_secret_basic` or a client certificate (RFC 8705), and follow no redirect.
//!
//! An answer counts if it is exactly what it should be: status 200, JSON in its one reading, `active` true or false, every
//! registered member of its type. Anything else is a failure of the issuer, and a failure is never an answer about the
//! token: 503. It counts for [`FAILURE_FOR`], so that an issuer that is away is not asked for each request.
//!
//! # Limits
//! [`ANSWER_BYTES_MAX`] of an answer; `timeout` for a call; [`CALLS_MAX`] calls at once, beyond which 503; [`ANSWERS_MAX`]
//! answers remembered, in two halves.
//!
//! # Threats
//! Strangers send tokens that nobody knows: each costs one call, bounded as above, and is remembered for
//! `cache_inactive`. The issuer sees every token, which is its own to see; the secret is in no log.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, header};
use portcullis_identity::claims::Claims;
use portcullis_identity::json::{Limits, Object, Value, parse_object};
use portcullis_identity::jwt::{Kind, Rules};
use portcullis_identity::sha256::digest;
use tokio::sync::Semaphore;

use super::keeper::USER_AGENT;
use super::signed::NotSigned;
use super::spec::{AnswerForm, AskersProof, IntrospectionSpec};
use super::{Issuer, Verdict, split};
use crate::answers::{Answers, Lasting};
use crate::clock;
use crate::config::Certificate;
use crate::fetch::{Call, Remote, RemoteError, is_of_type};
use crate::oauth::client::{Client, ClientProof};
use crate::secret::Secret;

/// Most bytes of an answer.
pub const ANSWER_BYTES_MAX: usize = 64 << 10;
/// Calls to one issuer at once.
pub const CALLS_MAX: usize = 64;
/// Answers of one issuer that are remembered.
pub const ANSWERS_MAX: usize = 20_000;
/// How long a failure stands for an answer.
pub const FAILURE_FOR: Duration = Duration::from_secs(1);
/// How deeply an answer may be nested.
const DEPTH_MAX: usize = 16;

/// Asks one issuer.
#[derive(Debug)]
pub(super) struct Introspector {
    pub(super) spec: IntrospectionSpec,
    pub(super) remote: Remote,
    client: Client,
    answers: Answers<Said>,
    calls: Semaphore,
    asked: AtomicU64,
    failed: AtomicU64,
    failure: ArcSwapOption<String>,
}

/// Why a token opens nothing of which the issuer says no more.
const INACTIVE: &str = "the issuer says that the token is not active";

/// What an answer is.
pub(super) enum Read {
    /// That the token is good for nothing.
    Inactive(&'static str),
    /// The members that tell of it, and the answer where it is a JWT.
    Members(Object, Option<Secret>),
    /// The token itself, which is active.
    Token(Claims, Secret),
}

/// What an issuer said, or that it did not.
#[derive(Debug)]
struct Said {
    what: What,
    /// Until when that counts, on the wall clock.
    until: Duration,
}

impl Lasting for Said {
    fn until(&self) -> Duration {
        self.until
    }
}

#[derive(Debug)]
enum What {
    /// What the token says, and the answer itself where it is a JWT.
    Active(Claims, Option<Secret>),
    Inactive(&'static str),
    Failed,
}

impl Introspector {
    pub(super) fn new(spec: IntrospectionSpec) -> Result<Self, RemoteError> {
        let reach = &spec.reach;
        let (url, names, ca) = (spec.url.clone(), reach.names.clone(), reach.ca.clone());
        let (proof, remote) = match &spec.proof {
            AskersProof::Secret(secret) => {
                (ClientProof::Basic(Secret::new(secret.expose())), Remote::trusting(url, names, ca)?)
            }
            AskersProof::Certificate(chain, key) => {
                let certificate = Certificate { cert: chain.to_string(), key: Secret::new(key.expose()) };
                (ClientProof::Certificate, Remote::presenting(url, names, ca, &certificate)?)
            }
            // A split token is asked for by no form.
            AskersProof::Bearer(_) | AskersProof::Nothing => {
                (ClientProof::Certificate, Remote::trusting(url, names, ca)?)
            }
        };
        let client = Client { id: spec.client_id.clone(), proof };
        Ok(Self {
            spec,
            remote: remote.keeping(),
            client,
            answers: Answers::new(ANSWERS_MAX),
            calls: Semaphore::new(CALLS_MAX),
            asked: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            failure: ArcSwapOption::default(),
        })
    }

    /// Calls that were answered, and calls that failed.
    pub(super) fn asked(&self) -> (u64, u64) {
        let failed = self.failed.load(Ordering::Relaxed);
        (self.asked.load(Ordering::Relaxed).saturating_sub(failed), failed)
    }

    /// Why the last call failed, if it did.
    pub(super) fn failure(&self) -> Option<String> {
        self.failure.load_full().map(|failure| failure.to_string())
    }

    /// Judges a token by what the issuer says of it.
    pub(super) async fn judge(&self, issuer: &Issuer, token: &[u8]) -> Verdict {
        let answer = self.answers.of(digest(token), clock::wall());
        let said = answer.get_or_init(|| self.ask(issuer, token)).await;
        match &said.what {
            What::Active(claims, signed) => {
                issuer.prove(token, claims.clone(), signed.clone(), issuer.generation(), Some(said.until))
            }
            What::Inactive(why) => Verdict::Refused(why),
            What::Failed => Verdict::Unavailable("the issuer cannot be asked about the token"),
        }
    }

    /// Asks, whatever comes of it.
    async fn ask(&self, issuer: &Issuer, token: &[u8]) -> Said {
        if self.spec.form == AnswerForm::Rest && !split::is_part(token) {
            return self.inactive("not the signature of a token");
        }
        let Ok(_place) = self.calls.try_acquire() else {
            return self.failed("too many calls are under way".to_owned());
        };
        self.asked.fetch_add(1, Ordering::Relaxed);
        let answer = match self.call(token).await {
            Ok(answer) => answer,
            Err(why) => return self.failed(why),
        };
        match self.read(issuer, token, &answer).await {
            Ok(read) => {
                if self.failure.swap(None).is_some() {
                    tracing::info!(issuer = &**issuer.name(), "an issuer answers about tokens again");
                }
                match read {
                    Read::Inactive(why) => self.inactive(why),
                    Read::Members(members, signed) => self.judge_members(issuer, members, signed),
                    Read::Token(claims, signed) => self.judge_claims(issuer, claims, Some(signed)),
                }
            }
            Err(why) => self.failed(why),
        }
    }

    async fn call(&self, token: &[u8]) -> Result<Response<Bytes>, String> {
        if self.spec.form == AnswerForm::Rest {
            return self.rest(token).await;
        }
        let token = std::str::from_utf8(token).unwrap_or_default();
        let pairs = [("token", token), ("token_type_hint", "access_token")];
        let says = self.client.says(&pairs).ok_or("the client's secret cannot be sent")?;
        let (mut fields, body) = says;
        fields.push((header::ACCEPT, HeaderValue::from_static(self.spec.form.media_type())));
        fields.push((header::USER_AGENT, HeaderValue::from_static(USER_AGENT)));
        let call = Call {
            method: Method::POST,
            fields,
            body: body.into(),
            within: self.spec.reach.timeout,
            answer_bytes_max: ANSWER_BYTES_MAX,
        };
        let answer = self.remote.call(call).await.map_err(|error| error.to_string())?;
        match answer.status() {
            StatusCode::OK => Ok(answer),
            StatusCode::NO_CONTENT if self.spec.form == AnswerForm::Token => Ok(answer),
            status => Err(format!("status {}", status.as_u16())),
        }
    }

    /// What an answer is.
    async fn read(&self, issuer: &Issuer, token: &[u8], answer: &Response<Bytes>) -> Result<Read, String> {
        if answer.status() != StatusCode::OK {
            return Ok(Read::Inactive(INACTIVE));
        }
        if self.spec.form == AnswerForm::Rest {
            return self.complete(issuer, token, answer.body()).await;
        }
        let wanted = self.spec.form.media_type();
        if !is_of_type(answer, wanted) {
            return Err(format!("the answer is not {wanted}"));
        }
        let body = answer.body();
        match self.spec.form {
            AnswerForm::Json => {
                let limits = Limits { bytes: ANSWER_BYTES_MAX, depth: DEPTH_MAX };
                let members = parse_object(body, limits);
                let members = members.map_err(|why| format!("the answer is no answer: {}", why.as_str()))?;
                Ok(Read::Members(members, None))
            }
            // Signed for us (RFC 9701 §5).
            AnswerForm::Signed => {
                let audiences = Some(vec![self.spec.client_id.clone()]);
                let (claims, signed) = self.verified(issuer, body, audiences, Kind::Introspection).await?;
                match claims.get("token_introspection") {
                    Some(Value::Object(members)) => Ok(Read::Members(members.clone(), Some(signed))),
                    _ => Err("the signed answer says nothing of the token".to_owned()),
                }
            }
            // Whom it is for is judged as with any other answer.
            AnswerForm::Token | AnswerForm::Rest => {
                let (claims, signed) = self.verified(issuer, body, None, Kind::Access).await?;
                Ok(Read::Token(claims, signed))
            }
        }
    }

    /// What an answer says that the issuer has signed, and the answer itself.
    async fn verified(
        &self,
        issuer: &Issuer,
        answer: &[u8],
        audiences: Option<Vec<Box<str>>>,
        kind: Kind,
    ) -> Result<(Claims, Secret), String> {
        let rules = Rules {
            issuer: issuer.issuer().map(Into::into),
            audiences,
            algorithms: issuer.spec().tokens.algorithms,
            kind,
            subject: false,
            leeway: issuer.spec().tokens.leeway,
        };
        match issuer.verify_signed(answer, &rules).await {
            Ok((claims, _)) => {
                let text = std::str::from_utf8(answer).map_err(|_| "the signed answer is no text")?;
                Ok((claims, Secret::new(text)))
            }
            Err(NotSigned::Refused(why)) => Err(format!("the signed answer does not hold: {}", why.as_str())),
            Err(NotSigned::Unavailable(why)) => Err(format!("the signed answer cannot be verified: {why}")),
        }
    }

    /// What the members of an answer say of the token.
    fn judge_members(&self, issuer: &Issuer, members: Object, signed: Option<Secret>) -> Said {
        let is_active = match members.get("active").map(Value::as_bool) {
            Some(Some(is_active)) => is_active,
            _ => return self.failed("the answer does not say whether the token is active".to_owned()),
        };
        if !is_active {
            return self.inactive(INACTIVE);
        }
        match Claims::new(members) {
            Ok(claims) => self.judge_claims(issuer, claims, signed),
            Err(wrong) => self.failed(format!("`{}` of the answer has the wrong type", wrong.0)),
        }
    }

    /// What the claims of an active token are good for.
    fn judge_claims(&self, issuer: &Issuer, claims: Claims, signed: Option<Secret>) -> Said {
        let now = clock::wall();
        match objection(issuer, &claims, now) {
            Some(why) => self.inactive(why),
            None => Said { what: What::Active(claims, signed), until: now.saturating_add(self.spec.cache) },
        }
    }

    fn inactive(&self, why: &'static str) -> Said {
        Said { what: What::Inactive(why), until: clock::wall().saturating_add(self.spec.cache_inactive) }
    }

    fn failed(&self, reason: String) -> Said {
        self.failed.fetch_add(1, Ordering::Relaxed);
        if self.failure.load().is_none() {
            tracing::warn!(url = %self.spec.url, %reason, "an issuer does not answer about a token");
        }
        self.failure.store(Some(Arc::new(reason)));
        Said { what: What::Failed, until: clock::wall().saturating_add(FAILURE_FOR) }
    }
}

/// Why a token that the issuer calls active opens nothing here.
fn objection(issuer: &Issuer, claims: &Claims, now: Duration) -> Option<&'static str> {
    let tokens = &issuer.spec().tokens;
    let is_ours = |audience: &str| tokens.audiences.iter().any(|ours| **ours == *audience);
    let says = |name: &str, accepted: &[&str]| match claims.get(name) {
        None => true,
        Some(value) => {
            value.as_text().is_some_and(|said| accepted.iter().any(|one| said.eq_ignore_ascii_case(one)))
        }
    };
    if !tokens.audiences.is_empty() && !claims.audience().any(is_ours) {
        Some("the token is for another audience")
    } else if claims.issuer().zip(issuer.issuer()).is_some_and(|(said, ours)| said != ours) {
        Some("the token is of another issuer")
    } else if claims.expires().is_some_and(|expires| now >= expires) {
        Some("the token has expired")
    } else if claims.not_before().is_some_and(|begins| begins > now.saturating_add(tokens.leeway)) {
        Some("the token is not valid yet")
    } else if !says("token_type", &["Bearer", "DPoP", "access_token"])
        || !says("token_use", &["access_token", "access"])
    {
        Some("a token of another kind")
    } else {
        None
    }
}
