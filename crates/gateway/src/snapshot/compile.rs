//! Configuration to snapshot: everything resolved, or every reason why not.
//!
//! What can be wrong with a text alone was found when it was loaded. Here it meets what it refers to: files,
//! certificates, templates that clash. Findings carry the place in the configuration, and nothing that runs is
//! touched until all of it compiles.

mod acme;
mod attestation;
mod authentication;
mod authorizers;
mod backends;
mod callers;
mod contract;
mod credentials;
mod declared;
mod issuers;
mod listeners;
mod logins;
mod mocks;
mod operations;
mod operators;
mod security;
mod selection;

use std::sync::Arc;

use foldhash::{HashMap, HashMapExt};
use portcullis_openapi::contract::Contract;
use portcullis_openapi::mock::Mock;
use portcullis_openapi::source::{Finding, Pointer};

use super::Snapshot;
use super::coverage::ApiReport;
use crate::acme::Acme;
use crate::authorizers::Authorizer;
use crate::bounds::Bounds;
use crate::config::{Auth, Config, Loaded, Place, Telemetry, TraceParents};
use crate::http::trace::{Parents, Tracing};
use crate::issuers::Issuer;
use crate::logins::Login;
use crate::observe::Observe;
use crate::passwords::{Nobody, Passwords};
use crate::pipeline::Expression;
use crate::pipeline::authentication::Authenticator;
use crate::policies::backend_credentials::BackendCredentials;
use crate::resources::Resources;
use crate::upstream::Upstreams;

pub use listeners::ListenerPlan;

/// The share of new traces that is sampled, unless the configuration says another: 1 %.
const SAMPLED: f64 = 0.01;

/// A snapshot, and the listeners it wants bound.
#[derive(Debug)]
pub struct Compiled {
    /// The snapshot.
    pub snapshot: Snapshot,
    /// What must be listened on.
    pub listeners: Vec<ListenerPlan>,
}

/// What the parts of a compilation share.
struct Compiler<'a> {
    config: &'a Config,
    loaded: &'a Loaded,
    observe: &'a Observe,
    bounds: Arc<Bounds>,
    findings: Vec<Finding>,
    warnings: Vec<Finding>,
    /// Certificates that authorities give, and where each is asked for first.
    acme: Vec<(Arc<str>, Arc<Acme>)>,
    passwords: Arc<Passwords>,
    /// What an unknown user's password is compared with.
    nobody: Nobody,
    /// Those of the expression at hand: where the same is asked for twice, one verifier answers.
    authenticators: Vec<(Auth, Arc<dyn Authenticator>)>,
    /// What the operation before has that this one may share.
    last: Last,
    /// What each backend is told of who calls, in order of the configuration.
    credentials: Vec<Option<Arc<BackendCredentials>>>,
    issuers: Vec<Arc<Issuer>>,
    authorizers: Vec<Arc<Authorizer>>,
    /// By the name of their API.
    contracts: HashMap<Box<str>, Arc<Contract>>,
    coverage: Vec<ApiReport>,
    logins: Vec<Arc<Login>>,
    /// What answers operations of the API at hand that have no backend.
    mock: Option<(Box<str>, Arc<Mock>)>,
    /// Those that operations of the API at hand ask for.
    asked_logins: Vec<Arc<Login>>,
}

/// What neighbours share: they often have the same, and what is made of it.
#[derive(Default)]
struct Last {
    /// The name of the API.
    api: Option<Arc<str>>,
    /// What was asked for, and what was made of it.
    auth: Option<(Auth, Arc<Expression>)>,
    /// Where `auth` stands.
    auth_place: Option<Arc<str>>,
    /// What a definition asked for, of which API, and what was made of it.
    security: Option<(Box<str>, security::Asked, Arc<Expression>)>,
}

/// Compiles a configuration.
///
/// # Errors
/// Every finding at once, in the order of the configuration.
pub fn compile(
    loaded: &Loaded,
    resources: &mut Resources,
    observe: &Observe,
    cores: usize,
) -> Result<Compiled, Vec<Finding>> {
    let config = &loaded.config;
    let bounds = Arc::new(config.bounds.over(&Bounds::default()));
    let mut compiler = Compiler {
        config,
        loaded,
        observe,
        bounds,
        findings: Vec::new(),
        warnings: Vec::new(),
        acme: Vec::new(),
        passwords: Arc::clone(&resources.passwords),
        nobody: nobody(config),
        authenticators: Vec::new(),
        last: Last::default(),
        credentials: Vec::new(),
        issuers: Vec::new(),
        authorizers: Vec::new(),
        contracts: HashMap::new(),
        coverage: Vec::new(),
        logins: Vec::new(),
        mock: None,
        asked_logins: Vec::new(),
    };
    compiler.who_is_asked(resources);
    compiler.contracts(resources);
    let callers = compiler.callers(resources);
    let upstreams = compiler.backends(resources, cores);
    compiler.credentials(resources);
    let (mut listening, plans) = compiler.listeners(resources);
    compiler.proofs(&mut listening);
    let mut operations = Vec::new();
    for (name, api) in &config.apis {
        compiler.api(name, api, &callers, &mut listening, &mut operations);
    }
    compiler.key_set(resources, &mut listening, &mut operations);
    let operators = compiler.operators();

    if !compiler.findings.is_empty() {
        return Err(compiler.findings);
    }
    let snapshot = Snapshot {
        revision: loaded.hash.as_str().into(),
        dns: config.dns.settings(&compiler.bounds),
        bounds: compiler.bounds,
        tracing: tracing(&config.telemetry),
        server_timing: config.telemetry.server_timing,
        listeners: listening.into_iter().collect(),
        upstreams: Upstreams::new(upstreams),
        signing: credentials::schedule(config),
        stream_terms: operations.iter().filter_map(|operation| operation.terms.as_deref().copied()).collect(),
        callers,
        operators,
        issuers: compiler.issuers,
        authorizers: compiler.authorizers,
        logins: compiler.logins,
        acme: compiler.acme,
        coverage: compiler.coverage,
        operations,
        warnings: compiler.warnings,
        alive: observe.snapshot(),
    };
    Ok(Compiled { snapshot, listeners: plans })
}

/// What an unknown user's password is compared with: as costly as the costliest of those in the configuration.
fn nobody(config: &Config) -> Nobody {
    let credentials = config.consumers.values().flat_map(|consumer| &consumer.credentials);
    Nobody::like(credentials.filter_map(|credential| Some(credential.basic.as_ref()?.password.as_str())))
}

/// How traces are begun and joined.
fn tracing(telemetry: &Telemetry) -> Tracing {
    let share = telemetry.sample.map_or(SAMPLED, |sample| sample.fraction());
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share, of all there are")]
    let sample_below = (share * u64::MAX as f64) as u64;
    let parents = match telemetry.parents {
        TraceParents::Restart => Parents::Restart,
        TraceParents::Link => Parents::Link,
        TraceParents::Continue => Parents::Continue,
    };
    Tracing { parents, sample_below }
}

/// A place and the path of what stands there.
fn spell(place: Option<Place>, path: &str) -> Arc<str> {
    match place {
        Some(place) => format!("{place} {path}").into(),
        None => path.into(),
    }
}

/// A message, and the hint that it ends in (`; hint: …`), if it ends in one.
fn parted(message: &str) -> (&str, Option<String>) {
    let (what, hint) = message.split_once("; hint: ").unwrap_or((message, ""));
    (what, (!hint.is_empty()).then(|| hint.to_owned()))
}

impl Compiler<'_> {
    /// Whose word counts: issuers, authorizers, and where users log in.
    fn who_is_asked(&mut self, resources: &mut Resources) {
        self.issuers = self.issuers(resources);
        self.authorizers = self.authorizers(resources);
        self.logins = self.logins(resources);
    }

    /// Notes something wrong with the setting at `path`.
    fn wrong(&mut self, path: &str, message: impl Into<String>) {
        self.wrong_at(&path.parse().unwrap_or_default(), message);
    }

    /// Notes something wrong with the setting at `path`; a message may end in `; hint: …`.
    fn wrong_at(&mut self, path: &Pointer, message: impl Into<String>) {
        let message = message.into();
        let (message, hint) = parted(&message);
        self.findings.push(self.loaded.finding(path, message).with_hint_if(hint));
    }

    /// Where a setting stands, as `explain` shows it.
    fn place(&self, path: &str) -> Arc<str> {
        spell(self.loaded.place(path), path)
    }
}
