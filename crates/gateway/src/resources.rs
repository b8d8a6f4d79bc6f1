//! What outlives a snapshot, by name and settings: backends with their pools, the terms of connections, the
//! callers of the store, passwords that were right.
//!
//! An unrelated edit must not close connections to backends or of clients, or reset what was learned of a target. A
//! resource is kept as long as a configuration asks for one of the same name with the same settings.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use portcullis_openapi::contract::{self, Contract};
use portcullis_openapi::source::Finding;
use tokio::sync::Semaphore;

use crate::acme::{Acme, Spec};
use crate::authorizers::Authorizer;
use crate::authorizers::spec::AuthorizerSpec;
use crate::callers::Callers;
use crate::certificates::Certificates;
use crate::chores::Chores;
use crate::clock;
use crate::config::{ApiDefinition, ClientCertificates, Listener, Protocol, ProxyProtocol, TlsVersion};
use crate::dns::Resolver;
use crate::fetch::RemoteError;
use crate::http::term::Term;
use crate::issuers::spec::IssuerSpec;
use crate::issuers::{Issuer, IssuerError};
use crate::logins::spec::LoginSpec;
use crate::logins::{Login, LoginError};
use crate::observe::{Incident, Observe};
use crate::passwords::Passwords;
use crate::policies::backend_credentials::account::Account;
use crate::policies::backend_credentials::exchange::Exchange;
use crate::policies::backend_credentials::mint::Places;
use crate::problem::Severity;
use crate::session_ends::SessionEnds;
use crate::signing::{KEYS_STUCK, Signing};
use crate::snapshot::Snapshot;
use crate::upstream::{Backend, BackendError, BackendSpec};
use crate::vault::Vault;

/// Resources by name and settings.
#[derive(Debug, Clone, Default)]
pub struct Resources {
    backends: Vec<Arc<Backend>>,
    terms: Vec<(Box<str>, Terms, Arc<Term>)>,
    issuers: Vec<Arc<Issuer>>,
    logins: Vec<Arc<Login>>,
    authorizers: Vec<Arc<Authorizer>>,
    /// Where passwords are hashed, and what was right.
    pub passwords: Arc<Passwords>,
    /// Those that the store knows.
    pub callers: Arc<Callers>,
    /// Login sessions that ended before their time.
    pub ends: Arc<SessionEnds>,
    /// Secrets that all nodes share, where several do.
    pub vault: Option<Arc<Vault>>,
    /// What tokens of our own are signed with.
    pub signing: Arc<Signing>,
    /// Tokens of our own that can be used again.
    pub minted: Arc<Places>,
    /// Certificates that are used, and who watches their ends.
    pub certificates: Arc<Certificates>,
    /// Accounts at authorization servers.
    pub accounts: Vec<Arc<Account>>,
    /// What exchanges tokens of callers.
    pub exchanges: Vec<Arc<Exchange>>,
    acme: Vec<Arc<Acme>>,
    /// Contracts, and what each was made of.
    contracts: Vec<Compiled>,
    /// One certificate is ordered at a time.
    orders: Orders,
    /// Where what must survive is kept.
    state: Option<PathBuf>,
}

/// The right to order a certificate.
#[derive(Debug, Clone)]
struct Orders(Arc<Semaphore>);

impl Default for Orders {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(1)))
    }
}

/// What a listener asks of those who connect. A connection that was opened on other terms ends.
///
/// Not among them: the server's own certificates. A renewal closes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    proxy_protocol: ProxyProtocol,
    protocols: Vec<Protocol>,
    tls: Option<TlsTerms>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct TlsTerms {
    min_version: TlsVersion,
    clients: Option<ClientCertificates>,
    clients_by_host: Vec<(String, ClientCertificates)>,
}

impl Terms {
    /// Those of a listener.
    pub fn of(settings: &Listener) -> Self {
        Self {
            proxy_protocol: settings.proxy_protocol,
            protocols: settings.protocols().to_vec(),
            tls: settings.tls.as_ref().map(|tls| TlsTerms {
                min_version: tls.min_version,
                clients: tls.client_certificates.clone(),
                clients_by_host: tls
                    .hosts
                    .iter()
                    .map(|(host, own)| (host.clone(), own.client_certificates.clone()))
                    .collect(),
            }),
        }
    }
}

/// A contract, and what it was made of.
#[derive(Debug, Clone)]
struct Compiled {
    digest: [u8; 32],
    options: contract::Options,
    contract: Arc<Contract>,
}

impl Resources {
    /// None yet, with keys of our own kept in the `vault` of all nodes, else below `state`. Where nodes have a store in
    /// common, what ends on one is `shared`.
    pub fn new(state: Option<&Path>, vault: Option<Arc<Vault>>, shared: bool) -> Self {
        let signing = Arc::new(Signing::new(state, vault.clone()));
        let ends = Arc::new(SessionEnds::new(state, shared));
        Self { signing, vault, ends, state: state.map(Path::to_owned), ..Self::default() }
    }

    /// The backend of this name and these settings: the running one, or a new one that goes on with what its settings
    /// leave as it was.
    ///
    /// # Errors
    /// The settings cannot be made to work.
    pub fn backend(&mut self, spec: BackendSpec, cores: usize) -> Result<Arc<Backend>, BackendError> {
        if let Some(running) = self.backends.iter().find(|backend| *backend.spec() == spec) {
            return Ok(Arc::clone(running));
        }
        let before = self.backends.iter().rev().find(|backend| backend.spec().name == spec.name);
        let backend = Arc::new(Backend::after(before.map(|before| &**before), spec, cores)?);
        self.backends.push(Arc::clone(&backend));
        Ok(backend)
    }

    /// The term of connections to the listener called `name`: the running one, or a new one for other terms.
    pub fn term(&mut self, name: &str, terms: Terms) -> Arc<Term> {
        let running =
            self.terms.iter().find(|(own, under, term)| **own == *name && *under == terms && !term.is_over());
        if let Some((_, _, term)) = running {
            return Arc::clone(term);
        }
        let term = Arc::<Term>::default();
        self.terms.push((name.into(), terms, Arc::clone(&term)));
        term
    }

    /// The issuer of these settings: the running one, with its keys, or a new one.
    ///
    /// # Errors
    /// The settings cannot be made to work.
    pub fn issuer(&mut self, spec: IssuerSpec) -> Result<Arc<Issuer>, IssuerError> {
        if let Some(running) = self.issuers.iter().find(|issuer| *issuer.spec() == spec) {
            return Ok(Arc::clone(running));
        }
        let issuer = Arc::new(Issuer::new(spec)?);
        self.issuers.push(Arc::clone(&issuer));
        Ok(issuer)
    }

    /// The authorizer of these settings: the running one, with its connections, or a new one.
    ///
    /// # Errors
    /// The settings cannot be made to work.
    pub fn authorizer(&mut self, spec: AuthorizerSpec) -> Result<Arc<Authorizer>, RemoteError> {
        if let Some(running) = self.authorizers.iter().find(|authorizer| *authorizer.spec() == spec) {
            return Ok(Arc::clone(running));
        }
        let authorizer = Arc::new(Authorizer::new(spec)?);
        self.authorizers.push(Arc::clone(&authorizer));
        Ok(authorizer)
    }

    /// The login of these settings at `issuer`: the running one, or a new one that goes on with what one of the name knew.
    ///
    /// # Errors
    /// The settings cannot be made to work.
    pub fn login(&mut self, spec: LoginSpec, issuer: &Arc<Issuer>) -> Result<Arc<Login>, LoginError> {
        let is_same = |login: &&Arc<Login>| *login.spec() == spec && Arc::ptr_eq(login.issuer(), issuer);
        if let Some(running) = self.logins.iter().find(is_same) {
            return Ok(Arc::clone(running));
        }
        let before = self.logins.iter().rev().find(|login| login.name() == &spec.name).cloned();
        let login =
            Arc::new(Login::new(spec, Arc::clone(issuer), Arc::clone(&self.ends), before.as_deref())?);
        self.logins.push(Arc::clone(&login));
        Ok(login)
    }

    /// The certificate that is ordered by `spec`: the running one, or a new one that goes on with what one for the same first
    /// name has.
    ///
    /// # Errors
    /// The settings cannot be made to work.
    pub fn acme(&mut self, spec: Spec) -> Result<Arc<Acme>, RemoteError> {
        if let Some(running) = self.acme.iter().find(|acme| *acme.spec() == spec) {
            return Ok(Arc::clone(running));
        }
        let before = self.acme.iter().rev().find(|acme| acme.spec().names.first() == spec.names.first());
        let acme = Arc::new(Acme::new(spec, self.state.as_deref(), before.map(|before| &**before))?);
        self.acme.push(Arc::clone(&acme));
        Ok(acme)
    }

    /// The contract of a definition: the one that was made of the same documents, or a new one.
    ///
    /// # Errors
    /// What cannot be understood of it.
    pub fn contract(
        &mut self,
        definition: &ApiDefinition,
        options: contract::Options,
        observe: &Observe,
    ) -> Result<Arc<Contract>, Vec<Finding>> {
        let digest = *definition.digest();
        let known = self.contracts.iter().find(|known| known.digest == digest && known.options == options);
        if let Some(known) = known {
            return Ok(Arc::clone(&known.contract));
        }
        let contract = Arc::new(Contract::compile(definition.definition(), &options)?);
        observe.contract_compiled();
        self.contracts.push(Compiled { digest, options, contract: Arc::clone(&contract) });
        Ok(contract)
    }

    /// Begins what `current` needs besides requests: names and checks of its backends and no others any more, keys,
    /// certificates.
    pub fn settle(&self, current: &Snapshot, chores: &Chores, resolver: &Resolver, observe: &Observe) {
        current.upstreams.begin(&self.backends, chores, resolver);
        self.ends.resize(current.bounds.session_ends);
        for login in &self.logins {
            login.resize(&current.bounds);
        }
        if let Some(schedule) = current.signing {
            let observe = observe.clone();
            self.signing.begin(schedule, chores, move |cause| {
                observe.incident(&Incident::own(clock::wall(), KEYS_STUCK, Severity::High, cause));
            });
        }
        for account in &self.accounts {
            account.begin(chores);
        }
        for acme in &self.acme {
            acme.want(current.acme.iter().any(|(_, wanted)| Arc::ptr_eq(wanted, acme)));
        }
        self.certificates.obtained_are(current.acme.iter().map(|(place, acme)| acme.at(place)));
        for (_, acme) in &current.acme {
            acme.begin(&self.orders.0, &self.certificates, chores, observe);
        }
    }

    /// Forgets what no snapshot holds any more.
    pub fn forget_unused(&mut self) {
        self.terms.retain(|(_, _, term)| !term.is_over());
        self.logins.retain(|login| Arc::strong_count(login) > 1);
        self.issuers.retain(|issuer| Arc::strong_count(issuer) > 1);
        self.authorizers.retain(|authorizer| Arc::strong_count(authorizer) > 1);
        self.backends.retain(|backend| Arc::strong_count(backend) > 1);
        self.contracts.retain(|known| Arc::strong_count(&known.contract) > 1);
        self.acme.retain(|acme| Arc::strong_count(acme) > 1);
        // A policy holds those that count; a chore at work holds one for a while longer.
        self.exchanges.retain(|exchange| Arc::strong_count(exchange) > 1);
        self.accounts.retain(|account| Arc::strong_count(account) > 1);
    }
}
