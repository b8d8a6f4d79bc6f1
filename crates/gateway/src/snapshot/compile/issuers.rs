//! Issuers: settings to specs, and specs to those that run already.

use std::sync::Arc;
use std::time::Duration;

use portcullis_identity::algorithm::{Algorithm, Algorithms};

use super::Compiler;
use crate::config::Issuer as Settings;
use crate::config::values;
use crate::config::{Certificate, Dpop, Introspection};
use crate::dns;
use crate::issuers::spec::{
    AnswerForm, AskersProof, IntrospectionSpec, IssuerSpec, KeysSpec, Place, Reach, SharedSecret, TokensSpec,
};
use crate::issuers::{Issuer, discovery};
use crate::resources::Resources;
use crate::secret::Secret;

/// How far two clocks may be apart.
const LEEWAY: Duration = Duration::from_secs(30);
/// Until keys are fetched again.
const REFRESH: Duration = Duration::from_secs(600);
/// After a fetch, until an unknown key may cause another.
const COOL_DOWN: Duration = Duration::from_secs(10);
/// How long the last good keys count.
const KEEP: Duration = Duration::from_secs(86_400);
/// How long one call may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How long an answer about an active token counts.
const CACHE: Duration = Duration::from_secs(30);
/// How long an answer about any other token counts.
const CACHE_INACTIVE: Duration = Duration::from_secs(5);

impl Compiler<'_> {
    /// Every issuer, in order of the configuration.
    pub(super) fn issuers(&mut self, resources: &mut Resources) -> Vec<Arc<Issuer>> {
        let config = self.config;
        let mut issuers = Vec::new();
        for (name, settings) in &config.issuers {
            let Some(spec) = self.issuer_spec(name, settings) else { continue };
            match resources.issuer(spec) {
                Ok(issuer) => issuers.push(issuer),
                Err(error) => {
                    let key = if settings.jwks.is_some() { ".jwks" } else { "" };
                    self.wrong(&format!("issuers.{name}{key}"), error.to_string());
                }
            }
        }
        issuers
    }

    fn issuer_spec(&mut self, name: &str, settings: &Settings) -> Option<IssuerSpec> {
        let reach = Reach {
            ca: settings.ca.as_deref().map(Into::into),
            cleartext: settings.cleartext,
            names: self.names(),
            timeout: time(settings.timeout, TIMEOUT),
        };
        let place = self.place_of_keys(name, settings)?;
        let issuer = settings.openid.as_ref().or(settings.issuer.as_ref());
        let keys = place.zip(issuer).map(|(place, issuer)| KeysSpec {
            name: name.into(),
            issuer: issuer.as_str().into(),
            place,
            reach: reach.clone(),
            refresh: time(settings.refresh, REFRESH),
            cool_down: time(settings.cool_down, COOL_DOWN),
            keep: time(settings.keep, KEEP),
        });
        let named = settings.algorithms.as_ref().map(|algorithms| {
            algorithms.iter().filter_map(|name| Algorithm::from_name(name)).collect::<Algorithms>()
        });
        let all = if settings.secret.is_some() { Algorithm::HS256.into() } else { Algorithms::ASYMMETRIC };
        let tokens = TokensSpec {
            audiences: settings.audiences.iter().map(|audience| audience.as_str().into()).collect(),
            algorithms: named.unwrap_or(all),
            typ: settings.typ.as_deref().map(Into::into),
            leeway: time(settings.leeway, LEEWAY),
            consumer_claim: settings.consumer_claim.as_deref().unwrap_or("sub").into(),
            tells_dpop: settings.dpop.is_some(),
            needs_dpop: settings.dpop == Some(Dpop::Required),
            needs_nonce: settings.dpop_nonce,
        };
        let split = settings.split_token.as_ref().map(|split| IntrospectionSpec {
            url: split.url.clone(),
            client_id: "".into(),
            proof: match (&split.client_certificate, &split.bearer) {
                (Some(certificate), _) => certified(certificate),
                (None, Some(bearer)) => AskersProof::Bearer(SharedSecret::new(bearer.clone())),
                (None, None) => AskersProof::Nothing,
            },
            reach: reach.clone(),
            form: AnswerForm::Rest,
            cache: time(split.cache, CACHE),
            cache_inactive: time(split.cache_inactive, CACHE_INACTIVE),
        });
        let introspection = settings.introspection.as_ref().map(|introspection| IntrospectionSpec {
            url: introspection.url.clone(),
            client_id: introspection.client_id.as_str().into(),
            proof: askers_proof(introspection),
            reach,
            form: match (introspection.signed, introspection.as_jwt) {
                (true, _) => AnswerForm::Signed,
                (false, true) => AnswerForm::Token,
                (false, false) => AnswerForm::Json,
            },
            cache: time(introspection.cache, CACHE),
            cache_inactive: time(introspection.cache_inactive, CACHE_INACTIVE),
        });
        Some(IssuerSpec { name: name.into(), keys, tokens, introspection: introspection.or(split) })
    }

    /// Where keys come from; `None` on the outside: nowhere that works.
    #[expect(clippy::option_option, reason = "an issuer that is asked has no keys, and that is fine")]
    fn place_of_keys(&mut self, name: &str, settings: &Settings) -> Option<Option<Place>> {
        if let Some(openid) = &settings.openid {
            return discovery::place(openid).map(Place::Discovery).map(Some);
        }
        if let Some(secret) = &settings.secret {
            return Some(Some(Place::Secret(SharedSecret::new(secret.clone()))));
        }
        if let Some(url) = settings.jwks_url() {
            return url.parse().ok().map(Place::Url).map(Some);
        }
        if settings.jwks_file().is_none() {
            return Some(None);
        }
        let Some(text) = self.loaded.key_set(name) else {
            self.wrong(&format!("issuers.{name}.jwks"), "the key set was not read");
            return None;
        };
        Some(Some(Place::Set(Arc::clone(text))))
    }

    /// How names of issuers are resolved.
    pub(super) fn names(&self) -> dns::Settings {
        self.config.dns.settings(&self.bounds)
    }
}

/// That there is one was found when the configuration was judged.
fn askers_proof(introspection: &Introspection) -> AskersProof {
    match (&introspection.client_certificate, &introspection.client_secret) {
        (Some(certificate), _) => certified(certificate),
        (None, secret) => {
            AskersProof::Secret(SharedSecret::new(secret.clone().unwrap_or_else(|| Secret::new(""))))
        }
    }
}

fn certified(Certificate { cert, key }: &Certificate) -> AskersProof {
    AskersProof::Certificate(cert.as_str().into(), SharedSecret::new(key.clone()))
}

fn time(written: Option<values::Duration>, default: Duration) -> Duration {
    written.map_or(default, values::Duration::get)
}
