//! What each backend is told of who calls: `backends.*.credentials` to policies, shared by the operations of a backend.

use std::sync::Arc;
use std::time::Duration;

use foldhash::HashMap;
use http::Method;
use portcullis_identity::algorithm::Algorithm;
use portcullis_identity::base64::encode_standard;
use portcullis_identity::jwt::SigningKey;
use portcullis_openapi::matcher::{MatcherBuilder, Methods};
use portcullis_openapi::source::Pointer;
use portcullis_openapi::template::Template;

use super::Compiler;
use crate::config::{
    Backend, BackendBasic, BackendCredentials as Settings, Config, ExchangeActor, FieldValue, MintJwt,
    PhantomToken, SecretIn, SigningAlgorithm, TokenEndpoint, TokenExchange, TokenType,
};
use crate::fetch::{Remote, RemoteError};
use crate::oauth::client::{Client, ClientProof};
use crate::pipeline::{Carries, Expression, Handover, Operation, Policy};
use crate::policies::backend_credentials::account::{Account, AccountSpec};
use crate::policies::backend_credentials::exchange::{self, Exchange, ExchangeSpec};
use crate::policies::backend_credentials::key_set::KeySet;
use crate::policies::backend_credentials::mint::{Made, Mint, Terms};
use crate::policies::backend_credentials::{BackendCredentials, Says, What};
use crate::policies::login::OwnCookies;
use crate::resources::Resources;
use crate::secret::Secret;
use crate::signing::ring::Schedule;
use crate::snapshot::Listening;

impl Compiler<'_> {
    /// Those of every backend, in order of the configuration.
    pub(super) fn credentials(&mut self, resources: &mut Resources) {
        let config = self.config;
        for (name, backend) in &config.backends {
            let path = Pointer::new().key("backends").key(name).key("credentials");
            let asked = self.asked(name, backend, resources);
            let made = backend.credentials.as_ref().map(|settings| {
                let place = self.place(&path.to_string());
                let mut says = says(settings);
                let mint = |mint, header| minted(mint, header, config.signing.issuer.as_str(), resources);
                if let Some(settings) = &settings.mint_jwt {
                    let what = What::Minted(Box::new(mint(settings, &settings.header)));
                    says.push(Says { name: settings.header.as_str().into(), what });
                }
                if let Some(PhantomToken { header, mint: settings }) = &settings.phantom_token {
                    let mint = settings.as_ref().map(|settings| Box::new(mint(settings, header)));
                    says.push(Says {
                        name: header.as_str().into(),
                        what: What::Phantom(prefix(header), mint),
                    });
                }
                says.extend(asked.map(|what| Says { name: "authorization".into(), what }));
                Arc::new(BackendCredentials::new(says, settings.pass_through, place))
            });
            self.credentials.push(made);
        }
    }

    /// What somebody is asked for, for a backend.
    fn asked(&mut self, name: &str, backend: &Backend, resources: &mut Resources) -> Option<What> {
        let settings = backend.credentials.as_ref()?;
        let at = format!("backends.{name}.credentials");
        if let Some(account) = &settings.client_credentials {
            let terms = AccountTerms {
                scopes: &account.scopes,
                audience: account.audience.as_deref(),
                timeout: account.timeout.get(),
                wait: account.wait.get(),
            };
            let at = format!("{at}.client_credentials");
            return self.account(&at, &account.endpoint(), &terms, resources).map(What::Account);
        }
        let exchange = settings.token_exchange.as_ref()?;
        self.exchange(&format!("{at}.token_exchange"), exchange, resources).map(What::Exchanged)
    }

    /// An account of the gateway's own: the one that is there, or a new one.
    fn account(
        &mut self,
        at: &str,
        endpoint: &TokenEndpoint<'_>,
        terms: &AccountTerms<'_>,
        resources: &mut Resources,
    ) -> Option<Arc<Account>> {
        let fingerprint = fingerprint(endpoint, &format!("{terms:?}"));
        if let Some(running) = resources.accounts.iter().find(|account| account.is(&fingerprint)) {
            return Some(Arc::clone(running));
        }
        let (client, remote) = self.client(at, endpoint)?;
        let spec = AccountSpec {
            url: endpoint.url.clone(),
            client,
            scopes: terms.scopes.to_vec(),
            audience: terms.audience.map(str::to_owned),
            timeout: terms.timeout,
            wait: terms.wait,
        };
        let account = Arc::new(Account::new(spec, fingerprint, remote));
        resources.accounts.push(Arc::clone(&account));
        Some(account)
    }

    /// What exchanges tokens of callers: the one that is there, with what it has exchanged, or a new one.
    fn exchange(
        &mut self,
        at: &str,
        settings: &TokenExchange,
        resources: &mut Resources,
    ) -> Option<Arc<Exchange>> {
        let endpoint = settings.endpoint();
        let TokenExchange { audience, resource, scopes, token_audience, actor, .. } = settings;
        let fingerprint = fingerprint(
            &endpoint,
            &format!(
                "{audience:?} {resource:?} {scopes:?} {token_audience:?} {:?} {:?} {actor:?} {:?}",
                settings.token_type, settings.subject_type, settings.timeout
            ),
        );
        let timeout = settings.timeout.get();
        let actor = match actor {
            None => None,
            Some(ExchangeActor { scopes, audience }) => {
                let terms = AccountTerms { scopes, audience: audience.as_deref(), timeout, wait: timeout };
                Some(self.account(at, &endpoint, &terms, resources)?)
            }
        };
        if let Some(running) = resources.exchanges.iter().find(|exchange| exchange.is(&fingerprint)) {
            return Some(Arc::clone(running));
        }
        let (client, remote) = self.client(at, &endpoint)?;
        let audiences = match token_audience {
            Some(audience) => vec![audience.clone()],
            None => [audience, resource].into_iter().flatten().cloned().collect(),
        };
        let spec = ExchangeSpec {
            url: settings.url.clone(),
            client,
            subject_type: token_type(settings.subject_type),
            token_type: token_type(settings.token_type),
            audience: audience.clone(),
            resource: resource.clone(),
            audiences,
            scopes: scopes.clone(),
            actor,
            timeout,
        };
        let exchange = Arc::new(Exchange::new(spec, fingerprint, remote));
        resources.exchanges.push(Arc::clone(&exchange));
        Some(exchange)
    }

    /// The gateway as a client of an authorization server, and how its token endpoint is reached.
    fn client(&mut self, at: &str, endpoint: &TokenEndpoint<'_>) -> Option<(Client, Remote)> {
        let proof = match (endpoint.private_key, endpoint.client_secret) {
            (Some(key), _) => {
                let signing = SigningKey::from_pem(key.key.expose().as_bytes(), algorithm(key.algorithm));
                let signing = signing.and_then(|signing| signing.named(key.kid.as_deref()));
                let Ok(signing) = signing else {
                    self.wrong(&format!("{at}.private_key.key"), "is no private key for `algorithm`");
                    return None;
                };
                let audience = key.audience.clone().unwrap_or_else(|| endpoint.url.to_string());
                ClientProof::Assertion(Box::new(signing), audience)
            }
            (None, Some(secret)) if endpoint.secret_in == SecretIn::Post => ClientProof::Post(secret.clone()),
            (None, Some(secret)) => ClientProof::Basic(secret.clone()),
            // That there is a certificate was found when the configuration was judged.
            (None, None) => ClientProof::Certificate,
        };
        let (url, names, ca) = (endpoint.url.clone(), self.names(), endpoint.ca.map(Into::into));
        let remote = match endpoint.client_certificate {
            None => Remote::trusting(url, names, ca),
            Some(certificate) => Remote::presenting(url, names, ca, certificate),
        };
        match remote {
            Ok(remote) => Some((Client { id: endpoint.client_id.into(), proof }, remote)),
            Err(error @ RemoteError::Certificate(_)) => {
                self.wrong(&format!("{at}.client_certificate"), error.to_string());
                None
            }
            Err(error) => {
                self.wrong(&format!("{at}.url"), error.to_string());
                None
            }
        }
    }

    /// The operation that publishes the gateway's own keys, if one does.
    pub(super) fn key_set(
        &mut self,
        resources: &Resources,
        listening: &mut HashMap<Arc<str>, Listening>,
        operations: &mut Vec<Arc<Operation>>,
    ) {
        let config = self.config;
        let Some(jwks) = &config.signing.jwks else { return };
        let at = "signing.jwks";
        let template = match Template::parse(&jwks.path) {
            Ok(template) => template,
            Err(error) => return self.wrong(at, error.to_string()),
        };
        let place = self.place(at);
        let policy = KeySet::new(Arc::clone(&resources.signing), jwks.max_age.get());
        let (api, name, path) = ("(gateway)", "jwks", template.as_str());
        let operation = Arc::new(self.ours(api, name, path, &Method::GET, Arc::new(policy), place));
        let mut builder = MatcherBuilder::new();
        let inserted = builder.insert(Methods::One(Method::GET), template, Arc::clone(&operation));
        match inserted
            .map_err(|_| "the path clashes with itself".to_owned())
            .and_then(|()| builder.build().map_err(|error| error.to_string()))
        {
            Ok(matcher) => {
                let (listen, hosts) = (jwks.listen.as_ref(), jwks.hosts.as_ref());
                self.publish(listen, hosts, &jwks.path, &Arc::new(matcher), listening);
                operations.push(operation);
            }
            Err(error) => self.wrong(at, error),
        }
    }

    /// Ends the chain of an operation with what its backend is told, and says what that asks of every request.
    pub(super) fn hand_over(
        &mut self,
        auth: &Pointer,
        authentication: &Expression,
        backend: usize,
        chain: &mut Vec<Arc<dyn Policy>>,
    ) -> Option<Arc<Handover>> {
        if !self.logins.is_empty() {
            chain.push(Arc::new(OwnCookies));
        }
        let credentials = Arc::clone(self.credentials.get(backend)?.as_ref()?);
        if let Some((least, setting)) = credentials.needs()
            && !authentication.carries(least)
        {
            let (what, ways) = match least {
                Carries::Jwt => (
                    "come with no JWT of an issuer",
                    "a `token` whose issuer answers with a JWT, or write `mint`",
                ),
                _ => ("have no token", "`jwt`, `token` or `login`"),
            };
            let what = format!("lets callers in who {what}, and the backend's `{setting}` needs one");
            self.wrong_at(auth, format!("{what}; hint: each alternative must ask for {ways}"));
        }
        let handover = Arc::clone(credentials.handover());
        chain.push(credentials);
        Some(handover)
    }
}

/// What is asked for an account of the gateway's own.
#[derive(Debug)]
struct AccountTerms<'a> {
    scopes: &'a [String],
    audience: Option<&'a str>,
    timeout: Duration,
    wait: Duration,
}

/// A digest of all settings, secrets included, by which what is made of them outlives a reload.
fn fingerprint(endpoint: &TokenEndpoint<'_>, rest: &str) -> [u8; 32] {
    let key = endpoint.private_key;
    let (url, certificate) = (endpoint.url.to_string(), endpoint.client_certificate);
    let secret_in = format!("{:?}", endpoint.secret_in);
    let named = format!("{:?}", key.map(|key| (key.algorithm, &key.kid, &key.audience)));
    Account::fingerprint(&[
        &url,
        endpoint.client_id,
        endpoint.client_secret.map_or("", Secret::expose),
        &secret_in,
        key.map_or("", |key| key.key.expose()),
        &named,
        certificate.map_or("", |certificate| &certificate.cert),
        certificate.map_or("", |certificate| certificate.key.expose()),
        endpoint.ca.unwrap_or_default(),
        rest,
    ])
}

fn token_type(settings: TokenType) -> &'static str {
    match settings {
        TokenType::AccessToken => exchange::ACCESS_TOKEN,
        TokenType::Jwt => exchange::JWT,
    }
}

fn algorithm(settings: SigningAlgorithm) -> Algorithm {
    match settings {
        SigningAlgorithm::Es256 => Algorithm::ES256,
        SigningAlgorithm::EdDsa => Algorithm::EdDSA,
        SigningAlgorithm::Rs256 => Algorithm::RS256,
    }
}

/// How keys of our own are kept, where something is signed with them or they are published.
pub(super) fn schedule(config: &Config) -> Option<Schedule> {
    let signing = &config.signing;
    let mints = |backend: &Backend| backend.credentials.as_ref().is_some_and(|own| own.mint().is_some());
    let is_needed = signing.jwks.is_some() || config.backends.values().any(mints);
    is_needed.then(|| Schedule {
        algorithm: algorithm(signing.algorithm),
        rotate: signing.rotate.get(),
        max_age: signing.max_age(),
        is_shared: false,
    })
}

/// What makes tokens of our own for the field called `header`.
fn minted(settings: &MintJwt, header: &str, issuer: &str, resources: &Resources) -> Mint {
    let claims = settings.claims.iter().map(|(name, value)| {
        let made = match value {
            FieldValue::Text(text) => Made::Text(text.clone()),
            FieldValue::Of(fact, absent) => Made::Of(fact.clone(), *absent),
        };
        (name.as_str().into(), made)
    });
    let terms = Terms {
        issuer: issuer.to_owned(),
        audience: settings.audience.clone(),
        lifetime: settings.lifetime.get(),
        actor: settings.actor.clone(),
        claims: claims.collect(),
        prefix: prefix(header),
    };
    Mint::new(Arc::clone(&resources.signing), Arc::clone(&resources.minted), terms)
}

/// What stands in front of a token in the field called `header`.
fn prefix(header: &str) -> &'static str {
    if header.eq_ignore_ascii_case("authorization") { "Bearer " } else { "" }
}

/// Every field that needs no more than what is known.
fn says(settings: &Settings) -> Vec<Says> {
    let mut says = Vec::new();
    if let Some(basic) = &settings.basic {
        says.push(Says { name: "authorization".into(), what: What::Text(user_and_password(basic)) });
    }
    if let Some(key) = &settings.api_key {
        let text = match &key.prefix {
            Some(prefix) => Secret::new(format!("{prefix} {}", key.key.expose())),
            None => key.key.clone(),
        };
        says.push(Says { name: key.header.as_str().into(), what: What::Text(text) });
    }
    for (name, value) in &settings.fields {
        let what = match value {
            FieldValue::Text(text) => What::Text(text.clone()),
            FieldValue::Of(fact, absent) => What::Of(fact.clone(), *absent),
        };
        says.push(Says { name: name.as_str().into(), what });
    }
    says
}

/// `Basic` and what follows it (RFC 7617 §2).
fn user_and_password(basic: &BackendBasic) -> Secret {
    let pair = format!("{}:{}", basic.user, basic.password.expose());
    Secret::new(format!("Basic {}", encode_standard(pair.as_bytes())))
}
