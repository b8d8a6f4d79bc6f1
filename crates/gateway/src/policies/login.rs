//! Lets users prove who they are in their browser, by logging in at an issuer with OpenID Connect.
//!
//! A navigation (GET or HEAD that a browser makes to show a page) without a session is answered by 302 to the issuer; there
//! the user logs in and is sent back to `BASE-PATH/.login/NAME/callback`, an operation of the gateway in the API's own route
//! table, which gives the browser a session and sends it to where the user wanted to go. Any other request without a session
//! gets 401, for a script can follow no login. The session is one cookie, encrypted and authenticated; no backend sees it.
//! The consumer is the issuer's name and the token's subject: `corp/alice`; its scopes are those that were granted.
//!
//! `POST BASE-PATH/.login/NAME/logout`, from a page of the same origin, ends the session and leads to the issuer's logout;
//! `POST BASE-PATH/.login/NAME/backchannel` is where the issuer says that a user has logged out elsewhere.
//!
//! # Example
//! ```yaml
//! auth: { any_of: [{ login: corp }, { jwt: corp }] }
//! ```
//!
//! # Order
//! Authenticate, after routing and screening. Only cookies are looked at whose names begin with `__Host-portcullis-`. Where
//! any issuer has `login` they are taken out of every request before it goes to a backend, and no backend can set one.
//!
//! # Limits
//! A session fits into one cookie, or the login fails and says so; `login.claims` keeps less. A login takes at most ten
//! minutes, a browser has five under way, a token endpoint is asked by 64 at once.
//!
//! # Failure
//! No session, or one that has ended: the next alternative of `any_of`, else 302 or 401 `credential-missing`. What comes back
//! from a login and does not hold, for any reason: 401 `credential-invalid`. A provider that is away or not well: 503
//! `issuer-unavailable`. A session with a request that changes something and comes from another site: 403
//! `cross-site-request`.
//!
//! # Threats
//! Other sites can make a browser send requests with its cookies: what may change something must say by `Sec-Fetch-Site` or
//! `Origin` that it is of the same origin, and so must WebSocket handshakes. Links of others can lead into a login, never
//! out of it to a place of their choice, and never into a session of theirs: what comes back counts only in the browser that
//! began, once. Answers of a login are never stored and send no `Referer`.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use http::{Method, StatusCode};
use portcullis_http1::{Field, Fields, Repeated};

use super::{Kind, Phase};
use crate::clock;
use crate::http::{Body, Canonical, Reply, Scheme, parameters};
use crate::issuers::ISSUER_UNAVAILABLE;
use crate::logins::flow::{Sent, TARGET_BYTES_MAX};
use crate::logins::known::Known;
use crate::logins::{Failed, Login, cookies};
use crate::pipeline::context::Rehearsal;
use crate::pipeline::identified::{CREDENTIAL_INVALID, CREDENTIAL_MISSING};
use crate::pipeline::judged::Whole;
use crate::pipeline::{
    Answered, Authenticator, Carries, Context, Glance, Identified, Needs, Policy, Presented, Routed, Step,
    Stop,
};
use crate::problem::{Blame, Problem, ProblemKind, Severity};

/// Its line in the list of policies.
pub const KIND: Kind = Kind {
    name: "login",
    phase: Phase::Authenticate,
    problems: &[
        &CREDENTIAL_MISSING,
        &CREDENTIAL_INVALID,
        &ISSUER_UNAVAILABLE,
        &CROSS_SITE_REQUEST,
        &LOGOUT_REFUSED,
    ],
};

/// A session that another site makes use of.
pub const CROSS_SITE_REQUEST: ProblemKind = ProblemKind {
    code: "cross-site-request",
    status: StatusCode::FORBIDDEN,
    title: "The request comes from another site",
    blame: Blame::Client,
    severity: Some(Severity::Medium),
    about: "A request that may change something came with a session cookie, and neither `Sec-Fetch-Site` nor `Origin` says that a page of the same origin sent it.",
};

/// A logout token that does not hold.
pub const LOGOUT_REFUSED: ProblemKind = ProblemKind {
    code: "logout-refused",
    status: StatusCode::BAD_REQUEST,
    title: "The logout token is not valid",
    blame: Blame::Client,
    severity: Some(Severity::Medium),
    about: "What came to the back-channel logout is no logout token of the issuer for this gateway, or came before. The log has the reason.",
};

/// Bytes of a form that brings a logout token.
pub const FORM_BYTES_MAX: u64 = 32 << 10;

/// Proves callers by the session of a login.
pub struct LoginSession {
    login: Arc<Login>,
    /// The name of its cookie.
    cookie: String,
}

/// What the gateway serves for logins, each an operation in the route table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Desk {
    /// Where the provider sends browsers back to.
    Callback,
    /// Where pages send users who log out.
    Logout,
    /// Where the provider says that users have logged out.
    BackChannel,
}

impl Desk {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Callback, Self::Logout, Self::BackChannel];

    /// Its path below that of an API, for the login called `name`.
    pub fn path(self, name: &str) -> String {
        let word = match self {
            Self::Callback => "callback",
            Self::Logout => "logout",
            Self::BackChannel => "backchannel",
        };
        format!("/.login/{name}/{word}")
    }

    /// The method it takes.
    pub fn method(self) -> Method {
        match self {
            Self::Callback => Method::GET,
            Self::Logout | Self::BackChannel => Method::POST,
        }
    }
}

impl LoginSession {
    /// Looks for sessions of `login`.
    pub fn new(login: Arc<Login>) -> Self {
        let cookie = cookies::session(login.name());
        Self { login, cookie }
    }

    fn prove(known: Known, request: &Canonical) -> Presented {
        if changes_something(request) && !is_of_same_origin(request) {
            return Presented::refused(cross_site());
        }
        known.proof.map_or(Presented::Absent, Presented::Proven)
    }
}

impl Authenticator for LoginSession {
    fn name(&self) -> &'static str {
        KIND.name
    }

    fn authenticate<'a>(&'a self, request: &'a Routed, cx: &'a mut Context) -> Step<'a, Presented> {
        let request = request.request();
        let cookie = match cookies::only(request.fields(), &self.cookie) {
            Ok(None) => return Step::done(Presented::Absent),
            Ok(Some(cookie)) => cookie,
            Err(Repeated) => {
                let problem = CREDENTIAL_INVALID.with("the credential is not valid");
                return Step::done(Presented::refused(problem.because("login: two session cookies")));
            }
        };
        let now = clock::wall();
        let Some(known) = self.login.known(cookie, now) else { return Step::done(Presented::Absent) };
        if now < known.session.renew {
            return Step::done(Self::prove(known, request));
        }
        if cx.rehearsal != Rehearsal::No {
            // A renewal would use the refresh token up, and no browser would get what it is renewed to: judged as it is, by
            // whether the issuer's word still holds.
            let counts = now < known.session.vouched;
            return Step::done(if counts { Self::prove(known, request) } else { Presented::Absent });
        }
        Step::Later(Box::pin(async move {
            let Some(fresh) = self.login.fresh(known, now).await else { return Ok(Presented::Absent) };
            if let Some(cookie) = fresh.cookie {
                cx.set_cookie(cookie);
            }
            Ok(Self::prove(fresh.known, request))
        }))
    }

    fn glance(&self, request: &Routed, _cx: &Context) -> Glance {
        let now = clock::wall();
        let is_known = |cookie| self.login.known(cookie, now).is_some_and(|known| now < known.session.renew);
        match cookies::only(request.request().fields(), &self.cookie) {
            Ok(Some(cookie)) if is_known(cookie) => Glance::Known,
            Ok(_) => Glance::Absent,
            Err(Repeated) => Glance::Unknown,
        }
    }

    fn label(&self) -> Cow<'_, str> {
        Cow::Owned(format!("login:{}", self.login.name()))
    }

    fn challenge(&self, _request: &Routed) -> Cow<'_, str> {
        Cow::Owned(challenge(&self.login))
    }

    fn invite(&self, request: &Routed) -> Option<Stop> {
        let canonical = request.request();
        // Over plain http no browser keeps the cookies, and the login would never end.
        if !is_navigation(canonical) || canonical.scheme() != Scheme::Https {
            return None;
        }
        let base = &request.operation().base_path;
        let target =
            [canonical.target(), canonical.path()].into_iter().find(|it| it.len() <= TARGET_BYTES_MAX);
        let target = target.map_or_else(|| format!("{base}/"), str::to_owned);
        let redirect_uri = redirect_uri(canonical, base, &self.login);
        Some(match self.login.send_away(&redirect_uri, &target, canonical.fields(), clock::wall()) {
            Ok(sent) => Stop::answer(reply(StatusCode::FOUND, Some(&sent.location), &sent.cookies)),
            Err(failed) => problem(&self.login, failed, &[]).into(),
        })
    }

    fn carries(&self) -> Carries {
        Carries::Token
    }

    fn strip(&self, request: &mut Canonical) {
        remove_own_cookies(request.fields_mut());
    }
}

impl fmt::Debug for LoginSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LoginSession").field(self.login.name()).finish()
    }
}

/// Answers what the gateway serves for a login. Nothing that comes here goes any further.
#[derive(Debug)]
pub struct LoginDesk {
    desk: Desk,
    login: Arc<Login>,
}

impl LoginDesk {
    /// Serves `desk` for `login`.
    pub fn new(desk: Desk, login: Arc<Login>) -> Self {
        Self { desk, login }
    }

    async fn call_back(&self, identified: &Identified<'_>) -> Stop {
        let request = identified.request();
        let redirect_uri = redirect_uri(request, &identified.operation().base_path, &self.login);
        let query = request.query().unwrap_or_default();
        match self.login.take_back(&redirect_uri, query, request.fields(), clock::wall()).await {
            Ok(Sent { location, cookies }) => {
                Stop::answer(reply(StatusCode::SEE_OTHER, Some(&location), &cookies))
            }
            Err((cookies, failed)) => problem(&self.login, failed, &cookies).into(),
        }
    }

    async fn log_out(&self, request: &Canonical) -> Stop {
        if !is_of_same_origin(request) {
            return cross_site().into();
        }
        let name = cookies::session(self.login.name());
        let cookie = cookies::only(request.fields(), &name).unwrap_or_default();
        let forget = [cookies::forget(&name)];
        match self.login.log_out(cookie, clock::wall()).await {
            Ok(Some(place)) => Stop::answer(reply(StatusCode::SEE_OTHER, Some(&place), &forget)),
            Ok(None) => Stop::answer(reply(StatusCode::NO_CONTENT, None, &forget)),
            Err(failed) => problem(&self.login, failed, &forget).into(),
        }
    }

    async fn log_out_by(&self, request: &Canonical, body: Option<&Whole>) -> Stop {
        let token = logout_token(request.fields(), body);
        let done = match token {
            Ok(token) => self.login.log_out_by(&token, clock::wall()).await,
            Err(why) => Err(Failed::Refused(why.to_owned())),
        };
        match done {
            Ok(()) => Stop::answer(reply(StatusCode::OK, None, &[])),
            Err(Failed::Refused(why)) => {
                let problem = LOGOUT_REFUSED.with("the logout token is not valid");
                problem.because(format_args!("login {}: {why}", self.login.name())).into()
            }
            Err(failed) => problem(&self.login, failed, &[]).into(),
        }
    }
}

impl Policy for LoginDesk {
    fn name(&self) -> &'static str {
        KIND.name
    }

    fn needs(&self) -> Needs {
        // Also where nothing is read: what is served here ends before a body goes on.
        Needs::Whole
    }

    fn inspect_request<'a>(
        &'a self,
        request: &'a Identified,
        body: Option<&'a Whole>,
        cx: &'a mut Context,
    ) -> Step<'a, ()> {
        if cx.rehearsal != Rehearsal::No {
            // Every answer of the desk uses something up: a code, a session, a logout token.
            return Step::pass();
        }
        Step::Later(Box::pin(async move {
            Err(match self.desk {
                Desk::Callback => self.call_back(request).await,
                Desk::Logout => self.log_out(request.request()).await,
                Desk::BackChannel => self.log_out_by(request.request(), body).await,
            })
        }))
    }
}

/// Keeps cookies of ours from backends, and theirs from passing for ours.
#[derive(Debug)]
pub struct OwnCookies;

impl Policy for OwnCookies {
    fn name(&self) -> &'static str {
        KIND.name
    }

    fn transform_request<'a>(&'a self, request: &'a mut Identified, _cx: &'a mut Context) -> Step<'a, ()> {
        remove_own_cookies(request.request_mut().fields_mut());
        Step::pass()
    }

    fn transform_response<'a>(&'a self, answer: &'a mut Answered, _cx: &'a mut Context) -> Step<'a, ()> {
        let fields = answer.fields_mut();
        if fields.all("set-cookie").any(is_own_cookie) {
            fields.retain(|field| !sets_own_cookie(field));
        }
        Step::pass()
    }
}

/// Takes cookies of ours out.
pub(super) fn remove_own_cookies(fields: &mut Fields) {
    parameters::remove_cookies(fields, cookies::is_own);
}

/// Whether a field sets a cookie of ours.
pub(super) fn sets_own_cookie(field: Field<'_>) -> bool {
    field.is("set-cookie") && is_own_cookie(field.value)
}

/// Whether a value of `Set-Cookie` sets a cookie of ours.
fn is_own_cookie(value: &[u8]) -> bool {
    let value = value.trim_ascii_start();
    let start = value.get(..cookies::PREFIX.len()).unwrap_or_default();
    start.eq_ignore_ascii_case(cookies::PREFIX.as_bytes())
}

/// Where the provider sends browsers back to: at the origin and API that the request is of.
fn redirect_uri(request: &Canonical, base: &str, login: &Login) -> String {
    format!("{}{base}{}", origin(request), Desk::Callback.path(login.name()))
}

fn origin(request: &Canonical) -> String {
    format!("{}://{}", request.scheme(), request.authority())
}

/// Whether a browser asks for a page to show it (Fetch Metadata); one that does not say so, by what it accepts.
fn is_navigation(request: &Canonical) -> bool {
    if !matches!(*request.method(), Method::GET | Method::HEAD) || request.upgrade().is_some() {
        return false;
    }
    match request.fields().only("sec-fetch-mode") {
        Ok(Some(mode)) => mode == b"navigate",
        Err(_) => false,
        Ok(None) => request.fields().all("accept").any(|accepted| {
            let mut kinds = accepted.split(|byte| matches!(byte, b',' | b';'));
            kinds.any(|kind| kind.trim_ascii().eq_ignore_ascii_case(b"text/html"))
        }),
    }
}

/// Whether a request may change something: by its method, or as the beginning of a conversation.
fn changes_something(request: &Canonical) -> bool {
    !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) || request.upgrade().is_some()
}

/// Whether a page of the same origin sent a request, or the user did. Browsers say so and pages cannot (Fetch Metadata, RFC 6454 §7);
/// where nothing is said nobody knows, and so it is not.
fn is_of_same_origin(request: &Canonical) -> bool {
    match (request.fields().only("sec-fetch-site"), request.fields().only("origin")) {
        (Err(_), _) | (_, Err(_)) | (Ok(None), Ok(None)) => false,
        (Ok(Some(site)), Ok(None)) => site == b"same-origin" || site == b"none",
        (Ok(Some(site)), Ok(Some(own))) => site == b"same-origin" && *own == *origin(request).as_bytes(),
        (Ok(None), Ok(Some(own))) => *own == *origin(request).as_bytes(),
    }
}

fn cross_site() -> Problem {
    CROSS_SITE_REQUEST.with("a request that may change something must come from a page of the same origin")
}

/// An answer of a login: never stored, and no page learns where it led from.
fn reply(status: StatusCode, location: Option<&str>, cookies: &[String]) -> Reply {
    let mut fields = Fields::new();
    if let Some(location) = location {
        fields.push("location", location);
    }
    for line in cookies {
        fields.push("set-cookie", line);
    }
    fields.push("cache-control", "no-store");
    fields.push("referrer-policy", "no-referrer");
    Reply { status, fields, body: Body::Empty }
}

/// What is asked for, as `WWW-Authenticate` says it.
fn challenge(login: &Login) -> String {
    format!("Login realm=\"portcullis\", issuer=\"{}\"", login.name())
}

/// What a login that did not succeed is answered with: one wording for all that is wrong with what was brought.
fn problem(login: &Login, failed: Failed, cookies: &[String]) -> Problem {
    let problem = match failed {
        Failed::Refused(why) => CREDENTIAL_INVALID
            .with("the credential is not valid")
            .because(format_args!("login {}: {why}", login.name()))
            .field("www-authenticate", challenge(login)),
        Failed::Unavailable(why) => ISSUER_UNAVAILABLE
            .with("nobody can log in now; try again in a moment")
            .because(format_args!("login {}: {why}", login.name()))
            .field("retry-after", "5"),
    };
    let problem = cookies.iter().fold(problem, |problem, line| problem.field("set-cookie", line.as_str()));
    problem.field("referrer-policy", "no-referrer")
}

/// The token of a back-channel logout request (§2.5).
fn logout_token(fields: &Fields, body: Option<&Whole>) -> Result<Vec<u8>, &'static str> {
    let kind = fields.only("content-type").ok().flatten().unwrap_or_default();
    let kind = kind.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    if !kind.eq_ignore_ascii_case(b"application/x-www-form-urlencoded") {
        return Err("the logout request is no form");
    }
    let body = body.and_then(Whole::bytes).ok_or("the logout request has no body in memory")?;
    let form = std::str::from_utf8(body).map_err(|_| "the logout request is no text")?;
    let mut tokens = parameters::of_query(form).filter(|(name, _)| **name == *b"logout_token");
    match (tokens.next(), tokens.next()) {
        (Some((_, token)), None) => Ok(token.into_owned()),
        _ => Err("the logout request has not exactly one token"),
    }
}
