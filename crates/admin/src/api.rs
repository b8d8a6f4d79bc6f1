//! The admin API: what it offers, in one list that answers requests and makes its OpenAPI document.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{HeaderValue, UPGRADE};
use http::request::Parts;
use http::{Method, StatusCode};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use portcullis_gateway::http::Peer;
use portcullis_gateway::observe::{ALLOWED_KEPT, REFUSED_KEPT};
use portcullis_gateway::pipeline::attempts::Attempts;
use portcullis_gateway::problem::ProblemKind;
use portcullis_gateway::tasks::Tasks;
use serde_json::{Map, Value, json};
use tokio::net::UnixStream;
use tokio::sync::Mutex;
use tokio::task;

use crate::caller::{Caller, Reach, Right};
use crate::control::Control;
use crate::remote;
use crate::reply::{
    self, CHANGE_REFUSED, NOT_KEPT, PROTOCOL_UNKNOWN, RELOAD_BROKE, RELOAD_REFUSED, ROLE_MISSING, Reply,
    SOCKET_ONLY, TAKE_OVER_REFUSED, TIME_UNREADABLE,
};
use crate::store::{self, StoreAct};
use crate::takeover::{OpenDoors, PROTOCOL, hand_over};

/// What every path begins with.
const BASE: &str = "/api/v1";
/// Kept exchanges shown when nobody says how many.
const RECENT_DEFAULT: usize = 20;
/// Longest time that a configuration may wait to be confirmed.
const CONFIRM_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// Most kept exchanges shown.
const RECENT_MAX: usize = REFUSED_KEPT + ALLOWED_KEPT;

/// One thing the admin API does.
#[derive(Debug)]
pub struct Route {
    /// The method.
    pub method: &'static str,
    /// The path below `/api/v1`; a name in braces stands for one segment.
    pub path: &'static str,
    /// Its `operationId`.
    pub name: &'static str,
    /// What it needs.
    pub right: Right,
    /// One sentence for the reference.
    pub about: &'static str,
    act: Act,
}

#[derive(Debug, Clone, Copy)]
enum Act {
    Status,
    Recent,
    Explain,
    Routes,
    Bounds,
    Certificates,
    Drift,
    Reload,
    Apply,
    Confirm,
    Rollback,
    Diff,
    Revisions,
    Drain,
    TakeOver,
    OpenApi,
    Store(StoreAct),
}

/// What counts at a moment.
struct Revisions {
    config: String,
    store: Option<i64>,
}

impl Act {
    /// The parameter of its query, if it has one, as an OpenAPI document says it.
    fn query(self) -> Option<Value> {
        Some(match self {
            Self::Recent => query(
                "count",
                json!({ "type": "integer", "minimum": 0, "maximum": RECENT_MAX, "default": RECENT_DEFAULT }),
                "How many are shown.",
            ),
            Self::Apply => query(
                "confirm_ms",
                json!({ "type": "integer", "minimum": 1, "maximum": CONFIRM_MAX.as_secs().saturating_mul(1000) }),
                "Milliseconds until it goes back by itself. Absent: it stays.",
            ),
            Self::Rollback => query(
                "hash",
                json!({ "type": "string" }),
                "The beginning of a kept configuration's hash. Absent: what ran before.",
            ),
            Self::Store(act) => return act.query(),
            Self::Status
            | Self::Explain
            | Self::Routes
            | Self::Bounds
            | Self::Certificates
            | Self::Drift
            | Self::Reload
            | Self::Confirm
            | Self::Diff
            | Self::Revisions
            | Self::Drain
            | Self::TakeOver
            | Self::OpenApi => return None,
        })
    }

    /// Adds what a request to `path` may bring to its operation in the OpenAPI document.
    fn takes(self, path: &str, operation: &mut Map<String, Value>) {
        let names = path.split(['{', '}']).skip(1).step_by(2);
        let in_path = names.map(
            |name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }),
        );
        let parameters: Vec<Value> = in_path.chain(self.query()).collect();
        if !parameters.is_empty() {
            operation.insert("parameters".to_owned(), parameters.into());
        }
        if matches!(self, Self::Apply | Self::Diff) {
            let body = json!({
                "description": "The configuration document. Absent or empty: the gateway's own file.",
                "required": false,
                "content": { "application/yaml": { "schema": { "type": "string" } } },
            });
            operation.insert("requestBody".to_owned(), body);
        }
        if let Self::Store(act) = self
            && let Some(schema) = act.body()
        {
            let content =
                json!({ "required": true, "content": { "application/json": { "schema": schema } } });
            operation.insert("requestBody".to_owned(), content);
        }
    }
}

/// A parameter of a query, as an OpenAPI document says it.
pub(crate) fn query(name: &str, schema: Value, about: &str) -> Value {
    json!({ "name": name, "in": "query", "description": about, "schema": schema })
}

/// Everything the admin API does, and which right it needs: the one table of both.
pub static ROUTES: &[Route] = &[
    route(
        "GET",
        "/status",
        "getStatus",
        Right::Read,
        Act::Status,
        "How the gateway is: phase, configuration, listeners.",
    ),
    route(
        "GET",
        "/explain",
        "listExchanges",
        Right::Read,
        Act::Recent,
        "The latest kept exchanges, the last one first; `count` says how many.",
    ),
    route(
        "GET",
        "/explain/{id}",
        "explainExchange",
        Right::Read,
        Act::Explain,
        "One kept exchange: what each control decided, and which line of the configuration made it.",
    ),
    route("GET", "/routes", "listRoutes", Right::Read, Act::Routes, "The published operations."),
    route("GET", "/bounds", "listBounds", Right::Read, Act::Bounds, "The bounds in force."),
    route(
        "GET",
        "/certificates",
        "listCertificates",
        Right::Read,
        Act::Certificates,
        "Every certificate and revocation list that is used or trusted, those that end first first.",
    ),
    route(
        "GET",
        "/drift",
        "getDrift",
        Right::Read,
        Act::Drift,
        "What was asked and answered and is not declared, and what is declared and nobody asks for.",
    ),
    route(
        "POST",
        "/reload",
        "reload",
        Right::Change,
        Act::Reload,
        "Reads the configuration again and applies it, or says why not; a failure leaves what runs alone.",
    ),
    route(
        "POST",
        "/apply",
        "applyConfig",
        Right::Change,
        Act::Apply,
        "Applies the configuration in the body, or its file when there is none; with `confirm_ms` it goes back by itself unless confirmed.",
    ),
    route(
        "POST",
        "/confirm",
        "confirmConfig",
        Right::Change,
        Act::Confirm,
        "Keeps the configuration that waits to be confirmed.",
    ),
    route(
        "POST",
        "/rollback",
        "rollBackConfig",
        Right::Change,
        Act::Rollback,
        "Goes back to what ran before, or to the kept configuration whose hash begins with `hash`.",
    ),
    route(
        "POST",
        "/diff",
        "diffConfig",
        Right::Change,
        Act::Diff,
        "What the configuration in the body, or its file when there is none, would change.",
    ),
    route(
        "GET",
        "/revisions",
        "listRevisions",
        Right::Read,
        Act::Revisions,
        "The configurations that are kept, the newest first.",
    ),
    route(
        "POST",
        "/drain",
        "drain",
        Right::Change,
        Act::Drain,
        "Stops being ready, lets requests in flight end, then ends the process.",
    ),
    route(
        "POST",
        "/take-over",
        "takeOver",
        Right::Socket,
        Act::TakeOver,
        "Hands every listening socket to the process that asks, and drains once that one serves; speaks what `Upgrade` names.",
    ),
    route(
        "GET",
        "/consumers",
        "listConsumers",
        Right::Read,
        Act::Store(StoreAct::List),
        "The consumers of the store, in order of their names; `after` goes on where the last answer ended.",
    ),
    route(
        "GET",
        "/consumers/{consumer}",
        "getConsumer",
        Right::Read,
        Act::Store(StoreAct::Show),
        "A consumer with its credentials.",
    ),
    route(
        "PUT",
        "/consumers/{consumer}",
        "putConsumer",
        Right::Credentials,
        Act::Store(StoreAct::Put),
        "Makes a consumer, or gives it another grant; with `new=true` one that is there already stays as it is.",
    ),
    route(
        "DELETE",
        "/consumers/{consumer}",
        "deleteConsumer",
        Right::Credentials,
        Act::Store(StoreAct::Delete),
        "Deletes a consumer with all its credentials.",
    ),
    route(
        "POST",
        "/consumers/{consumer}/credentials",
        "addCredential",
        Right::Credentials,
        Act::Store(StoreAct::Add),
        "Adds a credential. The key of one is in this answer and in no other.",
    ),
    route(
        "POST",
        "/consumers/{consumer}/credentials/{credential}/rotate",
        "rotateKey",
        Right::Credentials,
        Act::Store(StoreAct::Rotate),
        "Makes a key that takes another's place; both count for `overlap_ms`.",
    ),
    route(
        "POST",
        "/consumers/{consumer}/credentials/{credential}/expire",
        "expireCredential",
        Right::Credentials,
        Act::Store(StoreAct::Expire),
        "Ends a credential at a time.",
    ),
    route(
        "POST",
        "/consumers/{consumer}/credentials/{credential}/revoke",
        "revokeCredential",
        Right::Credentials,
        Act::Store(StoreAct::Revoke),
        "Ends a credential now, on every node within five seconds; streams it opened end.",
    ),
    route(
        "GET",
        "/audit",
        "listWrites",
        Right::Read,
        Act::Store(StoreAct::Audit),
        "Every write to the store, the last one first: who, what, the revisions before and after; `before` goes on.",
    ),
    route(
        "GET",
        "/openapi.json",
        "getOpenApi",
        Right::Read,
        Act::OpenApi,
        "This API as an OpenAPI document.",
    ),
];

const fn route(
    method: &'static str,
    path: &'static str,
    name: &'static str,
    right: Right,
    act: Act,
    about: &'static str,
) -> Route {
    Route { method, path, name, right, about, act }
}

impl Route {
    /// Whether it changes something. Only `diff` has a method that says so and changes nothing: it takes a body.
    fn is_write(&self) -> bool {
        self.method != "GET" && !matches!(self.act, Act::Diff)
    }
}

/// The admin API over one gateway.
pub(crate) struct Api {
    control: Arc<dyn Control>,
    /// One reload at a time.
    reloading: Mutex<()>,
    doors: Arc<OpenDoors>,
    tasks: Tasks,
    /// Failed credentials by address, apart from those of the listeners: whoever is held back there may be an operator's
    /// neighbour.
    attempts: Attempts,
}

/// A connection that may be switched to another protocol, and the one it asks for.
pub(crate) struct Upgrade {
    protocol: HeaderValue,
    connection: OnUpgrade,
}

impl Upgrade {
    /// That of a request, if it asks for one.
    pub(crate) fn take(parts: &mut Parts) -> Option<Self> {
        let protocol = parts.headers.get(UPGRADE)?.clone();
        let connection = parts.extensions.remove::<OnUpgrade>()?;
        Some(Self { protocol, connection })
    }
}

impl Api {
    pub(crate) fn new(control: Arc<dyn Control>, doors: Arc<OpenDoors>, tasks: Tasks) -> Self {
        Self { control, reloading: Mutex::new(()), doors, tasks, attempts: Attempts::default() }
    }

    /// Who asks over the network, or the answer to whoever is nobody.
    pub(crate) fn admit(&self, parts: &Parts, peer: &Peer) -> Result<Caller, Box<Reply>> {
        remote::admit(parts, peer, self.control.as_ref(), &self.attempts)
    }

    /// The gateway.
    pub(crate) fn control(&self) -> &dyn Control {
        self.control.as_ref()
    }

    /// What a request of `caller` asks for, with what stands for each `{…}` of its path; or why it gets nothing.
    pub(crate) fn find<'p>(
        &self,
        method: &Method,
        path: &'p str,
        caller: &Caller,
    ) -> Result<(&'static Route, Vec<&'p str>), Box<Reply>> {
        let below = path.strip_prefix(BASE).ok_or_else(|| Box::new(reply::no_such_path()))?;
        let mut allowed: Vec<&str> = Vec::new();
        for route in ROUTES {
            let Some(ids) = found(route.path, below) else { continue };
            if route.method == method.as_str() || (route.method == "GET" && *method == Method::HEAD) {
                return if caller.may(route.right) {
                    Ok((route, ids))
                } else {
                    Err(Box::new(self.forbidden(route, path, caller)))
                };
            }
            allowed.push(route.method);
            allowed.extend((route.method == "GET").then_some("HEAD"));
        }
        let answer = match allowed.is_empty() {
            true => reply::no_such_path(),
            false => reply::no_such_method(&allowed.join(", ")),
        };
        Err(Box::new(answer))
    }

    /// The answer to somebody who is known and may not.
    fn forbidden(&self, route: &Route, path: &str, caller: &Caller) -> Reply {
        let Some((role, from)) = caller.network() else { return reply::no_such_path() };
        let problem = if route.right == Right::Socket {
            SOCKET_ONLY.with("this is done on the admin socket of the gateway's machine")
        } else {
            let needed: Vec<String> =
                route.right.roles().iter().map(|role| format!("`{}`", role.as_str())).collect();
            let needed = needed.join(" or ");
            ROLE_MISSING.with(format!("this needs the role {needed}; yours is `{}`", role.as_str()))
        };
        let problem = problem.because(format_args!("{} asks for `{}`", caller.name(), route.name));
        remote::tell(&self.control.observe(), &problem, from, Some(caller.name()), (route.method, path));
        reply::problem(&problem)
    }

    /// Answers a request that was found and may be asked, and whose body was read.
    pub(crate) async fn answer(
        &self,
        (route, ids): (&'static Route, Vec<&str>),
        query: &str,
        body: Bytes,
        upgrade: Option<Upgrade>,
        caller: &Caller,
    ) -> Reply {
        let before = route.is_write().then(|| self.revisions());
        let reply = match route.act {
            Act::TakeOver => self.take_over(upgrade).await,
            Act::Store(act) => store::answer(self.control.store(), act, &ids, query, &body, caller).await,
            act => {
                let id = ids.first().copied().unwrap_or_default();
                self.act(act, id, query, body, caller.reach()).await
            }
        };
        if let Some(before) = before {
            self.note(route, &ids, caller, reply.status(), &before);
        }
        reply
    }

    /// Notes a write, done or refused: who, what, the revisions before and after.
    fn note(&self, route: &Route, ids: &[&str], caller: &Caller, status: StatusCode, before: &Revisions) {
        let after = self.revisions();
        tracing::info!(
            operator = caller.name(),
            act = route.name,
            // Names of ours, which a path cannot make anything else of.
            subject = ids.join("/"),
            status = status.as_u16(),
            config_before = before.config,
            config_after = after.config,
            store_before = before.store,
            store_after = after.store,
            "an operator's write"
        );
    }

    fn revisions(&self) -> Revisions {
        let status = self.control.status();
        Revisions {
            config: status.config.hash.unwrap_or_default(),
            store: status.store.and_then(|store| store.revision),
        }
    }

    async fn act(&self, act: Act, id: &str, query: &str, body: Bytes, reach: Reach) -> Reply {
        let control = &self.control;
        match act {
            Act::Status => reply::json(StatusCode::OK, &control.status()),
            Act::Recent => reply::json(StatusCode::OK, &control.recent(count(query))),
            Act::Explain => match control.explain(id) {
                Some(kept) => reply::json(StatusCode::OK, &kept),
                None => reply::problem(
                    &NOT_KEPT.with("no exchange of that id is kept; the access log may have it"),
                ),
            },
            Act::Routes => reply::json(StatusCode::OK, &control.routes()),
            Act::Bounds => reply::json(StatusCode::OK, &control.bounds()),
            Act::Certificates => reply::json(StatusCode::OK, &control.certificates()),
            Act::Drift => reply::json(StatusCode::OK, &control.drift()),
            Act::Reload => self.change(&RELOAD_REFUSED, |control| control.reload()).await,
            Act::Apply => {
                let confirm = match confirm_in(query) {
                    Ok(confirm) => confirm,
                    Err(()) => return reply::problem(&TIME_UNREADABLE.with("write confirm_ms=300000")),
                };
                self.change(&RELOAD_REFUSED, move |control| control.apply(candidate(body), confirm, reach))
                    .await
            }
            Act::Confirm => self.change(&CHANGE_REFUSED, |control| control.confirm()).await,
            Act::Rollback => {
                let hash = parameter(query, "hash").map(str::to_owned);
                self.change(&CHANGE_REFUSED, move |control| control.rollback(hash.as_deref(), reach)).await
            }
            Act::Diff => self.ask(&RELOAD_REFUSED, move |control| control.diff(candidate(body))).await,
            Act::Revisions => reply::json(StatusCode::OK, &control.revisions()),
            Act::Drain => {
                control.drain();
                reply::json(StatusCode::ACCEPTED, &json!({ "phase": "draining" }))
            }
            // They need more than this.
            Act::TakeOver | Act::Store(_) => reply::no_such_path(),
            Act::OpenApi => reply::json(StatusCode::OK, &openapi()),
        }
    }

    /// Agrees to hand over, and does once the connection is switched.
    async fn take_over(&self, upgrade: Option<Upgrade>) -> Reply {
        let Some(upgrade) = upgrade.filter(|upgrade| upgrade.protocol == PROTOCOL) else {
            let detail = format!("this gateway hands over by `{PROTOCOL}`");
            return reply::problem(&PROTOCOL_UNKNOWN.with(detail).field("upgrade", PROTOCOL));
        };
        let lender = Arc::clone(&self.control);
        let lent = match task::spawn_blocking(move || lender.lend()).await {
            Ok(Ok(lent)) => lent,
            Ok(Err(reason)) => return reply::problem(&TAKE_OVER_REFUSED.with(reason)),
            Err(_) => return reply::problem(&RELOAD_BROKE.with("the running process goes on")),
        };
        let (control, doors) = (Arc::clone(&self.control), Arc::clone(&self.doors));
        self.tasks.spawn(async move {
            let stream = upgrade.connection.await.ok().and_then(|upgraded| {
                let parts = upgraded.downcast::<TokioIo<UnixStream>>().ok()?;
                parts.io.into_inner().into_std().ok()
            });
            let Some(stream) = stream else { return control.keep("the new process has ended") };
            let keeper = Arc::clone(&control);
            let spoken = task::spawn_blocking(move || hand_over(stream, lent, &doors, control.as_ref()));
            if spoken.await.is_err() {
                keeper.keep("the hand-over panicked");
            }
        });
        reply::switching(PROTOCOL)
    }

    /// Changes what runs. Answers the hash of what runs then.
    async fn change(
        &self,
        refused: &'static ProblemKind,
        change: impl FnOnce(&dyn Control) -> Result<String, String> + Send + 'static,
    ) -> Reply {
        self.ask(refused, |control| change(control).map(|hash| json!({ "hash": hash }))).await
    }

    /// Has something done that takes its time, one such thing at a time.
    async fn ask(
        &self,
        refused: &'static ProblemKind,
        act: impl FnOnce(&dyn Control) -> Result<Value, String> + Send + 'static,
    ) -> Reply {
        let turn = self.reloading.lock().await;
        let control = Arc::clone(&self.control);
        let outcome = task::spawn_blocking(move || act(control.as_ref())).await;
        drop(turn);
        match outcome {
            Ok(Ok(answer)) => reply::json(StatusCode::OK, &answer),
            Ok(Err(reason)) => {
                let errors: Vec<&str> = reason.lines().collect();
                reply::problem(
                    &refused.with("the running configuration stays in force").member("errors", errors),
                )
            }
            Err(panic) => {
                tracing::error!(%panic, "a reload panicked; the running configuration stays in force");
                reply::problem(&RELOAD_BROKE.with("the running configuration stays in force"))
            }
        }
    }
}

/// What stands for each `{…}` when `path` is one of `template`.
fn found<'p>(template: &str, path: &'p str) -> Option<Vec<&'p str>> {
    let mut ids = Vec::new();
    let mut segments = path.split('/');
    for expected in template.split('/') {
        let segment = segments.next()?;
        if expected.starts_with('{') {
            if segment.is_empty() {
                return None;
            }
            ids.push(segment);
        } else if expected != segment {
            return None;
        }
    }
    segments.next().is_none().then_some(ids)
}

/// A parameter of a query. Values of ours need no decoding.
pub(crate) fn parameter<'q>(query: &'q str, name: &str) -> Option<&'q str> {
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

/// A configuration that was sent; an empty body is none.
fn candidate(body: Bytes) -> Option<Vec<u8>> {
    (!body.is_empty()).then(|| body.into())
}

/// How long a configuration waits to be confirmed, if it does.
fn confirm_in(query: &str) -> Result<Option<Duration>, ()> {
    let Some(text) = parameter(query, "confirm_ms") else { return Ok(None) };
    let millis = text.parse::<u64>().ok().map(Duration::from_millis);
    millis.filter(|time| !time.is_zero() && *time <= CONFIRM_MAX).map(Some).ok_or(())
}

fn count(query: &str) -> usize {
    let wish = parameter(query, "count").and_then(|count| count.parse().ok());
    wish.unwrap_or(RECENT_DEFAULT).min(RECENT_MAX)
}

/// The API as an OpenAPI document.
pub fn openapi() -> Value {
    let mut paths = Map::new();
    for route in ROUTES {
        let success = if route.method == "POST" && route.path == "/drain" { "202" } else { "200" };
        let mut operation = json!({
            "operationId": route.name,
            "summary": route.about,
            "x-portcullis-roles": route.right.roles().iter().map(|role| role.as_str()).collect::<Vec<_>>(),
            "responses": {
                success: { "description": "As asked.", "content": { "application/json": {} } },
                "default": {
                    "description": "A problem (RFC 9457).",
                    "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } },
                },
            },
        });
        if let Some(operation) = operation.as_object_mut() {
            route.act.takes(route.path, operation);
        }
        let item = paths.entry(route.path).or_insert_with(|| json!({}));
        if let Some(item) = item.as_object_mut() {
            item.insert(route.method.to_ascii_lowercase(), operation);
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Portcullis admin API",
            "version": "1",
            "description": "On the admin socket everything may be asked by whoever may open it. On an address (`admin.bind`) an operator proves who it is by a token or a client certificate, and `x-portcullis-roles` says which roles may ask; where it is empty, nobody may over the network.",
        },
        "servers": [{ "url": BASE }],
        "security": [{ "token": [] }, { "certificate": [] }],
        "paths": paths,
        "components": { "securitySchemes": {
            "token": { "type": "http", "scheme": "bearer" },
            "certificate": { "type": "mutualTLS" },
        }, "schemas": { "Problem": {
            "type": "object",
            "required": ["type", "title", "status", "code"],
            "properties": {
                "type": { "type": "string" }, "title": { "type": "string" }, "status": { "type": "integer" },
                "detail": { "type": "string" }, "code": { "type": "string" },
                "errors": { "type": "array", "items": { "type": "string" } },
            },
        } } },
    })
}
