//! What each backend is told of who calls: `backends.*.credentials` to policies, shared by the operations of a backend.

use std::sync::Arc;

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
    Backend, BackendBasic, BackendCredentials as Settings, Config, FieldValue, MintJwt, SecretIn,
    SigningAlgorithm,
};
use crate::fetch::Remote;
use crate::pipeline::{Expression, Handover, Needs, Operation, Policy};
use crate::policies::backend_credentials::account::{Account, AccountSpec, ClientProof};
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
            let account = self.account(name, backend, resources);
            let made = backend.credentials.as_ref().map(|settings| {
                let place = self.place(&path.to_string());
                let mut says = says(settings);
                if let Some(mint) = &settings.mint_jwt {
                    says.push(minted(mint, config.signing.issuer.as_str(), resources));
                }
                let account = account
                    .map(|account| Says { name: "authorization".into(), what: What::Account(account) });
                says.extend(account);
                Arc::new(BackendCredentials::new(says, settings.pass_through, place))
            });
            self.credentials.push(made);
        }
    }

    /// The gateway's own account for a backend: the one that is there, or a new one.
    fn account(&mut self, name: &str, backend: &Backend, resources: &mut Resources) -> Option<Arc<Account>> {
        let settings = backend.credentials.as_ref()?.client_credentials.as_ref()?;
        let at = format!("backends.{name}.credentials.client_credentials");
        let url = settings.url.to_string();
        let secret = settings.client_secret.as_ref().map_or("", Secret::expose);
        let key = settings.private_key.as_ref();
        let rest = format!(
            "{:?} {:?} {:?} {:?} {:?} {:?}",
            settings.secret_in,
            settings.scopes,
            settings.audience,
            settings.timeout,
            settings.wait,
            key.map(|key| (key.algorithm, &key.kid, &key.audience))
        );
        let pem = key.map_or("", |key| key.key.expose());
        let ca = settings.ca.as_deref().unwrap_or_default();
        let fingerprint = Account::fingerprint(&[&url, &settings.client_id, secret, pem, ca, &rest]);
        if let Some(running) = resources.accounts.iter().find(|account| account.is(&fingerprint)) {
            return Some(Arc::clone(running));
        }
        let proof = match (&settings.client_secret, key) {
            (_, Some(key)) => {
                let signing = SigningKey::from_pem(key.key.expose().as_bytes(), algorithm(key.algorithm));
                let signing = signing.and_then(|signing| signing.named(key.kid.as_deref()));
                let Ok(signing) = signing else {
                    self.wrong(&format!("{at}.private_key.key"), "is no private key for `algorithm`");
                    return None;
                };
                ClientProof::Assertion(Box::new(signing), key.audience.clone().unwrap_or_else(|| url.clone()))
            }
            (Some(secret), None) if settings.secret_in == SecretIn::Post => ClientProof::Post(secret.clone()),
            (Some(secret), None) => ClientProof::Basic(secret.clone()),
            (None, None) => return None,
        };
        let remote = match Remote::trusting(
            settings.url.clone(),
            self.names(),
            settings.ca.as_deref().map(Into::into),
        ) {
            Ok(remote) => remote,
            Err(error) => {
                self.wrong(&format!("{at}.url"), error.to_string());
                return None;
            }
        };
        let spec = AccountSpec {
            url: settings.url.clone(),
            client_id: settings.client_id.clone(),
            proof,
            scopes: settings.scopes.clone(),
            audience: settings.audience.clone(),
            timeout: settings.timeout.get(),
            wait: settings.wait.get(),
        };
        let account = Arc::new(Account::new(spec, fingerprint, remote));
        resources.accounts.push(Arc::clone(&account));
        Some(account)
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
        let (api, name) = ("(gateway)", "jwks");
        let operation = Arc::new(Operation {
            api: api.into(),
            name: name.into(),
            metrics: self.observe.operation(api, name, template.as_str()),
            template: template.as_str().into(),
            method: "GET".into(),
            authentication: Arc::new(Expression::anonymous()),
            needs: Needs::Head,
            chain: vec![Arc::new(policy)],
            // No backend has this number: what is not answered here goes nowhere.
            backend: usize::MAX,
            handover: None,
            resource_metadata: None,
            strip: 0,
            base_path: "".into(),
            bounds: Arc::clone(&self.bounds),
            terms: None,
            stream: None,
            auth_place: Arc::clone(&place),
            place,
        });
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
        &self,
        backend: usize,
        chain: &mut Vec<Arc<dyn Policy>>,
    ) -> Option<Arc<Handover>> {
        if !self.logins.is_empty() {
            chain.push(Arc::new(OwnCookies));
        }
        let credentials = self.credentials.get(backend)?.as_ref()?;
        chain.push(Arc::clone(credentials) as Arc<dyn Policy>);
        Some(Arc::clone(credentials.handover()))
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
    let mints = |backend: &Backend| backend.credentials.as_ref().is_some_and(|own| own.mint_jwt.is_some());
    let is_needed = signing.jwks.is_some() || config.backends.values().any(mints);
    is_needed.then(|| Schedule {
        algorithm: algorithm(signing.algorithm),
        rotate: signing.rotate.get(),
        max_age: signing.max_age(),
        is_shared: false,
    })
}

/// The field that carries a token of our own.
fn minted(settings: &MintJwt, issuer: &str, resources: &Resources) -> Says {
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
        prefix: if settings.header.eq_ignore_ascii_case("authorization") { "Bearer " } else { "" },
    };
    let mint = Mint::new(Arc::clone(&resources.signing), Arc::clone(&resources.minted), terms);
    Says { name: settings.header.as_str().into(), what: What::Minted(Box::new(mint)) }
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
